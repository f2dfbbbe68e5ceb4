//! Causes, messages and summaries, as anybody may write them.
//!
//! The first byte chooses the reader, the second which fields are known, the third and fourth how the text is
//! stretched to the end of what is read. Then come an error (or error code) and, after a line break, a cause
//! (or summary).

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use redrive_core::cause::Ended;
use redrive_core::decide::decide_optimistically;
use redrive_core::failure::{ExecutionStatus, FailedAction, Field};
use redrive_core::policy::{ConditionKey, Document};
use redrive_core::verdict::Decision;
use redrive_fuzz::{Choices, execution, failed_execution, failed_stage, is_in_range, within};

/// A cause is read in its first 32 KiB.
const READ: usize = 32 * 1024;
const MAX_TIME: Duration = Duration::from_millis(100);

static POLICIES: LazyLock<[Document; 2]> = LazyLock::new(|| {
    [
        include_str!("../../../infra/policy.yaml"),
        "{version: 1, retry: {automatic: true}}",
    ]
    .map(|text| Document::parse(text).expect("a legal policy"))
});

/// What is read of, in one of the two services.
#[derive(Debug, Clone)]
enum Read {
    Execution(ExecutionStatus, Field<String>, Field<String>),
    Action(FailedAction),
}

impl Read {
    fn ended(&self) -> Ended {
        within(MAX_TIME, "a cause", || match self {
            Self::Execution(status, error, cause) => {
                Ended::execution(*status, error.as_text(), cause.as_text())
            }
            Self::Action(action) => Ended::action(action),
        })
    }

    /// The same with another cause or summary.
    fn with(&self, text: Field<String>) -> Self {
        match self {
            Self::Execution(status, error, _) => Self::Execution(*status, error.clone(), text),
            Self::Action(action) => Self::Action(FailedAction {
                summary: text,
                ..action.clone()
            }),
        }
    }

    /// The cause or the summary.
    fn text(&self) -> &str {
        let (Self::Execution(_, _, text) | Self::Action(FailedAction { summary: text, .. })) = self;
        text.known().map_or("", String::as_str)
    }

    fn fields(&self) -> Vec<&Field<String>> {
        match self {
            Self::Execution(_, error, cause) => vec![error, cause],
            // The rest is irrelevant.
            Self::Action(action) => vec![&action.summary],
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let (reader, known, stretch) = (choices.byte(), choices.byte(), choices.below(0x1_0000));
    let text = String::from_utf8_lossy(choices.0);
    let (error, cause) = text.split_once('\n').unwrap_or(("", &text));
    let field = |which: u8, text: &str| match which & 3 {
        0 => Field::Known(text.to_owned()),
        1 => Field::Absent,
        2 => Field::Redacted,
        _ => Field::Unknown,
    };
    let error_field = field(known, error);
    let read = match reader % 8 {
        0..4 => Read::Execution(ExecutionStatus::Failed, error_field, field(0, cause)),
        4 => Read::Execution(ExecutionStatus::TimedOut, error_field, field(0, cause)),
        which => Read::Action(FailedAction {
            action: "Deploy".into(),
            id: Some("5f0c2f0e".into()),
            category: match known >> 4 {
                0 => Field::Known("Approval".into()),
                1 => Field::Unknown,
                2 => Field::Absent,
                _ => Field::Known("Build".into()),
            },
            provider: match which {
                5 => Field::Known("CodeBuild".into()),
                6 => Field::Known("ECS".into()),
                _ => field(known >> 2, "commands"),
            },
            error_code: error_field,
            summary: field(0, cause),
        }),
    };

    let ended = read.ended();
    is_in_range(&ended, read.text());
    assert_eq!(ended, read.ended(), "the same text tells the same");
    is_as_open_as(&read, &ended);
    nothing_known_is_taken_back(&read, &ended);
    only_the_beginning_counts(&read, cause, stretch);
    if let Read::Execution(status, error, _) = &read {
        if *status == ExecutionStatus::TimedOut {
            let alone = Ended::execution(*status, Field::Absent, Field::Absent);
            assert_eq!(ended, alone, "a machine's own time-out is that alone");
        } else {
            a_childs_cause_tells_what_it_tells_by_itself(error, cause, &ended);
        }
    }
    what_a_person_stopped_is_never_retried(read, &ended);
});

/// Nothing is open that nobody left open.
fn is_as_open_as(read: &Read, ended: &Ended) {
    let open = |of: fn(&Field<String>) -> bool| read.fields().into_iter().any(of);
    let told = ended.values(read.text());
    let values = ConditionKey::of_texts().map(|key| told.get(key).map(|_| ()));
    for field in values.chain([ended.by_person.map(|_| ())]) {
        match field {
            Field::Unknown => assert!(open(Field::is_unknown), "{read:?} {ended:?}"),
            Field::Redacted => {
                assert!(
                    open(|field| *field == Field::Redacted),
                    "{read:?} {ended:?}"
                );
            }
            Field::Absent | Field::Known(()) => {}
        }
    }
}

/// What was told before the cause was looked up still holds when it is there.
fn nothing_known_is_taken_back(read: &Read, ended: &Ended) {
    fn held<T: PartialEq + std::fmt::Debug>(before: Field<T>, after: Field<T>) {
        if matches!(before, Field::Known(_) | Field::Absent) {
            assert_eq!(before, after, "told before the cause was known, and after");
        }
    }
    for open in [Field::Unknown, Field::Redacted] {
        let before = read.with(open).ended();
        is_in_range(&before, "");
        let (early, late) = (before.values(""), ended.values(read.text()));
        for key in ConditionKey::of_texts() {
            held(early.get(key), late.get(key));
        }
        // Under the error of a call that started no job, a cause that is not there is not held to hide a
        // person's stop; one that is there and tells of it is believed, which is the safe side.
        if ended.by_person != Field::Known(true) {
            held(before.by_person, ended.by_person);
        }
    }
}

/// The text, stretched so that what is read of it ends in its midst, tells what its beginning tells.
fn only_the_beginning_counts(read: &Read, cause: &str, stretch: usize) {
    // It costs 32 KiB each time.
    if stretch % 16 != 15 {
        return;
    }
    let mut at = stretch % (cause.len() + 1);
    while !cause.is_char_boundary(at) {
        at -= 1;
    }
    let (before, after) = cause.split_at(at);
    let filling = match (stretch >> 4) % 3 {
        0 => " ",
        1 => "x",
        _ => "é",
    };
    let missing = READ.saturating_sub(before.len() + (stretch >> 6) % (after.len() + 1));
    let long = [
        before,
        &filling.repeat(missing / filling.len()),
        after,
        after,
    ]
    .concat();
    let mut end = READ.min(long.len());
    while !long.is_char_boundary(end) {
        end -= 1;
    }
    let told = read.with(Field::Known(long[..end].to_owned())).ended();
    is_in_range(&told, &long[..end]);
    let whole = read.with(Field::Known(long)).ended();
    assert_eq!(told, whole, "what is read of a cause is its first 32 KiB");
}

/// A parent that waits for an execution tells of it what it would tell itself.
fn a_childs_cause_tells_what_it_tells_by_itself(error: &Field<String>, cause: &str, ended: &Ended) {
    let Field::Known(name) = error else {
        return;
    };
    // Reading an escape, some control characters become spaces; and what is cut may lose its end.
    if cause.contains(|c: char| c.is_control())
        || cause.len() > READ / 4
        || name.contains(char::is_control)
    {
        return;
    }
    let child = serde_json::json!({
        "ExecutionArn": "arn:aws:states:eu-west-1:111122223333:execution:child:run-1",
        "Status": "FAILED", "Error": name, "Cause": cause,
    });
    let told = Ended::execution(
        ExecutionStatus::Failed,
        Field::Known("States.TaskFailed"),
        Field::Known(&child.to_string()),
    );
    assert_eq!(told, *ended, "of a child, and by itself");
}

/// Whatever else is known of it.
fn what_a_person_stopped_is_never_retried(read: Read, ended: &Ended) {
    if ended.by_person != Field::Known(true) {
        return;
    }
    let failure = match read {
        Read::Execution(status, error, cause) => {
            failed_execution("etl-orders", execution(status, error, cause))
        }
        Read::Action(action) => failed_stage("web-delivery", vec![action]),
    };
    for policy in POLICIES.iter() {
        let (verdict, _) = decide_optimistically(policy, &failure);
        assert_ne!(verdict.decision, Decision::Retry, "{verdict:?}");
    }
}
