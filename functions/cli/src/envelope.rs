//! Help for input that is not a single event: events in the envelopes of other services, several events, or a part of
//! one. The help names the input and the way to the event.

use std::path::Path;

use serde_json::{Deserializer, Value};

use crate::input;

/// Returns help for input that [`event::parse`](redrive_core::event::parse) could not read, or `None` where there is
/// none.
pub(crate) fn help(path: &Path, bytes: &[u8]) -> Option<String> {
    // UTF-16 of plain letters is valid UTF-8, with a NUL beside each letter.
    if std::str::from_utf8(bytes).is_err() || bytes.contains(&0) {
        return Some(
            "this is not UTF-8; save the event as UTF-8, as EventBridge delivers it".into(),
        );
    }
    let mut values = Deserializer::from_slice(bytes).into_iter::<Value>();
    let value = match values.next() {
        None => return Some(format!("the input is empty; {EXPECTED}")),
        // The place of a mistake in JSON is already reported.
        Some(Err(_)) if bytes.trim_ascii_start().starts_with(b"{") => return None,
        Some(Err(_)) => return Some(EXPECTED.to_owned()),
        Some(Ok(value)) => value,
    };
    let file = match path.to_str() {
        Some("-") => String::new(),
        _ => format!(" {}", input::shown(path)),
    };
    let several = |what: &str, first: &str| {
        format!(
            "{what}, and explain reads one; for the first: jq {first}{file} | redrive explain --policy POLICY -"
        )
    };
    if matches!(values.next(), Some(Ok(_))) {
        return Some(several("these are several events", "-n input"));
    }
    if let Value::Array(events) = &value {
        let count = events.len();
        return Some(match events.first() {
            None => format!("this is an empty array; {EXPECTED}"),
            Some(_) => several(&format!("this is an array of {count}"), "'.[0]'"),
        });
    }
    if let Some((what, filter)) = envelope(&value) {
        return Some(format!(
            "{what}; extract the event: jq -r '{filter}'{file} | redrive explain --policy POLICY -"
        ));
    }
    if ["executionArn", "execution-id"]
        .iter()
        .any(|key| value.get(key).is_some())
    {
        return Some(format!(
            "this is the detail of an event, or an answer of the API, without the event around it; {EXPECTED}"
        ));
    }
    // A malformed event reports its own mistake.
    let is_event = ["source", "detail-type", "detail"]
        .iter()
        .any(|key| value.get(key).is_some());
    (!is_event).then(|| EXPECTED.to_owned())
}

const EXPECTED: &str = "expected an event as EventBridge delivers it: a JSON object with source, detail-type, account, region, time and detail";

/// Returns the name of an envelope, and the place of the event in it as a path of jq.
fn envelope(value: &Value) -> Option<(&'static str, &'static str)> {
    /// Envelopes, recognised by a value at the place of the event.
    const ENVELOPES: [(&str, &str, &str); 6] = [
        (
            "/Records/0/body",
            "this is the input of a function from SQS",
            ".Records[0].body",
        ),
        (
            "/Records/0/Sns/Message",
            "this is the input of a function from SNS",
            ".Records[0].Sns.Message",
        ),
        (
            "/Messages/0/Body",
            "this is an answer of ReceiveMessage",
            ".Messages[0].Body",
        ),
        ("/Body", "this is a message of SQS", ".Body"),
        ("/Message", "this is a message of SNS", ".Message"),
        (
            "/requestPayload",
            "this is the record that Lambda sends to a function's destination",
            ".requestPayload",
        ),
    ];
    if value.is_string() {
        return Some(("this is JSON inside a JSON text", "."));
    }
    ENVELOPES
        .into_iter()
        .find(|(pointer, ..)| value.pointer(pointer).is_some())
        .map(|(_, what, filter)| (what, filter))
}
