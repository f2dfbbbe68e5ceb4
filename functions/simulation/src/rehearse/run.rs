//! One rehearsal, step by step: what happens next.

use std::time::Duration;

use redrive_core::time::Time;
use redrive_emulator::codepipeline::Seed as StageSeed;
use serde_json::Value;

use super::bus::told;
use super::cast::{self, Role, START};
use super::invocations::{Invocations, Part};
use super::rehearsed::Rehearsed;
use super::strays;
use super::subjects::name;
use super::weather::Class;
use super::world::{Deployed, Next, World};
use crate::kernel::Turn;
use crate::rules::is_for_us;

/// When the world heals: no sooner, and no later, in milliseconds.
const HEALS: (u64, u64) = (40 * 60_000, 90 * 60_000);

/// So often the sweep ticks.
pub(super) const TICK: Duration = Duration::from_secs(60);

/// After so many steps a rehearsal that has not ended never will.
const MAX_STEPS: u32 = 200_000;

/// One rehearsal, step by step.
pub(super) struct Run<'w> {
    pub(super) world: &'w World,
    /// What is deployed once the world has healed.
    pub(super) sound: Deployed,
    pub(super) invocations: Invocations<'w>,
    /// Since when nothing goes wrong any more.
    pub(super) healed: Option<Time>,
    /// Whether anything happened since the last tick.
    stirred: bool,
    quiet_ticks: u32,
}

impl<'w> Run<'w> {
    pub(super) fn new(world: &'w World, sound: Deployed) -> Self {
        Self {
            world,
            sound,
            invocations: Invocations::new(world),
            healed: None,
            stirred: false,
            quiet_ticks: 0,
        }
    }

    /// Makes the machines that the actors play in.
    pub(super) fn furnish(&self, machines: impl Iterator<Item = Value>) {
        for body in machines {
            // A machine that cannot be made is missed by its executions.
            let _ = self
                .world
                .call("arn:aws:states:", "CreateStateMachine", &body);
        }
    }

    /// Puts the first steps on the agenda.
    pub(super) fn begin(&mut self) {
        self.furnish(cast::machines());
        let world = self.world;
        for seed in strays::conditions() {
            // As with the machines.
            let _ = world.region.borrow_mut().codepipeline.seed(StageSeed {
                at: START.as_millis(),
                ..seed
            });
        }
        for (index, actor) in world.actors.iter().enumerate() {
            let at = START.plus(Duration::from_millis(actor.begins_after_ms));
            world.plan(at, Next::Begin(index));
        }
        for _ in 0..3 {
            let stray = world.weather.borrow_mut().pick(&strays::strays()).cloned();
            if let Some(stray) = stray {
                let at = START.plus(world.span(0, 3_600_000));
                world.deliver(&stray, at, at);
            }
        }
        let mut heals = START.plus(world.span(HEALS.0, HEALS.1));
        if world.comes(Class::AlwaysBusy) {
            world
                .busy_until
                .set(START.plus(Duration::from_secs(27 * 3600)));
            heals = START.plus(Duration::from_secs(28 * 3600));
        }
        if world.comes(Class::AlwaysGarbled) {
            world.garbled_until.set(heals);
        }
        world.plan(heals, Next::Heal);
        world.plan(START.plus(TICK), Next::Tick);
        world.plan(START.plus(TICK), Next::Life);
    }

    /// Plays until nothing is left to happen, or a promise is broken.
    pub(super) fn play(&mut self) {
        let world = self.world;
        for _ in 0..MAX_STEPS {
            if world.promises.borrow().broken.is_some() {
                return;
            }
            match world.kernel.turn(world.due()) {
                Turn::Over => return world.finish(&self.sound),
                Turn::Services(due) => self.services(due),
                Turn::Step(next) => {
                    self.step(next);
                    self.services(world.now());
                }
            }
        }
        world
            .promises
            .borrow_mut()
            .demand(false, "L1, every failure comes to an end", || {
                format!("after {MAX_STEPS} steps there is no end")
            });
    }

    /// The services do what is due by themselves, and EventBridge announces it.
    pub(super) fn services(&mut self, until: Time) {
        let world = self.world;
        world.wind(until);
        let emitted = world.region.borrow_mut().advance(until.as_millis());
        for emitted in emitted {
            self.stirred = true;
            let event = &emitted.event;
            world.tell(|| told(event));
            if is_for_us(event) || world.weather.borrow_mut().one_of(40) == 0 {
                let at = Time::from_millis(emitted.at);
                world.deliver(event, at, world.now());
            }
        }
    }

    fn step(&mut self, next: Next) {
        let world = self.world;
        match next {
            Next::Wake(task) => self.invocations.next_check_at(task),
            Next::Event {
                bytes,
                emitted,
                tries,
            } => {
                self.stirred = true;
                self.invocations.handle_event(bytes, emitted, tries);
            }
            Next::Message { retry_message, tries } => {
                self.stirred = true;
                self.invocations.claim_due(retry_message, tries);
            }
            Next::Tick => self.tick(),
            Next::Begin(actor) => self.enter(actor),
            Next::Update => {
                world.tell(|| {
                    "a person updates a state machine, which may fail by itself now".into()
                });
                let updated = world.call("arn:aws:states:", "UpdateStateMachine", &cast::update());
                world.promises.borrow_mut().demand(
                    updated.is_ok(),
                    "the rehearsal can be played",
                    || format!("{updated:?}"),
                );
            }
            Next::Late(retry) => {
                self.stirred = true;
                // Its caller is gone, and AWS's answer is lost.
                let _ = world.retry(&retry);
            }
            Next::Life => {
                self.life();
                if self.healed.is_none() {
                    world.plan(world.now().plus(world.span(30_000, 180_000)), Next::Life);
                }
            }
            Next::Heal => self.heal(),
        }
    }

    fn heal(&mut self) {
        let world = self.world;
        world.tell(|| "the world heals".into());
        world.heal();
        world.deploy(self.sound.clone());
        self.healed = Some(world.now());
        self.stirred = true;
    }

    /// An actor enters.
    pub(super) fn enter(&mut self, index: usize) {
        let world = self.world;
        let Some(actor) = world.actors.get(index) else {
            return;
        };
        let mut region = world.region.borrow_mut();
        let entered = match &actor.role {
            Role::Execution(seed) => region.stepfunctions.seed((**seed).clone()),
            Role::Stage(seed) => region.codepipeline.seed((**seed).clone()),
        };
        world.tell(|| format!("{} begins", name(&actor.subject)));
        world
            .promises
            .borrow_mut()
            .demand(entered.is_ok(), "the rehearsal can be played", || {
                format!("{entered:?}")
            });
    }

    fn life(&mut self) {
        if let Some(subject) = self.world.life() {
            self.invocations.cancels(subject);
        }
    }

    // --- the sweep's schedule, and the end -----------------------------------------------------------------

    /// The schedule has the sweep tick. It need not where nothing happened that a tick could find.
    fn tick(&mut self) {
        let world = self.world;
        let stirred = std::mem::take(&mut self.stirred)
            | std::mem::take(&mut self.invocations.stirred)
            | !self.invocations.tasks.is_empty();
        if !world.comes(Class::TickLost) {
            let ticks = 1 + u32::from(world.comes(Class::TickDoubled));
            for _ in 0..ticks {
                self.invocations.sweep(Part::Whole);
            }
        }
        if let Some(healed) = self.healed {
            world.leases(healed);
        }
        let next_check_at = world
            .entries
            .borrow()
            .iter()
            .filter_map(|entry| entry.next_check_at)
            .min();
        self.quiet_ticks = if stirred { 0 } else { self.quiet_ticks + 1 };
        // What the tick's own sweeps wait for is nothing to tick for.
        let next = world.kernel.first(|next| !matches!(next, Next::Wake(_)));
        let due = world.due();
        let soonest = [next_check_at, next, due].into_iter().flatten().min();
        let at = world.now().plus(TICK);
        match soonest {
            _ if self.quiet_ticks < 3 => world.plan(at, Next::Tick),
            Some(soonest) => world.plan(at.max(soonest.plus(world.span(0, 60_000))), Next::Tick),
            None => {}
        }
    }

    pub(super) fn came_to(self, seed: u64) -> Rehearsed {
        let world = self.world;
        let mut promises = world.promises.borrow_mut();
        let mut reasons = self.invocations.reasons;
        reasons.append(&mut promises.reasons);
        let truths = world
            .actors
            .iter()
            .filter_map(|actor| world.truth(&actor.subject));
        Rehearsed {
            seed,
            broken: promises.broken.take(),
            trace: world.told(),
            faults: world.weather.borrow().came.clone(),
            reasons,
            moves: std::mem::take(&mut promises.moves),
            failures: promises.failures,
            retries: truths.map(|truth| truth.ours).sum(),
            exempt: promises.exempt,
            longest_wait: promises.longest_wait,
        }
    }
}
