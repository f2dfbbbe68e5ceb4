//! The start of every function. It reads the settings and builds the adapters once.

use std::process::ExitCode;

use lambda_runtime::Error;
use redrive_aws::bus::{Bus, PutCounts};
use redrive_aws::calls::Calls;
use redrive_aws::codepipeline::CodePipeline;
use redrive_aws::environment::{Environment, Misconfigured};
use redrive_aws::ledger::DynamoDb;
use redrive_aws::queue::Sqs;
use redrive_aws::stepfunctions::StepFunctions;
use redrive_aws::target::Services;
use redrive_core::controller::{Clock, Controller, Record, RunMode};
use redrive_core::discovery::Search;
use redrive_core::event::AllowedSources;
use redrive_core::ledger::{Owner, Timing};
use redrive_core::policy::Document;
use redrive_core::rate_limiter::RateLimiter;
use redrive_core::reads::LocalCache;
use tracing::error;

use super::invocation::Owners;
use super::panics;
use crate::clock::SystemClock;
use crate::log;
use crate::settings::{InAccount, Place, Settings};
use crate::wide::Wide;

/// Reads the settings and runs a function's handler with them. Mistakes in the settings are logged, and the function
/// stops.
pub(super) async fn open(
    function: &'static str,
    handler: impl AsyncFnOnce(Settings) -> Result<(), Error>,
) -> ExitCode {
    log::start();
    panics::log(function);
    let opened = match Settings::from_env() {
        Ok(settings) => handler(settings).await,
        Err(wrong) => Err(wrong.into()),
    };
    match opened {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            error!("{wrong}");
            ExitCode::FAILURE
        }
    }
}

pub(super) fn in_account(
    account: Option<InAccount>,
    function: &str,
) -> Result<InAccount, Misconfigured> {
    account.ok_or_else(|| {
        Misconfigured(vec![format!(
            "REDRIVE_LEDGER is memory, which functions do not share, and {function} needs a table. Try \
             stepfunctions or codepipeline"
        )])
    })
}

/// A function in an account, with its adapters. It is built before its first event.
pub(super) struct DeployedFunction<'s> {
    function: &'static str,
    document: &'s Document,
    mode: RunMode,
    pub(super) sources: AllowedSources,
    pub(super) place: Place,
    pub(super) search: Search,
    ledger: DynamoDb,
    pub(super) target: Services<SystemClock, DynamoDb>,
    queue: Sqs,
    bus: Option<Bus>,
    stack: String,
    timing: Timing,
    rate_limiter: RateLimiter,
    calls: Calls,
    pub(super) owners: Owners,
}

impl<'s> DeployedFunction<'s> {
    pub(super) fn new(
        function: &'static str,
        document: &'s Document,
        account: InAccount,
    ) -> Result<Self, Misconfigured> {
        let calls = Calls::default();
        let environment = Environment::read(calls.clone())?;
        let ledger = DynamoDb::new(environment.dynamodb(), account.table);
        Ok(Self {
            function,
            document,
            mode: account.mode,
            sources: account.sources,
            place: account.place,
            search: account.search,
            ledger: ledger.clone(),
            target: Services {
                stepfunctions: StepFunctions::new(environment.stepfunctions()),
                codepipeline: CodePipeline::new(environment.codepipeline()),
                local_cache: LocalCache::default(),
                definition_cache: ledger,
                clock: SystemClock,
            },
            queue: Sqs::new(environment.sqs(), account.queue_url),
            bus: account
                .bus
                .map(|name| Bus::new(environment.eventbridge(), name)),
            stack: account.stack,
            timing: Timing {
                quotas: account.quotas,
                ..Timing::default()
            },
            rate_limiter: RateLimiter::default(),
            calls,
            owners: Owners::new(),
        })
    }

    pub(super) fn controller<'w>(
        &'w self,
        owner: &'w Owner,
    ) -> Controller<'w, DynamoDb, Services<SystemClock, DynamoDb>, Sqs, SystemClock> {
        Controller {
            ledger: &self.ledger,
            target: &self.target,
            queue: &self.queue,
            clock: &SystemClock,
            document: self.document,
            mode: self.mode,
            timing: &self.timing,
            rate_limiter: &self.rate_limiter,
            owner,
        }
    }

    /// Puts the decisions of the records on the bus, if there is one.
    pub(super) async fn put_decisions(&self, records: impl Iterator<Item = &Record>) -> PutCounts {
        match &self.bus {
            // The future is boxed for the reason in events.rs.
            Some(bus) => Box::pin(bus.put(self.function, self.mode, records)).await,
            None => PutCounts::default(),
        }
    }

    /// Returns the wide line of a handling. It takes the counts of the requests to AWS since the previous wide line.
    pub(super) fn wide<'w>(
        &'w self,
        request_id: &'w str,
        message_id: Option<&'w str>,
        took_ms: u64,
        put_counts: PutCounts,
    ) -> Wide<'w> {
        Wide {
            function: self.function,
            request_id,
            message_id,
            mode: Some(self.mode),
            took_ms,
            counted: self.calls.take(),
            put_counts,
            at: SystemClock.now(),
            stack: Some(&self.stack),
        }
    }
}
