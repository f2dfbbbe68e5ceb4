//! `redrive storm`: the time in which all failures of a storm are redriven.

use std::io::Write;

use redrive_simulation::storm::Storm;

use crate::CommandError;

pub(crate) fn run(storm: &Storm, json: bool, out: &mut impl Write) -> Result<(), CommandError> {
    let report = storm.play().map_err(CommandError::Bug)?;
    if json {
        let line =
            serde_json::to_string(&report).map_err(|error| CommandError::Bug(error.to_string()))?;
        writeln!(out, "{line}")?;
    } else {
        write!(out, "{report}")?;
    }
    if report.holds() {
        Ok(())
    } else {
        Err(CommandError::Reported)
    }
}
