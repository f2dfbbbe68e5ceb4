//! A value that readers see with a lag.

use std::collections::VecDeque;

/// A value together with the part of its past that a reader may still see.
///
/// The service itself acts on [`Lagged::now`]. `GetPipelineState` and `ListActionExecutions` read [`Lagged::at`] for
/// the time `state_lag_ms` ago.
#[derive(Debug, Clone)]
pub(super) struct Lagged<T> {
    past: VecDeque<(u64, T)>,
    since: u64,
    value: T,
}

impl<T> Lagged<T> {
    pub(super) const fn new(since: u64, value: T) -> Self {
        Self {
            past: VecDeque::new(),
            since,
            value,
        }
    }

    pub(super) const fn now(&self) -> &T {
        &self.value
    }

    /// Returns the time since which the present value holds.
    pub(super) const fn since(&self) -> u64 {
        self.since
    }

    pub(super) fn set(&mut self, now: u64, lag: u64, value: T) {
        let old = std::mem::replace(&mut self.value, value);
        let since = std::mem::replace(&mut self.since, now);
        // No reader could see a value that was replaced within the same millisecond.
        if lag == 0 || since == now {
            return;
        }
        self.past.push_back((since, old));
        let horizon = now.saturating_sub(lag);
        while self.past.get(1).is_some_and(|(at, _)| *at <= horizon) {
            self.past.pop_front();
        }
    }

    /// Returns the value at `moment`, if it existed then.
    pub(super) fn at(&self, moment: u64) -> Option<&T> {
        if self.since <= moment {
            return Some(&self.value);
        }
        let later = self.past.partition_point(|(at, _)| *at <= moment);
        self.past.get(later.checked_sub(1)?).map(|(_, value)| value)
    }
}

impl<T: Clone> Lagged<T> {
    pub(super) fn edit(&mut self, now: u64, lag: u64, change: impl FnOnce(&mut T)) {
        let mut value = self.value.clone();
        change(&mut value);
        self.set(now, lag, value);
    }
}

#[cfg(test)]
mod tests {
    use super::Lagged;

    #[test]
    fn readers_see_the_value_of_then() {
        let mut cell = Lagged::new(10, 'a');
        cell.set(20, 5, 'b');
        cell.set(22, 5, 'c');
        for (moment, seen) in [
            (9, None),
            (10, Some('a')),
            (19, Some('a')),
            (20, Some('b')),
            (22, Some('c')),
        ] {
            assert_eq!(cell.at(moment).copied(), seen, "at {moment}");
        }
        assert_eq!(*cell.now(), 'c');
        cell.set(22, 5, 'd');
        assert_eq!(cell.past.len(), 2, "what stood for no time leaves no trace");
        assert_eq!(cell.at(21).copied(), Some('b'));
    }

    #[test]
    fn invisible_past_is_dropped() {
        let mut cell = Lagged::new(0, 0);
        for step in 1..1000 {
            cell.set(step * 10, 25, step);
        }
        assert!(cell.past.len() <= 4, "{}", cell.past.len());
        assert_eq!(cell.at(9990 - 25).copied(), Some(996));
    }
}
