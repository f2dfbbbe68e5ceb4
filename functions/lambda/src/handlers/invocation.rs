//! What every invocation needs: a name of its own, the time that it has left, and its error for the runtime.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Instant;

use lambda_runtime::{Context, Diagnostic};
use redrive_core::controller::Clock;
use redrive_core::error::Error;
use redrive_core::ledger::Owner;
use redrive_core::time::Time;

use crate::clock::SystemClock;

/// Names each handling, by a name that no other has.
#[derive(Debug)]
pub(super) struct Owners {
    /// Of this process. An event that comes again keeps its request id, and may come to another process.
    process: u64,
    handled: Cell<u64>,
}

impl Owners {
    pub(super) fn new() -> Self {
        Self {
            // The standard library keys each of these at random.
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

/// When the last handling of an invocation may begin, so that it ends before Lambda ends the function: half of
/// the time is kept for it. A handling in which nothing answers waits for a look, an act and a settle.
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
    fn no_two_handlings_share_a_name_not_even_under_one_request_id() {
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
