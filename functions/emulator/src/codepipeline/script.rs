//! Scripted outcomes of the runs of an action.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::declaration::{Condition, Declaration};

/// The outcome of one run of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The run succeeds.
    Succeed {
        /// The duration in milliseconds; none means [`Options::action_ms`](super::Options::action_ms).
        after_ms: Option<u64>,
        /// The report of the external system.
        result: ExternalResult,
    },
    /// The run fails.
    Fail {
        /// The duration in milliseconds; none means [`Options::action_ms`](super::Options::action_ms).
        after_ms: Option<u64>,
        /// `errorDetails`.
        error: ErrorDetails,
        /// The report of the external system.
        result: ExternalResult,
    },
    /// The run stays in progress until it is ended from outside.
    Hang,
}

impl Outcome {
    /// Returns a success after the default duration.
    pub fn succeed() -> Self {
        Self::Succeed {
            after_ms: None,
            result: ExternalResult::default(),
        }
    }

    /// Returns a failure after the default duration.
    pub fn fail(code: impl Into<String>, message: impl Into<String>) -> Self {
        let error = ErrorDetails {
            code: code.into(),
            message: message.into(),
        };
        Self::Fail {
            after_ms: None,
            error,
            result: ExternalResult::default(),
        }
    }

    /// Returns the same outcome after `ms` milliseconds; a hanging run is unchanged.
    #[must_use]
    pub fn after(self, ms: u64) -> Self {
        match self {
            Self::Succeed { result, .. } => Self::Succeed {
                after_ms: Some(ms),
                result,
            },
            Self::Fail { error, result, .. } => Self::Fail {
                after_ms: Some(ms),
                error,
                result,
            },
            Self::Hang => Self::Hang,
        }
    }
}

/// `errorDetails` of an action execution. The code is an unconstrained string (model); nearly every failure has
/// `JobFailed` (observed).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErrorDetails {
    /// The code, for example `JobFailed`.
    pub code: String,
    /// The message of the provider, at most 5000 characters (model).
    pub message: String,
}

/// The report of the system behind an action.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExternalResult {
    /// `externalExecutionId`, for CodeBuild `project:uuid` (observed). The emulator makes up a missing one for
    /// CodeBuild.
    pub id: Option<String>,
    /// `externalExecutionUrl`.
    pub url: Option<String>,
    /// `summary`. A CodeBuild failure never shows it in `GetPipelineState` (observed).
    pub summary: Option<String>,
}

/// The outcomes of one action or condition, one for each run; the last one repeats.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcomes {
    list: Vec<Outcome>,
    next: usize,
}

impl Outcomes {
    pub(super) const fn new(list: Vec<Outcome>) -> Self {
        Self { list, next: 0 }
    }

    fn take(&mut self) -> Option<Outcome> {
        let outcome = self
            .list
            .get(self.next)
            .or_else(|| self.list.last())
            .cloned();
        self.next = self.next.saturating_add(1);
        outcome
    }
}

/// The action or condition that a list of outcomes belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Action(String, String),
    Condition(String, Condition),
}

/// All outcomes of one execution.
#[derive(Debug, Clone, Default)]
pub(super) struct Script(BTreeMap<Subject, Outcomes>);

impl Script {
    /// Reads the value of the variable `outcomes`. The error explains the mistake.
    pub(super) fn parse(text: &str, declaration: &Declaration) -> Result<Self, String> {
        let lists: BTreeMap<String, Vec<WireOutcome>> =
            serde_json::from_str(text).map_err(|error| format!("variable outcomes: {error}"))?;
        let mut script = Self::default();
        for (key, list) in lists {
            let wrong = |what: &str| format!("variable outcomes, key {key:?}: {what}");
            let subject = subject(&key, declaration).map_err(|what| wrong(&what))?;
            if list.is_empty() {
                return Err(wrong(
                    "an empty list; one outcome a run is needed, the last one repeats",
                ));
            }
            let list: Result<Vec<_>, _> = list
                .into_iter()
                .map(|wire| wire.outcome(&subject))
                .collect();
            script.set(subject, list.map_err(|what| wrong(&what))?);
        }
        Ok(script)
    }

    pub(super) fn set(&mut self, subject: Subject, list: Vec<Outcome>) {
        self.0.insert(subject, Outcomes::new(list));
    }

    pub(super) fn take(&mut self, subject: &Subject) -> Option<Outcome> {
        self.0.get_mut(subject).and_then(Outcomes::take)
    }
}

fn subject(key: &str, declaration: &Declaration) -> Result<Subject, String> {
    let unknown = |stage: &str| format!("the pipeline has no stage {stage:?}");
    if let Some((stage, action)) = key.split_once('/') {
        let (_, declared) = declaration.stage(stage).ok_or_else(|| unknown(stage))?;
        if declared.actions.iter().all(|it| it.name != action) {
            return Err(format!("stage {stage:?} has no action {action:?}"));
        }
        return Ok(Subject::Action(stage.into(), action.into()));
    }
    let Some((stage, condition)) = key.split_once('#') else {
        return Err("write Stage/Action, Stage#beforeEntry or Stage#onSuccess".into());
    };
    let (_, declared) = declaration.stage(stage).ok_or_else(|| unknown(stage))?;
    let (condition, result) = match condition {
        "beforeEntry" => (Condition::BeforeEntry, declared.before_entry),
        "onSuccess" => (Condition::OnSuccess, declared.on_success),
        other => return Err(format!("{other:?} is neither beforeEntry nor onSuccess")),
    };
    if result.is_none() {
        return Err(format!("stage {stage:?} declares no such condition"));
    }
    Ok(Subject::Condition(stage.into(), condition))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireOutcome {
    succeed: Option<WireResult>,
    fail: Option<WireFailure>,
    hang: Option<WireHang>,
    after_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHang {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireResult {
    external_execution_id: Option<String>,
    external_execution_url: Option<String>,
    summary: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFailure {
    code: Option<String>,
    message: Option<String>,
    external_execution_id: Option<String>,
    external_execution_url: Option<String>,
    summary: Option<String>,
}

impl WireOutcome {
    fn outcome(self, subject: &Subject) -> Result<Outcome, String> {
        let after_ms = self.after_ms;
        let condition = matches!(subject, Subject::Condition(..));
        if condition && (after_ms.is_some() || self.hang.is_some()) {
            return Err("a condition is settled at once: no after_ms, no hang".into());
        }
        match (self.succeed, self.fail, self.hang) {
            (Some(it), None, None) => Ok(Outcome::Succeed {
                after_ms,
                result: external(
                    it.external_execution_id,
                    it.external_execution_url,
                    it.summary,
                ),
            }),
            (None, Some(it), None) => {
                let message = it
                    .message
                    .or_else(|| it.summary.clone())
                    .unwrap_or_default();
                if message.chars().count() > 5000 {
                    return Err("a message of more than 5000 characters".into());
                }
                let code = it.code.unwrap_or_else(|| "JobFailed".into());
                Ok(Outcome::Fail {
                    after_ms,
                    error: ErrorDetails { code, message },
                    result: external(
                        it.external_execution_id,
                        it.external_execution_url,
                        it.summary,
                    ),
                })
            }
            (None, None, Some(WireHang {})) => Ok(Outcome::Hang),
            _ => Err("an outcome has exactly one of succeed, fail and hang".into()),
        }
    }
}

const fn external(
    id: Option<String>,
    url: Option<String>,
    summary: Option<String>,
) -> ExternalResult {
    ExternalResult { id, url, summary }
}
