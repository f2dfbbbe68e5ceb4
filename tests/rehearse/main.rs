//! The promises, whatever goes wrong: seeds of the rehearsal, and that a rehearsal finds what is broken.

use redrive_simulation::rehearse::{Class, rehearse, rehearse_many, stories};

#[test]
fn no_seed_breaks_a_promise() {
    let census = rehearse_many(0, 200, None);
    assert!(census.broken.is_empty(), "{census}");
    // More than twenty failures and many faults in each.
    assert!(census.failures > 20 * census.seeds, "{census}");
    assert!(census.faults_a_seed() > 20.0, "{census}");
}

#[test]
fn one_seed_is_one_rehearsal() {
    let (once, again) = (rehearse(7, None, true), rehearse(7, None, true));
    assert!(once.trace.len() > 100);
    assert_eq!(once.trace, again.trace);
    assert_ne!(once.trace, rehearse(8, None, true).trace);
    // What is told changes nothing.
    assert_eq!(once.faults, rehearse(7, None, false).faults);
}

#[test]
fn on_a_calm_day_nothing_goes_wrong() {
    let census = rehearse_many(0, 20, Some(&[]));
    assert!(census.broken.is_empty(), "{census}");
    assert!(census.faults.is_empty(), "{census}");
    assert!(census.retries > 20, "{census}");
    // An event takes a moment; a stage's may wait for an action that still runs.
    assert!(census.longest_wait.as_secs() <= 300, "{census}");
}

#[test]
fn a_fifth_of_all_events_may_be_lost_and_every_failure_is_handled() {
    let census = rehearse_many(0, 100, Some(&[Class::EventLost]));
    assert!(census.broken.is_empty(), "{census}");
    let lost = census
        .faults
        .get(&Class::EventLost)
        .copied()
        .unwrap_or_default();
    assert!(lost * 8 > census.failures, "{census}");
    assert!(census.longest_wait.as_secs() <= 300, "{census}");
}

#[test]
fn every_class_of_faults_has_a_name_that_is_read_back() {
    for class in Class::ALL {
        assert_eq!(Class::named(class.name()), Some(*class));
        assert!(class.words().ends_with('.'));
    }
    assert_eq!(Class::named("flood"), None);
}

#[test]
fn handlings_may_meet_in_any_order_and_die_at_any_await() {
    // The search has so many awaits that its stories are left to the command.
    for story in stories().filter(|story| !story.to_string().contains("search")) {
        let explored = story.explore();
        assert!(explored.broken.is_none(), "{explored}");
        // Two who meet at an await at least, and die there or not.
        assert!(explored.orders > 20, "{explored}");
        assert!(explored.deaths > explored.orders / 2, "{explored}");
    }
}
