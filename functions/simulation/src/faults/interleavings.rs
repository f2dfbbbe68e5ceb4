//! Every interleaving of the invocations for one failure, with a death of each invocation at each of its awaits.
//!
//! Seeds draw interleavings at random; this module enumerates them for one subject that fails once. No other fault is
//! injected, so more than the invariants is checked. In the end one retry was made, the subject succeeded, and the
//! ledger records the subject as recovered.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use redrive_core::controller::RunMode;
use redrive_core::ledger::{Entry, State};

use super::fault_plan::FaultPlan;
use super::invocations::Part;
use super::policies;
use super::run::{Run, TICK};
use super::simulation::{Next, Simulation};
use super::subjects::name;
use super::workload::{self, Actor, Role, START};
use crate::kernel::Deployed;

/// A group of invocations that run at the same time.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// The event, delivered this number of times.
    Events(usize),
    /// The event and a search, which may find the failure before or after the event's invocation does.
    EventAndSearch,
    /// The message of a waiting retry, delivered this number of times.
    Messages(usize),
    /// After the lease has expired, this number of ticks take over the rest.
    Sweeps(usize),
    /// After the lease has expired, a tick and a late message.
    SweepAndMessage,
}

/// The description of a story, whether its retry waits, and its acts.
type StoryRow = (&'static str, bool, &'static [Act]);

/// The constructor of the actor that fails. The argument says whether the retry waits.
type Lone = fn(bool) -> Actor;

const STORIES: &[StoryRow] = &[
    ("its event arrives twice", false, &[Act::Events(2)]),
    (
        "its event arrives twice, the retry is delayed",
        true,
        &[Act::Events(2)],
    ),
    ("its event and the search", false, &[Act::EventAndSearch]),
    (
        "its event and the search, the retry is delayed",
        true,
        &[Act::EventAndSearch],
    ),
    (
        "its message arrives twice",
        true,
        &[Act::Events(1), Act::Messages(2)],
    ),
    (
        "two sweeps take over",
        false,
        &[Act::Events(1), Act::Sweeps(2)],
    ),
    (
        "two sweeps take over, the retry is delayed",
        true,
        &[Act::Events(1), Act::Messages(1), Act::Sweeps(2)],
    ),
    (
        "a sweep and its late message",
        true,
        &[Act::Events(1), Act::SweepAndMessage],
    ),
];

/// The result of all interleavings of one story.
#[derive(Debug, Clone)]
pub struct Explored {
    /// The description of the story.
    pub story: String,
    /// The number of interleavings explored.
    pub interleavings: u64,
    /// The number of deaths in the interleavings.
    pub deaths: u64,
    /// The first interleaving that broke an invariant: the broken invariant, and the trace.
    pub broken: Option<(String, Vec<String>)>,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>8} interleavings, {:>8} deaths  {}",
            self.interleavings, self.deaths, self.story
        )?;
        if let Some((broken, trace)) = &self.broken {
            writeln!(f, "\nthe last interleaving broke an invariant: {broken}")?;
            for line in trace {
                writeln!(f, "{line}")?;
            }
        }
        Ok(())
    }
}

/// A story that can be explored in every interleaving.
#[derive(Debug, Clone, Copy)]
pub struct Story {
    subject: &'static str,
    title: &'static str,
    actor: Lone,
    waits: bool,
    acts: &'static [Act],
}

/// Returns all stories, for an execution and for a stage.
pub fn stories() -> impl Iterator<Item = Story> {
    let subjects: [(&str, Lone); 2] = [
        ("an execution", |waits| {
            let error = if waits {
                "Throttled.Soon"
            } else {
                "Throttled.Now"
            };
            workload::lone_execution(error, START.as_millis())
        }),
        ("a stage", |waits| {
            workload::lone_stage(if waits { "soon" } else { "now" }, START.as_millis())
        }),
    ];
    subjects.into_iter().flat_map(|(subject, actor)| {
        STORIES.iter().map(move |(title, waits, acts)| Story {
            subject,
            title,
            actor,
            waits: *waits,
            acts,
        })
    })
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.title)
    }
}

impl Story {
    /// Explores the story's interleavings, up to the first that breaks an invariant.
    pub fn explore(self) -> Explored {
        let mut explored = Explored {
            story: self.to_string(),
            interleavings: 0,
            deaths: 0,
            broken: None,
        };
        let text = policies::policy(&mut FaultPlan::new(0, Some(&[])), false);
        let document = match policies::deployed(&text, 1) {
            Ok(document) => Rc::new(document),
            Err(problems) => {
                let broken = format!("the policy cannot be read: {problems}");
                explored.broken = Some((broken, Vec::new()));
                return explored;
            }
        };
        let deployed = Deployed {
            document,
            mode: RunMode::Act,
        };
        let mut path = Path::default();
        loop {
            let (broken, deaths, _) = self.run(&deployed, &mut path, false);
            explored.interleavings += 1;
            explored.deaths += deaths;
            if let Some(broken) = broken {
                // The second play writes the trace.
                let (_, _, trace) = self.run(&deployed, &mut path, true);
                explored.broken = Some((broken, trace));
                return explored;
            }
            if !path.forward() {
                return explored;
            }
        }
    }

    /// Plays one interleaving. Returns the broken invariant, the number of deaths, and the trace.
    fn run(
        self,
        deployed: &Deployed,
        path: &mut Path,
        traced: bool,
    ) -> (Option<String>, u64, Vec<String>) {
        let fault_plan = FaultPlan::new(0, Some(&[]));
        let actors = vec![(self.actor)(self.waits)];
        let mut simulation = Simulation::new(START, fault_plan, actors, deployed.clone(), traced);
        simulation.answers_at_once = true;
        let simulation = &simulation;
        // Only the subject's own machine exists: each further target adds a call to the search.
        let machines = match simulation.actors.first().map(|actor| &actor.role) {
            Some(Role::Execution(_)) => 1,
            Some(Role::Stage(_)) | None => 0,
        };
        let mut run = Run::new(simulation, deployed.clone());
        run.healed = Some(START);
        run.furnish(workload::machines().take(machines));
        run.enter(0);
        path.at = 0;
        let mut deaths = 0;
        for act in self.acts {
            run.enters(*act);
            deaths += run.meet(path);
        }
        simulation.plan(simulation.now().plus(TICK), Next::Tick);
        run.play();
        run.came_well();
        let broken = simulation.invariants.borrow_mut().broken.take();
        (broken, deaths, simulation.trace_lines())
    }
}

/// The choices of one interleaving: each choice, and the number of its alternatives.
#[derive(Debug, Default)]
struct Path {
    taken: Vec<(usize, usize)>,
    at: usize,
}

impl Path {
    /// Returns the interleaving's next choice. A choice that was never made before is 0.
    fn choose(&mut self, of: usize) -> usize {
        let chosen = match self.taken.get(self.at) {
            Some((chosen, _)) => *chosen,
            None => {
                self.taken.push((0, of));
                0
            }
        };
        self.at += 1;
        chosen
    }

    /// Advances to the next interleaving. Returns false after the last.
    fn forward(&mut self) -> bool {
        while let Some((chosen, of)) = self.taken.pop() {
            if chosen + 1 < of {
                self.taken.push((chosen + 1, of));
                return true;
            }
        }
        false
    }
}

impl Run<'_> {
    /// Starts the invocations of an act.
    fn enters(&mut self, act: Act) {
        match act {
            Act::Events(times) => self.event(times),
            Act::EventAndSearch => {
                self.event(1);
                self.invocations.sweep(Part::Search);
            }
            Act::Messages(times) => self.message(times, Duration::ZERO),
            Act::Sweeps(times) => {
                self.later();
                (0..times).for_each(|_| self.invocations.sweep(Part::Sweep));
            }
            Act::SweepAndMessage => {
                self.message(1, Duration::from_secs(20 * 60));
                self.invocations.sweep(Part::Sweep);
            }
        }
    }

    /// Makes the subject fail, and delivers its event `times` times.
    fn event(&mut self, times: usize) {
        let simulation = self.simulation;
        while let Some(at) = simulation.sandbox.next_at() {
            simulation.wind(at);
            self.services();
            let agenda = &simulation.sandbox.agenda;
            let planned = agenda.take(|next| matches!(next, Next::Event { .. }));
            if let Some((
                _,
                Next::Event {
                    bytes,
                    emitted,
                    tries,
                },
            )) = planned
            {
                for _ in 0..times {
                    self.invocations
                        .handle_event(Rc::clone(&bytes), emitted, tries);
                }
                return;
            }
        }
    }

    /// Delivers the message of a waiting retry `times` times, `late` after its time, if the message was sent.
    fn message(&mut self, times: usize, late: Duration) {
        let simulation = self.simulation;
        let agenda = &simulation.sandbox.agenda;
        let sent = agenda.take(|next| matches!(next, Next::Message { .. }));
        if let Some((
            at,
            Next::Message {
                retry_message,
                tries,
            },
        )) = sent
        {
            simulation.wind(at.plus(late));
            for _ in 0..times {
                self.invocations.claim_due(retry_message.clone(), tries);
            }
        }
    }

    /// Winds the clock until every lease has expired.
    fn later(&self) {
        self.simulation
            .wind(self.simulation.now().plus(Duration::from_secs(12 * 60)));
    }

    /// Continues or kills the invocations of an act, one at a time, until none is left. Returns the number of deaths.
    fn meet(&mut self, path: &mut Path) -> u64 {
        let simulation = self.simulation;
        let mut deaths = 0;
        while !self.invocations.tasks.is_empty() && simulation.invariants.borrow().broken.is_none()
        {
            let chosen = path.choose(2 * self.invocations.tasks.len());
            let Some((id, task)) = self.invocations.tasks.take_nth(chosen / 2) else {
                continue;
            };
            // The clock moves by 1 ms, so that the steps are ordered in time.
            simulation.wind(simulation.now().plus(Duration::from_millis(1)));
            self.services();
            if chosen.is_multiple_of(2) {
                self.invocations.poll(id, task);
            } else {
                deaths += 1;
                self.invocations.die(task.job);
            }
        }
        deaths
    }

    /// Checks that exactly one retry was made and helped, since no other fault occurs here.
    fn came_well(&self) {
        let simulation = self.simulation;
        for actor in &simulation.actors {
            let truth = simulation.truth(&actor.subject);
            let entries = simulation.entries();
            let entry = entries.read(&actor.subject);
            let well = truth
                .as_ref()
                .is_some_and(|truth| truth.succeeded && truth.ours == 1)
                && entry.is_some_and(|entry: &Entry| {
                    entry.state == State::Recovered && entry.retries == 1
                });
            simulation.invariants.borrow_mut().demand(
                well,
                "one failure, one retry, and the recovery is recorded",
                || {
                    format!(
                        "{} is {truth:?}, and its entry is {:?}",
                        name(&actor.subject),
                        entry.map(|entry| (entry.state, entry.reason(), entry.retries))
                    )
                },
            );
        }
    }
}
