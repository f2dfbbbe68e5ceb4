//! StartExecution, StopExecution, DescribeExecution, GetExecutionHistory.

use std::sync::Arc;

use serde_json::{Value, json};

use super::execution::{Birth, Execution};
use super::history::{Failure, Shown};
use super::listing::summary;
use super::machine::{Machine, Pointed, Type};
use super::script::{Ending, Script, ScriptError};
use super::status::Status;
use super::wire::{
    Arn, Object, Page, Request, arn as build, constraint, deleting, error, invalid, invalid_arn,
    limit_exceeded, no_execution, no_machine, text, valid_name, wrong_kind,
};
use super::{Answer, StepFunctions};
use crate::dates::epoch_seconds;

/// Maximum size of an input, in bytes (documented: 256 KiB).
const INPUT_LIMIT: usize = 262_144;

impl StepFunctions {
    /// Returns a machine, and the revision that one of its ARNs points at.
    pub(super) fn pointed(&self, arn: &str) -> Answer<(&Machine, Pointed)> {
        let (unqualified, qualifier) = match Arn::read(arn)? {
            Arn::Machine {
                unqualified,
                qualifier,
                label: None,
            } => (unqualified, qualifier),
            Arn::Machine { .. } => {
                let message = format!("Labeled state machine ARNs are not supported here: '{arn}'");
                return Err(invalid(message, Some("API_DOES_NOT_SUPPORT_LABELED_ARNS")));
            }
            other => return Err(wrong_kind(other)),
        };
        let machine = self
            .machines
            .get(unqualified)
            .ok_or_else(|| no_machine(arn))?;
        let pointed = machine.point(qualifier).ok_or_else(|| no_machine(arn))?;
        Ok((machine, pointed))
    }

    /// Returns an execution by its ARN. ARNs of express executions are refused (observed).
    pub(super) fn find(&self, arn: &str) -> Answer<&Execution> {
        match Arn::read(arn)? {
            Arn::Execution { .. } => self.executions.get(arn).ok_or_else(|| no_execution(arn)),
            other => Err(wrong_kind(other)),
        }
    }

    pub(super) fn start_execution(&mut self, now: u64, request: Request<'_>) -> Answer {
        let machine_arn = request.required("stateMachineArn", 256)?;
        let name = request
            .text("name", 0, usize::MAX)?
            .map(valid_name)
            .transpose()?;
        let input = request.text("input", 0, usize::MAX)?.unwrap_or("{}");
        let data: Value = serde_json::from_str(input).map_err(|why| bad_input(&why.to_string()))?;
        if input.len() > INPUT_LIMIT {
            return Err(constraint(format_args!(
                "Value at 'input' failed to satisfy constraint: \
                 Member must have length less than or equal to {INPUT_LIMIT}"
            )));
        }
        let (machine, pointed) = self.pointed(machine_arn)?;
        if machine.deleting {
            return Err(deleting(&machine.arn));
        }
        let script = read_script(&data, &pointed).map_err(|why| invalid(why.to_string(), None))?;
        let (machine_arn, machine_name) = (Arc::clone(&machine.arn), Arc::clone(&machine.name));
        let express = machine.kind == Type::Express;
        let name: Arc<str> = match name {
            Some(name) => name.into(),
            None => self.ids.uuid().into(),
        };
        if express {
            // AWS: an express execution has no status-change events and no history in the API (documented). It cannot
            // be redriven.
            let run = self.ids.uuid();
            let arn = build(
                &self.place,
                format_args!("express:{machine_name}:{name}:{run}"),
            );
            return Ok(started(&arn, now));
        }
        let arn = build(&self.place, format_args!("execution:{machine_name}:{name}"));
        if let Some(known) = self.executions.get(arn.as_str()) {
            // AWS: starting a running execution again with the same input is idempotent (documented).
            if known.phase.status == Status::Running && *known.input == *input {
                return Ok(started(&arn, known.start));
            }
            return Err(error(
                "ExecutionAlreadyExists",
                format!("Execution Already Exists: '{arn}'"),
            ));
        }
        if self.open >= self.options.open_execution_limit {
            return Err(limit_exceeded());
        }
        let answer = started(&arn, now);
        let scope = Arc::clone(&pointed.revision.scope);
        let Pointed {
            revision,
            version,
            alias,
        } = pointed;
        let order = self.next_number();
        self.launch(Execution::new(Birth {
            arn: arn.into(),
            name,
            machine: machine_arn,
            version,
            alias,
            revision,
            scope,
            map_run: None,
            input: input.into(),
            start: now,
            order,
            script,
        }));
        Ok(answer)
    }

    /// Stops an execution. For a closed execution the answer is its `stopDate`, and nothing changes.
    pub(super) fn stop_execution(&mut self, now: u64, request: Request<'_>) -> Answer {
        let arn = request.required("executionArn", 256)?;
        let failure = Failure::new(
            request.text("error", 0, 256)?,
            request.text("cause", 0, 32_768)?,
        );
        let execution = self.find(arn)?;
        let stop = execution
            .phase
            .stop
            .filter(|_| execution.phase.status.is_closed());
        if stop.is_none() {
            let arn = Arc::clone(&execution.arn);
            self.abort(now, &arn, failure);
        }
        Ok(Object::default()
            .with("stopDate", epoch_seconds(stop.unwrap_or(now)))
            .done())
    }

    pub(super) fn describe_execution(&self, now: u64, request: Request<'_>) -> Answer {
        let arn = request.required("executionArn", 256)?;
        let data = request.one_of("includedData", &["ALL_DATA", "METADATA_ONLY"])?
            != Some("METADATA_ONLY");
        let execution = self.find(arn)?;
        let phase = execution
            .seen(self.options.shown(now, self.options.describe_lag_ms))
            .ok_or_else(|| no_execution(arn))?;
        let redrivable =
            execution.redrivable(phase, self.is_deleting(execution), now, &self.options);
        let (redrive_status, reason) = redrivable.parts();
        let mut object = summary(execution, phase)
            .with("redriveStatus", redrive_status)
            .maybe("redriveStatusReason", reason);
        if data {
            object = object
                .with("input", text(&execution.input))
                .with("inputDetails", included())
                .maybe("output", phase.output.as_deref())
                .maybe("outputDetails", phase.output.as_ref().map(|_| included()))
                .maybe("error", phase.failure.error.as_deref())
                .maybe("cause", phase.failure.cause.as_deref());
        }
        Ok(object.done())
    }

    pub(super) fn get_history(&self, now: u64, request: Request<'_>) -> Answer {
        let arn = request.required("executionArn", 256)?;
        let size = request.page_size()?;
        let reverse = request.flag("reverseOrder", false)?;
        let data = request.flag("includeExecutionData", true)?;
        let start = request.page_start(now)?;
        let execution = self.find(arn)?;
        let seen = execution
            .history
            .len_at(self.options.shown(now, self.options.history_lag_ms));
        // A page begins after the last id shown. The walk backwards stays within the history as of its first page.
        let first = match (start.map(|page| page.key.0), reverse) {
            (None, false) => 1,
            (None, true) => seen,
            (Some(last), false) => last + 1,
            (Some(last), true) => last.saturating_sub(1),
        };
        let shown = Shown {
            input: &execution.input,
            role: &execution.revision.role,
            region: &self.place.region,
            version: execution.version.as_deref(),
            alias: execution.alias.as_deref(),
            data,
        };
        let ids = (0..size as u64).map_while(|step| {
            let id = if reverse {
                first.checked_sub(step)?
            } else {
                first + step
            };
            (1..=seen).contains(&id).then_some(id)
        });
        let ids: Vec<u64> = ids.collect();
        let events: Vec<Value> = ids
            .iter()
            .filter_map(|id| Some(shown.event(*id, execution.history.get(*id)?)))
            .collect();
        let end = if reverse { 1 } else { seen };
        let more = ids.last().filter(|last| **last != end && seen > 0);
        Ok(Object::default()
            .with("events", events)
            .maybe(
                "nextToken",
                more.map(|last| Page::new((*last, 0), now).to_string()),
            )
            .done())
    }

    pub(super) fn describe_for_execution(&self, now: u64, request: Request<'_>) -> Answer {
        let arn = request.required("executionArn", 256)?;
        let execution = self.find(arn)?;
        execution
            .seen(self.options.shown(now, self.options.describe_lag_ms))
            .ok_or_else(|| no_execution(arn))?;
        let revision = &execution.revision;
        let Arn::Execution { machine, label, .. } = Arn::read(arn)? else {
            return Err(invalid_arn(arn));
        };
        Ok(Object::default()
            .with("stateMachineArn", text(&execution.machine))
            .with("name", machine)
            .with("definition", text(&revision.text))
            .with("roleArn", text(&revision.role))
            .with("updateDate", epoch_seconds(revision.since))
            .with(
                "loggingConfiguration",
                json!({ "level": "OFF", "includeExecutionData": false }),
            )
            .with("tracingConfiguration", json!({ "enabled": false }))
            .with(
                "encryptionConfiguration",
                json!({ "type": "AWS_OWNED_KEY" }),
            )
            .maybe("mapRunArn", execution.map_run.as_deref())
            .maybe("label", label)
            .maybe("revisionId", revision.id.as_deref())
            .done())
    }
}

/// Reads the script in an input, and checks that the definition has every state that the script names.
fn read_script(input: &Value, pointed: &Pointed) -> Result<Option<Script>, ScriptError> {
    let Some(script) = Script::from_input(input)? else {
        return Ok(None);
    };
    for (at, outcome) in script.each() {
        let Ending::Fail(failing) = &outcome.ending else {
            continue;
        };
        if let Some(state) = failing
            .state
            .as_deref()
            .filter(|name| !pointed.revision.scope.contains(name))
        {
            let why = format_args!("the definition has no state named `{state}`");
            return Err(ScriptError::new(format!("{at}.fail.state"), why));
        }
    }
    Ok(Some(script))
}

fn bad_input(why: &str) -> crate::api::ApiError {
    error(
        "InvalidExecutionInput",
        format!("Invalid State Machine Execution Input: '{why}'"),
    )
}

fn started(arn: &str, start: u64) -> Value {
    Object::default()
        .with("executionArn", arn)
        .with("startDate", epoch_seconds(start))
        .done()
}

/// Returns the details of an input or output, `__type` included (observed).
fn included() -> Value {
    let kind = "com.amazonaws.swf.base.model#CloudWatchEventsExecutionDataDetails";
    json!({ "__type": kind, "included": true })
}
