//! One execution: its status over time, its current run, and its history.

use std::collections::VecDeque;
use std::sync::Arc;

use super::definition::{Kind, Path, Scope, leaf};
use super::history::{Failure, History, What};
use super::machine::Revision;
use super::options::{Options, REDRIVE_LAUNCH};
use super::script::{Ending, Failing, Script};
use super::status::{By, Phase, Redrivable, Redrive, Status};
use super::walk::{Cursor, Walk, schedules};

/// The planned end of the current run.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Goal {
    Fail(Path, Failure),
    FailAgain,
    TimeOut,
    Succeed(Arc<str>),
    Hang,
}

#[derive(Debug, Clone)]
struct Token {
    text: String,
    first_used: u64,
    redrive_date: u64,
}

#[derive(Debug)]
pub(super) struct Execution {
    pub(super) arn: Arc<str>,
    pub(super) name: Arc<str>,
    /// The machine's unqualified ARN, with the label for a child of a Map Run.
    pub(super) machine: Arc<str>,
    pub(super) version: Option<Arc<str>>,
    pub(super) alias: Option<Arc<str>>,
    /// The revision at the start, which the execution keeps for good (documented).
    pub(super) revision: Arc<Revision>,
    /// The definition that the execution walks: the revision's, or the item processor's for a child.
    pub(super) scope: Arc<Scope>,
    pub(super) map_run: Option<Arc<str>>,
    /// The Map Runs that the execution started.
    pub(super) map_runs: Vec<Arc<str>>,
    pub(super) input: Arc<str>,
    pub(super) start: u64,
    /// The creation number, which orders executions that start in the same millisecond.
    pub(super) order: u64,
    pub(super) phase: Phase,
    earlier: Vec<Phase>,
    pub(super) history: History,
    pub(super) cursor: Cursor,
    pub(super) ended_in_fail_state: bool,
    script: Option<Script>,
    runs: usize,
    goal: Goal,
    /// The execution's key in the queue of due work.
    pub(super) due: Option<(u64, u64)>,
    tokens: VecDeque<Token>,
    pub(super) redrives: Vec<Redrive>,
}

/// The initial values of an execution.
pub(super) struct Birth {
    pub(super) arn: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) machine: Arc<str>,
    pub(super) version: Option<Arc<str>>,
    pub(super) alias: Option<Arc<str>>,
    pub(super) revision: Arc<Revision>,
    pub(super) scope: Arc<Scope>,
    pub(super) map_run: Option<Arc<str>>,
    pub(super) input: Arc<str>,
    pub(super) start: u64,
    pub(super) order: u64,
    pub(super) script: Option<Script>,
}

impl Execution {
    /// Returns a RUNNING execution that has not moved yet.
    pub(super) fn new(birth: Birth) -> Self {
        let mut history = History::default();
        history.push(birth.start, 0, What::ExecutionStarted);
        Self {
            arn: birth.arn,
            name: birth.name,
            machine: birth.machine,
            version: birth.version,
            alias: birth.alias,
            revision: birth.revision,
            scope: birth.scope,
            map_run: birth.map_run,
            map_runs: Vec::new(),
            input: birth.input,
            start: birth.start,
            order: birth.order,
            phase: Phase {
                since: birth.start,
                status: Status::Running,
                stop: None,
                failure: Failure::default(),
                output: None,
                redrive_count: 0,
                redrive_date: None,
            },
            earlier: Vec::new(),
            history,
            cursor: Cursor::default(),
            ended_in_fail_state: false,
            script: birth.script,
            runs: 0,
            goal: Goal::Hang,
            due: None,
            tokens: VecDeque::new(),
            redrives: Vec::new(),
        }
    }

    /// Returns the ARN under which the execution's machine is stored, for a child of a Map Run too.
    pub(super) fn unlabeled_machine(&self) -> &str {
        self.machine.split('/').next().unwrap_or(&self.machine)
    }

    /// Sets the outcomes of the runs that have not begun.
    pub(super) fn set_script(&mut self, script: Script) {
        self.script = Some(script);
        self.runs = 0;
    }

    /// Enters another phase. Earlier phases that a lagging answer may still show are kept.
    pub(super) fn turn(&mut self, phase: Phase, options: &Options) {
        let lag = options.longest_lag();
        let old = std::mem::replace(&mut self.phase, phase);
        if lag > 0 {
            let needed = self.phase.since.saturating_sub(lag);
            let kept = self
                .earlier
                .iter()
                .rposition(|phase| phase.since <= needed)
                .unwrap_or(0);
            self.earlier.drain(..kept);
            self.earlier.push(old);
        }
    }

    /// Returns the phase that an answer as of `until` shows. Before its start the execution is unknown.
    pub(super) fn seen(&self, until: u64) -> Option<&Phase> {
        let phases = std::iter::once(&self.phase).chain(self.earlier.iter().rev());
        phases.into_iter().find(|phase| phase.since <= until)
    }

    /// Begins a run: writes its first events and returns its end, if it has one.
    pub(super) fn begin(&mut self, at: u64, options: &Options) -> Option<u64> {
        let (goal, after) = self.next_goal(options);
        self.goal = goal;
        let hold = self.holding();
        let (target, calls) = match &self.goal {
            Goal::FailAgain => (None, false),
            Goal::Fail(path, failure) if !in_fail_state(path) => {
                (Some(path), schedules(failure.error.as_deref()))
            }
            _ => (hold.as_ref(), true),
        };
        if let Some(target) = target {
            let mut walk = Walk {
                root: &self.scope,
                history: &mut self.history,
                cursor: &mut self.cursor,
                at,
            };
            if calls {
                walk.go_to(target);
            } else if walk.cursor.path() != Some(target) {
                walk.reach(target);
            }
        }
        (self.goal != Goal::Hang).then(|| at.saturating_add(after))
    }

    /// Returns the goal and the duration of the next run.
    fn next_goal(&mut self, options: &Options) -> (Goal, u64) {
        if self.ended_in_fail_state {
            return (Goal::FailAgain, options.fail_state_ms);
        }
        let outcome = self
            .script
            .as_ref()
            .and_then(|script| script.outcome(self.runs));
        let Some(outcome) = outcome else {
            return (self.plain_goal(), super::script::DEFAULT_RUN_MS);
        };
        let goal = match &outcome.ending {
            Ending::Fail(failing) => self.failing_goal(failing),
            Ending::TimeOut => Goal::TimeOut,
            Ending::Hang => Goal::Hang,
            Ending::Succeed(succeeding) => {
                let output = succeeding
                    .output
                    .as_ref()
                    .map_or("{}".into(), ToString::to_string);
                Goal::Succeed(output.into())
            }
        };
        let after = outcome.after_ms;
        self.runs += 1;
        (goal, after)
    }

    /// Returns the goal of a run without a script: every state succeeds, except a Fail state.
    fn plain_goal(&self) -> Goal {
        let here = self.cursor.path().and_then(|path| path.first());
        match self.scope.straight_into_fail(here.map(AsRef::as_ref)) {
            Some(path) => fail_at(path, None, None),
            None => Goal::Succeed("{}".into()),
        }
    }

    fn failing_goal(&self, failing: &Failing) -> Goal {
        let named = failing
            .state
            .as_deref()
            .and_then(|name| self.scope.path_to(name));
        let path = named.or_else(|| self.cursor.path().cloned()).or_else(|| {
            let straight = self.scope.straight(None);
            let task = straight
                .iter()
                .find(|state| matches!(state.kind, Kind::Task | Kind::Fail));
            task.or(straight.first())
                .map(|state| vec![Arc::clone(state)])
        });
        fail_at(
            path.unwrap_or_default(),
            failing.error.as_deref(),
            failing.cause.as_deref(),
        )
    }

    /// Returns the state at which the execution stands during the run.
    fn holding(&self) -> Option<Path> {
        if let Some(path) = self.cursor.path() {
            return Some(path.clone());
        }
        let ahead = match &self.goal {
            Goal::Fail(path, _) => self
                .scope
                .between(None, path.first().map_or("", |state| &state.name)),
            Goal::Succeed(_) => self.scope.way_out(None),
            Goal::FailAgain | Goal::TimeOut | Goal::Hang => self.scope.straight(None),
        };
        leaf(&ahead, |kind| kind == Kind::Task).or_else(|| leaf(&ahead, |kind| kind != Kind::Fail))
    }

    /// Ends the run at its goal.
    pub(super) fn end(&mut self, at: u64, options: &Options) {
        match std::mem::replace(&mut self.goal, Goal::Hang) {
            Goal::Fail(path, failure) => {
                let fail_state = in_fail_state(&path);
                let mut walk = self.walk(at);
                if fail_state {
                    walk.reach(&path);
                }
                walk.fail(&failure);
                walk.log(What::ExecutionFailed(failure.clone()));
                self.ended_in_fail_state = fail_state;
                self.stop(at, Status::Failed, failure, None, options);
            }
            Goal::FailAgain => {
                // AWS: only ExecutionRedriven and ExecutionFailed are appended (observed).
                let failure = self.fail_state_failure();
                let redriven = self.history.len();
                self.history
                    .push(at, redriven, What::ExecutionFailed(failure.clone()));
                self.stop(at, Status::Failed, failure, None, options);
            }
            Goal::TimeOut => {
                self.interrupt(at, What::ExecutionTimedOut, options);
                self.stop(at, Status::TimedOut, Failure::default(), None, options);
            }
            Goal::Succeed(output) => {
                let mut walk = self.walk(at);
                walk.go_out();
                walk.log(What::ExecutionSucceeded(Arc::clone(&output)));
                self.stop(
                    at,
                    Status::Succeeded,
                    Failure::default(),
                    Some(output),
                    options,
                );
            }
            Goal::Hang => {}
        }
    }

    /// Returns the failure of the Fail state in which the execution ended.
    fn fail_state_failure(&self) -> Failure {
        (1..=self.history.len())
            .rev()
            .find_map(|id| match &self.history.get(id)?.what {
                What::ExecutionFailed(failure) => Some(failure.clone()),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// Fails the run for a reason outside the definition.
    pub(super) fn fail_now(&mut self, at: u64, failure: Failure, options: &Options) {
        self.goal = Goal::Hang;
        self.walk(at).log(What::ExecutionFailed(failure.clone()));
        self.stop(at, Status::Failed, failure, None, options);
    }

    /// Aborts the run.
    pub(super) fn abort(&mut self, at: u64, failure: Failure, options: &Options) {
        self.goal = Goal::Hang;
        self.interrupt(at, What::ExecutionAborted(failure.clone()), options);
        self.stop(at, Status::Aborted, failure, None, options);
    }

    fn interrupt(&mut self, at: u64, what: What, options: &Options) {
        let last = self.history.len();
        let previous = if options.interruption_follows_nothing {
            0
        } else {
            last
        };
        self.history.push(at, previous, what);
    }

    fn stop(
        &mut self,
        at: u64,
        status: Status,
        failure: Failure,
        output: Option<Arc<str>>,
        options: &Options,
    ) {
        let Phase {
            redrive_count,
            redrive_date,
            ..
        } = self.phase;
        let stop = Some(at);
        let phase = Phase {
            since: at,
            status,
            stop,
            failure,
            output,
            redrive_count,
            redrive_date,
        };
        self.turn(phase, options);
    }

    pub(super) fn walk(&mut self, at: u64) -> Walk<'_> {
        Walk {
            root: &self.scope,
            history: &mut self.history,
            cursor: &mut self.cursor,
            at,
        }
    }

    /// Restarts a closed or pending execution where it ended, and increments its redrive count.
    pub(super) fn redrive(&mut self, at: u64, token: Option<&str>, by: By, options: &Options) {
        let count = self.phase.redrive_count + 1;
        let terminal = self.history.len();
        self.history
            .push(at, terminal, What::ExecutionRedriven(count));
        self.cursor.rewind();
        self.turn(
            Phase {
                since: at,
                status: Status::Running,
                stop: None,
                failure: Failure::default(),
                output: None,
                redrive_count: count,
                redrive_date: Some(at),
            },
            options,
        );
        if let Some(text) = token {
            self.tokens.retain(|token| token.text != text);
            self.tokens.push_back(Token {
                text: text.into(),
                first_used: at,
                redrive_date: at,
            });
            while self.tokens.len() > options.remembered_tokens {
                self.tokens.pop_front();
            }
        }
        self.redrives.push(Redrive {
            at,
            token: token.map(Into::into),
            count,
            by,
        });
    }

    /// Returns the `redriveDate` that a token led to, if the token is still known.
    pub(super) fn replay(&self, token: &str, now: u64, options: &Options) -> Option<u64> {
        let known = self.tokens.iter().find(|known| known.text == token)?;
        let over = options.is_over(known.first_used, options.token_lifetime_ms, now);
        (!over).then_some(known.redrive_date)
    }

    /// Returns whether the execution, seen in `phase`, can be redriven at `now`, with AWS's own reason if it cannot.
    /// The order among several reasons is not established.
    pub(super) fn redrivable(
        &self,
        phase: &Phase,
        deleting: bool,
        now: u64,
        options: &Options,
    ) -> Redrivable {
        let no = |reason: &str| Redrivable::No(reason.to_owned());
        if matches!(
            phase.status,
            Status::Running | Status::Succeeded | Status::PendingRedrive
        ) {
            let status = phase.status.as_str();
            return Redrivable::No(format!("Execution is {status} and cannot be redriven"));
        }
        if deleting {
            return no("State machine is in DELETING status");
        }
        if self.start < REDRIVE_LAUNCH {
            return no("Execution was started before the launch of RedriveExecution");
        }
        if self.history.len() >= options.history_event_limit {
            return no("Execution history event limit exceeded");
        }
        if options.is_over(self.start, options.max_open_ms, now) {
            return no("Execution has exceeded the max execution time");
        }
        if options.is_over(phase.stop.unwrap_or(now), options.redrivable_period_ms, now) {
            return no("Execution redrivable period exceeded");
        }
        if self.map_run.is_some() {
            Redrivable::ByMapRun
        } else {
            Redrivable::Yes
        }
    }
}

fn in_fail_state(path: &Path) -> bool {
    path.last().is_some_and(|state| state.kind == Kind::Fail)
}

/// Returns the goal of failing at a state. A Fail state's literal error and cause take precedence.
fn fail_at(path: Path, error: Option<&str>, cause: Option<&str>) -> Goal {
    let literal = path.last().filter(|state| state.kind == Kind::Fail);
    let error = literal.and_then(|state| state.error.as_deref()).or(error);
    let cause = literal.and_then(|state| state.cause.as_deref()).or(cause);
    let failure = Failure::new(error, cause);
    Goal::Fail(path, failure)
}
