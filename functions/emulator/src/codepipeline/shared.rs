//! The parts that all pipelines share: place, options, the present time, ids, and due work.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::options::Options;
use super::script::Outcome;
use crate::api::{Emitted, Ids, Place};

/// Work that becomes due without a call.
#[derive(Debug, Clone)]
pub(super) enum Due {
    /// The end of a run, with its scripted outcome.
    Action(usize, Outcome),
    /// The automatic retry of a failed stage.
    AutomaticRetry(usize),
    /// The automatic rollback of a failed stage.
    Rollback(usize),
}

#[derive(Debug)]
pub(super) struct SharedState {
    pub(super) place: Place,
    pub(super) options: Options,
    pub(super) ids: Ids,
    /// The present time of the emulation.
    pub(super) now: u64,
    pub(super) events: Vec<Emitted>,
    /// Due work by time, then by the order in which it was scheduled: pipeline, execution, work.
    pub(super) due: BTreeMap<(u64, u64), (Arc<str>, u64, Due)>,
    scheduled: u64,
    started: u64,
}

impl SharedState {
    pub(super) const fn new(place: Place, options: Options, seed: u64) -> Self {
        Self {
            place,
            options,
            ids: Ids::new(seed),
            now: 0,
            events: Vec::new(),
            due: BTreeMap::new(),
            scheduled: 0,
            started: 0,
        }
    }

    pub(super) fn schedule(&mut self, after: u64, pipeline: &Arc<str>, execution: u64, due: Due) {
        self.scheduled += 1;
        let at = self.now.saturating_add(after);
        self.due
            .insert((at, self.scheduled), (Arc::clone(pipeline), execution, due));
    }

    /// Returns the number of the next execution: unique over all pipelines, rising with time.
    pub(super) const fn next_number(&mut self) -> u64 {
        self.started += 1;
        self.started
    }

    /// Returns the time that lagging reads show.
    pub(super) const fn shown(&self) -> u64 {
        let options = &self.options;
        let lag = options
            .state_lag_ms
            .saturating_mul(options.lag_of_a_thousand)
            / 1000;
        self.now.saturating_sub(lag)
    }

    pub(super) fn arn(&self, pipeline: &str) -> String {
        let Place {
            partition,
            region,
            account,
        } = &self.place;
        format!("arn:{partition}:codepipeline:{region}:{account}:{pipeline}")
    }

    pub(super) fn user_arn(&self, name: &str) -> String {
        format!(
            "arn:{}:iam::{}:user/{name}",
            self.place.partition, self.place.account
        )
    }
}
