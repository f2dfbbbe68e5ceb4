//! `redrive serve`: the emulator over HTTP.

use std::io::{self, Write};

use redrive_local::serve::serve;

use crate::Failed;

pub(crate) fn run(port: u16, out: &mut impl Write) -> Result<(), Failed> {
    let mut greeting = Ok(());
    let served = serve(
        port,
        |address| {
            greeting = (|| {
                writeln!(
                    out,
                    "Step Functions and CodePipeline are emulated at http://{address}"
                )?;
                writeln!(
                    out,
                    "  AWS_ENDPOINT_URL=http://{address} aws stepfunctions list-state-machines"
                )?;
                writeln!(
                    out,
                    "Their events follow, one a line; http://{address}/_redrive/events has them too."
                )?;
                out.flush()
            })();
        },
        |emitted| {
            let mut out = io::stdout();
            // If nobody reads, nobody is told: the events can be had over HTTP as well.
            let _ = writeln!(out, "{}", emitted.event).and_then(|()| out.flush());
        },
    );
    greeting?;
    let Err(error) = served;
    Err(Failed::User(format!(
        "cannot serve on port {port} of 127.0.0.1: {error}; --port 0 lets the system choose a free one"
    )))
}
