//! Hearing: the bytes of an event become a failure, a word about a failure heard earlier, something
//! irrelevant with its reason, or something malformed with the place.
//!
//! The events are read by our own types, because real ones break stricter readers: CodePipeline writes
//! structure versions as `3.0`, Step Functions writes explicit nulls, keys come and go with the years. So a
//! number may be an integer, a float or a string of digits, a key may be absent or null, and unknown keys are
//! passed over. No text of an event appears in a message of this module, since any may hold secrets.

mod codepipeline;
mod stepfunctions;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::value::RawValue;

pub use self::stepfunctions::parent_in;
use crate::failure::{Failure, Subject};
use crate::time::Time;
pub use crate::tolerant::Malformed;
use crate::tolerant::{Lenient, Slot, Text};
use crate::verdict::Reason;

/// What an event turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "most of what is heard is the large one"
)]
pub enum Heard {
    /// A failure to judge.
    Failure(Failure),
    /// How a subject went on after an earlier failure.
    Sequel(Sequel),
    /// Nothing for us, and why.
    Irrelevant(Irrelevant),
    /// Not an event that can be read.
    Malformed(Malformed),
}

/// A later word on a subject that may have failed before: what tells the ledger how a retry ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequel {
    /// Whose.
    pub subject: Subject,
    /// When, by the service's own clock.
    pub at: Time,
    /// How it went on.
    pub what: SequelKind,
    /// How often an execution had been redriven by then. Stages do not say.
    pub redrive_count: Option<u32>,
}

/// How a subject went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SequelKind {
    /// It succeeded, after so many redrives where that is counted.
    Succeeded,
    /// A person ended it.
    Ended,
}

impl SequelKind {
    /// Why an event that says so is not judged as a failure.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Succeeded => Reason::Succeeded,
            Self::Ended => Reason::Aborted,
        }
    }
}

/// An event that is none of our business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Irrelevant {
    /// Why.
    pub reason: Reason,
    /// Of whom it speaks, where that could be read.
    pub subject: Option<Subject>,
    /// When, where that could be read.
    pub at: Option<Time>,
}

/// Whose events are heard. Empty lists hear everybody's, as on a desk; a deployed function names its own
/// account and region, so that an event sent to it by mistake or malice cannot make it act elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Account ids.
    pub accounts: Vec<String>,
    /// Regions.
    pub regions: Vec<String>,
}

impl Bounds {
    fn refuse(&self, account: &str, region: &str) -> Option<Reason> {
        let outside = |allowed: &[String], one: &str| {
            !allowed.is_empty() && !allowed.iter().any(|a| a == one)
        };
        if outside(&self.accounts, account) {
            Some(Reason::OtherAccount)
        } else if outside(&self.regions, region) {
            Some(Reason::OtherRegion)
        } else {
            None
        }
    }
}

/// Of whom an event speaks, where that can be read.
#[must_use]
pub fn subject_of(bytes: &[u8]) -> Option<Subject> {
    match hear(bytes, &Bounds::default()) {
        Heard::Failure(failure) => Some(failure.subject),
        Heard::Sequel(sequel) => Some(sequel.subject),
        Heard::Irrelevant(irrelevant) => irrelevant.subject,
        Heard::Malformed(_) => None,
    }
}

/// Reads one EventBridge event.
#[must_use]
pub fn hear(bytes: &[u8], bounds: &Bounds) -> Heard {
    match read(bytes, bounds) {
        Ok(heard) => heard,
        Err(malformed) => Heard::Malformed(malformed),
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, rename = "detail-type")]
    detail_type: Slot<Text<'a>>,
    /// The spelling of a notification rule's message, which is no EventBridge event.
    #[serde(borrow, default, rename = "detailType")]
    notification_type: Slot<Text<'a>>,
    #[serde(borrow, default)]
    source: Slot<Text<'a>>,
    #[serde(borrow, default)]
    account: Slot<Text<'a>>,
    #[serde(borrow, default)]
    region: Slot<Text<'a>>,
    #[serde(borrow, default)]
    time: Slot<Text<'a>>,
    #[serde(borrow, default)]
    resources: Lenient<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
}

/// Reads JSON, and names the place of what does not fit. The quick way is tried first: only an event that
/// fails is read again by the reader that keeps track of where it is.
fn parse<'a, T: Deserialize<'a>>(json: &'a [u8], under: &str) -> Result<T, Malformed> {
    // serde would read a list as an object's members in order.
    if !matches!(json.trim_ascii_start().first(), Some(b'{'))
        && serde_json::from_slice::<&RawValue>(json).is_ok()
    {
        return Err(Malformed::new(
            if under.is_empty() { "the event" } else { under },
            "expected an object",
        ));
    }
    serde_json::from_slice(json).map_err(|error| place_of::<T>(json, under, &error))
}

fn place_of<'a, T: Deserialize<'a>>(
    json: &'a [u8],
    under: &str,
    error: &serde_json::Error,
) -> Malformed {
    // A detail is JSON already when it is read: what cannot be read of it even so (half of a surrogate pair, a
    // number beyond all numbers) has a key, and its line here would not be the event's.
    let is_json = !under.is_empty();
    if !error.is_data() && !is_json {
        let place = format!("line {} column {}", error.line(), error.column());
        let problem = if error.is_eof() {
            "the JSON ends before it is complete"
        } else {
            "this is not JSON"
        };
        return Malformed::new(place, problem);
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => Malformed::new(under, "it cannot be read"),
        Err(error) => {
            // A question mark is a key that cannot be read.
            let path = match error.path().to_string().trim_end_matches(['.', '?']) {
                "" => under.to_owned(),
                path if under.is_empty() => path.to_owned(),
                path => format!("{under}.{path}"),
            };
            let path = if path.is_empty() {
                "the event".to_owned()
            } else {
                path
            };
            let error = error.into_inner();
            if !error.is_data() {
                return Malformed::new(path, "no text or number can be read from it");
            }
            let text = error.to_string();
            // serde_json appends a position, which within a detail is not the file's.
            let problem = text
                .rsplit_once(" at line ")
                .map_or(text.as_str(), |(problem, _)| problem);
            // Messages of serde itself quote what was read; ours (see `tolerant`) do not.
            let problem =
                if problem.starts_with("expected ") || problem.starts_with("duplicate field") {
                    problem
                } else if problem.ends_with("expected a sequence") {
                    "expected a list"
                } else {
                    "expected an object"
                };
            Malformed::new(path, problem)
        }
    }
}

fn read(bytes: &[u8], bounds: &Bounds) -> Result<Heard, Malformed> {
    // Editors on Windows put a byte order mark in front.
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Malformed::new("the event", "it is empty"));
    }
    let envelope: Envelope<'_> = parse(bytes, "")?;
    if envelope.notification_type.known().is_some() && envelope.detail_type.known().is_none() {
        return Ok(irrelevant(Reason::NotificationRule));
    }
    let source = envelope.source.require("source")?;
    let detail_type = envelope.detail_type.require("detail-type")?;
    let level = match (source, detail_type) {
        ("aws.states", "Step Functions Execution Status Change") => None,
        ("aws.codepipeline", detail_type) => match codepipeline::Level::of(detail_type) {
            Some(level) => Some(level),
            None => return Ok(irrelevant(Reason::OtherDetailType)),
        },
        ("aws.states", _) => return Ok(irrelevant(Reason::OtherDetailType)),
        _ => return Ok(irrelevant(Reason::OtherSource)),
    };
    let Some(detail) = envelope.detail else {
        return Err(Malformed::new("detail", "it is missing"));
    };
    let detail = detail.get().as_bytes();
    match level {
        None => stepfunctions::hear(&envelope, parse(detail, "detail")?, bounds),
        Some(level) => codepipeline::hear(&envelope, &parse(detail, "detail")?, level, bounds),
    }
}

/// Nothing for us, whoever it speaks of.
const fn irrelevant(reason: Reason) -> Heard {
    Heard::Irrelevant(Irrelevant {
        reason,
        subject: None,
        at: None,
    })
}

/// The account and region that the envelope names must be those of the ARN we would act on.
fn agree(what: &str, envelope: Option<&str>, arn: &str, place: &str) -> Result<(), Malformed> {
    match envelope {
        Some(said) if said != arn => Err(Malformed::new(
            place,
            format!("its {what} is not the one that the event itself names"),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
