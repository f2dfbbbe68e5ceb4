//! The metrics that CloudWatch reads out of the wide line, by its embedded metric format.
//!
//! The shape is that of "Specification: Embedded metric format" in the Amazon CloudWatch User Guide: `_aws` says
//! which members of the line are metrics, in which namespace and by which dimensions. There is one dimension, the
//! stack, since each further one multiplies what is billed; what else is asked, the line itself answers.

use redrive_core::calls::CallResult;
use redrive_core::failure::Service;
use redrive_core::handle::{Done, Record};
use redrive_core::time::Time;
use redrive_core::trouble::{Trouble, TroubleKind};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::tick::Tick;

/// The namespace.
const NAMESPACE: &str = "redrive";
/// The dimension.
const STACK: &str = "Stack";

/// What is counted and measured. A line bears those that it has something to say about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Failures whose retry AWS took.
    Redriven,
    /// Subjects that succeeded after a failure that was judged.
    Recovered,
    /// Failures that were given up.
    GaveUp,
    /// Failures of which it was written down what would be done.
    Observed,
    /// Events that were none of ours.
    Ignored,
    /// Events that could not be read.
    Malformed,
    /// From receiving a failure to the end of what followed at once, in milliseconds.
    DecisionLatency,
    /// The age of the oldest claim that nobody has settled, as a tick of the sweep began, in seconds.
    OldestClaim,
    /// Executions that no event told of.
    FoundExecutions,
    /// Stages that no event told of.
    FoundStages,
    /// Calls that we may not make.
    Denied,
    /// Calls that were too many for AWS.
    Throttled,
    /// Events, messages, entries and lists that met trouble.
    Troubled,
    /// Decisions that could not be put on the bus.
    DecisionsLost,
}

impl Metric {
    const fn name(self) -> &'static str {
        match self {
            Self::Redriven => "Redriven",
            Self::Recovered => "Recovered",
            Self::GaveUp => "GaveUp",
            Self::Observed => "Observed",
            Self::Ignored => "Ignored",
            Self::Malformed => "Malformed",
            Self::DecisionLatency => "DecisionLatency",
            Self::OldestClaim => "OldestClaim",
            Self::FoundExecutions => "FoundExecutions",
            Self::FoundStages => "FoundStages",
            Self::Denied => "Denied",
            Self::Throttled => "Throttled",
            Self::Troubled => "Troubled",
            Self::DecisionsLost => "DecisionsLost",
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::DecisionLatency => "Milliseconds",
            Self::OldestClaim => "Seconds",
            _ => "Count",
        }
    }
}

/// The metrics of one line, and what `_aws` says of them.
#[derive(Debug)]
pub(crate) struct Metrics<'a> {
    /// The stack, or nothing is measured.
    pub(crate) stack: Option<&'a str>,
    /// When.
    pub(crate) at: Time,
    /// What.
    pub(crate) values: Vec<(Metric, u64)>,
}

impl Serialize for Metrics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        if let (Some(stack), false) = (self.stack, self.values.is_empty()) {
            let metrics: Vec<_> = self
                .values
                .iter()
                .map(|(metric, _)| json!({ "Name": metric.name(), "Unit": metric.unit() }))
                .collect();
            let directive =
                json!({ "Namespace": NAMESPACE, "Dimensions": [[STACK]], "Metrics": metrics });
            let aws = json!({ "Timestamp": self.at.as_millis(), "CloudWatchMetrics": [directive] });
            members.serialize_entry("_aws", &aws)?;
            members.serialize_entry(STACK, stack)?;
            for (metric, value) in &self.values {
                members.serialize_entry(metric.name(), value)?;
            }
        }
        members.end()
    }
}

/// What a record counts as. A function that handles events has decided within `took_ms`.
pub(crate) fn of_record(record: &Record, took_ms: Option<u64>) -> Vec<(Metric, u64)> {
    let counted = match record.done {
        Done::Retried | Done::Confirmed => Some(Metric::Redriven),
        Done::Recovered => Some(Metric::Recovered),
        Done::GaveUp => Some(Metric::GaveUp),
        Done::Observed => Some(Metric::Observed),
        Done::Ignored if record.malformed.is_some() => Some(Metric::Malformed),
        Done::Ignored => Some(Metric::Ignored),
        Done::Queued
        | Done::PutOff
        | Done::Unknown
        | Done::Duplicate
        | Done::Stale
        | Done::Ended
        | Done::Lost => None,
    };
    let refused = match record.call_result {
        Some(CallResult::AccessDenied) => Some(Metric::Denied),
        Some(CallResult::Throttled) => Some(Metric::Throttled),
        _ => None,
    };
    let decided = matches!(
        record.done,
        Done::Retried | Done::Queued | Done::PutOff | Done::Unknown | Done::GaveUp | Done::Observed
    );
    let mut values: Vec<_> = counted
        .into_iter()
        .chain(refused)
        .map(|metric| (metric, 1))
        .collect();
    // A retry that was denied, and its settling too, is one line, and counts once.
    values.extend(
        record
            .unsettled
            .iter()
            .flat_map(of_trouble)
            .filter(|(metric, _)| Some(*metric) != refused),
    );
    values.extend(
        took_ms
            .filter(|_| decided)
            .map(|took| (Metric::DecisionLatency, took)),
    );
    values
}

/// What trouble counts as.
pub(crate) fn of_trouble(trouble: &Trouble) -> Vec<(Metric, u64)> {
    let kind = match trouble.kind {
        TroubleKind::Denied => Some(Metric::Denied),
        TroubleKind::Throttled => Some(Metric::Throttled),
        TroubleKind::Withheld | TroubleKind::Unreachable | TroubleKind::Bug => None,
    };
    core::iter::once(Metric::Troubled)
        .chain(kind)
        .map(|metric| (metric, 1))
        .collect()
}

/// What a tick says. It says so always, for a tick that says nothing has not been.
pub(crate) fn of_tick(tick: &Tick) -> Vec<(Metric, u64)> {
    let found = |service| tick.unannounced.get(&service).copied().unwrap_or_default();
    vec![
        (Metric::OldestClaim, tick.oldest_claim_seconds),
        (Metric::FoundExecutions, found(Service::StepFunctions)),
        (Metric::FoundStages, found(Service::CodePipeline)),
    ]
}

/// How many failures were dealt with of which no event had told, by service. What is not ours, or known after all,
/// is none.
pub(crate) fn unannounced(records: &[Record]) -> std::collections::BTreeMap<Service, u64> {
    let mut counts = std::collections::BTreeMap::new();
    for record in records {
        let dealt_with = !matches!(
            record.done,
            Done::Ignored | Done::Duplicate | Done::Stale | Done::Lost
        );
        if let (Some(subject), true) = (&record.subject, dealt_with) {
            let count: &mut u64 = counts.entry(subject.service()).or_default();
            *count = count.saturating_add(1);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use redrive_core::failure::Subject;

    use super::*;
    use crate::samples::{foretold, observed};

    #[test]
    fn each_ending_counts_as_what_it_is() {
        let table: [(Done, &[&str]); 13] = [
            (Done::Retried, &["Redriven", "DecisionLatency"]),
            (Done::Confirmed, &["Redriven"]),
            (Done::Queued, &["DecisionLatency"]),
            (Done::PutOff, &["DecisionLatency"]),
            (Done::Unknown, &["DecisionLatency"]),
            (Done::GaveUp, &["GaveUp", "DecisionLatency"]),
            (Done::Observed, &["Observed", "DecisionLatency"]),
            (Done::Recovered, &["Recovered"]),
            (Done::Ended, &[]),
            (Done::Ignored, &["Ignored"]),
            (Done::Duplicate, &[]),
            (Done::Stale, &[]),
            (Done::Lost, &[]),
        ];
        for (done, names) in table {
            let record = Record { done, ..observed() };
            let counted = |took| {
                let values = of_record(&record, took);
                values.iter().map(|(one, _)| one.name()).collect::<Vec<_>>()
            };
            assert_eq!(counted(Some(5)), names, "{done:?}");
            let without: Vec<_> = names
                .iter()
                .filter(|name| **name != "DecisionLatency")
                .collect();
            assert_eq!(
                counted(None).iter().collect::<Vec<_>>(),
                without,
                "by the sweep"
            );
        }
        let malformed = foretold("[");
        assert_eq!(of_record(&malformed, Some(5)), [(Metric::Malformed, 1)]);
        let ignored = foretold(include_str!("../../../events/sfn-19-running.json"));
        assert_eq!(of_record(&ignored, Some(5)), [(Metric::Ignored, 1)]);
        for (result, metric) in [
            (CallResult::AccessDenied, Metric::Denied),
            (CallResult::Throttled, Metric::Throttled),
        ] {
            let record = Record {
                done: Done::PutOff,
                call_result: Some(result),
                ..observed()
            };
            assert_eq!(of_record(&record, None), [(metric, 1)]);
        }
    }

    #[test]
    fn a_retry_that_could_not_be_written_down_counts_as_the_trouble_that_it_met() {
        let unsettled = |result| Record {
            done: Done::Retried,
            call_result: Some(result),
            unsettled: Some(Trouble::new(TroubleKind::Denied, "PutItem")),
            ..observed()
        };
        let also = [
            (Metric::Redriven, 1),
            (Metric::Troubled, 1),
            (Metric::Denied, 1),
        ];
        assert_eq!(of_record(&unsettled(CallResult::Accepted), None), also);
        let once = [
            (Metric::Redriven, 1),
            (Metric::Denied, 1),
            (Metric::Troubled, 1),
        ];
        assert_eq!(of_record(&unsettled(CallResult::AccessDenied), None), once);
    }

    #[test]
    fn trouble_is_counted_with_what_it_is() {
        for (kind, also) in [
            (TroubleKind::Denied, Some(Metric::Denied)),
            (TroubleKind::Throttled, Some(Metric::Throttled)),
            (TroubleKind::Unreachable, None),
            (TroubleKind::Withheld, None),
            (TroubleKind::Bug, None),
        ] {
            let counted = of_trouble(&Trouble::new(kind, "PutItem"));
            let expected: Vec<_> = [Some(Metric::Troubled), also]
                .into_iter()
                .flatten()
                .map(|metric| (metric, 1))
                .collect();
            assert_eq!(counted, expected);
        }
    }

    #[test]
    fn a_failure_that_was_found_and_dealt_with_is_one_that_no_event_told_of() {
        let stage = Subject::stage(
            "aws",
            "eu-west-1",
            "111122223333",
            "web",
            "Build",
            "5f0c2f0e-1",
        );
        let records: Vec<Record> = [
            Done::Retried,
            Done::Queued,
            Done::Ignored,
            Done::Duplicate,
            Done::Stale,
        ]
        .into_iter()
        .map(|done| Record { done, ..observed() })
        .chain([Record {
            subject: Some(stage),
            ..observed()
        }])
        .collect();
        let counts = unannounced(&records);
        assert_eq!(counts[&Service::StepFunctions], 2);
        assert_eq!(counts[&Service::CodePipeline], 1);
    }
}
