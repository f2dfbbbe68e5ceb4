//! The player of a replay, which makes everything happen in the order of time.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use redrive_core::controller::{Outcome, Record};
use redrive_core::error::{Error, ErrorKind};
use redrive_core::event::{self, AllowedSources, ParsedEvent};
use redrive_core::failure::{Failure, FailureDetail, Subject};
use redrive_core::ledger::{Owner, RetryMessage, State, Timing};
use redrive_core::time::Time;
use redrive_emulator::api::Emitted;
use redrive_emulator::codepipeline::StageRetryMode;

use super::file::{File, Key, key_of};
use super::rows::{From, Replayed, Row};
use super::settings::Settings;
use super::story::Story;
use crate::kernel::{Deployed, Interceptor, Invocation, Process, Sandbox, Turn, place_of, run};
use crate::triggers::runs_again_after;
use crate::words::{action, failed};

/// How often the sweep runs.
const SWEEP: Duration = Duration::from_secs(300);

/// A step of the replay.
#[derive(Debug)]
enum Coming {
    Story(Story),
    File(usize),
    Again(Delivery),
    Message(RetryMessage),
    /// The sweep ticks.
    Tick,
}

/// Passes every request, in no time.
struct Direct<'s>(&'s Sandbox<Coming>);

impl Interceptor for Direct<'_> {
    type Step = Coming;

    fn sandbox(&self) -> &Sandbox<Coming> {
        self.0
    }

    fn send(&self, retry_message: &RetryMessage, delay: Duration) {
        let at = self.0.now().plus(delay);
        let message = Coming::Message(retry_message.clone());
        self.0.agenda.plan(at, message);
    }
}

/// Runs an invocation, which never waits in a replay.
fn finish<R>(invocation: impl Future<Output = Result<R, Error>>) -> Result<R, Error> {
    run(invocation).unwrap_or_else(|| Err(Error::new(ErrorKind::Internal, "a call never returns")))
}

/// An event on its way to the core, and how often it was delivered.
#[derive(Debug)]
struct Delivery {
    name: Option<String>,
    bytes: Vec<u8>,
    times: u32,
}

/// A replay in the middle of its play.
pub(super) struct Player {
    files: Vec<File>,
    /// Files that no event has announced yet, by their key. If files share a key, the first is kept.
    waiting: BTreeMap<Key, usize>,
    delivered: BTreeSet<usize>,
    /// The ends of first runs in the files: these events happen under every policy.
    first: BTreeSet<Key>,
    sandbox: Sandbox<Coming>,
    process: Rc<Process>,
    deployed: Deployed,
    owners: Cell<u64>,
    replayed: Replayed,
    failed: BTreeMap<Subject, String>,
    /// The failed actions of each stage, as texts.
    actions: BTreeMap<Subject, Vec<String>>,
}

impl Player {
    pub(super) fn new(
        files: Vec<File>,
        stories: Vec<Story>,
        settings: &Settings,
        start: Time,
    ) -> Self {
        let mut player = Self {
            waiting: BTreeMap::new(),
            delivered: BTreeSet::new(),
            first: BTreeSet::new(),
            sandbox: Sandbox::new(start),
            process: Rc::default(),
            deployed: Deployed {
                document: settings.document.clone().into(),
                mode: settings.mode,
            },
            owners: Cell::new(0),
            replayed: Replayed::default(),
            failed: BTreeMap::new(),
            actions: BTreeMap::new(),
            files,
        };
        for file in &player.files {
            if let ParsedEvent::Failure(Failure {
                subject,
                detail: FailureDetail::Stage(stage),
                ..
            }) = event::parse(&file.source.bytes, &AllowedSources::default())
                && let Some(announced) = &stage.announced
            {
                let actions = player.actions.entry(subject).or_default();
                let words = action(announced);
                if !actions.contains(&words) {
                    actions.push(words);
                }
            }
        }
        let mut emulated: BTreeSet<String> = BTreeSet::new();
        for story in stories {
            match &story {
                Story::Execution { seed, .. } => {
                    emulated.insert(seed.arn.clone());
                    player.first.insert(Key::Execution {
                        arn: seed.arn.clone(),
                        status: seed.status.as_str().into(),
                        redrive_count: seed.redrive_count,
                    });
                }
                Story::Pipeline { seed, .. } => {
                    emulated.insert(seed.execution.clone());
                }
            }
            let begins = story.begins();
            player.sandbox.agenda.plan(begins, Coming::Story(story));
        }
        let mut last = start;
        for (index, file) in player.files.iter().enumerate() {
            // A file without a time follows the file before it.
            last = file.at.unwrap_or(last);
            player.sandbox.agenda.plan(last, Coming::File(index));
            if let Some(key) = &file.key
                && emulated.contains(key.whose())
                && !player.first.contains(key)
            {
                player.waiting.entry(key.clone()).or_insert(index);
            }
        }
        player
    }

    pub(super) fn play(&mut self) -> Result<(), Error> {
        // Each step uses something up, so only a bug reaches this limit.
        for _ in 0..1_000_000 {
            let step = match self.sandbox.turn() {
                Turn::Over => return Ok(()),
                Turn::Step(step) => Some(step),
                Turn::Services | Turn::Wake(_) => None,
            };
            for emitted in self.sandbox.advance() {
                self.emitted(&emitted)?;
            }
            if let Some(step) = step {
                self.happen(step)?;
            }
            self.plan_tick();
        }
        Err(Error::new(ErrorKind::Internal, "the replay does not end"))
    }

    /// Plans the first tick of the sweep that finds something due.
    fn plan_tick(&self) {
        let Some(due) = self.sandbox.ledger.next_check_at() else {
            return;
        };
        let at = sweep_after(due);
        let agenda = &self.sandbox.agenda;
        let planned = agenda.first(|step| matches!(step, Coming::Tick));
        if planned.is_none_or(|planned| at < planned) {
            agenda.plan(at, Coming::Tick);
        }
    }

    fn happen(&mut self, step: Coming) -> Result<(), Error> {
        match step {
            Coming::Story(story) => {
                // An error is ignored: a story that cannot be emulated is known from its files alone.
                match story {
                    Story::Execution { place, seed } => {
                        let _ = self.sandbox.region(&place).stepfunctions.seed(*seed);
                    }
                    Story::Pipeline { place, seed } => {
                        let _ = self.sandbox.region(&place).codepipeline.seed(*seed);
                    }
                }
                Ok(())
            }
            Coming::File(index) => self.file_at_its_time(index),
            Coming::Again(delivery) => self.handle_event(delivery),
            Coming::Message(retry_message) => {
                let record = finish(self.invocation().controller().due(&retry_message))?;
                self.row(From::Queue, None, record, None);
                Ok(())
            }
            Coming::Tick => {
                let swept = finish(self.invocation().controller().sweep(1000, Time::END))?;
                for record in swept.records {
                    self.row(From::Sweep, None, record, None);
                }
                Ok(())
            }
        }
    }

    fn file_at_its_time(&mut self, index: usize) -> Result<(), Error> {
        let Some(file) = self.files.get(index) else {
            return Ok(());
        };
        let awaited = file
            .key
            .as_ref()
            .is_some_and(|key| self.waiting.get(key) == Some(&index));
        if !awaited {
            return if self.delivered.contains(&index) {
                Ok(())
            } else {
                self.deliver(index)
            };
        }
        // The file describes the end of a run that has not begun in the emulator, or has not ended so.
        let Some(key) = file.key.clone() else {
            return Ok(());
        };
        self.let_a_person_act(&key);
        Ok(())
    }

    /// Lets a person make a retry or a stop that the files record, unless the core is about to retry.
    fn let_a_person_act(&self, key: &Key) {
        let now = self.sandbox.now().as_millis();
        let pending = |subject: &str| {
            self.sandbox.ledger.entries().iter().any(|entry| {
                entry.subject.key() == subject
                    && matches!(entry.state, State::Queued | State::Acting | State::InDoubt)
            })
        };
        match key {
            Key::Execution {
                arn,
                status,
                redrive_count,
            } => {
                let subject = Subject::Execution { arn: arn.clone() };
                let services = &mut self.sandbox.region(&place_of(&subject)).stepfunctions;
                let Some(view) = services.execution(arn) else {
                    return;
                };
                let (count, closed) = (view.redrive_count, view.status.is_closed());
                // A person's act on a later run waits until that run exists.
                if closed && count.checked_add(1) == Some(*redrive_count) && !pending(arn) {
                    let _ = services.person_redrives(now, arn);
                }
                if status == "ABORTED"
                    && services
                        .execution(arn)
                        .is_some_and(|view| !view.status.is_closed())
                {
                    let _ = services.person_stops(now, arn, None, None);
                }
            }
            Key::Pipeline {
                place,
                execution,
                stage,
                state,
                ..
            } if state == "RESUMED" => {
                let mut parts = place.split(' ');
                let (account, region, pipeline) =
                    (parts.next(), parts.next(), parts.next().unwrap_or_default());
                let subject = Subject::stage(
                    "aws",
                    region.unwrap_or_default(),
                    account.unwrap_or_default(),
                    pipeline,
                    stage,
                    execution,
                );
                if !pending(&subject.key()) {
                    let mode = StageRetryMode::FailedActions;
                    let mut region = self.sandbox.region(&place_of(&subject));
                    let pipelines = &mut region.codepipeline;
                    let _ = pipelines.person_retries(now, pipeline, stage, execution, mode);
                }
            }
            Key::Pipeline { .. } => {}
        }
    }

    /// Handles an event of the emulator: delivers the file with the same key, or else the event itself.
    fn emitted(&mut self, emitted: &Emitted) -> Result<(), Error> {
        if let Some(index) = key_of(&emitted.event).and_then(|key| self.waiting.remove(&key)) {
            return self.deliver(index);
        }
        self.handle_event(Delivery {
            name: None,
            bytes: emitted.event.to_string().into_bytes(),
            times: 1,
        })
    }

    fn deliver(&mut self, index: usize) -> Result<(), Error> {
        self.delivered.insert(index);
        let Some(file) = self.files.get(index) else {
            return Ok(());
        };
        let name = Some(file.source.name.clone());
        self.handle_event(Delivery {
            name,
            bytes: file.source.bytes.clone(),
            times: 1,
        })
    }

    /// Hands an event to the core. After an error the event is delivered again, as Lambda would do.
    fn handle_event(&mut self, delivery: Delivery) -> Result<(), Error> {
        let invocation = self.invocation();
        let controller = invocation.controller();
        let handled = finish(controller.event(&delivery.bytes, &AllowedSources::default()));
        let record = match handled {
            Ok(record) => record,
            Err(error) => {
                let wait = runs_again_after(delivery.times)
                    .filter(|_| error.kind != ErrorKind::Internal)
                    .ok_or(error)?;
                let again = Delivery {
                    times: delivery.times.saturating_add(1),
                    ..delivery
                };
                let at = self.sandbox.now().plus(wait);
                self.sandbox.agenda.plan(at, Coming::Again(again));
                return Ok(());
            }
        };
        let unasked = matches!(
            record.outcome,
            Outcome::Ignored | Outcome::Duplicate | Outcome::Stale
        );
        let from = match &delivery.name {
            Some(_) => From::File,
            // An emulated event without consequences gets no row.
            None if unasked => return Ok(()),
            None => From::Emulator,
        };
        let failed = self.failed_text(&delivery.bytes);
        self.row(from, delivery.name, record, failed);
        Ok(())
    }

    /// Returns the failure as a text. If a stage's event names no action, the text lists the failed actions of the
    /// files.
    fn failed_text(&self, bytes: &[u8]) -> Option<String> {
        let parsed = event::parse(bytes, &AllowedSources::default());
        let text = failed(&parsed)?;
        match &parsed {
            ParsedEvent::Failure(Failure {
                subject,
                detail: FailureDetail::Stage(stage),
                ..
            }) if stage.announced.is_none() => Some(
                self.actions
                    .get(subject)
                    .map_or(text, |actions| actions.join(", ")),
            ),
            _ => Some(text),
        }
    }

    fn invocation(&self) -> Invocation<Direct<'_>> {
        self.owners.set(self.owners.get().saturating_add(1));
        Invocation {
            interceptor: Direct(&self.sandbox),
            process: Rc::clone(&self.process),
            deployed: self.deployed.clone(),
            timing: Timing::default(),
            owner: Owner(format!("replay-{}", self.owners.get())),
        }
    }

    fn row(&mut self, from: From, file: Option<String>, record: Record, failed: Option<String>) {
        let failed = match (&record.subject, failed) {
            (Some(subject), Some(failed)) => {
                // The text of the retried failure is kept: other events of the subject may differ from it.
                if matches!(
                    record.outcome,
                    Outcome::Queued | Outcome::BackedOff | Outcome::Retried | Outcome::InDoubt
                ) {
                    self.failed.insert(subject.clone(), failed.clone());
                }
                Some(failed)
            }
            // A record of the queue or the sweep carries no failure text, so the kept text is used.
            (Some(subject), None) if matches!(from, From::Queue | From::Sweep) => {
                self.failed.get(subject).cloned()
            }
            (_, failed) => failed,
        };
        self.replayed.rows.push(Row {
            from,
            file,
            record,
            failed,
        });
    }

    pub(super) fn finish(mut self) -> Replayed {
        let undelivered = (0..self.files.len()).filter(|index| !self.delivered.contains(index));
        self.replayed.undelivered = undelivered
            .filter_map(|index| self.files.get(index))
            .map(|file| file.source.name.clone())
            .collect();
        self.replayed.entries = self.sandbox.ledger.entries();
        self.replayed.calls = self.sandbox.calls();
        self.replayed
    }
}

/// Returns the first tick of the sweep at or after `next_check_at`.
fn sweep_after(next_check_at: Time) -> Time {
    let tick = u64::try_from(SWEEP.as_millis()).unwrap_or(u64::MAX);
    Time::from_millis(
        next_check_at
            .as_millis()
            .div_ceil(tick)
            .saturating_mul(tick),
    )
}
