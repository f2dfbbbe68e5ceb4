//! The actors beside the functions: people at the console, TTL, and deployments.

use std::rc::Rc;
use std::time::Duration;

use redrive_core::controller::RunMode;
use redrive_core::failure::Subject;
use redrive_core::ledger::{Entry, State};
use redrive_core::rate_limiter::Micros;
use redrive_core::services::Service;
use redrive_core::verdict::Reason;
use redrive_emulator::codepipeline::StageRetryMode;
use serde_json::{Value, json};

use super::fault_plan::FaultClass;
use super::policies;
use super::simulation::Simulation;
use super::subjects::{Truth, name};
use super::workload::{Actor, STAGE};
use crate::kernel::Deployed;

impl Simulation {
    /// Gives people, TTL and deployments a chance to act. Returns the entry whose retry a person wants to cancel.
    pub(super) fn life(&self) -> Option<Subject> {
        if self.occurs(FaultClass::PersonRetries) {
            let retries = |which: fn(&Truth) -> bool| {
                self.person(|actor, now| {
                    let truth = self.truth(&actor.subject)?;
                    which(&truth).then(|| self.retries(&actor.subject, now))?
                })
            };
            // A person may also restart a subject that a person stopped. Half of these acts try that first.
            let stopped = |truth: &Truth| matches!(truth.word, "ABORTED" | "Stopped");
            if !(self.coin() && retries(stopped)) {
                retries(|truth| truth.failed.is_some());
            }
        }
        if self.occurs(FaultClass::PersonStops) {
            self.person(|actor, now| self.stops(&actor.subject, now));
        }
        if self.occurs(FaultClass::PersonReleases) {
            self.person(|actor, _| self.releases(&actor.subject));
        }
        if self.occurs(FaultClass::PersonEdits) {
            self.person(|actor, _| self.edits(&actor.subject));
        }
        if self.occurs(FaultClass::PersonDeletes) {
            self.person(|actor, _| self.deletes(&actor.subject));
        }
        if self.occurs(FaultClass::EntryExpired) {
            self.expires();
        }
        if self.occurs(FaultClass::PolicyChanged) {
            self.changes_policy();
        }
        if self.occurs(FaultClass::ModeChanged) {
            let mode = *self
                .fault_plan
                .borrow_mut()
                .pick(&[
                    RunMode::Observe,
                    RunMode::Observe,
                    RunMode::Act,
                    RunMode::Act,
                    RunMode::Act,
                    RunMode::Off,
                ])
                .unwrap_or(&RunMode::Act);
            self.deployed.borrow_mut().mode = mode;
            self.trace(|| format!("mode {mode:?} is deployed"));
        }
        if self.occurs(FaultClass::SlotsTaken) {
            let mut entries = self.entries();
            for service in Service::ALL {
                let span = self.span(1_000, 1_200_000);
                entries.reserve(service, Micros::from(self.now()), Micros::from(span));
            }
        }
        if self.occurs(FaultClass::PersonCancels) {
            let entries = self.entries();
            let queued: Vec<&Entry> = entries
                .iter()
                .filter(|entry| entry.state == State::Queued)
                .collect();
            let picked = self
                .fault_plan
                .borrow_mut()
                .pick(&queued)
                .map(|entry| entry.subject.clone());
            return picked;
        }
        None
    }

    /// Lets a person act on the first actor that permits it, starting at a random actor. Returns whether there was
    /// such an actor.
    fn person(&self, act: impl Fn(&Actor, u64) -> Option<&'static str>) -> bool {
        let first = self.fault_plan.borrow_mut().one_of(self.actors.len());
        let now = self.now().as_millis();
        let (later, earlier) = self.actors.split_at(first);
        for actor in earlier.iter().chain(later) {
            if let Some(did) = act(actor, now) {
                self.trace(|| format!("a person {did} {}", name(&actor.subject)));
                self.invariants
                    .borrow_mut()
                    .person(self.now(), actor.subject.key());
                return true;
            }
        }
        false
    }

    fn retries(&self, subject: &Subject, now: u64) -> Option<&'static str> {
        let mut region = self.region();
        let done = match subject {
            Subject::Execution { arn } => region.stepfunctions.person_redrives(now, arn),
            Subject::Stage { execution_id, .. } => {
                let mode = if self.fault_plan.borrow_mut().coin() {
                    StageRetryMode::FailedActions
                } else {
                    StageRetryMode::AllActions
                };
                region
                    .codepipeline
                    .person_retries(now, subject.target(), STAGE, execution_id, mode)
            }
        };
        done.is_ok().then_some("retries")
    }

    fn stops(&self, subject: &Subject, now: u64) -> Option<&'static str> {
        let truth = self.truth(subject)?;
        if truth.failed.is_some() || truth.succeeded {
            return None;
        }
        let mut region = self.region();
        let done = match subject {
            Subject::Execution { arn } => region.stepfunctions.person_stops(now, arn, None, None),
            Subject::Stage { execution_id, .. } => {
                let abandon = self.fault_plan.borrow_mut().coin();
                region.codepipeline.person_stops(
                    now,
                    subject.target(),
                    execution_id,
                    abandon,
                    "enough",
                )
            }
        };
        done.is_ok().then_some("stops")
    }

    fn releases(&self, subject: &Subject) -> Option<&'static str> {
        let Subject::Stage { .. } = subject else {
            return None;
        };
        self.truth(subject)?;
        let body = json!({ "name": subject.target() });
        self.call(subject.arn(), "StartPipelineExecution", &body)
            .is_ok()
            .then_some("releases a change over")
    }

    fn edits(&self, subject: &Subject) -> Option<&'static str> {
        let Subject::Stage { .. } = subject else {
            return None;
        };
        self.truth(subject)?;
        let body = json!({ "name": subject.target() });
        let mut shown = self.call(subject.arn(), "GetPipeline", &body).ok()?;
        let pipeline = shown.get_mut("pipeline")?;
        let stages = pipeline.get_mut("stages").and_then(Value::as_array_mut)?;
        stages.push(json!({
            "name": format!("Stage{}", stages.len()),
            "actions": [{
                "name": "Deploy", "runOrder": 1,
                "actionTypeId": { "category": "Deploy", "owner": "AWS", "provider": "S3", "version": "1" },
            }],
        }));
        let body = json!({ "pipeline": pipeline.clone() });
        let done = self.call(subject.arn(), "UpdatePipeline", &body);
        done.is_ok().then_some("edits the pipeline of")
    }

    fn deletes(&self, subject: &Subject) -> Option<&'static str> {
        let Subject::Stage { .. } = subject else {
            return None;
        };
        self.truth(subject)?;
        let body = json!({ "name": subject.target() });
        self.call(subject.arn(), "DeletePipeline", &body)
            .is_ok()
            .then_some("deletes the pipeline of")
    }

    /// Lets TTL remove an entry twenty minutes after its last write instead of thirty days. The entry has nothing
    /// pending, and no person's decision.
    fn expires(&self) {
        let now = self.now();
        let settled = |entry: &&Entry| {
            let done = matches!(entry.state, State::Retried | State::Observed)
                || (entry.state == State::GivenUp && entry.reason() != Reason::Cancelled);
            done && now.since(entry.updated_at) >= Duration::from_secs(20 * 60)
        };
        let entries = self.entries();
        let settled: Vec<&Entry> = entries.iter().filter(settled).collect();
        let picked = self
            .fault_plan
            .borrow_mut()
            .pick(&settled)
            .map(|entry| (*entry).clone());
        drop(entries);
        if let Some(entry) = picked {
            self.entries().remove(&entry.subject);
            self.invariants.borrow_mut().expired(&entry);
            self.trace(|| format!("TTL removes the entry of {}", name(&entry.subject)));
        }
    }

    /// Deploys a policy and a mode.
    pub(super) fn deploy(&self, deployed: Deployed) {
        let before = self.deployed.replace(deployed);
        self.replaced.replace(Some((self.now(), before.document)));
    }

    /// Deploys another policy, or the one before again: a rollback.
    fn changes_policy(&self) {
        let before = self.replaced.borrow().clone();
        let document = match before.filter(|_| self.coin()) {
            Some((_, before)) => before,
            None => {
                let text = policies::policy(&mut self.fault_plan.borrow_mut(), true);
                let number = self.policies.get() + 1;
                self.policies.set(number);
                match policies::deployed(&text, number) {
                    Ok(document) => document.into(),
                    Err(_) => return,
                }
            }
        };
        self.trace(|| format!("another policy is deployed: {:?}", document.deployed));
        let mode = self.deployed.borrow().mode;
        self.deploy(Deployed { document, mode });
    }

    /// Returns what a process has: what is deployed, or for a while after an update the policy before it.
    pub(super) fn deployed(&self) -> Deployed {
        let mut deployed = self.deployed.borrow().clone();
        if let Some((at, before)) = &*self.replaced.borrow()
            && self.now().since(*at) < self.timing.policy_overlap
            && self.occurs(FaultClass::PolicyOld)
        {
            deployed.document = Rc::clone(before);
        }
        deployed
    }
}
