//! How conditions answer.

use crate::field::Field;
use crate::word::Word;

/// Whether something matches, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// That hangs on the value of this word, which nobody has looked up.
    Unknown(Word),
    /// That hangs on what AWS withholds.
    Withheld,
}

impl Hit {
    /// What `matches` says of a value, once there is one; what is absent does not match.
    pub(crate) fn of<T>(field: Field<T>, word: Word, matches: impl FnOnce(T) -> bool) -> Self {
        match field {
            Field::Unknown => Self::Unknown(word),
            Field::Withheld => Self::Withheld,
            Field::Absent => Self::No,
            Field::Known(value) => Self::from(matches(value)),
        }
    }

    #[must_use]
    pub(crate) const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            // What is withheld stays so, whatever else is looked up.
            (Self::Withheld, _) | (_, Self::Withheld) => Self::Withheld,
            (Self::Unknown(word), _) | (_, Self::Unknown(word)) => Self::Unknown(word),
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

impl From<bool> for Hit {
    fn from(hit: bool) -> Self {
        if hit { Self::Yes } else { Self::No }
    }
}
