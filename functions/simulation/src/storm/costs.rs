//! How long things take and what they cost.

use serde::Serialize;

/// How long calls take, by the name of the API, in microseconds. Assumed, for want of an account: no emulator has
/// AWS's distances. Each call of the storm takes from three quarters to one and a half of it.
const LATENCIES: [(&str, u64); 7] = [
    ("GetItem", 5_000),
    ("PutItem", 5_000),
    ("UpdateItem", 5_000),
    ("Query", 10_000),
    ("SendMessage", 10_000),
    ("RedriveExecution", 40_000),
    ("ListExecutions", 60_000),
];

/// The reads of Step Functions.
const LATENCY: u64 = 20_000;

/// CPU of a call at 128 MB: tests/bench counts 0.70 ms for an event with its three, and 128 MB are given a fourteenth
/// of a CPU.
const CPU: u64 = 3_250;

/// From an invocation without a process to the first event in it: the sandbox, which is assumed, and the start
/// (tests/bench).
pub(super) const COLD_START: u64 = 100_000;

/// From a message in the queue to a function that has it. Assumed.
pub(super) const POLL: u64 = 30_000;

/// From a service to the function by EventBridge, at the least and the most. Assumed.
pub(super) const EVENT: (u64, u64) = (200_000, 800_000);

/// How long a call takes.
pub(super) fn latency(api: &str) -> u64 {
    let known = LATENCIES.iter().find(|(name, _)| *name == api);
    known.map_or(LATENCY, |(_, micros)| *micros)
}

/// Of which the function computes.
pub(super) const fn cpu() -> u64 {
    CPU
}

/// What was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Used {
    /// Invocations of functions.
    pub invocations: u64,
    /// Seconds of functions, each invocation in whole milliseconds, with the starts of processes.
    pub lambda_seconds: f64,
    /// Calls of SQS, those of the event source among them.
    pub sqs_requests: u64,
    /// Writes of at most 1 KB, to the table and its index.
    pub writes: u64,
    /// Reads of at most 4 KB.
    pub reads: u64,
}

/// List prices of us-east-1 on x86_64, in dollars, without what is free.
mod price {
    pub(super) const GB_SECOND: f64 = 0.000_016_666_7;
    pub(super) const INVOCATION: f64 = 0.20e-6;
    pub(super) const SQS_REQUEST: f64 = 0.40e-6;
    pub(super) const WRITE: f64 = 0.625e-6;
    pub(super) const READ: f64 = 0.125e-6;
}

/// The functions' memory.
const GIGABYTES: f64 = 0.125;

/// What it costs, in dollars.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Dollars {
    /// The time of functions, and their invocations.
    pub lambda: f64,
    /// The queue.
    pub sqs: f64,
    /// The ledger.
    pub dynamodb: f64,
    /// All of it.
    pub all: f64,
}

impl Used {
    /// By list prices.
    #[expect(clippy::cast_precision_loss, reason = "nobody counts to the 53rd bit")]
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
