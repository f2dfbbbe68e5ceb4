//! Definitions in the Amazon States Language: the states, their resources, and the order in which states follow one
//! another. Data (paths, templates, JSONata) is not evaluated.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;

/// The type of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Task,
    Pass,
    Wait,
    Choice,
    Succeed,
    Fail,
    Parallel,
    Map,
}

impl Kind {
    /// Returns the `Type` of the language, which also begins the names of the state's history events.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Task => "Task",
            Self::Pass => "Pass",
            Self::Wait => "Wait",
            Self::Choice => "Choice",
            Self::Succeed => "Succeed",
            Self::Fail => "Fail",
            Self::Parallel => "Parallel",
            Self::Map => "Map",
        }
    }

    fn read(name: &str) -> Option<Self> {
        use Kind::{Choice, Fail, Map, Parallel, Pass, Succeed, Task, Wait};
        [Task, Pass, Wait, Choice, Succeed, Fail, Parallel, Map]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// The resource that a Task calls, which determines the Task's history events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resource {
    /// A function's own ARN: `LambdaFunction…` events.
    Lambda(Arc<str>),
    /// An activity's ARN: `Activity…` events.
    Activity(Arc<str>),
    /// `arn:aws:states:::<type>:<resource>`: `Task…` events.
    Integration {
        resource_type: Arc<str>,
        resource: Arc<str>,
    },
}

impl Resource {
    pub(super) fn read(arn: &str) -> Self {
        if let Some((_, rest)) = arn.split_once(":states:::") {
            let sdk = rest
                .strip_prefix("aws-sdk:")
                .and_then(|rest| rest.split_once(':'));
            let (resource_type, resource) = match (sdk, rest.split_once(':')) {
                (Some((service, action)), _) => (format!("aws-sdk:{service}"), action),
                (None, Some((service, action))) => (service.to_owned(), action),
                (None, None) => (rest.to_owned(), ""),
            };
            return Self::Integration {
                resource_type: resource_type.into(),
                resource: resource.into(),
            };
        }
        if arn.contains(":states:") && arn.contains(":activity:") {
            return Self::Activity(arn.into());
        }
        Self::Lambda(arn.into())
    }

    /// Returns whether the Task waits for more than the call's answer. Such a Task has a `TaskSubmitted` event.
    pub(super) fn waits(&self) -> bool {
        match self {
            Self::Integration { resource, .. } => {
                resource.contains(".sync") || resource.contains(".waitForTaskToken")
            }
            Self::Lambda(_) | Self::Activity(_) => false,
        }
    }
}

/// One state.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) name: Arc<str>,
    pub(super) kind: Kind,
    pub(super) resource: Option<Resource>,
    /// `Next`, or a Choice's `Default` and then its rules. A plain run takes the first.
    next: Vec<Arc<str>>,
    catches: Vec<Arc<str>>,
    /// The branches of a Parallel, or the item processor of a Map.
    pub(super) scopes: Vec<Arc<Scope>>,
    /// A Fail state's literal `Error`; neither an `ErrorPath` nor an expression.
    pub(super) error: Option<Arc<str>>,
    /// A Fail state's literal `Cause`.
    pub(super) cause: Option<Arc<str>>,
    /// Whether the state is a Map in distributed mode.
    pub(super) distributed: bool,
    pub(super) label: Option<Arc<str>>,
}

/// States that can follow one another: a whole machine, a branch, or an item processor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scope {
    start_at: Arc<str>,
    states: BTreeMap<Arc<str>, Arc<State>>,
}

/// A state and the Parallel and Map states around it, outermost first; the state itself is last.
pub(super) type Path = Vec<Arc<State>>;

impl State {
    /// Returns the scopes that run within this execution. The scopes of a Distributed Map do not.
    pub(super) fn inner(&self) -> &[Arc<Scope>] {
        if self.distributed { &[] } else { &self.scopes }
    }
}

impl Scope {
    fn state(&self, name: &str) -> Option<&Arc<State>> {
        self.states.get(name)
    }

    /// Returns whether the scope contains the state, at any depth.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.state(name).is_some()
            || self
                .states
                .values()
                .flat_map(|state| state.inner())
                .any(|scope| scope.contains(name))
    }

    /// Returns the path from the scope to the state of that name.
    pub(super) fn path_to(&self, name: &str) -> Option<Path> {
        if let Some(state) = self.state(name) {
            return Some(vec![Arc::clone(state)]);
        }
        self.states.values().find_map(|state| {
            let mut inner = state.inner().iter().find_map(|scope| scope.path_to(name))?;
            inner.insert(0, Arc::clone(state));
            Some(inner)
        })
    }

    /// Returns the states of a plain run, from the start or after `after`, always along the first transition.
    pub(super) fn straight(&self, after: Option<&State>) -> Path {
        let mut seen = BTreeSet::new();
        let mut path = Path::new();
        let mut next = after.map_or(Some(&self.start_at), |state| state.next.first());
        while let Some(state) = next.and_then(|name| self.state(name)) {
            if !seen.insert(Arc::clone(&state.name)) {
                break;
            }
            path.push(Arc::clone(state));
            next = state.next.first();
        }
        path
    }

    /// Returns the first Fail state that a plain run reaches, at any depth.
    pub(super) fn straight_into_fail(&self, after: Option<&State>) -> Option<Path> {
        self.straight(after).into_iter().find_map(|state| {
            if state.kind == Kind::Fail {
                return Some(vec![state]);
            }
            let inner = state
                .inner()
                .iter()
                .find_map(|scope| scope.straight_into_fail(None))?;
            Some(std::iter::once(state).chain(inner).collect())
        })
    }

    /// Returns the states between `after` (or the start) and `to`, both excluded.
    pub(super) fn between(&self, after: Option<&State>, to: &str) -> Path {
        let found = self.search(after, true, |state| &*state.name == to);
        let found = found.or_else(|| self.search(None, true, |state| &*state.name == to));
        let mut path = found.unwrap_or_default();
        path.pop();
        path
    }

    /// Returns the states from the start, or after `after`, to an end that is no Fail state.
    pub(super) fn way_out(&self, after: Option<&State>) -> Path {
        if after.is_some_and(|state| state.next.is_empty()) {
            return Path::new();
        }
        let end = |state: &State| state.next.is_empty() && state.kind != Kind::Fail;
        self.search(after, false, end).unwrap_or_default()
    }

    /// Returns the shortest path to a wanted state.
    fn search(
        &self,
        after: Option<&State>,
        catches: bool,
        wanted: impl Fn(&State) -> bool,
    ) -> Option<Path> {
        let follow = |state: &State| -> Vec<Arc<str>> {
            let caught = if catches {
                state.catches.as_slice()
            } else {
                &[]
            };
            state.next.iter().chain(caught).cloned().collect()
        };
        let first = after.map_or_else(|| vec![Arc::clone(&self.start_at)], follow);
        let mut seen: BTreeSet<Arc<str>> = first.iter().cloned().collect();
        let mut queue: VecDeque<(Arc<str>, Path)> =
            first.into_iter().map(|name| (name, Path::new())).collect();
        while let Some((name, mut path)) = queue.pop_front() {
            let Some(state) = self.state(&name) else {
                continue;
            };
            path.push(Arc::clone(state));
            if wanted(state) {
                return Some(path);
            }
            for next in follow(state) {
                if seen.insert(Arc::clone(&next)) {
                    queue.push_back((next, path.clone()));
                }
            }
        }
        None
    }

    /// Returns the Distributed Map with that label, or else one without a label.
    pub(super) fn distributed(&self, label: &str) -> Option<&Arc<State>> {
        let here = self.states.values().filter(|state| state.distributed);
        here.clone()
            .find(|state| state.label.as_deref() == Some(label))
            .or_else(|| here.clone().find(|state| state.label.is_none()))
            .or_else(|| {
                let inner = self.states.values().flat_map(|state| &state.scopes);
                inner.into_iter().find_map(|scope| scope.distributed(label))
            })
    }
}

/// Returns the first wanted state of `states` without inner states, searching inside containers.
pub(super) fn leaf(states: &[Arc<State>], wanted: fn(Kind) -> bool) -> Option<Path> {
    states.iter().find_map(|state| {
        if state.inner().is_empty() {
            return wanted(state.kind).then(|| vec![Arc::clone(state)]);
        }
        let within = state
            .inner()
            .iter()
            .find_map(|scope| leaf(&scope.straight(None), wanted))?;
        Some(std::iter::once(Arc::clone(state)).chain(within).collect())
    })
}

/// Reads a definition, or returns an explanation of its mistake.
pub(super) fn read(text: &str) -> Result<Arc<Scope>, String> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| format!("INVALID_JSON_DESCRIPTION: {error}"))?;
    scope(&value, "", &mut BTreeSet::new())
}

fn scope(value: &Value, at: &str, names: &mut BTreeSet<String>) -> Result<Arc<Scope>, String> {
    let place = if at.is_empty() { "/" } else { at };
    let missing: Vec<&str> = ["StartAt", "States"]
        .into_iter()
        .filter(|key| value.get(key).is_none())
        .collect();
    if !missing.is_empty() {
        return Err(format!(
            "SCHEMA_VALIDATION_FAILED: These fields are required: [{}] at {place}",
            missing.join(", ")
        ));
    }
    let start_at: Arc<str> = value
        .get("StartAt")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .into();
    let texts = value.get("States").and_then(Value::as_object);
    let texts = texts.ok_or_else(|| {
        format!("SCHEMA_VALIDATION_FAILED: Value is not an object at {at}/States")
    })?;
    let mut states = BTreeMap::new();
    for (name, text) in texts {
        if !names.insert(name.clone()) {
            return Err(format!(
                "DUPLICATE_STATE_NAME: Duplicate State name: {name} at {at}/States/{name}"
            ));
        }
        let state = state(name, text, &format!("{at}/States/{name}"), names)?;
        states.insert(Arc::clone(&state.name), Arc::new(state));
    }
    let lost = |target: &str, from: String| {
        format!("MISSING_TRANSITION_TARGET: Missing 'Next' target: {target} at {from}")
    };
    if !states.contains_key(&start_at) {
        return Err(lost(&start_at, format!("{at}/StartAt")));
    }
    for state in states.values() {
        if let Some(target) = state
            .next
            .iter()
            .chain(&state.catches)
            .find(|name| !states.contains_key(*name))
        {
            return Err(lost(target, format!("{at}/States/{}/Next", state.name)));
        }
    }
    Ok(Arc::new(Scope { start_at, states }))
}

fn state(
    name: &str,
    text: &Value,
    at: &str,
    names: &mut BTreeSet<String>,
) -> Result<State, String> {
    let word = |key: &str| text.get(key).and_then(Value::as_str);
    let list = |key: &str| {
        text.get(key)
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    let kind = word("Type").and_then(Kind::read).ok_or_else(|| {
        format!("SCHEMA_VALIDATION_FAILED: Value is not a valid state Type at {at}/Type")
    })?;
    let targets = |key: &str| -> Vec<Arc<str>> {
        list(key)
            .iter()
            .filter_map(|rule| rule.get("Next")?.as_str())
            .map(Arc::from)
            .collect()
    };
    let mut next: Vec<Arc<str>> = word("Next")
        .or_else(|| word("Default"))
        .map(Arc::from)
        .into_iter()
        .collect();
    next.extend(targets("Choices"));
    let ends = text.get("End").and_then(Value::as_bool) == Some(true)
        || matches!(kind, Kind::Succeed | Kind::Fail);
    if next.is_empty() && !ends {
        return Err(format!(
            "SCHEMA_VALIDATION_FAILED: One of [Next, End] is required at {at}"
        ));
    }
    let resource = word("Resource").map(Resource::read);
    if kind == Kind::Task && resource.is_none() {
        return Err(format!(
            "SCHEMA_VALIDATION_FAILED: These fields are required: [Resource] at {at}"
        ));
    }
    let mut scopes = Vec::new();
    for (index, branch) in list("Branches").iter().enumerate() {
        scopes.push(scope(branch, &format!("{at}/Branches[{index}]"), names)?);
    }
    let processor = text.get("ItemProcessor").or_else(|| text.get("Iterator"));
    if let Some(processor) = processor {
        scopes.push(scope(processor, &format!("{at}/ItemProcessor"), names)?);
    }
    let mode = processor.and_then(|processor| processor.pointer("/ProcessorConfig/Mode")?.as_str());
    let literal = |key: &str| {
        word(key)
            .filter(|text| !text.starts_with("{%"))
            .map(Arc::from)
    };
    Ok(State {
        name: name.into(),
        kind,
        resource,
        next,
        catches: targets("Catch"),
        scopes,
        error: literal("Error"),
        cause: literal("Cause"),
        distributed: kind == Kind::Map && mode == Some("DISTRIBUTED"),
        label: word("Label").map(Arc::from),
    })
}
