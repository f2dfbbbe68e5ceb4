use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use serde_json::{Value, json};

use super::*;
use crate::failure::{
    ExecutionStatus, FailedAction, FailedExecution, FailedStage, Failure, FailureDetail, Field,
    Redrivable, Subject,
};
use crate::time::Time;

macro_rules! samples {
    ($($name:literal $said:expr;)*) => {
        [$(($name, include_bytes!(concat!("../../../../events/", $name, ".json")).as_slice(), $said),)*]
    };
}

const EXECUTION: &str = include_str!("../../../../events/sfn-01-throttled.json");
const STAGE: &str = include_str!("../../../../events/cp-02-image-pull-stage-failed.json");
const ACTION: &str = include_str!("../../../../events/cp-01-image-pull-action-failed.json");
const PIPELINE: &str = include_str!("../../../../events/cp-04-image-pull-pipeline-failed.json");
const RUN: &str =
    "arn:aws:states:eu-west-1:111122223333:execution:etl-orders:orders-2026-11-20-0200";
const SECRET: &str = "hunter2";

/// A change to a key of a sample.
enum Set {
    To(Value),
    Gone,
}
use Set::{Gone, To};

fn changed(sample: &str, changes: &[(&str, Set)]) -> String {
    let mut event: Value = serde_json::from_str(sample).unwrap();
    for (path, set) in changes {
        let (parents, key) = path.rsplit_once('.').unwrap_or(("", *path));
        let mut at = &mut event;
        for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
            at = at.get_mut(parent).unwrap();
        }
        let object = at.as_object_mut().unwrap();
        match set {
            To(value) => object.insert(key.into(), value.clone()),
            Gone => object.remove(key),
        };
    }
    event.to_string()
}

/// Returns a sample with one key set.
fn with(sample: &str, path: &str, value: Value) -> String {
    changed(sample, &[(path, To(value))])
}

fn parsed(json: &str) -> ParsedEvent {
    parse(json.as_bytes(), &AllowedSources::default())
}

fn failure(json: &str) -> Failure {
    match parsed(json) {
        ParsedEvent::Failure(failure) => failure,
        other => panic!("{other:?} from {json}"),
    }
}

fn execution(json: &str) -> FailedExecution {
    match failure(json).detail {
        FailureDetail::Execution(execution) => execution,
        FailureDetail::Stage(stage) => panic!("{stage:?}"),
    }
}

fn stage(json: &str) -> FailedStage {
    match failure(json).detail {
        FailureDetail::Stage(stage) => stage,
        FailureDetail::Execution(execution) => panic!("{execution:?}"),
    }
}

/// Formats a parsed event in one short line.
fn said(parsed: &ParsedEvent) -> String {
    match parsed {
        ParsedEvent::Failure(failure) => format!("failure of {}", failure.subject),
        ParsedEvent::Completion(completion) => {
            format!("{:?} {:?}", completion.kind, completion.redrive_count)
        }
        ParsedEvent::Ignored(ignored) => ignored.reason.to_string(),
        ParsedEvent::Malformed(malformed) => malformed.to_string(),
    }
}

fn known(text: &str) -> Field<String> {
    Field::Known(text.into())
}

fn redriven(count: Value) -> String {
    with(EXECUTION, "detail.redriveCount", count)
}

#[test]
fn every_sample_event_is_parsed_as_named() {
    for (name, bytes, expected) in samples! {
        "cp-01-image-pull-action-failed" "failure of web-delivery Build 56dd4e8f";
        "cp-02-image-pull-stage-failed" "failure of web-delivery Build 56dd4e8f";
        "cp-03-image-pull-stage-failed-duplicate" "failure of web-delivery Build 56dd4e8f";
        "cp-04-image-pull-pipeline-failed" "superseded_by_stage_event";
        "cp-05-image-pull-stage-resumed" "running";
        "cp-06-image-pull-action-succeeded" "succeeded";
        "cp-07-image-pull-stage-succeeded" "Succeeded None";
        "cp-08-fails-twice-action-failed" "failure of media-player Build 6c2597d9";
        "cp-09-fails-twice-stage-failed" "failure of media-player Build 6c2597d9";
        "cp-10-fails-twice-stage-resumed" "running";
        "cp-11-fails-twice-action-failed-again" "failure of media-player Build 6c2597d9";
        "cp-12-fails-twice-stage-failed-again" "failure of media-player Build 6c2597d9";
        "cp-13-build-queue-full-action-failed" "failure of web-storefront Build 772359f9";
        "cp-14-build-queue-full-stage-failed" "failure of web-storefront Build 772359f9";
        "cp-15-unit-test-action-failed" "failure of web-checkout Test c4b4b8bc";
        "cp-16-unit-test-stage-failed" "failure of web-checkout Test c4b4b8bc";
        "cp-17-unit-test-notification-rule" "notification_rule";
        "cp-18-version-string-action-failed" "failure of billing-api Build 078082d5";
        "cp-19-version-string-stage-failed" "failure of billing-api Build 078082d5";
        "cp-20-deploy-stage-failed" "failure of web-fleet Production 9a81d141";
        "cp-21-deploy-west-action-failed" "failure of web-fleet Production 9a81d141";
        "cp-22-deploy-central-action-failed" "failure of web-fleet Production 9a81d141";
        "cp-23-deploy-pipeline-failed" "superseded_by_stage_event";
        "cp-24-approval-rejected-action-failed" "failure of billing-release Approve 5da3a64b";
        "cp-25-approval-rejected-stage-failed" "failure of billing-release Approve 5da3a64b";
        "cp-26-stopped-pipeline-stopping" "stopping";
        "cp-27-stopped-action-abandoned" "stopped";
        "cp-28-stopped-stage-stopped" "stopped";
        "cp-29-stopped-pipeline-stopped" "stopped";
        "cp-30-superseded-pipeline" "superseded";
        "cp-31-canceled-stage" "canceled";
        "cp-32-canceled-pipeline" "canceled";
        "cp-33-source-denied-action-failed" "failure of etl-catalogue Source f6212831";
        "cp-34-source-denied-stage-failed" "failure of etl-catalogue Source f6212831";
        "malformed-01-truncated" "line 25 column 28: the JSON ends before it is complete";
        "malformed-02-no-execution-arn" "detail.executionArn: it is missing";
        "malformed-03-arn-is-no-arn" "detail.executionArn: it does not begin with arn:";
        "malformed-04-no-execution-id" "detail.execution-id: it is missing";
        "malformed-05-other-source" "other_source";
        "malformed-06-unknown-status" "unknown_status";
        "malformed-07-json-array" "the event: expected an object";
        "malformed-08-empty" "the event: it is empty";
        "malformed-09-status-is-a-number" "detail.status: expected text, read a number";
        "sfn-01-throttled" "failure of etl-orders orders-2026-11-20-0200";
        "sfn-02-throttled-again" "failure of etl-orders orders-2026-11-20-0200";
        "sfn-03-recovered" "Succeeded Some(2)";
        "sfn-04-throttled-late-duplicate" "failure of etl-orders orders-2026-11-20-0200";
        "sfn-05-lambda-too-many-requests" "failure of billing-mailer statements-eu-20261120";
        "sfn-06-ecs-host-lost" "failure of media-transcode title-7731-master";
        "sfn-07-ecs-out-of-memory" "failure of media-thumbnails sheet-20261120-04";
        "sfn-08-batch-host-terminated" "failure of etl-forecast demand-2026-11-20";
        "sfn-09-timed-out" "failure of etl-stock stock-2026-11-20-0200";
        "sfn-10-task-timeout" "failure of etl-partner-feed feed-19-20261120";
        "sfn-11-aborted-by-operator" "aborted";
        "sfn-12-fail-state" "failure of order-intake order-5540917";
        "sfn-13-states-runtime" "failure of etl-parcels parcel-PX-20418";
        "sfn-14-access-denied" "failure of media-archive rotate-2026-11-20";
        "sfn-15-map-run-child" "failure of media-transcode 9700e05a-daa2-47b2-82cf-7d7a3f9dcafe";
        "sfn-16-nested-child" "failure of billing-invoices invoices-2026-11-19";
        "sfn-17-nested-parent" "failure of billing-close close-2026-11-19";
        "sfn-18-succeeded" "succeeded";
        "sfn-19-running" "running";
        "sfn-20-shape-before-redrive" "failure of etl-legacy-export export-2026-11-20";
        "sfn-21-other-partition" "failure of billing-tax filing-2026-11-20";
        "sfn-22-cause-withheld" "failure of billing-payroll payroll-2026-11";
        "sfn-23-http-503" "failure of order-labels label-5540802";
        "sfn-24-version-and-alias" "failure of billing-rates rates-2026-11-20";
        "sfn-25-redrivable-period-exceeded" "failure of order-archive archive-2026-10";
        "sfn-26-history-limit" "failure of device-poller poll-fleet-3";
        "sfn-27-aborted-after-redrive" "Terminated Some(1)";
    } {
        assert_eq!(
            said(&parse(bytes, &AllowedSources::default())),
            expected,
            "{name}"
        );
    }
}

#[test]
fn a_failed_execution_is_read_whole() {
    let version = "arn:aws:states:eu-west-1:111122223333:stateMachine:etl-orders:3";
    let parsed = failure(&changed(
        EXECUTION,
        &[
            ("detail.cause", To(json!("a cause"))),
            ("detail.redriveCount", To(json!(2))),
            ("detail.stateMachineVersionArn", To(json!(version))),
        ],
    ));
    assert_eq!(
        parsed,
        Failure {
            subject: Subject::Execution { arn: RUN.into() },
            at: Time::from_millis(1_795_140_257_906),
            detail: FailureDetail::Execution(FailedExecution {
                status: ExecutionStatus::Failed,
                redrive_count: Field::Known(2),
                redrivable: Field::Known(Redrivable::Yes),
                started: Some(Time::from_millis(1_795_140_003_118)),
                state_machine_arn: Some(
                    "arn:aws:states:eu-west-1:111122223333:stateMachine:etl-orders".into()
                ),
                version_arn: Some(version.into()),
                error: known("DynamoDB.ProvisionedThroughputExceededException"),
                cause: known("a cause"),
                parent: Field::Absent,
                fail_state: Field::Unknown,
                state: Field::Unknown,
                resource: Field::Unknown,
                changed_since: None,
            }),
        }
    );
}

#[test]
fn a_failed_action_is_read_whole() {
    let parsed = failure(&with(
        ACTION,
        "detail.execution-result.external-execution-summary",
        json!("words"),
    ));
    assert_eq!(
        parsed,
        Failure {
            subject: Subject::Stage {
                arn: "arn:aws:codepipeline:eu-west-1:111122223333:web-delivery/Build".into(),
                execution_id: "56dd4e8f-31f2-41a8-87c3-bcde70546c12".into(),
            },
            at: Time::parse("2026-11-20T02:13:40Z").unwrap(),
            detail: FailureDetail::Stage(FailedStage {
                announced: Some(FailedAction {
                    action: "BuildSite".into(),
                    id: Some("5e5de16d-f8db-471d-ad2a-847a87cb6085".into()),
                    category: known("Build"),
                    provider: known("CodeBuild"),
                    error_code: known("JobFailed"),
                    summary: known("words"),
                }),
                snapshot: Field::Unknown,
            }),
        }
    );
    assert_eq!(stage(STAGE).announced, None);
}

#[test]
fn a_number_may_be_an_integer_a_float_or_text() {
    for two in [json!(2), json!(2.0), json!("2"), json!("2.0"), json!(" 2 ")] {
        let parsed = execution(&redriven(two.clone()));
        assert_eq!(parsed.redrive_count, Field::Known(2), "{two}");
        let stopped = failure(&with(EXECUTION, "detail.stopDate", two.clone()));
        assert_eq!(stopped.at, Time::from_millis(2), "{two}");
    }
    let most = u32::MAX;
    let parsed = execution(&redriven(json!(most)));
    assert_eq!(parsed.redrive_count, Field::Known(most));
}

#[test]
fn a_number_that_is_none_is_refused_in_words() {
    for (number, problem) in [
        (json!(-1), "expected a whole number from 0 on"),
        (json!(1.5), "expected a whole number from 0 on"),
        (json!(1e300), "expected a whole number from 0 on"),
        (json!("NaN"), "expected a whole number from 0 on"),
        (json!("inf"), "expected a whole number from 0 on"),
        (json!(4_294_967_296_u64), "it is too large to be a count"),
        (json!("two"), "expected a number, read text"),
        (json!(""), "expected a number, read text"),
        (json!(true), "expected a number, read true or false"),
        (json!([2]), "expected a number, read a list"),
        (json!({"n": 2}), "expected a number, read an object"),
    ] {
        let parsed = parsed(&redriven(number.clone()));
        assert_eq!(
            said(&parsed),
            alloc::format!("detail.redriveCount: {problem}"),
            "{number}"
        );
    }
}

#[test]
fn missing_key_is_unknown_and_null_is_absent() {
    let absent = Field::Absent;
    for (error, cause, expected) in [
        (To(json!("E")), To(json!("c")), (known("E"), known("c"))),
        (
            To(json!("E")),
            To(json!(null)),
            (known("E"), absent.clone()),
        ),
        // An event with one of the two keys has both.
        (To(json!("E")), Gone, (known("E"), absent.clone())),
        (
            To(json!(null)),
            To(json!("c")),
            (absent.clone(), known("c")),
        ),
        (Gone, To(json!("c")), (absent.clone(), known("c"))),
        (To(json!("")), To(json!("")), (known(""), known(""))),
        (Gone, Gone, (Field::Unknown, Field::Unknown)),
        (To(json!(null)), Gone, (absent.clone(), Field::Unknown)),
        (Gone, To(json!(null)), (Field::Unknown, absent.clone())),
        // Every FAILED execution has an error. If both keys are null, AWS redacted them.
        (
            To(json!(null)),
            To(json!(null)),
            (Field::Redacted, Field::Redacted),
        ),
    ] {
        let json = changed(
            EXECUTION,
            &[("detail.error", error), ("detail.cause", cause)],
        );
        let parsed = execution(&json);
        assert_eq!((parsed.error, parsed.cause), expected, "{json}");
    }
    for set in [Gone, To(json!(null))] {
        let json = changed(
            EXECUTION,
            &[("detail.redriveCount", set), ("detail.startDate", Gone)],
        );
        let parsed = execution(&json);
        assert_eq!(parsed.redrive_count, Field::Unknown);
    }
}

#[test]
fn an_action_without_a_result_has_no_words_to_match() {
    let parsed = stage(&changed(
        ACTION,
        &[
            ("detail.execution-result", Gone),
            ("detail.type", To(json!(null))),
            ("detail.action-execution-id", Gone),
        ],
    ));
    assert_eq!(
        parsed.announced,
        Some(FailedAction {
            action: "BuildSite".into(),
            id: None,
            category: Field::Absent,
            provider: Field::Absent,
            error_code: Field::Absent,
            summary: Field::Absent,
        })
    );
}

#[test]
fn unknown_keys_are_passed_over() {
    let strange = json!({"of": ["next", {"year": [null, 1e9, "\u{1F600}"]}]});
    for sample in [EXECUTION, STAGE, ACTION] {
        let more = changed(
            sample,
            &[
                ("novelty", To(strange.clone())),
                ("detail.novelty", To(strange.clone())),
            ],
        );
        assert_eq!(parsed(&more), parsed(sample));
    }
}

#[test]
fn event_without_redrive_members_has_unknown_facts() {
    let json = include_str!("../../../../events/sfn-20-shape-before-redrive.json");
    let parsed = execution(json);
    assert_eq!(parsed.redrive_count, Field::Unknown);
    assert_eq!(parsed.redrivable, Field::Unknown);
    assert_eq!(parsed.error, Field::Unknown);
    assert_eq!(parsed.cause, Field::Unknown);
    assert_eq!(failure(json).failure_id(), None);
}

#[test]
fn redrivable_values_are_distinguished() {
    let child = RUN.replace("etl-orders:", "etl-orders/EachOrder:");
    for (arn, status, expected) in [
        (RUN, json!("REDRIVABLE"), Field::Known(Redrivable::Yes)),
        (RUN, json!("NOT_REDRIVABLE"), Field::Known(Redrivable::No)),
        (
            RUN,
            json!("REDRIVABLE_BY_MAP_RUN"),
            Field::Known(Redrivable::ByMapRun),
        ),
        (
            RUN,
            json!("REDRIVABLE_SOMEHOW"),
            Field::Known(Redrivable::No),
        ),
        (RUN, json!(null), Field::Unknown),
        // A Map Run's child is redriven by its Map Run, unless AWS says that it is NOT_REDRIVABLE.
        (
            &child,
            json!("REDRIVABLE_BY_MAP_RUN"),
            Field::Known(Redrivable::ByMapRun),
        ),
        (
            &child,
            json!("REDRIVABLE"),
            Field::Known(Redrivable::ByMapRun),
        ),
        (&child, json!(null), Field::Known(Redrivable::ByMapRun)),
        (
            &child,
            json!("NOT_REDRIVABLE"),
            Field::Known(Redrivable::No),
        ),
    ] {
        let json = changed(
            EXECUTION,
            &[
                ("detail.executionArn", To(json!(arn))),
                ("detail.redriveStatus", To(status)),
            ],
        );
        assert_eq!(execution(&json).redrivable, expected, "{json}");
    }
}

#[test]
fn every_partition_is_parsed() {
    for (partition, region) in [
        ("aws", "eu-west-1"),
        ("aws-cn", "cn-north-1"),
        ("aws-us-gov", "us-gov-west-1"),
    ] {
        let arn = alloc::format!("arn:{partition}:states:{region}:111122223333:execution:etl:r");
        let json = changed(
            EXECUTION,
            &[
                ("detail.executionArn", To(json!(arn))),
                ("region", To(json!(region))),
            ],
        );
        assert_eq!(failure(&json).subject.arn(), arn);
        // A stage's partition is that of its resource. Without a resource, the region decides it.
        let resource =
            alloc::format!("arn:{partition}:codepipeline:{region}:111122223333:web-delivery");
        for resources in [
            json!([resource]),
            json!([]),
            json!(["web-delivery"]),
            json!(null),
        ] {
            let json = changed(
                STAGE,
                &[("resources", To(resources)), ("region", To(json!(region)))],
            );
            assert_eq!(
                failure(&json).subject.arn(),
                alloc::format!("{resource}/Build"),
                "{json}"
            );
        }
    }
    let new = "arn:aws-iso-z:states:iso-z-1:111122223333:execution:etl:r";
    let json = changed(
        EXECUTION,
        &[
            ("detail.executionArn", To(json!(new))),
            ("region", To(json!("iso-z-1"))),
        ],
    );
    assert_eq!(failure(&json).subject.arn(), new);
}

#[test]
fn a_stage_may_be_named_by_its_resource_alone() {
    let json = changed(STAGE, &[("account", Gone), ("region", To(json!(null)))]);
    assert_eq!(failure(&json).subject, failure(STAGE).subject);
}

#[test]
fn express_executions_are_never_judged() {
    let arn =
        "arn:aws:states:eu-west-1:111122223333:express:hook:r:8b1a4c7d-1111-4222-8333-444455556666";
    assert_eq!(
        said(&parsed(&with(EXECUTION, "detail.executionArn", json!(arn)))),
        "express"
    );
}

#[test]
fn the_message_of_a_notification_rule_is_no_event() {
    let renamed = |sample: &str| {
        let mut event: Value = serde_json::from_str(sample).unwrap();
        let kind = event
            .as_object_mut()
            .unwrap()
            .remove("detail-type")
            .unwrap();
        with(&event.to_string(), "detailType", kind)
    };
    assert_eq!(said(&parsed(&renamed(STAGE))), "notification_rule");
    assert_eq!(said(&parsed(&renamed(EXECUTION))), "notification_rule");
    let both = with(STAGE, "detailType", json!("anything"));
    assert_eq!(parsed(&both), parsed(STAGE));
}

#[test]
fn an_event_speaks_for_its_own_account_and_region_alone() {
    let account = "its account is not the one that the event itself names";
    let region = "its region is not the one that the event itself names";
    #[rustfmt::skip]
    let table = [
        (EXECUTION, "account", "000000000000", alloc::format!("detail.executionArn: {account}")),
        (EXECUTION, "region", "eu-west-2", alloc::format!("detail.executionArn: {region}")),
        (STAGE, "account", "000000000000", alloc::format!("resources[0]: {account}")),
        (STAGE, "region", "eu-west-2", alloc::format!("resources[0]: {region}")),
        (PIPELINE, "account", "000000000000", alloc::format!("resources[0]: {account}")),
    ];
    for (sample, path, value, expected) in table {
        assert_eq!(said(&parsed(&with(sample, path, json!(value)))), expected);
    }
    // An execution's ARN contains account and region.
    let json = changed(EXECUTION, &[("account", Gone), ("region", To(json!(null)))]);
    assert_eq!(failure(&json), failure(EXECUTION));
}

#[test]
fn what_happens_elsewhere_is_not_acted_on() {
    let sources = |accounts: &[&str], regions: &[&str]| AllowedSources {
        accounts: accounts.iter().map(ToString::to_string).collect(),
        regions: regions.iter().map(ToString::to_string).collect(),
    };
    for sample in [EXECUTION, STAGE, ACTION, PIPELINE] {
        let own = said(&parsed(sample));
        for (sources, expected) in [
            (sources(&[], &[]), own.as_str()),
            (sources(&["111122223333"], &["eu-west-1"]), &own),
            (sources(&["000000000000", "111122223333"], &[]), &own),
            (sources(&["000000000000"], &[]), "other_account"),
            (sources(&["1111222233334"], &[]), "other_account"),
            (sources(&[], &["eu-west"]), "other_region"),
            (sources(&["111122223333"], &["eu-west-2"]), "other_region"),
            (sources(&["000000000000"], &["eu-west-2"]), "other_account"),
        ] {
            assert_eq!(
                said(&parse(sample.as_bytes(), &sources)),
                expected,
                "{sources:?}"
            );
        }
    }
}

#[test]
fn each_status_of_an_execution_means_one_thing() {
    let fails = "failure of etl-orders orders-2026-11-20-0200";
    for (status, never_redriven, redriven, of_old) in [
        ("FAILED", fails, fails, fails),
        ("TIMED_OUT", fails, fails, fails),
        ("SUCCEEDED", "succeeded", "Succeeded Some(1)", "succeeded"),
        ("ABORTED", "aborted", "Terminated Some(1)", "aborted"),
        ("RUNNING", "running", "running", "running"),
        ("PENDING_REDRIVE", "running", "running", "running"),
        (
            "failed",
            "unknown_status",
            "unknown_status",
            "unknown_status",
        ),
        ("", "unknown_status", "unknown_status", "unknown_status"),
    ] {
        let count = |count| {
            let json = changed(
                EXECUTION,
                &[
                    ("detail.status", To(json!(status))),
                    ("detail.redriveCount", count),
                ],
            );
            said(&parsed(&json))
        };
        assert_eq!(count(To(json!(0))), never_redriven, "{status}");
        assert_eq!(count(To(json!(1.0))), redriven, "{status}");
        assert_eq!(count(Gone), of_old, "{status}");
    }
}

#[test]
fn each_state_of_stages_actions_and_pipelines_is_parsed() {
    let fails = "failure of web-delivery Build 56dd4e8f";
    #[rustfmt::skip]
    let table = [
        ("FAILED", fails, fails, fails, "superseded_by_stage_event"),
        ("SUCCEEDED", "succeeded", "Succeeded None", "succeeded", "succeeded"),
        ("STARTED", "running", "running", "running", "running"),
        ("RESUMED", "running", "running", "running", "running"),
        ("STOPPING", "stopping", "stopping", "stopping", "stopping"),
        ("STOPPED", "stopped", "Terminated None", "stopped", "stopped"),
        ("ABANDONED", "stopped", "stopped", "stopped", "stopped"),
        ("CANCELED", "canceled", "Terminated None", "canceled", "canceled"),
        ("SUPERSEDED", "superseded", "superseded", "superseded", "superseded"),
        ("PAUSED", "unknown_status", "unknown_status", "unknown_status", "unknown_status"),
    ];
    for (state, stage, after_a_retry, action, pipeline) in table {
        let at = |sample, more| {
            let json = changed(sample, &[("detail.state", To(json!(state))), more]);
            said(&parsed(&json))
        };
        let no_more = || ("detail.novelty", Gone);
        let retried_at = || {
            let time = json!("2026-11-20T02:14:29.318Z");
            ("detail.stage-last-retry-attempt-time", To(time))
        };
        let attempt = |n| ("detail.pipeline-execution-attempt", To(n));
        assert_eq!(at(STAGE, no_more()), stage, "{state}");
        assert_eq!(at(STAGE, attempt(json!("1"))), stage, "{state}");
        assert_eq!(at(STAGE, retried_at()), after_a_retry, "{state}");
        assert_eq!(at(STAGE, attempt(json!(2.0))), after_a_retry, "{state}");
        assert_eq!(at(STAGE, attempt(json!("2"))), after_a_retry, "{state}");
        assert_eq!(at(ACTION, retried_at()), action, "{state}");
        assert_eq!(at(PIPELINE, retried_at()), pipeline, "{state}");
    }
}

#[test]
fn a_sequel_says_whose_and_when() {
    let of = |json: &str| match parsed(json) {
        ParsedEvent::Completion(completion) => completion,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        of(include_str!("../../../../events/sfn-03-recovered.json")),
        Completion {
            subject: Subject::Execution { arn: RUN.into() },
            at: Time::from_millis(1_795_140_578_655),
            kind: CompletionKind::Succeeded,
            redrive_count: Some(2),
        }
    );
    assert_eq!(
        of(include_str!(
            "../../../../events/cp-07-image-pull-stage-succeeded.json"
        )),
        Completion {
            subject: failure(STAGE).subject,
            at: Time::parse("2026-11-20T02:19:02Z").unwrap(),
            kind: CompletionKind::Succeeded,
            redrive_count: None,
        }
    );
    assert_eq!(CompletionKind::Succeeded.reason(), Reason::Succeeded);
    assert_eq!(CompletionKind::Terminated.reason(), Reason::Aborted);
}

#[test]
fn what_is_irrelevant_still_says_of_whom_it_speaks() {
    let json = with(EXECUTION, "detail.status", json!("RUNNING"));
    let ParsedEvent::Ignored(ignored) = parsed(&json) else {
        panic!()
    };
    assert_eq!(
        ignored.subject,
        Some(Subject::Execution { arn: RUN.into() })
    );
    assert_eq!(ignored.at, Time::parse("2026-11-20T02:04:17Z"));
}

#[test]
fn time_comes_from_the_detail_or_else_the_event() {
    let envelope = Time::parse("2026-11-20T02:04:17Z").unwrap();
    for (stop, time, expected) in [
        (
            To(json!(1000)),
            To(json!("2026-11-20T02:04:17Z")),
            Time::from_millis(1000),
        ),
        (To(json!(null)), To(json!("2026-11-20T02:04:17Z")), envelope),
        (Gone, To(json!("2026-11-20T03:04:17+01:00")), envelope),
        (To(json!(1000)), Gone, Time::from_millis(1000)),
        (
            To(json!(1000)),
            To(json!("yesterday")),
            Time::from_millis(1000),
        ),
    ] {
        let json = changed(EXECUTION, &[("detail.stopDate", stop), ("time", time)]);
        assert_eq!(failure(&json).at, expected, "{json}");
    }
}

#[test]
fn a_malformed_event_names_the_place_and_the_problem() {
    let missing = "it is missing";
    let text = "expected text, read";
    let name = "it is not a name of 1 to 100 letters, digits and . @ - _";
    #[rustfmt::skip]
    let table = [
        (EXECUTION, "source", Gone, alloc::format!("source: {missing}")),
        (EXECUTION, "source", To(json!(null)), alloc::format!("source: {missing}")),
        (EXECUTION, "source", To(json!(7)), alloc::format!("source: {text} a number")),
        (EXECUTION, "detail-type", Gone, alloc::format!("detail-type: {missing}")),
        (EXECUTION, "detail-type", To(json!(true)), alloc::format!("detail-type: {text} true or false")),
        (EXECUTION, "account", To(json!(111122223333_u64)), alloc::format!("account: {text} a number")),
        (EXECUTION, "region", To(json!({})), alloc::format!("region: {text} an object")),
        (EXECUTION, "time", To(json!([])), alloc::format!("time: {text} a list")),
        (EXECUTION, "detail", Gone, alloc::format!("detail: {missing}")),
        (EXECUTION, "detail", To(json!(null)), alloc::format!("detail: {missing}")),
        (EXECUTION, "detail", To(json!("{}")), "detail: expected an object".into()),
        (EXECUTION, "detail", To(json!([EXECUTION])), "detail: expected an object".into()),
        (EXECUTION, "detail.executionArn", To(json!(null)), alloc::format!("detail.executionArn: {missing}")),
        (EXECUTION, "detail.executionArn", To(json!([RUN])), alloc::format!("detail.executionArn: {text} a list")),
        (EXECUTION, "detail.executionArn", To(json!("")), "detail.executionArn: it does not begin with arn:".into()),
        (EXECUTION, "detail.status", Gone, alloc::format!("detail.status: {missing}")),
        (EXECUTION, "detail.status", To(json!(1.5)), alloc::format!("detail.status: {text} a number")),
        (EXECUTION, "detail.error", To(json!(503)), alloc::format!("detail.error: {text} a number")),
        (EXECUTION, "detail.cause", To(json!({"k": 1})), alloc::format!("detail.cause: {text} an object")),
        (STAGE, "detail.pipeline", Gone, alloc::format!("detail.pipeline: {missing}")),
        (STAGE, "detail.pipeline", To(json!("a/b")), alloc::format!("detail.pipeline: {name}")),
        (STAGE, "detail.stage", To(json!("")), alloc::format!("detail.stage: {name}")),
        (STAGE, "detail.stage", To(json!("s".repeat(101))), alloc::format!("detail.stage: {name}")),
        (STAGE, "detail.stage", To(json!(["Build"])), alloc::format!("detail.stage: {text} a list")),
        (STAGE, "detail.execution-id", To(json!("a b")), alloc::format!("detail.execution-id: {name}")),
        (STAGE, "detail.state", Gone, alloc::format!("detail.state: {missing}")),
        (STAGE, "detail.pipeline-execution-attempt", To(json!([])), "detail.pipeline-execution-attempt: expected a number, read a list".into()),
        (STAGE, "time", Gone, "time: it is missing, or no time".into()),
        (STAGE, "time", To(json!("soon")), "time: it is missing, or no time".into()),
        (STAGE, "account", To(json!("1111")), "account, region: they make no ARN: its account is not twelve digits".into()),
        (STAGE, "region", To(json!("EU")), "account, region: they make no ARN: its region is missing or not a word".into()),
        (ACTION, "detail.action", Gone, alloc::format!("detail.action: {missing}")),
        (ACTION, "detail.action", To(json!("a:b")), alloc::format!("detail.action: {name}")),
        (ACTION, "detail.type", To(json!("Build")), "detail.type: expected an object".into()),
        (ACTION, "detail.type.category", To(json!(3)), alloc::format!("detail.type.category: {text} a number")),
        (ACTION, "detail.execution-result", To(json!(1)), "detail.execution-result: expected an object".into()),
        (ACTION, "detail.execution-result.error-code", To(json!(["E"])), alloc::format!("detail.execution-result.error-code: {text} a list")),
        (ACTION, "detail.action-execution-id", To(json!(false)), alloc::format!("detail.action-execution-id: {text} true or false")),
    ];
    for (sample, path, set, expected) in table {
        let json = changed(sample, &[(path, set)]);
        assert_eq!(said(&parsed(&json)), expected, "{json}");
    }
    for (set, expected) in [
        (
            &[("account", Gone), ("resources", Gone)],
            "account: it is missing",
        ),
        (
            &[("region", Gone), ("resources", Gone)],
            "region: it is missing",
        ),
    ] {
        assert_eq!(said(&parsed(&changed(STAGE, set))), expected);
    }
    let timeless = [("time", Gone), ("detail.stopDate", Gone)];
    assert_eq!(
        said(&parsed(&changed(EXECUTION, &timeless))),
        "time: it is missing, or no time, and so is detail.stopDate"
    );
}

#[test]
fn a_list_is_never_read_as_an_object() {
    let list = json!(["Approval", "Manual"]);
    for (path, place) in [
        ("detail", "detail"),
        ("detail.type", "detail.type"),
        ("detail.execution-result", "detail.execution-result"),
    ] {
        let parsed = parsed(&with(ACTION, path, list.clone()));
        assert_eq!(said(&parsed), alloc::format!("{place}: expected an object"));
    }
    for event in ["[]", "3", "null", "true", "\"text\"", " [{}] "] {
        assert_eq!(
            said(&parsed(event)),
            "the event: expected an object",
            "{event}"
        );
    }
}

#[test]
fn what_is_no_json_is_located() {
    for (text, expected) in [
        ("", "the event: it is empty"),
        (" \r\n\t ", "the event: it is empty"),
        ("\u{feff}", "the event: it is empty"),
        ("{", "line 1 column 1: the JSON ends before it is complete"),
        (
            "{\n  \"source\": \"aws",
            "line 2 column 16: the JSON ends before it is complete",
        ),
        ("{\n\"source\": aws}", "line 2 column 11: this is not JSON"),
        ("{} {}", "line 1 column 4: this is not JSON"),
        ("source: aws.states", "line 1 column 1: this is not JSON"),
        (
            "{\"source\":\"\\ud800\"}",
            "line 1 column 18: this is not JSON",
        ),
        ("{'source':1}", "line 1 column 2: this is not JSON"),
    ] {
        assert_eq!(said(&parsed(text)), expected, "{text}");
    }
    let latin1 = b"{\"source\":\"caf\xE9\"}";
    assert_eq!(
        said(&parse(latin1, &AllowedSources::default())),
        "line 1 column 15: this is not JSON"
    );
}

#[test]
fn a_key_that_is_there_twice_is_refused() {
    let twice = |sample: &str, key: &str| {
        sample.replacen(
            &alloc::format!("\"{key}\":"),
            &alloc::format!("\"{key}\": null, \"{key}\":"),
            1,
        )
    };
    for (sample, key, expected) in [
        (EXECUTION, "source", "the event: duplicate field `source`"),
        (EXECUTION, "detail", "the event: duplicate field `detail`"),
        (
            EXECUTION,
            "executionArn",
            "detail: duplicate field `executionArn`",
        ),
        (
            EXECUTION,
            "redriveCount",
            "detail: duplicate field `redriveCount`",
        ),
        (
            STAGE,
            "execution-id",
            "detail: duplicate field `execution-id`",
        ),
        (
            ACTION,
            "category",
            "detail.type: duplicate field `category`",
        ),
    ] {
        assert_eq!(said(&parsed(&twice(sample, key))), expected);
    }
    // A key that is not read may occur twice.
    assert_eq!(parsed(&twice(EXECUTION, "id")), parsed(EXECUTION));
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    assert_eq!(
        parsed(&alloc::format!("\u{feff}{EXECUTION}")),
        parsed(EXECUTION)
    );
    let minimal = EXECUTION.replace('\n', "\r\n");
    assert_eq!(
        parsed(&alloc::format!("  \n{minimal}\n ")),
        parsed(EXECUTION)
    );
}

#[test]
fn a_huge_event_is_parsed_like_any_other() {
    let big = "x".repeat(1 << 20);
    let json = changed(
        EXECUTION,
        &[
            ("detail.input", To(json!(big))),
            ("detail.novelty", To(json!(big))),
            ("detail.cause", To(json!(big))),
        ],
    );
    assert_eq!(execution(&json).cause, known(&big));
}

#[test]
fn unread_members_may_be_nested_deeply() {
    let deep = alloc::format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let insert = |sample: &str, before: &str, what: &str| {
        sample.replacen(before, &alloc::format!("{what}, {before}"), 1)
    };
    let aside = alloc::format!("\"novelty\": {deep}");
    assert_eq!(
        parsed(&insert(EXECUTION, "\"detail\"", &aside)),
        parsed(EXECUTION)
    );
    assert_eq!(
        parsed(&insert(EXECUTION, "\"executionArn\"", &aside)),
        parsed(EXECUTION)
    );
    assert_eq!(
        said(&parsed(&EXECUTION.replacen("\"FAILED\"", &deep, 1))),
        "detail.status: expected text, read a list"
    );
    let objects = alloc::format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    assert_eq!(
        said(&parsed(&EXECUTION.replacen("\"FAILED\"", &objects, 1))),
        "detail.status: expected text, read an object"
    );
    assert_eq!(said(&parsed(&deep)), "the event: expected an object");
    // An input that nests too deeply names no parent.
    let key = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID";
    let input = alloc::format!("{{\"a\": {deep}, \"b\": \"{key}\"}}");
    assert_eq!(
        execution(&with(EXECUTION, "detail.input", json!(input))).parent,
        Field::Absent
    );
}

#[test]
fn a_nested_execution_names_its_parent() {
    let key = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID";
    let parent = "arn:aws:states:eu-west-1:111122223333:execution:billing-close:close-1";
    let spelled = alloc::format!(r#"{{"n":1,"{key}":"{parent}"}}"#);
    for (input, expected) in [
        (json!(spelled), Some(parent)),
        (
            json!(alloc::format!(" {{ \"{key}\" : \"{parent}\" }} ")),
            Some(parent),
        ),
        (json!(null), None),
        (json!(""), None),
        (json!("{}"), None),
        (json!(alloc::format!(r#"{{"{key}":null}}"#)), None),
        (json!(alloc::format!(r#"{{"{key}":7}}"#)), None),
        (
            json!(alloc::format!(r#"{{"{key}":"the other one"}}"#)),
            None,
        ),
        (
            json!(alloc::format!(
                r#"{{"{key}":"arn:aws:sqs:eu-west-1:111122223333:q"}}"#
            )),
            None,
        ),
        // A key at a deeper level is not Step Functions' own.
        (json!(alloc::format!(r#"{{"event":{spelled}}}"#)), None),
        (json!(alloc::format!(r#"["{parent}","{key}"]"#)), None),
        (json!(alloc::format!(r#"["{parent}{key}"]"#)), None),
        (json!(alloc::format!("{key} {parent}")), None),
    ] {
        let parsed = execution(&with(EXECUTION, "detail.input", input.clone()));
        assert_eq!(
            parsed.parent.known().map(String::as_str),
            expected,
            "{input}"
        );
    }
}

#[test]
fn a_timed_out_execution_has_the_error_states_timeout() {
    for (error, cause) in [
        (To(json!(null)), To(json!(null))),
        (Gone, Gone),
        (To(json!("Other")), To(json!(null))),
    ] {
        let parsed = execution(&changed(
            EXECUTION,
            &[
                ("detail.status", To(json!("TIMED_OUT"))),
                ("detail.error", error),
                ("detail.cause", cause),
            ],
        ));
        assert_eq!(parsed.status, ExecutionStatus::TimedOut);
        assert_eq!(parsed.error, known("States.Timeout"));
        assert_eq!(parsed.cause, Field::Absent);
        assert_eq!(parsed.fail_state, Field::Known(false));
        // No state failed, so no fact about one is ever looked up.
        assert_eq!(
            (parsed.state, parsed.resource),
            (Field::Absent, Field::Absent)
        );
    }
}

#[test]
fn no_name_with_control_characters_gets_anywhere() {
    let arn = "detail.executionArn: its resource is missing, or has white space or control characters in it";
    let name = "it is not a name of 1 to 100 letters, digits and . @ - _";
    for bad in [
        "a\nb",
        "a\0b",
        "a\tb",
        "a b",
        "a\u{85}b",
        "a\u{2028}b",
        "a\u{7f}b",
    ] {
        let json = with(
            EXECUTION,
            "detail.executionArn",
            json!(RUN.replace("orders-", bad)),
        );
        assert_eq!(said(&parsed(&json)), arn, "{bad:?}");
    }
    for bad in ["a\nb", "a\0b", "a b", "a/b", "a:b", "a\u{202e}b", "ä", "a*"] {
        for key in ["pipeline", "stage", "execution-id"] {
            let path = alloc::format!("detail.{key}");
            let json = with(STAGE, &path, json!(bad));
            assert_eq!(
                said(&parsed(&json)),
                alloc::format!("{path}: {name}"),
                "{bad:?}"
            );
        }
        let json = with(ACTION, "detail.action", json!(bad));
        assert_eq!(
            said(&parsed(&json)),
            alloc::format!("detail.action: {name}"),
            "{bad:?}"
        );
    }
    let long = with(
        EXECUTION,
        "detail.executionArn",
        json!(RUN.replace("0200", &"0".repeat(256))),
    );
    assert_eq!(
        said(&parsed(&long)),
        "detail.executionArn: it is longer than 256 characters"
    );
}

/// Collects every variant of a value with a secret planted in it.
fn planted(value: &Value, out: &mut Vec<Value>) {
    for secret in [
        json!(SECRET),
        json!([SECRET]),
        json!({SECRET: SECRET}),
        json!([[SECRET], {"a": SECRET}]),
        json!(alloc::format!(
            "arn:aws:states:eu-west-1:111122223333:{SECRET}"
        )),
        json!(alloc::format!(
            "arn:aws:{SECRET}:eu-west-1:111122223333:execution:a:b"
        )),
    ] {
        out.push(secret);
    }
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let mut inner = vec![];
                planted(value, &mut inner);
                for changed in inner {
                    let mut members = members.clone();
                    members.insert(key.clone(), changed);
                    out.push(Value::Object(members));
                }
            }
        }
        Value::Array(items) => {
            for i in 0..items.len() {
                let mut inner = vec![];
                planted(&items[i], &mut inner);
                for changed in inner {
                    let mut items = items.clone();
                    items[i] = changed;
                    out.push(Value::Array(items));
                }
            }
        }
        _ => {}
    }
}

#[test]
fn unreadable_json_value_has_its_key_as_place() {
    let problem = "no text or number can be read from it";
    #[rustfmt::skip]
    let table = [
        (EXECUTION, "\"redriveCount\": 0", "\"redriveCount\": 1e999", "detail.redriveCount"),
        (EXECUTION, "\"status\": \"FAILED\"", r#""status": "\ud800""#, "detail.status"),
        (STAGE, "\"state\": \"FAILED\"", r#""state": "\udc00 \ud800""#, "detail.state"),
        // An unreadable key has no name, so the place is the object that contains it.
        (EXECUTION, "\"status\": \"FAILED\"", r#""status": "FAILED", "\ud800": 1"#, "detail"),
    ];
    for (sample, from, to, place) in table {
        assert!(sample.contains(from), "{from}");
        let event = sample.replace(from, to);
        let ParsedEvent::Malformed(malformed) = parse(event.as_bytes(), &AllowedSources::default())
        else {
            panic!("{to} was read");
        };
        assert_eq!(malformed, Malformed::new(place, problem), "{to}");
    }
}

#[test]
fn malformed_message_holds_no_text_of_the_event() {
    let mut malformed = 0;
    let mut look = |text: &[u8]| {
        if let ParsedEvent::Malformed(what) = parse(text, &AllowedSources::default()) {
            malformed += 1;
            assert!(
                !alloc::format!("{what:?} {what}").contains(SECRET),
                "{what}"
            );
        }
    };
    for sample in [EXECUTION, STAGE, ACTION, PIPELINE] {
        let mut events = vec![];
        planted(&serde_json::from_str(sample).unwrap(), &mut events);
        for event in events {
            look(event.to_string().as_bytes());
        }
        // Secrets are values of a sample that is cut at each byte. After that, a secret is a duplicate key.
        let secret = sample
            .replace("111122223333", SECRET)
            .replace("FAILED", SECRET);
        for end in 0..secret.len() {
            look(&secret.as_bytes()[..end]);
        }
        look(
            sample
                .replacen(
                    "\"detail\"",
                    &alloc::format!("\"{SECRET}\":1,\"{SECRET}\""),
                    1,
                )
                .as_bytes(),
        );
        look(
            sample
                .replacen(':', &alloc::format!(": {SECRET}"), 1)
                .as_bytes(),
        );
    }
    assert!(malformed > 2000, "{malformed}");
}

/// A deterministic generator (xorshift64*), so that every run makes the same mutations.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(drawn).unwrap() % n
    }
}

#[test]
fn twenty_thousand_mutated_events_are_parsed_without_a_panic() {
    let samples = [
        EXECUTION,
        STAGE,
        ACTION,
        PIPELINE,
        include_str!("../../../../events/sfn-03-recovered.json"),
        include_str!("../../../../events/sfn-16-nested-child.json"),
    ];
    let tokens: [&[u8]; 12] = [
        b"null", b"{}", b"[]", b"\"\"", b"-1", b"1e999", b"\\u0000", b"\xff", b",", b"\"", b"}",
        b"[[[[",
    ];
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut kinds = [0_usize; 4];
    for _ in 0..20_000 {
        let mut event = samples[dice.below(samples.len())].as_bytes().to_vec();
        for _ in 0..=dice.below(2) {
            let at = dice.below(event.len().max(1)).min(event.len());
            let end = (at + dice.below(40)).min(event.len());
            match dice.below(6) {
                0 if at < event.len() => event[at] = u8::try_from(dice.below(256)).unwrap(),
                1 => {
                    event.drain(at..end);
                }
                2 => event.truncate(at),
                3 => {
                    let piece = event[at..end].to_vec();
                    let to = dice.below(event.len() + 1);
                    event.splice(to..to, piece);
                }
                4 => {
                    // Replaces the value after a colon. Events that stay JSON reach further into the parser.
                    let from = event[at..]
                        .iter()
                        .position(|b| *b == b':')
                        .map(|i| at + i + 1);
                    let to = from.and_then(|from| {
                        event[from..]
                            .iter()
                            .position(|b| b",\n".contains(b))
                            .map(|i| from + i)
                    });
                    if let (Some(from), Some(to)) = (from, to) {
                        event.splice(from..to, tokens[dice.below(tokens.len())].iter().copied());
                    }
                }
                _ => {
                    event.splice(at..at, tokens[dice.below(tokens.len())].iter().copied());
                }
            }
        }
        let parsed = parse(&event, &AllowedSources::default());
        assert_eq!(parse(&event, &AllowedSources::default()), parsed);
        kinds[match parsed {
            ParsedEvent::Failure(_) => 0,
            ParsedEvent::Completion(_) => 1,
            ParsedEvent::Ignored(_) => 2,
            ParsedEvent::Malformed(_) => 3,
        }] += 1;
    }
    // The mutations must be neither all harmless nor all fatal.
    assert!(kinds.iter().all(|times| *times > 300), "{kinds:?}");
}

#[test]
fn what_announces_no_failure_need_not_be_whole() {
    for (sample, state, place, reason) in [
        (EXECUTION, "RUNNING", "detail.executionArn", "running"),
        (EXECUTION, "SUCCEEDED", "detail.executionArn", "succeeded"),
        (STAGE, "STARTED", "detail.stage", "running"),
        (STAGE, "SUCCEEDED", "detail.execution-id", "succeeded"),
        (ACTION, "SUCCEEDED", "detail.stage", "succeeded"),
    ] {
        let status = if sample == EXECUTION {
            "detail.status"
        } else {
            "detail.state"
        };
        let broken = To(json!("<masked>"));
        let json = changed(sample, &[(status, To(json!(state))), (place, broken)]);
        assert_eq!(said(&parsed(&json)), reason, "{state} without {place}");
    }
}

#[test]
fn a_date_that_is_none_is_no_error() {
    for date in [
        json!("yesterday"),
        json!(-5),
        json!({}),
        json!([1]),
        json!(true),
        json!(1.5),
    ] {
        let json = changed(
            EXECUTION,
            &[
                ("detail.stopDate", To(date.clone())),
                ("detail.startDate", To(date.clone())),
            ],
        );
        let failure = failure(&json);
        assert_eq!(
            failure.at,
            Time::parse("2026-11-20T02:04:17Z").unwrap(),
            "{date}"
        );
    }
    let written = with(
        EXECUTION,
        "detail.stopDate",
        json!("2026-11-20T02:04:17.250Z"),
    );
    assert_eq!(
        failure(&written).at,
        Time::parse("2026-11-20T02:04:17.250Z").unwrap()
    );
}

#[test]
fn an_input_that_was_left_out_leaves_the_parent_open() {
    let left_out = [
        ("detail.input", To(Value::Null)),
        ("detail.inputDetails", To(json!({ "included": false }))),
    ];
    assert_eq!(
        execution(&changed(EXECUTION, &left_out)).parent,
        Field::Unknown
    );
    let null = with(EXECUTION, "detail.input", Value::Null);
    assert_eq!(execution(&null).parent, Field::Absent);
    // An Express parent waits for no child.
    let express = "arn:aws:states:eu-west-1:111122223333:express:hook:one:1";
    let input = alloc::format!(r#"{{"AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID":"{express}"}}"#);
    assert_eq!(
        execution(&with(EXECUTION, "detail.input", json!(input))).parent,
        Field::Absent
    );
}

#[test]
fn irrelevant_members_lose_no_failure() {
    for (sample, place) in [
        (EXECUTION, "detail.input"),
        (EXECUTION, "detail.inputDetails"),
        (EXECUTION, "detail.outputDetails"),
        (EXECUTION, "detail.stateMachineArn"),
        (EXECUTION, "detail.stateMachineVersionArn"),
        (EXECUTION, "detail.startDate"),
        (EXECUTION, "resources"),
        (STAGE, "detail.version"),
        (STAGE, "detail.start-time"),
        (STAGE, "resources"),
    ] {
        for strange in [
            json!("<x>"),
            json!(5),
            json!(2.5),
            json!(true),
            json!([1]),
            json!({ "a": 1 }),
        ] {
            let json = with(sample, place, strange.clone());
            assert_eq!(
                said(&parsed(&json)),
                said(&parsed(sample)),
                "{place}: {strange}"
            );
        }
    }
    let strange = with(
        EXECUTION,
        "detail.inputDetails",
        json!({ "included": "false" }),
    );
    assert_eq!(said(&parsed(&strange)), said(&parsed(EXECUTION)));
}

#[test]
fn an_input_that_is_no_text_still_names_the_parent() {
    let parent = "arn:aws:states:eu-west-1:111122223333:execution:billing-close:close-1";
    let input = json!({ "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": parent });
    assert_eq!(
        execution(&with(EXECUTION, "detail.input", input)).parent,
        known(parent)
    );
}
