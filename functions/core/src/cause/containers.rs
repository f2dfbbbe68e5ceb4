//! Reads the containers of an ECS task, or of a Batch job's attempt.

use alloc::borrow::Cow;
use alloc::string::String;
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
    list: Vec<Container>,
    is_one_essential: bool,
}

#[derive(Debug, Clone, Default)]
struct Container {
    name: Option<String>,
    /// A container that never started has none.
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
        match (member, self.list.last_mut()) {
            ([], _) => self.list.push(Container::default()),
            ([Key::Name], Some(last)) => {
                let name = value.text().filter(|name| !name.is_empty());
                last.name = name.map(Cow::into_owned);
            }
            ([Key::ExitCode], Some(last)) => last.exit_code = value.whole(),
            ([Key::Reason], _) => {
                if let Some(reason) = value.text() {
                    reasons.add(&reason);
                }
            }
            _ => {}
        }
        matches!(member, [Key::ExitCode | Key::Reason])
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
        let (exit_status, failed) = match self.counting() {
            Some((_, 0)) => (exit_status(0), None),
            Some((container, code)) => (exit_status(code), container.name.clone()),
            None => (is_lost.then_some(-1), None),
        };
        Extracted::default()
            .with(ConditionKey::ExitStatus, exit_status)
            .with(ConditionKey::Container, failed)
    }

    /// Returns the container that counts, with its exit code.
    fn counting(&self) -> Option<(&Container, i64)> {
        let ended = || {
            let list = self.list.iter();
            list.filter_map(|container| Some((container, container.exit_code?)))
        };
        // The exit code of a container that ECS stopped is not the failure.
        let is_own = |code: &i64| *code != 0 && !STOPPED.contains(code);
        let own = ended().find(|(_, code)| self.is_one_essential && is_own(code));
        own.or_else(|| ended().find(|(_, code)| *code != 0))
            .or_else(|| ended().next())
    }
}
