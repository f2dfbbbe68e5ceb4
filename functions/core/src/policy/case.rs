//! A document's own tests: failures in normalised words, judged as the functions would judge them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Document;
use super::problem::At;
use super::view::View;
use super::word::Word;
use crate::cause::SignalReason;
use crate::decide::{Spent, verdict_on};
use crate::failure::{
    ExecutionStatus, FailedAction, FailedExecution, FailedStage, Failure, Field, Redrivable,
    StageStanding, StageStatus, Subject, What,
};
use crate::ledger::{Entry, Judgement, Owner, Pen, Terms};
use crate::time::Time;
use crate::verdict::{Decision, Reason, Verdict};

/// One of a document's tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// What it shows.
    pub name: String,
    /// Consecutive failures of one subject; one where the test names a single failure.
    pub attempts: Vec<Case>,
    /// What is expected of each.
    pub expect: Vec<Expect>,
    /// Where it stands.
    pub at: At,
}

impl Test {
    /// The verdict on each of its attempts.
    #[must_use]
    pub fn judge(&self, document: &Document) -> Vec<Verdict> {
        judge(document, &self.attempts, &self.expect)
    }

    /// Whether every verdict is as expected.
    #[must_use]
    pub fn passes(&self, document: &Document) -> bool {
        let verdicts = self.judge(document);
        verdicts.len() == self.expect.len()
            && verdicts
                .iter()
                .zip(&self.expect)
                .all(|(verdict, expect)| expect.holds(verdict))
    }
}

/// What must hold of a verdict: all that is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expect {
    /// What is decided.
    pub decision: Option<Decision>,
    /// The policy's name.
    pub policy: Option<String>,
    /// The rule's id; of several rules any one.
    pub rule: Option<String>,
    /// Why.
    pub because: Option<Reason>,
}

impl Expect {
    /// Whether a verdict is as expected.
    #[must_use]
    pub fn holds(&self, verdict: &Verdict) -> bool {
        let rule = |id: &String| verdict.rules.iter().any(|charge| charge.rule == *id);
        self.decision
            .is_none_or(|decision| decision == verdict.decision)
            && self.because.is_none_or(|reason| reason == verdict.because)
            && (self.policy.is_none() || self.policy == verdict.policy)
            && self.rule.as_ref().is_none_or(rule)
    }
}

/// A failure in normalised words. What is not given is absent, but for what an error or a cause that is given
/// says of exit status, signal and HTTP status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The failure, all of it known.
    pub failure: Failure,
    exit_status: Option<Field<i16>>,
    signal: Option<Field<String>>,
    signal_reason: Option<Field<SignalReason>>,
    http_status: Option<Field<u16>>,
    /// Where it stands.
    pub at: At,
}

/// What a case is made of, as read.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) is_stage: bool,
    pub(super) target: String,
    pub(super) account: Option<String>,
    pub(super) region: Option<String>,
    pub(super) status: Option<String>,
    pub(super) exit_status: Option<Field<i16>>,
    pub(super) signal_reason: Option<Field<SignalReason>>,
    pub(super) http_status: Option<Field<u16>>,
    pub(super) texts: BTreeMap<Word, Field<String>>,
}

impl Words {
    pub(super) fn set_absent(&mut self, word: Word) {
        match word {
            Word::ExitStatus => self.exit_status = Some(Field::Absent),
            Word::SignalReason => self.signal_reason = Some(Field::Absent),
            Word::HttpStatus => self.http_status = Some(Field::Absent),
            word => {
                self.texts.insert(word, Field::Absent);
            }
        }
    }

    fn take(&mut self, word: Word) -> Field<String> {
        self.texts.remove(&word).unwrap_or(Field::Absent)
    }
}

impl Case {
    pub(super) fn new(mut words: Words, at: At) -> Self {
        let signal = words.texts.remove(&Word::Signal);
        Self {
            exit_status: words.exit_status,
            signal,
            signal_reason: words.signal_reason,
            http_status: words.http_status,
            failure: failure(&mut words),
            at,
        }
    }

    /// What conditions see of it.
    #[must_use]
    pub fn views(&self) -> Vec<View<'_>> {
        self.views_of(&self.failure)
    }

    fn views_of<'a>(&'a self, failure: &'a Failure) -> Vec<View<'a>> {
        let signal = self.signal.as_ref().map(Field::as_text);
        let seen = View::of(failure).into_iter().map(|view| {
            view.retold(|told| {
                told.exit_status = given(self.exit_status, told.exit_status);
                told.signal = given(signal, told.signal);
                told.signal_reason = given(self.signal_reason, told.signal_reason);
                told.http_status = given(self.http_status, told.http_status);
            })
        });
        seen.collect()
    }

    /// The same failure as the `attempt`-th of its subject, which was retried so often before.
    fn after(&self, attempt: usize, retried: u32) -> Failure {
        let mut failure = self.failure.clone();
        match &mut failure.what {
            What::Execution(execution) => execution.redrive_count = Field::Known(retried),
            What::Stage(FailedStage {
                standing: Field::Known(standing),
                ..
            }) => {
                standing.retried = retried;
                for action in &mut standing.failed {
                    action.id = Some(format!("attempt-{attempt}"));
                }
            }
            What::Stage(_) => {}
        }
        failure
    }
}

/// What the test gives, or else what follows from the rest; all of it is known.
fn given<T>(given: Option<Field<T>>, follows: Field<T>) -> Field<T> {
    match given.unwrap_or(follows) {
        Field::Unknown => Field::Absent,
        field => field,
    }
}

fn failure(words: &mut Words) -> Failure {
    let account = words.account.as_deref().unwrap_or("000000000000");
    let region = words.region.as_deref().unwrap_or("us-east-1");
    let target = words.target.as_str();
    let (subject, what);
    if words.is_stage {
        let stage = match words.texts.get(&Word::Stage) {
            Some(Field::Known(stage)) => stage.as_str(),
            _ => "",
        };
        subject = Subject::stage("aws", region, account, target, stage, "test");
        what = What::Stage(FailedStage {
            announced: None,
            standing: Field::Known(stage_with(FailedAction {
                action: words
                    .take(Word::Action)
                    .known()
                    .cloned()
                    .unwrap_or_default(),
                id: None,
                category: words.take(Word::Category),
                provider: words.take(Word::Provider),
                error_code: words.take(Word::ErrorCode),
                summary: words.take(Word::Summary),
            })),
        });
    } else {
        subject = Subject::Execution {
            arn: format!("arn:aws:states:{region}:{account}:execution:{target}:test"),
        };
        what = What::Execution(execution(words));
    }
    Failure {
        subject,
        at: Time::default(),
        what,
    }
}

fn execution(words: &mut Words) -> FailedExecution {
    let status = words.status.take();
    let status = status.as_deref();
    let timed_out = status == Some("TIMED_OUT");
    // Only an execution's own time-out has an error that nobody gives.
    let error = words.texts.remove(&Word::Error);
    let error = match error {
        None if timed_out => Field::Known("States.Timeout".into()),
        error => error.unwrap_or(Field::Absent),
    };
    FailedExecution {
        status: if timed_out {
            ExecutionStatus::TimedOut
        } else {
            ExecutionStatus::Failed
        },
        redrive_count: Field::Known(0),
        redrivable: Field::Known(Redrivable::Yes),
        started: None,
        state_machine_arn: None,
        version_arn: None,
        error,
        cause: words.take(Word::Cause),
        parent: Field::Absent,
        fail_state: Field::Known(false),
        state: words.take(Word::State),
        resource: words.take(Word::Resource),
        moved_on: (status == Some("ABORTED")).then_some(Reason::Aborted),
    }
}

fn stage_with(action: FailedAction) -> StageStanding {
    StageStanding {
        status: StageStatus::Failed,
        rollback: false,
        stopped: false,
        superseded: false,
        structure_changed: false,
        in_progress: 0,
        listed: true,
        runs_behind: false,
        failed_at: None,
        running: BTreeSet::new(),
        retried: 0,
        retries_itself: false,
        failed: [action].into(),
    }
}

/// The verdicts on consecutive failures of one subject, each retried while it is expected to be and the
/// verdict agrees. What nothing is expected of is retried if the verdict says so.
#[must_use]
pub fn judge(document: &Document, attempts: &[Case], expected: &[Expect]) -> Vec<Verdict> {
    let (owner, terms) = (Owner("test".into()), Terms::default());
    let pen = Pen {
        owner: &owner,
        now: Time::default(),
        terms: &terms,
    };
    let mut entry: Option<Entry> = None;
    let mut retried = 0_u32;
    let mut verdicts = Vec::new();
    for (attempt, case) in attempts.iter().enumerate() {
        let failure = case.after(attempt, retried);
        let spent = entry.as_ref().map_or(Spent::Nothing, Spent::Entry);
        let verdict = verdict_on(document, &failure, case.views_of(&failure), spent);
        let expected = expected.get(attempt).and_then(|expect| expect.decision);
        let is_retried = verdict.decision == Decision::Retry
            && expected.is_none_or(|decision| decision == Decision::Retry);
        if is_retried && let Some(identity) = failure.identity() {
            let judgement = Judgement {
                subject: failure.subject.clone(),
                identity,
                failed_at: failure.at,
                retried_before: 0,
                verdict: Verdict {
                    // Nobody waits in a test.
                    delay_seconds: 0,
                    ..verdict.clone()
                },
                slot: core::time::Duration::ZERO,
                observed: false,
            };
            let next = match &entry {
                None => Some(Entry::open(judgement, pen)),
                Some(entry) => entry.judge(judgement, pen).ok(),
            };
            entry = next.and_then(|next| next.accept(pen).ok()).or(entry);
            retried = retried.saturating_add(1);
        }
        verdicts.push(verdict);
    }
    verdicts
}
