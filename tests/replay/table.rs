//! The table for the sample events.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{redrive, samples, top};

/// The whole table, in a file beside this one. After an intended change: `UPDATE_EXPECTED=1 cargo test`.
#[test]
fn table_of_the_sample_events_equals_the_reviewed_one() {
    let out = redrive(&["replay", "events"]).well();
    let path = top().join("tests/replay/table.txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &out).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    for (line, (is, was)) in out.lines().zip(expected.lines()).enumerate() {
        assert_eq!(is, was, "line {}", line + 1);
    }
    assert_eq!(out, expected);
}

#[test]
fn every_sample_is_handled_once_and_described() {
    let lines = redrive(&["replay", "events", "--json"]).lines();
    let mut handled: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["file"].as_str())
        .collect();
    handled.sort_unstable();
    let samples = samples();
    assert!(samples.len() >= 24);
    assert_eq!(handled, samples);
    let described = std::fs::read_to_string(top().join("events/README.md")).unwrap();
    for name in &samples {
        assert!(
            described.contains(&format!("({name})")),
            "events/README.md says nothing of {name}"
        );
    }
}

#[test]
fn the_same_files_give_the_same_table() {
    let first = redrive(&["replay", "events", "--json"]).well();
    assert_eq!(redrive(&["replay", "events", "--json"]).well(), first);
}

/// The record of the emulated services equals the report, and the policy allows it.
#[test]
fn every_retry_is_reported_and_none_is_made_twice() {
    let lines = redrive(&["replay", "events", "--json", "--then", "fail"]).lines();
    let (summary, rows) = lines.split_last().unwrap();
    let calls = |operation: &str| summary["calls"][operation].as_u64().unwrap();
    let retried: Vec<&Value> = rows
        .iter()
        .filter(|row| row["outcome"] == "retried")
        .collect();
    assert_eq!(
        calls("RedriveExecution") + calls("RetryStageExecution"),
        retried.len() as u64
    );

    let mut failures = BTreeSet::new();
    let mut used: BTreeMap<String, u64> = BTreeMap::new();
    for row in retried {
        let failure = (row["subject"].to_string(), row["failure_id"].to_string());
        assert!(failures.insert(failure), "retried twice: {row}");
        let rule = &row["verdict"]["rules"][0];
        let uses = used
            .entry(format!("{} {}", row["subject"], rule["rule"]))
            .or_default();
        *uses += 1;
        assert!(
            *uses <= rule["limit"].as_u64().unwrap(),
            "over its limit: {row}"
        );
    }
    assert!(
        rows.iter().any(|row| row["reason"] == "limit_spent"),
        "what always fails is given up"
    );
}

/// Every event and every due retry is in the counts below the table, once.
#[test]
fn the_counts_below_the_table_add_up() {
    let out = redrive(&["replay", "events", "--then", "fail"]).well();
    let rows = out
        .lines()
        .filter(|line| line.get(2..3) == Some(":") || line.contains("(malformed)"));
    let mut counted = 0;
    for line in out.lines() {
        let Some((total, parts)) = line.split_once(": ").filter(|(head, _)| {
            head.ends_with(" events handled") || head.ends_with(" retries came due")
        }) else {
            continue;
        };
        let number = |text: &str| text.split(' ').next().unwrap().parse::<usize>().unwrap();
        let sum: usize = parts.trim_end_matches('.').split(", ").map(number).sum();
        assert_eq!(number(total), sum, "{line}");
        counted += sum;
    }
    assert_eq!(counted, rows.count());
}

#[test]
fn observe_and_off_change_nothing() {
    for (mode, done) in [("observe", "observed"), ("off", "ignored")] {
        let lines = redrive(&["replay", "events", "--json", "--mode", mode]).lines();
        let (summary, rows) = lines.split_last().unwrap();
        assert!(
            summary["calls"].get("RedriveExecution").is_none(),
            "{summary}"
        );
        assert!(
            summary["calls"].get("RetryStageExecution").is_none(),
            "{summary}"
        );
        assert!(rows.iter().any(|row| row["outcome"] == done), "{mode}");
        if mode == "off" {
            assert_eq!(
                summary["calls"].as_object().unwrap().len(),
                0,
                "off reads nothing"
            );
        }
    }
}

/// The reasons that the samples were written to show.
#[test]
fn the_samples_show_every_kind_of_ending() {
    let lines = redrive(&["replay", "events", "--json"]).lines();
    let reasons: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line["reason"].as_str())
        .collect();
    for reason in [
        "matched",
        "unmatched",
        "denied_by_policy",
        "fail_state",
        "parent_retries",
        "approval_rejected",
        "cause_withheld",
        "map_run_child",
        "not_redrivable",
        "aborted",
        "stopped",
        "stopping",
        "canceled",
        "superseded",
        "running",
        "succeeded",
        "superseded_by_stage_event",
        "actions_in_progress",
        "notification_rule",
        "other_source",
        "unknown_status",
        "malformed",
    ] {
        assert!(
            reasons.contains(reason),
            "no sample shows {reason}; shown: {reasons:?}"
        );
    }
    let done: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line["outcome"].as_str())
        .collect();
    for what in [
        "retried",
        "queued",
        "gave_up",
        "ignored",
        "duplicate",
        "recovered",
        "terminated",
    ] {
        assert!(done.contains(what), "no sample shows {what}");
    }
}
