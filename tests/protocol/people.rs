//! A person retries, aborts or stops in between. What they did is never undone.

use redrive_core::controller::Outcome;
use redrive_core::ledger::State;
use redrive_core::verdict::Reason;
use redrive_emulator::codepipeline::Outcome as Brings;
use redrive_emulator::stepfunctions::Outcome as Ends;

use crate::scene::{Scene, rule, with};

/// Both, with a second run that hangs.
fn hanging(policy: &str) -> [Scene; 2] {
    [
        Scene::execution(policy, [Ends::fail("Glue.Throttled", "busy"), Ends::hang()]),
        Scene::stage(policy, [Brings::fail("JobFailed", "busy"), Brings::Hang]),
    ]
}

#[test]
fn a_person_who_was_quicker_than_the_event_is_left_alone() {
    for late in [0, 300, 601, 100_000] {
        for scene in hanging(&rule(2, 0)) {
            let event = scene.failed();
            scene.person_retries();
            scene.wind(late);
            let record = scene.handle_redelivered(&event);
            assert!(
                matches!(record.outcome, Outcome::GaveUp | Outcome::Ignored),
                "{record:?}"
            );
            assert_eq!(scene.effects(), 0);
            if let Some(entry) = scene.found() {
                assert_eq!(
                    (
                        entry.reason(),
                        entry.retries,
                        entry.rule_usage("default", "any")
                    ),
                    (Reason::TargetChanged, 0, 0)
                );
            }
        }
    }
}

#[test]
fn a_person_who_retries_during_the_delay_is_left_alone() {
    for scene in hanging(&rule(2, 60)) {
        scene.handle_event(&scene.failed());
        scene.wind(30);
        scene.person_retries();
        scene.wind(30);
        assert_eq!(scene.deliver()[0].outcome, Outcome::GaveUp);
        assert_eq!(
            (scene.effects(), scene.stands()),
            (0, (State::GivenUp, Reason::TargetChanged, 0, 0))
        );
    }
}

#[test]
fn a_retry_that_a_person_made_first_is_not_charged() {
    let policy = rule(1, 600).replace("retry:", "budget: { per_execution: 1 }\nretry:");
    for scene in Scene::both_for_ever(&policy) {
        scene.handle_event(&scene.failed());
        scene.person_retries();
        // It failed anew, and the one use that there is, is still there.
        let second = scene.failed();
        assert_eq!(scene.handle_event(&second).outcome, Outcome::Queued);
        assert_eq!(scene.stands(), (State::Queued, Reason::Matched, 1, 1));
        scene.calm(&[]);
        assert_eq!(
            (scene.effects(), scene.stands()),
            (1, (State::GivenUp, Reason::LimitSpent, 1, 1))
        );
    }
}

#[test]
fn a_person_who_succeeds_during_the_delay_ends_it() {
    for scene in Scene::both(&rule(2, 60)) {
        scene.handle_event(&scene.failed());
        scene.person_retries();
        assert_eq!(
            scene.handle_event(&scene.ended("SUCCEEDED")).outcome,
            Outcome::Recovered
        );
        assert_eq!(scene.stands(), (State::Recovered, Reason::Matched, 0, 0));
        scene.calm(&[]);
        assert_eq!(scene.effects(), 0);
    }
}

#[test]
fn a_success_nobody_told_of_is_found_by_the_last_look() {
    for scene in Scene::both(&rule(2, 60)) {
        scene.handle_event(&scene.failed());
        scene.person_retries();
        scene.ended("SUCCEEDED");
        scene.wind(60);
        scene.deliver();
        let (state, reason, uses, _) = scene.stands();
        let expected = if scene.is_stage() {
            (State::Recovered, Reason::Matched)
        } else {
            (State::GivenUp, Reason::Succeeded)
        };
        assert_eq!((state, reason), expected);
        assert_eq!((scene.effects(), uses), (0, 0));
    }
}

#[test]
fn a_person_who_ends_the_retried_run_is_not_undone() {
    for delay in [0, 60] {
        for scene in hanging(&rule(5, delay)) {
            let failed = scene.failed();
            scene.handle_event(&failed);
            scene.wind(60);
            scene.deliver();
            scene.person_stops();
            let stopped = scene.ended(if scene.is_stage() {
                "STOPPED"
            } else {
                "ABORTED"
            });
            assert_eq!(scene.handle_event(&stopped).outcome, Outcome::Terminated);
            assert_eq!(scene.stands(), (State::Terminated, Reason::Matched, 1, 1));
            let status = scene.status();
            // Copies of either change nothing.
            for event in [&failed, &stopped, &failed] {
                assert!(matches!(
                    scene.handle_event(event).outcome,
                    Outcome::Stale | Outcome::Duplicate | Outcome::Ignored
                ));
            }
            scene.wind(100_000);
            scene.calm(&[failed]);
            assert_eq!(
                (scene.effects(), scene.status(), scene.stands().0),
                (1, status, State::Terminated)
            );
        }
    }
}

#[test]
fn a_person_who_ends_it_during_the_delay_is_not_undone() {
    for handled in [true, false] {
        for scene in hanging(&rule(2, 60)) {
            scene.handle_event(&scene.failed());
            scene.person_retries();
            scene.wind(10);
            scene.person_stops();
            let stopped = scene.ended(if scene.is_stage() {
                "STOPPED"
            } else {
                "ABORTED"
            });
            if handled {
                assert_eq!(scene.handle_event(&stopped).outcome, Outcome::Terminated);
                assert_eq!(scene.stands(), (State::Terminated, Reason::Matched, 0, 0));
            } else if !scene.is_stage() {
                // The claim is the look: an event that never came is seen by nobody.
                continue;
            }
            let status = scene.status();
            scene.calm(&[]);
            assert_eq!(
                (scene.effects(), scene.status(), scene.stands().2),
                (0, status, 0)
            );
        }
    }
}

#[test]
fn an_abort_handled_before_its_failure_is_not_undone() {
    let [scene, _] = hanging(&rule(2, 0));
    let failed = scene.failed();
    scene.person_retries();
    scene.wind(10);
    scene.person_stops();
    let aborted = scene.ended("ABORTED");
    assert_eq!(scene.handle_event(&aborted).outcome, Outcome::Terminated);
    assert_eq!(scene.handle_event(&failed).outcome, Outcome::Stale);
    assert_eq!(scene.handle_event(&aborted).outcome, Outcome::Duplicate);
    scene.calm(&[failed]);
    assert_eq!((scene.effects(), scene.status()), (0, "ABORTED"));
}

#[test]
fn a_stop_handled_before_its_failure_is_not_undone() {
    let [_, scene] = hanging(&rule(2, 0));
    let failed = scene.failed();
    scene.person_retries();
    scene.wind(10);
    scene.person_stops();
    let stopped = scene.ended("STOPPED");
    assert_eq!(scene.handle_event(&stopped).outcome, Outcome::Ignored);
    let record = scene.handle_event(&failed);
    assert_eq!(
        (record.outcome, record.reason),
        (Outcome::Ignored, Reason::Stopped)
    );
    assert_eq!((scene.effects(), scene.found()), (0, None));
}

#[test]
fn what_a_person_takes_up_again_after_an_end_is_judged_again() {
    let [scene, _] = Scene::both_for_ever(&rule(2, 0));
    scene.handle_event(&scene.failed());
    scene
        .region(|region| {
            region.stepfunctions.person_stops(
                scene.now().as_millis(),
                crate::scene::ARN,
                None,
                None,
            )
        })
        .unwrap();
    scene.handle_event(&scene.ended("ABORTED"));
    scene.wind(10);
    scene.person_retries();
    assert_eq!(
        scene.handle_event(&scene.failed()).outcome,
        Outcome::Retried
    );
    assert_eq!((scene.effects(), scene.stands().2), (2, 2));
}

#[test]
fn an_old_success_does_not_end_a_later_failure() {
    let [scene, _] = Scene::both_for_ever(&rule(5, 60));
    scene.calm(&[]);
    let entry = scene.entry();
    let failed = with(
        &with(&scene.emitted_copy(), "redriveCount", 1),
        "status",
        "SUCCEEDED",
    );
    assert_eq!(scene.handle_event(&failed).outcome, Outcome::Stale);
    assert_eq!(scene.entry(), entry);
}

#[test]
fn a_success_of_what_nobody_knows_is_no_news() {
    for scene in Scene::both(&rule(2, 0)) {
        scene.failed();
        scene.person_retries();
        let record = scene.handle_event(&scene.ended("SUCCEEDED"));
        assert_eq!(
            (record.outcome, record.reason),
            (Outcome::Ignored, Reason::Succeeded)
        );
        assert_eq!(scene.found(), None);
    }
}

#[test]
fn a_late_failure_is_looked_at_before_it_is_retried() {
    // It succeeded, was aborted, failed anew and runs: an old event undoes none of it.
    for (after, reason) in [
        (vec![Ends::succeed()], Reason::Succeeded),
        (vec![Ends::hang()], Reason::Running),
        (vec![Ends::fail("Other", "")], Reason::TargetChanged),
    ] {
        let scene = Scene::execution(
            &rule(2, 0),
            [Ends::fail("Glue.Throttled", "busy")]
                .into_iter()
                .chain(after),
        );
        let event = scene.failed();
        scene.person_retries();
        scene.wind(601);
        scene.emitted();
        let status = scene.status();
        let record = scene.handle_event(&event);
        assert_eq!(
            (record.reason, scene.effects(), scene.status()),
            (reason, 0, status)
        );
        assert!(scene.adapters.calls().contains(&"know"));
    }
}
