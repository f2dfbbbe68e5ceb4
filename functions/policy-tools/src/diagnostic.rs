//! Problems as they are shown: place, message, the line with a caret under it, and what to do.

use std::fmt::Write as _;

use redrive_policy::{Place, Problem};
use serde_json::{Value, json};

use crate::lint::Amplified;
use crate::visible::visible;

/// A document that problems are shown of.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its file's name, as it may be shown.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// A problem for people, with an empty line behind it. `word` says how much it counts: error or warning.
    #[must_use]
    pub fn excerpt(&self, problem: &Problem, word: &str) -> String {
        let Place { line, column } = problem.place;
        let name = &self.name;
        let mut out = format!(
            "{name}:{line}:{column}: {word}: {}\n",
            visible(&problem.message)
        );
        // What ends too soon is wrong behind the last line, where there is nothing to show.
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

    /// A problem for programs.
    #[must_use]
    pub fn json(&self, Place { line, column }: Place, severity: &str, message: &str) -> Value {
        json!({
            "file": self.name, "line": line, "column": column,
            "severity": severity, "message": visible(message),
        })
    }

    fn line(&self, number: usize) -> Option<&str> {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(&self.text);
        // To YAML a carriage return ends a line by itself too.
        let mut lines = text.lines().flat_map(|line| line.split('\r'));
        lines.nth(number.checked_sub(1)?)
    }
}

/// The worst case of a task, for people.
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

/// A line as it is shown, and what is under it.
struct Shown {
    text: String,
    underline: String,
}

/// Of a long line, so many characters before the place and as many from it are shown.
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
        // A tab is as wide as any character, so that what is under it fits.
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

/// How many characters the word or the quoted text has that begins here.
fn length(rest: &[char]) -> usize {
    let (first, behind) = match rest.split_first() {
        Some((first @ ('"' | '\''), behind)) => (*first, behind),
        _ => {
            // A colon ends a key only where something may follow it.
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
