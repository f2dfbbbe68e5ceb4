//! RedriveExecution.

use std::sync::Arc;

use super::options::MapChildRefusal;
use super::status::{By, Redrivable};
use super::wire::{
    Arn, Object, Request, constraint, error, invalid, limit_exceeded, no_execution, wrong_kind,
};
use super::{Answer, Effect, StepFunctions};
use crate::dates::epoch_seconds;
use serde_json::Value;

impl StepFunctions {
    /// Redrives an execution, unless its client token is known or it is not redrivable.
    // AWS: the token is checked before the status (observed). The ARN is read first (observed for express
    // executions).
    pub(super) fn redrive_execution(
        &mut self,
        now: u64,
        request: Request<'_>,
    ) -> Answer<(Value, Effect)> {
        let arn = request.required("executionArn", 256)?;
        let token = request.text("clientToken", 1, 64)?;
        if let Some(token) =
            token.filter(|token| !token.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(constraint(format_args!(
                "Value '{token}' at 'clientToken' failed to satisfy constraint: \
                 Member must satisfy regular expression pattern: [!-~]+"
            )));
        }
        match Arn::read(arn)? {
            Arn::Execution { label: None, .. } => {}
            Arn::Execution { .. }
                if self.options.map_child_refusal == MapChildRefusal::LabeledArn =>
            {
                let message = format!("RedriveExecution does not support labeled ARNs: '{arn}'");
                return Err(invalid(message, Some("API_DOES_NOT_SUPPORT_LABELED_ARNS")));
            }
            Arn::Execution { .. } => {}
            other => return Err(wrong_kind(other)),
        }
        let execution = self.executions.get(arn).ok_or_else(|| no_execution(arn))?;
        if let Some(date) = token.and_then(|token| execution.replay(token, now, &self.options)) {
            return Ok((answer(date), Effect::Replayed));
        }
        self.restart_if_possible(now, arn, token, By::Api)?;
        Ok((answer(now), Effect::Done))
    }

    /// Restarts an execution, or returns the reason for a refusal.
    pub(super) fn restart_if_possible(
        &mut self,
        now: u64,
        arn: &str,
        token: Option<&str>,
        by: By,
    ) -> Answer<()> {
        let execution = self.executions.get(arn).ok_or_else(|| no_execution(arn))?;
        let deleting = self.is_deleting(execution);
        let reason = match execution.redrivable(&execution.phase, deleting, now, &self.options) {
            Redrivable::Yes => None,
            Redrivable::ByMapRun => {
                Some("Execution is REDRIVABLE_BY_MAP_RUN and cannot be redriven directly".into())
            }
            Redrivable::No(reason) => Some(reason),
        };
        if let Some(reason) = reason {
            let message = format!("Execution {arn} invalid for redrive as: {reason}");
            return Err(error("ExecutionNotRedrivable", message));
        }
        if self.open >= self.options.open_execution_limit {
            return Err(limit_exceeded());
        }
        let arn = Arc::clone(&execution.arn);
        self.restart(now, &arn, token, by);
        Ok(())
    }
}

fn answer(date: u64) -> Value {
    Object::default()
        .with("redriveDate", epoch_seconds(date))
        .done()
}
