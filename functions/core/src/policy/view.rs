//! What conditions see of a failure.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::mode;
use super::word::Word;
use crate::cause::{Ended, SignalReason};
use crate::failure::{FailedAction, FailedExecution, Failure, Field, Service, What};

/// A value that a condition saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saw<'a> {
    /// A name, a message, a word.
    Text(&'a str),
    /// An exit status or an HTTP status.
    Number(i32),
}

impl fmt::Display for Saw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// An execution, or one failed action of a stage, as conditions see it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    of: Of<'a>,
    ended: Told<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Of<'a> {
    Execution(&'a FailedExecution),
    /// Without an action while it is not known which one failed.
    Action(&'a str, Option<&'a FailedAction>),
}

/// How the work ended: what the platform says of it, or what a test gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told<'a> {
    pub(super) exit_status: Field<i16>,
    pub(super) signal: Field<&'a str>,
    pub(super) signal_reason: Field<SignalReason>,
    pub(super) http_status: Field<u16>,
    pub(super) by_person: Field<bool>,
}

impl From<Ended> for Told<'_> {
    fn from(ended: Ended) -> Self {
        Self {
            exit_status: ended.exit_status,
            signal: ended.signal,
            signal_reason: ended.signal_reason,
            http_status: ended.http_status,
            by_person: ended.by_person,
        }
    }
}

impl<'a> View<'a> {
    /// Everything of a failure that rules look at: one view for an execution, one for each failed action of
    /// a stage, and one without an action while nobody has looked.
    #[must_use]
    pub fn of(failure: &'a Failure) -> Vec<Self> {
        match &failure.what {
            What::Execution(execution) => [View::execution(execution)].into(),
            What::Stage(failed) => {
                let stage = failure.subject.arn().rsplit('/').next().unwrap_or_default();
                let see = |action| View::action(stage, action);
                match &failed.standing {
                    Field::Known(standing) => standing.failed.iter().map(Some).map(see).collect(),
                    _ => [see(failed.announced.as_ref())].into(),
                }
            }
        }
    }

    /// A failed execution.
    #[must_use]
    pub fn execution(execution: &'a FailedExecution) -> Self {
        let (error, cause) = (execution.error.as_text(), execution.cause.as_text());
        Self {
            of: Of::Execution(execution),
            ended: Ended::execution(execution.status, error, cause).into(),
        }
    }

    /// A failed action of a stage; none while it is not known which action failed.
    #[must_use]
    pub fn action(stage: &'a str, action: Option<&'a FailedAction>) -> Self {
        Self {
            of: Of::Action(stage, action),
            ended: action.map_or_else(Ended::default, Ended::action).into(),
        }
    }

    /// The same, with other words for how the work ended.
    pub(super) fn retold(mut self, change: impl FnOnce(&mut Told<'a>)) -> Self {
        change(&mut self.ended);
        self
    }

    /// The service of the failure.
    #[must_use]
    pub const fn service(&self) -> Service {
        match self.of {
            Of::Execution(_) => Service::StepFunctions,
            Of::Action(..) => Service::CodePipeline,
        }
    }

    /// Whether a person stopped the job inside.
    #[must_use]
    pub const fn by_person(&self) -> Field<bool> {
        self.ended.by_person
    }

    /// The value behind a word; none where only the other service has it.
    #[must_use]
    pub fn get(&self, word: Word) -> Option<Field<Saw<'a>>> {
        if word.service().is_some_and(|own| own != self.service()) {
            return None;
        }
        let text = |field: Field<&'a str>| field.map(Saw::Text);
        let ended = &self.ended;
        Some(match word {
            Word::ExitStatus => ended
                .exit_status
                .map(|status| Saw::Number(i32::from(status))),
            Word::Signal => text(ended.signal),
            Word::SignalReason => ended.signal_reason.map(|reason| Saw::Text(reason.as_str())),
            Word::HttpStatus => ended
                .http_status
                .map(|status| Saw::Number(i32::from(status))),
            Word::Mode => match self.error() {
                Field::Known(error) => Field::Known(Saw::Text(mode::last_component(error))),
                error => error.map(Saw::Text),
            },
            word => text(self.text(word)),
        })
    }

    /// All that a mode looks at, for people: the error's last component, the error codes that the message
    /// carries, and the HTTP status.
    #[must_use]
    pub fn of_mode(&self) -> Vec<(&'static str, Field<Saw<'a>>)> {
        let named = |field: Field<Saw<'a>>| ("error", field);
        let codes = match self.message() {
            Field::Known(text) => mode::error_codes(text).collect(),
            _ => Vec::new(),
        };
        self.get(Word::Mode)
            .map(named)
            .into_iter()
            .chain(
                codes
                    .into_iter()
                    .map(|code| ("Error Code", Field::Known(Saw::Text(code)))),
            )
            .chain(
                self.get(Word::HttpStatus)
                    .map(|status| ("http_status", status)),
            )
            .collect()
    }

    /// The name that the error has, whichever service says it.
    pub(super) fn error(&self) -> Field<&'a str> {
        match self.of {
            Of::Execution(execution) => execution.error.as_text(),
            Of::Action(_, action) => {
                action.map_or(Field::Unknown, |action| action.error_code.as_text())
            }
        }
    }

    /// The words about it, whichever service says them.
    pub(super) fn message(&self) -> Field<&'a str> {
        match self.of {
            Of::Execution(execution) => execution.cause.as_text(),
            Of::Action(_, action) => {
                action.map_or(Field::Unknown, |action| action.summary.as_text())
            }
        }
    }

    pub(super) const fn http_status(&self) -> Field<u16> {
        self.ended.http_status
    }

    fn text(&self, word: Word) -> Field<&'a str> {
        match (self.of, word) {
            (Of::Execution(execution), word) => match word {
                Word::Status => Field::Known(execution.status.as_str()),
                Word::Error => execution.error.as_text(),
                Word::Cause => execution.cause.as_text(),
                Word::State => execution.state.as_text(),
                Word::Resource => execution.resource.as_text(),
                _ => Field::Absent,
            },
            (Of::Action(stage, _), Word::Stage) => Field::Known(stage),
            (Of::Action(_, None), _) => Field::Unknown,
            (Of::Action(_, Some(action)), word) => {
                let of = |field: &'a Field<String>| field.as_text();
                match word {
                    Word::Action => Field::Known(action.action.as_str()),
                    Word::Category => of(&action.category),
                    Word::Provider => of(&action.provider),
                    Word::ErrorCode => of(&action.error_code),
                    Word::Summary => of(&action.summary),
                    _ => Field::Absent,
                }
            }
        }
    }
}
