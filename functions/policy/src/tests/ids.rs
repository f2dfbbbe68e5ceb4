//! Tests of the generated ids that the counts in the ledger depend on.

use super::*;

#[test]
fn a_rules_id_follows_from_its_conditions_alone() {
    let id = |text: &str| rule(text).id;
    let base = id("{error: [A, B], cause: '*x*', not: {error: C, cause: y}}");
    assert_eq!(base.len(), "rule-".len() + 10);
    for same in [
        "{cause: '*x*', error: [A, B], not: {cause: y, error: C}}",
        "{error: [B, A], cause: '*x*', not: {error: C, cause: y}}",
        "{error: [A, B, A], cause: ['*x*'], not: {error: [C], cause: y}}",
        "{error: [A, B], cause: '*X*', not: {error: C, cause: Y}}",
        "{error: [A, B], cause: '*x*', not: {error: C, cause: y}, limit: 9}",
        "{error: [A, B], cause: '*x*', not: {error: C, cause: y}, backoff: {interval_seconds: 1}, description: r, retry_mode: ALL_ACTIONS}",
    ] {
        assert_eq!(id(same), base, "{same}");
    }
    for other in [
        "{error: [A, B, D], cause: '*x*', not: {error: C, cause: y}}",
        "{error: [a, B], cause: '*x*', not: {error: C, cause: y}}",
        "{error: 'A,B', cause: '*x*', not: {error: C, cause: y}}",
        "{error: [A, B], cause: '*x*', not: {error: C}}",
        "{error: [A, B], cause: '*x*'}",
        "{error: [A, B, C], cause: ['*x*', y]}",
        "{not: {error: [A, B], cause: '*x*'}}",
        "{}",
    ] {
        assert_ne!(id(other), base, "{other}");
    }
    let ids = |text: &str| -> Vec<String> {
        read(text).policies[0]
            .automatic
            .iter()
            .map(|rule| rule.id.clone())
            .collect()
    };
    let forth = ids("version: 1\nretry: {automatic: [{error: A}, {cause: B, limit: 1}, {}]}");
    let mut back = ids("version: 1\nretry: {automatic: [{}, {cause: b}, {error: A, limit: 0}]}");
    back.reverse();
    assert_eq!(forth, back);
    assert_eq!(ids("version: 1\nretry: {automatic: true}"), [id("{}")]);
    assert_eq!(id("{error: A, id: mine}"), "mine");
    // INVARIANT: these ids never change, since counts in the ledger depend on them.
    assert_eq!(id("{}"), "rule-af5570f5a1");
}

#[test]
fn each_way_to_write_a_condition_has_one_id() {
    let id = |text: &str| rule(text).id;
    for (one, other) in [
        ("{exit_status: [1, -1]}", "{exit_status: ['-1', 1, 0x1]}"),
        ("{signal: SIGKILL}", "{signal: [kill, sigkill]}"),
        ("{signal_reason: Agent_Stop}", "{signal_reason: agent_stop}"),
        ("{mode: legacy}", "{mode: legacy, max_attempts: 3}"),
        (
            "{mode: legacy, limit: 1}",
            "{backoff: {interval_seconds: 1}, mode: [legacy]}",
        ),
        ("{http_status: [503, 500]}", "{http_status: [500, 503]}"),
        ("{state: a, resource: b}", "{resource: b, state: a}"),
    ] {
        assert_eq!(id(one), id(other), "{one} and {other}");
    }
    let texts = [
        "{exit_status: 1}",
        "{http_status: 100}",
        "{exit_status: 100}",
        "{exit_status: '*'}",
        "{exit_status: none}",
        "{signal: 'SIG*'}",
        "{signal: '*'}",
        "{signal: none}",
        "{signal_reason: cancel}",
        "{signal_reason: none}",
        "{mode: standard}",
        "{mode: adaptive}",
        "{state: a}",
        "{state: A}",
        "{resource: a}",
        "{not: {state: a}}",
    ];
    let ids: BTreeSet<String> = texts.iter().map(|text| id(text)).collect();
    assert_eq!(ids.len(), texts.len());
    // INVARIANT: the ids of the other keys never change either.
    assert_eq!(id("{exit_status: [-1, 137]}"), "rule-29bee453fd");
    assert_eq!(id("{mode: standard}"), "rule-2fabd52675");
}
