//! What a set of event files tells together: which executions and stages there were, how each of their runs
//! ended, and which file announces which of those endings.

use std::collections::{BTreeMap, BTreeSet};

use redrive_core::arn::Arn;
use redrive_core::time::Time;
use redrive_emulator::api::Place;
use redrive_emulator::codepipeline::{
    self, ActionStatus, ErrorDetails, ExternalResult, SeedAction, SeedStage, StageStatus,
};
use redrive_emulator::stepfunctions::{self, Script, Status};
use serde_json::Value;

/// An event file.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name, for the report.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// What a retried run comes to where no file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Then {
    /// Whatever it was has passed.
    #[default]
    Succeed,
    /// It fails as it did before, for ever.
    Fail,
}

/// How long a run takes where no file tells, in milliseconds.
const RUN_MS: u64 = 60_000;

/// Which transition an event announces. A file and an emulated event with the same key are the same
/// announcement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Execution {
        arn: String,
        status: String,
        redrive_count: u64,
    },
    Pipeline {
        place: String,
        execution: String,
        stage: String,
        action: String,
        state: String,
        attempt: u64,
    },
}

impl Key {
    /// The execution it speaks of.
    pub(super) fn whose(&self) -> &str {
        match self {
            Self::Execution { arn, .. } => arn,
            Self::Pipeline { execution, .. } => execution,
        }
    }
}

/// A file, read as far as it can be.
#[derive(Debug)]
pub(super) struct File {
    pub(super) source: Source,
    pub(super) at: Option<Time>,
    pub(super) key: Option<Key>,
    event: Value,
}

impl File {
    pub(super) fn new(source: Source) -> Self {
        let event: Value = serde_json::from_slice(&source.bytes).unwrap_or_default();
        let stopped = event
            .pointer("/detail/stopDate")
            .and_then(Value::as_u64)
            .map(Time::from_millis);
        let announced = text(&event, "/time").and_then(Time::parse);
        // An execution's event says to the millisecond when it ended.
        Self {
            at: stopped.or(announced),
            key: key_of(&event),
            event,
            source,
        }
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        text(&self.event, pointer)
    }

    fn millis(&self, pointer: &str) -> Option<u64> {
        self.event.pointer(pointer).and_then(number)
    }
}

fn text<'a>(event: &'a Value, pointer: &str) -> Option<&'a str> {
    event.pointer(pointer).and_then(Value::as_str)
}

/// `3`, `3.0` or `"3"`.
fn number(value: &Value) -> Option<u64> {
    let number = value
        .as_f64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count or a date"
    )]
    let whole = number.max(0.0) as u64;
    Some(whole)
}

pub(super) fn key_of(event: &Value) -> Option<Key> {
    let of = |pointer: &str| text(event, pointer).unwrap_or_default().to_owned();
    match text(event, "/source")? {
        "aws.states" => Some(Key::Execution {
            arn: text(event, "/detail/executionArn")?.to_owned(),
            status: text(event, "/detail/status")?.to_owned(),
            redrive_count: event
                .pointer("/detail/redriveCount")
                .and_then(number)
                .unwrap_or_default(),
        }),
        "aws.codepipeline" => Some(Key::Pipeline {
            place: format!(
                "{} {} {}",
                of("/account"),
                of("/region"),
                text(event, "/detail/pipeline")?
            ),
            execution: text(event, "/detail/execution-id")?.to_owned(),
            stage: of("/detail/stage"),
            action: of("/detail/action"),
            state: text(event, "/detail/state")?.to_owned(),
            attempt: event
                .pointer("/detail/pipeline-execution-attempt")
                .and_then(number)
                .unwrap_or(1)
                .max(1),
        }),
        _ => None,
    }
}

/// A subject as the files tell of it, ready to be put into the emulator.
#[derive(Debug)]
pub(super) enum Story {
    Execution {
        place: Place,
        seed: Box<stepfunctions::Seed>,
    },
    Pipeline {
        place: Place,
        seed: Box<codepipeline::Seed>,
    },
}

impl Story {
    /// When it is put into the emulator: an execution when it has ended, a pipeline execution before its
    /// stage does.
    pub(super) fn begins(&self) -> Time {
        match self {
            Self::Execution { seed, .. } => Time::from_millis(seed.stop),
            Self::Pipeline { seed, .. } => Time::from_millis(seed.at),
        }
    }
}

/// Definitions of state machines, by name: they tell which errors are those of Fail states.
pub type Definitions = BTreeMap<String, Value>;

/// The stories that the files tell, each with what it takes to tell it again.
pub(super) fn stories(files: &[File], definitions: &Definitions, then: Then) -> Vec<Story> {
    let mut stories = executions(files, definitions, then);
    stories.extend(pipelines(files, then));
    stories
}

fn executions(files: &[File], definitions: &Definitions, then: Then) -> Vec<Story> {
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

/// How a run of an execution ended.
fn ending(file: &File) -> stepfunctions::Outcome {
    match file.text("/detail/status") {
        Some("SUCCEEDED") => stepfunctions::Outcome::succeed(),
        Some("TIMED_OUT") => stepfunctions::Outcome::time_out(),
        // A person stops it, when the file says so.
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
        // What the files show succeeded, aborted or running needs no emulation: nothing is asked about it.
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

/// The Fail state of a definition that has this error, however deep it stands.
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

/// The files of one pipeline execution, by stage, in the order of their time.
type Stages<'f> = Vec<(&'f str, Vec<&'f File>)>;

fn pipelines(files: &[File], then: Then) -> Vec<Story> {
    let mut executions: BTreeMap<(&str, &str), Stages<'_>> = BTreeMap::new();
    let mut in_time: Vec<&File> = files.iter().collect();
    in_time.sort_by_key(|file| file.at);
    for file in in_time {
        let Some(Key::Pipeline {
            place,
            execution,
            stage,
            ..
        }) = &file.key
        else {
            continue;
        };
        if stage.is_empty() {
            continue;
        }
        let stages = executions.entry((place, execution)).or_default();
        match stages.iter_mut().find(|(name, _)| name == stage) {
            Some((_, files)) => files.push(file),
            None => stages.push((stage, vec![file])),
        }
    }
    executions
        .into_iter()
        .filter_map(|((_, execution), stages)| pipeline(execution, &stages, then))
        .collect()
}

fn state_of(file: &File) -> &str {
    file.text("/detail/state").unwrap_or_default()
}

fn pipeline(execution: &str, stages: &Stages<'_>, then: Then) -> Option<Story> {
    // Only a failure makes the tool look, so an execution without one needs no emulation.
    let failing = stages
        .iter()
        .position(|(_, files)| files.iter().any(|file| state_of(file) == "FAILED"))?;
    let first = stages.get(failing)?.1.first()?;
    let begins = Time::from_millis(first.at?.as_millis().saturating_sub(RUN_MS));
    let seeds = stages
        .iter()
        .enumerate()
        .map(|(index, (name, files))| {
            let status = match index.cmp(&failing) {
                std::cmp::Ordering::Less => Some(StageStatus::Succeeded),
                std::cmp::Ordering::Equal => Some(StageStatus::InProgress),
                std::cmp::Ordering::Greater => None,
            };
            stage(name, files, status, begins, then)
        })
        .collect();
    let arn = first
        .text("/resources/0")
        .and_then(|text| Arn::parse(text).ok());
    let seed = codepipeline::Seed {
        at: begins.as_millis(),
        pipeline: first.text("/detail/pipeline")?.into(),
        version: first
            .millis("/detail/version")
            .and_then(|version| version.try_into().ok())
            .unwrap_or(1),
        execution: execution.into(),
        status: codepipeline::ExecutionStatus::InProgress,
        stages: seeds,
        ..codepipeline::Seed::default()
    };
    let place = Place {
        partition: arn.map_or("aws", |arn| arn.partition).into(),
        region: first.text("/region")?.into(),
        account: first.text("/account")?.into(),
    };
    Some(Story::Pipeline {
        place,
        seed: Box::new(seed),
    })
}

fn stage(
    name: &str,
    files: &[&File],
    status: Option<StageStatus>,
    begins: Time,
    then: Then,
) -> SeedStage {
    let names: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| file.text("/detail/action"))
        .collect();
    let mut actions: Vec<SeedAction> = names
        .iter()
        .map(|name| action(name, files, status, begins, then))
        .collect();
    if actions.is_empty() {
        // The files tell that the stage failed and of none of its actions: one failed, saying nothing.
        let announced: Vec<&File> = files
            .iter()
            .copied()
            .filter(|file| state_of(file) == "FAILED")
            .collect();
        let nothing = ErrorDetails {
            code: "JobFailed".into(),
            message: String::new(),
        };
        actions.push(runs_of(
            SeedAction {
                name: name.into(),
                ..SeedAction::default()
            },
            &announced,
            |_| codepipeline::Outcome::Fail {
                error: nothing.clone(),
                result: ExternalResult::default(),
                after_ms: None,
            },
            (status, begins, then),
        ));
    }
    SeedStage {
        name: name.into(),
        status,
        actions,
        ..SeedStage::default()
    }
}

fn action(
    name: &str,
    files: &[&File],
    status: Option<StageStatus>,
    begins: Time,
    then: Then,
) -> SeedAction {
    let own: Vec<&File> = files
        .iter()
        .copied()
        .filter(|file| {
            file.text("/detail/action") == Some(name)
                && ["FAILED", "SUCCEEDED"].contains(&state_of(file))
        })
        .collect();
    let described = own.first().or_else(|| files.first());
    let of = |key: &str, fallback: &str| {
        described
            .and_then(|file| file.text(&format!("/detail/type/{key}")))
            .unwrap_or(fallback)
            .to_owned()
    };
    let seed = SeedAction {
        name: name.into(),
        category: of("category", "Build"),
        owner: of("owner", "AWS"),
        provider: of("provider", "CodeBuild"),
        action_execution_id: described
            .and_then(|file| file.text("/detail/action-execution-id"))
            .map(Into::into),
        ..SeedAction::default()
    };
    runs_of(seed, &own, outcome, (status, begins, then))
}

/// Gives an action its runs: one for each file that tells of one, and what follows.
fn runs_of(
    mut seed: SeedAction,
    files: &[&File],
    outcome: impl Fn(&File) -> codepipeline::Outcome,
    (status, begins, then): (Option<StageStatus>, Time, Then),
) -> SeedAction {
    let mut before = None;
    for file in files {
        let at = file.at.unwrap_or(begins);
        let ran = at.since(before.unwrap_or(begins)).as_millis();
        // The first run ends when its file says; later ones begin when a retry is made, which no file knows.
        let ran = if before.is_none() {
            u64::try_from(ran).unwrap_or(RUN_MS)
        } else {
            RUN_MS
        };
        seed.outcomes.push(outcome(file).after(ran));
        before = Some(at);
    }
    if seed.outcomes.is_empty() || then == Then::Succeed {
        seed.outcomes
            .push(codepipeline::Outcome::succeed().after(RUN_MS));
    }
    seed.status = match status {
        Some(StageStatus::InProgress) => Some(ActionStatus::InProgress),
        Some(_) => Some(ActionStatus::Succeeded),
        None => None,
    };
    seed
}

fn outcome(file: &File) -> codepipeline::Outcome {
    if state_of(file) == "SUCCEEDED" {
        return codepipeline::Outcome::succeed();
    }
    let of = |key: &str| {
        file.text(&format!("/detail/execution-result/{key}"))
            .map(str::to_owned)
    };
    let summary = of("external-execution-summary");
    codepipeline::Outcome::Fail {
        error: ErrorDetails {
            code: of("error-code").unwrap_or_else(|| "JobFailed".into()),
            message: summary.clone().unwrap_or_default(),
        },
        result: ExternalResult {
            id: of("external-execution-id"),
            url: of("external-execution-url"),
            summary,
        },
        after_ms: None,
    }
}
