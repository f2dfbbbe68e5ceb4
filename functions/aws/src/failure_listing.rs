//! Lists of the failures in an account and region, from both services.

use redrive_core::arn::partition_of;
use redrive_core::discovery::{
    FailureListing, ListResult, ListedExecution, ListedPipeline, ListedRun, ListedStage,
};
use redrive_core::failure::ExecutionStatus;
use redrive_core::reads::Page;

use crate::target::Services;

/// The lists of Step Functions and CodePipeline.
#[derive(Debug)]
pub struct Lists<'s, C, S> {
    services: &'s Services<C, S>,
    /// The prefix of the pipelines' ARNs. AWS: the answer holds names but no ARNs (ListPipelines).
    pipelines: String,
}

impl<'s, C, S> Lists<'s, C, S> {
    /// Returns the lists of an account and region.
    #[must_use]
    pub fn new(services: &'s Services<C, S>, account: &str, region: &str) -> Self {
        Self {
            services,
            pipelines: format!(
                "arn:{}:codepipeline:{region}:{account}",
                partition_of(region)
            ),
        }
    }
}

impl<C, S> FailureListing for Lists<'_, C, S> {
    async fn machines(&self, token: Option<String>) -> ListResult<Page<String>> {
        self.services.stepfunctions.machines(token).await
    }

    async fn executions(
        &self,
        machine: &str,
        status: ExecutionStatus,
        token: Option<String>,
    ) -> ListResult<Page<ListedExecution>> {
        let stepfunctions = &self.services.stepfunctions;
        stepfunctions.executions(machine, status, token).await
    }

    async fn pipelines(&self, token: Option<String>) -> ListResult<Page<ListedPipeline>> {
        let codepipeline = &self.services.codepipeline;
        codepipeline.pipelines(&self.pipelines, token).await
    }

    async fn stages(&self, pipeline: &str) -> ListResult<Vec<ListedStage>> {
        self.services.codepipeline.stages(pipeline).await
    }

    async fn runs(&self, pipeline: &str, token: Option<String>) -> ListResult<Page<ListedRun>> {
        self.services
            .codepipeline
            .listed_runs(pipeline, token)
            .await
    }

    async fn stages_of(&self, pipeline: &str, run: &ListedRun) -> ListResult<Vec<ListedStage>> {
        self.services.codepipeline.stages_of(pipeline, run).await
    }
}
