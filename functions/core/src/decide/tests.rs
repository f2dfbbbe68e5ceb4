use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::{format, vec};

use super::*;
use crate::failure::{ExecutionStatus, FailedAction, StageSnapshot, StageStatus, Subject};
use crate::ledger::{Decided, EntryFields, Owner, Timing, Writer};
use crate::policy::{Backoff, JitterStrategy, PolicyVersion};
use crate::time::Time;

const ALL: &str = "version: 1\nretry: { automatic: true }";

fn policy(text: &str) -> Document {
    Document::parse(text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// Returns a document with these rules, in flow style.
fn rules(text: &str) -> Document {
    policy(&format!("{{version: 1, retry: {{automatic: {text}}}}}"))
}

/// Returns a failed execution with every fact known, after `change`.
fn execution(change: impl FnOnce(&mut FailedExecution)) -> Failure {
    let mut execution = FailedExecution {
        status: ExecutionStatus::Failed,
        redrive_count: Field::Known(0),
        redrivable: Field::Known(Redrivable::Yes),
        started: None,
        state_machine_arn: None,
        version_arn: None,
        error: known("S3.SlowDown"),
        cause: known("slow down"),
        parent: Field::Absent,
        fail_state: Field::Known(false),
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

fn known(text: &str) -> Field<String> {
    Field::Known(text.into())
}

fn action(name: &str, category: &str) -> FailedAction {
    FailedAction {
        action: name.into(),
        id: Some(format!("{name}-1")),
        category: known(category),
        provider: known("CodeBuild"),
        error_code: known("JobFailed"),
        summary: known("exit status 1"),
    }
}

fn snapshot() -> StageSnapshot {
    StageSnapshot::failed(vec![action("Unit", "Test")])
}

fn announced(action: Option<FailedAction>, snapshot: Field<StageSnapshot>) -> Failure {
    Failure {
        subject: Subject::stage("aws", "eu-west-1", "111122223333", "web", "Verify", "e-1"),
        at: Time::from_millis(1000),
        detail: FailureDetail::Stage(FailedStage {
            announced: action,
            snapshot,
        }),
    }
}

/// Returns a failed stage with every fact known, after `change`.
fn stage(change: impl FnOnce(&mut StageSnapshot)) -> Failure {
    let mut snapshot = snapshot();
    change(&mut snapshot);
    announced(None, Field::Known(snapshot))
}

fn failing(actions: &[&str]) -> Failure {
    stage(|s| s.failed = actions.iter().map(|name| action(name, "Test")).collect())
}

/// Returns an answer as one short line, without the delay.
fn said(answer: &Answer) -> String {
    match answer {
        Answer::Need(need) => format!("need {}", need.as_str()),
        Answer::Entry => "entry".into(),
        Answer::Verdict(verdict) => {
            let rules = verdict
                .rule()
                .map_or_else(String::new, |rule| format!(" by {rule}"));
            format!("{} {}{rules}", verdict.decision.as_str(), verdict.reason)
        }
    }
}

fn asked(document: &Document, failure: &Failure) -> String {
    said(&decide(document, failure, LedgerView::NotRead))
}

fn verdict(document: &Document, failure: &Failure, ledger_view: LedgerView<'_>) -> Verdict {
    match decide(document, failure, ledger_view) {
        Answer::Verdict(verdict) => verdict,
        other => panic!("{other:?}"),
    }
}

/// Returns the subject's entry after `times` failures, each retried at once by the rules `by`.
fn retried(document: &Document, failure: &Failure, by: &[&str], times: u32) -> Entry {
    let owner = Owner("one".into());
    let timing = Timing::default();
    let writer = Writer {
        owner: &owner,
        now: Time::from_millis(2000),
        timing: &timing,
    };
    let decided = |n: u32| Decided {
        subject: failure.subject.clone(),
        failure_id: match failure.detail {
            FailureDetail::Execution(_) => crate::failure::FailureId::RedriveCount(n),
            FailureDetail::Stage(_) => {
                crate::failure::FailureId::FailedActions([format!("earlier-{n}")].into())
            }
        },
        failed_at: failure.at,
        retried_before: 0,
        verdict: Verdict {
            decision: Decision::Retry,
            reason: Reason::Matched,
            policy: Some(document.policies[0].name.clone()),
            policy_version: None,
            rules: by
                .iter()
                .map(|rule| Charge {
                    rule: (*rule).into(),
                    description: None,
                    used: n,
                    limit: 10,
                })
                .collect(),
            delay_seconds: 0,
            retry_mode: StageRetryMode::FailedActions,
        },
        slot: core::time::Duration::ZERO,
        observed: false,
    };
    let mut entry = Entry::open(decided(0), writer)
        .accept(None, writer)
        .unwrap();
    for n in 1..times {
        entry = entry
            .judge(decided(n), writer)
            .unwrap()
            .accept(None, writer)
            .unwrap();
    }
    entry
}

#[test]
fn events_out_of_scope_are_ignored_with_a_reason() {
    let all = policy(ALL);
    #[rustfmt::skip]
    let table = [
        (execution(|e| e.changed_since = Some(Reason::Running)), "running"),
        (execution(|e| e.changed_since = Some(Reason::Succeeded)), "succeeded"),
        (execution(|e| e.changed_since = Some(Reason::Aborted)), "aborted"),
        (execution(|e| e.changed_since = Some(Reason::TargetChanged)), "target_changed"),
        (execution(|e| e.redrivable = Field::Known(Redrivable::No)), "not_redrivable"),
        (execution(|e| e.redrivable = Field::Known(Redrivable::ByMapRun)), "map_run_child"),
        (stage(|s| s.stopped = true), "stopped"),
        (stage(|s| s.superseded = true), "superseded"),
        (stage(|s| s.in_progress = 1), "actions_in_progress"),
        (stage(|s| s.retries_itself = true), "retries_itself"),
        (stage(|s| s.status = StageStatus::InProgress), "actions_in_progress"),
        (stage(|s| { s.status = StageStatus::InProgress; s.failed = vec![]; }), "running"),
        (stage(|s| s.status = StageStatus::Succeeded), "succeeded"),
        (stage(|s| s.status = StageStatus::Stopping), "stopping"),
        (stage(|s| s.status = StageStatus::Stopped), "stopped"),
        (stage(|s| s.status = StageStatus::Cancelled), "canceled"),
        (stage(|s| s.status = StageStatus::Skipped), "skipped"),
        // A person's stop and a later execution precede the other facts of the stage.
        (stage(|s| { s.stopped = true; s.superseded = true; s.in_progress = 2; }), "stopped"),
        (stage(|s| { s.superseded = true; s.status = StageStatus::Succeeded; }), "superseded"),
    ];
    for (failure, expected) in table {
        assert_eq!(
            asked(&all, &failure),
            format!("ignore {expected}"),
            "{failure:?}"
        );
    }
    let other = policy(
        "version: 1\npolicies: [{name: a, match: {state_machine: x}, retry: {automatic: true}}]",
    );
    assert_eq!(asked(&other, &execution(|_| ())), "ignore unmanaged");
    assert_eq!(asked(&other, &stage(|_| ())), "ignore unmanaged");
    // The reasons to ignore a failure precede the choice of a policy.
    assert_eq!(
        asked(&other, &stage(|s| s.stopped = true)),
        "ignore stopped"
    );
}

#[test]
fn refused_failure_has_reason_and_policy() {
    let parent =
        Field::Known("arn:aws:states:eu-west-1:111122223333:execution:close:c-1".to_string());
    let never = policy(
        "version: 1\nretry: {automatic: true}\nnever: [{error: S3.*}, {summary: '*status 1'}]",
    );
    let runtime = known("States.Runtime");
    for (document, failure, expected) in [
        (
            policy(ALL),
            execution(|e| e.parent = parent.clone()),
            "parent_retries",
        ),
        (
            policy(ALL),
            execution(|e| e.fail_state = Field::Known(true)),
            "fail_state",
        ),
        (policy(ALL), execution(|e| e.error = runtime), "unmatched"),
        (never.clone(), execution(|_| ()), "denied_by_policy"),
        (never, stage(|_| ()), "denied_by_policy"),
        (
            policy("version: 1\nretry: {}"),
            execution(|_| ()),
            "unmatched",
        ),
        (
            policy("version: 1\nretry: {automatic: false}"),
            stage(|_| ()),
            "unmatched",
        ),
        (rules("{error: Lambda.*}"), execution(|_| ()), "unmatched"),
        (rules("{category: Deploy}"), stage(|_| ()), "unmatched"),
        (
            rules("{id: no, limit: 0}"),
            execution(|_| ()),
            "forbidden by no",
        ),
        (
            rules("{id: no, limit: 0}"),
            stage(|_| ()),
            "forbidden by no",
        ),
        (
            policy(ALL),
            stage(|s| s.failed = vec![action("Ask", "Approval")]),
            "approval_rejected",
        ),
        (
            policy(ALL),
            stage(|s| s.failed = vec![action("Unit", "Test"), action("Ask", "approval")]),
            "approval_rejected",
        ),
        (policy(ALL), stage(|s| s.rollback = true), "rollback"),
        (
            policy(ALL),
            stage(|s| s.failed = vec![]),
            "no_failed_action",
        ),
        (
            policy(ALL),
            stage(|s| s.structure_changed = true),
            "structure_changed",
        ),
        // An edited stage no longer retries itself.
        (
            policy(ALL),
            stage(|s| {
                s.retries_itself = true;
                s.structure_changed = true;
            }),
            "structure_changed",
        ),
        (
            rules("{id: r}").with_budget(0),
            execution(|_| ()),
            "budget_spent by r",
        ),
    ] {
        let verdict = verdict(&document, &failure, LedgerView::NotRead);
        assert_eq!(
            said(&Answer::Verdict(verdict.clone())),
            format!("give_up {expected}"),
            "{failure:?}"
        );
        assert_eq!(verdict.policy.as_deref(), Some("default"));
        assert_eq!(verdict.delay_seconds, 0);
    }
}

trait WithBudget {
    fn with_budget(self, most: u32) -> Self;
}

impl WithBudget for Document {
    fn with_budget(mut self, most: u32) -> Self {
        self.per_execution = most;
        self
    }
}

#[test]
fn child_is_left_to_its_parent_unless_own() {
    let child = execution(|e| {
        e.parent = Field::Known("arn:aws:states:eu-west-1:111122223333:execution:p:1".into())
    });
    assert_eq!(
        asked(
            &policy("version: 1\nretry: {automatic: {id: r}, nested: parent}"),
            &child
        ),
        "give_up parent_retries"
    );
    assert_eq!(
        asked(
            &policy("version: 1\nretry: {automatic: {id: r}, nested: own}"),
            &child
        ),
        "retry matched by r"
    );
}

#[test]
fn first_matching_rule_decides_even_when_spent() {
    let document = rules(
        "[{id: other, error: Lambda.*}, {id: slow, error: 'S3.*', limit: 1}, {id: rest, limit: 10}]",
    );
    let first = execution(|_| ());
    assert_eq!(asked(&document, &first), "retry matched by slow");
    let again = execution(|e| e.redrive_count = Field::Known(1));
    let entry = retried(&document, &first, &["slow"], 1);
    let ledger_view = LedgerView::Entry(&entry);
    assert_eq!(
        said(&decide(&document, &again, ledger_view)),
        "give_up limit_spent by slow"
    );
    let another = execution(|e| {
        e.redrive_count = Field::Known(1);
        e.error = known("Sqs.Busy");
    });
    assert_eq!(
        said(&decide(&document, &another, ledger_view)),
        "retry matched by rest"
    );
    let forbidding = rules("[{id: no, error: 'S3.*', limit: 0}, {id: rest}]");
    assert_eq!(asked(&forbidding, &first), "give_up forbidden by no");
}

#[test]
fn a_retry_carries_its_policy_rule_count_and_limit() {
    let document = policy(
        "version: 1\npolicies: [{name: etl, match: {state_machine: 'etl*'}, retry: {automatic: {id: r, limit: 3, description: it passes, backoff: {interval_seconds: 7, jitter_strategy: NONE}}}}]",
    );
    let failure = execution(|e| e.redrive_count = Field::Known(1));
    let entry = retried(&document, &failure, &["r"], 1);
    let verdict = verdict(&document, &failure, LedgerView::Entry(&entry));
    assert_eq!(
        verdict,
        Verdict {
            decision: Decision::Retry,
            reason: Reason::Matched,
            policy: Some("etl".into()),
            policy_version: None,
            rules: vec![Charge {
                rule: "r".into(),
                description: Some("it passes".into()),
                used: 1,
                limit: 3,
            }],
            delay_seconds: 14,
            retry_mode: StageRetryMode::FailedActions,
        }
    );
    assert_eq!(
        verdict.sentence(),
        "r of policy etl allows retry 2 of 3, in 14 s: it passes"
    );
}

#[test]
fn per_execution_counts_the_retries_of_all_rules() {
    let document = rules("[{id: a, error: A, limit: 10}, {id: b, limit: 10}]").with_budget(4);
    let failure = |count| execution(|e| e.redrive_count = Field::Known(count));
    let mut entry = retried(&document, &failure(0), &["a"], 3);
    let ledger_view = |entry: &Entry, count| {
        said(&decide(
            &document,
            &failure(count),
            LedgerView::Entry(entry),
        ))
    };
    assert_eq!(ledger_view(&entry, 3), "retry matched by b");
    entry.retries = 4;
    assert_eq!(ledger_view(&entry, 4), "give_up budget_spent by b");
    let verdict = verdict(&document, &failure(4), LedgerView::Entry(&entry));
    assert_eq!(
        verdict.sentence(),
        "budget.per_execution allows no more retries"
    );
    // A stage's retry that charges two rules counts as one retry.
    let two = rules("[{id: a, action: A, limit: 10}, {id: b, limit: 10}]").with_budget(3);
    let entry = retried(&two, &failing(&["A", "B"]), &["a", "b"], 2);
    assert_eq!(entry.retries, 2);
    assert_eq!(
        said(&decide(
            &two,
            &failing(&["A", "B"]),
            LedgerView::Entry(&entry)
        )),
        "retry matched by a + b"
    );
}

#[test]
fn every_failed_action_must_find_a_rule_with_room() {
    let document = rules(
        "[{id: a, action: 'A*', limit: 2}, {id: b, action: B, limit: 1}, {id: no, action: N, limit: 0}]",
    );
    for (actions, expected) in [
        (&["A"][..], "retry matched by a"),
        (&["A", "B"], "retry matched by a + b"),
        (&["B", "A"], "retry matched by b + a"),
        // Each rule is charged once.
        (&["A", "A2", "A3"], "retry matched by a"),
        (&["A", "X"], "give_up unmatched"),
        (&["X", "A"], "give_up unmatched"),
        (&["A", "N"], "give_up forbidden by a + no"),
    ] {
        assert_eq!(asked(&document, &failing(actions)), expected, "{actions:?}");
    }
    let failure = failing(&["A", "B"]);
    let entry = retried(&document, &failure, &["b"], 1);
    assert_eq!(
        said(&decide(&document, &failure, LedgerView::Entry(&entry))),
        "give_up limit_spent by a + b"
    );
    assert_eq!(
        said(&decide(
            &document,
            &failing(&["A"]),
            LedgerView::Entry(&entry)
        )),
        "retry matched by a"
    );
}

#[test]
fn several_failed_actions_wait_as_long_as_the_slowest_rule() {
    let document = rules(
        "[{action: A, backoff: {interval_seconds: 5, jitter_strategy: NONE}}, {action: B, backoff: {interval_seconds: 50, jitter_strategy: NONE}}]",
    );
    for (actions, expected) in [
        (&["A"][..], 5),
        (&["B"], 50),
        (&["A", "B"], 50),
        (&["B", "A"], 50),
    ] {
        let verdict = verdict(&document, &failing(actions), LedgerView::NotRead);
        assert_eq!(verdict.delay_seconds, expected);
    }
}

#[test]
fn all_actions_are_retried_only_if_every_rule_says_so() {
    let document = rules(
        "[{action: 'A*', retry_mode: ALL_ACTIONS}, {action: 'L*', retry_mode: ALL_ACTIONS, limit: 1}, {}]",
    );
    for (actions, expected) in [
        (&["A"][..], StageRetryMode::AllActions),
        (&["A", "A2"], StageRetryMode::AllActions),
        (&["A", "L"], StageRetryMode::AllActions),
        (&["A", "X"], StageRetryMode::FailedActions),
        (&["X"], StageRetryMode::FailedActions),
    ] {
        let verdict = verdict(&document, &failing(actions), LedgerView::NotRead);
        assert_eq!(verdict.retry_mode, expected, "{actions:?}");
    }
}

#[test]
fn never_on_one_action_refuses_the_whole_stage() {
    let document = policy("version: 1\nretry: {automatic: true}\nnever: [{action: Migrate}]");
    assert_eq!(
        asked(&document, &failing(&["Unit", "Migrate"])),
        "give_up denied_by_policy"
    );
    assert_eq!(
        asked(&document, &failing(&["Unit"])).split(' ').next(),
        Some("retry")
    );
    // `never` is evaluated before the rules, and its conditions are joined by "and".
    let document = policy(
        "version: 1\nretry: {automatic: {limit: 0}}\nnever: [{action: Unit, category: Build}, {action: Unit, not: {category: Build}}]",
    );
    assert_eq!(
        asked(&document, &failing(&["Unit"])),
        "give_up denied_by_policy"
    );
}

#[test]
fn cheapest_fact_is_looked_up_first_and_only_for_retries() {
    let forgetful = |e: &mut FailedExecution| {
        e.redrive_count = Field::Unknown;
        e.redrivable = Field::Unknown;
        e.error = Field::Unknown;
        e.cause = Field::Unknown;
        e.fail_state = Field::Unknown;
    };
    let open_end = |e: &mut FailedExecution| e.fail_state = Field::Unknown;
    let parent = || Field::Known("arn:aws:states:eu-west-1:111122223333:execution:p:1".to_string());
    #[rustfmt::skip]
    let table = [
        // An unknown fact is looked up.
        (rules("{id: r}"), execution(forgetful), "need description"),
        (rules("{id: r}"), execution(|e| e.redrive_count = Field::Unknown), "need description"),
        (rules("{id: r}"), execution(|e| e.redrivable = Field::Unknown), "need description"),
        (rules("{id: r}"), execution(|e| e.error = Field::Unknown), "need description"),
        (rules("{id: r, cause: x}"), execution(|e| e.cause = Field::Unknown), "need description"),
        (rules("{id: r, not: {cause: x}}"), execution(|e| e.cause = Field::Unknown), "need description"),
        (rules("{id: r}"), execution(open_end), "need history"),
        // The cause may show that a person stopped the job inside, if the error may be a job's.
        (rules("{id: r}"), execution(|e| e.cause = Field::Unknown), "retry matched by r"),
        (rules("{id: r}"), execution(|e| { e.error = Field::Known("States.TaskFailed".into()); e.cause = Field::Unknown; }), "need description"),
        (rules("{id: r, cause: '*'}"), execution(|e| e.cause = Field::Unknown), "retry matched by r"),
        // The failed state is looked up only for a rule whose other conditions match.
        (rules("{id: r, state: 'Load*'}"), execution(|_| ()), "need failed_state"),
        (rules("[{id: r, error: 'S3.*'}, {id: s, state: 'Load*'}]"), execution(|_| ()), "retry matched by r"),
        (rules("{id: r, error: Lambda.*, resource: x}"), execution(|_| ()), "give_up unmatched"),
        (rules("[{id: no, state: 'Load*', limit: 0}, {id: r}]"), execution(|_| ()), "need failed_state"),
        (rules("[{id: no, state: 'Load*', limit: 0}, {id: never, limit: 0}]"), execution(|_| ()), "give_up forbidden by never"),
        (rules("{id: r, not: {state: 'Load*'}}"), execution(|e| e.state = known("Load orders")), "give_up unmatched"),
        (rules("{id: r, state: 'Load*'}"), execution(|e| e.state = known("Load orders")), "retry matched by r"),
        // The ledger is cheaper to read than the history.
        (rules("{id: r, state: 'Load*'}"), execution(|e| e.redrive_count = Field::Known(1)), "entry"),
        // A fact on which no verdict depends is not looked up.
        (rules("{id: r, error: Lambda.*}"), execution(open_end), "give_up unmatched"),
        (rules("{id: r, error: Lambda.*, cause: x}"), execution(|e| e.cause = Field::Unknown), "give_up unmatched"),
        (rules("{id: no, limit: 0}"), execution(open_end), "give_up forbidden by no"),
        (rules("[{id: no, limit: 0, cause: x}]"), execution(|e| e.cause = Field::Unknown), "give_up unmatched"),
        (rules("{id: r}").with_budget(0), execution(open_end), "give_up budget_spent by r"),
        (policy("version: 1\nretry: {}"), execution(forgetful), "give_up unmatched"),
        (policy("version: 1\nretry: {automatic: true}\nnever: [{error: S3.*}]"), execution(open_end), "give_up denied_by_policy"),
        (policy(ALL), execution(|e| { e.fail_state = Field::Unknown; e.parent = parent(); }), "give_up parent_retries"),
        (policy(ALL), execution(|e| { e.fail_state = Field::Unknown; e.redrivable = Field::Known(Redrivable::No); }), "ignore not_redrivable"),
        // A fact that may forbid a retry must be known before it.
        (policy("version: 1\nretry: {automatic: true}\nnever: [{cause: x}]"), execution(|e| e.cause = Field::Unknown), "need description"),
        (policy("version: 1\nretry: {automatic: true}\nnever: [{cause: x, status: TIMED_OUT}]"), execution(open_end), "need history"),
        // The fact is looked up only if an earlier rule may match once it is known.
        (rules("[{id: a, cause: x}, {id: b, error: Lambda.*}]"), execution(|e| e.cause = Field::Unknown), "need description"),
        (rules("[{id: no, cause: x, limit: 0}, {id: b}]"), execution(|e| e.cause = Field::Unknown), "need description"),
        (rules("[{id: no, cause: x, limit: 0}, {id: b, error: Lambda.*}]"), execution(|e| e.cause = Field::Unknown), "give_up unmatched"),
        // A history costs most, so every other fact precedes it.
        (rules("{id: r, cause: x}"), execution(|e| { e.cause = Field::Unknown; e.fail_state = Field::Unknown; }), "need description"),
        (rules("{id: r}"), execution(|e| { e.fail_state = Field::Unknown; e.redrive_count = Field::Known(1); }), "entry"),
        (rules("{id: r}"), execution(|e| { e.redrivable = Field::Unknown; e.redrive_count = Field::Known(1); }), "need description"),
    ];
    for (document, failure, expected) in table {
        assert_eq!(
            asked(&document, &failure),
            expected,
            "{failure:?}\n{document:?}"
        );
    }
}

#[test]
fn stage_is_read_before_its_retry() {
    let seen = |category| announced(Some(action("Unit", category)), Field::Unknown);
    for (document, failure, expected) in [
        (
            policy(ALL),
            announced(None, Field::Unknown),
            "need pipeline_state",
        ),
        (policy(ALL), seen("Test"), "need pipeline_state"),
        (
            rules("{category: Build}"),
            announced(None, Field::Unknown),
            "need pipeline_state",
        ),
        // The event alone may be enough to refuse.
        (policy(ALL), seen("Approval"), "give_up approval_rejected"),
        (
            rules("{category: Build}"),
            seen("Test"),
            "give_up unmatched",
        ),
        (
            rules("{id: no, limit: 0}"),
            announced(None, Field::Unknown),
            "give_up forbidden by no",
        ),
        (
            rules("{stage: Build}"),
            announced(None, Field::Unknown),
            "give_up unmatched",
        ),
        (
            rules("{error: States.ALL}"),
            announced(None, Field::Unknown),
            "give_up unmatched",
        ),
        (
            policy("version: 1\nretry: {automatic: true}\nnever: [{stage: Verify}]"),
            announced(None, Field::Unknown),
            "give_up denied_by_policy",
        ),
        (
            policy("version: 1\npolicies: []"),
            announced(None, Field::Unknown),
            "ignore unmanaged",
        ),
    ] {
        assert_eq!(asked(&document, &failure), expected, "{failure:?}");
    }
}

#[test]
fn entry_is_read_only_after_an_earlier_retry() {
    let document = rules("{id: r}");
    let none = execution(|_| ());
    let once = execution(|e| e.redrive_count = Field::Known(1));
    assert_eq!(asked(&document, &none), "retry matched by r");
    assert_eq!(asked(&document, &once), "entry");
    assert_eq!(asked(&document, &stage(|_| ())), "retry matched by r");
    assert_eq!(asked(&document, &stage(|s| s.retried = 1)), "entry");
    // The entry is not read for a verdict that no count can turn into a retry.
    assert_eq!(asked(&rules("{error: x}"), &once), "give_up unmatched");
    assert_eq!(
        asked(&rules("{id: no, limit: 0}"), &once),
        "give_up forbidden by no"
    );
    let fails = execution(|e| {
        e.redrive_count = Field::Known(1);
        e.fail_state = Field::Known(true);
    });
    assert_eq!(asked(&document, &fails), "give_up fail_state");
    // An entry that was read is not read again.
    let entry = retried(&document, &none, &["r"], 1);
    assert_eq!(
        said(&decide(&document, &once, LedgerView::Entry(&entry))),
        "retry matched by r"
    );
    assert_eq!(
        said(&decide(&document, &once, LedgerView::Empty)),
        "retry matched by r"
    );
}

#[test]
fn missing_entry_counts_every_rule_by_the_redrive_count() {
    let document = rules("[{id: a, error: S3.*, limit: 3}, {id: b, limit: 10}]").with_budget(6);
    for (error, count, expected) in [
        ("S3.SlowDown", 0, "retry matched by a"),
        ("S3.SlowDown", 2, "retry matched by a"),
        ("S3.SlowDown", 3, "give_up limit_spent by a"),
        ("Other", 3, "retry matched by b"),
        ("Other", 6, "give_up budget_spent by b"),
        ("Other", u32::MAX, "give_up limit_spent by b"),
    ] {
        let failure = execution(|e| {
            e.error = known(error);
            e.redrive_count = Field::Known(count);
        });
        assert_eq!(
            said(&decide(&document, &failure, LedgerView::Empty)),
            expected,
            "{error} {count}"
        );
    }
    let failure = stage(|s| s.retried = 2);
    let charge = &verdict(&rules("{limit: 3}"), &failure, LedgerView::Empty).rules[0];
    assert_eq!((charge.used, charge.limit), (2, 3));
    // An entry has precedence: people's redrives neither use nor reset counts.
    let entry = retried(&document, &execution(|_| ()), &["a"], 1);
    let failure = execution(|e| e.redrive_count = Field::Known(9));
    let charge = &verdict(&document, &failure, LedgerView::Entry(&entry)).rules[0];
    assert_eq!((charge.used, charge.limit), (1, 3));
}

#[test]
fn queued_retry_overtaken_by_a_person_is_not_counted() {
    let document =
        rules("{id: r, limit: 1, backoff: {interval_seconds: 60, jitter_strategy: NONE}}")
            .with_budget(1);
    let first = execution(|_| ());
    let owner = Owner("one".into());
    let timing = Timing::default();
    let writer = Writer {
        owner: &owner,
        now: Time::from_millis(2000),
        timing: &timing,
    };
    let decided = |failure: &Failure, ledger_view| Decided {
        subject: failure.subject.clone(),
        failure_id: failure.failure_id().unwrap(),
        failed_at: failure.at,
        retried_before: 0,
        verdict: verdict(&document, failure, ledger_view),
        slot: core::time::Duration::ZERO,
        observed: false,
    };
    let queued = Entry::open(decided(&first, LedgerView::NotRead), writer);
    let next = execution(|e| e.redrive_count = Field::Known(1));
    let judged = decided(&next, LedgerView::Entry(&queued));
    assert_eq!(judged.verdict.reason, Reason::Matched);
    assert_eq!(judged.verdict.rules[0].used, 0);
    let entry = queued.judge(judged, writer).unwrap();
    assert_eq!((entry.rule_usage("default", "r"), entry.retries), (1, 1));
    // A duplicate of the queued failure finds the charge, and so does a failure after a call in doubt.
    assert_eq!(
        said(&decide(&document, &first, LedgerView::Entry(&queued))),
        "give_up limit_spent by r"
    );
    let doubtful = Entry::restored(EntryFields {
        in_doubt: true,
        ..(*queued).clone()
    });
    assert_eq!(
        said(&decide(&document, &next, LedgerView::Entry(&doubtful))),
        "give_up limit_spent by r"
    );
    let taken = queued.claim(writer).unwrap();
    assert_eq!(
        said(&decide(&document, &next, LedgerView::Entry(&taken))),
        "give_up limit_spent by r"
    );
}

#[test]
fn unknown_parent_is_looked_up_and_redacted_parent_refuses() {
    let retries = rules("{id: r}");
    let with = |parent: Field<String>| execution(|e| e.parent = parent.clone());
    assert_eq!(asked(&retries, &with(Field::Unknown)), "need description");
    assert_eq!(
        asked(&retries, &with(Field::Redacted)),
        "give_up cause_withheld"
    );
    let own = policy("version: 1\nretry: {automatic: {id: r}, nested: own}");
    for parent in [Field::Unknown, Field::Redacted] {
        assert_eq!(asked(&own, &with(parent)), "retry matched by r");
    }
}

const STOPPED_TASK: &str = r#"{"Containers":[{"ExitCode":143}],"StopCode":"UserInitiated"}"#;

#[test]
fn a_job_that_a_person_stopped_inside_is_never_retried() {
    let retries = rules("{id: r}");
    let stopped = |e: &mut FailedExecution| {
        e.error = known("States.TaskFailed");
        e.cause = known(STOPPED_TASK);
    };
    assert_eq!(
        asked(&retries, &execution(stopped)),
        "give_up job_stopped_by_user"
    );
    // This verdict needs no history.
    let open = execution(|e| {
        stopped(e);
        e.fail_state = Field::Unknown;
        e.redrive_count = Field::Unknown;
    });
    assert_eq!(asked(&retries, &open), "give_up job_stopped_by_user");
    // No rule and no policy for children changes the verdict.
    let unmatched = policy("version: 1\nretry: {}");
    assert_eq!(
        asked(&unmatched, &execution(stopped)),
        "give_up job_stopped_by_user"
    );
    let failed = execution(|e| {
        stopped(e);
        e.cause = known(&STOPPED_TASK.replace("UserInitiated", "EssentialContainerExited"));
    });
    assert_eq!(asked(&retries, &failed), "retry matched by r");

    // One such action of a stage is enough, whatever the errors of the others.
    let build = |summary: &str| FailedAction {
        summary: known(summary),
        ..action("Unit", "Test")
    };
    let stops = "Build terminated with state: STOPPED";
    let fails = "Build terminated with state: FAILED";
    let two = stage(|s| s.failed = vec![build(fails), build(stops)]);
    assert_eq!(asked(&retries, &two), "give_up job_stopped_by_user");
    let one = stage(|s| s.failed = vec![build(fails)]);
    assert_eq!(asked(&retries, &one), "retry matched by r");
    assert_eq!(
        asked(&retries, &announced(Some(build(stops)), Field::Unknown)),
        "give_up job_stopped_by_user"
    );
}

#[test]
fn missing_cause_is_looked_up_for_a_persons_stop() {
    let retries = rules("{id: r}");
    let left_out = |error: Field<String>| {
        execution(|e| {
            e.error = error.clone();
            e.cause = Field::Unknown;
        })
    };
    for error in [Field::Unknown, known("States.TaskFailed"), known("Mine")] {
        assert_eq!(asked(&retries, &left_out(error)), "need description");
    }
    assert_eq!(
        asked(&retries, &left_out(known("S3.SlowDown"))),
        "retry matched by r"
    );
    let nothing = policy("version: 1\nretry: {}");
    assert_eq!(
        asked(&nothing, &left_out(Field::Unknown)),
        "give_up unmatched"
    );
    let mut asks = left_out(known("States.TaskFailed"));
    asks.learn(crate::failure::Fact::Description(
        crate::failure::Description {
            status: "FAILED".into(),
            redrive_count: 0,
            redrivable: Redrivable::Yes,
            error: known("States.TaskFailed"),
            cause: known(STOPPED_TASK),
            parent: Field::Absent,
        },
    ));
    assert_eq!(asked(&retries, &asks), "give_up job_stopped_by_user");
    // The read of the stage supplies a summary that the event lacks.
    let silent = FailedAction {
        summary: Field::Unknown,
        ..action("Unit", "Test")
    };
    assert_eq!(
        asked(&retries, &announced(Some(silent), Field::Unknown)),
        "need pipeline_state"
    );
}

#[test]
fn redacted_value_refuses_a_verdict_that_depends_on_it() {
    let kept = |e: &mut FailedExecution| {
        e.error = Field::Redacted;
        e.cause = Field::Redacted;
    };
    for (document, expected) in [
        (rules("{id: r, error: S3.*}"), "give_up cause_withheld"),
        (rules("{id: r, cause: x}"), "give_up cause_withheld"),
        (rules("{id: r, not: {cause: x}}"), "give_up cause_withheld"),
        (
            rules("{id: r, error: States.ALL}"),
            "give_up cause_withheld",
        ),
        // No rule needs the cause, but the cause may show that a person stopped the job inside.
        (rules("{id: r}"), "give_up cause_withheld"),
        (rules("{id: r, status: FAILED}"), "give_up cause_withheld"),
        (
            rules("[{id: no, cause: x, limit: 0}, {id: r, status: TIMED_OUT}]"),
            "give_up unmatched",
        ),
        (
            rules("{id: r, error: S3.*, status: TIMED_OUT}"),
            "give_up unmatched",
        ),
        (policy("version: 1\nretry: {}"), "give_up unmatched"),
        (
            policy("version: 1\nretry: {automatic: true}\nnever: [{status: FAILED}]"),
            "give_up denied_by_policy",
        ),
        (
            policy("version: 1\nretry: {automatic: true}\nnever: [{cause: x}]"),
            "give_up cause_withheld",
        ),
    ] {
        assert_eq!(asked(&document, &execution(kept)), expected, "{document:?}");
    }
    // This refusal precedes every lookup.
    let open = execution(|e| {
        kept(e);
        e.fail_state = Field::Unknown;
        e.redrive_count = Field::Unknown;
    });
    assert_eq!(
        asked(&rules("{error: S3.*}"), &open),
        "give_up cause_withheld"
    );
    // An error that no stopped job has excludes a stop. An error that a stopped job may have does not.
    for (error, expected) in [
        ("Lambda.ServiceException", "retry matched by r"),
        ("DynamoDB.ThrottlingException", "retry matched by r"),
        ("States.TaskFailed", "give_up cause_withheld"),
        ("Glue.X", "give_up cause_withheld"),
    ] {
        let half = execution(|e| {
            e.error = known(error);
            e.cause = Field::Redacted;
        });
        assert_eq!(asked(&rules("{id: r}"), &half), expected, "{error}");
    }
    // The error of a timeout is known to every reader.
    let timed_out = execution(|e| {
        e.status = ExecutionStatus::TimedOut;
        e.error = known("States.Timeout");
        e.cause = Field::Absent;
    });
    assert_eq!(asked(&rules("{id: r}"), &timed_out), "retry matched by r");
}

#[test]
fn each_failure_has_its_own_constant_delay() {
    let document = rules("{limit: 10, backoff: {interval_seconds: 900}}");
    let delay = |failure: &Failure| verdict(&document, failure, LedgerView::Empty).delay_seconds;
    let of = |count| execution(|e| e.redrive_count = Field::Known(count));
    let all: BTreeSet<u32> = (0..10).map(|count| delay(&of(count))).collect();
    assert!(all.len() >= 9, "{all:?}");
    assert!(all.iter().all(|delay| *delay <= 900));
    for count in 0..10 {
        let mut later = of(count);
        later.at = Time::from_millis(999_999);
        assert_eq!(delay(&later), delay(&of(count)));
    }
    let mut elsewhere = of(0);
    elsewhere.subject = Subject::Execution {
        arn: "arn:aws:states:eu-west-1:111122223333:execution:etl:run-2".into(),
    };
    assert_ne!(delay(&elsewhere), delay(&of(0)));
    // INVARIANT: the draw of a failure never changes.
    assert_eq!((delay(&of(0)), delay(&of(1))), (636, 15));
    assert_eq!(delay(&failing(&["A", "B"])), delay(&failing(&["B", "A"])));
    assert_eq!(
        document.policies[0].automatic[0].backoff,
        Backoff {
            interval_seconds: 900,
            jitter_strategy: JitterStrategy::Full,
            ..Backoff::default()
        }
    );
}

#[test]
fn optimistic_verdict_names_the_facts_it_depends_on() {
    let decided = |document: &Document, failure: &Failure| {
        let (verdict, needs) = decide_optimistically(document, failure);
        (said(&Answer::Verdict(verdict)), needs)
    };
    let open = execution(|e| {
        e.redrive_count = Field::Unknown;
        e.cause = Field::Unknown;
        e.fail_state = Field::Unknown;
    });
    assert_eq!(
        decided(&rules("{id: r, cause: x}"), &open),
        (
            "retry matched by r".into(),
            vec![Need::Description, Need::History]
        )
    );
    assert_eq!(
        decided(&rules("{id: r}"), &announced(None, Field::Unknown)),
        ("retry matched by r".into(), vec![Need::PipelineState])
    );
    assert_eq!(
        decided(&rules("{id: r}"), &execution(|_| ())),
        ("retry matched by r".into(), vec![])
    );
    assert_eq!(
        decided(&rules("{error: x}"), &open),
        ("give_up unmatched".into(), vec![])
    );
    // `decide_optimistically` counts as with an empty ledger.
    let twice = execution(|e| e.redrive_count = Field::Known(2));
    assert_eq!(
        decided(&rules("{id: r}"), &twice),
        ("give_up limit_spent by r".into(), vec![])
    );
    assert_eq!(
        decided(&rules("{id: r, limit: 3}"), &twice),
        ("retry matched by r".into(), vec![])
    );
}

#[test]
fn policy_is_outdated_by_a_later_one_for_a_while() {
    let deployed = |text: &str, number| {
        let digest = text.into();
        rules("[{id: a}]").with_version(PolicyVersion { number, digest })
    };
    let seven = deployed("seven", Some(7));
    let Answer::Verdict(verdict) = decide(&seven, &execution(|_| ()), LedgerView::Empty) else {
        panic!("nothing to look up");
    };
    assert_eq!(verdict.policy_version, seven.deployed);
    let judged = retried(&seven, &execution(|_| ()), &["a"], 1);
    let refused = |at| {
        let mut entry = judged.clone();
        entry.verdict.policy_version.clone_from(&seven.deployed);
        entry.outdated_since = at;
        entry
    };
    let (timing, start) = (Timing::default(), Time::from_millis(1_000_000));
    let after = |seconds| start.plus(Duration::from_secs(seconds));
    #[rustfmt::skip]
    let rows = [
        ("the verdict's own", &seven, None, 0, false),
        ("older", &deployed("six", Some(6)), None, 0, true),
        ("older, first refused long after the verdict", &deployed("six", Some(6)), None, 9_000, true),
        ("older, refused for a while", &deployed("six", Some(6)), Some(start), 899, true),
        ("older, deployed again", &deployed("six", Some(6)), Some(start), 900, false),
        ("later", &deployed("eight", Some(8)), None, 0, false),
        ("the same text", &deployed("seven", Some(6)), None, 0, false),
        ("without a number", &deployed("six", None), None, 0, false),
        ("not deployed", &rules("[]"), None, 0, false),
    ];
    for (story, document, since, now, expected) in rows {
        let outdated = is_outdated(document, &refused(since), after(now), &timing);
        assert_eq!(outdated, expected, "{story}");
    }
}

#[test]
fn todays_policy_can_only_take_a_queued_retry_away() {
    let then = rules("[{id: a, limit: 2}]");
    let failure = execution(|_| ());
    let entry = retried(&then, &failure, &["a"], 2);
    assert_eq!(entry.rule_usage("default", "a"), 2);
    #[rustfmt::skip]
    let table = [
        (then, true),
        (rules("[{id: new, error: x}, {id: a, limit: 3, error: other}]"), true),
        (rules("[{id: a, limit: 1}]"), false),
        (rules("[{id: a, limit: 0}]"), false),
        (rules("[{id: b, limit: 2}]"), false),
        (rules("[]"), false),
        (rules("[{id: a, limit: 2}]").with_budget(2), true),
        (rules("[{id: a, limit: 2}]").with_budget(1), false),
        (policy("version: 1\npolicies: [{name: default, retry: {automatic: {id: a}}}]"), true),
        (policy("version: 1\npolicies: [{name: other, retry: {automatic: {id: a}}}]"), false),
        (policy("version: 1\npolicies: [{name: default, match: {pipeline: x}, retry: {automatic: {id: a}}}]"), false),
        (policy("version: 1\npolicies: [{name: first, retry: {automatic: {id: a}}}, {name: default, retry: {automatic: {id: a}}}]"), false),
    ];
    for (now, allows) in table {
        assert_eq!(still_allows(&now, &entry), allows, "{now:?}");
    }
    // Every rule that a stage's retry charges must still have room.
    let both = retried(
        &rules("[{id: a}, {id: b}]"),
        &failing(&["A", "B"]),
        &["a", "b"],
        1,
    );
    assert!(still_allows(
        &rules("[{id: b, limit: 1}, {id: a, limit: 1}]"),
        &both
    ));
    assert!(!still_allows(
        &rules("[{id: b, limit: 0}, {id: a, limit: 1}]"),
        &both
    ));
}

#[test]
fn queued_retry_keeps_the_dynamodb_limit_of_legacy() {
    let legacy = rules("{id: r, mode: legacy}").with_budget(100);
    let failure = execution(|e| e.error = known("DynamoDB.ThrottlingException"));
    let entry = |limit, times| {
        let mut entry = retried(&legacy, &failure, &["r"], times);
        for charge in &mut entry.verdict.rules {
            charge.limit = limit;
        }
        entry
    };
    for (charged, times, allowed) in [(9, 9, true), (9, 10, false), (4, 4, true), (4, 5, false)] {
        assert_eq!(
            still_allows(&legacy, &entry(charged, times)),
            allowed,
            "{times} of {charged}"
        );
    }
    // The current policy's limit counts.
    let limited = rules("{id: r, mode: legacy, limit: 5}").with_budget(100);
    assert!(still_allows(&limited, &entry(9, 5)));
    assert!(!still_allows(&limited, &entry(9, 6)));
}

#[test]
fn counts_survive_another_order_and_other_limits() {
    let before = rules("[{error: Lambda.*, limit: 1}, {mode: standard, limit: 2}]");
    let after = rules("[{mode: [standard], max_attempts: 4}, {error: Lambda.*, limit: 5}]");
    let failure = execution(|e| e.redrive_count = Field::Known(2));
    let id = before.policies[0].automatic[1].id.as_str();
    let entry = retried(&before, &failure, &[id], 2);
    assert_eq!(
        said(&decide(&before, &failure, LedgerView::Entry(&entry))),
        format!("give_up limit_spent by {id}")
    );
    let more = verdict(&after, &failure, LedgerView::Entry(&entry));
    assert_eq!((more.rules[0].used, more.rules[0].limit), (2, 3));
}
