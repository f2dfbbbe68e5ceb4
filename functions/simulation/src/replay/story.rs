//! A subject as the event files tell of it, and what they leave open.

use std::collections::BTreeMap;

use redrive_core::time::Time;
use redrive_emulator::api::Place;
use redrive_emulator::{codepipeline, stepfunctions};
use serde_json::Value;

/// What a retried run comes to where no file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Then {
    /// Whatever it was has passed.
    #[default]
    Succeed,
    /// It fails as it did before, for ever.
    Fail,
}

/// How long a run takes where no file tells, in milliseconds.
pub(super) const RUN_MS: u64 = 60_000;

/// Definitions of state machines, by name: they tell which errors are those of Fail states.
pub type Definitions = BTreeMap<String, Value>;

/// A subject as the files tell of it, ready to be put into the emulator.
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
    /// When it is put into the emulator: an execution when it has ended, a pipeline execution before its
    /// stage does.
    pub(super) fn begins(&self) -> Time {
        match self {
            Self::Execution { seed, .. } => Time::from_millis(seed.stop),
            Self::Pipeline { seed, .. } => Time::from_millis(seed.at),
        }
    }
}
