//! A rehearsal: the real core against the emulated services in virtual time, while everything goes wrong that
//! can, and the promises are looked at after every step.
//!
//! One seed is one rehearsal, to the last bit. Eighteen subjects of both services fail more than twenty times.
//! Events are lost, doubled and late; functions die at any of their awaits; calls take effect and say that they
//! did not; people retry, stop and cancel in between. Half of the classes of faults are off in each rehearsal,
//! so that a fault that hides another does not always do so. Whatever AWS leaves open is a coin of the seed.
//! After an hour or so the world heals, and then every failure must have come to an end.

mod bus;
mod cast;
mod census;
mod hand;
mod invocations;
mod liveness;
mod orders;
mod people;
mod policies;
mod promises;
mod rehearsed;
mod run;
mod strays;
mod subjects;
mod weather;
mod world;

use redrive_core::controller::RunMode;
use redrive_core::policy::Document;

use self::cast::START;
pub use self::census::Census;
pub use self::orders::{Explored, Story, stories};
pub use self::promises::Move;
pub use self::rehearsed::Rehearsed;
use self::run::Run;
pub use self::weather::Class;
use self::weather::Weather;
use self::world::{Deployed, Next, World};

/// Rehearses one seed. `faults`: the only classes that may come; without them, half of all.
pub fn rehearse(seed: u64, faults: Option<&[Class]>, traced: bool) -> Rehearsed {
    let mut weather = Weather::new(seed, faults);
    let updated = weather
        .comes(Class::PersonUpdates)
        .then(|| weather.span(5 * 60_000, 25 * 60_000));
    let ms = updated.map(|after| u64::try_from(after.as_millis()).unwrap_or_default());
    let actors = cast::actors(&mut weather, START.as_millis(), ms);
    let text = policies::policy(&mut weather, false);
    let deployed = match Document::parse(&text) {
        Ok(document) => Deployed {
            document: document.into(),
            mode: RunMode::Act,
        },
        Err(problems) => {
            return Rehearsed {
                broken: Some(format!(
                    "the policy of the rehearsal cannot be read: {problems}"
                )),
                ..Rehearsed::nothing(seed)
            };
        }
    };
    let first = Deployed {
        mode: weather.first_mode(),
        ..deployed.clone()
    };
    let world = World::new(START, weather, actors, first, traced);
    let mut run = Run::new(&world, deployed);
    run.begin();
    if let Some(after) = updated {
        world.plan(START.plus(after), Next::Update);
    }
    run.play();
    run.came_to(seed)
}

/// Rehearses many seeds, from `first` on, on all the cores there are.
pub fn rehearse_many(first: u64, seeds: u64, faults: Option<&[Class]>) -> Census {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    std::thread::scope(|scope| {
        let counts = |core| {
            let mut census = Census::default();
            for seed in (first + core..first.saturating_add(seeds))
                .step_by(usize::try_from(cores).unwrap_or(1))
            {
                census.add(rehearse(seed, faults, false));
            }
            census
        };
        let counting: Vec<_> = (0..cores)
            .map(|core| scope.spawn(move || counts(core)))
            .collect();
        let mut all = Census::default();
        for counted in counting {
            match counted.join() {
                Ok(census) => all.merge(census),
                // What a test asserts inside is told by the thread.
                Err(panicked) => std::panic::resume_unwind(panicked),
            }
        }
        all
    })
}
