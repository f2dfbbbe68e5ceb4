//! Tests of the policy that applies to a target.

use super::*;

#[test]
fn a_policy_covers_what_its_match_names() {
    let scope = |text: &str| {
        let document = read(&format!(
            "version: 1\npolicies: [{{name: a, match: {text}, retry: {{}}}}]"
        ));
        document.policies.into_iter().next().unwrap().scope
    };
    let etl = run("etl-orders");
    let web = stage_of("web-shop");
    for (text, on_etl, on_web) in [
        ("{}", true, true),
        ("{state_machine: etl-orders}", true, false),
        ("{state_machine: \"etl-*\"}", true, false),
        ("{state_machine: [x, \"*-orders\"]}", true, false),
        ("{state_machine: ETL-ORDERS}", false, false),
        ("{state_machine: etl}", false, false),
        ("{pipeline: \"web-*\"}", false, true),
        ("{pipeline: [a, b]}", false, false),
        // The two keys are alternatives by service.
        (
            "{state_machine: \"etl-*\", pipeline: \"web-*\"}",
            true,
            true,
        ),
        ("{state_machine: \"*\", pipeline: x}", true, false),
        ("{account: \"111122223333\"}", true, true),
        ("{account: \"000000000000\"}", false, false),
        (
            "{account: [\"000000000000\", \"111122223333\"]}",
            true,
            true,
        ),
        ("{region: eu-west-1}", true, true),
        ("{region: [\"us-*\", \"eu-*\"]}", true, true),
        ("{region: \"us-*\"}", false, false),
        ("{state_machine: \"etl-*\", region: \"us-*\"}", false, false),
        (
            "{pipeline: \"web-*\", account: \"000000000000\"}",
            false,
            false,
        ),
    ] {
        let scope = scope(text);
        assert_eq!(
            (scope.covers(etl), scope.covers(web)),
            (on_etl, on_web),
            "{text}"
        );
    }
}

#[test]
fn only_the_first_matching_policy_applies() {
    let document = read(
        "version: 1\npolicies:\n- {name: a, match: {state_machine: x}, retry: {}}\n- {name: b, match: {state_machine: \"*\"}, retry: {}}\n- {name: c, match: {}, retry: {}}\n",
    );
    let name = |subject| {
        document
            .policy_for(subject)
            .map(|policy| policy.name.as_str())
    };
    assert_eq!(name(run("x")), Some("a"));
    assert_eq!(name(run("y")), Some("b"));
    assert_eq!(name(stage_of("x")), Some("c"));
    let etl_only = read("version: 1\npolicies: [{name: a, match: {state_machine: x}, retry: {}}]");
    assert_eq!(etl_only.policy_for(run("y")), None);
    assert_eq!(etl_only.policy_for(stage_of("x")), None);
}
