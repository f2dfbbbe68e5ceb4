//! Events: any bytes, and sample events into which the fuzzer's bytes are spliced where values and keys stand.
//!
//! An input that begins with a zero byte says how one of the samples is changed; any other is the event itself.

#![no_main]

use std::future::Future;
use std::ops::Range;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use redrive_core::cause::Ended;
use redrive_core::decide::{Answer, LedgerView, decide, decide_optimistically};
use redrive_core::dry_run::DryRun;
use redrive_core::event::{self, AllowedSources, Malformed, ParsedEvent};
use redrive_core::failure::{
    Fact, FailedAction, Failure, FailureDetail, Field, Need, StageSnapshot, Subject,
};
use redrive_core::ledger::{Owner, Timing, Writer};
use redrive_core::policy::Document;
use redrive_core::record::Outcome;
use redrive_core::time::Time;
use redrive_core::verdict::Decision;
use redrive_fuzz::{Choices, description, ending, is_in_range, show, within};

/// For each 256 KiB, which is the longest event there is; what is made here may be longer.
const MAX_TIME: Duration = Duration::from_millis(100);

fn max_time(bytes: &[u8]) -> Duration {
    let times = u32::try_from(bytes.len() / (256 * 1024)).unwrap_or_default();
    MAX_TIME * (times + 1)
}

/// What stands for somebody's secret. No word that is said of an event is like it.
const SECRET: &str = "hunter2QxZ";

const SAMPLES: &[&str] = &[
    include_str!("../../../events/cp-01-image-pull-action-failed.json"),
    include_str!("../../../events/cp-02-image-pull-stage-failed.json"),
    include_str!("../../../events/cp-05-image-pull-stage-resumed.json"),
    include_str!("../../../events/cp-07-image-pull-stage-succeeded.json"),
    include_str!("../../../events/cp-13-build-queue-full-action-failed.json"),
    include_str!("../../../events/cp-16-unit-test-stage-failed.json"),
    include_str!("../../../events/cp-17-unit-test-notification-rule.json"),
    include_str!("../../../events/cp-24-approval-rejected-action-failed.json"),
    include_str!("../../../events/cp-29-stopped-pipeline-stopped.json"),
    include_str!("../../../events/sfn-01-throttled.json"),
    include_str!("../../../events/sfn-03-recovered.json"),
    include_str!("../../../events/sfn-05-lambda-too-many-requests.json"),
    include_str!("../../../events/sfn-06-ecs-host-lost.json"),
    include_str!("../../../events/sfn-07-ecs-out-of-memory.json"),
    include_str!("../../../events/sfn-09-timed-out.json"),
    include_str!("../../../events/sfn-11-aborted-by-operator.json"),
    include_str!("../../../events/sfn-12-fail-state.json"),
    include_str!("../../../events/sfn-15-map-run-child.json"),
    include_str!("../../../events/sfn-16-nested-child.json"),
    include_str!("../../../events/sfn-20-shape-before-redrive.json"),
    include_str!("../../../events/sfn-22-cause-withheld.json"),
    include_str!("../../../events/sfn-24-version-and-alias.json"),
    include_str!("../../../events/sfn-27-aborted-after-redrive.json"),
];

/// Values that readers of JSON disagree on, or that mean something here.
const VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "3.0",
    "\"3\"",
    "1e2",
    "1e999",
    "4294967296",
    "18446744073709551616",
    "[]",
    "{}",
    "\"\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\"*\"",
    "\"FAILED\"",
    "\"TIMED_OUT\"",
    "\"SUCCEEDED\"",
    "\"ABORTED\"",
    "\"STOPPED\"",
    "\"NOT_REDRIVABLE\"",
    "\"REDRIVABLE_BY_MAP_RUN\"",
    "\"Approval\"",
    "\"1969-12-31T23:59:59Z\"",
    "\"arn:aws:states:eu-west-1:111122223333:execution:a/b:c\"",
    "\"arn:aws:states:eu-west-1:111122223333:express:a:b:c\"",
    "{\"AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID\":\"arn:aws:states:eu-west-1:111122223333:execution:a:b\"}",
];

/// Members that no record repeats anything of.
const SECRET_KEYS: [&str; 6] = [
    "cause",
    "error",
    "error-code",
    "external-execution-summary",
    "input",
    "output",
];

static POLICY: LazyLock<Document> = LazyLock::new(|| {
    Document::parse(include_str!("../../../infra/policy.yaml")).expect("the policy as shipped")
});

static MEMBERS: LazyLock<Vec<Vec<Member>>> =
    LazyLock::new(|| SAMPLES.iter().map(|sample| members(sample)).collect());

/// Where a member of an object stands in its text: the key with its quotes, and the value.
#[derive(Debug, Clone)]
struct Member {
    key: Range<usize>,
    value: Range<usize>,
}

/// Every member of a sample, outer ones before those within.
fn members(text: &str) -> Vec<Member> {
    fn walk(text: &str, at: &mut usize, found: &mut Vec<Member>) {
        let bytes = text.as_bytes();
        let skip = |at: &mut usize| {
            while b" \t\r\n,:".contains(&bytes[*at]) {
                *at += 1;
            }
        };
        skip(at);
        match bytes[*at] {
            b'{' | b'[' => {
                let is_object = bytes[*at] == b'{';
                *at += 1;
                loop {
                    skip(at);
                    if matches!(bytes[*at], b'}' | b']') {
                        *at += 1;
                        return;
                    }
                    let begin = *at;
                    walk(text, at, found);
                    if is_object {
                        let key = begin..*at;
                        skip(at);
                        let (begin, index) = (*at, found.len());
                        walk(text, at, found);
                        found.insert(
                            index,
                            Member {
                                key,
                                value: begin..*at,
                            },
                        );
                    }
                }
            }
            b'"' => {
                *at += 1;
                while bytes[*at] != b'"' {
                    *at += if bytes[*at] == b'\\' { 2 } else { 1 };
                }
                *at += 1;
            }
            _ => {
                while *at < bytes.len() && !b",]} \t\r\n".contains(&bytes[*at]) {
                    *at += 1;
                }
            }
        }
    }
    let mut found = Vec::new();
    walk(text, &mut 0, &mut found);
    found
}

/// An event, and what is known of it because it was made here.
struct Event {
    bytes: Vec<u8>,
    /// Every secret in it is the value of a member that no record repeats.
    is_discreet: bool,
}

/// A sample with some of its members changed.
fn spliced(choices: &mut Choices<'_>) -> Event {
    let which = choices.below(SAMPLES.len());
    let (sample, members) = (SAMPLES[which], &MEMBERS[which]);
    let mut edits: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    let mut is_discreet = true;
    let mut end = sample.len();
    while !choices.is_empty() && edits.len() < 6 {
        let member = choices.of(members);
        let key = &sample[member.key.clone()];
        let value = &sample[member.value.clone()];
        let is_secret = SECRET_KEYS.contains(&key.trim_matches('"'));
        let quoted = |text: &[u8]| {
            let text = String::from_utf8_lossy(text);
            serde_json::Value::from(text.as_ref())
                .to_string()
                .into_bytes()
        };
        let mut instead = match choices.byte() % 11 {
            0 => choices.bytes().to_vec(),
            1 => quoted(choices.bytes()),
            2 => choices.of(VALUES).as_bytes().to_vec(),
            // A member that nobody asks for.
            3 => {
                edits.push((member.key.clone(), b"\"x\"".to_vec()));
                continue;
            }
            // The same key twice.
            4 => format!("{value},{key}:{}", choices.of(VALUES)).into_bytes(),
            5 => {
                end = member.value.start + choices.below(member.value.len() + 1);
                continue;
            }
            // Long: up to 300 KB.
            6 => {
                let bytes = choices.bytes();
                let times = choices.below(0x1_0000) * 5 / bytes.len().max(1);
                quoted(&bytes.repeat(times))
            }
            7 => format!("\"{SECRET}\"").into_bytes(),
            8 => SECRET.into(),
            // Within the value, wherever that is.
            9 => {
                let mut at = choices.below(value.len() + 1);
                while !value.is_char_boundary(at) {
                    at -= 1;
                }
                [&value[..at], SECRET, &value[at..]].concat().into_bytes()
            }
            // Another sample's value.
            _ => {
                let other = choices.below(SAMPLES.len());
                SAMPLES[other][choices.of(&MEMBERS[other]).value.clone()].into()
            }
        };
        if instead.is_empty() {
            instead = quoted(b"");
        }
        is_discreet &= is_secret
            || !instead
                .windows(4)
                .any(|part| part == &SECRET.as_bytes()[..4]);
        edits.push((member.value.clone(), instead));
    }
    edits.retain(|(place, _)| place.end <= end);
    edits.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
    let mut bytes = sample.as_bytes()[..end].to_vec();
    let mut before = usize::MAX;
    for (place, instead) in edits {
        if place.end <= before {
            before = place.start;
            bytes.splice(place, instead);
        }
    }
    Event { bytes, is_discreet }
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let event = match data.first() {
        Some(0) => {
            choices.byte();
            spliced(&mut choices)
        }
        _ => Event {
            bytes: data.to_vec(),
            is_discreet: false,
        },
    };
    let bytes = event.bytes.as_slice();
    show(bytes);
    let parsed = within(max_time(bytes), "parsing", || {
        event::parse(bytes, &AllowedSources::default())
    });
    assert_eq!(
        parsed,
        event::parse(bytes, &AllowedSources::default()),
        "parsed twice"
    );
    the_layout_changes_nothing(bytes, &parsed);
    elsewhere_is_nothing_of_ours(bytes, &parsed);
    if let Some(subject) = parsed.subject() {
        assert_eq!(
            Subject::from_key(&subject.key()).as_ref(),
            Some(subject),
            "a key reads back"
        );
        assert!(!subject.target().is_empty() && subject.account().len() == 12);
    }
    match &parsed {
        ParsedEvent::Malformed(malformed) => says_nothing_of_the_event(malformed),
        ParsedEvent::Failure(failure) => is_judged(failure, max_time(bytes), &mut choices),
        _ => {}
    }
    is_foretold(&event);
});

/// White space between the parts of an event is nobody's business, and what is wrong in it is on the line on
/// which it is.
fn the_layout_changes_nothing(bytes: &[u8], parsed: &ParsedEvent) {
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return;
    }
    let lower = [b"\n\n", bytes].concat();
    let parsed_lower = event::parse(&lower, &AllowedSources::default());
    let line = |malformed: &Malformed| {
        let rest = malformed.place.strip_prefix("line ")?;
        let (line, column) = rest.split_once(" column ")?;
        Some((line.parse::<usize>().ok()?, column.to_owned()))
    };
    match (parsed, &parsed_lower) {
        (ParsedEvent::Malformed(high), ParsedEvent::Malformed(low)) if line(high).is_some() => {
            let moved = line(high).map(|(line, column)| (line + 2, column));
            assert_eq!(moved, line(low), "two lines further down: {high}, {low}");
            assert_eq!(high.problem, low.problem);
            return;
        }
        _ => assert_eq!(*parsed, parsed_lower),
    }
    let mut airy = Vec::with_capacity(bytes.len() * 2);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in bytes {
        airy.push(*byte);
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b',' | b':' | b'{' | b'[' if !is_text => airy.extend(b"\n "),
            _ => {}
        }
    }
    assert_eq!(
        *parsed,
        event::parse(&airy, &AllowedSources::default()),
        "with more white space"
    );
}

/// An event is ignored exactly when its account or its region is not allowed.
fn elsewhere_is_nothing_of_ours(bytes: &[u8], parsed: &ParsedEvent) {
    let (ParsedEvent::Failure(Failure { subject, .. })
    | ParsedEvent::Completion(redrive_core::event::Completion { subject, .. })) = parsed
    else {
        return;
    };
    let own = AllowedSources {
        accounts: vec![subject.account().to_owned()],
        regions: vec![subject.region().to_owned()],
    };
    assert_eq!(*parsed, event::parse(bytes, &own));
    let other_account = AllowedSources {
        accounts: vec!["000000000000".into()],
        ..own.clone()
    };
    let other_region = AllowedSources {
        regions: vec!["nowhere-1".into()],
        ..own.clone()
    };
    for (sources, own) in [
        (other_account, subject.account() == "000000000000"),
        (other_region, subject.region() == "nowhere-1"),
    ] {
        let is_ignored = matches!(event::parse(bytes, &sources), ParsedEvent::Ignored(_));
        assert!(own || is_ignored, "handled from elsewhere");
    }
}

/// Place and problem are made of the words below and of numbers: a place may be secret nowhere, and a text
/// everywhere.
fn says_nothing_of_the_event(malformed: &Malformed) {
    const WORDS: &str = "
        the event detail source account region time resources 0 line column type
        executionArn status startDate stopDate redriveCount redriveStatus error cause input inputDetails included
        stateMachineArn stateMachineVersionArn detailType pipeline execution id state stage last retry attempt
        action category provider result external summary code
        it is empty missing or no and so null true false a an of to be as list object number text date whole from on
        0 expected read duplicate field JSON ends before complete this not too large count they make ARN its
        can be cannot one that itself names name letters digits 1 100
        does begin with arn partition word service twelve resource has white space control characters in
        states longer than 256 machine executionName
    ";
    let said = format!("{malformed}");
    let place = malformed.place.strip_prefix("line ");
    let problem = match place.and_then(|place| place.split_once(" column ")) {
        Some((line, column)) => {
            assert!(
                line.parse::<usize>().is_ok() && column.parse::<usize>().is_ok(),
                "{said}"
            );
            malformed.problem.as_str()
        }
        None => said.as_str(),
    };
    let words = problem.split(|c: char| !c.is_ascii_alphanumeric());
    for word in words.filter(|word| !word.is_empty()) {
        assert!(
            WORDS.split_whitespace().any(|known| known == word),
            "{word:?} in {said:?}"
        );
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " .,:-_`[]@".contains(c);
    assert!(said.chars().all(is_plain), "{said:?}");
    assert!(!said.contains(SECRET), "{said:?}");
}

/// The verdict comes after so few facts as there are, and none of them makes a retry of what could be none.
fn is_judged(failure: &Failure, max_time: Duration, choices: &mut Choices<'_>) {
    let judge = |failure: &Failure| {
        within(max_time, "judging", || {
            decide_optimistically(&POLICY, failure)
        })
    };
    let foreseen = judge(failure);
    assert_eq!(
        foreseen,
        judge(failure),
        "the same failure, the same verdict"
    );
    let (hoped, needs) = foreseen;
    assert!(hoped.decision == Decision::Retry || needs.is_empty());
    let mut failure = failure.clone();
    let mut asked: Vec<Need> = Vec::new();
    let mut has_asked_entry = false;
    let verdict = loop {
        if let FailureDetail::Execution(execution) = &failure.detail {
            let cause = execution.cause.as_text();
            let ended = Ended::execution(execution.status, execution.error.as_text(), cause);
            is_in_range(&ended, cause.known().copied().unwrap_or_default());
        }
        let spent = if has_asked_entry {
            LedgerView::Empty
        } else {
            LedgerView::NotRead
        };
        match decide(&POLICY, &failure, spent) {
            Answer::Verdict(verdict) => break verdict,
            Answer::Entry => {
                assert!(!has_asked_entry, "asked twice for the entry");
                has_asked_entry = true;
            }
            Answer::Need(need) => {
                assert!(!asked.contains(&need), "asked twice for {need:?}");
                asked.push(need);
                let fact = answer(&failure, need, choices);
                failure.learn(fact);
            }
        }
    };
    if hoped.decision != Decision::Retry {
        assert_ne!(
            verdict.decision,
            Decision::Retry,
            "{hoped:?} became {verdict:?}"
        );
    }
    if verdict.decision == Decision::Retry {
        let named = verdict.policy.as_ref().expect("a retry has a policy");
        let policy = POLICY.policies.iter().find(|policy| policy.name == *named);
        let policy = policy.expect("a verdict's policy is one of the document's");
        let longest = policy
            .automatic
            .iter()
            .map(|rule| rule.backoff.max_delay_seconds)
            .max();
        assert!(longest.is_some_and(|longest| verdict.delay_seconds <= longest));
        assert!(!verdict.rules.is_empty());
        for charge in &verdict.rules {
            assert!(charge.used < charge.limit, "{charge:?}");
            assert!(policy.automatic.iter().any(|rule| rule.id == charge.rule));
        }
    }
}

fn answer(failure: &Failure, need: Need, choices: &mut Choices<'_>) -> Fact {
    match (need, &failure.detail) {
        (Need::Description, FailureDetail::Execution(execution)) => {
            Fact::Description(description(execution))
        }
        (Need::PipelineState, FailureDetail::Stage(stage)) => {
            let announced = stage.announced.clone().unwrap_or_else(|| FailedAction {
                action: "Build".into(),
                id: Some("a".into()),
                category: Field::Known("Build".into()),
                provider: Field::Known("CodeBuild".into()),
                error_code: Field::Known("JobFailed".into()),
                summary: Field::Known(String::from_utf8_lossy(choices.bytes()).into_owned()),
            });
            Fact::Stage(StageSnapshot::failed(vec![announced]))
        }
        _ if choices.byte() == 1 => Fact::Redacted,
        _ => ending(),
    }
}

/// The result of a future that waits for nothing.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

/// What a function would log, without an account. It repeats no error, cause, message or input.
fn is_foretold(event: &Event) {
    let dry_run = DryRun::new(&POLICY);
    let timing = Timing::default();
    let handle = |owner: &str| {
        let writer = Writer {
            owner: &Owner(owner.into()),
            now: Time::from_millis(1_795_000_000_000),
            timing: &timing,
        };
        let parsed = event::parse(&event.bytes, &AllowedSources::default());
        ready(dry_run.event(parsed, writer)).expect("a dry run calls nothing that fails")
    };
    let record = within(max_time(&event.bytes), "foretelling", || handle("first"));
    let said = format!("{record:?}");
    if event.is_discreet {
        assert!(
            !said.contains(SECRET) && !record.sentence().contains(SECRET),
            "{said}"
        );
    }
    let again = handle("again");
    assert_eq!(record.failure_id, again.failure_id);
    // What is not numbered yet is not written down, and cannot be known again.
    if record.failure_id.is_some() {
        assert_ne!(again.outcome, Outcome::GaveUp, "given up twice: {said}");
    }
}
