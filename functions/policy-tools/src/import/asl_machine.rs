//! The parts of a state machine that the import of `Retry` walks through.

use redrive_policy::node::{Kind, Node, Scalar};

use super::context::{Entries, get, inside};

/// Yields the machines within a state whose failures are failures of the execution itself.
pub(super) fn machines<'n>(state: Entries<'n>) -> impl Iterator<Item = &'n Node> {
    let branches = match get(state, "Branches").map(|node| &node.kind) {
        Some(Kind::List(branches)) => branches.as_slice(),
        _ => &[],
    };
    let processors = ["Iterator", "ItemProcessor"]
        .into_iter()
        .filter_map(move |key| get(state, key))
        .filter(|processor| !is_distributed(processor));
    branches.iter().chain(processors)
}

/// Returns whether a machine, or a machine within one of its states, has a Fail state.
pub(super) fn has_fail(machine: &Node) -> bool {
    let states = match inside(machine, "States").map(|node| &node.kind) {
        Some(Kind::Map(states)) => states.as_slice(),
        _ => &[],
    };
    states.iter().any(|(_, state)| {
        let within = match &state.kind {
            Kind::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        is_fail(state) || machines(within).any(has_fail)
    })
}

pub(super) fn is_fail(state: &Node) -> bool {
    inside(state, "Type").and_then(Node::scalar) == Some(Scalar::Text("Fail"))
}

pub(super) fn is_distributed(processor: &Node) -> bool {
    let mode = inside(processor, "ProcessorConfig").and_then(|config| inside(config, "Mode"));
    mode.and_then(Node::scalar) == Some(Scalar::Text("DISTRIBUTED"))
}
