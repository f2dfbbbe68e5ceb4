//! The `redrive` command: try a policy on a desk before it is let loose on an account.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod explain;
mod input;
mod replay;
mod serve;
mod table;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use redrive_core::handle::Mode;
use redrive_local::replay::Then;

/// Redrives failed Step Functions executions and retries failed CodePipeline stages by policy.
#[derive(Debug, Parser)]
#[command(name = "redrive", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play event files through the policy against emulated services, and show what comes of each.
    Replay {
        /// Event files, folders of them, or - for standard input. Files named MACHINE.asl.json are
        /// definitions of state machines.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// The policy to try; without it, the one that is shipped (infra/policy.yaml).
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// The mode to try.
        #[arg(long, value_enum, default_value_t = ModeName::Act)]
        mode: ModeName,
        /// What a retried run comes to where no event file tells.
        #[arg(long, value_enum, default_value_t = ThenName::Succeed)]
        then: ThenName,
        /// Print one JSON object a line instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Say what would happen to one event, and why.
    Explain {
        /// The policy.
        #[arg(long, value_name = "FILE")]
        policy: PathBuf,
        /// Print one JSON object on one line.
        #[arg(long)]
        json: bool,
        /// The event file, or - for standard input.
        #[arg(value_name = "EVENT")]
        event: PathBuf,
    },
    /// Serve emulated Step Functions and CodePipeline to SDKs and the AWS CLI, on loopback.
    Serve {
        /// The port; 0 lets the system choose.
        #[arg(long, default_value_t = 4599)]
        port: u16,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeName {
    /// Retry.
    Act,
    /// Decide and record, and change nothing.
    Observe,
    /// Do nothing at all.
    Off,
}

impl From<ModeName> for Mode {
    fn from(name: ModeName) -> Self {
        match name {
            ModeName::Act => Self::Act,
            ModeName::Observe => Self::Observe,
            ModeName::Off => Self::Off,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ThenName {
    /// Whatever it was has passed.
    Succeed,
    /// It fails as before, for ever.
    Fail,
}

impl From<ThenName> for Then {
    fn from(name: ThenName) -> Self {
        match name {
            ThenName::Succeed => Self::Succeed,
            ThenName::Fail => Self::Fail,
        }
    }
}

/// Why a command did not do its work.
#[derive(Debug)]
enum Failed {
    /// What the user gave cannot be used; the text says what was read, what is allowed and what to do.
    User(String),
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

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Not locked: `serve` writes events from a thread of its own.
    let mut out = io::BufWriter::new(io::stdout());
    let done = match arguments.command {
        Command::Replay {
            paths,
            policy,
            mode,
            then,
            json,
        } => replay::run(
            &paths,
            policy.as_deref(),
            mode.into(),
            then.into(),
            json,
            &mut out,
        ),
        Command::Explain {
            policy,
            json,
            event,
        } => explain::run(&policy, &event, json, &mut out),
        Command::Serve { port } => serve::run(port, &mut out),
    };
    let done = done.and_then(|()| out.flush().map_err(Failed::from));
    let (message, code) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failed::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        Err(Failed::Output(error)) => (format!("redrive: cannot write the output: {error}"), 1),
        Err(Failed::User(message)) => (format!("redrive: {message}"), 1),
        Err(Failed::Bug(message)) => (format!("redrive: {message}"), 70),
    };
    // Nobody is left to be told if this fails.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::from(code)
}
