//! `redrive explain`: the verdict on one event, and its reason.

use std::io::Write;
use std::path::Path;

use redrive_core::arn::ExecutionArn;
use redrive_core::decide::decide_optimistically;
use redrive_core::event::{self, AllowedSources, ParsedEvent};
use redrive_core::failure::{Failure, FailureDetail, Field, Need, Redrivable, Subject};
use redrive_core::policy::{ActualValue, ConditionKey, Document, Source};
use redrive_core::verdict::{Reason, Verdict};
use redrive_policy_tools::visible::{visible, visible_json};
use serde_json::{Map, Value, json};

use crate::trace::Trace;
use crate::{CommandError, envelope, input};

pub(crate) fn run(
    policy: &Path,
    event: &Path,
    as_json: bool,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    input::one_from_standard_input(&[policy, event])?;
    let document = input::policy(Some(policy))?;
    if event.is_dir() {
        let folder = input::shown(event);
        return Err(CommandError::User(format!(
            "{folder} is a folder, and explain reads one event: name a file in it, or replay all of them with \
             redrive replay {folder}"
        )));
    }
    let bytes = input::bytes(event)?;
    let parsed = event::parse(&bytes, &AllowedSources::default());
    let mut explained = Explained::new(&document, &parsed);
    if matches!(parsed, ParsedEvent::Malformed(_)) {
        explained.help = envelope::help(event, &bytes);
    }
    if as_json {
        writeln!(out, "{}", visible_json(&explained.json()?.to_string()))?;
    } else {
        explained.print(out)?;
    }
    Ok(())
}

struct Explained<'a> {
    parsed: &'a ParsedEvent,
    verdict: Verdict,
    needs: Vec<Need>,
    /// The trace, for a failure.
    trace: Option<Trace<'a>>,
    /// The remedy, for an event that cannot be read.
    help: Option<String>,
}

impl<'a> Explained<'a> {
    fn new(document: &'a Document, parsed: &'a ParsedEvent) -> Self {
        let ignore = |reason| (Verdict::ignore(reason), Vec::new());
        let (verdict, needs) = match parsed {
            ParsedEvent::Failure(failure) => decide_optimistically(document, failure),
            ParsedEvent::Completion(completion) => ignore(completion.kind.reason()),
            ParsedEvent::Ignored(ignored) => ignore(ignored.reason),
            ParsedEvent::Malformed(_) => ignore(Reason::Malformed),
        };
        let trace = match parsed {
            ParsedEvent::Failure(failure) => Some(Trace::of(
                document,
                &failure.subject,
                &failure.views(),
                &verdict,
            )),
            _ => None,
        };
        Self {
            parsed,
            verdict,
            needs,
            trace,
            help: None,
        }
    }

    /// Returns one object for one line. Every key is always present; a value that an event or a verdict lacks is
    /// null.
    fn json(&self) -> Result<Value, CommandError> {
        let verdict = &self.verdict;
        let rules: Vec<Value> = verdict
            .rules
            .iter()
            .map(|charge| {
                json!({
                    "rule": charge.rule,
                    "description": charge.description,
                    "used": charge.used,
                    "limit": charge.limit,
                })
            })
            .collect();
        Ok(json!({
            "event": kind(self.parsed),
            "subject": self.parsed.subject().map(Subject::key),
            "malformed": match self.parsed {
                ParsedEvent::Malformed(malformed) => json!({
                    "place": malformed.place,
                    "problem": malformed.problem,
                    "help": self.help,
                }),
                _ => Value::Null,
            },
            "failure": match self.parsed {
                ParsedEvent::Failure(failure) => failure_words(failure).into_json(failure),
                _ => Value::Null,
            },
            "verdict": {
                "decision": verdict.decision.as_str(),
                "reason": verdict.reason.code(),
                "message": self.message(),
                "policy": verdict.policy,
                "rules": rules,
                "delay_seconds": verdict.delay_seconds,
                "retry_mode": matches!(self.parsed.subject(), Some(Subject::Stage { .. })).then(|| verdict.retry_mode.as_str()),
            },
            "trace": serde_json::to_value(&self.trace)
                .map_err(|error| CommandError::Bug(format!("the trace cannot be written: {error}")))?,
            "needs": self.needs.iter().map(|need| need.as_str()).collect::<Vec<_>>(),
        }))
    }

    fn message(&self) -> String {
        match self.parsed {
            ParsedEvent::Malformed(malformed) => format!("the event cannot be read: {malformed}"),
            _ => self.verdict.sentence(),
        }
    }

    fn print(&self, out: &mut impl Write) -> Result<(), CommandError> {
        let event = match self.parsed {
            ParsedEvent::Failure(failure) => {
                format!("a failure of {}, {}", failure.subject, failure.at)
            }
            ParsedEvent::Completion(completion) => format!(
                "the completion of {}, {}",
                completion.subject, completion.at
            ),
            ParsedEvent::Ignored(_) => "nothing to judge".to_owned(),
            ParsedEvent::Malformed(_) => "an event that cannot be read".to_owned(),
        };
        writeln!(out, "event    {}", visible(&event))?;
        if let ParsedEvent::Failure(failure) = self.parsed {
            for (word, value) in failure_words(failure).into_pairs() {
                let value = match value {
                    Value::String(text) => text,
                    Value::Null => "(absent)".into(),
                    other => other.to_string(),
                };
                writeln!(out, "         {word}: {}", visible(&value))?;
            }
        }
        if let Some(trace) = &self.trace {
            trace.print("", out)?;
        }
        let verdict = &self.verdict;
        writeln!(
            out,
            "verdict  {}: {}",
            verdict.decision.as_str(),
            self.message()
        )?;
        writeln!(out, "reason   {}", verdict.reason)?;
        if let Some(help) = &self.help {
            writeln!(out, "help     {help}")?;
        }
        for need in &self.needs {
            writeln!(out, "needs    {}: {}", need.as_str(), need.sentence())?;
        }
        Ok(())
    }
}

const fn kind(parsed: &ParsedEvent) -> &'static str {
    match parsed {
        ParsedEvent::Failure(_) => "failure",
        ParsedEvent::Completion(_) => "completion",
        ParsedEvent::Ignored(_) => "ignored",
        ParsedEvent::Malformed(_) => "malformed",
    }
}

/// Returns the failure in the words of a policy.
fn failure_words(failure: &Failure) -> Words {
    let mut words = Words::default();
    words.text("service", failure.subject.service().as_str());
    words.text("account", failure.subject.account());
    words.text("region", failure.subject.region());
    match &failure.detail {
        FailureDetail::Execution(execution) => {
            words.text("state_machine", failure.subject.target());
            if let Ok(arn) = ExecutionArn::parse(failure.subject.arn()) {
                words.text("execution", arn.name);
            }
            words.properties(failure);
            words.field("redrive_count", &execution.redrive_count);
            words.field(
                "redrive_status",
                &match execution.redrivable {
                    Field::Known(Redrivable::Yes) => Field::Known("REDRIVABLE"),
                    Field::Known(Redrivable::No) => Field::Known("NOT_REDRIVABLE"),
                    Field::Known(Redrivable::ByMapRun) => Field::Known("REDRIVABLE_BY_MAP_RUN"),
                    Field::Absent => Field::Absent,
                    Field::Redacted => Field::Redacted,
                    Field::Unknown => Field::Unknown,
                },
            );
            words.field("parent", &execution.parent);
        }
        FailureDetail::Stage(_) => {
            words.text("pipeline", failure.subject.target());
            words.text(
                "stage",
                failure.subject.arn().rsplit('/').next().unwrap_or_default(),
            );
            if let Subject::Stage { execution_id, .. } = &failure.subject {
                words.text("execution_id", execution_id);
            }
            words.properties(failure);
        }
    }
    words
}

#[derive(Default)]
struct Words {
    pairs: Vec<(&'static str, Value)>,
    unknown: Vec<&'static str>,
    redacted: Vec<&'static str>,
}

impl Words {
    fn text(&mut self, word: &'static str, text: &str) {
        self.pairs.push((word, text.into()));
    }

    fn field<T: Clone + Into<Value>>(&mut self, word: &'static str, field: &Field<T>) {
        match field {
            Field::Known(value) => self.pairs.push((word, value.clone().into())),
            Field::Absent => self.pairs.push((word, Value::Null)),
            Field::Unknown => self.unknown.push(word),
            Field::Redacted => self.redacted.push(word),
        }
    }

    /// Adds the properties of the execution, or of the announced action, as conditions see them.
    fn properties(&mut self, failure: &Failure) {
        let service = failure.subject.service();
        let keys = ConditionKey::of_service(Some(service));
        // The stage stands beside its execution.
        let own =
            keys.filter(|key| key.row().source == Source::Failure && *key != ConditionKey::Stage);
        self.values(failure, own);
    }

    fn values(&mut self, failure: &Failure, keys: impl Iterator<Item = ConditionKey>) {
        if let Some(view) = failure.views().first() {
            for key in keys {
                if let Some(value) = view.get(key) {
                    self.field(key.as_str(), &value.map(json_of));
                }
            }
        }
    }

    /// Returns the words for people. Unknown and redacted values are listed by name, without a line of their own.
    fn into_pairs(mut self) -> Vec<(&'static str, Value)> {
        for (key, names) in [("unknown", self.unknown), ("redacted", self.redacted)] {
            if !names.is_empty() {
                self.pairs.push((key, names.into()));
            }
        }
        self.pairs
    }

    /// Returns the words for programs, with the end of the process as conditions see it. Absent, unknown and redacted
    /// values are null; `unknown` and `redacted` name the latter two.
    fn into_json(mut self, failure: &Failure) -> Value {
        self.values(failure, ConditionKey::of_texts());
        if let Some(view) = failure.views().first() {
            self.field("error_codes", &view.error_codes());
        }
        let mut words = Map::new();
        for name in self.unknown.iter().chain(&self.redacted) {
            words.insert((*name).to_owned(), Value::Null);
        }
        let pairs = self.pairs.into_iter();
        words.extend(pairs.map(|(word, value)| (word.to_owned(), value)));
        words.insert("unknown".to_owned(), self.unknown.into());
        words.insert("redacted".to_owned(), self.redacted.into());
        words.into()
    }
}

fn json_of(value: ActualValue<'_>) -> Value {
    match value {
        ActualValue::Text(text) => text.into(),
        ActualValue::Number(number) => number.into(),
    }
}
