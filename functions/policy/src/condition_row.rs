//! The columns of the table of conditions.

use crate::service::Service;

/// A row of the table of conditions: all that the reader, the tests of a document, the lints, the schema and the
/// documentation need to know about one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConditionRow {
    /// The word that a policy uses.
    pub word: &'static str,
    /// The service that has the key, or `None` where both have it.
    pub service: Option<Service>,
    /// The values that the key has.
    pub values: ValueKind,
    /// The source of the value in a failure.
    pub source: Source,
    /// Whether the key describes the error, not only the place where it happened.
    pub describes_error: bool,
    /// Words of other programs for the key. The reader suggests the key in their place.
    pub synonyms: &'static [&'static str],
    /// The documentation in one line.
    pub doc: &'static str,
}

/// The values that a key has. A condition on any of them may be a list, and `none` means an absent value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// A text. A condition may be a glob.
    Text {
        /// Whether the case of letters is ignored.
        ignores_case: bool,
    },
    /// The name of a signal, with or without the prefix SIG. A condition may be a glob. Case is ignored.
    Signal,
    /// A whole number in a range. A condition names numbers; there are no globs.
    Number {
        /// The least number.
        min: i32,
        /// The greatest number.
        max: i32,
        /// Whether the forms of Buildkite's `exit_status` are legal too: `"*"` for 1 to 255 or an absent value, and
        /// digits in quotes.
        as_buildkite: bool,
    },
    /// One of these words, never absent. A condition may be a glob that matches one of them. Case is ignored.
    Closed {
        /// The words.
        words: &'static [&'static str],
        /// Words for a failure that no rule ever judges. Only the test of a document may use them.
        more_in_tests: &'static [&'static str],
        /// The reason for refusing other words, for people.
        refusal: &'static str,
    },
    /// One of these words. A condition on another word never matches, and the reader only warns of it. The only glob
    /// is `"*"`. Case is ignored.
    Open {
        /// The words.
        words: &'static [&'static str],
    },
    /// A retry mode of the AWS CLI.
    Mode,
}

/// The source of a key's value in a failure. The fact to look up follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A property of the execution or of the failed action.
    Failure,
    /// The history of the execution, back to the state that failed.
    FailedState,
    /// The text of the cause or of the summary.
    Cause,
    /// The error's name where it states the value, otherwise the text of the cause or of the summary.
    ErrorOrCause,
    /// Other keys. A failure has no value of its own.
    Derived,
}

impl Source {
    /// Returns whether the value is read from the texts that describe the failure.
    #[must_use]
    pub const fn is_text_of_failure(self) -> bool {
        matches!(self, Self::Cause | Self::ErrorOrCause)
    }
}
