//! The payload of an invocation, whose deserialization never fails.

use redrive_core::event::{self, AllowedSources, Malformed, ParsedEvent};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A payload, or the place where it is not JSON.
///
/// Lambda rejects a payload that is not JSON, so that the second case should not occur.
///
/// INVARIANT: deserialization never fails. After a failure the runtime would not call the function, and no metric
/// would count the event. The runtime's answer could quote the payload, and Lambda would send the event three times.
#[derive(Debug)]
pub(crate) struct Payload(Result<Box<RawValue>, Malformed>);

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer);
        Ok(Self(json.map_err(|error| no_json(&error.to_string()))))
    }
}

impl Payload {
    /// Parses the payload as an event.
    pub(crate) fn event(&self, sources: &AllowedSources) -> ParsedEvent {
        match &self.0 {
            Ok(json) => event::parse(json.get().as_bytes(), sources),
            Err(malformed) => ParsedEvent::Malformed(malformed.clone()),
        }
    }

    /// Reads the payload as a `T`. The error of serde is dropped, since it may quote the payload.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        let json = self.0.as_ref().ok()?;
        serde_json::from_str(json.get()).ok()
    }
}

/// Returns the place and the kind of an error of `serde_json`. The rest of its text is dropped.
fn no_json(said: &str) -> Malformed {
    let place = said
        .rfind("line ")
        .and_then(|start| said.get(start..))
        .unwrap_or("the event");
    let problem = if said.starts_with("EOF ") {
        "the JSON ends before it is complete"
    } else {
        "this is not JSON"
    };
    Malformed {
        place: place.to_owned(),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_handed_over_is_read_or_has_its_place() {
        let table: [(&[u8], Result<&str, &str>); 7] = [
            (b"{\"a\": 1}", Ok("{\"a\": 1}")),
            (b" 7 ", Ok("7")),
            (
                b"",
                Err("line 1 column 0: the JSON ends before it is complete"),
            ),
            (
                b"{\"a\":\n",
                Err("line 2 column 0: the JSON ends before it is complete"),
            ),
            (b"secret", Err("line 1 column 1: this is not JSON")),
            (
                b"{\"a\": \"secret\x00\"}",
                Err("line 1 column 13: this is not JSON"),
            ),
            (
                b"{\"a\": \"secret\xff\"}",
                Err("line 1 column 14: this is not JSON"),
            ),
        ];
        for (bytes, expected) in table {
            // The runtime deserializes in the same way.
            let mut reader = serde_json::Deserializer::from_slice(bytes);
            let payload = Payload::deserialize(&mut reader).unwrap();
            let read = payload.0.as_ref().map(|json| json.get());
            let read = read.map_err(ToString::to_string);
            assert_eq!(read, expected.map_err(ToOwned::to_owned), "{bytes:?}");
        }
    }
}
