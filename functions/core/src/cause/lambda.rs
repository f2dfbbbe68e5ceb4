//! Reads the failure of a Lambda function.

use alloc::borrow::Cow;

use redrive_policy::{ConditionKey, SignalReason};

use super::extracted::{Extracted, exit_status};
use super::http;
use super::json::{Key, Value};

/// The signals as the runtime names them, in the words of Go's `syscall.Signal`.
const SIGNALS: [(&str, &str); 10] = [
    ("killed", "SIGKILL"),
    ("terminated", "SIGTERM"),
    ("segmentation fault", "SIGSEGV"),
    ("aborted", "SIGABRT"),
    ("bus error", "SIGBUS"),
    ("illegal instruction", "SIGILL"),
    ("floating point exception", "SIGFPE"),
    ("trace/breakpoint trap", "SIGTRAP"),
    ("interrupt", "SIGINT"),
    ("quit", "SIGQUIT"),
];

/// The payload of a failed invocation.
// AWS: errorType and errorMessage describe the error (Lambda function errors, AWS Lambda Developer Guide).
#[derive(Debug, Clone, Default)]
pub(super) struct Function<'a> {
    error_type: Option<Cow<'a, str>>,
    message: Option<Cow<'a, str>>,
}

impl<'a> Function<'a> {
    pub(super) fn visit(&mut self, path: &[Key], value: Value<'a>) {
        match path {
            [Key::ErrorType] => self.error_type = value.text(),
            [Key::ErrorMessage] => self.message = value.text(),
            _ => {}
        }
    }

    pub(super) fn extracted(&self) -> Option<Extracted> {
        if self.error_type.is_none() && self.message.is_none() {
            return None;
        }
        let message = self.message.as_deref().unwrap_or_default();
        // The function's author chooses type and message. Only an error type of Lambda marks Lambda's own words.
        let by_lambda = self.error_type.as_deref().is_none_or(|error| {
            ["Lambda.", "Runtime.", "Sandbox."]
                .iter()
                .any(|of| error.starts_with(of))
        });
        let extracted = if by_lambda {
            text(message)
        } else {
            Extracted::default()
        };
        Some(extracted.with(ConditionKey::HttpStatus, http::status(message)))
    }
}

/// Reads Lambda's own sentences, anywhere in a text.
pub(super) fn text(text: &str) -> Extracted {
    let mut extracted = Extracted::default();
    // "<time> <request id> Task timed out after 902.11 seconds"
    let timed_out = text
        .split_once("Task timed out after ")
        .is_some_and(|(_, rest)| rest.starts_with(|first: char| first.is_ascii_digit()));
    if timed_out {
        extracted = Extracted::reason(SignalReason::Cancel);
    }
    // "RequestId: … Error: Runtime exited with error: exit status 1", or "signal: killed"
    if let Some((_, how)) = text.split_once("Runtime exited with error: ") {
        if let Some(status) = how.strip_prefix("exit status ") {
            let digits = status
                .split(|digit: char| !digit.is_ascii_digit())
                .next()
                .unwrap_or_default();
            let code = digits.parse().ok().and_then(exit_status);
            extracted = extracted.with(ConditionKey::ExitStatus, code);
        } else if let Some(signal) = how.strip_prefix("signal: ") {
            let name = SIGNALS
                .iter()
                .find(|(words, _)| signal.starts_with(words))
                .map(|(_, name)| *name);
            extracted = extracted.with(ConditionKey::Signal, name);
        }
    }
    extracted
}
