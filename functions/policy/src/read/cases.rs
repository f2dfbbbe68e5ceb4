//! Reading of `tests`: failures in normalised words, and the expectations on them.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::reader::{Reader, get};
use crate::case::{Case, Expect, Test};
use crate::condition_key::ConditionKey;
use crate::decision::{Decision, Reason};
use crate::field::Field;
use crate::node::{Key, Kind, Node, Scalar};
use crate::problem::{At, Place, did_you_mean, one_of};
use crate::service::Service;
use crate::signal_reason::SignalReason;

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
        // A mode is a condition, but no property of a failure.
        let keys: Vec<&str> = targets
            .into_iter()
            .chain(
                ConditionKey::ALL
                    .into_iter()
                    .filter(|condition_key| *condition_key != ConditionKey::Mode)
                    .map(ConditionKey::as_str),
            )
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
        let condition_key = ConditionKey::ALL.into_iter().find(|condition_key| {
            condition_key.as_str() == key.text && *condition_key != ConditionKey::Mode
        });
        let Some(condition_key) = condition_key else {
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
        if matches!(node.scalar(), Some(Scalar::Null | Scalar::Text("none"))) {
            case.set_absent(condition_key);
            return;
        }
        match condition_key {
            ConditionKey::ExitStatus => {
                let number = self.number(node, "exit_status", -1, 255);
                case.exit_status = number
                    .and_then(|number| i16::try_from(number).ok())
                    .map(Field::Known);
            }
            ConditionKey::HttpStatus => {
                let number = self.number(node, "http_status", 100, 599);
                case.http_status = number
                    .and_then(|number| u16::try_from(number).ok())
                    .map(Field::Known);
            }
            ConditionKey::SignalReason => {
                case.signal_reason = self.signal_reason(node).map(Field::Known)
            }
            ConditionKey::Status => self.case_status(node, case),
            condition_key => {
                if let Some((_, text)) = self.value(node, condition_key.as_str()) {
                    case.texts.insert(condition_key, Field::Known(text));
                }
            }
        }
    }

    fn number(&mut self, node: &Node, what: &str, least: i64, most: i64) -> Option<i64> {
        match node.scalar() {
            Some(Scalar::Int(number)) if (least..=most).contains(&number) => Some(number),
            _ => {
                let read = node.described();
                self.wrong(node.place, format!("{what}: expected a whole number from {least} to {most} or none, read {read}"));
                None
            }
        }
    }

    fn signal_reason(&mut self, node: &Node) -> Option<SignalReason> {
        let (place, text) = self.value(node, "signal_reason")?;
        let found = SignalReason::ALL
            .into_iter()
            .find(|reason| reason.as_str().eq_ignore_ascii_case(&text));
        if found.is_none() {
            let known = SignalReason::ALL.map(SignalReason::as_str);
            self.expected(place, "signal_reason", &known, &text);
        }
        found
    }

    fn case_status(&mut self, node: &Node, case: &mut Case) {
        let Some((place, text)) = self.value(node, "status") else {
            return;
        };
        let known = ["FAILED", "TIMED_OUT", "ABORTED"];
        match known.iter().find(|known| known.eq_ignore_ascii_case(&text)) {
            Some(known) => case.status = Some((*known).to_string()),
            None => self.expected(place, "status", &known, &text),
        }
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
