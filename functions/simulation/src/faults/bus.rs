//! EventBridge, between the services and the functions.

use std::rc::Rc;

use redrive_core::time::Time;
use serde_json::Value;

use super::fault_plan::FaultClass;
use super::simulation::{Next, Simulation};

impl Simulation {
    /// Delivers an event through EventBridge. A fault may cut, lose, double or delay the event.
    pub(super) fn deliver(&self, event: &Value, emitted: Time, now: Time) {
        let mut bytes = event.to_string().into_bytes();
        if self.occurs(FaultClass::EventMalformed) {
            let cut = self.fault_plan.borrow_mut().one_of(bytes.len());
            bytes.truncate(cut);
        }
        let bytes: Rc<[u8]> = bytes.into();
        if self.occurs(FaultClass::EventLost) {
            return;
        }
        let times = 1 + u32::from(self.occurs(FaultClass::EventDoubled));
        for _ in 0..times {
            let mut at = now.plus(self.span(100, 2_000));
            if self.occurs(FaultClass::EventReordered) {
                at = at.plus(self.span(1_000, 120_000));
            }
            if self.occurs(FaultClass::EventLate) {
                at = at.plus(self.span(60_000, 24 * 3_600_000));
            }
            let bytes = Rc::clone(&bytes);
            self.plan(
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

/// Returns an event's line in a trace.
pub(super) fn described(event: &Value) -> String {
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
