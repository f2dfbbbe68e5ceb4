//! The results of matching, and how they combine.

use crate::condition_key::ConditionKey;
use crate::field::Field;

/// Whether a condition matches, as far as the failure is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// The condition matches.
    Yes,
    /// The condition does not match.
    No,
    /// The result depends on the value of this key, which was not looked up yet.
    Unknown(ConditionKey),
    /// The result depends on a value that AWS withholds.
    Redacted,
}

impl Match {
    /// Applies `matches` to a known value. An absent value does not match.
    pub(crate) fn of<T>(
        field: Field<T>,
        key: ConditionKey,
        matches: impl FnOnce(T) -> bool,
    ) -> Self {
        match field {
            Field::Unknown => Self::Unknown(key),
            Field::Redacted => Self::Redacted,
            Field::Absent => Self::No,
            Field::Known(value) => Self::from(matches(value)),
        }
    }

    #[must_use]
    pub(crate) const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            // A redacted value stays redacted, whatever else is looked up.
            (Self::Redacted, _) | (_, Self::Redacted) => Self::Redacted,
            (Self::Unknown(key), _) | (_, Self::Unknown(key)) => Self::Unknown(key),
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    #[must_use]
    pub(crate) const fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }

    #[must_use]
    pub(crate) const fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            open => open,
        }
    }
}

impl From<bool> for Match {
    fn from(matched: bool) -> Self {
        if matched { Self::Yes } else { Self::No }
    }
}
