//! Step Functions and CodePipeline as the one target that the core retries.

use redrive_core::controller::{Clock, RetryResponse, Target};
use redrive_core::error::Error;
use redrive_core::failure::{Fact, Failure, FailureId, Need, TargetState};
use redrive_core::ledger::Claim;
use redrive_core::reads::{DefinitionCache, LocalCache, Reads};

use crate::codepipeline::CodePipeline;
use crate::stepfunctions::StepFunctions;

/// Step Functions and CodePipeline in one account and region.
#[derive(Debug)]
pub struct Services<C, S> {
    /// Step Functions.
    pub stepfunctions: StepFunctions,
    /// CodePipeline.
    pub codepipeline: CodePipeline,
    /// Definitions that this process has read.
    pub local_cache: LocalCache,
    /// Cached definitions that all processes share.
    pub definition_cache: S,
    /// The clock by which cached definitions of state machines expire.
    pub clock: C,
}

impl<C: Clock, S: DefinitionCache> Services<C, S> {
    fn reads(&self) -> Reads<'_, StepFunctions, CodePipeline, S> {
        Reads {
            executions: &self.stepfunctions,
            pipelines: &self.codepipeline,
            local_cache: &self.local_cache,
            definition_cache: &self.definition_cache,
            now: self.clock.now(),
        }
    }
}

impl<C: Clock, S: DefinitionCache> Target for Services<C, S> {
    async fn lookup(&self, failure: &Failure, need: Need) -> Result<Fact, Error> {
        self.reads().lookup(failure, need).await
    }

    async fn current_state(&self, claim: &Claim) -> Result<TargetState, Error> {
        self.reads().current_state(claim.entry()).await
    }

    async fn retry(&self, claim: &Claim) -> RetryResponse {
        match &claim.entry().failure_id {
            FailureId::RedriveCount(_) => self.stepfunctions.redrive(claim).await,
            FailureId::FailedActions(_) => self.codepipeline.retry(claim).await,
        }
    }
}
