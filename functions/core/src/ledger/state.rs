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
    Unknown,
    /// It is not retried (any more), with a reason.
    GivenUp,
    /// It was judged in observe mode, and is never retried.
    Observed,
    /// It succeeded after all.
    Recovered,
    /// A person ended it.
    Ended,
}

impl State {
    /// Every state there is.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Acting,
        Self::Retried,
        Self::Unknown,
        Self::GivenUp,
        Self::Observed,
        Self::Recovered,
        Self::Ended,
    ];

    /// Whether somebody claimed the retry, and it is not known what came of it.
    #[must_use]
    pub const fn is_claim(self) -> bool {
        matches!(self, Self::Acting | Self::Unknown)
    }

    /// As records write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Acting => "acting",
            Self::Retried => "retried",
            Self::Unknown => "unknown",
            Self::GivenUp => "given_up",
            Self::Observed => "observed",
            Self::Recovered => "recovered",
            Self::Ended => "ended",
        }
    }
}

/// What moves an entry from state to state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A later failure of the subject was judged: retry at once, retry later, give up, or observe.
    Judge(Opening),
    /// The retry is due, and an owner takes it.
    Take,
    /// The retry is late, and the sweep queues it again.
    Requeue,
    /// The owner's lease ran out, or its answer never came: another owner takes over.
    TakeOver,
    /// AWS took the retry.
    Accept,
    /// The answer never came.
    Lose,
    /// AWS was busy, or did not let us: again later.
    PutOff,
    /// It will not be retried.
    GiveUp,
    /// A person will not have it retried: only while nobody acts on it.
    Cancel,
    /// The target shows that the retry happened.
    Confirm,
    /// The subject succeeded.
    Recover,
    /// A person ended the subject.
    End,
}

/// How an entry begins, or begins anew with a later failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Opening {
    /// Retry at once.
    Act,
    /// Retry later.
    Queue,
    /// Do not retry.
    GiveUp,
    /// Observe mode.
    Observe,
}

impl Opening {
    /// Every opening there is.
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
pub const fn next(state: State, step: Step) -> Option<State> {
    use State::{Acting, Ended, GivenUp, Observed, Queued, Recovered, Retried, Unknown};
    Some(match (state, step) {
        // What succeeded stays so: a failure handled after that is an old one.
        (
            Queued | Acting | Retried | Unknown | GivenUp | Observed | Ended,
            Step::Judge(opening),
        ) => opening.state(),
        (Queued, Step::Take) | (Acting | Unknown, Step::TakeOver) => Acting,
        (Queued, Step::Requeue) | (Acting, Step::PutOff) => Queued,
        (Acting, Step::Accept | Step::Confirm) => Retried,
        (Acting, Step::Lose) => Unknown,
        (Queued | Acting, Step::GiveUp) | (Queued, Step::Cancel) => GivenUp,
        (Queued | Acting | Retried | Unknown | GivenUp | Observed | Ended, Step::Recover) => {
            Recovered
        }
        (Queued | Acting | Retried | Unknown | GivenUp | Observed, Step::End) => Ended,
        _ => return None,
    })
}

/// A step that the transition table does not allow: an error of the program, not of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Illegal {
    /// The state.
    pub state: State,
    /// The step.
    pub step: Step,
}

impl fmt::Display for Illegal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the ledger has no step {:?} from {}",
            self.step,
            self.state.as_str()
        )
    }
}

impl core::error::Error for Illegal {}
