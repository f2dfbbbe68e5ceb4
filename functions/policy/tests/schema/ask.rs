//! What the core itself says is allowed, taken from how it refuses what is not.

use redrive_policy::Document;

/// The core's first answer to a document of which one place is wrong.
fn answer(document: &str) -> String {
    let problems = Document::parse(document).unwrap_err();
    problems.0[0].message.clone()
}

/// `a, b or c` behind `before`, as words.
fn listed(document: &str, before: &str) -> Vec<String> {
    let answer = answer(document);
    let (_, list) = answer.split_once(before).expect(&answer);
    let list = list.split(';').next().unwrap();
    list.split(", ")
        .flat_map(|part| part.split(" or "))
        .map(str::to_owned)
        .collect()
}

/// The keys of the mapping in which `document` has one named `-`, which nothing is close to.
pub(crate) fn keys(document: &str) -> Vec<String> {
    listed(document, "the keys here are ")
}

/// The words that a document could have had where it has none of them.
pub(crate) fn words(document: &str) -> Vec<String> {
    let document = document.replace('?', "'-'");
    let list = listed(&document, "expected ");
    list.into_iter()
        .filter(|word| !word.starts_with("read "))
        .collect()
}

/// The reasons that a signal can have.
pub(crate) fn signal_reasons() -> Vec<String> {
    let answer = answer("version: 1\nretry: {automatic: {signal_reason: 'x*'}}");
    let (_, list) = answer.split_once("name ").expect(&answer);
    list.split(", ")
        .flat_map(|part| part.split(" or "))
        .map(str::to_owned)
        .collect()
}

/// The least and the most that may stand for `?`.
pub(crate) fn bounds(document: &str) -> (i64, i64) {
    let answer = answer(&document.replace('?', "'-'"));
    let (_, range) = answer.split_once("number from ").expect(&answer);
    let (least, rest) = range.split_once(" to ").unwrap();
    let most: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (least.parse().unwrap(), most.parse().unwrap())
}
