//! The fault plan: the fault classes that one simulation enables, and the draws whether a fault occurs.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use redrive_core::controller::RunMode;

/// Declares the fault classes, each with its name, its probability per opportunity in thousandths, and its
/// description.
macro_rules! classes {
    ($($class:ident = $name:literal, $of_a_thousand:literal, $words:literal;)+) => {
        /// A class of faults, or of people's actions that compete with the functions.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FaultClass {
            $(#[doc = $words] $class,)+
        }

        impl FaultClass {
            /// Every fault class.
            pub const ALL: &[Self] = &[$(Self::$class,)+];

            /// Returns the name that `--faults` takes.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$class => $name,)+ }
            }

            /// Returns the description, as traces and summaries print it.
            pub const fn words(self) -> &'static str {
                match self { $(Self::$class => $words,)+ }
            }

            /// Returns the probability per opportunity, in thousandths.
            const fn of_a_thousand(self) -> u32 {
                match self { $(Self::$class => $of_a_thousand,)+ }
            }
        }
    };
}

classes! {
    EventLost = "event-lost", 200, "EventBridge loses an event.";
    EventDoubled = "event-doubled", 150, "EventBridge delivers an event twice.";
    EventLate = "event-late", 60, "An event arrives minutes to a day late.";
    EventReordered = "event-reordered", 200, "An event is overtaken by later ones.";
    EventMalformed = "event-malformed", 40, "An event is truncated, or is not an event.";
    Crash = "crash", 15, "A function dies at an await.";
    Stall = "stall", 8, "A call takes so long that the function times out.";
    LedgerThrottled = "ledger-throttled", 25, "DynamoDB throttles a call, and does nothing.";
    LedgerLost = "ledger-lost", 20, "DynamoDB executes a call, and its answer is lost.";
    LedgerRepeated = "ledger-repeated", 20, "The SDK repeats a write whose answer was lost.";
    LedgerDown = "ledger-down", 4, "DynamoDB is unreachable for minutes.";
    IndexBehind = "index-behind", 150, "The due index lacks the latest writes.";
    CacheStale = "cache-stale", 200, "The cache returns an old definition of a machine, or none.";
    CacheLost = "cache-lost", 100, "A cached definition is lost.";
    EntryExpired = "entry-expired", 6, "TTL removes an entry long before its time.";
    ReadFails = "read-fails", 30, "A read of the services is throttled, gets an unknown answer, or none.";
    ReadsLag = "reads-lag", 1000, "Reads of the services return an earlier state.";
    RetryNotReceived = "retry-not-received", 60, "The call that retries never arrives.";
    RetryUnanswered = "retry-unanswered", 80, "The call that retries takes effect, and its answer is lost.";
    RetryLate = "retry-late", 40, "The call that retries arrives after its caller gave up.";
    RetryBusy = "retry-busy", 120, "AWS is too busy to accept the retry.";
    RetryGarbled = "retry-garbled", 60, "The call that retries has no effect, and gets an unknown answer.";
    RetryDoneGarbled = "retry-done-garbled", 60, "The call that retries takes effect, and gets an unknown answer.";
    RetryStillRunning = "retry-still-running", 60, "AWS reports a failed execution as running.";
    RetryRefused = "retry-refused", 20, "AWS refuses the retry for good.";
    RetryDenied = "retry-denied", 60, "The role may not retry.";
    AlwaysBusy = "always-busy", 10, "AWS accepts no retry for more than a day.";
    AlwaysGarbled = "always-garbled", 30, "For hours every call that retries gets an unknown answer.";
    SendFails = "send-fails", 60, "SQS refuses a message, or accepts it and reports an error.";
    MessageLost = "message-lost", 100, "A message never arrives.";
    MessageDoubled = "message-doubled", 150, "A message arrives twice.";
    MessageLate = "message-late", 100, "A message arrives minutes to hours late.";
    TickLost = "tick-lost", 200, "The sweep does not run.";
    TickDoubled = "tick-doubled", 200, "Two sweeps run at once.";
    ClockSkew = "clock-skew", 700, "Functions' clocks are up to five minutes apart.";
    PersonRetries = "person-retries", 40, "A person redrives, or retries the stage.";
    PersonStops = "person-stops", 40, "A person aborts the execution, or stops the pipeline.";
    PersonCancels = "person-cancels", 15, "A person cancels a queued retry.";
    PersonReleases = "person-releases", 10, "A person releases a change, and a later execution enters the stage.";
    PersonEdits = "person-edits", 20, "A person edits the pipeline.";
    PersonDeletes = "person-deletes", 3, "A person deletes the pipeline.";
    PersonUpdates = "person-updates", 1000, "A person adds a Fail state to a state machine.";
    PolicyChanged = "policy-changed", 10, "Another policy is deployed, or the previous one again.";
    PolicyOld = "policy-old", 300, "A process still has the previous policy.";
    ModeChanged = "mode-changed", 40, "Another mode is deployed.";
    SlotsTaken = "slots-taken", 60, "A storm elsewhere reserves the slots of minutes.";
}

impl FaultClass {
    /// Returns the fault class with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|class| class.name() == name)
    }
}

/// The random source of one simulation, and its enabled fault classes.
#[derive(Debug)]
pub(super) struct FaultPlan {
    dice: Rng,
    on: Vec<FaultClass>,
    /// The number of occurrences of each class.
    pub(super) occurred: BTreeMap<FaultClass, u32>,
}

impl FaultPlan {
    /// Enables the classes in `asked`. Without a list, the seed draws half of all classes.
    pub(super) fn new(seed: u64, asked: Option<&[FaultClass]>) -> Self {
        // INVARIANT: neighbouring seeds draw differently.
        let mut dice = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5EED);
        // INVARIANT: a given list draws nothing, so that its simulation of a seed does not depend on the number of
        // classes.
        let on = asked.map_or_else(
            || {
                let mut on = FaultClass::ALL.to_vec();
                dice.shuffle(&mut on);
                on.truncate(FaultClass::ALL.len().div_ceil(2));
                on.sort_unstable();
                on
            },
            <[FaultClass]>::to_vec,
        );
        Self {
            dice,
            on,
            occurred: BTreeMap::new(),
        }
    }

    /// Disables every fault class.
    pub(super) fn clear(&mut self) {
        self.on.clear();
    }

    /// Returns whether a fault class is enabled.
    pub(super) fn has(&self, class: FaultClass) -> bool {
        self.on.contains(&class)
    }

    /// Draws whether a fault occurs now, and counts an occurrence.
    pub(super) fn occurs(&mut self, class: FaultClass) -> bool {
        let occurs = self.has(class) && self.dice.u32(0..1000) < class.of_a_thousand();
        if occurs {
            *self.occurred.entry(class).or_default() += 1;
        }
        occurs
    }

    /// Returns the mode that is deployed first. Where modes change, half of the simulations start in `observe`, the
    /// mode in which every installation starts. Many failures then stay observed for a long time.
    pub(super) fn first_mode(&mut self) -> RunMode {
        if self.has(FaultClass::ModeChanged) && self.coin() {
            RunMode::Observe
        } else {
            RunMode::Act
        }
    }

    /// Draws true or false, with equal probability.
    pub(super) fn coin(&mut self) -> bool {
        self.dice.bool()
    }

    /// Draws a number below `many`.
    pub(super) fn one_of(&mut self, many: usize) -> usize {
        self.dice.usize(0..many.max(1))
    }

    /// Draws an element of a list.
    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.one_of(from.len()))
    }

    /// Draws a span from a range of milliseconds, both ends included.
    pub(super) fn span(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(self.dice.u64(from_ms..=to_ms.max(from_ms)))
    }

    /// Returns another random source, seeded by this one.
    pub(super) fn fork(&mut self) -> Rng {
        self.dice.fork()
    }
}
