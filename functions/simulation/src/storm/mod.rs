//! A storm: many executions fail at once for a transient reason. The real core redrives them in virtual time, as fast
//! as AWS's quotas allow.
//!
//! The services are emulated, each API behind [AWS's bucket of tokens](Limits). A throttled call is repeated as the
//! SDK repeats it. The following parts are configured as in template.yaml: Lambda's queue of events, its processes
//! and their limit, the queue of retries, and the sweep. One seed determines one storm, to the last bit.

mod costs;
mod invocation;
mod limits;
mod report;
mod run;
mod settings;
mod simulation;

use redrive_core::ledger::Timing;
use redrive_core::policy::Document;
use redrive_core::rate_limiter::Quotas;
use redrive_core::services::Service;
use redrive_emulator::api::Place;
use redrive_emulator::region::Region;
use redrive_emulator::stepfunctions::{By, Options, Outcome, Script, Seed, Status};
use serde_json::json;

pub use self::costs::{Dollars, Used};
use self::limits::Gates;
pub use self::limits::{Limits, QuotaClass};
pub use self::report::{Calls, Report};
use self::run::Run;
use self::settings::START;
pub use self::settings::Storm;
use self::simulation::Simulation;

/// The policy of every storm: the failures are transient, so each retry is due at once.
const POLICY: &str = "
version: 1
retry:
  automatic:
    - id: throttled
      error: Lambda.TooManyRequestsException
      limit: 2
      backoff: { interval_seconds: 0 }
";

/// An execution, and the time of its failure in milliseconds.
struct Failing {
    arn: String,
    at: u64,
}

impl Storm {
    /// Plays the storm.
    ///
    /// # Errors
    /// The storm's own policy or machines cannot be used, which is a bug.
    pub fn play(&self) -> Result<Report, String> {
        let document = Document::parse(POLICY).map_err(|problems| problems.to_string())?;
        let quota = self.limits.redrive_execution();
        let paced = self.paced.then_some((Service::StepFunctions, quota));
        let quotas = Quotas(paced.into_iter().collect());
        let timing = Timing {
            quotas,
            ..Timing::default()
        };
        let place = Place::default();
        let options = Options {
            // The rules of template.yaml do not match RUNNING events.
            announce_running_after_redrive: false,
            ..Options::default()
        };
        let region = Region::with_options(
            &place,
            self.seed,
            options,
            redrive_emulator::codepipeline::Options::default(),
        );
        let gates = Gates::new(&self.limits, self.index_shards);
        let simulation = Simulation::new(
            START,
            self.seed,
            region,
            (gates, self.index_shards),
            timing,
            document,
        );
        let executions = self.furnish(&simulation)?;
        let mut run = Run::new(&simulation, self);
        run.play((START.as_millis() + u64::from(self.hours) * 3_600_000) * 1_000);
        let counted = run.counted;
        drop(run);
        Ok(self.report(&simulation, counted, &executions))
    }

    /// Returns the number of executions of each machine.
    fn sizes(&self) -> Vec<usize> {
        let machines = self.machines.clamp(1, self.failures.max(1));
        #[expect(
            clippy::cast_precision_loss,
            reason = "the number of machines is below 2^53"
        )]
        let weight = |n: usize| 1.0 / ((n + 1) as f64).sqrt();
        let all: f64 = (0..machines).map(weight).sum();
        let (mut so_far, mut given) = (0.0, 0);
        (0..machines)
            .map(|n| {
                so_far += weight(n) / all;
                #[expect(
                    clippy::cast_precision_loss,
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a part of the failures"
                )]
                let until = (so_far * self.failures as f64).round() as usize;
                let size = until.saturating_sub(given);
                given = until;
                size
            })
            .collect()
    }

    /// Creates the machines and their executions, which are about to fail. Returns each machine's executions.
    fn furnish(&self, simulation: &Simulation) -> Result<Vec<Vec<Failing>>, String> {
        let place = Place::default();
        let started = START.as_millis() - 30 * 60_000;
        let definition = json!({
            "StartAt": "Work",
            "States": { "Work": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true } },
        });
        let mut region = simulation.region();
        let mut all = Vec::new();
        for (number, size) in self.sizes().into_iter().enumerate() {
            let machine = format!("machine-{number:03}");
            let body = json!({
                "name": machine,
                "definition": definition.to_string(),
                "roleArn": format!("arn:aws:iam::{}:role/machines", place.account),
            });
            let service = redrive_emulator::region::ServiceKind::StepFunctions;
            region
                .call(service, started - 86_400_000, "CreateStateMachine", &body)
                .map_err(|error| format!("{error:?}"))?;
            let mut executions = Vec::new();
            for index in 0..size {
                let arn = format!(
                    "arn:{}:states:{}:{}:execution:{machine}:run-{index:06}",
                    place.partition, place.region, place.account
                );
                let span = u64::from(self.seconds) * 1_000;
                let part = |index: usize| span * index as u64 / size as u64;
                let at = simulation.draw(part(index), part(index + 1).saturating_sub(1));
                let fails_after = START.as_millis() + at - started;
                let outcomes = [
                    Outcome::fail("Lambda.TooManyRequestsException", "Rate Exceeded.")
                        .at("Work")
                        .after(fails_after),
                    Outcome::succeed().after(simulation.draw(1_000, 30_000)),
                ];
                region
                    .stepfunctions
                    .seed(Seed {
                        outcomes: Script::new(outcomes),
                        ..Seed::new(arn.as_str(), Status::Running, started, 0)
                    })
                    .map_err(|error| format!("{error:?}"))?;
                executions.push(Failing {
                    arn,
                    at: START.as_millis() + at,
                });
            }
            all.push(executions);
        }
        Ok(all)
    }

    fn report(
        &self,
        simulation: &Simulation,
        counted: run::Counted,
        executions: &[Vec<Failing>],
    ) -> Report {
        let region = simulation.region();
        let (mut redriven, mut redriven_twice) = (0, 0);
        let (mut last, mut longest) = (START.as_millis(), 0);
        let mut medians = Vec::new();
        for machine in executions {
            let mut waits = Vec::new();
            for failing in machine {
                let Some(shown) = region.stepfunctions.execution(&failing.arn) else {
                    continue;
                };
                let ours = shown
                    .redrives
                    .iter()
                    .filter(|redrive| redrive.by == By::Api);
                let mut at = ours.map(|redrive| redrive.at);
                if let Some(first) = at.next() {
                    redriven += 1;
                    redriven_twice += usize::from(at.next().is_some());
                    last = last.max(first);
                    waits.push(first.saturating_sub(failing.at));
                }
            }
            waits.sort_unstable();
            longest = longest.max(waits.last().copied().unwrap_or_default());
            medians.extend(waits.get(waits.len() / 2).copied());
        }
        let seconds = |millis: u64| std::time::Duration::from_millis(millis).as_secs_f64();
        let quota = self.limits.redrive_execution();
        let beyond = self.failures.saturating_sub(quota.burst as usize);
        #[expect(
            clippy::cast_precision_loss,
            reason = "the number of failures is below 2^53"
        )]
        let least = beyond as f64 / f64::from(quota.per_second);
        let calls = simulation.calls.borrow().clone();
        let all_calls = calls.values().fold(Calls::default(), |all, calls| Calls {
            made: all.made + calls.made,
            throttled: all.throttled + calls.throttled,
        });
        let used = *simulation.used.borrow();
        Report {
            failures: self.failures,
            seconds: self.seconds,
            quota: quota.to_string(),
            machines: executions.len(),
            redriven,
            redriven_twice,
            drained: seconds(last - START.as_millis()),
            least,
            longest_wait: seconds(longest),
            least_median: seconds(medians.iter().min().copied().unwrap_or_default()),
            greatest_median: seconds(medians.iter().max().copied().unwrap_or_default()),
            calls,
            all_calls,
            reservations: simulation.reservations.get(),
            processes: counted.processes,
            max_at_once: counted.max_at_once,
            no_room: counted.no_room,
            errors: counted.errors,
            dead_letters: counted.dead_letters,
            used,
            dollars: used.dollars(),
        }
    }
}
