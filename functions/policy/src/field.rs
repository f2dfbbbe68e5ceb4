//! What is known of a value.

use alloc::string::String;

/// A value that a service supplied, or did not, or that nobody has looked up.
///
/// The three are different to a policy: `none` matches [`Absent`](Self::Absent) alone, and a verdict that
/// hangs on what is [`Unknown`](Self::Unknown) makes the core ask for it instead of guessing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Field<T> {
    /// Not looked up yet.
    #[default]
    Unknown,
    /// Looked up, and whoever has it would not say: Step Functions leaves `error` and `cause` out for a
    /// reader that may not use the execution's KMS key.
    Redacted,
    /// The service supplied none.
    Absent,
    /// The service's value.
    Known(T),
}

impl<T> Field<T> {
    /// A value that is there or, known to be, not there.
    pub fn from_option(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Known)
    }

    /// The value, where there is one.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            _ => None,
        }
    }

    /// The same field with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Field<U> {
        match self {
            Self::Unknown => Field::Unknown,
            Self::Redacted => Field::Redacted,
            Self::Absent => Field::Absent,
            Self::Known(value) => Field::Known(change(value)),
        }
    }

    /// Whether looking it up could still bring something.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

impl Field<String> {
    /// The text behind the field, borrowed.
    #[must_use]
    pub fn as_text(&self) -> Field<&str> {
        match self {
            Self::Unknown => Field::Unknown,
            Self::Redacted => Field::Redacted,
            Self::Absent => Field::Absent,
            Self::Known(text) => Field::Known(text.as_str()),
        }
    }
}
