//! One row for each race that the simulation or a story found.

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};

use super::*;
use crate::failure::{
    ExecutionStatus, FailedAction, FailedExecution, FailedStage, Redrivable, StageSnapshot,
    StageStatus, Subject,
};
use crate::ledger::{Decided, EntryFields, Owner, Writer};

/// When each failure happened.
const FAILED: Time = Time::from_millis(1_000_000_000);

fn after(seconds: i64) -> Time {
    let span = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        FAILED.minus(span)
    } else {
        FAILED.plus(span)
    }
}

fn document() -> Document {
    let text = "{ version: 1, retry: { automatic: [{ error: 'S3.SlowDown', limit: 2 }] } }";
    Document::parse(text).unwrap()
}

/// Returns an execution that failed after `redrives` redrives, with every fact known.
fn execution(redrives: impl Into<Option<u32>>) -> Failure {
    failed_with("S3.SlowDown", redrives)
}

fn failed_with(error: &str, redrives: impl Into<Option<u32>>) -> Failure {
    let execution = FailedExecution {
        status: ExecutionStatus::Failed,
        redrive_count: redrives.into().map_or(Field::Unknown, Field::Known),
        redrivable: Field::Known(Redrivable::Yes),
        started: None,
        state_machine_arn: None,
        version_arn: None,
        error: Field::Known(error.into()),
        cause: Field::Known("slow down".into()),
        parent: Field::Absent,
        fail_state: Field::Known(false),
        state: Field::Absent,
        resource: Field::Absent,
        changed_since: None,
    };
    Failure {
        subject: Subject::Execution {
            arn: "arn:aws:states:eu-west-1:111122223333:execution:etl:run-1".into(),
        },
        at: FAILED,
        detail: FailureDetail::Execution(execution),
    }
}

/// Returns a failed stage as its event announces it.
fn stage(announced: Option<FailedAction>) -> Failure {
    Failure {
        subject: Subject::stage("aws", "eu-west-1", "111122223333", "web", "Verify", "e-1"),
        at: FAILED,
        detail: FailureDetail::Stage(FailedStage {
            announced,
            snapshot: Field::Unknown,
        }),
    }
}

fn action(id: &str) -> FailedAction {
    FailedAction {
        action: String::from("Unit"),
        id: Some(id.into()),
        category: Field::Known("Test".into()),
        provider: Field::Known("CodeBuild".into()),
        error_code: Field::Known("JobFailed".into()),
        summary: Field::Known("exit status 1".into()),
    }
}

/// Returns a failed stage whose read showed `change`.
fn read_stage(change: impl FnOnce(&mut StageSnapshot)) -> Failure {
    let mut snapshot = StageSnapshot::failed(vec![action("a-1")]);
    change(&mut snapshot);
    let mut failure = stage(None);
    failure.learn(crate::failure::Fact::Stage(snapshot));
    failure
}

/// Returns the entry of a failure, written `seconds` after [`FAILED`]: a claim, after `settle`.
fn entry(
    failure: &Failure,
    seconds: i64,
    settle: impl FnOnce(&Entry, Writer<'_>) -> Entry,
) -> Entry {
    let (owner, timing) = (Owner("a".into()), Timing::default());
    let writer = Writer {
        owner: &owner,
        now: after(seconds),
        timing: &timing,
    };
    let decided = Decided {
        subject: failure.subject.clone(),
        failure_id: failure.failure_id().unwrap(),
        failed_at: failure.at,
        retried_before: 0,
        verdict: Verdict {
            decision: Decision::Retry,
            ..Verdict::give_up(Reason::Matched, "p")
        },
        slot: Duration::ZERO,
        observed: false,
    };
    settle(&Entry::open(decided, writer), writer)
}

/// Returns the entry of the first failure, whose retry AWS accepted `seconds` after [`FAILED`].
fn retried(seconds: i64) -> Entry {
    entry(&earlier(seconds), seconds, |entry, writer| {
        entry.accept(None, writer).unwrap()
    })
}

/// Returns a retried entry that holds AWS's own time of the redrive.
fn redriven(seconds: i64) -> Entry {
    Entry::restored(EntryFields {
        redriven: Some(after(seconds)),
        ..(*retried(seconds)).clone()
    })
}

/// Returns the entry of the first failure, given up `seconds` after [`FAILED`].
fn given_up(seconds: i64) -> Entry {
    entry(&earlier(seconds), seconds, |entry, writer| {
        entry.give_up(Reason::PolicyChanged, true, writer).unwrap()
    })
}

/// Returns the execution's first failure, ten seconds before an entry of it is written.
fn earlier(seconds: i64) -> Failure {
    Failure {
        at: after(seconds - 10),
        ..execution(0)
    }
}

/// Returns a step as one short line.
fn line(step: &Step) -> String {
    match step {
        Step::ReadEntry => String::from("read entry"),
        Step::LookUp(need) => format!("look up {}", need.as_str()),
        Step::SeenBefore(outcome) => format!("seen: {}", outcome.as_str()),
        Step::NotVisibleYet => String::from("not visible yet"),
        Step::Judged(verdict) => format!("judged: {}", verdict.reason.code()),
    }
}

#[expect(clippy::large_enum_variant, reason = "one row of a table each")]
enum Ledger {
    NotRead,
    Empty,
    Entry(Entry),
}

/// A story, the failure, the ledger, the facts looked up, the failure's age in seconds, and the step.
type Row = (
    &'static str,
    Failure,
    Ledger,
    &'static [Need],
    i64,
    &'static str,
);

fn executions() -> Vec<Row> {
    use Ledger::{Empty, Entry, NotRead};
    const DESCRIBED: &[Need] = &[Need::Description];
    let denied = || failed_with("Odd", 0);
    let unnumbered = || failed_with("Odd", None);
    #[rustfmt::skip]
    let rows = vec![
        ("fresh event: no read, no look-up", execution(0), NotRead, &[][..], 1, "judged: matched"),
        ("retried before: the entry has the charges", execution(1), NotRead, &[], 1, "read entry"),
        ("fresh failure without a matching rule", denied(), NotRead, &[], 1, "judged: unmatched"),
        ("no number, no match: the entry needs the number", unnumbered(), NotRead, &[], 1, "look up description"),
        // A late event: the failure may be long past.
        ("last moment of a fresh event", execution(0), NotRead, &[], 599, "judged: matched"),
        ("late event: the entry first", execution(0), NotRead, &[], 600, "read entry"),
        ("late event, also where no rule matches", denied(), NotRead, &[], 600, "read entry"),
        ("late event whose entry has expired", execution(0), Empty, &[], 600, "look up description"),
        ("late event, described", execution(0), Empty, DESCRIBED, 600, "judged: matched"),
        ("fresh event without an entry", execution(0), Empty, &[], 599, "judged: matched"),
        // Duplicates.
        ("a duplicate", execution(0), Entry(retried(10)), &[], 20, "seen: duplicate"),
        ("a late duplicate", execution(0), Entry(retried(10)), &[], 9_000, "seen: duplicate"),
        ("an older failure", execution(0), Entry(entry(&execution(1), 5, |entry, _| entry.clone())), &[], 20, "seen: stale"),
        // Our redrive against a person's redrive: ours may be the retry of this very failure.
        ("written long before the failure", execution(1), Entry(given_up(-400)), &[], 20, "judged: matched"),
        ("written before the failure, by a clock that may be behind", execution(1), Entry(given_up(-300)), &[], 20, "judged: matched"),
        ("written within the clocks' distance", execution(1), Entry(given_up(-299)), &[], 20, "look up description"),
        ("written within the clocks' distance, described", execution(1), Entry(given_up(-299)), DESCRIBED, 20, "judged: matched"),
        ("AWS redrove before the failure, by its own clock", execution(1), Entry(redriven(-1)), &[], 20, "judged: matched"),
        ("AWS redrove as it failed: whole seconds have no order", execution(1), Entry(redriven(1)), &[], 20, "look up description"),
        ("AWS redrove after it failed: that redrive restarted it", execution(1), Entry(redriven(2)), &[], 20, "seen: stale"),
        ("retried after the failure, reads may lag", execution(1), Entry(retried(10)), DESCRIBED, 99, "not visible yet"),
        ("retried after the failure, reads have caught up", execution(1), Entry(retried(10)), DESCRIBED, 100, "judged: matched"),
        ("retried before the failure, described", execution(1), Entry(retried(-1)), DESCRIBED, 20, "judged: matched"),
        ("given up after the failure: no redrive of ours", execution(1), Entry(given_up(10)), DESCRIBED, 20, "judged: matched"),
        ("claimed after the failure", execution(1), Entry(entry(&earlier(10), 10, |entry, _| entry.clone())), DESCRIBED, 20, "not visible yet"),
        ("given up in doubt after the failure", execution(1), Entry(crate::ledger::Entry::restored(crate::ledger::EntryFields { in_doubt: true, ..(*given_up(10)).clone() })), DESCRIBED, 20, "not visible yet"),
    ];
    rows
}

fn stages() -> Vec<Row> {
    use Ledger::{Entry, NotRead};
    const READ: &[Need] = &[Need::PipelineState];
    let running = |announced: Option<FailedAction>| {
        let mut failure = read_stage(|stage| stage.status = StageStatus::InProgress);
        if let FailureDetail::Stage(stage) = &mut failure.detail {
            stage.announced = announced;
        }
        failure
    };
    let later = |seconds| {
        let mut earlier = read_stage(|stage| stage.failed = vec![action("a-0")]);
        earlier.at = after(-100);
        entry(&earlier, seconds, |entry, _| entry.clone())
    };
    #[rustfmt::skip]
    let rows = vec![
        ("a stage is read before any verdict", stage(None), NotRead, &[][..], 1, "look up pipeline_state"),
        ("late event of a stage: the read decides", stage(None), NotRead, &[], 9_000, "look up pipeline_state"),
        ("an action's event does not number the failure", stage(Some(action("a-1"))), NotRead, &[], 1, "look up pipeline_state"),
        ("the failure that was read", read_stage(|_| ()), NotRead, READ, 1, "judged: unmatched"),
        ("a duplicate, known by its actions", read_stage(|_| ()), Entry(entry(&read_stage(|_| ()), 5, |entry, _| entry.clone())), READ, 9, "seen: duplicate"),
        ("a later failure than the entry's", read_stage(|_| ()), Entry(later(-50)), READ, 9, "judged: unmatched"),
        // CodePipeline's reads against its events.
        ("stage event, read as running", running(None), NotRead, READ, 89, "not visible yet"),
        ("stage event, still read as running", running(None), NotRead, READ, 90, "judged: actions_in_progress"),
        ("action event: the other actions run", running(Some(action("a-1"))), NotRead, READ, 1, "judged: actions_in_progress"),
        ("retries are counted whose runs are not listed", read_stage(|stage| stage.runs_behind = true), NotRead, READ, 389, "not visible yet"),
        ("runs that stay unlisted", read_stage(|stage| stage.runs_behind = true), NotRead, READ, 390, "judged: unmatched"),
    ];
    rows
}

#[test]
fn each_race_has_its_next_step() {
    let (document, timing) = (document(), Timing::default());
    for (story, failure, ledger, looked_up, age, expected) in
        executions().into_iter().chain(stages())
    {
        let known = Known {
            failure: &failure,
            ended: &failure.ended(),
            ledger_view: match &ledger {
                Ledger::NotRead => LedgerView::NotRead,
                Ledger::Empty => LedgerView::Empty,
                Ledger::Entry(entry) => LedgerView::Entry(entry),
            },
            looked_up,
        };
        let step = next_step(&document, known, after(age), &timing);
        assert_eq!(line(&step), expected, "{story}");
    }
}

#[test]
fn entry_covers_what_it_knows_or_what_precedes_its_last_write() {
    let of_stage = |seconds| entry(&read_stage(|_| ()), seconds, |entry, _| entry.clone());
    #[rustfmt::skip]
    let rows = [
        ("execution, same failure", execution(0), retried(10), true),
        ("execution, later failure", execution(1), retried(10), false),
        ("stage, written before the failure", stage(None), of_stage(-1), false),
        ("stage, written with the failure", stage(None), of_stage(0), true),
    ];
    for (story, failure, entry, expected) in rows {
        assert_eq!(covers(&entry, &failure), expected, "{story}");
    }
}

#[test]
fn target_is_read_before_a_retry_that_may_be_outdated() {
    let timing = Timing::default();
    let (execution, stage) = (execution(0), read_stage(|_| ()));
    let doubt = |entry: &mut Entry| entry.in_doubt = true;
    let verify = |entry: &mut Entry| entry.verify_before_retry = true;
    let plain = |_: &mut Entry| ();
    type Change<'c> = &'c dyn Fn(&mut Entry);
    #[rustfmt::skip]
    let rows: [(&str, &Failure, Change<'_>, bool, i64, bool); 11] = [
        ("execution at once", &execution, &plain, false, 599, false),
        ("execution at once, late", &execution, &plain, false, 600, true),
        ("execution at once, won back in doubt", &execution, &doubt, false, 1, true),
        ("execution at once, to be verified", &execution, &verify, false, 1, true),
        ("execution queued", &execution, &plain, true, 1_200, false),
        ("execution queued, waited long", &execution, &plain, true, 1_201, true),
        ("execution queued, in doubt", &execution, &doubt, true, 1, true),
        ("execution queued, to be verified", &execution, &verify, true, 1, true),
        ("stage at once", &stage, &plain, false, 1, false),
        ("stage at once, late", &stage, &plain, false, 600, true),
        ("stage queued", &stage, &plain, true, 1, true),
    ];
    for (story, failure, change, queued, age, expected) in rows {
        let mut entry = entry(failure, 0, |entry, _| entry.clone());
        change(&mut entry);
        let read = verify_before_retry(&entry, queued, after(age), &timing);
        assert_eq!(read, expected, "{story}");
    }
}

#[test]
fn failure_may_be_ahead_of_reads_for_the_lag_and_the_clocks_distance() {
    let entry = entry(&execution(0), 0, |entry, _| entry.clone());
    for (age, expected) in [(389, true), (390, false)] {
        assert_eq!(
            may_lag(&entry, after(age), &Timing::default()),
            expected,
            "{age}"
        );
    }
}
