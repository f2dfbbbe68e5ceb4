//! What Lambda hands over, read so that reading it never fails.

use redrive_core::event::Malformed;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A payload, or where it is no JSON.
///
/// Lambda takes no payload that is no JSON, so nobody should meet one. If that fails, the runtime does not call
/// the function: it answers in words that may quote what was sent, nothing is counted, and what is no better the
/// second time comes three times. So reading always brings something.
#[derive(Debug)]
pub(crate) struct Payload(Result<Box<RawValue>, Malformed>);

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer);
        Ok(Self(json.map_err(|error| no_json(&error.to_string()))))
    }
}

impl Payload {
    /// The bytes of an event.
    pub(crate) fn bytes(&self) -> Result<&[u8], &Malformed> {
        self.0.as_ref().map(|json| json.get().as_bytes())
    }

    /// What it is expected to be, if it is that. Why it is not remains unsaid, since that may quote it.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        let json = self.0.as_ref().ok()?;
        serde_json::from_str(json.get()).ok()
    }
}

/// The place, of all that `serde_json` says.
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
            // As the runtime does it.
            let mut reader = serde_json::Deserializer::from_slice(bytes);
            let payload = Payload::deserialize(&mut reader).unwrap();
            let read = payload.bytes().map(|bytes| str::from_utf8(bytes).unwrap());
            let read = read.map_err(ToString::to_string);
            assert_eq!(read, expected.map_err(ToOwned::to_owned), "{bytes:?}");
        }
    }
}
