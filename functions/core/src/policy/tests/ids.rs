//! The ids that counts hang on.

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
        "{error: [A, B], cause: '*x*', not: {error: C, cause: y}, backoff: {interval_seconds: 1}, reason: r, retry_mode: ALL_ACTIONS}",
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
    // Counts in the ledger hang on these words: they must never change.
    assert_eq!(id("{}"), "rule-af5570f5a1");
}
