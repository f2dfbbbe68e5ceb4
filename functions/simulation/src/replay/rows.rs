//! What a replay came to, row by row.

use std::collections::BTreeMap;

use redrive_core::controller::Record;
use serde::Serialize;

/// One thing that was handled, and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Where it came from: a file, an event that the emulator announced, the queue, or the sweep.
    pub from: From,
    /// The file's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What came of it.
    #[serde(flatten)]
    pub record: Record,
    /// What failed, as far as may be shown locally: the error's name, or the failed actions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// Where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// An event file.
    File,
    /// An event of the emulator, of which no file tells.
    Emulator,
    /// The queue of delayed retries.
    Queue,
    /// The sweep.
    Sweep,
}

/// What a replay came to.
#[derive(Debug, Clone, Default)]
pub struct Replayed {
    /// In the order of time.
    pub rows: Vec<Row>,
    /// Files whose event never came: they follow from a run that never was.
    pub untold: Vec<String>,
    /// Calls that the emulated services answered, by operation.
    pub calls: BTreeMap<String, usize>,
    /// The ledger at the end.
    pub entries: Vec<redrive_core::ledger::Entry>,
}
