//! Reads the containers of an ECS task, or of a Batch job's attempt.

use alloc::vec::Vec;

use redrive_policy::ConditionKey;

use super::extracted::{Extracted, exit_status};
use super::json::{Key, Value};
use super::reasons::Reasons;

/// Exit codes of a process that SIGKILL or SIGTERM ended.
const STOPPED: [i64; 2] = [137, 143];

/// The containers that ran together. The first exit code that is not 0 counts, in the list's order.
#[derive(Debug, Clone, Default)]
pub(super) struct Containers {
    /// A container that never started has none.
    exit_codes: Vec<i64>,
    is_one_essential: bool,
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
            [Key::ExitCode] => self.exit_codes.extend(value.whole()),
            [Key::Reason] => {
                if let Some(reason) = value.text() {
                    reasons.add(&reason);
                }
            }
            _ => return false,
        }
        true
    }

    /// Records that an essential container ended by itself, upon which ECS stopped the others.
    pub(super) const fn essential_exited(&mut self) {
        self.is_one_essential = true;
    }

    /// Returns these containers if one of them ended, else the others.
    pub(super) fn or<'c>(&'c self, other: &'c Self) -> &'c Self {
        match self.counting() {
            Some(_) => self,
            None => other,
        }
    }

    /// Returns how the containers ended. `is_lost` says whether their host went away.
    pub(super) fn extracted(&self, is_lost: bool) -> Extracted {
        // A process with an exit code ran to its end, so the worker was not lost.
        let exit_status = match self.counting() {
            Some(code) => exit_status(code),
            None => is_lost.then_some(-1),
        };
        Extracted::default().with(ConditionKey::ExitStatus, exit_status)
    }

    /// Returns the exit code that counts.
    fn counting(&self) -> Option<i64> {
        let ended = || self.exit_codes.iter().copied();
        // The exit code of a container that ECS stopped is not the failure.
        let is_own = |code: &i64| *code != 0 && !STOPPED.contains(code);
        let own = ended().find(|code| self.is_one_essential && is_own(code));
        own.or_else(|| ended().find(|code| *code != 0))
            .or_else(|| ended().next())
    }
}
