//! `redrive simulate`: the invariants under injected faults.

use std::io::Write;

use redrive_core::policy::one_of;
use redrive_simulation::faults::{FaultClass, simulate, simulate_many, stories};

use crate::CommandError;

pub(crate) fn run(
    seeds: std::ops::Range<u64>,
    seed: Option<u64>,
    faults: Option<&[String]>,
    all_reached: bool,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let faults = faults.map(classes).transpose()?;
    let faults = faults.as_deref();
    let kept = if let Some(seed) = seed {
        let result = simulate(seed, faults, true);
        writeln!(out, "{result}")?;
        result.broken.is_none()
    } else {
        let summary = simulate_many(seeds.start, seeds.end.saturating_sub(seeds.start), faults);
        writeln!(out, "{summary}")?;
        summary.broken.is_empty() && (!all_reached || summary.unreached().is_empty())
    };
    if kept {
        Ok(())
    } else {
        Err(CommandError::Reported)
    }
}

/// Explores every interleaving of the invocations for one failure.
pub(crate) fn interleavings(out: &mut impl Write) -> Result<(), CommandError> {
    let (mut interleavings, mut deaths, mut kept) = (0, 0, true);
    for story in stories() {
        let explored = story.explore();
        writeln!(out, "{explored}")?;
        // A story takes a while, so its line appears at once.
        out.flush()?;
        interleavings += explored.interleavings;
        deaths += explored.deaths;
        kept &= explored.broken.is_none();
    }
    if !kept {
        return Err(CommandError::Reported);
    }
    writeln!(
        out,
        "{interleavings:>8} interleavings, {deaths:>8} deaths; no invariant was broken"
    )?;
    Ok(())
}

fn classes(names: &[String]) -> Result<Vec<FaultClass>, CommandError> {
    if names == ["none"] {
        return Ok(Vec::new());
    }
    names
        .iter()
        .map(|name| {
            FaultClass::named(name).ok_or_else(|| {
                let known: Vec<&str> = FaultClass::ALL.iter().map(|class| class.name()).collect();
                CommandError::User(format!(
                    "--faults: {name:?} is not a fault class; the classes are none, {}",
                    one_of(&known)
                ))
            })
        })
        .collect()
}
