//! A simulation with faults: the real core runs against the emulated services in virtual time while faults are
//! injected, and the invariants are checked after every step.
//!
//! One seed is one simulation, to the last bit. Eighteen subjects of both services fail more than twenty times.
//! Events are lost, doubled and late; functions die at any of their awaits; calls take effect and say that they
//! did not; people retry, stop and cancel in between. Each simulation switches off half of the fault classes,
//! so that a fault that hides another does not always do so. Whatever AWS leaves open is a coin of the seed.
//! After about an hour the simulation heals, and then every failure must reach a final state.

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
use redrive_core::policy::Document;

pub use self::fault_plan::FaultClass;
use self::fault_plan::FaultPlan;
pub use self::interleavings::{Explored, Story, stories};
pub use self::invariants::Move;
pub use self::result::SimulationResult;
use self::run::Run;
use self::simulation::{Deployed, Next, Simulation};
pub use self::summary::Summary;
use self::workload::START;

/// Simulates one seed. `faults`: the only enabled classes; without them, half of all.
pub fn simulate(seed: u64, faults: Option<&[FaultClass]>, traced: bool) -> SimulationResult {
    let mut fault_plan = FaultPlan::new(seed, faults);
    let updated = fault_plan
        .occurs(FaultClass::PersonUpdates)
        .then(|| fault_plan.span(5 * 60_000, 25 * 60_000));
    let ms = updated.map(|after| u64::try_from(after.as_millis()).unwrap_or_default());
    let actors = workload::actors(&mut fault_plan, START.as_millis(), ms);
    let text = policies::policy(&mut fault_plan, false);
    let deployed = match Document::parse(&text) {
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

/// Simulates many seeds, from `first` on, on all cores.
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
                // What a test asserts inside is told by the thread.
                Err(panicked) => std::panic::resume_unwind(panicked),
            }
        }
        all
    })
}
