//! The promises, whatever goes wrong: many seeds of the rehearsal.

use std::collections::{BTreeMap, BTreeSet};

use redrive_local::rehearse::{Class, rehearse};

#[test]
fn no_seed_breaks_a_promise() {
    let seeds: u64 = std::env::var("REDRIVE_SEEDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(200);
    let first: u64 = std::env::var("REDRIVE_FIRST")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    let mut faults: BTreeMap<Class, u64> = BTreeMap::new();
    let mut reasons = BTreeSet::new();
    let mut moves = BTreeSet::new();
    let (mut failures, mut retries, mut exempt) = (0, 0, 0);
    let mut wait = std::time::Duration::ZERO;
    let mut broken: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    let began = std::time::Instant::now();
    for seed in first..first + seeds {
        let came = rehearse(seed, None, false);
        for (class, n) in came.faults {
            *faults.entry(class).or_default() += u64::from(n);
        }
        reasons.extend(came.reasons);
        moves.extend(came.moves);
        failures += came.failures;
        retries += came.retries;
        exempt += came.exempt;
        wait = wait.max(came.longest_wait);
        if let Some(why) = came.broken {
            broken
                .entry(why.split(':').next().unwrap().to_owned())
                .or_default()
                .push((seed, why));
        }
    }
    println!(
        "{seeds} seeds in {:?}: {failures} failures, {retries} retries, {exempt} exempt, longest wait {wait:?}",
        began.elapsed()
    );
    println!(
        "faults a seed: {:.1}",
        faults.values().sum::<u64>() as f64 / seeds as f64
    );
    for class in Class::ALL {
        println!(
            "  {:20} {}",
            class.name(),
            faults.get(class).copied().unwrap_or_default()
        );
    }
    println!("reasons {reasons:?}");
    println!("moves {}", moves.len());
    for (promise, seeds) in &broken {
        println!("{} x {promise}", seeds.len());
        for (seed, why) in seeds.iter().take(4) {
            println!("    {seed}: {why}");
        }
    }
    assert!(broken.is_empty());
}

#[test]
#[ignore = "prints one seed"]
fn one_seed() {
    let seed: u64 = std::env::var("REDRIVE_SEED").unwrap().parse().unwrap();
    println!("{}", rehearse(seed, None, true));
}
