//! The result of reading a cause or a message.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use redrive_policy::{ActualValue, ConditionKey, SignalReason};

/// The values that were found. [`Ended`](super::Ended) decides whether the others are absent or unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Extracted {
    values: Vec<(ConditionKey, Found)>,
    pub(super) by_person: bool,
}

/// A value that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Number(i32),
    /// A word of ours, or a text of the JSON that was read. Such a text has no escapes.
    Text(Cow<'static, str>),
}

impl Extracted {
    /// Returns a result with only the reason of the end.
    pub(super) fn reason(reason: SignalReason) -> Self {
        Self::default().with(ConditionKey::SignalReason, Some(reason))
    }

    /// Returns these values and one more, unless the key has a value already.
    pub(super) fn with(mut self, key: ConditionKey, value: Option<impl Into<Found>>) -> Self {
        if let Some(value) = value
            && self.get(key).is_none()
        {
            self.values.push((key, value.into()));
        }
        self
    }

    /// Returns the same values, of a job that a person stopped or did not stop.
    pub(super) fn with_person(self, by_person: bool) -> Self {
        Self { by_person, ..self }
    }

    /// Returns these values, filled up from the other result.
    pub(super) fn or(mut self, other: Self) -> Self {
        let by_person = self.by_person || other.by_person;
        // Nearly always one of the two has no values, and the values of the other need no copy.
        if self.values.is_empty() {
            return other.with_person(by_person);
        }
        for (key, value) in other.values {
            self = self.with(key, Some(value));
        }
        self.with_person(by_person)
    }

    pub(super) fn get(&self, key: ConditionKey) -> Option<&Found> {
        let mut values = self.values.iter();
        values.find(|(own, _)| *own == key).map(|(_, found)| found)
    }
}

impl Found {
    /// Returns the value as conditions see it. A text of the JSON is found again in `text`, since a child's cause is
    /// escaped in it and read from a copy. A text without its closing quote was cut, so it is no value.
    pub(super) fn actual<'a>(&self, text: &'a str) -> Option<ActualValue<'a>> {
        Some(match self {
            Self::Number(number) => ActualValue::Number(*number),
            Self::Text(Cow::Borrowed(word)) => ActualValue::Text(word),
            Self::Text(Cow::Owned(own)) => {
                let mut found = text.match_indices(own.as_str());
                let (_, own) = found.find(|(at, own)| {
                    let rest = text.get(at.saturating_add(own.len())..);
                    rest.is_some_and(|rest| rest.starts_with(['"', '\\']))
                })?;
                ActualValue::Text(own)
            }
        })
    }
}

impl From<i16> for Found {
    fn from(number: i16) -> Self {
        Self::Number(number.into())
    }
}

impl From<u16> for Found {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<&'static str> for Found {
    fn from(word: &'static str) -> Self {
        Self::Text(word.into())
    }
}

impl From<String> for Found {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<SignalReason> for Found {
    fn from(reason: SignalReason) -> Self {
        reason.as_str().into()
    }
}

/// Returns the code if a process can end with it. Other values (Windows has 32-bit codes) are no exit status that a
/// policy can name.
pub(super) fn exit_status(code: i64) -> Option<i16> {
    u8::try_from(code).ok().map(i16::from)
}
