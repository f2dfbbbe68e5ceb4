//! A document's own tests, judged as the functions would judge them.

use std::collections::BTreeSet;

use redrive_core::decide::{LedgerView, verdict_on};
use redrive_core::failure::{
    ExecutionStatus, FailedAction, FailedExecution, FailedStage, Failure, FailureDetail, Field,
    Redrivable, StageSnapshot, StageStatus, Subject,
};
use redrive_core::ledger::{Decided, Entry, Owner, Timing, Writer};
use redrive_core::time::Time;
use redrive_core::verdict::{Decision, Reason, Verdict};
use redrive_policy::{Case, ConditionKey, Document, Expect, FailureView, Service, Test};

/// The verdict on each attempt of a test.
#[must_use]
pub fn verdicts(document: &Document, test: &Test) -> Vec<Verdict> {
    judge(document, &test.attempts, &test.expect)
}

/// Whether every verdict on a test is as expected.
#[must_use]
pub fn passes(document: &Document, test: &Test) -> bool {
    let verdicts = verdicts(document, test);
    verdicts.len() == test.expect.len()
        && verdicts
            .iter()
            .zip(&test.expect)
            .all(|(verdict, expect)| holds(expect, verdict))
}

/// Whether a verdict is as expected.
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

/// What conditions see of a case: what an error or a cause that is given says of exit status, signal and HTTP status,
/// unless the case says it otherwise; what follows from neither is absent. `failure` is the case's own.
#[must_use]
pub fn views<'a>(case: &'a Case, failure: &'a Failure) -> Vec<FailureView<'a>> {
    let signal = case.texts.get(&ConditionKey::Signal).map(Field::as_text);
    let seen = failure.views().into_iter().map(|view| FailureView {
        exit_status: given(case.exit_status, view.exit_status),
        signal: given(signal, view.signal),
        signal_reason: given(case.signal_reason, view.signal_reason),
        http_status: given(case.http_status, view.http_status),
        ..view
    });
    seen.collect()
}

/// The verdicts on consecutive failures of one subject, each retried while it is expected to be and the
/// verdict agrees. What nothing is expected of is retried if the verdict says so.
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
                    // Nobody waits in a test.
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
            entry = next.and_then(|next| next.accept(writer).ok()).or(entry);
            retried = retried.saturating_add(1);
        }
        verdicts.push(verdict);
    }
    verdicts
}

/// A failure as the `attempt`-th of its subject, which was retried so often before.
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

/// What the test gives, or else what follows from the rest; all of it is known.
fn given<T>(given: Option<Field<T>>, follows: Field<T>) -> Field<T> {
    match given.unwrap_or(follows) {
        Field::Unknown => Field::Absent,
        field => field,
    }
}

/// The failure that a case says, all of it known.
#[must_use]
pub fn failure(case: &Case) -> Failure {
    let (account, region) = (case.account(), case.region());
    let target = case.target.as_str();
    let (subject, detail);
    if case.service == Service::CodePipeline {
        subject = Subject::stage("aws", region, account, target, case.stage(), "test");
        detail = FailureDetail::Stage(FailedStage {
            announced: None,
            snapshot: Field::Known(stage_with(FailedAction {
                action: text(case, ConditionKey::Action)
                    .known()
                    .cloned()
                    .unwrap_or_default(),
                id: None,
                category: text(case, ConditionKey::Category),
                provider: text(case, ConditionKey::Provider),
                error_code: text(case, ConditionKey::ErrorCode),
                summary: text(case, ConditionKey::Summary),
            })),
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
    let status = case.status.as_deref();
    let timed_out = status == Some("TIMED_OUT");
    // Only an execution's own time-out has an error that nobody gives.
    let error = case.texts.get(&ConditionKey::Error).cloned();
    let error = match error {
        None if timed_out => Field::Known("States.Timeout".into()),
        error => error.unwrap_or(Field::Absent),
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

fn stage_with(action: FailedAction) -> StageSnapshot {
    StageSnapshot {
        status: StageStatus::Failed,
        rollback: false,
        stopped: false,
        superseded: false,
        structure_changed: false,
        in_progress: 0,
        listed: true,
        runs_behind: false,
        failed_at: None,
        running: BTreeSet::new(),
        retried: 0,
        retries_itself: false,
        failed: [action].into(),
    }
}

fn text(case: &Case, word: ConditionKey) -> Field<String> {
    case.texts.get(&word).cloned().unwrap_or(Field::Absent)
}
