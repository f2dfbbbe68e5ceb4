//! The invariants under injected faults: seeds of the simulation, and every interleaving of a failure's invocations.

use redrive_simulation::faults::{FaultClass, simulate, simulate_many, stories};

#[test]
fn no_seed_breaks_an_invariant() {
    let summary = simulate_many(0, 200, None);
    assert!(summary.broken.is_empty(), "{summary}");
    // More than twenty failures and many faults in each.
    assert!(summary.failures > 20 * summary.seeds, "{summary}");
    assert!(summary.faults_per_seed() > 20.0, "{summary}");
}

#[test]
fn one_seed_is_one_simulation() {
    let (once, again) = (simulate(7, None, true), simulate(7, None, true));
    assert!(once.trace.len() > 100);
    assert_eq!(once.trace, again.trace);
    assert_ne!(once.trace, simulate(8, None, true).trace);
    // A trace changes nothing.
    assert_eq!(once.faults, simulate(7, None, false).faults);
}

#[test]
fn without_faults_nothing_goes_wrong() {
    let summary = simulate_many(0, 20, Some(&[]));
    assert!(summary.broken.is_empty(), "{summary}");
    assert!(summary.faults.is_empty(), "{summary}");
    assert!(summary.retries > 20, "{summary}");
    // An event takes a moment; a stage's may wait for an action that still runs.
    assert!(summary.longest_wait.as_secs() <= 300, "{summary}");
}

#[test]
fn a_fifth_of_all_events_may_be_lost_and_every_failure_is_handled() {
    let summary = simulate_many(0, 100, Some(&[FaultClass::EventLost]));
    assert!(summary.broken.is_empty(), "{summary}");
    let lost = summary
        .faults
        .get(&FaultClass::EventLost)
        .copied()
        .unwrap_or_default();
    assert!(lost * 8 > summary.failures, "{summary}");
    assert!(summary.longest_wait.as_secs() <= 300, "{summary}");
}

#[test]
fn every_fault_class_has_a_name_that_is_read_back() {
    for class in FaultClass::ALL {
        assert_eq!(FaultClass::named(class.name()), Some(*class));
        assert!(class.words().ends_with('.'));
    }
    assert_eq!(FaultClass::named("flood"), None);
}

#[test]
fn invocations_interleave_in_any_order_and_die_at_any_await() {
    // The search has so many awaits that its stories are left to the command.
    for story in stories().filter(|story| !story.to_string().contains("search")) {
        let explored = story.explore();
        assert!(explored.broken.is_none(), "{explored}");
        // Two who meet at an await at least, and die there or not.
        assert!(explored.interleavings > 20, "{explored}");
        assert!(explored.deaths > explored.interleavings / 2, "{explored}");
    }
}
