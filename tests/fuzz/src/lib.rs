//! What the three targets share: choices made by the fuzzer's bytes, failures to judge, and a limit on time.

use std::sync::LazyLock;
use std::time::Duration;

use redrive_core::cause::{Ended, SignalReason};
use redrive_core::failure::{
    Description, ExecutionStatus, Fact, FailedAction, FailedExecution, Failure, FailureDetail,
    Field, Redrivable, StageSnapshot, Subject,
};
use redrive_core::policy::{ActualValue, ConditionKey, ValueKind};
use redrive_core::time::Time;
use rustix::time::{ClockId, clock_gettime};

/// Choices, made by bytes. When they are used up, every choice is the first.
#[derive(Debug, Clone, Copy)]
pub struct Choices<'d>(pub &'d [u8]);

impl<'d> Choices<'d> {
    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        let byte = usize::from(self.byte());
        match end {
            0..=256 => byte % end,
            _ => (byte * 256 + usize::from(self.byte())) % end,
        }
    }

    /// One of these.
    pub fn of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }

    /// Takes the number of bytes that the next byte gives, or the rest if it is shorter.
    pub fn bytes(&mut self) -> &'d [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    /// Whether nothing is left to choose by.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Shows what an input stands for, where `SHOW` is in the environment: what was made by choices is not to be
/// seen in them.
pub fn show(made: &[u8]) {
    static IS_WANTED: LazyLock<bool> = LazyLock::new(|| std::env::var_os("SHOW").is_some());
    if *IS_WANTED {
        eprintln!("{}", String::from_utf8_lossy(made));
    }
}

/// Does something, and finds fault if it takes too long: by the clock of this thread, as the machine may have
/// other things to do.
pub fn within<T>(most: Duration, what: &str, act: impl FnOnce() -> T) -> T {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
    let began = now();
    let done = act();
    let took = now().saturating_sub(began);
    assert!(took <= most, "{what} took {took:?}, and may take {most:?}");
    done
}

/// A failed execution of which all is known but what is given.
pub fn execution(
    status: ExecutionStatus,
    error: Field<String>,
    cause: Field<String>,
) -> FailedExecution {
    FailedExecution {
        status,
        redrive_count: Field::Known(0),
        redrivable: Field::Known(Redrivable::Yes),
        started: None,
        state_machine_arn: None,
        version_arn: None,
        error,
        cause,
        parent: Field::Absent,
        fail_state: Field::Known(false),
        state: Field::Known("Load".into()),
        resource: Field::Known("glue:startJobRun.sync".into()),
        changed_since: None,
    }
}

/// The failure of an execution of this machine.
pub fn failed_execution(machine: &str, execution: FailedExecution) -> Failure {
    Failure {
        subject: Subject::Execution {
            arn: format!("arn:aws:states:eu-west-1:111122223333:execution:{machine}:run-1"),
        },
        at: Time::default(),
        detail: FailureDetail::Execution(execution),
    }
}

/// The failure of a stage of this pipeline.
pub fn failed_stage(pipeline: &str, failed: Vec<FailedAction>) -> Failure {
    Failure {
        subject: Subject::stage(
            "aws",
            "eu-west-1",
            "111122223333",
            pipeline,
            "Build",
            "5f0c2f0e-0000-4000-8000-000000000001",
        ),
        at: Time::default(),
        detail: FailureDetail::Stage(redrive_core::failure::FailedStage {
            announced: None,
            snapshot: Field::Known(StageSnapshot::failed(failed)),
        }),
    }
}

/// What DescribeExecution shows of a failure that is still the one announced.
pub fn description(execution: &FailedExecution) -> Description {
    Description {
        status: execution.status.as_str().into(),
        redrive_count: execution.redrive_count.known().copied().unwrap_or_default(),
        redrivable: *execution.redrivable.known().unwrap_or(&Redrivable::Yes),
        error: Field::Known("DynamoDB.ThrottlingException".into()),
        cause: Field::Absent,
        parent: Field::Absent,
    }
}

/// The fact of an execution that did not end in a Fail state.
pub fn ending() -> Fact {
    Fact::Ending {
        fail_state: false,
        state: Field::Absent,
        resource: Field::Absent,
    }
}

/// What must hold of every ending, whatever it was read from.
pub fn is_in_range(ended: &Ended, text: &str) {
    use SignalReason::{AgentStop, Cancel, ProcessRunError, StackError};
    let produced = [AgentStop, Cancel, ProcessRunError, StackError].map(SignalReason::as_str);
    let values = ended.values(text);
    for key in ConditionKey::of_texts() {
        let Field::Known(value) = values.get(key) else {
            continue;
        };
        let is_possible = match (key.row().values, value) {
            (ValueKind::Number { min, max, .. }, ActualValue::Number(number)) => {
                (min..=max).contains(&number)
            }
            (ValueKind::Signal, ActualValue::Text(signal)) => {
                signal.starts_with("SIG") && signal.bytes().all(|b| b.is_ascii_uppercase())
            }
            (ValueKind::Open { .. }, ActualValue::Text(reason)) => produced.contains(&reason),
            (ValueKind::Text { .. }, ActualValue::Text(text)) => !text.is_empty(),
            _ => false,
        };
        assert!(is_possible, "{key:?} {value:?}");
    }
    // What names no person was stopped by none.
    assert_ne!(ended.by_person, Field::Absent);
}
