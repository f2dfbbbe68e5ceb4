//! A failure to hold rules against.

use redrive_core::failure::{ExecutionStatus, FailedExecution, Field, Redrivable};

/// A failed execution of which only this is given; state and resource are open.
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
