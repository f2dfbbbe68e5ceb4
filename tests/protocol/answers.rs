//! Answers in words that nobody knows: whatever answers a retry, it is made at most `limit` times, and once the answers
//! are well again no failure is lost.
//!
//! `cargo test -p redrive-simulation --test protocol answers -- --nocapture` prints the table.

use redrive_core::ledger::State;
use redrive_core::verdict::Reason;
use redrive_emulator::api::{Fault, RawAnswer};

use crate::scene::{Scene, rule};

const LIMIT: u32 = 2;
const HTML: &str = "<html><body>Something answered</body></html>";

/// Status and body of each kind of answer, and what it asks for.
#[rustfmt::skip]
const KINDS: [(u16, &str, Asks); 26] = [
    (200, HTML, Asks::Nothing), (200, "null", Asks::Nothing), (200, "[]", Asks::Nothing), (204, "", Asks::Nothing),
    (301, "", Asks::Nothing), (302, HTML, Asks::Nothing), (400, HTML, Asks::Nothing), (404, HTML, Asks::Nothing),
    (408, HTML, Asks::Nothing), (413, HTML, Asks::Nothing), (500, HTML, Asks::Nothing), (502, HTML, Asks::Nothing),
    (503, "", Asks::Nothing), (504, "", Asks::Nothing),
    (400, r#"{"__type":"SomethingNew"}"#, Asks::Nothing),
    (400, r#"{"__type":"com.amazon.coral.service#SomethingNew"}"#, Asks::Nothing),
    (400, r#"{"__type":"RequestAbortedException"}"#, Asks::Nothing),
    (408, r#"{"__type":"RequestTimeoutException"}"#, Asks::Nothing),
    (400, r#"{"__type":"RequestTimeout"}"#, Asks::Nothing),
    (429, HTML, Asks::BackOff), (429, r#"{"__type":"SomethingNew"}"#, Asks::BackOff),
    (503, r#"{"__type":"ThrottlingException"}"#, Asks::BackOff),
    (400, r#"{"__type":"PriorRequestNotComplete"}"#, Asks::BackOff),
    (401, HTML, Asks::Permission), (403, HTML, Asks::Permission), (407, HTML, Asks::Permission),
];

/// What an answer asks for by its status alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Nothing,
    BackOff,
    Permission,
}

#[test]
fn strange_answers_keep_the_limit_and_lose_no_failure() {
    println!(
        "{:<7} {:<6} {:<6} {:<62} retries charged state, reason",
        "service", "effect", "how", "answer"
    );
    for (status, body, asks) in KINDS {
        for takes_effect in [false, true] {
            for always in [false, true] {
                for scene in Scene::both_for_ever(&rule(LIMIT, 0)) {
                    let raw = RawAnswer {
                        status,
                        content_type: "text/html".into(),
                        body: body.into(),
                    };
                    for _ in 0..if always { 4_000 } else { 1 } {
                        let raw = raw.clone();
                        scene.retry_meets(Fault::Answer { raw, takes_effect });
                    }
                    let event = scene.failed();
                    scene.calm(&[event]);
                    let (state, reason, charged, retries) = scene.stands();
                    let effects = scene.effects();
                    let row = format!(
                        "{:<7} {:<6} {:<6} {:<62} {effects:>7} {charged:>7} {}, {reason}",
                        if scene.is_stage() { "stage" } else { "run" },
                        if takes_effect { "after" } else { "before" },
                        if always { "always" } else { "once" },
                        format!("{status} {body}"),
                        state.as_str(),
                    );
                    println!("{row}");
                    let limit = usize::try_from(LIMIT).unwrap();
                    assert!(effects <= limit, "{row}");
                    assert!(effects <= usize::try_from(charged).unwrap(), "{row}");
                    assert_eq!(charged, retries, "{row}");
                    let expected = match (takes_effect, always, asks) {
                        // Both retries were made, and what failed after them is over the limit.
                        (true, _, _) | (_, false, _) => (limit, State::GivenUp, Reason::LimitSpent),
                        // Tried for as long as AWS redrives, or as it may be busy, and never thought to be made.
                        (false, true, Asks::BackOff) => (0, State::GivenUp, Reason::TargetBusy),
                        (false, true, _) => (0, State::GivenUp, Reason::NotRedrivable),
                    };
                    assert_eq!((effects, state, reason), expected, "{row}");
                }
            }
        }
    }
}

#[test]
fn a_fresh_failure_that_aws_still_shows_as_running_is_looked_at_and_retried() {
    let [scene, _] = Scene::both(&rule(2, 0));
    let event = scene.failed();
    let running =
        "Execution arn invalid for redrive as: Execution is RUNNING and cannot be redriven";
    let still = || {
        Fault::Refuse(redrive_emulator::api::ApiError::new(
            "ExecutionNotRedrivable",
            running,
        ))
    };
    scene.retry_meets(still());
    let record = scene.handle_event(&event);
    assert_eq!(record.outcome, redrive_core::controller::Outcome::BackedOff);
    assert!(scene.entry().verify_before_retry);
    scene.calm(&[]);
    assert_eq!((scene.effects(), scene.stands().0), (1, State::Recovered));
    // Long after the failure it is AWS's word: somebody else has redriven it, or does so now.
    let [scene, _] = Scene::both(&rule(2, 600));
    scene.handle_event(&scene.failed());
    scene.retry_meets(still());
    scene.wind(600);
    scene.deliver();
    assert_eq!(
        scene.stands(),
        (State::GivenUp, Reason::TargetChanged, 0, 0)
    );
}
