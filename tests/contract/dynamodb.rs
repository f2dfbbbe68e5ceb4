//! The ledger on DynamoDB keeps the contract: on Amazon's DynamoDB Local, and on moto.
//!
//! `cargo test --workspace --test dynamodb -- --ignored` runs those that need an engine, and fails without it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod engine;
mod ledger;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Barrier, LazyLock};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use redrive_aws::ledger::{DynamoDb, Schemas};
use redrive_aws::{http, table};
use redrive_core::definition::{CachedDefinition, Revision};
use redrive_core::error::{Error, ErrorKind};
use redrive_core::failure::{FailureId, Subject};
use redrive_core::ledger::{
    CasResult, CheckpointStore, ClaimResult, Decided, DueEntries, Entry, EntryFields, EntryStore,
    Owner, RetryMessage, SlotStore, Timing, Writer, Written, write,
};
use redrive_core::rate_limiter::Micros;
use redrive_core::reads::DefinitionCache;
use redrive_core::services::Service;
use redrive_core::time::Time;
use redrive_core::verdict::{Charge, Decision, Reason, StageRetryMode, Verdict};

use self::engine::Engine;

/// One DynamoDB Local and one moto for all tests of this program.
static DYNAMODB_LOCAL: LazyLock<Result<Engine, String>> = LazyLock::new(engine::dynamodb_local);
static MOTO: LazyLock<Result<Engine, String>> = LazyLock::new(engine::moto);

const NOW: Time = Time::from_millis(1_795_000_000_000);

/// Runs what a test does, on a runtime like a function's.
fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test)
}

fn client(url: &str) -> Client {
    Client::from_conf(
        Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(http::client())
            .retry_config(RetryConfig::disabled())
            .endpoint_url(url)
            .build(),
    )
}

/// A table that nobody has used.
async fn fresh_table(client: &Client) -> String {
    static TABLES: AtomicU32 = AtomicU32::new(0);
    let name = format!("ledger-{}", TABLES.fetch_add(1, Ordering::Relaxed));
    table::create(client, &name).await.unwrap();
    name
}

async fn fresh(client: &Client) -> DynamoDb {
    DynamoDb::new(client.clone(), fresh_table(client).await)
}

fn keeps_the_contract(engine: &Engine, atomic: bool) {
    run(async {
        let client = client(&engine.url);
        ledger::all(atomic, async || fresh(&client).await).await;
    });
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn the_ledger_on_dynamodb_local_keeps_the_contract() {
    keeps_the_contract(engine::running(&DYNAMODB_LOCAL), true);
}

#[test]
#[ignore = "needs moto: Python 3"]
fn the_ledger_on_moto_keeps_the_contract() {
    keeps_the_contract(engine::running(&MOTO), false);
}

fn execution(name: &str) -> Subject {
    Subject::Execution {
        arn: format!("arn:aws:states:eu-west-1:111122223333:execution:etl:{name}"),
    }
}

/// A failure that is retried after a while, on two rules that explain themselves.
fn decided(subject: Subject, count: u32, delay_seconds: u32) -> Decided {
    let charge = |rule: &str| Charge {
        rule: rule.into(),
        description: Some("the service that was called had too much to do".into()),
        used: count.min(9),
        limit: 10,
    };
    Decided {
        subject,
        failure_id: FailureId::RedriveCount(count),
        failed_at: NOW,
        retried_before: 0,
        verdict: Verdict {
            decision: Decision::Retry,
            reason: Reason::Matched,
            policy: Some("step-functions".into()),
            policy_version: None,
            rules: vec![charge("throttled"), charge("rule-0f1e2d3c4b")],
            delay_seconds,
            retry_mode: StageRetryMode::FailedActions,
        },
        slot: std::time::Duration::ZERO,
        observed: false,
    }
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn fifty_threads_that_claim_at_once_give_one_winner() {
    let engine = engine::running(&DYNAMODB_LOCAL);
    let table = run(async { fresh_table(&client(&engine.url)).await });
    let ledger = || DynamoDb::new(client(&engine.url), &table);
    let start = Barrier::new(50);
    let claim = |number: usize| {
        let owner = Owner(format!("thread-{number}"));
        let timing = Timing::default();
        let writer = Writer {
            owner: &owner,
            now: NOW,
            timing: &timing,
        };
        let entry = Entry::open(decided(execution("race"), 0, 0), writer);
        // A runtime and a connection of its own, as a function has.
        run(async {
            let ledger = ledger();
            assert_eq!(ledger.read(&execution("nobody")).await, Ok(None));
            start.wait();
            match write(&ledger, entry).await.unwrap() {
                Written::Claimed(claim) => Some(claim.entry().clone()),
                Written::Conflict(Some(_)) => None,
                other => panic!("{other:?}"),
            }
        })
    };
    let winners: Vec<Entry> = std::thread::scope(|scope| {
        let claim = &claim;
        let threads: Vec<_> = (0..50)
            .map(|number| scope.spawn(move || claim(number)))
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(winners.len(), 1);
    let stored = run(async { ledger().read(&execution("race")).await });
    assert_eq!(stored, Ok(winners.first().cloned()), "who won is stored");
}

/// A claim is one update that repeats what the core says of it; here on entries with everything in them.
fn takes_as_the_core_says(engine: &Engine) {
    let (a, b, timing) = (Owner("a".into()), Owner("b".into()), Timing::default());
    let writer = |owner, seconds| Writer {
        owner,
        now: NOW.plus(Duration::from_secs(seconds)),
        timing: &timing,
    };
    let judged = |count, delay| decided(execution("take"), count, delay);
    let acting = Entry::open(judged(0, 0), writer(&a, 0));
    let doubted = acting.take_over(writer(&a, 1)).unwrap();
    let busy = Entry::restored(EntryFields {
        in_doubt: true,
        ..(*acting.back_off(writer(&a, 2)).unwrap()).clone()
    });
    let anew = busy.judge(judged(1, 60), writer(&a, 3)).unwrap();
    let long = anew.judge(judged(2, 100_000), writer(&a, 4)).unwrap();
    let undated = Entry::restored(EntryFields {
        due_at: None,
        next_check_at: None,
        reason: Some(Reason::TargetBusy),
        ..(*long).clone()
    });
    let (mut taken, mut refused) = (0, 0);
    run(async {
        let ledger = fresh(&client(&engine.url)).await;
        for entry in [acting, doubted, busy, anew, long, undated] {
            // Just too early and just in time by each entry's `due_at`; and last by another failure's retry message.
            let retry_messages =
                [1, 2, 3, 99_943, 99_944].map(|seconds| (entry.failure_number, seconds));
            for (failure_number, seconds) in retry_messages
                .into_iter()
                .chain([(entry.failure_number + 1, 99_944)])
            {
                let entry = Entry::restored(EntryFields {
                    subject: execution(&format!("take-{taken}-{refused}")),
                    revision: 1,
                    ..(*entry).clone()
                });
                assert_eq!(ledger.put_if_revision(&entry).await, Ok(CasResult::Stored));
                let retry_message = RetryMessage {
                    failure_number,
                    ..entry.retry_message()
                };
                let writer = writer(&b, seconds);
                let answer = ledger.claim_due(&retry_message, writer).await;
                if !entry.is_due(&retry_message, writer.now) {
                    refused += 1;
                    assert_eq!(answer, Ok(ClaimResult::Refused(Some(entry))));
                    continue;
                }
                taken += 1;
                let entry = entry.claim(writer).unwrap();
                assert_eq!(answer, Ok(ClaimResult::Claimed(entry.clone())));
                assert_eq!(ledger.read(&entry.subject).await, Ok(Some(entry.clone())));
                let due_entries = ledger
                    .due_entries(entry.next_check_at.unwrap(), 1_000)
                    .await
                    .unwrap();
                assert!(
                    due_entries.entries.contains(&entry),
                    "the index has it as it is now"
                );
            }
        }
    });
    assert_eq!((taken, refused), (13, 23));
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn a_take_does_what_the_core_says_on_dynamodb_local() {
    takes_as_the_core_says(engine::running(&DYNAMODB_LOCAL));
}

#[test]
#[ignore = "needs moto: Python 3"]
fn a_take_does_what_the_core_says_on_moto() {
    takes_as_the_core_says(engine::running(&MOTO));
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn an_entry_of_a_thousand_attempts_is_stored() {
    let engine = engine::running(&DYNAMODB_LOCAL);
    let (owner, timing) = (Owner("a".into()), Timing::default());
    let writer = Writer {
        owner: &owner,
        now: NOW,
        timing: &timing,
    };
    let mut entry = Entry::open(decided(execution("large"), 0, 60), writer);
    for count in 1..=1_000 {
        entry = entry
            .judge(decided(execution("large"), count, 60), writer)
            .unwrap();
    }
    let entry = Entry::restored(EntryFields {
        revision: 1,
        ..(*entry).clone()
    });
    assert_eq!(entry.attempts.len(), 1_000);
    run(async {
        let ledger = fresh(&client(&engine.url)).await;
        assert_eq!(ledger.put_if_revision(&entry).await, Ok(CasResult::Stored));
        assert_eq!(ledger.read(&entry.subject).await, Ok(Some(entry)));
    });
}

/// A policy's name is never empty, but an entry could say so; DynamoDB takes no attribute without a name.
#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn what_dynamodb_refuses_is_a_bug_of_which_only_the_code_is_told() {
    let engine = engine::running(&DYNAMODB_LOCAL);
    let (owner, timing) = (Owner("a".into()), Timing::default());
    let writer = Writer {
        owner: &owner,
        now: NOW,
        timing: &timing,
    };
    let mut nameless = decided(execution("nameless"), 0, 0);
    nameless.verdict.policy = None;
    let entry = Entry::open(nameless, writer);
    assert_eq!(entry.rule_usage("", "throttled"), 1);
    let answer = run(async {
        fresh(&client(&engine.url))
            .await
            .put_if_revision(&entry)
            .await
    });
    assert_eq!(
        answer,
        Err(Error::new(
            ErrorKind::Internal,
            "PutItem ValidationException"
        ))
    );
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn a_table_that_is_not_there_is_named() {
    let engine = engine::running(&DYNAMODB_LOCAL);
    let ledger = run(async {
        let ledger = DynamoDb::new(client(&engine.url), "nowhere");
        ledger.read(&execution("lost")).await
    });
    assert_eq!(
        ledger,
        Err(Error::new(
            ErrorKind::Unavailable,
            "GetItem ResourceNotFoundException: there is no table nowhere, or no index"
        ))
    );
}

#[test]
fn a_ledger_that_does_not_answer_is_not_reachable() {
    // Port 9 of this machine: nobody discards anything there.
    let answer = run(async {
        let ledger = DynamoDb::new(client("http://127.0.0.1:9"), "ledger");
        ledger.read(&execution("lost")).await
    });
    assert_eq!(
        answer,
        Err(Error::new(
            ErrorKind::Unavailable,
            "GetItem (no connection)"
        ))
    );
}

#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn what_has_expired_is_dynamodbs_to_delete() {
    let engine = engine::running(&DYNAMODB_LOCAL);
    run(async {
        let client = client(&engine.url);
        let table = fresh_table(&client).await;
        table::expire(&client, &table).await.unwrap();
        let ttl = client
            .describe_time_to_live()
            .table_name(&table)
            .send()
            .await
            .unwrap()
            .time_to_live_description
            .unwrap();
        assert_eq!(ttl.attribute_name.as_deref(), Some("ttl"));

        // Whole seconds, and not before the entry expires.
        let (owner, timing) = (Owner("a".into()), Timing::default());
        let writer = Writer {
            owner: &owner,
            now: NOW.plus(Duration::from_millis(1)),
            timing: &timing,
        };
        let entry = Entry::open(decided(execution("ttl"), 0, 60), writer);
        let ledger = DynamoDb::new(client.clone(), &table);
        assert_eq!(ledger.put_if_revision(&entry).await, Ok(CasResult::Stored));
        let written = async || {
            let scan = client.scan().table_name(&table).send().await.unwrap();
            scan.items.unwrap()[0]["ttl"].as_n().unwrap().clone()
        };
        let month = timing.retention.as_secs();
        assert_eq!(written().await, (1_795_000_001 + month).to_string());
        let later = Writer {
            now: NOW.plus(Duration::from_secs(60)),
            ..writer
        };
        assert!(matches!(
            ledger.claim_due(&entry.retry_message(), later).await,
            Ok(ClaimResult::Claimed(_))
        ));
        assert_eq!(
            written().await,
            (1_795_000_060 + month).to_string(),
            "every write renews it"
        );
    });
}

/// All of those that are due first are in one shard, so that more than its first page is needed.
#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn one_shard_may_have_all_that_wake_first() {
    let engine = engine::running(&DYNAMODB_LOCAL);
    let (a, timing) = (Owner("a".into()), Timing::default());
    run(async {
        let client = client(&engine.url);
        let table = fresh_table(&client).await;
        let ledger = DynamoDb::new(client.clone(), &table);
        let names = (0..).map(|number| execution(&format!("shard-{number}")));
        let together = |shard| move |subject: &Subject| (subject.part_of(8) == 3) == shard;
        let first = names.clone().filter(together(true)).take(50);
        let others = names.filter(together(false)).take(50);
        let mut waiting = Vec::new();
        for (subject, seconds) in first.chain(others).zip(100..) {
            let writer = Writer {
                owner: &a,
                now: NOW,
                timing: &timing,
            };
            let entry = Entry::open(decided(subject, 0, seconds), writer);
            assert_eq!(ledger.put_if_revision(&entry).await, Ok(CasResult::Stored));
            waiting.push(entry);
        }
        let now = NOW.plus(Duration::from_secs(1_000));
        for max in [1, 8, 40, 49, 50, 51, 75, 100, 200] {
            let expected = &waiting[..waiting.len().min(max)];
            assert_eq!(
                ledger.due_entries(now, max).await.unwrap().entries,
                expected,
                "{max}"
            );
        }
        // They are spread: each shard has some of those that wait, and who takes one leaves it there.
        let scan = client.scan().table_name(&table).send().await.unwrap();
        for entry in &waiting {
            let writer = Writer {
                owner: &a,
                now,
                timing: &timing,
            };
            let taken = ledger.claim_due(&entry.retry_message(), writer).await;
            assert!(matches!(taken, Ok(ClaimResult::Claimed(_))), "{taken:?}");
        }
        let again = client.scan().table_name(&table).send().await.unwrap();
        let placed = |items: &[HashMap<String, AttributeValue>]| -> BTreeMap<String, String> {
            let of =
                |item: &HashMap<String, AttributeValue>, name| item[name].as_s().unwrap().clone();
            let place = |item| (of(item, table::KEY), of(item, table::DUE_SHARD));
            items.iter().map(place).collect()
        };
        let shards: BTreeSet<String> = placed(scan.items()).into_values().collect();
        assert_eq!(shards.into_iter().collect::<String>(), "01234567");
        assert_eq!(placed(again.items()), placed(scan.items()));
    });
}

/// A rolling update, in which functions of schema 1 and of a made-up schema 2 share the table. Each reads what it knows,
/// and neither loses or replaces an item of the other.
#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn an_item_of_a_newer_schema_is_left_alone() {
    let (owner, timing) = (Owner("a".into()), Timing::default());
    let writer = |seconds| Writer {
        owner: &owner,
        now: NOW.plus(Duration::from_secs(seconds)),
        timing: &timing,
    };
    let newer = |call: &str| {
        let call = format!("{call} (an item of schema 2; this version reads up to 1)");
        Error::new(ErrorKind::NewerSchema, call)
    };
    run(async {
        let old = fresh(&client(&engine::running(&DYNAMODB_LOCAL).url)).await;
        let schemas = Schemas::default();
        let new = old.clone().with_schemas(Schemas {
            entry: 2,
            ..schemas
        });
        let queued = |name: &str| Entry::open(decided(execution(name), 0, 60), writer(0));
        for (ledger, name) in [(&old, "old"), (&new, "new")] {
            let stored = ledger.put_if_revision(&queued(name)).await;
            assert_eq!(stored, Ok(CasResult::Stored));
        }
        // Due: the old version handles its own, and counts the other.
        let due = |entries: Vec<Entry>, newer_schema| {
            Ok(DueEntries {
                newer_schema,
                ..entries.into()
            })
        };
        let late = writer(1_000).now;
        assert_eq!(old.due_entries(late, 9).await, due(vec![queued("old")], 1));
        let both = new.due_entries(late, 9).await.unwrap();
        assert_eq!((both.entries.len(), both.newer_schema), (2, 0));
        // The old version neither reads, claims nor replaces it.
        let entry = queued("new");
        let message = entry.retry_message();
        assert_eq!(old.read(&entry.subject).await, Err(newer("GetItem")));
        assert_eq!(
            old.claim_due(&message, writer(60)).await,
            Err(newer("UpdateItem"))
        );
        let cancelled = entry.terminate(None, writer(60)).unwrap();
        let again = Entry::restored(EntryFields {
            revision: 1,
            ..(*cancelled).clone()
        });
        assert_eq!(old.put_if_revision(&again).await, Err(newer("PutItem")));
        assert_eq!(new.read(&entry.subject).await, Ok(Some(entry)));
        // The new version continues what the old one began. What it writes whole has its schema from then on.
        let claimed = match new
            .claim_due(&queued("old").retry_message(), writer(60))
            .await
        {
            Ok(ClaimResult::Claimed(claimed)) => claimed,
            other => panic!("{other:?}"),
        };
        assert_eq!(old.read(&claimed.subject).await, Ok(Some(claimed.clone())));
        let accepted = claimed.accept(None, writer(61)).unwrap();
        assert_eq!(new.put_if_revision(&accepted).await, Ok(CasResult::Stored));
        let late_settle = claimed.mark_in_doubt(writer(62)).unwrap();
        assert_eq!(
            old.put_if_revision(&late_settle).await,
            Err(newer("PutItem"))
        );
        assert_eq!(new.read(&accepted.subject).await, Ok(Some(accepted)));
        // What has the same schema in both versions is shared; what has another is left alone.
        let slots = async |ledger: &DynamoDb, from| {
            let span = Micros(10);
            ledger
                .reserve(Service::StepFunctions, Micros(from), span)
                .await
        };
        assert_eq!(slots(&new, 0).await, Ok(Micros(0)));
        assert_eq!(slots(&old, 0).await, Ok(Micros(10)));
        let new = old.clone().with_schemas(Schemas {
            entry: 2,
            checkpoint: 2,
            slots: 2,
            definition: 2,
        });
        assert_eq!(slots(&new, 0).await, Ok(Micros(20)));
        assert_eq!(slots(&old, 0).await, Ok(Micros(30)));
        assert_eq!(slots(&new, 100).await, Ok(Micros(100)));
        assert_eq!(slots(&old, 100).await, Err(newer("UpdateItem")));
        assert_eq!(slots(&new, 100).await, Ok(Micros(110)));
        // The checkpoint, and what is cached.
        let checkpoint = ledger::checkpoint(1, "a");
        assert_eq!(new.put_checkpoint(&checkpoint).await, Ok(CasResult::Stored));
        assert_eq!(old.checkpoint().await, Err(newer("GetItem")));
        assert_eq!(old.put_checkpoint(&checkpoint).await, Err(newer("PutItem")));
        let cached = |revision: &str| CachedDefinition {
            revision: Revision::read(Some(revision.into()), NOW, "{\"States\":{}}").unwrap(),
            confirmed: None,
        };
        new.put("machine", &cached("new"), NOW).await;
        old.put("machine", &cached("old"), NOW).await;
        assert_eq!(old.get("machine").await, None);
        assert_eq!(new.get("machine").await, Some(cached("new")));
    });
}

/// A table of a version before the first release has items without a schema.
#[test]
#[ignore = "needs DynamoDB Local: Java 17 and Maven"]
fn a_table_of_before_the_first_release_is_refused() {
    let (owner, timing) = (Owner("a".into()), Timing::default());
    let writer = Writer {
        owner: &owner,
        now: NOW,
        timing: &timing,
    };
    run(async {
        let client = client(&engine::running(&DYNAMODB_LOCAL).url);
        let table = fresh_table(&client).await;
        let ledger = DynamoDb::new(client.clone(), &table);
        let entry = Entry::open(decided(execution("before"), 0, 60), writer);
        assert_eq!(ledger.put_if_revision(&entry).await, Ok(CasResult::Stored));
        client
            .update_item()
            .table_name(&table)
            .key("pk", AttributeValue::S(entry.subject.key()))
            .update_expression("REMOVE #schema")
            .expression_attribute_names("#schema", table::SCHEMA)
            .send()
            .await
            .unwrap();
        let refused = |call: &str| {
            let call = format!("{call} (an item of {table} without a schema)");
            Error::new(ErrorKind::OldTable, call)
        };
        assert_eq!(ledger.read(&entry.subject).await, Err(refused("GetItem")));
        assert_eq!(
            ledger.put_if_revision(&entry).await,
            Err(refused("PutItem"))
        );
        let claimed = ledger.claim_due(&entry.retry_message(), writer).await;
        assert_eq!(claimed, Err(refused("UpdateItem")));
        assert_eq!(
            refused("GetItem").to_string(),
            format!(
                "GetItem (an item of {table} without a schema): the table is of a version before the first release; \
                 deploy a new stack, and delete the old table once its retries are over"
            )
        );
    });
}
