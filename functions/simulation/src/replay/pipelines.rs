//! The pipeline executions that event files describe: their stages, and the end of each action's runs.

use std::collections::{BTreeMap, BTreeSet};

use redrive_core::arn::Arn;
use redrive_core::time::Time;
use redrive_emulator::api::Place;
use redrive_emulator::codepipeline::{
    self, ActionStatus, ErrorDetails, ExternalResult, SeedAction, SeedStage, StageStatus,
};

use super::file::{File, Key};
use super::story::{RUN_MS, Story, Then};

/// The files of one pipeline execution, by stage, in the order of their time.
type Stages<'f> = Vec<(&'f str, Vec<&'f File>)>;

pub(super) fn pipelines(files: &[File], then: Then) -> Vec<Story> {
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
    // The core looks only after a failure, so an execution without a failure needs no emulation.
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
        // The files announce the stage's failure and none of its actions. One action without details is assumed to
        // have failed.
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

/// Gives an action its runs: one for each file about a run, and the runs that follow.
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
        // The first run ends at the time of its file. A later run begins with a retry, whose time no file knows.
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
