//! The states of an entry, and the one table by which they change.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Where the retry of an entry's failure stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Claimed and charged; it waits until it is due.
    Queued,
    /// An owner may act until its lease runs out.
    Acting,
    /// AWS took the retry.
    Retried,
    /// The retry was sent and its answer never came.
    InDoubt,
    /// It is not retried (any more), with a reason.
    GivenUp,
    /// It was judged in observe mode, and is never retried.
    Observed,
    /// It succeeded after all.
    Recovered,
    /// A person ended it.
    Terminated,
}

impl State {
    /// Every state there is.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Acting,
        Self::Retried,
        Self::InDoubt,
        Self::GivenUp,
        Self::Observed,
        Self::Recovered,
        Self::Terminated,
    ];

    /// Whether somebody claimed the retry, and it is not known what came of it.
    #[must_use]
    pub const fn is_claim(self) -> bool {
        matches!(self, Self::Acting | Self::InDoubt)
    }

    /// As records write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Acting => "acting",
            Self::Retried => "retried",
            Self::InDoubt => "in_doubt",
            Self::GivenUp => "given_up",
            Self::Observed => "observed",
            Self::Recovered => "recovered",
            Self::Terminated => "terminated",
        }
    }
}

/// What moves an entry from state to state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transition {
    /// A later failure of the subject was judged: retry at once, retry later, give up, or observe.
    Judge(InitialState),
    /// The retry is due, and an owner takes it.
    Claim,
    /// The retry is late, and the sweep queues it again.
    Requeue,
    /// The owner's lease ran out, or its answer never came: another owner takes over.
    TakeOver,
    /// AWS took the retry.
    Accept,
    /// The answer never came.
    MarkInDoubt,
    /// AWS was busy, or did not let us: again later.
    BackOff,
    /// It will not be retried.
    GiveUp,
    /// A person will not have it retried: only while nobody acts on it.
    Cancel,
    /// The target shows that the retry happened.
    Confirm,
    /// The subject succeeded.
    Recover,
    /// A person ended the subject.
    Terminate,
}

/// The state in which an entry, or a later failure of its subject, begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InitialState {
    /// Retry at once.
    Act,
    /// Retry later.
    Queue,
    /// Do not retry.
    GiveUp,
    /// Observe mode.
    Observe,
}

impl InitialState {
    /// Every initial state there is.
    pub const ALL: [Self; 4] = [Self::Act, Self::Queue, Self::GiveUp, Self::Observe];

    pub(super) const fn state(self) -> State {
        match self {
            Self::Act => State::Acting,
            Self::Queue => State::Queued,
            Self::GiveUp => State::GivenUp,
            Self::Observe => State::Observed,
        }
    }
}

/// The transition table: the only one. None: the step is not allowed.
#[must_use]
pub const fn transition(state: State, step: Transition) -> Option<State> {
    use State::{Acting, GivenUp, InDoubt, Observed, Queued, Recovered, Retried, Terminated};
    Some(match (state, step) {
        // What succeeded stays so: a failure handled after that is an old one.
        (
            Queued | Acting | Retried | InDoubt | GivenUp | Observed | Terminated,
            Transition::Judge(initial),
        ) => initial.state(),
        (Queued, Transition::Claim) | (Acting | InDoubt, Transition::TakeOver) => Acting,
        (Queued, Transition::Requeue) | (Acting, Transition::BackOff) => Queued,
        (Acting, Transition::Accept | Transition::Confirm) => Retried,
        (Acting, Transition::MarkInDoubt) => InDoubt,
        (Queued | Acting, Transition::GiveUp) | (Queued, Transition::Cancel) => GivenUp,
        (
            Queued | Acting | Retried | InDoubt | GivenUp | Observed | Terminated,
            Transition::Recover,
        ) => Recovered,
        (Queued | Acting | Retried | InDoubt | GivenUp | Observed, Transition::Terminate) => {
            Terminated
        }
        _ => return None,
    })
}

/// A transition that the table does not allow: a fault of the program, not of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransitionError {
    /// The state.
    pub state: State,
    /// The step.
    pub step: Transition,
}

impl fmt::Display for TransitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the ledger has no transition {:?} from {}",
            self.step,
            self.state.as_str()
        )
    }
}

impl core::error::Error for TransitionError {}
