//! A storm, a tenth of what `redrive storm` plays by itself: what it must come to, and that it shows what keeps it
//! from that.

#![allow(clippy::unwrap_used)]

use redrive_simulation::storm::{Limits, QuotaClass, Storm};

/// Quotas of a tenth, and eleven times as many failures a second as they let be redriven.
fn small() -> Storm {
    Storm {
        failures: 5_000,
        machines: 10,
        seconds: 30,
        limits: Limits::of(QuotaClass::Small).divided_by(10),
        due_concurrency: 4,
        ..Storm::default()
    }
}

#[test]
fn a_storm_is_drained_as_soon_as_the_quota_lets_it_and_no_machine_waits_longer() {
    let report = small().play().unwrap();
    assert!(report.holds(), "{report}");
    assert_eq!((report.errors, report.dead_letters), (0, 0), "{report}");
}

#[test]
fn without_a_pace_it_runs_into_the_quota_and_takes_longer() {
    let unpaced = Storm {
        paced: false,
        ..small()
    };
    let report = unpaced.play().unwrap();
    // Nothing is lost by it.
    assert_eq!(
        (report.redriven, report.redriven_twice),
        (5_000, 0),
        "{report}"
    );
    assert!(report.redrives().percent() > 20.0, "{report}");
    assert!(report.times_least() > 1.5, "{report}");
    assert!(!report.holds(), "{report}");
}

#[test]
fn a_failure_that_was_not_redriven_is_told() {
    let cut_short = Storm {
        hours: 0,
        ..small()
    };
    let report = cut_short.play().unwrap();
    assert_eq!(report.redriven, 0, "{report}");
    assert!(!report.holds(), "{report}");
    assert!(
        report
            .to_string()
            .contains("FAILED  0 of 5,000 failures redriven"),
        "{report}"
    );
}

#[test]
fn one_seed_is_one_storm() {
    let fewer = |seed| Storm {
        failures: 500,
        seed,
        ..small()
    };
    let once = fewer(7).play().unwrap();
    assert_eq!(once, fewer(7).play().unwrap());
    assert_ne!(once, fewer(8).play().unwrap());
}
