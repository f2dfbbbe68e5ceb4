//! Options for all behaviour that AWS leaves open.

/// The refusal of a `RetryStageExecution` call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryRefusal {
    /// `ConflictException`: "the pipeline is busy handling ongoing activities".
    Conflict,
    /// `StageNotRetryableException`.
    StageNotRetryable,
    /// `NotLatestPipelineExecutionException`.
    NotLatestPipelineExecution,
}

/// The answer of `GetPipelineState` for a pipeline in PARALLEL mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParallelState {
    /// Stages and actions without any execution, as in the console's pipeline view.
    Blank,
    /// The execution that entered the stage last, as in the other modes.
    Latest,
}

/// The first event when the end of an action fails its stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureOrder {
    /// Stage FAILED, action FAILED, pipeline FAILED.
    StageFirst,
    /// Action FAILED, stage FAILED, pipeline FAILED.
    ActionFirst,
}

/// The time at which a stage with several actions becomes Failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageFails {
    /// Once no action is in progress any more.
    WhenActionsEnded,
    /// At the first failed action; the others continue in a Failed stage.
    AtFirstFailedAction,
}

/// Whether a Stopped stage may be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoppedRetry {
    /// With either mode; FAILED_ACTIONS runs failed and abandoned actions again.
    EitherMode,
    /// With ALL_ACTIONS only.
    AllActionsOnly,
    /// Never: `StageNotRetryableException`.
    Never,
}

/// Options for every point that is not established or that varies, with the default named.
///
/// ```
/// use redrive_emulator::codepipeline::Options;
/// let late = Options { state_lag_ms: 2_000, ..Options::default() };
/// assert_eq!(late.automatic_retry_delay_ms, 0);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent unknowns, not a state"
)]
pub struct Options {
    /// `GetPipelineState` and `ListActionExecutions` answer the state of this many milliseconds ago (not established;
    /// AWS promises no read-after-write here). Default 0.
    pub state_lag_ms: u64,
    /// Whether `GetPipelineState` ignores the lag and answers the present state, so that `ListActionExecutions` is
    /// behind it. Default false.
    pub state_is_fresh: bool,
    /// The part of the lag that the next answer has, in thousandths, since answers need not have equal lags.
    pub lag_of_a_thousand: u64,
    /// The duration of an action whose outcome names no `after_ms`. Default 1000.
    pub action_ms: u64,
    /// The answer to a retry while another retry attempt in the stage is in progress. Documented as "might not be
    /// able to retry"; the exception is not established. Default Conflict.
    pub duplicate_retry_answer: RetryRefusal,
    /// The answer to an ALL_ACTIONS retry while actions are in progress. Documented as forbidden; the exception is
    /// not established. Default Conflict.
    pub all_actions_in_progress_answer: RetryRefusal,
    /// The answer to a retry of an execution that the pipeline never had. The operation models no
    /// `PipelineExecutionNotFoundException`. Default NotLatestPipelineExecution.
    pub unknown_execution_answer: RetryRefusal,
    /// The refusal of a retry while an automatic retry waits for its delay (not established). With None, the call is
    /// accepted and the automatic retry dropped. Default None.
    pub retry_while_automatic_retry_pending: Option<RetryRefusal>,
    /// The refusal of a retry while an automatic rollback waits for its delay (not established). Default None.
    pub retry_while_rollback_pending: Option<RetryRefusal>,
    /// Whether a Stopped stage may be retried (documented as possible). FAILED_ACTIONS with abandoned actions is not
    /// established. Default EitherMode.
    pub retry_of_stopped_stage: StoppedRetry,
    /// Whether an `UpdatePipeline` with unchanged stages still ends the right to retry (not established). Documented
    /// is only "the overall pipeline structure changed". Default true.
    pub identical_update_ends_retry: bool,
    /// Maximum executions in progress of a pipeline in QUEUED and PARALLEL mode. Further starts get
    /// `ConcurrentPipelineExecutionsLimitExceededException` (the exception is documented, the number is not
    /// established). Default None: no limit.
    pub concurrent_execution_limit: Option<usize>,
    /// The answer of `GetPipelineState` in PARALLEL mode (not established). Default Blank.
    pub parallel_state: ParallelState,
    /// Whether `latestExecution` has `type` (modelled; missing in a captured answer of 2026). Default true.
    pub state_shows_execution_type: bool,
    /// The order of events at a failure (observed: the stage event may be first). Default StageFirst.
    pub failure_order: FailureOrder,
    /// The time at which a stage becomes Failed (documented: actions can be retried "before the stage completes").
    /// Default WhenActionsEnded.
    pub stage_fails: StageFails,
    /// Whether stage and pipeline become FAILED, in state and in events, before the built-in automatic retry runs
    /// (not established). Default true.
    pub automatic_retry_announces_failure: bool,
    /// Whether the automatic retry emits RESUMED (not established). Default true.
    pub automatic_retry_emits_resumed: bool,
    /// Whether the automatic retry adds to `pipeline-execution-attempt` (not established). Default true.
    pub automatic_retry_counts_attempt: bool,
    /// The delay of the automatic retry (documented: no delay can be configured). Default 0.
    pub automatic_retry_delay_ms: u64,
    /// The delay of an automatic rollback (not established). Default 0.
    pub automatic_rollback_delay_ms: u64,
    /// Whether a retry of failed actions in a stage that never left InProgress emits RESUMED (not established:
    /// RESUMED is documented for a *failed* stage). Default false.
    pub early_retry_emits_resumed: bool,
    /// Whether an execution that failed in a stage becomes Superseded, with an event, once another one enters that
    /// stage. Documented only as "supersedes the failed execution". Default false.
    pub overtaken_execution_becomes_superseded: bool,
    /// Whether action events increment `pipeline-execution-attempt` after a retry, or keep the value 1.0 (not
    /// established). Default true.
    pub action_events_count_attempts: bool,
    /// Whether stage STARTED of the first stage has `pipeline-execution-attempt` 0.0 (seen once in a processed
    /// example). Default false.
    pub first_stage_started_attempt_zero: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            state_lag_ms: 0,
            state_is_fresh: false,
            lag_of_a_thousand: 1000,
            action_ms: 1000,
            duplicate_retry_answer: RetryRefusal::Conflict,
            all_actions_in_progress_answer: RetryRefusal::Conflict,
            unknown_execution_answer: RetryRefusal::NotLatestPipelineExecution,
            retry_while_automatic_retry_pending: None,
            retry_while_rollback_pending: None,
            retry_of_stopped_stage: StoppedRetry::EitherMode,
            identical_update_ends_retry: true,
            concurrent_execution_limit: None,
            parallel_state: ParallelState::Blank,
            state_shows_execution_type: true,
            failure_order: FailureOrder::StageFirst,
            stage_fails: StageFails::WhenActionsEnded,
            automatic_retry_announces_failure: true,
            automatic_retry_emits_resumed: true,
            automatic_retry_counts_attempt: true,
            automatic_retry_delay_ms: 0,
            automatic_rollback_delay_ms: 0,
            early_retry_emits_resumed: false,
            overtaken_execution_becomes_superseded: false,
            action_events_count_attempts: true,
            first_stage_started_attempt_zero: false,
        }
    }
}
