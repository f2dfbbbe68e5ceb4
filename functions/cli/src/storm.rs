//! `redrive storm`: the time in which all failures of a storm are redriven.

use std::io::Write;

use redrive_simulation::storm::Storm;

use crate::Failed;

pub(crate) fn run(storm: &Storm, json: bool, out: &mut impl Write) -> Result<(), Failed> {
    let report = storm.play().map_err(Failed::Bug)?;
    if json {
        let line =
            serde_json::to_string(&report).map_err(|error| Failed::Bug(error.to_string()))?;
        writeln!(out, "{line}")?;
    } else {
        write!(out, "{report}")?;
    }
    if report.holds() {
        Ok(())
    } else {
        Err(Failed::Told)
    }
}
