//! Problems of a document: their places, messages and remedies.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use strsim::osa_distance;

/// Line and column, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// The place of a part of the model in its document. Any two places are equal: the layout of a document does not
/// change its meaning.
#[derive(Debug, Clone, Copy, Default)]
pub struct At(pub Place);

impl PartialEq for At {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for At {}

/// Whether a document with a problem can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The document cannot be used.
    Error,
    /// The document can be used, but may not do what its author expects.
    Warning,
}

/// One problem of a policy document: a user's mistake, never a fault of the program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}: {}", .place.line, .place.column, self.sentence())]
pub struct Problem {
    /// The place of the problem in its document.
    pub place: Place,
    /// Whether the document can be used despite the problem.
    pub severity: Severity,
    /// The text that was read, the values that are allowed, and the closest known word where one is close.
    pub message: String,
    /// The remedy, where the message does not state it.
    pub remedy: Option<String>,
}

impl Problem {
    /// Returns an error at a place.
    #[must_use]
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            severity: Severity::Error,
            message: message.into(),
            remedy: None,
        }
    }

    /// Returns a warning whose message states the remedy.
    #[must_use]
    pub fn warning(place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::new(place, message)
        }
    }

    /// Returns a warning with a separate remedy.
    #[must_use]
    pub fn lint(place: Place, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..Self::warning(place, message)
        }
    }

    /// Returns the message, followed by the remedy where it is separate.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.remedy {
            Some(remedy) => format!("{}; {remedy}", self.message),
            None => self.message.clone(),
        }
    }
}

/// All problems of a document, in the order of their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl core::error::Error for Problems {}

/// Returns `; did you mean "limit"?` where a known word is close to the word read, else an empty text.
#[must_use]
pub fn did_you_mean(read: &str, known: &[&str]) -> String {
    closest(read, known).map_or_else(String::new, |word| format!("; did you mean {word:?}?"))
}

fn closest<'a>(read: &str, known: &[&'a str]) -> Option<&'a str> {
    let read = simplified(read);
    // "interval" is short for "interval_seconds", regardless of the number of missing letters.
    if let Some(word) = known
        .iter()
        .find(|word| read.len() >= 4 && simplified(word).starts_with(&read))
    {
        return Some(word);
    }
    // A word of two letters is one letter away from most others: "if" is not "id".
    let letters = read.chars().count();
    if letters < 3 {
        return None;
    }
    // A third of the letters may be wrong: "limt", "backof", "intervalSeconds", "automatical".
    within(&read, known.iter().copied(), letters.div_euclid(3))
}

/// Returns the known word closest to `read`, if at most `most` letters are wrong. `read` must be [`simplified`].
#[must_use]
pub fn within<'a>(
    read: &str,
    known: impl IntoIterator<Item = &'a str>,
    most: usize,
) -> Option<&'a str> {
    let length = read.chars().count();
    known
        .into_iter()
        .map(|word| (simplified(word), word))
        // Each missing or surplus letter counts as a wrong one.
        .filter(|(simple, _)| simple.chars().count().abs_diff(length) <= most)
        .map(|(simple, word)| (osa_distance(read, &simple), word))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= most)
        .map(|(_, word)| word)
}

/// Returns the word without case, dashes, underscores, spaces and dots: people confuse those without meaning another
/// word.
#[must_use]
pub fn simplified(word: &str) -> String {
    word.chars()
        .filter(|c| !matches!(c, '_' | '-' | ' ' | '.'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Returns the words as `a, b or c`.
#[must_use]
pub fn one_of(words: &[&str]) -> String {
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_string(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_miss_gets_a_suggestion_and_a_far_one_none() {
        let known = [
            "limit",
            "backoff",
            "interval_seconds",
            "retry_mode",
            "automatic",
            "id",
        ];
        for (read, expected) in [
            ("limt", Some("limit")),
            ("Limit", Some("limit")),
            ("limits", Some("limit")),
            ("ilmit", Some("limit")),
            ("back_off", Some("backoff")),
            ("intervalSeconds", Some("interval_seconds")),
            ("retry-mode", Some("retry_mode")),
            ("colour", None),
            ("x", None),
            ("if", None),
            ("ids", Some("id")),
        ] {
            assert_eq!(closest(read, &known), expected, "{read}");
        }
    }

    #[test]
    fn overlong_text_is_compared_with_no_word() {
        let long = "limit".repeat(100_000);
        let known = ["limit"; 10_000];
        assert_eq!(closest(&long, &known), None);
    }
}
