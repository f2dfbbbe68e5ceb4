//! The one wide line of a handling. It holds the input, the decision, the outcome, the reason and the cost.

use redrive_aws::bus::PutCounts;
use redrive_aws::calls::Counted;
use redrive_core::controller::{Record, RunMode};
use redrive_core::error::{Error, ErrorKind};
use redrive_core::failure::{Service, Subject};
use redrive_core::time::Time;
use serde::Serialize;
use tracing::{error, info, warn};

use crate::metrics::{self, Metric, Metrics};
use crate::tick::Tick;

/// The common fields of the wide line of an event, a message, an entry or a tick.
#[derive(Debug, Serialize)]
pub(crate) struct Wide<'a> {
    /// The name of the function.
    pub(crate) function: &'static str,
    /// Lambda's ID of the invocation.
    pub(crate) request_id: &'a str,
    /// SQS's ID of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<&'a str>,
    /// The mode in force. None: the function has no account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mode: Option<RunMode>,
    /// The duration of the handling, in milliseconds.
    pub(crate) took_ms: u64,
    /// Counts of the requests to AWS.
    #[serde(flatten)]
    pub(crate) counted: Counted,
    /// Counts of the decisions for the event bus.
    #[serde(flatten)]
    pub(crate) put_counts: PutCounts,
    /// The time of the line, which is the timestamp of its metrics.
    #[serde(skip)]
    pub(crate) at: Time,
    /// The dimension of the line's metrics. None: the function has no account, and the line holds no metrics.
    #[serde(skip)]
    pub(crate) stack: Option<&'a str>,
}

/// The result of a handling.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Came<'a> {
    Record {
        #[serde(skip_serializing_if = "Option::is_none")]
        service: Option<Service>,
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<&'a str>,
        #[serde(flatten)]
        record: &'a Record,
    },
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<&'a Subject>,
        #[serde(skip_serializing_if = "Option::is_none")]
        listing: Option<&'a str>,
        error: &'a str,
        kind: ErrorKind,
    },
    Tick(&'a Tick),
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    wide: &'a Wide<'a>,
    #[serde(flatten)]
    came: Came<'a>,
    #[serde(flatten)]
    metrics: Metrics<'a>,
}

impl Wide<'_> {
    /// Writes the line of a record.
    pub(crate) fn record(&self, record: &Record) {
        let wide = self.line_of_record(record);
        // A warning marks a line that a person should read.
        if record.malformed.is_some() || record.unsettled.is_some() {
            warn!(wide, "{}", record.sentence());
        } else {
            info!(wide, "{}", record.sentence());
        }
    }

    /// Writes the line of an error.
    pub(crate) fn error(&self, subject: Option<&Subject>, error: &Error) {
        let wide = self.line_of_error(subject, None, error);
        error!(wide, "{error}");
    }

    /// Writes the line of a target, or a list of targets, that could not be read.
    pub(crate) fn unread(&self, listing: &str, error: &Error) {
        let wide = self.line_of_error(None, Some(listing), error);
        error!(wide, "{error}");
    }

    /// Writes the line of a tick.
    pub(crate) fn tick(&self, tick: &Tick) {
        let wide = self.line_of_tick(tick);
        info!(wide, "swept");
    }

    fn line_of_record(&self, record: &Record) -> String {
        let subject = record.subject.as_ref();
        let came = Came::Record {
            service: subject.map(Subject::service),
            target: subject.map(Subject::target),
            record,
        };
        // These two functions handle one event and decide. The others carry out decisions, or handle many entries.
        let decides = matches!(self.function, "stepfunctions" | "codepipeline");
        let values = metrics::of_record(record, decides.then_some(self.took_ms));
        self.with(came, values)
    }

    fn line_of_error(
        &self,
        subject: Option<&Subject>,
        listing: Option<&str>,
        error: &Error,
    ) -> String {
        let came = Came::Error {
            subject,
            listing,
            error: &error.call,
            kind: error.kind,
        };
        self.with(came, metrics::of_error(error))
    }

    fn line_of_tick(&self, tick: &Tick) -> String {
        self.with(Came::Tick(tick), metrics::of_tick(tick))
    }

    fn with(&self, came: Came<'_>, mut values: Vec<(Metric, u64)>) -> String {
        if self.put_counts.decisions_lost > 0 {
            values.push((Metric::DecisionsLost, self.put_counts.decisions_lost));
        }
        let whole = Whole {
            wide: self,
            came,
            metrics: Metrics {
                stack: self.stack,
                at: self.at,
                values,
            },
        };
        // Serialization does not fail, since every key is a string and every value is serializable.
        serde_json::to_string(&whole).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
