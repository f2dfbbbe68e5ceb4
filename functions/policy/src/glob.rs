//! `*` is any run of characters, none and line breaks too; `\*` and `\\` are themselves; the whole value
//! must match.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A compiled glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    /// The literal runs between the stars. One run: no star at all.
    runs: Vec<String>,
    fold: bool,
}

impl Glob {
    /// Compiles `text`; `fold` makes it blind to the case of ASCII and other letters.
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
                    // Any other backslash is one: Windows paths in causes stay readable.
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

    /// Whether it has no star, so that it names one value.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.runs.len() == 1
    }

    /// The one value that it names, unless it has a star.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match self.runs.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// What a value begins and ends with to match.
    #[must_use]
    pub fn ends(&self) -> (&str, &str) {
        match self.runs.as_slice() {
            [] => ("", ""),
            [only] => (only, only),
            [first, .., last] => (first, last),
        }
    }

    /// Whether it matches whatever `other` matches; both fold case, or neither does. Exact: a star of `other`
    /// stands for any text, a letter that this glob does not have among them, and only a star of this glob
    /// matches that letter. Where one does, it matches all else that may stand there.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let strange = ('\u{e000}'..=char::MAX)
            .find(|c| !self.has(*c))
            .unwrap_or(char::MAX);
        self.matches_exactly(&other.filled(strange))
    }

    /// A text that it matches: `c` in the place of each star.
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

    /// Whether `c` is written in it.
    #[must_use]
    pub fn has(&self, c: char) -> bool {
        self.runs.iter().any(|run| run.contains(c))
    }

    /// Whether the whole of `value` matches. Takes time proportional to `value` for each literal run at most.
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
        // The leftmost place for each run leaves the most room for those that follow.
        for run in middle {
            match value.split_once(run.as_str()) {
                Some((_, after)) => value = after,
                None => return false,
            }
        }
        value.ends_with(last.as_str())
    }
}

/// Lower case, without allocating anew for each character: nearly all text here is ASCII.
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
