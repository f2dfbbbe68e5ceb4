//! The `redrive` command, which tries a policy locally before the policy acts on an account.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

#[cfg(feature = "account")]
mod account;
#[cfg(feature = "account")]
mod cancel;
mod check;
mod envelope;
mod explain;
mod failed;
#[cfg(feature = "account")]
mod history;
mod import;
mod input;
mod replay;
mod serve;
mod simulate;
mod storm;
mod table;
mod test;
mod trace;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use redrive_core::controller::RunMode;
use redrive_simulation::replay::Then;
use redrive_simulation::storm::{Limits, QuotaClass, Storm};

use self::failed::Failed;

/// Redrives failed Step Functions executions and retries failed CodePipeline stages by policy.
#[derive(Debug, Parser)]
#[command(name = "redrive", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say all that is wrong with policies, or may be, each with its line and what to do about it.
    Check {
        /// The policies.
        #[arg(required = true, value_name = "POLICY")]
        policies: Vec<PathBuf>,
        /// Count warnings as errors.
        #[arg(long)]
        strict: bool,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
        /// The definition of a state machine, MACHINE.asl.json: say how often its tasks run at the worst, as a
        /// redrive resets every Retry, and which of its Fail states rules could reach.
        #[arg(long, value_name = "FILE")]
        definition: Option<PathBuf>,
    },
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
    /// Print the policy that means what another platform's retry configuration means.
    Import {
        /// Whose it is.
        #[arg(value_enum, value_name = "PLATFORM")]
        platform: import::Platform,
        /// The file, YAML or JSON, or - for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Run the tests that policy documents carry, and show why one fails.
    Test {
        /// The policies, or - for standard input.
        #[arg(required = true, value_name = "POLICY")]
        policies: Vec<PathBuf>,
        /// Print one JSON object a line, one line a test.
        #[arg(long)]
        json: bool,
    },
    /// Simulate what can go wrong: both services emulated in virtual time, with faults, and the invariants checked
    /// after every step.
    Simulate {
        /// How many seeds; each is one simulation.
        #[arg(long, default_value_t = 1000, conflicts_with = "seed")]
        seeds: u64,
        /// The first of them.
        #[arg(long, default_value_t = 0, conflicts_with = "seed")]
        first: u64,
        /// One seed, with all that happens in it.
        #[arg(long)]
        seed: Option<u64>,
        /// Enable only these fault classes, separated by commas; "none" for no faults. Without it half of all classes,
        /// drawn by each seed.
        #[arg(long, value_delimiter = ',', value_name = "CLASSES")]
        faults: Option<Vec<String>>,
        /// Fail also where a fault class, a reason or a move of an entry was never reached; ten thousand seeds
        /// reach them all.
        #[arg(long, conflicts_with_all = ["seed", "faults"])]
        all_reached: bool,
        /// Instead of seeds explore every interleaving of the invocations for one failure, with a death of each at each
        /// of its awaits.
        #[arg(long, conflicts_with_all = ["seeds", "first", "seed", "faults", "all_reached"])]
        interleavings: bool,
    },
    /// Play a storm, in which everything fails at once: how soon all of it is redriven, against AWS's quotas in
    /// virtual time, and what that costs.
    Storm(Stormy),
    /// Serve emulated Step Functions and CodePipeline to SDKs and the AWS CLI, on loopback.
    Serve {
        /// The port; 0 lets the system choose.
        #[arg(long, default_value_t = 4599)]
        port: u16,
    },
    /// Say why a failure in an account was retried, or not: its ledger entry as a story.
    #[cfg(feature = "account")]
    History {
        #[command(flatten)]
        place: account::Where,
        /// Print the entry as one JSON object on one line.
        #[arg(long)]
        json: bool,
    },
    /// Give up a retry in an account that is queued, and say why.
    #[cfg(feature = "account")]
    Cancel {
        #[command(flatten)]
        place: account::Where,
        /// Why, for who reads the ledger later: 1,024 characters at the most.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who: 256 characters at the most. Without it, your ARN as AWS knows it, or where STS does not say,
        /// your user name on this machine.
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Print the entry as one JSON object on one line.
        #[arg(long)]
        json: bool,
    },
    /// Say why a failure in an account was retried, or not (needs: cargo run --features account -- history ...)
    #[cfg(not(feature = "account"))]
    #[command(disable_help_flag = true)]
    History(Unbuilt),
    /// Give up a retry in an account that is queued (needs: cargo run --features account -- cancel ...)
    #[cfg(not(feature = "account"))]
    #[command(disable_help_flag = true)]
    Cancel(Unbuilt),
}

/// What a command was given that this build does not have.
#[cfg(not(feature = "account"))]
#[derive(Debug, clap::Args)]
struct Unbuilt {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    _rest: Vec<std::ffi::OsString>,
}

/// A storm, as it is told.
#[derive(Debug, clap::Args)]
struct Stormy {
    /// So many executions fail.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    failures: u32,
    /// Of so many state machines, one larger than the other.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    machines: u32,
    /// Within so many seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Whose quotas apply.
    #[arg(long, value_enum, default_value_t = RegionName::Small)]
    region: RegionName,
    /// So many functions the account runs at once.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(3..=100_000))]
    concurrency: u32,
    /// So many batches of due retries are worked on at once: MaximumConcurrency in template.yaml.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=1_000))]
    due_concurrency: u32,
    /// Pace nothing, to see what that comes to.
    #[arg(long)]
    no_pace: bool,
    /// What is left to chance.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print one JSON object on one line.
    #[arg(long)]
    json: bool,
}

impl From<&Stormy> for Storm {
    fn from(told: &Stormy) -> Self {
        Self {
            failures: told.failures as usize,
            machines: told.machines as usize,
            seconds: told.seconds,
            limits: Limits::of(match told.region {
                RegionName::Large => QuotaClass::Large,
                RegionName::Small => QuotaClass::Small,
            }),
            paced: !told.no_pace,
            concurrency: told.concurrency as usize,
            due_concurrency: told.due_concurrency.into(),
            seed: told.seed,
            ..Self::default()
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RegionName {
    /// us-east-1, us-west-2 and eu-west-1.
    Large,
    /// Every other region.
    Small,
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

impl From<ModeName> for RunMode {
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

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Standard output is not locked, since `serve` writes events from a second thread.
    let mut out = io::BufWriter::new(io::stdout());
    let done = match arguments.command {
        Command::Check {
            policies,
            strict,
            json,
            definition,
        } => check::run(
            &policies,
            definition.as_deref(),
            check::Manner { strict, json },
            &mut out,
        ),
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
        Command::Import { platform, file } => {
            import::run(platform, &file, &mut out, &mut io::stderr())
        }
        Command::Test { policies, json } => test::run(&policies, json, &mut out),
        Command::Simulate {
            interleavings: true,
            ..
        } => simulate::interleavings(&mut out),
        Command::Simulate {
            interleavings: false,
            seeds,
            first,
            seed,
            faults,
            all_reached,
        } => simulate::run(
            first..first.saturating_add(seeds),
            seed,
            faults.as_deref(),
            all_reached,
            &mut out,
        ),
        Command::Storm(told) => storm::run(&(&told).into(), told.json, &mut out),
        Command::Serve { port } => serve::run(port, &mut out),
        #[cfg(feature = "account")]
        Command::History { place, json } => account::run(history::run(place, json, &mut out)),
        #[cfg(feature = "account")]
        Command::Cancel {
            place,
            reason,
            by,
            json,
        } => account::run(cancel::run(place, reason, by, json, &mut out)),
        #[cfg(not(feature = "account"))]
        Command::History(_) => Err(Failed::Unbuilt("history")),
        #[cfg(not(feature = "account"))]
        Command::Cancel(_) => Err(Failed::Unbuilt("cancel")),
    };
    let done = match out.flush() {
        Ok(()) => done,
        Err(error) => done.and(Err(error.into())),
    };
    let (message, code) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failed::Told) => return ExitCode::FAILURE,
        Err(Failed::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        #[cfg(not(feature = "account"))]
        Err(Failed::Unbuilt(command)) => (
            format!(
                "redrive: {command} asks an account, and this build has no AWS SDK in it; in the repository:\n  \
                 cargo run --features account -- {command} ..."
            ),
            2,
        ),
        Err(Failed::Output(error)) => (format!("redrive: cannot write the output: {error}"), 1),
        Err(Failed::User(message)) => (format!("redrive: {message}"), 1),
        Err(Failed::Bug(message)) => (format!("redrive: {message}"), 1),
    };
    // A failure of this write cannot be reported.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::from(code)
}
