//! ListExecutions.

use std::ops::Bound;
use std::sync::Arc;

use serde_json::Value;

use super::execution::Execution;
use super::machine::Type;
use super::status::{Phase, Status};
use super::wire::{Arn, Object, Page, Request, error, invalid, no_resource, text, wrong_kind};
use super::{Answer, StepFunctions};
use crate::dates::epoch_seconds;

impl StepFunctions {
    /// Lists the executions of a machine, of a version or alias of it, or of a Map Run; newest first.
    pub(super) fn list_executions(&self, now: u64, request: Request<'_>) -> Answer {
        let size = request.page_size()?;
        let statuses = Status::ALL.map(Status::as_str);
        let status = request.one_of("statusFilter", &statuses)?;
        let redriven = request.one_of("redriveFilter", &["REDRIVEN", "NOT_REDRIVEN"])?;
        let start = request.page_start(now)?;
        let machine = request.text("stateMachineArn", 1, 256)?;
        let map_run = request.text("mapRunArn", 1, 2000)?;
        let (owner, only) = match (machine, map_run) {
            (Some(arn), None) => {
                if redriven.is_some() {
                    // AWS: redriveFilter needs mapRunArn (observed).
                    return Err(invalid(
                        "redriveFilter can only be specified with mapRunArn",
                        None,
                    ));
                }
                if status == Some(Status::PendingRedrive.as_str()) {
                    // AWS: the PENDING_REDRIVE statusFilter needs mapRunArn (documented).
                    return Err(invalid(
                        "The PENDING_REDRIVE statusFilter needs a mapRunArn",
                        None,
                    ));
                }
                let (machine, pointed) = self.pointed(arn)?;
                if machine.kind == Type::Express {
                    let message = "This operation is not supported by this type of state machine";
                    return Err(error("StateMachineTypeNotSupported", message));
                }
                (Arc::clone(&machine.arn), pointed.alias.or(pointed.version))
            }
            (None, Some(arn)) => match Arn::read(arn)? {
                Arn::MapRun => {
                    let run = self.map_runs.get(arn).ok_or_else(|| no_resource(arn))?;
                    (Arc::clone(&run.arn), None)
                }
                other => return Err(wrong_kind(other)),
            },
            // AWS: exactly one of the two ARNs is required (documented).
            _ => {
                let message = "Exactly one of stateMachineArn and mapRunArn must be specified";
                return Err(invalid(message, Some("MISSING_REQUIRED_PARAMETER")));
            }
        };
        let wanted = |execution: &Execution, phase: &Phase| {
            status.is_none_or(|status| phase.status.as_str() == status)
                && redriven.is_none_or(|filter| (filter == "REDRIVEN") == (phase.redrive_count > 0))
                && only.as_ref().is_none_or(|arn| {
                    execution.alias.as_ref() == Some(arn) || execution.version.as_ref() == Some(arn)
                })
        };
        let end = match start {
            Some(page) => Bound::Excluded((page.key.0, page.key.1, Arc::from(""))),
            None => Bound::Unbounded,
        };
        let range = (Bound::Unbounded, end);
        let all = self
            .started
            .get(&owner)
            .map(|set| set.range(range).rev())
            .into_iter()
            .flatten();
        let mut shown = all.filter_map(|(start, order, arn)| {
            let execution = self.executions.get(arn)?;
            let phase = execution.seen(self.options.shown(now, self.options.list_lag_ms))?;
            wanted(execution, phase).then(|| ((*start, *order), summary(execution, phase).done()))
        });
        let page: Vec<_> = shown.by_ref().take(size).collect();
        let last = page
            .last()
            .map(|(key, _)| *key)
            .filter(|_| shown.next().is_some());
        let items: Vec<Value> = page.into_iter().map(|(_, item)| item).collect();
        Ok(Object::default()
            .with("executions", items)
            .maybe("nextToken", last.map(|key| Page::new(key, now).to_string()))
            .done())
    }
}

/// Returns the members that ListExecutions and DescribeExecution share. A summary has no `redriveStatus`
/// (documented).
pub(super) fn summary(execution: &Execution, phase: &Phase) -> Object {
    Object::default()
        .with("executionArn", text(&execution.arn))
        .with("stateMachineArn", text(&execution.machine))
        .with("name", text(&execution.name))
        .with("status", phase.status.as_str())
        .with("startDate", epoch_seconds(execution.start))
        .maybe("stopDate", phase.stop.map(epoch_seconds))
        .maybe("mapRunArn", execution.map_run.as_deref())
        .maybe("stateMachineVersionArn", execution.version.as_deref())
        .maybe("stateMachineAliasArn", execution.alias.as_deref())
        .with("redriveCount", phase.redrive_count)
        .maybe("redriveDate", phase.redrive_date.map(epoch_seconds))
}
