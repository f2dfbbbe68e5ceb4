//! One failure reaches us by its event, by copies of it, early, late and out of order.

use redrive_core::controller::Outcome;
use redrive_core::ledger::State;
use redrive_core::verdict::Reason;

use crate::faulty_adapters::{Break, race, run};
use crate::scene::{LEASE, Scene, rule, with};

#[test]
fn one_failure_is_retried_once() {
    for scene in Scene::both(&rule(2, 0)) {
        let record = scene.handle_event(&scene.failed());
        assert_eq!(
            (record.outcome, record.state),
            (Outcome::Retried, Some(State::Retried))
        );
        assert_eq!(
            (scene.effects(), scene.stands()),
            (1, (State::Retried, Reason::Matched, 1, 1))
        );
        scene.calm(&[]);
        assert_eq!(scene.status().to_uppercase(), "SUCCEEDED");
        assert_eq!(
            (scene.effects(), scene.stands()),
            (1, (State::Recovered, Reason::Matched, 1, 1))
        );
    }
}

#[test]
fn a_duplicate_changes_nothing_whenever_it_comes() {
    for delay in [0, 60, 3600] {
        for scene in Scene::both(&rule(2, delay)) {
            let event = scene.failed();
            let mut copy = event.clone();
            copy["id"] = "another".into();
            let first = scene.handle_event(&event);
            // At once, while it waits, after it ran, after it succeeded, after the redrivable period.
            for seconds in [0, delay / 2, delay, 1, 100_000, 2_000_000] {
                scene.wind(u64::from(seconds));
                let entry = scene.entry();
                let record = scene.handle_event(&copy);
                assert!(
                    matches!(
                        record.outcome,
                        Outcome::Duplicate | Outcome::Stale | Outcome::Ignored
                    ),
                    "{record:?} after {seconds} s of {delay}"
                );
                if record.outcome == Outcome::Duplicate {
                    assert_eq!(record.verdict, first.verdict);
                }
                assert_eq!(scene.entry(), entry);
                scene.calm(&[]);
            }
            assert_eq!((scene.effects(), scene.stands().2), (1, 1));
        }
    }
}

#[test]
fn a_duplicate_handled_beside_the_first_loses() {
    for delay in [0, 60] {
        for kind in [Break::SlowBefore, Break::SlowAfter] {
            for call in ["know", "put_if_revision", "act"] {
                for scene in Scene::both(&rule(2, delay)) {
                    let event = scene.failed();
                    scene.next_breaks(call, kind);
                    let (one, other) =
                        race(scene.handling_event(&event), scene.handling_event(&event));
                    let won = |outcome| matches!(outcome, Outcome::Retried | Outcome::Queued);
                    let (one, other) = (one.unwrap().outcome, other.unwrap().outcome);
                    assert!(
                        won(one) != won(other),
                        "{one:?} {other:?} with {call} {kind:?}"
                    );
                    scene.calm(&[]);
                    assert_eq!(
                        (scene.effects(), scene.stands().2),
                        (1, 1),
                        "{call} {kind:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_late_duplicate_after_the_subject_failed_anew_is_history() {
    let [scene, _] = Scene::both_for_ever(&rule(5, 60));
    let first = scene.failed();
    scene.handle_event(&first);
    scene.wind(60);
    scene.deliver();
    let second = scene.failed();
    scene.handle_event(&second);
    let entry = scene.entry();
    let record = scene.handle_event(&first);
    assert_eq!(
        (record.outcome, record.reason),
        (Outcome::Stale, Reason::TargetChanged)
    );
    assert_eq!(scene.entry(), entry);
    assert_eq!(scene.handle_event(&second).outcome, Outcome::Duplicate);
    assert_eq!(
        (scene.effects(), scene.stands()),
        (1, (State::Queued, Reason::Matched, 2, 2))
    );
}

#[test]
fn the_copy_of_an_older_stage_event_speaks_of_the_failure_of_now() {
    let [_, scene] = Scene::both_for_ever(&rule(5, 0));
    let first = scene.failed();
    scene.handle_event(&first);
    let second = scene.failed();
    // Events of stages do not number failures: the copy brings the second one, and the second one is its copy.
    assert_eq!(scene.handle_event(&first).outcome, Outcome::Retried);
    assert_eq!(scene.effects(), 2);
    assert!(matches!(
        scene.handle_event(&second).outcome,
        Outcome::Ignored | Outcome::Duplicate
    ));
    assert_eq!((scene.effects(), scene.stands().2), (2, 2));
}

#[test]
fn events_in_the_wrong_order_lead_to_the_latest() {
    // The person's redrive of the first failure was quicker than the event.
    let [scene, _] = Scene::both_for_ever(&rule(5, 60));
    let first = scene.failed();
    scene.person_retries();
    let second = scene.failed();
    assert_eq!(scene.handle_event(&second).outcome, Outcome::Queued);
    let entry = scene.entry();
    assert_eq!(scene.handle_event(&first).outcome, Outcome::Stale);
    assert_eq!(scene.entry(), entry);
    scene.wind(60);
    scene.deliver();
    assert_eq!(scene.effects(), 1);
}

#[test]
fn an_event_without_a_redrive_count_is_the_failure_of_now() {
    let [scene, _] = Scene::both(&rule(2, 0));
    let bare = with(&scene.failed(), "redriveCount", serde_json::Value::Null);
    let record = scene.handle_event(&bare);
    assert_eq!(record.outcome, Outcome::Retried);
    let again = scene.handle_event(&bare);
    assert_eq!(
        (again.outcome, again.reason),
        (Outcome::Ignored, Reason::Running)
    );
    scene.calm(&[]);
    assert_eq!((scene.effects(), scene.stands().2), (1, 1));
}

#[test]
fn a_write_that_meets_itself_is_won() {
    for scene in Scene::both(&rule(2, 0)) {
        scene.next_breaks("put_if_revision", Break::Twice);
        assert_eq!(
            scene.handle_event(&scene.failed()).outcome,
            Outcome::Retried
        );
        assert_eq!(
            (scene.effects(), scene.stands()),
            (1, (State::Retried, Reason::Matched, 1, 1))
        );
    }
    for scene in Scene::both(&rule(2, 60)) {
        scene.handle_event(&scene.failed());
        scene.wind(60);
        scene.next_breaks("claim_due", Break::Twice);
        assert_eq!(scene.deliver()[0].outcome, Outcome::Retried);
        assert_eq!(
            (scene.effects(), scene.stands()),
            (1, (State::Retried, Reason::Matched, 1, 1))
        );
    }
}

#[test]
fn an_event_that_met_error_after_its_claim_is_left_to_the_sweep() {
    for scene in Scene::both(&rule(2, 0)) {
        let event = scene.failed();
        scene.next_breaks("put_if_revision", Break::After);
        assert!(run(scene.handling_event(&event)).unwrap().is_err());
        // Another invocation: whether the first one acted, it cannot know.
        assert_eq!(scene.handle_event(&event).outcome, Outcome::Duplicate);
        assert_eq!(scene.effects(), 0);
        scene.wind(LEASE - 1);
        assert!(scene.sweep().records.is_empty(), "the lease lasts");
        scene.wind(1);
        let swept = scene.sweep();
        assert_eq!(swept.records[0].outcome, Outcome::Retried);
        assert_eq!((scene.effects(), scene.stands().2), (1, 1));
    }
}
