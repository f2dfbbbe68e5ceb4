//! The invariants, checked after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use redrive_core::controller::RunMode;
use redrive_core::failure::FailureId;
use redrive_core::ledger::{Entry, State, Timing};
use redrive_core::time::Time;
use redrive_core::verdict::{Decision, Reason, Verdict};

use super::subjects::{Retry, Truth, name};
use crate::kernel::Deployed;

/// The observations so far, and the first broken invariant.
#[derive(Debug, Default)]
pub(super) struct Invariants {
    pub(super) broken: Option<String>,
    /// Every stored claim: subject, revision, owner.
    claims: BTreeSet<(String, u64, String)>,
    /// The verdicts on a subject's recorded failures.
    verdicts: BTreeMap<String, Vec<(FailureId, Verdict)>>,
    /// Retries of ours that took effect, by subject, policy and rule.
    by_rule: BTreeMap<(String, String, String), u32>,
    /// Retries of ours that took effect, by subject.
    by_subject: BTreeMap<String, u32>,
    /// The earliest time for the retry of each subject's latest failure.
    not_before: BTreeMap<String, (FailureId, Time)>,
    /// The times at which people acted on a subject.
    people: Vec<(Time, String)>,
    /// The failures whose entry TTL removed too early, by subject.
    expired: BTreeMap<String, Vec<FailureId>>,
    /// The number of retries for a changed subject where a person acted between our last read and our call.
    pub(super) exempt: u32,
    /// The moves of entries.
    pub(super) moves: BTreeSet<Move>,
    /// The reasons that entries gave.
    pub(super) reasons: BTreeSet<Reason>,
    /// The number of recorded failures.
    pub(super) failures: u32,
    /// The longest time from a failure that is retried to its record in the ledger.
    pub(super) longest_wait: Duration,
    /// Failures that a retry of ours took effect on.
    reached: Vec<(String, FailureId)>,
    /// Failures whose retry AWS itself rejected.
    rejected: Vec<(String, FailureId)>,
}

/// How early a retry may be: 60 s for a message, 300 s for two clocks that differ, and 100 s for a write.
const MAY_BE_EARLY: Duration = Duration::from_secs(60 + 300 + 100);

/// A transition of an entry: the state before, the state after, and whether both are for the same failure of the subject.
pub type Move = (Option<State>, State, bool);

/// Returns whether an entry may move so. This table is independent of the ledger's own table.
pub(super) const fn may_move(from: Option<State>, to: State, same_failure: bool) -> bool {
    use State::{Acting, GivenUp, InDoubt, Observed, Queued, Recovered, Retried, Terminated};
    match (from, to, same_failure) {
        (None, Acting | Queued | GivenUp | Observed | Terminated, _) => true,
        (None, Retried | InDoubt | Recovered, _)
        | (Some(Recovered), _, _)
        | (Some(Terminated), Terminated, _) => false,
        // The subject failed again, or its run ended otherwise after a failure that was never handled.
        (Some(_), Acting | Queued | GivenUp | Observed | Terminated | Recovered, false) => true,
        (Some(_), Retried | InDoubt, false) => false,
        (Some(Queued), to, true) => {
            matches!(to, Acting | Queued | GivenUp | Recovered | Terminated)
        }
        (Some(Acting), to, true) => {
            matches!(
                to,
                Acting | Queued | Retried | InDoubt | GivenUp | Recovered | Terminated
            )
        }
        (Some(InDoubt), to, true) => {
            matches!(to, Acting | Recovered | Terminated)
        }
        (Some(Retried | GivenUp | Observed), to, true) => matches!(to, Recovered | Terminated),
        (Some(Terminated), to, true) => matches!(to, Recovered),
    }
}

impl Invariants {
    /// Records the first invariant that does not hold.
    pub(super) fn demand(&mut self, holds: bool, invariant: &str, what: impl FnOnce() -> String) {
        if !holds && self.broken.is_none() {
            self.broken = Some(format!("{invariant}: {}", what()));
        }
    }

    /// Records a person's act on a subject.
    pub(super) fn person(&mut self, at: Time, key: String) {
        self.people.push((at, key));
    }

    /// Records that TTL removed an entry before its time.
    pub(super) fn expired(&mut self, entry: &Entry) {
        let expired = self.expired.entry(entry.subject.key()).or_default();
        expired.push(entry.failure_id.clone());
    }

    /// Returns whether TTL removed a subject's entry for this failure before its time.
    pub(super) fn has_expired(&self, key: &str, failure_id: &FailureId) -> bool {
        let expired = self.expired.get(key).into_iter().flatten();
        expired.into_iter().any(|of| is_same(of, failure_id))
    }

    /// Returns whether a retry of ours took effect on a failure.
    pub(super) fn reached(&self, key: &str, failure_id: &FailureId) -> bool {
        let mut reached = self.reached.iter();
        reached.any(|(whose, failed)| whose == key && is_same(failed, failure_id))
    }

    /// Records that AWS itself rejected a retry.
    pub(super) fn rejected(&mut self, retry: &Retry) {
        let rejected = (retry.subject.key(), retry.failure_id.clone());
        self.rejected.push(rejected);
    }

    /// Checks a retry of ours that took effect. `before` is the subject's state before the retry. `charged` is the
    /// number of retries that the entry counts now. The entry counts the retries that were made, the retries that may
    /// have been made, and those that AWS counted before the entry was opened.
    pub(super) fn effect(&mut self, retry: &Retry, before: &Truth, charged: Option<u32>, at: Time) {
        let key = retry.subject.key();
        let of = || format!("{} by {}", name(&retry.subject), retry.by);
        self.demand(
            retry.mode == RunMode::Act,
            "S5, observe changes nothing",
            of,
        );
        self.demand(
            retry.verified,
            "S3, a target to verify is read before its retry",
            of,
        );
        let claim = (key.clone(), retry.claim.0, retry.claim.1.clone());
        let claimed = self.claims.contains(&claim);
        self.demand(claimed, "S2, no effect without an earlier claim", of);

        if let Some(failed) = &before.failed {
            self.reached.push((key.clone(), failed.clone()));
        }
        let same = before
            .failed
            .as_ref()
            .is_some_and(|now| is_same(now, &retry.failure_id));
        let allowed = before.hands_off.is_none();
        if !same || !allowed {
            let between = |(acted, whose): &(Time, String)| {
                *whose == key && *acted >= retry.read_at && *acted <= at
            };
            if self.people.iter().any(between) {
                self.exempt += 1;
            } else {
                self.demand(
                    same,
                    "S3, an effect hits the failure it was decided for",
                    || {
                        format!(
                            "{}: decided for {:?}, but it is {}, {:?}",
                            of(),
                            retry.failure_id,
                            before.word,
                            before.failed
                        )
                    },
                );
                self.demand(allowed, "S8, no person's decision is undone", || {
                    format!("{}: {}", of(), before.hands_off.unwrap_or_default())
                });
            }
        }

        if let Some((_, due)) = self
            .not_before
            .get(&key)
            .filter(|(failure_id, _)| is_same(failure_id, &retry.failure_id))
        {
            let early = due.since(at);
            self.demand(
                early <= MAY_BE_EARLY,
                "S6, the same failure has the same delay",
                || format!("{}: {} s too early", of(), early.as_secs()),
            );
        }

        let (policy, rules) = &retry.charges;
        for (rule, limit) in rules {
            let uses = self
                .by_rule
                .entry((key.clone(), policy.clone(), rule.clone()))
                .or_default();
            *uses += 1;
            let (uses, limit) = (*uses, *limit);
            self.demand(
                uses <= limit,
                "S1, retries of a rule stay within its limit",
                || format!("{}: {uses} by rule {rule}, whose limit is {limit}", of()),
            );
        }
        let retries = self.by_subject.entry(key.clone()).or_default();
        *retries += 1;
        let retries = *retries;
        let covered = charged.is_some_and(|charged| retries <= charged);
        let excused = self.expired.contains_key(&key);
        self.demand(
            covered || excused,
            "S1, what AWS did is charged or in doubt",
            || format!("{}: {retries} retries, the entry counts {charged:?}", of()),
        );
        self.demand(
            retries <= retry.per_execution,
            "S1, retries of a subject stay within per_execution",
            || format!("{}: {retries} of {}", of(), retry.per_execution),
        );
    }

    /// Checks a withdrawn retry against the policy of the process that wrote it.
    pub(super) fn withdrawn(&mut self, old: Option<&Entry>, new: &Entry, deployed: &Deployed) {
        let withdrawn = new.state == State::GivenUp && new.reason == Some(Reason::PolicyChanged);
        let ours = deployed.document.deployed.as_ref();
        let versions = ours.zip(new.verdict.policy_version.as_ref());
        if !withdrawn || deployed.mode != RunMode::Act {
            return;
        }
        let since = old.and_then(|old| old.outdated_since);
        let waited = since.map_or(Duration::ZERO, |since| new.updated_at.since(since));
        let older = versions.is_some_and(|(ours, theirs)| ours.is_before(theirs));
        self.demand(
            !older || waited >= Timing::default().policy_overlap,
            "S1, an older policy withdraws nothing",
            || {
                let refused = waited.as_secs();
                format!(
                    "{}: {versions:?}, refused for {refused} s",
                    name(&new.subject)
                )
            },
        );
    }

    /// Checks a written entry. `was_retried` says whether a subject that the entry records as restarted was
    /// restarted. `truth` is the real state of the subject.
    pub(super) fn written(
        &mut self,
        old: Option<&Entry>,
        new: &Entry,
        was_retried: bool,
        truth: Option<&Truth>,
        now: Time,
    ) {
        let key = new.subject.key();
        let of = || name(&new.subject);
        let from = old.map(|old| old.state);
        let same_failure = old.is_some_and(|old| old.failure_number == new.failure_number);
        self.moves.insert((from, new.state, same_failure));
        self.reasons.insert(new.reason());
        self.demand(
            may_move(from, new.state, same_failure)
                && new.revision == old.map_or(0, |old| old.revision) + 1,
            "S4, the ledger moves along its table",
            || {
                format!(
                    "{}: from {from:?} to {:?}, the failure is {}",
                    of(),
                    new.state,
                    if same_failure { "the same" } else { "another" }
                )
            },
        );
        if new.state == State::Acting {
            self.claims
                .insert((key.clone(), new.revision, new.written_by.0.clone()));
        }

        // INVARIANT: S6, the same failure keeps its verdict, and a failure is judged once.
        if let Some(old) = old.filter(|_| same_failure) {
            self.demand(
                old.verdict == new.verdict && old.failed_at == new.failed_at,
                "S6, the same failure has the same verdict",
                || format!("{}: {:?}, then {:?}", of(), old.verdict, new.verdict),
            );
        } else if !matches!(new.state, State::Terminated | State::Recovered) {
            self.failures += 1;
            let delay = Duration::from_secs(u64::from(new.verdict.delay_seconds));
            self.not_before
                .insert(key.clone(), (new.failure_id.clone(), now.plus(delay)));
            if new.verdict.decision == Decision::Retry {
                self.longest_wait = self.longest_wait.max(now.since(new.failed_at));
            }
            let before = self.verdicts.entry(key.clone()).or_default();
            let earlier = before
                .iter()
                .find(|(at, _)| is_same(at, &new.failure_id))
                .cloned();
            before.push((new.failure_id.clone(), new.verdict.clone()));
            if let Some((_, earlier)) = earlier {
                let excused = self.has_expired(&key, &new.failure_id);
                self.demand(excused, "S6, a failure is judged once", || {
                    format!("{}: {earlier:?}, and again {:?}", of(), new.verdict)
                });
            }
        }

        // INVARIANT: S7, an unknown result never becomes a success.
        match new.state {
            State::Retried => self.demand(was_retried, "S7, unknown never becomes success", || {
                format!("{} is recorded as retried, but was not retried", of())
            }),
            State::Recovered => self.demand(
                truth.is_none_or(|truth| truth.succeeded),
                "S7, unknown never becomes success",
                || format!("{} is recorded as recovered, but did not succeed", of()),
            ),
            _ => {}
        }

        // INVARIANT: L1, only AWS's own answer gives a failure up as `Refused`, and only a restart as
        // `TargetChanged`.
        if new.state == State::GivenUp {
            let refused = |(whose, failed): &(String, FailureId)| {
                *whose == key && is_same(failed, &new.failure_id)
            };
            let holds = match new.reason {
                Some(Reason::Refused) => self.rejected.iter().any(refused),
                Some(Reason::TargetChanged) => was_retried,
                _ => true,
            };
            self.demand(
                holds,
                "L1, only an answer of AWS gives a failure up",
                || format!("{} is given up: {}", of(), new.reason()),
            );
        }

        // INVARIANT: S1, a charge is made once, and only a charge that was made is returned, once.
        let refunded = old.is_some_and(|old| match same_failure {
            true => old.charged && !new.charged,
            false => old.is_refundable(),
        });
        let made = new.charged && !(same_failure && old.is_some_and(|old| old.charged));
        let before = old.map_or(0, |old| old.retries);
        self.demand(
            new.retries + u32::from(refunded) == before + u32::from(made),
            "S1, a charge is made and returned once",
            || {
                let charged = old.map(|old| old.charged);
                format!(
                    "{}: {before} retries, charged {charged:?}, then {}, charged {}",
                    of(),
                    new.retries,
                    new.charged
                )
            },
        );

        // INVARIANT: S1, by the ledger: every retry that took effect, or that may have done so, is charged.
        if let Some(old) = old.filter(|old| old.in_doubt) {
            self.demand(
                new.retries >= old.retries,
                "S1, what is in doubt stays charged",
                || format!("{}: {} retries, then {}", of(), old.retries, new.retries),
            );
        }
        let effects = self.by_subject.get(&key).copied().unwrap_or_default();
        self.demand(
            effects <= new.retries.saturating_add(new.prior_retries),
            "S1, what took effect is charged",
            || {
                format!(
                    "{}: {effects} retries, charged are {} and {} before",
                    of(),
                    new.retries,
                    new.prior_retries
                )
            },
        );
    }
}

/// Returns whether two failure IDs identify the same failure.
pub(super) fn is_same(one: &FailureId, other: &FailureId) -> bool {
    match (one, other) {
        (FailureId::RedriveCount(one), FailureId::RedriveCount(other)) => one == other,
        (FailureId::FailedActions(one), FailureId::FailedActions(other)) => {
            one == other || !one.is_disjoint(other)
        }
        _ => false,
    }
}
