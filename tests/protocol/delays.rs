//! A delayed retry acts once, whatever becomes of its retry message.

use redrive_core::controller::Outcome;
use redrive_core::ledger::{RetryMessage, State};
use redrive_core::sweep::Swept;
use redrive_core::time::Time;
use redrive_core::verdict::Reason;

use crate::faulty_adapters::{Break, race, run};
use crate::scene::{Scene, rule};

fn queued(delay: u32) -> Vec<(Scene, RetryMessage)> {
    Scene::both(&rule(3, delay))
        .into_iter()
        .map(|scene| {
            assert_eq!(scene.handle_event(&scene.failed()).outcome, Outcome::Queued);
            let retry_message = scene.entry().retry_message();
            (scene, retry_message)
        })
        .collect()
}

#[test]
fn a_retry_message_that_comes_twice_is_good_once() {
    for (scene, retry_message) in queued(60) {
        scene.wind(60);
        assert_eq!(scene.claim_due(&retry_message).outcome, Outcome::Retried);
        let entry = scene.entry();
        assert_eq!(scene.claim_due(&retry_message).outcome, Outcome::Duplicate);
        assert_eq!((scene.entry(), scene.effects()), (entry, 1));
    }
}

#[test]
fn of_two_takers_one_acts() {
    for kind in [Break::SlowBefore, Break::SlowAfter] {
        for call in ["claim_due", "look", "act", "put_if_revision"] {
            for (scene, retry_message) in queued(60) {
                scene.wind(60);
                scene.next_breaks(call, kind);
                let (one, other) = race(scene.taking(&retry_message), scene.taking(&retry_message));
                let mut outcome = [one.unwrap().outcome, other.unwrap().outcome];
                outcome.sort_unstable();
                assert_eq!(
                    outcome,
                    [Outcome::Retried, Outcome::Duplicate],
                    "{call} {kind:?}"
                );
                assert_eq!((scene.effects(), scene.stands().2), (1, 1));
            }
        }
    }
}

#[test]
fn nothing_is_queued_again_before_it_is_overdue() {
    for (scene, _) in queued(60) {
        scene.wind(60 + 299);
        assert_eq!(scene.sweep(), Swept::default());
    }
}

#[test]
fn a_tick_that_has_no_time_left_leaves_the_rest_to_the_next() {
    for (scene, _) in queued(60) {
        scene.wind(60 + 300);
        scene.sweep_until.set(scene.now());
        let swept = Swept {
            more: true,
            ..Swept::default()
        };
        assert_eq!(scene.sweep(), swept);
        scene.sweep_until.set(Time::END);
        assert_eq!(scene.sweep().requeued, 1);
    }
}

#[test]
fn a_retry_message_that_was_thought_lost_is_as_good_as_the_one_that_replaced_it() {
    for (lost_first, (scene, lost)) in [true, false]
        .into_iter()
        .flat_map(|first| queued(60).into_iter().map(move |it| (first, it)))
    {
        scene.wind(60);
        assert_eq!(
            scene.adapters.receive().as_ref(),
            Some(&lost),
            "it arrives, and is never taken"
        );
        scene.wind(300);
        assert_eq!(scene.sweep().requeued, 1);
        // A queue that is only slow must not make every one of its messages void.
        let outcome = if lost_first {
            [scene.claim_due(&lost).outcome, scene.deliver()[0].outcome]
        } else {
            [scene.deliver()[0].outcome, scene.claim_due(&lost).outcome]
        };
        assert_eq!(outcome, [Outcome::Retried, Outcome::Duplicate]);
        assert_eq!((scene.effects(), scene.stands().2), (1, 1));
    }
}

#[test]
fn a_retry_message_of_an_earlier_failure_takes_nothing() {
    for scene in Scene::both_for_ever(&rule(5, 60)) {
        scene.handle_event(&scene.failed());
        let old = scene.entry().retry_message();
        scene.wind(60);
        scene.deliver();
        scene.handle_event(&scene.failed());
        scene.wind(60);
        assert_eq!(scene.claim_due(&old).outcome, Outcome::Duplicate);
        assert_eq!(scene.effects(), 1);
        assert_eq!(scene.deliver()[0].outcome, Outcome::Retried);
        assert_eq!((scene.effects(), scene.stands().2), (2, 2));
    }
}

#[test]
fn what_the_queue_cannot_keep_so_long_waits_in_the_due_index() {
    for (scene, _) in queued(3600) {
        assert_eq!(scene.adapters.next_message(), None);
        assert!(!scene.adapters.calls().contains(&"send"));
        scene.wind(3600 - 901);
        assert_eq!(scene.sweep(), Swept::default());
        scene.wind(1);
        assert_eq!(scene.sweep().requeued, 1);
        assert_eq!(scene.sweep(), Swept::default(), "once");
        scene.wind(899);
        assert!(scene.deliver().is_empty(), "not before its time");
        scene.wind(1);
        assert_eq!(scene.deliver()[0].outcome, Outcome::Retried);
        assert_eq!((scene.effects(), scene.stands().2), (1, 1));
    }
}

#[test]
fn a_delay_of_fifteen_minutes_rides_on_the_queue() {
    for (scene, _) in queued(900) {
        assert_eq!(
            scene.adapters.next_message(),
            Some(scene.now().plus(std::time::Duration::from_secs(900)))
        );
        assert_eq!(
            scene.sweep(),
            Swept::default(),
            "nor does it wait in the index"
        );
    }
}

#[test]
fn a_failed_send_loses_nothing() {
    for kind in [Break::Before, Break::After] {
        for scene in Scene::both(&rule(2, 60)) {
            let event = scene.failed();
            scene.next_breaks("send", kind);
            assert!(run(scene.handling_event(&event)).unwrap().is_err());
            assert_eq!(scene.handle_event(&event).outcome, Outcome::Duplicate);
            assert_eq!(scene.stands().0, State::Queued);
            scene.calm(&[]);
            assert_eq!(
                (scene.effects(), scene.stands()),
                (1, (State::Recovered, Reason::Matched, 1, 1))
            );
        }
    }
}

#[test]
fn a_failed_send_of_the_sweep_loses_nothing() {
    for (scene, _) in queued(3600) {
        scene.wind(3600);
        scene.next_breaks("send", Break::Before);
        let swept = scene.sweep();
        assert_eq!((swept.requeued, swept.errors.len()), (0, 1));
        scene.calm(&[]);
        assert_eq!((scene.effects(), scene.stands().2), (1, 1));
    }
}

#[test]
fn of_two_sweeps_one_hands_over() {
    for (scene, _) in queued(3600) {
        scene.wind(3600);
        scene.next_breaks("put_if_revision", Break::SlowBefore);
        let (one, other) = race(scene.sweeping(), scene.sweeping());
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(
            (
                one.requeued + other.requeued,
                one.conflicts + other.conflicts
            ),
            (1, 1)
        );
        scene.deliver();
        assert_eq!((scene.effects(), scene.stands().2), (1, 1));
    }
}

#[test]
fn the_delay_of_a_failure_is_the_same_at_every_hearing() {
    let full = "version: 1\nretry:\n  automatic:\n    - id: any\n      backoff: { interval_seconds: 800, max_delay_seconds: 800 }\n";
    let delays: Vec<u32> = (0..3)
        .map(|_| {
            let [scene, _] = Scene::both(full);
            scene.handle_event(&scene.failed());
            scene.verdict().delay_seconds
        })
        .collect();
    assert!(delays.iter().all(|delay| *delay == delays[0]), "{delays:?}");
}
