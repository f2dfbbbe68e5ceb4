//! The system clock.

use std::time::{SystemTime, UNIX_EPOCH};

use redrive_core::controller::Clock;
use redrive_core::time::Time;

/// The system clock, which AWS keeps synchronized in a function.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since.unwrap_or_default().as_millis();
        Time::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}
