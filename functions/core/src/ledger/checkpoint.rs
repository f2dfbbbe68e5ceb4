//! The progress of discovery, the search for failures that were never announced: one item beside the entries.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Owner, Writer};
use crate::failure::{ExecutionStatus, Service};
use crate::time::Time;

/// How far before the watermark a pass lists failures once more. Clocks differ, and a service's lists may lag behind.
const MARGIN: Duration = Duration::from_secs(15 * 60);

/// Number of cursors above which no more targets are listed until some are done. A checkpoint is one DynamoDB item.
const MAX_TURNS: usize = 100;

/// Maximum bytes of page tokens, for each service, before another target begins. AWS: a token may have 3,096 characters
/// ("ListExecutions", Step Functions API Reference).
const MAX_TOKENS: usize = 100_000;

/// Maximum number of lagging targets. Any further one holds back the watermark of its service.
const MAX_BEHIND: usize = 50;

/// The progress of discovery. RACE: one tick against another. Each reads the checkpoint and replaces its revision, and
/// the first one wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanCheckpoint {
    /// The number of writes, from 1. A write names the revision that it replaces.
    pub revision: u64,
    /// The owner of the last write.
    pub written_by: Owner,
    /// The time of the last write.
    pub updated_at: Time,
    /// The time before which failures are not searched.
    pub since: Time,
    /// The pass over the targets of each service.
    pub passes: BTreeMap<Service, Pass>,
}

/// A pass over all targets of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// The time before which every failure was handled, except those of [lagging](Self::lagging) targets.
    pub watermark: Time,
    /// The start of the current pass; none between two passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Time>,
    /// The progress in the list of targets.
    #[serde(default)]
    pub targets: Targets,
    /// The cursors of unfinished targets, the next one first.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub cursors: VecDeque<TargetCursor>,
    /// Targets that met an error, and the time of the oldest failure left unhandled.
    ///
    /// The next pass lists a lagging target again from that time. The other targets do not wait for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lagging: BTreeMap<String, Time>,
    /// The oldest unhandled failure of targets beyond the maximum of `lagging`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_watermark: Option<Time>,
}

/// The progress in a list of targets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Targets {
    /// No page was read.
    #[default]
    Unread,
    /// The pages before this token were read.
    Next(String),
    /// Every page was read.
    Read,
}

/// The progress in the list of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetCursor {
    /// The target's ARN.
    pub target: String,
    /// The list that is read.
    pub list: List,
    /// The token of the next page; none for the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The start of the execution handled last. When a page is listed once more, later starts are skipped.
    ///
    /// AWS: lists go from the latest start to the earliest, and a redrive changes no start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Time>,
    /// The time of the target's oldest failure that met an error in this pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_error_at: Option<Time>,
}

/// A list of a target's failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum List {
    /// A machine's executions with this status. The timed-out ones follow the failed ones.
    Executions(ExecutionStatus),
    /// The failed stages that a pipeline shows.
    Stages,
    /// The failed executions of a pipeline in PARALLEL mode, which shows no stage of most of them.
    Runs,
}

impl TargetCursor {
    /// Returns the cursor at the beginning of a target.
    #[must_use]
    pub const fn first(target: String, list: List) -> Self {
        Self {
            target,
            list,
            token: None,
            after: None,
            first_error_at: None,
        }
    }

    /// Returns whether no page of the target was read yet.
    fn is_fresh(&self) -> bool {
        let first = self.list != List::Executions(ExecutionStatus::TimedOut);
        first && self.token.is_none() && self.after.is_none()
    }

    /// Returns the cursor after a page was handled, or the finished cursor as an error after the last page.
    pub(crate) fn go_on(self, next: Option<String>) -> Result<Self, Self> {
        match (next, self.list) {
            (Some(token), _) => Ok(Self {
                token: Some(token),
                ..self
            }),
            (None, List::Executions(ExecutionStatus::Failed)) => Ok(Self {
                list: List::Executions(ExecutionStatus::TimedOut),
                token: None,
                after: None,
                ..self
            }),
            (None, _) => Err(self),
        }
    }

    /// Records the time of a failure that met an error.
    pub(crate) fn record_error(&mut self, at: Time) {
        self.first_error_at = Some(self.first_error_at.map_or(at, |other| other.min(at)));
    }
}

impl Pass {
    const fn new(since: Time) -> Self {
        Self {
            watermark: since,
            began: None,
            targets: Targets::Unread,
            cursors: VecDeque::new(),
            lagging: BTreeMap::new(),
            held_watermark: None,
        }
    }

    /// Returns the time before which every failure of a target was handled.
    pub(crate) fn reached(&self, target: &str) -> Time {
        let lagging = self.lagging.get(target);
        lagging.map_or(self.watermark, |lagging| self.watermark.min(*lagging))
    }

    /// Returns the time from which a pass handles failures of a target.
    pub(crate) fn from(&self, target: &str, since: Time, writer: Writer<'_>) -> Time {
        let watermark = self.reached(target).minus(MARGIN);
        watermark
            .max(since)
            .max(writer.now.minus(writer.timing.redrive_window))
    }

    /// Returns whether more targets should be listed: every listed target has had its first page.
    pub(crate) fn wants_targets(&self) -> bool {
        self.targets != Targets::Read
            && self.cursors.len() <= MAX_TURNS
            && !self.cursors.iter().any(TargetCursor::is_fresh)
    }

    /// Removes and returns the next cursor. INVARIANT: while page tokens fill the checkpoint, no target begins that may
    /// add a token.
    pub(crate) fn next(&mut self) -> Option<TargetCursor> {
        let tokens: usize = self
            .cursors
            .iter()
            .filter_map(|cursor| cursor.token.as_ref().map(String::len))
            .sum();
        let open = (tokens >= MAX_TOKENS)
            .then(|| {
                self.cursors
                    .iter()
                    .position(|cursor| cursor.token.is_some())
            })
            .flatten();
        self.cursors.remove(open.unwrap_or_default())
    }

    /// Records that a target is done in this pass.
    pub(crate) fn done(&mut self, cursor: TargetCursor) {
        match cursor.first_error_at {
            None => {
                self.lagging.remove(&cursor.target);
            }
            Some(at)
                if self.lagging.len() < MAX_BEHIND || self.lagging.contains_key(&cursor.target) =>
            {
                self.lagging.insert(cursor.target, at);
            }
            Some(at) => {
                self.held_watermark = Some(self.held_watermark.map_or(at, |other| other.min(at)))
            }
        }
    }

    /// Returns whether every target was listed, and no cursor is left.
    pub(crate) fn is_complete(&self) -> bool {
        self.targets == Targets::Read && self.cursors.is_empty()
    }

    /// Ends the pass, and advances the watermark to its beginning.
    fn end(&mut self, writer: Writer<'_>) {
        let Some(began) = self.began.take() else {
            return;
        };
        let reached = self
            .held_watermark
            .take()
            .map_or(began, |held_watermark| held_watermark.min(began));
        self.watermark = self.watermark.max(reached);
        self.targets = Targets::Unread;
        // A failure beyond the redrive window, perhaps of a deleted target, holds nothing back.
        let oldest = writer.now.minus(writer.timing.redrive_window);
        self.lagging.retain(|_, lagging| *lagging > oldest);
    }
}

impl ScanCheckpoint {
    /// Returns the checkpoint of a tick that begins: the stored one continued, or the first one.
    ///
    /// `since` is the configured time. Without a configured time, the search begins at the first tick.
    pub(crate) fn go_on(stored: Option<Self>, since: Option<Time>, writer: Writer<'_>) -> Self {
        let mut checkpoint = stored.unwrap_or_else(|| Self {
            revision: 0,
            written_by: writer.owner.clone(),
            updated_at: writer.now,
            since: since.unwrap_or(writer.now),
            passes: BTreeMap::new(),
        });
        // A configured time in the future that was removed means now.
        let since = since.unwrap_or(checkpoint.since.min(writer.now));
        if since < checkpoint.since {
            // Earlier passes skipped the failures between the two times, so every pass starts again.
            checkpoint.passes.clear();
        }
        for service in Service::ALL {
            let pass = checkpoint.passes.entry(service);
            let pass = pass.or_insert_with(|| Pass::new(since));
            pass.began.get_or_insert(writer.now);
        }
        Self {
            revision: checkpoint.revision.saturating_add(1),
            written_by: writer.owner.clone(),
            updated_at: writer.now,
            since,
            ..checkpoint
        }
    }

    /// Ends the passes that are complete.
    pub(crate) fn end_passes(&mut self, writer: Writer<'_>) {
        for pass in self.passes.values_mut() {
            if pass.is_complete() {
                pass.end(writer);
            }
        }
    }

    /// Returns the time before which every failure of every target was handled.
    #[must_use]
    pub fn watermark(&self) -> Time {
        let oldest = |pass: &Pass| {
            let lagging = pass.lagging.values().copied().min();
            lagging.map_or(pass.watermark, |lagging| pass.watermark.min(lagging))
        };
        let reached = self.passes.values().map(oldest).min();
        reached.unwrap_or(self.since)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;
    use crate::ledger::Timing;

    const START: Time = Time::from_millis(1_795_000_000_000);

    fn at(seconds: u64) -> Time {
        START.plus(Duration::from_secs(seconds))
    }

    fn tick<R>(seconds: u64, does: impl FnOnce(Writer<'_>) -> R) -> R {
        let writer = Writer {
            owner: &Owner("tick".into()),
            now: at(seconds),
            timing: &Timing::default(),
        };
        does(writer)
    }

    fn executions(checkpoint: &mut ScanCheckpoint) -> &mut Pass {
        checkpoint.passes.get_mut(&Service::StepFunctions).unwrap()
    }

    fn stages(checkpoint: &mut ScanCheckpoint) -> &mut Pass {
        checkpoint.passes.get_mut(&Service::CodePipeline).unwrap()
    }

    fn cursor(name: &str) -> TargetCursor {
        TargetCursor::first(name.to_string(), List::Stages)
    }

    fn ended(checkpoint: &mut ScanCheckpoint, seconds: u64) {
        for pass in checkpoint.passes.values_mut() {
            pass.targets = Targets::Read;
        }
        tick(seconds, |writer| checkpoint.end_passes(writer));
    }

    #[test]
    fn a_round_that_is_complete_was_looked_at_through_its_beginning() {
        let mut checkpoint = tick(0, |writer| ScanCheckpoint::go_on(None, None, writer));
        assert_eq!((checkpoint.revision, checkpoint.watermark()), (1, START));
        stages(&mut checkpoint).cursors.push_back(cursor("web"));
        ended(&mut checkpoint, 30);
        let mut checkpoint = tick(60, |writer| {
            ScanCheckpoint::go_on(Some(checkpoint), None, writer)
        });
        let began = (
            executions(&mut checkpoint).began,
            stages(&mut checkpoint).began,
        );
        assert_eq!(
            began,
            (Some(at(60)), Some(START)),
            "one goes on, one begins"
        );
        stages(&mut checkpoint).cursors.clear();
        ended(&mut checkpoint, 90);
        let watermark = (
            executions(&mut checkpoint).watermark,
            stages(&mut checkpoint).watermark,
        );
        assert_eq!(
            (watermark, checkpoint.watermark()),
            ((at(60), START), START)
        );
        assert_eq!(checkpoint.revision, 2);
    }

    #[test]
    fn what_ended_a_little_before_is_looked_at_again_and_what_is_too_old_is_not() {
        let mut pass = Pass::new(at(0));
        pass.watermark = at(100_000);
        pass.lagging.insert("late".into(), at(50_000));
        let from = |pass: &Pass, target, since, seconds| {
            tick(seconds, |writer| pass.from(target, since, writer))
        };
        assert_eq!(from(&pass, "any", at(0), 100_000), at(100_000 - 900));
        assert_eq!(from(&pass, "late", at(0), 100_000), at(50_000 - 900));
        assert_eq!(from(&pass, "late", at(60_000), 100_000), at(60_000));
        let fortnight = 14 * 24 * 60 * 60;
        assert_eq!(from(&pass, "any", at(0), fortnight + 200_000), at(200_000));
    }

    #[test]
    fn a_target_in_error_is_behind_until_a_round_without() {
        let mut pass = Pass::new(START);
        pass.watermark = at(1_000);
        let mut failed = cursor("web");
        failed.record_error(at(700));
        failed.record_error(at(500));
        failed.record_error(at(600));
        pass.done(failed);
        assert_eq!(
            (pass.reached("web"), pass.reached("api")),
            (at(500), at(1_000))
        );
        pass.done(cursor("api"));
        assert_eq!(pass.reached("web"), at(500));
        pass.done(cursor("web"));
        assert_eq!(pass.reached("web"), at(1_000));
    }

    #[test]
    fn where_too_many_are_behind_all_are() {
        let mut checkpoint = tick(0, |writer| ScanCheckpoint::go_on(None, Some(START), writer));
        stages(&mut checkpoint).began = Some(at(1_000));
        for number in 0..=MAX_BEHIND {
            let mut failed = cursor(&format!("web-{number}"));
            failed.record_error(at(500 + number as u64));
            stages(&mut checkpoint).done(failed);
        }
        ended(&mut checkpoint, 1_100);
        assert_eq!(stages(&mut checkpoint).lagging.len(), MAX_BEHIND);
        assert_eq!(
            stages(&mut checkpoint).watermark,
            at(500 + MAX_BEHIND as u64)
        );
        assert_eq!(
            stages(&mut checkpoint).held_watermark,
            None,
            "until the next pass"
        );
        // A failure beyond the redrive window holds nothing back.
        let fortnight = 14 * 24 * 60 * 60;
        stages(&mut checkpoint).began = Some(at(fortnight + 510));
        ended(&mut checkpoint, fortnight + 510);
        assert_eq!(stages(&mut checkpoint).lagging.len(), MAX_BEHIND - 11);
    }

    #[test]
    fn targets_are_listed_as_there_is_room_for_their_turns() {
        let mut pass = Pass::new(START);
        assert!(pass.wants_targets());
        pass.cursors.push_back(cursor("fresh"));
        assert!(!pass.wants_targets(), "the one has not had its first page");
        let open = |name: usize| TargetCursor {
            token: Some("t".repeat(3_096)),
            ..cursor(&name.to_string())
        };
        pass.cursors = (0..10).map(open).collect();
        assert!(pass.wants_targets(), "large ones keep no others waiting");
        pass.cursors = (0..MAX_TURNS).map(open).collect();
        assert!(pass.wants_targets());
        pass.cursors.push_back(open(0));
        assert!(!pass.wants_targets(), "but for their number");
        // While tokens fill the checkpoint, no target begins that may add a token.
        pass.cursors.truncate(40);
        pass.cursors.push_front(cursor("fresh"));
        assert_eq!(pass.next().unwrap().target, "0");
        pass.cursors.truncate(20);
        assert_eq!(pass.next().unwrap().target, "fresh");
        pass.targets = Targets::Read;
        pass.cursors.clear();
        assert!(!pass.wants_targets() && pass.next().is_none());
    }

    #[test]
    fn those_that_timed_out_come_after_those_that_failed() {
        let failed = List::Executions(ExecutionStatus::Failed);
        let cursor = TargetCursor {
            after: Some(START),
            ..TargetCursor::first("etl".into(), failed)
        };
        let next = cursor.go_on(Some("page-2".into())).unwrap();
        assert_eq!((next.list, next.token.as_deref()), (failed, Some("page-2")));
        let last = next.go_on(None).unwrap();
        assert_eq!(last.list, List::Executions(ExecutionStatus::TimedOut));
        assert_eq!((&last.token, last.after), (&None, None));
        assert!(last.go_on(None).is_err(), "it is done with");
    }
}
