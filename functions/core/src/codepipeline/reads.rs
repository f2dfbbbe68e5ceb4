//! Learning how a stage stands: which calls are made, and when they are spared.

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

/// The calls of CodePipeline that tell of a failure, each of a pipeline by its ARN, whose resource is the
/// pipeline's name.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait Pipelines {
    /// GetPipelineState, as much of it as is about one stage.
    async fn state(&self, pipeline: &str, stage: &str) -> Read<StageState>;

    /// GetPipeline, in a version where GetPipelineState names one.
    async fn declaration(&self, pipeline: &str, version: Option<u64>) -> Read<Declaration>;

    /// GetPipelineExecution.
    async fn execution(&self, pipeline: &str, execution_id: &str) -> Read<PipelineExecution>;

    /// ListActionExecutions of one pipeline execution, newest first.
    async fn runs(
        &self,
        pipeline: &str,
        execution_id: &str,
        token: Option<String>,
    ) -> Read<Page<ActionRun>>;
}

/// So many pages of ListActionExecutions are read, of 100 runs each: a pipeline has at most 500 actions, so that
/// all of them can have run 20 times in the execution.
pub(crate) const MAX_PAGES_OF_RUNS: usize = 100;

/// The reads of CodePipeline, and what was learned by them.
pub(crate) struct StageReads<'r, P> {
    pub(crate) pipelines: &'r P,
    pub(crate) declarations: &'r RefCell<Declarations>,
}

impl<P: Pipelines> StageReads<'_, P> {
    /// How a stage stands: GetPipelineState, ListActionExecutions, and GetPipeline once for each version;
    /// GetPipelineExecution where the first does not show the execution, or its type. With it, when the newest of the
    /// runs that are listed changed last.
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
            // In PARALLEL mode the state may show no execution, or any one's, and else not of which type it is. Of
            // what is not retried anyway nobody asks.
            let shown = state.rollback.is_some()
                && state.latest_execution_id.as_deref() == Some(execution_id.as_str());
            if !shown && snapshot.not_ours().is_none() {
                match self.pipelines.execution(pipeline, execution_id).await? {
                    Some(execution) => execution.tell(&mut snapshot),
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

    /// The runs of a stage's actions in one execution, newest first.
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
                // Not listed yet, or no longer: what GetPipelineState shows has to do.
                return Ok(runs);
            };
            runs.extend(page.items.into_iter().filter(|run| run.stage == stage));
            token = page.next;
            if token.is_none() {
                return Ok(runs);
            }
        }
        // What was read in part is not judged.
        Err(Error::new(
            ErrorKind::Unavailable,
            "ListActionExecutions has more pages than are read",
        ))
    }
}
