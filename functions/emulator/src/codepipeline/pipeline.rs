//! A pipeline, and the executions in its stages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::declaration::Declaration;
use super::execution::Execution;
use super::lagged::Lagged;

/// `inboundTransitionState`.
#[derive(Debug, Clone, Default)]
pub(super) struct Transition {
    /// The reason, the person and the time; none while the transition is enabled.
    pub(super) disabled: Option<(String, String, u64)>,
}

/// One stage of a pipeline from its executions' view: the lock, the waiting executions, and the latest execution.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    /// The execution that holds the stage lock; always none in PARALLEL mode.
    pub(super) occupant: Option<u64>,
    /// The executions that wait to enter, oldest first.
    pub(super) inbound: Lagged<Vec<u64>>,
    /// The execution that entered last.
    pub(super) latest: Lagged<Option<u64>>,
    pub(super) transition: Lagged<Transition>,
    /// The latest run of each action, in any execution (documented): the execution, and the index of the run.
    pub(super) runs: BTreeMap<String, Lagged<(u64, usize)>>,
}

impl Lane {
    pub(super) const fn new() -> Self {
        Self {
            occupant: None,
            inbound: Lagged::new(0, Vec::new()),
            latest: Lagged::new(0, None),
            transition: Lagged::new(0, Transition { disabled: None }),
            runs: BTreeMap::new(),
        }
    }
}

/// A pipeline with its versions and all its executions.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) name: Arc<str>,
    pub(super) created: u64,
    pub(super) updated: u64,
    pub(super) versions: BTreeMap<u32, Arc<Declaration>>,
    pub(super) declaration: Arc<Declaration>,
    pub(super) lanes: BTreeMap<String, Lane>,
    /// The executions by number; a later start has a higher number.
    pub(super) executions: BTreeMap<u64, Execution>,
    pub(super) numbers: BTreeMap<String, u64>,
    /// The executions that are InProgress or Stopping.
    pub(super) running: BTreeSet<u64>,
    /// Every action run in the order of its start: the execution, and the index of the run.
    pub(super) rows: Vec<(u64, usize)>,
    /// The approval tokens: the execution, and the index of the run.
    pub(super) approvals: BTreeMap<String, (u64, usize)>,
    /// The `clientRequestToken`s of `StartPipelineExecution`, and the executions that they started.
    pub(super) tokens: BTreeMap<String, String>,
}

impl Pipeline {
    pub(super) fn new(declaration: Arc<Declaration>, now: u64) -> Self {
        let mut pipeline = Self {
            name: declaration.name.as_str().into(),
            created: now,
            updated: now,
            versions: BTreeMap::new(),
            declaration: Arc::clone(&declaration),
            lanes: BTreeMap::new(),
            executions: BTreeMap::new(),
            numbers: BTreeMap::new(),
            running: BTreeSet::new(),
            rows: Vec::new(),
            approvals: BTreeMap::new(),
            tokens: BTreeMap::new(),
        };
        pipeline.adopt(declaration, now);
        pipeline
    }

    /// Makes `declaration` the current structure.
    pub(super) fn adopt(&mut self, declaration: Arc<Declaration>, now: u64) {
        let mut old = std::mem::take(&mut self.lanes);
        for stage in &declaration.stages {
            let lane = old.remove(&stage.name).unwrap_or_else(Lane::new);
            self.lanes.insert(stage.name.clone(), lane);
        }
        self.versions
            .insert(declaration.version, Arc::clone(&declaration));
        self.declaration = declaration;
        self.updated = now;
    }

    pub(super) fn find(&self, id: &str) -> Option<(u64, &Execution)> {
        let number = *self.numbers.get(id)?;
        self.executions.get(&number).map(|it| (number, it))
    }

    pub(super) fn summary(&self) -> Value {
        let raw = &self.declaration.raw;
        let mut summary = Map::new();
        for key in ["name", "version", "pipelineType", "executionMode"] {
            summary.insert(key.into(), raw.get(key).cloned().unwrap_or_default());
        }
        summary.insert("created".into(), crate::dates::epoch_seconds(self.created));
        summary.insert("updated".into(), crate::dates::epoch_seconds(self.updated));
        Value::Object(summary)
    }
}
