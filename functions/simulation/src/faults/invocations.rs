//! The running invocations: how each begins, continues, dies and ends.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use redrive_core::cancel::cancel;
use redrive_core::controller::{Clock, Record};
use redrive_core::discovery::{DiscoveryReport, Search};
use redrive_core::error::{Error, ErrorKind};
use redrive_core::event::AllowedSources;
use redrive_core::failure::Subject;
use redrive_core::ledger::{Cancelled, Owner, RetryMessage};
use redrive_core::sweep::Swept;
use redrive_core::time::Time;
use redrive_core::verdict::Reason;

use super::fault_plan::FaultClass;
use super::invocation::{Faults, Faulty};
use super::simulation::{Next, Simulation};
use super::subjects::name;
use super::workload::{self, START};
use crate::kernel::{Invocation, Process, Task, Tasks};
use crate::services::JsonClient;
use crate::triggers::{VISIBILITY, is_received_again, runs_again_after};

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

/// An invocation's name and cause.
pub(super) struct Job {
    name: String,
    work: Work,
}

/// Runs the part of a tick that discovers unannounced failures.
async fn search(invocation: &Faulty<'_>, until: Time) -> Result<DiscoveryReport, Error> {
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
    pub(super) tasks: Tasks<'s, Ended, Job>,
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
            tasks: Tasks::new(),
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
            skew_ms,
            ..Process::default()
        });
        self.processes.push(Rc::clone(&process));
        process
    }

    fn invocation(&mut self, what: &str, received_at: Option<Time>) -> Faulty<'s> {
        self.counter += 1;
        let owner = format!("{what}-{}", self.counter);
        let process = self.process();
        let deployed = self.simulation.deployed();
        Invocation {
            interceptor: Faults {
                simulation: self.simulation,
                owner: owner.clone(),
                deployed: deployed.clone(),
                read_at: RefCell::default(),
                received_at,
            },
            process,
            deployed,
            timing: self.simulation.timing.clone(),
            owner: Owner(owner),
        }
    }

    pub(super) fn handle_event(&mut self, bytes: Rc<[u8]>, emitted: Time, tries: u32) {
        let invocation = self.invocation("event", Some(emitted));
        let name = invocation.owner.0.clone();
        let event = Rc::clone(&bytes);
        let future = async move {
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
        };
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
        let future =
            async move { Ended::Handled(invocation.controller().due(&due).await.map(Box::new)) };
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
        let future = async move {
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
        };
        self.start(future, name, Work::Sweep, Duration::from_secs(90));
    }

    pub(super) fn cancels(&mut self, subject: Subject) {
        let invocation = self.invocation("person", None);
        let name = invocation.owner.0.clone();
        let future = async move {
            let cancelled = Cancelled {
                by: "a person".into(),
                note: "not tonight".into(),
            };
            // The ledger shows whether the cancellation succeeded.
            let _ = cancel(&invocation, &subject, &cancelled, invocation.writer()).await;
            Ended::Person
        };
        self.start(future, name, Work::Person, Duration::from_secs(60));
    }

    fn start(
        &mut self,
        future: impl Future<Output = Ended> + 's,
        name: String,
        work: Work,
        max: Duration,
    ) {
        let simulation = self.simulation;
        simulation.trace(|| format!("    {name} begins"));
        let agenda = &simulation.sandbox.agenda;
        let deadline = simulation.now().plus(max);
        let job = Job { name, work };
        if let Some((ended, job)) = self.tasks.begin(agenda, future, deadline, job) {
            self.ended(ended, job);
        }
    }

    /// Continues an invocation, unless it dies here.
    pub(super) fn wake(&mut self, id: u64) {
        let simulation = self.simulation;
        let Some(task) = self.tasks.take(id) else {
            return;
        };
        // Lambda ends the invocation at its deadline, at whichever await it is.
        if simulation.sandbox.agenda.micros() >= task.deadline
            || simulation.occurs(FaultClass::Crash)
        {
            self.die(task.job);
        } else {
            self.poll(id, task);
        }
    }

    /// Kills an invocation.
    pub(super) fn die(&mut self, job: Job) {
        self.simulation.trace(|| format!("    {} dies", job.name));
        // The process loses its caches.
        self.processes.pop();
        self.again(job.work);
    }

    pub(super) fn poll(&mut self, id: u64, task: Task<'s, Ended, Job>) {
        let agenda = &self.simulation.sandbox.agenda;
        if let Some((ended, job)) = self.tasks.poll(agenda, id, task) {
            self.ended(ended, job);
        }
    }

    fn ended(&mut self, ended: Ended, Job { name, work }: Job) {
        let simulation = self.simulation;
        let error = match ended {
            Ended::Handled(Ok(record)) => {
                simulation
                    .trace(|| format!("    {}: {:?}, {}", name, record.outcome, record.reason));
                self.learn(&record);
                return;
            }
            Ended::Swept(swept, found) => {
                match swept {
                    Ok(swept) => self.swept(&name, &swept),
                    Err(error) => self.error(&name, &error),
                }
                match *found {
                    Ok(found) => self.found(&name, &found),
                    Err(error) => self.error(&name, &error),
                }
                return;
            }
            Ended::Person => return,
            Ended::Handled(Err(error)) => error,
        };
        self.error(&name, &error);
        self.again(work);
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
            } => {
                let Some(wait) = runs_again_after(tries) else {
                    simulation.trace(|| "an event arrives in the dead-letter queue".into());
                    return;
                };
                let tries = tries + 1;
                let again = Next::Event {
                    bytes,
                    emitted,
                    tries,
                };
                simulation.plan(simulation.now().plus(wait), again);
            }
            Work::Message {
                retry_message,
                tries,
                received,
            } if is_received_again(tries) => {
                let again = Next::Message {
                    retry_message,
                    tries: tries + 1,
                };
                simulation.plan(received.plus(VISIBILITY), again);
            }
            Work::Message { .. } => {
                simulation.trace(|| "a message arrives in the dead-letter queue".into());
            }
            Work::Sweep | Work::Person => {}
        }
    }
}
