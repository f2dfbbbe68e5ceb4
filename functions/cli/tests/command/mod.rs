//! Running the built command, as a user does.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The folder of the crate.
pub(crate) const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// The top of the repository.
pub(crate) fn top() -> PathBuf {
    Path::new(CRATE).ancestors().nth(2).unwrap().to_owned()
}

/// What a run of the command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

impl Ran {
    /// Its output, if it ended well.
    #[track_caller]
    pub(crate) fn well(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// Each line of its output as JSON.
    #[track_caller]
    pub(crate) fn lines(self) -> Vec<Value> {
        self.well()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

pub(crate) fn redrive(arguments: &[&str]) -> Ran {
    redrive_with(arguments, b"")
}

/// Runs at the top of the repository.
pub(crate) fn redrive_with(arguments: &[&str], input: &[u8]) -> Ran {
    redrive_in(&top(), arguments, input)
}

/// Runs in a folder, from which the paths among the arguments start.
pub(crate) fn redrive_in(folder: &Path, arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_redrive"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that fails early does not read its input.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Ran {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap(),
    }
}
