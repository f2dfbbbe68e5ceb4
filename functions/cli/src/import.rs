//! `redrive import`: the policy that means what another platform's retry configuration means.

mod asl;
mod batch;
mod buildkite;
mod desk;
mod draft;
mod surrogates;
mod yaml;

use std::io::Write;
use std::path::Path;

use clap::ValueEnum;
use redrive_core::policy::node::{self, Node};
use redrive_core::policy::{Document, Place, Problem};

use self::desk::Desk;
use self::draft::Draft;
use crate::table::visible;
use crate::{Failed, input};

/// Whose retry configuration a file has.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Platform {
    /// A Buildkite pipeline, a step of one, or a `retry` block.
    Buildkite,
    /// A state machine in the Amazon States Language, a state of one, or its `Retry`.
    Asl,
    /// An AWS Batch job definition, or its `retryStrategy`.
    Batch,
}

impl Platform {
    /// What is read, in words for a message.
    const fn noun(self) -> &'static str {
        match self {
            Self::Buildkite => "the pipeline",
            Self::Asl => "the state machine",
            Self::Batch => "the job definition",
        }
    }
}

pub(crate) fn run(
    platform: Platform,
    path: &Path,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<(), Failed> {
    let name = input::shown(path);
    let mut desk = Desk::new(&name);
    let drafted = read(path).map(|root| match platform {
        Platform::Buildkite => buildkite::draft(&root, &mut desk),
        Platform::Asl => asl::draft(&root, &mut desk),
        Platform::Batch => batch::draft(&root, &mut desk),
    });
    let draft = match drafted {
        Err(Unread::File(failed)) => return Err(failed),
        Err(Unread::Form(problems)) => return Err(refusal(platform, &name, problems)),
        Ok(draft) => draft,
    };
    let Some(Draft { text }) = draft.filter(|_| desk.problems.is_empty()) else {
        return Err(refusal(platform, &name, desk.problems));
    };
    // What is printed is a policy, or nothing is.
    if let Err(problems) = Document::parse(&text) {
        return Err(Failed::Bug(format!(
            "import wrote a policy that cannot be read; please report it:\n{problems}\n{text}"
        )));
    }
    out.write_all(text.as_bytes())?;
    // What an anchor repeats is told once.
    desk.lost.sort_by_key(|lost| lost.place);
    desk.lost.dedup();
    for lost in &desk.lost {
        let place = lost.place;
        let _ = writeln!(
            err,
            "redrive: {}:{}:{}: {}",
            visible(&name),
            place.line,
            place.column,
            visible(&lost.message)
        );
    }
    Ok(())
}

/// Why there is no tree to import.
enum Unread {
    File(Failed),
    Form(Vec<Problem>),
}

fn read(path: &Path) -> Result<Node, Unread> {
    let text = input::text(path).map_err(Unread::File)?;
    let blank = |line: &str| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---"
    };
    if text.lines().all(blank) {
        return Err(Unread::File(Failed::User(format!(
            "{} is empty: there is nothing to import",
            input::shown(path)
        ))));
    }
    let (root, problems) = node::parse(&surrogates::joined(&text));
    match root {
        Some(root) if problems.is_empty() => Ok(root),
        Some(_) => Err(Unread::Form(problems)),
        None => Err(Unread::Form(
            not_json(&text).map_or(problems, |one| [one].into()),
        )),
    }
}

/// What is wrong with a text that was meant to be JSON, in the words of a reader of JSON.
fn not_json(text: &str) -> Option<Problem> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    let place = Place {
        line: error.line(),
        column: error.column(),
    };
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or_default();
    Some(Problem::new(place, format!("this is not JSON: {words}")))
}

fn refusal(platform: Platform, name: &str, mut problems: Vec<Problem>) -> Failed {
    problems.sort_by_key(|problem| problem.place);
    // What an anchor repeats is wrong once.
    problems.dedup();
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| visible(&format!("{name}:{problem}")))
        .collect();
    let count = match lines.len() {
        1 => "1 problem".to_owned(),
        many => format!("{many} problems"),
    };
    Failed::User(format!(
        "{} has {count}, so that no policy was written; correct the file and import it again:\n{}",
        platform.noun(),
        lines.join("\n")
    ))
}
