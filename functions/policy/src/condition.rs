//! Conditions, and when they match.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::error_name::first_32_kib;
use crate::field::Field;
use crate::glob::Glob;
use crate::hit::Hit;
use crate::mode::Mode;
use crate::problem::{At, Place};
use crate::view::{Saw, View};
use crate::word::Word;

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
    Mode(Mode),
    /// The whole value. A signal may be written with and without SIG.
    Glob(Glob),
}

impl Pattern {
    /// How it meets the value of a word; `negated` under `not`.
    #[must_use]
    pub fn meets(&self, word: Word, field: Field<Saw<'_>>, negated: bool) -> Hit {
        match (self, field) {
            // `not` excludes nothing by what is absent, unless it says none.
            (Self::Any | Self::AnyFailure, Field::Absent) => Hit::from(!negated),
            (Self::Any, Field::Unknown | Field::Withheld) if !negated => Hit::Yes,
            (_, Field::Unknown) => Hit::Unknown(word),
            (_, Field::Withheld) => Hit::Withheld,
            (Self::None, Field::Absent) => Hit::Yes,
            (Self::None, Field::Known(_)) | (_, Field::Absent) => Hit::No,
            (Self::Any | Self::AnyError, Field::Known(_)) => Hit::Yes,
            (Self::AnyFailure, Field::Known(saw)) => Hit::from(matches!(saw, Saw::Number(1..=255))),
            (Self::Number(number), Field::Known(saw)) => Hit::from(saw == Saw::Number(*number)),
            (Self::TaskFailed, Field::Known(saw)) => Hit::from(saw != Saw::Text("States.Timeout")),
            (Self::Glob(glob), Field::Known(Saw::Text(value))) => Hit::from(match word {
                Word::Signal => is_signal(glob, value),
                _ => glob.matches(first_32_kib(value)),
            }),
            // A mode is asked elsewhere; a glob is never set on a number.
            (Self::Mode(_) | Self::Glob(_), Field::Known(_)) => Hit::No,
        }
    }
}

/// One value of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// As written, for messages and the trace.
    pub written: String,
    /// What it asks for.
    pub pattern: Pattern,
    /// Where it stands.
    pub at: At,
}

impl Value {
    /// A value of a condition on text.
    pub(crate) fn text(word: Word, written: String, place: Place) -> Self {
        let pattern = match (word, written.as_str()) {
            (_, "*") => Pattern::Any,
            (_, "none") => Pattern::None,
            (Word::Error, "States.ALL") => Pattern::AnyError,
            (Word::Error, "States.TaskFailed") => Pattern::TaskFailed,
            (_, text) => Pattern::Glob(Glob::new(text, word.folds_case())),
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
    fn canonical(&self, word: Word) -> String {
        if !word.folds_case() {
            return self.written.clone();
        }
        let folded = self.written.to_lowercase();
        match folded.strip_prefix("sig") {
            Some(bare) if word == Word::Signal && !self.is_glob() => bare.to_string(),
            _ => folded,
        }
    }
}

/// One condition: a word and the values any of which satisfies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it asks for.
    pub word: Word,
    /// Any of them satisfies it.
    pub values: Vec<Value>,
    /// Where it stands.
    pub at: At,
}

impl Condition {
    /// How it meets what is known of a failure; `negated` under `not`.
    fn meets(&self, view: &View<'_>, negated: bool) -> Hit {
        self.answers(view, negated)
            .map(|(_, hit)| hit)
            .fold(Hit::No, Hit::or)
    }

    /// How each of its values does; none of them where only the other service has the word.
    fn answers(&self, view: &View<'_>, negated: bool) -> impl Iterator<Item = (&Value, Hit)> {
        let field = view.get(self.word);
        self.values.iter().filter_map(move |value| {
            let hit = match &value.pattern {
                Pattern::Mode(mode) => mode.meets(view),
                pattern => pattern.meets(self.word, field?, negated),
            };
            Some((value, hit))
        })
    }

    /// A line for the hash of a rule's conditions: order and doubles do not count, nor does case where it
    /// does not matter.
    fn canonical(&self) -> String {
        let values: BTreeSet<String> = self
            .values
            .iter()
            .map(|value| value.canonical(self.word))
            .collect();
        // Lengths keep one value apart from two.
        let values: Vec<String> = values
            .into_iter()
            .map(|value| format!("{}:{value}", value.len()))
            .collect();
        format!("{}={}\n", self.word.as_str(), values.join(","))
    }

    /// Whether it names exactly `error`, without a glob.
    #[must_use]
    pub fn names(&self, error: &str) -> bool {
        self.word == Word::Error
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

    /// Whether a failure matches, as far as it is known.
    #[must_use]
    pub fn meet(&self, view: &View<'_>) -> Hit {
        let all = self
            .all
            .iter()
            .map(|condition| condition.meets(view, false))
            .fold(Hit::Yes, Hit::and);
        let excluded = self
            .not
            .iter()
            .map(|condition| condition.meets(view, true))
            .fold(Hit::No, Hit::or);
        all.and(excluded.not())
    }

    /// The same for a rule that would retry: some errors it must name.
    #[must_use]
    pub fn meet_by_name(&self, view: &View<'_>) -> Hit {
        let may_retry = match view.get(Word::Error) {
            Some(Field::Known(Saw::Text(error))) if BY_NAME_ONLY.contains(&error) => {
                Hit::from(self.all.iter().any(|condition| condition.names(error)))
            }
            // It may be one of them. Where AWS withholds it, what rules do not ask for is not held against
            // a retry.
            Some(Field::Unknown) => Hit::Unknown(Word::Error),
            _ => Hit::Yes,
        };
        may_retry.and(self.meet(view))
    }

    /// What each condition saw, for people.
    #[must_use]
    pub fn seen<'a>(&'a self, view: &View<'a>) -> Vec<Seen<'a>> {
        let see = |negated| {
            move |condition: &'a Condition| Seen {
                condition,
                negated,
                field: view.get(condition.word),
                hit: condition.meets(view, negated),
                by: condition
                    .answers(view, negated)
                    .find_map(|(value, hit)| (hit == Hit::Yes).then_some(value)),
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

/// What one condition saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen<'a> {
    /// The condition.
    pub condition: &'a Condition,
    /// It stands under `not`.
    pub negated: bool,
    /// The value; none where the other service has it.
    pub field: Option<Field<Saw<'a>>>,
    /// Whether it matched.
    pub hit: Hit,
    /// The first of its values that did.
    pub by: Option<&'a Value>,
}
