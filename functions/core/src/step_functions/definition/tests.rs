use super::*;
use crate::failure::{ExecutionStatus, Redrivable};

pub(crate) const MACHINE: &str = "arn:aws:states:eu-west-1:111122223333:stateMachine:etl";

fn error(name: &str) -> Field<String> {
    Field::Known(name.into())
}

fn read(states: &str) -> FailStates {
    FailStates::read(&alloc::format!(
        r#"{{"StartAt":"A","States":{{{states}}}}}"#
    ))
    .unwrap()
}

#[test]
fn only_fail_states_with_this_error_may_have_ended_it() {
    let task = r#""A":{"Type":"Task","End":true}"#;
    let literal = r#""F":{"Type":"Fail","Error":"Own.Error"}"#;
    #[rustfmt::skip]
    let table = [
        (task, false, false, false, false),
        (literal, true, false, false, true),
        (r#""F":{"Type":"Fail"}"#, false, false, true, true),
        (r#""F":{"Type":"Fail","ErrorPath":"$.Error"}"#, true, true, true, true),
        (r#""F":{"Type":"Fail","Error":"{% $states.input.Error %}"}"#, true, true, true, true),
        (r#""P":{"Type":"Parallel","Branches":[{"States":{"F":{"Type":"Fail","Error":"Own.Error"}}}]}"#, true, false, false, true),
        (r#""M":{"Type":"Map","ItemProcessor":{"States":{"F":{"Type":"Fail","Error":"Own.Error"}}}}"#, true, false, false, true),
        (r#""M":{"Type":"Map","Iterator":{"States":{"F":{"Type":"Fail","Error":"Own.Error"}}}}"#, true, false, false, true),
    ];
    for (states, of_own, of_other, of_none, of_unknown) in table {
        let found = read(states);
        for (field, expected) in [
            (error("Own.Error"), of_own),
            (error("Lambda.TooManyRequestsException"), of_other),
            (Field::Absent, of_none),
            (Field::Redacted, of_unknown),
            (Field::Unknown, of_unknown),
        ] {
            assert_eq!(found.may_end_with(&field), expected, "{states} {field:?}");
        }
    }
    for nonsense in ["", "{}", "[]", "{\"States\""] {
        assert_eq!(FailStates::read(nonsense), None);
    }
}

pub(crate) fn execution(started: u64, version: Option<&str>) -> FailedExecution {
    FailedExecution {
        status: ExecutionStatus::Failed,
        redrive_count: Field::Known(0),
        redrivable: Field::Known(Redrivable::Yes),
        started: Some(Time::from_millis(started)),
        state_machine_arn: Some(MACHINE.into()),
        version_arn: version.map(Into::into),
        error: error("Own.Error"),
        cause: Field::Absent,
        parent: Field::Absent,
        fail_state: Field::Unknown,
        state: Field::Unknown,
        resource: Field::Unknown,
        changed_since: None,
    }
}

fn revision(id: Option<&str>, since: u64, states: &str) -> Revision {
    Revision {
        id: id.map(Into::into),
        since: Time::from_millis(since),
        fail_states: read(states),
    }
}

const NO_FAIL: &str = r#""A":{"Type":"Task","End":true}"#;
const FAILS: &str = r#""F":{"Type":"Fail","Error":"Own.Error"}"#;

fn at(ms: u64) -> Time {
    Time::from_millis(ms)
}

#[test]
fn definition_serves_later_executions_of_an_unchanged_machine() {
    let mut machines = Machines::default();
    let first = execution(100_000, None);
    assert_eq!(machines.fail_state_answer(&first), FailStateAnswer::Unknown);
    assert_eq!(
        machines.learn(&first, revision(Some("r1"), 0, NO_FAIL)),
        FailStateAnswer::NoFailState
    );
    assert_eq!(
        machines.fail_state_answer(&first),
        FailStateAnswer::Unconfirmed
    );
    machines.confirm(MACHINE, Some("r1"), at(100_000));
    for (started, answer) in [
        // The execution started before the update had settled, so its definition is unknown.
        (59_999, FailStateAnswer::Unknown),
        (60_000, FailStateAnswer::NoFailState),
        (160_000, FailStateAnswer::NoFailState),
        (160_001, FailStateAnswer::Unconfirmed),
    ] {
        assert_eq!(
            machines.fail_state_answer(&execution(started, None)),
            answer,
            "{started}"
        );
    }
    // Learning the same revision again, or an earlier confirmation, changes nothing.
    machines.learn(&first, revision(Some("r1"), 0, NO_FAIL));
    machines.confirm(MACHINE, Some("r1"), at(90_000));
    assert_eq!(
        machines.fail_state_answer(&execution(160_000, None)),
        FailStateAnswer::NoFailState
    );
    // An update removes the cached definition.
    machines.confirm(MACHINE, Some("r2"), at(200_000));
    assert_eq!(machines.fail_state_answer(&first), FailStateAnswer::Unknown);
    // A machine that was never updated has no revision id, and its definition stays valid.
    machines.learn(&first, revision(None, 0, FAILS));
    machines.confirm(MACHINE, None, at(200_000));
    assert_eq!(machines.fail_state_answer(&first), FailStateAnswer::MayBe);
}

#[test]
fn version_is_cached_for_ever_and_old_executions_overrule_nothing() {
    let mut machines = Machines::default();
    let version = alloc::format!("{MACHINE}:3");
    machines.learn(&execution(0, Some(&version)), revision(None, 0, NO_FAIL));
    assert_eq!(
        machines.fail_state_answer(&execution(u64::MAX, Some(&version))),
        FailStateAnswer::NoFailState
    );
    assert_eq!(
        machines.fail_state_answer(&execution(100_000, None)),
        FailStateAnswer::Unknown
    );

    let young = execution(900_000, None);
    machines.learn(&young, revision(Some("r2"), 500_000, FAILS));
    machines.confirm(MACHINE, Some("r2"), at(900_000));
    let old = execution(100_000, None);
    assert_eq!(
        machines.learn(&old, revision(Some("r1"), 0, NO_FAIL)),
        FailStateAnswer::NoFailState
    );
    assert_eq!(machines.fail_state_answer(&young), FailStateAnswer::MayBe);
}

#[test]
fn cached_definition_replaces_older_and_confirms_equal_ones() {
    let known = |id, since, confirmed: Option<u64>, states| CachedDefinition {
        revision: revision(Some(id), since, states),
        confirmed: confirmed.map(at),
    };
    let young = execution(900_000, None);
    for (own, recalled, answer) in [
        (
            None,
            known("r1", 0, Some(840_000), NO_FAIL),
            FailStateAnswer::NoFailState,
        ),
        (
            None,
            known("r1", 0, Some(839_999), NO_FAIL),
            FailStateAnswer::Unconfirmed,
        ),
        (
            None,
            known("r1", 0, None, NO_FAIL),
            FailStateAnswer::Unconfirmed,
        ),
        (
            Some(known("r1", 0, Some(100_000), NO_FAIL)),
            known("r1", 0, Some(840_000), NO_FAIL),
            FailStateAnswer::NoFailState,
        ),
        (
            Some(known("r1", 0, Some(840_000), NO_FAIL)),
            known("r1", 0, None, NO_FAIL),
            FailStateAnswer::NoFailState,
        ),
        // Another process has seen an update.
        (
            Some(known("r1", 0, Some(840_000), NO_FAIL)),
            known("r2", 500_000, None, FAILS),
            FailStateAnswer::Unconfirmed,
        ),
        (
            Some(known("r1", 0, Some(840_000), NO_FAIL)),
            known("r2", 500_000, Some(890_000), FAILS),
            FailStateAnswer::MayBe,
        ),
        // Another process has not seen the update.
        (
            Some(known("r2", 500_000, Some(890_000), FAILS)),
            known("r1", 0, Some(890_000), NO_FAIL),
            FailStateAnswer::MayBe,
        ),
    ] {
        let mut machines = Machines::default();
        let words = alloc::format!("{own:?} {recalled:?}");
        machines.known.extend(own.map(|own| (MACHINE.into(), own)));
        machines.recall(MACHINE, recalled);
        assert_eq!(machines.fail_state_answer(&young), answer, "{words}");
    }
}

#[test]
fn confirmation_has_the_earliest_certain_time() {
    let hour = 3_600_000;
    for (started, failed, now, expected) in [
        // The process's clock is off by about five minutes at most.
        (hour, hour + 1_000, hour + 1_500, hour + 1_000),
        (hour, hour + 1_000, hour - 299_000, hour + 1_000),
        (hour, hour + 1_000, hour + 301_000, hour + 1_000),
        // The execution failed long ago.
        (hour, hour + 1_000, 2 * hour, 2 * hour - 300_000),
        // The event's time has no milliseconds.
        (hour + 700, hour, hour, hour + 700),
    ] {
        let execution = execution(started, None);
        assert_eq!(past(&execution, at(failed), at(now)), at(expected));
    }
}

#[test]
fn a_machine_with_too_many_errors_is_not_noted() {
    for (many, may) in [
        (MAX_CACHED_ERRORS as u64, true),
        (MAX_CACHED_ERRORS as u64 + 1, false),
    ] {
        let mut known = CachedDefinition {
            revision: revision(None, 0, NO_FAIL),
            confirmed: None,
        };
        known.revision.fail_states.errors = (0..many).collect();
        assert_eq!(known.may_be_cached(), may);
    }
}
