//! An answer that never came is neither success nor failure: the sweep finds out which, once nobody can
//! still be at it.

use redrive_core::controller::{CallResult, Outcome};
use redrive_core::ledger::State;
use redrive_core::verdict::Reason;
use redrive_emulator::api::Fault;
use redrive_emulator::stepfunctions::Outcome as Ends;

use crate::faulty_adapters::{Break, run};
use crate::scene::{LEASE, Scene, refusal, rule};

/// A scene whose retry was sent and whose answer was lost.
fn doubtful(scene: Scene, fault: Fault) -> Scene {
    scene.retry_meets(fault);
    let record = scene.handle_event(&scene.failed());
    assert_eq!(
        (record.outcome, record.call_result),
        (Outcome::InDoubt, Some(CallResult::InDoubt))
    );
    assert_eq!(scene.stands(), (State::InDoubt, Reason::Matched, 1, 1));
    scene
}

/// Ones that hang once they were retried.
fn hanging() -> [Scene; 2] {
    [
        Scene::execution(
            &rule(2, 0),
            [Ends::fail("Glue.Throttled", "busy"), Ends::hang()],
        ),
        Scene::stage(
            &rule(2, 0),
            [
                redrive_emulator::codepipeline::Outcome::fail("JobFailed", "busy"),
                redrive_emulator::codepipeline::Outcome::Hang,
            ],
        ),
    ]
}

#[test]
fn a_retry_whose_answer_was_lost_is_confirmed_and_not_repeated() {
    for scene in hanging() {
        let scene = doubtful(scene, Fault::LoseAnswer);
        scene.wind(LEASE - 1);
        assert!(scene.sweep().records.is_empty(), "the lease lasts");
        scene.wind(1);
        assert_eq!(scene.sweep().records[0].outcome, Outcome::Confirmed);
        assert_eq!(
            (scene.effects(), scene.stands()),
            (1, (State::Retried, Reason::Matched, 1, 1))
        );
        scene.calm(&[]);
        assert_eq!(scene.effects(), 1);
    }
}

#[test]
fn a_retry_that_never_arrived_is_made_once() {
    for scene in hanging() {
        let scene = doubtful(scene, Fault::LoseRequest);
        assert_eq!(scene.effects(), 0);
        scene.wind(LEASE);
        assert_eq!(scene.sweep().records[0].outcome, Outcome::Retried);
        assert!(scene.sweep().records.is_empty());
        assert_eq!(
            (scene.effects(), scene.stands()),
            (1, (State::Retried, Reason::Matched, 1, 1))
        );
    }
}

#[test]
fn a_fault_of_the_service_is_a_doubt() {
    for scene in hanging() {
        let mut error = redrive_emulator::api::ApiError::new("InternalFailure", "oops");
        error.status = 500;
        let scene = doubtful(scene, Fault::Refuse(error));
        scene.wind(LEASE);
        assert_eq!(scene.sweep().records[0].outcome, Outcome::Retried);
        assert_eq!((scene.effects(), scene.stands().2), (1, 1));
    }
}

#[test]
fn doubt_after_doubt_ends_with_one_retry() {
    for (faults, effects_before) in [
        (
            vec![
                Fault::LoseRequest,
                Fault::LoseRequest,
                Fault::LoseRequest,
                Fault::LoseAnswer,
            ],
            0,
        ),
        (
            vec![Fault::LoseRequest, Fault::LoseAnswer, Fault::LoseAnswer],
            0,
        ),
        (vec![Fault::LoseAnswer, Fault::LoseAnswer], 1),
    ] {
        for scene in Scene::both(&rule(2, 0)) {
            let event = scene.failed();
            faults
                .iter()
                .for_each(|fault| scene.retry_meets(fault.clone()));
            assert_eq!(scene.handle_event(&event).outcome, Outcome::InDoubt);
            assert_eq!(scene.effects(), effects_before);
            scene.calm(&[event]);
            assert_eq!(
                (scene.effects(), scene.stands()),
                (1, (State::Recovered, Reason::Matched, 1, 1))
            );
        }
    }
}

#[test]
fn the_next_failure_proves_that_a_doubtful_retry_happened() {
    for scene in Scene::both_for_ever(&rule(2, 0)) {
        let scene = doubtful(scene, Fault::LoseAnswer);
        assert_eq!(
            scene.handle_event(&scene.failed()).outcome,
            Outcome::Retried
        );
        assert_eq!(
            (scene.effects(), scene.stands()),
            (2, (State::Retried, Reason::Matched, 2, 2))
        );
        scene.calm(&[]);
        assert_eq!(
            (scene.effects(), scene.stands()),
            (2, (State::GivenUp, Reason::LimitSpent, 2, 2))
        );
    }
}

#[test]
fn a_success_proves_that_a_doubtful_retry_happened() {
    for scene in Scene::both(&rule(2, 0)) {
        let scene = doubtful(scene, Fault::LoseAnswer);
        assert_eq!(
            scene.handle_event(&scene.ended("SUCCEEDED")).outcome,
            Outcome::Recovered
        );
        assert_eq!(scene.stands(), (State::Recovered, Reason::Matched, 1, 1));
        assert!(scene.sweep().records.is_empty());
    }
}

#[test]
fn a_refusal_in_doubt_returns_no_charge() {
    for scene in hanging() {
        let scene = doubtful(scene, Fault::LoseRequest);
        scene.retry_meets(refusal("ValidationException"));
        scene.wind(LEASE);
        assert_eq!(scene.sweep().records[0].outcome, Outcome::GaveUp);
        assert_eq!(
            (scene.effects(), scene.stands()),
            (0, (State::GivenUp, Reason::Refused, 1, 1))
        );
    }
}

#[test]
fn a_refusal_without_doubt_returns_the_charge() {
    for delay in [0, 60] {
        for scene in Scene::both(&rule(2, delay)) {
            scene.retry_meets(refusal("ValidationException"));
            scene.handle_event(&scene.failed());
            scene.wind(60);
            scene.deliver();
            assert_eq!(
                (scene.effects(), scene.stands()),
                (0, (State::GivenUp, Reason::Refused, 0, 0))
            );
        }
    }
}

#[test]
fn a_doubt_put_off_stays_a_doubt() {
    for scene in hanging() {
        let scene = doubtful(scene, Fault::LoseRequest);
        scene.retry_meets(refusal("ThrottlingException"));
        scene.wind(LEASE);
        assert_eq!(scene.sweep().records[0].outcome, Outcome::BackedOff);
        // Its retry may have happened after all: here a person's looks the same.
        scene.person_retries();
        scene.wind(450);
        scene.sweep();
        let records = scene.deliver();
        assert_eq!(records[0].outcome, Outcome::Confirmed, "{records:?}");
        assert_eq!(
            (scene.effects(), scene.stands()),
            (0, (State::Retried, Reason::Matched, 1, 1))
        );
    }
}

#[test]
fn a_doubt_put_off_keeps_its_charge_when_the_next_failure_comes() {
    for scene in Scene::both_for_ever(&rule(3, 0)) {
        let scene = doubtful(scene, Fault::LoseRequest);
        scene.retry_meets(refusal("ThrottlingException"));
        scene.wind(LEASE);
        scene.sweep();
        assert_eq!(scene.entry().state, State::Queued);
        // Whose retry it was that failed anew, nobody can tell.
        scene.person_retries();
        assert_eq!(
            scene.handle_event(&scene.failed()).outcome,
            Outcome::Retried
        );
        assert_eq!(
            (scene.effects(), scene.stands()),
            (1, (State::Retried, Reason::Matched, 2, 2))
        );
    }
}

#[test]
fn a_look_that_meets_error_is_taken_again() {
    for scene in hanging() {
        let scene = doubtful(scene, Fault::LoseAnswer);
        scene.wind(LEASE);
        scene.next_breaks("look", Break::Before);
        let swept = scene.sweep();
        assert_eq!((swept.records.len(), swept.errors.len()), (0, 1));
        scene.wind(LEASE);
        assert_eq!(scene.sweep().records[0].outcome, Outcome::Confirmed);
        assert_eq!(scene.effects(), 1);
    }
}

#[test]
fn what_could_not_be_settled_is_found_out() {
    for scene in hanging() {
        let event = scene.failed();
        // The second write of the handling is the settling one.
        scene
            .adapters
            .plan(crate::faulty_adapters::Which::Number(3), Break::Before);
        let record = scene.handle_event(&event);
        assert_eq!(
            (record.outcome, record.unsettled.is_some()),
            (Outcome::Retried, true)
        );
        assert_eq!(scene.entry().state, State::Acting);
        assert_eq!(scene.handle_event(&event).outcome, Outcome::Duplicate);
        scene.wind(LEASE);
        assert_eq!(scene.sweep().records[0].outcome, Outcome::Confirmed);
        assert_eq!(
            (scene.effects(), scene.stands()),
            (1, (State::Retried, Reason::Matched, 1, 1))
        );
    }
}

#[test]
fn a_settle_that_comes_late_loses_to_a_later_failure() {
    for scene in Scene::both_for_ever(&rule(5, 60)) {
        let event = scene.failed();
        scene.handle_event(&event);
        scene.wind(60);
        let retry_message = scene.adapters.receive().unwrap();
        scene.next_breaks("act", Break::SlowAfter);
        // While the answer is under way, the retried run fails, and that is handled.
        let (settled, later) = crate::faulty_adapters::race(scene.taking(&retry_message), async {
            let event = scene.failed();
            scene.handling_event(&event).await
        });
        assert_eq!(later.unwrap().outcome, Outcome::Queued);
        let settled = settled.unwrap();
        assert_eq!(
            (settled.outcome, settled.state),
            (Outcome::Retried, Some(State::Queued))
        );
        assert_eq!(
            (scene.effects(), scene.stands()),
            (1, (State::Queued, Reason::Matched, 2, 2))
        );
        assert_eq!(scene.entry().attempts.len(), 1);
        assert!(run(scene.sweeping()).unwrap().unwrap().records.is_empty());
    }
}
