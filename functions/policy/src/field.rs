//! The knowledge about a value.

use alloc::string::String;

/// A value that a service supplied, left out or withholds, or that was not looked up yet.
///
/// A policy distinguishes these cases. `none` matches [`Absent`](Self::Absent) alone. For a verdict that depends on
/// an [`Unknown`](Self::Unknown) value, the core asks for the value instead of guessing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Field<T> {
    /// Not looked up yet.
    #[default]
    Unknown,
    /// Looked up, but withheld. Step Functions omits `error` and `cause` for a reader without access to the
    /// execution's KMS key.
    Redacted,
    /// Looked up; the service supplied no value.
    Absent,
    /// The value of the service.
    Known(T),
}

impl<T> Field<T> {
    /// Returns a known value, or [`Absent`](Self::Absent) for `None`.
    pub fn from_option(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Known)
    }

    /// Returns the value, if it is known.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            _ => None,
        }
    }

    /// Returns the same field with a converted value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Field<U> {
        match self {
            Self::Unknown => Field::Unknown,
            Self::Redacted => Field::Redacted,
            Self::Absent => Field::Absent,
            Self::Known(value) => Field::Known(change(value)),
        }
    }

    /// Returns whether a look-up could still supply the value.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

impl Field<String> {
    /// Returns the field with its text borrowed.
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
