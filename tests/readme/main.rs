//! The command prints what the README shows.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../functions/cli/tests/command/mod.rs"]
#[expect(
    dead_code,
    reason = "the command runs beside files of the README's own"
)]
mod command;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::command::top;

/// A command of the README with its block.
#[derive(Debug)]
struct Shown {
    arguments: Vec<String>,
    output: String,
    /// The preceding block of YAML: the content of the file that it names, unless the repository has that file.
    yaml: String,
}

/// The blocks that begin with `$` and `start`, without background commands.
fn shown(start: &str) -> Vec<Shown> {
    let readme = fs::read_to_string(top().join("README.md")).unwrap();
    let mut found = Vec::new();
    let mut yaml = String::new();
    // Every other part is in a block.
    for block in readme.split("```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').unwrap();
        if language == "yaml" {
            yaml = text.to_owned();
        }
        let Some((arguments, output)) = text
            .strip_prefix("$ ")
            .and_then(|text| text.strip_prefix(start))
            .and_then(|text| text.split_once('\n'))
            .filter(|(arguments, _)| !arguments.ends_with(" &"))
        else {
            continue;
        };
        found.push(Shown {
            arguments: arguments.split_whitespace().map(str::to_owned).collect(),
            output: output.to_owned(),
            yaml: yaml.clone(),
        });
    }
    found
}

/// A folder that is removed after the test.
struct Folder(PathBuf);

impl Folder {
    /// Creates a folder with the files of the repository that the README names.
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("redrive-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        for part in ["events", "infra"] {
            symlink(top().join(part), path.join(part)).unwrap();
        }
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A leftover folder fails no test.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn is_file_name(argument: &str) -> bool {
    let extension = Path::new(argument).extension();
    extension.is_some_and(|extension| extension == "yaml" || extension == "json")
}

#[test]
fn readme_commands_print_their_blocks() {
    let folder = Folder::new("readme");
    let mut compared = Vec::new();
    for block in shown("cargo run -q -- ") {
        let arguments = &block.arguments;
        for file in arguments.iter().filter(|argument| is_file_name(argument)) {
            if !top().join(file).exists() {
                fs::write(folder.0.join(file), &block.yaml).unwrap();
            }
        }
        let ran = Command::new(env!("CARGO_BIN_EXE_redrive"))
            .args(arguments)
            .current_dir(&folder.0)
            .output()
            .unwrap();
        let printed = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stderr), "", "{arguments:?}");
        // The only failing command of the README runs the tests of a policy.
        let code = i32::from(block.output.contains("\n  FAILED  "));
        assert_eq!(ran.status.code(), Some(code), "{arguments:?}");
        if block.output.lines().any(|line| line == "…") {
            printed_in_this_order(&block, &printed);
        } else {
            assert_eq!(printed, block.output, "{arguments:?}");
        }
        compared.extend(arguments.first().cloned());
    }
    assert_eq!(compared, ["replay", "check", "test", "explain", "import"]);
}

/// Checks that the lines of a block with `…` appear in the output in this order.
fn printed_in_this_order(block: &Shown, printed: &str) {
    let mut lines = printed.lines();
    for line in block.output.lines().filter(|line| *line != "…") {
        assert!(
            lines.any(|own| own == line),
            "{:?} prints no such line there: {line}",
            block.arguments
        );
    }
}

/// A build without the feature `account` has no `history`. The test of that command compares the same text.
#[test]
fn readme_history_equals_that_of_the_test() {
    let test = fs::read_to_string(top().join("functions/cli/tests/account/history.rs")).unwrap();
    let shown = shown("cargo run -q --features account -- ");
    assert_eq!(shown.len(), 1, "{shown:?}");
    for block in shown {
        assert_eq!(block.arguments.first().map(String::as_str), Some("history"));
        let expected = format!("\"\\\n{}\"\n", block.output);
        assert!(
            test.contains(&expected),
            "functions/cli/tests/account/history.rs expects no {expected}"
        );
    }
}
