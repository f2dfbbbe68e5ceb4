//! A person cancels a queued retry.

use redrive_core::ledger::{
    Cancelled, ClaimResult, DueEntries, Entry, EntryFields, EntryStore, State,
};
use redrive_core::verdict::Reason;

use crate::{ADA, ARN, LocalAccount, STAGE, at, count, first, judged, opened, ran, run};

const WHY: &str = "the lake is read-only tonight";

fn cancellation(entry: &Entry) -> (State, Reason, u32, Option<(&str, &str)>) {
    let cancelled = entry
        .cancelled
        .as_ref()
        .map(|Cancelled { by, note }| (by.as_str(), note.as_str()));
    (entry.state, entry.reason(), entry.retries, cancelled)
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn cancelled_retry_cannot_be_claimed() {
    let account = LocalAccount::fresh();
    let actions = redrive_core::failure::FailureId::FailedActions(["a-1".to_owned()].into());
    let stage = at(0, |writer| {
        Entry::open(judged(STAGE, actions, 0, 60), writer)
    });
    for (key, waiting, name) in [
        (ARN, opened(60), "etl-orders run-7 (redriveCount 0)"),
        (STAGE, stage, "web-delivery Build 56dd4e8f (actions a-1)"),
    ] {
        account.store(&waiting);
        let out = account.redrive(&["cancel", key, "--reason", WHY]).well();
        assert_eq!(
            out,
            format!(
                "cancelled  the retry of {name}, by {ADA}: {WHY}\n\
                 charged    0 retries (throttled of policy nightly 0 times): the charge is refunded\n           \
                 A message left in the queue has no effect. A later failure is judged again.\n"
            )
        );
        let entry = account.stored(key);
        assert_eq!(
            cancellation(&entry),
            (State::GivenUp, Reason::Cancelled, 0, Some((ADA, WHY)))
        );
        assert_eq!(
            (entry.revision, entry.due_at, entry.next_check_at),
            (2, None, None)
        );
        let taken = at(60, |writer| {
            run(account.ledger.claim_due(&waiting.retry_message(), writer))
        });
        assert_eq!(taken, Ok(ClaimResult::Refused(Some(entry))));
    }
    let late = at(1_000_000, |writer| {
        run(account.ledger.due_entries(writer.now, 10))
    });
    assert_eq!(
        late,
        Ok(DueEntries::default()),
        "the sweep does not see them"
    );
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn second_cancel_names_the_first_and_writes_nothing() {
    let account = LocalAccount::fresh();
    account.store(&opened(60));
    let cancel = |by| account.redrive(&["cancel", ARN, "--reason", WHY, "--by", by]);
    cancel("grace").well();
    let entry = account.stored(ARN);
    let out = cancel("ada").well();
    assert!(
        out.starts_with("cancelled already, 2") && out.contains(&format!(", by grace: {WHY}\n")),
        "{out}"
    );
    assert!(out.ends_with("Nothing was written.\n"), "{out}");
    assert_eq!(account.stored(ARN), entry);
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn cancel_of_an_entry_not_queued_is_refused_with_its_state_and_advice() {
    let acting = opened(0);
    let stop = format!("aws stepfunctions stop-execution --execution-arn {ARN}\n");
    for (entry, stands, advice) in [
        (
            Ok(acting.clone()),
            "being retried by invocation-1, whose lease ends 2026-11-18 11:13:40 UTC",
            &*stop,
        ),
        (
            at(5, |writer| acting.mark_in_doubt(writer)),
            "sent without an answer",
            &*stop,
        ),
        (
            at(5, |writer| acting.accept(None, writer)),
            "retried: AWS accepted it, 2026-11-18 11:06:45 UTC",
            &*stop,
        ),
        (
            at(5, |writer| acting.give_up(Reason::Refused, true, writer)),
            "given up (refused)",
            "No retry is pending",
        ),
        (
            at(5, |writer| acting.recover(None, writer)),
            "succeeded afterwards",
            "No retry is pending",
        ),
    ] {
        let account = LocalAccount::fresh();
        let entry = first(entry.unwrap());
        account.store(&entry);
        for json in [&["--json"][..], &[]] {
            let arguments = [&["cancel", ARN, "--reason", WHY], json].concat();
            let said = account.redrive(&arguments).refused();
            assert!(
                said.starts_with(
                    "redrive: no retry of etl-orders run-7 is queued, and nothing was changed"
                ),
                "{said}"
            );
            assert!(said.contains(stands) && said.contains(advice), "{said}");
        }
        assert_eq!(account.stored(ARN), entry, "nothing is changed");
    }
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn a_retry_in_doubt_stays_charged() {
    let account = LocalAccount::fresh();
    let doubtful = at(130, |writer| {
        let taken = opened(0)
            .mark_in_doubt(writer)
            .unwrap()
            .take_over(writer)
            .unwrap();
        taken.back_off(writer).unwrap()
    });
    account.store(&first(doubtful));
    let out = account.redrive(&["cancel", ARN, "--reason", WHY]).well();
    assert!(
        out.contains("may have happened, and stays charged"),
        "{out}"
    );
    assert_eq!(account.stored(ARN).retries, 1);
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn history_of_a_later_failure_shows_the_cancelled_retry() {
    let account = LocalAccount::fresh();
    account.store(&opened(60));
    account
        .redrive(&["cancel", ARN, "--reason", WHY, "--by", "ada"])
        .well();
    let later = at(200, |writer| {
        account
            .stored(ARN)
            .judge(judged(ARN, count(1), 199, 60), writer)
    });
    account.store(&later.unwrap());
    let out = account.redrive(&["history", ARN]).well();
    let lines: Vec<&str> = out.lines().filter(|line| line.contains("  -> ")).collect();
    assert!(
        lines[0].ends_with(&format!("a person cancelled the retry: ada: {WHY}")),
        "{out}"
    );
    assert!(lines[1].contains("-> queued, due"), "{out}");
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn entry_names_the_person_who_cancelled() {
    let account = LocalAccount::fresh();
    // As named; as STS knows them; where STS does not answer, as the machine does.
    let cancel = &["cancel", ARN, "--reason", WHY, "--json"][..];
    let named = account.command(&[cancel, &["--by", "grace"]].concat());
    let known = account.command(cancel);
    let mut user = account.command(cancel);
    user.env("AWS_ENDPOINT_URL_STS", &account.url)
        .env("USER", "ada");
    let mut revision = 0;
    for (command, by) in [(named, "grace"), (known, ADA), (user, "ada")] {
        let entry = Entry::restored(EntryFields {
            revision: revision + 1,
            ..(*opened(60)).clone()
        });
        account.store(&entry);
        let entry: Entry = serde_json::from_str(&ran(command).well()).unwrap();
        assert_eq!(entry, account.stored(ARN));
        assert_eq!(entry.cancelled.clone().unwrap().by, by);
        revision = entry.revision;
    }
    let mut nobody = account.command(cancel);
    nobody
        .env("AWS_ENDPOINT_URL_STS", &account.url)
        .env_remove("USER");
    let said = ran(nobody).refused();
    assert!(said.contains("give it with --by NAME"), "{said}");
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn texts_that_are_empty_or_too_long_are_refused() {
    let account = LocalAccount::fresh();
    account.store(&opened(60));
    let (long_by, long_why) = ("ä".repeat(257), "ä".repeat(1_025));
    for (reason, by, said) in [
        ("", "ada", "--reason is empty"),
        (" \n", "ada", "--reason is empty"),
        ("x", "", "--by is empty"),
        (
            &*long_why,
            "ada",
            "--reason has 1025 characters; the maximum is 1024",
        ),
        (
            "x",
            &*long_by,
            "--by has 257 characters; the maximum is 256",
        ),
    ] {
        let printed = account
            .redrive(&["cancel", ARN, "--reason", reason, "--by", by])
            .refused();
        assert!(printed.contains(said), "{printed}");
    }
    assert_eq!(account.stored(ARN), opened(60));
    let longest = [
        "cancel",
        ARN,
        "--reason",
        &"ä".repeat(1_024),
        "--by",
        &"ä".repeat(256),
    ];
    account.redrive(&longest).well();
}
