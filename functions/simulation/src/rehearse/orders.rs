//! Every order in which the handlings of one failure can meet, with a death of each at each of its awaits.
//!
//! What the seeds of a rehearsal throw dice for is gone through here, one order after another, for one subject
//! that fails once. Nothing else goes wrong, so that more is demanded than the promises: in the end the subject
//! was retried once, succeeded, and is written down as recovered.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use redrive_core::controller::RunMode;
use redrive_core::ledger::{Entry, State};
use redrive_core::policy::Document;

use super::cast::{self, Actor, Role, START};
use super::invocations::Part;
use super::policies;
use super::run::{Run, TICK};
use super::subjects::name;
use super::weather::Weather;
use super::world::{Deployed, Next, World};

/// Who is there at once, one act after another.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// The event, delivered so often.
    Events(usize),
    /// The event, and a tick that finds the failure first, or later.
    EventAndSearch,
    /// The message of a retry that waits, delivered so often.
    Messages(usize),
    /// After the lease, so many ticks take over what is left.
    Sweeps(usize),
    /// After the lease, a tick and the message, which comes late.
    SweepAndMessage,
}

/// What is told of one subject, whether the retry waits, and the acts.
type Told = (&'static str, bool, &'static [Act]);

/// The one who fails, by whether the retry waits.
type Lone = fn(bool) -> Actor;

const STORIES: &[Told] = &[
    ("its event comes twice", false, &[Act::Events(2)]),
    (
        "its event comes twice, the retry waits",
        true,
        &[Act::Events(2)],
    ),
    ("its event and the search", false, &[Act::EventAndSearch]),
    (
        "its event and the search, the retry waits",
        true,
        &[Act::EventAndSearch],
    ),
    (
        "its message comes twice",
        true,
        &[Act::Events(1), Act::Messages(2)],
    ),
    (
        "two ticks take over",
        false,
        &[Act::Events(1), Act::Sweeps(2)],
    ),
    (
        "two ticks take over, the retry waits",
        true,
        &[Act::Events(1), Act::Messages(1), Act::Sweeps(2)],
    ),
    (
        "a tick and its message, late",
        true,
        &[Act::Events(1), Act::SweepAndMessage],
    ),
];

/// What became of all the orders of one story.
#[derive(Debug, Clone)]
pub struct Explored {
    /// What is told.
    pub story: String,
    /// Orders that were gone through.
    pub orders: u64,
    /// Deaths in them.
    pub deaths: u64,
    /// The first order that broke a promise: how, and what happened in it.
    pub broken: Option<(String, Vec<String>)>,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>8} orders, {:>8} deaths  {}",
            self.orders, self.deaths, self.story
        )?;
        if let Some((broken, trace)) = &self.broken {
            writeln!(f, "\nthe last order broke a promise: {broken}")?;
            for line in trace {
                writeln!(f, "{line}")?;
            }
        }
        Ok(())
    }
}

/// What can be gone through in every order.
#[derive(Debug, Clone, Copy)]
pub struct Story {
    subject: &'static str,
    told: &'static str,
    actor: Lone,
    waits: bool,
    acts: &'static [Act],
}

/// All of them.
pub fn stories() -> impl Iterator<Item = Story> {
    let subjects: [(&str, Lone); 2] = [
        ("an execution", |waits| {
            let error = if waits {
                "Throttled.Soon"
            } else {
                "Throttled.Now"
            };
            cast::lone_execution(error, START.as_millis())
        }),
        ("a stage", |waits| {
            cast::lone_stage(if waits { "soon" } else { "now" }, START.as_millis())
        }),
    ];
    subjects.into_iter().flat_map(|(subject, actor)| {
        STORIES.iter().map(move |(told, waits, acts)| Story {
            subject,
            told,
            actor,
            waits: *waits,
            acts,
        })
    })
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.told)
    }
}

impl Story {
    /// Goes through its orders, up to the first that breaks a promise.
    pub fn explore(self) -> Explored {
        let mut explored = Explored {
            story: self.to_string(),
            orders: 0,
            deaths: 0,
            broken: None,
        };
        let text = policies::policy(&mut Weather::new(0, Some(&[])), false);
        let document = match Document::parse(&text) {
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
            let (broken, deaths, _) = self.tell(&deployed, &mut path, false);
            explored.orders += 1;
            explored.deaths += deaths;
            if let Some(broken) = broken {
                // Once more, and written down.
                let (_, _, trace) = self.tell(&deployed, &mut path, true);
                explored.broken = Some((broken, trace));
                return explored;
            }
            if !path.forward() {
                return explored;
            }
        }
    }

    /// Tells it in one order: what was broken, how many died, and what happened.
    fn tell(
        self,
        deployed: &Deployed,
        path: &mut Path,
        traced: bool,
    ) -> (Option<String>, u64, Vec<String>) {
        let weather = Weather::new(0, Some(&[]));
        let actors = vec![(self.actor)(self.waits)];
        let mut world = World::new(START, weather, actors, deployed.clone(), traced);
        world.answers_at_once = true;
        let world = &world;
        // Only what the subject plays in: each target more is a call more of the search.
        let machines = match world.actors.first().map(|actor| &actor.role) {
            Some(Role::Execution(_)) => 1,
            Some(Role::Stage(_)) | None => 0,
        };
        let mut run = Run::new(world, deployed.clone());
        run.healed = Some(START);
        run.furnish(cast::machines().take(machines));
        run.enter(0);
        path.at = 0;
        let mut deaths = 0;
        for act in self.acts {
            run.enters(*act);
            deaths += run.meet(path);
        }
        world.plan(world.now().plus(TICK), Next::Tick);
        run.play();
        run.came_well();
        let broken = world.promises.borrow_mut().broken.take();
        (broken, deaths, world.told())
    }
}

/// The choices of one order: which was taken, of how many.
#[derive(Debug, Default)]
struct Path {
    taken: Vec<(usize, usize)>,
    at: usize,
}

impl Path {
    /// One of so many: as the order has it, or the first.
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

    /// On to the next order, if there is one.
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
    /// Those who are there at once come.
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

    /// The subject fails, and its event is delivered so often.
    fn event(&mut self, times: usize) {
        let world = self.world;
        while let Some(at) = world.due() {
            self.services(at);
            let planned = world.planned(|next| matches!(next, Next::Event { .. }));
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
                    self.invocations.handle_event(Rc::clone(&bytes), emitted, tries);
                }
                return;
            }
        }
    }

    /// The message of a retry that waits comes so often, and so much too late, if it was sent.
    fn message(&mut self, times: usize, late: Duration) {
        let world = self.world;
        let sent = world.planned(|next| matches!(next, Next::Message { .. }));
        if let Some((at, Next::Message { retry_message, tries })) = sent {
            world.wind(at.plus(late));
            for _ in 0..times {
                self.invocations.claim_due(retry_message.clone(), tries);
            }
        }
    }

    /// Every lease has run out, and nothing else has happened.
    fn later(&self) {
        self.world
            .wind(self.world.now().plus(Duration::from_secs(12 * 60)));
    }

    /// Those who are there go on, one at a time, or die, until none is left.
    fn meet(&mut self, path: &mut Path) -> u64 {
        let world = self.world;
        let mut deaths = 0;
        while !self.invocations.tasks.is_empty() && world.promises.borrow().broken.is_none() {
            let chosen = path.choose(2 * self.invocations.tasks.len());
            let id = self.invocations.tasks.keys().nth(chosen / 2).copied();
            let Some((id, task)) =
                id.and_then(|id| Some((id, self.invocations.tasks.remove(&id)?)))
            else {
                continue;
            };
            // A moment, so that what happens is ordered.
            world.wind(world.now().plus(Duration::from_millis(1)));
            self.services(world.now());
            if chosen.is_multiple_of(2) {
                self.invocations.poll(id, task);
            } else {
                deaths += 1;
                self.invocations.die(task);
            }
        }
        deaths
    }

    /// Where nothing else goes wrong, one retry is made, and helps.
    fn came_well(&self) {
        let world = self.world;
        for actor in &world.actors {
            let truth = world.truth(&actor.subject);
            let entries = world.entries.borrow();
            let entry = entries.read(&actor.subject);
            let well = truth
                .as_ref()
                .is_some_and(|truth| truth.succeeded && truth.ours == 1)
                && entry.is_some_and(|entry: &Entry| {
                    entry.state == State::Recovered && entry.retries == 1
                });
            world.promises.borrow_mut().demand(
                well,
                "one failure, one retry, and it is known that it helped",
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
