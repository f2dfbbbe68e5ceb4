//! The running invocations: how each begins, continues, dies and ends.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use redrive_core::cancel::cancel;
use redrive_core::controller::{Clock, Record};
use redrive_core::discovery::{DiscoveryReport, Search};
use redrive_core::error::{Error, ErrorKind};
use redrive_core::event::AllowedSources;
use redrive_core::failure::Subject;
use redrive_core::ledger::{Cancelled, RetryMessage, Writer};
use redrive_core::sweep::Swept;
use redrive_core::time::Time;
use redrive_core::verdict::Reason;

use super::fault_plan::FaultClass;
use super::invocation::{Invocation, Process};
use super::simulation::{Next, Simulation};
use super::subjects::name;
use super::workload::{self, START};
use crate::kernel::{Running, poll};
use crate::services::JsonClient;

/// How long a received message is hidden, as in template.yaml.
const VISIBILITY: Duration = Duration::from_secs(540);

/// The result of an invocation.
pub(super) enum Ended {
    Handled(Result<Box<Record>, Error>),
    Swept(Result<Swept, Error>, Box<Result<DiscoveryReport, Error>>),
    /// A person cancelled a retry, or could not.
    Person,
}

/// The cause of an invocation. An event or a message is delivered again if the invocation fails.
pub(super) enum Work {
    Event {
        bytes: Rc<[u8]>,
        emitted: Time,
        tries: u32,
    },
    Message {
        retry_message: RetryMessage,
        tries: u32,
        received: Time,
    },
    Sweep,
    Person,
}

/// The part of a tick that an invocation runs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Whole,
    Sweep,
    Search,
}

/// An invocation in the middle of its work.
pub(super) struct Task<'s> {
    future: Running<'s, Ended>,
    name: String,
    work: Work,
    /// The time at which Lambda ends the invocation.
    deadline: Time,
}

/// Runs the part of a tick that discovers unannounced failures.
async fn search(invocation: &Invocation<'_>, until: Time) -> Result<DiscoveryReport, Error> {
    let search = Search {
        since: Some(START),
        ..Search::default()
    };
    invocation
        .controller()
        .discover(&JsonClient(invocation), &search, until)
        .await
}

/// All invocations of a simulation, and their results.
pub(super) struct Invocations<'s> {
    simulation: &'s Simulation,
    pub(super) tasks: BTreeMap<u64, Task<'s>>,
    /// The warm processes.
    processes: Vec<Rc<Process>>,
    counter: u64,
    pub(super) reasons: BTreeSet<Reason>,
    /// Whether a tick found anything since the last one.
    pub(super) stirred: bool,
}

impl<'s> Invocations<'s> {
    pub(super) const fn new(simulation: &'s Simulation) -> Self {
        Self {
            simulation,
            tasks: BTreeMap::new(),
            processes: Vec::new(),
            counter: 0,
            reasons: BTreeSet::new(),
            stirred: false,
        }
    }

    /// Returns a warm process or a new one.
    fn process(&mut self) -> Rc<Process> {
        let simulation = self.simulation;
        let warm = simulation.fault_plan.borrow_mut().one_of(4);
        if let Some(process) = self.processes.get(warm) {
            return Rc::clone(process);
        }
        let skews = simulation.occurs(FaultClass::ClockSkew);
        let skew_ms = if skews {
            i64::try_from(simulation.span(0, 300_000).as_millis()).unwrap_or_default() - 150_000
        } else {
            0
        };
        let process = Rc::new(Process {
            local_cache: redrive_core::reads::LocalCache::default(),
            rate_limiter: redrive_core::rate_limiter::RateLimiter::default(),
            skew_ms,
        });
        self.processes.push(Rc::clone(&process));
        process
    }

    fn invocation(&mut self, what: &str, received_at: Option<Time>) -> Invocation<'s> {
        self.counter += 1;
        let owner = format!("{what}-{}", self.counter);
        Invocation::new(self.simulation, owner, self.process(), received_at)
    }

    pub(super) fn handle_event(&mut self, bytes: Rc<[u8]>, emitted: Time, tries: u32) {
        let invocation = self.invocation("event", Some(emitted));
        let name = invocation.owner.0.clone();
        let event = Rc::clone(&bytes);
        let future = Box::pin(async move {
            let sources = AllowedSources {
                accounts: vec![workload::ACCOUNT.into()],
                regions: vec![workload::REGION.into()],
            };
            Ended::Handled(
                invocation
                    .controller()
                    .event(&event, &sources)
                    .await
                    .map(Box::new),
            )
        });
        let work = Work::Event {
            bytes,
            emitted,
            tries,
        };
        self.start(future, name, work, Duration::from_secs(60));
    }

    pub(super) fn claim_due(&mut self, retry_message: RetryMessage, tries: u32) {
        let invocation = self.invocation("message", None);
        let name = invocation.owner.0.clone();
        let due = retry_message.clone();
        let future = Box::pin(async move {
            Ended::Handled(invocation.controller().due(&due).await.map(Box::new))
        });
        let received = self.simulation.now();
        let work = Work::Message {
            retry_message,
            tries,
            received,
        };
        self.start(future, name, work, Duration::from_secs(90));
    }

    /// Starts a tick of the sweep, or one of its two halves.
    pub(super) fn sweep(&mut self, part: Part) {
        let invocation = self.invocation("sweep", None);
        let name = invocation.owner.0.clone();
        let future = Box::pin(async move {
            let until = invocation.now().plus(Duration::from_secs(45));
            let swept = match part {
                Part::Search => Ok(Swept::default()),
                Part::Whole | Part::Sweep => invocation.controller().sweep(100, until).await,
            };
            let found = match part {
                Part::Sweep => Ok(DiscoveryReport::default()),
                Part::Whole | Part::Search => search(&invocation, until).await,
            };
            Ended::Swept(swept, Box::new(found))
        });
        self.start(future, name, Work::Sweep, Duration::from_secs(90));
    }

    pub(super) fn cancels(&mut self, subject: Subject) {
        let invocation = self.invocation("person", None);
        let name = invocation.owner.0.clone();
        let future = Box::pin(async move {
            let cancelled = Cancelled {
                by: "a person".into(),
                note: "not tonight".into(),
            };
            let writer = Writer {
                owner: &invocation.owner,
                now: invocation.now(),
                timing: &invocation.simulation.timing,
            };
            // The ledger shows whether the cancellation succeeded.
            let _ = cancel(&invocation, &subject, &cancelled, writer).await;
            Ended::Person
        });
        self.start(future, name, Work::Person, Duration::from_secs(60));
    }

    fn start(&mut self, future: Running<'s, Ended>, name: String, work: Work, most: Duration) {
        self.simulation.trace(|| format!("    {name} begins"));
        let task = Task {
            future,
            name,
            work,
            deadline: self.simulation.now().plus(most),
        };
        self.poll(self.counter, task);
    }

    /// Continues an invocation, unless it dies here.
    pub(super) fn next_check_at(&mut self, id: u64) {
        let simulation = self.simulation;
        let Some(task) = self.tasks.remove(&id) else {
            return;
        };
        if simulation.now() >= task.deadline || simulation.occurs(FaultClass::Crash) {
            self.die(task);
        } else {
            self.poll(id, task);
        }
    }

    /// Kills an invocation.
    pub(super) fn die(&mut self, task: Task<'s>) {
        self.simulation.trace(|| format!("    {} dies", task.name));
        // The process loses its caches.
        self.processes.pop();
        self.again(task.work);
    }

    pub(super) fn poll(&mut self, id: u64, mut task: Task<'s>) {
        let simulation = self.simulation;
        match poll(&mut task.future) {
            Poll::Pending => {
                let at = simulation.now().plus(simulation.asked());
                // Lambda ends the invocation at its deadline, at whichever await it is.
                simulation.plan(at.min(task.deadline), Next::Wake(id));
                self.tasks.insert(id, task);
            }
            Poll::Ready(ended) => self.ended(ended, task),
        }
    }

    fn ended(&mut self, ended: Ended, task: Task<'s>) {
        let simulation = self.simulation;
        let error = match ended {
            Ended::Handled(Ok(record)) => {
                simulation.trace(|| {
                    format!("    {}: {:?}, {}", task.name, record.outcome, record.reason)
                });
                self.learn(&record);
                return;
            }
            Ended::Swept(swept, found) => {
                match swept {
                    Ok(swept) => self.swept(&task.name, &swept),
                    Err(error) => self.error(&task.name, &error),
                }
                match *found {
                    Ok(found) => self.found(&task.name, &found),
                    Err(error) => self.error(&task.name, &error),
                }
                return;
            }
            Ended::Person => return,
            Ended::Handled(Err(error)) => error,
        };
        self.error(&task.name, &error);
        self.again(task.work);
    }

    fn error(&self, name: &str, error: &Error) {
        self.simulation.trace(|| format!("    {name}: {error}"));
        self.no_bug(error);
    }

    fn swept(&mut self, name: &str, swept: &Swept) {
        self.simulation.trace(|| {
            format!(
                "    {name}: {} requeued, {} taken over, {} conflicts, {} errors",
                swept.requeued,
                swept.records.len(),
                swept.conflicts,
                swept.errors.len()
            )
        });
        for record in &swept.records {
            self.learn(record);
        }
        for (_, error) in &swept.errors {
            self.no_bug(error);
        }
    }

    fn found(&mut self, name: &str, found: &DiscoveryReport) {
        self.simulation.trace(|| {
            format!(
                "    {name}: {} seen, {} known, {} found, {} errors, {} unread",
                found.seen,
                found.known,
                found.records.len(),
                found.errors.len(),
                found.unread.len()
            )
        });
        // Work that was left for the next tick calls for another tick.
        self.stirred |= found.more
            || !found.records.is_empty()
            || !found.errors.is_empty()
            || !found.unread.is_empty();
        for record in &found.records {
            self.learn(record);
        }
        let errors = found.errors.iter().map(|(_, error)| error);
        for error in errors.chain(found.unread.iter().map(|(_, error)| error)) {
            self.no_bug(error);
        }
    }

    fn learn(&mut self, record: &Record) {
        self.reasons.insert(record.reason);
        self.simulation.trace(|| {
            let subject = record.subject.as_ref().map(name).unwrap_or_default();
            format!("        {subject}: {:?}, {}", record.outcome, record.reason)
        });
        self.reasons
            .extend(record.verdict.as_ref().map(|verdict| verdict.reason));
    }

    fn no_bug(&self, error: &Error) {
        self.simulation.invariants.borrow_mut().demand(
            error.kind != ErrorKind::Internal,
            "the program has no bug",
            || error.to_string(),
        );
    }

    /// Delivers failed work again, as often as Lambda and SQS do.
    fn again(&mut self, work: Work) {
        let simulation = self.simulation;
        match work {
            Work::Event {
                bytes,
                emitted,
                tries,
            } if tries < 3 => {
                let wait = Duration::from_secs(60 * u64::from(tries));
                let tries = tries + 1;
                simulation.plan(
                    simulation.now().plus(wait),
                    Next::Event {
                        bytes,
                        emitted,
                        tries,
                    },
                );
            }
            Work::Event { .. } => {
                simulation.trace(|| "an event arrives in the dead-letter queue".into());
            }
            Work::Message {
                retry_message,
                tries,
                received,
            } if tries < 5 => {
                let tries = tries + 1;
                simulation.plan(
                    received.plus(VISIBILITY),
                    Next::Message {
                        retry_message,
                        tries,
                    },
                );
            }
            Work::Message { .. } => {
                simulation.trace(|| "a message arrives in the dead-letter queue".into());
            }
            Work::Sweep | Work::Person => {}
        }
    }
}
