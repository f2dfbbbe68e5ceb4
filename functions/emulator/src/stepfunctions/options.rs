//! What is not established about the real service, or differs from call to call.

/// Launch of RedriveExecution: 2023-11-15T00:00:00Z (the day is documented, the hour is not).
pub const REDRIVE_LAUNCH: u64 = 1_700_006_400_000;

const DAY: u64 = 24 * 60 * 60 * 1000;

/// How the emulated service behaves where documents are silent or the real one is not constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// For so long after a transition DescribeExecution answers the state before it; an execution
    /// that has just started does not exist yet. Documented as eventually consistent, without a
    /// figure. Default 0.
    pub describe_lag_ms: u64,
    /// The same for ListExecutions. Default 0.
    pub list_lag_ms: u64,
    /// For so long an event is missing from GetExecutionHistory. Default 0.
    pub history_lag_ms: u64,
    /// How much of its lag the next answer has, in thousandths: answers need not lag alike.
    pub lag_of_a_thousand: u64,
    /// Whether the children of a Map Run emit status-change events (not established). Default true,
    /// the harder case for whoever must leave them alone.
    pub announce_map_children: bool,
    /// Whether a redrive emits a RUNNING event of its own (expected, never captured). Default true.
    pub announce_running_after_redrive: bool,
    /// The form of a `redriveDate` in events (never captured). Default milliseconds, as `startDate`.
    pub redrive_date_in_event: EventDate,
    /// Open executions of the account and region (documented: 1,000,000, adjustable). Starts and
    /// redrives beyond it are refused with ExecutionLimitExceeded.
    pub open_execution_limit: usize,
    /// The period after the stop in which a redrive is possible (documented: 14 days).
    pub redrivable_period_ms: u64,
    /// The longest time an execution may be open, counted from its start (documented: 1 year, taken
    /// as 365 days).
    pub max_open_ms: u64,
    /// A redrive needs a history shorter than this (documented: 24,999 events).
    pub history_event_limit: u64,
    /// How many client tokens an execution remembers (documented: the last 10 used successfully).
    pub remembered_tokens: usize,
    /// How long a client token is remembered after its first use (documented: up to 15 minutes).
    pub token_lifetime_ms: u64,
    /// Whether a period that has lasted exactly its length has not ended yet: 14 days, a year,
    /// 15 minutes (not established). Default true.
    pub last_moment_counts: bool,
    /// How long a redriven execution runs until its Fail state has failed again (observed: at
    /// once). Default 0: the next `advance` ends it.
    pub fail_state_ms: u64,
    /// How RedriveExecution refuses a child of a Map Run (not established).
    pub map_child_refusal: MapChildRefusal,
    /// How long a Map Run's children are PENDING_REDRIVE once their parent is redriven. Default
    /// 1000.
    pub pending_redrive_ms: u64,
    /// Whether the terminal event of an aborted or timed-out execution follows from no event:
    /// `previousEventId` 0. Observed for ExecutionAborted; taken to hold for ExecutionTimedOut.
    /// Default true; otherwise it follows from the last event.
    pub interruption_follows_nothing: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            describe_lag_ms: 0,
            list_lag_ms: 0,
            history_lag_ms: 0,
            lag_of_a_thousand: 1000,
            announce_map_children: true,
            announce_running_after_redrive: true,
            redrive_date_in_event: EventDate::Milliseconds,
            open_execution_limit: 1_000_000,
            redrivable_period_ms: 14 * DAY,
            max_open_ms: 365 * DAY,
            history_event_limit: 24_999,
            remembered_tokens: 10,
            token_lifetime_ms: 15 * 60 * 1000,
            last_moment_counts: true,
            fail_state_ms: 0,
            map_child_refusal: MapChildRefusal::LabeledArn,
            pending_redrive_ms: 1000,
            interruption_follows_nothing: true,
        }
    }
}

impl Options {
    /// Whether a period of `length` that began at `since` is over at `now`.
    pub(super) const fn is_over(&self, since: u64, length: u64, now: u64) -> bool {
        let lasted = now.saturating_sub(since);
        lasted > length || (lasted == length && !self.last_moment_counts)
    }

    /// The moment that an answer shows whose lag is `lag` at most.
    pub(super) const fn shown(&self, now: u64, lag: u64) -> u64 {
        now.saturating_sub(lag.saturating_mul(self.lag_of_a_thousand) / 1000)
    }

    /// How far back an answer may look: what happened earlier need not be kept.
    pub(super) fn longest_lag(&self) -> u64 {
        self.describe_lag_ms.max(self.list_lag_ms)
    }
}

/// The form of a date in an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventDate {
    /// An integer, milliseconds since the epoch.
    Milliseconds,
    /// A number, seconds since the epoch.
    Seconds,
    /// A string, RFC 3339 in whole seconds.
    Rfc3339,
}

/// How RedriveExecution refuses a child of a Map Run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapChildRefusal {
    /// `ValidationException` with the modelled reason `API_DOES_NOT_SUPPORT_LABELED_ARNS`, before
    /// anything else is looked at: none of the documented reasons of ExecutionNotRedrivable fits.
    LabeledArn,
    /// `ExecutionNotRedrivable`, with words of our own.
    NotRedrivable,
}
