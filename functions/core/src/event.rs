//! Parses the bytes of an event into one of the kinds of [`ParsedEvent`].
//!
//! The readers are lenient, because real events break stricter ones. CodePipeline writes structure versions as `3.0`,
//! Step Functions writes explicit nulls, and keys change over the years. So a number may be an integer, a float or a
//! string of digits. A key may be absent or null, and unknown keys are skipped.
//!
//! INVARIANT: no message of this module contains text of an event, because any text may be a secret.

pub(crate) mod parsed;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::ToString;

use serde::Deserialize;
use serde_json::value::RawValue;

use self::parsed::Envelope;
pub use self::parsed::{AllowedSources, Completion, CompletionKind, Ignored, ParsedEvent};
use crate::codepipeline::event as codepipeline;
use crate::step_functions::event as stepfunctions;
pub use crate::step_functions::event::parent_in;
pub use crate::tolerant::Malformed;
use crate::verdict::Reason;

/// Parses one EventBridge event.
#[must_use]
pub fn parse(bytes: &[u8], sources: &AllowedSources) -> ParsedEvent {
    match read(bytes, sources) {
        Ok(parsed) => parsed,
        Err(malformed) => ParsedEvent::Malformed(malformed),
    }
}

/// Reads JSON and names the place of an error. The fast reader is tried first. The slower reader that tracks places
/// reads only malformed events.
fn from_json<'a, T: Deserialize<'a>>(json: &'a [u8], under: &str) -> Result<T, Malformed> {
    // serde would read a list as the members of an object, in order.
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
    // A detail is known to be valid JSON when it is read. A value that is still unreadable (half of a surrogate pair, a
    // number out of range) has a key. Its line in the detail would not be its line in the event.
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
            // The path shows a question mark for a key that cannot be read.
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
            // serde_json appends a position, which within a detail is not a position in the event.
            let problem = text
                .rsplit_once(" at line ")
                .map_or(text.as_str(), |(problem, _)| problem);
            // serde's own messages quote the value. The messages of `tolerant` do not.
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

fn read(bytes: &[u8], sources: &AllowedSources) -> Result<ParsedEvent, Malformed> {
    // Editors on Windows write a byte order mark at the start.
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Malformed::new("the event", "it is empty"));
    }
    let envelope: Envelope<'_> = from_json(bytes, "")?;
    if envelope.notification_type.known().is_some() && envelope.detail_type.known().is_none() {
        return Ok(ignored(Reason::NotificationRule));
    }
    let source = envelope.source.require("source")?;
    let detail_type = envelope.detail_type.require("detail-type")?;
    let level = match (source, detail_type) {
        ("aws.states", "Step Functions Execution Status Change") => None,
        ("aws.codepipeline", detail_type) => match codepipeline::Level::of(detail_type) {
            Some(level) => Some(level),
            None => return Ok(ignored(Reason::OtherDetailType)),
        },
        ("aws.states", _) => return Ok(ignored(Reason::OtherDetailType)),
        _ => return Ok(ignored(Reason::OtherSource)),
    };
    let Some(detail) = envelope.detail else {
        return Err(Malformed::new("detail", "it is missing"));
    };
    let detail = detail.get().as_bytes();
    match level {
        None => stepfunctions::parse(&envelope, from_json(detail, "detail")?, sources),
        Some(level) => {
            codepipeline::parse(&envelope, &from_json(detail, "detail")?, level, sources)
        }
    }
}

/// Returns an event to ignore, without a subject.
const fn ignored(reason: Reason) -> ParsedEvent {
    ParsedEvent::Ignored(Ignored {
        reason,
        subject: None,
        at: None,
    })
}

#[cfg(test)]
mod tests;
