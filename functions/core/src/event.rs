//! Hearing: the bytes of an event become a failure, a word about a failure heard earlier, something
//! irrelevant with its reason, or something malformed with the place.
//!
//! The events are read by our own types, because real ones break stricter readers: CodePipeline writes
//! structure versions as `3.0`, Step Functions writes explicit nulls, keys come and go with the years. So a
//! number may be an integer, a float or a string of digits, a key may be absent or null, and unknown keys are
//! passed over. No text of an event appears in a message of this module, since any may hold secrets.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::arn::{Arn, ExecutionArn, ExecutionKind};
use crate::failure::{
    ExecutionStatus, FailedAction, FailedExecution, FailedStage, Failure, Field, Redrivable,
    Subject, What,
};
use crate::time::Time;
use crate::tolerant::{Number, Object, Slot, Text};
use crate::verdict::Reason;

/// What an event turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A failure to judge.
    Failure(Failure),
    /// How a subject went on after an earlier failure.
    Sequel(Sequel),
    /// Nothing for us, and why.
    Irrelevant(Irrelevant),
    /// Not an event that can be read.
    Malformed(Malformed),
}

/// A later word on a subject that may have failed before: what tells the ledger how a retry ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequel {
    /// Whose.
    pub subject: Subject,
    /// When, by the service's own clock.
    pub at: Time,
    /// How it went on.
    pub what: SequelKind,
    /// How often an execution had been redriven by then. Stages do not say.
    pub redrive_count: Option<u32>,
}

/// How a subject went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SequelKind {
    /// It succeeded, after so many redrives where that is counted.
    Succeeded,
    /// A person ended it.
    Ended,
}

impl SequelKind {
    /// Why an event that says so is not judged as a failure.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Succeeded => Reason::Succeeded,
            Self::Ended => Reason::Aborted,
        }
    }
}

/// An event that is none of our business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Irrelevant {
    /// Why.
    pub reason: Reason,
    /// Of whom it speaks, where that could be read.
    pub subject: Option<Subject>,
    /// When, where that could be read.
    pub at: Option<Time>,
}

impl Irrelevant {
    const fn new(reason: Reason) -> Self {
        Self {
            reason,
            subject: None,
            at: None,
        }
    }
}

/// What could not be read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The key, for example `detail.executionArn`, or the line and column of a syntax error.
    pub place: String,
    /// What is wrong there. It never repeats what was read, which may be secret.
    pub problem: String,
}

impl Malformed {
    fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
        }
    }
}

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// Whose events are heard. Empty lists hear everybody's, as on a desk; a deployed function names its own
/// account and region, so that an event sent to it by mistake or malice cannot make it act elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Account ids.
    pub accounts: Vec<String>,
    /// Regions.
    pub regions: Vec<String>,
}

impl Bounds {
    fn refuse(&self, account: &str, region: &str) -> Option<Reason> {
        let outside = |allowed: &[String], one: &str| {
            !allowed.is_empty() && !allowed.iter().any(|a| a == one)
        };
        if outside(&self.accounts, account) {
            Some(Reason::OtherAccount)
        } else if outside(&self.regions, region) {
            Some(Reason::OtherRegion)
        } else {
            None
        }
    }
}

/// Reads one EventBridge event.
#[must_use]
pub fn hear(bytes: &[u8], bounds: &Bounds) -> Heard {
    match read(bytes, bounds) {
        Ok(heard) => heard,
        Err(malformed) => Heard::Malformed(malformed),
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, rename = "detail-type")]
    detail_type: Slot<Text<'a>>,
    /// The spelling of a notification rule's message, which is no EventBridge event.
    #[serde(borrow, default, rename = "detailType")]
    notification_type: Slot<Text<'a>>,
    #[serde(borrow, default)]
    source: Slot<Text<'a>>,
    #[serde(borrow, default)]
    account: Slot<Text<'a>>,
    #[serde(borrow, default)]
    region: Slot<Text<'a>>,
    #[serde(borrow, default)]
    time: Slot<Text<'a>>,
    #[serde(borrow, default)]
    resources: Slot<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecutionDetail<'a> {
    #[serde(borrow, default)]
    execution_arn: Slot<Text<'a>>,
    #[serde(borrow, default)]
    state_machine_arn: Slot<Text<'a>>,
    #[serde(borrow, default)]
    state_machine_version_arn: Slot<Text<'a>>,
    #[serde(borrow, default)]
    status: Slot<Text<'a>>,
    #[serde(default)]
    start_date: Slot<Number>,
    #[serde(default)]
    stop_date: Slot<Number>,
    #[serde(borrow, default)]
    input: Slot<Text<'a>>,
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
#[serde(rename_all = "kebab-case")]
struct PipelineDetail<'a> {
    #[serde(borrow, default)]
    pipeline: Slot<Text<'a>>,
    #[serde(borrow, default)]
    execution_id: Slot<Text<'a>>,
    #[serde(borrow, default)]
    state: Slot<Text<'a>>,
    #[serde(default)]
    version: Slot<Number>,
    #[serde(borrow, default)]
    stage: Slot<Text<'a>>,
    #[serde(borrow, default)]
    stage_last_retry_attempt_time: Slot<Text<'a>>,
    #[serde(default)]
    pipeline_execution_attempt: Slot<Number>,
    #[serde(borrow, default)]
    action: Slot<Text<'a>>,
    #[serde(borrow, default)]
    action_execution_id: Slot<Text<'a>>,
    #[serde(borrow, default, rename = "type")]
    action_type: Slot<Object<ActionType<'a>>>,
    #[serde(borrow, default)]
    execution_result: Slot<Object<ExecutionResult<'a>>>,
}

#[derive(Deserialize)]
struct ActionType<'a> {
    #[serde(borrow, default)]
    category: Slot<Text<'a>>,
    #[serde(borrow, default)]
    provider: Slot<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ExecutionResult<'a> {
    #[serde(borrow, default)]
    external_execution_summary: Slot<Text<'a>>,
    #[serde(borrow, default)]
    error_code: Slot<Text<'a>>,
}

/// Reads JSON, and names the place of what does not fit. The quick way is tried first: only an event that
/// fails is read again by the reader that keeps track of where it is.
fn parse<'a, T: Deserialize<'a>>(json: &'a [u8], under: &str) -> Result<T, Malformed> {
    // serde would read a list as an object's members in order.
    if !matches!(json.trim_ascii_start().first(), Some(b'{'))
        && serde_json::from_slice::<&RawValue>(json).is_ok()
    {
        return Err(Malformed::new(
            if under.is_empty() { "the event" } else { under },
            "expected an object",
        ));
    }
    serde_json::from_slice(json).map_err(|error| place_of::<T>(json, under, &error))
}

fn place_of<'a, T: Deserialize<'a>>(
    json: &'a [u8],
    under: &str,
    error: &serde_json::Error,
) -> Malformed {
    if !error.is_data() {
        let place = format!("line {} column {}", error.line(), error.column());
        let problem = if error.is_eof() {
            "the JSON ends before it is complete"
        } else {
            "this is not JSON"
        };
        return Malformed::new(place, problem);
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => Malformed::new(under, "it cannot be read"),
        Err(error) => {
            let path = match error.path().to_string().as_str() {
                "." => under.to_owned(),
                path if under.is_empty() => path.to_owned(),
                path => format!("{under}.{path}"),
            };
            let path = if path.is_empty() {
                "the event".to_owned()
            } else {
                path
            };
            let text = error.into_inner().to_string();
            // serde_json appends a position, which within a detail is not the file's.
            let problem = text
                .rsplit_once(" at line ")
                .map_or(text.as_str(), |(problem, _)| problem);
            // Messages of serde itself quote what was read; ours (see `tolerant`) do not.
            let problem =
                if problem.starts_with("expected ") || problem.starts_with("duplicate field") {
                    problem
                } else if problem.ends_with("expected a sequence") {
                    "expected a list"
                } else {
                    "expected an object"
                };
            Malformed::new(path, problem)
        }
    }
}

fn read(bytes: &[u8], bounds: &Bounds) -> Result<Heard, Malformed> {
    // Editors on Windows put a byte order mark in front.
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Malformed::new("the event", "it is empty"));
    }
    let envelope: Envelope<'_> = parse(bytes, "")?;
    if envelope.notification_type.known().is_some() && envelope.detail_type.known().is_none() {
        return Ok(Heard::Irrelevant(Irrelevant::new(Reason::NotificationRule)));
    }
    let source = envelope.source.require("source")?;
    let detail_type = envelope.detail_type.require("detail-type")?;
    let level = match (source, detail_type) {
        ("aws.states", "Step Functions Execution Status Change") => None,
        ("aws.codepipeline", "CodePipeline Pipeline Execution State Change") => {
            Some(Level::Pipeline)
        }
        ("aws.codepipeline", "CodePipeline Stage Execution State Change") => Some(Level::Stage),
        ("aws.codepipeline", "CodePipeline Action Execution State Change") => Some(Level::Action),
        ("aws.states" | "aws.codepipeline", _) => {
            return Ok(Heard::Irrelevant(Irrelevant::new(Reason::OtherDetailType)));
        }
        _ => return Ok(Heard::Irrelevant(Irrelevant::new(Reason::OtherSource))),
    };
    let Some(detail) = envelope.detail else {
        return Err(Malformed::new("detail", "it is missing"));
    };
    match level {
        None => execution(&envelope, parse(detail.get().as_bytes(), "detail")?, bounds),
        Some(level) => pipeline(
            &envelope,
            &parse(detail.get().as_bytes(), "detail")?,
            level,
            bounds,
        ),
    }
}

/// The account and region that the envelope names must be those of the ARN we would act on.
fn agree(what: &str, envelope: Option<&str>, arn: &str, place: &str) -> Result<(), Malformed> {
    match envelope {
        Some(said) if said != arn => Err(Malformed::new(
            place,
            format!("its {what} is not the one that the event itself names"),
        )),
        _ => Ok(()),
    }
}

fn execution(
    envelope: &Envelope<'_>,
    detail: ExecutionDetail<'_>,
    bounds: &Bounds,
) -> Result<Heard, Malformed> {
    let place = "detail.executionArn";
    let arn = detail.execution_arn.require(place)?;
    let read = ExecutionArn::parse(arn).map_err(|why| Malformed::new(place, why.to_string()))?;
    agree("account", envelope.account.known(), read.arn.account, place)?;
    agree("region", envelope.region.known(), read.arn.region, place)?;

    let at = envelope.time.known().and_then(Time::parse);
    let millis =
        |slot: &Slot<Number>, place: &str| slot.whole(place).map(|ms| ms.map(Time::from_millis));
    let stopped = millis(&detail.stop_date, "detail.stopDate")?;
    let started = millis(&detail.start_date, "detail.startDate")?;
    let subject = Subject::Execution {
        arn: arn.to_owned(),
    };
    let irrelevant = |reason| {
        Ok(Heard::Irrelevant(Irrelevant {
            reason,
            subject: Some(subject.clone()),
            at: at.or(stopped),
        }))
    };

    if let Some(reason) = bounds.refuse(read.arn.account, read.arn.region) {
        return irrelevant(reason);
    }
    if read.kind == ExecutionKind::Express {
        return irrelevant(Reason::Express);
    }
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
    let sequel = |what| {
        let Some(at) = stopped.or(at) else {
            return Err(Malformed::new("time", "it is missing, or no time"));
        };
        Ok(Heard::Sequel(Sequel {
            subject: subject.clone(),
            at,
            what,
            redrive_count: redrive_count.known().copied(),
        }))
    };
    let status = match detail.status.require("detail.status")? {
        "FAILED" => ExecutionStatus::Failed,
        "TIMED_OUT" => ExecutionStatus::TimedOut,
        "SUCCEEDED" if redriven => return sequel(SequelKind::Succeeded),
        "ABORTED" if redriven => return sequel(SequelKind::Ended),
        "SUCCEEDED" => return irrelevant(Reason::Succeeded),
        "ABORTED" => return irrelevant(Reason::Aborted),
        "RUNNING" | "PENDING_REDRIVE" => return irrelevant(Reason::Running),
        _ => return irrelevant(Reason::UnknownStatus),
    };
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
    let parent = detail.input.known().and_then(parent_in);
    let mut failed = FailedExecution {
        status,
        redrive_count,
        redrivable,
        started,
        state_machine_arn: detail.state_machine_arn.known().map(ToOwned::to_owned),
        version_arn: detail
            .state_machine_version_arn
            .known()
            .map(ToOwned::to_owned),
        error: detail.error.into_field(),
        cause: detail.cause.into_field(),
        parent,
        fail_state: Field::Unknown,
        moved_on: None,
    };
    match status {
        ExecutionStatus::TimedOut => {
            failed.error = Field::Known("States.Timeout".to_owned());
            failed.cause = Field::from_option(failed.cause.known().cloned());
            // The machine's own time ran out: it ended in no state at all.
            failed.fail_state = Field::Known(false);
        }
        ExecutionStatus::Failed => {
            // An event that has the one key has them both.
            if failed.error.known().is_some() && failed.cause.is_unknown() {
                failed.cause = Field::Absent;
            } else if failed.cause.known().is_some() && failed.error.is_unknown() {
                failed.error = Field::Absent;
            }
            failed.withhold_where_both_are_missing();
        }
    }
    Ok(Heard::Failure(Failure {
        subject,
        at,
        what: What::Execution(failed),
    }))
}

/// The parent that a nested execution's input names, as Step Functions asks callers to pass it on.
fn parent_in(input: &str) -> Option<String> {
    const KEY: &str = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID";

    #[derive(Deserialize)]
    struct Input<'a> {
        #[serde(borrow, default, rename = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID")]
        parent: Slot<Text<'a>>,
    }
    // An input may be 256 KiB long and most name no parent: look before reading.
    if !input.contains(KEY) {
        return None;
    }
    let Object(input): Object<Input<'_>> = serde_json::from_str(input).ok()?;
    let parent = input.parent.known()?;
    ExecutionArn::parse(parent).ok().map(|_| parent.to_owned())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Pipeline,
    Stage,
    Action,
}

fn pipeline(
    envelope: &Envelope<'_>,
    detail: &PipelineDetail<'_>,
    level: Level,
    bounds: &Bounds,
) -> Result<Heard, Malformed> {
    let name = |slot: &Slot<Text<'_>>, place: &str| -> Result<String, Malformed> {
        let text = slot.require(place)?;
        // AWS: 1 to 100 of these. What is no name must not find its way into an ARN.
        let fits = (1..=100).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".@-_".contains(&b));
        if fits {
            Ok(text.to_owned())
        } else {
            Err(Malformed::new(
                place,
                "it is not a name of 1 to 100 letters, digits and . @ - _",
            ))
        }
    };
    let resource = envelope
        .resources
        .get()
        .and_then(|resources| resources.first())
        .map(Text::as_str);
    let arn = resource.and_then(|text| Arn::parse(text).ok());
    let account = match (envelope.account.known(), arn) {
        (Some(account), _) => account,
        (None, Some(arn)) => arn.account,
        (None, None) => return Err(Malformed::new("account", "it is missing")),
    };
    let region = match (envelope.region.known(), arn) {
        (Some(region), _) => region,
        (None, Some(arn)) => arn.region,
        (None, None) => return Err(Malformed::new("region", "it is missing")),
    };
    let partition = arn.map_or_else(|| partition_of(region), |arn| arn.partition);
    // What the event says becomes an ARN to act on, so it must be one.
    let pipeline = name(&detail.pipeline, "detail.pipeline")?;
    Arn::parse(&format!(
        "arn:{partition}:codepipeline:{region}:{account}:{pipeline}"
    ))
    .map_err(|why| Malformed::new("account, region", format!("they make no ARN: {why}")))?;
    if let Some(arn) = arn {
        agree("account", Some(account), arn.account, "resources[0]")?;
        agree("region", Some(region), arn.region, "resources[0]")?;
    }
    let at = envelope.time.known().and_then(Time::parse);
    if let Some(reason) = bounds.refuse(account, region) {
        return Ok(Heard::Irrelevant(Irrelevant {
            reason,
            subject: None,
            at,
        }));
    }
    let state = detail.state.require("detail.state")?;
    if level == Level::Pipeline {
        return Ok(Heard::Irrelevant(Irrelevant {
            reason: of_pipeline(state),
            subject: None,
            at,
        }));
    }

    let execution_id = name(&detail.execution_id, "detail.execution-id")?;
    let stage = name(&detail.stage, "detail.stage")?;
    let subject = Subject::stage(partition, region, account, &pipeline, &stage, &execution_id);
    let irrelevant = |reason| {
        Ok(Heard::Irrelevant(Irrelevant {
            reason,
            subject: Some(subject.clone()),
            at,
        }))
    };
    let at = match at {
        Some(at) => at,
        None => return Err(Malformed::new("time", "it is missing, or no time")),
    };
    // Every stage event after a retry says when the stage was last retried.
    let retried = detail.stage_last_retry_attempt_time.known().is_some()
        || detail
            .pipeline_execution_attempt
            .get()
            .is_some_and(|attempt| attempt.as_f64() > 1.0);
    let sequel = |what| {
        Ok(Heard::Sequel(Sequel {
            subject: subject.clone(),
            at,
            what,
            redrive_count: None,
        }))
    };
    match (level, state) {
        (_, "FAILED") => {}
        (Level::Stage, "SUCCEEDED") if retried => return sequel(SequelKind::Succeeded),
        (Level::Stage, "STOPPED" | "CANCELED") if retried => return sequel(SequelKind::Ended),
        (_, "SUCCEEDED") => return irrelevant(Reason::Succeeded),
        (_, "STARTED" | "RESUMED") => return irrelevant(Reason::Running),
        (_, "STOPPING") => return irrelevant(Reason::Stopping),
        (_, "STOPPED" | "ABANDONED") => return irrelevant(Reason::Stopped),
        (_, "CANCELED") => return irrelevant(Reason::Canceled),
        _ => return irrelevant(Reason::UnknownStatus),
    }

    let announced = if level == Level::Action {
        let action_type = detail.action_type.get();
        let result = detail.execution_result.get();
        let of = |slot: Option<&Slot<Text<'_>>>| {
            Field::from_option(slot.and_then(Slot::known).map(ToOwned::to_owned))
        };
        Some(FailedAction {
            action: name(&detail.action, "detail.action")?,
            id: detail.action_execution_id.known().map(ToOwned::to_owned),
            category: of(action_type.map(|t| &t.0.category)),
            provider: of(action_type.map(|t| &t.0.provider)),
            error_code: of(result.map(|r| &r.0.error_code)),
            summary: of(result.map(|r| &r.0.external_execution_summary)),
        })
    } else {
        None
    };
    let version = detail.version.whole("detail.version")?;
    let failed = FailedStage {
        version,
        announced,
        standing: Field::Unknown,
    };
    Ok(Heard::Failure(Failure {
        subject,
        at,
        what: What::Stage(failed),
    }))
}

/// A pipeline's own events announce nothing that a stage's do not.
fn of_pipeline(state: &str) -> Reason {
    match state {
        "FAILED" => Reason::StageSpeaks,
        "SUCCEEDED" => Reason::Succeeded,
        "STARTED" | "RESUMED" => Reason::Running,
        "STOPPING" => Reason::Stopping,
        "STOPPED" => Reason::Stopped,
        "CANCELED" => Reason::Canceled,
        "SUPERSEDED" => Reason::Superseded,
        _ => Reason::UnknownStatus,
    }
}

/// The partition of a region, for events without `resources`.
fn partition_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

#[cfg(test)]
mod tests;
