//! A failure as conditions see it.

use alloc::vec::Vec;
use core::fmt;

use crate::condition_key::ConditionKey;
use crate::error_name::{error_codes, last_component};
use crate::field::Field;
use crate::service::Service;

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

impl<'a> From<&'a str> for ActualValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<i32> for ActualValue<'_> {
    fn from(number: i32) -> Self {
        Self::Number(number)
    }
}

/// The value of each key, except for keys that are derived from others. At first each is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Values<'a>([Field<ActualValue<'a>>; ConditionKey::ALL.len()]);

impl<'a> Values<'a> {
    /// Returns the value of a key.
    #[must_use]
    pub fn get(&self, key: ConditionKey) -> Field<ActualValue<'a>> {
        self.0.get(key as usize).copied().unwrap_or_default()
    }

    /// Sets the value of a key.
    pub fn set(&mut self, key: ConditionKey, value: Field<impl Into<ActualValue<'a>>>) {
        if let Some(own) = self.0.get_mut(key as usize) {
            *own = value.map(Into::into);
        }
    }

    /// Returns the same values with another one for a key.
    #[must_use]
    pub fn with(mut self, key: ConditionKey, value: Field<impl Into<ActualValue<'a>>>) -> Self {
        self.set(key, value);
        self
    }

    fn text(&self, key: ConditionKey) -> Field<&'a str> {
        match self.get(key) {
            Field::Unknown => Field::Unknown,
            Field::Redacted => Field::Redacted,
            Field::Known(ActualValue::Text(text)) => Field::Known(text),
            Field::Absent | Field::Known(ActualValue::Number(_)) => Field::Absent,
        }
    }
}

/// An execution, or one failed action of a stage, as conditions see it. The caller fills in the view. Nothing in this
/// module parses a cause or a message, except for error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureView<'a> {
    /// The service of the failure.
    pub service: Service,
    /// The values of the keys.
    pub values: Values<'a>,
    /// Whether a person stopped the job inside. No condition reads this field: such a job is never retried.
    pub by_person: Field<bool>,
}

impl<'a> FailureView<'a> {
    /// Returns a view with every field unknown.
    #[must_use]
    pub fn unknown(service: Service) -> Self {
        Self {
            service,
            values: Values::default(),
            by_person: Field::Unknown,
        }
    }

    /// Returns the same view with another value for a key.
    #[must_use]
    pub fn with(self, key: ConditionKey, value: Field<impl Into<ActualValue<'a>>>) -> Self {
        Self {
            values: self.values.with(key, value),
            ..self
        }
    }

    /// Returns the value of a key, or `None` where only the other service has the key.
    #[must_use]
    pub fn get(&self, key: ConditionKey) -> Option<Field<ActualValue<'a>>> {
        if key.service().is_some_and(|own| own != self.service) {
            return None;
        }
        Some(match key {
            ConditionKey::Mode => self
                .error()
                .map(|error| ActualValue::Text(last_component(error))),
            key => self.values.get(key),
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
                    .map(|status| (ConditionKey::HttpStatus.as_str(), status)),
            )
            .collect()
    }

    /// Returns the error codes that the message carries.
    #[must_use]
    pub fn error_codes(&self) -> Field<Vec<&'a str>> {
        self.message().map(|text| error_codes(text).collect())
    }

    /// Returns the name of the error, from the field of the view's service.
    pub(crate) fn error(&self) -> Field<&'a str> {
        self.values.text(match self.service {
            Service::StepFunctions => ConditionKey::Error,
            Service::CodePipeline => ConditionKey::ErrorCode,
        })
    }

    /// Returns the message of the error, from the field of the view's service.
    pub(crate) fn message(&self) -> Field<&'a str> {
        self.values.text(match self.service {
            Service::StepFunctions => ConditionKey::Cause,
            Service::CodePipeline => ConditionKey::Summary,
        })
    }
}
