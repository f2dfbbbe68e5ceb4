//! The errors of a command.

use std::io;

/// The reason for which a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The user's input cannot be used. The text states what was read, what is allowed and what to do.
    #[error("{0}")]
    User(String),
    /// This build lacks the command.
    #[cfg(not(feature = "account"))]
    #[error(
        "{0} reads the ledger of an account, and this build has no AWS SDK; in the repository run\n  \
         cargo run --features account -- {0} ..."
    )]
    Unbuilt(&'static str),
    /// The problems are already on the output.
    #[error("the problems are on the output")]
    Reported,
    /// The output was closed, as by a pipe into `head`.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// A fault of the program.
    #[error("{0}")]
    Bug(String),
}
