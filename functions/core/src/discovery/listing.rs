//! The calls that list what failed, and what they bring.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::error::Error;
use crate::failure::ExecutionStatus;
use crate::page::Page;
use crate::pipeline::ActionRun;
use crate::time::Time;

/// What a call that lists brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing<T> {
    /// What was asked for.
    Page(T),
    /// What was asked about does not exist, or has nothing that is listed.
    Gone,
    /// The page's token is not taken, or not any more: both services' tokens expire.
    Expired,
}

impl<T> Listing<T> {
    /// The same of something that is made of what is shown.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Listing<U> {
        match self {
            Self::Page(shown) => Listing::Page(make(shown)),
            Self::Gone => Listing::Gone,
            Self::Expired => Listing::Expired,
        }
    }
}

/// The result of a call that lists.
pub type ListResult<T> = Result<Listing<T>, Error>;

/// The calls that list what failed, in one account and region. Each method is one call.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait FailureListing {
    /// ListStateMachines: the ARNs of those of type STANDARD. Nothing redrives the others.
    async fn machines(&self, token: Option<String>) -> ListResult<Page<String>>;

    /// ListExecutions of a machine, those that ended so, the latest start first, in pages of the most that AWS
    /// gives, 1,000.
    async fn executions(
        &self,
        machine: &str,
        status: ExecutionStatus,
        token: Option<String>,
    ) -> ListResult<Page<ListedExecution>>;

    /// ListPipelines.
    async fn pipelines(&self, token: Option<String>) -> ListResult<Page<ListedPipeline>>;

    /// GetPipelineState: the stages whose latest execution has failed in them.
    async fn stages(&self, pipeline: &str) -> ListResult<Vec<ListedStage>>;

    /// ListPipelineExecutions: those that failed, the latest start first.
    async fn runs(&self, pipeline: &str, token: Option<String>) -> ListResult<Page<ListedRun>>;

    /// ListActionExecutions of one pipeline execution: the stages that [failed in it](failed_stages).
    async fn stages_of(&self, pipeline: &str, run: &ListedRun) -> ListResult<Vec<ListedStage>>;
}

/// What ListExecutions says of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedExecution {
    /// Its ARN.
    pub arn: String,
    /// `startDate`.
    pub started: Time,
    /// `stopDate`.
    pub stopped: Option<Time>,
    /// `redriveCount`.
    pub redrive_count: Option<u32>,
    /// `stateMachineVersionArn`.
    pub version_arn: Option<String>,
}

/// What ListPipelines says of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPipeline {
    /// Its ARN.
    pub arn: String,
    /// Its `executionMode` is PARALLEL.
    pub parallel: bool,
}

/// What ListPipelineExecutions says of a failed execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRun {
    /// `pipelineExecutionId`.
    pub execution_id: String,
    /// `startTime`.
    pub started: Time,
    /// `lastUpdateTime`.
    pub updated: Time,
}

/// A stage that failed in a pipeline execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedStage {
    /// Its name.
    pub stage: String,
    /// The pipeline execution.
    pub execution_id: String,
    /// When its last action ended.
    pub ended: Time,
    /// The action executions that failed.
    pub failed: BTreeSet<String>,
}

/// The stages of a pipeline execution of which an action's latest run has failed. `runs` are rows of
/// ListActionExecutions, the latest first: the stage in which an execution failed is the last that it entered.
#[must_use]
pub fn failed_stages(run: &ListedRun, runs: &[ActionRun]) -> Vec<ListedStage> {
    let mut latest: BTreeMap<(&str, &str), &ActionRun> = BTreeMap::new();
    for run in runs {
        latest
            .entry((&run.stage, &run.action.action))
            .or_insert(run);
    }
    let mut stages: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for run in latest.values().filter(|run| run.status == "Failed") {
        let failed = stages.entry(&run.stage).or_default();
        failed.extend(run.action.id.clone());
    }
    stages
        .into_iter()
        .map(|(stage, failed)| ListedStage {
            stage: stage.to_string(),
            execution_id: run.execution_id.clone(),
            ended: run.updated,
            failed,
        })
        .collect()
}
