//! Jobs of Batch as Step Functions tells of them: an event whose cause is Batch's description of the job, read
//! as the functions read it and judged by the policy that `import` prints. What comes of it is what comes of the
//! same failure in normalised words.

use redrive_core::decide::{Answer, LedgerView, decide};
use redrive_core::event::{self, AllowedSources, ParsedEvent};
use redrive_core::failure::{Fact, Failure, Field, Need};
use redrive_core::ledger::{Decided, Entry, Owner, Timing, Writer};
use redrive_core::policy::{ActualValue, ConditionKey, Document};
use redrive_core::time::Time;
use redrive_core::verdict::{Decision, Verdict};
use serde_json::{Value, json};

use crate::{judged, policy, retried};

/// How a job ended, in the words of `evaluateOnExit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) exit_code: Option<i32>,
    pub(crate) reason: Option<String>,
    pub(crate) status_reason: Option<String>,
}

/// Where the description has exit code and reason: in the last of `Attempts` and again in `Container`, or in
/// `Attempts` alone.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told {
    Twice,
    InAttempts,
}

pub(crate) const TOLD: [Told; 2] = [Told::Twice, Told::InAttempts];

impl End {
    pub(crate) fn is_host_lost(&self) -> bool {
        self.status_reason
            .as_ref()
            .is_some_and(|reason| reason.starts_with("Host EC2"))
    }

    /// What a policy sees as `exit_status`: a lost host is -1, whatever the process left behind as it died.
    pub(crate) fn exit_status(&self) -> Option<i32> {
        if self.is_host_lost() {
            Some(-1)
        } else {
            self.exit_code
        }
    }

    /// Batch's description of the job, which Step Functions makes the cause. `earlier` attempts come first.
    pub(crate) fn cause(&self, told: Told, earlier: &[Self]) -> String {
        let attempt = |end: &Self| {
            let mut container = json!({
                "ContainerInstanceArn": "arn:aws:ecs:eu-west-1:111122223333:container-instance/1f2e3d4c",
                "LogStreamName": "nightly/default/5b6a7988",
                "NetworkInterfaces": [],
                "TaskArn": "arn:aws:ecs:eu-west-1:111122223333:task/5b6a7988",
            });
            end.say(&mut container);
            let mut attempt = json!({"Container": container, "StartedAt": 1_795_140_000_000_u64, "StoppedAt": 1_795_140_009_000_u64});
            if let Some(reason) = &end.status_reason {
                attempt["StatusReason"] = json!(reason);
            }
            attempt
        };
        let mut container = json!({
            "Command": ["load", "--day", "2026-11-20"],
            // What a job is given may look like how one ended.
            "Environment": [{"Name": "ExitCode", "Value": "0"}, {"Name": "Reason", "Value": "none"}],
            "Image": "111122223333.dkr.ecr.eu-west-1.amazonaws.com/nightly:1.7",
            "Memory": 2048,
            "Vcpus": 1,
        });
        if matches!(told, Told::Twice) {
            self.say(&mut container);
        }
        let attempts: Vec<Value> = earlier.iter().chain([self]).map(attempt).collect();
        let mut job = json!({
            "Attempts": attempts,
            "Container": container,
            "CreatedAt": 1_795_139_990_000_u64,
            "DependsOn": [],
            "JobDefinition": "arn:aws:batch:eu-west-1:111122223333:job-definition/nightly:7",
            "JobId": "0c1d2e3f-0000-4000-8000-000000000000",
            "JobName": "nightly",
            "JobQueue": "arn:aws:batch:eu-west-1:111122223333:job-queue/spot",
            "Parameters": {},
            "RetryStrategy": {"Attempts": earlier.len().saturating_add(1), "EvaluateOnExit": []},
            "Status": "FAILED",
        });
        if let Some(reason) = &self.status_reason {
            job["StatusReason"] = json!(reason);
        }
        job.to_string()
    }

    fn say(&self, container: &mut Value) {
        if let Some(code) = self.exit_code {
            container["ExitCode"] = json!(code);
        }
        if let Some(reason) = &self.reason {
            container["Reason"] = json!(reason);
        }
    }
}

/// The failure of an execution that was redriven `redrives` times.
fn parsed(cause: &str, redrives: u32) -> Failure {
    let event = json!({
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "account": "111122223333",
        "region": "eu-west-1",
        "time": "2026-11-20T02:14:05Z",
        "detail": {
            "executionArn": "arn:aws:states:eu-west-1:111122223333:execution:job:nightly",
            "status": "FAILED",
            "error": "States.TaskFailed",
            "cause": cause,
            "input": "{}",
            "redriveCount": redrives,
            "redriveStatus": "REDRIVABLE",
        },
    });
    match event::parse(event.to_string().as_bytes(), &AllowedSources::default()) {
        ParsedEvent::Failure(failure) => failure,
        other => panic!("{other:?}"),
    }
}

/// The verdicts on consecutive ends of one execution's job, each redriven that is expected to be.
pub(crate) fn judged_by_cause(policy: &str, causes: &[String], expected: &[bool]) -> Vec<Verdict> {
    let document =
        Document::parse(policy).unwrap_or_else(|problems| panic!("{problems}\n{policy}"));
    let (owner, timing) = (Owner("test".into()), Timing::default());
    let writer = Writer {
        owner: &owner,
        now: Time::default(),
        timing: &timing,
    };
    let mut entry: Option<Entry> = None;
    let mut redrives = 0;
    let mut verdicts = Vec::new();
    for (cause, expected) in causes.iter().zip(expected) {
        let mut failure = parsed(cause, redrives);
        let spent = entry.as_ref().map_or(LedgerView::Empty, LedgerView::Entry);
        let verdict = loop {
            match decide(&document, &failure, spent) {
                Answer::Verdict(verdict) => break verdict,
                Answer::Need(Need::History | Need::FailedState) => failure.learn(Fact::Ending {
                    fail_state: false,
                    state: Field::Known("Load".into()),
                    resource: Field::Known("batch:submitJob.sync".into()),
                }),
                other => panic!("{other:?} of {cause}"),
            }
        };
        if *expected && verdict.decision == Decision::Retry {
            let decided = Decided {
                subject: failure.subject.clone(),
                failure_id: failure.failure_id().unwrap(),
                failed_at: failure.at,
                retried_before: 0,
                verdict: Verdict {
                    delay_seconds: 0,
                    ..verdict.clone()
                },
                slot: std::time::Duration::ZERO,
                observed: false,
            };
            let next = match &entry {
                None => Entry::open(decided, writer),
                Some(entry) => entry.judge(decided, writer).unwrap(),
            };
            entry = Some(next.accept(None, writer).unwrap());
            redrives += 1;
        }
        verdicts.push(verdict);
    }
    verdicts
}

/// All of a verdict but its delay, which the subject's name draws.
fn gist(verdicts: &[Verdict]) -> Vec<(Decision, String, Option<String>)> {
    verdicts
        .iter()
        .map(|verdict| {
            let reason = verdict.reason.to_string();
            (verdict.decision, reason, verdict.rule())
        })
        .collect()
}

/// The verdicts on ends that are read from causes, which are those on the same ends in normalised words.
pub(crate) fn judged_both_ways(
    policy: &str,
    ends: &[End],
    told: Told,
    earlier: &[End],
    expected: &[bool],
) -> Vec<Verdict> {
    let causes: Vec<String> = ends.iter().map(|end| end.cause(told, earlier)).collect();
    for (end, cause) in ends.iter().zip(&causes) {
        let failure = parsed(cause, 0);
        let read = failure.views()[0].get(ConditionKey::ExitStatus);
        let expected = Field::from_option(end.exit_status().map(ActualValue::Number));
        assert_eq!(read, Some(expected), "{end:?} of {cause}");
    }
    let in_words: Vec<Value> = ends
        .iter()
        .zip(&causes)
        .map(|(end, cause)| {
            json!({
                "state_machine": "job",
                "error": "States.TaskFailed",
                "cause": cause,
                "exit_status": end.exit_status(),
            })
        })
        .collect();
    let verdicts = judged_by_cause(policy, &causes, expected);
    assert_eq!(
        gist(&verdicts),
        gist(&judged(policy, &in_words, expected)),
        "{ends:?}"
    );
    verdicts
}

fn end(exit_code: Option<i32>, reason: Option<&str>, status_reason: &str) -> End {
    End {
        exit_code,
        reason: reason.map(str::to_owned),
        status_reason: Some(status_reason.into()),
    }
}

fn decides(strategy: &Value, ends: &[End], earlier: &[End], expected: &str) {
    let policy = policy("batch", &strategy.to_string()).unwrap();
    let expected: Vec<bool> = expected.chars().map(|sign| sign == '+').collect();
    for told in TOLD {
        let verdicts = judged_both_ways(&policy, ends, told, earlier, &expected);
        assert_eq!(
            retried(&verdicts),
            expected,
            "{told:?} {ends:?} by {strategy}"
        );
    }
}

const EXITED: &str = "Essential container in task exited";
const LOST: &str = "Host EC2 (instance i-0a1b2c3d4e5f60718) terminated.";

#[test]
fn cause_of_a_batch_job_decides_as_in_batch() {
    let exits = |code| end(Some(code), None, EXITED);
    let on_75 = json!({"attempts": 3, "evaluateOnExit": [
        {"action": "RETRY", "onExitCode": "75"},
        {"action": "EXIT", "onReason": "*"},
    ]});
    decides(&on_75, &[exits(75), exits(75), exits(75)], &[], "++-");
    decides(&on_75, &[exits(75), exits(7)], &[], "+-");
    decides(&on_75, &[end(None, None, EXITED)], &[], "-");

    let out_of_memory = json!({"attempts": 2, "evaluateOnExit": [
        {"action": "RETRY", "onExitCode": "13*", "onReason": "OutOfMemory*"},
        {"action": "EXIT", "onExitCode": "*"},
    ]});
    let words = "OutOfMemoryError: Container killed due to memory usage";
    decides(
        &out_of_memory,
        &[end(Some(137), Some(words), EXITED)],
        &[],
        "+",
    );
    decides(&out_of_memory, &[exits(137)], &[], "-");
    decides(
        &out_of_memory,
        &[end(Some(1), Some(words), EXITED)],
        &[],
        "-",
    );

    let pull = "CannotPullContainerError: pull access denied for nightly";
    let by_reason = json!({"attempts": 2, "evaluateOnExit": [
        {"action": "RETRY", "onReason": "CannotPullContainerError:*", "onStatusReason": "Task failed to start"},
        {"action": "EXIT", "onReason": "*"},
    ]});
    decides(
        &by_reason,
        &[end(None, Some(pull), "Task failed to start")],
        &[],
        "+",
    );
    decides(&by_reason, &[end(None, Some(pull), EXITED)], &[], "-");

    // An exit code that is not there is matched by no star, and what no entry matches is retried.
    let any_code =
        json!({"attempts": 2, "evaluateOnExit": [{"action": "EXIT", "onExitCode": "*"}]});
    let inspect = "CannotInspectContainerError: Could not transition to inspecting";
    decides(&any_code, &[end(None, Some(inspect), EXITED)], &[], "+");
    decides(&any_code, &[exits(0)], &[], "-");
}

#[test]
fn the_last_attempt_is_the_job_s_end() {
    let on_75 = json!({"attempts": 2, "evaluateOnExit": [
        {"action": "RETRY", "onExitCode": "75"},
        {"action": "EXIT", "onReason": "*"},
    ]});
    let (one, other) = (end(Some(75), None, EXITED), end(Some(1), None, EXITED));
    decides(
        &on_75,
        std::slice::from_ref(&other),
        std::slice::from_ref(&one),
        "-",
    );
    decides(&on_75, &[one], &[other.clone(), other], "+");
}

/// Batch compares the exit code that the process left, if it left one, whatever became of the host. Here it does
/// not count: "Host EC2*" is `exit_status: -1`, since the machine ended the work and not the program, and
/// a rule for 143 is one for programs that somebody told to stop. So an entry by exit code decides otherwise than
/// in Batch, and one by status reason as there.
#[test]
fn lost_host_is_minus_one_for_any_exit_code() {
    let left = [Some(143), Some(0), None];
    for code in left {
        let lost = [end(code, None, LOST)];
        let by_status = json!({"attempts": 2, "evaluateOnExit": [
            {"action": "RETRY", "onStatusReason": "Host EC2*"},
            {"action": "EXIT", "onReason": "*"},
        ]});
        decides(&by_status, &lost, &[], "+");
        let by_code = json!({"attempts": 2, "evaluateOnExit": [
            {"action": "RETRY", "onExitCode": "143"},
            {"action": "EXIT", "onReason": "*"},
        ]});
        decides(&by_code, &lost, &[], "-");
        let by_any_code =
            json!({"attempts": 2, "evaluateOnExit": [{"action": "EXIT", "onExitCode": "*"}]});
        decides(&by_any_code, &lost, &[], "+");
    }
}
