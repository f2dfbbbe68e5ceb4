//! Reads the HTTP status of a called service's answer, as the AWS SDKs write it.

use super::name;

/// Reads the status from a text.
///
/// An optimised integration writes `(Service: X; Status Code: 429; Error Code: …)`. `aws-sdk:*` writes `(Service: X,
/// Status Code: 429, Request ID: …)`. Programs in Go write `status code: 429, request id: …`. The status follows the
/// message, which may quote another one, so the last counts.
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
