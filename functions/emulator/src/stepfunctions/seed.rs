//! Access to the service that the real one does not offer: ready-made executions, people, and a view of the real
//! state.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::definition::{self, Kind};
use super::execution::{Birth, Execution};
use super::history::Failure;
use super::machine::{Machine, Revision, Type, Version};
use super::script::{Ending, Failing, Outcome, Script, Succeeding};
use super::status::{By, Redrive, Status};
use super::wire::{Arn, arn as build, error, invalid, no_execution, wrong_kind};
use super::{Answer, Options, StepFunctions};
use crate::api::{ApiError, Service};

/// A ready-made execution for [`StepFunctions::seed`]. [`Seed::new`] has defaults for the fields that a caller leaves
/// out.
#[derive(Debug, Clone, PartialEq)]
pub struct Seed {
    /// The execution's ARN. A label in the ARN makes the execution a child of a Map Run.
    pub arn: String,
    /// The version that started the execution, if a version did.
    pub state_machine_version_arn: Option<String>,
    /// The alias that started the execution, if an alias did.
    pub state_machine_alias_arn: Option<String>,
    /// The status: any except PENDING_REDRIVE.
    pub status: Status,
    /// The number of redrives.
    pub redrive_count: u64,
    /// The time of the last redrive. A missing time of a redriven execution is made up.
    pub redrive_date: Option<u64>,
    /// The start, in milliseconds since the epoch.
    pub start: u64,
    /// The end, in milliseconds since the epoch; ignored while RUNNING.
    pub stop: u64,
    /// The error of a FAILED or ABORTED execution.
    pub error: Option<String>,
    /// The cause of a FAILED or ABORTED execution.
    pub cause: Option<String>,
    /// The input, as JSON text.
    pub input: String,
    /// Whether the execution ended in a Fail state. Such an execution fails again at once after every redrive.
    pub ended_in_fail_state: bool,
    /// The state at which the execution failed or stands.
    pub failed_state: Option<String>,
    /// The outcomes of the next runs. For a RUNNING execution the first outcome ends the current run.
    pub outcomes: Script,
}

impl Seed {
    /// Returns an execution with the input `{}` that was never redriven and that fails in every run.
    pub fn new(arn: impl Into<String>, status: Status, start: u64, stop: u64) -> Self {
        Self {
            arn: arn.into(),
            state_machine_version_arn: None,
            state_machine_alias_arn: None,
            status,
            redrive_count: 0,
            redrive_date: None,
            start,
            stop,
            error: None,
            cause: None,
            input: "{}".into(),
            ended_in_fail_state: false,
            failed_state: None,
            outcomes: Script::default(),
        }
    }

    /// Returns the definition of a small machine that can have led to this seed.
    fn definition(&self) -> String {
        let task = "arn:aws:states:::lambda:invoke";
        let failed = self.failed_state.as_deref();
        let definition = if self.ended_in_fail_state {
            let failed = failed.unwrap_or("Failed");
            let mut state = json!({ "Type": "Fail" });
            if let Some(members) = state.as_object_mut() {
                let literal = [("Error", &self.error), ("Cause", &self.cause)];
                members.extend(
                    literal
                        .into_iter()
                        .filter_map(|(key, text)| Some((key.into(), json!(text.as_ref()?)))),
                );
            }
            let first = if failed == "Work" { "Begin" } else { "Work" };
            let caught = json!([{ "ErrorEquals": ["States.ALL"], "Next": failed }]);
            let work = json!({ "Type": "Task", "Resource": task, "Catch": caught, "End": true });
            json!({ "StartAt": first, "States": { first: work, failed: state } })
        } else {
            let name = failed.unwrap_or("Work");
            let work = json!({ "Type": "Task", "Resource": task, "End": true });
            json!({ "StartAt": name, "States": { name: work } })
        };
        definition.to_string()
    }

    /// Returns whether a definition has the state at which this execution failed, and the Fail state in which it
    /// ended.
    fn suits(&self, scope: &definition::Scope) -> bool {
        let Some(name) = self.failed_state.as_deref() else {
            return !self.ended_in_fail_state;
        };
        let path = scope.path_to(name);
        let Some(state) = path.as_ref().and_then(|path| path.last()) else {
            return false;
        };
        let says = |literal: &Option<Arc<str>>, text: &Option<String>| {
            literal
                .as_deref()
                .is_none_or(|literal| Some(literal) == text.as_deref())
        };
        let fail = state.kind == Kind::Fail;
        fail == self.ended_in_fail_state
            && (!fail || says(&state.error, &self.error) && says(&state.cause, &self.cause))
    }

    /// Returns the ending of the last run.
    fn last_ending(&self) -> Ending {
        match self.status {
            Status::Succeeded => Ending::Succeed(Succeeding::default()),
            Status::TimedOut => Ending::TimeOut,
            Status::Failed => self.failing(),
            Status::Running | Status::Aborted | Status::PendingRedrive => Ending::Hang,
        }
    }

    fn failing(&self) -> Ending {
        let fallback = self.ended_in_fail_state.then(|| "Failed".to_owned());
        let state = self.failed_state.clone().or(fallback);
        Ending::Fail(Failing {
            state,
            error: self.error.clone(),
            cause: self.cause.clone(),
        })
    }
}

/// The real state of an execution, whatever lagging answers show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View<'a> {
    /// The ARN.
    pub arn: &'a str,
    /// The status.
    pub status: Status,
    /// The start, in milliseconds since the epoch.
    pub start: u64,
    /// The end, in milliseconds since the epoch, if the execution has ended.
    pub stop: Option<u64>,
    /// The number of redrives.
    pub redrive_count: u64,
    /// The time of the last redrive.
    pub redrive_date: Option<u64>,
    /// The error of the last end.
    pub error: Option<&'a str>,
    /// The cause of the last end.
    pub cause: Option<&'a str>,
    /// The output of a SUCCEEDED execution.
    pub output: Option<&'a str>,
    /// The state at which the execution stands or ended.
    pub state: Option<&'a str>,
    /// Whether the execution ended in a Fail state.
    pub ended_in_fail_state: bool,
    /// The number of events in the history.
    pub events: u64,
    /// The redrives that restarted the execution here, oldest first. The redrives before a seed are not among them.
    pub redrives: &'a [Redrive],
}

impl<'a> View<'a> {
    fn of(execution: &'a Execution) -> Self {
        let phase = &execution.phase;
        Self {
            arn: &execution.arn,
            status: phase.status,
            start: execution.start,
            stop: phase.stop,
            redrive_count: phase.redrive_count,
            redrive_date: phase.redrive_date,
            error: phase.failure.error.as_deref(),
            cause: phase.failure.cause.as_deref(),
            output: phase.output.as_deref(),
            state: execution.cursor.state().map(|state| &*state.name),
            ended_in_fail_state: execution.ended_in_fail_state,
            events: execution.history.len(),
            redrives: &execution.redrives,
        }
    }
}

impl StepFunctions {
    /// Returns the real state of an execution.
    pub fn execution(&self, arn: &str) -> Option<View<'_>> {
        self.executions.get(arn).map(View::of)
    }

    /// Returns every execution, in the order of the ARNs.
    pub fn executions(&self) -> impl Iterator<Item = View<'_>> {
        self.executions.values().map(View::of)
    }

    /// Replaces the outcomes of the runs that have not begun. Returns false if there is no such execution.
    pub fn set_outcomes(&mut self, arn: &str, script: Script) -> bool {
        let execution = self.executions.get_mut(arn);
        execution
            .map(|execution| execution.set_script(script))
            .is_some()
    }

    /// Lets a person redrive an execution in the console. The effect is that of RedriveExecution without a client
    /// token, and [`calls`](Self::calls) gets no entry.
    pub fn person_redrives(&mut self, now: u64, arn: &str) -> Result<(), ApiError> {
        self.advance(now);
        self.restart_if_possible(now, arn, None, By::Person)
    }

    /// Lets a person stop a running execution. The effect is that of StopExecution, and [`calls`](Self::calls) gets
    /// no entry.
    pub fn person_stops(
        &mut self,
        now: u64,
        arn: &str,
        error: Option<&str>,
        cause: Option<&str>,
    ) -> Result<(), ApiError> {
        self.advance(now);
        let execution = self.executions.get(arn).ok_or_else(|| no_execution(arn))?;
        if !execution.phase.status.is_closed() {
            let arn = Arc::clone(&execution.arn);
            self.abort(now, &arn, Failure::new(error, cause));
        }
        Ok(())
    }

    /// Adds a ready-made execution with a plausible history, and emits no event. A missing machine is created. If an
    /// existing machine's newest definition cannot have led to this execution, the machine counts as updated since.
    pub fn seed(&mut self, seed: Seed) -> Result<(), ApiError> {
        let Arn::Execution {
            machine: name,
            label,
            name: execution_name,
        } = Arn::read(&seed.arn)?
        else {
            return Err(wrong_kind(Arn::read(&seed.arn)?));
        };
        if seed.status == Status::PendingRedrive {
            return Err(invalid(
                "an execution cannot be seeded as PENDING_REDRIVE",
                None,
            ));
        }
        if self.executions.contains_key(seed.arn.as_str()) {
            return Err(error(
                "ExecutionAlreadyExists",
                format!("Execution Already Exists: '{}'", seed.arn),
            ));
        }
        let prefix = seed.arn.split(":execution:").next().unwrap_or_default();
        let machine: Arc<str> = format!("{prefix}:stateMachine:{name}").into();
        let revision = self.seeded_revision(&seed, &machine, name)?;
        let map_run = label.map(|label| {
            let run = self.ids.uuid();
            build(&self.place, format_args!("mapRun:{name}/{label}:{run}")).into()
        });
        let birth = Birth {
            arn: seed.arn.as_str().into(),
            name: execution_name.into(),
            machine: label.map_or(Arc::clone(&machine), |label| {
                format!("{machine}/{label}").into()
            }),
            version: seed.state_machine_version_arn.as_deref().map(Arc::from),
            alias: seed.state_machine_alias_arn.as_deref().map(Arc::from),
            scope: Arc::clone(&revision.scope),
            revision,
            map_run,
            input: seed.input.as_str().into(),
            start: seed.start,
            order: self.next_number(),
            script: None,
        };
        let (execution, ends) = seed.play(Execution::new(birth), &self.options);
        let arn = Arc::clone(&execution.arn);
        self.keep(execution);
        if seed.status == Status::Running {
            self.open += 1;
        }
        if let Some(ends) = ends {
            self.put_due(ends, &arn);
        }
        Ok(())
    }

    /// Returns the revision that a seeded execution is pinned to.
    fn seeded_revision(
        &mut self,
        seed: &Seed,
        machine: &Arc<str>,
        name: &str,
    ) -> Answer<Arc<Revision>> {
        let known = self
            .machines
            .get(machine)
            .map(|machine| Arc::clone(&machine.revision));
        let revision = match known.filter(|revision| seed.suits(&revision.scope)) {
            Some(revision) => revision,
            None => {
                let text = seed.definition();
                let scope = definition::read(&text).map_err(|why| invalid(why, None))?;
                let role = format!(
                    "arn:{}:iam::{}:role/{name}",
                    self.place.partition, self.place.account
                );
                Arc::new(Revision {
                    text: text.into(),
                    scope,
                    role: role.into(),
                    id: None,
                    since: seed.start,
                })
            }
        };
        let machine = self
            .machines
            .entry(Arc::clone(machine))
            .or_insert_with(|| Machine {
                arn: Arc::clone(machine),
                name: name.into(),
                kind: Type::Standard,
                created: seed.start,
                deleting: false,
                revision: Arc::clone(&revision),
                versions: BTreeMap::new(),
                aliases: BTreeMap::new(),
                published: 0,
            });
        let version = seed.state_machine_version_arn.as_deref();
        let number = version.and_then(|arn| arn.rsplit(':').next()?.parse::<u64>().ok());
        if let (Some(arn), Some(number)) = (version, number) {
            let (arn, created, revision) = (arn.into(), seed.start, Arc::clone(&revision));
            machine.published = machine.published.max(number);
            let made = || Version {
                arn,
                revision,
                created,
                description: None,
            };
            let version = machine.versions.entry(number).or_insert_with(made);
            return Ok(Arc::clone(&version.revision));
        }
        Ok(revision)
    }
}

impl Seed {
    /// Plays the past of a seeded execution. Also returns the end of the current run if the execution is running.
    fn play(&self, mut execution: Execution, options: &Options) -> (Execution, Option<u64>) {
        let calm = Options {
            describe_lag_ms: 0,
            list_lag_ms: 0,
            fail_state_ms: 0,
            ..options.clone()
        };
        let running = self.status == Status::Running;
        let stop = if running {
            self.redrive_date.unwrap_or(self.start)
        } else {
            self.stop.max(self.start)
        };
        let last = self
            .redrive_date
            .unwrap_or(u64::midpoint(self.start, stop))
            .clamp(self.start, stop);
        let share = |run: u64| match self.redrive_count {
            0 => self.start,
            runs => self.start + (last - self.start) / runs * run,
        };
        let begins = |run: u64| {
            if run == self.redrive_count && run > 0 {
                last
            } else {
                share(run)
            }
        };
        let named = self
            .failed_state
            .as_deref()
            .filter(|_| !self.ended_in_fail_state);
        if let Some(path) = named.and_then(|name| execution.scope.path_to(name)) {
            execution.walk(self.start).go_to(&path);
        }
        for run in 0..=self.redrive_count {
            let at = begins(run);
            if run > 0 {
                execution.redrive(at, None, By::Person, &calm);
            }
            if run == self.redrive_count {
                break;
            }
            let outcome = Outcome {
                ending: self.failing(),
                after_ms: 0,
            };
            execution.set_script(Script::new([outcome]));
            execution.begin(at, &calm);
            execution.end(u64::midpoint(at, begins(run + 1)), &calm);
        }
        let at = begins(self.redrive_count);
        let scripted = self.outcomes != Script::default();
        if running {
            if scripted {
                execution.set_script(self.outcomes.clone());
            }
            let ends = execution.begin(at, &calm);
            execution.redrives.clear();
            execution.phase.since = self.start;
            return (execution, ends);
        }
        let outcome = Outcome {
            ending: self.last_ending(),
            after_ms: 0,
        };
        execution.set_script(Script::new([outcome]));
        execution.begin(at, &calm);
        if self.status == Status::Aborted {
            let failure = Failure::new(self.error.as_deref(), self.cause.as_deref());
            execution.abort(stop, failure, &calm);
        } else {
            execution.end(stop, &calm);
        }
        execution.redrives.clear();
        execution.phase.since = self.start;
        let again = Outcome {
            ending: self.failing(),
            after_ms: super::DEFAULT_RUN_MS,
        };
        execution.set_script(if scripted {
            self.outcomes.clone()
        } else {
            Script::new([again])
        });
        (execution, None)
    }
}
