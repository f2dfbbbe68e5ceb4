//! The HTTP status that a called service answered with, as the AWS SDKs write it.

use super::name;

/// The status in a text. An optimised integration writes `(Service: X; Status Code: 429; Error Code: …)`,
/// `aws-sdk:*` writes `(Service: X, Status Code: 429, Request ID: …)`, and programs in Go write
/// `status code: 429, request id: …`. All put it behind the message, which may quote another: the last counts.
pub(super) fn status(text: &str) -> Option<u16> {
    last(text, "Status Code: ", |rest| {
        rest.is_empty() || rest.starts_with([';', ',', ')'])
    })
    .or_else(|| {
        last(text, "status code: ", |rest| {
            rest.starts_with(", request id")
        })
    })
}

fn last(text: &str, mark: &str, ends: fn(&str) -> bool) -> Option<u16> {
    text.rmatch_indices(mark).find_map(|(at, mark)| {
        let rest = text.get(at.checked_add(mark.len())?..)?;
        let (digits, rest) = rest.split_at_checked(3)?;
        name::status(digits).filter(|_| ends(rest))
    })
}
