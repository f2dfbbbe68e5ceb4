//! A failure as conditions see it.

use alloc::vec::Vec;
use core::fmt;

use crate::condition_key::ConditionKey;
use crate::error_name::{error_codes, last_component};
use crate::field::Field;
use crate::service::Service;
use crate::signal_reason::SignalReason;

/// The actual value that a condition is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActualValue<'a> {
    /// A name, a message or a word.
    Text(&'a str),
    /// An exit status or an HTTP status.
    Number(i32),
}

impl fmt::Display for ActualValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// An execution, or one failed action of a stage, as conditions see it. The caller fills in the view. Nothing in this
/// module parses a cause or a message, except for error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureView<'a> {
    /// The service of the failure.
    pub service: Service,
    /// FAILED or TIMED_OUT.
    pub status: Field<&'a str>,
    /// The error's name.
    pub error: Field<&'a str>,
    /// The error's cause.
    pub cause: Field<&'a str>,
    /// The state that failed.
    pub state: Field<&'a str>,
    /// The resource that the failed state called.
    pub resource: Field<&'a str>,
    /// The stage's name.
    pub stage: Field<&'a str>,
    /// The failed action's name.
    pub action: Field<&'a str>,
    /// The category of the failed action.
    pub category: Field<&'a str>,
    /// The provider of the failed action.
    pub provider: Field<&'a str>,
    /// The error code of the failed action.
    pub error_code: Field<&'a str>,
    /// The message of the failed action.
    pub summary: Field<&'a str>,
    /// The exit status of the process, -1 where the worker was lost.
    pub exit_status: Field<i16>,
    /// The signal that ended the process.
    pub signal: Field<&'a str>,
    /// The reason for which the process was ended from outside.
    pub signal_reason: Field<SignalReason>,
    /// The HTTP status that a called service answered with.
    pub http_status: Field<u16>,
    /// Whether a person stopped the job inside. No condition reads this field: such a job is never retried.
    pub by_person: Field<bool>,
}

impl<'a> FailureView<'a> {
    /// Returns a view with every field unknown.
    #[must_use]
    pub const fn unknown(service: Service) -> Self {
        Self {
            service,
            status: Field::Unknown,
            error: Field::Unknown,
            cause: Field::Unknown,
            state: Field::Unknown,
            resource: Field::Unknown,
            stage: Field::Unknown,
            action: Field::Unknown,
            category: Field::Unknown,
            provider: Field::Unknown,
            error_code: Field::Unknown,
            summary: Field::Unknown,
            exit_status: Field::Unknown,
            signal: Field::Unknown,
            signal_reason: Field::Unknown,
            http_status: Field::Unknown,
            by_person: Field::Unknown,
        }
    }

    /// Returns the value of a key, or `None` where only the other service has the key.
    #[must_use]
    pub fn get(&self, key: ConditionKey) -> Option<Field<ActualValue<'a>>> {
        if key.service().is_some_and(|own| own != self.service) {
            return None;
        }
        let text = |field: Field<&'a str>| field.map(ActualValue::Text);
        let number = |number| ActualValue::Number(i32::from(number));
        Some(match key {
            ConditionKey::ExitStatus => self.exit_status.map(number),
            ConditionKey::Signal => text(self.signal),
            ConditionKey::SignalReason => self
                .signal_reason
                .map(|reason| ActualValue::Text(reason.as_str())),
            ConditionKey::Status => text(self.status),
            ConditionKey::Error => text(self.error),
            ConditionKey::Cause => text(self.cause),
            ConditionKey::State => text(self.state),
            ConditionKey::Resource => text(self.resource),
            ConditionKey::Stage => text(self.stage),
            ConditionKey::Action => text(self.action),
            ConditionKey::Category => text(self.category),
            ConditionKey::Provider => text(self.provider),
            ConditionKey::ErrorCode => text(self.error_code),
            ConditionKey::Summary => text(self.summary),
            ConditionKey::HttpStatus => self
                .http_status
                .map(|status| ActualValue::Number(i32::from(status))),
            ConditionKey::Mode => match self.error() {
                Field::Known(error) => Field::Known(ActualValue::Text(last_component(error))),
                error => error.map(ActualValue::Text),
            },
        })
    }

    /// Returns the values that a mode reads, for people: the last component of the error, the error codes in the
    /// message, and the HTTP status.
    #[must_use]
    pub fn of_mode(&self) -> Vec<(&'static str, Field<ActualValue<'a>>)> {
        let named = |field: Field<ActualValue<'a>>| ("error", field);
        let codes = match self.message() {
            Field::Known(text) => error_codes(text).collect(),
            _ => Vec::new(),
        };
        self.get(ConditionKey::Mode)
            .map(named)
            .into_iter()
            .chain(
                codes
                    .into_iter()
                    .map(|code| ("Error Code", Field::Known(ActualValue::Text(code)))),
            )
            .chain(
                self.get(ConditionKey::HttpStatus)
                    .map(|status| ("http_status", status)),
            )
            .collect()
    }

    /// Returns the error codes that the message carries.
    #[must_use]
    pub fn error_codes(&self) -> Field<Vec<&'a str>> {
        self.message().map(|text| error_codes(text).collect())
    }

    /// Returns the name of the error, from the field of the view's service.
    pub(crate) const fn error(&self) -> Field<&'a str> {
        match self.service {
            Service::StepFunctions => self.error,
            Service::CodePipeline => self.error_code,
        }
    }

    /// Returns the message of the error, from the field of the view's service.
    pub(crate) const fn message(&self) -> Field<&'a str> {
        match self.service {
            Service::StepFunctions => self.cause,
            Service::CodePipeline => self.summary,
        }
    }
}
