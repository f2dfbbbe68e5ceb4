//! The four doors: what Lambda invokes, handed to the core.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::ExitCode;
use std::time::Instant;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{Context, Diagnostic, Error, LambdaEvent, service_fn};
use redrive_aws::bus::{Bus, Told};
use redrive_aws::calls::Calls;
use redrive_aws::codepipeline::CodePipeline;
use redrive_aws::environment::{Environment, Misconfigured};
use redrive_aws::ledger::DynamoDb;
use redrive_aws::listings::Lists;
use redrive_aws::queue::Sqs;
use redrive_aws::stepfunctions::StepFunctions;
use redrive_aws::target::Services;
use redrive_core::event::{Bounds, subject_of};
use redrive_core::find::Search;
use redrive_core::foretell::Foretell;
use redrive_core::handle::{Clock, Mode, Record, Redrive};
use redrive_core::ledger::{Owner, Pen, Terms, Ticket};
use redrive_core::pace::Pace;
use redrive_core::policy::Document;
use redrive_core::reads::Learned;
use redrive_core::sweep::MOST_OF_A_TICK;
use redrive_core::time::Time;
use redrive_core::trouble::{Trouble, TroubleKind};
use tracing::error;

use crate::clock::SystemClock;
use crate::log;
use crate::metrics;
use crate::payload::Payload;
use crate::settings::{InAccount, Place, Settings};
use crate::tick::{Searched, Tick};
use crate::wide::Wide;

/// Hears the events of one service; `function` names the door in the wide line.
pub async fn events(function: &'static str) -> ExitCode {
    open(async |settings: Settings| match settings.account {
        Some(account) => {
            let world = World::new(function, &settings.document, account)?;
            lambda_runtime::run(service_fn(|event| world.event(event))).await
        }
        None => {
            let desk = Desk::new(function, &settings.document);
            lambda_runtime::run(service_fn(async |event| Ok::<_, Error>(desk.event(&event)))).await
        }
    })
    .await
}

/// Takes the retries whose delay is over.
pub async fn due() -> ExitCode {
    open(async |settings: Settings| {
        let account = in_account(settings.account, "due")?;
        let world = World::new("due", &settings.document, account)?;
        lambda_runtime::run(service_fn(|batch| world.due(batch))).await
    })
    .await
}

/// Looks after what was left in the middle, and for what was never announced.
pub async fn sweep() -> ExitCode {
    open(async |settings: Settings| {
        let account = in_account(settings.account, "sweep")?;
        let world = World::new("sweep", &settings.document, account)?;
        lambda_runtime::run(service_fn(|tick| world.sweep(tick))).await
    })
    .await
}

/// Reads the settings and opens a door with them; what is wrong with them is logged, and the function stops.
async fn open(door: impl AsyncFnOnce(Settings) -> Result<(), Error>) -> ExitCode {
    log::start();
    let opened = match Settings::from_env() {
        Ok(settings) => door(settings).await,
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

fn in_account(account: Option<InAccount>, function: &str) -> Result<InAccount, Misconfigured> {
    account.ok_or_else(|| {
        Misconfigured(vec![format!(
            "REDRIVE_LEDGER is memory, which one function does not share with another: {function} has \
             nothing to do without a table. Try stepfunctions or codepipeline"
        )])
    })
}

/// Names each handling, by a name that no other has.
#[derive(Debug)]
struct Owners {
    /// Of this process. An event that comes again keeps its request id, and may come to another process.
    process: u64,
    handled: Cell<u64>,
}

impl Owners {
    fn new() -> Self {
        Self {
            // The standard library keys each of these at random.
            process: RandomState::new().build_hasher().finish(),
            handled: Cell::new(0),
        }
    }

    fn next(&self, request_id: &str) -> Owner {
        let handled = self.handled.get().wrapping_add(1);
        self.handled.set(handled);
        Owner(format!("{request_id}/{:016x}/{handled}", self.process))
    }
}

/// A function that is tried without an account: it tells what it would do, and calls nothing.
struct Desk<'s> {
    function: &'static str,
    foretell: Foretell<'s>,
    owners: Owners,
    terms: Terms,
}

impl<'s> Desk<'s> {
    fn new(function: &'static str, document: &'s Document) -> Self {
        Self {
            function,
            foretell: Foretell::new(document),
            owners: Owners::new(),
            terms: Terms::default(),
        }
    }

    fn event(&self, event: &LambdaEvent<Payload>) -> Record {
        let began = Instant::now();
        let request_id = &event.context.request_id;
        let pen = Pen {
            owner: &self.owners.next(request_id),
            now: SystemClock.now(),
            terms: &self.terms,
        };
        let record = match event.payload.bytes() {
            Ok(bytes) => self.foretell.event(bytes, pen),
            Err(malformed) => Record::malformed(pen.now, malformed.clone()),
        };
        Wide {
            function: self.function,
            request_id,
            message_id: None,
            mode: None,
            took_ms: since(began),
            counted: Default::default(),
            told: Told::default(),
            at: pen.now,
            stack: None,
        }
        .record(&record);
        record
    }
}

/// Everything that a function in an account works with, built before its first event.
struct World<'s> {
    function: &'static str,
    document: &'s Document,
    mode: Mode,
    bounds: Bounds,
    place: Place,
    search: Search,
    ledger: DynamoDb,
    target: Services<SystemClock, DynamoDb>,
    queue: Sqs,
    bus: Option<Bus>,
    stack: String,
    terms: Terms,
    pace: Pace,
    calls: Calls,
    owners: Owners,
}

impl<'s> World<'s> {
    fn new(
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
            bounds: account.bounds,
            place: account.place,
            search: account.search,
            ledger: ledger.clone(),
            target: Services {
                stepfunctions: StepFunctions::new(environment.stepfunctions()),
                codepipeline: CodePipeline::new(environment.codepipeline()),
                learned: Learned::default(),
                shelf: ledger,
                clock: SystemClock,
            },
            queue: Sqs::new(environment.sqs(), account.queue_url),
            bus: account
                .bus
                .map(|name| Bus::new(environment.eventbridge(), name)),
            stack: account.stack,
            terms: Terms {
                quotas: account.quotas,
                ..Terms::default()
            },
            pace: Pace::default(),
            calls,
            owners: Owners::new(),
        })
    }

    fn redrive<'w>(
        &'w self,
        owner: &'w Owner,
    ) -> Redrive<'w, DynamoDb, Services<SystemClock, DynamoDb>, Sqs, SystemClock> {
        Redrive {
            ledger: &self.ledger,
            target: &self.target,
            queue: &self.queue,
            clock: &SystemClock,
            document: self.document,
            mode: self.mode,
            terms: &self.terms,
            pace: &self.pace,
            owner,
        }
    }

    /// Tells the bus, if there is one, what was decided.
    async fn tell(&self, records: impl Iterator<Item = &Record>) -> Told {
        match &self.bus {
            // Boxed, as below.
            Some(bus) => Box::pin(bus.tell(self.function, self.mode, records)).await,
            None => Told::default(),
        }
    }

    /// The wide line of a handling that took so long, with what was asked of AWS since the last one.
    fn wide<'w>(
        &'w self,
        request_id: &'w str,
        message_id: Option<&'w str>,
        took_ms: u64,
        told: Told,
    ) -> Wide<'w> {
        Wide {
            function: self.function,
            request_id,
            message_id,
            mode: Some(self.mode),
            took_ms,
            counted: self.calls.take(),
            told,
            at: SystemClock.now(),
            stack: Some(&self.stack),
        }
    }

    /// One event of EventBridge. With trouble Lambda is told so, and the event comes again.
    async fn event(&self, event: LambdaEvent<Payload>) -> Result<Record, Diagnostic> {
        let began = Instant::now();
        let request_id = &event.context.request_id;
        let bytes = match event.payload.bytes() {
            Ok(bytes) => bytes,
            Err(malformed) => {
                let record = Record::malformed(SystemClock.now(), malformed.clone());
                self.wide(request_id, None, since(began), Told::default())
                    .record(&record);
                return Ok(record);
            }
        };
        let owner = self.owners.next(request_id);
        // Boxed: the futures of the beats and of the SDK are deep, and the compiler's patience with one type ends.
        let done = Box::pin(self.redrive(&owner).event(bytes, &self.bounds)).await;
        let took = since(began);
        let told = self.tell(done.iter()).await;
        let wide = self.wide(request_id, None, took, told);
        match done {
            Ok(record) => {
                wide.record(&record);
                Ok(record)
            }
            Err(trouble) => {
                wide.trouble(subject_of(bytes).as_ref(), &trouble);
                Err(diagnostic(&trouble))
            }
        }
    }

    /// A batch of messages. Those that met trouble, or that there was no time for, come again, and after that go
    /// to the dead-letter queue.
    async fn due(&self, batch: LambdaEvent<Payload>) -> Result<SqsBatchResponse, Diagnostic> {
        let mut answer = SqsBatchResponse::default();
        let request_id = &batch.context.request_id;
        let until = last_beginning(&batch.context);
        let Some(messages) = batch.payload.read::<SqsEvent>() else {
            let trouble = Trouble::new(TroubleKind::Bug, "this is no batch of SQS");
            self.wide(request_id, None, 0, Told::default())
                .trouble(None, &trouble);
            return Err(diagnostic(&trouble));
        };
        for message in &messages.records {
            let done = if SystemClock.now() < until {
                self.message(message, request_id).await
            } else {
                self.no_time_for(message, request_id)
            };
            if done.is_err() {
                let mut failure = BatchItemFailure::default();
                // A message without an id cannot be told from the others: SQS then brings them all again.
                failure.item_identifier = message.message_id.clone().unwrap_or_default();
                answer.batch_item_failures.push(failure);
            }
        }
        Ok(answer)
    }

    /// A message that is left to come again, rather than taken and cut off in the middle.
    fn no_time_for(&self, message: &SqsMessage, request_id: &str) -> Result<(), Trouble> {
        let trouble = Trouble::new(TroubleKind::Unreachable, "no time was left for the message");
        let message_id = message.message_id.as_deref();
        self.wide(request_id, message_id, 0, Told::default())
            .trouble(None, &trouble);
        Err(trouble)
    }

    async fn message(&self, message: &SqsMessage, request_id: &str) -> Result<(), Trouble> {
        let began = Instant::now();
        let owner = self.owners.next(request_id);
        let ticket = Ticket::read(message.body.as_deref().unwrap_or_default());
        let done = match &ticket {
            Some(ticket) => Box::pin(self.redrive(&owner).due(ticket)).await,
            None => Err(Trouble::new(
                TroubleKind::Bug,
                "the message is no ticket of ours",
            )),
        };
        let took = since(began);
        let told = self.tell(done.iter()).await;
        let wide = self.wide(request_id, message.message_id.as_deref(), took, told);
        match done {
            Ok(record) => wide.record(&record),
            Err(trouble) => {
                wide.trouble(ticket.map(|ticket| ticket.subject).as_ref(), &trouble);
                return Err(trouble);
            }
        }
        Ok(())
    }

    /// One tick of the schedule. First what is known to wait, and with the rest of the time what may be found:
    /// the next tick goes on with either.
    async fn sweep(&self, tick: LambdaEvent<Payload>) -> Result<Tick, Diagnostic> {
        let began = Instant::now();
        let request_id = &tick.context.request_id;
        let until = last_beginning(&tick.context);
        let owner = self.owners.next(request_id);
        let swept = Box::pin(self.redrive(&owner).sweep(MOST_OF_A_TICK, until)).await;
        let swept = swept.map_err(|trouble| {
            self.wide(request_id, None, since(began), Told::default())
                .trouble(None, &trouble);
            diagnostic(&trouble)
        })?;
        let owner = self.owners.next(request_id);
        let lists = Lists::new(&self.target, &self.place.account, &self.place.region);
        let found = Box::pin(self.redrive(&owner).find(&lists, &self.search, until)).await;
        let took = since(began);
        let records = found.as_ref().map_or(&[][..], |found| &found.records);
        let told = self.tell(swept.records.iter().chain(records)).await;
        let wide = self.wide(request_id, None, took, told);
        // What was asked of AWS, and told, stands in the line of the tick.
        let one = self.wide(request_id, None, took, Told::default());
        for record in &swept.records {
            one.record(record);
        }
        for (subject, trouble) in &swept.troubled {
            one.trouble(Some(subject), trouble);
        }
        if let Ok(found) = &found {
            for record in &found.records {
                one.record(record);
            }
            for (subject, trouble) in &found.troubled {
                one.trouble(Some(subject), trouble);
            }
            for (listing, trouble) in &found.unread {
                one.unread(listing, trouble);
            }
        }
        let tick = Tick {
            requeued: swept.requeued,
            taken_over: swept.records.len(),
            lost: swept.lost,
            troubled: swept.troubled.len(),
            more: swept.more,
            search: found.as_ref().map(Searched::from).unwrap_or_default(),
            oldest_claim_seconds: swept.oldest_claim.unwrap_or_default().as_secs(),
            unannounced: metrics::unannounced(records),
        };
        wide.tick(&tick);
        match found {
            Ok(_) => Ok(tick),
            Err(trouble) => {
                one.trouble(None, &trouble);
                Err(diagnostic(&trouble))
            }
        }
    }
}

/// When the last handling of an invocation may begin, so that it ends before Lambda ends the function: half of
/// the time is kept for it. A handling in which nothing answers waits for a look, an act and a settle.
fn last_beginning(context: &Context) -> Time {
    let now = SystemClock.now();
    let left = Time::from_millis(context.deadline).since(now);
    now.plus(left / 2)
}

fn since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn diagnostic(trouble: &Trouble) -> Diagnostic {
    Diagnostic {
        error_type: format!("{:?}", trouble.kind),
        error_message: trouble.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::Owners;

    #[test]
    fn no_two_handlings_share_a_name_not_even_under_one_request_id() {
        let (one, other) = (Owners::new(), Owners::new());
        let names = [
            one.next("r"),
            one.next("r"),
            other.next("r"),
            other.next("r"),
        ];
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
    }
}
