//! The history that an entry of the ledger holds.

use std::time::Duration;

use redrive_core::failure::FailureId;
use redrive_core::ledger::{Cancelled, Decided, Entry, EntryFields, Owner};
use redrive_core::verdict::{Reason, Verdict};

use crate::{ARN, LocalAccount, STAGE, at, count, first, judged, opened};

fn ada() -> Cancelled {
    Cancelled {
        by: "ada".into(),
        note: "the lake is read-only tonight".into(),
    }
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn a_history_has_one_line_a_failure_the_oldest_first() {
    let account = LocalAccount::fresh();
    let retried = at(0, |writer| opened(0).accept(None, writer)).unwrap();
    let queued = at(100, |writer| {
        retried.judge(judged(ARN, count(1), 99, 60), writer)
    });
    let cancelled = at(110, |writer| queued.unwrap().cancel(ada(), writer)).unwrap();
    let mut third = judged(ARN, count(2), 300, 600);
    third.verdict.rules[0].used = 1;
    let entry = at(301, |writer| cancelled.judge(third, writer)).unwrap();
    account.store(&first(entry));
    assert_eq!(
        account.redrive(&["history", ARN]).well(),
        "\
etl-orders run-7
arn:aws:states:eu-west-1:111122223333:execution:etl-orders:run-7

2026-11-18 11:06:40 UTC  redriveCount 0  retry: throttled of policy nightly allows retry 1 of 3, at once: the service that was called had too much to do (throttled 0 of 3 used before)  -> retried: AWS accepted it
2026-11-18 11:08:19 UTC  redriveCount 1  retry: throttled of policy nightly allows retry 1 of 3, in 60 s: the service that was called had too much to do (throttled 0 of 3 used before)  -> given up (cancelled): a person cancelled the retry: ada: the lake is read-only tonight
2026-11-18 11:11:40 UTC  redriveCount 2  retry: throttled of policy nightly allows retry 2 of 3, in 600 s: the service that was called had too much to do (throttled 1 of 3 used before)  -> queued, due 2026-11-18 11:21:41 UTC

charged   2 retries (throttled of policy nightly 2 times)
entry     revision 1, written 2026-11-18 11:11:41 UTC by invocation-1, expires 2026-12-18 11:11:41 UTC
"
    );
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn history_states_the_state_of_each_retry() {
    let acting = opened(0);
    let lost = at(5, |writer| acting.mark_in_doubt(writer)).unwrap();
    let taken = at(130, |writer| lost.take_over(writer)).unwrap();
    let observed = Decided {
        observed: true,
        ..judged(ARN, count(0), 0, 60)
    };
    let refused = Decided {
        verdict: Verdict::give_up(Reason::Unmatched, "nightly"),
        retried_before: 2,
        ..judged(ARN, count(2), 0, 0)
    };
    let later = |entry: &Entry| {
        at(400, |writer| {
            entry.judge(judged(ARN, count(1), 399, 60), writer)
        })
    };
    let doubtful = "in doubt  a call was sent and got no answer";
    for (entry, printed) in [
        (
            Ok(acting.clone()),
            &["-> being retried by invocation-1, whose lease ends 2026-11-18 11:13:40 UTC\n"][..],
        ),
        (
            Ok(lost.clone()),
            &[
                "-> sent without an answer; the next check is 2026-11-18 11:13:40 UTC\n",
                doubtful,
            ],
        ),
        (
            at(140, |writer| taken.back_off(writer)),
            &[
                "-> queued, due 2026-11-18 11:16:30 UTC\n",
                doubtful,
                "throttled AWS was too busy to accept it, once since 2026-11-18 11:09:00 UTC\n",
            ],
        ),
        (
            at(7, |writer| acting.give_up(Reason::Refused, true, writer)),
            &[
                "-> given up (refused): AWS refused the retry, 2026-11-18 11:06:47 UTC\n",
                "charged   0 retries",
            ],
        ),
        (
            Ok(at(0, |writer| Entry::open(observed, writer))),
            &[
                "-> observed: the verdict was recorded in observe mode, and the failure is never retried, 2026-11-18 11:06:40 UTC\n",
            ],
        ),
        (
            Ok(at(0, |writer| Entry::open(refused, writer))),
            &[
                "redriveCount 2  give_up: no rule of policy nightly matches  -> not retried (unmatched), ",
                "charged   0 retries; AWS counted 2 before this entry existed",
            ],
        ),
        (
            at(9, |writer| acting.recover(None, writer)),
            &["-> succeeded afterwards, 2026-11-18 11:06:49 UTC\n"],
        ),
        (
            at(9, |writer| acting.terminate(None, writer)),
            &["-> terminated by a person, which is not undone, 2026-11-18 11:06:49 UTC\n"],
        ),
        (
            later(&lost),
            &["-> in progress at the next failure, which shows that it was retried\n"],
        ),
        (
            later(&opened(60)),
            &["-> still queued at the next failure\n"],
        ),
    ] {
        let account = LocalAccount::fresh();
        account.store(&first(entry.unwrap()));
        let out = account.redrive(&["history", ARN]).well();
        for words in printed {
            assert!(out.contains(words), "{words} is not in\n{out}");
        }
    }
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn a_stage_is_asked_for_by_its_arn_and_execution_id() {
    let account = LocalAccount::fresh();
    let actions = FailureId::FailedActions(["a-1".to_owned(), "b-1".to_owned()].into());
    let entry = at(0, |writer| {
        Entry::open(judged(STAGE, actions, 0, 60), writer)
    });
    account.store(&entry);
    let out = account.redrive(&["history", STAGE]).well();
    assert!(
        out.starts_with(&format!("web-delivery Build 56dd4e8f\n{STAGE}\n\n")),
        "{out}"
    );
    assert!(out.contains("UTC  actions a-1 b-1  retry: "), "{out}");
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn a_history_as_json_is_the_entry_on_one_line() {
    let account = LocalAccount::fresh();
    let entry = first(at(10, |writer| opened(60).cancel(ada(), writer)).unwrap());
    account.store(&entry);
    let out = account.redrive(&["history", ARN, "--json"]).well();
    assert_eq!(out.lines().count(), 1);
    assert_eq!(serde_json::from_str::<Entry>(&out).unwrap(), entry);
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn control_characters_are_escaped() {
    let account = LocalAccount::fresh();
    let evil = "a\u{1b}[31m\u{9b}31m\u{202e}b\nc";
    let mut judged = judged(ARN, count(0), 0, 60);
    judged.verdict.rules[0].description = Some(evil.into());
    judged.verdict.rules[0].rule = evil.into();
    judged.verdict.policy = Some(evil.into());
    let waiting = at(0, |writer| Entry::open(judged, writer));
    let cancelled = Cancelled {
        by: evil.into(),
        note: evil.into(),
    };
    let entry = at(10, |writer| waiting.cancel(cancelled, writer)).unwrap();
    let entry = first(Entry::restored(EntryFields {
        written_by: Owner(evil.into()),
        ..(*entry).clone()
    }));
    account.store(&entry);
    for arguments in [
        &["history", ARN][..],
        &["history", ARN, "--json"],
        &["cancel", ARN, "--reason", "x"],
        &["cancel", ARN, "--reason", "x", "--json"],
    ] {
        let out = account.redrive(arguments).well();
        let hidden = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!out.contains(hidden), "{out:?}");
        if arguments.contains(&"--json") {
            assert_eq!(serde_json::from_str::<Entry>(&out).unwrap(), entry);
        }
    }
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn missing_entry_names_the_places_read_and_possible_reasons() {
    let account = LocalAccount::fresh();
    let other = ARN
        .replace("eu-west-1", "us-east-1")
        .replace("111122223333", "000000000000");
    for arguments in [
        &["history", ARN][..],
        &["history", ARN, "--json"],
        &["cancel", ARN, "--reason", "x"],
    ] {
        let said = account.redrive(arguments).refused();
        assert_eq!(
            said,
            format!(
                "redrive: the ledger has no entry for {ARN}\n\
                 Read were table {}, region eu-west-1, account 111122223333. Possible reasons:\n\
                 - it never failed, or its event has not arrived yet (at most minutes)\n\
                 - no policy matches its target, or redrive was off: such a failure has no entry\n\
                 - its entry has expired: an entry expires 30 days after its last write\n\
                 - the ledger is in another table or region: --table NAME, --region NAME\n",
                account.table
            )
        );
    }
    let said = account.redrive(&["history", &other]).refused();
    for words in [
        "another account: the ARN has 000000000000, and the credentials have 111122223333; see --profile",
        "another region: the ARN has us-east-1; try --region us-east-1",
    ] {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
    let kept = redrive_core::ledger::Timing::default().retention;
    assert_eq!(kept, Duration::from_secs(30 * 24 * 60 * 60), "as is said");
}
