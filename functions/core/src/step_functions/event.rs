//! Parses the events of Step Functions: Execution Status Change.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::arn::{ExecutionArn, ExecutionKind};
use crate::event::parsed::{
    AllowedSources, Completion, CompletionKind, Envelope, Ignored, ParsedEvent, agree,
};
use crate::failure::{
    ExecutionStatus, FailedExecution, Failure, FailureDetail, Field, Redrivable, Subject,
};
use crate::time::Time;
use crate::tolerant::{Lenient, Malformed, Moment, Number, Object, Slot, Text};
use crate::verdict::Reason;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Detail<'a> {
    #[serde(borrow, default)]
    execution_arn: Slot<Text<'a>>,
    #[serde(borrow, default)]
    status: Slot<Text<'a>>,
    #[serde(default)]
    start_date: Lenient<Moment>,
    #[serde(default)]
    stop_date: Lenient<Moment>,
    #[serde(borrow, default)]
    state_machine_arn: Lenient<Text<'a>>,
    #[serde(borrow, default)]
    state_machine_version_arn: Lenient<Text<'a>>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(default)]
    input_details: Lenient<InputDetails>,
    #[serde(default)]
    redrive_count: Slot<Number>,
    #[serde(borrow, default)]
    redrive_status: Slot<Text<'a>>,
    #[serde(borrow, default)]
    error: Slot<Text<'a>>,
    #[serde(borrow, default)]
    cause: Slot<Text<'a>>,
}

#[derive(Deserialize)]
struct InputDetails {
    included: bool,
}

/// Returns the reason to ignore an event with this status. Returns `None` if the status is a failure.
fn no_failure(status: &str) -> Option<Reason> {
    Some(match status {
        "FAILED" | "TIMED_OUT" => return None,
        "SUCCEEDED" => Reason::Succeeded,
        "ABORTED" => Reason::Aborted,
        "RUNNING" | "PENDING_REDRIVE" => Reason::Running,
        _ => Reason::UnknownStatus,
    })
}

pub(crate) fn parse(
    envelope: &Envelope<'_>,
    detail: Detail<'_>,
    sources: &AllowedSources,
) -> Result<ParsedEvent, Malformed> {
    let place = "detail.executionArn";
    let at = envelope.time.known().and_then(Time::parse);
    let stopped = detail.stop_date.0.map(|moment| moment.0);
    let redrive_count = match detail.redrive_count.whole("detail.redriveCount")? {
        None => Field::Unknown,
        Some(count) => match u32::try_from(count) {
            Ok(count) => Field::Known(count),
            Err(_) => {
                return Err(Malformed::new(
                    "detail.redriveCount",
                    "it is too large to be a count",
                ));
            }
        },
    };
    let redriven = redrive_count.known().is_some_and(|count| *count > 0);
    let no_failure = detail.status.known().and_then(no_failure);
    let arn = detail.execution_arn.require(place)?;
    let read = match (ExecutionArn::parse(arn), no_failure) {
        (Ok(read), _) => read,
        // The event is ignored anyway, so its ARN may be malformed.
        (Err(_), Some(reason)) if !redriven => {
            return Ok(ParsedEvent::Ignored(Ignored {
                reason,
                subject: None,
                at: at.or(stopped),
            }));
        }
        (Err(why), _) => return Err(Malformed::new(place, why.to_string())),
    };
    agree("account", envelope.account.known(), read.arn.account, place)?;
    agree("region", envelope.region.known(), read.arn.region, place)?;

    let subject = Subject::Execution {
        arn: arn.to_owned(),
    };
    let ignored = |reason| {
        Ok(ParsedEvent::Ignored(Ignored {
            reason,
            subject: Some(subject.clone()),
            at: at.or(stopped),
        }))
    };
    if let Some(reason) = sources.reason_to_ignore(read.arn.account, read.arn.region) {
        return ignored(reason);
    }
    if read.kind == ExecutionKind::Express {
        return ignored(Reason::Express);
    }
    let completion = |kind| {
        let Some(at) = stopped.or(at) else {
            return Err(Malformed::new("time", "it is missing, or no time"));
        };
        let redrive_count = redrive_count.known().copied();
        Ok(ParsedEvent::Completion(Completion {
            subject: subject.clone(),
            at,
            kind,
            redrive_count,
        }))
    };
    let status = detail.status.require("detail.status")?;
    match no_failure {
        None => {}
        Some(Reason::Succeeded) if redriven => return completion(CompletionKind::Succeeded),
        Some(Reason::Aborted) if redriven => return completion(CompletionKind::Terminated),
        Some(reason) => return ignored(reason),
    }
    let Some(at) = stopped.or(at) else {
        return Err(Malformed::new(
            "time",
            "it is missing, or no time, and so is detail.stopDate",
        ));
    };

    let redrivable = match detail.redrive_status.known() {
        None if read.kind == ExecutionKind::MapChild => Field::Known(Redrivable::ByMapRun),
        None => Field::Unknown,
        Some("REDRIVABLE") if read.kind == ExecutionKind::MapChild => {
            Field::Known(Redrivable::ByMapRun)
        }
        Some("REDRIVABLE") => Field::Known(Redrivable::Yes),
        Some("REDRIVABLE_BY_MAP_RUN") => Field::Known(Redrivable::ByMapRun),
        Some(_) => Field::Known(Redrivable::No),
    };
    let left_out = detail
        .input_details
        .0
        .is_some_and(|details| !details.included);
    let parent = match detail.input.map(RawValue::get) {
        None | Some("null") if left_out => Field::Unknown,
        None => Field::Absent,
        // AWS writes the input as text that contains JSON. An input that is a JSON object itself is read too.
        Some(input) => Field::from_option(
            serde_json::from_str::<Text<'_>>(input)
                .map_or_else(|_| parent_in(input), |text| parent_in(text.as_str())),
        ),
    };
    let mut failed = FailedExecution {
        status: if status == "TIMED_OUT" {
            ExecutionStatus::TimedOut
        } else {
            ExecutionStatus::Failed
        },
        redrive_count,
        redrivable,
        started: detail.start_date.0.map(|moment| moment.0),
        state_machine_arn: detail.state_machine_arn.0.map(|text| text.0.into_owned()),
        version_arn: detail
            .state_machine_version_arn
            .0
            .map(|text| text.0.into_owned()),
        error: detail.error.into_field(),
        cause: detail.cause.into_field(),
        parent,
        fail_state: Field::Unknown,
        state: Field::Unknown,
        resource: Field::Unknown,
        changed_since: None,
    };
    match failed.status {
        ExecutionStatus::TimedOut => failed.read_as_time_out(),
        ExecutionStatus::Failed => {
            // An event that has one of the two keys has both.
            if failed.error.known().is_some() && failed.cause.is_unknown() {
                failed.cause = Field::Absent;
            } else if failed.cause.known().is_some() && failed.error.is_unknown() {
                failed.error = Field::Absent;
            }
            failed.redact_where_both_are_missing();
        }
    }
    Ok(ParsedEvent::Failure(Failure {
        subject,
        at,
        detail: FailureDetail::Execution(failed),
    }))
}

/// Returns the parent execution that a nested execution's input names. Step Functions asks callers to pass its ARN on
/// under `AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID`.
#[must_use]
pub fn parent_in(input: &str) -> Option<String> {
    const KEY: &str = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID";

    #[derive(Deserialize)]
    struct Input<'a> {
        #[serde(borrow, default, rename = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID")]
        parent: Slot<Text<'a>>,
    }
    // An input may have 256 KiB, and most name no parent. A search for the key is cheaper than parsing.
    if !input.contains(KEY) {
        return None;
    }
    let Object(input): Object<Input<'_>> = serde_json::from_str(input).ok()?;
    let parent = input.parent.known()?;
    // An Express parent can never be redriven and waits for no child, so it retries nothing.
    let read = ExecutionArn::parse(parent).ok()?;
    (read.kind != ExecutionKind::Express).then(|| parent.to_owned())
}
