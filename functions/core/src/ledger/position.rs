//! How far the search for failures that were never announced has come: one item beside the entries.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Owner, Pen};
use crate::failure::ExecutionStatus;
use crate::time::Time;

/// What ended so shortly before all was looked at is looked at once more: clocks differ, and what a service
/// lists may lag behind what happens.
const MARGIN: Duration = Duration::from_secs(15 * 60);

/// So many targets have a turn, and then no more are taken until some are done with: a position is one item.
const MOST_TURNS: usize = 100;

/// So many bytes of page tokens, of each service: one may have 3,096 (ListExecutions).
const MOST_TOKENS: usize = 100_000;

/// So many targets are remembered as behind. Any more hold back all of their service.
const MOST_BEHIND: usize = 50;

/// Where the search stands. It is read by a tick and replaced by it, if no other tick was first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Counts the writes, from 1. A write names the revision that it replaces.
    pub revision: u64,
    /// Who wrote last.
    pub by: Owner,
    /// When.
    pub updated: Time,
    /// Nothing that ended before is looked for.
    pub since: Time,
    /// State machines.
    pub executions: Round,
    /// Pipelines.
    pub stages: Round,
}

/// A round over all targets of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Every failure that ended before was looked at, but for those of targets that are [behind](Self::behind).
    pub through: Time,
    /// When the round of now began; none between two rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Time>,
    /// How far the list of targets was read.
    #[serde(default)]
    pub targets: Targets,
    /// Targets that are not done with, the next one first.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub turns: VecDeque<Turn>,
    /// Targets that met an error, and the oldest failure that was not dealt with by it: they must be looked at
    /// from there again, and the others need not wait for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub behind: BTreeMap<String, Time>,
    /// The same of targets for which there was no room in `behind`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Time>,
}

/// How far a list of targets was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Targets {
    /// Not at all.
    #[default]
    Unread,
    /// Up to the page of this token.
    Next(String),
    /// To its end.
    Read,
}

/// One target that has its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Its ARN.
    pub target: String,
    /// What is listed of it.
    pub list: List,
    /// The page that comes next; none: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// When what was dealt with last had started. Lists go from the latest start to the earliest, and a redrive
    /// changes no start: what started later need not be looked at again when a page is listed once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Time>,
    /// The oldest failure of it that met an error in this round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_error_at: Option<Time>,
}

/// What is listed of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum List {
    /// A machine's executions that ended so; those that timed out come after those that failed.
    Executions(ExecutionStatus),
    /// The failed stages that a pipeline shows.
    Stages,
    /// The failed executions of a pipeline in PARALLEL mode, which shows no stage of most of them.
    Runs,
}

impl Turn {
    /// The first turn of a target.
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

    /// Whether nothing was read of it yet.
    fn is_fresh(&self) -> bool {
        let first = self.list != List::Executions(ExecutionStatus::TimedOut);
        first && self.token.is_none() && self.after.is_none()
    }

    /// The turn after a page was dealt with; none: the target is done with.
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

    /// Notes a failure that met an error.
    pub(crate) fn record_error(&mut self, at: Time) {
        self.first_error_at = Some(self.first_error_at.map_or(at, |other| other.min(at)));
    }
}

impl Round {
    const fn new(since: Time) -> Self {
        Self {
            through: since,
            began: None,
            targets: Targets::Unread,
            turns: VecDeque::new(),
            behind: BTreeMap::new(),
            held: None,
        }
    }

    /// What every failure of a target was looked at through.
    pub(crate) fn reached(&self, target: &str) -> Time {
        let behind = self.behind.get(target);
        behind.map_or(self.through, |behind| self.through.min(*behind))
    }

    /// The failures of a target that ended before this are none of the round's.
    pub(crate) fn from(&self, target: &str, since: Time, pen: Pen<'_>) -> Time {
        let through = self.reached(target).minus(MARGIN);
        through.max(since).max(pen.now.minus(pen.terms.redrivable))
    }

    /// Whether more targets are to be listed: of those that were, each has had its first page.
    pub(crate) fn wants_targets(&self) -> bool {
        self.targets != Targets::Read
            && self.turns.len() <= MOST_TURNS
            && !self.turns.iter().any(Turn::is_fresh)
    }

    /// Whose turn it is. While page tokens fill the position, no target is begun that may leave one more.
    pub(crate) fn next(&mut self) -> Option<Turn> {
        let tokens: usize = self
            .turns
            .iter()
            .filter_map(|turn| turn.token.as_ref().map(String::len))
            .sum();
        let open = (tokens >= MOST_TOKENS)
            .then(|| self.turns.iter().position(|turn| turn.token.is_some()))
            .flatten();
        self.turns.remove(open.unwrap_or_default())
    }

    /// A target is done with in this round.
    pub(crate) fn done(&mut self, turn: Turn) {
        match turn.first_error_at {
            None => {
                self.behind.remove(&turn.target);
            }
            Some(at)
                if self.behind.len() < MOST_BEHIND || self.behind.contains_key(&turn.target) =>
            {
                self.behind.insert(turn.target, at);
            }
            Some(at) => self.held = Some(self.held.map_or(at, |other| other.min(at))),
        }
    }

    /// Whether every target was listed, and none is left.
    pub(crate) fn is_complete(&self) -> bool {
        self.targets == Targets::Read && self.turns.is_empty()
    }

    /// The round is over: everything that ended before it began was looked at.
    fn end(&mut self, pen: Pen<'_>) {
        let Some(began) = self.began.take() else {
            return;
        };
        let reached = self.held.take().map_or(began, |held| held.min(began));
        self.through = self.through.max(reached);
        self.targets = Targets::Unread;
        // What nobody would redrive any more, perhaps of a target that is gone, holds nothing back.
        let oldest = pen.now.minus(pen.terms.redrivable);
        self.behind.retain(|_, behind| *behind > oldest);
    }
}

impl Position {
    /// The position of a tick that begins: where the last one left it, or the very first. `since` is what the
    /// settings say; if they say nothing it is the moment of the first tick.
    pub(crate) fn go_on(stored: Option<Self>, since: Option<Time>, pen: Pen<'_>) -> Self {
        let mut position = stored.unwrap_or_else(|| {
            let since = since.unwrap_or(pen.now);
            Self {
                revision: 0,
                by: pen.owner.clone(),
                updated: pen.now,
                since,
                executions: Round::new(since),
                stages: Round::new(since),
            }
        });
        // Settings that named a day to come, and name none any more, mean now.
        let since = since.unwrap_or(position.since.min(pen.now));
        if since < position.since {
            // What ended between the two was passed over, and nobody looked at it.
            position.executions = Round::new(since);
            position.stages = Round::new(since);
        }
        for round in [&mut position.executions, &mut position.stages] {
            round.began.get_or_insert(pen.now);
        }
        Self {
            revision: position.revision.saturating_add(1),
            by: pen.owner.clone(),
            updated: pen.now,
            since,
            ..position
        }
    }

    /// Ends the rounds that are complete.
    pub(crate) fn end_rounds(&mut self, pen: Pen<'_>) {
        for round in [&mut self.executions, &mut self.stages] {
            if round.is_complete() {
                round.end(pen);
            }
        }
    }

    /// What every failure of every target was looked at through.
    #[must_use]
    pub fn through(&self) -> Time {
        let oldest = |round: &Round| {
            let behind = round.behind.values().copied().min();
            behind.map_or(round.through, |behind| round.through.min(behind))
        };
        oldest(&self.executions).min(oldest(&self.stages))
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;
    use crate::ledger::Terms;

    const START: Time = Time::from_millis(1_795_000_000_000);

    fn at(seconds: u64) -> Time {
        START.plus(Duration::from_secs(seconds))
    }

    fn tick<R>(seconds: u64, does: impl FnOnce(Pen<'_>) -> R) -> R {
        let pen = Pen {
            owner: &Owner("tick".into()),
            now: at(seconds),
            terms: &Terms::default(),
        };
        does(pen)
    }

    fn turn(name: &str) -> Turn {
        Turn::first(name.to_string(), List::Stages)
    }

    fn ended(position: &mut Position, seconds: u64) {
        for round in [&mut position.executions, &mut position.stages] {
            round.targets = Targets::Read;
        }
        tick(seconds, |pen| position.end_rounds(pen));
    }

    #[test]
    fn a_round_that_is_complete_was_looked_at_through_its_beginning() {
        let mut position = tick(0, |pen| Position::go_on(None, None, pen));
        assert_eq!((position.revision, position.through()), (1, START));
        position.stages.turns.push_back(turn("web"));
        ended(&mut position, 30);
        let mut position = tick(60, |pen| Position::go_on(Some(position), None, pen));
        let began = (position.executions.began, position.stages.began);
        assert_eq!(
            began,
            (Some(at(60)), Some(START)),
            "one goes on, one begins"
        );
        position.stages.turns.clear();
        ended(&mut position, 90);
        let through = (position.executions.through, position.stages.through);
        assert_eq!((through, position.through()), ((at(60), START), START));
        assert_eq!(position.revision, 2);
    }

    #[test]
    fn what_ended_a_little_before_is_looked_at_again_and_what_is_too_old_is_not() {
        let mut round = Round::new(at(0));
        round.through = at(100_000);
        round.behind.insert("late".into(), at(50_000));
        let from = |round: &Round, target, since, seconds| {
            tick(seconds, |pen| round.from(target, since, pen))
        };
        assert_eq!(from(&round, "any", at(0), 100_000), at(100_000 - 900));
        assert_eq!(from(&round, "late", at(0), 100_000), at(50_000 - 900));
        assert_eq!(from(&round, "late", at(60_000), 100_000), at(60_000));
        let fortnight = 14 * 24 * 60 * 60;
        assert_eq!(from(&round, "any", at(0), fortnight + 200_000), at(200_000));
    }

    #[test]
    fn a_target_in_error_is_behind_until_a_round_without() {
        let mut round = Round::new(START);
        round.through = at(1_000);
        let mut failed = turn("web");
        failed.record_error(at(700));
        failed.record_error(at(500));
        failed.record_error(at(600));
        round.done(failed);
        assert_eq!(
            (round.reached("web"), round.reached("api")),
            (at(500), at(1_000))
        );
        round.done(turn("api"));
        assert_eq!(round.reached("web"), at(500));
        round.done(turn("web"));
        assert_eq!(round.reached("web"), at(1_000));
    }

    #[test]
    fn where_too_many_are_behind_all_are() {
        let mut position = tick(0, |pen| Position::go_on(None, Some(START), pen));
        position.stages.began = Some(at(1_000));
        for number in 0..=MOST_BEHIND {
            let mut failed = turn(&format!("web-{number}"));
            failed.record_error(at(500 + number as u64));
            position.stages.done(failed);
        }
        ended(&mut position, 1_100);
        assert_eq!(position.stages.behind.len(), MOST_BEHIND);
        assert_eq!(position.stages.through, at(500 + MOST_BEHIND as u64));
        assert_eq!(position.stages.held, None, "until the next round");
        // What nobody redrives any more holds nothing back.
        let fortnight = 14 * 24 * 60 * 60;
        position.stages.began = Some(at(fortnight + 510));
        ended(&mut position, fortnight + 510);
        assert_eq!(position.stages.behind.len(), MOST_BEHIND - 11);
    }

    #[test]
    fn targets_are_listed_as_there_is_room_for_their_turns() {
        let mut round = Round::new(START);
        assert!(round.wants_targets());
        round.turns.push_back(turn("fresh"));
        assert!(!round.wants_targets(), "the one has not had its first page");
        let open = |name: usize| Turn {
            token: Some("t".repeat(3_096)),
            ..turn(&name.to_string())
        };
        round.turns = (0..10).map(open).collect();
        assert!(round.wants_targets(), "large ones keep no others waiting");
        round.turns = (0..MOST_TURNS).map(open).collect();
        assert!(round.wants_targets());
        round.turns.push_back(open(0));
        assert!(!round.wants_targets(), "but for their number");
        // While tokens fill the position, nobody is begun who may leave one more.
        round.turns.truncate(40);
        round.turns.push_front(turn("fresh"));
        assert_eq!(round.next().unwrap().target, "0");
        round.turns.truncate(20);
        assert_eq!(round.next().unwrap().target, "fresh");
        round.targets = Targets::Read;
        round.turns.clear();
        assert!(!round.wants_targets() && round.next().is_none());
    }

    #[test]
    fn those_that_timed_out_come_after_those_that_failed() {
        let failed = List::Executions(ExecutionStatus::Failed);
        let turn = Turn {
            after: Some(START),
            ..Turn::first("etl".into(), failed)
        };
        let next = turn.go_on(Some("page-2".into())).unwrap();
        assert_eq!((next.list, next.token.as_deref()), (failed, Some("page-2")));
        let last = next.go_on(None).unwrap();
        assert_eq!(last.list, List::Executions(ExecutionStatus::TimedOut));
        assert_eq!((&last.token, last.after), (&None, None));
        assert!(last.go_on(None).is_err(), "it is done with");
    }
}
