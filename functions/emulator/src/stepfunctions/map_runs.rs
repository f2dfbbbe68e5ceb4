//! Map Runs of Distributed Map states, to the extent that their children need.

use std::sync::Arc;

use serde_json::{Value, json};

use super::definition;
use super::execution::{Birth, Execution};
use super::history::{Failure, What};
use super::map_run::MapRun;
use super::script::Script;
use super::status::{Phase, Redrivable, Status};
use super::wire::{Arn, Object, Page, Request, arn as build, no_resource, text, wrong_kind};
use super::{Answer, StepFunctions};
use crate::dates::epoch_seconds;

/// The definition of children whose parent's definition has no Distributed Map.
const CHILD: &str = r#"{ "StartAt": "Item", "States": {
    "Item": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true }
}}"#;

impl StepFunctions {
    /// Starts a Map Run under a RUNNING execution, with one child per name and script, and returns its ARN. Returns
    /// `None` if there is no such execution or it is not running. The real service starts a Map Run when an execution
    /// enters a Distributed Map; here the driver does.
    ///
    /// Children have ARNs `execution:<machine>/<label>:<child>` and run the item processor of the parent's
    /// Distributed Map with that label. The children end with the parent if the parent fails, and are redriven with
    /// the parent. Tolerated failures and limits on concurrency are not emulated.
    pub fn start_map_run(
        &mut self,
        now: u64,
        parent: &str,
        label: &str,
        children: impl IntoIterator<Item = (String, Script)>,
    ) -> Option<String> {
        let run = self.ids.uuid();
        let owner = self
            .executions
            .get_mut(parent)
            .filter(|parent| parent.phase.status == Status::Running)?;
        let Ok(Arn::Execution {
            machine: name,
            label: None,
            ..
        }) = Arn::read(parent)
        else {
            return None;
        };
        let (revision, input) = (Arc::clone(&owner.revision), Arc::clone(&owner.input));
        let machine: Arc<str> = format!("{}/{label}", owner.machine).into();
        let arn: Arc<str> = build(&self.place, format_args!("mapRun:{name}/{label}:{run}")).into();
        owner.map_runs.push(Arc::clone(&arn));
        if owner.cursor.state().is_some_and(|state| state.distributed) {
            owner.walk(now).log(What::MapRunStarted(Arc::clone(&arn)));
        }
        let parent = Arc::clone(&owner.arn);
        let processor = revision
            .scope
            .distributed(label)
            .and_then(|state| state.scopes.first().cloned());
        let scope = processor.or_else(|| definition::read(CHILD).ok())?;
        let births: Vec<Birth> = children
            .into_iter()
            .map(|(child, script)| Birth {
                arn: build(
                    &self.place,
                    format_args!("execution:{name}/{label}:{child}"),
                )
                .into(),
                name: child.into(),
                machine: Arc::clone(&machine),
                version: None,
                alias: None,
                revision: Arc::clone(&revision),
                scope: Arc::clone(&scope),
                map_run: Some(Arc::clone(&arn)),
                input: Arc::clone(&input),
                start: now,
                order: 0,
                script: (!script.outcomes.is_empty()).then_some(script),
            })
            .collect();
        let map_run = MapRun {
            arn: Arc::clone(&arn),
            parent,
            machine,
            start: now,
            stop: births.is_empty().then_some(now),
            children: births.iter().map(|birth| Arc::clone(&birth.arn)).collect(),
            open: births.len(),
            redrive_count: 0,
            redrive_date: None,
        };
        self.map_runs.insert(Arc::clone(&arn), map_run);
        for mut birth in births {
            birth.order = self.next_number();
            self.launch(Execution::new(birth));
        }
        Some(arn.as_ref().into())
    }

    /// Handles the end of an execution for Map Runs. The end of a child may end its Map Run, and the end of an
    /// unsuccessful parent ends its children.
    pub(super) fn settle_map_runs(&mut self, at: u64, arn: &Arc<str>) {
        let Some(execution) = self.executions.get(arn) else {
            return;
        };
        let owner = execution
            .map_run
            .as_ref()
            .and_then(|owner| self.map_runs.get_mut(owner));
        if let Some(owner) = owner {
            owner.open = owner.open.saturating_sub(1);
            if owner.open == 0 {
                owner.stop = Some(at);
            }
        }
        if execution.phase.status == Status::Succeeded || execution.map_runs.is_empty() {
            return;
        }
        for child in self.children_where(arn, |child| !child.phase.status.is_closed()) {
            self.abort(at, &child, Failure::default());
        }
    }

    /// Redrives the Map Runs of a redriven parent. Their unsuccessful children are PENDING_REDRIVE first and then run
    /// (documented).
    pub(super) fn redrive_map_runs(&mut self, now: u64, arn: &Arc<str>) {
        let Some(parent) = self.executions.get_mut(arn) else {
            return;
        };
        for run in parent.map_runs.clone() {
            let Some(run) = self.map_runs.get_mut(&run) else {
                continue;
            };
            run.redrive_count += 1;
            run.redrive_date = Some(now);
            let what = What::MapRunRedriven(Arc::clone(&run.arn), run.redrive_count);
            if parent.cursor.state().is_some_and(|state| state.distributed) {
                parent.walk(now).resume_map(what);
            }
        }
        let options = self.options.clone();
        let children = self.children_where(arn, |child| {
            child.redrivable(&child.phase, false, now, &options) == Redrivable::ByMapRun
        });
        for arn in children {
            let Some(child) = self.executions.get_mut(&arn) else {
                continue;
            };
            let Phase {
                redrive_count,
                redrive_date,
                ..
            } = child.phase;
            let (status, failure) = (Status::PendingRedrive, Failure::default());
            let pending = Phase {
                since: now,
                status,
                stop: None,
                failure,
                output: None,
                redrive_count,
                redrive_date,
            };
            child.turn(pending, &self.options);
            if let Some(run) = child
                .map_run
                .as_ref()
                .and_then(|run| self.map_runs.get_mut(run))
            {
                run.open += 1;
                run.stop = None;
            }
            self.put_due(now.saturating_add(self.options.pending_redrive_ms), &arn);
        }
    }

    fn children_where(&self, parent: &str, wanted: impl Fn(&Execution) -> bool) -> Vec<Arc<str>> {
        let runs = self
            .executions
            .get(parent)
            .map(|parent| parent.map_runs.as_slice())
            .unwrap_or_default();
        let children = runs
            .iter()
            .filter_map(|run| self.map_runs.get(run))
            .flat_map(|run| &run.children);
        children
            .filter(|arn| self.executions.get(*arn).is_some_and(&wanted))
            .cloned()
            .collect()
    }

    pub(super) fn list_map_runs(&self, now: u64, request: Request<'_>) -> Answer {
        let execution = self.find(request.required("executionArn", 256)?)?;
        let size = request.page_size()?;
        let skip = request.page_start(now)?.map_or(0, |page| page.key.0);
        let runs = execution
            .map_runs
            .iter()
            .rev()
            .filter_map(|arn| self.map_runs.get(arn));
        let mut rest = runs.skip(usize::try_from(skip).unwrap_or(usize::MAX));
        let items: Vec<Value> = rest
            .by_ref()
            .take(size)
            .map(|run| {
                Object::default()
                    .with("executionArn", text(&run.parent))
                    .with("mapRunArn", text(&run.arn))
                    .with("stateMachineArn", text(&run.machine))
                    .with("startDate", epoch_seconds(run.start))
                    .maybe("stopDate", run.stop.map(epoch_seconds))
                    .done()
            })
            .collect();
        let shown = skip + items.len() as u64;
        let more = rest.next().map(|_| Page::new((shown, 0), now).to_string());
        Ok(Object::default()
            .with("mapRuns", items)
            .maybe("nextToken", more)
            .done())
    }

    pub(super) fn describe_map_run(&self, now: u64, request: Request<'_>) -> Answer {
        let arn = request.required("mapRunArn", 2000)?;
        let run = match Arn::read(arn)? {
            Arn::MapRun => self.map_runs.get(arn).ok_or_else(|| no_resource(arn))?,
            other => return Err(wrong_kind(other)),
        };
        let children = || {
            run.children
                .iter()
                .filter_map(|arn| self.executions.get(arn))
        };
        let count = |status| {
            children()
                .filter(|child| child.phase.status == status)
                .count()
        };
        let stuck = children()
            .filter(|child| {
                child.phase.status.is_closed() && child.phase.status != Status::Succeeded
            })
            .filter(|child| {
                child.redrivable(&child.phase, false, now, &self.options) != Redrivable::ByMapRun
            })
            .count();
        let [running, succeeded, failed, timed_out, aborted, pending] = Status::ALL.map(count);
        let counts = json!({
            "pending": 0, "running": running, "succeeded": succeeded, "failed": failed,
            "timedOut": timed_out, "aborted": aborted, "total": run.children.len(),
            "resultsWritten": succeeded, "failuresNotRedrivable": stuck, "pendingRedrive": pending,
        });
        let status = match run.stop {
            None => "RUNNING",
            Some(_) if failed + timed_out > 0 => "FAILED",
            Some(_) if aborted > 0 => "ABORTED",
            Some(_) => "SUCCEEDED",
        };
        Ok(Object::default()
            .with("mapRunArn", text(&run.arn))
            .with("executionArn", text(&run.parent))
            .with("status", status)
            .with("startDate", epoch_seconds(run.start))
            .maybe("stopDate", run.stop.map(epoch_seconds))
            .with("maxConcurrency", 0)
            .with("toleratedFailurePercentage", 0.0)
            .with("toleratedFailureCount", 0)
            .with("itemCounts", counts.clone())
            .with("executionCounts", counts)
            .with("redriveCount", run.redrive_count)
            .maybe("redriveDate", run.redrive_date.map(epoch_seconds))
            .done())
    }
}
