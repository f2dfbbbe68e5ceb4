use redrive_core::failure::{ExecutionStatus, FailureId};
use redrive_core::ledger::{Decided, List, Owner, Pass, TargetCursor, Targets, Timing};
use redrive_core::services::Service;
use redrive_core::verdict::{Charge, Decision, Reason, StageRetryMode, Verdict};

use super::*;

/// Returns the bytes of a value. Numbers count with their maximum.
///
/// AWS: the sizes of the types (DynamoDB item sizes and formats).
pub(super) fn size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + size(value)).sum::<usize>(),
        AttributeValue::M(map) => {
            3 + map
                .iter()
                .map(|(name, value)| 1 + name.len() + size(value))
                .sum::<usize>()
        }
        other => panic!("the ledger writes no {other:?}"),
    }
}

fn written(entry: &Entry) -> usize {
    entry_item(entry)
        .unwrap()
        .iter()
        .map(|(name, value)| name.len() + size(value))
        .sum()
}

fn failed(rules: &[&str], failure_id: FailureId) -> Decided {
    Decided {
        subject: Subject::stage(
            "aws",
            "eu-west-1",
            "111122223333",
            "web-delivery",
            "Build",
            "5f0c2f0e-0000-4000-8000-000000000001",
        ),
        failure_id,
        failed_at: Time::from_millis(1_795_000_000_000),
        retried_before: 0,
        verdict: Verdict {
            decision: Decision::Retry,
            reason: Reason::Matched,
            policy: Some("step-functions".into()),
            policy_version: None,
            rules: rules
                .iter()
                .map(|rule| Charge {
                    rule: (*rule).to_owned(),
                    description: Some("the service that was called had too much to do".into()),
                    used: 10,
                    limit: 10,
                })
                .collect(),
            delay_seconds: 900,
            retry_mode: StageRetryMode::FailedActions,
        },
        slot: std::time::Duration::ZERO,
        observed: false,
    }
}

/// Returns the bytes of an entry with `attempts` attempts, each as `decided` returns it.
fn after(attempts: usize, decided: impl Fn(usize) -> Decided) -> usize {
    let (owner, timing) = (Owner("a".into()), Timing::default());
    let writer = Writer {
        owner: &owner,
        now: Time::from_millis(1_795_000_000_000),
        timing: &timing,
    };
    let mut entry = Entry::open(decided(0), writer);
    for number in 1..=attempts {
        entry = entry.judge(decided(number), writer).unwrap();
    }
    assert_eq!(entry.attempts.len(), attempts);
    written(&entry)
}

/// AWS: an item holds at most 400 KB (Quotas in DynamoDB). Each attempt has rules with descriptions, as the shipped
/// policy has.
#[test]
fn a_thousand_attempts_fit_into_an_item() {
    let execution = |rules: &'static [&str]| {
        after(1_000, move |number| {
            failed(
                rules,
                FailureId::RedriveCount(u32::try_from(number).unwrap()),
            )
        })
    };
    let stage = after(1_000, |number| {
        let id = format!("{number:08}-0000-4000-8000-000000000001");
        failed(&["throttled"], FailureId::FailedActions([id].into()))
    });
    let sizes = [
        execution(&["throttled"]),
        stage,
        execution(&["throttled", "rule-0f1e2d3c4b"]),
    ];
    assert_eq!(sizes, [267_618, 305_756, 364_733], "bytes");
    assert!(sizes.iter().all(|size| *size < 400 * 1_024));
}

/// The checkpoint has names, tokens and lists of maximum length. Each service has 200 targets, whose tokens exceed
/// their limit by one token, and 50 lagging targets.
#[test]
fn a_position_fits_into_an_item() {
    let now = Time::from_millis(1_795_000_000_000);
    let target = |number: usize| {
        let name = format!("{number:03}-{}", "n".repeat(76));
        format!("arn:aws-us-gov:states:us-gov-west-1:111122223333:stateMachine:{name}")
    };
    let cursor = |number: usize| TargetCursor {
        token: (number <= 100_000 / 3_096).then(|| "t".repeat(3_096)),
        after: Some(now),
        first_error_at: Some(now),
        ..TargetCursor::first(target(number), List::Executions(ExecutionStatus::TimedOut))
    };
    let pass = Pass {
        watermark: now,
        began: Some(now),
        targets: Targets::Next("t".repeat(2_048)),
        cursors: (0..200).map(cursor).collect(),
        lagging: (0..50).map(|number| (target(number), now)).collect(),
        held_watermark: Some(now),
    };
    let checkpoint = ScanCheckpoint {
        revision: u64::MAX,
        written_by: Owner("o".repeat(100)),
        updated_at: now,
        since: now,
        passes: Service::ALL.map(|service| (service, pass.clone())).into(),
    };
    let item = item_of(CHECKPOINT, &checkpoint).unwrap();
    assert!(!item.contains_key(TTL) && !item.contains_key(DUE_SHARD));
    let bytes: usize = item
        .iter()
        .map(|(name, value)| name.len() + size(value))
        .sum();
    assert_eq!(bytes, 311_530);
    assert!(bytes < 400 * 1_024);
}
