//! The one wide line of a handling. It holds the input, the decision, the outcome, the reason and the cost.

use redrive_aws::bus::PutCounts;
use redrive_aws::calls::Counted;
use redrive_core::controller::{Record, RunMode};
use redrive_core::error::{Error, ErrorKind};
use redrive_core::failure::{Service, Subject};
use redrive_core::record_fields::RecordFields;
use redrive_core::time::Time;
use serde::{Serialize, Serializer};
use tracing::Level;

use crate::log;
use crate::metrics::{self, Metric, Metrics};
use crate::tick::Tick;

/// Version of the line's shape. A reader of a version understands every later shape with the same number.
const VERSION: u32 = 1;

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
    /// The time of the line and of its metrics.
    #[serde(skip)]
    pub(crate) at: Time,
    /// The dimension of the line's metrics. None: the function has no account, and the line holds no metrics.
    #[serde(skip)]
    pub(crate) stack: Option<&'a str>,
}

/// One line: the common fields, those of its kind, and the metrics.
#[derive(Serialize)]
struct Line<'a, F> {
    timestamp: String,
    #[serde(serialize_with = "as_word")]
    level: Level,
    message: String,
    version: u32,
    #[serde(flatten)]
    wide: &'a Wide<'a>,
    #[serde(flatten)]
    fields: F,
    #[serde(flatten)]
    metrics: Option<Metrics<'a>>,
}

/// The fields of a record's line.
#[derive(Serialize)]
struct OfRecord<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Service>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(flatten)]
    fields: RecordFields<'a>,
}

impl<'a> From<&'a Record> for OfRecord<'a> {
    fn from(record: &'a Record) -> Self {
        let subject = record.subject.as_ref();
        Self {
            service: subject.map(Subject::service),
            target: subject.map(Subject::target),
            fields: record.into(),
        }
    }
}

/// The fields of an error's line.
#[derive(Serialize)]
struct OfError<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a Subject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listing: Option<&'a str>,
    error: &'a str,
    kind: ErrorKind,
}

fn as_word<S: Serializer>(level: &Level, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(level.as_str())
}

impl Wide<'_> {
    /// Writes the line of a record.
    pub(crate) fn record(&self, record: &Record) {
        self.line_of_record(record).write();
    }

    /// Writes the line of an error.
    pub(crate) fn error(&self, subject: Option<&Subject>, error: &Error) {
        self.line_of_error(subject, None, error).write();
    }

    /// Writes the line of a target, or a list of targets, that could not be read.
    pub(crate) fn unread(&self, listing: &str, error: &Error) {
        self.line_of_error(None, Some(listing), error).write();
    }

    /// Writes the line of a tick.
    pub(crate) fn tick(&self, tick: &Tick) {
        self.line_of_tick(tick).write();
    }

    fn line_of_record<'l>(&'l self, record: &'l Record) -> Line<'l, OfRecord<'l>> {
        // A warning marks a line that a person should read.
        let level = if record.malformed.is_some() || record.unsettled.is_some() {
            Level::WARN
        } else {
            Level::INFO
        };
        // These two functions handle one event and decide. The others carry out decisions, or handle many entries.
        let decides = matches!(self.function, "stepfunctions" | "codepipeline");
        let values = metrics::of_record(record, decides.then_some(self.took_ms));
        self.line(level, record.sentence(), record.into(), values)
    }

    fn line_of_error<'l>(
        &'l self,
        subject: Option<&'l Subject>,
        listing: Option<&'l str>,
        error: &'l Error,
    ) -> Line<'l, OfError<'l>> {
        let fields = OfError {
            subject,
            listing,
            error: &error.call,
            kind: error.kind,
        };
        let values = metrics::of_error(error);
        self.line(Level::ERROR, error.to_string(), fields, values)
    }

    fn line_of_tick<'l>(&'l self, tick: &'l Tick) -> Line<'l, &'l Tick> {
        let values = metrics::of_tick(tick);
        self.line(Level::INFO, "swept".to_owned(), tick, values)
    }

    fn line<F>(
        &self,
        level: Level,
        message: String,
        fields: F,
        mut values: Vec<(Metric, u64)>,
    ) -> Line<'_, F> {
        if self.put_counts.decisions_lost > 0 {
            values.push((Metric::DecisionsLost, self.put_counts.decisions_lost));
        }
        Line {
            timestamp: self.at.to_string(),
            level,
            message,
            version: VERSION,
            wide: self,
            fields,
            metrics: self
                .stack
                .and_then(|stack| Metrics::of(stack, self.at, values)),
        }
    }
}

impl<F: Serialize> Line<'_, F> {
    fn write(&self) {
        log::write(self.level, self);
    }
}

#[cfg(test)]
mod tests;
