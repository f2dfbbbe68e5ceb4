//! How a condition answered, for programs and for people.

use redrive_core::policy::Hit;
use serde::Serializer;

pub(super) fn in_a_word<S: Serializer>(hit: &Hit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match hit {
        Hit::Yes => "yes",
        Hit::No => "no",
        Hit::Unknown(_) => "unknown",
        Hit::Withheld => "withheld",
    })
}

pub(super) const fn answer(hit: Hit) -> &'static str {
    match hit {
        Hit::Yes => "matches",
        Hit::No => "does not match",
        Hit::Unknown(_) => "not known yet",
        Hit::Withheld => "not known: AWS withholds it",
    }
}
