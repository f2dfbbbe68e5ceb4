//! `redrive rehearse`: the promises, whatever goes wrong.

use std::io::Write;

use redrive_core::policy::one_of;
use redrive_simulation::rehearse::{Class, rehearse, rehearse_many, stories};

use crate::Failed;

pub(crate) fn run(
    seeds: std::ops::Range<u64>,
    seed: Option<u64>,
    faults: Option<&[String]>,
    all_reached: bool,
    out: &mut impl Write,
) -> Result<(), Failed> {
    let faults = faults.map(classes).transpose()?;
    let faults = faults.as_deref();
    let kept = if let Some(seed) = seed {
        let rehearsed = rehearse(seed, faults, true);
        writeln!(out, "{rehearsed}")?;
        rehearsed.broken.is_none()
    } else {
        let census = rehearse_many(seeds.start, seeds.end.saturating_sub(seeds.start), faults);
        writeln!(out, "{census}")?;
        census.broken.is_empty() && (!all_reached || census.unreached().is_empty())
    };
    if kept { Ok(()) } else { Err(Failed::Told) }
}

/// Every order of the handlings of one failure.
pub(crate) fn orders(out: &mut impl Write) -> Result<(), Failed> {
    let (mut orders, mut deaths, mut kept) = (0, 0, true);
    for story in stories() {
        let explored = story.explore();
        writeln!(out, "{explored}")?;
        // One story after another takes its time.
        out.flush()?;
        orders += explored.orders;
        deaths += explored.deaths;
        kept &= explored.broken.is_none();
    }
    if !kept {
        return Err(Failed::Told);
    }
    writeln!(
        out,
        "{orders:>8} orders, {deaths:>8} deaths; no promise was broken"
    )?;
    Ok(())
}

fn classes(names: &[String]) -> Result<Vec<Class>, Failed> {
    if names == ["none"] {
        return Ok(Vec::new());
    }
    names
        .iter()
        .map(|name| {
            Class::named(name).ok_or_else(|| {
                let known: Vec<&str> = Class::ALL.iter().map(|class| class.name()).collect();
                Failed::User(format!(
                    "--faults: {name:?} is no class of faults; it may be none, or of these: {}",
                    one_of(&known)
                ))
            })
        })
        .collect()
}
