//! Conditions, and the rules by which they match.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::condition_key::ConditionKey;
use crate::error_name::first_32_kib;
use crate::failure_view::{ActualValue, FailureView};
use crate::field::Field;
use crate::glob::Glob;
use crate::matching::Match;
use crate::problem::{At, Place};
use crate::sdk_retry_mode::SdkRetryMode;

/// The demand of one value of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// `"*"`: any value, and an absent one.
    Any,
    /// `exit_status: "*"`: 1 to 255, or no exit status at all.
    AnyFailure,
    /// `none`: only an absent value.
    None,
    /// `States.ALL`: any error.
    AnyError,
    /// `States.TaskFailed`: any error but States.Timeout.
    TaskFailed,
    /// This number.
    Number(i32),
    /// The errors that this mode retries.
    Mode(SdkRetryMode),
    /// The whole value. A signal matches with and without the prefix SIG.
    Glob(Glob),
}

impl Pattern {
    /// Returns whether the pattern matches the value of a key. `negated` is set under `not`.
    #[must_use]
    pub fn matches(
        &self,
        key: ConditionKey,
        field: Field<ActualValue<'_>>,
        negated: bool,
    ) -> Match {
        match (self, field) {
            // Under `not`, only `none` excludes an absent value.
            (Self::Any | Self::AnyFailure, Field::Absent) => Match::from(!negated),
            (Self::Any, Field::Unknown | Field::Redacted) if !negated => Match::Yes,
            (_, Field::Unknown) => Match::Unknown(key),
            (_, Field::Redacted) => Match::Redacted,
            (Self::None, Field::Absent) => Match::Yes,
            (Self::None, Field::Known(_)) | (_, Field::Absent) => Match::No,
            (Self::Any | Self::AnyError, Field::Known(_)) => Match::Yes,
            (Self::AnyFailure, Field::Known(actual)) => {
                Match::from(matches!(actual, ActualValue::Number(1..=255)))
            }
            (Self::Number(number), Field::Known(actual)) => {
                Match::from(actual == ActualValue::Number(*number))
            }
            (Self::TaskFailed, Field::Known(actual)) => {
                Match::from(actual != ActualValue::Text("States.Timeout"))
            }
            (Self::Glob(glob), Field::Known(ActualValue::Text(value))) => Match::from(match key {
                ConditionKey::Signal => is_signal(glob, value),
                _ => glob.matches(first_32_kib(value)),
            }),
            // [`Condition::answers`] asks a mode itself. A glob is never set on a number.
            (Self::Mode(_) | Self::Glob(_), Field::Known(_)) => Match::No,
        }
    }
}

/// One value of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionValue {
    /// The text as written, for messages and the trace.
    pub written: String,
    /// The pattern that the text stands for.
    pub pattern: Pattern,
    /// The place of the value in its document.
    pub at: At,
}

impl ConditionValue {
    /// Returns the value of a condition on text.
    pub(crate) fn text(key: ConditionKey, written: String, place: Place) -> Self {
        let pattern = match (key, written.as_str()) {
            (_, "*") => Pattern::Any,
            (_, "none") => Pattern::None,
            (ConditionKey::Error, "States.ALL") => Pattern::AnyError,
            (ConditionKey::Error, "States.TaskFailed") => Pattern::TaskFailed,
            (_, text) => Pattern::Glob(Glob::new(text, key.folds_case())),
        };
        Self {
            written,
            pattern,
            at: At(place),
        }
    }

    pub(crate) fn new(written: impl ToString, pattern: Pattern, place: Place) -> Self {
        Self {
            written: written.to_string(),
            pattern,
            at: At(place),
        }
    }

    /// Returns whether the pattern has a star that stands for more than itself.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        match &self.pattern {
            Pattern::Glob(glob) => !glob.is_literal(),
            Pattern::Any | Pattern::AnyFailure => true,
            _ => false,
        }
    }

    /// Returns the same text for values with the same meaning.
    fn canonical(&self, key: ConditionKey) -> String {
        if !key.folds_case() {
            return self.written.clone();
        }
        let folded = self.written.to_lowercase();
        match folded.strip_prefix("sig") {
            Some(bare) if key == ConditionKey::Signal && !self.is_glob() => bare.to_string(),
            _ => folded,
        }
    }
}

/// One condition: a key, and alternative values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The key that the condition tests.
    pub key: ConditionKey,
    /// The alternatives; any one satisfies the condition.
    pub values: Vec<ConditionValue>,
    /// The place of the condition in its document.
    pub at: At,
}

impl Condition {
    /// Returns whether the condition matches the known part of a failure. `negated` is set under `not`.
    fn matches(&self, view: &FailureView<'_>, negated: bool) -> Match {
        self.answers(view, negated)
            .map(|(_, matched)| matched)
            .fold(Match::No, Match::or)
    }

    /// Yields whether each value matches, and no value where only the other service has the key.
    fn answers(
        &self,
        view: &FailureView<'_>,
        negated: bool,
    ) -> impl Iterator<Item = (&ConditionValue, Match)> {
        let field = view.get(self.key);
        self.values.iter().filter_map(move |value| {
            let matched = match &value.pattern {
                Pattern::Mode(mode) => mode.matches(view),
                pattern => pattern.matches(self.key, field?, negated),
            };
            Some((value, matched))
        })
    }

    /// Returns a line for the hash of a rule's conditions. Order and duplicates do not change the line, nor does case
    /// where the key ignores it.
    fn canonical(&self) -> String {
        let values: BTreeSet<String> = self
            .values
            .iter()
            .map(|value| value.canonical(self.key))
            .collect();
        // Length prefixes keep one value apart from two.
        let values: Vec<String> = values
            .into_iter()
            .map(|value| format!("{}:{value}", value.len()))
            .collect();
        format!("{}={}\n", self.key.as_str(), values.join(","))
    }

    /// Returns whether the condition names exactly `error`, without a glob.
    #[must_use]
    pub fn names(&self, error: &str) -> bool {
        self.key == ConditionKey::Error
            && self.values.iter().any(|value| match &value.pattern {
                Pattern::Glob(glob) => glob.literal() == Some(error),
                _ => false,
            })
    }
}

/// Returns whether a signal matches. `SIGKILL` and `kill` are the same signal, in a policy and in a failure.
fn is_signal(glob: &Glob, value: &str) -> bool {
    let bare = match value.get(..3) {
        Some(sig) if sig.eq_ignore_ascii_case("sig") => value.get(3..).unwrap_or_default(),
        _ => value,
    };
    glob.matches(bare) || glob.matches(&format!("SIG{bare}"))
}

/// Conditions that are tested together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// All of them must match.
    pub all: Vec<Condition>,
    /// None of them may match.
    pub not: Vec<Condition>,
    /// The place of the rule, or of the entry of `never`, that has the conditions.
    pub at: At,
}

/// Errors that a rule matches only by naming them, since a redrive rarely helps against them.
pub const BY_NAME_ONLY: [&str; 2] = ["States.Runtime", "States.DataLimitExceeded"];

impl Conditions {
    /// Returns whether there is no condition, so that everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.not.is_empty()
    }

    /// Returns whether a failure matches, as far as it is known.
    #[must_use]
    pub fn matches(&self, view: &FailureView<'_>) -> Match {
        let all = self
            .all
            .iter()
            .map(|condition| condition.matches(view, false))
            .fold(Match::Yes, Match::and);
        let excluded = self
            .not
            .iter()
            .map(|condition| condition.matches(view, true))
            .fold(Match::No, Match::or);
        all.and(excluded.not())
    }

    /// Returns the same for a rule that would retry. Such a rule must name the errors of [`BY_NAME_ONLY`].
    #[must_use]
    pub fn matches_by_name(&self, view: &FailureView<'_>) -> Match {
        let may_retry = match view.get(ConditionKey::Error) {
            Some(Field::Known(ActualValue::Text(error))) if BY_NAME_ONLY.contains(&error) => {
                Match::from(self.all.iter().any(|condition| condition.names(error)))
            }
            // The error may be one of the two. A redacted error does not block the retry here: only a condition that
            // tests the error depends on it.
            Some(Field::Unknown) => Match::Unknown(ConditionKey::Error),
            _ => Match::Yes,
        };
        may_retry.and(self.matches(view))
    }

    /// Returns the match of each condition, for people.
    #[must_use]
    pub fn condition_matches<'a>(&'a self, view: &FailureView<'a>) -> Vec<ConditionMatch<'a>> {
        let see = |negated| {
            move |condition: &'a Condition| ConditionMatch {
                condition,
                negated,
                field: view.get(condition.key),
                matched: condition.matches(view, negated),
                by: condition
                    .answers(view, negated)
                    .find_map(|(value, matched)| (matched == Match::Yes).then_some(value)),
            }
        };
        self.all
            .iter()
            .map(see(false))
            .chain(self.not.iter().map(see(true)))
            .collect()
    }

    /// Returns the same text for conditions with the same meaning.
    pub(crate) fn canonical(&self) -> String {
        let lines = |conditions: &[Condition]| {
            conditions
                .iter()
                .map(Condition::canonical)
                .collect::<BTreeSet<_>>()
        };
        let mut text: String = lines(&self.all).into_iter().collect();
        for line in lines(&self.not) {
            text.push_str("not ");
            text.push_str(&line);
        }
        text
    }
}

/// The match of one condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionMatch<'a> {
    /// The condition.
    pub condition: &'a Condition,
    /// Whether the condition stands under `not`.
    pub negated: bool,
    /// The value of the key, or `None` where only the other service has the key.
    pub field: Option<Field<ActualValue<'a>>>,
    /// Whether the condition matched.
    pub matched: Match,
    /// The first value of the condition that matched.
    pub by: Option<&'a ConditionValue>,
}
