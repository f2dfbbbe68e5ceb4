//! Looks up the snapshot of a stage, with as few calls as possible.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

use super::pipeline::{
    ActionRun, Declaration, Declarations, PipelineExecution, StageState, snapshot,
};
use crate::error::{Error, ErrorKind};
use crate::failure::{Fact, Subject};
use crate::page::{Page, Read};
use crate::time::Time;

/// The read calls of CodePipeline that describe a failure. Each takes the pipeline's ARN, whose resource is the
/// pipeline's name.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait Pipelines {
    /// Calls GetPipelineState and returns the part about one stage.
    async fn state(&self, pipeline: &str, stage: &str) -> Read<StageState>;

    /// Calls GetPipeline, for the version that GetPipelineState names, if any.
    async fn declaration(&self, pipeline: &str, version: Option<u64>) -> Read<Declaration>;

    /// Calls GetPipelineExecution.
    async fn execution(&self, pipeline: &str, execution_id: &str) -> Read<PipelineExecution>;

    /// Calls ListActionExecutions for one pipeline execution. The newest run is first.
    async fn runs(
        &self,
        pipeline: &str,
        execution_id: &str,
        token: Option<String>,
    ) -> Read<Page<ActionRun>>;
}

/// Maximum number of pages of ListActionExecutions, of 100 runs each. A pipeline has at most 500 actions, so each can
/// have run 20 times in the execution.
pub(crate) const MAX_PAGES_OF_RUNS: usize = 100;

/// The read calls of CodePipeline and the cache of declarations.
pub(crate) struct StageReads<'r, P> {
    pub(crate) pipelines: &'r P,
    pub(crate) declarations: &'r RefCell<Declarations>,
}

impl<P: Pipelines> StageReads<'_, P> {
    /// Looks up the snapshot of a stage, and the latest change of its listed runs.
    ///
    /// It calls GetPipelineState and ListActionExecutions, and GetPipeline once for each version. It calls
    /// GetPipelineExecution only if GetPipelineState does not show the execution or its type.
    pub(crate) async fn stage(&self, subject: &Subject) -> Result<(Fact, Option<Time>), Error> {
        if let Subject::Stage { arn, execution_id } = subject
            && let Some((pipeline, stage)) = arn.rsplit_once('/')
            && let Some(state) = self.pipelines.state(pipeline, stage).await?
            && let Some(declaration) = self.declaration(pipeline, state.pipeline_version).await?
        {
            let runs = self.runs(pipeline, stage, execution_id).await?;
            let Some(mut snapshot) = snapshot(&state, &declaration, stage, &runs, execution_id)
            else {
                return Ok((Fact::NotYet, None));
            };
            // In PARALLEL mode GetPipelineState may show no execution, or any one. In other modes it may omit the type.
            // A stage that is not retried anyway needs no further call.
            let shown = state.rollback.is_some()
                && state.latest_execution_id.as_deref() == Some(execution_id.as_str());
            if !shown && snapshot.not_ours().is_none() {
                match self.pipelines.execution(pipeline, execution_id).await? {
                    Some(execution) => execution.apply_to(&mut snapshot),
                    None => return Ok((Fact::Gone, None)),
                }
            }
            let last_run = runs.iter().filter_map(|run| run.updated).max();
            return Ok((Fact::Stage(snapshot), last_run));
        }
        Ok((Fact::Gone, None))
    }

    async fn declaration(&self, pipeline: &str, version: Option<u64>) -> Read<Declaration> {
        let declarations = self.declarations;
        let known = declarations.borrow().known(pipeline, version).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let shown = self.pipelines.declaration(pipeline, version).await?;
        if let (Some(version), Some(declaration)) = (version, &shown) {
            declarations
                .borrow_mut()
                .learn(pipeline, version, declaration.clone());
        }
        Ok(shown)
    }

    /// Lists the runs of a stage's actions in one execution, newest first.
    async fn runs(
        &self,
        pipeline: &str,
        stage: &str,
        execution_id: &str,
    ) -> Result<Vec<ActionRun>, Error> {
        let mut runs = Vec::new();
        let mut token = None;
        for _ in 0..MAX_PAGES_OF_RUNS {
            let Some(page) = self.pipelines.runs(pipeline, execution_id, token).await? else {
                // The execution is not listed yet, or no longer. The snapshot then rests on GetPipelineState.
                return Ok(runs);
            };
            runs.extend(page.items.into_iter().filter(|run| run.stage == stage));
            token = page.next;
            if token.is_none() {
                return Ok(runs);
            }
        }
        // An incomplete list must not be judged.
        Err(Error::new(
            ErrorKind::Unavailable,
            "ListActionExecutions has more pages than are read",
        ))
    }
}
