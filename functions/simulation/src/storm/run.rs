//! One storm, step by step: the functions that Lambda runs, and their triggers.

use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use redrive_core::controller::Clock;
use redrive_core::discovery::Search;
use redrive_core::error::ErrorKind;
use redrive_core::event::AllowedSources;
use redrive_core::ledger::Owner;
use redrive_core::rate_limiter::Micros;
use redrive_core::sweep::MAX_OF_A_TICK;
use redrive_core::time::Time;

use super::costs;
use super::invocation::{Attempts, Invocation, Process};
use super::settings::{START, Storm};
use super::simulation::{Event, Message, Next, Simulation};
use crate::kernel::{Tasks, Turn};
use crate::services::JsonClient;
use crate::triggers::{VISIBILITY, is_for_us, is_received_again, runs_again_after};

const SECOND: u64 = 1_000_000;

/// The interval of the sweep, in microseconds.
const TICK: u64 = 60 * SECOND;

/// The time after which a tick begins nothing more: half of the function's 90 seconds.
const UNTIL: Duration = Duration::from_secs(45);

/// As in template.yaml: the size of a batch, and the maximum age of an event.
const BATCH: usize = 10;
const EVENT_AGE: u64 = 21_600 * SECOND;

/// The initial number of concurrent batches of an event source, and its growth per second.
// AWS: an event source adds 300 concurrent batches a minute (Scaling behavior for Amazon SQS event source mappings).
const POLLERS: u64 = 5;

/// The functions that a storm runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Function {
    StepFunctions,
    Due,
    Sweep,
}

/// The result of an invocation.
enum Ended {
    Event { again: bool },
    Batch { again: Vec<Message> },
    Swept,
}

/// The cause of an invocation.
enum Work {
    Event(Event),
    Batch,
    Sweep,
}

/// What an invocation runs, and where.
struct Job {
    function: Function,
    process: Rc<Process>,
    began: u64,
    work: Work,
}

/// The counts of a storm that the simulation does not keep.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    pub(super) processes: usize,
    pub(super) max_at_once: usize,
    pub(super) no_room: u64,
    pub(super) errors: u64,
    pub(super) dead_letters: u64,
}

/// One storm in the middle of its play.
pub(super) struct Run<'s> {
    simulation: &'s Simulation,
    storm: &'s Storm,
    tasks: Tasks<'s, Ended, Job>,
    warm: BTreeMap<Function, Vec<Rc<Process>>>,
    counter: u64,
    batches: u64,
    /// The time since which messages are in the queue.
    polls_since: Option<u64>,
    polls: bool,
    pub(super) counted: Counted,
}

impl<'s> Run<'s> {
    pub(super) fn new(simulation: &'s Simulation, storm: &'s Storm) -> Self {
        Self {
            simulation,
            storm,
            tasks: Tasks::new(),
            warm: BTreeMap::new(),
            counter: 0,
            batches: 0,
            polls_since: None,
            polls: false,
            counted: Counted::default(),
        }
    }

    /// Plays until nothing is left to happen, or until the time is over.
    pub(super) fn play(&mut self, until: u64) {
        let simulation = self.simulation;
        simulation.plan(simulation.now() + simulation.draw(0, TICK), Next::Tick);
        loop {
            let turn = simulation.sandbox.turn();
            match turn {
                Turn::Services => {}
                Turn::Over => return,
                Turn::Wake(_) | Turn::Step(_) if simulation.now() >= until => return,
                Turn::Wake(id) => self.wake(id),
                Turn::Step(next) => self.step(next),
            }
            self.services();
        }
    }

    /// Finishes the services' due work. EventBridge then delivers their events.
    fn services(&mut self) {
        let simulation = self.simulation;
        for emitted in simulation.sandbox.advance() {
            if is_for_us(&emitted.event) {
                let bytes = emitted.event.to_string().into_bytes().into();
                let at = simulation.now() + simulation.draw(costs::EVENT.0, costs::EVENT.1);
                let event = Event {
                    bytes,
                    since: at,
                    throttles: 0,
                    errors: 0,
                };
                simulation.plan(at, Next::Event(event));
            }
        }
    }

    fn step(&mut self, next: Next) {
        let simulation = self.simulation;
        match next {
            Next::Event(event) => self.handle_event(event),
            Next::Message(message) => {
                simulation
                    .delayed
                    .set(simulation.delayed.get().saturating_sub(1));
                simulation.ready.borrow_mut().push_back(message);
                self.receive();
            }
            Next::Poll => {
                self.polls = false;
                self.receive();
            }
            Next::Tick => self.tick(),
        }
    }

    /// Returns whether nothing happens any more except ticks.
    fn is_quiet(&self) -> bool {
        let simulation = self.simulation;
        self.tasks.is_empty()
            && simulation.ready.borrow().is_empty()
            && simulation.delayed.get() == 0
            && simulation.sandbox.next_at().is_none()
            && simulation.sandbox.agenda.is_empty()
    }

    // --- Lambda --------------------------------------------------------------------------------------------

    /// Returns a process of a function, and whether it starts cold: a random warm, idle process, or a new one.
    /// Returns `None` if the account's concurrency is used up.
    fn process(&mut self, function: Function) -> Option<(Rc<Process>, bool)> {
        // The sweep's concurrency is reserved, in accounts that can reserve any.
        if function != Function::Sweep && self.tasks.len() >= self.storm.concurrency {
            return None;
        }
        self.counted.max_at_once = self.counted.max_at_once.max(self.tasks.len() + 1);
        let warm = self.warm.entry(function).or_default();
        if !warm.is_empty() {
            let any = self.simulation.dice.borrow_mut().usize(0..warm.len());
            return Some((warm.swap_remove(any), false));
        }
        self.counted.processes += 1;
        Some((Process::new(), true))
    }

    fn invocation(&mut self, process: &Rc<Process>) -> Invocation<'s> {
        self.counter += 1;
        let simulation = self.simulation;
        Invocation {
            interceptor: Attempts {
                simulation,
                process: Rc::clone(process),
            },
            process: Rc::clone(&process.kernel),
            deployed: simulation.deployed.clone(),
            timing: simulation.timing.clone(),
            owner: Owner(format!("invocation-{}", self.counter)),
        }
    }

    fn start(
        &mut self,
        function: Function,
        process: Rc<Process>,
        work: Work,
        future: impl Future<Output = Ended> + 's,
    ) {
        let simulation = self.simulation;
        simulation.used.borrow_mut().invocations += 1;
        // AWS bills no time before the function has its messages.
        let way = if function == Function::Due {
            costs::POLL
        } else {
            0
        };
        let job = Job {
            function,
            process,
            began: simulation.now() + way,
            work,
        };
        let agenda = &simulation.sandbox.agenda;
        if let Some((ended, job)) = self.tasks.begin(agenda, future, Time::END, job) {
            self.ended(ended, job);
        }
    }

    fn wake(&mut self, id: u64) {
        let agenda = &self.simulation.sandbox.agenda;
        if let Some(task) = self.tasks.take(id)
            && let Some((ended, job)) = self.tasks.poll(agenda, id, task)
        {
            self.ended(ended, job);
        }
    }

    fn ended(&mut self, ended: Ended, job: Job) {
        let simulation = self.simulation;
        let took = Duration::from_micros(simulation.now().saturating_sub(job.began));
        simulation.used.borrow_mut().lambda_seconds +=
            Duration::from_millis(u64::try_from(took.as_micros().div_ceil(1_000)).unwrap_or(0))
                .as_secs_f64();
        let warm = self.warm.entry(job.function).or_default();
        warm.push(job.process);
        match (ended, job.work) {
            (Ended::Event { again: true }, Work::Event(event)) => self.failed(event),
            (Ended::Batch { again }, _) => {
                self.batches -= 1;
                for message in again {
                    self.back(message, job.began);
                }
                // DeleteMessageBatch.
                simulation.used.borrow_mut().sqs_requests += 1;
            }
            _ => {}
        }
        self.receive();
    }

    /// Runs the function for an event. Without free concurrency, Lambda puts the event back with a growing delay.
    fn handle_event(&mut self, event: Event) {
        let simulation = self.simulation;
        let Some((process, cold)) = self.process(Function::StepFunctions) else {
            self.counted.no_room += 1;
            let wait = SECOND << event.throttles.min(9);
            let at = simulation.now() + wait.min(300 * SECOND);
            if at > event.since + EVENT_AGE {
                self.counted.dead_letters += 1;
                return;
            }
            let throttles = event.throttles + 1;
            simulation.plan(at, Next::Event(Event { throttles, ..event }));
            return;
        };
        let invocation = self.invocation(&process);
        let bytes = Rc::clone(&event.bytes);
        let future = async move {
            warm_up(simulation, cold).await;
            let place = redrive_emulator::api::Place::default();
            let sources = AllowedSources {
                accounts: vec![place.account],
                regions: vec![place.region],
            };
            let result = invocation.controller().event(&bytes, &sources).await;
            Ended::Event {
                again: result.is_err_and(|error| error.kind != ErrorKind::Internal),
            }
        };
        self.start(Function::StepFunctions, process, Work::Event(event), future);
    }

    /// Repeats an event whose function failed: after one minute, then after two.
    fn failed(&mut self, event: Event) {
        self.counted.errors += 1;
        let errors = event.errors + 1;
        let Some(wait) = runs_again_after(errors) else {
            self.counted.dead_letters += 1;
            return;
        };
        let at = self.simulation.now() + Micros::from(wait).0;
        self.simulation
            .plan(at, Next::Event(Event { errors, ..event }));
    }

    /// Hands received messages to functions, up to the event source's concurrency.
    fn receive(&mut self) {
        let simulation = self.simulation;
        while !simulation.ready.borrow().is_empty() {
            let since = *self.polls_since.get_or_insert(simulation.now());
            let grown = POLLERS + (simulation.now() - since) / SECOND * POLLERS;
            if self.batches >= self.storm.due_concurrency.min(grown) {
                return;
            }
            let Some((process, cold)) = self.process(Function::Due) else {
                if !self.polls {
                    self.polls = true;
                    simulation.plan(simulation.now() + SECOND, Next::Poll);
                }
                return;
            };
            let batch: Vec<Message> = {
                let mut ready = simulation.ready.borrow_mut();
                let most = ready.len().min(BATCH);
                ready.drain(..most).collect()
            };
            // ReceiveMessage.
            simulation.used.borrow_mut().sqs_requests += 1;
            self.take(batch, process, cold);
        }
        if self.batches == 0 {
            self.polls_since = None;
        }
    }

    fn take(&mut self, batch: Vec<Message>, process: Rc<Process>, cold: bool) {
        self.batches += 1;
        let invocations: Vec<(Invocation<'s>, Message)> = batch
            .into_iter()
            .map(|message| (self.invocation(&process), message))
            .collect();
        let simulation = self.simulation;
        let future = async move {
            simulation.away(costs::POLL).await;
            warm_up(simulation, cold).await;
            let mut again = Vec::new();
            for (invocation, message) in invocations {
                if invocation
                    .controller()
                    .due(&message.retry_message)
                    .await
                    .is_err()
                {
                    again.push(message);
                }
            }
            Ended::Batch { again }
        };
        self.start(Function::Due, process, Work::Batch, future);
    }

    /// Returns a message that met an error to the queue, hidden until its visibility timeout ends.
    fn back(&mut self, message: Message, received: u64) {
        let receives = message.receives + 1;
        if !is_received_again(receives) {
            self.counted.dead_letters += 1;
            return;
        }
        let message = Message {
            receives,
            ..message
        };
        self.simulation
            .send(message, received + Micros::from(VISIBILITY).0);
    }

    fn tick(&mut self) {
        let simulation = self.simulation;
        // From here on, only ticks would follow.
        if self.is_quiet() && self.world_is_done() {
            return;
        }
        simulation.plan(simulation.now() + TICK, Next::Tick);
        let Some((process, cold)) = self.process(Function::Sweep) else {
            return;
        };
        let (sweeps, finds) = (self.invocation(&process), self.invocation(&process));
        let future = async move {
            warm_up(simulation, cold).await;
            let until = sweeps.now().plus(UNTIL);
            // An entry that met an error stays due for a later tick.
            let _ = sweeps.controller().sweep(MAX_OF_A_TICK, until).await;
            let search = Search {
                since: Some(START),
                ..Search::default()
            };
            let _ = finds
                .controller()
                .discover(&JsonClient(&finds), &search, until)
                .await;
            Ended::Swept
        };
        self.start(Function::Sweep, process, Work::Sweep, future);
    }

    /// Returns whether every failure has an entry and no entry is to be checked again.
    fn world_is_done(&self) -> bool {
        let entries = self.simulation.sandbox.ledger.lock();
        let waits = entries.iter().any(|entry| entry.next_check_at.is_some());
        !waits && entries.iter().count() >= self.storm.failures
    }
}

async fn warm_up(simulation: &Simulation, cold: bool) {
    if cold {
        simulation.away(costs::COLD_START).await;
    }
}
