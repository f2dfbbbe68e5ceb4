use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use super::*;
use crate::error::Error;
use crate::failure::{FailureId, Subject};
use crate::time::Time;
use crate::verdict::{Charge, Decision, Reason, StageRetryMode, Verdict};

const ARN: &str = "arn:aws:states:eu-west-1:111122223333:execution:etl:run-1";
const START: u64 = 1_000_000;

fn subject() -> Subject {
    Subject::Execution { arn: ARN.into() }
}

fn owner(name: &str) -> Owner {
    Owner(name.into())
}

/// Runs `write` with a writer of "one", `seconds` after the start.
fn at<T>(seconds: u64, write: impl FnOnce(Writer<'_>) -> T) -> T {
    by("one", seconds, write)
}

fn by<T>(name: &str, seconds: u64, write: impl FnOnce(Writer<'_>) -> T) -> T {
    let owner = owner(name);
    let timing = Timing::default();
    write(Writer {
        owner: &owner,
        now: second(seconds),
        timing: &timing,
    })
}

fn second(seconds: u64) -> Time {
    Time::from_millis(START + seconds * 1000)
}

fn verdict(decision: Decision, rules: &[&str], delay_seconds: u32) -> Verdict {
    Verdict {
        decision,
        reason: if decision == Decision::Retry {
            Reason::Matched
        } else {
            Reason::Unmatched
        },
        policy: Some("p".into()),
        policy_version: None,
        rules: rules
            .iter()
            .map(|rule| Charge {
                rule: (*rule).into(),
                description: None,
                used: 0,
                limit: 5,
            })
            .collect(),
        delay_seconds,
        retry_mode: StageRetryMode::FailedActions,
    }
}

fn decided(failure_id: FailureId, initial: InitialState) -> Decided {
    let (decision, delay) = match initial {
        InitialState::Act => (Decision::Retry, 0),
        InitialState::Queue | InitialState::Observe => (Decision::Retry, 60),
        InitialState::GiveUp => (Decision::GiveUp, 0),
    };
    let retried_before = match &failure_id {
        FailureId::RedriveCount(count) => *count,
        FailureId::FailedActions(_) => 0,
    };
    Decided {
        subject: subject(),
        failure_id,
        failed_at: second(0),
        retried_before,
        verdict: verdict(decision, &["r"], delay),
        slot: core::time::Duration::ZERO,
        observed: initial == InitialState::Observe,
    }
}

fn ada() -> Cancelled {
    Cancelled {
        by: "ada".into(),
        note: "the lake is read-only tonight".into(),
    }
}

fn count(n: u32) -> FailureId {
    FailureId::RedriveCount(n)
}

fn actions(ids: &[&str]) -> FailureId {
    FailureId::FailedActions(ids.iter().map(ToString::to_string).collect())
}

fn opened(initial: InitialState) -> Entry {
    at(0, |writer| Entry::open(decided(count(0), initial), writer))
}

/// Returns an entry that reached `state` by allowed steps.
fn in_state(state: State) -> Entry {
    let acting = opened(InitialState::Act);
    at(0, |writer| match state {
        State::Queued => Ok(opened(InitialState::Queue)),
        State::Acting => Ok(acting),
        State::Retried => acting.accept(None, writer),
        State::InDoubt => acting.mark_in_doubt(writer),
        State::GivenUp => Ok(opened(InitialState::GiveUp)),
        State::Observed => Ok(opened(InitialState::Observe)),
        State::Recovered => acting.recover(None, writer),
        State::Terminated => acting.terminate(None, writer),
    })
    .unwrap()
}

const STEPS: [Transition; 15] = [
    Transition::Judge(InitialState::Act),
    Transition::Judge(InitialState::Queue),
    Transition::Judge(InitialState::GiveUp),
    Transition::Judge(InitialState::Observe),
    Transition::Claim,
    Transition::Requeue,
    Transition::TakeOver,
    Transition::Accept,
    Transition::MarkInDoubt,
    Transition::BackOff,
    Transition::GiveUp,
    Transition::Cancel,
    Transition::Confirm,
    Transition::Recover,
    Transition::Terminate,
];

#[test]
fn the_ledger_moves_along_this_table_and_no_other() {
    // One letter a state: queued, acting, retried, in doubt (U), given up, observed, recovered (V), terminated (E).
    let letter = |state| match state {
        State::Queued => 'Q',
        State::Acting => 'A',
        State::Retried => 'R',
        State::InDoubt => 'U',
        State::GivenUp => 'G',
        State::Observed => 'O',
        State::Recovered => 'V',
        State::Terminated => 'E',
    };
    // The columns have the order of STEPS.
    //   judge: act queue give_up observe
    //   claim requeue take_over accept mark_in_doubt back_off give_up cancel confirm recover terminate
    for (state, row) in [
        (State::Queued, "AQGO AQ....GG.VE"),
        (State::Acting, "AQGO ..ARUQG.RVE"),
        (State::Retried, "AQGO .........VE"),
        (State::InDoubt, "AQGO ..A......VE"),
        (State::GivenUp, "AQGO .........VE"),
        (State::Observed, "AQGO .........VE"),
        (State::Recovered, ".... ..........."),
        (State::Terminated, "AQGO .........V."),
    ] {
        let reached: String = STEPS
            .iter()
            .map(|step| transition(state, *step).map_or('.', letter))
            .collect();
        assert_eq!(reached, row.replace(' ', ""), "{}", state.as_str());
    }
    assert_eq!(State::ALL.len(), 8);
}

#[test]
fn every_method_takes_the_step_of_the_table_or_refuses() {
    for state in State::ALL {
        let entry = in_state(state);
        assert_eq!(entry.state, state);
        for step in STEPS {
            let after = at(1, |writer| match step {
                Transition::Judge(initial) => entry.judge(decided(count(1), initial), writer),
                Transition::Claim => entry.claim(writer),
                Transition::Requeue => entry.requeue(writer).map(|(entry, _)| entry),
                Transition::TakeOver => entry.take_over(writer),
                Transition::Accept => entry.accept(None, writer),
                Transition::MarkInDoubt => entry.mark_in_doubt(writer),
                Transition::BackOff => entry.back_off(writer),
                Transition::GiveUp => entry.give_up(Reason::Refused, true, writer),
                Transition::Cancel => entry.cancel(ada(), writer),
                Transition::Confirm => entry.confirm(writer),
                Transition::Recover => entry.recover(None, writer),
                Transition::Terminate => entry.terminate(None, writer),
            });
            match (transition(state, step), after) {
                (Some(expected), Ok(after)) => {
                    assert_eq!(after.state, expected, "{state:?} {step:?}");
                    assert_eq!(after.revision, entry.revision + 1);
                    assert_eq!(
                        (after.written_by.clone(), after.updated_at),
                        (owner("one"), second(1))
                    );
                    assert_eq!(
                        after.expires_at,
                        second(1).plus(Timing::default().retention)
                    );
                    // INVARIANT: a lease exists exactly while acting, a due time exactly while queued.
                    assert_eq!(after.lease.is_some(), expected == State::Acting);
                    assert_eq!(after.due_at.is_some(), expected == State::Queued);
                    let pending =
                        matches!(expected, State::Acting | State::Queued | State::InDoubt);
                    assert_eq!(after.next_check_at.is_some(), pending, "{state:?} {step:?}");
                }
                (None, Err(illegal)) => assert_eq!(illegal, TransitionError { state, step }),
                (expected, after) => panic!("{state:?} {step:?}: {expected:?} {after:?}"),
            }
        }
        // A denied retry waits like a throttled one.
        let denied = at(1, |writer| entry.back_off_denied(writer))
            .map(|entry| entry.state)
            .ok();
        assert_eq!(denied, transition(state, Transition::BackOff));
    }
    let illegal = TransitionError {
        state: State::Recovered,
        step: Transition::Claim,
    };
    assert_eq!(
        illegal.to_string(),
        "the ledger has no transition Claim from recovered"
    );
}

#[test]
fn an_entry_opens_as_it_was_judged() {
    for (initial, state, retries, next_check_at) in [
        (InitialState::Act, State::Acting, 1, Some(420)),
        (InitialState::Queue, State::Queued, 1, Some(60 + 300)),
        (InitialState::GiveUp, State::GivenUp, 0, None),
        (InitialState::Observe, State::Observed, 0, None),
    ] {
        let entry = opened(initial);
        assert_eq!((entry.state, entry.revision), (state, 1));
        assert_eq!(
            (entry.retries, entry.rule_usage("p", "r")),
            (retries, retries),
            "{initial:?}"
        );
        assert_eq!(entry.next_check_at, next_check_at.map(second));
        assert_eq!(entry.expires_at, second(30 * 24 * 60 * 60));
    }
    // A refusal in observe mode stays a refusal.
    let refused = Decided {
        observed: true,
        ..decided(count(0), InitialState::GiveUp)
    };
    assert_eq!(
        at(0, |writer| Entry::open(refused, writer)).state,
        State::GivenUp
    );
    let ended = at(3, |writer| {
        Entry::terminated(subject(), count(1), second(2), writer)
    });
    assert_eq!(
        (ended.state, ended.reason(), ended.retries),
        (State::Terminated, Reason::Aborted, 0)
    );
    assert_eq!(
        (ended.next_check_at, ended.due_at, &ended.lease),
        (None, None, &None)
    );
    assert_eq!(ended.relation(&count(0)), Relation::Earlier);
    assert_eq!(ended.relation(&count(1)), Relation::Same);
}

#[test]
fn a_retry_is_charged_once_for_each_of_its_rules() {
    let mut judged = decided(actions(&["a", "b"]), InitialState::Act);
    judged.verdict = verdict(Decision::Retry, &["x", "y"], 0);
    let entry = at(0, |writer| Entry::open(judged, writer));
    assert_eq!(
        (
            entry.rule_usage("p", "x"),
            entry.rule_usage("p", "y"),
            entry.retries
        ),
        (1, 1, 1)
    );
    // A rule of the same name in another policy has its own count.
    assert_eq!(entry.rule_usage("q", "x"), 0);
    let mut again = decided(actions(&["a2"]), InitialState::Act);
    again.verdict = verdict(Decision::Retry, &["x"], 0);
    let entry = at(1, |writer| {
        entry.accept(None, writer).unwrap().judge(again, writer)
    })
    .unwrap();
    assert_eq!(
        (
            entry.rule_usage("p", "x"),
            entry.rule_usage("p", "y"),
            entry.retries
        ),
        (2, 1, 2)
    );
}

#[test]
fn a_charge_is_given_back_only_where_the_retry_certainly_did_not_happen() {
    let next_failure = |entry: &Entry| {
        at(2, |writer| {
            entry.judge(decided(count(1), InitialState::GiveUp), writer)
        })
    };
    let queued = opened(InitialState::Queue);
    let acting = opened(InitialState::Act);
    let unknown = at(1, |writer| acting.mark_in_doubt(writer)).unwrap();
    let taken_over = at(1, |writer| acting.take_over(writer)).unwrap();
    let busy = at(1, |writer| acting.back_off(writer)).unwrap();
    let doubtful = at(1, |writer| taken_over.back_off(writer)).unwrap();
    for (what, entry, expected) in [
        ("a later failure finds it queued", next_failure(&queued), 0),
        ("a later failure finds it put off", next_failure(&busy), 0),
        (
            "a later failure finds it put off in doubt",
            next_failure(&doubtful),
            1,
        ),
        (
            "a later failure proves that it happened",
            next_failure(&acting),
            1,
        ),
        (
            "a later failure proves that the lost one happened",
            next_failure(&unknown),
            1,
        ),
        (
            "it succeeded while queued",
            at(2, |writer| queued.recover(None, writer)),
            0,
        ),
        (
            "it succeeded while queued in doubt",
            at(2, |writer| doubtful.recover(None, writer)),
            1,
        ),
        (
            "it succeeded while acting",
            at(2, |writer| acting.recover(None, writer)),
            1,
        ),
        (
            "it succeeded after an answer was lost",
            at(2, |writer| unknown.recover(None, writer)),
            1,
        ),
        (
            "a person ended it while queued",
            at(2, |writer| queued.terminate(None, writer)),
            0,
        ),
        (
            "a person ended it while acting",
            at(2, |writer| acting.terminate(None, writer)),
            1,
        ),
        (
            "AWS refused",
            at(2, |writer| acting.give_up(Reason::Refused, true, writer)),
            0,
        ),
        (
            "AWS refused what may have happened",
            at(2, |writer| {
                taken_over.give_up(Reason::Refused, false, writer)
            }),
            1,
        ),
        (
            "a person cancelled it",
            at(2, |writer| queued.cancel(ada(), writer)),
            0,
        ),
        (
            "a person cancelled what was put off",
            at(2, |writer| busy.cancel(ada(), writer)),
            0,
        ),
        (
            "a person cancelled what may have happened",
            at(2, |writer| doubtful.cancel(ada(), writer)),
            1,
        ),
        (
            "a later failure follows a cancelled one",
            next_failure(&at(1, |writer| queued.cancel(ada(), writer)).unwrap()),
            0,
        ),
        (
            "AWS took it",
            at(2, |writer| acting.accept(None, writer)),
            1,
        ),
        ("it was busy", Ok(busy.clone()), 1),
        ("the answer was lost", Ok(unknown.clone()), 1),
        (
            "the lost one turned out to have happened",
            at(2, |writer| unknown.take_over(writer)?.confirm(writer)),
            1,
        ),
    ] {
        let entry = entry.unwrap();
        assert_eq!(
            (entry.rule_usage("p", "r"), entry.retries),
            (expected, expected),
            "{what}"
        );
    }
    // Counts never go below zero.
    let mut strange = queued.clone();
    strange.retries = 0;
    strange.rule_usage.clear();
    let entry = at(1, |writer| strange.terminate(None, writer)).unwrap();
    assert_eq!((entry.rule_usage("p", "r"), entry.retries), (0, 0));
}

#[test]
fn an_executions_failures_are_ordered_by_their_redrive_count() {
    let entry = at(0, |writer| {
        Entry::open(decided(count(3), InitialState::Act), writer)
    });
    for (other, expected) in [
        (count(0), Relation::Earlier),
        (count(2), Relation::Earlier),
        (count(3), Relation::Same),
        (count(4), Relation::Later),
        (count(u32::MAX), Relation::Later),
        // A subject has one kind of failure ID.
        (actions(&["a"]), Relation::Earlier),
        (actions(&[]), Relation::Earlier),
    ] {
        assert_eq!(entry.relation(&other), expected, "{other:?}");
    }
}

#[test]
fn a_stages_failures_are_told_apart_by_the_actions_that_failed() {
    let first = at(0, |writer| {
        Entry::open(decided(actions(&["a1", "b1"]), InitialState::Act), writer)
    });
    let second = at(1, |writer| {
        first.judge(decided(actions(&["a2"]), InitialState::Act), writer)
    })
    .unwrap();
    let third = at(2, |writer| {
        second.judge(decided(actions(&["a3"]), InitialState::Act), writer)
    })
    .unwrap();
    for (entry, ids, expected) in [
        (&first, &["a1", "b1"][..], Relation::Same),
        // Sets grow while actions still run, and arrive in any order.
        (&first, &["a1"], Relation::Same),
        (&first, &["a1", "b1", "c1"], Relation::Same),
        (&first, &["b1", "c1"], Relation::Same),
        (&first, &["a2"], Relation::Later),
        (&second, &["a2", "b2"], Relation::Same),
        (&second, &["a1"], Relation::Earlier),
        (&second, &["b1", "c1"], Relation::Earlier),
        (&second, &["a3"], Relation::Later),
        (&third, &["a1"], Relation::Earlier),
        (&third, &["a2"], Relation::Earlier),
        (&third, &["a3"], Relation::Same),
        (&third, &["a4", "b4"], Relation::Later),
    ] {
        assert_eq!(entry.relation(&actions(ids)), expected, "{ids:?}");
    }
    assert_eq!(first.relation(&count(9)), Relation::Earlier);
    assert_eq!(third.failed_earlier(), ["a1", "a2", "b1"].into());
    let none = at(0, |writer| {
        Entry::open(decided(actions(&[]), InitialState::GiveUp), writer)
    });
    assert_eq!(none.relation(&actions(&[])), Relation::Same);
    assert_eq!(none.relation(&actions(&["a1"])), Relation::Later);
}

#[test]
fn a_stages_failure_that_nobody_has_heard_of_is_an_earlier_one_if_it_happened_before() {
    let entry = at(0, |writer| {
        Entry::open(decided(actions(&["a3"]), InitialState::Act), writer)
    });
    let failed_at = entry.failed_at;
    let before = failed_at.minus(Duration::from_millis(1));
    for (ids, at, expected) in [
        (&["a2"][..], before, Relation::Earlier),
        (&["a2"], failed_at, Relation::Later),
        (
            &["a4"],
            failed_at.plus(Duration::from_secs(9)),
            Relation::Later,
        ),
        // The same failure stays the same at any time.
        (&["a3", "b3"], before, Relation::Same),
    ] {
        assert_eq!(entry.relation_at(&actions(ids), at), expected, "{ids:?}");
    }
    // An execution's failures are numbered.
    let execution = at(0, |writer| {
        Entry::open(decided(count(1), InitialState::Act), writer)
    });
    assert_eq!(
        execution.relation_at(&count(2), Time::default()),
        Relation::Later
    );
}

#[test]
fn what_ended_before_aws_redrove_an_execution_is_what_that_redrive_restarted() {
    let redriven = second(60);
    let entry = at(0, |writer| {
        Entry::open(decided(count(1), InitialState::Act), writer)
    });
    let entry = Entry::restored(EntryFields {
        redriven: Some(redriven),
        ..(*entry).clone()
    });
    let millis = Duration::from_millis;
    for (ended, expected) in [
        (redriven.minus(millis(1_001)), Relation::Earlier),
        // AWS: a date with whole seconds may belong to a moment just after it.
        (redriven.minus(millis(1_000)), Relation::Later),
        (redriven.plus(millis(1)), Relation::Later),
    ] {
        assert_eq!(entry.relation_at(&count(2), ended), expected, "{ended:?}");
    }
    assert_eq!(
        entry.relation_at(&count(1), Time::default()),
        Relation::Same
    );
    // `redriven` belongs to the retry of that failure, and not to a later one.
    let later = at(90, |writer| {
        entry.judge(decided(count(2), InitialState::Queue), writer)
    });
    assert_eq!(later.unwrap().redriven, None);
}

#[test]
fn earlier_failures_are_kept_as_attempts() {
    let first = opened(InitialState::Act);
    let refused = at(1, |writer| {
        first.give_up(Reason::NotRedrivable, true, writer)
    })
    .unwrap();
    let mut again = decided(count(1), InitialState::Queue);
    again.failed_at = second(5);
    let second_entry = at(6, |writer| refused.judge(again, writer)).unwrap();
    assert_eq!(
        second_entry.attempts,
        [Attempt {
            failure_id: count(0),
            failed_at: second(0),
            verdict: first.verdict.clone(),
            state: State::GivenUp,
            reason: Some(Reason::NotRedrivable),
            cancelled: None,
            in_doubt: false,
        }]
    );
    assert_eq!(
        (second_entry.failed_at, second_entry.reason),
        (second(5), None)
    );
    assert_eq!(second_entry.failure_id, count(1));
    let third = at(7, |writer| {
        second_entry.judge(decided(count(2), InitialState::GiveUp), writer)
    })
    .unwrap();
    let told: Vec<(FailureId, State)> = third
        .attempts
        .iter()
        .map(|a| (a.failure_id.clone(), a.state))
        .collect();
    assert_eq!(
        told,
        [(count(0), State::GivenUp), (count(1), State::Queued)]
    );
    // A success with a later count adds an attempt. A success without a count, or with the same count, does not.
    let more = |failure_id| {
        let entry = at(8, |writer| third.recover(failure_id, writer)).unwrap();
        (entry.attempts.len(), entry.failure_id.clone())
    };
    assert_eq!(more(Some(count(3))), (3, count(3)));
    assert_eq!(more(Some(count(2))), (2, count(2)));
    assert_eq!(more(None), (2, count(2)));
}

#[test]
fn who_cancelled_a_retry_is_told_of_that_failure_alone() {
    let cancelled = at(1, |writer| {
        opened(InitialState::Queue).cancel(ada(), writer)
    })
    .unwrap();
    assert_eq!(
        (cancelled.reason(), &cancelled.cancelled),
        (Reason::Cancelled, &Some(ada()))
    );
    assert_eq!((cancelled.due_at, cancelled.next_check_at), (None, None));
    let later = at(2, |writer| {
        cancelled.judge(decided(count(1), InitialState::Act), writer)
    });
    let succeeded = at(2, |writer| cancelled.recover(Some(count(1)), writer));
    let ended = at(2, |writer| cancelled.terminate(Some(count(1)), writer));
    for entry in [later, succeeded, ended] {
        let entry = entry.unwrap();
        assert_eq!((entry.reason, &entry.cancelled), (None, &None));
        assert_eq!(entry.attempts[0].reason, Some(Reason::Cancelled));
        assert_eq!(entry.attempts[0].cancelled, Some(ada()));
    }
    // A success of the same run keeps the cancellation.
    let same = at(2, |writer| cancelled.recover(Some(count(0)), writer)).unwrap();
    assert_eq!(same.cancelled, Some(ada()));
}

#[test]
fn a_new_failure_begins_with_a_clean_slate() {
    let entry = opened(InitialState::Act);
    let doubtful = at(1, |writer| {
        entry.take_over(writer).unwrap().back_off(writer)
    })
    .unwrap();
    assert!(doubtful.in_doubt && doubtful.throttled.is_some());
    let next = at(2, |writer| {
        doubtful.judge(decided(count(1), InitialState::Act), writer)
    })
    .unwrap();
    assert!(!next.in_doubt);
    assert_eq!((next.throttled, next.reason), (None, None));
}

#[test]
fn a_busy_target_is_tried_less_and_less_often_and_given_up_after_a_day() {
    let mut entry = opened(InitialState::Act);
    let mut now = 0;
    let mut waits = Vec::new();
    let reason = loop {
        entry = at(now, |writer| entry.back_off(writer)).unwrap();
        if entry.state != State::Queued {
            break entry.reason();
        }
        let due = entry.due_at.unwrap();
        // The entry waits in the due index without a message.
        assert_eq!(entry.next_check_at, Some(due));
        assert_eq!(entry.throttled.map(|busy| busy.since), Some(second(0)));
        let wait = due.since(second(now)).as_secs();
        waits.push(wait);
        now += wait;
        entry = at(now, |writer| entry.claim(writer)).unwrap();
    };
    assert_eq!(waits[..6], [60, 120, 240, 480, 900, 900]);
    assert!(waits[6..].iter().all(|wait| *wait == 900));
    assert!((24 * 3600..24 * 3600 + 900).contains(&now), "{now}");
    assert_eq!(waits.len(), 99);
    assert_eq!(
        (reason, entry.state, entry.retries),
        (Reason::TargetBusy, State::GivenUp, 0)
    );
}

#[test]
fn a_busy_target_is_given_up_at_the_very_second_and_in_doubt_stays_charged() {
    for (seconds, in_doubt, expected) in [
        (24 * 3600 - 1, false, (State::Queued, 1)),
        (24 * 3600, false, (State::GivenUp, 0)),
        (24 * 3600, true, (State::GivenUp, 1)),
    ] {
        let entry = Entry::restored(EntryFields {
            in_doubt,
            throttled: Some(Throttling {
                since: second(0),
                times: u32::MAX,
            }),
            ..(*opened(InitialState::Act)).clone()
        });
        let entry = at(seconds, |writer| entry.back_off(writer)).unwrap();
        assert_eq!((entry.state, entry.retries), expected, "{seconds}");
    }
}

#[test]
fn what_aws_denies_us_is_kept_for_as_long_as_aws_would_redrive_it() {
    let mut entry = opened(InitialState::Act);
    for days in 0..14 {
        let now = days * 24 * 3600;
        entry = at(now, |writer| entry.back_off_denied(writer)).unwrap();
        assert_eq!(
            (entry.state, entry.due_at),
            (State::Queued, Some(second(now + 900)))
        );
        assert_eq!((entry.next_check_at, entry.throttled), (entry.due_at, None));
        entry = at(now, |writer| entry.claim(writer)).unwrap();
    }
    assert_eq!(entry.retries, 1);
    let over = at(14 * 24 * 3600, |writer| entry.back_off_denied(writer)).unwrap();
    assert_eq!(
        (over.state, over.reason()),
        (State::GivenUp, Reason::NotRedrivable)
    );
    assert_eq!((over.retries, over.next_check_at), (0, None));
}

#[test]
fn the_queue_keeps_what_it_can_and_the_due_index_the_rest() {
    for (delay, next_check_at) in [
        (1, 1 + 300),
        (900, 900 + 300),
        // The sweep checks the entry once the queue can hold the rest of the delay.
        (901, 1),
        (3600, 2700),
        (1_209_600, 1_208_700),
    ] {
        let mut judged = decided(count(0), InitialState::Queue);
        judged.verdict.delay_seconds = delay;
        let entry = at(0, |writer| Entry::open(judged, writer));
        assert_eq!(entry.due_at, Some(second(u64::from(delay))));
        assert_eq!(entry.next_check_at, Some(second(next_check_at)), "{delay}");
    }
}

#[test]
fn a_requeued_retry_keeps_its_time() {
    let mut judged = decided(count(0), InitialState::Queue);
    judged.verdict.delay_seconds = 3600;
    let entry = at(0, |writer| Entry::open(judged, writer));
    for (now, due, delay, next_check_at) in [
        // The delay is still too long for the queue.
        (0, 3600, 3600, 2700),
        (2699, 3600, 901, 2700),
        (2700, 3600, 900, 3900),
        (3599, 3600, 1, 3900),
        (3600, 3600, 0, 3900),
        // A late retry is due at once, and is checked again once it is overdue.
        (9999, 9999, 0, 10_299),
    ] {
        let (after, sent) = at(now, |writer| entry.requeue(writer)).unwrap();
        assert_eq!(sent, Duration::from_secs(delay), "{now}");
        assert_eq!(
            (after.due_at, after.next_check_at),
            (Some(second(due)), Some(second(next_check_at))),
            "{now}"
        );
        assert_eq!(after.revision, 2);
        // RACE: the first message against the second. The messages are equal, so the first one to arrive claims.
        assert_eq!(after.retry_message(), entry.retry_message());
        assert_eq!((after.rule_usage("p", "r"), after.retries), (1, 1));
    }
}

#[test]
fn who_acts_holds_a_lease() {
    let entry = by("two", 7, |writer| opened(InitialState::Queue).claim(writer)).unwrap();
    assert_eq!(
        entry.lease,
        Some(Lease {
            owner: owner("two"),
            until: second(427),
        })
    );
    assert_eq!(
        (entry.next_check_at, entry.in_doubt),
        (Some(second(427)), false)
    );
    // The sweep checks a retry in doubt once no late answer can change it.
    let lost = by("two", 9, |writer| entry.mark_in_doubt(writer)).unwrap();
    assert_eq!(
        (lost.next_check_at, lost.in_doubt),
        (Some(second(427)), true)
    );
    let taken = by("three", 430, |writer| lost.take_over(writer)).unwrap();
    assert_eq!(
        taken.lease.as_ref().map(|lease| &lease.owner),
        Some(&owner("three"))
    );
    assert_eq!(
        (taken.next_check_at, taken.in_doubt),
        (Some(second(850)), true)
    );
    assert!(
        at(431, |writer| taken.accept(None, writer))
            .unwrap()
            .in_doubt
    );
}

#[test]
fn a_retry_message_is_for_one_failure_and_one_time() {
    let mut judged = decided(count(0), InitialState::Queue);
    judged.verdict.delay_seconds = 300;
    let entry = at(0, |writer| Entry::open(judged, writer));
    let retry_message = entry.retry_message();
    for (now, due) in [
        (0, false),
        (239, false),
        (240, true),
        (300, true),
        (9_999, true),
    ] {
        assert_eq!(entry.is_due(&retry_message, second(now)), due, "{now}");
    }
    let taken = at(300, |writer| entry.claim(writer)).unwrap();
    assert!(!taken.is_due(&retry_message, second(300)), "it is taken");
    let put_off = at(301, |writer| taken.back_off(writer)).unwrap();
    assert!(
        !put_off.is_due(&retry_message, second(300)),
        "a copy of the message is not sooner than the backoff"
    );
    assert!(put_off.is_due(&retry_message, second(361)));
    let anew = at(400, |writer| {
        put_off.judge(decided(count(1), InitialState::Queue), writer)
    })
    .unwrap();
    assert!(
        !anew.is_due(&retry_message, second(99_999)),
        "another failure has another retry message"
    );
    assert!(anew.is_due(&anew.retry_message(), second(99_999)));
}

#[test]
fn a_reason_is_the_verdicts_unless_something_came_after_it() {
    let entry = opened(InitialState::Queue);
    assert_eq!(entry.reason(), Reason::Matched);
    let gone = at(1, |writer| {
        entry.give_up(Reason::PolicyChanged, true, writer)
    })
    .unwrap();
    assert_eq!(
        (gone.reason(), gone.verdict.reason),
        (Reason::PolicyChanged, Reason::Matched)
    );
    assert_eq!(opened(InitialState::GiveUp).reason(), Reason::Unmatched);
}

#[test]
fn a_client_token_is_new_for_each_redrive_and_the_same_for_each_copy() {
    let token = |arn: &str, n| {
        let judged = Decided {
            subject: Subject::Execution { arn: arn.into() },
            ..decided(count(n), InitialState::Act)
        };
        Claim(at(u64::from(n), |writer| Entry::open(judged, writer))).client_token()
    };
    let all: BTreeSet<String> = (0..1000).map(|n| token(ARN, n)).collect();
    assert_eq!(all.len(), 1000);
    assert!(!all.contains(&token(
        "arn:aws:states:eu-west-1:111122223333:execution:etl:run-2",
        0
    )));
    for one in &all {
        assert_eq!(one.len(), 64);
        assert!(
            one.bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
            "{one}"
        );
    }
    let copy = by("two", 500, |writer| {
        Entry::open(decided(count(0), InitialState::Queue), writer).claim(writer)
    })
    .unwrap();
    assert_eq!(Claim(copy).client_token(), token(ARN, 0));
    // INVARIANT: versions never change the token of a failure, since a call of an earlier version may still be in
    // flight.
    assert_eq!(
        token(ARN, 0),
        "5305c6da0d3090f7c631fa6dd8799d82836117b7ee6955e881f66c4ac835bf34"
    );
}

#[test]
fn an_entry_reads_back_as_it_was_written() {
    for state in State::ALL {
        let entry = in_state(state);
        let json = serde_json::to_string(&entry).unwrap();
        assert_eq!(
            serde_json::from_str::<Entry>(&json).unwrap(),
            entry,
            "{json}"
        );
    }
    let first = at(0, |writer| {
        Entry::open(decided(actions(&["a1", "b1"]), InitialState::Act), writer)
    });
    let busy = at(1, |writer| {
        first.take_over(writer).unwrap().back_off(writer)
    })
    .unwrap();
    let full = at(2, |writer| {
        busy.judge(decided(actions(&["a2"]), InitialState::Act), writer)
            .unwrap()
            .back_off(writer)
    })
    .unwrap();
    assert!(full.throttled.is_some() && full.due_at.is_some() && !full.attempts.is_empty());
    let json = serde_json::to_string(&full).unwrap();
    assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), full);
    let retry_message = serde_json::to_string(&full.retry_message()).unwrap();
    assert_eq!(
        serde_json::from_str::<RetryMessage>(&retry_message).unwrap(),
        full.retry_message()
    );
}

#[test]
fn an_entry_of_a_former_version_is_still_read() {
    let json = r#"{"subject":{"execution":{"arn":"arn:aws:states:eu-west-1:111122223333:execution:etl:run-1"}},
        "revision":1,"written_by":"one","updated_at":1000000,"failure_number":1,"failure_id":{"redrive_count":0},"failed_at":1000000,"state":"acting",
        "verdict":{"decision":"retry","reason":"matched","policy":"p","rules":[{"rule":"r","used":0,"limit":5}],
            "delay_seconds":0,"retry_mode":"FAILED_ACTIONS"},
        "rule_usage":{"p":{"r":1}},"retries":1,"charged":true,"next_check_at":1420000,"lease":{"owner":"one","until":1420000},"expires_at":2593000000}"#;
    let entry: Entry = serde_json::from_str(json).unwrap();
    assert_eq!(entry, opened(InitialState::Act));
    // INVARIANT: the next version reads the entries of this one, so these names stay.
    let written: serde_json::Value = serde_json::to_value(&entry).unwrap();
    let mut expected: serde_json::Value = serde_json::from_str(json).unwrap();
    expected["in_doubt"] = false.into();
    expected["prior_retries"] = 0.into();
    assert_eq!(written, expected);
    let stage = Subject::Stage {
        arn: "a".into(),
        execution_id: "e".into(),
    };
    assert_eq!(
        serde_json::to_string(&(stage, actions(&["x"]))).unwrap(),
        r#"[{"stage":{"arn":"a","execution_id":"e"}},{"failed_actions":["x"]}]"#
    );
}

#[test]
fn a_write_knows_itself_again() {
    let entry = opened(InitialState::Act);
    assert!(entry.is_write_of(&entry));
    for other in [
        Entry::restored(EntryFields {
            revision: 2,
            ..(*entry).clone()
        }),
        Entry::restored(EntryFields {
            written_by: owner("two"),
            ..(*entry).clone()
        }),
        Entry::restored(EntryFields {
            state: State::Retried,
            ..(*entry).clone()
        }),
    ] {
        assert!(!other.is_write_of(&entry));
        assert!(!entry.is_write_of(&other));
    }
}

/// A ledger with prepared answers.
struct Told {
    swap: RefCell<Vec<CasResult>>,
    take: RefCell<Vec<ClaimResult>>,
}

impl EntryStore for Told {
    async fn read(&self, _: &Subject) -> Result<Option<Entry>, Error> {
        Ok(None)
    }

    async fn put_if_revision(&self, _: &Entry) -> Result<CasResult, Error> {
        Ok(self.swap.borrow_mut().remove(0))
    }

    async fn claim_due(&self, _: &RetryMessage, _: Writer<'_>) -> Result<ClaimResult, Error> {
        Ok(self.take.borrow_mut().remove(0))
    }

    async fn due_entries(&self, _: Time, _: usize) -> Result<DueEntries, Error> {
        Ok(DueEntries::default())
    }
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

/// Returns the entry in doubt, as after a repeated write: whether its owner acted in between is unknown.
fn in_doubt(entry: &Entry) -> Entry {
    entry.doubted(true)
}

#[test]
fn only_the_writer_of_an_acting_entry_gets_the_claim() {
    let acting = opened(InitialState::Act);
    let queued = opened(InitialState::Queue);
    let theirs = by("two", 0, |writer| {
        Entry::open(decided(count(0), InitialState::Act), writer)
    });
    for (entry, swap, expected) in [
        (
            &acting,
            CasResult::Stored,
            Written::Claimed(Claim(acting.clone())),
        ),
        (&queued, CasResult::Stored, Written::Stored(queued.clone())),
        // RACE: a write against its own repetition after a lost answer. The repetition counts as stored.
        (
            &acting,
            CasResult::Conflict(Some(acting.clone())),
            Written::Claimed(Claim(in_doubt(&acting))),
        ),
        (
            &queued,
            CasResult::Conflict(Some(queued.clone())),
            Written::Stored(queued.clone()),
        ),
        (
            &acting,
            CasResult::Conflict(Some(theirs.clone())),
            Written::Conflict(Some(theirs.clone())),
        ),
        (&acting, CasResult::Conflict(None), Written::Conflict(None)),
    ] {
        let ledger = Told {
            swap: RefCell::new(vec![swap]),
            take: RefCell::default(),
        };
        assert_eq!(ready(write(&ledger, entry.clone())), Ok(expected));
    }
}

#[test]
fn a_retry_message_that_comes_twice_is_void_the_second_time() {
    let queued = opened(InitialState::Queue);
    let ours = at(1, |writer| queued.claim(writer)).unwrap();
    let theirs = by("two", 1, |writer| queued.claim(writer)).unwrap();
    let settled = at(2, |writer| ours.accept(None, writer)).unwrap();
    for (answer, expected) in [
        (
            ClaimResult::Claimed(ours.clone()),
            DueClaim::Claimed(Claim(ours.clone())),
        ),
        (ClaimResult::Refused(None), DueClaim::Gone),
        (
            ClaimResult::Refused(Some(theirs.clone())),
            DueClaim::Refused(theirs),
        ),
        (
            ClaimResult::Refused(Some(settled.clone())),
            DueClaim::Refused(settled),
        ),
        (
            ClaimResult::Refused(Some(queued.clone())),
            DueClaim::Refused(queued.clone()),
        ),
        // The owner's own claim, whose answer was lost.
        (
            ClaimResult::Refused(Some(ours.clone())),
            DueClaim::Claimed(Claim(in_doubt(&ours))),
        ),
    ] {
        let ledger = Told {
            swap: RefCell::default(),
            take: RefCell::new(vec![answer]),
        };
        let taken = at(1, |writer| {
            ready(claim_due(&ledger, &queued.retry_message(), writer))
        });
        assert_eq!(taken, Ok(expected));
    }
}

#[test]
fn charge_is_made_once_and_returned_once() {
    let queued = opened(InitialState::Queue);
    let acting = at(1, |writer| queued.claim(writer)).unwrap();
    let step = |step: &dyn Fn(Writer<'_>) -> Result<Entry, TransitionError>| at(2, step).unwrap();
    let next = |state| decided(count(1), state);
    #[rustfmt::skip]
    let rows = [
        ("given up unjudged", opened(InitialState::GiveUp), (0, false)),
        ("observed", opened(InitialState::Observe), (0, false)),
        ("acting at once", opened(InitialState::Act), (1, true)),
        ("queued", queued.clone(), (1, true)),
        ("claimed", acting.clone(), (1, true)),
        ("accepted", step(&|writer| acting.accept(None, writer)), (1, true)),
        ("in doubt", step(&|writer| acting.mark_in_doubt(writer)), (1, true)),
        ("throttled", step(&|writer| acting.back_off(writer)), (1, true)),
        ("refused", step(&|writer| acting.give_up(Reason::Refused, true, writer)), (0, false)),
        ("given up in doubt", step(&|writer| acting.give_up(Reason::Refused, false, writer)), (1, true)),
        ("cancelled", step(&|writer| queued.cancel(ada(), writer)), (0, false)),
        ("succeeded while queued", step(&|writer| queued.recover(None, writer)), (0, false)),
        ("succeeded before the call", step(&|writer| acting.recover_unsent(writer)), (0, false)),
        ("ended while acting", step(&|writer| acting.terminate(None, writer)), (1, true)),
        ("failed again while queued", step(&|writer| queued.judge(next(InitialState::Queue), writer)), (1, true)),
        ("failed again while queued, given up", step(&|writer| queued.judge(next(InitialState::GiveUp), writer)), (0, false)),
        ("failed again while acting", step(&|writer| acting.judge(next(InitialState::Queue), writer)), (2, true)),
        ("failed again while acting, given up", step(&|writer| acting.judge(next(InitialState::GiveUp), writer)), (1, false)),
    ];
    for (story, entry, expected) in rows {
        assert_eq!((entry.retries, entry.charged), expected, "{story}");
        // Whatever comes next, a charge that was returned stays returned.
        for later in [
            at(3, |writer| entry.recover_unsent(writer)),
            at(3, |writer| {
                entry.judge(decided(count(2), InitialState::GiveUp), writer)
            }),
        ] {
            let left = later.map_or(entry.retries, |later| later.retries);
            let least = entry.retries - u32::from(entry.charged);
            assert!(left >= least, "{story}: {left}");
        }
    }
}
