//! `redrive import`: the policy equivalent to another platform's retry configuration.

use std::io::Write;
use std::path::Path;

use clap::ValueEnum;
use redrive_policy_tools::import::{self, Refused, import};
use redrive_policy_tools::visible::visible;

use crate::{CommandError, input};

/// The platform of a retry configuration.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Platform {
    /// A Buildkite pipeline, a step of one, or a `retry` block.
    Buildkite,
    /// A state machine in the Amazon States Language, a state of one, or its `Retry`.
    Asl,
    /// An AWS Batch job definition, or its `retryStrategy`.
    Batch,
}

impl From<Platform> for import::Platform {
    fn from(platform: Platform) -> Self {
        match platform {
            Platform::Buildkite => Self::Buildkite,
            Platform::Asl => Self::Asl,
            Platform::Batch => Self::Batch,
        }
    }
}

pub(crate) fn run(
    platform: Platform,
    path: &Path,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<(), CommandError> {
    let platform = import::Platform::from(platform);
    let name = input::shown(path);
    let imported = match import(platform, &name, &input::text(path)?) {
        Ok(imported) => imported,
        Err(Refused::Empty) => {
            return Err(CommandError::User(format!(
                "{name} is empty: there is nothing to import"
            )));
        }
        Err(Refused::Problems(problems)) => {
            let lines: Vec<String> = problems
                .iter()
                .map(|problem| visible(&format!("{name}:{problem}")))
                .collect();
            let count = match lines.len() {
                1 => "1 problem".to_owned(),
                many => format!("{many} problems"),
            };
            return Err(CommandError::User(format!(
                "{} has {count}, so that no policy was written; correct the file and import it again:\n{}",
                platform.noun(),
                lines.join("\n")
            )));
        }
        Err(Refused::Unreadable(what)) => {
            return Err(CommandError::Bug(format!(
                "import wrote a policy that cannot be read; please report it:\n{what}"
            )));
        }
    };
    out.write_all(imported.text.as_bytes())?;
    for lost in &imported.lost {
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
