//! A person cancels a retry that waits: against whoever takes it one of the two wins, and nothing is made of
//! what was cancelled.

use redrive_core::cancel::Cancel;
use redrive_core::controller::{Outcome, RunMode};
use redrive_core::ledger::{Cancelled, State};
use redrive_core::verdict::Reason;
use redrive_emulator::api::Fault;

use crate::faulty_adapters::{Break, race, run};
use crate::scene::{LEASE, Scene, rule};

fn by(name: &str) -> Cancelled {
    Cancelled {
        by: name.into(),
        note: "the lake is read-only tonight".into(),
    }
}

/// Scenes with a retry that is due in a minute.
fn waiting() -> [Scene; 2] {
    Scene::both_for_ever(&rule(3, 60)).map(|scene| {
        scene.handle_event(&scene.failed());
        assert_eq!(scene.stands(), (State::Queued, Reason::Matched, 1, 1));
        scene
    })
}

fn cancels(scene: &Scene) -> Cancel {
    run(scene.cancelling(&by("ada"))).unwrap().unwrap()
}

#[test]
fn what_was_cancelled_is_not_retried_whoever_comes() {
    for policy in [rule(3, 60), rule(3, 3600)] {
        for scene in Scene::both_for_ever(&policy) {
            let event = scene.failed();
            scene.handle_event(&event);
            let retry_message = scene.entry().retry_message();
            assert_eq!(cancels(&scene), Cancel::Cancelled(scene.entry()));
            let entry = scene.entry();
            assert_eq!(entry.cancelled, Some(by("ada")));
            assert_eq!(
                (entry.due_at, entry.next_check_at, &entry.lease),
                (None, None, &None)
            );

            // The event once more, its message, the sweep, and all that is on its way.
            assert_eq!(scene.handle_event(&event).outcome, Outcome::Duplicate);
            scene.wind(3600);
            let record = scene.claim_due(&retry_message);
            assert_eq!(
                (record.outcome, record.reason),
                (Outcome::Duplicate, Reason::Cancelled)
            );
            assert!(scene.sweep().records.is_empty());
            scene.calm(&[event]);
            assert_eq!((scene.effects(), scene.entry()), (0, entry));
            assert_eq!(scene.stands(), (State::GivenUp, Reason::Cancelled, 0, 0));
        }
    }
}

#[test]
fn a_take_that_wins_against_a_cancel_is_not_called_back() {
    // The cancel has read the entry, and is about to write, when the message brings it.
    for (slow_act, found) in [(false, State::Retried), (true, State::Acting)] {
        for scene in waiting() {
            let retry_message = scene.entry().retry_message();
            scene.wind(60);
            scene.next_breaks("put_if_revision", Break::SlowBefore);
            if slow_act {
                scene.next_breaks("act", Break::SlowBefore);
            }
            let ada = by("ada");
            let (cancelled, taken) = race(scene.cancelling(&ada), scene.taking(&retry_message));
            let Ok(Cancel::NotQueued(entry)) = cancelled else {
                panic!("{cancelled:?}")
            };
            assert_eq!(entry.state, found);
            assert_eq!(taken.unwrap().outcome, Outcome::Retried);
            assert_eq!(scene.effects(), 1);
            assert_eq!(scene.stands(), (State::Retried, Reason::Matched, 1, 1));
            assert_eq!(scene.entry().cancelled, None);
        }
    }
}

#[test]
fn a_cancel_that_wins_against_a_take_voids_it() {
    for scene in waiting() {
        let retry_message = scene.entry().retry_message();
        scene.wind(60);
        scene.next_breaks("claim_due", Break::SlowBefore);
        let ada = by("ada");
        let (taken, cancelled) = race(scene.taking(&retry_message), scene.cancelling(&ada));
        assert_eq!(cancelled, Ok(Cancel::Cancelled(scene.entry())));
        let taken = taken.unwrap();
        assert_eq!(
            (taken.outcome, taken.reason),
            (Outcome::Duplicate, Reason::Cancelled)
        );
        assert_eq!(
            (scene.effects(), scene.stands()),
            (0, (State::GivenUp, Reason::Cancelled, 0, 0))
        );
    }
}

#[test]
fn a_cancel_that_meets_its_own_write_is_won() {
    for scene in waiting() {
        scene.next_breaks("put_if_revision", Break::Twice);
        assert_eq!(cancels(&scene), Cancel::Cancelled(scene.entry()));
        assert_eq!(scene.entry().revision, 2);
        assert_eq!(scene.stands(), (State::GivenUp, Reason::Cancelled, 0, 0));
    }
}

#[test]
fn a_cancel_without_an_answer_can_be_repeated() {
    for scene in waiting() {
        scene.next_breaks("put_if_revision", Break::After);
        assert!(run(scene.cancelling(&by("ada"))).unwrap().is_err());
        let entry = scene.entry();
        scene.wind(10);
        let again = run(scene.cancelling(&by("grace"))).unwrap();
        assert_eq!(again, Ok(Cancel::Already(entry.clone())));
        assert_eq!(scene.entry(), entry, "nothing is written twice");
        assert_eq!(entry.cancelled, Some(by("ada")));
    }
}

#[test]
fn of_two_who_cancel_one_is_written_down() {
    for scene in waiting() {
        scene.next_breaks("put_if_revision", Break::SlowBefore);
        let (ada, grace) = (by("ada"), by("grace"));
        let (slow, quick) = race(scene.cancelling(&ada), scene.cancelling(&grace));
        let entry = scene.entry();
        assert_eq!(entry.cancelled, Some(grace));
        assert_eq!(quick, Ok(Cancel::Cancelled(entry.clone())));
        assert_eq!(slow, Ok(Cancel::Already(entry)));
        assert_eq!(scene.stands(), (State::GivenUp, Reason::Cancelled, 0, 0));
    }
}

#[test]
fn a_cancel_that_loses_to_the_sweep_is_judged_anew() {
    for scene in Scene::both_for_ever(&rule(3, 3600)) {
        scene.handle_event(&scene.failed());
        scene.wind(2700);
        scene.next_breaks("put_if_revision", Break::SlowBefore);
        let ada = by("ada");
        let (cancelled, swept) = race(scene.cancelling(&ada), scene.sweeping());
        assert_eq!(swept.unwrap().requeued, 1);
        assert_eq!(cancelled, Ok(Cancel::Cancelled(scene.entry())));
        scene.calm(&[]);
        assert_eq!(scene.effects(), 0);
    }
}

#[test]
fn a_failure_after_a_cancelled_one_is_judged_anew() {
    for scene in waiting() {
        cancels(&scene);
        scene.person_retries();
        assert_eq!(scene.handle_event(&scene.failed()).outcome, Outcome::Queued);
        assert_eq!(scene.stands(), (State::Queued, Reason::Matched, 1, 1));
        let entry = scene.entry();
        assert_eq!(entry.cancelled, None);
        let before = &entry.attempts[0];
        assert_eq!(
            (before.state, before.reason, &before.cancelled),
            (State::GivenUp, Some(Reason::Cancelled), &Some(by("ada")))
        );
        scene.calm(&[]);
        assert_eq!(scene.effects(), 3, "it has all the retries of its rule");
    }
}

#[test]
fn what_is_not_queued_is_not_cancelled() {
    let refused = |scene: &Scene, state| {
        let entry = scene.entry();
        assert_eq!(entry.state, state);
        assert_eq!(cancels(scene), Cancel::NotQueued(entry.clone()));
        assert_eq!(scene.entry(), entry, "nothing is changed");
    };
    for scene in Scene::both(&rule(2, 0)) {
        assert_eq!(cancels(&scene), Cancel::NoEntry);
        assert_eq!(scene.found(), None);
        let event = scene.failed();
        scene.next_breaks("act", Break::DeadBefore);
        assert!(run(scene.handling_event(&event)).is_none(), "it was killed");
        refused(&scene, State::Acting);
        scene.wind(LEASE);
        scene.retry_meets(Fault::LoseRequest);
        scene.sweep();
        refused(&scene, State::InDoubt);
        scene.wind(LEASE);
        scene.sweep();
        refused(&scene, State::Retried);
    }
    for (policy, mode, state) in [
        (rule(2, 60), RunMode::Observe, State::Observed),
        (rule(0, 60), RunMode::Act, State::GivenUp),
    ] {
        for scene in Scene::both(&policy) {
            scene.mode.set(mode);
            scene.handle_event(&scene.failed());
            refused(&scene, state);
        }
    }
}
