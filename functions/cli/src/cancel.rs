//! `redrive cancel`: a person gives up a queued retry.

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use redrive_core::cancel::{Cancel, cancel};
use redrive_core::ledger::{Cancelled, Entry, Owner, State, Timing, Writer};
use redrive_core::time::Time;
use redrive_policy_tools::visible::visible;

use crate::CommandError;
use crate::account::{Account, Where, stop_command};
use crate::history::{charged, json, now, utc};

pub(crate) async fn run(
    place: Where,
    reason: String,
    by: Option<String>,
    as_json: bool,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let note = bounded("--reason", reason, Cancelled::MAX_NOTE)?;
    let by = by
        .map(|by| bounded("--by", by, Cancelled::MAX_BY))
        .transpose()?;
    let account = Account::open(place).await?;
    let by = match by {
        Some(by) => by,
        None => caller(&account).await?,
    };
    let (owner, timing) = (owner(), Timing::default());
    let writer = Writer {
        owner: &owner,
        now: clock()?,
        timing: &timing,
    };
    let cancelled = Cancelled { by, note };
    match cancel(&account.ledger, &account.subject, &cancelled, writer).await {
        Ok(Cancel::Cancelled(entry) | Cancel::Already(entry)) if as_json => json(&entry, out),
        Ok(Cancel::Cancelled(entry)) => done(&entry, out),
        Ok(Cancel::Already(entry)) => {
            writeln!(
                out,
                "cancelled already, {}{}\nNothing was written.",
                utc(entry.updated_at),
                whose(&entry)
            )?;
            Ok(())
        }
        Ok(Cancel::NotQueued(entry)) => Err(CommandError::User(refusal(&entry))),
        Ok(Cancel::NoEntry) => Err(account.no_entry().await),
        Err(error) => Err(account.failed(error).await),
    }
}

/// Returns a text that is neither empty nor too long for the ledger.
fn bounded(option: &str, text: String, most: usize) -> Result<String, CommandError> {
    let count = text.chars().count();
    if text.trim().is_empty() {
        Err(CommandError::User(format!(
            "{option} is empty; write 1 to {most} characters for later readers of the ledger"
        )))
    } else if count > most {
        Err(CommandError::User(format!(
            "{option} has {count} characters; the maximum is {most}: shorten it, or name a ticket"
        )))
    } else {
        Ok(text)
    }
}

/// Returns the caller's ARN from STS, or the user name of this machine where STS does not answer.
async fn caller(account: &Account) -> Result<String, CommandError> {
    let arn = account.caller().await.and_then(|caller| caller.arn);
    let name = arn.or_else(|| env::var("USER").ok().filter(|name| !name.is_empty()));
    let name = name.ok_or_else(|| {
        CommandError::User("neither STS nor USER has your name; give it with --by NAME".to_owned())
    })?;
    Ok(name.chars().take(Cancelled::MAX_BY).collect())
}

/// Returns a unique name, different for each run of the command.
///
/// INVARIANT: no two writers share a name. A conflicting write under the writer's own name counts as stored.
fn owner() -> Owner {
    let random = || RandomState::new().hash_one(std::process::id());
    Owner(format!("cancel-{:016x}{:016x}", random(), random()))
}

fn clock() -> Result<Time, CommandError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .map(Time::from_millis)
        .ok_or_else(|| {
            CommandError::User("this machine's clock shows a year before 1970; set it".to_owned())
        })
}

fn done(entry: &Entry, out: &mut impl Write) -> Result<(), CommandError> {
    writeln!(
        out,
        "cancelled  the retry of {} ({}){}",
        visible(&entry.subject.to_string()),
        visible(&entry.failure_id.to_string()),
        whose(entry)
    )?;
    let charge = if entry.in_doubt {
        "an earlier call got no answer: this retry may have happened, and stays charged"
    } else {
        "the charge is refunded"
    };
    writeln!(out, "charged    {}: {charge}", visible(&charged(entry)))?;
    writeln!(
        out,
        "           A message left in the queue has no effect. A later failure is judged again."
    )?;
    Ok(())
}

/// Returns `, by ada: the lake is down`.
fn whose(entry: &Entry) -> String {
    entry
        .cancelled
        .as_ref()
        .map(|Cancelled { by, note }| format!(", by {}: {}", visible(by), visible(note)))
        .unwrap_or_default()
}

/// Returns the state of the entry, and the possible next steps.
fn refusal(entry: &Entry) -> String {
    let stop = visible(&stop_command(&entry.subject));
    let advice = match entry.state {
        State::Acting | State::InDoubt => format!(
            "Its call may be under way, and cannot be revoked. See `redrive history` in a few minutes. To stop a \
             restarted run:\n  {stop}"
        ),
        State::Retried => format!("To stop the restarted run:\n  {stop}"),
        State::Observed | State::GivenUp => "No retry is pending, and none will follow.".to_owned(),
        State::Recovered | State::Terminated | State::Queued => "No retry is pending.".to_owned(),
    };
    format!(
        "no retry of {} is queued, and nothing was changed; its state: {}\n{advice}",
        visible(&entry.subject.to_string()),
        visible(&now(entry))
    )
}
