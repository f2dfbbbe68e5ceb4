//! The workload: machines, executions, pipelines and stages, and the outcome of each of their runs.

use std::collections::BTreeMap;

use redrive_core::failure::Subject;
use redrive_core::time::Time;
use redrive_emulator::codepipeline::{
    ActionStatus, ExecutionMode, ExecutionStatus, ExecutionType, OnFailure, Outcome as Brings,
    Seed as StageSeed, SeedAction, SeedStage, StageRetryMode, StageStatus,
};
use redrive_emulator::stepfunctions::{Ending, Failing, Outcome as Ends, Script, Seed, Status};
use serde_json::{Value, json};

use super::fault_plan::FaultPlan;

/// The start of every simulation.
pub(super) const START: Time = Time::from_millis(1_795_000_000_000);

/// The only account.
pub(super) const ACCOUNT: &str = "111122223333";
/// The only region.
pub(super) const REGION: &str = "eu-west-1";

/// The stage that every pipeline retries.
pub(super) const STAGE: &str = "Build";

/// A subject of the simulation, and when it begins.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) subject: Subject,
    pub(super) begins_after_ms: u64,
    pub(super) role: Role,
    /// The runs, counted from 0, whose failure must not be retried, each with the reason.
    pub(super) hands_off: BTreeMap<u32, &'static str>,
    /// The approval action, whose failure is a person's decision.
    pub(super) approval: Option<&'static str>,
}

/// The seed that the emulator gets when an actor begins.
#[derive(Debug)]
pub(super) enum Role {
    Execution(Box<Seed>),
    Stage(Box<StageSeed>),
}

/// The cause of a task that a person stopped, in the form of ECS.
const STOPPED_INSIDE: &str = r#"{"TaskArn":"arn:aws:ecs:eu-west-1:111122223333:task/etl/5a","StopCode":"UserInitiated","StoppedReason":"Task stopped by user","Containers":[{"Name":"etl","LastStatus":"STOPPED"}]}"#;

const ORDERS: (&str, bool) = ("etl-orders", false);
const PARCELS: (&str, bool) = ("etl-parcels", true);

/// The reason why a failure before the start of the simulation is not retried.
pub(super) const BEFORE_SINCE: &str = "it failed before Since";

/// The machines: their names, and whether their definition has a Fail state.
const MACHINES: [(&str, bool); 5] = [
    ORDERS,
    PARCELS,
    ("jobs-night", false),
    ("own-children", false),
    ("unmanaged", false),
];

/// Returns the bodies of CreateStateMachine, one for each machine.
pub(super) fn machines() -> impl Iterator<Item = Value> {
    MACHINES.into_iter().map(|(name, fails)| {
        json!({
            "name": name,
            "definition": definition(fails),
            "roleArn": format!("arn:aws:iam::{ACCOUNT}:role/machines"),
        })
    })
}

/// Returns the body of UpdateStateMachine that adds a Fail state to a machine without one.
pub(super) fn update() -> Value {
    let machine = format!(
        "arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{}",
        ORDERS.0
    );
    json!({ "stateMachineArn": machine, "definition": definition(true) })
}

fn definition(fails: bool) -> String {
    let mut states = json!({
        "Load": { "Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Next": "Store" },
        "Store": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true },
    });
    if fails && let Some(states) = states.as_object_mut() {
        states.insert(
            "Lost".into(),
            json!({ "Type": "Fail", "Error": "Throttled.Soon", "Cause": "lost" }),
        );
        if let Some(load) = states.get_mut("Load").and_then(Value::as_object_mut) {
            load.insert(
                "Catch".into(),
                json!([{ "ErrorEquals": ["Parcel.Lost"], "Next": "Lost" }]),
            );
        }
    }
    json!({ "StartAt": "Load", "States": states }).to_string()
}

/// How long after an update the functions may miss it, in milliseconds. A cached look-up of a machine counts for a
/// minute, and the look-up's answer may be half a minute old.
const UPDATE_IS_KNOWN_MS: u64 = 95_000;

/// Returns the subjects of one simulation: at least twenty failures over both services. `updated` is the time of a
/// machine's update, in milliseconds after the start.
pub(super) fn actors(
    fault_plan: &mut FaultPlan,
    start_ms: u64,
    updated: Option<u64>,
) -> Vec<Actor> {
    let mut actors: Vec<Actor> = (0..10)
        .map(|n| execution(fault_plan, n, start_ms, updated))
        .collect();
    actors.extend((0..7).map(|n| stage(fault_plan, n, start_ms)));
    actors.push(of_before(start_ms));
    actors
}

/// Returns an execution that failed shortly before the start of the time that discovery searches.
fn of_before(start_ms: u64) -> Actor {
    let arn = format!(
        "arn:aws:states:{REGION}:{ACCOUNT}:execution:{}:before",
        ORDERS.0
    );
    let failed_ms = start_ms.saturating_sub(10 * 60_000);
    Actor {
        subject: Subject::Execution { arn: arn.clone() },
        begins_after_ms: 0,
        role: Role::Execution(Box::new(Seed {
            error: Some("Throttled.Now".into()),
            outcomes: Script::new(vec![Ends::succeed()]),
            ..Seed::new(
                arn,
                Status::Failed,
                failed_ms.saturating_sub(60_000),
                failed_ms,
            )
        })),
        hands_off: BTreeMap::from([(0, BEFORE_SINCE)]),
        approval: None,
    }
}

fn execution(
    fault_plan: &mut FaultPlan,
    number: usize,
    start_ms: u64,
    updated: Option<u64>,
) -> Actor {
    let (machine, fails) = match number {
        0..7 if number.is_multiple_of(2) => ORDERS,
        0..7 => PARCELS,
        _ => *fault_plan.pick(&MACHINES).unwrap_or(&ORDERS),
    };
    let mut begins_after_ms = fault_plan.span(0, 30 * 60_000).as_millis_u64();
    let known = updated.map(|updated| updated + UPDATE_IS_KNOWN_MS);
    let mut has_fail_state = fails;
    if machine == ORDERS.0
        && let Some(known) = known
    {
        // Many executions begin as soon as the functions must know of the update.
        if number >= 4 {
            begins_after_ms = known + fault_plan.span(0, 180_000).as_millis_u64();
        }
        has_fail_state = begins_after_ms >= known;
    }
    let failures = 1 + fault_plan.one_of(5);
    let mut hands_off = BTreeMap::new();
    let mut outcomes = Vec::new();
    for run in 0..failures {
        let error = *fault_plan
            .pick(&[
                "Throttled.Now",
                "Throttled.Now",
                "Throttled.Soon",
                "Throttled.Soon",
                "Throttled.Later",
                "Throttled.InState",
                "Throttled.Forbidden",
                "Never.Again",
                "Nobody.Knows",
            ])
            .unwrap_or(&"Throttled.Now");
        let outcome = match fault_plan.one_of(24) {
            0 => Ends::time_out(),
            // AWS hides error and cause in this way when redrive may not use the key.
            4 => Ends {
                ending: Ending::Fail(Failing::default()),
                ..Ends::time_out()
            },
            1 => {
                hands_off.insert(
                    u32::try_from(run).unwrap_or_default(),
                    "a person stopped its task",
                );
                Ends::fail("States.TaskFailed", STOPPED_INSIDE)
            }
            2 | 3 if has_fail_state => {
                hands_off.insert(
                    u32::try_from(run).unwrap_or_default(),
                    "it ended in a Fail state",
                );
                Ends::fail("Throttled.Soon", "lost").at("Lost")
            }
            _ => {
                Ends::fail(error, "busy").at(fault_plan.pick(&["Load", "Store"]).unwrap_or(&"Load"))
            }
        };
        outcomes.push(outcome.after(fault_plan.span(500, 90_000).as_millis_u64()));
    }
    outcomes.push(match fault_plan.one_of(6) {
        0 => Ends::fail("Throttled.Now", "for ever"),
        _ => Ends::succeed().after(fault_plan.span(500, 120_000).as_millis_u64()),
    });
    let parent = fault_plan.one_of(12) == 0 || machine == "own-children";
    let input = if parent {
        format!(
            r#"{{"AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID":"arn:aws:states:{REGION}:{ACCOUNT}:execution:parent:{number}"}}"#
        )
    } else {
        "{}".to_owned()
    };
    if parent && machine != "own-children" {
        hands_off.extend((0..100).map(|run| (run, "its parent judges it")));
    }
    Actor {
        hands_off,
        ..running(
            machine,
            number,
            start_ms + begins_after_ms,
            begins_after_ms,
            outcomes,
            input,
        )
    }
}

/// Returns a running execution with the outcome of each of its runs.
fn running(
    machine: &str,
    number: usize,
    start: u64,
    begins_after_ms: u64,
    outcomes: Vec<Ends>,
    input: String,
) -> Actor {
    let arn = format!("arn:aws:states:{REGION}:{ACCOUNT}:execution:{machine}:run-{number}");
    Actor {
        subject: Subject::Execution { arn: arn.clone() },
        begins_after_ms,
        role: Role::Execution(Box::new(Seed {
            outcomes: Script::new(outcomes),
            input,
            ..Seed::new(arn, Status::Running, start, 0)
        })),
        hands_off: BTreeMap::new(),
        approval: None,
    }
}

/// Returns an execution that fails once and then succeeds.
pub(super) fn lone_execution(error: &str, start_ms: u64) -> Actor {
    let outcomes = vec![
        Ends::fail(error, "busy").at("Load").after(1_000),
        Ends::succeed().after(1_000),
    ];
    running(ORDERS.0, 0, start_ms, 0, outcomes, "{}".into())
}

/// Returns a stage that fails once and then succeeds.
pub(super) fn lone_stage(words: &str, start_ms: u64) -> Actor {
    let action = SeedAction {
        outcomes: vec![
            Brings::fail("JobFailed", format!("try {words}")).after(1_000),
            Brings::succeed().after(1_000),
        ],
        ..building(0)
    };
    let seed = staged("web-shop".into(), 0, vec![action]);
    Actor {
        subject: subject(&seed),
        begins_after_ms: 0,
        role: Role::Stage(Box::new(StageSeed {
            at: start_ms,
            ..seed
        })),
        hands_off: BTreeMap::new(),
        approval: None,
    }
}

/// Returns a build action that has begun.
fn building(number: usize) -> SeedAction {
    SeedAction {
        name: format!("Action{number}"),
        category: "Build".into(),
        provider: "CodeBuild".into(),
        status: Some(ActionStatus::InProgress),
        ..SeedAction::default()
    }
}

/// Returns a pipeline whose second stage has begun.
fn staged(pipeline: String, number: usize, actions: Vec<SeedAction>) -> StageSeed {
    StageSeed {
        pipeline,
        execution: format!("5f0c2f0e-0000-4000-8000-{number:012x}"),
        status: ExecutionStatus::InProgress,
        stages: vec![
            source(),
            SeedStage {
                name: STAGE.into(),
                status: Some(StageStatus::InProgress),
                actions,
                ..SeedStage::default()
            },
        ],
        ..StageSeed::default()
    }
}

/// Returns the stage at which a pipeline stands.
fn subject(seed: &StageSeed) -> Subject {
    Subject::stage(
        "aws",
        REGION,
        ACCOUNT,
        &seed.pipeline,
        STAGE,
        &seed.execution,
    )
}

fn stage(fault_plan: &mut FaultPlan, number: usize, start_ms: u64) -> Actor {
    let (family, mode) = match number {
        6.. => ("unmanaged", ExecutionMode::Superseded),
        _ if number.is_multiple_of(3) => ("web-shop", ExecutionMode::Superseded),
        _ if number % 3 == 1 => ("web-api", ExecutionMode::Queued),
        _ => ("web-many", ExecutionMode::Parallel),
    };
    let pipeline = format!("{family}-{number}");
    let begins_after_ms = fault_plan.span(0, 30 * 60_000).as_millis_u64();
    let mut hands_off = BTreeMap::new();
    let mut everything = |why| hands_off.extend((0..100).map(|run| (run, why)));
    let (mut kind, mut on_failure, mut category) = (ExecutionType::Standard, None, "Build");
    match fault_plan.one_of(16) {
        // AWS: no rollback happens in PARALLEL mode, so this seed needs another mode.
        0 if mode != ExecutionMode::Parallel => {
            kind = ExecutionType::Rollback;
            everything("it is a rollback");
        }
        1 => on_failure = Some(OnFailure::Retry(StageRetryMode::FailedActions)),
        2 => {
            category = "Approval";
        }
        _ => {}
    }
    let actions = 1 + fault_plan.one_of(3);
    let actions = (0..actions).map(|action| {
        let failures = if action == 0 {
            1 + fault_plan.one_of(4)
        } else {
            fault_plan.one_of(3)
        };
        let outcomes: Vec<Brings> = (0..=failures)
            .map(|run| {
                let words = *fault_plan
                    .pick(&[
                        "now",
                        "now",
                        "soon",
                        "soon",
                        "later",
                        "forbidden",
                        "nothing known",
                        "never",
                    ])
                    .unwrap_or(&"now");
                let after = fault_plan.span(500, 60_000).as_millis_u64();
                if run < failures {
                    Brings::fail("JobFailed", format!("try {words}")).after(after)
                } else {
                    Brings::succeed().after(after)
                }
            })
            .collect();
        let built = SeedAction {
            outcomes,
            ..building(action)
        };
        if action > 0 || category == "Build" {
            return built;
        }
        SeedAction {
            category: category.into(),
            provider: "Manual".into(),
            ..built
        }
    });
    let mut seed = StageSeed {
        at: start_ms + begins_after_ms,
        mode,
        kind,
        ..staged(pipeline, number, actions.collect())
    };
    for stage in seed.stages.iter_mut().filter(|stage| stage.name == STAGE) {
        stage.on_failure = on_failure;
    }
    Actor {
        subject: subject(&seed),
        begins_after_ms,
        role: Role::Stage(Box::new(seed)),
        hands_off,
        approval: (category == "Approval").then_some("Action0"),
    }
}

/// Returns the first stage of every pipeline, which has succeeded.
fn source() -> SeedStage {
    SeedStage {
        name: "Source".into(),
        status: Some(StageStatus::Succeeded),
        actions: vec![SeedAction {
            name: "Fetch".into(),
            category: "Source".into(),
            provider: "S3".into(),
            status: Some(ActionStatus::Succeeded),
            ..SeedAction::default()
        }],
        ..SeedStage::default()
    }
}

/// Conversion to milliseconds, which do not overflow in virtual time.
trait Millis {
    fn as_millis_u64(&self) -> u64;
}

impl Millis for std::time::Duration {
    fn as_millis_u64(&self) -> u64 {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX)
    }
}
