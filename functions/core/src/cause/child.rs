//! Reads the child execution for which `states:startExecution.sync` waited.

use alloc::borrow::Cow;

use redrive_policy::SignalReason;

use super::extracted::Extracted;
use super::json::{Key, Value};

/// A child, as DescribeExecution describes it. Its own cause is a text in it, escaped once more.
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

    /// Returns how the child ended, or the cause to read next.
    pub(super) fn extracted(&self) -> Option<Described<'_>> {
        match self.status {
            // The person who stopped the child may have given any error and cause.
            Status::Aborted if self.is_execution => {
                return Some(Described::End(Extracted::default().with_person(true)));
            }
            Status::TimedOut if self.is_execution => {
                return Some(Described::End(Extracted::reason(SignalReason::Cancel)));
            }
            _ => {}
        }
        // The cause is the description's first member. If the description was cut, it may be the only one left.
        if !self.is_execution && self.cause.is_none() {
            return None;
        }
        Some(Described::Cause {
            error: self.error.as_deref(),
            cause: self.cause.as_deref().unwrap_or_default(),
        })
    }
}

/// The result of reading a child's description.
pub(super) enum Described<'a> {
    /// The way in which the child ended.
    End(Extracted),
    /// The child's error and cause, to be read one level deeper.
    Cause {
        error: Option<&'a str>,
        cause: &'a str,
    },
}
