//! Reads builds of CodeBuild, and of CodePipeline's Commands action, which runs on CodeBuild.

use alloc::borrow::Cow;

use redrive_policy::{ConditionKey, SignalReason};

use super::extracted::{Extracted, exit_status};
use super::http;
use super::json::{Key, Value};

/// The words before a failed command, the same in every message.
pub(super) const COMMAND_FAILED: &str = "Error while executing command:";

/// The build for which `codebuild:startBuild.sync` waited.
// AWS: the shape is that of a build (Build, AWS CodeBuild API Reference).
#[derive(Debug, Clone, Default)]
pub(super) struct Build<'a> {
    seen: bool,
    ended: Extracted,
    phase: Phase<'a>,
    first_failed: Option<Extracted>,
}

#[derive(Debug, Clone, Default)]
struct Phase<'a> {
    status: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    code: Option<Cow<'a, str>>,
    message: Option<Cow<'a, str>>,
}

impl<'a> Build<'a> {
    pub(super) fn visit(&mut self, path: &[Key], value: Value<'a>) {
        use Key::{
            BuildBatchStatus, BuildStatus, Contexts, Item, Message, PhaseStatus, PhaseType, Phases,
            StatusCode,
        };
        match path {
            [BuildStatus | BuildBatchStatus] => self.ended = status(value),
            [Phases, Item] => self.close(),
            [Phases, Item, PhaseStatus] => self.phase.status = value.text(),
            [Phases, Item, PhaseType] => self.phase.name = value.text(),
            [Phases, Item, Contexts, Item, StatusCode] => self.phase.code = value.text(),
            [Phases, Item, Contexts, Item, Message] => self.phase.message = value.text(),
            _ => return,
        }
        self.seen = true;
    }

    /// Ends a phase. The first failed phase counts, because POST_BUILD runs after a failed BUILD and may fail too.
    fn close(&mut self) {
        let phase = core::mem::take(&mut self.phase);
        if self.first_failed.is_none() {
            self.first_failed = phase.extracted();
        }
    }

    pub(super) fn extracted(&self) -> Option<Extracted> {
        self.seen.then(|| {
            let first_failed = self.first_failed.clone();
            let phase = first_failed.or_else(|| self.phase.extracted());
            self.ended.clone().or(phase.unwrap_or_default())
        })
    }
}

impl Phase<'_> {
    /// Reads a failed phase. Returns `None` for a phase that did not fail. Successful phases have empty texts.
    fn extracted(&self) -> Option<Extracted> {
        let code = self.code.as_deref().unwrap_or_default();
        let text = self.message.as_deref().unwrap_or_default();
        let failed = match self.status.as_deref() {
            Some(status) => !status.eq_ignore_ascii_case("SUCCEEDED") && !status.is_empty(),
            // The cause was cut before the status.
            None => !text.is_empty() || !code.is_empty(),
        };
        failed.then(|| {
            let name = self.name.as_deref().unwrap_or_default();
            message(text)
                .or(self::code(code))
                .or(provisioning(name, text))
        })
    }
}

/// Reads the status of a build or of an action.
fn status(value: Value<'_>) -> Extracted {
    if value.is("STOPPED") {
        Extracted::default().with_person(true)
    } else if value.is("TIMED_OUT") {
        Extracted::reason(SignalReason::Cancel)
    } else {
        Extracted::default()
    }
}

/// Returns whether a provider's actions are builds.
pub(super) fn provides(provider: &str) -> bool {
    ["CodeBuild", "Commands"].iter().any(|known| {
        provider
            .get(..known.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(known))
    })
}

/// Reads the status code of a phase.
pub(super) fn code(code: &str) -> Extracted {
    match code {
        "BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE" => Extracted::reason(SignalReason::ProcessRunError),
        // The subnet has no address left.
        "INSUFFICIENT_SUBNET" => Extracted::reason(SignalReason::StackError),
        _ => Extracted::default(),
    }
}

/// Reads an action's summary, in any of its wordings.
///
/// CodeBuild writes `Build terminated with state: FAILED`, and since 2025 `…FAILED. Phase: BUILD, Code:
/// COMMAND_EXECUTION_ERROR, Message: …`. Commands write `Action failed with status: FAILED. COMMAND_EXECUTION_ERROR:
/// …`.
pub(super) fn summary(text: &str) -> Extracted {
    let (state, rest) = [
        "Build terminated with state: ",
        "Action failed with status: ",
    ]
    .iter()
    .find_map(|words| text.trim_start().strip_prefix(words))
    .map_or(("", text), |rest| {
        rest.split_once(|end: char| !end.is_ascii_alphabetic() && end != '_')
            .unwrap_or((rest, ""))
    });
    let state = status(Value::Word(state));
    // The code may contain spaces, for example `Decrypted Variables Error`.
    let phase = rest
        .trim_start()
        .strip_prefix("Phase: ")
        .and_then(|rest| rest.split_once(", Code: "))
        .and_then(|(name, rest)| Some((name, rest.split_once(", Message: ")?)));
    match phase {
        Some((name, (code, text))) => state
            .or(message(text))
            .or(self::code(code))
            .or(provisioning(name, text)),
        None => state.or(message(rest)),
    }
}

/// Reads the message of a phase.
fn message(text: &str) -> Extracted {
    // The message quotes the command, which may contain any words. Only the words after the command show how it ended.
    if text.contains(COMMAND_FAILED) {
        return Extracted::default().with(ConditionKey::ExitStatus, trailing_exit_status(text));
    }
    let pulled = [
        "BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE",
        "CannotPull",
        "Unable to pull customer's container image",
    ]
    .iter()
    .any(|words| text.contains(words));
    let signal_reason = if pulled {
        Some(SignalReason::ProcessRunError)
    } else if text.contains("INSUFFICIENT_SUBNET") {
        Some(SignalReason::StackError)
    } else {
        None
    };
    Extracted::default()
        .with(ConditionKey::SignalReason, signal_reason)
        .with(ConditionKey::HttpStatus, http::status(text))
}

/// Reads a phase that found no machine to build on. A container found dead does not count. It may have had too little
/// memory, or an image that does not run there.
fn provisioning(phase: &str, text: &str) -> Extracted {
    let waits = ["QUEUED", "PROVISIONING"].contains(&phase);
    if waits && !text.contains("Build container found dead") {
        Extracted::reason(SignalReason::StackError)
    } else {
        Extracted::default()
    }
}

/// Reads the exit status at the end of a message, for example `… Reason: exit status 1`.
pub(super) fn trailing_exit_status(text: &str) -> Option<i16> {
    let (_, status) = text.rsplit_once("exit status ")?;
    let status = status.trim_end_matches(|end: char| end.is_whitespace() || end == '.');
    status.parse().ok().and_then(exit_status)
}
