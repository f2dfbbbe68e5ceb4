//! Event files, and the transition that each of them announces.

use redrive_core::time::Time;
use serde_json::Value;

/// An event file.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file's name, as the report shows it.
    pub name: String,
    /// The file's content.
    pub bytes: Vec<u8>,
}

/// The transition that an event announces. A file and an emulated event with the same key make the same announcement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Execution {
        arn: String,
        status: String,
        redrive_count: u64,
    },
    Pipeline {
        place: String,
        execution: String,
        stage: String,
        action: String,
        state: String,
        attempt: u64,
    },
}

impl Key {
    /// Returns the execution that the transition belongs to.
    pub(super) fn whose(&self) -> &str {
        match self {
            Self::Execution { arn, .. } => arn,
            Self::Pipeline { execution, .. } => execution,
        }
    }
}

/// An event file, parsed as far as possible.
#[derive(Debug)]
pub(super) struct File {
    pub(super) source: Source,
    pub(super) at: Option<Time>,
    pub(super) key: Option<Key>,
    event: Value,
}

impl File {
    pub(super) fn new(source: Source) -> Self {
        let event: Value = serde_json::from_slice(&source.bytes).unwrap_or_default();
        let stopped = event
            .pointer("/detail/stopDate")
            .and_then(Value::as_u64)
            .map(Time::from_millis);
        let announced = text(&event, "/time").and_then(Time::parse);
        // An execution's `stopDate` gives the time of the end in milliseconds.
        Self {
            at: stopped.or(announced),
            key: key_of(&event),
            event,
            source,
        }
    }

    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        text(&self.event, pointer)
    }

    pub(super) fn millis(&self, pointer: &str) -> Option<u64> {
        self.event.pointer(pointer).and_then(number)
    }
}

fn text<'a>(event: &'a Value, pointer: &str) -> Option<&'a str> {
    event.pointer(pointer).and_then(Value::as_str)
}

/// Reads a number in any of the forms `3`, `3.0` and `"3"`.
fn number(value: &Value) -> Option<u64> {
    let number = value
        .as_f64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count or a date"
    )]
    let whole = number.max(0.0) as u64;
    Some(whole)
}

pub(super) fn key_of(event: &Value) -> Option<Key> {
    let of = |pointer: &str| text(event, pointer).unwrap_or_default().to_owned();
    match text(event, "/source")? {
        "aws.states" => Some(Key::Execution {
            arn: text(event, "/detail/executionArn")?.to_owned(),
            status: text(event, "/detail/status")?.to_owned(),
            redrive_count: event
                .pointer("/detail/redriveCount")
                .and_then(number)
                .unwrap_or_default(),
        }),
        "aws.codepipeline" => Some(Key::Pipeline {
            place: format!(
                "{} {} {}",
                of("/account"),
                of("/region"),
                text(event, "/detail/pipeline")?
            ),
            execution: text(event, "/detail/execution-id")?.to_owned(),
            stage: of("/detail/stage"),
            action: of("/detail/action"),
            state: text(event, "/detail/state")?.to_owned(),
            attempt: event
                .pointer("/detail/pipeline-execution-attempt")
                .and_then(number)
                .unwrap_or(1)
                .max(1),
        }),
        _ => None,
    }
}
