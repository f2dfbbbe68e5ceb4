//! Parts of error names, and of the texts about errors.

use crate::field::Field;

/// Returns whether an error is from DynamoDB: `DynamoDB.…` or, through the SDK integration, `DynamoDb.…`.
pub(crate) fn is_dynamodbs(error: Field<&str>) -> bool {
    match error {
        // Optimistic, and safe: no failure is retried before its error is known.
        Field::Unknown => true,
        Field::Redacted | Field::Absent => false,
        Field::Known(error) => error
            .split_once('.')
            .is_some_and(|(service, _)| service.eq_ignore_ascii_case("dynamodb")),
    }
}

/// Returns `ThrottlingException` for `DynamoDB.ThrottlingException`.
#[must_use]
pub fn last_component(error: &str) -> &str {
    error.rsplit('.').next().unwrap_or(error)
}

/// Yields the word after each `Error Code:` of a cause, for example `(Service: S3; Status Code: 503; Error Code:
/// SlowDown; …)`.
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

/// Returns the first 32 KiB of a cause or a message. Step Functions keeps no more, and no other text is near that
/// length.
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
