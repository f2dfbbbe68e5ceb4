//! Records for the tests.

use std::time::Duration;

use redrive_core::calls::CallResult;
use redrive_core::controller::{Outcome, Record};
use redrive_core::diagnosis::{Diagnosis, Kind};
use redrive_core::dry_run::DryRun;
use redrive_core::error::{Error, ErrorKind};
use redrive_core::event::{self, AllowedSources};
use redrive_core::failure::{FailureId, Need, Subject};
use redrive_core::ledger::{Owner, State, Timing, Writer};
use redrive_core::policy::Document;
use redrive_core::time::Time;
use redrive_core::verdict::{Charge, Decision, Reason, Verdict};

pub(crate) const NOW: Time = Time::from_millis(1_795_140_844_000);

/// Returns the record of an event's dry run.
pub(crate) fn dry_run(event: &str) -> Record {
    let policy = "{ version: 1, retry: { automatic: [{ error: 'Lambda.TooManyRequestsException', limit: 2 }] } }";
    let document = Document::parse(policy).unwrap();
    let (owner, timing) = (Owner("a".to_owned()), Timing::default());
    let writer = Writer {
        owner: &owner,
        now: NOW,
        timing: &timing,
    };
    let event = event::parse(event.as_bytes(), &AllowedSources::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let dry_run = DryRun::new(&document);
    runtime
        .unwrap()
        .block_on(dry_run.event(event, writer))
        .unwrap()
}

/// Returns the record of a failure that would be retried.
pub(crate) fn observed() -> Record {
    dry_run(include_str!(
        "../../../events/sfn-05-lambda-too-many-requests.json"
    ))
}

/// Returns a record with every member but those of a malformed event.
pub(crate) fn full() -> Record {
    Record {
        happened_at: Some(NOW.minus(Duration::from_millis(1_750))),
        subject: Some(Subject::stage(
            "aws",
            "eu-west-1",
            "111122223333",
            "web",
            "Build",
            "5f0c2f0e-1",
        )),
        failure_id: Some(FailureId::FailedActions(
            ["a6050335-1".to_owned(), "b7160446-2".to_owned()].into(),
        )),
        verdict: Some(Verdict {
            policy: Some("nightly".to_owned()),
            rules: vec![Charge {
                rule: "busy".to_owned(),
                description: Some("the queue was full".to_owned()),
                used: 1,
                limit: 3,
            }],
            delay_seconds: 60,
            ..Verdict::bare(Decision::Retry, Reason::Matched)
        }),
        state: Some(State::Queued),
        diagnosis: vec![Diagnosis {
            action: "UnitTests".to_owned(),
            looks_like: Kind::TimeOut,
            remedy: "wait",
        }],
        looked_up: vec![Need::PipelineState],
        needs: vec![Need::History],
        slot: Some(Duration::from_millis(1_500)),
        call_result: Some(CallResult::Throttled),
        unsettled: Some(Error::new(ErrorKind::AccessDenied, "PutItem")),
        ..Record::new(NOW, Outcome::BackedOff, Reason::Matched)
    }
}

/// Returns a record with the members that every record has. The retry did not wait for its slot.
pub(crate) fn bare() -> Record {
    Record {
        slot: Some(Duration::ZERO),
        ..Record::new(NOW, Outcome::Conflict, Reason::TargetChanged)
    }
}
