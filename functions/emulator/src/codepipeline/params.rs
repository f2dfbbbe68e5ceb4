//! Access to the members of a request, with AWS's validation.

use serde_json::Value;

use super::declaration::{invalid, is_name};
use crate::api::ApiError;

/// The body of one request.
#[derive(Clone, Copy)]
pub(super) struct Params<'a>(pub(super) &'a Value);

impl<'a> Params<'a> {
    pub(super) fn optional_text(self, key: &str) -> Result<Option<&'a str>, ApiError> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(key, "a string")),
        }
    }

    pub(super) fn text(self, key: &str) -> Result<&'a str, ApiError> {
        self.optional_text(key)?
            .ok_or_else(|| invalid(key, "not null"))
    }

    /// Reads a name of a pipeline, stage or action.
    pub(super) fn name(self, key: &str) -> Result<&'a str, ApiError> {
        let text = self.text(key)?;
        if is_name(text) {
            Ok(text)
        } else {
            Err(invalid(key, "1 to 100 of [A-Za-z0-9.@\\-_]+"))
        }
    }

    /// Reads a lower-case UUID.
    pub(super) fn uuid(self, key: &str) -> Result<&'a str, ApiError> {
        let text = self.text(key)?;
        if is_uuid(text) {
            Ok(text)
        } else {
            let pattern = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
            Err(invalid(key, pattern))
        }
    }

    pub(super) fn choice<T>(
        self,
        key: &str,
        parse: impl FnOnce(&str) -> Option<T>,
        allowed: &str,
    ) -> Result<T, ApiError> {
        parse(self.text(key)?).ok_or_else(|| invalid(key, allowed))
    }

    pub(super) fn flag(self, key: &str) -> Result<bool, ApiError> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(invalid(key, "a boolean")),
        }
    }

    /// Reads `maxResults`: 1 to `most`, with `most` as the default.
    pub(super) fn max_results(self, most: usize) -> Result<usize, ApiError> {
        let wrong = || invalid("maxResults", &format!("between 1 and {most}"));
        match self.0.get("maxResults") {
            None | Some(Value::Null) => Ok(most),
            Some(value) => {
                let number = value.as_u64().and_then(|it| usize::try_from(it).ok());
                number
                    .filter(|it| (1..=most).contains(it))
                    .ok_or_else(wrong)
            }
        }
    }

    /// Reads the position in a list from `nextToken`, as the previous answer gave it.
    pub(super) fn position(self, of: &str) -> Result<Option<usize>, ApiError> {
        let Some(token) = self.optional_text("nextToken")? else {
            return Ok(None);
        };
        let position = token
            .strip_prefix(of)
            .and_then(|it| it.strip_prefix('-')?.parse().ok());
        position.map(Some).ok_or_else(|| {
            ApiError::new(
                "InvalidNextTokenException",
                "The next token is not one that this operation answered.",
            )
        })
    }
}

/// Returns whether `text` is a lower-case UUID.
pub(super) fn is_uuid(text: &str) -> bool {
    let mut parts = text.split('-');
    let fits = [8, 4, 4, 4, 12].into_iter().all(|length| {
        parts.next().is_some_and(|part| {
            part.len() == length
                && part
                    .bytes()
                    .all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it))
        })
    });
    fits && parts.next().is_none()
}
