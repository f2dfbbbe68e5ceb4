//! How often is often enough.

use redrive_core::controller::Outcome;
use redrive_core::ledger::State;
use redrive_core::verdict::Reason;
use redrive_emulator::codepipeline::{Outcome as Brings, RetryMetadata, RetryTrigger};
use redrive_emulator::stepfunctions::{Outcome as Ends, Script, Seed, Status};

use crate::scene::{ARN, NOW, Scene, action, build, document, rule};

#[test]
fn a_spent_limit_is_given_up_with_its_reason() {
    for limit in 0..4 {
        for delay in [0, 60] {
            for scene in Scene::both_for_ever(&rule(limit, delay)) {
                scene.calm(&[]);
                let reason = if limit == 0 {
                    Reason::Forbidden
                } else {
                    Reason::LimitSpent
                };
                assert_eq!(scene.effects(), limit as usize);
                assert_eq!(scene.stands(), (State::GivenUp, reason, limit, limit));
                assert_eq!(scene.entry().attempts.len(), limit as usize);
            }
        }
    }
}

#[test]
fn per_execution_bounds_all_rules_together() {
    let policy = "version: 1\nbudget: { per_execution: 3 }\nretry:\n  automatic:\n    - { id: a, error: A, limit: 2, backoff: { interval_seconds: 0 } }\n    - { id: b, error: B, limit: 2, backoff: { interval_seconds: 0 } }\n";
    let ends = ["A", "B", "A", "B"].map(|error| Ends::fail(error, ""));
    let scene = Scene::execution(policy, ends);
    scene.calm(&[]);
    let entry = scene.entry();
    assert_eq!(
        (
            entry.rule_usage("default", "a"),
            entry.rule_usage("default", "b"),
            entry.retries
        ),
        (2, 1, 3)
    );
    assert_eq!(
        (entry.state, entry.reason(), scene.effects()),
        (State::GivenUp, Reason::BudgetSpent, 3)
    );
}

#[test]
fn each_rule_has_its_own_count() {
    let policy = "version: 1\nretry:\n  automatic:\n    - { id: a, error: A, limit: 1, backoff: { interval_seconds: 0 } }\n    - { id: b, error: B, limit: 2, backoff: { interval_seconds: 0 } }\n";
    let scene = Scene::execution(
        policy,
        ["B", "A", "B", "A"].map(|error| Ends::fail(error, "")),
    );
    scene.calm(&[]);
    let entry = scene.entry();
    assert_eq!(
        (
            entry.rule_usage("default", "a"),
            entry.rule_usage("default", "b")
        ),
        (1, 2)
    );
    assert_eq!((entry.reason(), scene.effects()), (Reason::LimitSpent, 3));
}

#[test]
fn a_longer_limit_counts_from_what_was_used() {
    for scene in Scene::both_for_ever(&rule(1, 0)) {
        scene.calm(&[]);
        assert_eq!(scene.stands(), (State::GivenUp, Reason::LimitSpent, 1, 1));
        *scene.document.borrow_mut() = document(&rule(3, 0));
        // What was given up stays so; the next failure finds room.
        scene.wind(60);
        scene.person_retries();
        scene.calm(&[]);
        assert_eq!(scene.stands(), (State::GivenUp, Reason::LimitSpent, 3, 3));
        assert_eq!(scene.effects(), 3);
    }
}

#[test]
fn people_neither_use_nor_reset_counts() {
    for scene in Scene::both_for_ever(&rule(2, 0)) {
        scene.calm(&[]);
        for _ in 0..3 {
            scene.wind(60);
            scene.person_retries();
            scene.calm(&[]);
            assert_eq!(scene.stands(), (State::GivenUp, Reason::LimitSpent, 2, 2));
        }
        assert_eq!(scene.effects(), 2);
    }
}

/// What ran before anybody here listened, or before the ledger lost its entry, counts against every rule.
#[test]
fn retries_that_the_ledger_does_not_know_count_as_uses() {
    for (before, limit, more) in [(0, 2, 2), (1, 2, 1), (2, 2, 0), (5, 2, 0), (1, 3, 2)] {
        let execution = Scene::seeded(
            &rule(limit, 0),
            Seed {
                redrive_count: before,
                outcomes: Script::new([Ends::fail("Glue.Throttled", "busy")]),
                ..Seed::new(ARN, Status::Running, NOW.as_millis() - 60_000, 0)
            },
        );
        let mut seed = build([action("Unit", [Brings::fail("JobFailed", "busy")])]);
        seed.stages[0].retry = RetryMetadata {
            manual_stage_retry_attempt: u32::try_from(before).unwrap(),
            latest_retry_trigger: (before > 0).then_some(RetryTrigger::ManualStageRetry),
            ..RetryMetadata::default()
        };
        for scene in [execution, Scene::staged(&rule(limit, 0), seed)] {
            scene.calm(&[]);
            let what = format!("{before} before, limit {limit}: {:#?}", scene.entry());
            assert_eq!(scene.effects(), more, "{what}");
            assert_eq!(
                (scene.stands().0, scene.stands().1),
                (State::GivenUp, Reason::LimitSpent),
                "{what}"
            );
            // Nor does a person's retry make them forgotten.
            scene.wind(60);
            scene.person_retries();
            scene.calm(&[]);
            assert_eq!(scene.effects(), more, "{what}");
        }
    }
}

#[test]
fn unmatched_and_never_are_given_up_with_their_reason() {
    for (policy, reason) in [
        (
            "{version: 1, retry: {automatic: [{error: Other.Error}, {summary: Other}]}}",
            Reason::Unmatched,
        ),
        (
            "{version: 1, never: [{error: 'Glue.*'}, {summary: busy}], retry: {automatic: true}}",
            Reason::DeniedByPolicy,
        ),
        ("{version: 1, retry: {automatic: false}}", Reason::Unmatched),
    ] {
        for scene in Scene::both(policy) {
            let record = scene.handle_event(&scene.failed());
            assert_eq!((record.outcome, record.reason), (Outcome::GaveUp, reason));
            assert_eq!(
                (scene.entry().state, scene.entry().retries, scene.effects()),
                (State::GivenUp, 0, 0)
            );
        }
    }
}

#[test]
fn what_no_policy_names_is_left_alone() {
    let policy = "{version: 1, policies: [{name: other, match: {state_machine: other, pipeline: other}, retry: {automatic: true}}]}";
    for scene in Scene::both(policy) {
        let record = scene.handle_event(&scene.failed());
        assert_eq!(
            (record.outcome, record.reason),
            (Outcome::Ignored, Reason::Unmanaged)
        );
        assert_eq!((scene.found(), scene.effects()), (None, 0));
    }
}
