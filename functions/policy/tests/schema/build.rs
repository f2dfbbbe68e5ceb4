//! Construction of a schema from the table of conditions and the other values that the reader allows. Editors support draft 7 best.

use redrive_policy::{ConditionKey, ConditionRow, Reason, SdkRetryMode, Service, ValueKind};
use serde_json::{Map, Value, json};

use crate::{ask, descriptions};

pub(crate) fn schema() -> Value {
    let mut schema = mapping(
        "document",
        "version: 1\nretry: {}\n'-': 1",
        |key| match key {
            "version" => json!({ "const": 1 }),
            "retry" => refer("retry"),
            "policies" => json!({ "type": "array", "items": refer("policy") }),
            "never" => json!({ "type": "array", "items": refer("never") }),
            "budget" => budget(),
            "tests" => json!({ "type": "array", "items": refer("test") }),
            other => unknown(other),
        },
    );
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("A redrive policy");
    schema["required"] = json!(["version"]);
    schema["oneOf"] = json!([{ "required": ["retry"] }, { "required": ["policies"] }]);
    schema["definitions"] = json!({
        "policy": policy(),
        "retry": retry(),
        "rule": rule(),
        "never": never(),
        "not": conditions(),
        "test": test(),
        "expect": expect(),
        "failed_execution": failure("state_machine", Service::CodePipeline),
        "failed_stage": failure("pipeline", Service::StepFunctions),
    });
    schema
}

/// Returns a mapping with the keys that the reader names for an unknown key in `document`.
fn mapping(place: &str, document: &str, of: impl Fn(&str) -> Value) -> Value {
    let properties: Map<String, Value> = ask::keys(document)
        .into_iter()
        .map(|key| {
            let mut value = of(&key);
            // Draft 7 ignores the siblings of a $ref.
            if value.get("$ref").is_some() {
                value = json!({ "allOf": [value] });
            }
            value["description"] = json!(descriptions::of(place, &key));
            (key, value)
        })
        .collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn unknown(key: &str) -> Value {
    panic!("the core knows {key}, and the schema does not say what it takes")
}

fn refer(name: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{name}") })
}

fn text() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

/// Returns the schema of one value, or a list of such values.
fn some(one: &Value) -> Value {
    json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
}

fn number(document: &str) -> Value {
    let (least, most) = ask::bounds(document);
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

fn truth() -> Value {
    // The reader accepts a text with a warning.
    json!({ "enum": [true, false, "true", "false"] })
}

fn budget() -> Value {
    mapping("budget", "version: 1\nretry: {}\nbudget: {'-': 1}", |_| {
        number("version: 1\nretry: {}\nbudget: {per_execution: ?}")
    })
}

fn policy() -> Value {
    let document = "version: 1\npolicies: [{name: a, retry: {}, '-': 1}]";
    let mut policy = mapping("policy", document, |key| match key {
        "name" => text(),
        "match" => scope(),
        "retry" => refer("retry"),
        other => unknown(other),
    });
    policy["required"] = json!(["name", "retry"]);
    policy
}

fn scope() -> Value {
    let document = "version: 1\npolicies: [{name: a, retry: {}, match: {'-': 1}}]";
    mapping("match", document, |key| match key {
        "account" => some(&account()),
        _ => some(&json!({ "type": "string" })),
    })
}

fn account() -> Value {
    json!({ "type": "string", "pattern": "^[0-9]{12}$" })
}

fn retry() -> Value {
    mapping("retry", "version: 1\nretry: {'-': 1}", |key| match key {
        "automatic" => json!({ "anyOf": [
            truth(),
            refer("rule"),
            { "type": "array", "items": refer("rule") },
        ] }),
        "manual" => json!({ "anyOf": [truth(), manual()] }),
        "nested" => json!({ "enum": ask::words("version: 1\nretry: {nested: ?}") }),
        other => unknown(other),
    })
}

fn manual() -> Value {
    let document = "version: 1\nretry: {manual: {'-': 1}}";
    mapping("manual", document, |key| match key {
        "reason" => text(),
        _ => truth(),
    })
}

/// Returns a document with one line in a rule, and `?` for the value in question.
fn in_rule(line: &str) -> String {
    format!("version: 1\nretry: {{automatic: {{{line}}}}}")
}

fn rule() -> Value {
    let mut rule = mapping("rule", &in_rule("'-': 1"), |key| match key {
        "not" => refer("not"),
        "limit" => number(&in_rule("limit: ?")),
        "max_attempts" => number(&in_rule("mode: legacy, max_attempts: ?")),
        "backoff" => backoff(),
        "retry_mode" => json!({ "enum": ask::words(&in_rule("retry_mode: ?")) }),
        "id" | "description" => text(),
        condition_key => condition(condition_key),
    });
    rule["not"] = json!({ "required": ["limit", "max_attempts"] });
    rule["dependencies"] = json!({ "max_attempts": ["mode"] });
    rule
}

fn backoff() -> Value {
    let in_backoff = |line: &str| in_rule(&format!("backoff: {{{line}}}"));
    mapping("backoff", &in_backoff("'-': 1"), |key| match key {
        "backoff_rate" => {
            let (least, most) = ask::bounds(&in_backoff("backoff_rate: ?"));
            json!({ "type": "number", "minimum": least, "maximum": most })
        }
        "jitter_strategy" => json!({ "enum": ask::words(&in_backoff("jitter_strategy: ?")) }),
        key => number(&in_backoff(&format!("{key}: ?"))),
    })
}

fn never() -> Value {
    let document = "version: 1\nretry: {}\nnever: [{'-': 1}]";
    let mut never = mapping("never", document, |key| match key {
        "not" => refer("not"),
        condition_key => condition(condition_key),
    });
    never["minProperties"] = json!(1);
    never
}

fn conditions() -> Value {
    mapping("not", &in_rule("not: {'-': 1}"), condition)
}

fn row(key: &str) -> &'static ConditionRow {
    let condition_key = ConditionKey::of_word(key);
    condition_key
        .unwrap_or_else(|| panic!("{key} is neither a condition nor known to the schema"))
        .row()
}

fn condition(key: &str) -> Value {
    some(&match row(key).values {
        ValueKind::Number {
            min,
            max,
            as_buildkite,
        } => {
            let number = json!({ "type": "integer", "minimum": min, "maximum": max });
            if as_buildkite {
                // The reader accepts digits as text with a warning.
                let digits = json!({ "type": "string", "pattern": "^-?[0-9]{1,3}$" });
                json!({ "anyOf": [number, { "enum": ["*", "none"] }, digits] })
            } else {
                json!({ "anyOf": [number, { "const": "none" }] })
            }
        }
        ValueKind::Mode => json!({ "enum": SdkRetryMode::ALL.map(SdkRetryMode::as_str) }),
        ValueKind::Closed { words, .. } => json!({ "anyOf": [
            { "enum": ([words, &["*"]].concat()) },
            { "type": "string" },
        ] }),
        // Any other word matches nothing and is reported with a warning, since a newer Buildkite may have it.
        ValueKind::Open { words } => json!({ "anyOf": [
            { "enum": ([words, &["*", "none"]].concat()) },
            { "type": "string", "pattern": "^[^*]*$" },
        ] }),
        ValueKind::Text { .. } | ValueKind::Signal => json!({ "type": "string" }),
    })
}

fn in_test(line: &str) -> String {
    format!("version: 1\nretry: {{}}\ntests: [{{{line}}}]")
}

fn test() -> Value {
    let failure = json!({ "anyOf": [refer("failed_execution"), refer("failed_stage")] });
    let document = in_test("name: a, failure: {pipeline: a}, expect: retry, '-': 1");
    let mut test = mapping("test", &document, |key| match key {
        "name" => text(),
        "failure" => failure.clone(),
        "attempts" => json!({ "type": "array", "items": failure, "minItems": 1 }),
        "expect" => json!({ "anyOf": [
            refer("expect"),
            { "type": "array", "items": refer("expect"), "minItems": 1 },
        ] }),
        other => unknown(other),
    });
    test["required"] = json!(["name", "expect"]);
    test["oneOf"] = json!([{ "required": ["failure"] }, { "required": ["attempts"] }]);
    test
}

fn expect() -> Value {
    let decisions = ask::words(&in_test("name: a, failure: {pipeline: a}, expect: ?"));
    let document = in_test("name: a, failure: {pipeline: a}, expect: {'-': 1}");
    let mut map = mapping("expect", &document, |key| match key {
        "decision" => json!({ "enum": decisions }),
        "reason" => {
            let codes: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
            json!({ "enum": codes })
        }
        _ => text(),
    });
    map["minProperties"] = json!(1);
    json!({ "anyOf": [{ "enum": decisions }, map] })
}

/// Returns the schema of a failure of a `target`, without the words of the other service.
fn failure(target: &str, other: Service) -> Value {
    let document = in_test("name: a, failure: {pipeline: a, '-': 1}, expect: retry");
    let mut failure = mapping("failure", &document, |key| match key {
        "state_machine" | "pipeline" | "region" => text(),
        "account" => account(),
        condition_key => said(condition_key),
    });
    let properties = failure["properties"].as_object_mut().unwrap();
    properties.retain(|key, _| match key.as_str() {
        "state_machine" | "pipeline" => key == target,
        "account" | "region" => true,
        key => row(key).service != Some(other),
    });
    failure["required"] = json!([target]);
    failure
}

/// Returns the schema of one key in the failure of a test. `none` and null mean absent.
fn said(key: &str) -> Value {
    let value = match row(key).values {
        ValueKind::Number { min, max, .. } => {
            json!({ "type": "integer", "minimum": min, "maximum": max })
        }
        ValueKind::Open { words } => json!({ "enum": words }),
        ValueKind::Closed {
            words,
            more_in_tests,
            ..
        } => json!({ "enum": ([words, more_in_tests].concat()) }),
        ValueKind::Text { .. } | ValueKind::Signal | ValueKind::Mode => {
            return json!({ "type": ["string", "null"] });
        }
    };
    json!({ "anyOf": [value, { "enum": ["none", null] }] })
}
