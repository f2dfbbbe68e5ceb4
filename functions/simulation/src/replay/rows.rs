//! The result of a replay, row by row.

use std::collections::BTreeMap;

use redrive_core::controller::Record;
use serde::Serialize;

/// One handled event, message or entry, and the result.
#[derive(Debug, Clone)]
pub struct Row {
    /// The origin: a file, an event that the emulator announced, the queue, or the sweep.
    pub from: From,
    /// The file's name.
    pub file: Option<String>,
    /// The core's record of the result.
    pub record: Record,
    /// The failure, as far as it may be shown locally: the error's name, or the failed actions.
    pub failed: Option<String>,
}

/// The origin of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// An event file.
    File,
    /// An event of the emulator that no file describes.
    Emulator,
    /// The queue of delayed retries.
    Queue,
    /// The sweep.
    Sweep,
}

/// The result of a replay.
#[derive(Debug, Clone, Default)]
pub struct Replayed {
    /// The rows, in the order of time.
    pub rows: Vec<Row>,
    /// The names of files whose event never happened, since they follow from a run that never took place.
    pub undelivered: Vec<String>,
    /// The number of calls that the emulated services answered, by operation.
    pub calls: BTreeMap<String, usize>,
    /// The ledger at the end.
    pub entries: Vec<redrive_core::ledger::Entry>,
}
