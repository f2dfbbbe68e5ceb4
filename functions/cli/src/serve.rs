//! `redrive serve`: the emulator over HTTP.

use std::io::{self, Write};
use std::sync::mpsc::sync_channel;
use std::thread;

use redrive_emulator::serve::serve;

use crate::CommandError;

/// Maximum events that wait for a reader of standard output. A slow reader misses events instead of blocking the
/// services. `/_redrive/events` has all events.
const WAITING: usize = 10_000;

pub(crate) fn run(port: u16, out: &mut impl Write) -> Result<(), CommandError> {
    let (events, waiting) = sync_channel::<String>(WAITING);
    thread::spawn(move || {
        for event in waiting {
            let mut out = io::stdout().lock();
            if writeln!(out, "{event}").and_then(|()| out.flush()).is_err() {
                // The reader closed standard output.
                return;
            }
        }
    });
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
        move |emitted| {
            let _ = events.try_send(emitted.event.to_string());
        },
    );
    greeting?;
    let Err(error) = served;
    Err(CommandError::User(format!(
        "cannot serve on port {port} of 127.0.0.1: {error}; --port 0 lets the system choose a free one"
    )))
}
