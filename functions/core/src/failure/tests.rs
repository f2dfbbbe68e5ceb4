use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::policy::{ConditionKey, FailureView};
use crate::verdict::Reason;

/// Returns an execution's third failure, with every fact of the event and without its ending.
fn execution(change: impl FnOnce(&mut FailedExecution)) -> Failure {
    let mut execution = FailedExecution {
        status: ExecutionStatus::Failed,
        redrive_count: Field::Known(2),
        redrivable: Field::Known(Redrivable::Yes),
        started: None,
        state_machine_arn: None,
        version_arn: None,
        error: known("S3.SlowDown"),
        cause: known("slow down"),
        parent: Field::Absent,
        fail_state: Field::Unknown,
        state: Field::Unknown,
        resource: Field::Unknown,
        changed_since: None,
    };
    change(&mut execution);
    Failure {
        subject: Subject::Execution {
            arn: "arn:aws:states:eu-west-1:111122223333:execution:etl:run-1".into(),
        },
        at: Time::from_millis(1000),
        detail: FailureDetail::Execution(execution),
    }
}

fn stage(announced: Option<FailedAction>, snapshot: Field<StageSnapshot>) -> Failure {
    Failure {
        subject: Subject::stage("aws", "eu-west-1", "111122223333", "web", "Verify", "e-1"),
        at: Time::from_millis(1000),
        detail: FailureDetail::Stage(FailedStage {
            announced,
            snapshot,
        }),
    }
}

fn known(text: &str) -> Field<String> {
    Field::Known(text.into())
}

fn action(id: Option<&str>) -> FailedAction {
    FailedAction {
        action: "Unit".into(),
        id: id.map(ToString::to_string),
        ..FailedAction::default()
    }
}

fn snapshot() -> StageSnapshot {
    StageSnapshot::failed(vec![action(Some("a-1"))])
}

fn description(status: &str, redrive_count: u32, redrivable: Redrivable) -> Description {
    Description {
        status: status.into(),
        redrive_count,
        redrivable,
        error: known("S3.SlowDown"),
        cause: known("slow down"),
        parent: Field::Absent,
    }
}

#[test]
fn stage_failure_has_the_time_of_its_last_failed_action() {
    let (received, failed) = (Time::from_millis(5_000), Time::from_millis(7_250));
    for (shown, at) in [(Some(failed), failed), (None, received)] {
        let mut failure = stage(None, Field::Unknown);
        failure.at = received;
        failure.learn(Fact::Stage(StageSnapshot {
            failed_at: shown,
            ..snapshot()
        }));
        assert_eq!(failure.at, at);
    }
}

#[test]
fn failure_is_read_after_its_id() {
    let announced = || Some(action(Some("a-1")));
    for (failure, is_read) in [
        (execution(|_| ()), true),
        (execution(|e| e.redrive_count = Field::Unknown), false),
        (stage(None, Field::Unknown), false),
        // The event of one action has a failure ID, which does not yet include every failed action.
        (stage(announced(), Field::Unknown), false),
        (stage(announced(), Field::Known(snapshot())), true),
        (stage(None, Field::Known(snapshot())), true),
    ] {
        assert_eq!(failure.is_read(), is_read, "{failure:?}");
    }
}

fn taught(mut failure: Failure, fact: Fact) -> Failure {
    failure.learn(fact);
    failure
}

#[test]
fn changed_execution_has_a_reason() {
    let count = Field::Known;
    for (announced, status, shown, expected) in [
        (count(2), "FAILED", 2, None),
        (count(2), "TIMED_OUT", 2, None),
        (count(2), "FAILED", 3, Some(Reason::TargetChanged)),
        // An event without a number announces the failure that the read shows.
        (Field::Unknown, "FAILED", 3, None),
        (count(2), "RUNNING", 3, Some(Reason::Running)),
        (count(2), "PENDING_REDRIVE", 2, Some(Reason::Running)),
        (count(2), "SUCCEEDED", 3, Some(Reason::Succeeded)),
        (count(2), "ABORTED", 2, Some(Reason::Aborted)),
        (count(2), "ABORTED", 3, Some(Reason::Aborted)),
    ] {
        let failure = taught(
            execution(|e| e.redrive_count = announced),
            Fact::Description(description(status, shown, Redrivable::Yes)),
        );
        assert_eq!(
            failure,
            execution(|e| {
                e.redrive_count = Field::Known(shown);
                e.changed_since = expected;
            }),
            "{announced:?} {status} {shown}"
        );
    }
}

#[test]
fn lookup_fills_unknown_fields_and_changes_no_known_ones() {
    let ending = || Fact::Ending {
        fail_state: true,
        state: known("Load"),
        resource: Field::Absent,
    };
    #[rustfmt::skip]
    let table = [
        (execution(|_| ()), ending(), execution(|e| { e.fail_state = Field::Known(true); e.state = known("Load"); e.resource = Field::Absent; })),
        (
            execution(|e| {
                e.state = known("Given");
                e.resource = known("glue:startJobRun");
            }),
            ending(),
            execution(|e| {
                e.fail_state = Field::Known(true);
                e.state = known("Given");
                e.resource = known("glue:startJobRun");
            }),
        ),
        (
            execution(|_| ()),
            Fact::Redacted,
            execution(|e| {
                e.fail_state = Field::Redacted;
                e.state = Field::Redacted;
                e.resource = Field::Redacted;
            }),
        ),
        (
            execution(|e| {
                e.error = Field::Unknown;
                e.parent = Field::Unknown;
            }),
            Fact::Description(Description {
                cause: known("another cause"),
                parent: known("arn:parent"),
                ..description("FAILED", 2, Redrivable::No)
            }),
            execution(|e| {
                e.parent = known("arn:parent");
                e.redrivable = Field::Known(Redrivable::No);
            }),
        ),
        // The stage's latest snapshot counts, not an earlier one.
        (stage(None, Field::Known(StageSnapshot { in_progress: 1, ..snapshot() })), Fact::Stage(snapshot()), stage(None, Field::Known(snapshot()))),
        // A fact of the other service changes nothing.
        (execution(|_| ()), Fact::Stage(snapshot()), execution(|_| ())),
        (stage(None, Field::Unknown), ending(), stage(None, Field::Unknown)),
        (stage(None, Field::Unknown), Fact::Redacted, stage(None, Field::Unknown)),
    ];
    for (before, fact, after) in table {
        assert_eq!(taught(before, fact.clone()), after, "{fact:?}");
    }
}

#[test]
fn each_need_names_its_calls() {
    for (need, calls) in [
        (Need::Description, "DescribeExecution shows "),
        (Need::FailedState, "GetExecutionHistory shows "),
        (Need::History, "GetExecutionHistory shows "),
        (
            Need::PipelineState,
            "GetPipelineState and ListActionExecutions show ",
        ),
    ] {
        assert!(need.sentence().starts_with(calls), "{}", need.sentence());
    }
    // One call may return two facts, but each fact has its own sentence.
    assert_ne!(Need::FailedState.sentence(), Need::History.sentence());
}

fn ids<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
    ids.map(String::from).into()
}

#[test]
fn lagging_execution_shows_no_failure() {
    use TargetState::{Advanced, Succeeded, Terminated, Unchanged};
    #[rustfmt::skip]
    let table = [
        ("FAILED", 2, Redrivable::Yes, Some(Unchanged)),
        ("TIMED_OUT", 2, Redrivable::Yes, Some(Unchanged)),
        ("FAILED", 2, Redrivable::No, Some(Terminated(Reason::NotRedrivable))),
        ("TIMED_OUT", 2, Redrivable::ByMapRun, Some(Terminated(Reason::NotRedrivable))),
        ("ABORTED", 2, Redrivable::Yes, Some(Terminated(Reason::Aborted))),
        ("SUCCEEDED", 3, Redrivable::No, Some(Succeeded)),
        ("RUNNING", 3, Redrivable::No, Some(Advanced(3))),
        ("FAILED", 4, Redrivable::Yes, Some(Advanced(4))),
        ("ABORTED", 3, Redrivable::Yes, Some(Advanced(3))),
        // Earlier states: the run after the second redrive, or an earlier failure.
        ("RUNNING", 2, Redrivable::No, None),
        ("PENDING_REDRIVE", 2, Redrivable::No, None),
        ("FAILED", 1, Redrivable::Yes, None),
        ("RUNNING", 1, Redrivable::No, None),
    ];
    for (status, redrive_count, redrivable, expected) in table {
        let shown = Description {
            status: status.into(),
            redrive_count,
            redrivable,
            error: Field::Absent,
            cause: Field::Absent,
            parent: Field::Absent,
        };
        assert_eq!(shown.target_state(2), expected, "{status} {redrive_count}");
        assert_eq!(
            shown.is_before(2),
            expected.is_none(),
            "{status} {redrive_count}"
        );
    }
}

#[test]
fn stage_without_listed_runs_shows_no_failure() {
    let (claimed, earlier) = (ids(["two"]), BTreeSet::new());
    for status in [StageStatus::Failed, StageStatus::InProgress] {
        let listed = StageSnapshot {
            status,
            failed: Vec::new(),
            ..snapshot()
        };
        let moved = listed.compared(&claimed, &earlier);
        assert!(matches!(moved, Some(TargetState::Advanced(_))), "{moved:?}");
        let unlisted = StageSnapshot {
            listed: false,
            runs_behind: false,
            ..listed
        };
        assert_eq!(unlisted.compared(&claimed, &earlier), None, "{status:?}");
    }
}

#[test]
fn lagging_stage_shows_no_failure() {
    use StageStatus::{Cancelled, Failed, InProgress, Stopped, Succeeded};
    let claimed = ids(["two", "too"]);
    let earlier = BTreeSet::from(["one"]);
    #[rustfmt::skip]
    let table = [
        (Failed, &["two"][..], &[][..], false, Some(TargetState::Unchanged)),
        (Failed, &["two", "three"], &[], false, Some(TargetState::Unchanged)),
        (Failed, &["three"], &[], false, Some(TargetState::Advanced(5))),
        (Failed, &["two"], &[], true, Some(TargetState::Terminated(Reason::StructureChanged))),
        (Succeeded, &[], &[], false, Some(TargetState::Succeeded)),
        (Stopped, &[], &[], false, Some(TargetState::Terminated(Reason::Stopped))),
        (Cancelled, &[], &[], false, Some(TargetState::Terminated(Reason::Canceled))),
        (InProgress, &[], &["three"], false, Some(TargetState::Advanced(5))),
        (InProgress, &["three"], &["four"], false, Some(TargetState::Advanced(5))),
        (Failed, &["three"], &["four"], false, Some(TargetState::Advanced(5))),
        // Earlier states: the failed action or a parallel one still runs, or the snapshot shows an earlier failure.
        (InProgress, &[], &["two"], false, None),
        (InProgress, &["two"], &["three"], false, None),
        (Failed, &["two"], &["three"], false, None),
        (InProgress, &[], &["one"], false, None),
        (Failed, &["one"], &[], false, None),
        (InProgress, &["one"], &["three"], false, None),
    ];
    for (status, failed, running, edited, expected) in table {
        let shown = StageSnapshot {
            status,
            structure_changed: edited,
            in_progress: u32::try_from(running.len()).unwrap(),
            running: running.iter().map(|id| (*id).to_owned()).collect(),
            retried: 5,
            ..StageSnapshot::failed(failed.iter().map(|id| action(Some(id))).collect())
        };
        let target_state = shown.compared(&claimed, &earlier);
        assert_eq!(target_state, expected, "{status:?} {failed:?} {running:?}");
        if target_state == Some(TargetState::Unchanged) {
            let rolled_back = StageSnapshot {
                rollback: true,
                ..shown
            };
            let target_state = rolled_back.compared(&claimed, &earlier);
            assert_eq!(
                target_state,
                Some(TargetState::Terminated(Reason::Rollback))
            );
        }
    }
}

#[test]
fn a_view_shows_each_field_of_its_failure() {
    let failure = execution(|failed| {
        failed.cause = known("exit status 3");
        failed.state = known("Load");
        failed.resource = known("glue:startJobRun.sync");
    });
    let mut expected = FailureView::unknown(Service::StepFunctions)
        .with(ConditionKey::Status, Field::Known("FAILED"))
        .with(ConditionKey::Error, Field::Known("S3.SlowDown"))
        .with(ConditionKey::Cause, Field::Known("exit status 3"))
        .with(ConditionKey::State, Field::Known("Load"))
        .with(
            ConditionKey::Resource,
            Field::Known("glue:startJobRun.sync"),
        );
    expected.by_person = Field::Known(false);
    for key in ConditionKey::of_texts() {
        expected.values.set(key, Field::<&str>::Absent);
    }
    assert_eq!(failure.views(), [expected]);
}
