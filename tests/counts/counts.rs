//! `counts WHAT TIMES`: repeats one operation, for `tests/counts/run` to count its instructions. `counts pieces` prints
//! the number of causes.

#[path = "../../functions/core/benches/teams/mod.rs"]
mod teams;

use std::hint::black_box;
use std::process::ExitCode;

use redrive_core::cause::Ended;
use redrive_core::event::{self, AllowedSources};
use redrive_core::failure::{ExecutionStatus, Field};
use redrive_core::policy::Document;

use self::teams::{event, text, verdict};

/// Beginnings of what a reader of causes looks for, and what nests. A cause that repeats one of them is the worst for a
/// reader that begins again at each.
const PIECES: [&str; 14] = [
    "{",
    "[[{",
    "\\",
    "\"",
    "{\"",
    "{\"a\":",
    "{\\\"",
    "{\"Cause\":\"",
    "{\\\"Cause\\\":\\\"",
    "Status Code: ",
    "exit status ",
    "Runtime exited with error: ",
    "{\"Containers\":[{\"ExitCode\":1},",
    "{\"Phases\":[{\"Contexts\":[{\"Message\":\"exit status 1\"}]},",
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    if what == "pieces" {
        #[expect(clippy::print_stdout, reason = "it was asked for")]
        {
            println!("{}", PIECES.len());
        }
        return ExitCode::SUCCESS;
    }
    let times = arguments.next().and_then(|times| times.parse().ok());
    match times.and_then(|times| run(&what, times)) {
        Some(()) => ExitCode::SUCCESS,
        None => ExitCode::from(2),
    }
}

fn run(what: &str, times: usize) -> Option<()> {
    let repeat = |work: &dyn Fn()| (0..times).for_each(|_| work());
    match what {
        // The baseline of the others: the same event, read by another library.
        "reference" => {
            let event = event(10);
            repeat(&|| {
                drop(black_box(serde_json::from_slice::<serde_json::Value>(
                    black_box(&event),
                )))
            });
        }
        "parse" => {
            let event = event(10);
            repeat(&|| {
                drop(black_box(event::parse(
                    black_box(&event),
                    &AllowedSources::default(),
                )))
            });
        }
        "load" => {
            let text = text(10);
            repeat(&|| drop(black_box(Document::parse(black_box(&text)))));
        }
        // What a program costs that does nothing.
        "nothing" => {}
        _ if what.starts_with("cause-") => {
            let (piece, kib) = what.strip_prefix("cause-")?.split_once('-')?;
            let piece = PIECES.get(piece.parse::<usize>().ok()?)?;
            let cause = piece.repeat(kib.parse::<usize>().ok()? * 1024 / piece.len());
            repeat(&|| {
                black_box(Ended::execution(
                    ExecutionStatus::Failed,
                    Field::Known("States.TaskFailed"),
                    Field::Known(black_box(&cause)),
                ));
            });
        }
        _ => {
            let policies = what.strip_prefix("verdict-")?.parse().ok()?;
            let (document, event) = (Document::parse(&text(policies)).ok()?, event(policies));
            repeat(&|| drop(black_box(verdict(&document, black_box(&event)))));
        }
    }
    Some(())
}
