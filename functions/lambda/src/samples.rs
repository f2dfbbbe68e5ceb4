//! Records for the tests, which the core makes from events.

use redrive_core::controller::Record;
use redrive_core::dry_run::DryRun;
use redrive_core::ledger::{Owner, Timing, Writer};
use redrive_core::policy::Document;
use redrive_core::time::Time;

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
    DryRun::new(&document).event(event.as_bytes(), writer)
}

/// Returns the record of a failure that would be retried.
pub(crate) fn observed() -> Record {
    dry_run(include_str!(
        "../../../events/sfn-05-lambda-too-many-requests.json"
    ))
}
