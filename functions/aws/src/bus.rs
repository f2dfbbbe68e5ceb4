//! Decisions as events on an event bus, for people who route give-ups to a chat or a pager.
//!
//! An event describes a decision and its outcome in the words of the wide line. `events/redrive-01-gave-up.json`
//! shows its shape.
//!
//! [`Bus::put`] runs after the outcome is known and before the wide line, which counts the events. No other step
//! depends on their delivery.

mod decision_event;

use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::retry::RetryConfig;
use aws_sdk_eventbridge::config::timeout::TimeoutConfig;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use redrive_core::controller::{Record, RunMode};
use serde::Serialize;
use tracing::warn;

use self::decision_event::DecisionEvent;

/// The events' source.
const SOURCE: &str = "redrive";
/// Their detail-type.
const DETAIL_TYPE: &str = "Redrive Decision";
/// Maximum number of entries in one call. AWS: the maximum is 10 (PutEvents).
const MOST: usize = 10;
/// Maximum time of one attempt. It is short, since the function has its own work to finish.
const ATTEMPT: Duration = Duration::from_millis(1_000);
/// Maximum time of a call with its second attempt.
const OPERATION: Duration = Duration::from_millis(2_500);

/// One event bus.
#[derive(Debug, Clone)]
pub struct Bus {
    client: Client,
    name: String,
}

/// Counts of the decisions of one handling.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PutCounts {
    /// Decisions that are on the bus.
    #[serde(skip_serializing_if = "is_none")]
    pub decisions_put: u64,
    /// Decisions that could not be put on the bus.
    #[serde(skip_serializing_if = "is_none")]
    pub decisions_lost: u64,
}

const fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Bus {
    /// Returns the bus with a name or an ARN.
    #[must_use]
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self {
            client,
            name: name.into(),
        }
    }

    /// Builds a client with short timeouts and at most two attempts, since its events only report finished work.
    #[must_use]
    pub fn hurried(config: aws_sdk_eventbridge::config::Builder) -> Client {
        let times = TimeoutConfig::builder()
            .connect_timeout(ATTEMPT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(2)
            .with_initial_backoff(Duration::from_millis(100));
        Client::from_conf(config.timeout_config(times).retry_config(retries).build())
    }

    /// Puts the decisions of the records on the bus. After a failed call the remaining decisions count as lost. A bus
    /// that does not answer must not use up the time of the function's other work.
    pub async fn put(
        &self,
        function: &'static str,
        mode: RunMode,
        records: impl Iterator<Item = &Record>,
    ) -> PutCounts {
        let entries: Vec<_> = records
            .filter_map(|record| self.entry(function, mode, record))
            .collect();
        let mut counts = PutCounts::default();
        let mut out_of_reach = false;
        for some in entries.chunks(MOST) {
            let many = u64::try_from(some.len()).unwrap_or_default();
            let lost = if out_of_reach {
                many
            } else {
                let put = self.client.put_events().set_entries(Some(some.to_vec()));
                match put.send().await {
                    Ok(answer) => u64::try_from(answer.failed_entry_count).unwrap_or(many),
                    Err(error) => {
                        out_of_reach = true;
                        // Only the code is logged, since the message of an error may quote the request.
                        let code = aws_sdk_eventbridge::error::ProvideErrorMetadata::code(&error);
                        warn!(code, "PutEvents failed");
                        many
                    }
                }
            };
            counts.decisions_lost = counts.decisions_lost.saturating_add(lost);
            counts.decisions_put = counts
                .decisions_put
                .saturating_add(many.saturating_sub(lost));
        }
        counts
    }

    fn entry(
        &self,
        function: &'static str,
        mode: RunMode,
        record: &Record,
    ) -> Option<PutEventsRequestEntry> {
        let event = DecisionEvent::of(function, mode, record)?;
        let at = i64::try_from(record.at.as_millis()).ok()?;
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE)
            .detail_type(DETAIL_TYPE)
            .time(DateTime::from_millis(at))
            .resources(event.subject.arn())
            // Serialization does not fail, since every key is a string and every value is serializable.
            .detail(serde_json::to_string(&event).ok()?);
        Some(entry.build())
    }
}

#[cfg(test)]
mod tests {
    use redrive_core::controller::Outcome;
    use redrive_core::failure::Subject;
    use redrive_core::time::Time;
    use redrive_core::verdict::Reason;
    use serde_json::Value;

    use super::*;

    const SAMPLE: &str = include_str!("../../../events/redrive-01-gave-up.json");

    fn bus() -> Bus {
        let config = aws_sdk_eventbridge::Config::builder()
            .behavior_version(aws_sdk_eventbridge::config::BehaviorVersion::latest())
            .build();
        Bus::new(Client::from_conf(config), "decisions")
    }

    #[test]
    fn event_has_the_envelope_of_its_sample() {
        let sample: Value = serde_json::from_str(SAMPLE).unwrap();
        let at = Time::parse(sample["time"].as_str().unwrap()).unwrap();
        let record = Record {
            subject: Some(Subject::stage(
                "aws",
                "eu-west-1",
                "111122223333",
                "etl-catalogue",
                "Source",
                "f6212831-d333-4c45-947b-c0aea8c119b6",
            )),
            ..Record::new(at, Outcome::GaveUp, Reason::DeniedByPolicy)
        };
        let entry = bus().entry("codepipeline", RunMode::Act, &record).unwrap();
        assert!(entry.detail().unwrap().starts_with("{\"version\":1,"));
        assert_eq!(entry.source().unwrap(), sample["source"]);
        assert_eq!(entry.detail_type().unwrap(), sample["detail-type"]);
        assert_eq!(Value::from(entry.resources()), sample["resources"]);
        let at = i64::try_from(at.as_millis()).unwrap();
        assert_eq!(entry.time(), Some(&DateTime::from_millis(at)));
        assert_eq!(entry.event_bus_name(), Some("decisions"));
    }
}
