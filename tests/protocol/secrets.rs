//! What a failure says is matched and forgotten: no record, entry, retry message or error holds any of it.

use std::collections::BTreeSet;

use redrive_core::controller::{Outcome, Record, RunMode};
use redrive_core::discovery::Search;
use redrive_core::error::Error;
use redrive_emulator::api::{ApiError, Fault};
use redrive_emulator::codepipeline::Outcome as Brings;
use redrive_emulator::stepfunctions::Outcome as Ends;
use serde_json::Value;

use crate::faulty_adapters::{Break, run};
use crate::scene::{NOW, Scene, with};

const SECRET: &str = "pl4nted";
/// An error's name, and its words.
const ERROR: &str = "Own.pl4nted";
const WORDS: &str = "the password is pl4nted";

fn refused(code: &str) -> Fault {
    Fault::Refuse(ApiError::new(code, WORDS))
}

/// A policy that reads what it must not tell, and is written with it.
fn policy(limit: u32, interval_seconds: u32, is: &str) -> String {
    let backoff = format!(
        "{{ interval_seconds: {interval_seconds}, backoff_rate: 1, jitter_strategy: NONE }}"
    );
    let rule = |reads| format!("{{ {reads}: '*{is}*', limit: {limit}, backoff: {backoff} }}");
    let (cause, summary) = (rule("cause"), rule("summary"));
    format!("version: 1\nretry: {{ automatic: [{cause}, {summary}] }}\n")
}

/// An execution and a stage that fail twice in secret words, each by itself.
fn both(policy: &str) -> [Scene; 2] {
    let fails = || Brings::fail(ERROR, WORDS);
    [
        Scene::execution(
            policy,
            [
                Ends::fail(ERROR, WORDS),
                Ends::fail(ERROR, WORDS),
                Ends::succeed(),
            ],
        ),
        Scene::stage(policy, [fails(), fails(), Brings::succeed()]),
    ]
}

/// All that is said and left behind on the way.
#[derive(Default)]
struct Told {
    text: String,
    outcome: BTreeSet<Outcome>,
    errors: usize,
}

impl Told {
    fn record(&mut self, record: &Record) {
        self.outcome.insert(record.outcome);
        self.text += &format!("{record:?} {}\n", record.sentence());
    }

    fn result(&mut self, result: Result<Record, Error>) {
        match result {
            Ok(record) => self.record(&record),
            Err(error) => self.error(&error),
        }
    }

    fn error(&mut self, error: &Error) {
        self.errors += 1;
        self.text += &format!("{error} {error:?}\n");
    }

    fn handle_event(&mut self, scene: &Scene, event: &Value) {
        let event = ["input", "output", "name", "stop-execution-comments"]
            .iter()
            .fold(event.clone(), |event, key| with(&event, key, WORDS));
        self.result(run(scene.handling_event(&event)).unwrap());
    }

    /// What the queue and the due index bring from now on, for an hour.
    fn calm(&mut self, scene: &Scene) {
        for _ in 0..12 {
            scene.wind(300);
            match run(scene.sweeping()).unwrap() {
                Ok(swept) => {
                    swept.records.iter().for_each(|record| self.record(record));
                    swept.errors.iter().for_each(|(_, it)| self.error(it));
                }
                Err(error) => self.error(&error),
            }
            while let Some(retry_message) = scene.adapters.receive() {
                self.text += &format!(
                    "{retry_message:?} {}\n",
                    serde_json::to_string(&retry_message).unwrap()
                );
                self.result(run(scene.taking(&retry_message)).unwrap());
            }
        }
    }

    fn find(&mut self, scene: &Scene) {
        let since = Search {
            since: Some(NOW),
            ..Search::default()
        };
        let api = &scene.adapters.sandbox;
        match run(scene.finding(api, &since)).unwrap() {
            Ok(found) => {
                found.records.iter().for_each(|record| self.record(record));
                let errors = found.errors.iter().map(|(_, error)| error);
                let unread = found.unread.iter().map(|(_, error)| error);
                errors.chain(unread).for_each(|it| self.error(it));
            }
            Err(error) => self.error(&error),
        }
    }

    fn entries(&mut self, scene: &Scene) {
        for entry in scene.adapters.sandbox.ledger.entries() {
            self.text += &format!("{entry:?} {}\n", serde_json::to_string(&entry).unwrap());
        }
    }
}

/// A way that a failure takes, from its event on: `(name, limit, interval in seconds, the way)`.
type Way = (&'static str, u32, u32, fn(&mut Told, &Scene, &Value));

const WAYS: &[Way] = &[
    ("at once", 1, 0, |told, scene, event| {
        told.handle_event(scene, event);
        told.handle_event(scene, event);
        told.handle_event(scene, &scene.failed());
        told.handle_event(scene, event);
    }),
    ("later, and to a good end", 2, 60, |told, scene, event| {
        told.handle_event(scene, event);
        told.calm(scene);
        let again = scene.failed();
        told.handle_event(scene, &again);
        told.calm(scene);
        told.handle_event(scene, &scene.ended("SUCCEEDED"));
    }),
    ("spent before it began", 0, 0, |told, scene, event| {
        told.handle_event(scene, event);
    }),
    ("no rule", 1, 0, |told, scene, event| {
        scene
            .document
            .replace(crate::scene::document(&policy(1, 0, "other pl4nted")));
        told.handle_event(scene, event);
    }),
    ("observed", 1, 0, |told, scene, event| {
        scene.mode.set(RunMode::Observe);
        told.handle_event(scene, event);
    }),
    ("malformed", 1, 0, |told, scene, event| {
        for key in [
            "executionArn",
            "redriveCount",
            "status",
            "stage",
            "execution-id",
            "state",
        ] {
            told.handle_event(scene, &with(event, key, WORDS));
            told.handle_event(scene, &with(event, key, vec![WORDS]));
        }
    }),
    ("found", 1, 0, |told, scene, _| told.find(scene)),
    ("found behind an error", 1, 0, |told, scene, _| {
        for operation in [
            "ListExecutions",
            "GetPipelineState",
            "DescribeExecution",
            "ListActionExecutions",
        ] {
            scene.fault(operation, refused("InternalFailure"));
        }
        for _ in 0..4 {
            told.find(scene);
            scene.wind(60);
        }
    }),
    ("a person ends it", 2, 60, |told, scene, event| {
        told.handle_event(scene, event);
        scene.person_retries();
        scene.person_stops();
        for event in scene.emitted() {
            told.handle_event(scene, &event);
        }
        told.calm(scene);
    }),
    ("no answer", 1, 0, |told, scene, event| {
        scene.retry_meets(Fault::LoseAnswer);
        told.handle_event(scene, event);
        told.calm(scene);
    }),
    ("refused in words", 1, 60, |told, scene, event| {
        for code in [
            "AccessDeniedException",
            "ThrottlingException",
            "ConflictException",
            "ExecutionLimitExceeded",
        ] {
            scene.retry_meets(refused(code));
        }
        told.handle_event(scene, event);
        told.calm(scene);
    }),
    ("refused for good", 1, 0, |told, scene, event| {
        let code = if scene.is_stage() {
            "NotLatestPipelineExecutionException"
        } else {
            "ExecutionNotRedrivable"
        };
        scene.retry_meets(refused(code));
        told.handle_event(scene, event);
    }),
    ("every call breaks once", 1, 60, |told, scene, event| {
        for name in [
            "read",
            "know",
            "look",
            "put_if_revision",
            "send",
            "claim_due",
            "act",
            "due_entries",
        ] {
            scene.next_breaks(name, Break::Before);
        }
        for _ in 0..4 {
            told.handle_event(scene, event);
        }
        told.calm(scene);
    }),
    ("every read is refused once", 1, 0, |told, scene, event| {
        for operation in [
            "DescribeStateMachineForExecution",
            "GetPipelineState",
            "ListActionExecutions",
            "GetPipeline",
        ] {
            scene.fault(operation, refused("AccessDeniedException"));
        }
        for _ in 0..5 {
            told.handle_event(scene, event);
        }
    }),
];

#[test]
fn no_record_entry_retry_message_or_error_holds_a_word_of_what_failed() {
    let mut reached = BTreeSet::new();
    let mut errors = 0;
    for (name, limit, interval_seconds, way) in WAYS {
        for scene in both(&policy(*limit, *interval_seconds, SECRET)) {
            let mut told = Told::default();
            way(&mut told, &scene, &scene.failed());
            told.entries(&scene);
            for line in told.text.lines() {
                assert!(!line.contains(SECRET), "{name}: {line}");
            }
            assert!(!told.text.is_empty(), "{name}");
            reached.extend(told.outcome);
            errors += told.errors;
        }
    }
    // What is not here says less of a failure than these.
    for outcome in [
        Outcome::Retried,
        Outcome::Queued,
        Outcome::BackedOff,
        Outcome::InDoubt,
        Outcome::GaveUp,
        Outcome::Observed,
        Outcome::Ignored,
        Outcome::Duplicate,
        Outcome::Stale,
        Outcome::Recovered,
        Outcome::Terminated,
        Outcome::Confirmed,
    ] {
        assert!(
            reached.contains(&outcome),
            "{outcome:?} is not among {reached:?}"
        );
    }
    assert!(errors > 10, "{errors}");
}
