//! Policy documents: any text, and documents made of words of the language by the fuzzer's choices.
//!
//! An input that begins with a zero byte chooses the words of a document; any other is the document itself.

#![no_main]

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use redrive_core::decide::{LedgerView, decide, decide_optimistically};
use redrive_core::event::{self, AllowedSources, ParsedEvent};
use redrive_core::failure::{ExecutionStatus, FailedAction, Failure, FailureDetail, Field};
use redrive_core::policy::{
    Checked, ConditionKey, Document, Match, Policy, Problem, SdkRetryMode, Severity, ValueKind,
};
use redrive_core::verdict::{Decision, Reason};
use redrive_fuzz::{Choices, ending, execution, failed_execution, failed_stage, show, within};
use redrive_policy_tools::runner::verdicts;

// The command's own, as it is built: only what it reads of a file comes from elsewhere.
#[path = "../../../functions/cli/src/check.rs"]
mod check;

/// What the command answers with when it has not done its work.
#[derive(Debug)]
#[allow(dead_code)]
enum CommandError {
    User(String),
    Reported,
    Output(std::io::Error),
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

mod input {
    use std::path::Path;

    use super::{CommandError, TEXT};

    /// The document at hand, whatever the file is called.
    pub(crate) fn text(_: &Path) -> Result<String, CommandError> {
        Ok(TEXT.with_borrow(Clone::clone))
    }

    /// Its name is nothing to try.
    pub(crate) fn shown(path: &Path) -> String {
        path.display().to_string()
    }

    /// There is one.
    pub(crate) fn one_from_standard_input(_: &[&Path]) -> Result<(), CommandError> {
        Ok(())
    }
}

thread_local! {
    static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A document may grow to two million nodes, and rules are held against one another.
const MAX_TIME: Duration = Duration::from_secs(4);

/// What is judged under every document that is legal.
static FAILURES: LazyLock<Vec<Failure>> = LazyLock::new(|| {
    let field = |text: Option<&str>| text.map_or(Field::Absent, |text| Field::Known(text.into()));
    let mut failures = Vec::new();
    let machines = ["m", "etl-orders"];
    for status in [ExecutionStatus::Failed, ExecutionStatus::TimedOut] {
        for error in [
            None,
            Some(""),
            Some("A"),
            Some("AB"),
            Some("States.Timeout"),
            Some("States.Runtime"),
            Some("States.TaskFailed"),
            Some("DynamoDB.ThrottlingException"),
            Some("Lambda.TooManyRequestsException"),
            Some("States.Http.StatusCode.503"),
            Some("States.HeartbeatTimeout"),
        ] {
            for cause in [
                None,
                Some("x"),
                Some("axb (Service: S3; Status Code: 429; Error Code: SlowDown)"),
                Some(r#"{"Container":{"ExitCode":1,"Reason":"OutOfMemoryError"}}"#),
                Some(r#"{"StopCode":"SpotInterruption","Containers":[]}"#),
                Some("Runtime exited with error: exit status 1"),
            ] {
                let machine = machines[failures.len() % 2];
                let mut execution = execution(status, field(error), field(cause));
                if failures.len() % 3 == 0 {
                    (execution.state, execution.resource) = (Field::Absent, Field::Absent);
                }
                if status == ExecutionStatus::TimedOut {
                    execution.error = Field::Known("States.Timeout".into());
                }
                failures.push(failed_execution(machine, execution));
            }
        }
    }
    let texts = [
        None,
        Some("x"),
        Some("Build terminated with state: FAILED"),
        Some("CannotPullContainerError (Status Code: 503)"),
        Some("Error while executing command: make. Reason: exit status 1"),
    ];
    for category in [None, Some("Build"), Some("Deploy"), Some("Test")] {
        for provider in [None, Some("CodeBuild"), Some("ECS")] {
            for summary in texts {
                failures.push(failed_stage(
                    ["m", "web-delivery"][failures.len() % 2],
                    vec![FailedAction {
                        action: "Bundle".into(),
                        id: Some("1".into()),
                        category: field(category),
                        provider: field(provider),
                        error_code: field([None, Some("JobFailed")][failures.len() % 2]),
                        summary: field(summary),
                    }],
                ));
            }
        }
    }
    // As they are parsed, with what is known of them then.
    for event in [
        include_str!("../../../events/sfn-01-throttled.json"),
        include_str!("../../../events/sfn-06-ecs-host-lost.json"),
        include_str!("../../../events/sfn-09-timed-out.json"),
        include_str!("../../../events/sfn-20-shape-before-redrive.json"),
        include_str!("../../../events/sfn-22-cause-withheld.json"),
        include_str!("../../../events/cp-01-image-pull-action-failed.json"),
        include_str!("../../../events/cp-16-unit-test-stage-failed.json"),
    ] {
        if let ParsedEvent::Failure(failure) =
            event::parse(event.as_bytes(), &AllowedSources::default())
        {
            failures.push(failure);
        }
    }
    failures
});

/// Values of each condition, of which documents are made.
static CONDITIONS: LazyLock<Vec<(&str, Vec<String>)>> = LazyLock::new(|| {
    let keys = ConditionKey::ALL.into_iter();
    keys.map(|key| (key.as_str(), values(key))).collect()
});

/// Values that the key has, and values that the failures have.
fn values(key: ConditionKey) -> Vec<String> {
    let quoted = |word: &&str| format!("'{word}'");
    let mut values: Vec<String> = match key.row().values {
        ValueKind::Number { min, max, .. } => [min, 0, 1, 429, 500, 503, max]
            .into_iter()
            .filter(|number| (min..=max).contains(number))
            .map(|number| number.to_string())
            .collect(),
        ValueKind::Mode => SdkRetryMode::ALL.map(|mode| mode.as_str().into()).into(),
        ValueKind::Closed { words, .. } => {
            ["failed", "*E*"].iter().chain(words).map(quoted).collect()
        }
        ValueKind::Open { words } => words.iter().map(quoted).collect(),
        ValueKind::Signal => ["SIGKILL", "kill", "SIG*"].iter().map(quoted).collect(),
        ValueKind::Text { .. } => texts(key).iter().map(quoted).collect(),
    };
    match key.row().values {
        ValueKind::Mode => {}
        // A number has no star and no quotes, except for Buildkite's exit status.
        ValueKind::Number {
            as_buildkite: false,
            ..
        } => values.push("none".into()),
        ValueKind::Number {
            as_buildkite: true, ..
        } => values.extend(["none", "'*'", "'1'"].map(String::from)),
        _ => values.extend(["none", "'*'"].map(String::from)),
    }
    values
}

#[rustfmt::skip]
const fn texts(key: ConditionKey) -> &'static [&'static str] {
    match key {
        ConditionKey::Error => &[
            "A", "A*", "States.ALL", "States.TaskFailed", "States.Timeout", "States.*", "States.Runtime",
            "*.ThrottlingException", "DynamoDB.ThrottlingException", "", "*B", "A\\*",
        ],
        ConditionKey::Cause => &["x", "*x*", "*X*", "*Status Code*", "**"],
        ConditionKey::State => &["Load", "L*"],
        ConditionKey::Resource => &["glue:*", "glue:startJobRun.sync"],
        ConditionKey::Stage => &["Build", "build"],
        ConditionKey::Action => &["Bundle", "B*"],
        ConditionKey::Category => &["Build", "deploy", "*e*"],
        ConditionKey::Provider => &["CodeBuild", "code*", "ECS"],
        ConditionKey::ErrorCode => &["JobFailed"],
        ConditionKey::Summary => &["x", "*pull*", "*exit status 1"],
        _ => &["x", "A", "*x*"],
    }
}

/// What a rule does, and what else may stand in it.
const EFFECTS: &[&str] = &[
    "limit: 0",
    "limit: 10",
    "limit: 11",
    "max_attempts: 5",
    "backoff: {interval_seconds: 0}",
    "backoff: {interval_seconds: 1209600, max_delay_seconds: 1209600, jitter_strategy: NONE}",
    "backoff: {backoff_rate: 100, max_delay_seconds: 7}",
    "backoff: {backoff_rate: 1.15, interval_seconds: 100}",
    "retry_mode: ALL_ACTIONS",
    "id: one",
    "id: two",
    "description: because",
    "<<: *r",
    "limt: 3",
];

const SCOPES: &[&str] = &[
    "{}",
    "{state_machine: '*'}",
    "{state_machine: m}",
    "{pipeline: [m, 'web-*']}",
    "{state_machine: 'etl-*', pipeline: m}",
    "{account: '111122223333'}",
    "{region: eu-west-1, state_machine: '*'}",
];

/// A document made of the words of the language: mostly legal, which any text hardly is.
fn made(choices: &mut Choices<'_>) -> String {
    fn conditions(choices: &mut Choices<'_>, most: usize) -> Vec<String> {
        let mut seen = Vec::new();
        (0..choices.below(most))
            .filter_map(|_| {
                let (word, values) = choices.of(&CONDITIONS);
                let list: Vec<&str> = (0..=choices.below(4) / 2)
                    .map(|_| choices.of(values).as_str())
                    .collect();
                (!seen.contains(word)).then(|| {
                    seen.push(*word);
                    match list.as_slice() {
                        [one] => format!("{word}: {one}"),
                        many => format!("{word}: [{}]", many.join(", ")),
                    }
                })
            })
            .collect()
    }
    let rule = |choices: &mut Choices<'_>| {
        let mut parts = conditions(choices, 4);
        if choices.below(3) == 0 {
            let not = conditions(choices, 3);
            parts.push(format!("not: {{{}}}", not.join(", ")));
        }
        if choices.below(3) == 0 {
            parts.push((*choices.of(EFFECTS)).to_owned());
        }
        format!("{{{}}}", parts.join(", "))
    };
    let mut text = String::from("version: 1\n");
    if choices.below(4) == 0 {
        text.push_str(&format!("budget: {{per_execution: {}}}\n", choices.byte()));
    }
    if choices.below(3) == 0 {
        text.push_str("never:\n");
        for _ in 0..=choices.below(2) {
            text.push_str(&format!("- {{{}}}\n", conditions(choices, 4).join(", ")));
        }
    }
    text.push_str("policies:\n");
    for policy in 0..=choices.below(3) {
        let nested = ["", ", nested: own"][choices.below(2)];
        text.push_str(&format!(
            "- name: p{policy}\n  match: {}\n  retry: {{automatic: [&r {},\n",
            choices.of(SCOPES),
            rule(choices),
        ));
        for _ in 0..choices.below(5) {
            text.push_str(&format!("    {},\n", rule(choices)));
        }
        text.push_str(&format!("  ]{nested}}}\n"));
    }
    text
}

fuzz_target!(|data: &[u8]| {
    let text = match data.split_first() {
        Some((0, choices)) => made(&mut Choices(choices)),
        _ => match std::str::from_utf8(data) {
            Ok(text) => text.to_owned(),
            Err(_) => return,
        },
    };
    show(text.as_bytes());
    let read = within(MAX_TIME, "reading", || Document::parse(&text));
    assert_eq!(read, Document::parse(&text), "the same text, read twice");
    let checked = within(MAX_TIME, "checking", || {
        redrive_policy_tools::lint::check(&text)
    });
    assert_eq!(
        read, checked.document,
        "what keeps a document from being used is what its check says"
    );
    has_its_places(&text, &checked);
    is_told(&text, &checked);
    let Ok(document) = read else {
        return;
    };
    assert!(checked.document.is_ok());
    has_unique_names(&document);
    is_judged(&text, &document);
    what_is_called_unreachable_is(&document, &checked.warnings);
    for test in &document.tests {
        assert_eq!(verdicts(&document, test), verdicts(&document, test));
        assert_eq!(test.attempts.len(), verdicts(&document, test).len());
    }
});

fn problems(checked: &Checked) -> Vec<&Problem> {
    let errors = checked.document.as_ref().err();
    let errors = errors.into_iter().flat_map(|problems| &problems.0);
    errors.chain(&checked.warnings).collect()
}

/// Every problem stands where there is something of the document, or right behind its end; one with a key
/// stands at that key.
fn has_its_places(text: &str, checked: &Checked) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> = text.lines().flat_map(|line| line.split('\r')).collect();
    let is_plain = text.bytes().all(|b| matches!(b, b'\n' | b' '..=b'~'));
    for problem in problems(checked) {
        let place = problem.place;
        assert!(place.line >= 1 && place.column >= 1, "{problem}");
        assert!(
            place.line <= lines.len() + 1,
            "{problem}: of {} lines",
            lines.len()
        );
        let line = lines.get(place.line - 1).copied().unwrap_or_default();
        let behind = line.chars().count() + 2;
        assert!(place.column <= behind, "{problem}: of {behind} columns");
        let errors = checked.document.as_ref().err();
        let is_error = errors.is_some_and(|errors| errors.0.contains(problem));
        assert_eq!(is_error, problem.severity == Severity::Error);
        let key = problem
            .message
            .split_once("unknown key \"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(key, _)| key);
        if let Some(key) = key
            && is_plain
            && !key.is_empty()
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        {
            let rest = line.get(place.column - 1..).unwrap_or_default();
            let bare = rest.trim_start_matches(['"', '\'']);
            // An anchor, a tag, an alias or the mark of a long key may stand before it, and a quoted text
            // may hold escapes or go on behind the line.
            let is_dressed = rest.starts_with(['&', '*', '!', '?', '|', '>']);
            let is_quoted = bare.len() < rest.len();
            assert!(
                bare.starts_with(key) || is_dressed || is_quoted,
                "{problem}: {rest:?}"
            );
        }
    }
}

/// `redrive check` tells every problem once, under the line on which it is.
fn is_told(text: &str, checked: &Checked) {
    TEXT.with_borrow_mut(|current| text.clone_into(current));
    let told = |json: bool| {
        let manner = check::Manner {
            strict: false,
            json,
        };
        let mut out = Vec::new();
        let done = within(MAX_TIME, "telling", || {
            check::run(&[PathBuf::from("p.yaml")], None, manner, &mut out)
        });
        assert_eq!(done.is_ok(), checked.document.is_ok());
        String::from_utf8(out).expect("the output is text")
    };
    let problems = problems(checked);
    let human = told(false);
    let is_shown = |c: char| c == '\n' || !c.is_control();
    assert!(human.chars().all(is_shown), "{human:?}");
    let lines: Vec<&str> = human.lines().collect();
    for pair in lines.windows(2) {
        // The line as it is, and under it what is meant.
        let (Some((number, shown)), Some((margin, mark))) =
            (pair[0].split_once(" | "), pair[1].split_once(" | "))
        else {
            continue;
        };
        let is_number = number.trim().parse::<usize>().is_ok() && number.starts_with(' ');
        if is_number && margin.trim().is_empty() && mark.trim_start().starts_with('^') {
            assert!(
                mark.trim_start().chars().skip(1).all(|c| c == '~'),
                "{mark:?}"
            );
            let (mark, shown) = (mark.chars().count(), shown.chars().count());
            assert!(mark <= shown + 1, "{mark} of {shown}: {pair:?}");
        }
    }
    let json = told(true);
    assert_eq!(json.lines().count(), problems.len());
    for line in json.lines() {
        let told: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        assert!(told["line"].is_u64() && told["message"].is_string());
    }
}

fn has_unique_names(document: &Document) {
    let mut policies: Vec<&str> = document.policies.iter().map(|p| p.name.as_str()).collect();
    policies.sort_unstable();
    assert!(
        policies.windows(2).all(|two| two[0] != two[1]),
        "{policies:?}"
    );
    for policy in &document.policies {
        let mut ids: Vec<_> = policy
            .automatic
            .iter()
            .map(|rule| (&rule.id, rule))
            .collect();
        ids.sort_by_key(|(id, _)| *id);
        for two in ids.windows(2) {
            let [(one, first), (other, second)] = two else {
                continue;
            };
            // Rules with the same conditions share an id that nobody wrote.
            assert!(one != other || !(first.named || second.named), "{one}");
        }
        for rule in &policy.automatic {
            assert!(rule.limit <= 10 && !rule.id.is_empty());
            let backoff = &rule.backoff;
            for (n, draw) in [
                (1, 0),
                (1, u64::MAX),
                (2, 1 << 63),
                (10, u64::MAX),
                (u32::MAX, 7),
            ] {
                let delay = backoff.delay_seconds(n, draw);
                assert!(delay <= backoff.max_delay_seconds, "{delay} of {backoff:?}");
            }
        }
    }
}

/// One failure in this number is judged, since judging all of them takes longer than everything else.
const SHARE: usize = 7;

/// Each failure has one verdict, which names what belongs in the document.
fn is_judged(text: &str, document: &Document) {
    // Each document has its share of them, and always the same.
    for failure in FAILURES.iter().skip(text.len() % SHARE).step_by(SHARE) {
        let (verdict, needs) = decide_optimistically(document, failure);
        assert_eq!(
            (verdict.clone(), needs.clone()),
            decide_optimistically(document, failure)
        );
        let policy = document.policy_for(&failure.subject);
        let first = document
            .policies
            .iter()
            .find(|policy| policy.scope.covers(&failure.subject));
        assert_eq!(
            policy.map(|p| &p.name),
            first.map(|p| &p.name),
            "the first that matches"
        );
        if verdict.decision == Decision::Ignore {
            assert!(verdict.policy.is_none() && verdict.rules.is_empty());
            continue;
        }
        let policy = policy.expect("what is judged is judged by a policy");
        assert_eq!(verdict.policy.as_deref(), Some(policy.name.as_str()));
        let mut longest_seconds = 0;
        for charge in &verdict.rules {
            // Rules of equal conditions have one id. Only the first can match, but of a fact that is open the one with room
            // is assumed to.
            let rules = policy
                .automatic
                .iter()
                .filter(|rule| rule.id == charge.rule);
            let delay_of_rule = rules.map(|rule| rule.backoff.max_delay_seconds).max();
            let delay_of_rule = delay_of_rule.expect("a verdict's rule stands in its policy");
            // A failure of several rules waits for the longest of their delays.
            longest_seconds = longest_seconds.max(delay_of_rule);
            if verdict.decision == Decision::Retry {
                assert!(charge.used < charge.limit && charge.used < document.per_execution);
            }
        }
        if verdict.decision == Decision::Retry {
            assert!(verdict.delay_seconds <= longest_seconds);
        }
        let settled = decide(document, failure, LedgerView::Empty);
        let is_retry = verdict.decision == Decision::Retry;
        let is_answered = matches!(settled, redrive_core::decide::Answer::Verdict(_));
        assert_eq!(is_answered, needs.is_empty() || !is_retry, "{settled:?}");
        if verdict.reason == Reason::Unmatched {
            assert!(verdict.rules.is_empty());
        }
    }
}

/// No failure comes to a rule of which the check says that none does.
fn what_is_called_unreachable_is(document: &Document, warnings: &[Problem]) {
    let called = |policy: &Policy, index: usize| {
        let rule = &policy.automatic[index];
        let at = |problem: &&Problem| problem.place == rule.at.0;
        let mut own = warnings.iter().filter(at);
        own.any(|problem| {
            problem.message.starts_with("this rule is never reached")
                || problem.message.contains("so this never matches")
        })
    };
    let is_claim = |problem: &Problem| problem.message.contains("never");
    if !warnings.iter().any(is_claim) {
        return;
    }
    for failure in FAILURES.iter() {
        let mut failure = failure.clone();
        if let FailureDetail::Execution(_) = failure.detail {
            failure.learn(ending());
        }
        let Some(policy) = document.policy_for(&failure.subject) else {
            continue;
        };
        for view in failure.views() {
            let is_met = |matched: Match| matched == Match::Yes;
            if document
                .never
                .iter()
                .any(|never| is_met(never.matches(&view)))
            {
                continue;
            }
            let rules = &policy.automatic;
            // Any earlier match hides it as well.
            let first = rules
                .iter()
                .position(|rule| rule.conditions.matches_by_name(&view) != Match::No);
            if let Some(first) =
                first.filter(|first| is_met(rules[*first].conditions.matches_by_name(&view)))
            {
                assert!(
                    !called(policy, first),
                    "{:?} reaches {:?}",
                    failure,
                    rules[first]
                );
            }
        }
    }
}
