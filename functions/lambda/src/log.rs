//! The log of a function: one JSON object a line, as Lambda's log format `JSON` expects.

use std::fmt;

use redrive_aws::environment::variable;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The field whose text is a JSON object. The members of the object become members of the line.
pub(crate) const WIDE: &str = "wide";

/// Starts the log on standard output. `AWS_LAMBDA_LOG_LEVEL` is the level, INFO by default.
pub fn start() {
    tracing_subscriber::fmt()
        // INVARIANT: the log is never more verbose than DEBUG. At TRACE the runtime logs whole events, with their
        // inputs, errors and causes.
        .with_max_level(level(variable("AWS_LAMBDA_LOG_LEVEL").as_deref()).min(LevelFilter::DEBUG))
        .event_format(Json)
        .init();
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

struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let metadata = event.metadata();
        let mut line = Line::default();
        line.set("timestamp", &time);
        line.set("level", metadata.level().as_str());
        event.record(&mut line);
        if line.wide.is_empty() {
            line.set("logger", metadata.target());
        }
        line.write(&mut writer)
    }
}

/// Writes JSON as ASCII without control characters.
///
/// JSON need not escape DEL, C1 controls and marks of text direction. A terminal obeys a C1 control as it obeys ESC.
/// All of these characters occur inside strings, where an escape means the same.
fn ascii(json: &str, to: &mut impl fmt::Write) -> fmt::Result {
    let mut rest = json;
    while let Some(at) = rest.find(|letter: char| !letter.is_ascii() || letter.is_ascii_control()) {
        let (plain, odd) = rest.split_at(at);
        to.write_str(plain)?;
        let mut letters = odd.chars();
        if let Some(letter) = letters.next() {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                write!(to, "\\u{unit:04x}")?;
            }
        }
        rest = letters.as_str();
    }
    to.write_str(rest)
}

/// The members of one line, in order.
#[derive(Default)]
struct Line {
    members: String,
    /// The inside of a JSON object.
    wide: String,
}

impl Line {
    fn set(&mut self, name: &str, value: impl Serialize) {
        // Serialization of strings, numbers and booleans does not fail.
        let value = serde_json::to_string(&value).unwrap_or_default();
        if !self.members.is_empty() {
            self.members.push(',');
        }
        // The name needs no escape, since it is a field's name in the source code.
        self.members.extend(["\"", name, "\":", &value]);
    }

    fn write(&self, to: &mut impl fmt::Write) -> fmt::Result {
        to.write_char('{')?;
        ascii(&self.members, to)?;
        if !self.wide.is_empty() {
            to.write_char(',')?;
            ascii(&self.wide, to)?;
        }
        to.write_str("}\n")
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match value
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
        {
            Some(inside) if field.name() == WIDE => inside.clone_into(&mut self.wide),
            _ => self.set(field.name(), value),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Characters that control terminals, end lines or change the text direction, and harmless non-ASCII characters.
    const ODD: &str = "\u{1b}[31m\r\n\0\u{7f}\u{9b}2J\u{2028}\u{202e}\u{feff}\"\\ ü 🦀";

    #[test]
    fn line_is_one_json_object_with_members_of_the_wide_line() {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(Json)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(
                wide = r#"{"outcome":"retried","calls":{"PutItem":2}}"#,
                "retried"
            );
            tracing::warn!(number = 7, yes = true, "two\nlines and \"quotes\"");
            tracing::debug!("not handled");
            tracing::info!(wide = "{\"key\":\"\u{9b}31m\u{7f}\"}", "{ODD}");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 3, "{text}");
        let plain = |byte: u8| byte == b'\n' || (b' '..=b'~').contains(&byte);
        assert!(text.bytes().all(plain), "{text:?}");
        assert_eq!(
            (&lines[2]["message"], &lines[2]["key"]),
            (&ODD.into(), &"\u{9b}31m\u{7f}".into())
        );
        assert_eq!(lines[0]["level"], "INFO");
        assert_eq!(lines[0]["message"], "retried");
        assert_eq!(lines[0]["outcome"], "retried");
        assert_eq!(lines[0]["calls"]["PutItem"], 2);
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!(lines[1]["level"], "WARN");
        assert_eq!(lines[1]["message"], "two\nlines and \"quotes\"");
        assert_eq!(
            (&lines[1]["number"], &lines[1]["yes"]),
            (&7.into(), &true.into())
        );
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
