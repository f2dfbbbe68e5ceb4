//! Globs: `*` matches any run of characters, the empty run and line breaks included. `\*` and `\\` match themselves.
//! A glob must match the whole value.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A compiled glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    /// The literal runs between the stars. A single run means that the glob has no star.
    runs: Vec<String>,
    fold: bool,
}

impl Glob {
    /// Compiles `text`. With `fold` the glob ignores case, for ASCII and all other letters.
    #[must_use]
    pub fn new(text: &str, fold: bool) -> Self {
        let mut runs = Vec::new();
        let mut run = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '*' => runs.push(core::mem::take(&mut run)),
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '\\')) => run.push(escaped),
                    // Any other backslash is literal, so that Windows paths in causes stay readable.
                    Some(other) => run.extend(['\\', other]),
                    None => run.push('\\'),
                },
                c => run.push(c),
            }
        }
        runs.push(run);
        if fold {
            for run in &mut runs {
                *run = folded(run);
            }
        }
        Self { runs, fold }
    }

    /// Returns whether the glob has no star, so that it names one value.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.runs.len() == 1
    }

    /// Returns the one value that the glob names, unless the glob has a star.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match self.runs.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Returns the beginning and the end that every matching value has.
    #[must_use]
    pub fn ends(&self) -> (&str, &str) {
        match self.runs.as_slice() {
            [] => ("", ""),
            [only] => (only, only),
            [first, .., last] => (first, last),
        }
    }

    /// Returns whether this glob matches every value that `other` matches. Both fold case, or neither does.
    ///
    /// The answer is exact. A star of `other` stands for any text, a letter that this glob does not contain included.
    /// Only a star of this glob matches that letter, and that star matches any other text in its place.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let strange = ('\u{e000}'..=char::MAX)
            .find(|c| !self.has(*c))
            .unwrap_or(char::MAX);
        self.matches_exactly(&other.filled(strange))
    }

    /// Returns a text that the glob matches, with `c` in the place of each star.
    #[must_use]
    pub fn filled(&self, c: char) -> String {
        let mut text = String::new();
        for (index, run) in self.runs.iter().enumerate() {
            if index > 0 {
                text.push(c);
            }
            text.push_str(run);
        }
        text
    }

    /// Returns whether the glob contains `c` literally.
    #[must_use]
    pub fn has(&self, c: char) -> bool {
        self.runs.iter().any(|run| run.contains(c))
    }

    /// Returns whether the glob matches the whole of `value`. The time per literal run is at most proportional to the
    /// length of `value`.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        if self.fold {
            self.matches_exactly(&folded(value))
        } else {
            self.matches_exactly(value)
        }
    }

    fn matches_exactly(&self, value: &str) -> bool {
        let Some((first, rest)) = self.runs.split_first() else {
            return false;
        };
        let Some((last, middle)) = rest.split_last() else {
            return value == first;
        };
        let Some(mut value) = value.strip_prefix(first.as_str()) else {
            return false;
        };
        // The leftmost place for each run leaves the most room for the runs that follow.
        for run in middle {
            match value.split_once(run.as_str()) {
                Some((_, after)) => value = after,
                None => return false,
            }
        }
        value.ends_with(last.as_str())
    }
}

/// Returns the text in lower case. The ASCII case avoids an allocation per character: nearly all text here is ASCII.
fn folded(text: &str) -> String {
    if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        text.to_lowercase().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_the_whole_value() {
        for (glob, value, expected) in [
            ("Load", "Load", true),
            ("Load", "Loads", false),
            ("Load*", "LoadOrders", true),
            ("*Load", "ReLoad", true),
            ("*", "", true),
            ("*", "anything\nat all", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("*ab*ab", "ab", false),
            ("*ab*ab", "abab", true),
            ("a**b", "ab", true),
            (r"5\*", "5*", true),
            (r"5\*", "55", false),
            (r"C:\\*", r"C:\temp", true),
            (r"C:\temp", r"C:\temp", true),
            (
                "*more than * builds*",
                "Cannot have more than 1 builds in queue",
                true,
            ),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(
                Glob::new(glob, false).matches(value),
                expected,
                "{glob} on {value}"
            );
        }
    }

    #[test]
    fn case_matters_unless_it_is_folded() {
        assert!(!Glob::new("codebuild", false).matches("CodeBuild"));
        assert!(Glob::new("codebuild", true).matches("CodeBuild"));
        assert!(Glob::new("*STRASSE", true).matches("Hauptstrasse"));
        assert!(Glob::new("ÉCHEC*", true).matches("échec du build"));
    }

    #[test]
    fn a_hostile_value_costs_no_more_than_its_length() {
        let value = "a".repeat(32 * 1024);
        let glob = Glob::new(&"a*".repeat(200), false);
        assert!(glob.matches(&value));
        assert!(!Glob::new(&("a*".repeat(200) + "b"), false).matches(&value));
    }
}
