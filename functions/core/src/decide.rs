//! The decision: pure, and lazy about facts.
//!
//! A failure is judged with the known facts, and an unknown fact takes its most favourable value. If the verdict is
//! still not a retry, no fact can make it one, and no fact is looked up. Only a retry that rests on an assumption names
//! the fact that would confirm it, the cheapest first.

use alloc::vec::Vec;
use core::time::Duration;

use crate::codepipeline::failure::stage_refused;
use crate::digest;
use crate::failure::{
    FailedExecution, FailedStage, Failure, FailureDetail, Field, Need, Redrivable, Service,
};
use crate::ledger::{Entry, Relation, Timing};
use crate::policy::{Document, FailureView, Match, Nested, Policy, Rule};
use crate::time::Time;
use crate::verdict::{Charge, Decision, Reason, StageRetryMode, Verdict};
use crate::view;

/// The result of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The verdict.
    Verdict(Verdict),
    /// The verdict depends on this fact.
    Need(Need),
    /// The verdict depends on how often the subject was retried: its ledger entry must be read.
    Entry,
}

/// The state of knowledge about a subject's entry.
#[derive(Debug, Clone, Copy)]
pub enum LedgerView<'a> {
    /// The ledger was not read. Enough for a subject that AWS says was never retried.
    NotRead,
    /// The ledger has no entry. If AWS counts retries of the subject, every rule counts as used that often.
    Empty,
    /// The subject's entry.
    Entry(&'a Entry),
}

/// Judges one failure.
#[must_use]
pub fn decide(document: &Document, failure: &Failure, ledger_view: LedgerView<'_>) -> Answer {
    decide_on(document, failure, failure.views(), ledger_view)
}

/// Judges one failure, as `views` show it.
pub(crate) fn decide_on(
    document: &Document,
    failure: &Failure,
    views: Vec<FailureView<'_>>,
    ledger_view: LedgerView<'_>,
) -> Answer {
    let judged = Judge::new(document, failure, views, ledger_view).judge();
    if judged.verdict.decision != Decision::Retry {
        return Answer::Verdict(judged.verdict);
    }
    match judged.needs.first() {
        // The ledger is cheaper to read than a history, whose call has the scarcest quota.
        Some(Need::FailedState | Need::History) | None if judged.needs_entry => Answer::Entry,
        Some(need) => Answer::Need(*need),
        None => Answer::Verdict(judged.verdict),
    }
}

/// Returns the verdict if no fact speaks against a retry, and the facts on which it depends.
#[must_use]
pub fn decide_optimistically(document: &Document, failure: &Failure) -> (Verdict, Vec<Need>) {
    let judged = Judge::new(document, failure, failure.views(), LedgerView::Empty).judge();
    let needs = if judged.verdict.decision == Decision::Retry {
        judged.needs
    } else {
        Vec::new()
    };
    (judged.verdict, needs)
}

/// Returns whether the current policy still allows the retry that an entry holds.
///
/// INVARIANT: the current policy can only withdraw the retry. A rule that is gone, forbids, or has less room does so;
/// nothing else is judged again.
#[must_use]
pub fn still_allows(document: &Document, entry: &Entry) -> bool {
    let Some(policy) = document.policy_for(&entry.subject) else {
        return false;
    };
    let same_policy = entry.verdict.policy.as_deref() == Some(policy.name.as_str());
    let before = entry.prior_retries;
    let room = |charge: &Charge| {
        // The count includes the charge of this retry already.
        policy.automatic.iter().any(|rule| {
            // A charge at the DynamoDB limit keeps that limit while the rule still has it.
            let limit = match rule.dynamodb_limit {
                Some(more) if charge.limit == more => more,
                _ => rule.limit,
            };
            rule.id == charge.rule
                && entry
                    .rule_usage(&policy.name, &rule.id)
                    .saturating_add(before)
                    <= limit
        })
    };
    same_policy
        && entry.retries.saturating_add(before) <= document.per_execution
        && entry.verdict.rules.iter().all(room)
}

/// Returns whether the verdict of an entry was made by a policy that was deployed later than this one.
///
/// INVARIANT: such a policy withdraws nothing.
///
/// RACE: a process with the previous policy against one with the later policy. The retry waits for the later policy.
/// After `policy_overlap` no process has the previous policy, so the older policy was deployed again. It then judges as
/// usual.
#[must_use]
pub fn is_outdated(document: &Document, entry: &Entry, now: Time, timing: &Timing) -> bool {
    let versions = document
        .deployed
        .as_ref()
        .zip(entry.verdict.policy_version.as_ref());
    let waited = entry
        .outdated_since
        .map_or(Duration::ZERO, |since| now.since(since));
    versions.is_some_and(|(ours, theirs)| ours.is_before(theirs)) && waited < timing.policy_overlap
}

/// Returns the verdict on a failure whose facts are all known, as `views` show it.
#[must_use]
pub fn verdict_on(
    document: &Document,
    failure: &Failure,
    views: Vec<FailureView<'_>>,
    ledger_view: LedgerView<'_>,
) -> Verdict {
    Judge::new(document, failure, views, ledger_view)
        .judge()
        .verdict
}

struct Judged {
    verdict: Verdict,
    needs: Vec<Need>,
    needs_entry: bool,
}

struct Judge<'a> {
    document: &'a Document,
    failure: &'a Failure,
    views: Vec<FailureView<'a>>,
    ledger_view: LedgerView<'a>,
    needs: Vec<Need>,
    needs_entry: bool,
    depends_on_redacted: bool,
}

impl<'a> Judge<'a> {
    const fn new(
        document: &'a Document,
        failure: &'a Failure,
        views: Vec<FailureView<'a>>,
        ledger_view: LedgerView<'a>,
    ) -> Self {
        Self {
            document,
            failure,
            views,
            ledger_view,
            needs: Vec::new(),
            needs_entry: false,
            depends_on_redacted: false,
        }
    }

    fn judge(mut self) -> Judged {
        let mut verdict = self.verdict();
        verdict.policy_version.clone_from(&self.document.deployed);
        // The order of lookups: facts of one call before facts of several calls.
        self.needs.sort_unstable();
        self.needs.dedup();
        Judged {
            verdict,
            needs: self.needs,
            needs_entry: self.needs_entry,
        }
    }

    fn verdict(&mut self) -> Verdict {
        let not_ours = match &self.failure.detail {
            FailureDetail::Execution(execution) => self.execution_not_ours(execution),
            FailureDetail::Stage(stage) => self.stage_not_ours(stage),
        };
        if let Some(reason) = not_ours {
            return Verdict::ignore(reason);
        }
        let Some(policy) = self.document.policy_for(&self.failure.subject) else {
            return Verdict::ignore(Reason::Unmanaged);
        };
        let refused = match &self.failure.detail {
            FailureDetail::Execution(execution) => self.execution_refused(execution, policy),
            FailureDetail::Stage(stage) => {
                stage_refused(stage).or_else(|| self.job_stopped_by_user())
            }
        };
        if let Some(reason) = refused {
            return Verdict::give_up(reason, &policy.name);
        }
        let views = core::mem::take(&mut self.views);
        for view in &views {
            for conditions in &self.document.never {
                if self.assume(conditions.matches(view), view.service, false) {
                    return Verdict::give_up(Reason::DeniedByPolicy, &policy.name);
                }
            }
        }
        let verdict = self.by_rules(policy, &views);
        if verdict.decision == Decision::Retry && self.depends_on_redacted {
            return Verdict::give_up(Reason::CauseWithheld, &policy.name);
        }
        verdict
    }

    fn execution_not_ours(&mut self, execution: &FailedExecution) -> Option<Reason> {
        if let Some(reason) = execution.changed_since {
            return Some(reason);
        }
        if execution.redrive_count.is_unknown() {
            self.needs.push(Need::Description);
        }
        match execution.redrivable {
            Field::Known(Redrivable::Yes) => None,
            Field::Known(Redrivable::ByMapRun) => Some(Reason::MapRunChild),
            Field::Known(Redrivable::No) => Some(Reason::NotRedrivable),
            _ => {
                self.needs.push(Need::Description);
                None
            }
        }
    }

    fn execution_refused(
        &mut self,
        execution: &FailedExecution,
        policy: &Policy,
    ) -> Option<Reason> {
        if policy.nested == Nested::Parent {
            match execution.parent {
                Field::Known(_) => return Some(Reason::ParentRetries),
                Field::Absent => {}
                Field::Unknown => self.needs.push(Need::Description),
                Field::Redacted => self.depends_on_redacted = true,
            }
        }
        if let Some(reason) = self.job_stopped_by_user() {
            return Some(reason);
        }
        match execution.fail_state {
            Field::Known(true) => Some(Reason::FailState),
            Field::Known(false) => None,
            Field::Redacted => {
                self.depends_on_redacted = true;
                None
            }
            Field::Unknown | Field::Absent => {
                self.needs.push(Need::History);
                None
            }
        }
    }

    /// Returns whether a person stopped the job inside.
    ///
    /// INVARIANT: an incomplete event, or a KMS key that hides the cause, never leads to a retry that undoes the stop.
    fn job_stopped_by_user(&mut self) -> Option<Reason> {
        for view in &self.views {
            match (view.by_person, view.service) {
                (Field::Known(true), _) => return Some(Reason::JobStoppedByUser),
                (Field::Unknown, Service::StepFunctions) => self.needs.push(Need::Description),
                // INVARIANT: a stage is read before any retry of it.
                (Field::Unknown, Service::CodePipeline) => {}
                (Field::Redacted, _) => self.depends_on_redacted = true,
                (Field::Known(false) | Field::Absent, _) => {}
            }
        }
        None
    }

    fn stage_not_ours(&mut self, stage: &FailedStage) -> Option<Reason> {
        match &stage.snapshot {
            Field::Known(snapshot) => snapshot.not_ours(),
            _ => {
                self.needs.push(Need::PipelineState);
                None
            }
        }
    }

    /// Returns `hoped` for an open match, and notes the fact on which the match depends.
    fn assume(&mut self, matched: Match, service: Service, hoped: bool) -> bool {
        match matched {
            Match::Yes => true,
            Match::No => false,
            Match::Unknown(key) => {
                self.needs.push(view::need(key, service));
                hoped
            }
            Match::Redacted => {
                self.depends_on_redacted = true;
                hoped
            }
        }
    }

    fn by_rules(&mut self, policy: &'a Policy, views: &[FailureView<'_>]) -> Verdict {
        let mut found: Vec<(&'a Rule, u32)> = Vec::new();
        for view in views {
            let mut matching = None;
            for rule in &policy.automatic {
                let limit = rule.limit_for(view);
                let has_room = self.used(policy, rule) < limit;
                // The favourable assumption: a rule that may match does so if it has room, and does not if it has none.
                if self.assume(
                    rule.conditions.matches_by_name(view),
                    view.service,
                    has_room,
                ) {
                    matching = Some((rule, limit));
                    break;
                }
            }
            match matching {
                Some((rule, limit)) if !found.iter().any(|(other, _)| other.id == rule.id) => {
                    found.push((rule, limit));
                }
                Some(_) => {}
                None => return Verdict::give_up(Reason::Unmatched, &policy.name),
            }
        }
        let charge = |(rule, limit): &(&Rule, u32)| Charge {
            rule: rule.id.clone(),
            description: rule.description.clone(),
            used: self.used(policy, rule),
            limit: *limit,
        };
        let rules: Vec<Charge> = found.iter().map(charge).collect();
        let refuse = |reason, rules| Verdict {
            rules,
            ..Verdict::give_up(reason, &policy.name)
        };
        if rules.iter().any(|charge| charge.limit == 0) {
            return refuse(Reason::Forbidden, rules);
        }
        if rules.iter().any(|charge| charge.used >= charge.limit) {
            return refuse(Reason::LimitSpent, rules);
        }
        if self.retries() >= self.document.per_execution {
            return refuse(Reason::BudgetSpent, rules);
        }
        let delay = |(rule, _): &(&Rule, u32)| {
            let n = self.used(policy, rule).saturating_add(1);
            rule.backoff.delay_seconds(n, self.draw(&rule.id, n))
        };
        let delay_seconds = found.iter().map(delay).max().unwrap_or_default();
        let all_actions = !found.is_empty()
            && found
                .iter()
                .all(|(rule, _)| rule.retry_mode == StageRetryMode::AllActions);
        self.needs_entry = matches!(self.ledger_view, LedgerView::NotRead)
            && self.failure.retried_before().is_none_or(|times| times > 0);
        Verdict {
            decision: Decision::Retry,
            reason: Reason::Matched,
            policy: Some(policy.name.clone()),
            policy_version: None,
            rules,
            delay_seconds,
            retry_mode: if all_actions {
                StageRetryMode::AllActions
            } else {
                StageRetryMode::FailedActions
            },
        }
    }

    fn used(&self, policy: &Policy, rule: &Rule) -> u32 {
        match self.ledger_view {
            LedgerView::NotRead => 0,
            LedgerView::Empty => self.failure.retried_before().unwrap_or_default(),
            LedgerView::Entry(entry) => {
                let pending = self.unmade(entry)
                    && entry.verdict.policy.as_deref() == Some(policy.name.as_str())
                    && entry
                        .verdict
                        .rules
                        .iter()
                        .any(|charge| charge.rule == rule.id);
                entry
                    .rule_usage(&policy.name, &rule.id)
                    .saturating_sub(u32::from(pending))
                    .saturating_add(entry.prior_retries)
            }
        }
    }

    fn retries(&self) -> u32 {
        match self.ledger_view {
            LedgerView::NotRead => 0,
            LedgerView::Empty => self.failure.retried_before().unwrap_or_default(),
            LedgerView::Entry(entry) => entry
                .retries
                .saturating_sub(u32::from(self.unmade(entry)))
                .saturating_add(entry.prior_retries),
        }
    }

    /// Returns whether this failure follows somebody else's retry, while the entry's own retry is still unsent.
    ///
    /// The write of this failure then refunds the charge of the unsent retry.
    fn unmade(&self, entry: &Entry) -> bool {
        entry.is_refundable()
            && self.failure.failure_id().is_none_or(|failure_id| {
                entry.relation_at(&failure_id, self.failure.at) == Relation::Later
            })
    }

    /// Returns the random draw for a delay. INVARIANT: the same failure always draws the same number.
    ///
    /// `redriveCount` numbers an execution's failures. A stage's events carry no number, so the rule's use count does.
    fn draw(&self, rule: &str, n: u32) -> u64 {
        let number = match &self.failure.detail {
            FailureDetail::Execution(execution) => {
                execution.redrive_count.known().copied().unwrap_or_default()
            }
            FailureDetail::Stage(_) => n,
        };
        digest::draw(&[
            b"delay",
            self.failure.subject.key().as_bytes(),
            &number.to_be_bytes(),
            rule.as_bytes(),
        ])
    }
}

#[cfg(test)]
mod tests;
