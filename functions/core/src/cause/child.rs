//! The execution that `states:startExecution.sync` waited for.

use alloc::borrow::Cow;

use super::json::{Key, Value};
use super::{SignalReason, Told, read};

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
    pub(super) fn hear(&mut self, path: &[Key], value: Value<'a>) {
        match path {
            [Key::ExecutionArn] => self.is_execution = true,
            [Key::Status] if value.is("ABORTED") => self.status = Status::Aborted,
            [Key::Status] if value.is("TIMED_OUT") => self.status = Status::TimedOut,
            [Key::Error] => self.error = value.text(),
            [Key::Cause] => self.cause = value.text(),
            _ => {}
        }
    }

    /// What it tells, read `levels` deeper at most.
    pub(super) fn told(&self, levels: u8) -> Option<Told> {
        match self.status {
            // Whoever stopped it may have given any error and cause.
            Status::Aborted if self.is_execution => {
                return Some(Told {
                    by_person: true,
                    ..Told::default()
                });
            }
            Status::TimedOut if self.is_execution => {
                return Some(Told::reason(SignalReason::Cancel));
            }
            _ => {}
        }
        // Where the description was cut, its cause may be all that is left of it: it comes first.
        if !self.is_execution && self.cause.is_none() {
            return None;
        }
        // As deep as anybody looks.
        let Some(levels) = levels.checked_sub(1) else {
            return Some(Told::default());
        };
        Some(read::level(
            self.error.as_deref(),
            self.cause.as_deref().unwrap_or_default(),
            levels,
        ))
    }
}
