//! The durations and the costs of a storm.

use serde::Serialize;

/// The usual duration of a call by API, in microseconds. These values are assumed without measurements in an account,
/// since no emulator has AWS's distances. A call of the storm takes between three quarters and one and a half of its
/// value.
const LATENCIES: [(&str, u64); 7] = [
    ("GetItem", 5_000),
    ("PutItem", 5_000),
    ("UpdateItem", 5_000),
    ("Query", 10_000),
    ("SendMessage", 10_000),
    ("RedriveExecution", 40_000),
    ("ListExecutions", 60_000),
];

/// The duration of every other call, such as the reads of Step Functions, in microseconds.
const LATENCY: u64 = 20_000;

/// The duration of a call's own computation at 128 MB, in microseconds. tests/bench measures 0.70 ms for an event
/// with its three calls, and 128 MB get a fourteenth of a CPU.
const CPU: u64 = 3_250;

/// The time from an invocation without a warm process to its first event, in microseconds. The start of Lambda's
/// sandbox is assumed; the start of the process is measured in tests/bench.
pub(super) const COLD_START: u64 = 100_000;

/// The time from a message in the queue to a function that has the message, in microseconds. This value is assumed.
pub(super) const POLL: u64 = 30_000;

/// The minimum and maximum time from a service through EventBridge to the function, in microseconds. These values are
/// assumed.
pub(super) const EVENT: (u64, u64) = (200_000, 800_000);

/// Returns the usual duration of a call, in microseconds.
pub(super) fn latency(api: &str) -> u64 {
    let known = LATENCIES.iter().find(|(name, _)| *name == api);
    known.map_or(LATENCY, |(_, micros)| *micros)
}

/// Returns the duration of a call's own computation, in microseconds.
pub(super) const fn cpu() -> u64 {
    CPU
}

/// The resources that a storm used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Used {
    /// Invocations of functions.
    pub invocations: u64,
    /// Billed seconds of functions: each invocation in whole milliseconds, starts of processes included.
    pub lambda_seconds: f64,
    /// Requests to SQS, those of the event source included.
    pub sqs_requests: u64,
    /// DynamoDB write units of at most 1 KB, for the table and its index.
    pub writes: u64,
    /// DynamoDB read units of at most 4 KB.
    pub reads: u64,
}

/// List prices of us-east-1 on x86_64, in dollars, without the free tier.
mod price {
    pub(super) const GB_SECOND: f64 = 0.000_016_666_7;
    pub(super) const INVOCATION: f64 = 0.20e-6;
    pub(super) const SQS_REQUEST: f64 = 0.40e-6;
    pub(super) const WRITE: f64 = 0.625e-6;
    pub(super) const READ: f64 = 0.125e-6;
}

/// The functions' memory, in gigabytes.
const GIGABYTES: f64 = 0.125;

/// The cost of a storm, in dollars.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Dollars {
    /// The functions: their time and their invocations.
    pub lambda: f64,
    /// The queue.
    pub sqs: f64,
    /// The ledger.
    pub dynamodb: f64,
    /// The sum.
    pub all: f64,
}

impl Used {
    /// Returns the cost at list prices.
    #[expect(clippy::cast_precision_loss, reason = "53 bits suffice")]
    pub fn dollars(&self) -> Dollars {
        let lambda = self.lambda_seconds * GIGABYTES * price::GB_SECOND
            + self.invocations as f64 * price::INVOCATION;
        let sqs = self.sqs_requests as f64 * price::SQS_REQUEST;
        let dynamodb = self.writes as f64 * price::WRITE + self.reads as f64 * price::READ;
        Dollars {
            lambda,
            sqs,
            dynamodb,
            all: lambda + sqs + dynamodb,
        }
    }
}
