//! Whether an event, an entry or a read can be trusted: what to do next with a failure. Pure, and the only place that
//! weighs AWS's lags, late events and retries by others against each other.
//!
//! A failure flows forward: its entry is read, its facts are looked up, it is judged. [`next_step`] names one step at a
//! time, each at most once.

use core::time::Duration;

use crate::cause::Ended;
use crate::decide::{Answer, LedgerView, decide_on};
use crate::failure::{Failure, FailureDetail, Field, Need};
use crate::ledger::{Entry, Relation, State, Timing};
use crate::policy::Document;
use crate::record::Outcome;
use crate::services;
use crate::time::Time;
use crate::verdict::{Decision, Reason, Verdict};

/// What is known about a failure before the next step.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The failure, with the facts that were looked up.
    pub failure: &'a Failure,
    /// How the work under each of its views ended.
    pub ended: &'a [Ended],
    /// The entry of its subject.
    pub ledger_view: LedgerView<'a>,
    /// The facts that were asked for.
    pub looked_up: &'a [Need],
}

/// The next step of handling a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Read the entry of the subject.
    ReadEntry,
    /// Look up a fact.
    LookUp(Need),
    /// Do nothing: the entry knows the failure already.
    SeenBefore(Outcome),
    /// Have the event delivered again, unless the entry [`covers`] it: AWS may not show yet what the event announced.
    NotVisibleYet,
    /// Act on the verdict.
    Judged(Verdict),
}

/// Returns the next step of handling a failure.
#[must_use]
pub fn next_step(document: &Document, known: Known<'_>, now: Time, timing: &Timing) -> Step {
    let failure = known.failure;
    let service = services::row(failure.subject.service());
    let numbered = service.numbers_failures;
    // A stale event may announce a failure long past, and its entry may have expired. The ledger is read first, and
    // without an entry the execution is described. A subject whose events number no failure is always read before any
    // write of its entry.
    let late = numbered && is_stale(failure.at, now, timing);
    let described = known.looked_up.contains(&Need::Description);
    match known.ledger_view {
        LedgerView::NotRead if late => return Step::ReadEntry,
        LedgerView::Empty if late && !described => return Step::LookUp(Need::Description),
        LedgerView::NotRead | LedgerView::Empty => {}
        LedgerView::Entry(entry) => {
            if let Some(outcome) = seen_before(entry, failure) {
                return Step::SeenBefore(outcome);
            }
            if numbered && !described && may_be_after(entry, failure, timing) {
                return Step::LookUp(Need::Description);
            }
        }
    }
    let views = failure.views_of(known.ended);
    let verdict = match decide_on(document, failure, views, known.ledger_view) {
        Answer::Entry => return Step::ReadEntry,
        Answer::Need(need) => return Step::LookUp(need),
        // INVARIANT: an entry holds what a read showed, not only what an event said. A stage is read first, and so is
        // an execution whose event does not number its failure.
        Answer::Verdict(verdict) if verdict.decision == Decision::GiveUp && !failure.is_read() => {
            return Step::LookUp(service.read);
        }
        Answer::Verdict(verdict) => verdict,
    };
    let overtaken = match known.ledger_view {
        LedgerView::Entry(entry) if numbered => may_be_overtaken(entry, failure, now, timing),
        _ => false,
    };
    if overtaken || may_be_read_late(failure, verdict.reason, now, timing) {
        return Step::NotVisibleYet;
    }
    Step::Judged(verdict)
}

/// Returns the outcome if an entry knows a failure already.
///
/// INVARIANT: a duplicate gets the first verdict, charges nothing, and never acts.
#[must_use]
pub fn seen_before(entry: &Entry, failure: &Failure) -> Option<Outcome> {
    match entry.relation_at(&failure.failure_id()?, failure.at) {
        Relation::Same => Some(Outcome::Duplicate),
        Relation::Earlier => Some(Outcome::Stale),
        Relation::Later => None,
    }
}

/// Returns whether an entry includes a failure that AWS does not show yet: the subject has advanced since.
#[must_use]
pub fn covers(entry: &Entry, failure: &Failure) -> bool {
    if services::row(failure.subject.service()).numbers_failures {
        return seen_before(entry, failure).is_some();
    }
    // An entry written since the failure includes it.
    entry.updated_at >= failure.at
}

/// Returns whether the target is read before the retry of a claim.
///
/// A retry at once follows the reads of its failure. A queued retry needs no read at first either: a later event of the
/// execution would have changed the entry, so the claim itself proves the state of the target. After a long wait lost
/// events weaken that proof.
///
/// A subject whose retry takes no token is always read after a wait: nothing else stops a second retry.
#[must_use]
pub fn verify_before_retry(entry: &Entry, queued: bool, now: Time, timing: &Timing) -> bool {
    let waited = now.since(entry.failed_at);
    let uncertain = if queued {
        let usual = timing.max_queue_delay.saturating_add(timing.overdue_after);
        !services::row(entry.subject.service()).takes_token || waited > usual
    } else {
        is_stale(entry.failed_at, now, timing)
    };
    uncertain || entry.in_doubt || entry.verify_before_retry
}

/// Returns whether the failure of an entry is so recent that a read may still show the subject before it.
#[must_use]
pub fn may_lag(entry: &Entry, now: Time, timing: &Timing) -> bool {
    now.since(entry.failed_at) < timing.read_lag.saturating_add(timing.max_clock_skew)
}

/// Returns whether a failure is so old that its event proves nothing about the target.
fn is_stale(failed_at: Time, now: Time, timing: &Timing) -> bool {
    now.since(failed_at) >= timing.stale_after
}

/// Returns whether an entry may have been written after a failure. Without AWS's `redriveDate`, the writer's clock may
/// be behind by `max_clock_skew`.
///
/// RACE: our redrive against a person's redrive. Ours may follow the person's, and so be the retry of this very failure.
fn may_be_after(entry: &Entry, failure: &Failure, timing: &Timing) -> bool {
    let apart = match entry.redriven {
        Some(_) => Duration::ZERO,
        None => timing.max_clock_skew,
    };
    entry.updated_at.plus(apart) > failure.at
}

/// Returns whether the FAILED event of a stage or action is so recent that a read may show an earlier state.
///
/// RACE: CodePipeline's reads against its events. A read may lag behind an event, and one read behind the other.
fn may_be_read_late(failure: &Failure, reason: Reason, now: Time, timing: &Timing) -> bool {
    let FailureDetail::Stage(stage) = &failure.detail else {
        return false;
    };
    let behind = matches!(&stage.snapshot, Field::Known(snapshot) if snapshot.runs_behind);
    // AWS announces one action's failure while other actions run.
    let early =
        stage.announced.is_none() && matches!(reason, Reason::Running | Reason::ActionsInProgress);
    let age = now.since(failure.at);
    let lag = timing.read_lag;
    // A stage judged by stale action runs would be retried for the wrong failure. Allow for clock skew as well.
    (early && age < lag) || (behind && age < lag.saturating_add(timing.max_clock_skew))
}

/// Returns whether an execution's failure may precede the last retry of its entry.
///
/// RACE: our redrive against a person's redrive. After the person's, ours restarts a later failure than intended.
/// Within `read_lag` of that write, a read may still show the execution's earlier state.
fn may_be_overtaken(entry: &Entry, failure: &Failure, now: Time, timing: &Timing) -> bool {
    (entry.state.is_claim() || entry.state == State::Retried || entry.in_doubt)
        && entry.updated_at > failure.at
        && now.since(entry.updated_at) < timing.read_lag
}

#[cfg(test)]
mod tests;
