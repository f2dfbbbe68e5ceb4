//! The execution that `states:startExecution.sync` waited for.

use alloc::borrow::Cow;

use redrive_policy::SignalReason;

use super::json::{Key, Value};
use super::told::Told;

/// A child, as DescribeExecution describes it. Its own cause lies in it as text, escaped once more.
#[derive(Debug, Clone, Default)]
pub(super) struct Child<'a> {
    is_execution: bool,
    status: Status,
    error: Option<Cow<'a, str>>,
    cause: Option<Cow<'a, str>>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Status {
    #[default]
    Other,
    Aborted,
    TimedOut,
}

impl<'a> Child<'a> {
    pub(super) fn visit(&mut self, path: &[Key], value: Value<'a>) {
        match path {
            [Key::ExecutionArn] => self.is_execution = true,
            [Key::Status] if value.is("ABORTED") => self.status = Status::Aborted,
            [Key::Status] if value.is("TIMED_OUT") => self.status = Status::TimedOut,
            [Key::Error] => self.error = value.text(),
            [Key::Cause] => self.cause = value.text(),
            _ => {}
        }
    }

    /// What it tells.
    pub(super) fn told(&self) -> Option<Tells<'_>> {
        match self.status {
            // Whoever stopped it may have given any error and cause.
            Status::Aborted if self.is_execution => {
                return Some(Tells::End(Told {
                    by_person: true,
                    ..Told::default()
                }));
            }
            Status::TimedOut if self.is_execution => {
                return Some(Tells::End(Told::reason(SignalReason::Cancel)));
            }
            _ => {}
        }
        // Where the description was cut, its cause may be all that is left of it: it comes first.
        if !self.is_execution && self.cause.is_none() {
            return None;
        }
        Some(Tells::Cause {
            error: self.error.as_deref(),
            cause: self.cause.as_deref().unwrap_or_default(),
        })
    }
}

/// What a child tells.
pub(super) enum Tells<'a> {
    /// How it ended.
    End(Told),
    /// What is to be read one level deeper.
    Cause {
        error: Option<&'a str>,
        cause: &'a str,
    },
}
