//! The liveness invariants, which must hold once the simulation has healed.

use std::time::Duration;

use redrive_core::failure::Subject;
use redrive_core::ledger::State;
use redrive_core::time::Time;
use serde_json::{Value, json};

use super::invariants::is_same;
use super::simulation::Simulation;
use super::subjects::name;
use super::workload;
use crate::kernel::Deployed;

impl Simulation {
    /// Checks L2, once the simulation has healed.
    pub(super) fn leases(&self, healed: Time) {
        // The grace covers one sweep after the lease and a clock that is behind. An entry written before the heal may
        // hold a lease set by a clock that is ahead.
        let grace = Duration::from_secs(300 * 2 + 150);
        for entry in self.entries().iter() {
            if entry.state == State::Acting
                && let Some(lease) = &entry.lease
            {
                let late = self.now().since(lease.until.max(healed));
                self.invariants.borrow_mut().demand(
                    late <= grace,
                    "L2, no claim is older than its lease and one sweep",
                    || format!("{} since {late:?}", name(&entry.subject)),
                );
            }
        }
    }

    /// Checks L1: every failure has reached a final state in the ledger.
    pub(super) fn finish(&self, sound: &Deployed) {
        for actor in &self.actors {
            let Some(truth) = self.truth(&actor.subject) else {
                continue;
            };
            let Some(failure_id) = truth.failed else {
                continue;
            };
            if truth.hands_off == Some(workload::BEFORE_SINCE) {
                continue;
            }
            if sound.document.policy_for(&actor.subject).is_none()
                || self.is_ignored(&actor.subject)
            {
                continue;
            }
            let key = actor.subject.key();
            if self.invariants.borrow().has_expired(&key, &failure_id) {
                // The entry had a final state before TTL removed it.
                continue;
            }
            let entries = self.entries();
            let entry = entries.read(&actor.subject);
            let ended = entry.is_some_and(|entry| {
                is_same(&entry.failure_id, &failure_id)
                    && matches!(
                        entry.state,
                        State::GivenUp | State::Observed | State::Terminated
                    )
            });
            self.invariants
                .borrow_mut()
                .demand(ended, "L1, every failure ends", || {
                    format!(
                        "{} is {} with {failure_id:?}, and its entry is {:?}",
                        name(&actor.subject),
                        truth.word,
                        entry.map(|entry| (entry.state, entry.reason(), &entry.failure_id))
                    )
                });
        }
    }

    /// Returns whether the functions ignore a failure: AWS would not retry it, or a later execution occupies its
    /// stage.
    fn is_ignored(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Execution { arn } => {
                let body = json!({ "executionArn": arn });
                let shown = self.call(arn, "DescribeExecution", &body);
                shown.is_ok_and(|shown| shown.get("redriveStatus") != Some(&json!("REDRIVABLE")))
            }
            Subject::Stage { execution_id, .. } => {
                let body = json!({ "name": subject.target() });
                let Ok(shown) = self.call(subject.arn(), "GetPipelineState", &body) else {
                    return true;
                };
                let stages = shown.get("stageStates").and_then(Value::as_array);
                stages.into_iter().flatten().any(|stage| {
                    let latest = stage.pointer("/latestExecution/pipelineExecutionId");
                    stage.get("stageName") == Some(&json!(workload::STAGE))
                        && latest.is_some_and(|latest| latest != execution_id.as_str())
                })
            }
        }
    }
}
