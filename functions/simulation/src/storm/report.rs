//! The report of a storm: a table for people, or JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::costs::{Dollars, Used};
use super::limits::REDRIVE;

/// The calls of one API, with each attempt of the SDK counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// The number of attempts.
    pub made: u64,
    /// The number of attempts that AWS throttled.
    pub throttled: u64,
}

impl Calls {
    /// Returns the percentage of throttled attempts.
    #[expect(clippy::cast_precision_loss, reason = "53 bits suffice")]
    pub fn percent(self) -> f64 {
        if self.made == 0 {
            return 0.0;
        }
        100.0 * self.throttled as f64 / self.made as f64
    }
}

/// The result of a storm. Times are in seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Executions that failed.
    pub failures: usize,
    /// The number of machines.
    pub machines: usize,
    /// The duration of the storm of failures.
    pub seconds: u32,
    /// The quota of RedriveExecution: the size of its bucket and the refill per second.
    pub quota: String,
    /// Executions that were redriven at least once.
    pub redriven: usize,
    /// Executions that were redriven more than once.
    pub redriven_twice: usize,
    /// The time from the first failure to the last redrive.
    pub drained: f64,
    /// The least possible `drained` under the quota: the failures beyond its burst, divided by its refill.
    pub least: f64,
    /// The longest time from a failure to its redrive.
    pub longest_wait: f64,
    /// The least of the machines' median waits.
    pub least_median: f64,
    /// The greatest of the machines' median waits.
    pub greatest_median: f64,
    /// Calls by API.
    pub calls: BTreeMap<String, Calls>,
    /// The sum over all APIs.
    pub all_calls: Calls,
    /// The number of reservations of slots.
    pub reservations: u64,
    /// Processes that Lambda started.
    pub processes: usize,
    /// The maximum number of invocations at once.
    pub max_at_once: usize,
    /// How often Lambda had no free concurrency for an event.
    pub no_room: u64,
    /// How often a function failed on an event.
    pub errors: u64,
    /// Events and messages that went to a dead-letter queue.
    pub dead_letters: u64,
    /// The resources that the storm used.
    pub used: Used,
    /// The cost of these resources.
    pub dollars: Dollars,
}

/// Maximum `drained`, as a multiple of `least`.
const SOON: f64 = 1.1;
/// Limit for throttled calls, in percent.
const THROTTLED: f64 = 1.0;
/// Maximum ratio between the greatest and the least median wait of a machine.
const FAIR: f64 = 1.2;

impl Report {
    /// Returns the calls of RedriveExecution.
    pub fn redrives(&self) -> Calls {
        self.calls.get(REDRIVE).copied().unwrap_or_default()
    }

    /// Returns `drained` as a multiple of `least`.
    pub fn times_least(&self) -> f64 {
        self.drained / self.least.max(0.001)
    }

    /// Returns the ratio between the greatest and the least median wait of a machine.
    pub fn apart(&self) -> f64 {
        self.greatest_median / self.least_median.max(0.001)
    }

    /// Returns the requirements on a storm, and whether each of them holds.
    pub fn checks(&self) -> [(bool, String); 6] {
        let redrives = self.redrives();
        [
            (
                self.redriven == self.failures,
                format!(
                    "{} of {} failures redriven",
                    count(self.redriven),
                    count(self.failures)
                ),
            ),
            (
                self.redriven_twice == 0,
                format!("{} redriven twice", count(self.redriven_twice)),
            ),
            (
                self.times_least() <= SOON,
                format!(
                    "drained in {:.3} times the least, at most {SOON}",
                    self.times_least()
                ),
            ),
            (
                self.all_calls.percent() < THROTTLED,
                format!(
                    "{:.2} % of all calls throttled, less than {THROTTLED}",
                    self.all_calls.percent()
                ),
            ),
            (
                redrives.percent() < THROTTLED,
                format!(
                    "{:.2} % of {REDRIVE} throttled, less than {THROTTLED}",
                    redrives.percent()
                ),
            ),
            (
                self.apart() <= FAIR,
                format!(
                    "median waits of the machines {:.3} times each other, at most {FAIR}",
                    self.apart()
                ),
            ),
        ]
    }

    /// Returns whether every requirement holds.
    pub fn holds(&self) -> bool {
        self.checks().iter().all(|(holds, _)| *holds)
    }
}

/// Formats a count in groups of three digits.
fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let first = digits.len() % 3;
    digits
        .chars()
        .enumerate()
        .fold(String::new(), |mut text, (at, digit)| {
            if at > 0 && at % 3 == first {
                text.push(',');
            }
            text.push(digit);
            text
        })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "storm             {} failures of {} machines in {} s; {REDRIVE} {}",
            count(self.failures),
            count(self.machines),
            self.seconds,
            self.quota
        )?;
        writeln!(
            f,
            "drained           {:.1} s; the quota alone makes it {:.1} s",
            self.drained, self.least
        )?;
        writeln!(
            f,
            "waits             longest {:.1} s; median of a machine from {:.1} to {:.1} s",
            self.longest_wait, self.least_median, self.greatest_median
        )?;
        writeln!(
            f,
            "functions         {} processes, at most {} at once; {} events found no room, {} failed, {} given up",
            count(self.processes),
            count(self.max_at_once),
            count(self.no_room),
            count(self.errors),
            count(self.dead_letters)
        )?;
        writeln!(
            f,
            "slots             reserved {} times",
            count(self.reservations)
        )?;
        writeln!(
            f,
            "used              {} invocations, {:.0} s of functions, {} calls of SQS, {} writes and {} reads of DynamoDB",
            count(self.used.invocations),
            self.used.lambda_seconds,
            count(self.used.sqs_requests),
            count(self.used.writes),
            count(self.used.reads)
        )?;
        let dollars = &self.dollars;
        writeln!(
            f,
            "costs             ${:.2}: Lambda ${:.2}, SQS ${:.2}, DynamoDB ${:.2}\n",
            dollars.all, dollars.lambda, dollars.sqs, dollars.dynamodb
        )?;
        writeln!(f, "{:<34} {:>9} {:>10}", "calls", "tries", "throttled")?;
        for (api, calls) in &self.calls {
            writeln!(
                f,
                "{api:<34} {:>9} {:>10}",
                count(calls.made),
                count(calls.throttled)
            )?;
        }
        writeln!(
            f,
            "{:<34} {:>9} {:>10}\n",
            "all",
            count(self.all_calls.made),
            count(self.all_calls.throttled)
        )?;
        for (holds, what) in self.checks() {
            writeln!(f, "{}  {what}", if holds { "holds " } else { "FAILED" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_are_in_groups_of_three() {
        for (number, text) in [
            (0_u64, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number), text);
        }
    }
}
