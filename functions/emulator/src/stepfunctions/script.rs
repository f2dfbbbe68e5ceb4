//! The script of an execution: one [`Outcome`] per run.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The duration of a run whose outcome names none, in milliseconds.
pub const DEFAULT_RUN_MS: u64 = 1000;

/// The outcomes of an execution's runs: its start first, then one for each redrive.
///
/// After the last outcome, `then` repeats if it is given; otherwise the last outcome repeats. A run that re-enters a
/// Fail state fails again whatever the script says, and uses up no outcome.
///
/// In the API, a script is part of the `input` of StartExecution, beside any other members:
///
/// ```json
/// {"outcomes": [
///   {"fail": {"state": "Load", "error": "Lambda.TooManyRequestsException", "cause": "…"}, "after_ms": 500},
///   {"succeed": {}}
/// ]}
/// ```
///
/// An outcome is one of `{"fail": {state?, error?, cause?}}`, `{"time_out": {}}`,
/// `{"succeed": {output?}}` and `{"hang": {}}`, each with an optional `after_ms`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// The outcomes, one per run.
    pub outcomes: Vec<Outcome>,
    /// The outcome of every later run.
    pub then: Option<Outcome>,
}

impl Script {
    /// Returns a script with these outcomes, the last of which repeats.
    pub fn new(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        Self {
            outcomes: outcomes.into_iter().collect(),
            then: None,
        }
    }

    /// Returns the outcome of run number `run`, counted from 0. An empty script has none.
    pub fn outcome(&self, run: usize) -> Option<&Outcome> {
        self.outcomes
            .get(run)
            .or(self.then.as_ref())
            .or_else(|| self.outcomes.last())
    }

    /// Reads the script out of an execution's input, if there is one.
    pub fn from_input(input: &Value) -> Result<Option<Self>, ScriptError> {
        let Some(outcomes) = input.get("outcomes") else {
            return Ok(None);
        };
        let outcomes = outcomes.as_array().filter(|list| !list.is_empty());
        let outcomes = outcomes.ok_or_else(|| {
            ScriptError::new("outcomes", "must be a list of at least one outcome")
        })?;
        let read = |at: String, value: &Value| {
            Outcome::deserialize(value).map_err(|error| ScriptError::new(at, error))
        };
        let each = outcomes.iter().enumerate();
        Ok(Some(Self {
            outcomes: each
                .map(|(i, value)| read(format!("outcomes[{i}]"), value))
                .collect::<Result<_, _>>()?,
            then: input
                .get("then")
                .map(|value| read("then".into(), value))
                .transpose()?,
        }))
    }

    /// Returns every outcome with its place in the script.
    pub(super) fn each(&self) -> impl Iterator<Item = (String, &Outcome)> {
        let listed = self
            .outcomes
            .iter()
            .enumerate()
            .map(|(i, outcome)| (format!("outcomes[{i}]"), outcome));
        listed.chain(self.then.iter().map(|outcome| ("then".to_owned(), outcome)))
    }
}

/// The reason why an input's script cannot be read, and the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the script in the input is invalid: {at}: {why}")]
pub struct ScriptError {
    at: String,
    why: String,
}

impl ScriptError {
    pub(super) fn new(at: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self {
            at: at.into(),
            why: why.to_string(),
        }
    }
}

/// The end of one run, and its duration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OutcomeText", into = "OutcomeText")]
pub struct Outcome {
    /// The end of the run.
    pub ending: Ending,
    /// The duration of the run, in milliseconds; a hanging run ignores it.
    pub after_ms: u64,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// FAILED at a state.
    Fail(Failing),
    /// TIMED_OUT by the machine's own `TimeoutSeconds`, without error and cause (observed). The time-out of a Task is
    /// `Fail` with the error `States.Timeout`.
    TimeOut,
    /// SUCCEEDED.
    Succeed(Succeeding),
    /// RUNNING until the run is stopped.
    Hang,
}

/// The state, error and cause of a failing run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failing {
    /// The state that fails. By default it is the state at which the execution stands, or the first Task. The literal
    /// `Error` and `Cause` of a Fail state take precedence over the values given here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The error, at most 256 characters (documented).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The cause, at most 32,768 characters (documented).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// The output of a succeeding run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Succeeding {
    /// The execution's output, `{}` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

impl Outcome {
    const fn new(ending: Ending) -> Self {
        Self {
            ending,
            after_ms: DEFAULT_RUN_MS,
        }
    }

    /// Returns a run that fails with this error and cause.
    pub fn fail(error: &str, cause: &str) -> Self {
        let (error, cause) = (Some(error.into()), Some(cause.into()));
        Self::new(Ending::Fail(Failing {
            state: None,
            error,
            cause,
        }))
    }

    /// Returns a run that the machine's own `TimeoutSeconds` ends.
    pub const fn time_out() -> Self {
        Self::new(Ending::TimeOut)
    }

    /// Returns a run that succeeds with the output `{}`.
    pub const fn succeed() -> Self {
        Self::new(Ending::Succeed(Succeeding { output: None }))
    }

    /// Returns a run that lasts until it is stopped.
    pub const fn hang() -> Self {
        Self::new(Ending::Hang)
    }

    /// Returns the same failure at a named state; other outcomes stay unchanged.
    #[must_use]
    pub fn at(mut self, state: &str) -> Self {
        if let Ending::Fail(failing) = &mut self.ending {
            failing.state = Some(state.into());
        }
        self
    }

    /// Returns the same outcome after a duration in milliseconds.
    #[must_use]
    pub const fn after(mut self, ms: u64) -> Self {
        self.after_ms = ms;
        self
    }
}

/// The JSON form of an outcome.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutcomeText {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fail: Option<Failing>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_out: Option<Nothing>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    succeed: Option<Succeeding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hang: Option<Nothing>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl TryFrom<OutcomeText> for Outcome {
    type Error = String;

    fn try_from(text: OutcomeText) -> Result<Self, String> {
        let OutcomeText {
            fail,
            time_out,
            succeed,
            hang,
            after_ms,
        } = text;
        if let Some(failing) = &fail {
            within("error", failing.error.as_deref(), 256)?;
            within("cause", failing.cause.as_deref(), 32_768)?;
        }
        let mut endings = [
            fail.map(Ending::Fail),
            time_out.map(|Nothing {}| Ending::TimeOut),
            succeed.map(Ending::Succeed),
            hang.map(|Nothing {}| Ending::Hang),
        ]
        .into_iter()
        .flatten();
        match (endings.next(), endings.next()) {
            (Some(ending), None) => Ok(Self {
                ending,
                after_ms: after_ms.unwrap_or(DEFAULT_RUN_MS),
            }),
            (None, _) => {
                Err("must have one of `fail`, `time_out`, `succeed`, `hang`; it has none".into())
            }
            _ => {
                Err("must have one of `fail`, `time_out`, `succeed`, `hang`; it has several".into())
            }
        }
    }
}

fn within(what: &str, text: Option<&str>, most: usize) -> Result<(), String> {
    match text.map(|text| text.chars().count()) {
        Some(length) if length > most => Err(format!(
            "`{what}` has {length} characters, at most {most} are allowed"
        )),
        _ => Ok(()),
    }
}

impl From<Outcome> for OutcomeText {
    fn from(outcome: Outcome) -> Self {
        let after_ms = Some(outcome.after_ms).filter(|ms| *ms != DEFAULT_RUN_MS);
        let mut text = Self {
            fail: None,
            time_out: None,
            succeed: None,
            hang: None,
            after_ms,
        };
        match outcome.ending {
            Ending::Fail(failing) => text.fail = Some(failing),
            Ending::TimeOut => text.time_out = Some(Nothing {}),
            Ending::Succeed(succeeding) => text.succeed = Some(succeeding),
            Ending::Hang => text.hang = Some(Nothing {}),
        }
        text
    }
}
