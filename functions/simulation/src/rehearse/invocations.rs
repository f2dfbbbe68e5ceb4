//! The handlings that are under way: how each begins, goes on, dies, and ends.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use redrive_core::cancel::cancel;
use redrive_core::event::AllowedSources;
use redrive_core::failure::Subject;
use redrive_core::discovery::{DiscoveryReport, Search};
use redrive_core::controller::{Clock, Record};
use redrive_core::ledger::{Cancelled, Writer, RetryMessage};
use redrive_core::sweep::Swept;
use redrive_core::time::Time;
use redrive_core::error::{Error, ErrorKind};
use redrive_core::verdict::Reason;

use super::cast::{self, START};
use super::hand::{Hand, Process};
use super::subjects::name;
use super::weather::Class;
use super::world::{Next, World};
use crate::kernel::{Running, poll};
use crate::services::Typed;

/// How long a message is hidden after it was received, as in template.yaml.
const VISIBILITY: Duration = Duration::from_secs(540);

/// What a handling came to.
pub(super) enum Ended {
    Handled(Result<Box<Record>, Error>),
    Swept(Result<Swept, Error>, Box<Result<DiscoveryReport, Error>>),
    /// A person cancelled, or could not.
    Person,
}

/// What a handling was called for: it comes again if the handling fails.
pub(super) enum Work {
    Event {
        bytes: Rc<[u8]>,
        emitted: Time,
        tries: u32,
    },
    Message {
        retry_message: RetryMessage,
        tries: u32,
        received: Time,
    },
    Sweep,
    Person,
}

/// What of a tick is done.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Whole,
    Sweep,
    Search,
}

/// A handling in the middle of its work.
pub(super) struct Task<'w> {
    future: Running<'w, Ended>,
    name: String,
    work: Work,
    /// When Lambda ends it.
    deadline: Time,
}

/// The part of a tick that looks for what was never announced.
async fn search(hand: &Hand<'_>, until: Time) -> Result<DiscoveryReport, Error> {
    let search = Search {
        since: Some(START),
        ..Search::default()
    };
    hand.controller().discover(&Typed(hand), &search, until).await
}

/// All handlings of a rehearsal, and what they have come to.
pub(super) struct Invocations<'w> {
    world: &'w World,
    pub(super) tasks: BTreeMap<u64, Task<'w>>,
    /// Processes that are warm.
    processes: Vec<Rc<Process>>,
    counter: u64,
    pub(super) reasons: BTreeSet<Reason>,
    /// Whether a tick found anything since the last one.
    pub(super) stirred: bool,
}

impl<'w> Invocations<'w> {
    pub(super) const fn new(world: &'w World) -> Self {
        Self {
            world,
            tasks: BTreeMap::new(),
            processes: Vec::new(),
            counter: 0,
            reasons: BTreeSet::new(),
            stirred: false,
        }
    }

    /// A process: one that is warm, or a new one.
    fn process(&mut self) -> Rc<Process> {
        let world = self.world;
        let warm = world.weather.borrow_mut().one_of(4);
        if let Some(process) = self.processes.get(warm) {
            return Rc::clone(process);
        }
        let skews = world.comes(Class::ClockSkew);
        let skew_ms = if skews {
            i64::try_from(world.span(0, 300_000).as_millis()).unwrap_or_default() - 150_000
        } else {
            0
        };
        let process = Rc::new(Process {
            local_cache: redrive_core::reads::LocalCache::default(),
            rate_limiter: redrive_core::rate_limiter::RateLimiter::default(),
            skew_ms,
        });
        self.processes.push(Rc::clone(&process));
        process
    }

    fn hand(&mut self, what: &str, received_at: Option<Time>) -> Hand<'w> {
        self.counter += 1;
        let owner = format!("{what}-{}", self.counter);
        Hand::new(self.world, owner, self.process(), received_at)
    }

    pub(super) fn handle_event(&mut self, bytes: Rc<[u8]>, emitted: Time, tries: u32) {
        let hand = self.hand("event", Some(emitted));
        let name = hand.owner.0.clone();
        let event = Rc::clone(&bytes);
        let future = Box::pin(async move {
            let sources = AllowedSources {
                accounts: vec![cast::ACCOUNT.into()],
                regions: vec![cast::REGION.into()],
            };
            Ended::Handled(hand.controller().event(&event, &sources).await.map(Box::new))
        });
        let work = Work::Event {
            bytes,
            emitted,
            tries,
        };
        self.start(future, name, work, Duration::from_secs(60));
    }

    pub(super) fn claim_due(&mut self, retry_message: RetryMessage, tries: u32) {
        let hand = self.hand("message", None);
        let name = hand.owner.0.clone();
        let due = retry_message.clone();
        let future =
            Box::pin(async move { Ended::Handled(hand.controller().due(&due).await.map(Box::new)) });
        let received = self.world.now();
        let work = Work::Message {
            retry_message,
            tries,
            received,
        };
        self.start(future, name, work, Duration::from_secs(90));
    }

    /// A tick of the sweep, or one half of it by itself.
    pub(super) fn sweep(&mut self, part: Part) {
        let hand = self.hand("sweep", None);
        let name = hand.owner.0.clone();
        let future = Box::pin(async move {
            let until = hand.now().plus(Duration::from_secs(45));
            let swept = match part {
                Part::Search => Ok(Swept::default()),
                Part::Whole | Part::Sweep => hand.controller().sweep(100, until).await,
            };
            let found = match part {
                Part::Sweep => Ok(DiscoveryReport::default()),
                Part::Whole | Part::Search => search(&hand, until).await,
            };
            Ended::Swept(swept, Box::new(found))
        });
        self.start(future, name, Work::Sweep, Duration::from_secs(90));
    }

    pub(super) fn cancels(&mut self, subject: Subject) {
        let hand = self.hand("person", None);
        let name = hand.owner.0.clone();
        let future = Box::pin(async move {
            let cancelled = Cancelled {
                by: "a person".into(),
                note: "not tonight".into(),
            };
            let writer = Writer {
                owner: &hand.owner,
                now: hand.now(),
                timing: &hand.world.timing,
            };
            // Whether it could be cancelled the ledger shows.
            let _ = cancel(&hand, &subject, &cancelled, writer).await;
            Ended::Person
        });
        self.start(future, name, Work::Person, Duration::from_secs(60));
    }

    fn start(&mut self, future: Running<'w, Ended>, name: String, work: Work, most: Duration) {
        self.world.tell(|| format!("    {name} begins"));
        let task = Task {
            future,
            name,
            work,
            deadline: self.world.now().plus(most),
        };
        self.poll(self.counter, task);
    }

    /// A handling goes on, unless it dies here.
    pub(super) fn next_check_at(&mut self, id: u64) {
        let world = self.world;
        let Some(task) = self.tasks.remove(&id) else {
            return;
        };
        if world.now() >= task.deadline || world.comes(Class::Crash) {
            self.die(task);
        } else {
            self.poll(id, task);
        }
    }

    /// A handling dies.
    pub(super) fn die(&mut self, task: Task<'w>) {
        self.world.tell(|| format!("    {} dies", task.name));
        // What its process knew dies with it.
        self.processes.pop();
        self.again(task.work);
    }

    pub(super) fn poll(&mut self, id: u64, mut task: Task<'w>) {
        let world = self.world;
        match poll(&mut task.future) {
            Poll::Pending => {
                let at = world.now().plus(world.asked());
                // Lambda ends it at its time, wherever it is.
                world.plan(at.min(task.deadline), Next::Wake(id));
                self.tasks.insert(id, task);
            }
            Poll::Ready(ended) => self.ended(ended, task),
        }
    }

    fn ended(&mut self, ended: Ended, task: Task<'w>) {
        let world = self.world;
        let error = match ended {
            Ended::Handled(Ok(record)) => {
                world.tell(|| format!("    {}: {:?}, {}", task.name, record.outcome, record.reason));
                self.learn(&record);
                return;
            }
            Ended::Swept(swept, found) => {
                match swept {
                    Ok(swept) => self.swept(&task.name, &swept),
                    Err(error) => self.error(&task.name, &error),
                }
                match *found {
                    Ok(found) => self.found(&task.name, &found),
                    Err(error) => self.error(&task.name, &error),
                }
                return;
            }
            Ended::Person => return,
            Ended::Handled(Err(error)) => error,
        };
        self.error(&task.name, &error);
        self.again(task.work);
    }

    fn error(&self, name: &str, error: &Error) {
        self.world.tell(|| format!("    {name}: {error}"));
        self.no_bug(error);
    }

    fn swept(&mut self, name: &str, swept: &Swept) {
        self.world.tell(|| {
            format!(
                "    {name}: {} requeued, {} taken over, {} conflicts, {} errors",
                swept.requeued,
                swept.records.len(),
                swept.conflicts,
                swept.errors.len()
            )
        });
        for record in &swept.records {
            self.learn(record);
        }
        for (_, error) in &swept.errors {
            self.no_bug(error);
        }
    }

    fn found(&mut self, name: &str, found: &DiscoveryReport) {
        self.world.tell(|| {
            format!(
                "    {name}: {} seen, {} known, {} found, {} errors, {} unread",
                found.seen,
                found.known,
                found.records.len(),
                found.errors.len(),
                found.unread.len()
            )
        });
        // What was left for the next tick is something to tick for.
        self.stirred |= found.more
            || !found.records.is_empty()
            || !found.errors.is_empty()
            || !found.unread.is_empty();
        for record in &found.records {
            self.learn(record);
        }
        let errors = found.errors.iter().map(|(_, error)| error);
        for error in errors.chain(found.unread.iter().map(|(_, error)| error)) {
            self.no_bug(error);
        }
    }

    fn learn(&mut self, record: &Record) {
        self.reasons.insert(record.reason);
        self.world.tell(|| {
            let subject = record.subject.as_ref().map(name).unwrap_or_default();
            format!("        {subject}: {:?}, {}", record.outcome, record.reason)
        });
        self.reasons
            .extend(record.verdict.as_ref().map(|verdict| verdict.reason));
    }

    fn no_bug(&self, error: &Error) {
        self.world.promises.borrow_mut().demand(
            error.kind != ErrorKind::Internal,
            "the program has no bug",
            || error.to_string(),
        );
    }

    /// What failed comes again, as often as Lambda and SQS let it.
    fn again(&mut self, work: Work) {
        let world = self.world;
        match work {
            Work::Event {
                bytes,
                emitted,
                tries,
            } if tries < 3 => {
                let wait = Duration::from_secs(60 * u64::from(tries));
                let tries = tries + 1;
                world.plan(
                    world.now().plus(wait),
                    Next::Event {
                        bytes,
                        emitted,
                        tries,
                    },
                );
            }
            Work::Event { .. } => {
                world.tell(|| "an event comes to the dead-letter queue".into());
            }
            Work::Message {
                retry_message,
                tries,
                received,
            } if tries < 5 => {
                let tries = tries + 1;
                world.plan(received.plus(VISIBILITY), Next::Message { retry_message, tries });
            }
            Work::Message { .. } => {
                world.tell(|| "a message comes to the dead-letter queue".into());
            }
            Work::Sweep | Work::Person => {}
        }
    }
}
