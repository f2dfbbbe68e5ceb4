//! The wide line of a panic. It names the event in handling, since the process ends without another line.

use std::panic::PanicHookInfo;
use std::sync::Mutex;

use redrive_aws::bus::PutCounts;
use redrive_aws::calls::Counted;
use redrive_core::controller::Clock;
use redrive_core::error::{Error, ErrorKind};
use redrive_core::failure::Subject;

use crate::clock::SystemClock;
use crate::wide::Wide;

/// The event, message or tick in handling.
static HANDLED: Mutex<Handled> = Mutex::new(Handled {
    request_id: String::new(),
    subject: None,
});

struct Handled {
    request_id: String,
    subject: Option<Subject>,
}

/// Notes the invocation in handling, and its subject once that is known.
pub(super) fn handling(request_id: &str, subject: Option<&Subject>) {
    if let Ok(mut handled) = HANDLED.lock() {
        request_id.clone_into(&mut handled.request_id);
        handled.subject = subject.cloned();
    }
}

/// Makes each panic of a function one line.
pub(super) fn log(function: &'static str) {
    std::panic::set_hook(Box::new(move |panic| write(function, panic)));
}

fn write(function: &'static str, panic: &PanicHookInfo<'_>) {
    // INVARIANT: only the place is logged, since the message of a panic may quote the text that it met.
    let place = panic
        .location()
        .map_or_else(|| "?".to_owned(), ToString::to_string);
    let error = Error::new(ErrorKind::Internal, format!("panic at {place}"));
    // A panic in `handling` itself holds the lock.
    let handled = HANDLED.try_lock().ok();
    Wide {
        function,
        request_id: handled
            .as_ref()
            .map_or("", |handled| handled.request_id.as_str()),
        message_id: None,
        mode: None,
        took_ms: 0,
        counted: Counted::default(),
        put_counts: PutCounts::default(),
        at: SystemClock.now(),
        // Lambda's own metric counts the end of the process.
        stack: None,
    }
    .error(
        handled
            .as_ref()
            .and_then(|handled| handled.subject.as_ref()),
        &error,
    );
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use serde_json::{Value, json};

    use super::*;
    use crate::log;

    const CHILD: &str = "REDRIVE_TEST_PANICS";

    /// The test runs itself in a process of its own, since a hook is the process's.
    #[test]
    fn panic_is_one_line_with_its_subject_and_no_text() {
        let this = "handlers::panics::tests::panic_is_one_line_with_its_subject_and_no_text";
        if std::env::var_os(CHILD).is_some() {
            log::start();
            super::log("due");
            let subject = Subject::Execution {
                arn: "arn:a".to_owned(),
            };
            handling("first", Some(&subject));
            handling("second", None);
            handling("third", Some(&subject));
            panic!("pl4nted");
        }
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", this, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let said = String::from_utf8(child.stdout).unwrap();
        let lines: Vec<&str> = said.lines().filter(|line| line.contains('{')).collect();
        let [line] = lines.as_slice() else {
            panic!("{said}")
        };
        // The name of the test may stand before it.
        let (_, line) = line.split_at(line.find('{').unwrap());
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            line,
            json!({
                "timestamp": line["timestamp"], "level": "ERROR", "message": line["message"], "version": 1,
                "function": "due", "request_id": "third", "took_ms": 0, "calls_repeated": 0,
                "subject": { "execution": { "arn": "arn:a" } }, "error": line["error"], "kind": "internal",
            })
        );
        let place = line["error"].as_str().unwrap();
        assert!(
            place.starts_with("panic at functions/lambda/src/handlers/panics.rs:"),
            "{place}"
        );
        assert!(
            !said.contains("pl4nted")
                && !String::from_utf8_lossy(&child.stderr).contains("pl4nted")
        );
    }
}
