//! Conditions, and what they see of a failure.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::glob::Glob;
use crate::failure::{FailedAction, FailedExecution, Failure, Field, Need, Service, What};

/// What can be asked of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Word {
    /// FAILED or TIMED_OUT.
    Status,
    /// The error's name.
    Error,
    /// The error's cause.
    Cause,
    /// The stage's name.
    Stage,
    /// The failed action's name.
    Action,
    /// Source, Build, Deploy, Test, Invoke, Approval or Compute.
    Category,
    /// For example CodeBuild.
    Provider,
    /// For example JobFailed.
    ErrorCode,
    /// The failed action's message.
    Summary,
}

impl Word {
    /// Every condition there is.
    pub const ALL: [Self; 9] = [
        Self::Status,
        Self::Error,
        Self::Cause,
        Self::Stage,
        Self::Action,
        Self::Category,
        Self::Provider,
        Self::ErrorCode,
        Self::Summary,
    ];

    /// As a policy writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Error => "error",
            Self::Cause => "cause",
            Self::Stage => "stage",
            Self::Action => "action",
            Self::Category => "category",
            Self::Provider => "provider",
            Self::ErrorCode => "error_code",
            Self::Summary => "summary",
        }
    }

    /// The service that has it.
    #[must_use]
    pub const fn service(self) -> Service {
        match self {
            Self::Status | Self::Error | Self::Cause => Service::StepFunctions,
            _ => Service::CodePipeline,
        }
    }

    /// Whether upper and lower case are the same to it.
    #[must_use]
    pub const fn folds_case(self) -> bool {
        matches!(
            self,
            Self::Status | Self::Category | Self::Provider | Self::Cause | Self::Summary
        )
    }

    /// Whether its text may hold secrets: it is matched, and never shown.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Cause | Self::Summary)
    }

    /// The fact that brings it.
    const fn need(self) -> Need {
        match self.service() {
            Service::StepFunctions => Need::Description,
            Service::CodePipeline => Need::PipelineState,
        }
    }
}

/// What one value of a condition asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    /// `"*"`: any value, absent too.
    Any,
    /// `none`: only absent.
    None,
    /// `States.ALL`: any error.
    AnyError,
    /// `States.TaskFailed`: any error but States.Timeout.
    TaskFailed,
    /// The whole value.
    Glob(Glob),
}

/// One condition: a word and the values any of which satisfies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it asks for.
    pub word: Word,
    /// As written, for messages and the trace.
    pub values: Vec<String>,
    patterns: Vec<Pattern>,
}

impl Condition {
    pub(super) fn new(word: Word, values: Vec<String>) -> Self {
        let pattern = |value: &String| match (word, value.as_str()) {
            (_, "*") => Pattern::Any,
            (_, "none") => Pattern::None,
            (Word::Error, "States.ALL") => Pattern::AnyError,
            (Word::Error, "States.TaskFailed") => Pattern::TaskFailed,
            (_, text) => Pattern::Glob(Glob::new(text, word.folds_case())),
        };
        let patterns = values.iter().map(pattern).collect();
        Self {
            word,
            values,
            patterns,
        }
    }

    /// How it meets what is known of a failure.
    fn meets(&self, view: &View<'_>) -> Hit {
        let Some(field) = view.get(self.word) else {
            return Hit::No;
        };
        self.patterns
            .iter()
            .map(|pattern| one(self.word, pattern, field))
            .fold(Hit::No, Hit::or)
    }

    /// A line for the hash of a rule's conditions: order and doubles do not count, nor does case where it
    /// does not matter.
    fn canonical(&self) -> String {
        let values: BTreeSet<String> = self
            .values
            .iter()
            .map(|value| {
                if self.word.folds_case() {
                    value.to_lowercase()
                } else {
                    value.clone()
                }
            })
            .collect();
        // Lengths keep one value apart from two.
        let values: Vec<String> = values
            .into_iter()
            .map(|value| format!("{}:{value}", value.len()))
            .collect();
        format!("{}={}\n", self.word.as_str(), values.join(","))
    }

    /// Whether it names exactly `error`, without a glob.
    fn names(&self, error: &str) -> bool {
        self.word == Word::Error
            && self.patterns.iter().any(|pattern| match pattern {
                Pattern::Glob(glob) => glob.is_literal() && glob.matches(error),
                _ => false,
            })
    }
}

fn one(word: Word, pattern: &Pattern, field: Field<&str>) -> Hit {
    match (pattern, field) {
        (Pattern::Any, _) => Hit::Yes,
        (_, Field::Unknown) => Hit::Unknown(word.need()),
        (_, Field::Withheld) => Hit::Withheld,
        (Pattern::None, Field::Absent) => Hit::Yes,
        (Pattern::None, Field::Known(_)) | (_, Field::Absent) => Hit::No,
        (Pattern::AnyError, Field::Known(_)) => Hit::Yes,
        (Pattern::TaskFailed, Field::Known(error)) => Hit::from(error != "States.Timeout"),
        (Pattern::Glob(glob), Field::Known(value)) => {
            Hit::from(glob.matches(matched_part(word, value)))
        }
    }
}

/// Causes and messages are matched in their first 32 KiB, which is all that Step Functions keeps.
fn matched_part(word: Word, value: &str) -> &str {
    const MOST: usize = 32 * 1024;
    if !word.is_secret() || value.len() <= MOST {
        return value;
    }
    let end = value
        .char_indices()
        .map(|(at, _)| at)
        .take_while(|at| *at <= MOST)
        .last()
        .unwrap_or_default();
    value.get(..end).unwrap_or(value)
}

/// Conditions that are read together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// All of them must match.
    pub all: Vec<Condition>,
    /// Any of them excludes.
    pub not: Vec<Condition>,
}

/// Errors that a rule matches only by naming them: a redrive rarely helps against either.
const BY_NAME_ONLY: [&str; 2] = ["States.Runtime", "States.DataLimitExceeded"];

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
            .map(|condition| condition.meets(view))
            .fold(Hit::Yes, Hit::and);
        let excluded = self
            .not
            .iter()
            .map(|condition| condition.meets(view))
            .fold(Hit::No, Hit::or);
        all.and(excluded.not())
    }

    /// The same for a rule that would retry: some errors it must name.
    #[must_use]
    pub fn meet_by_name(&self, view: &View<'_>) -> Hit {
        let may_retry = match view.get(Word::Error) {
            Some(Field::Known(error)) if BY_NAME_ONLY.contains(&error) => {
                Hit::from(self.all.iter().any(|condition| condition.names(error)))
            }
            // It may be one of them. Where AWS withholds it, what rules do not ask for is not held against
            // a retry.
            Some(Field::Unknown) => Hit::Unknown(Word::Error.need()),
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
                hit: condition.meets(view),
            }
        };
        self.all
            .iter()
            .map(see(false))
            .chain(self.not.iter().map(see(true)))
            .collect()
    }

    /// A text that is the same for conditions that mean the same.
    pub(super) fn canonical(&self) -> String {
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
    pub field: Option<Field<&'a str>>,
    /// Whether it matched.
    pub hit: Hit,
}

/// Whether something matches, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// That hangs on a fact.
    Unknown(Need),
    /// That hangs on what AWS withholds.
    Withheld,
}

impl Hit {
    #[must_use]
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            // What is withheld stays so, whatever else is looked up.
            (Self::Withheld, _) | (_, Self::Withheld) => Self::Withheld,
            (Self::Unknown(need), _) | (_, Self::Unknown(need)) => Self::Unknown(need),
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    #[must_use]
    const fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }

    #[must_use]
    const fn not(self) -> Self {
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

/// What conditions see: an execution, or one failed action of a stage.
#[derive(Debug, Clone, Copy)]
pub enum View<'a> {
    /// A failed execution.
    Execution(&'a FailedExecution),
    /// A failed action; none while it is not known which action failed.
    Action {
        /// The stage's name.
        stage: &'a str,
        /// The action.
        action: Option<&'a FailedAction>,
    },
}

impl<'a> View<'a> {
    /// Everything of a failure that rules look at: one view for an execution, one for each failed action of
    /// a stage, and one without an action while nobody has looked.
    #[must_use]
    pub fn of(failure: &'a Failure) -> Vec<Self> {
        match &failure.what {
            What::Execution(execution) => [View::Execution(execution)].into(),
            What::Stage(failed) => {
                let stage = failure.subject.arn().rsplit('/').next().unwrap_or_default();
                let see = |action| View::Action { stage, action };
                match &failed.standing {
                    Field::Known(standing) => standing.failed.iter().map(Some).map(see).collect(),
                    _ => [see(failed.announced.as_ref())].into(),
                }
            }
        }
    }

    /// The value behind a word; none where only the other service has it.
    #[must_use]
    pub fn get(&self, word: Word) -> Option<Field<&'a str>> {
        match *self {
            View::Execution(execution) => match word {
                Word::Status => Some(Field::Known(execution.status.as_str())),
                Word::Error => Some(execution.error.as_text()),
                Word::Cause => Some(execution.cause.as_text()),
                _ => None,
            },
            View::Action { stage, action } => {
                let of = |field: fn(&'a FailedAction) -> Field<&'a str>| {
                    action.map_or(Field::Unknown, field)
                };
                match word {
                    Word::Stage => Some(Field::Known(stage)),
                    Word::Action => Some(of(|action| Field::Known(action.action.as_str()))),
                    Word::Category => Some(of(|action| action.category.as_text())),
                    Word::Provider => Some(of(|action| action.provider.as_text())),
                    Word::ErrorCode => Some(of(|action| action.error_code.as_text())),
                    Word::Summary => Some(of(|action| action.summary.as_text())),
                    _ => None,
                }
            }
        }
    }
}
