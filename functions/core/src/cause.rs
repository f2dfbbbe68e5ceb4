//! Reads from an error and its cause how the work ended: exit status, signal, HTTP status.
//!
//! No service specifies the shape of a cause. It may be the JSON of a job (cut anywhere), a sentence, or a child
//! execution's cause, escaped again inside the child's description. The reader walks the first 32 KiB, in one pass for
//! each level.
//!
//! INVARIANT: a value that the platform does not state is absent. Nothing is guessed from a number.

mod batch;
mod child;
mod codebuild;
mod containers;
mod ecs;
mod extracted;
mod http;
mod json;
mod lambda;
mod name;
mod read;
mod reasons;
mod run;
#[cfg(test)]
mod tests;

use alloc::string::String;

pub use redrive_policy::SignalReason;
use redrive_policy::{ConditionKey, Source, Values};

use self::extracted::Extracted;
use crate::failure::{ExecutionStatus, FailedAction, Field};

/// The platform's account of how the work under a failure ended. A value that it does not state is absent. A value that
/// depends on an error or cause which is unknown or redacted is unknown or redacted too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    extracted: Extracted,
    by_cause: Option<Open>,
    by_either: Option<Open>,
    /// Whether a person stopped the job inside. It is never absent: if the platform names no person, it is false.
    pub by_person: Field<bool>,
}

/// The end of work whose error and cause are not known yet.
impl Default for Ended {
    fn default() -> Self {
        Self {
            extracted: Extracted::default(),
            by_cause: Some(Open::Unknown),
            by_either: Some(Open::Unknown),
            by_person: Field::Unknown,
        }
    }
}

impl Ended {
    /// Reads the end of an execution from its status, error and cause.
    #[must_use]
    pub fn execution(status: ExecutionStatus, error: Field<&str>, cause: Field<&str>) -> Self {
        // The machine's own time ran out. Error and cause add nothing.
        if status == ExecutionStatus::TimedOut {
            return Self::settled(Extracted::reason(SignalReason::Cancel));
        }
        if let Some(extracted) = error.known().and_then(|error| name::decides(error)) {
            return Self::settled(extracted);
        }
        let extracted = cause.known().map_or_else(Extracted::default, |cause| {
            read::cause(error.known().copied(), cause)
        });
        let by_cause = Open::of(&cause);
        Self {
            by_cause,
            by_either: Open::either(by_cause, Open::of(&error)),
            by_person: match by_cause {
                Some(open)
                    if error
                        .known()
                        .is_none_or(|error| name::may_be_stopped(error)) =>
                {
                    open.field()
                }
                _ => Field::Known(extracted.by_person),
            },
            extracted,
        }
    }

    /// Reads the end of a failed action from its provider, error code and summary.
    #[must_use]
    pub fn action(action: &FailedAction) -> Self {
        let (category, provider) = (action.category.as_text(), action.provider.as_text());
        // A reviewer's words describe no process.
        if category
            .known()
            .is_some_and(|category| category.eq_ignore_ascii_case("Approval"))
        {
            return Self::settled(Extracted::default());
        }
        let provider = provider.known().copied();
        let by_summary = Open::of(&action.summary.as_text());
        // Nearly every code is JobFailed, so nothing waits for a code that is unknown.
        let code = action.error_code.known().map(String::as_str);
        let extracted = match action.summary.known() {
            Some(summary) => read::summary(provider, summary),
            None => Extracted::default(),
        }
        .or(code.map(codebuild::code).unwrap_or_default());
        Self {
            by_cause: by_summary,
            by_either: by_summary,
            by_person: match by_summary {
                Some(open) if provider.is_none_or(codebuild::provides) => open.field(),
                _ => Field::Known(extracted.by_person),
            },
            extracted,
        }
    }

    /// Returns an end that needs no lookup.
    fn settled(extracted: Extracted) -> Self {
        Self {
            by_cause: None,
            by_either: None,
            by_person: Field::Known(extracted.by_person),
            extracted,
        }
    }

    /// Returns the values of the keys that are read from texts. The others are unknown. `text` is the cause or the
    /// summary that was read, or empty where there is none.
    #[must_use]
    pub fn values<'a>(&self, text: &'a str) -> Values<'a> {
        let mut values = Values::default();
        for key in ConditionKey::ALL {
            let open = match key.row().source {
                Source::Cause => self.by_cause,
                Source::ErrorOrCause => self.by_either,
                Source::Failure | Source::FailedState | Source::Derived => continue,
            };
            let found = self.extracted.get(key).and_then(|found| found.actual(text));
            let value = match (found, open) {
                (Some(value), _) => Field::Known(value),
                (None, Some(open)) => open.field(),
                (None, None) => Field::Absent,
            };
            values.set(key, value);
        }
        values
    }
}

/// Why a value that was not found may still exist.
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

    /// Combines the states of two sources of a value. The value is unknown as long as either can be looked up.
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
