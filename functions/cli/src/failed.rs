//! How a command ends that did not do its work.

use std::io;

/// Why a command did not do its work.
#[derive(Debug)]
pub(crate) enum Failed {
    /// What the user gave cannot be used; the text says what was read, what is allowed and what to do.
    User(String),
    /// This build does not have the command; the text says how to build one that has it.
    #[cfg(not(feature = "account"))]
    Unbuilt(&'static str),
    /// What was wrong has been told on the output.
    Told,
    /// The output went away, as when it is piped into `head`.
    Output(io::Error),
    /// A bug of ours.
    Bug(String),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
