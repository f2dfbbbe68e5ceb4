//! "Step Functions Execution Status Change", as EventBridge would deliver it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::execution::Execution;
use super::options::EventDate;
use super::wire::Object;
use super::{Options, StepFunctions};
use crate::api::Emitted;
use crate::dates::{epoch_seconds, rfc3339};

/// Maximum size of escaped input and output together (documented).
const DATA_LIMIT: usize = 248 * 1024;

impl StepFunctions {
    /// Emits the event of an execution's current status.
    pub(super) fn announce(&mut self, at: u64, arn: &str) {
        let Some(execution) = self.executions.get(arn) else {
            return;
        };
        if execution.map_run.is_some() && !self.options.announce_map_children {
            return;
        }
        let deleting = self.is_deleting(execution);
        let event = Object::default()
            .with("version", "0")
            .with("id", self.ids.uuid())
            .with("detail-type", "Step Functions Execution Status Change")
            .with("source", "aws.states")
            .with("account", self.place.account.as_str())
            .with("time", rfc3339(at))
            .with("region", self.place.region.as_str())
            .with("resources", json!([arn]))
            .with("detail", detail(execution, deleting, at, &self.options));
        self.events.push(Emitted {
            at,
            event: event.done(),
        });
    }

    pub(super) fn is_deleting(&self, execution: &Execution) -> bool {
        self.machines
            .get(execution.unlabeled_machine())
            .is_some_and(|machine| machine.deleting)
    }
}

/// Returns the detail of an event.
// AWS: every key is present, absent values are null, and dates are integers in milliseconds (observed).
// The order of the keys is not kept, since nothing may depend on it.
fn detail(execution: &Execution, deleting: bool, at: u64, options: &Options) -> Value {
    let phase = &execution.phase;
    let redrivable = execution.redrivable(phase, deleting, at, options);
    let (status, reason) = redrivable.parts();
    let (input, input_details) = data(Some(&execution.input), phase.output.as_deref());
    let (output, output_details) = data(phase.output.as_deref(), None);
    let date = phase
        .redrive_date
        .map(|ms| match options.redrive_date_in_event {
            EventDate::Milliseconds => json!(ms),
            EventDate::Seconds => epoch_seconds(ms),
            EventDate::Rfc3339 => json!(rfc3339(ms)),
        });
    Object::default()
        .with("executionArn", or_null(Some(&execution.arn)))
        .with("stateMachineArn", or_null(Some(&execution.machine)))
        .with("name", or_null(Some(&execution.name)))
        .with("status", phase.status.as_str())
        .with("startDate", execution.start)
        .with("stopDate", phase.stop)
        .with("input", input)
        .with("output", output)
        .with(
            "stateMachineVersionArn",
            or_null(execution.version.as_ref()),
        )
        .with("stateMachineAliasArn", or_null(execution.alias.as_ref()))
        .with("redriveCount", phase.redrive_count)
        .with("redriveDate", date)
        .with("redriveStatus", status)
        .with("redriveStatusReason", reason)
        .with("inputDetails", input_details)
        .with("outputDetails", output_details)
        .with("error", or_null(phase.failure.error.as_ref()))
        .with("cause", or_null(phase.failure.cause.as_ref()))
        .done()
}

fn or_null(value: Option<&Arc<str>>) -> Value {
    value.map_or(Value::Null, |text| Value::from(&**text))
}

/// Returns a value and its details. A value that is too long together with `beside` is left out (documented).
fn data(value: Option<&str>, beside: Option<&str>) -> (Value, Value) {
    let Some(value) = value else {
        return (Value::Null, Value::Null);
    };
    let beside = beside.unwrap_or_default();
    // No escaped byte needs more than six bytes, so short values need no counting.
    let short = (value.len() + beside.len()) * 6 <= DATA_LIMIT;
    let included = short || escaped(value) + escaped(beside) <= DATA_LIMIT;
    let shown = if included {
        Value::from(value)
    } else {
        Value::Null
    };
    (shown, json!({ "included": included }))
}

/// Returns the length of a string in JSON, without its quotes.
fn escaped(value: &str) -> usize {
    value
        .chars()
        .map(|c| match c {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            c if c < ' ' => 6,
            c => c.len_utf8(),
        })
        .sum()
}
