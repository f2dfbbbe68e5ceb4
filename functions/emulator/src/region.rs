//! Both services in one account and region.

use serde_json::Value;

use crate::api::{CallError, Emitted, Place, Service};
use crate::codepipeline::{self, CodePipeline};
use crate::stepfunctions::{self, StepFunctions};

/// One of the two services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKind {
    /// AWS Step Functions.
    StepFunctions,
    /// AWS CodePipeline.
    CodePipeline,
}

/// Both services in one account and region.
#[derive(Debug)]
pub struct Region {
    /// AWS Step Functions.
    pub stepfunctions: StepFunctions,
    /// AWS CodePipeline.
    pub codepipeline: CodePipeline,
}

impl Region {
    /// Returns an empty region. Equal seeds give equal ids, and the two services never share an id.
    pub fn new(place: &Place, seed: u64) -> Self {
        Self::with_options(
            place,
            seed,
            stepfunctions::Options::default(),
            codepipeline::Options::default(),
        )
    }

    /// Returns an empty region whose services have these options for behaviour that AWS leaves open.
    pub fn with_options(
        place: &Place,
        seed: u64,
        of_executions: stepfunctions::Options,
        of_pipelines: codepipeline::Options,
    ) -> Self {
        Self {
            stepfunctions: StepFunctions::new(place.clone(), of_executions, seed.wrapping_mul(2)),
            codepipeline: CodePipeline::new(
                place.clone(),
                of_pipelines,
                seed.wrapping_mul(2).wrapping_add(1),
            ),
        }
    }

    /// Calls one of the services.
    ///
    /// # Errors
    /// The service answers with an error, or the answer is lost.
    pub fn call(
        &mut self,
        which: ServiceKind,
        now: u64,
        operation: &str,
        body: &Value,
    ) -> Result<Value, CallError> {
        match which {
            ServiceKind::StepFunctions => self.stepfunctions.call(now, operation, body),
            ServiceKind::CodePipeline => self.codepipeline.call(now, operation, body),
        }
    }

    /// Returns the time of the next due work of either service.
    pub fn next_at(&self) -> Option<u64> {
        [self.stepfunctions.next_at(), self.codepipeline.next_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Finishes all due work, and returns the events, oldest first.
    pub fn advance(&mut self, now: u64) -> Vec<Emitted> {
        self.stepfunctions.advance(now);
        self.codepipeline.advance(now);
        let mut events = self.stepfunctions.take_events();
        events.extend(self.codepipeline.take_events());
        events.sort_by_key(|emitted| emitted.at);
        events
    }
}
