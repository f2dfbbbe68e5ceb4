//! Step Functions as a target: RedriveExecution, and the calls that read the facts of a failure.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::{
    ExecutionListItem, ExecutionRedriveStatus, ExecutionStatus as Status, HistoryEvent as Event,
    IncludedData, StateMachineType,
};
use redrive_core::calls::RetryResponse;
use redrive_core::definition::Revision;
use redrive_core::discovery::{ListResult, ListedExecution};
use redrive_core::error::ErrorKind;
use redrive_core::event::parent_in;
use redrive_core::failure::{Description, ExecutionStatus, Field, Redrivable};
use redrive_core::history::{HistoryEvent, integration};
use redrive_core::ledger::Claim;
use redrive_core::reads::{Executions, Page, Read};
use redrive_core::services::Service;
use redrive_core::time::Time;

use crate::answer::{look, read, read_whole, retry_response};
use crate::attempt_tracker::AttemptTracker;

/// An adapter for Step Functions.
#[derive(Debug)]
pub struct StepFunctions {
    client: Client,
}

impl StepFunctions {
    /// Returns the adapter of a client.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Calls RedriveExecution. The SDK may repeat the call, since all its attempts carry one client token.
    pub(crate) async fn redrive(&self, claim: &Claim) -> RetryResponse {
        let attempts = AttemptTracker::default();
        let last = self
            .client
            .redrive_execution()
            .execution_arn(claim.entry().subject.arn())
            .client_token(claim.client_token())
            .customize()
            .interceptor(attempts.clone())
            .send()
            .await;
        // AWS: redriveDate is required in the response (RedriveExecution). The SDK reads 1970 where it is missing.
        let response = retry_response(Service::StepFunctions, &last, |answer| {
            answer.redrive_date.secs() > 0
        });
        RetryResponse {
            redriven: last.ok().map(|answer| time(&answer.redrive_date)),
            ..attempts.final_result(response)
        }
    }
}

impl StepFunctions {
    /// Reads the standard machines on a page of ListStateMachines. Other machines cannot be redriven.
    ///
    /// A page holds 100 machines, so that it does not delay the turns of the machines on the previous page.
    pub(crate) async fn machines(&self, token: Option<String>) -> ListResult<Page<String>> {
        let page = self
            .client
            .list_state_machines()
            .max_results(100)
            .set_next_token(token)
            .send()
            .await;
        Ok(look("ListStateMachines", page)?.map(|page| Page {
            items: page
                .state_machines
                .into_iter()
                .filter(|machine| machine.r#type == StateMachineType::Standard)
                .map(|machine| machine.state_machine_arn)
                .collect(),
            next: page.next_token,
        }))
    }

    /// Reads a page of ListExecutions of a machine.
    pub(crate) async fn executions(
        &self,
        machine: &str,
        status: ExecutionStatus,
        token: Option<String>,
    ) -> ListResult<Page<ListedExecution>> {
        let page = self
            .client
            .list_executions()
            .state_machine_arn(machine)
            .status_filter(match status {
                ExecutionStatus::Failed => Status::Failed,
                ExecutionStatus::TimedOut => Status::TimedOut,
            })
            .max_results(1_000)
            .set_next_token(token)
            .send()
            .await;
        Ok(look("ListExecutions", page)?.map(|page| Page {
            items: page.executions.into_iter().map(listed).collect(),
            next: page.next_token,
        }))
    }
}

impl Executions for StepFunctions {
    async fn describe(&self, arn: &str) -> Read<Description> {
        let ask = async |data| {
            let shown = self
                .client
                .describe_execution()
                .execution_arn(arn)
                .set_included_data(data)
                .send()
                .await;
            read_whole("DescribeExecution", shown, |shown| {
                !shown.execution_arn.is_empty()
            })
        };
        let mut shown = ask(None).await;
        if matches!(&shown, Err(error) if error.kind == ErrorKind::KmsAccessDenied) {
            // The role may not use the machine's KMS key. The status and the redriveCount are not encrypted.
            shown = ask(Some(IncludedData::MetadataOnly)).await;
        }
        Ok(shown?.map(|shown| description(&shown)))
    }

    async fn revision_id(&self, machine: &str) -> Read<String> {
        let shown = self
            .client
            .describe_state_machine()
            .state_machine_arn(machine)
            .included_data(IncludedData::MetadataOnly)
            .send()
            .await;
        Ok(read("DescribeStateMachine", shown)?.and_then(|shown| shown.revision_id))
    }

    async fn revision(&self, arn: &str) -> Read<Revision> {
        let shown = self
            .client
            .describe_state_machine_for_execution()
            .execution_arn(arn)
            .send()
            .await;
        Ok(
            read("DescribeStateMachineForExecution", shown)?.and_then(|shown| {
                let since = time(&shown.update_date);
                Revision::read(shown.revision_id, since, &shown.definition)
            }),
        )
    }

    async fn history(
        &self,
        arn: &str,
        most: u32,
        token: Option<String>,
    ) -> Read<Page<HistoryEvent>> {
        let page = self
            .client
            .get_execution_history()
            .execution_arn(arn)
            .reverse_order(true)
            .set_max_results(i32::try_from(most).ok())
            .include_execution_data(false)
            .set_next_token(token)
            .send()
            .await;
        // AWS: a history begins with ExecutionStarted, and a page of it is never empty (GetExecutionHistory).
        let page = read_whole("GetExecutionHistory", page, |page| !page.events.is_empty())?;
        Ok(page.map(|page| Page {
            items: page.events.iter().map(history_event).collect(),
            next: page.next_token,
        }))
    }
}

fn listed(execution: ExecutionListItem) -> ListedExecution {
    ListedExecution {
        arn: execution.execution_arn,
        started: time(&execution.start_date),
        stopped: execution.stop_date.as_ref().map(time),
        redrive_count: execution
            .redrive_count
            .and_then(|count| u32::try_from(count).ok()),
        version_arn: execution.state_machine_version_arn,
    }
}

fn description(shown: &DescribeExecutionOutput) -> Description {
    Description {
        status: shown.status.as_str().to_owned(),
        redrive_count: shown
            .redrive_count
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or_default(),
        redrivable: match &shown.redrive_status {
            Some(ExecutionRedriveStatus::Redrivable) => Redrivable::Yes,
            Some(ExecutionRedriveStatus::RedrivableByMapRun) => Redrivable::ByMapRun,
            _ => Redrivable::No,
        },
        error: Field::from_option(shown.error.clone()),
        cause: Field::from_option(shown.cause.clone()),
        parent: match &shown.input {
            Some(input) => Field::from_option(parent_in(input)),
            None => Field::Redacted,
        },
    }
}

fn history_event(event: &Event) -> HistoryEvent {
    let redriven = event.execution_redriven_event_details.as_ref();
    let entered = event.state_entered_event_details.as_ref();
    let evaluated = event.evaluation_failed_event_details.as_ref();
    let task = event.task_scheduled_event_details.as_ref();
    let function = event.lambda_function_scheduled_event_details.as_ref();
    let activity = event.activity_scheduled_event_details.as_ref();
    HistoryEvent {
        id: u64::try_from(event.id).unwrap_or_default(),
        previous: u64::try_from(event.previous_event_id).unwrap_or_default(),
        kind: event.r#type.as_str().to_owned(),
        redrive_count: redriven
            .and_then(|details| details.redrive_count)
            .and_then(|count| u32::try_from(count).ok()),
        state: entered
            .map(|details| details.name.clone())
            .or_else(|| evaluated.map(|details| details.state.clone())),
        resource: task
            .map(|details| integration(&details.resource_type, &details.resource))
            .or_else(|| function.map(|details| details.resource.clone()))
            .or_else(|| activity.map(|details| details.resource.clone())),
    }
}

pub(crate) fn time(date: &aws_sdk_sfn::primitives::DateTime) -> Time {
    Time::from_millis(
        date.to_millis()
            .ok()
            .and_then(|ms| u64::try_from(ms).ok())
            .unwrap_or_default(),
    )
}
