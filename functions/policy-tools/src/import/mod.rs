//! Import of retry configurations of other platforms as equivalent policies.

mod asl;
mod asl_machine;
mod batch;
mod buildkite;
mod context;
mod draft;
mod surrogates;
mod yaml;

use redrive_policy::node::{self, Node};
use redrive_policy::{Document, Place, Problem};

use self::context::ImportContext;
use self::draft::Draft;

/// The platform of a retry configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// A Buildkite pipeline, a step of one, or a `retry` block.
    Buildkite,
    /// A state machine in the Amazon States Language, a state of one, or its `Retry`.
    Asl,
    /// An AWS Batch job definition, or its `retryStrategy`.
    Batch,
}

impl Platform {
    /// Returns a noun for messages.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Buildkite => "the pipeline",
            Self::Asl => "the state machine",
            Self::Batch => "the job definition",
        }
    }
}

/// An imported policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The policy as YAML.
    pub text: String,
    /// Parts of the file that the policy does not express, in the order of places.
    pub lost: Vec<Problem>,
}

/// The reason for which no policy was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The text is empty.
    Empty,
    /// Mistakes in the text, in the order of places.
    Problems(Vec<Problem>),
    /// The written policy cannot be read, which is a fault of the program.
    Unreadable(String),
}

/// Writes the policy for a text. `name` is the name of the file in the comments.
///
/// # Errors
/// Fails if the text is empty or has mistakes, or if the written policy cannot be read.
pub fn import(platform: Platform, name: &str, text: &str) -> Result<Imported, Refused> {
    let root = read(text)?;
    let mut context = ImportContext::new(name);
    let draft = match platform {
        Platform::Buildkite => buildkite::draft(&root, &mut context),
        Platform::Asl => asl::draft(&root, &mut context),
        Platform::Batch => batch::draft(&root, &mut context),
    };
    let Some(Draft { text }) = draft.filter(|_| context.problems.is_empty()) else {
        return Err(refused(context.problems));
    };
    // INVARIANT: the output is a valid policy, or there is no output.
    if let Err(problems) = Document::parse(&text) {
        return Err(Refused::Unreadable(format!("{problems}\n{text}")));
    }
    // Each use of an anchor repeats its finding; one report is enough.
    context.lost.sort_by_key(|lost| lost.place);
    context.lost.dedup();
    Ok(Imported {
        text,
        lost: context.lost,
    })
}

fn read(text: &str) -> Result<Node, Refused> {
    let blank = |line: &str| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---"
    };
    if text.lines().all(blank) {
        return Err(Refused::Empty);
    }
    let (root, problems) = node::parse(&surrogates::joined(text));
    match root {
        Some(root) if problems.is_empty() => Ok(root),
        Some(_) => Err(refused(problems)),
        None => Err(refused(not_json(text).map_or(problems, |one| [one].into()))),
    }
}

fn refused(mut problems: Vec<Problem>) -> Refused {
    problems.sort_by_key(|problem| problem.place);
    // Each use of an anchor repeats its problem; one report is enough.
    problems.dedup();
    Refused::Problems(problems)
}

/// Returns the mistake in a text that was meant to be JSON, from a reader of JSON.
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
