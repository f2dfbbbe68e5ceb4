//! Problems of a document: their places, messages and remedies.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

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
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}",
            self.place.line,
            self.place.column,
            self.sentence()
        )
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
        .map(|(simple, word)| (distance(read, &simple), word))
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

/// Returns the optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours.
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (i, ca) in a.chars().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i.saturating_add(1));
        let mut cb_previous = None;
        for (j, cb) in b.iter().copied().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX);
            let step = usize::from(ca != cb);
            let mut best = at(&last, j)
                .saturating_add(step)
                .min(at(&last, j.saturating_add(1)).saturating_add(1))
                .min(at(&row, j).saturating_add(1));
            if previous == Some(cb) && cb_previous == Some(ca) {
                best = best.min(at(&before, j.saturating_sub(1)).saturating_add(1));
            }
            row.push(best);
            cb_previous = Some(cb);
        }
        before = core::mem::replace(&mut last, row);
        previous = Some(ca);
    }
    last.last().copied().unwrap_or_default()
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
    fn a_near_miss_is_named_and_a_far_one_is_not() {
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
    fn a_slip_is_a_letter_too_many_too_few_or_wrong_or_two_neighbours_swapped() {
        for (one, other, slips) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "abxc", 1),
            ("abc", "xbc", 1),
            ("abc", "abd", 1),
            ("ab", "ba", 1),
            ("limit", "ilmit", 1),
            ("limit", "limti", 1),
            // Neighbours count as swapped only where both words have both letters.
            ("ab", "ca", 2),
            ("ab", "bc", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(one, other), slips, "{one} {other}");
            assert_eq!(distance(other, one), slips, "{other} {one}");
        }
    }

    #[test]
    fn a_text_too_long_for_any_word_is_compared_with_none() {
        let long = "limit".repeat(100_000);
        let known = ["limit"; 10_000];
        assert_eq!(closest(&long, &known), None);
    }
}
