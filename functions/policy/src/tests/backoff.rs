//! Tests of the waiting time of a retry.

use super::*;

const LOWEST: u64 = 0;
const HIGHEST: u64 = u64::MAX;

#[test]
fn the_wait_grows_to_its_cap() {
    let backoff = |interval_seconds, backoff_rate, max_delay_seconds| Backoff {
        interval_seconds,
        backoff_rate,
        max_delay_seconds,
        jitter_strategy: JitterStrategy::None,
    };
    for (backoff, expected) in [
        (backoff(30, 2.0, 900), [30, 60, 120, 240, 480, 900, 900]),
        (backoff(30, 1.0, 900), [30; 7]),
        (backoff(10, 1.5, 900), [10, 15, 22, 33, 50, 75, 113]),
        (backoff(0, 2.0, 900), [0; 7]),
        (
            backoff(1, 100.0, 1_209_600),
            [1, 100, 10_000, 1_000_000, 1_209_600, 1_209_600, 1_209_600],
        ),
        (backoff(30, 2.0, 10), [10; 7]),
        (backoff(5, 2.0, 0), [0; 7]),
    ] {
        for (n, expected) in (1..).zip(expected) {
            for draw in [LOWEST, 1 << 60, HIGHEST] {
                assert_eq!(backoff.delay_seconds(n, draw), expected, "{backoff:?} {n}");
            }
        }
    }
}

#[test]
fn full_jitter_draws_from_the_whole_delay() {
    let backoff = Backoff::default();
    for (n, most) in [(1, 30), (2, 60), (3, 120), (6, 900), (10, 900)] {
        assert_eq!(backoff.delay_seconds(n, LOWEST), 0);
        assert_eq!(backoff.delay_seconds(n, HIGHEST), most);
        assert_eq!(
            backoff.delay_seconds(n, HIGHEST / 2),
            most / 2 - u32::from(most % 2 == 0)
        );
        let mut draw = 0x9E37_79B9_7F4A_7C15_u64;
        let mut seen = BTreeSet::new();
        for _ in 0..5000 {
            draw ^= draw << 13;
            draw ^= draw >> 7;
            draw ^= draw << 17;
            let delay = backoff.delay_seconds(n, draw);
            assert!(delay <= most);
            assert_eq!(backoff.delay_seconds(n, draw), delay);
            seen.insert(delay);
        }
        assert!(
            seen.len() >= usize::try_from(most).unwrap() * 9 / 10,
            "{n}: {}",
            seen.len()
        );
    }
    let nothing = Backoff {
        interval_seconds: 0,
        ..Backoff::default()
    };
    assert_eq!(nothing.delay_seconds(9, HIGHEST), 0);
}

#[test]
fn capped_delay_is_computed_without_iteration() {
    for (interval_seconds, backoff_rate, expected) in [(0, 2.0, 0), (30, 1.0, 30), (30, 2.0, 900)] {
        let backoff = Backoff {
            interval_seconds,
            backoff_rate,
            jitter_strategy: JitterStrategy::None,
            ..Backoff::default()
        };
        assert_eq!(backoff.delay_seconds(u32::MAX, 0), expected);
    }
}
