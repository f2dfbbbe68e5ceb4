//! The log of a function: one JSON object a line, as Lambda's log format `JSON` expects.
//!
//! One writer puts each line on standard output: the wide lines of the handlers, and the events that the runtime, the SDK
//! and the adapters emit by `tracing`. The subscriber is a small one, since no line needs a span or a filter.

use std::fmt;
use std::io::{self, Write};

use redrive_aws::environment::variable;
use redrive_core::controller::Clock;
use redrive_core::time::Time;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::ser::Formatter;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::clock::SystemClock;

/// The usual size of a line, with room to spare.
const LINE_BYTES: usize = 2_048;

/// Starts the log on standard output. `AWS_LAMBDA_LOG_LEVEL` is the level, INFO by default.
pub fn start() {
    // INVARIANT: the log is never more verbose than DEBUG. At TRACE the runtime logs whole events, with their
    // inputs, errors and causes.
    let level = level(variable("AWS_LAMBDA_LOG_LEVEL").as_deref()).min(LevelFilter::DEBUG);
    // The only error is that the log was started before.
    tracing::subscriber::set_global_default(Emitted { level, put }).ok();
}

/// Returns the level that a word names. Lambda has the levels of tracing, and FATAL. An unknown word is INFO, since a
/// function does not stop for it.
fn level(word: Option<&str>) -> LevelFilter {
    match word {
        Some("FATAL") => LevelFilter::ERROR,
        Some(word) => word.parse().unwrap_or(LevelFilter::INFO),
        None => LevelFilter::INFO,
    }
}

/// Writes a line, if the log has its level.
pub(crate) fn write(level: Level, line: &impl Serialize) {
    if level <= LevelFilter::current() {
        put(&bytes(line));
    }
}

/// Puts whole lines on standard output, in one call of the system.
fn put(lines: &[u8]) {
    // No caller can do anything about a log that cannot be written.
    io::stdout().lock().write_all(lines).ok();
}

/// Returns a line with its end.
fn bytes(line: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LINE_BYTES);
    // Serialization does not fail, since every key is a string, every value is serializable, and memory takes it all.
    line.serialize(&mut serde_json::Serializer::with_formatter(
        &mut bytes, Ascii,
    ))
    .ok();
    bytes.push(b'\n');
    bytes
}

/// Writes JSON as ASCII without control characters.
///
/// JSON need not escape DEL, C1 controls and marks of text direction. A terminal obeys a C1 control as it obeys ESC.
/// All of these characters occur inside strings, where an escape means the same.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return writer.write_all(fragment.as_bytes());
        }
        for letter in fragment.chars() {
            match letter {
                ' '..='~' => write!(writer, "{letter}")?,
                odd => odd
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .try_for_each(|unit| write!(writer, "\\u{unit:04x}"))?,
            }
        }
        Ok(())
    }
}

/// The subscriber that writes emitted events as lines. No line holds fields of spans, so spans are off.
struct Emitted<P> {
    level: LevelFilter,
    put: P,
}

impl<P: Fn(&[u8]) + 'static> Subscriber for Emitted<P> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let at = SystemClock.now();
        (self.put)(&bytes(&EmittedLine { at, event }));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The line of an emitted event: its message, and its fields as members.
struct EmittedLine<'a> {
    at: Time,
    event: &'a Event<'a>,
}

impl Serialize for EmittedLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let metadata = self.event.metadata();
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("timestamp", &format_args!("{}", self.at))?;
        members.serialize_entry("level", metadata.level().as_str())?;
        members.serialize_entry("logger", metadata.target())?;
        let mut fields = Fields {
            members: &mut members,
            result: Ok(()),
        };
        self.event.record(&mut fields);
        fields.result?;
        members.end()
    }
}

/// Writes the fields of an event as members.
struct Fields<'a, M: SerializeMap> {
    members: &'a mut M,
    result: Result<(), M::Error>,
}

impl<M: SerializeMap> Fields<'_, M> {
    fn set(&mut self, field: &Field, value: &(impl Serialize + ?Sized)) {
        if self.result.is_ok() {
            self.result = self.members.serialize_entry(field.name(), value);
        }
    }
}

impl<M: SerializeMap> Visit for Fields<'_, M> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, &format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;

    /// Characters that control terminals, end lines or change the text direction, and harmless non-ASCII characters.
    const ODD: &str = "\u{1b}[31m\r\n\0\u{7f}\u{9b}2J\u{2028}\u{202e}\u{feff}\"\\ ü 🦀";

    #[test]
    fn line_is_ascii_without_control_characters() {
        let line = bytes(&json!({ "message": ODD, ODD: "plain" }));
        let (end, inside) = line.split_last().unwrap();
        assert_eq!(*end, b'\n');
        let plain = |byte: &u8| (b' '..=b'~').contains(byte);
        assert!(inside.iter().all(plain), "{line:?}");
        let read: Value = serde_json::from_slice(inside).unwrap();
        assert_eq!(read, json!({ "message": ODD, ODD: "plain" }));
    }

    #[test]
    fn emitted_event_is_one_line_with_its_fields() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let subscriber = Emitted {
            level: LevelFilter::INFO,
            put: {
                let written = Arc::clone(&written);
                move |line: &[u8]| written.lock().unwrap().push(line.to_vec())
            },
        };
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("invocation", request = 1);
            let _entered = span.enter();
            tracing::warn!(
                number = 7,
                below = -7,
                part = 0.5,
                yes = true,
                text = "{}",
                "two\nlines and \"quotes\""
            );
            tracing::debug!("not handled");
            tracing::error!(cause = ?Some(1), "{ODD}");
        });
        let lines: Vec<Value> = written
            .lock()
            .unwrap()
            .iter()
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        let time = |line: &Value| line["timestamp"].as_str().unwrap().to_owned();
        let logger = "redrive_lambda::log::tests";
        assert_eq!(
            lines,
            [
                json!({
                    "timestamp": time(&lines[0]), "level": "WARN", "logger": logger,
                    "message": "two\nlines and \"quotes\"",
                    "number": 7, "below": -7, "part": 0.5, "yes": true, "text": "{}",
                }),
                json!({
                    "timestamp": time(&lines[1]), "level": "ERROR", "logger": logger,
                    "message": ODD, "cause": "Some(1)",
                }),
            ]
        );
        for line in &lines {
            assert!(Time::parse(&time(line)).is_some(), "{line}");
        }
    }

    #[test]
    fn every_level_of_lambda_is_understood() {
        for (word, expected) in [
            (None, LevelFilter::INFO),
            (Some("TRACE"), LevelFilter::TRACE),
            (Some("DEBUG"), LevelFilter::DEBUG),
            (Some("WARN"), LevelFilter::WARN),
            (Some("ERROR"), LevelFilter::ERROR),
            (Some("FATAL"), LevelFilter::ERROR),
            (Some("loud"), LevelFilter::INFO),
        ] {
            assert_eq!(level(word), expected);
        }
    }
}
