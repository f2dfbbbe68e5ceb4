//! The failures of a command.

use std::io;

/// The reason for which a command failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The user's input cannot be used. The text states what was read, what is allowed and what to do.
    User(String),
    /// This build lacks the command. The text states how to build one that has it.
    #[cfg(not(feature = "account"))]
    Unbuilt(&'static str),
    /// The problems are already on the output.
    Told,
    /// The output was closed, as by a pipe into `head`.
    Output(io::Error),
    /// A fault of the program.
    Bug(String),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
