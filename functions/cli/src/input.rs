//! Reading of the user's input: files, folders and standard input.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use redrive_core::policy::Document;
use redrive_policy_tools::visible::visible;
use redrive_simulation::replay::{Definitions, Source};
use serde_json::value::RawValue;

use crate::CommandError;

/// The shipped policy, the default of `replay`.
const SHIPPED: &str = include_str!("../../../infra/policy.yaml");

/// Returns a path that is safe to show.
pub(crate) fn shown(path: &Path) -> String {
    visible(&path.display().to_string())
}

/// Fails if several paths name standard input. A second reader would find it empty.
pub(crate) fn one_from_standard_input(paths: &[&Path]) -> Result<(), CommandError> {
    let standard = paths.iter().filter(|path| **path == Path::new("-"));
    match standard.count() {
        0 | 1 => Ok(()),
        many => Err(CommandError::User(format!(
            "- is standard input and can be read only once, but stands for {many} files here; save the others and name them"
        ))),
    }
}

/// Reads one file, or standard input for `-`.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, CommandError> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        return match io::stdin().lock().read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(CommandError::User(format!(
                "cannot read standard input: {error}"
            ))),
        };
    }
    fs::read(path)
        .map_err(|error| CommandError::User(format!("cannot read {}: {error}", shown(path))))
}

/// Reads one file of text, or standard input for `-`.
pub(crate) fn text(path: &Path) -> Result<String, CommandError> {
    String::from_utf8(bytes(path)?).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let bytes = error.into_bytes();
        let before = bytes.get(..good).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count();
        let what = match bytes.as_slice() {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "this is UTF-16".to_owned(),
            _ => format!("line {} is not UTF-8", line.saturating_add(1)),
        };
        CommandError::User(format!("{}: {what}; save it as UTF-8", shown(path)))
    })
}

/// Reads a policy, or reports all its problems.
pub(crate) fn policy(path: Option<&Path>) -> Result<Document, CommandError> {
    let (name, text) = match path {
        None => ("infra/policy.yaml".to_owned(), SHIPPED.to_owned()),
        Some(path) => (shown(path), text(path)?),
    };
    Document::parse(&text).map_err(|problems| {
        let lines: Vec<String> = problems
            .0
            .iter()
            .map(|problem| format!("{name}:{problem}"))
            .collect();
        let count = match lines.len() {
            1 => "1 problem".to_owned(),
            many => format!("{many} problems"),
        };
        CommandError::User(format!("the policy has {count}:\n{}", lines.join("\n")))
    })
}

/// Event files and definitions of state machines.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(crate) sources: Vec<Source>,
    pub(crate) definitions: Definitions,
}

/// Reads all paths. A folder is read with its subfolders, in the order of names.
pub(crate) fn events(paths: &[PathBuf]) -> Result<Events, CommandError> {
    let mut events = Events::default();
    for path in paths {
        if path.is_dir() {
            let before = events.sources.len();
            folder(path, &mut events)?;
            if events.sources.len() == before {
                return Err(CommandError::User(format!(
                    "{} contains no *.json files",
                    shown(path)
                )));
            }
        } else {
            file(path, &mut events)?;
        }
    }
    Ok(events)
}

fn folder(path: &Path, events: &mut Events) -> Result<(), CommandError> {
    let unreadable =
        |error| CommandError::User(format!("cannot read the folder {}: {error}", shown(path)));
    let mut inside = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        inside.push(entry.map_err(unreadable)?.path());
    }
    inside.sort();
    for path in inside {
        // A link to a folder may lead back to this one.
        if path.is_dir() && !path.is_symlink() {
            folder(&path, events)?;
        } else if path.is_file()
            && path
                .extension()
                .is_some_and(|extension| extension == "json")
        {
            file(&path, events)?;
        }
    }
    Ok(())
}

fn file(path: &Path, events: &mut Events) -> Result<(), CommandError> {
    let content = bytes(path)?;
    let name = path
        .file_name()
        .map_or_else(|| "-".into(), |name| name.to_string_lossy().into_owned());
    if let Some(machine) = name.strip_suffix(".asl.json") {
        let definition = serde_json::from_slice(&content).map_err(|error| {
            CommandError::User(format!(
                "{}: this definition is not JSON: {error}",
                shown(path)
            ))
        })?;
        events.definitions.insert(machine.to_owned(), definition);
        return Ok(());
    }
    let many = several(&content);
    if many.len() < 2 {
        events.sources.push(Source {
            name,
            bytes: content,
        });
        return Ok(());
    }
    for (index, event) in many.into_iter().enumerate() {
        let name = format!("{name}#{}", index.saturating_add(1));
        events.sources.push(Source {
            name,
            bytes: event.to_vec(),
        });
    }
    Ok(())
}

/// Returns the events of a file: one on each line, or consecutive values as `jq` prints them. An unreadable rest
/// counts as one event, so that it is reported and the other events are kept.
fn several(content: &[u8]) -> Vec<&[u8]> {
    let lines = || {
        content
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.trim_ascii().is_empty())
    };
    if lines().all(|line| line.starts_with(b"{")) {
        return lines().collect();
    }
    let mut found: Vec<&[u8]> = Vec::new();
    let mut read = serde_json::Deserializer::from_slice(content).into_iter::<&RawValue>();
    loop {
        let before = read.byte_offset();
        match read.next() {
            Some(Ok(event)) => found.push(event.get().as_bytes()),
            Some(Err(_)) => {
                found.extend(content.get(before..).map(<[u8]>::trim_ascii));
                return found;
            }
            None => return found,
        }
    }
}
