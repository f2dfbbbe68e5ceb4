//! The triggers of the functions, as in template.yaml: the EventBridge rules, and how often an event or a message is
//! delivered.

use std::time::Duration;

use serde_json::Value;

/// Maximum number of runs of a function for one event.
const MAX_RUNS: u32 = 3;

/// Maximum number of receives of one message.
const MAX_RECEIVES: u32 = 5;

/// How long a received message is hidden. A message that met an error comes again afterwards.
pub(crate) const VISIBILITY: Duration = Duration::from_secs(540);

/// Returns how long after a failed run Lambda runs a function again for an event. `runs` counts the runs so far. Returns
/// `None` where the event goes to the dead-letter queue.
// AWS: the second run follows after one minute, the third after two more (Asynchronous invocation).
pub(crate) fn runs_again_after(runs: u32) -> Option<Duration> {
    (runs < MAX_RUNS).then(|| Duration::from_secs(60 * u64::from(runs)))
}

/// Returns whether the queue delivers a message again. `receives` counts the receives so far.
pub(crate) const fn is_received_again(receives: u32) -> bool {
    receives < MAX_RECEIVES
}

/// Returns whether a rule of template.yaml matches an event.
pub(crate) fn is_for_us(event: &Value) -> bool {
    let detail = event.get("detail");
    let text = |key: &str| {
        detail
            .and_then(|detail| detail.get(key))
            .and_then(Value::as_str)
    };
    match event.get("source").and_then(Value::as_str) {
        Some("aws.states") => match text("status") {
            Some("FAILED" | "TIMED_OUT") => true,
            Some("SUCCEEDED" | "ABORTED") => detail
                .and_then(|detail| detail.get("redriveCount"))
                .and_then(Value::as_u64)
                .is_some_and(|count| count > 0),
            _ => false,
        },
        Some("aws.codepipeline") => {
            event.get("detail-type").and_then(Value::as_str)
                == Some("CodePipeline Stage Execution State Change")
                && !matches!(text("state"), Some("STARTED" | "RESUMED"))
        }
        _ => false,
    }
}
