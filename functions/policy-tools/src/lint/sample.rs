//! Sample failures for comparison with rules.

use redrive_core::failure::{ExecutionStatus, FailedExecution, Field, Redrivable};

/// Returns a failed execution with only these values. State and resource are unknown.
pub(crate) fn execution(
    status: ExecutionStatus,
    error: Field<String>,
    cause: Field<String>,
) -> FailedExecution {
    FailedExecution {
        status,
        redrive_count: Field::Known(0),
        redrivable: Field::Known(Redrivable::Yes),
        started: None,
        state_machine_arn: None,
        version_arn: None,
        error,
        cause,
        parent: Field::Absent,
        fail_state: Field::Unknown,
        state: Field::Unknown,
        resource: Field::Unknown,
        changed_since: None,
    }
}
