//! The states of an entry, and the one transition table.

use serde::{Deserialize, Serialize};

/// The state of the retry of an entry's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The retry is charged and waits until it is due.
    Queued,
    /// An owner may act until its lease runs out.
    Acting,
    /// AWS accepted the retry.
    Retried,
    /// The retry was sent, and no answer was received.
    InDoubt,
    /// The failure is not retried, or no longer; the entry holds the reason.
    GivenUp,
    /// The failure was judged in observe mode, and is never retried.
    Observed,
    /// The subject succeeded.
    Recovered,
    /// A person terminated the subject.
    Terminated,
}

impl State {
    /// Every state.
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

    /// Returns whether an owner claimed the retry, and its result is not known yet.
    #[must_use]
    pub const fn is_claim(self) -> bool {
        matches!(self, Self::Acting | Self::InDoubt)
    }

    /// Returns the name that records use.
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

/// A step of an entry from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transition {
    /// A later failure of the subject was judged: retry at once, retry later, give up, or observe.
    Judge(InitialState),
    /// The retry is due, and an owner claims it.
    Claim,
    /// The sweep sends the retry to the queue, because its delay now fits or because the queue had lost it.
    Requeue,
    /// The owner's lease ran out, or its call got no answer: another owner takes over.
    TakeOver,
    /// AWS accepted the retry.
    Accept,
    /// The call got no answer.
    MarkInDoubt,
    /// AWS was busy or denied access: another attempt follows.
    BackOff,
    /// The failure is not retried.
    GiveUp,
    /// A person withdraws the retry: only while no owner acts on it.
    Cancel,
    /// The target shows that the retry happened.
    Confirm,
    /// The subject succeeded.
    Recover,
    /// A person terminated the subject.
    Terminate,
}

/// The initial state of an entry, or of a later failure of its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InitialState {
    /// Retry at once.
    Act,
    /// Retry later.
    Queue,
    /// Do not retry.
    GiveUp,
    /// Record the verdict in observe mode, and never retry.
    Observe,
}

impl InitialState {
    /// Every initial state.
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

/// Returns the state after a step, and none for a step that is not allowed. INVARIANT: the only transition table.
#[must_use]
pub const fn transition(state: State, step: Transition) -> Option<State> {
    use State::{Acting, GivenUp, InDoubt, Observed, Queued, Recovered, Retried, Terminated};
    Some(match (state, step) {
        // INVARIANT: a recovered entry stays recovered. A failure handled after that is an old one.
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

/// The error of a step that the transition table does not allow: a fault of the program, not of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ledger has no transition {step:?} from {}", .state.as_str())]
pub struct TransitionError {
    /// The state before the step.
    pub state: State,
    /// The refused step.
    pub step: Transition,
}
