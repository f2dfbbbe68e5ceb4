//! Stages in states that no failed action causes, and events that the functions must ignore.

use redrive_emulator::codepipeline::{
    ExecutionStatus, Seed as StageSeed, SeedAction, SeedStage, StageStatus,
};
use serde_json::{Value, json};

use super::workload::{ACCOUNT, REGION, STAGE};

/// Returns two stages in states that no failed action causes: one failed by a condition, one skipped by a condition.
/// For each of them a stray event says that the stage failed.
pub(super) fn conditions() -> [StageSeed; 2] {
    [
        (
            "web-condition",
            StageStatus::Failed,
            ExecutionStatus::Failed,
        ),
        (
            "web-skipped",
            StageStatus::Skipped,
            ExecutionStatus::InProgress,
        ),
    ]
    .map(|(pipeline, stage, status)| StageSeed {
        pipeline: pipeline.into(),
        execution: "5f0c2f0e-0000-4000-8000-00000000ffff".into(),
        status,
        stages: vec![SeedStage {
            name: STAGE.into(),
            status: Some(stage),
            actions: vec![SeedAction {
                name: "Action0".into(),
                ..SeedAction::default()
            }],
            ..SeedStage::default()
        }],
        ..StageSeed::default()
    })
}

/// Returns events that the functions must ignore, and values that are no events.
pub(super) fn strays() -> Vec<Value> {
    let execution = |account: &str, region: &str, kind: &str, status: &str| {
        json!({
            "version": "0", "id": "9a1b2c3d-0000-4000-8000-000000000001",
            "source": "aws.states", "detail-type": "Step Functions Execution Status Change",
            "account": account, "region": region, "time": "2026-11-20T02:14:05Z",
            "resources": [],
            "detail": {
                "executionArn": format!("arn:aws:states:{region}:{account}:{kind}"),
                "status": status, "redriveCount": 0, "redriveStatus": "REDRIVABLE",
                "error": "Throttled.Now", "cause": null,
            },
        })
    };
    let of = |pipeline: &str, detail_type: &str, state: &str| {
        json!({
            "version": "0", "id": "9a1b2c3d-0000-4000-8000-000000000002",
            "source": "aws.codepipeline", "detail-type": detail_type,
            "account": ACCOUNT, "region": REGION, "time": "2026-11-20T02:14:05Z",
            "resources": [format!("arn:aws:codepipeline:{REGION}:{ACCOUNT}:{pipeline}")],
            "detail": {
                "pipeline": pipeline, "execution-id": "5f0c2f0e-0000-4000-8000-00000000ffff",
                "stage": STAGE, "action": "Action0", "state": state, "version": 1.0,
                "type": { "owner": "AWS", "provider": "CodeBuild", "category": "Build", "version": "1" },
            },
        })
    };
    let pipeline = |detail_type: &str, state: &str| of("web-shop", detail_type, state);
    vec![
        of(
            "web-condition",
            "CodePipeline Stage Execution State Change",
            "FAILED",
        ),
        of(
            "web-skipped",
            "CodePipeline Stage Execution State Change",
            "FAILED",
        ),
        execution("000000000000", REGION, "execution:etl-orders:far", "FAILED"),
        execution(ACCOUNT, "us-east-1", "execution:etl-orders:far", "FAILED"),
        execution(ACCOUNT, REGION, "express:etl-orders:a:b", "FAILED"),
        execution(ACCOUNT, REGION, "execution:etl-orders:odd", "NEW_STATUS"),
        execution(ACCOUNT, REGION, "execution:etl-orders/Map:child", "FAILED"),
        execution(ACCOUNT, REGION, "execution:etl-orders:none", "FAILED"),
        pipeline("CodePipeline Action Execution State Change", "FAILED"),
        pipeline("CodePipeline Stage Execution State Change", "STOPPING"),
        pipeline("CodePipeline Stage Execution State Change", "CANCELED"),
        pipeline("CodePipeline Stage Execution State Change", "SKIPPED"),
        pipeline("CodePipeline Artifact State Change", "FAILED"),
        json!({ "source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification", "account": ACCOUNT, "region": REGION, "time": "2026-11-20T02:14:05Z", "detail": {} }),
        json!({ "account": ACCOUNT, "detailType": "CodePipeline Stage Execution State Change", "region": REGION, "source": "aws.codepipeline", "time": "2026-11-20T02:14:05Z", "notificationRuleArn": "arn:aws:codestar-notifications:eu-west-1:111122223333:notificationrule/1", "detail": {} }),
        json!([]),
    ]
}
