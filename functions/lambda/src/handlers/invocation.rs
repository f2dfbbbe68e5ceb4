//! The parts of every invocation: the owner of a handling, the remaining time, and the error for the runtime.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Instant;

use lambda_runtime::{Context, Diagnostic};
use redrive_core::controller::Clock;
use redrive_core::error::Error;
use redrive_core::ledger::Owner;
use redrive_core::time::Time;

use crate::clock::SystemClock;

/// A source of owners. INVARIANT: no two handlings have the same owner.
#[derive(Debug)]
pub(super) struct Owners {
    /// A random number of this process. A redelivered event keeps its request ID, and may reach another process.
    process: u64,
    handled: Cell<u64>,
}

impl Owners {
    pub(super) fn new() -> Self {
        Self {
            // The standard library gives each RandomState random keys.
            process: RandomState::new().build_hasher().finish(),
            handled: Cell::new(0),
        }
    }

    pub(super) fn next(&self, request_id: &str) -> Owner {
        let handled = self.handled.get().wrapping_add(1);
        self.handled.set(handled);
        Owner(format!("{request_id}/{:016x}/{handled}", self.process))
    }
}

/// Returns the time after which an invocation may begin no handling.
///
/// Half of the remaining time is reserved, so that the last handling ends before Lambda stops the function. A handling
/// in which no call is answered waits for a look-up, a retry and a settle.
pub(super) fn last_beginning(context: &Context) -> Time {
    let now = SystemClock.now();
    let left = Time::from_millis(context.deadline).since(now);
    now.plus(left / 2)
}

pub(super) fn since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn diagnostic(error: &Error) -> Diagnostic {
    Diagnostic {
        error_type: format!("{:?}", error.kind),
        error_message: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::Owners;

    #[test]
    fn each_handling_has_a_unique_owner() {
        let (one, other) = (Owners::new(), Owners::new());
        let names = [
            one.next("r"),
            one.next("r"),
            other.next("r"),
            other.next("r"),
        ];
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
    }
}
