//! Reading of `tests`: failures in normalised words, and the expectations on them.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::reader::{Reader, get};
use crate::case::{Case, CaseValue, Expect, Test};
use crate::condition_key::ConditionKey;
use crate::condition_row::ValueKind;
use crate::decision::{Decision, Reason};
use crate::field::Field;
use crate::node::{Key, Kind, Node, Scalar};
use crate::problem::{At, Place, did_you_mean, one_of};
use crate::service::Service;

const DECISIONS: [Decision; 3] = [Decision::Retry, Decision::GiveUp, Decision::Ignore];

impl Reader {
    pub(super) fn tests(&mut self, node: &Node) -> Vec<Test> {
        let Kind::List(items) = &node.kind else {
            let read = node.described();
            self.wrong(
                node.place,
                format!(
                    "tests: expected a list, read {read}; begin each test with a dash, and its name"
                ),
            );
            return Vec::new();
        };
        items.iter().filter_map(|item| self.test(item)).collect()
    }

    fn test(&mut self, node: &Node) -> Option<Test> {
        let entries = self.map(node, "a test", &["name", "failure", "attempts", "expect"])?;
        let name = match get(entries, "name") {
            Some((_, node)) => self.text(node, "name"),
            None => {
                self.wrong(
                    node.place,
                    "a test needs a name; write: name: and what it shows",
                );
                None
            }
        };
        let (failure, attempts) = (get(entries, "failure"), get(entries, "attempts"));
        let cases = match (failure, attempts) {
            (Some((_, node)), None) => self.case(node).into_iter().collect(),
            (None, Some((_, node))) => self.attempts(node),
            (Some(_), Some((key, _))) => {
                self.wrong(key.place, "failure and attempts exclude each other: one failure, or a list of consecutive ones");
                Vec::new()
            }
            (None, None) => {
                self.wrong(
                    node.place,
                    "a test needs failure, or attempts with a list of them",
                );
                Vec::new()
            }
        };
        let expect = match get(entries, "expect") {
            Some((_, node)) => self.expectations(node, attempts.map(|(_, node)| node)),
            None => {
                self.wrong(
                    node.place,
                    "a test needs expect; write: expect: retry, give_up or ignore",
                );
                Vec::new()
            }
        };
        Some(Test {
            name: name.unwrap_or_default(),
            attempts: cases,
            expect,
            at: At(node.place),
        })
    }

    fn attempts(&mut self, node: &Node) -> Vec<Case> {
        let Kind::List(items) = &node.kind else {
            let read = node.described();
            self.wrong(
                node.place,
                format!("attempts: expected a list of failures, read {read}"),
            );
            return Vec::new();
        };
        if items.is_empty() {
            self.wrong(node.place, "attempts: the list is empty; name a failure");
        }
        let mut cases: Vec<Case> = Vec::new();
        for item in items {
            let Some(case) = self.case(item) else {
                continue;
            };
            if let Some(first) = cases.first()
                && !first.is_of_subject_of(&case)
            {
                let line = first.at.0.line;
                self.wrong(item.place, format!("attempts: these are failures of one subject, and this is another than on line {line}"));
            }
            cases.push(case);
        }
        cases
    }

    fn expectations(&mut self, node: &Node, attempts: Option<&Node>) -> Vec<Expect> {
        let attempts = match attempts.map(|node| &node.kind) {
            Some(Kind::List(items)) => Some(items.len()),
            Some(_) => return Vec::new(),
            None => None,
        };
        match (&node.kind, attempts) {
            (Kind::List(items), Some(count)) => {
                if items.len() != count {
                    self.wrong(
                        node.place,
                        format!(
                            "expect: {count} attempts need as many decisions, read {}",
                            items.len()
                        ),
                    );
                }
                items.iter().filter_map(|item| self.expect(item)).collect()
            }
            (Kind::List(_), None) => {
                self.wrong(
                    node.place,
                    "expect: a list goes with attempts; one failure has one decision",
                );
                Vec::new()
            }
            (_, Some(_)) => {
                let read = node.described();
                self.wrong(
                    node.place,
                    format!("expect: attempts need a list, one decision for each; read {read}"),
                );
                Vec::new()
            }
            (_, None) => self.expect(node).into_iter().collect(),
        }
    }

    fn expect(&mut self, node: &Node) -> Option<Expect> {
        let mut expect = Expect::default();
        let Kind::Map(_) = node.kind else {
            expect.decision = self.decision(node, "expect");
            return expect.decision.is_some().then_some(expect);
        };
        let entries = self.map(node, "expect", &["decision", "policy", "rule", "reason"])?;
        if entries.is_empty() {
            self.wrong(node.place, "expect: the mapping is empty, so every verdict would pass; write decision: retry, give_up or ignore");
        }
        if let Some((_, node)) = get(entries, "decision") {
            expect.decision = self.decision(node, "decision");
        }
        expect.policy = get(entries, "policy").and_then(|(_, node)| self.text(node, "policy"));
        expect.rule = get(entries, "rule").and_then(|(_, node)| self.text(node, "rule"));
        if let Some((_, node)) = get(entries, "reason") {
            expect.reason = self.reason(node);
        }
        Some(expect)
    }

    fn decision(&mut self, node: &Node, what: &str) -> Option<Decision> {
        let read = node.scalar();
        let found = DECISIONS
            .into_iter()
            .find(|decision| read == Some(Scalar::Text(decision.as_str())));
        if found.is_none() {
            self.one_of(node, what, &DECISIONS.map(Decision::as_str));
        }
        found
    }

    fn reason(&mut self, node: &Node) -> Option<Reason> {
        let text = self.text(node, "reason")?;
        let found = Reason::ALL.iter().find(|reason| reason.code() == text);
        if found.is_none() {
            let codes: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
            let near = did_you_mean(&text, &codes);
            self.wrong(node.place, format!("reason: {text:?} is not a reason of a verdict{near}; `redrive explain` prints the reason of a verdict"));
        }
        found.copied()
    }

    /// Reads one failure in normalised words.
    fn case(&mut self, node: &Node) -> Option<Case> {
        let targets = ["state_machine", "pipeline", "account", "region"];
        let keys: Vec<&str> = targets
            .into_iter()
            .chain(ConditionKey::of_failures().map(ConditionKey::as_str))
            .collect();
        let entries = self.map(node, "a failure", &keys)?;
        let (machine, pipeline) = (get(entries, "state_machine"), get(entries, "pipeline"));
        let is_stage = match (machine, pipeline) {
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (Some(_), Some((key, _))) => {
                self.wrong(
                    key.place,
                    "state_machine and pipeline exclude each other: a failure has one of them",
                );
                return None;
            }
            (None, None) => {
                self.wrong(
                    node.place,
                    "a failure needs state_machine or pipeline, by its name",
                );
                return None;
            }
        };
        let (_, target) = machine.or(pipeline)?;
        let own = if is_stage {
            "pipeline"
        } else {
            "state_machine"
        };
        let name = self.text(target, own).unwrap_or_default();
        self.doubt_arn(target.place, own, &name);
        let service = if is_stage {
            Service::CodePipeline
        } else {
            Service::StepFunctions
        };
        let mut case = Case::new(service, name, At(node.place));
        for (key, node) in entries {
            match key.text.as_str() {
                "account" => case.account = self.text(node, "account"),
                "region" => case.region = self.text(node, "region"),
                _ => self.case_property(key, node, &mut case),
            }
        }
        Some(case)
    }

    fn case_property(&mut self, key: &Key, node: &Node, case: &mut Case) {
        let named = |condition_key: &ConditionKey| condition_key.as_str() == key.text;
        let Some(condition_key) = ConditionKey::of_failures().find(named) else {
            return;
        };
        let foreign = condition_key
            .service()
            .is_some_and(|own| own != case.service);
        if foreign {
            let of = if case.service == Service::CodePipeline {
                "a pipeline"
            } else {
                "a state machine"
            };
            self.wrong(
                key.place,
                format!("{}: a failure of {of} has no such key", key.text),
            );
            return;
        }
        let is_absent = matches!(node.scalar(), Some(Scalar::Null | Scalar::Text("none")));
        let value = if is_absent {
            Some(Field::Absent)
        } else {
            self.case_value(condition_key, node).map(Field::Known)
        };
        if let Some(value) = value {
            case.values.insert(condition_key, value);
        }
    }

    fn case_value(&mut self, key: ConditionKey, node: &Node) -> Option<CaseValue> {
        let what = key.as_str();
        let text = match key.row().values {
            ValueKind::Number { min, max, .. } => {
                return self.number(node, what, min, max).map(CaseValue::Number);
            }
            ValueKind::Closed {
                words,
                more_in_tests,
                ..
            } => self.word(node, what, &[words, more_in_tests].concat())?,
            ValueKind::Open { words } => self.word(node, what, words)?,
            ValueKind::Text { .. } | ValueKind::Signal | ValueKind::Mode => {
                self.value(node, what)?.1
            }
        };
        Some(CaseValue::Text(text))
    }

    fn number(&mut self, node: &Node, what: &str, min: i32, max: i32) -> Option<i32> {
        let number = match node.scalar() {
            Some(Scalar::Int(number)) => i32::try_from(number).ok(),
            _ => None,
        };
        let number = number.filter(|number| (min..=max).contains(number));
        if number.is_none() {
            let read = node.described();
            self.wrong(
                node.place,
                format!("{what}: expected a whole number from {min} to {max} or none, read {read}"),
            );
        }
        number
    }

    /// Reads one of these words, in any case, and returns it as the list has it.
    fn word(&mut self, node: &Node, what: &str, words: &[&str]) -> Option<String> {
        let (place, text) = self.value(node, what)?;
        let found = words.iter().find(|word| word.eq_ignore_ascii_case(&text));
        if found.is_none() {
            self.expected(place, what, words, &text);
        }
        found.map(|word| (*word).to_string())
    }

    fn expected(&mut self, place: Place, what: &str, known: &[&str], read: &str) {
        let near = did_you_mean(read, known);
        let allowed: String = one_of(known);
        self.wrong(
            place,
            format!("{what}: expected {allowed}, read {read:?}{near}"),
        );
    }
}
