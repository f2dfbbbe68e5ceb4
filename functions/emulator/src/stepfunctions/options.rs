//! Options for behaviour of the real service that is not established, or that differs from call to call.

/// The launch of RedriveExecution: 2023-11-15T00:00:00Z (the day is documented, the hour is not).
pub const REDRIVE_LAUNCH: u64 = 1_700_006_400_000;

const DAY: u64 = 24 * 60 * 60 * 1000;

/// The emulated service's behaviour where documents are silent or the real service is not constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// DescribeExecution answers the state from before a transition until this time has passed. A newly started
    /// execution does not exist before then. The lag is documented as eventual consistency, without a figure. Default
    /// 0.
    pub describe_lag_ms: u64,
    /// The same lag for ListExecutions. Default 0.
    pub list_lag_ms: u64,
    /// The time for which GetExecutionHistory lacks a new event. Default 0.
    pub history_lag_ms: u64,
    /// The part of its lag that the next answer has, in thousandths, since answers need not have equal lags.
    pub lag_of_a_thousand: u64,
    /// Whether the children of a Map Run emit status-change events (not established). Default true, which is the
    /// harder case for a consumer that must ignore the children.
    pub announce_map_children: bool,
    /// Whether a redrive emits a RUNNING event of its own (expected, never captured). Default true.
    pub announce_running_after_redrive: bool,
    /// The form of a `redriveDate` in events (never captured). Default milliseconds, as for `startDate`.
    pub redrive_date_in_event: EventDate,
    /// Maximum open executions of the account and region (documented: 1,000,000, adjustable). Further starts and
    /// redrives are refused with ExecutionLimitExceeded.
    pub open_execution_limit: usize,
    /// The period after the stop in which a redrive is possible (documented: 14 days).
    pub redrivable_period_ms: u64,
    /// The longest time for which an execution may be open, counted from its start (documented: 1 year, taken as 365
    /// days).
    pub max_open_ms: u64,
    /// A redrive needs a history shorter than this (documented: 24,999 events).
    pub history_event_limit: u64,
    /// Maximum client tokens that an execution remembers (documented: the last 10 used successfully).
    pub remembered_tokens: usize,
    /// The time for which a client token is remembered after its first use (documented: up to 15 minutes).
    pub token_lifetime_ms: u64,
    /// Whether a period that has lasted exactly its length is not over yet: 14 days, a year, 15 minutes (not
    /// established). Default true.
    pub last_moment_counts: bool,
    /// The time that a redriven execution runs until its Fail state fails again (observed: at once). Default 0: the
    /// next `advance` ends the execution.
    pub fail_state_ms: u64,
    /// The refusal of RedriveExecution for a child of a Map Run (not established).
    pub map_child_refusal: MapChildRefusal,
    /// The time for which a Map Run's children are PENDING_REDRIVE once their parent is redriven. Default 1000.
    pub pending_redrive_ms: u64,
    /// Whether the terminal event of an aborted or timed-out execution follows from no event: `previousEventId` 0.
    /// Observed for ExecutionAborted, and assumed for ExecutionTimedOut. Default true; otherwise the event follows
    /// from the last event.
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
    /// Returns whether a period of `length` that began at `since` is over at `now`.
    pub(super) const fn is_over(&self, since: u64, length: u64, now: u64) -> bool {
        let lasted = now.saturating_sub(since);
        lasted > length || (lasted == length && !self.last_moment_counts)
    }

    /// Returns the time whose state an answer shows, if the answer's maximum lag is `lag`.
    pub(super) const fn shown(&self, now: u64, lag: u64) -> u64 {
        now.saturating_sub(lag.saturating_mul(self.lag_of_a_thousand) / 1000)
    }

    /// Returns the longest lag of an answer. Phases from further back need not be kept.
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

/// The refusal of RedriveExecution for a child of a Map Run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapChildRefusal {
    /// `ValidationException` with the modelled reason `API_DOES_NOT_SUPPORT_LABELED_ARNS`, before any other check.
    /// None of the documented reasons of ExecutionNotRedrivable fits.
    LabeledArn,
    /// `ExecutionNotRedrivable`, with a message of our own.
    NotRedrivable,
}
