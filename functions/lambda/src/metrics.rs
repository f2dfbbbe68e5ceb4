//! The metrics that CloudWatch extracts from the wide line in the embedded metric format.
//!
//! AWS: `_aws` names the members of the line that are metrics, their namespace and their dimensions (Specification:
//! Embedded metric format, Amazon CloudWatch User Guide).
//!
//! The stack is the only dimension, since each further dimension multiplies the billed metrics. The wide line itself
//! answers other questions.

use redrive_core::calls::CallResult;
use redrive_core::controller::{Outcome, Record};
use redrive_core::error::{Error, ErrorKind};
use redrive_core::failure::Service;
use redrive_core::time::Time;
use serde::{Serialize, Serializer};

use crate::tick::Tick;

/// The namespace.
const NAMESPACE: &str = "redrive";
/// The dimension.
const STACK: &str = "Stack";

/// A metric, serialized by its name. A line holds only the metrics that apply to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Metric {
    /// Failures whose retry AWS accepted.
    Retried,
    /// Subjects that succeeded after a judged failure.
    Recovered,
    /// Failures that redrive gave up.
    GaveUp,
    /// Failures whose decision was recorded and not carried out.
    Observed,
    /// Events that do not concern redrive.
    Ignored,
    /// Events that could not be read.
    Malformed,
    /// The time from the receipt of a failure to the end of its immediate handling, in milliseconds.
    DecisionLatency,
    /// The age of the oldest unsettled claim at the start of a sweep, in seconds.
    OldestClaimAge,
    /// Failed executions that no event announced.
    DiscoveredExecutions,
    /// Failed stages that no event announced.
    DiscoveredStages,
    /// Calls that AWS denied.
    AccessDenied,
    /// Calls that AWS throttled.
    Throttled,
    /// Errors of events, messages, entries and lists.
    Errors,
    /// Decisions that could not be put on the bus.
    DecisionsLost,
}

impl Metric {
    const fn unit(self) -> &'static str {
        match self {
            Self::DecisionLatency => "Milliseconds",
            Self::OldestClaimAge => "Seconds",
            _ => "Count",
        }
    }
}

/// The metrics of one line, and the directive that names them.
#[derive(Debug, Serialize)]
pub(crate) struct Metrics<'a> {
    #[serde(rename = "_aws")]
    aws: Aws,
    #[serde(rename = "Stack")]
    stack: &'a str,
    #[serde(flatten, serialize_with = "as_members")]
    values: Vec<(Metric, u64)>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Aws {
    timestamp: u64,
    cloud_watch_metrics: [Directive; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: [[&'static str; 1]; 1],
    metrics: Vec<Definition>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: Metric,
    unit: &'static str,
}

impl<'a> Metrics<'a> {
    /// Returns the metrics of a line of a stack, if the line has any.
    pub(crate) fn of(stack: &'a str, at: Time, values: Vec<(Metric, u64)>) -> Option<Self> {
        let definition = |(metric, _): &(Metric, u64)| Definition {
            name: *metric,
            unit: metric.unit(),
        };
        let directive = Directive {
            namespace: NAMESPACE,
            dimensions: [[STACK]],
            metrics: values.iter().map(definition).collect(),
        };
        (!values.is_empty()).then_some(Self {
            aws: Aws {
                timestamp: at.as_millis(),
                cloud_watch_metrics: [directive],
            },
            stack,
            values,
        })
    }
}

fn as_members<S: Serializer>(values: &[(Metric, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(values.iter().copied())
}

/// Returns the metrics of a record. `took_ms` is the decision's latency, in a function that handles events.
pub(crate) fn of_record(record: &Record, took_ms: Option<u64>) -> Vec<(Metric, u64)> {
    let counted = match record.outcome {
        Outcome::Retried | Outcome::Confirmed => Some(Metric::Retried),
        Outcome::Recovered => Some(Metric::Recovered),
        Outcome::GaveUp => Some(Metric::GaveUp),
        Outcome::Observed => Some(Metric::Observed),
        Outcome::Ignored if record.malformed.is_some() => Some(Metric::Malformed),
        Outcome::Ignored => Some(Metric::Ignored),
        Outcome::Queued
        | Outcome::BackedOff
        | Outcome::InDoubt
        | Outcome::Duplicate
        | Outcome::Stale
        | Outcome::Terminated
        | Outcome::Conflict => None,
    };
    let refused = match record.call_result {
        Some(CallResult::AccessDenied) => Some(Metric::AccessDenied),
        Some(CallResult::Throttled) => Some(Metric::Throttled),
        _ => None,
    };
    let decided = matches!(
        record.outcome,
        Outcome::Retried
            | Outcome::Queued
            | Outcome::BackedOff
            | Outcome::InDoubt
            | Outcome::GaveUp
            | Outcome::Observed
    );
    let mut values: Vec<_> = counted
        .into_iter()
        .chain(refused)
        .map(|metric| (metric, 1))
        .collect();
    // A line counts AccessDenied or Throttled once, even if both the retry and its settle met it.
    values.extend(
        record
            .unsettled
            .iter()
            .flat_map(of_error)
            .filter(|(metric, _)| Some(*metric) != refused),
    );
    values.extend(
        took_ms
            .filter(|_| decided)
            .map(|took| (Metric::DecisionLatency, took)),
    );
    values
}

/// Returns the metrics of an error.
pub(crate) fn of_error(error: &Error) -> Vec<(Metric, u64)> {
    let kind = match error.kind {
        ErrorKind::AccessDenied => Some(Metric::AccessDenied),
        ErrorKind::Throttled => Some(Metric::Throttled),
        ErrorKind::KmsAccessDenied
        | ErrorKind::Unavailable
        | ErrorKind::NewerSchema
        | ErrorKind::OldTable
        | ErrorKind::Internal => None,
    };
    core::iter::once(Metric::Errors)
        .chain(kind)
        .map(|metric| (metric, 1))
        .collect()
}

/// Returns the metrics of one sweep. They are emitted even when zero: a missing data point means that no sweep ran.
pub(crate) fn of_tick(tick: &Tick) -> Vec<(Metric, u64)> {
    let found = |service| tick.unannounced.get(&service).copied().unwrap_or_default();
    vec![
        (Metric::OldestClaimAge, tick.oldest_claim_seconds),
        (Metric::DiscoveredExecutions, found(Service::StepFunctions)),
        (Metric::DiscoveredStages, found(Service::CodePipeline)),
    ]
}

/// Returns the number of handled failures that no event announced, by service. Ignored failures, and failures that
/// the ledger already knew, do not count.
pub(crate) fn unannounced(records: &[Record]) -> std::collections::BTreeMap<Service, u64> {
    let mut counts = std::collections::BTreeMap::new();
    for record in records {
        let dealt_with = !matches!(
            record.outcome,
            Outcome::Ignored | Outcome::Duplicate | Outcome::Stale | Outcome::Conflict
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
    use crate::samples::{dry_run, observed};

    #[test]
    fn each_outcome_has_its_metrics() {
        let table: [(Outcome, &[&str]); 13] = [
            (Outcome::Retried, &["Retried", "DecisionLatency"]),
            (Outcome::Confirmed, &["Retried"]),
            (Outcome::Queued, &["DecisionLatency"]),
            (Outcome::BackedOff, &["DecisionLatency"]),
            (Outcome::InDoubt, &["DecisionLatency"]),
            (Outcome::GaveUp, &["GaveUp", "DecisionLatency"]),
            (Outcome::Observed, &["Observed", "DecisionLatency"]),
            (Outcome::Recovered, &["Recovered"]),
            (Outcome::Terminated, &[]),
            (Outcome::Ignored, &["Ignored"]),
            (Outcome::Duplicate, &[]),
            (Outcome::Stale, &[]),
            (Outcome::Conflict, &[]),
        ];
        for (outcome, names) in table {
            let record = Record {
                outcome,
                ..observed()
            };
            let counted = |took| {
                let values = of_record(&record, took);
                values
                    .iter()
                    .map(|(one, _)| format!("{one:?}"))
                    .collect::<Vec<_>>()
            };
            assert_eq!(counted(Some(5)), names, "{outcome:?}");
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
        let malformed = dry_run("[");
        assert_eq!(of_record(&malformed, Some(5)), [(Metric::Malformed, 1)]);
        let ignored = dry_run(include_str!("../../../events/sfn-19-running.json"));
        assert_eq!(of_record(&ignored, Some(5)), [(Metric::Ignored, 1)]);
        for (result, metric) in [
            (CallResult::AccessDenied, Metric::AccessDenied),
            (CallResult::Throttled, Metric::Throttled),
        ] {
            let record = Record {
                outcome: Outcome::BackedOff,
                call_result: Some(result),
                ..observed()
            };
            assert_eq!(of_record(&record, None), [(metric, 1)]);
        }
    }

    #[test]
    fn unsettled_retry_counts_as_its_error() {
        let unsettled = |result| Record {
            outcome: Outcome::Retried,
            call_result: Some(result),
            unsettled: Some(Error::new(ErrorKind::AccessDenied, "PutItem")),
            ..observed()
        };
        let also = [
            (Metric::Retried, 1),
            (Metric::Errors, 1),
            (Metric::AccessDenied, 1),
        ];
        assert_eq!(of_record(&unsettled(CallResult::Accepted), None), also);
        let once = [
            (Metric::Retried, 1),
            (Metric::AccessDenied, 1),
            (Metric::Errors, 1),
        ];
        assert_eq!(of_record(&unsettled(CallResult::AccessDenied), None), once);
    }

    #[test]
    fn error_is_counted_with_its_kind() {
        for (kind, also) in [
            (ErrorKind::AccessDenied, Some(Metric::AccessDenied)),
            (ErrorKind::Throttled, Some(Metric::Throttled)),
            (ErrorKind::Unavailable, None),
            (ErrorKind::KmsAccessDenied, None),
            (ErrorKind::NewerSchema, None),
            (ErrorKind::OldTable, None),
            (ErrorKind::Internal, None),
        ] {
            let counted = of_error(&Error::new(kind, "PutItem"));
            let expected: Vec<_> = [Some(Metric::Errors), also]
                .into_iter()
                .flatten()
                .map(|metric| (metric, 1))
                .collect();
            assert_eq!(counted, expected);
        }
    }

    #[test]
    fn discovered_failure_counts_as_unannounced() {
        let stage = Subject::stage(
            "aws",
            "eu-west-1",
            "111122223333",
            "web",
            "Build",
            "5f0c2f0e-1",
        );
        let records: Vec<Record> = [
            Outcome::Retried,
            Outcome::Queued,
            Outcome::Ignored,
            Outcome::Duplicate,
            Outcome::Stale,
        ]
        .into_iter()
        .map(|outcome| Record {
            outcome,
            ..observed()
        })
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
