//! Display of problems: place, message, the line with a caret under it, and the remedy.

use std::fmt::Write as _;

use redrive_policy::{Place, Problem};
use serde_json::{Value, json};

use crate::lint::Amplified;
use crate::visible::visible;

/// A document whose problems are shown.
#[derive(Debug, Clone)]
pub struct Source {
    /// The name of the file, safe to show.
    pub name: String,
    /// The text of the file.
    pub text: String,
}

impl Source {
    /// Returns a problem for people, followed by an empty line. `word` is the severity: error or warning.
    #[must_use]
    pub fn excerpt(&self, problem: &Problem, word: &str) -> String {
        let Place { line, column } = problem.place;
        let name = &self.name;
        let mut out = format!(
            "{name}:{line}:{column}: {word}: {}\n",
            visible(&problem.message)
        );
        // A document that ends too soon has its problem behind the last line, where no text can be shown.
        if let Some(shown) = self.line(line).and_then(|text| Shown::new(text, column)) {
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            // Writing to a string cannot fail.
            let _ = writeln!(out, " {number} | {}", shown.text);
            let _ = writeln!(out, " {margin} | {}", shown.underline);
        }
        if let Some(remedy) = &problem.remedy {
            let _ = writeln!(out, "   help: {}", visible(remedy));
        }
        out.push('\n');
        out
    }

    /// Returns a problem for programs.
    #[must_use]
    pub fn json(&self, Place { line, column }: Place, severity: &str, message: &str) -> Value {
        json!({
            "file": self.name, "line": line, "column": column,
            "severity": severity, "message": visible(message),
        })
    }

    fn line(&self, number: usize) -> Option<&str> {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(&self.text);
        // In YAML a single carriage return ends a line too.
        let mut lines = text.lines().flat_map(|line| line.split('\r'));
        lines.nth(number.checked_sub(1)?)
    }
}

/// Returns the worst case of a task, for people.
#[must_use]
pub fn worst_case(amplified: &Amplified) -> String {
    let Amplified {
        policy,
        state,
        redrives,
        runs_between,
        runs,
        ..
    } = amplified;
    let times = match runs {
        1 => "once".to_owned(),
        _ => format!("{runs} times"),
    };
    let redrives = match redrives {
        1 => "1 redrive".to_owned(),
        many => format!("{many} redrives"),
    };
    let retries = match runs_between.saturating_sub(1) {
        1 => "1 retry".to_owned(),
        many => format!("{many} retries"),
    };
    format!(
        "under policy {policy:?} the task {state:?} runs at most {times}: ({redrives} + 1) x ({retries} + 1), as a redrive resets every Retry"
    )
}

/// A line as it is shown, and its underline.
struct Shown {
    text: String,
    underline: String,
}

/// Maximum characters of a long line shown before the place, and from the place on.
const AROUND: usize = 60;

impl Shown {
    fn new(line: &str, column: usize) -> Option<Self> {
        let at = column.checked_sub(1)?;
        let chars: Vec<char> = line.chars().collect();
        let rest = chars.get(at..)?;
        let wide = chars.len() > AROUND.saturating_mul(2);
        let from = if wide { at.saturating_sub(AROUND) } else { 0 };
        let shown_rest = rest.iter().take(if wide { AROUND } else { rest.len() });
        let cut = if wide && rest.len() > AROUND {
            "…"
        } else {
            ""
        };
        // A tab is shown as one space, so that the underline fits.
        let show = |chars: &mut dyn Iterator<Item = &char>| {
            let text: String = chars.map(|c| if *c == '\t' { ' ' } else { *c }).collect();
            visible(&text)
        };
        let before = show(&mut chars.iter().take(at).skip(from));
        let before = if from > 0 {
            format!("…{before}")
        } else {
            before
        };
        let marked = show(&mut rest.iter().take(length(rest).min(shown_rest.len())));
        let tildes = marked.chars().count().saturating_sub(1);
        Some(Self {
            text: format!("{before}{}{cut}", show(&mut shown_rest.clone())),
            underline: format!(
                "{}^{}",
                " ".repeat(before.chars().count()),
                "~".repeat(tildes)
            ),
        })
    }
}

/// Returns the number of characters of the word or the quoted text that begins here.
fn length(rest: &[char]) -> usize {
    let (first, behind) = match rest.split_first() {
        Some((first @ ('"' | '\''), behind)) => (*first, behind),
        _ => {
            // A colon ends a key only before white space or at the end of the line.
            let is_end = |(at, c): (usize, &char)| match c {
                ':' => rest
                    .get(at.saturating_add(1))
                    .is_none_or(|next| next.is_whitespace()),
                c => c.is_whitespace() || matches!(c, ',' | ']' | '}' | '[' | '{'),
            };
            let end = rest.iter().enumerate().position(is_end);
            return end.unwrap_or(rest.len()).max(1);
        }
    };
    match behind.iter().position(|c| *c == first) {
        Some(closing) => closing.saturating_add(2),
        None => rest.len(),
    }
}
