//! What the names of errors, and the texts about them, are made of.

use crate::field::Field;

/// Whether an error is DynamoDB's: `DynamoDB.…` or, called through the SDK integration, `DynamoDb.…`.
pub(crate) fn is_dynamodbs(error: Field<&str>) -> bool {
    match error {
        // Hoped for: nothing is retried before it is known.
        Field::Unknown => true,
        Field::Redacted | Field::Absent => false,
        Field::Known(error) => error
            .split_once('.')
            .is_some_and(|(service, _)| service.eq_ignore_ascii_case("dynamodb")),
    }
}

/// `ThrottlingException` of `DynamoDB.ThrottlingException`.
#[must_use]
pub fn last_component(error: &str) -> &str {
    error.rsplit('.').next().unwrap_or(error)
}

/// What follows each `Error Code:` of a cause: `(Service: S3; Status Code: 503; Error Code: SlowDown; …)`.
pub(crate) fn error_codes(text: &str) -> impl Iterator<Item = &str> {
    first_32_kib(text)
        .split("Error Code:")
        .skip(1)
        .filter_map(|after| {
            after
                .trim_start()
                .split(|c: char| c.is_whitespace() || matches!(c, ';' | ',' | ')' | '"' | '\\'))
                .next()
        })
}

/// Causes and messages are matched in their first 32 KiB, which is all that Step Functions keeps. No other text
/// comes near that.
pub(crate) fn first_32_kib(value: &str) -> &str {
    const MOST: usize = 32 * 1024;
    if value.len() <= MOST {
        return value;
    }
    let end = value
        .char_indices()
        .map(|(at, _)| at)
        .take_while(|at| *at <= MOST)
        .last()
        .unwrap_or_default();
    value.get(..end).unwrap_or(value)
}
