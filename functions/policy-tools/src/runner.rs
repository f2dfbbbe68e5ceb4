//! The tests of a document, judged as the functions judge failures.

use redrive_core::decide::{LedgerView, verdict_on};
use redrive_core::failure::{
    ExecutionStatus, FailedAction, FailedExecution, FailedStage, Failure, FailureDetail, Field,
    Redrivable, StageSnapshot, Subject,
};
use redrive_core::ledger::{Decided, Entry, Owner, Timing, Writer};
use redrive_core::time::Time;
use redrive_core::verdict::{Decision, Reason, Verdict};
use redrive_policy::{Case, ConditionKey, Document, Expect, FailureView, Service, Test};

/// Returns the verdict on each attempt of a test.
#[must_use]
pub fn verdicts(document: &Document, test: &Test) -> Vec<Verdict> {
    judge(document, &test.attempts, &test.expect)
}

/// Returns whether every verdict on a test is as expected.
#[must_use]
pub fn passes(document: &Document, test: &Test) -> bool {
    let verdicts = verdicts(document, test);
    verdicts.len() == test.expect.len()
        && verdicts
            .iter()
            .zip(&test.expect)
            .all(|(verdict, expect)| holds(expect, verdict))
}

/// Returns whether a verdict is as expected.
#[must_use]
pub fn holds(expect: &Expect, verdict: &Verdict) -> bool {
    let rule = |id: &String| verdict.rules.iter().any(|charge| charge.rule == *id);
    expect
        .decision
        .is_none_or(|decision| decision == verdict.decision)
        && expect.reason.is_none_or(|reason| reason == verdict.reason)
        && (expect.policy.is_none() || expect.policy == verdict.policy)
        && expect.rule.as_ref().is_none_or(rule)
}

/// Returns the views of a case for conditions. `failure` must be the failure of the same case.
///
/// A value that is read from a text, such as the exit status, is that of the case. Without one it follows from the error
/// or cause of the case, else it is absent.
#[must_use]
pub fn views<'a>(case: &'a Case, failure: &'a Failure) -> Vec<FailureView<'a>> {
    let mut views = failure.views();
    for view in &mut views {
        for key in ConditionKey::of_texts() {
            let follows = view.values.get(key);
            let value = match case.get(key).unwrap_or(follows) {
                Field::Unknown => Field::Absent,
                value => value,
            };
            view.values.set(key, value);
        }
    }
    views
}

/// Returns the verdicts on consecutive failures of one subject.
///
/// An attempt counts as retried if its verdict is a retry and no other decision is expected.
#[must_use]
pub fn judge(document: &Document, attempts: &[Case], expected: &[Expect]) -> Vec<Verdict> {
    let (owner, timing) = (Owner("test".into()), Timing::default());
    let writer = Writer {
        owner: &owner,
        now: Time::default(),
        timing: &timing,
    };
    let mut entry: Option<Entry> = None;
    let mut retried = 0_u32;
    let mut verdicts = Vec::new();
    for (attempt, case) in attempts.iter().enumerate() {
        let failure = after(&failure(case), attempt, retried);
        let spent = entry.as_ref().map_or(LedgerView::Empty, LedgerView::Entry);
        let verdict = verdict_on(document, &failure, views(case, &failure), spent);
        let expected = expected.get(attempt).and_then(|expect| expect.decision);
        let is_retried = verdict.decision == Decision::Retry
            && expected.is_none_or(|decision| decision == Decision::Retry);
        if is_retried && let Some(failure_id) = failure.failure_id() {
            let decided = Decided {
                subject: failure.subject.clone(),
                failure_id,
                failed_at: failure.at,
                retried_before: 0,
                verdict: Verdict {
                    // A test does not wait for the delay.
                    delay_seconds: 0,
                    ..verdict.clone()
                },
                slot: core::time::Duration::ZERO,
                observed: false,
            };
            let next = match &entry {
                None => Some(Entry::open(decided, writer)),
                Some(entry) => entry.judge(decided, writer).ok(),
            };
            entry = next
                .and_then(|next| next.accept(None, writer).ok())
                .or(entry);
            retried = retried.saturating_add(1);
        }
        verdicts.push(verdict);
    }
    verdicts
}

/// Returns the failure as the `attempt`-th of its subject, after `retried` retries.
fn after(failure: &Failure, attempt: usize, retried: u32) -> Failure {
    let mut failure = failure.clone();
    match &mut failure.detail {
        FailureDetail::Execution(execution) => execution.redrive_count = Field::Known(retried),
        FailureDetail::Stage(FailedStage {
            snapshot: Field::Known(snapshot),
            ..
        }) => {
            snapshot.retried = retried;
            for action in &mut snapshot.failed {
                action.id = Some(format!("attempt-{attempt}"));
            }
        }
        FailureDetail::Stage(_) => {}
    }
    failure
}

/// Returns the failure that a case describes, with every value known.
#[must_use]
pub fn failure(case: &Case) -> Failure {
    let (account, region) = (case.account(), case.region());
    let target = case.target.as_str();
    let (subject, detail);
    if case.service == Service::CodePipeline {
        subject = Subject::stage("aws", region, account, target, case.stage(), "test");
        detail = FailureDetail::Stage(FailedStage {
            announced: None,
            snapshot: Field::Known(StageSnapshot::failed(
                [FailedAction {
                    action: case.text(ConditionKey::Action).unwrap_or_default().into(),
                    id: None,
                    category: text(case, ConditionKey::Category),
                    provider: text(case, ConditionKey::Provider),
                    error_code: text(case, ConditionKey::ErrorCode),
                    summary: text(case, ConditionKey::Summary),
                }]
                .into(),
            )),
        });
    } else {
        subject = Subject::Execution {
            arn: format!("arn:aws:states:{region}:{account}:execution:{target}:test"),
        };
        detail = FailureDetail::Execution(execution(case));
    }
    Failure {
        subject,
        at: Time::default(),
        detail,
    }
}

fn execution(case: &Case) -> FailedExecution {
    let status = case.text(ConditionKey::Status);
    let timed_out = status == Some("TIMED_OUT");
    // Only a time-out of the whole execution has an implied error.
    let error = match case.get(ConditionKey::Error) {
        None if timed_out => Field::Known("States.Timeout".into()),
        _ => text(case, ConditionKey::Error),
    };
    FailedExecution {
        status: if timed_out {
            ExecutionStatus::TimedOut
        } else {
            ExecutionStatus::Failed
        },
        redrive_count: Field::Known(0),
        redrivable: Field::Known(Redrivable::Yes),
        started: None,
        state_machine_arn: None,
        version_arn: None,
        error,
        cause: text(case, ConditionKey::Cause),
        parent: Field::Absent,
        fail_state: Field::Known(false),
        state: text(case, ConditionKey::State),
        resource: text(case, ConditionKey::Resource),
        changed_since: (status == Some("ABORTED")).then_some(Reason::Aborted),
    }
}

fn text(case: &Case, key: ConditionKey) -> Field<String> {
    Field::from_option(case.text(key).map(String::from))
}
