//! Reads the sentences in which ECS and Batch say why something stopped.

use redrive_policy::{ConditionKey, SignalReason};

use super::extracted::Extracted;
use super::http;

/// The combined reasons of one job.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reasons {
    out_of_memory: bool,
    cannot_pull: bool,
    failed_to_start: bool,
    interrupted: bool,
    scaled_in: bool,
    host_lost: bool,
    no_place: bool,
    timed_out: bool,
    http_status: Option<u16>,
}

/// Words of a lack of memory in a member that contains only a reason.
const OUT_OF_MEMORY: [&str; 2] = ["OutOfMemory", "OOMKilled"];
/// The words of a lack of memory in other texts. A program's own words must not match: Java has an OutOfMemoryError
/// too.
const OUT_OF_MEMORY_IN_TEXT: &str = "OutOfMemoryError: Container killed";

/// Words of a lack of capacity, including those of EC2 and SageMaker.
// AWS: Stopped tasks error codes, API failure reasons (Amazon ECS), Jobs stuck in a RUNNABLE status (AWS Batch).
const NO_PLACE: [&str; 14] = [
    "Capacity is unavailable at this time",
    "RESOURCE:CPU",
    "RESOURCE:MEMORY",
    "RESOURCE:ENI",
    "RESOURCE:GPU",
    "No Container Instances were found in your cluster",
    "unable to place a task",
    "network interface provisioning",
    "CAPACITY:INSUFFICIENT",
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
    "InsufficientInstanceCapacity",
    "Unable to provision requested ML compute capacity",
    "We currently do not have sufficient",
];

impl Reasons {
    /// Adds the text of a member that contains a reason.
    pub(super) fn add(&mut self, reason: &str) {
        self.out_of_memory |= OUT_OF_MEMORY.iter().any(|word| reason.contains(word));
        self.add_text(reason);
    }

    /// Adds a text that may contain a reason.
    pub(super) fn add_text(&mut self, text: &str) {
        self.out_of_memory |= text.contains(OUT_OF_MEMORY_IN_TEXT);
        // CannotPullContainerError, CannotPullECRContainerError, CannotPullImageManifestError.
        self.cannot_pull |= text.contains("CannotPull");
        self.failed_to_start |=
            text.contains("TaskFailedToStart") || text.contains("Task failed to start");
        self.interrupted |= text.contains("Your Spot Task was interrupted");
        self.scaled_in |= text.contains("Scaling activity initiated by");
        // "Host EC2 (instance i-…) terminated." or stopped.
        self.host_lost |= text.contains("Host EC2 (") || text.trim_start().starts_with("Host EC2");
        self.no_place |= NO_PLACE.iter().any(|words| text.contains(words));
        self.timed_out |= text.contains("Job attempt duration exceeded timeout");
        self.http_status = self.http_status.or_else(|| http::status(text));
    }

    /// Adds a failure that the ECS API names in one word, such as RESOURCE:MEMORY or AGENT.
    pub(super) fn add_placement(&mut self, reason: &str) {
        self.no_place |= ["RESOURCE", "AGENT", "ATTRIBUTE", "LOCATION"]
            .iter()
            .any(|word| reason.starts_with(word));
        self.add(reason);
    }

    /// Records that the task never started, by a stop code or similar.
    pub(super) const fn failed_to_start(&mut self) {
        self.failed_to_start = true;
    }

    /// Records that the machine was taken away, by a stop code.
    pub(super) const fn interrupted(&mut self) {
        self.interrupted = true;
    }

    /// Returns whether the host is gone.
    pub(super) const fn is_host_lost(self) -> bool {
        self.host_lost
    }

    /// Returns whether the machine went away during the work.
    pub(super) const fn is_lost(self) -> bool {
        self.interrupted || self.host_lost
    }

    /// Returns whether a time limit or a lack of capacity ended the work. Then no person did.
    pub(super) const fn is_timed_out_or_without_place(self) -> bool {
        self.timed_out || self.no_place
    }

    /// Returns everything but the exit status, which depends on more than reasons.
    pub(super) fn extracted(self) -> Extracted {
        // A task that failed to start for lack of capacity has that reason beside its stop code. The more specific one
        // counts.
        let signal_reason = if self.is_lost() || self.scaled_in {
            Some(SignalReason::AgentStop)
        } else if self.timed_out {
            Some(SignalReason::Cancel)
        } else if self.cannot_pull {
            Some(SignalReason::ProcessRunError)
        } else if self.no_place {
            Some(SignalReason::StackError)
        } else if self.failed_to_start {
            Some(SignalReason::ProcessRunError)
        } else {
            None
        };
        Extracted::default()
            .with(
                ConditionKey::Signal,
                self.out_of_memory.then_some("SIGKILL"),
            )
            .with(ConditionKey::SignalReason, signal_reason)
            .with(ConditionKey::HttpStatus, self.http_status)
    }

    /// Combines two sets of reasons.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            out_of_memory: self.out_of_memory || other.out_of_memory,
            cannot_pull: self.cannot_pull || other.cannot_pull,
            failed_to_start: self.failed_to_start || other.failed_to_start,
            interrupted: self.interrupted || other.interrupted,
            scaled_in: self.scaled_in || other.scaled_in,
            host_lost: self.host_lost || other.host_lost,
            no_place: self.no_place || other.no_place,
            timed_out: self.timed_out || other.timed_out,
            http_status: self.http_status.or(other.http_status),
        }
    }
}
