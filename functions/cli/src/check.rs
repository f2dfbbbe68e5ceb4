//! `redrive check`: everything that is wrong with a policy, or may be, before it is let loose.

use std::io::Write;
use std::path::{Path, PathBuf};

use redrive_core::definition::Machine;
use redrive_core::policy::{
    Amplified, Document, Place, Problem, Severity, amplified, lint_machine,
};
use serde_json::json;

use crate::table::visible;
use crate::{Failed, input};

/// How the problems are told, and which of them count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// A warning counts as an error.
    pub(crate) strict: bool,
    /// One JSON object a line.
    pub(crate) json: bool,
}

pub(crate) fn run(
    policies: &[PathBuf],
    definition: Option<&Path>,
    manner: Manner,
    out: &mut impl Write,
) -> Result<(), Failed> {
    let named: Vec<&Path> = policies
        .iter()
        .map(PathBuf::as_path)
        .chain(definition)
        .collect();
    input::one_from_standard_input(&named)?;
    let machine = definition.map(machine).transpose()?;
    let mut counts = Counts::default();
    let mut unread: Vec<String> = Vec::new();
    for path in policies {
        let text = match input::text(path) {
            Ok(text) => text,
            // The others are checked all the same.
            Err(Failed::User(message)) => {
                unread.push(message);
                continue;
            }
            Err(other) => return Err(other),
        };
        let file = File {
            name: input::shown(path),
            text,
        };
        let checked = Document::check(&file.text);
        let mut problems = checked.warnings;
        let mut notes = Vec::new();
        match checked.document {
            Ok(document) => {
                if let Some((name, machine)) = &machine {
                    problems.extend(lint_machine(&document, name, machine));
                    notes = amplified(&document, name, machine);
                }
            }
            Err(errors) => problems.extend(errors.0),
        }
        problems.sort_by_key(|problem| (problem.place, problem.severity));
        for problem in &problems {
            let word = counts.count(problem.severity, manner.strict);
            if manner.json {
                file.tell_json(problem.place, word, &problem.sentence(), out)?;
            } else {
                file.tell(problem, word, out)?;
            }
        }
        for note in &notes {
            let worst = worst(note);
            if manner.json {
                file.tell_json(note.place, "note", &worst, out)?;
            } else {
                let Place { line, column } = note.place;
                writeln!(
                    out,
                    "{}:{line}:{column}: note: {}",
                    file.name,
                    visible(&worst)
                )?;
            }
        }
        if !manner.json && !notes.is_empty() {
            writeln!(out)?;
        }
    }
    let read = policies.len().saturating_sub(unread.len());
    if !manner.json && read > 0 {
        writeln!(out, "{}", counts.sentence(read))?;
    }
    if !unread.is_empty() {
        out.flush()?;
        return Err(Failed::User(unread.join("\n")));
    }
    if counts.errors > 0 {
        return Err(Failed::Told);
    }
    Ok(())
}

/// A definition, and the name of the machine: that of the file without `.asl.json`.
fn machine(path: &Path) -> Result<(String, Machine), Failed> {
    let name = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let name = name
        .strip_suffix(".asl.json")
        .or_else(|| name.strip_suffix(".json"))
        .unwrap_or(&name)
        .to_owned();
    let machine = Machine::read(&input::text(path)?).ok_or_else(|| {
        Failed::User(format!(
            "{}: this is no definition in the Amazon States Language: expected a JSON object with States",
            input::shown(path)
        ))
    })?;
    Ok((name, machine))
}

fn worst(amplified: &Amplified) -> String {
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

#[derive(Debug, Default)]
struct Counts {
    errors: usize,
    warnings: usize,
}

impl Counts {
    /// Counts a problem, and says what it is called.
    const fn count(&mut self, severity: Severity, strict: bool) -> &'static str {
        match severity {
            Severity::Warning if !strict => {
                self.warnings = self.warnings.saturating_add(1);
                "warning"
            }
            Severity::Warning | Severity::Error => {
                self.errors = self.errors.saturating_add(1);
                "error"
            }
        }
    }

    fn sentence(&self, files: usize) -> String {
        let some = |number: usize, one: &str| match number {
            1 => format!("1 {one}"),
            many => format!("{many} {one}s"),
        };
        format!(
            "{} and {} in {}",
            some(self.errors, "error"),
            some(self.warnings, "warning"),
            some(files, "file")
        )
    }
}

struct File {
    /// As it may be shown.
    name: String,
    text: String,
}

impl File {
    fn tell(&self, problem: &Problem, word: &str, out: &mut impl Write) -> Result<(), Failed> {
        let Place { line, column } = problem.place;
        let name = &self.name;
        writeln!(
            out,
            "{name}:{line}:{column}: {word}: {}",
            visible(&problem.message)
        )?;
        // What ends too soon is wrong behind the last line, where there is nothing to show.
        if let Some(shown) = self.line(line).and_then(|text| Shown::new(text, column)) {
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            writeln!(out, " {number} | {}", shown.text)?;
            writeln!(out, " {margin} | {}", shown.underline)?;
        }
        if let Some(remedy) = &problem.remedy {
            writeln!(out, "   help: {}", visible(remedy))?;
        }
        writeln!(out)?;
        Ok(())
    }

    fn tell_json(
        &self,
        Place { line, column }: Place,
        severity: &str,
        message: &str,
        out: &mut impl Write,
    ) -> Result<(), Failed> {
        let told = json!({
            "file": self.name, "line": line, "column": column,
            "severity": severity, "message": visible(message),
        });
        writeln!(out, "{told}")?;
        Ok(())
    }

    fn line(&self, number: usize) -> Option<&str> {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(&self.text);
        // To YAML a carriage return ends a line by itself too.
        let mut lines = text.lines().flat_map(|line| line.split('\r'));
        lines.nth(number.checked_sub(1)?)
    }
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
