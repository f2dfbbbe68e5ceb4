//! `redrive history`: the ledger entry of a failure in order of time, with the reason for each verdict.

use std::io::Write;

use redrive_core::ledger::{Cancelled, Entry, EntryStore, State};
use redrive_core::time::Time;
use redrive_core::verdict::{Decision, Reason, Verdict};
use redrive_policy_tools::visible::{visible, visible_json};

use crate::CommandError;
use crate::account::{Account, Where};

pub(crate) async fn run(
    place: Where,
    as_json: bool,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let account = Account::open(place).await?;
    match account.ledger.read(&account.subject).await {
        Ok(Some(entry)) if as_json => json(&entry, out),
        Ok(Some(entry)) => print(&entry, out),
        Ok(None) => Err(account.no_entry().await),
        Err(error) => Err(account.failed(error).await),
    }
}

/// Prints the entry as the ledger has it, on one line.
pub(crate) fn json(entry: &Entry, out: &mut impl Write) -> Result<(), CommandError> {
    let line =
        serde_json::to_string(entry).map_err(|error| CommandError::Bug(error.to_string()))?;
    writeln!(out, "{}", visible_json(&line))?;
    Ok(())
}

fn print(entry: &Entry, out: &mut impl Write) -> Result<(), CommandError> {
    writeln!(out, "{}", visible(&entry.subject.to_string()))?;
    writeln!(out, "{}\n", visible(&entry.subject.key()))?;
    for attempt in &entry.attempts {
        let became = fate(attempt.state, &attempt.verdict, attempt.reason);
        let became = match attempt.state {
            State::Queued => "still queued at the next failure".to_owned(),
            State::Acting | State::InDoubt => {
                "in progress at the next failure, which shows that it was retried".to_owned()
            }
            _ => became,
        };
        let failure = FailureLine {
            at: attempt.failed_at,
            which: attempt.failure_id.to_string(),
            verdict: &attempt.verdict,
            became,
            cancelled: attempt.cancelled.as_ref(),
        };
        writeln!(out, "{failure}")?;
    }
    let failure = FailureLine {
        at: entry.failed_at,
        which: entry.failure_id.to_string(),
        verdict: &entry.verdict,
        became: now(entry),
        cancelled: entry.cancelled.as_ref(),
    };
    writeln!(out, "{failure}\n")?;
    foot(entry, out)
}

/// One failure on one line.
struct FailureLine<'a> {
    at: Time,
    which: String,
    verdict: &'a Verdict,
    became: String,
    cancelled: Option<&'a Cancelled>,
}

impl std::fmt::Display for FailureLine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = self.verdict;
        let mut line = format!(
            "{}  {}  {}: {}",
            utc(self.at),
            self.which,
            verdict.decision.as_str(),
            verdict.sentence()
        );
        let rules: Vec<String> = verdict
            .rules
            .iter()
            .map(|rule| format!("{} {} of {} used before", rule.rule, rule.used, rule.limit))
            .collect();
        if !rules.is_empty() {
            line.push_str(&format!(" ({})", rules.join(", ")));
        }
        line.push_str(&format!("  -> {}", self.became));
        if let Some(Cancelled { by, note }) = self.cancelled {
            line.push_str(&format!(": {by}: {note}"));
        }
        f.write_str(&visible(&line))
    }
}

/// Returns the state of the retry of the latest failure.
pub(crate) fn now(entry: &Entry) -> String {
    let until = entry.lease.as_ref().map(|lease| {
        format!(
            " by {}, whose lease ends {}",
            visible(&lease.owner.0),
            utc(lease.until)
        )
    });
    match entry.state {
        State::Queued => format!(
            "queued, due {}",
            entry.due_at.map_or("at once".to_owned(), utc)
        ),
        State::Acting => format!("being retried{}", until.unwrap_or_default()),
        State::InDoubt => format!(
            "sent without an answer; the next check is {}",
            entry.next_check_at.map_or("soon".to_owned(), utc)
        ),
        state => format!(
            "{}, {}",
            fate(state, &entry.verdict, entry.reason),
            utc(entry.updated_at)
        ),
    }
}

/// Returns the end of a retry with nothing pending.
fn fate(state: State, verdict: &Verdict, reason: Option<Reason>) -> String {
    match state {
        State::Retried => "retried: AWS accepted it".to_owned(),
        State::GivenUp => match reason {
            Some(reason) => format!("given up ({reason}): {}", reason.sentence()),
            None if verdict.decision == Decision::Retry => "given up".to_owned(),
            None => format!("not retried ({})", verdict.reason),
        },
        State::Observed => {
            "observed: the verdict was recorded in observe mode, and the failure is never retried"
                .to_owned()
        }
        State::Recovered => "succeeded afterwards".to_owned(),
        State::Terminated => "terminated by a person, which is not undone".to_owned(),
        State::Queued | State::Acting | State::InDoubt => state.as_str().to_owned(),
    }
}

fn foot(entry: &Entry, out: &mut impl Write) -> Result<(), CommandError> {
    if entry.in_doubt {
        writeln!(
            out,
            "in doubt  a call was sent and got no answer: this retry may have happened, and stays charged"
        )?;
    }
    if let Some(busy) = entry.throttled {
        writeln!(
            out,
            "throttled AWS was too busy to accept it, {} since {}",
            times(busy.times),
            utc(busy.since)
        )?;
    }
    writeln!(out, "charged   {}", visible(&charged(entry)))?;
    writeln!(
        out,
        "entry     revision {}, written {} by {}, expires {}",
        entry.revision,
        utc(entry.updated_at),
        visible(&entry.written_by.0),
        utc(entry.expires_at)
    )?;
    Ok(())
}

/// Returns the total charged to the subject.
pub(crate) fn charged(entry: &Entry) -> String {
    let mut text = match entry.retries {
        1 => "1 retry".to_owned(),
        many => format!("{many} retries"),
    };
    let rules: Vec<String> = entry
        .rule_usage
        .iter()
        .flat_map(|(policy, rules)| {
            rules
                .iter()
                .map(move |(rule, uses)| format!("{rule} of policy {policy} {}", times(*uses)))
        })
        .collect();
    if !rules.is_empty() {
        text.push_str(&format!(" ({})", rules.join(", ")));
    }
    if entry.prior_retries > 0 {
        text.push_str(&format!(
            "; AWS counted {} before this entry existed, which count for every rule",
            entry.prior_retries
        ));
    }
    text
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        many => format!("{many} times"),
    }
}

/// Returns the time to the second, which suffices for a person.
pub(crate) fn utc(time: Time) -> String {
    let text = time.to_string();
    match text.split_once('T') {
        Some((day, clock)) => format!("{day} {} UTC", clock.get(..8).unwrap_or(clock)),
        None => text,
    }
}
