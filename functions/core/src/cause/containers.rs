//! Reads the containers of an ECS task, or of a Batch job's attempt.

use redrive_policy::ConditionKey;

use super::extracted::{Extracted, exit_status};
use super::json::{Key, Value};
use super::reasons::Reasons;

/// The containers that ran together. The first exit code that is not 0 counts, in the list's order.
#[derive(Debug, Clone, Default)]
pub(super) struct Containers {
    exit_code: Option<i64>,
}

impl Containers {
    /// Visits a container, or a member of it. Returns whether the member says how the container ended.
    pub(super) fn visit(
        &mut self,
        member: &[Key],
        value: Value<'_>,
        reasons: &mut Reasons,
    ) -> bool {
        match member {
            // A container that never started has no exit code.
            [Key::ExitCode] => {
                if let Some(code) = value.whole()
                    && self.exit_code.is_none_or(|first| first == 0)
                {
                    self.exit_code = Some(code);
                }
            }
            [Key::Reason] => {
                if let Some(reason) = value.text() {
                    reasons.add(&reason);
                }
            }
            _ => return false,
        }
        true
    }

    /// Returns these containers if one of them ended, else the others.
    pub(super) const fn or<'c>(&'c self, other: &'c Self) -> &'c Self {
        match self.exit_code {
            Some(_) => self,
            None => other,
        }
    }

    /// Returns how the containers ended. `is_lost` says whether their host went away.
    pub(super) fn extracted(&self, is_lost: bool) -> Extracted {
        // A process with an exit code ran to its end, so the worker was not lost.
        let exit_status = match self.exit_code {
            Some(code) => exit_status(code),
            None => is_lost.then_some(-1),
        };
        Extracted::default().with(ConditionKey::ExitStatus, exit_status)
    }
}
