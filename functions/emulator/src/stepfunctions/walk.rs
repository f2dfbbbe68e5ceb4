//! The walk of an execution through a definition, and the history of the walk.

use std::sync::Arc;

use super::definition::{Kind, Path, Scope, State};
use super::history::{Failure, History, What};

/// The position of an execution in its definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The current state, or the state at which the last run ended.
    position: Option<Position>,
    /// The event that the next event follows from.
    previous: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Position {
    path: Path,
    /// The id of the event that entered the state; a redrive links back to it.
    entered: u64,
    /// Whether the state's Task was scheduled in this run.
    scheduled: bool,
}

impl Cursor {
    /// Returns the path of the state at which the execution stands.
    pub(super) fn path(&self) -> Option<&Path> {
        self.position.as_ref().map(|position| &position.path)
    }

    /// Returns the state at which the execution stands.
    pub(super) fn state(&self) -> Option<&Arc<State>> {
        self.path()?.last()
    }

    /// Returns to the state for a redrive, which schedules the state's Task again.
    pub(super) fn rewind(&mut self) {
        self.previous = 0;
        if let Some(position) = &mut self.position {
            position.scheduled = false;
            self.previous = position.entered;
        }
    }
}

/// A part of a walk, all at one time.
pub(super) struct Walk<'a> {
    pub(super) root: &'a Scope,
    pub(super) history: &'a mut History,
    pub(super) cursor: &'a mut Cursor,
    pub(super) at: u64,
}

impl Walk<'_> {
    /// Writes an event that follows from the last one.
    pub(super) fn log(&mut self, what: What) -> u64 {
        self.cursor.previous = self.history.push(self.at, self.cursor.previous, what);
        self.cursor.previous
    }

    /// Goes to the state at the end of `target`, and schedules its Task.
    pub(super) fn go_to(&mut self, target: &Path) {
        if self.cursor.path() == Some(target) {
            return self.schedule();
        }
        self.reach(target);
        self.schedule();
    }

    /// Continues a redriven Map Run, which is not started again.
    pub(super) fn resume_map(&mut self, what: What) {
        self.log(what);
        if let Some(position) = &mut self.cursor.position {
            position.scheduled = true;
        }
    }

    /// Goes to the end of the definition, past any Fail state.
    pub(super) fn go_out(&mut self) {
        let last = self.leave_down_to(0);
        let rest = self.root.way_out(last.as_deref());
        self.pass_all(&rest);
    }

    /// Fails at the current state, together with the Parallel and Map states around it.
    ///
    /// The behaviour of Task, Pass, Wait and Map states is observed: a state that fails by States.Runtime has no
    /// event of its own, and ExecutionFailed follows from its entry. The same behaviour of a Choice and a Parallel is
    /// not established, nor is the history of a States.Runtime within a Parallel or Map.
    pub(super) fn fail(&mut self, failure: &Failure) {
        let Some(position) = self.cursor.position.clone() else {
            return;
        };
        let Some((state, around)) = position.path.split_last() else {
            return;
        };
        let error = failure.error.as_deref();
        match state.kind {
            Kind::Task if !schedules(error) => self.evaluation_fails(state, failure),
            Kind::Task if error == Some("States.Timeout") => {
                self.log(What::TimedOut(Arc::clone(state), failure.clone()));
            }
            Kind::Task => {
                self.log(What::Failed(Arc::clone(state), failure.clone()));
            }
            Kind::Parallel => {
                self.log(What::ParallelStateFailed);
            }
            Kind::Map if error == Some("States.Runtime") => {}
            Kind::Map => {
                if !schedules(error) {
                    self.evaluation_fails(state, failure);
                } else if state.distributed {
                    self.log(What::MapRunFailed(failure.clone()));
                }
                self.log(What::MapStateFailed);
            }
            Kind::Fail => {}
            _ => self.evaluation_fails(state, failure),
        }
        for container in around.iter().rev() {
            if container.kind == Kind::Map {
                // AWS: both events follow from the failure in the iteration, and none follows from MapIterationFailed
                // (observed).
                let failed = self.cursor.previous;
                self.log(What::MapIterationFailed(Arc::clone(container)));
                self.cursor.previous = failed;
                self.log(What::MapStateFailed);
            } else {
                self.log(What::ParallelStateFailed);
            }
        }
    }

    /// Writes EvaluationFailed. The event follows from the predecessor of the state's entry; for a Wait, the event
    /// follows from the entry itself (both observed). The predecessor for a Choice, a Parallel and a Succeed state is
    /// not established.
    fn evaluation_fails(&mut self, state: &Arc<State>, failure: &Failure) {
        if failure.error.as_deref() != Some("States.QueryEvaluationError") {
            return;
        }
        let entered = self
            .cursor
            .position
            .as_ref()
            .map(|position| position.entered);
        if let Some(entered) = entered.and_then(|id| self.history.get(id))
            && state.kind != Kind::Wait
        {
            self.cursor.previous = entered.previous;
        }
        self.log(What::EvaluationFailed(Arc::clone(state), failure.clone()));
    }

    /// Enters the state at the end of `target`.
    pub(super) fn reach(&mut self, target: &Path) {
        let shared = self.cursor.path().map_or(0, |path| {
            let around = path.len().min(target.len()).saturating_sub(1);
            path.iter()
                .zip(target)
                .take(around)
                .take_while(|(a, b)| a.name == b.name)
                .count()
        });
        let mut last = self.leave_down_to(shared);
        for (depth, state) in target.iter().enumerate().skip(shared) {
            let around = depth.checked_sub(1).and_then(|outer| target.get(outer));
            let between = match around {
                None => self.root.between(last.take().as_deref(), &state.name),
                Some(container) => match branch(container, state) {
                    Some(scope) => scope.between(last.take().as_deref(), &state.name),
                    None => Path::new(),
                },
            };
            self.pass_all(&between);
            let entered = self.log(What::StateEntered(Arc::clone(state)));
            if let Some(next) = target.get(depth + 1) {
                let opened = self.open(state);
                // The other branches have already succeeded.
                for scope in state
                    .inner()
                    .iter()
                    .filter(|scope| !scope.contains(&next.name))
                {
                    self.pass_all(&scope.way_out(None));
                    self.cursor.previous = opened;
                }
            } else {
                self.cursor.position = Some(Position {
                    path: target.clone(),
                    entered,
                    scheduled: false,
                });
            }
        }
    }

    /// Completes the current state, and the states around it until `depth` of them are left. Returns the outermost
    /// completed state.
    fn leave_down_to(&mut self, depth: usize) -> Option<Arc<State>> {
        self.cursor.position.as_ref()?;
        self.schedule();
        let mut around = self.cursor.position.take()?.path;
        let mut last = around.pop()?;
        self.succeed(&last);
        while around.len() > depth {
            let Some(container) = around.pop() else { break };
            if let Some(scope) = branch(&container, &last) {
                let rest = scope.way_out(Some(&last));
                self.pass_all(&rest);
            }
            self.close(&container);
            last = container;
        }
        Some(last)
    }

    /// Enters, executes and exits each state.
    fn pass_all(&mut self, states: &Path) {
        for state in states {
            self.log(What::StateEntered(Arc::clone(state)));
            if state.inner().is_empty() {
                self.start(state);
                self.succeed(state);
                continue;
            }
            let opened = self.open(state);
            for scope in state.inner() {
                self.cursor.previous = opened;
                self.pass_all(&scope.way_out(None));
            }
            self.close(state);
        }
    }

    fn open(&mut self, state: &Arc<State>) -> u64 {
        if state.kind != Kind::Map {
            return self.log(What::ParallelStateStarted);
        }
        self.log(What::MapStateStarted);
        self.log(What::MapIterationStarted(Arc::clone(state)))
    }

    fn close(&mut self, state: &Arc<State>) {
        if state.kind == Kind::Map {
            self.log(What::MapIterationSucceeded(Arc::clone(state)));
            self.log(What::MapStateSucceeded);
        } else {
            self.log(What::ParallelStateSucceeded);
        }
        self.log(What::StateExited(Arc::clone(state)));
    }

    /// Schedules the current Task, unless it was scheduled in this run.
    fn schedule(&mut self) {
        let Some(position) = &mut self.cursor.position else {
            return;
        };
        if std::mem::replace(&mut position.scheduled, true) {
            return;
        }
        let Some(state) = position.path.last().cloned() else {
            return;
        };
        self.start(&state);
    }

    fn start(&mut self, state: &Arc<State>) {
        match (state.kind, &state.resource) {
            (Kind::Task, Some(resource)) => {
                self.log(What::Scheduled(Arc::clone(state)));
                self.log(What::Started(Arc::clone(state)));
                if resource.waits() {
                    self.log(What::Submitted(Arc::clone(state)));
                }
            }
            (Kind::Parallel, _) => {
                self.log(What::ParallelStateStarted);
            }
            (Kind::Map, _) => {
                self.log(What::MapStateStarted);
            }
            _ => {}
        }
    }

    fn succeed(&mut self, state: &Arc<State>) {
        match state.kind {
            Kind::Task => {
                self.log(What::Succeeded(Arc::clone(state)));
            }
            Kind::Parallel => {
                self.log(What::ParallelStateSucceeded);
            }
            Kind::Map => {
                self.log(What::MapStateSucceeded);
            }
            _ => {}
        }
        self.log(What::StateExited(Arc::clone(state)));
    }
}

/// Returns whether a Task that fails with this error was scheduled. For the other errors the state itself fails, not
/// its resource.
pub(super) fn schedules(error: Option<&str>) -> bool {
    !matches!(
        error,
        Some("States.Runtime" | "States.QueryEvaluationError")
    )
}

/// Returns the branch of `container` that holds `state`.
fn branch<'a>(container: &'a State, state: &State) -> Option<&'a Scope> {
    container
        .inner()
        .iter()
        .find(|scope| scope.contains(&state.name))
        .map(AsRef::as_ref)
}
