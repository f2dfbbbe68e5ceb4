//! EventBridge, between the services and the functions.

use std::rc::Rc;

use redrive_core::time::Time;
use serde_json::Value;

use super::run::Run;
use super::weather::Class;
use super::world::Next;

impl Run<'_> {
    /// EventBridge delivers an event, or does not.
    pub(super) fn deliver(&mut self, event: &Value, emitted: Time, now: Time) {
        let world = self.world;
        let mut bytes = event.to_string().into_bytes();
        if world.comes(Class::EventMalformed) {
            let cut = world.weather.borrow_mut().one_of(bytes.len());
            bytes.truncate(cut);
        }
        let bytes: Rc<[u8]> = bytes.into();
        if world.comes(Class::EventLost) {
            return;
        }
        let times = 1 + u32::from(world.comes(Class::EventDoubled));
        for _ in 0..times {
            let mut at = now.plus(world.span(100, 2_000));
            if world.comes(Class::EventReordered) {
                at = at.plus(world.span(1_000, 120_000));
            }
            if world.comes(Class::EventLate) {
                at = at.plus(world.span(60_000, 24 * 3_600_000));
            }
            let bytes = Rc::clone(&bytes);
            world.plan(
                at,
                Next::Event {
                    bytes,
                    emitted,
                    tries: 1,
                },
            );
        }
    }
}

/// What the rules of template.yaml let through.
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

/// An event, for a trace.
pub(super) fn told(event: &Value) -> String {
    let text = |pointer: &str| {
        event
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    match text("/source") {
        "aws.states" => format!(
            "event: {} {} (redriveCount {})",
            text("/detail/executionArn")
                .rsplit(':')
                .take(2)
                .collect::<Vec<_>>()
                .join(" of "),
            text("/detail/status"),
            event
                .pointer("/detail/redriveCount")
                .unwrap_or(&Value::Null)
        ),
        _ => format!(
            "event: {} {} {} {}",
            text("/detail/pipeline"),
            text("/detail/stage"),
            text("/detail/action"),
            text("/detail/state")
        ),
    }
}
