//! Coverage of one set of conditions by another, reported only where it is certain.

use redrive_policy::{
    ActualValue, BY_NAME_ONLY, Condition, ConditionKey, ConditionValue, Conditions, Field, Glob,
    Match, Pattern, SdkRetryMode, Service, ValueKind, last_component,
};

/// Returns whether `former` matches every failure that `rule` matches. `service` is set where all failures are of one
/// service.
pub(super) fn covers(former: &Conditions, rule: &Conditions, service: Option<Service>) -> bool {
    let service = service.or_else(|| own_service(rule));
    let implied = |condition| is_implied(condition, rule, service);
    let harmless = |condition| is_harmless(condition, rule, service);
    former.all.iter().all(implied) && former.not.iter().all(harmless)
}

/// Returns the same for a former rule that would retry. Such a rule matches some errors only by naming them.
pub(crate) fn covers_by_name(
    former: &Conditions,
    rule: &Conditions,
    service: Option<Service>,
) -> bool {
    let names = |conditions: &Conditions, error: &str| {
        conditions
            .all
            .iter()
            .any(|condition| condition.names(error))
    };
    BY_NAME_ONLY
        .iter()
        .all(|error| !names(rule, error) || names(former, error))
        && covers(former, rule, service)
}

/// Returns the service whose keys the conditions use, or `None` for neither or both services.
pub(super) fn own_service(conditions: &Conditions) -> Option<Service> {
    conditions
        .all
        .iter()
        .find_map(|condition| condition.key.service())
}

fn of(conditions: &[Condition], key: ConditionKey) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.key == key)
}

fn is_implied(condition: &Condition, rule: &Conditions, service: Option<Service>) -> bool {
    let key = condition.key;
    if key.service().is_some_and(|own| service != Some(own)) {
        return false;
    }
    if key == ConditionKey::Mode {
        return is_mode_implied(condition, rule);
    }
    let own = of(&rule.all, key);
    if let Some(domain) = domain(key) {
        let asked: Vec<_> = domain
            .into_iter()
            .filter(|value| own.is_none_or(|own| matches(own, *value, false)))
            .collect();
        // A condition that matches nothing is reported elsewhere.
        return !asked.is_empty() && asked.iter().all(|value| matches(condition, *value, false));
    }
    match own {
        Some(own) => own.values.iter().all(|value| has(condition, value, false)),
        None => has_pattern(condition, &Pattern::Any, false),
    }
}

/// Returns whether a `not` excludes no failure that a rule matches.
fn is_harmless(not: &Condition, rule: &Conditions, service: Option<Service>) -> bool {
    let key = not.key;
    if let (Some(its), Some(service)) = (key.service(), service)
        && its != service
    {
        return true;
    }
    let excluded_too = of(&rule.not, key).is_some_and(|own| match domain(key) {
        Some(domain) => domain
            .into_iter()
            .all(|value| !matches(not, value, true) || matches(own, value, true)),
        None => not.values.iter().all(|value| has(own, value, true)),
    });
    let apart = of(&rule.all, key).is_some_and(|own| match domain(key) {
        Some(domain) => domain
            .into_iter()
            .all(|value| !matches(own, value, false) || !matches(not, value, true)),
        None => own.values.iter().all(|value| is_apart(value, not)),
    });
    excluded_too || apart
}

/// Returns whether a `not` excludes nothing that one value matches.
fn is_apart(value: &ConditionValue, not: &Condition) -> bool {
    match &value.pattern {
        Pattern::None => !matches(not, Field::Absent, true),
        Pattern::Glob(glob) => glob
            .literal()
            .is_some_and(|text| !matches(not, Field::Known(ActualValue::Text(text)), true)),
        _ => false,
    }
}

/// Returns every value of a key, where the values are few.
fn domain(key: ConditionKey) -> Option<Vec<Field<ActualValue<'static>>>> {
    let known = |actual| Field::Known(actual);
    let texts = |words: &'static [&'static str]| {
        let texts = words.iter().copied().map(ActualValue::Text);
        texts.map(known).collect::<Vec<_>>()
    };
    let mut values = match key.row().values {
        // The service never omits it.
        ValueKind::Closed { words, .. } => return Some(texts(words)),
        ValueKind::Open { words } => texts(words),
        ValueKind::Number { min, max, .. } => {
            (min..=max).map(ActualValue::Number).map(known).collect()
        }
        ValueKind::Text { .. } | ValueKind::Signal | ValueKind::Mode => return None,
    };
    values.push(Field::Absent);
    Some(values)
}

/// Returns whether a condition matches a value that is known or absent.
pub(super) fn matches(condition: &Condition, value: Field<ActualValue<'_>>, negated: bool) -> bool {
    condition
        .values
        .iter()
        .any(|own| value_matches(condition.key, own, value, negated))
}

/// Returns the same for one value of a condition.
pub(super) fn value_matches(
    key: ConditionKey,
    own: &ConditionValue,
    value: Field<ActualValue<'_>>,
    negated: bool,
) -> bool {
    // A known or absent value needs no further fact.
    own.pattern.matches(key, value, negated) == Match::Yes
}

/// Returns whether one value of a condition matches everything that `value` matches.
fn has(condition: &Condition, value: &ConditionValue, negated: bool) -> bool {
    has_pattern(condition, &value.pattern, negated)
}

fn has_pattern(condition: &Condition, asked: &Pattern, negated: bool) -> bool {
    let key = condition.key;
    let any =
        |test: &dyn Fn(&Pattern) -> bool| condition.values.iter().any(|value| test(&value.pattern));
    match asked {
        Pattern::Any => {
            let absent = any(&|own| matches!(own, Pattern::None));
            any(&|own| matches!(own, Pattern::Any))
                || ((absent || negated) && any(&|own| is_any_text(own)))
        }
        asked => any(&|own| pattern_covers(key, own, asked, negated)),
    }
}

fn pattern_covers(key: ConditionKey, own: &Pattern, asked: &Pattern, negated: bool) -> bool {
    match (own, asked) {
        // Under `not`, only `none` excludes an absent value.
        (Pattern::Any, Pattern::None) => !negated,
        (Pattern::None, Pattern::None) => true,
        (Pattern::Mode(own), Pattern::Mode(asked)) => is_same(*own, *asked),
        (own, Pattern::AnyError | Pattern::TaskFailed | Pattern::Glob(_)) if is_any_text(own) => {
            true
        }
        (Pattern::TaskFailed, Pattern::TaskFailed) => true,
        (Pattern::TaskFailed, Pattern::Glob(asked)) => !asked.matches("States.Timeout"),
        (Pattern::Glob(own), Pattern::Glob(asked)) => {
            own.covers(asked)
                || (key == ConditionKey::Signal
                    && asked.literal().is_some_and(|text| {
                        let value = Field::Known(ActualValue::Text(text));
                        let own = Pattern::Glob(own.clone());
                        own.matches(key, value, false) == Match::Yes
                    }))
        }
        _ => false,
    }
}

/// Returns whether a pattern matches every text that is present.
fn is_any_text(pattern: &Pattern) -> bool {
    match pattern {
        Pattern::Any | Pattern::AnyError => true,
        Pattern::Glob(glob) => glob.covers(&Glob::new("*", false)),
        _ => false,
    }
}

fn is_same(one: SdkRetryMode, other: SdkRetryMode) -> bool {
    (one.errors(), one.statuses()) == (other.errors(), other.statuses())
}

/// Returns whether one mode of a condition retries every failure that a rule matches, by its name or its status.
fn is_mode_implied(condition: &Condition, rule: &Conditions) -> bool {
    let modes = || {
        condition
            .values
            .iter()
            .filter_map(|value| match value.pattern {
                Pattern::Mode(mode) => Some(mode),
                _ => None,
            })
    };
    let is_retried = |value: &ConditionValue| match &value.pattern {
        Pattern::Mode(asked) => modes().any(|mode| is_same(mode, *asked)),
        Pattern::Glob(glob) => {
            last_of(glob).is_some_and(|name| modes().any(|mode| mode.errors().contains(&name)))
        }
        Pattern::Number(number) => u16::try_from(*number)
            .is_ok_and(|status| modes().any(|mode| mode.statuses().contains(&status))),
        _ => false,
    };
    [
        ConditionKey::Mode,
        ConditionKey::Error,
        ConditionKey::ErrorCode,
        ConditionKey::HttpStatus,
    ]
    .into_iter()
    .filter_map(|key| of(&rule.all, key))
    .any(|own| own.values.iter().all(is_retried))
}

/// Returns the last component of the names that a glob matches, where all have the same.
fn last_of(glob: &Glob) -> Option<&str> {
    let (_, end) = glob.ends();
    (glob.is_literal() || end.contains('.')).then(|| last_component(end))
}
