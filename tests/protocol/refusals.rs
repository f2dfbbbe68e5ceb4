//! AWS refuses the call that retries: for a while, for good, or because our own deployment is wrong.

use redrive_core::controller::{CallResult, Outcome};
use redrive_core::ledger::State;
use redrive_core::verdict::Reason;
use redrive_emulator::stepfunctions::Outcome as Ends;

use crate::scene::{Scene, refusal, rule};

fn busy(scene: &Scene) -> &'static str {
    if scene.is_stage() {
        "ConflictException"
    } else {
        "ExecutionLimitExceeded"
    }
}

#[test]
fn a_busy_target_is_put_off_with_backoff_and_then_retried_once() {
    for throttled in [false, true] {
        for scene in Scene::both(&rule(2, 0)) {
            let code = if throttled {
                "ThrottlingException"
            } else {
                busy(&scene)
            };
            for _ in 0..6 {
                scene.retry_meets(refusal(code));
            }
            let record = scene.handle_event(&scene.failed());
            assert_eq!(
                (record.outcome, record.call_result),
                (Outcome::BackedOff, Some(CallResult::Throttled))
            );
            let mut waits = Vec::new();
            while scene.entry().state == State::Queued && waits.len() < 9 {
                assert_eq!(
                    scene.adapters.next_message(),
                    None,
                    "no function feeds its own queue"
                );
                assert_eq!(scene.stands().2, 1, "still charged");
                let wait = scene
                    .entry()
                    .next_check_at
                    .unwrap()
                    .since(scene.now())
                    .as_secs();
                waits.push(wait);
                scene.wind(wait - 1);
                assert_eq!(scene.sweep().requeued, 0);
                scene.wind(1);
                assert_eq!(scene.sweep().requeued, 1);
                scene.deliver();
            }
            assert_eq!(waits, [60, 120, 240, 480, 900, 900]);
            assert_eq!(
                (scene.effects(), scene.stands()),
                (1, (State::Retried, Reason::Matched, 1, 1))
            );
        }
    }
}

#[test]
fn a_target_busy_for_a_day_is_given_up_and_the_charge_returned() {
    for scene in Scene::both(&rule(2, 60)) {
        for _ in 0..200 {
            scene.retry_meets(refusal(busy(&scene)));
        }
        let event = scene.failed();
        let begun = scene.now();
        scene.calm(&[event]);
        assert_eq!(
            (scene.effects(), scene.stands()),
            (0, (State::GivenUp, Reason::TargetBusy, 0, 0))
        );
        let lasted = scene.entry().updated_at.since(begun).as_secs();
        assert!((86_400..86_400 + 1000 + 60).contains(&lasted), "{lasted}");
    }
}

#[test]
fn what_we_may_not_do_is_kept_and_tried_again() {
    for delay in [0, 60] {
        for scene in Scene::both(&rule(2, delay)) {
            for _ in 0..3 {
                scene.retry_meets(refusal("AccessDeniedException"));
            }
            scene.handle_event(&scene.failed());
            scene.wind(u64::from(delay));
            scene.deliver();
            assert_eq!(scene.stands(), (State::Queued, Reason::Matched, 1, 1));
            assert_eq!(
                scene
                    .entry()
                    .next_check_at
                    .unwrap()
                    .since(scene.now())
                    .as_secs(),
                900
            );
            scene.calm(&[]);
            assert_eq!(
                (scene.effects(), scene.stands()),
                (1, (State::Recovered, Reason::Matched, 1, 1))
            );
        }
    }
}

#[test]
fn denied_is_told_apart_from_busy() {
    for scene in Scene::both(&rule(2, 0)) {
        scene.retry_meets(refusal("AccessDeniedException"));
        let record = scene.handle_event(&scene.failed());
        assert_eq!(
            (record.outcome, record.call_result),
            (Outcome::BackedOff, Some(CallResult::AccessDenied))
        );
    }
}

#[test]
fn an_open_execution_limit_that_falls_lets_the_retry_through() {
    let scene = Scene::execution(
        &rule(2, 0),
        [Ends::fail("Glue.Throttled", "busy"), Ends::succeed()],
    );
    let event = scene.failed();
    scene.region(|region| region.stepfunctions.options_mut().open_execution_limit = 0);
    assert_eq!(scene.handle_event(&event).outcome, Outcome::BackedOff);
    scene.region(|region| region.stepfunctions.options_mut().open_execution_limit = 1);
    scene.calm(&[]);
    assert_eq!((scene.effects(), scene.stands().0), (1, State::Recovered));
}

#[test]
fn what_aws_refuses_for_good_is_given_up_with_its_reason() {
    for (code, reason) in [
        ("ValidationException", Reason::Refused),
        ("ExecutionDoesNotExist", Reason::Gone),
        ("InvalidArn", Reason::Refused),
    ] {
        let [scene, _] = Scene::both(&rule(2, 0));
        scene.retry_meets(refusal(code));
        assert_eq!(scene.handle_event(&scene.failed()).outcome, Outcome::GaveUp);
        assert_eq!(scene.stands(), (State::GivenUp, reason, 0, 0), "{code}");
    }
    for (code, reason) in [
        ("StageNotRetryableException", Reason::Refused),
        ("NotLatestPipelineExecutionException", Reason::Superseded),
        ("PipelineNotFoundException", Reason::Gone),
        ("StageNotFoundException", Reason::Gone),
    ] {
        let [_, scene] = Scene::both(&rule(2, 0));
        scene.retry_meets(refusal(code));
        assert_eq!(scene.handle_event(&scene.failed()).outcome, Outcome::GaveUp);
        assert_eq!(scene.stands(), (State::GivenUp, reason, 0, 0), "{code}");
    }
}

#[test]
fn the_redrivable_period_that_ends_in_between_is_given_up() {
    for (delay, late) in [(60, 15 * 86_400), (14 * 86_400, 14 * 86_400 + 100)] {
        let policy = format!(
            "version: 1\nretry:\n  automatic:\n    - id: any\n      backoff: {{ interval_seconds: {delay}, max_delay_seconds: 1209600, jitter_strategy: NONE }}\n"
        );
        let [scene, _] = Scene::both(&policy);
        scene.handle_event(&scene.failed());
        scene.wind(late);
        scene.calm(&[]);
        assert_eq!(
            (scene.effects(), scene.stands()),
            (0, (State::GivenUp, Reason::NotRedrivable, 0, 0))
        );
    }
}
