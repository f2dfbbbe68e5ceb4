//! A retry that has to wait for its slot is queued for it; and what may be of before our own retry is not retried.

use redrive_core::controller::{Outcome, RunMode};
use redrive_core::error::ErrorKind;
use redrive_core::ledger::{SlotStore, State};
use redrive_core::rate_limiter::{Micros, Quota, Quotas};
use redrive_core::services::Service;
use redrive_emulator::api::Fault;
use redrive_emulator::stepfunctions::Outcome as Ends;
use serde_json::Value;

use crate::faulty_adapters::{Break, run};
use crate::scene::{Scene, rule};

const QUOTA: Quota = Quota {
    burst: 1,
    per_second: 1,
};

/// Both services, in a storm: all slots of two minutes are somebody else's, and nothing is free.
fn storms(delay: u32) -> Vec<Scene> {
    let mut scenes = Scene::both(&rule(2, delay));
    for scene in &mut scenes {
        scene.timing.quotas = Quotas(Service::ALL.map(|service| (service, QUOTA)).into());
    }
    scenes.into_iter().collect()
}

fn others_are_first(scene: &Scene) {
    let service = scene.subject.service();
    let two_minutes = Micros(120_000_000);
    run(scene
        .adapters
        .sandbox
        .ledger
        .reserve(service, Micros::from(scene.now()), two_minutes))
    .expect("it ends")
    .expect("no error");
    scene.process.rate_limiter.throttled(service, scene.now());
}

#[test]
fn a_retry_waits_in_the_queue_for_its_slot() {
    for scene in storms(0) {
        let failed = scene.failed();
        others_are_first(&scene);
        let record = scene.handle_event(&failed);
        assert_eq!(record.outcome, Outcome::Queued);
        assert_eq!(record.slot.map(|wait| wait.as_secs()), Some(120));
        let entry = scene.entry();
        assert_eq!(entry.due_at.unwrap().since(scene.now()).as_secs(), 120);
        assert_eq!((entry.retries, scene.effects()), (1, 0));
        let calls = scene.adapters.calls();
        assert_eq!(
            calls[calls.len() - 3..],
            ["reserve", "put_if_revision", "send"]
        );
        scene.wind(119);
        assert!(scene.deliver().is_empty());
        scene.wind(1);
        let outcome: Vec<Outcome> = scene
            .deliver()
            .iter()
            .map(|record| record.outcome)
            .collect();
        assert_eq!((outcome, scene.effects()), (vec![Outcome::Retried], 1));
    }
}

/// Only so does a storm keep the pace of its slots.
#[test]
fn the_delay_of_a_rule_begins_with_the_slot() {
    for scene in storms(60) {
        let failed = scene.failed();
        others_are_first(&scene);
        assert_eq!(scene.handle_event(&failed).outcome, Outcome::Queued);
        let entry = scene.entry();
        assert_eq!(entry.due_at.unwrap().since(scene.now()).as_secs(), 180);
        assert_eq!(entry.verdict.delay_seconds, 60);
    }
}

#[test]
fn a_slot_further_off_than_the_queue_keeps_messages_waits_in_the_ledger() {
    for scene in storms(0) {
        let failed = scene.failed();
        for _ in 0..10 {
            others_are_first(&scene);
        }
        assert_eq!(scene.handle_event(&failed).outcome, Outcome::Queued);
        assert!(!scene.adapters.calls().contains(&"send"));
        scene.calm(&[]);
        assert_eq!(
            (scene.effects(), scene.entry().state),
            (1, State::Recovered)
        );
    }
}

#[test]
fn what_is_not_retried_takes_no_slot() {
    for scene in storms(0) {
        let failed = scene.failed();
        others_are_first(&scene);
        scene.mode.set(RunMode::Observe);
        assert_eq!(scene.handle_event(&failed).outcome, Outcome::Observed);
        assert!(!scene.adapters.calls().contains(&"reserve"));
    }
    for scene in Scene::both(&rule(0, 0)) {
        let failed = scene.failed();
        let service = scene.subject.service();
        scene.process.rate_limiter.throttled(service, scene.now());
        assert_eq!(scene.handle_event(&failed).outcome, Outcome::GaveUp);
        assert!(!scene.adapters.calls().contains(&"reserve"));
    }
}

#[test]
fn without_a_slot_nothing_is_claimed_and_the_event_comes_again() {
    for kind in [Break::Before, Break::After] {
        for scene in storms(0) {
            let failed = scene.failed();
            others_are_first(&scene);
            scene.next_breaks("reserve", kind);
            let error = run(scene.handling_event(&failed)).unwrap().unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unavailable);
            assert!(scene.adapters.sandbox.ledger.entries().is_empty());
            assert_eq!(scene.handle_event(&failed).outcome, Outcome::Queued);
        }
    }
}

/// A person was quicker: our retry, meant for the first failure, restarts the second, which the scene then handles.
/// `answer` is what keeps AWS's answer from us, if anything does.
fn overtaken(answer: Option<Fault>) -> (Scene, Value) {
    let failure = || Ends::fail("Glue.Throttled", "busy");
    let scene = Scene::execution(
        &rule(9, 60),
        [failure(), failure(), Ends::succeed().after(60_000)],
    );
    let first = scene.failed();
    assert_eq!(scene.handle_event(&first).outcome, Outcome::Queued);
    let retry_message = scene.entry().retry_message();
    scene.person_retries();
    let second = scene.failed();
    scene.wind(60);
    scene.region(|region| region.stepfunctions.options_mut().describe_lag_ms = 30_000);
    let outcome = match answer {
        Some(fault) => {
            scene.retry_meets(fault);
            Outcome::InDoubt
        }
        None => Outcome::Retried,
    };
    assert_eq!(scene.claim_due(&retry_message).outcome, outcome);
    scene.wind(1);
    (scene, second)
}

/// AWS said when it took our retry: what had ended before is what that retry restarted, however it is shown.
#[test]
fn a_failure_that_our_retry_has_reached_is_not_retried() {
    let (scene, second) = overtaken(None);
    assert_eq!(scene.handle_event(&second).outcome, Outcome::Stale);
    assert_eq!(scene.entry().state, State::Retried);
    scene.calm(&[second]);
    assert_eq!(scene.effects(), 1);
}

/// Without an answer the execution is looked at, and shortly after it may still be shown as it was before.
#[test]
fn a_failure_that_our_retry_may_have_reached_is_not_retried_though_it_is_shown_still() {
    let (scene, second) = overtaken(Some(Fault::LoseAnswer));
    let error = run(scene.handling_event(&second)).unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(scene.entry().state, State::InDoubt);
    scene.wind(60);
    scene.calm(&[second]);
    assert_eq!(scene.effects(), 1);
}
