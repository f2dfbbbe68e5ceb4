//! The executions that event files describe, with the end of each run.

use std::collections::BTreeMap;

use redrive_core::arn::Arn;
use redrive_emulator::api::Place;
use redrive_emulator::stepfunctions::{self, Script, Status};
use serde_json::Value;

use super::file::{File, Key};
use super::story::{Definitions, RUN_MS, Story, Then};

pub(super) fn executions(files: &[File], definitions: &Definitions, then: Then) -> Vec<Story> {
    let mut runs: BTreeMap<&str, BTreeMap<u64, &File>> = BTreeMap::new();
    for file in files {
        if let Some(Key::Execution {
            arn,
            status,
            redrive_count,
        }) = &file.key
            && ["FAILED", "TIMED_OUT", "SUCCEEDED", "ABORTED"].contains(&status.as_str())
        {
            runs.entry(arn)
                .or_default()
                .entry(*redrive_count)
                .or_insert(file);
        }
    }
    runs.into_iter()
        .filter_map(|(arn, runs)| execution(arn, &runs, definitions, then))
        .collect()
}

/// Returns the outcome of a run, as its file describes it.
fn ending(file: &File) -> stepfunctions::Outcome {
    match file.text("/detail/status") {
        Some("SUCCEEDED") => stepfunctions::Outcome::succeed(),
        Some("TIMED_OUT") => stepfunctions::Outcome::time_out(),
        // The run lasts until a person stops it at the time of the file.
        Some("ABORTED") => stepfunctions::Outcome::hang(),
        _ => failed(file.text("/detail/error"), file.text("/detail/cause")),
    }
}

fn failed(error: Option<&str>, cause: Option<&str>) -> stepfunctions::Outcome {
    let failing = stepfunctions::Failing {
        state: None,
        error: error.map(Into::into),
        cause: cause.map(Into::into),
    };
    stepfunctions::Outcome {
        ending: stepfunctions::Ending::Fail(failing),
        after_ms: 0,
    }
}

fn execution(
    arn: &str,
    runs: &BTreeMap<u64, &File>,
    definitions: &Definitions,
    then: Then,
) -> Option<Story> {
    let (first_count, first) = runs.iter().next()?;
    let status = match first.text("/detail/status")? {
        "FAILED" => Status::Failed,
        "TIMED_OUT" => Status::TimedOut,
        // The core asks nothing about an execution that succeeded, was aborted or still runs, so it needs no
        // emulation.
        _ => return None,
    };
    let stop = first
        .at?
        .as_millis()
        .max(first.millis("/detail/stopDate").unwrap_or_default());
    let start = first.millis("/detail/startDate").unwrap_or(stop).min(stop);
    let mut seed = stepfunctions::Seed::new(arn, status, start, stop);
    seed.redrive_count = *first_count;
    seed.redrive_date = first
        .millis("/detail/redriveDate")
        .or((*first_count > 0).then_some(start));
    seed.error = first.text("/detail/error").map(Into::into);
    seed.cause = first.text("/detail/cause").map(Into::into);
    seed.input = first.text("/detail/input").unwrap_or("{}").into();
    seed.state_machine_version_arn = first.text("/detail/stateMachineVersionArn").map(Into::into);
    seed.state_machine_alias_arn = first.text("/detail/stateMachineAliasArn").map(Into::into);

    let read = Arn::parse(arn).ok()?;
    let machine = read.resource.split(':').nth(1)?;
    if status == Status::Failed
        && let Some(error) = &seed.error
        && let Some(state) = definitions
            .get(machine)
            .and_then(|definition| fail_state(definition, error))
    {
        seed.ended_in_fail_state = true;
        seed.failed_state = Some(state);
    }

    let mut outcomes = Vec::new();
    let mut last = ending(first);
    for file in (first_count.saturating_add(1)..).map_while(|count| runs.get(&count)) {
        last = ending(file);
        let stop = file
            .millis("/detail/stopDate")
            .zip(file.millis("/detail/redriveDate"));
        let ran = stop.map_or(RUN_MS, |(stop, redriven)| stop.saturating_sub(redriven));
        outcomes.push(last.clone().after(ran));
    }
    let further = match then {
        Then::Succeed => stepfunctions::Outcome::succeed(),
        Then::Fail => last,
    };
    seed.outcomes = Script {
        outcomes,
        then: Some(further.after(RUN_MS)),
    };
    let place = Place {
        partition: read.partition.into(),
        region: read.region.into(),
        account: read.account.into(),
    };
    Some(Story::Execution {
        place,
        seed: Box::new(seed),
    })
}

/// Returns the Fail state of a definition that has this error, at any depth.
fn fail_state(definition: &Value, error: &str) -> Option<String> {
    let states = definition.get("States")?.as_object()?;
    for (name, state) in states {
        let is = |key: &str, value: &str| state.get(key).and_then(Value::as_str) == Some(value);
        if is("Type", "Fail") && is("Error", error) {
            return Some(name.clone());
        }
        let branches = state
            .get("Branches")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let nested = ["Iterator", "ItemProcessor"]
            .into_iter()
            .filter_map(|key| state.get(key));
        if let Some(found) = branches
            .chain(nested)
            .find_map(|inner| fail_state(inner, error))
        {
            return Some(found);
        }
    }
    None
}
