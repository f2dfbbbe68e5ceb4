//! Observe, act, off; and a policy or a mode that changes between claim and act.

use redrive_core::controller::{Outcome, RunMode};
use redrive_core::ledger::State;
use redrive_core::policy::{Document, PolicyVersion};
use redrive_core::sweep::Swept;
use redrive_core::verdict::Reason;
use redrive_emulator::api::Fault;

use crate::scene::{LEASE, Scene, document, rule};

fn changes(scene: &Scene) -> Vec<String> {
    let calls = scene.adapters.sandbox.calls();
    calls
        .into_keys()
        .filter(|name| {
            !["Get", "List", "Describe"]
                .iter()
                .any(|read| name.starts_with(read))
        })
        .collect()
}

#[test]
fn observe_changes_no_target() {
    for delay in [0, 60, 3600] {
        for scene in Scene::both(&rule(2, delay)) {
            scene.mode.set(RunMode::Observe);
            let event = scene.failed();
            let record = scene.handle_event(&event);
            assert_eq!(
                (record.outcome, record.state),
                (Outcome::Observed, Some(State::Observed))
            );
            assert_eq!(record.verdict.unwrap().delay_seconds, delay);
            scene.calm(&[event]);
            assert_eq!(changes(&scene), [""; 0]);
            assert_eq!(scene.stands(), (State::Observed, Reason::Matched, 0, 0));
        }
    }
}

#[test]
fn what_was_observed_is_never_retried_but_the_next_failure_is() {
    for scene in Scene::both_for_ever(&rule(2, 0)) {
        scene.mode.set(RunMode::Observe);
        let event = scene.failed();
        scene.handle_event(&event);
        scene.mode.set(RunMode::Act);
        assert_eq!(scene.handle_event(&event).outcome, Outcome::Duplicate);
        scene.wind(100_000);
        scene.calm(&[event]);
        assert_eq!((scene.effects(), scene.stands().0), (0, State::Observed));
        scene.person_retries();
        assert_eq!(
            scene.handle_event(&scene.failed()).outcome,
            Outcome::Retried
        );
        assert_eq!(scene.effects(), 1);
    }
}

#[test]
fn off_reads_and_writes_nothing() {
    for scene in Scene::both_for_ever(&rule(2, 60)) {
        let first = scene.failed();
        scene.handle_event(&first);
        let retry_message = scene.entry().retry_message();
        let (entry, calls) = (scene.entry(), scene.adapters.sandbox.calls());
        scene.mode.set(RunMode::Off);
        scene.adapters.reset();
        scene.person_retries();
        let second = scene.failed();
        let calls_of_people = scene.adapters.sandbox.calls();
        for event in [&first, &second] {
            let record = scene.handle_event(event);
            assert_eq!(
                (record.outcome, record.reason),
                (Outcome::Ignored, Reason::Off)
            );
        }
        scene.wind(10_000);
        assert_eq!(scene.claim_due(&retry_message).reason, Reason::Off);
        assert_eq!(scene.sweep(), Swept::default());
        assert!(scene.adapters.calls().is_empty());
        assert_eq!(
            (scene.entry(), scene.adapters.sandbox.calls()),
            (entry, calls_of_people)
        );
        assert!(!calls.is_empty());
    }
}

#[test]
fn what_waited_while_it_was_off_goes_on() {
    for scene in Scene::both(&rule(2, 60)) {
        scene.handle_event(&scene.failed());
        scene.mode.set(RunMode::Off);
        scene.wind(60);
        assert_eq!(scene.deliver()[0].reason, Reason::Off);
        scene.wind(10_000);
        scene.mode.set(RunMode::Act);
        scene.calm(&[]);
        assert_eq!(
            (scene.effects(), scene.stands()),
            (1, (State::Recovered, Reason::Matched, 1, 1))
        );
    }
}

#[test]
fn a_change_between_claim_and_act_takes_away() {
    let gone = "{version: 1, retry: {automatic: [{id: other}]}}";
    let renamed =
        "{version: 1, policies: [{name: new, match: {}, retry: {automatic: [{id: any}]}}]}";
    let elsewhere = "{version: 1, policies: [{name: default, match: {state_machine: x, pipeline: x}, retry: {automatic: [{id: any}]}}]}";
    let spent = "{version: 1, budget: {per_execution: 0}, retry: {automatic: [{id: any}]}}";
    let forbids = rule(0, 60);
    for (policy, mode) in [
        (gone, RunMode::Act),
        (renamed, RunMode::Act),
        (elsewhere, RunMode::Act),
        (spent, RunMode::Act),
        (forbids.as_str(), RunMode::Act),
        (rule(2, 60).as_str(), RunMode::Observe),
    ] {
        for scene in Scene::both(&rule(2, 60)) {
            scene.handle_event(&scene.failed());
            assert_eq!(scene.stands().2, 1);
            *scene.document.borrow_mut() = document(policy);
            scene.mode.set(mode);
            scene.wind(60);
            assert_eq!(scene.deliver()[0].outcome, Outcome::GaveUp);
            assert_eq!(
                scene.stands(),
                (State::GivenUp, Reason::PolicyChanged, 0, 0),
                "{policy}"
            );
            assert_eq!(scene.effects(), 0);
            // And never gives: the policy of before comes back too late.
            *scene.document.borrow_mut() = document(&rule(2, 60));
            scene.mode.set(RunMode::Act);
            scene.calm(&[]);
            assert_eq!(scene.effects(), 0);
        }
    }
}

#[test]
fn a_change_that_still_allows_changes_nothing_of_the_verdict() {
    for scene in Scene::both(&rule(2, 60)) {
        scene.handle_event(&scene.failed());
        *scene.document.borrow_mut() = document(&rule(1, 7200));
        scene.wind(60);
        assert_eq!(scene.deliver()[0].outcome, Outcome::Retried);
        assert_eq!((scene.effects(), scene.stands().2), (1, 1));
    }
}

#[test]
fn a_doubt_that_meets_a_change_is_looked_at_and_not_repeated() {
    for (fault, stands) in [
        (
            Fault::LoseRequest,
            (State::GivenUp, Reason::PolicyChanged, 1, 1),
        ),
        (Fault::LoseAnswer, (State::Retried, Reason::Matched, 1, 1)),
    ] {
        for mode in [RunMode::Act, RunMode::Observe] {
            for scene in Scene::both(&rule(2, 0)) {
                let effects = usize::from(fault == Fault::LoseAnswer);
                scene.retry_meets(fault.clone());
                scene.handle_event(&scene.failed());
                if mode == RunMode::Act {
                    *scene.document.borrow_mut() = document(&rule(0, 0));
                }
                scene.mode.set(mode);
                // The retried run goes on while its events are not handled yet.
                scene.wind(LEASE);
                let hidden = scene.effects() == 1;
                let record = scene.sweep().records.remove(0);
                assert_eq!(scene.effects(), effects);
                if hidden {
                    assert!(
                        matches!(record.outcome, Outcome::Confirmed | Outcome::Recovered),
                        "{record:?}"
                    );
                    assert_eq!((scene.stands().2, scene.stands().3), (1, 1));
                } else {
                    assert_eq!(scene.stands(), stands);
                }
            }
        }
    }
}

/// Returns a policy as the deployment with this number has it.
fn deployed(policy: &str, number: u64) -> Document {
    let version = PolicyVersion::new(policy, Some(&format!("layer:{number}")));
    document(policy).with_version(version)
}

#[test]
fn policy_older_than_the_verdict_withdraws_nothing() {
    for scene in Scene::both_for_ever(&rule(2, 60)) {
        let (next, before) = (deployed(&rule(2, 60), 2), deployed(&rule(0, 60), 1));
        scene.document.replace(next.clone());
        scene.handle_event(&scene.failed());
        let retry_message = scene.entry().retry_message();
        scene.wind(60);
        // A process with the previous policy receives the retry's message.
        scene.document.replace(before);
        let record = scene.claim_due(&retry_message);
        assert_eq!(
            (record.outcome, record.state),
            (Outcome::BackedOff, Some(State::Queued))
        );
        assert_eq!(scene.entry().retries, 1, "it stays charged");
        scene.document.replace(next);
        scene.wind(60);
        scene.sweep();
        scene.wind(60);
        scene.deliver();
        assert_eq!((scene.effects(), scene.stands().0), (1, State::Retried));
        assert_eq!(scene.entry().outdated_since, Some(record.at));
    }
}

#[test]
fn policy_that_was_deployed_again_withdraws_after_a_while() {
    for scene in Scene::both_for_ever(&rule(2, 60)) {
        scene.document.replace(deployed(&rule(2, 60), 2));
        scene.handle_event(&scene.failed());
        scene.document.replace(deployed(&rule(0, 60), 1));
        let began = scene.now();
        while scene.stands().0 == State::Queued {
            scene.wind(60);
            scene.sweep();
            scene.deliver();
        }
        let waited = scene.now().since(began).as_secs();
        assert!((900..1_200).contains(&waited), "{waited} s");
        assert_eq!(scene.effects(), 0);
        assert_eq!(
            scene.stands(),
            (State::GivenUp, Reason::PolicyChanged, 0, 0)
        );
    }
}
