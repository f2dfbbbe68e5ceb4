//! The `redrive` command, which tries a policy locally before the policy acts on an account.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

#[cfg(feature = "account")]
mod account;
#[cfg(feature = "account")]
mod cancel;
mod check;
mod command_error;
mod envelope;
mod explain;
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

use self::command_error::CommandError;

/// Redrives failed Step Functions executions and retries failed CodePipeline stages by policy.
#[derive(Debug, Parser)]
#[command(name = "redrive", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the errors and warnings of policies, each with its line and its remedy.
    Check {
        /// The policies.
        #[arg(required = true, value_name = "POLICY")]
        policies: Vec<PathBuf>,
        /// Treat warnings as errors.
        #[arg(long)]
        strict: bool,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
        /// The definition of a state machine, MACHINE.asl.json. Adds the maximum number of runs of each of its tasks,
        /// since a redrive resets every Retry, and the Fail states that rules could reach.
        #[arg(long, value_name = "FILE")]
        definition: Option<PathBuf>,
    },
    /// Replay event files through the policy against emulated services, and show the outcome of each.
    Replay {
        /// Event files, folders of them, or - for standard input. Files named MACHINE.asl.json are
        /// definitions of state machines.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// The policy [default: the policy as shipped, infra/policy.yaml]
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// The run mode.
        #[arg(long, value_enum, default_value_t = ModeName::Act)]
        mode: ModeName,
        /// The end of a retried run that no event file describes.
        #[arg(long, value_enum, default_value_t = ThenName::Succeed)]
        then: ThenName,
        /// Print one JSON object a line instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Explain the verdict on one event, condition by condition.
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
    /// Print the policy that is equivalent to the retry configuration of another platform.
    Import {
        /// The platform of the configuration.
        #[arg(value_enum, value_name = "PLATFORM")]
        platform: import::Platform,
        /// The file, YAML or JSON, or - for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Run the tests in policy documents, and show why a test fails.
    Test {
        /// The policies, or - for standard input.
        #[arg(required = true, value_name = "POLICY")]
        policies: Vec<PathBuf>,
        /// Print one JSON object a line, one for each test.
        #[arg(long)]
        json: bool,
    },
    /// Simulate both services in virtual time with injected faults, and check the invariants after every step.
    Simulate {
        /// The number of seeds. Each seed is one simulation.
        #[arg(long, default_value_t = 1000, conflicts_with = "seed")]
        seeds: u64,
        /// The first seed.
        #[arg(long, default_value_t = 0, conflicts_with = "seed")]
        first: u64,
        /// Run only this seed, and print its steps.
        #[arg(long)]
        seed: Option<u64>,
        /// Enable only these fault classes, separated by commas; "none" enables none [default: half of all classes,
        /// drawn by each seed]
        #[arg(long, value_delimiter = ',', value_name = "CLASSES")]
        faults: Option<Vec<String>>,
        /// Fail also if a fault class, a reason or a transition was never reached. Ten thousand seeds reach all of
        /// them.
        #[arg(long, conflicts_with_all = ["seed", "faults"])]
        all_reached: bool,
        /// Explore every interleaving of the invocations for one failure instead of seeds, with a crash of each
        /// invocation at each of its awaits.
        #[arg(long, conflicts_with_all = ["seeds", "first", "seed", "faults", "all_reached"])]
        interleavings: bool,
    },
    /// Simulate a storm of failures against AWS's quotas in virtual time, and print how long its redrives take and what
    /// they cost.
    Storm(StormOptions),
    /// Serve emulated Step Functions and CodePipeline to SDKs and the AWS CLI, on loopback.
    Serve {
        /// The port. 0 lets the system choose a free one.
        #[arg(long, default_value_t = 4599)]
        port: u16,
    },
    /// Print from its ledger entry why a failure in an account was retried or not.
    #[cfg(feature = "account")]
    History {
        #[command(flatten)]
        place: account::Where,
        /// Print the entry as one JSON object on one line.
        #[arg(long)]
        json: bool,
    },
    /// Cancel a queued retry in an account, with a reason.
    #[cfg(feature = "account")]
    Cancel {
        #[command(flatten)]
        place: account::Where,
        /// The reason, for later readers of the ledger. Maximum 1,024 characters.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The person who cancels. Maximum 256 characters [default: your ARN from STS, or your user name on this
        /// machine if STS does not answer]
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Print the entry as one JSON object on one line.
        #[arg(long)]
        json: bool,
    },
    /// Print why a failure in an account was retried or not (needs: cargo run --features account -- history ...)
    #[cfg(not(feature = "account"))]
    #[command(disable_help_flag = true)]
    History(Unbuilt),
    /// Cancel a queued retry in an account (needs: cargo run --features account -- cancel ...)
    #[cfg(not(feature = "account"))]
    #[command(disable_help_flag = true)]
    Cancel(Unbuilt),
}

/// The arguments of a command that this build does not have.
#[cfg(not(feature = "account"))]
#[derive(Debug, clap::Args)]
struct Unbuilt {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    _rest: Vec<std::ffi::OsString>,
}

/// The options of a storm.
#[derive(Debug, clap::Args)]
struct StormOptions {
    /// The number of executions that fail.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    failures: u32,
    /// The number of their state machines, which differ in size.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    machines: u32,
    /// The seconds within which they fail.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// The regions whose quotas apply.
    #[arg(long, value_enum, default_value_t = RegionName::Small)]
    region: RegionName,
    /// Maximum functions that run at once in the account.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(3..=100_000))]
    concurrency: u32,
    /// Maximum batches of due retries at once: MaximumConcurrency in template.yaml.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=1_000))]
    due_concurrency: u32,
    /// Turn pacing off, for comparison.
    #[arg(long)]
    no_pace: bool,
    /// The seed of all random draws.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print one JSON object on one line.
    #[arg(long)]
    json: bool,
}

impl From<&StormOptions> for Storm {
    fn from(options: &StormOptions) -> Self {
        Self {
            failures: options.failures as usize,
            machines: options.machines as usize,
            seconds: options.seconds,
            limits: Limits::of(match options.region {
                RegionName::Large => QuotaClass::Large,
                RegionName::Small => QuotaClass::Small,
            }),
            paced: !options.no_pace,
            concurrency: options.concurrency as usize,
            due_concurrency: options.due_concurrency.into(),
            seed: options.seed,
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
    /// Do nothing.
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
    /// The run succeeds.
    Succeed,
    /// The run fails as before, every time.
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
        Command::Storm(options) => storm::run(&(&options).into(), options.json, &mut out),
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
        Command::History(_) => Err(CommandError::Unbuilt("history")),
        #[cfg(not(feature = "account"))]
        Command::Cancel(_) => Err(CommandError::Unbuilt("cancel")),
    };
    let done = match out.flush() {
        Ok(()) => done,
        Err(error) => done.and(Err(error.into())),
    };
    let error = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(CommandError::Reported) => return ExitCode::FAILURE,
        Err(CommandError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        Err(error) => error,
    };
    // A failure of this write cannot be reported.
    let _ = writeln!(io::stderr(), "redrive: {error}");
    match error {
        #[cfg(not(feature = "account"))]
        CommandError::Unbuilt(_) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}
