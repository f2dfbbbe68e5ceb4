//! `redrive replay`: the effects of a policy on events, as a table or as JSON lines.

mod line;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use redrive_core::controller::{CallResult, Outcome, RunMode};
use redrive_core::failure::Subject;
use redrive_core::verdict::{Decision, Verdict};
use redrive_simulation::replay::{From, Replayed, Row, Settings, Then, replay};
use serde_json::json;

use self::line::Line;
use crate::{CommandError, input, table};

pub(crate) fn run(
    paths: &[PathBuf],
    policy: Option<&Path>,
    mode: RunMode,
    then: Then,
    as_json: bool,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let named: Vec<&Path> = paths.iter().map(PathBuf::as_path).chain(policy).collect();
    input::one_from_standard_input(&named)?;
    let document = input::policy(policy)?;
    let events = input::events(paths)?;
    let settings = Settings {
        document,
        mode,
        then,
        definitions: events.definitions,
    };
    let replayed =
        replay(events.sources, &settings).map_err(|error| CommandError::Bug(error.to_string()))?;
    if as_json {
        for row in &replayed.rows {
            let line = serde_json::to_string(&Line::from(row))
                .map_err(|error| CommandError::Bug(error.to_string()))?;
            writeln!(out, "{line}")?;
        }
        writeln!(
            out,
            "{}",
            json!({ "summary": counts(&replayed.rows), "calls": replayed.calls, "undelivered": replayed.undelivered })
        )?;
        return Ok(());
    }
    let days: BTreeSet<String> = replayed
        .rows
        .iter()
        .filter(|row| row.record.malformed.is_none())
        .filter_map(|row| row.record.at.to_string().get(..10).map(str::to_owned))
        .collect();
    if let (1, Some(day)) = (days.len(), days.first()) {
        writeln!(out, "{day}, UTC\n")?;
    }
    let rows: Vec<Vec<String>> = replayed
        .rows
        .iter()
        .map(|row| cells(row, days.len() == 1))
        .collect();
    let columns = [
        ("when", 19),
        ("target", 36),
        ("what failed", 33),
        ("verdict", 33),
        ("rule", 24),
        ("attempt", 7),
        ("outcome", 52),
    ];
    table::write(out, &columns, &rows)?;
    print_summary(&replayed, mode, out)
}

fn cells(row: &Row, one_day: bool) -> Vec<String> {
    let record = &row.record;
    // 2026-11-20T02:14:05.123Z is cut to the second, which suffices for a person. An unreadable event has no time.
    let when = record.at.to_string();
    let when = when
        .get(if one_day { 11..19 } else { 0..19 })
        .filter(|_| record.malformed.is_none())
        .unwrap_or_default()
        .replace('T', " ");
    let target = record
        .subject
        .as_ref()
        .map_or_else(|| row.file.clone().unwrap_or_default(), ToString::to_string);
    let charge = record
        .verdict
        .as_ref()
        .and_then(|verdict| verdict.rules.iter().max_by_key(|charge| charge.used));
    let retries = record
        .verdict
        .as_ref()
        .is_some_and(|verdict| verdict.decision == Decision::Retry);
    let attempt = charge
        .filter(|_| retries)
        .map(|charge| format!("{} of {}", charge.used.saturating_add(1), charge.limit));
    vec![
        when,
        target,
        row.failed.clone().unwrap_or_default(),
        verdict(row),
        record
            .verdict
            .as_ref()
            .and_then(Verdict::rule)
            .unwrap_or_default(),
        attempt.unwrap_or_default(),
        outcome(row),
    ]
}

fn verdict(row: &Row) -> String {
    let record = &row.record;
    match (row.from, record.outcome, &record.verdict) {
        (From::Queue, ..) => "(due)".into(),
        (From::Sweep, ..) => "(swept)".into(),
        (_, Outcome::Recovered | Outcome::Terminated, _) => "(completion)".into(),
        (_, Outcome::Duplicate, _) => "(duplicate)".into(),
        (_, Outcome::Ignored, _) if record.malformed.is_some() => "(malformed)".into(),
        (_, Outcome::Ignored, _) => format!("ignore: {}", record.reason),
        (_, _, Some(verdict)) => match (verdict.decision, verdict.delay_seconds) {
            (Decision::Retry, 0) => "retry".into(),
            (Decision::Retry, seconds) => format!("retry in {seconds} s"),
            (decision, _) => format!("{}: {}", decision.as_str(), verdict.reason),
        },
        _ => record.reason.to_string(),
    }
}

/// Returns the outcome of a row in words.
fn outcome(row: &Row) -> String {
    let record = &row.record;
    match (record.outcome, &record.verdict) {
        (Outcome::Retried, _) => match record.subject {
            Some(Subject::Stage { .. }) => "stage retried".into(),
            _ => "redriven".into(),
        },
        (Outcome::Queued, _) => "queued".into(),
        (Outcome::BackedOff, _) if record.call_result == Some(CallResult::AccessDenied) => {
            "backed off: access denied".into()
        }
        (Outcome::BackedOff, _) => "backed off: AWS is busy".into(),
        (Outcome::InDoubt, _) => "sent without an answer".into(),
        (Outcome::GaveUp, Some(verdict)) if verdict.decision == Decision::GiveUp => {
            verdict.sentence()
        }
        (Outcome::GaveUp, _) => format!("not retried: {}", record.reason.sentence()),
        (Outcome::Observed, _) => "recorded, not retried (observe)".into(),
        (Outcome::Ignored, _) => record.malformed.as_ref().map_or_else(
            || record.reason.sentence().into(),
            |malformed| malformed.to_string(),
        ),
        (Outcome::Duplicate, _) => "handled before".into(),
        (Outcome::Stale, _) => "out of date: the target has changed".into(),
        (Outcome::Recovered, _) => "recovered".into(),
        (Outcome::Terminated, _) => "terminated by a person".into(),
        (Outcome::Conflict, _) => "another owner wrote first".into(),
        (Outcome::Confirmed, _) => "confirmed: it was redriven".into(),
    }
}

/// Returns the code of a row's outcome. An event that cannot be read has its own.
const fn outcome_code(row: &Row) -> &'static str {
    if row.record.malformed.is_some() {
        "malformed"
    } else {
        row.record.outcome.as_str()
    }
}

/// Counts the rows of each outcome. The counts add up to the rows.
fn counts<'r>(rows: impl IntoIterator<Item = &'r Row>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(outcome_code(row)).or_default() += 1;
    }
    counts
}

fn print_summary(
    replayed: &Replayed,
    mode: RunMode,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let handled = |row: &&Row| matches!(row.from, From::File | From::Emulator);
    let (events, later): (Vec<&Row>, Vec<&Row>) = replayed.rows.iter().partition(handled);
    writeln!(out)?;
    writeln!(
        out,
        "{} events handled: {}.",
        events.len(),
        counted(&events)
    )?;
    if !later.is_empty() {
        writeln!(
            out,
            "{} retries came due: {}.",
            later.len(),
            counted(&later)
        )?;
    }
    let accepted = |stage: bool| {
        let rows = replayed
            .rows
            .iter()
            .filter(|row| row.record.outcome == Outcome::Retried);
        rows.filter(|row| matches!(row.record.subject, Some(Subject::Stage { .. })) == stage)
            .count()
    };
    for (operation, accepted) in [
        ("RedriveExecution", accepted(false)),
        ("RetryStageExecution", accepted(true)),
    ] {
        let received = replayed.calls.get(operation).copied().unwrap_or_default();
        writeln!(
            out,
            "The emulated services received {received} {operation}, and accepted {accepted}."
        )?;
    }
    if mode == RunMode::Observe {
        writeln!(out, "In observe mode nothing is retried.")?;
    }
    if !replayed.undelivered.is_empty() {
        writeln!(
            out,
            "Not reached, since they describe retries that were not made: {}.",
            replayed.undelivered.join(", ")
        )?;
    }
    Ok(())
}

/// Returns the counts as text: `4 retried, 2 gave up`.
fn counted(rows: &[&Row]) -> String {
    let counts: Vec<String> = counts(rows.iter().copied())
        .iter()
        .map(|(outcome, count)| format!("{count} {}", outcome.replace('_', " ")))
        .collect();
    counts.join(", ")
}
