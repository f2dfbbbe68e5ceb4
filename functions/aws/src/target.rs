//! Both services as the one target that the core acts on.

use redrive_core::failure::{Fact, Failure, Identity, Need, Standing, What};
use redrive_core::handle::{Clock, Outcome, Target};
use redrive_core::ledger::Claim;
use redrive_core::trouble::Trouble;

use crate::codepipeline::CodePipeline;
use crate::stepfunctions::StepFunctions;

/// Step Functions and CodePipeline in one account and region.
#[derive(Debug)]
pub struct Services<C> {
    /// Step Functions.
    pub stepfunctions: StepFunctions,
    /// CodePipeline.
    pub codepipeline: CodePipeline,
    /// What time it is: what was learned of a state machine holds for a while.
    pub clock: C,
}

impl<C: Clock> Target for Services<C> {
    async fn know(&self, failure: &Failure, need: Need) -> Result<Fact, Trouble> {
        let arn = failure.subject.arn();
        match (&failure.what, need) {
            (What::Execution(_), Need::Description) => Ok(self
                .stepfunctions
                .describe(arn)
                .await?
                .map_or(Fact::Gone, Fact::Description)),
            (What::Execution(failed), _) => {
                self.stepfunctions
                    .ending(arn, failed, self.clock.now())
                    .await
            }
            (What::Stage(_), _) => self.codepipeline.stage(&failure.subject).await,
        }
    }

    async fn look(&self, claim: &Claim) -> Result<Standing, Trouble> {
        let entry = claim.entry();
        match &entry.identity {
            Identity::RedriveCount(count) => {
                self.stepfunctions.look(entry.subject.arn(), *count).await
            }
            Identity::FailedActions(ids) => self.codepipeline.look(&entry.subject, ids).await,
        }
    }

    async fn act(&self, claim: &Claim) -> Outcome {
        match &claim.entry().identity {
            Identity::RedriveCount(_) => self.stepfunctions.redrive(claim).await,
            Identity::FailedActions(_) => self.codepipeline.retry(claim).await,
        }
    }
}
