//! The EventBridge rules of template.yaml, which invoke the functions.

use serde_json::Value;

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
