//! `redrive history` and `redrive cancel` as a person on call runs them, on a ledger in DynamoDB Local.
//!
//! `cargo test -p redrive-cli --features account --test account -- --ignored` runs them, and fails where there is none.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod cancel;
#[path = "../../../../tests/contract/engine.rs"]
#[expect(dead_code, reason = "one of its engines is enough here")]
mod engine;
mod history;
mod place;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redrive_aws::aws_sdk_dynamodb::Client;
use redrive_aws::aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use redrive_aws::ledger::DynamoDb;
use redrive_aws::{http, table};
use redrive_core::failure::{FailureId, Subject};
use redrive_core::ledger::{
    CasResult, Decided, Entry, EntryFields, EntryStore, Owner, Timing, Writer,
};
use redrive_core::time::Time;
use redrive_core::verdict::{Charge, Decision, Reason, StageRetryMode, Verdict};

use self::engine::Engine;

static DYNAMODB_LOCAL: LazyLock<Result<Engine, String>> = LazyLock::new(engine::dynamodb_local);
static STS: LazyLock<String> = LazyLock::new(sts);

/// 2026-11-18 13:06:40 UTC.
const NOW: Time = Time::from_millis(1_795_000_000_000);
const ARN: &str = "arn:aws:states:eu-west-1:111122223333:execution:etl-orders:run-7";
const STAGE: &str = "arn:aws:codepipeline:eu-west-1:111122223333:web-delivery/Build/56dd4e8f-0000-4000-8000-000000000001";
const ADA: &str = "arn:aws:sts::111122223333:assumed-role/OnCall/ada";

/// What a run of the command printed, and how it ended.
#[derive(Debug)]
struct Ran {
    out: String,
    err: String,
    code: i32,
}

impl Ran {
    /// Its output, if it ended well.
    #[track_caller]
    fn well(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// Its message, if it refused without any output.
    #[track_caller]
    fn refused(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (1, ""), "{}", self.err);
        self.err
    }
}

/// A table of its own, and the command that asks it.
struct LocalAccount {
    ledger: DynamoDb,
    table: String,
    url: String,
}

impl LocalAccount {
    fn fresh() -> Self {
        static TABLES: AtomicU32 = AtomicU32::new(0);
        let url = engine::running(&DYNAMODB_LOCAL).url.clone();
        let table = format!("account-{}", TABLES.fetch_add(1, Ordering::Relaxed));
        let client = Client::from_conf(
            Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("eu-west-1"))
                .credentials_provider(Credentials::new("test", "test", None, None, "test"))
                .http_client(http::client())
                .endpoint_url(&url)
                .build(),
        );
        run(table::create(&client, &table)).unwrap();
        Self {
            ledger: DynamoDb::new(client, &table),
            table,
            url,
        }
    }

    fn store(&self, entry: &Entry) {
        assert_eq!(
            run(self.ledger.put_if_revision(entry)),
            Ok(CasResult::Stored)
        );
    }

    fn stored(&self, key: &str) -> Entry {
        let subject = Subject::from_key(key).unwrap();
        run(self.ledger.read(&subject)).unwrap().unwrap()
    }

    /// The command, with nothing of this machine's own configuration.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_redrive"));
        command.args(arguments);
        for (name, _) in std::env::vars() {
            if name.starts_with("AWS_") || name.starts_with("REDRIVE_") {
                command.env_remove(name);
            }
        }
        command
            .env("AWS_ENDPOINT_URL_DYNAMODB", &self.url)
            .env("AWS_ENDPOINT_URL_STS", &*STS)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("REDRIVE_LEDGER", &self.table);
        command
    }

    fn redrive(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments))
    }
}

fn ran(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap(),
    }
}

fn run<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(what)
}

/// An STS that knows everybody as Ada.
fn sts() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap());
        }
    });
    url
}

fn answer(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    // The query's last words.
    while !String::from_utf8_lossy(&request).contains("Version=2011-06-15") {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend(&chunk[..count]),
        }
    }
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>{ADA}</Arn><UserId>AROA:ada</UserId><Account>111122223333</Account>\
         </GetCallerIdentityResult></GetCallerIdentityResponse>"
    );
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
}

/// A failure of `key`, `seconds` after [`NOW`], that a rule retries after a delay.
fn judged(key: &str, failure_id: FailureId, seconds: u64, delay_seconds: u32) -> Decided {
    Decided {
        subject: Subject::from_key(key).unwrap(),
        failure_id,
        failed_at: NOW.plus(Duration::from_secs(seconds)),
        retried_before: 0,
        verdict: Verdict {
            decision: Decision::Retry,
            reason: Reason::Matched,
            policy: Some("nightly".into()),
            policy_version: None,
            rules: vec![Charge {
                rule: "throttled".into(),
                description: Some("the service that was called had too much to do".into()),
                used: 0,
                limit: 3,
            }],
            delay_seconds,
            retry_mode: StageRetryMode::FailedActions,
        },
        slot: std::time::Duration::ZERO,
        observed: false,
    }
}

/// Runs `write` with a writer of `invocation-1`, `seconds` after [`NOW`].
fn at<T>(seconds: u64, write: impl FnOnce(Writer<'_>) -> T) -> T {
    let (owner, timing) = (Owner("invocation-1".into()), Timing::default());
    write(Writer {
        owner: &owner,
        now: NOW.plus(Duration::from_secs(seconds)),
        timing: &timing,
    })
}

fn count(count: u32) -> FailureId {
    FailureId::RedriveCount(count)
}

/// The first failure of an execution, opened, in its first revision.
fn opened(delay_seconds: u32) -> Entry {
    at(0, |writer| {
        Entry::open(judged(ARN, count(0), 0, delay_seconds), writer)
    })
}

/// The same as if it were the first write, so that it can be stored at once.
fn first(entry: Entry) -> Entry {
    Entry::restored(EntryFields {
        revision: 1,
        ..(*entry).clone()
    })
}
