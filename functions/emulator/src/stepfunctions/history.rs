//! An execution's history: stored in small values, and shown in the form of GetExecutionHistory.

use std::sync::Arc;

use serde_json::{Value, json};

use super::definition::{Resource, State};
use super::wire::{Object, text};
use crate::dates::epoch_seconds;

/// The error and the cause of a failure; either may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) error: Option<Arc<str>>,
    pub(super) cause: Option<Arc<str>>,
}

impl Failure {
    pub(super) fn new(error: Option<&str>, cause: Option<&str>) -> Self {
        Self {
            error: error.map(Arc::from),
            cause: cause.map(Arc::from),
        }
    }

    fn add_to(&self, object: Object) -> Object {
        object
            .maybe("error", self.error.as_deref())
            .maybe("cause", self.cause.as_deref())
    }
}

/// The content of one history event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    ExecutionStarted,
    ExecutionSucceeded(Arc<str>),
    ExecutionFailed(Failure),
    ExecutionTimedOut,
    ExecutionAborted(Failure),
    ExecutionRedriven(u64),
    StateEntered(Arc<State>),
    StateExited(Arc<State>),
    Scheduled(Arc<State>),
    Started(Arc<State>),
    Submitted(Arc<State>),
    Succeeded(Arc<State>),
    Failed(Arc<State>, Failure),
    TimedOut(Arc<State>, Failure),
    EvaluationFailed(Arc<State>, Failure),
    ParallelStateStarted,
    ParallelStateSucceeded,
    ParallelStateFailed,
    MapStateStarted,
    MapStateSucceeded,
    MapStateFailed,
    MapIterationStarted(Arc<State>),
    MapIterationSucceeded(Arc<State>),
    MapIterationFailed(Arc<State>),
    MapRunStarted(Arc<str>),
    MapRunFailed(Failure),
    MapRunRedriven(Arc<str>, u64),
}

/// One event. Its id is its position in the history, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) at: u64,
    pub(super) previous: u64,
    pub(super) what: What,
}

/// The events of one execution, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct History(Vec<Event>);

impl History {
    /// Appends an event and returns its id.
    pub(super) fn push(&mut self, at: u64, previous: u64, what: What) -> u64 {
        self.0.push(Event { at, previous, what });
        self.len()
    }

    /// Returns the number of events, which is also the id of the last one.
    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Returns the number of events at time `at`.
    // INVARIANT: times never decrease along a history.
    pub(super) fn len_at(&self, at: u64) -> u64 {
        self.0.partition_point(|event| event.at <= at) as u64
    }

    pub(super) fn get(&self, id: u64) -> Option<&Event> {
        self.0.get(usize::try_from(id.checked_sub(1)?).ok()?)
    }
}

/// The facts about an execution that the answer for an event needs.
pub(super) struct Shown<'a> {
    pub(super) input: &'a str,
    pub(super) role: &'a str,
    pub(super) region: &'a str,
    pub(super) version: Option<&'a str>,
    pub(super) alias: Option<&'a str>,
    /// `includeExecutionData`: without it the answer omits inputs and outputs, and keeps error and cause (observed).
    pub(super) data: bool,
}

impl Shown<'_> {
    /// Adds the input. Data (paths, results) is not evaluated, so every state shows the execution's input.
    fn input(&self, object: Object) -> Object {
        self.payload(object, "input", self.input)
    }

    fn payload(&self, object: Object, key: &str, value: &str) -> Object {
        if !self.data {
            return object;
        }
        object
            .with(key, value)
            .with(&format!("{key}Details"), json!({ "truncated": false }))
    }

    /// Returns the event in the form of the API.
    pub(super) fn event(&self, id: u64, event: &Event) -> Value {
        let (name, key, details) = self.describe(&event.what);
        let object = Object::default()
            .with("timestamp", epoch_seconds(event.at))
            .with("type", name.as_str())
            .with("id", id)
            .with("previousEventId", event.previous);
        object
            .maybe(&format!("{key}EventDetails"), details.map(Object::done))
            .done()
    }

    /// Returns an event's type, the prefix of its details' key, and its details.
    fn describe(&self, what: &What) -> (String, String, Option<Object>) {
        let object = Object::default;
        let plain = |name: &str| (name.to_owned(), String::new(), None);
        let with = |name: &str, details: Object| (name.to_owned(), lower(name), Some(details));
        let iteration = |name: &str, state: &State| {
            with(
                name,
                object().with("name", text(&state.name)).with("index", 0),
            )
        };
        match what {
            What::ExecutionStarted => with(
                "ExecutionStarted",
                self.input(object())
                    .with("roleArn", self.role)
                    .maybe("stateMachineAliasArn", self.alias)
                    .maybe("stateMachineVersionArn", self.version),
            ),
            What::ExecutionSucceeded(output) => with(
                "ExecutionSucceeded",
                self.payload(object(), "output", output),
            ),
            What::ExecutionFailed(failure) => with("ExecutionFailed", failure.add_to(object())),
            What::ExecutionTimedOut => with(
                "ExecutionTimedOut",
                object().with("error", "States.Timeout"),
            ),
            What::ExecutionAborted(failure) => with("ExecutionAborted", failure.add_to(object())),
            What::ExecutionRedriven(count) => {
                with("ExecutionRedriven", object().with("redriveCount", *count))
            }
            What::StateEntered(state) => {
                let details = self.input(object().with("name", text(&state.name)));
                (
                    format!("{}StateEntered", state.kind.name()),
                    "stateEntered".into(),
                    Some(details),
                )
            }
            What::StateExited(state) => {
                let details = object().with("name", text(&state.name));
                let details = self.payload(details, "output", self.input);
                (
                    format!("{}StateExited", state.kind.name()),
                    "stateExited".into(),
                    Some(details),
                )
            }
            What::Scheduled(state) => self.task(state, "Scheduled", None),
            What::Started(state) => self.task(state, "Started", None),
            What::Submitted(state) => self.task(state, "Submitted", None),
            What::Succeeded(state) => self.task(state, "Succeeded", None),
            What::Failed(state, failure) => self.task(state, "Failed", Some(failure)),
            What::TimedOut(state, failure) => self.task(state, "TimedOut", Some(failure)),
            What::EvaluationFailed(state, failure) => with(
                "EvaluationFailed",
                failure.add_to(object().with("state", text(&state.name))),
            ),
            What::ParallelStateStarted => plain("ParallelStateStarted"),
            What::ParallelStateSucceeded => plain("ParallelStateSucceeded"),
            What::ParallelStateFailed => plain("ParallelStateFailed"),
            What::MapStateStarted => with("MapStateStarted", object().with("length", 1)),
            What::MapStateSucceeded => plain("MapStateSucceeded"),
            What::MapStateFailed => plain("MapStateFailed"),
            What::MapIterationStarted(state) => iteration("MapIterationStarted", state),
            What::MapIterationSucceeded(state) => iteration("MapIterationSucceeded", state),
            What::MapIterationFailed(state) => iteration("MapIterationFailed", state),
            What::MapRunStarted(arn) => {
                with("MapRunStarted", object().with("mapRunArn", text(arn)))
            }
            What::MapRunFailed(failure) => with("MapRunFailed", failure.add_to(object())),
            What::MapRunRedriven(arn, count) => with(
                "MapRunRedriven",
                object()
                    .with("mapRunArn", text(arn))
                    .with("redriveCount", *count),
            ),
        }
    }

    /// Returns an event of a Task, whose name and details follow from the Task's resource.
    fn task(
        &self,
        state: &State,
        stage: &str,
        failure: Option<&Failure>,
    ) -> (String, String, Option<Object>) {
        let failed = |object: Object| match failure {
            Some(failure) => failure.add_to(object),
            None => object,
        };
        let (prefix, details) = match &state.resource {
            Some(Resource::Lambda(arn)) => ("LambdaFunction", self.call(stage, arn)),
            Some(Resource::Activity(arn)) => ("Activity", self.call(stage, arn)),
            Some(Resource::Integration {
                resource_type,
                resource,
            }) => {
                let object = Object::default()
                    .with("resourceType", text(resource_type))
                    .with("resource", text(resource));
                let details = match stage {
                    "Scheduled" => {
                        let parameters = if self.data { self.input } else { "" };
                        object
                            .with("region", self.region)
                            .with("parameters", parameters)
                    }
                    "Submitted" | "Succeeded" => self.payload(object, "output", self.input),
                    _ => object,
                };
                ("Task", Some(details))
            }
            None => ("Task", None),
        };
        let details = match (details, failure) {
            (None, Some(_)) => Some(failed(Object::default())),
            (details, _) => details.map(failed),
        };
        let name = format!("{prefix}{stage}");
        let key = lower(&name);
        (name, key, details)
    }

    /// Returns a function's or an activity's details, which only the first and the last event have.
    fn call(&self, stage: &str, arn: &str) -> Option<Object> {
        match stage {
            "Scheduled" => Some(self.input(Object::default().with("resource", arn))),
            "Succeeded" => Some(self.payload(Object::default(), "output", self.input)),
            _ => None,
        }
    }
}

/// Returns the name with its first letter in lower case.
fn lower(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .into_iter()
        .flat_map(char::to_lowercase)
        .chain(letters)
        .collect()
}
