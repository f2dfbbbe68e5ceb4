//! `redrive replay`, `redrive explain` and `redrive test` as a user runs them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../../functions/cli/tests/command/mod.rs"]
mod command;
mod explain;
mod input;
mod own_tests;
mod table;
mod trace;

use self::command::{Ran, redrive, redrive_with, top};

/// The names of the sample events, in order.
fn samples() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(top().join("events"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json") && !name.ends_with(".asl.json"))
        .collect();
    names.sort();
    names
}
