//! `redrive check`: all errors and warnings of a policy, before it is deployed.

use std::io::Write;
use std::path::{Path, PathBuf};

use redrive_core::definition::Machine;
use redrive_core::policy::{Place, Severity};
use redrive_policy_tools::diagnostic::{Source, worst_case};
use redrive_policy_tools::lint::{amplified, check, lint_machine};
use redrive_policy_tools::visible::visible;

use crate::{CommandError, input};

/// The output format, and the severity of warnings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Whether a warning counts as an error.
    pub(crate) strict: bool,
    /// Whether the output is one JSON object a line.
    pub(crate) json: bool,
}

pub(crate) fn run(
    policies: &[PathBuf],
    definition: Option<&Path>,
    manner: Manner,
    out: &mut impl Write,
) -> Result<(), CommandError> {
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
            // The other policies are checked nevertheless.
            Err(CommandError::User(message)) => {
                unread.push(message);
                continue;
            }
            Err(other) => return Err(other),
        };
        let file = Source {
            name: input::shown(path),
            text,
        };
        let checked = check(&file.text);
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
                writeln!(
                    out,
                    "{}",
                    file.json(problem.place, word, &problem.sentence())
                )?;
            } else {
                write!(out, "{}", file.excerpt(problem, word))?;
            }
        }
        for note in &notes {
            let worst = worst_case(note);
            if manner.json {
                writeln!(out, "{}", file.json(note.place, "note", &worst))?;
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
        return Err(CommandError::User(unread.join("\n")));
    }
    if counts.errors > 0 {
        return Err(CommandError::Reported);
    }
    Ok(())
}

/// Reads a definition. The name of the machine is that of the file without `.asl.json`.
fn machine(path: &Path) -> Result<(String, Machine), CommandError> {
    let name = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let name = name
        .strip_suffix(".asl.json")
        .or_else(|| name.strip_suffix(".json"))
        .unwrap_or(&name)
        .to_owned();
    let machine = Machine::read(&input::text(path)?).ok_or_else(|| {
        CommandError::User(format!(
            "{}: not a definition in the Amazon States Language: expected a JSON object with States",
            input::shown(path)
        ))
    })?;
    Ok((name, machine))
}

#[derive(Debug, Default)]
struct Counts {
    errors: usize,
    warnings: usize,
}

impl Counts {
    /// Counts a problem, and returns the word for its severity.
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
