//! The kept state of one Map Run.

use std::sync::Arc;

#[derive(Debug)]
pub(super) struct MapRun {
    pub(super) arn: Arc<str>,
    pub(super) parent: Arc<str>,
    pub(super) machine: Arc<str>,
    pub(super) start: u64,
    pub(super) stop: Option<u64>,
    pub(super) children: Vec<Arc<str>>,
    /// The number of children that are not closed.
    pub(super) open: usize,
    pub(super) redrive_count: u64,
    pub(super) redrive_date: Option<u64>,
}
