//! Conditions, and when they match.

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

/// What one value of a condition asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// `"*"`: any value, absent too.
    Any,
    /// `exit_status: "*"`: 1 to 255, or no exit status at all.
    AnyFailure,
    /// `none`: only absent.
    None,
    /// `States.ALL`: any error.
    AnyError,
    /// `States.TaskFailed`: any error but States.Timeout.
    TaskFailed,
    /// This number.
    Number(i32),
    /// What this mode retries.
    Mode(SdkRetryMode),
    /// The whole value. A signal may be written with and without SIG.
    Glob(Glob),
}

impl Pattern {
    /// Returns whether it matches the value of a key; `negated` under `not`.
    #[must_use]
    pub fn matches(
        &self,
        key: ConditionKey,
        field: Field<ActualValue<'_>>,
        negated: bool,
    ) -> Match {
        match (self, field) {
            // `not` excludes nothing by what is absent, unless it says none.
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
            // A mode is asked elsewhere; a glob is never set on a number.
            (Self::Mode(_) | Self::Glob(_), Field::Known(_)) => Match::No,
        }
    }
}

/// One value of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionValue {
    /// As written, for messages and the trace.
    pub written: String,
    /// What it asks for.
    pub pattern: Pattern,
    /// Where it stands.
    pub at: At,
}

impl ConditionValue {
    /// A value of a condition on text.
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

    /// Whether it has a star that stands for more than itself.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        match &self.pattern {
            Pattern::Glob(glob) => !glob.is_literal(),
            Pattern::Any | Pattern::AnyFailure => true,
            _ => false,
        }
    }

    /// The same text for values that mean the same.
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

/// One condition: a key, and the values any of which satisfies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it asks for.
    pub key: ConditionKey,
    /// Any of them satisfies it.
    pub values: Vec<ConditionValue>,
    /// Where it stands.
    pub at: At,
}

impl Condition {
    /// Returns whether it matches what is known of a failure; `negated` under `not`.
    fn matches(&self, view: &FailureView<'_>, negated: bool) -> Match {
        self.answers(view, negated)
            .map(|(_, matched)| matched)
            .fold(Match::No, Match::or)
    }

    /// Yields whether each of its values does; none of them where only the other service has the key.
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

    /// A line for the hash of a rule's conditions: order and doubles do not count, nor does case where it
    /// does not matter.
    fn canonical(&self) -> String {
        let values: BTreeSet<String> = self
            .values
            .iter()
            .map(|value| value.canonical(self.key))
            .collect();
        // Lengths keep one value apart from two.
        let values: Vec<String> = values
            .into_iter()
            .map(|value| format!("{}:{value}", value.len()))
            .collect();
        format!("{}={}\n", self.key.as_str(), values.join(","))
    }

    /// Whether it names exactly `error`, without a glob.
    #[must_use]
    pub fn names(&self, error: &str) -> bool {
        self.key == ConditionKey::Error
            && self.values.iter().any(|value| match &value.pattern {
                Pattern::Glob(glob) => glob.literal() == Some(error),
                _ => false,
            })
    }
}

/// `SIGKILL` and `kill` are one signal, whichever of the two a policy or a platform writes.
fn is_signal(glob: &Glob, value: &str) -> bool {
    let bare = match value.get(..3) {
        Some(sig) if sig.eq_ignore_ascii_case("sig") => value.get(3..).unwrap_or_default(),
        _ => value,
    };
    glob.matches(bare) || glob.matches(&format!("SIG{bare}"))
}

/// Conditions that are read together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// All of them must match.
    pub all: Vec<Condition>,
    /// Any of them excludes.
    pub not: Vec<Condition>,
    /// Where the rule or the entry of `never` stands that has them.
    pub at: At,
}

/// Errors that a rule matches only by naming them: a redrive rarely helps against either.
pub const BY_NAME_ONLY: [&str; 2] = ["States.Runtime", "States.DataLimitExceeded"];

impl Conditions {
    /// Whether nothing is asked for, so that everything matches.
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

    /// The same for a rule that would retry: some errors it must name.
    #[must_use]
    pub fn matches_by_name(&self, view: &FailureView<'_>) -> Match {
        let may_retry = match view.get(ConditionKey::Error) {
            Some(Field::Known(ActualValue::Text(error))) if BY_NAME_ONLY.contains(&error) => {
                Match::from(self.all.iter().any(|condition| condition.names(error)))
            }
            // It may be one of them. Where AWS withholds it, what rules do not ask for is not held against
            // a retry.
            Some(Field::Unknown) => Match::Unknown(ConditionKey::Error),
            _ => Match::Yes,
        };
        may_retry.and(self.matches(view))
    }

    /// Returns how each condition matched, for people.
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

    /// A text that is the same for conditions that mean the same.
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

/// How one condition matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionMatch<'a> {
    /// The condition.
    pub condition: &'a Condition,
    /// It stands under `not`.
    pub negated: bool,
    /// The value; none where the other service has it.
    pub field: Option<Field<ActualValue<'a>>>,
    /// Whether it matched.
    pub matched: Match,
    /// The first of its values that did.
    pub by: Option<&'a ConditionValue>,
}
