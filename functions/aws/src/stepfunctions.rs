//! Step Functions as a target: RedriveExecution, and the calls that tell about a failure.

use std::cell::RefCell;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::{ExecutionRedriveStatus, HistoryEvent as Event};
use redrive_core::calls::{Call, Outcome};
use redrive_core::definition::{FailStates, Machines, Revision, Told};
use redrive_core::event::parent_in;
use redrive_core::failure::{Description, Fact, FailedExecution, Field, Redrivable, Standing};
use redrive_core::history::{Ending, HistoryEvent, ending};
use redrive_core::ledger::Claim;
use redrive_core::time::Time;
use redrive_core::trouble::Trouble;
use redrive_core::verdict::Reason;

use crate::answer::{outcome, read};

/// The service, and what was learned of its state machines. One for as long as the function lives.
#[derive(Debug)]
pub struct StepFunctions {
    client: Client,
    machines: RefCell<Machines>,
}

impl StepFunctions {
    /// Nothing is known of any machine yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            machines: RefCell::default(),
        }
    }

    /// DescribeExecution. None: there is no such execution.
    pub(crate) async fn describe(&self, arn: &str) -> Result<Option<Description>, Trouble> {
        let shown = self
            .client
            .describe_execution()
            .execution_arn(arn)
            .send()
            .await;
        Ok(read("DescribeExecution", shown)?.map(|shown| description(&shown)))
    }

    /// Whether the run of an execution after so many redrives ended in a Fail state: by the definition of its
    /// machine where that can tell, by the history where it cannot.
    pub(crate) async fn ending(
        &self,
        arn: &str,
        failed: &FailedExecution,
        now: Time,
    ) -> Result<Fact, Trouble> {
        if self.told(arn, failed, now).await? == Told::NoFailState {
            return Ok(Fact::Ending { fail_state: false });
        }
        let redrive_count = failed.redrive_count.known().copied().unwrap_or_default();
        let mut events: Vec<HistoryEvent> = Vec::new();
        let mut token = None;
        // Nearly always the first page tells. The most that a history has are 25,000 events.
        for most in [10, 100].into_iter().chain(std::iter::repeat_n(1000, 25)) {
            let page = self
                .client
                .get_execution_history()
                .execution_arn(arn)
                .reverse_order(true)
                .max_results(most)
                // What is not asked for cannot leak; the ids and types are enough.
                .include_execution_data(false)
                .set_next_token(token)
                .send()
                .await;
            let Some(page) = read("GetExecutionHistory", page)? else {
                return Ok(Fact::Gone);
            };
            events.extend(page.events.iter().map(history_event));
            match ending(&events, redrive_count) {
                Ending::FailState => return Ok(Fact::Ending { fail_state: true }),
                Ending::Other => return Ok(Fact::Ending { fail_state: false }),
                Ending::FurtherBack | Ending::NotYet => {}
            }
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        Ok(Fact::NotYet)
    }

    async fn told(&self, arn: &str, failed: &FailedExecution, now: Time) -> Result<Told, Trouble> {
        let mut told = self.machines.borrow().tell(failed, now);
        if let (Told::Unconfirmed, Some(machine)) = (told, &failed.state_machine_arn) {
            let shown = self
                .client
                .describe_state_machine()
                .state_machine_arn(machine)
                .send()
                .await;
            let shown = read("DescribeStateMachine", shown)?;
            let mut machines = self.machines.borrow_mut();
            machines.confirm(
                machine,
                shown
                    .as_ref()
                    .and_then(|shown| shown.revision_id.as_deref()),
                now,
            );
            told = machines.tell(failed, now);
        }
        if told == Told::Unknown {
            let shown = self
                .client
                .describe_state_machine_for_execution()
                .execution_arn(arn)
                .send()
                .await;
            if let Some(shown) = read("DescribeStateMachineForExecution", shown)?
                && let Some(fail_states) = FailStates::read(&shown.definition)
            {
                let since = time(&shown.update_date);
                let revision = Revision {
                    id: shown.revision_id,
                    since,
                    fail_states,
                };
                told = self.machines.borrow_mut().learn(failed, revision);
            }
        }
        Ok(told)
    }

    pub(crate) async fn look(&self, arn: &str, redrive_count: u32) -> Result<Standing, Trouble> {
        Ok(match self.describe(arn).await? {
            None => Standing::Over(Reason::Gone),
            Some(now) => now.standing(redrive_count),
        })
    }

    /// RedriveExecution. The SDK may repeat it, since all of its tries carry one token.
    pub(crate) async fn redrive(&self, claim: &Claim) -> Outcome {
        let arn = claim.entry().subject.arn();
        let token = claim.client_token();
        outcome(
            Call::RedriveExecution,
            self.client
                .redrive_execution()
                .execution_arn(arn)
                .client_token(token)
                .send()
                .await,
        )
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
            None => Field::Withheld,
        },
    }
}

fn history_event(event: &Event) -> HistoryEvent {
    let redriven = event.execution_redriven_event_details.as_ref();
    HistoryEvent {
        id: u64::try_from(event.id).unwrap_or_default(),
        previous: u64::try_from(event.previous_event_id).unwrap_or_default(),
        kind: event.r#type.as_str().to_owned(),
        redrive_count: redriven
            .and_then(|details| details.redrive_count)
            .and_then(|count| u32::try_from(count).ok()),
    }
}

fn time(date: &aws_sdk_sfn::primitives::DateTime) -> Time {
    Time::from_millis(
        date.to_millis()
            .ok()
            .and_then(|ms| u64::try_from(ms).ok())
            .unwrap_or_default(),
    )
}
