//! Reads runs of Glue, EMR, Athena and SageMaker, and the answer of a Kubernetes API.

use alloc::borrow::Cow;

use redrive_policy::{ConditionKey, SignalReason};

use super::extracted::Extracted;
use super::json::{Key, Value};
use super::name;
use super::reasons::Reasons;

/// A run, as its service describes it. The services' members do not collide, so one reader visits them all.
#[derive(Debug, Clone, Default)]
pub(super) struct Run<'a> {
    seen: bool,
    is_glue: bool,
    message: Option<Cow<'a, str>>,
    timed_out: bool,
    stopped: bool,
    cancelled: bool,
    is_emr: bool,
    reasons: Reasons,
    status_code: Option<u16>,
    is_answer: bool,
}

impl<'a> Run<'a> {
    pub(super) fn visit(&mut self, path: &[Key], value: Value<'a>) {
        use Key::{
            ApplicationId, ErrorMessage, FailureDetails, FailureReason, JobRun, JobRunState,
            Message, Reason, ResponseBody, State, StateChangeReason, StateDetails, Status,
            StatusCode, VirtualClusterId,
        };
        match path {
            // AWS: the members of a job run (JobRun, AWS Glue Web API Reference).
            [JobRunState] => {
                self.is_glue = true;
                self.timed_out |= value.is("TIMEOUT");
                self.stopped |= value.is("STOPPED");
            }
            // Lambda has a member of that name too. The end of the walk shows whose it is.
            [ErrorMessage] => {
                self.message = value.text();
                return;
            }
            // AWS: CANCELLED is the state of a step of EMR (StepStatus) or a query of Athena that a user interrupted
            // (QueryExecutionStatus).
            [Status, State] => self.stopped |= value.is("CANCELLED"),
            [FailureReason | StateDetails]
            | [Status, StateChangeReason]
            | [Status, StateChangeReason, Message]
            | [Status, FailureDetails, Reason | Message] => {
                let Some(text) = value.text() else { return };
                self.reasons.add_text(&text);
            }
            // A job run of EMR Serverless or EMR on EKS. Only the members below distinguish it from an unknown object.
            [State] => {
                self.cancelled |= value.is("CANCELLED");
                return;
            }
            [ApplicationId | VirtualClusterId | JobRun] => {
                self.is_emr = true;
                return;
            }
            // `eks:call`: {"ResponseBody": {…}, "StatusCode": 401, "StatusText": "Unauthorized"}
            [ResponseBody] => {
                self.is_answer = true;
                return;
            }
            [StatusCode] => {
                self.status_code = value.whole().and_then(name::status_of);
                return;
            }
            _ => return,
        }
        self.seen = true;
    }

    pub(super) fn extracted(&self) -> Option<Extracted> {
        let cancelled = self.cancelled && self.is_emr;
        let answer = self.status_code.filter(|_| self.is_answer);
        if !self.seen && !cancelled && answer.is_none() {
            return None;
        }
        let mut reasons = self.reasons;
        if let Some(message) = self.message.as_deref().filter(|_| self.is_glue) {
            reasons.add_text(message);
        }
        let timed_out = self.timed_out.then_some(SignalReason::Cancel);
        Some(
            Extracted::default()
                .with(ConditionKey::SignalReason, timed_out)
                .or(reasons.extracted())
                .with(ConditionKey::HttpStatus, answer)
                .with_person(self.stopped || cancelled),
        )
    }
}
