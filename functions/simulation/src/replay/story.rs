//! A subject as the event files describe it, and defaults for the facts that they leave open.

use std::collections::BTreeMap;

use redrive_core::time::Time;
use redrive_emulator::api::Place;
use redrive_emulator::{codepipeline, stepfunctions};
use serde_json::Value;

/// The outcome of a retried run that no file describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Then {
    /// The cause has passed, and the run succeeds.
    #[default]
    Succeed,
    /// The run fails as before, without end.
    Fail,
}

/// The duration of a run that no file describes, in milliseconds.
pub(super) const RUN_MS: u64 = 60_000;

/// Definitions of state machines by name. A definition shows which errors belong to Fail states.
pub type Definitions = BTreeMap<String, Value>;

/// A subject as the files describe it, ready for the emulator.
#[derive(Debug)]
pub(super) enum Story {
    Execution {
        place: Place,
        seed: Box<stepfunctions::Seed>,
    },
    Pipeline {
        place: Place,
        seed: Box<codepipeline::Seed>,
    },
}

impl Story {
    /// Returns the time at which the emulator gets the subject. An execution is added once it has ended, a pipeline
    /// execution before its stage ends.
    pub(super) fn begins(&self) -> Time {
        match self {
            Self::Execution { seed, .. } => Time::from_millis(seed.stop),
            Self::Pipeline { seed, .. } => Time::from_millis(seed.at),
        }
    }
}
