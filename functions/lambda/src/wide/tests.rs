use redrive_core::calls::CallResult;
use redrive_core::controller::Outcome;
use redrive_core::event::{self, AllowedSources, ParsedEvent};
use redrive_core::failure::FailureId;
use serde_json::Value;

use super::*;
use crate::samples::{NOW, dry_run, observed};
use crate::tick::DiscoverySummary;

fn wide(function: &'static str) -> Wide<'static> {
    Wide {
        function,
        request_id: "request",
        message_id: None,
        mode: Some(RunMode::Act),
        took_ms: 37,
        counted: Counted::default(),
        put_counts: PutCounts::default(),
        at: NOW,
        stack: Some("nightly"),
    }
}

/// Returns the metrics of a line with `_aws`, as name, unit and value, and checks the line.
///
/// AWS: the members and their limits (Specification: Embedded metric format).
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
fn wide_line_follows_the_embedded_metric_format() {
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
        ("OldestClaimAge", 481),
        ("DiscoveredExecutions", 0),
        ("DiscoveredStages", 3),
    ];
    assert_eq!(says(&metrics), said);
    assert_eq!(metrics[0].1, "Seconds");
}

#[test]
fn lost_decision_is_counted_and_changes_nothing_else() {
    let put_counts = PutCounts {
        decisions_put: 0,
        decisions_lost: 1,
    };
    let line = Wide {
        put_counts,
        ..wide("stepfunctions")
    }
    .line_of_record(&observed());
    let metrics = metrics_of(&line);
    assert_eq!(says(&metrics).last(), Some(&("DecisionsLost", 1)));
    let text: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&text["outcome"], &text["decisions_lost"]),
        (&"observed".into(), &1.into())
    );
}

#[test]
fn no_account_or_no_count_means_no_metrics() {
    let local = Wide {
        stack: None,
        ..wide("stepfunctions")
    };
    let nothing = Record {
        outcome: Outcome::Duplicate,
        ..observed()
    };
    for line in [
        local.line_of_record(&observed()),
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
fn every_member_of_a_wide_line_is_in_the_readme() {
    let readme = include_str!("../../../../README.md");
    let stage = include_str!("../../../../events/cp-33-source-denied-action-failed.json");
    let ParsedEvent::Failure(_) = event::parse(stage.as_bytes(), &AllowedSources::default()) else {
        panic!("no failure")
    };
    let full = Record {
        call_result: Some(CallResult::Throttled),
        slot: Some(std::time::Duration::from_secs(1)),
        state: Some(redrive_core::ledger::State::Queued),
        looked_up: vec![redrive_core::failure::Need::History],
        unsettled: Some(Error::new(ErrorKind::AccessDenied, "PutItem")),
        failure_id: Some(FailureId::RedriveCount(0)),
        ..dry_run(stage)
    };
    let put_counts = PutCounts {
        decisions_put: 1,
        decisions_lost: 1,
    };
    let every = Wide {
        message_id: Some("m"),
        put_counts,
        ..wide("stepfunctions")
    };
    let mut counted = Counted::default();
    counted.calls.insert("PutItem".to_owned(), 1);
    let error = Error::new(ErrorKind::AccessDenied, "PutItem");
    let discovery = DiscoverySummary {
        watermark: Some(String::new()),
        outrun: true,
        throttled: vec![Service::CodePipeline],
        ..DiscoverySummary::default()
    };
    let lines = [
        Wide { counted, ..every }.line_of_record(&full),
        wide("stepfunctions").line_of_record(&observed()),
        wide("stepfunctions").line_of_record(&dry_run("[")),
        wide("sweep").line_of_error(full.subject.as_ref(), Some("arn"), &error),
        wide("sweep").line_of_tick(&Tick {
            discovery,
            ..Tick::default()
        }),
    ];
    for line in lines {
        let line: Value = serde_json::from_str(&line).unwrap();
        for name in line.as_object().unwrap().keys() {
            assert!(
                readme.contains(&format!("`{name}`")),
                "{name} is not documented"
            );
        }
    }
}
