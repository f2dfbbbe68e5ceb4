//! A redrive that the SDK tries several times: the last answer does not say what came of the tries before it.

use redrive_core::controller::{CallResult, Outcome};
use redrive_core::failure::Subject;
use redrive_core::ledger::EntryStore;
use serde_json::json;

use crate::{Scene, busy, passes, task};

#[tokio::test]
async fn a_refusal_after_a_try_that_may_have_taken_effect_is_unknown() {
    let refuse = |code: &str, status: u16| json!({ "refuse": { "code": code, "message": "x", "status": status } });
    let throttled = || refuse("ThrottlingException", 400);
    let lost = || json!("lose_answer");
    for (faults, outcome, redrives) in [
        (
            vec![lost(), throttled(), throttled()],
            CallResult::InDoubt,
            1,
        ),
        (
            vec![throttled(), lost(), throttled()],
            CallResult::InDoubt,
            1,
        ),
        (
            vec![lost(), refuse("AccessDeniedException", 400)],
            CallResult::InDoubt,
            1,
        ),
        (
            vec![json!("lose_request"), throttled(), throttled()],
            CallResult::InDoubt,
            0,
        ),
        (
            vec![refuse("InternalFailure", 500), throttled(), throttled()],
            CallResult::InDoubt,
            0,
        ),
        // Nothing is in doubt before the last try, or its answer says all.
        (
            vec![throttled(), throttled(), throttled()],
            CallResult::Throttled,
            0,
        ),
        (
            vec![throttled(), throttled(), refuse("SlowDown", 503)],
            CallResult::Throttled,
            0,
        ),
        (vec![lost(), throttled()], CallResult::Accepted, 1),
    ] {
        let scene = Scene::new();
        let arn = scene.execution(task(), json!([busy(), passes()])).await;
        for fault in &faults {
            scene.fault("states", "RedriveExecution", fault.clone());
        }
        let record = scene.handle_event(&scene.events("FAILED")[0]).await;
        assert_eq!(record.call_result, Some(outcome), "{faults:?}");
        let count = scene.describe(&arn).await.redrive_count;
        assert_eq!(count, Some(redrives), "{faults:?}");
    }
}

/// Its charge is kept when the execution fails again: the limit holds.
#[tokio::test]
async fn a_redrive_that_was_made_by_a_try_in_doubt_is_charged() {
    let scene = Scene::new();
    let arn = scene
        .execution(task(), json!([busy(), busy(), passes()]))
        .await;
    for fault in [
        json!("lose_answer"),
        json!({ "refuse": { "code": "ThrottlingException" } }),
        json!({ "refuse": { "code": "ThrottlingException" } }),
    ] {
        scene.fault("states", "RedriveExecution", fault);
    }
    let first = scene.handle_event(&scene.events("FAILED")[0]).await;
    assert_eq!(first.outcome, Outcome::InDoubt);
    scene.wind(2);
    let second = scene.handle_event(&scene.events("FAILED")[1]).await;
    assert_eq!(second.outcome, Outcome::Retried);
    let entry = scene.ledger.read(&Subject::Execution { arn }).await;
    assert_eq!(entry.unwrap().unwrap().retries, 2, "two took effect");
}
