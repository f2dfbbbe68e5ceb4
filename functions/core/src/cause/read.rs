//! Reads a cause of any shape: JSON, JSON in a sentence, JSON in JSON, or a sentence.

use redrive_policy::ConditionKey;

use super::batch::Job;
use super::child::{Child, Described};
use super::codebuild::{self, Build};
use super::ecs::Task;
use super::extracted::Extracted;
use super::json::{self, Key, Raw, Value};
use super::lambda::{self, Function};
use super::name;
use super::reasons::Reasons;
use super::run::Run;

/// Maximum length of a cause that is read, in bytes. Step Functions keeps no more.
const MOST: usize = 32 * 1024;
/// Maximum depth of children in children that are read.
const LEVELS: u8 = 10;
/// Maximum number of openings of JSON that are tried in a sentence.
const TRIES: u8 = 16;

/// Reads an execution's cause.
pub(super) fn cause(error: Option<&str>, cause: &str) -> Extracted {
    level(error, cause, LEVELS)
}

/// Reads an action's summary.
pub(super) fn summary(provider: Option<&str>, summary: &str) -> Extracted {
    let summary = head(summary);
    let extracted = match provider.map(codebuild::provides) {
        // A message of another provider may look like a build's and is none.
        Some(false) => sentence(summary),
        Some(true) => build_or_sentence(summary).with(
            ConditionKey::ExitStatus,
            codebuild::trailing_exit_status(summary),
        ),
        None => build_or_sentence(summary),
    };
    extracted.or(objects(summary, LEVELS).unwrap_or_default())
}

/// Reads one level. The text is a cause, or a child's cause with `levels` left below it.
fn level(error: Option<&str>, cause: &str, levels: u8) -> Extracted {
    if let Some(extracted) = error.and_then(name::decides) {
        return extracted;
    }
    let cause = head(cause).trim_start();
    if let Some(extracted) = objects(cause, levels) {
        return extracted;
    }
    let extracted = build_or_sentence(cause);
    // The JSON may have been escaped into a text once more.
    match levels.checked_sub(1) {
        Some(levels) if cause.starts_with('"') || cause.contains("{\\\"") => {
            let inner = Raw(cause.strip_prefix('"').unwrap_or(cause)).plain();
            level(None, &inner, levels).or(extracted)
        }
        _ => extracted,
    }
}

/// Returns the part of a text that is read.
fn head(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MOST)).unwrap_or(text)
}

/// Reads the first object in a text that a reader recognises. No byte is walked twice.
fn objects(text: &str, levels: u8) -> Option<Extracted> {
    let mut rest = text;
    for _ in 0..TRIES {
        let begin = rest.get(rest.find('{')?..)?;
        let mut known = Known::default();
        let end = json::walk(begin, &mut |path, value| known.visit(path, value));
        if let Some(extracted) = known.extracted(levels) {
            return Some(extracted);
        }
        rest = begin.get(end.max(1)..)?;
    }
    None
}

/// The readers of all known shapes. Each visits every value, and those that recognise the shape report.
#[derive(Default)]
struct Known<'a> {
    child: Child<'a>,
    task: Task,
    job: Job,
    build: Build<'a>,
    run: Run<'a>,
    function: Function<'a>,
}

impl<'a> Known<'a> {
    fn visit(&mut self, path: &[Key], value: Value<'a>) {
        // Some integrations return the answer of the call, whose single member is the job.
        let path = match path {
            [
                Key::Build
                | Key::BuildBatch
                | Key::JobRun
                | Key::QueryExecution
                | Key::Step
                | Key::Task,
                inner @ ..,
            ] if !inner.is_empty() => inner,
            path => path,
        };
        self.child.visit(path, value);
        self.task.visit(path, value);
        self.job.visit(path, value);
        self.build.visit(path, value);
        self.run.visit(path, value);
        self.function.visit(path, value);
    }

    fn extracted(&self, levels: u8) -> Option<Extracted> {
        match self.child.extracted() {
            None => {}
            Some(Described::End(extracted)) => return Some(extracted),
            // At the maximum depth, the child's cause is not read.
            Some(Described::Cause { error, cause }) => {
                return Some(match levels.checked_sub(1) {
                    Some(levels) => level(error, cause, levels),
                    None => Extracted::default(),
                });
            }
        }
        let runs = [
            self.task.extracted(),
            self.job.extracted(),
            self.build.extracted(),
            self.run.extracted(),
        ];
        runs.into_iter()
            .flatten()
            .reduce(Extracted::or)
            .or_else(|| self.function.extracted())
    }
}

fn build_or_sentence(text: &str) -> Extracted {
    let build = codebuild::summary(text);
    // The text quotes the failed command, which may contain any words.
    if text.contains(codebuild::COMMAND_FAILED) {
        build
    } else {
        build.or(sentence(text))
    }
}

/// Reads a text that contains no JSON.
fn sentence(text: &str) -> Extracted {
    let mut reasons = Reasons::default();
    reasons.add_text(text);
    let extracted = reasons.extracted().or(lambda::text(text));
    let lost = reasons.is_lost().then_some(-1_i16);
    extracted.with(ConditionKey::ExitStatus, lost)
}
