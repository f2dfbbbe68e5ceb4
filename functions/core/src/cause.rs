//! What the platform under a failure says of how the work ended: exit status, signal, HTTP status.
//!
//! Nobody promises the shape of a cause. It is the JSON of a job, cut anywhere, or a sentence, or a child's
//! cause inside the child's description, escaped again. All of it is read in one pass for each level, of the
//! first 32 KiB, and what the platform does not say stays absent: nothing is guessed from a number.

mod batch;
mod child;
mod codebuild;
mod ecs;
mod http;
mod json;
mod lambda;
mod name;
mod read;
mod reasons;
mod run;
#[cfg(test)]
mod tests;
mod told;

use alloc::string::String;

pub use redrive_policy::SignalReason;

use self::told::Told;
use crate::failure::{ExecutionStatus, FailedAction, Field};

/// How the work under a failure ended, as far as its platform says. What it does not say is absent; what
/// hangs on an error or cause that nobody has looked up, or that is redacted, is that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ended {
    /// The exit status of the process; -1 where the worker was lost.
    pub exit_status: Field<i16>,
    /// The signal that ended it, where the platform names one: `SIGKILL`.
    pub signal: Field<&'static str>,
    /// Why it was ended from outside, in Buildkite's words.
    pub signal_reason: Field<SignalReason>,
    /// The HTTP status that a called service answered with.
    pub http_status: Field<u16>,
    /// Whether a person stopped the job inside. Never absent: what names no person was stopped by none.
    pub by_person: Field<bool>,
}

impl Ended {
    /// Of an execution, by its status, error and cause.
    #[must_use]
    pub fn execution(status: ExecutionStatus, error: Field<&str>, cause: Field<&str>) -> Self {
        // The machine's own time ran out, whatever else is known.
        if status == ExecutionStatus::TimedOut {
            return Self::settled(Told::reason(SignalReason::Cancel));
        }
        if let Some(told) = error.known().and_then(|error| name::decides(error)) {
            return Self::settled(told);
        }
        let told = cause.known().map_or_else(Told::default, |cause| {
            read::cause(error.known().copied(), cause)
        });
        let by_cause = Open::of(&cause);
        let by_either = Open::either(by_cause, Open::of(&error));
        Self {
            exit_status: found(told.exit_status, by_either),
            signal: found(told.signal, by_cause),
            signal_reason: found(told.signal_reason, by_either),
            http_status: found(told.http_status, by_either),
            by_person: match by_cause {
                Some(open)
                    if error
                        .known()
                        .is_none_or(|error| name::may_be_stopped(error)) =>
                {
                    open.field()
                }
                _ => Field::Known(told.by_person),
            },
        }
    }

    /// Of a failed action, by its provider, error code and summary.
    #[must_use]
    pub fn action(action: &FailedAction) -> Self {
        let (category, provider) = (action.category.as_text(), action.provider.as_text());
        // What a reviewer writes tells of no process, whatever it looks like.
        if category
            .known()
            .is_some_and(|category| category.eq_ignore_ascii_case("Approval"))
        {
            return Self::settled(Told::default());
        }
        let provider = provider.known().copied();
        let by_summary = Open::of(&action.summary.as_text());
        // The code hardly classifies (nearly all is JobFailed), so nothing hangs on one that is not known.
        let code = action.error_code.known().map(String::as_str);
        let told = match action.summary.known() {
            Some(summary) => read::summary(provider, summary),
            None => Told::default(),
        }
        .or(code.map(codebuild::code).unwrap_or_default());
        Self {
            exit_status: found(told.exit_status, by_summary),
            signal: found(told.signal, by_summary),
            signal_reason: found(told.signal_reason, by_summary),
            http_status: found(told.http_status, by_summary),
            by_person: match by_summary {
                Some(open) if provider.is_none_or(codebuild::provides) => open.field(),
                _ => Field::Known(told.by_person),
            },
        }
    }

    /// Where nothing is left to look up.
    fn settled(told: Told) -> Self {
        Self {
            exit_status: Field::from_option(told.exit_status),
            signal: Field::from_option(told.signal),
            signal_reason: Field::from_option(told.signal_reason),
            http_status: Field::from_option(told.http_status),
            by_person: Field::Known(told.by_person),
        }
    }
}

/// Why a value that was not found may still be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Unknown,
    Redacted,
}

impl Open {
    const fn of(field: &Field<&str>) -> Option<Self> {
        match field {
            Field::Unknown => Some(Self::Unknown),
            Field::Redacted => Some(Self::Redacted),
            Field::Absent | Field::Known(_) => None,
        }
    }

    /// Where a value hangs on two: as long as one of them can be looked up, it can.
    const fn either(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(Self::Unknown), _) | (_, Some(Self::Unknown)) => Some(Self::Unknown),
            (Some(Self::Redacted), _) | (_, Some(Self::Redacted)) => Some(Self::Redacted),
            (None, None) => None,
        }
    }

    const fn field<T>(self) -> Field<T> {
        match self {
            Self::Unknown => Field::Unknown,
            Self::Redacted => Field::Redacted,
        }
    }
}

fn found<T>(value: Option<T>, open: Option<Open>) -> Field<T> {
    match (value, open) {
        (Some(value), _) => Field::Known(value),
        (None, Some(open)) => open.field(),
        (None, None) => Field::Absent,
    }
}
