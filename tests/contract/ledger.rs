//! What every ledger keeps, whatever it is made of: one suite for all of them.
//!
//! A ledger's own test starts it, and hands [`all`] a way to get one without entries.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use redrive_core::definition::{CachedDefinition, Revision};
use redrive_core::error::Error;
use redrive_core::failure::{ExecutionStatus, FailureId, Subject};
use redrive_core::ledger::{
    Cancelled, CasResult, CheckpointStore, ClaimResult, Decided, DueClaim, DueEntries, Entry,
    EntryFields, EntryStore, Ledger, List, Owner, Pass, RetryMessage, ScanCheckpoint, SlotStore,
    State, TargetCursor, Targets, Timing, Writer, Written, claim_due, put_checkpoint, write,
};
use redrive_core::rate_limiter::Micros;
use redrive_core::reads::DefinitionCache;
use redrive_core::services::Service;
use redrive_core::time::Time;
use redrive_core::verdict::{Charge, Decision, Reason, StageRetryMode, Verdict};

const NOW: Time = Time::from_millis(1_795_000_000_000);

fn owner(name: &str) -> Owner {
    Owner(name.into())
}

fn timing() -> Timing {
    Timing::default()
}

fn execution(name: &str) -> Subject {
    Subject::Execution {
        arn: format!("arn:aws:states:eu-west-1:111122223333:execution:etl:{name}"),
    }
}

fn stage(id: u32) -> Subject {
    let id = format!("00000000-0000-4000-8000-{id:012}");
    Subject::stage("aws", "eu-west-1", "111122223333", "web", "Build", &id)
}

fn retry(delay_seconds: u32) -> Verdict {
    Verdict {
        decision: Decision::Retry,
        reason: Reason::Matched,
        policy: Some("etl".into()),
        policy_version: None,
        rules: vec![
            Charge {
                rule: "throttled".into(),
                description: Some("too busy: \"ja\"".into()),
                used: 0,
                limit: 2,
            },
            Charge {
                rule: "rule-0f1e2d3c4b".into(),
                description: None,
                used: 0,
                limit: 10,
            },
        ],
        delay_seconds,
        retry_mode: StageRetryMode::AllActions,
    }
}

fn decided(subject: Subject, failure_id: FailureId, verdict: Verdict) -> Decided {
    Decided {
        subject,
        failure_id,
        failed_at: NOW,
        retried_before: 0,
        verdict,
        slot: std::time::Duration::ZERO,
        observed: false,
    }
}

fn acting(subject: Subject, by: &Owner) -> Entry {
    let writer = Writer {
        owner: by,
        now: NOW,
        timing: &timing(),
    };
    Entry::open(
        decided(subject, FailureId::RedriveCount(0), retry(0)),
        writer,
    )
}

fn queued(subject: Subject, by: &Owner, seconds: u32) -> Entry {
    let writer = Writer {
        owner: by,
        now: NOW,
        timing: &timing(),
    };
    Entry::open(
        decided(subject, FailureId::RedriveCount(0), retry(seconds)),
        writer,
    )
}

/// Runs the whole suite. `atomic`: whether updates without a condition may race; moto's may overtake each other.
pub(crate) async fn all<L: Ledger + DefinitionCache>(atomic: bool, fresh: impl AsyncFn() -> L) {
    an_entry_reads_back_as_it_was_written(&fresh().await).await;
    of_all_who_write_one_revision_one_wins(&fresh().await).await;
    fifty_racing_claims_give_one_winner(&fresh().await).await;
    a_write_that_meets_itself_is_won(&fresh().await).await;
    a_retry_message_is_good_once(&fresh().await).await;
    a_take_that_meets_itself_is_won(&fresh().await).await;
    of_all_who_take_over_one_wins_and_the_late_owner_loses(&fresh().await).await;
    a_settle_loses_to_a_later_failure(&fresh().await).await;
    what_waits_is_found_and_what_does_not_is_not(&fresh().await).await;
    those_come_first_that_wake_first_among_many(&fresh().await).await;
    what_is_cancelled_is_told_and_waits_no_more(&fresh().await).await;
    a_position_reads_back_as_it_was_kept(&fresh().await).await;
    of_all_who_keep_one_revision_one_wins(&fresh().await).await;
    a_position_that_meets_itself_is_kept(&fresh().await).await;
    slots_follow_one_another_and_none_is_given_twice(atomic, &fresh().await).await;
    old_slots_are_not_given(&fresh().await).await;
    what_was_noted_last_of_a_machine_is_recalled(&fresh().await).await;
}

async fn an_entry_reads_back_as_it_was_written<L: Ledger>(ledger: &L) {
    let (timing, a) = (timing(), owner("a"));
    let writer = |ms| Writer {
        owner: &a,
        now: NOW.plus(Duration::from_millis(ms)),
        timing: &timing,
    };
    assert_eq!(ledger.read(&execution("nobody")).await, Ok(None));

    // One entry through every kind of content: attempts, both failure IDs, busy, doubt, a lease.
    let ids = |ids: &[&str]| {
        FailureId::FailedActions(ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>())
    };
    let mut entry = Entry::open(decided(stage(1), ids(&["u1", "l1"]), retry(0)), writer(0));
    let mut steps = vec![entry.clone()];
    entry = entry.back_off(writer(1)).unwrap();
    steps.push(entry.clone());
    entry = entry.claim(writer(2)).unwrap();
    steps.push(entry.clone());
    entry = entry.mark_in_doubt(writer(3)).unwrap();
    steps.push(entry.clone());
    entry = entry.take_over(writer(4)).unwrap();
    steps.push(entry.clone());
    entry = entry.accept(None, writer(5)).unwrap();
    steps.push(entry.clone());
    entry = entry
        .judge(
            decided(
                stage(1),
                ids(&["u2"]),
                Verdict::give_up(Reason::Unmatched, "etl"),
            ),
            writer(6),
        )
        .unwrap();
    steps.push(entry);
    for entry in steps {
        assert_eq!(
            ledger.put_if_revision(&entry).await,
            Ok(CasResult::Stored),
            "{entry:?}"
        );
        assert_eq!(ledger.read(&stage(1)).await, Ok(Some(entry)));
    }
    assert_eq!(
        ledger.read(&stage(2)).await,
        Ok(None),
        "another execution of the same stage is another subject"
    );
}

async fn of_all_who_write_one_revision_one_wins<L: Ledger>(ledger: &L) {
    let timing = timing();
    let first = acting(execution("r"), &owner("a"));
    assert_eq!(ledger.put_if_revision(&first).await, Ok(CasResult::Stored));

    let other = acting(execution("r"), &owner("b"));
    assert_eq!(
        ledger.put_if_revision(&other).await,
        Ok(CasResult::Conflict(Some(first.clone()))),
        "there is an entry already"
    );
    let a = owner("a");
    let second = first
        .accept(
            None,
            Writer {
                owner: &a,
                now: NOW,
                timing: &timing,
            },
        )
        .unwrap();
    let skipping = Entry::restored(EntryFields {
        revision: 3,
        ..(*second).clone()
    });
    assert_eq!(
        ledger.put_if_revision(&skipping).await,
        Ok(CasResult::Conflict(Some(first.clone()))),
        "a revision was left out"
    );
    assert_eq!(
        ledger.read(&execution("r")).await,
        Ok(Some(first)),
        "who loses changes nothing"
    );

    assert_eq!(ledger.put_if_revision(&second).await, Ok(CasResult::Stored));
    assert_eq!(
        ledger.put_if_revision(&second).await,
        Ok(CasResult::Conflict(Some(second.clone()))),
        "that revision is written"
    );
    let missing = Entry::restored(EntryFields {
        revision: 2,
        ..(*acting(execution("missing"), &owner("a"))).clone()
    });
    assert_eq!(
        ledger.put_if_revision(&missing).await,
        Ok(CasResult::Conflict(None)),
        "there is nothing to replace"
    );
}

async fn fifty_racing_claims_give_one_winner<L: Ledger>(ledger: &L) {
    let claims = (0..50).map(|number| {
        let entry = acting(execution("race"), &owner(&format!("owner-{number}")));
        Box::pin(write(ledger, entry)) as Pin<Box<dyn Future<Output = Result<Written, Error>> + '_>>
    });
    let mut winners = Vec::new();
    let mut losers = 0;
    for written in together(claims.collect()).await {
        match written.unwrap() {
            Written::Claimed(claim) => winners.push(claim),
            Written::Conflict(Some(_)) => losers += 1,
            other => panic!("{other:?}"),
        }
    }
    let [winner] = winners.as_slice() else {
        panic!("{} winners", winners.len())
    };
    assert_eq!(losers, 49);
    let stored = ledger.read(&execution("race")).await.unwrap().unwrap();
    assert_eq!(&stored, winner.entry());
    assert_eq!(
        (stored.retries, stored.rule_usage("etl", "throttled")),
        (1, 1),
        "one charge for one claim"
    );
}

async fn a_write_that_meets_itself_is_won<L: Ledger>(ledger: &L) {
    // The answer of the first write is lost, and the client sends it again.
    let twice = Twice(ledger);
    let entry = acting(execution("twice"), &owner("a"));
    assert!(matches!(
        write(&twice, entry).await,
        Ok(Written::Claimed(_))
    ));
    let other = acting(execution("twice"), &owner("b"));
    assert!(
        matches!(write(&twice, other).await, Ok(Written::Conflict(Some(_)))),
        "another owner's write is not one's own"
    );
}

async fn a_retry_message_is_good_once<L: Ledger>(ledger: &L) {
    let timing = timing();
    let entry = queued(execution("due"), &owner("a"), 60);
    assert!(matches!(
        write(ledger, entry.clone()).await,
        Ok(Written::Stored(_))
    ));
    let later = NOW.plus(Duration::from_secs(60));
    let (b, c) = (owner("b"), owner("c"));

    let stale = RetryMessage {
        failure_number: 7,
        ..entry.retry_message()
    };
    let refused = claim_due(
        ledger,
        &stale,
        Writer {
            owner: &b,
            now: later,
            timing: &timing,
        },
    )
    .await
    .unwrap();
    assert_eq!(
        refused,
        DueClaim::Refused(entry.clone()),
        "the retry message is for another failure"
    );

    let writer = Writer {
        owner: &b,
        now: later,
        timing: &timing,
    };
    let claimed = claim_due(ledger, &entry.retry_message(), writer).await;
    let Ok(DueClaim::Claimed(claim)) = claimed else {
        panic!("it is due: {claimed:?}");
    };
    assert_eq!(
        claim.entry(),
        &entry.claim(writer).unwrap(),
        "a claim does what the core says it does"
    );
    assert_eq!(
        ledger.read(&execution("due")).await,
        Ok(Some(claim.entry().clone()))
    );

    let again = claim_due(
        ledger,
        &entry.retry_message(),
        Writer {
            owner: &c,
            now: later,
            timing: &timing,
        },
    )
    .await
    .unwrap();
    assert_eq!(
        again,
        DueClaim::Refused(claim.entry().clone()),
        "the retry message is void"
    );
    let nobody = queued(execution("nobody"), &owner("a"), 60).retry_message();
    assert_eq!(
        claim_due(
            ledger,
            &nobody,
            Writer {
                owner: &c,
                now: later,
                timing: &timing
            }
        )
        .await,
        Ok(DueClaim::Gone)
    );
}

async fn a_take_that_meets_itself_is_won<L: Ledger>(ledger: &L) {
    let (timing, b) = (timing(), owner("b"));
    let entry = queued(execution("due-twice"), &owner("a"), 60);
    assert!(matches!(
        write(ledger, entry.clone()).await,
        Ok(Written::Stored(_))
    ));
    let writer = Writer {
        owner: &b,
        now: NOW,
        timing: &timing,
    };
    let claimed = claim_due(&Twice(ledger), &entry.retry_message(), writer).await;
    assert!(matches!(claimed, Ok(DueClaim::Claimed(_))), "{claimed:?}");
}

async fn of_all_who_take_over_one_wins_and_the_late_owner_loses<L: Ledger>(ledger: &L) {
    let (timing, a, b, c) = (timing(), owner("a"), owner("b"), owner("c"));
    let entry = acting(execution("late"), &a);
    assert!(matches!(
        write(ledger, entry.clone()).await,
        Ok(Written::Claimed(_))
    ));
    let over = NOW.plus(timing.lease);
    let by_b = entry
        .take_over(Writer {
            owner: &b,
            now: over,
            timing: &timing,
        })
        .unwrap();
    let by_c = entry
        .take_over(Writer {
            owner: &c,
            now: over,
            timing: &timing,
        })
        .unwrap();
    assert!(matches!(
        write(ledger, by_b.clone()).await,
        Ok(Written::Claimed(_))
    ));
    assert!(matches!(
        write(ledger, by_c).await,
        Ok(Written::Conflict(Some(_)))
    ));
    let settle = entry
        .accept(
            None,
            Writer {
                owner: &a,
                now: over,
                timing: &timing,
            },
        )
        .unwrap();
    assert_eq!(
        write(ledger, settle).await,
        Ok(Written::Conflict(Some(by_b.clone())))
    );
    assert_eq!(ledger.read(&execution("late")).await, Ok(Some(by_b)));
}

async fn a_settle_loses_to_a_later_failure<L: Ledger>(ledger: &L) {
    let (timing, a, b) = (timing(), owner("a"), owner("b"));
    let entry = acting(execution("anew"), &a);
    assert!(matches!(
        write(ledger, entry.clone()).await,
        Ok(Written::Claimed(_))
    ));
    let anew = decided(execution("anew"), FailureId::RedriveCount(1), retry(0));
    let later = entry
        .judge(
            anew,
            Writer {
                owner: &b,
                now: NOW,
                timing: &timing,
            },
        )
        .unwrap();
    assert!(matches!(
        write(ledger, later.clone()).await,
        Ok(Written::Claimed(_))
    ));
    let settle = entry
        .accept(
            None,
            Writer {
                owner: &a,
                now: NOW,
                timing: &timing,
            },
        )
        .unwrap();
    assert_eq!(
        write(ledger, settle).await,
        Ok(Written::Conflict(Some(later)))
    );
}

async fn what_waits_is_found_and_what_does_not_is_not<L: Ledger>(ledger: &L) {
    let (timing, a) = (timing(), owner("a"));
    let writer = Writer {
        owner: &a,
        now: NOW,
        timing: &timing,
    };
    let soon = queued(execution("soon"), &a, 10);
    let later = queued(execution("later"), &a, 800);
    let long = queued(execution("long"), &a, 100_000);
    let lease = acting(execution("lease"), &a);
    let retried = acting(execution("retried"), &a);
    for entry in [&soon, &later, &long, &lease, &retried] {
        assert_eq!(ledger.put_if_revision(entry).await, Ok(CasResult::Stored));
    }
    assert_eq!(
        ledger
            .put_if_revision(&retried.accept(None, writer).unwrap())
            .await,
        Ok(CasResult::Stored)
    );

    let names = |entries: Vec<Entry>| -> Vec<String> {
        entries
            .iter()
            .map(|entry| {
                entry
                    .subject
                    .arn()
                    .rsplit(':')
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect()
    };
    let due_entries = async |seconds, max| {
        names(
            ledger
                .due_entries(NOW.plus(Duration::from_secs(seconds)), max)
                .await
                .unwrap()
                .entries,
        )
    };
    assert_eq!(due_entries(0, 100).await, [""; 0]);
    assert_eq!(
        due_entries(310, 100).await,
        ["soon"],
        "the queue should have brought it by now"
    );
    assert_eq!(
        due_entries(420, 100).await,
        ["soon", "lease"],
        "its lease is over"
    );
    assert_eq!(due_entries(1_100, 100).await, ["soon", "lease", "later"]);
    assert_eq!(
        due_entries(99_100, 100).await,
        ["soon", "lease", "later", "long"],
        "the queue can keep it from now on"
    );
    assert_eq!(
        due_entries(99_100, 2).await,
        ["soon", "lease"],
        "those that have waited longest"
    );
    assert_eq!(soon.state, State::Queued);
}

/// However a ledger spreads what waits, and in whatever order it came.
async fn those_come_first_that_wake_first_among_many<L: Ledger>(ledger: &L) {
    let a = owner("a");
    let mut waiting = Vec::new();
    for number in 0..60u32 {
        // No two are due together: 7 and 60 have no common divisor.
        let entry = queued(
            execution(&format!("many-{number}")),
            &a,
            100 + number * 7 % 60,
        );
        assert_eq!(ledger.put_if_revision(&entry).await, Ok(CasResult::Stored));
        waiting.push(entry);
    }
    waiting.sort_by_key(|entry| entry.next_check_at);
    let wakes = |entry: &Entry| entry.next_check_at.unwrap_or(NOW);
    for seen in [1, 2, 7, 8, 9, 30, 59, 60] {
        let now = wakes(&waiting[seen - 1]);
        for max in [1, 2, 8, 15, 16, 29, 60, 1_000] {
            let expected = &waiting[..seen.min(max)];
            assert_eq!(
                ledger.due_entries(now, max).await.unwrap().entries,
                expected,
                "{max} of {seen}"
            );
        }
    }
}

async fn what_is_cancelled_is_told_and_waits_no_more<L: Ledger>(ledger: &L) {
    let (timing, a, b) = (timing(), owner("a"), owner("b"));
    let writer = |owner, seconds| Writer {
        owner,
        now: NOW.plus(Duration::from_secs(seconds)),
        timing: &timing,
    };
    let waiting = queued(execution("cancelled"), &a, 60);
    assert_eq!(
        ledger.put_if_revision(&waiting).await,
        Ok(CasResult::Stored)
    );
    let ada = Cancelled {
        by: "arn:aws:sts::111122223333:assumed-role/OnCall/ada".into(),
        note: "the \"lake\" is read-only\tböse".into(),
    };
    let cancelled = waiting.cancel(ada.clone(), writer(&b, 30)).unwrap();
    assert_eq!(
        write(ledger, cancelled.clone()).await,
        Ok(Written::Stored(cancelled.clone()))
    );
    assert_eq!(
        ledger.read(&execution("cancelled")).await,
        Ok(Some(cancelled.clone()))
    );
    let long_after = NOW.plus(Duration::from_secs(100_000));
    assert_eq!(
        ledger.due_entries(long_after, 100).await,
        Ok(DueEntries::default()),
        "it is out of the due index"
    );
    assert_eq!(
        claim_due(ledger, &waiting.retry_message(), writer(&a, 60)).await,
        Ok(DueClaim::Refused(cancelled.clone())),
        "its retry message is void"
    );

    // The next failure carries it among the attempts.
    let anew = decided(
        execution("cancelled"),
        FailureId::RedriveCount(1),
        retry(60),
    );
    let later = cancelled.judge(anew, writer(&a, 200)).unwrap();
    assert_eq!(ledger.put_if_revision(&later).await, Ok(CasResult::Stored));
    let stored = ledger.read(&execution("cancelled")).await;
    assert_eq!(stored, Ok(Some(later.clone())));
    assert_eq!(
        later
            .attempts
            .first()
            .and_then(|attempt| attempt.cancelled.clone()),
        Some(ada)
    );
}

/// A checkpoint of the search, in the midst of a pass.
pub(crate) fn checkpoint(revision: u64, by: &str) -> ScanCheckpoint {
    let machine = "arn:aws:states:eu-west-1:111122223333:stateMachine:etl";
    let cursor = TargetCursor::first(machine.into(), List::Executions(ExecutionStatus::TimedOut));
    let pipeline = |list| {
        TargetCursor::first(
            "arn:aws:codepipeline:eu-west-1:111122223333:web".into(),
            list,
        )
    };
    let pass = Pass {
        watermark: NOW,
        began: Some(NOW.plus(Duration::from_secs(60))),
        targets: Targets::Next("machines \"2\"".into()),
        cursors: VecDeque::from([
            TargetCursor {
                token: Some("page ü".into()),
                after: Some(NOW),
                first_error_at: Some(NOW),
                ..cursor.clone()
            },
            cursor,
        ]),
        lagging: BTreeMap::from([(machine.into(), NOW)]),
        held_watermark: Some(NOW),
    };
    ScanCheckpoint {
        revision,
        written_by: owner(by),
        updated_at: NOW,
        since: Time::from_millis(0),
        passes: BTreeMap::from([
            (
                Service::CodePipeline,
                Pass {
                    began: None,
                    targets: Targets::Unread,
                    cursors: VecDeque::from([pipeline(List::Stages), pipeline(List::Runs)]),
                    lagging: BTreeMap::new(),
                    held_watermark: None,
                    ..pass
                },
            ),
            (Service::StepFunctions, pass),
        ]),
    }
}

async fn a_position_reads_back_as_it_was_kept<L: Ledger>(ledger: &L) {
    assert_eq!(ledger.checkpoint().await, Ok(None));
    let first = checkpoint(1, "a");
    assert_eq!(ledger.put_checkpoint(&first).await, Ok(CasResult::Stored));
    assert_eq!(ledger.checkpoint().await, Ok(Some(first.clone())));

    let empty = ScanCheckpoint {
        revision: 2,
        passes: BTreeMap::from([(
            Service::StepFunctions,
            Pass {
                targets: Targets::Read,
                ..first.passes[&Service::CodePipeline].clone()
            },
        )]),
        ..first
    };
    assert_eq!(ledger.put_checkpoint(&empty).await, Ok(CasResult::Stored));
    assert_eq!(ledger.checkpoint().await, Ok(Some(empty)));
    let long_after = NOW.plus(Duration::from_secs(100_000_000));
    assert_eq!(
        ledger.due_entries(long_after, 100).await,
        Ok(DueEntries::default()),
        "it is no entry"
    );
}

async fn of_all_who_keep_one_revision_one_wins<L: Ledger>(ledger: &L) {
    assert_eq!(
        ledger.put_checkpoint(&checkpoint(2, "a")).await,
        Ok(CasResult::Conflict(None)),
        "there is nothing to replace"
    );
    let first = checkpoint(1, "a");
    assert_eq!(ledger.put_checkpoint(&first).await, Ok(CasResult::Stored));
    for other in [checkpoint(1, "b"), checkpoint(3, "b"), checkpoint(0, "b")] {
        assert_eq!(
            ledger.put_checkpoint(&other).await,
            Ok(CasResult::Conflict(Some(first.clone())))
        );
        assert_eq!(put_checkpoint(ledger, &other).await, Ok(false));
    }
    assert_eq!(
        ledger.checkpoint().await,
        Ok(Some(first)),
        "who loses changes nothing"
    );
    assert_eq!(put_checkpoint(ledger, &checkpoint(2, "b")).await, Ok(true));
    assert_eq!(put_checkpoint(ledger, &checkpoint(2, "a")).await, Ok(false));
    assert_eq!(ledger.checkpoint().await, Ok(Some(checkpoint(2, "b"))));
}

async fn a_position_that_meets_itself_is_kept<L: Ledger>(ledger: &L) {
    let twice = Twice(ledger);
    assert_eq!(put_checkpoint(&twice, &checkpoint(1, "a")).await, Ok(true));
    assert_eq!(put_checkpoint(&twice, &checkpoint(1, "b")).await, Ok(false));
}

async fn slots_follow_one_another_and_none_is_given_twice<L: Ledger>(atomic: bool, ledger: &L) {
    let (service, other) = (Service::StepFunctions, Service::CodePipeline);
    let (from, span) = (Micros::from(NOW), Micros(7_018 * 20));
    let racing: Vec<Pin<Box<dyn Future<Output = Micros> + '_>>> = (0..20)
        .map(|_| Box::pin(async { ledger.reserve(service, from, span).await.unwrap() }) as _)
        .collect();
    let mut begins = Vec::new();
    if atomic {
        begins = together(racing).await;
    } else {
        for one in racing {
            begins.push(one.await);
        }
    }
    begins.sort();
    let expected: Vec<Micros> = (0..20).map(|n| Micros(from.0 + n * span.0)).collect();
    assert_eq!(begins, expected);
    assert_eq!(
        ledger.reserve(other, from, span).await,
        Ok(from),
        "each call has its own"
    );
    let long_after = NOW.plus(Duration::from_secs(100_000_000));
    assert_eq!(
        ledger.due_entries(long_after, 100).await,
        Ok(DueEntries::default()),
        "they are no entry"
    );
}

async fn old_slots_are_not_given<L: Ledger>(ledger: &L) {
    let service = Service::StepFunctions;
    let (from, span) = (Micros::from(NOW), Micros(1_000));
    assert_eq!(ledger.reserve(service, from, span).await, Ok(from));
    let later = Micros(from.0 + 5_000);
    assert_eq!(ledger.reserve(service, later, span).await, Ok(later));
    // Whose clock is behind gets what is next all the same.
    let next = Micros(later.0 + span.0);
    assert_eq!(ledger.reserve(service, from, span).await, Ok(next));
    assert_eq!(
        ledger.reserve(service, Micros(next.0 + span.0), span).await,
        Ok(Micros(next.0 + span.0))
    );
}

/// A ledger whose client sends every write twice and gets the second answer.
struct Twice<'l, L>(&'l L);

impl<L: EntryStore> EntryStore for Twice<'_, L> {
    async fn read(&self, subject: &Subject) -> Result<Option<Entry>, Error> {
        self.0.read(subject).await
    }

    async fn put_if_revision(&self, entry: &Entry) -> Result<CasResult, Error> {
        let _ = self.0.put_if_revision(entry).await?;
        self.0.put_if_revision(entry).await
    }

    async fn claim_due(
        &self,
        retry_message: &RetryMessage,
        writer: Writer<'_>,
    ) -> Result<ClaimResult, Error> {
        let _ = self.0.claim_due(retry_message, writer).await?;
        self.0.claim_due(retry_message, writer).await
    }

    async fn due_entries(&self, now: Time, max: usize) -> Result<DueEntries, Error> {
        self.0.due_entries(now, max).await
    }
}

impl<L: CheckpointStore> CheckpointStore for Twice<'_, L> {
    async fn checkpoint(&self) -> Result<Option<ScanCheckpoint>, Error> {
        self.0.checkpoint().await
    }

    async fn put_checkpoint(
        &self,
        checkpoint: &ScanCheckpoint,
    ) -> Result<CasResult<ScanCheckpoint>, Error> {
        let _ = self.0.put_checkpoint(checkpoint).await?;
        self.0.put_checkpoint(checkpoint).await
    }
}

impl<L: SlotStore> SlotStore for Twice<'_, L> {
    async fn reserve(&self, service: Service, from: Micros, span: Micros) -> Result<Micros, Error> {
        let _ = self.0.reserve(service, from, span).await?;
        self.0.reserve(service, from, span).await
    }
}

async fn what_was_noted_last_of_a_machine_is_recalled<L: Ledger + DefinitionCache>(
    definition_cache: &L,
) {
    let machine = |name| format!("arn:aws:states:eu-west-1:111122223333:stateMachine:{name}");
    let version = format!("{}:3", machine("etl"));
    let known = |id: Option<&str>, states: &str, confirmed| {
        let definition = format!(r#"{{"States":{{{states}}}}}"#);
        CachedDefinition {
            revision: Revision::read(id.map(Into::into), NOW, &definition).unwrap(),
            confirmed,
        }
    };
    let fails = r#""A":{"Type":"Fail","Error":"Own.Error"},"B":{"Type":"Fail","Error":"ü"},"C":{"Type":"Fail"}"#;
    let any = r#""A":{"Type":"Fail","ErrorPath":"$.Error"}"#;
    assert_eq!(definition_cache.get(&machine("etl")).await, None);
    for noted in [
        known(None, r#""A":{"Type":"Succeed"}"#, None),
        known(Some("r1"), fails, Some(NOW)),
        // Whoever writes last, whatever he writes.
        known(Some("r0"), any, None),
    ] {
        definition_cache.put(&machine("etl"), &noted, NOW).await;
        assert_eq!(definition_cache.get(&machine("etl")).await, Some(noted));
        assert_eq!(definition_cache.get(&machine("et")).await, None);
        assert_eq!(definition_cache.get(&version).await, None);
    }
    let later = NOW.plus(Duration::from_secs(1_000_000));
    assert_eq!(
        definition_cache.due_entries(later, 100).await,
        Ok(DueEntries::default())
    );
    assert_eq!(definition_cache.checkpoint().await, Ok(None));
}

/// Lets all futures run side by side, each polled in turn.
async fn together<T>(futures: Vec<Pin<Box<dyn Future<Output = T> + '_>>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.into_iter().map(Some).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        for slot in &mut waiting {
            if let Some(future) = slot
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                done.push(value);
                *slot = None;
            }
        }
        if waiting.iter().all(Option::is_none) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done
}
