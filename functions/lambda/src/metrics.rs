//! The metrics that CloudWatch reads out of the wide line, by its embedded metric format.
//!
//! The shape is that of "Specification: Embedded metric format" in the Amazon CloudWatch User Guide: `_aws` says
//! which members of the line are metrics, in which namespace and by which dimensions. There is one dimension, the
//! stack, since each further one multiplies what is billed; what else is asked, the line itself answers.

use redrive_core::calls::Outcome;
use redrive_core::failure::Service;
use redrive_core::handle::{Done, Record};
use redrive_core::time::Time;
use redrive_core::trouble::{Trouble, TroubleKind};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::wide::Tick;

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
    /// From hearing of a failure to the end of what followed at once, in milliseconds.
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

/// What a record counts as. A function that hears events has decided within `took_ms`.
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
    let refused = match record.outcome {
        Some(Outcome::Denied) => Some(Metric::Denied),
        Some(Outcome::Busy) => Some(Metric::Throttled),
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
    use redrive_aws::bus::Told;
    use redrive_aws::calls::Counted;
    use redrive_core::event::{Bounds, Heard, hear};
    use redrive_core::failure::{Identity, Subject};
    use redrive_core::foretell::Foretell;
    use redrive_core::handle::Mode;
    use redrive_core::ledger::{Owner, Pen, Terms};
    use redrive_core::policy::Document;
    use serde_json::Value;

    use super::*;
    use crate::wide::{Searched, Wide};

    const NOW: Time = Time::from_millis(1_795_140_844_000);

    fn wide(function: &'static str) -> Wide<'static> {
        Wide {
            function,
            request_id: "request",
            message_id: None,
            mode: Some(Mode::Act),
            took_ms: 37,
            counted: Counted::default(),
            told: Told::default(),
            at: NOW,
            stack: Some("nightly"),
        }
    }

    fn foretold(event: &str) -> Record {
        let policy = "{ version: 1, retry: { automatic: [{ error: 'Lambda.TooManyRequestsException', limit: 2 }] } }";
        let document = Document::parse(policy).unwrap();
        let (owner, terms) = (Owner("a".to_owned()), Terms::default());
        let pen = Pen {
            owner: &owner,
            now: NOW,
            terms: &terms,
        };
        Foretell::new(&document).event(event.as_bytes(), pen)
    }

    fn observed() -> Record {
        foretold(include_str!(
            "../../../events/sfn-05-lambda-too-many-requests.json"
        ))
    }

    /// What the format's specification demands of a line that says `_aws`.
    fn metrics_of(line: &str) -> Vec<(String, String, u64)> {
        let line: Value = serde_json::from_str(line).unwrap();
        let aws = line["_aws"].as_object().unwrap();
        assert_eq!(aws.len(), 2, "Timestamp and CloudWatchMetrics");
        assert_eq!(aws["Timestamp"], NOW.as_millis(), "milliseconds");
        let directives = aws["CloudWatchMetrics"].as_array().unwrap();
        let [directive] = directives.as_slice() else {
            panic!("{directives:?}")
        };
        assert_eq!(directive["Namespace"], "redrive");
        let sets = directive["Dimensions"].as_array().unwrap();
        for dimension in sets.iter().flat_map(|set| set.as_array().unwrap()) {
            let target = &line[dimension.as_str().unwrap()];
            assert!(target.as_str().is_some_and(|text| !text.is_empty()));
        }
        assert_eq!(sets.len(), 1);
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()));
        let read = |metric: &Value| {
            assert_eq!(metric.as_object().unwrap().len(), 2);
            let name = metric["Name"].as_str().unwrap();
            let unit = metric["Unit"].as_str().unwrap();
            assert!(["Count", "Seconds", "Milliseconds"].contains(&unit));
            (
                name.to_owned(),
                unit.to_owned(),
                line[name].as_u64().unwrap(),
            )
        };
        metrics.iter().map(read).collect()
    }

    fn says(metrics: &[(String, String, u64)]) -> Vec<(&str, u64)> {
        let said = metrics.iter();
        said.map(|(name, _, value)| (name.as_str(), *value))
            .collect()
    }

    #[test]
    fn a_wide_line_is_a_document_of_the_embedded_metric_format() {
        let line = wide("stepfunctions").line_of_record(&observed());
        let metrics = metrics_of(&line);
        assert_eq!(says(&metrics), [("Observed", 1), ("DecisionLatency", 37)]);
        assert_eq!(metrics[1].1, "Milliseconds");
        let mut tick = Tick {
            oldest_claim_seconds: 481,
            ..Tick::default()
        };
        tick.unannounced.insert(Service::CodePipeline, 3);
        let metrics = metrics_of(&wide("sweep").line_of_tick(&tick));
        let said = [
            ("OldestClaim", 481),
            ("FoundExecutions", 0),
            ("FoundStages", 3),
        ];
        assert_eq!(says(&metrics), said);
        assert_eq!(metrics[0].1, "Seconds");
    }

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
        for (outcome, metric) in [
            (Outcome::Denied, Metric::Denied),
            (Outcome::Busy, Metric::Throttled),
        ] {
            let record = Record {
                done: Done::PutOff,
                outcome: Some(outcome),
                ..observed()
            };
            assert_eq!(of_record(&record, None), [(metric, 1)]);
        }
    }

    #[test]
    fn a_retry_that_could_not_be_written_down_counts_as_the_trouble_that_it_met() {
        let unsettled = |outcome| Record {
            done: Done::Retried,
            outcome: Some(outcome),
            unsettled: Some(Trouble::new(TroubleKind::Denied, "PutItem")),
            ..observed()
        };
        let also = [
            (Metric::Redriven, 1),
            (Metric::Troubled, 1),
            (Metric::Denied, 1),
        ];
        assert_eq!(of_record(&unsettled(Outcome::Accepted), None), also);
        let once = [
            (Metric::Redriven, 1),
            (Metric::Denied, 1),
            (Metric::Troubled, 1),
        ];
        assert_eq!(of_record(&unsettled(Outcome::Denied), None), once);
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
    fn a_decision_that_nobody_was_told_of_is_counted_and_changes_nothing_else() {
        let told = Told {
            decisions_put: 0,
            decisions_lost: 1,
        };
        let line = Wide {
            told,
            ..wide("stepfunctions")
        }
        .line_of_record(&observed());
        let metrics = metrics_of(&line);
        assert_eq!(says(&metrics).last(), Some(&("DecisionsLost", 1)));
        let text: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&text["done"], &text["decisions_lost"]),
            (&"observed".into(), &1.into())
        );
    }

    #[test]
    fn without_an_account_nothing_is_measured_and_a_line_with_nothing_to_count_says_so() {
        let desk = Wide {
            stack: None,
            ..wide("stepfunctions")
        };
        let nothing = Record {
            done: Done::Duplicate,
            ..observed()
        };
        for line in [
            desk.line_of_record(&observed()),
            wide("due").line_of_record(&nothing),
        ] {
            let line: Value = serde_json::from_str(&line).unwrap();
            assert!(
                line.get("_aws").is_none() && line.get("Stack").is_none(),
                "{line}"
            );
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

    #[test]
    fn every_member_of_a_wide_line_stands_in_the_readme() {
        let readme = include_str!("../../../README.md");
        let stage = include_str!("../../../events/cp-33-source-denied-action-failed.json");
        let Heard::Failure(_) = hear(stage.as_bytes(), &Bounds::default()) else {
            panic!("no failure")
        };
        let full = Record {
            outcome: Some(Outcome::Busy),
            slot: Some(std::time::Duration::from_secs(1)),
            state: Some(redrive_core::ledger::State::Queued),
            looked_up: vec![redrive_core::failure::Need::History],
            unsettled: Some(Trouble::new(TroubleKind::Denied, "PutItem")),
            identity: Some(Identity::RedriveCount(0)),
            ..foretold(stage)
        };
        let told = Told {
            decisions_put: 1,
            decisions_lost: 1,
        };
        let every = Wide {
            message_id: Some("m"),
            told,
            ..wide("stepfunctions")
        };
        let mut counted = Counted::default();
        counted.calls.insert("PutItem".to_owned(), 1);
        let trouble = Trouble::new(TroubleKind::Denied, "PutItem");
        let search = Searched {
            through: Some(String::new()),
            outrun: true,
            throttled: vec![Service::CodePipeline],
            ..Searched::default()
        };
        let lines = [
            Wide { counted, ..every }.line_of_record(&full),
            wide("stepfunctions").line_of_record(&observed()),
            wide("stepfunctions").line_of_record(&foretold("[")),
            wide("sweep").line_of_trouble(full.subject.as_ref(), Some("arn"), &trouble),
            wide("sweep").line_of_tick(&Tick {
                search,
                ..Tick::default()
            }),
        ];
        for line in lines {
            let line: Value = serde_json::from_str(&line).unwrap();
            for name in line.as_object().unwrap().keys() {
                assert!(
                    readme.contains(&format!("`{name}`")),
                    "{name} is not told of"
                );
            }
        }
    }
}
