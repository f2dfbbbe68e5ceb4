//! One simulation, step by step.

use std::time::Duration;

use redrive_core::time::Time;
use redrive_emulator::codepipeline::Seed as StageSeed;
use serde_json::Value;

use super::bus::described;
use super::fault_plan::FaultClass;
use super::invocations::{Invocations, Part};
use super::result::SimulationResult;
use super::simulation::{Next, Simulation};
use super::strays;
use super::subjects::name;
use super::workload::{self, Role, START};
use crate::kernel::{Deployed, Turn};
use crate::triggers::is_for_us;

/// The range of the time at which a simulation heals, in milliseconds after the start.
const HEALS: (u64, u64) = (40 * 60_000, 90 * 60_000);

/// The interval of the sweep.
pub(super) const TICK: Duration = Duration::from_secs(60);

/// Maximum number of steps: a simulation that has not ended by then never ends.
const MAX_STEPS: u32 = 200_000;

/// One simulation, step by step.
pub(super) struct Run<'s> {
    pub(super) simulation: &'s Simulation,
    /// The policy and mode that are deployed once the simulation has healed.
    pub(super) sound: Deployed,
    pub(super) invocations: Invocations<'s>,
    /// The time of the heal.
    pub(super) healed: Option<Time>,
    /// Whether anything happened since the last tick.
    stirred: bool,
    quiet_ticks: u32,
}

impl<'s> Run<'s> {
    pub(super) fn new(simulation: &'s Simulation, sound: Deployed) -> Self {
        Self {
            simulation,
            sound,
            invocations: Invocations::new(simulation),
            healed: None,
            stirred: false,
            quiet_ticks: 0,
        }
    }

    /// Creates the machines that the actors use.
    pub(super) fn furnish(&self, machines: impl Iterator<Item = Value>) {
        for body in machines {
            // An error is ignored, since seeding an execution creates a missing machine.
            let _ = self
                .simulation
                .call("arn:aws:states:", "CreateStateMachine", &body);
        }
    }

    /// Puts the first steps on the agenda.
    pub(super) fn begin(&mut self) {
        self.furnish(workload::machines());
        let simulation = self.simulation;
        for seed in strays::conditions() {
            // An error is ignored, as for the machines.
            let _ = simulation.region().codepipeline.seed(StageSeed {
                at: START.as_millis(),
                ..seed
            });
        }
        for (index, actor) in simulation.actors.iter().enumerate() {
            let at = START.plus(Duration::from_millis(actor.begins_after_ms));
            simulation.plan(at, Next::Begin(index));
        }
        for _ in 0..3 {
            let stray = simulation
                .fault_plan
                .borrow_mut()
                .pick(&strays::strays())
                .cloned();
            if let Some(stray) = stray {
                let at = START.plus(simulation.span(0, 3_600_000));
                simulation.deliver(&stray, at, at);
            }
        }
        let mut heals = START.plus(simulation.span(HEALS.0, HEALS.1));
        if simulation.occurs(FaultClass::AlwaysBusy) {
            simulation
                .busy_until
                .set(START.plus(Duration::from_secs(27 * 3600)));
            heals = START.plus(Duration::from_secs(28 * 3600));
        }
        if simulation.occurs(FaultClass::AlwaysGarbled) {
            simulation.garbled_until.set(heals);
        }
        simulation.plan(heals, Next::Heal);
        simulation.plan(START.plus(TICK), Next::Tick);
        simulation.plan(START.plus(TICK), Next::Life);
    }

    /// Plays until nothing is left to happen, or an invariant is broken.
    pub(super) fn play(&mut self) {
        let simulation = self.simulation;
        for _ in 0..MAX_STEPS {
            if simulation.invariants.borrow().broken.is_some() {
                return;
            }
            match simulation.sandbox.turn() {
                Turn::Over => return simulation.finish(&self.sound),
                Turn::Services => {}
                Turn::Wake(id) => self.invocations.wake(id),
                Turn::Step(next) => self.step(next),
            }
            self.services();
        }
        simulation
            .invariants
            .borrow_mut()
            .demand(false, "L1, every failure ends", || {
                format!("after {MAX_STEPS} steps there is no end")
            });
    }

    /// Finishes the services' due work. EventBridge then delivers their events.
    pub(super) fn services(&mut self) {
        let simulation = self.simulation;
        for emitted in simulation.sandbox.advance() {
            self.stirred = true;
            let event = &emitted.event;
            simulation.trace(|| described(event));
            if is_for_us(event) || simulation.fault_plan.borrow_mut().one_of(40) == 0 {
                let at = Time::from_millis(emitted.at);
                simulation.deliver(event, at, simulation.now());
            }
        }
    }

    fn step(&mut self, next: Next) {
        let simulation = self.simulation;
        match next {
            Next::Event {
                bytes,
                emitted,
                tries,
            } => {
                self.stirred = true;
                self.invocations.handle_event(bytes, emitted, tries);
            }
            Next::Message {
                retry_message,
                tries,
            } => {
                self.stirred = true;
                self.invocations.claim_due(retry_message, tries);
            }
            Next::Tick => self.tick(),
            Next::Begin(actor) => self.enter(actor),
            Next::Update => {
                simulation.trace(|| "a person adds a Fail state to a state machine".into());
                let updated =
                    simulation.call("arn:aws:states:", "UpdateStateMachine", &workload::update());
                simulation.invariants.borrow_mut().demand(
                    updated.is_ok(),
                    "the simulation runs without error",
                    || format!("{updated:?}"),
                );
            }
            Next::Late(retry) => {
                self.stirred = true;
                simulation.arrives_late(&retry);
            }
            Next::Life => {
                self.life();
                if self.healed.is_none() {
                    simulation.plan(
                        simulation.now().plus(simulation.span(30_000, 180_000)),
                        Next::Life,
                    );
                }
            }
            Next::Heal => self.heal(),
        }
    }

    fn heal(&mut self) {
        let simulation = self.simulation;
        simulation.trace(|| "the simulation heals".into());
        simulation.heal();
        simulation.deploy(self.sound.clone());
        self.healed = Some(simulation.now());
        self.stirred = true;
    }

    /// Seeds an actor's subject into the emulator.
    pub(super) fn enter(&mut self, index: usize) {
        let simulation = self.simulation;
        let Some(actor) = simulation.actors.get(index) else {
            return;
        };
        let mut region = simulation.region();
        let entered = match &actor.role {
            Role::Execution(seed) => region.stepfunctions.seed((**seed).clone()),
            Role::Stage(seed) => region.codepipeline.seed((**seed).clone()),
        };
        simulation.trace(|| format!("{} begins", name(&actor.subject)));
        simulation.invariants.borrow_mut().demand(
            entered.is_ok(),
            "the simulation runs without error",
            || format!("{entered:?}"),
        );
    }

    fn life(&mut self) {
        if let Some(subject) = self.simulation.life() {
            self.invocations.cancels(subject);
        }
    }

    // --- the sweep's schedule, and the end -----------------------------------------------------------------

    /// Runs a tick of the sweep, and plans the next one. The next tick is postponed while nothing happens that a tick
    /// could find.
    fn tick(&mut self) {
        let simulation = self.simulation;
        let stirred = std::mem::take(&mut self.stirred)
            | std::mem::take(&mut self.invocations.stirred)
            | !self.invocations.tasks.is_empty();
        if !simulation.occurs(FaultClass::TickLost) {
            let ticks = 1 + u32::from(simulation.occurs(FaultClass::TickDoubled));
            for _ in 0..ticks {
                self.invocations.sweep(Part::Whole);
            }
        }
        if let Some(healed) = self.healed {
            simulation.leases(healed);
        }
        let next_check_at = simulation.sandbox.ledger.next_check_at();
        self.quiet_ticks = if stirred { 0 } else { self.quiet_ticks + 1 };
        // The steps of the tick's own sweeps need no further tick.
        let next = simulation.sandbox.agenda.first(|_| true);
        let due = simulation.sandbox.next_at();
        let soonest = [next_check_at, next, due].into_iter().flatten().min();
        let at = simulation.now().plus(TICK);
        match soonest {
            _ if self.quiet_ticks < 3 => simulation.plan(at, Next::Tick),
            Some(soonest) => {
                simulation.plan(at.max(soonest.plus(simulation.span(0, 60_000))), Next::Tick)
            }
            None => {}
        }
    }

    pub(super) fn came_to(self, seed: u64) -> SimulationResult {
        let simulation = self.simulation;
        let mut invariants = simulation.invariants.borrow_mut();
        let mut reasons = self.invocations.reasons;
        reasons.append(&mut invariants.reasons);
        let truths = simulation
            .actors
            .iter()
            .filter_map(|actor| simulation.truth(&actor.subject));
        SimulationResult {
            seed,
            broken: invariants.broken.take(),
            trace: simulation.trace_lines(),
            faults: simulation.fault_plan.borrow().occurred.clone(),
            reasons,
            moves: std::mem::take(&mut invariants.moves),
            failures: invariants.failures,
            retries: truths.map(|truth| truth.ours).sum(),
            exempt: invariants.exempt,
            longest_wait: invariants.longest_wait,
        }
    }
}
