//! A simulation with faults: the real core runs against the emulated services in virtual time. Faults are injected,
//! and the invariants are checked after every step.
//!
//! One seed determines one simulation, to the last bit. Eighteen subjects of both services fail more than twenty
//! times. The simulation loses, doubles and delays events. Functions die at any of their awaits. Calls take effect
//! and report that they failed. People retry, stop and cancel in between.
//!
//! Each simulation disables half of the fault classes, so that one fault does not always hide another. Behaviour that
//! AWS leaves open is decided by a coin of the seed. After about an hour the simulation heals. Every failure
//! must then reach a final state.

mod bus;
mod fault_plan;
mod interleavings;
mod invariants;
mod invocation;
mod invocations;
mod liveness;
mod people;
mod policies;
mod result;
mod run;
mod simulation;
mod strays;
mod subjects;
mod summary;
mod workload;

use redrive_core::controller::RunMode;

pub use self::fault_plan::FaultClass;
use self::fault_plan::FaultPlan;
pub use self::interleavings::{Explored, Story, stories};
pub use self::invariants::Move;
pub use self::result::SimulationResult;
use self::run::Run;
use self::simulation::{Next, Simulation};
pub use self::summary::Summary;
use self::workload::START;
use crate::kernel::Deployed;

/// Simulates one seed. `faults` lists the only enabled classes; without a list, the seed enables half of all classes.
pub fn simulate(seed: u64, faults: Option<&[FaultClass]>, traced: bool) -> SimulationResult {
    let mut fault_plan = FaultPlan::new(seed, faults);
    let updated = fault_plan
        .occurs(FaultClass::PersonUpdates)
        .then(|| fault_plan.span(5 * 60_000, 25 * 60_000));
    let ms = updated.map(|after| u64::try_from(after.as_millis()).unwrap_or_default());
    let actors = workload::actors(&mut fault_plan, START.as_millis(), ms);
    let text = policies::policy(&mut fault_plan, false);
    let deployed = match policies::deployed(&text, 1) {
        Ok(document) => Deployed {
            document: document.into(),
            mode: RunMode::Act,
        },
        Err(problems) => {
            return SimulationResult {
                broken: Some(format!(
                    "the policy of the simulation cannot be read: {problems}"
                )),
                ..SimulationResult::nothing(seed)
            };
        }
    };
    let first = Deployed {
        mode: fault_plan.first_mode(),
        ..deployed.clone()
    };
    let simulation = Simulation::new(START, fault_plan, actors, first, traced);
    let mut run = Run::new(&simulation, deployed);
    run.begin();
    if let Some(after) = updated {
        simulation.plan(START.plus(after), Next::Update);
    }
    run.play();
    run.came_to(seed)
}

/// Simulates `seeds` seeds, beginning with `first`, on all cores.
pub fn simulate_many(first: u64, seeds: u64, faults: Option<&[FaultClass]>) -> Summary {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    std::thread::scope(|scope| {
        let counts = |core| {
            let mut summary = Summary::default();
            for seed in (first + core..first.saturating_add(seeds))
                .step_by(usize::try_from(cores).unwrap_or(1))
            {
                summary.add(simulate(seed, faults, false));
            }
            summary
        };
        let counting: Vec<_> = (0..cores)
            .map(|core| scope.spawn(move || counts(core)))
            .collect();
        let mut all = Summary::default();
        for counted in counting {
            match counted.join() {
                Ok(summary) => all.merge(summary),
                // A panic of a thread, such as a test's failed assertion, reaches the caller.
                Err(panicked) => std::panic::resume_unwind(panicked),
            }
        }
        all
    })
}
