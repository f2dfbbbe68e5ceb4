//! The result of a condition, for programs and for people.

use redrive_core::policy::Match;
use serde::Serializer;

pub(super) fn in_a_word<S: Serializer>(matched: &Match, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match matched {
        Match::Yes => "yes",
        Match::No => "no",
        Match::Unknown(_) => "unknown",
        Match::Redacted => "redacted",
    })
}

pub(super) const fn answer(matched: Match) -> &'static str {
    match matched {
        Match::Yes => "matches",
        Match::No => "does not match",
        Match::Unknown(_) => "not known yet",
        Match::Redacted => "not known: AWS withholds it",
    }
}
