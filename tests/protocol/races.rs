//! Several at once, and one after another whose lease ran out.

use redrive_core::controller::Outcome;
use redrive_core::error::ErrorKind;
use redrive_core::ledger::State;
use redrive_core::verdict::Reason;

use crate::faulty_adapters::{Break, race, run};
use crate::scene::{LEASE, Scene, rule};

/// Scenes in which the first owner died at this call.
fn orphaned(call: &'static str, kind: Break) -> Vec<Scene> {
    Scene::both(&rule(2, 0))
        .into_iter()
        .inspect(|scene| {
            let event = scene.failed();
            scene.next_breaks(call, kind);
            assert!(run(scene.handling_event(&event)).is_none(), "it was killed");
        })
        .collect()
}

#[test]
fn an_owner_killed_after_its_claim_is_taken_over() {
    for (call, kind, effects) in [
        ("put_if_revision", Break::DeadAfter, 0),
        ("act", Break::DeadBefore, 0),
        ("act", Break::DeadAfter, 1),
    ] {
        for scene in orphaned(call, kind) {
            assert_eq!(
                (scene.entry().state, scene.effects()),
                (State::Acting, effects)
            );
            // No claim in act is older than its lease and one sweep.
            scene.wind(LEASE);
            let outcome = scene.sweep().records.remove(0).outcome;
            assert!(
                matches!(
                    outcome,
                    Outcome::Retried | Outcome::Confirmed | Outcome::Recovered
                ),
                "{outcome:?}"
            );
            assert_eq!(
                (scene.effects(), scene.stands().2, scene.stands().3),
                (1, 1, 1)
            );
        }
    }
}

#[test]
fn of_two_sweeps_one_takes_over() {
    for scene in orphaned("act", Break::DeadBefore) {
        scene.wind(LEASE);
        for call in ["put_if_revision", "look", "act"] {
            scene.next_breaks(call, Break::SlowBefore);
        }
        let (one, other) = race(scene.sweeping(), scene.sweeping());
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(
            (
                one.records.len() + other.records.len(),
                one.conflicts + other.conflicts
            ),
            (1, 1)
        );
        assert_eq!((scene.effects(), scene.stands().2), (1, 1));
    }
}

#[test]
fn an_owner_that_was_only_slow_does_not_act_a_second_time() {
    // Its lease ran out while it was at its call: the token, or the state of the stage, stops the second.
    for scene in Scene::both(&rule(2, 0)) {
        let event = scene.failed();
        scene.next_breaks("act", Break::SlowBefore);
        let (slow, swept) = race(scene.handling_event(&event), async {
            scene.wind(LEASE);
            scene.sweeping().await
        });
        assert_eq!(swept.unwrap().records[0].outcome, Outcome::Retried);
        let slow = slow.unwrap();
        assert!(
            matches!(
                slow.outcome,
                Outcome::Retried | Outcome::GaveUp | Outcome::BackedOff
            ),
            "{slow:?}"
        );
        assert_eq!(scene.effects(), 1);
        // What it writes comes too late.
        assert_eq!(scene.stands(), (State::Retried, Reason::Matched, 1, 1));
    }
}

#[test]
fn a_sweep_that_dies_is_followed_by_the_next() {
    for call in ["put_if_revision", "look", "act"] {
        for kind in [Break::DeadBefore, Break::DeadAfter] {
            for scene in orphaned("act", Break::DeadBefore) {
                scene.wind(LEASE);
                scene.next_breaks(call, kind);
                assert!(run(scene.sweeping()).is_none());
                scene.wind(LEASE);
                scene.calm(&[]);
                assert_eq!(
                    (scene.effects(), scene.stands()),
                    (1, (State::Recovered, Reason::Matched, 1, 1))
                );
            }
        }
    }
}

#[test]
fn error_with_one_entry_stops_none_of_the_others() {
    let [scene, _] = Scene::both(&rule(2, 3600));
    let event = scene.failed();
    for number in 0..4 {
        let mut copy = event.clone();
        copy["detail"]["executionArn"] = format!("{}{number}", crate::scene::ARN).into();
        copy["detail"]["status"] = "TIMED_OUT".into();
        scene.handle_event(&copy);
    }
    scene.wind(3600);
    scene.next_breaks("put_if_revision", Break::Before);
    let swept = scene.sweep();
    assert_eq!((swept.requeued, swept.errors.len()), (3, 1));
    assert_eq!(scene.sweep().requeued, 1);
}

#[test]
fn a_due_index_that_cannot_be_read_is_error() {
    let [scene, _] = Scene::both(&rule(2, 60));
    scene.next_breaks("due_entries", Break::Before);
    assert!(run(scene.sweeping()).unwrap().is_err());
}

#[test]
fn a_failure_and_a_retry_message_at_once_leave_one_retry_each() {
    // A person retried, it failed anew, and that is handled while the old retry message is being taken.
    for kind in [Break::SlowBefore, Break::SlowAfter] {
        for call in ["claim_due", "put_if_revision", "read"] {
            let [scene, _] = Scene::both_for_ever(&rule(5, 60));
            scene.handle_event(&scene.failed());
            let retry_message = scene.entry().retry_message();
            scene.wind(58);
            scene.person_retries();
            let second = scene.failed();
            scene.wind(1);
            scene.next_breaks(call, kind);
            let (taken, handled) =
                race(scene.taking(&retry_message), scene.handling_event(&second));
            // The old retry message's retry may have reached the new failure, which is told only once reads have settled.
            assert!(taken.is_ok());
            assert!(handled.is_ok() || handled.is_err_and(|it| it.kind == ErrorKind::Unavailable));
            scene.watch();
            let (_, _, uses, retries) = scene.stands();
            assert!(
                usize::try_from(uses).unwrap() >= scene.effects() && uses == retries,
                "{call} {kind:?}"
            );
            scene.calm(&[second]);
            assert!(scene.effects() <= 5);
            assert_eq!(scene.stands().1, Reason::LimitSpent);
        }
    }
}
