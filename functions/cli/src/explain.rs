//! `redrive explain`: what would happen to one event, and why.

use std::io::Write;
use std::path::Path;

use redrive_core::arn::ExecutionArn;
use redrive_core::decide::foresee;
use redrive_core::event::{Bounds, Heard, hear};
use redrive_core::failure::{FailedAction, Failure, Field, Need, Redrivable, Subject, What};
use redrive_core::policy::Document;
use redrive_core::verdict::{Reason, Verdict};
use redrive_policy_tools::visible::{visible, visible_json};
use serde_json::{Map, Value, json};

use crate::trace::Trace;
use crate::{Failed, envelope, input};

pub(crate) fn run(
    policy: &Path,
    event: &Path,
    as_json: bool,
    out: &mut impl Write,
) -> Result<(), Failed> {
    input::one_from_standard_input(&[policy, event])?;
    let document = input::policy(Some(policy))?;
    if event.is_dir() {
        let folder = input::shown(event);
        return Err(Failed::User(format!(
            "{folder} is a folder, and explain reads one event: name a file in it, or see what comes of all of them \
             with redrive replay {folder}"
        )));
    }
    let bytes = input::bytes(event)?;
    let heard = hear(&bytes, &Bounds::default());
    let mut explained = Explained::new(&document, &heard);
    if matches!(heard, Heard::Malformed(_)) {
        explained.help = envelope::help(event, &bytes);
    }
    if as_json {
        writeln!(out, "{}", visible_json(&explained.json()?.to_string()))?;
    } else {
        explained.tell(out)?;
    }
    Ok(())
}

struct Explained<'a> {
    heard: &'a Heard,
    verdict: Verdict,
    needs: Vec<Need>,
    /// Of a failure.
    trace: Option<Trace<'a>>,
    /// Of an event that cannot be read: what to do about it.
    help: Option<String>,
}

impl<'a> Explained<'a> {
    fn new(document: &'a Document, heard: &'a Heard) -> Self {
        let ignored = |because| (Verdict::ignore(because), Vec::new());
        let (verdict, needs) = match heard {
            Heard::Failure(failure) => foresee(document, failure),
            Heard::Sequel(sequel) => ignored(sequel.what.reason()),
            Heard::Irrelevant(irrelevant) => ignored(irrelevant.reason),
            Heard::Malformed(_) => ignored(Reason::Malformed),
        };
        let trace = match heard {
            Heard::Failure(failure) => Some(Trace::of(
                document,
                &failure.subject,
                &failure.views(),
                &verdict,
            )),
            _ => None,
        };
        Self {
            heard,
            verdict,
            needs,
            trace,
            help: None,
        }
    }

    fn json(&self) -> Result<Value, Failed> {
        let verdict = &self.verdict;
        let charge = verdict.rules.first();
        let mut line = json!({
            "heard": kind(self.heard),
            "failure": match self.heard {
                Heard::Failure(failure) => failure_words(failure)
                    .into_iter()
                    .map(|(word, value)| (word.to_owned(), value))
                    .collect::<Map<String, Value>>()
                    .into(),
                _ => Value::Null,
            },
            "verdict": {
                "decision": verdict.decision.as_str(),
                "because": verdict.because.code(),
                "why": self.why(),
                "policy": verdict.policy,
                "rule": verdict.rule(),
                "used": charge.map(|charge| charge.used),
                "limit": charge.map(|charge| charge.limit),
                "delay_seconds": verdict.delay_seconds,
                "retry_mode": matches!(subject(self.heard), Some(Subject::Stage { .. })).then(|| verdict.retry_mode.as_str()),
            },
            "trace": serde_json::to_value(&self.trace)
                .map_err(|error| Failed::Bug(format!("the trace cannot be written: {error}")))?,
            "needs": self.needs.iter().map(|need| need.as_str()).collect::<Vec<_>>(),
        });
        if let Some(line) = line.as_object_mut() {
            if let Some(subject) = subject(self.heard) {
                line.insert("subject".into(), subject.key().into());
            }
            if let Heard::Malformed(malformed) = self.heard {
                line.insert(
                    "malformed".into(),
                    json!({ "place": malformed.place, "problem": malformed.problem, "help": self.help }),
                );
            }
        }
        Ok(line)
    }

    fn why(&self) -> String {
        match self.heard {
            Heard::Malformed(malformed) => format!("the event cannot be read: {malformed}"),
            _ => self.verdict.sentence(),
        }
    }

    fn tell(&self, out: &mut impl Write) -> Result<(), Failed> {
        let heard = match self.heard {
            Heard::Failure(failure) => format!("a failure of {}, {}", failure.subject, failure.at),
            Heard::Sequel(sequel) => format!("a later word on {}, {}", sequel.subject, sequel.at),
            Heard::Irrelevant(_) => "nothing to judge".to_owned(),
            Heard::Malformed(_) => "an event that cannot be read".to_owned(),
        };
        writeln!(out, "heard    {}", visible(&heard))?;
        if let Heard::Failure(failure) = self.heard {
            for (word, value) in failure_words(failure) {
                let value = match value {
                    Value::String(text) => text,
                    Value::Null => "(absent)".into(),
                    other => other.to_string(),
                };
                writeln!(out, "         {word}: {}", visible(&value))?;
            }
        }
        if let Some(trace) = &self.trace {
            trace.tell("", out)?;
        }
        let verdict = &self.verdict;
        writeln!(
            out,
            "verdict  {}: {}",
            verdict.decision.as_str(),
            self.why()
        )?;
        writeln!(out, "because  {}", verdict.because)?;
        if let Some(help) = &self.help {
            writeln!(out, "help     {help}")?;
        }
        for need in &self.needs {
            writeln!(out, "needs    {}: {}", need.as_str(), need.sentence())?;
        }
        Ok(())
    }
}

const fn kind(heard: &Heard) -> &'static str {
    match heard {
        Heard::Failure(_) => "failure",
        Heard::Sequel(_) => "sequel",
        Heard::Irrelevant(_) => "irrelevant",
        Heard::Malformed(_) => "malformed",
    }
}

const fn subject(heard: &Heard) -> Option<&Subject> {
    match heard {
        Heard::Failure(failure) => Some(&failure.subject),
        Heard::Sequel(sequel) => Some(&sequel.subject),
        Heard::Irrelevant(irrelevant) => irrelevant.subject.as_ref(),
        Heard::Malformed(_) => None,
    }
}

/// The failure in the words of a policy. Null is absent; what is not known yet, or is withheld, is left out
/// and named in `unknown` and `withheld`.
fn failure_words(failure: &Failure) -> Vec<(&'static str, Value)> {
    let mut words = Words::default();
    words.text("service", failure.subject.service().as_str());
    words.text("account", failure.subject.account());
    words.text("region", failure.subject.region());
    match &failure.what {
        What::Execution(execution) => {
            words.text("state_machine", failure.subject.target());
            if let Ok(arn) = ExecutionArn::parse(failure.subject.arn()) {
                words.text("execution", arn.name);
            }
            words.text("status", execution.status.as_str());
            words.field("error", &execution.error);
            words.field("cause", &execution.cause);
            words.field("redrive_count", &execution.redrive_count);
            words.field(
                "redrive_status",
                &match execution.redrivable {
                    Field::Known(Redrivable::Yes) => Field::Known("REDRIVABLE"),
                    Field::Known(Redrivable::No) => Field::Known("NOT_REDRIVABLE"),
                    Field::Known(Redrivable::ByMapRun) => Field::Known("REDRIVABLE_BY_MAP_RUN"),
                    Field::Absent => Field::Absent,
                    Field::Withheld => Field::Withheld,
                    Field::Unknown => Field::Unknown,
                },
            );
            words.field("parent", &execution.parent);
        }
        What::Stage(stage) => {
            words.text("pipeline", failure.subject.target());
            words.text(
                "stage",
                failure.subject.arn().rsplit('/').next().unwrap_or_default(),
            );
            if let Subject::Stage { execution_id, .. } = &failure.subject {
                words.text("execution_id", execution_id);
            }
            match &stage.announced {
                Some(action) => words.action(action),
                None => {
                    for word in ["action", "category", "provider", "error_code", "summary"] {
                        words.field::<&str>(word, &Field::Unknown);
                    }
                }
            }
        }
    }
    words.into_pairs()
}

#[derive(Default)]
struct Words {
    pairs: Vec<(&'static str, Value)>,
    unknown: Vec<&'static str>,
    withheld: Vec<&'static str>,
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
            Field::Withheld => self.withheld.push(word),
        }
    }

    fn action(&mut self, action: &FailedAction) {
        self.text("action", &action.action);
        self.field("category", &action.category);
        self.field("provider", &action.provider);
        self.field("error_code", &action.error_code);
        self.field("summary", &action.summary);
    }

    fn into_pairs(mut self) -> Vec<(&'static str, Value)> {
        for (key, names) in [("unknown", self.unknown), ("withheld", self.withheld)] {
            if !names.is_empty() {
                self.pairs.push((key, names.into()));
            }
        }
        self.pairs
    }
}
