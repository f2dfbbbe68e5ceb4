//! The calls that list failures, and their results.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::error::Error;
use crate::failure::ExecutionStatus;
use crate::page::Page;
use crate::pipeline::ActionRun;
use crate::time::Time;

/// The answer of a call that lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing<T> {
    /// The listed items.
    Page(T),
    /// The target does not exist, or has nothing to list.
    Gone,
    /// The page's token is invalid or has expired. Tokens of both services expire.
    Expired,
}

impl<T> Listing<T> {
    /// Maps the listed value.
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

/// The calls that list failures in one account and region. Each method is one call.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait FailureListing {
    /// Calls ListStateMachines and returns the ARNs of type STANDARD. AWS redrives no others.
    async fn machines(&self, token: Option<String>) -> ListResult<Page<String>>;

    /// Calls ListExecutions for the executions of a machine with a status. The latest start is first. A page has the
    /// maximum size, 1,000.
    async fn executions(
        &self,
        machine: &str,
        status: ExecutionStatus,
        token: Option<String>,
    ) -> ListResult<Page<ListedExecution>>;

    /// Calls ListPipelines.
    async fn pipelines(&self, token: Option<String>) -> ListResult<Page<ListedPipeline>>;

    /// Calls GetPipelineState and returns the stages in which the latest execution failed.
    async fn stages(&self, pipeline: &str) -> ListResult<Vec<ListedStage>>;

    /// Calls ListPipelineExecutions and returns those that failed. The latest start is first.
    async fn runs(&self, pipeline: &str, token: Option<String>) -> ListResult<Page<ListedRun>>;

    /// Calls ListActionExecutions for one pipeline execution and returns the stages that [failed in it](failed_stages).
    async fn stages_of(&self, pipeline: &str, run: &ListedRun) -> ListResult<Vec<ListedStage>>;
}

/// One execution, as ListExecutions describes it.
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

/// One pipeline, as ListPipelines describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPipeline {
    /// Its ARN.
    pub arn: String,
    /// Whether its `executionMode` is PARALLEL.
    pub parallel: bool,
}

/// One failed pipeline execution, as ListPipelineExecutions describes it.
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
    /// The id of the pipeline execution.
    pub execution_id: String,
    /// The time of the last update of the pipeline execution.
    pub ended: Time,
    /// The ids of the action executions that failed.
    pub failed: BTreeSet<String>,
}

/// Returns the stages of a pipeline execution in which the latest run of some action failed. `runs` are rows of
/// ListActionExecutions, the latest first. An execution fails in the last stage that it entered.
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
