//! The values that the reader allows, taken from its messages for other values.

use redrive_policy::Document;

/// Returns the first message for a document with one mistake.
fn answer(document: &str) -> String {
    let problems = Document::parse(document).unwrap_err();
    problems.0[0].message.clone()
}

/// Returns the words of a list `a, b or c` that follows `before`.
fn listed(document: &str, before: &str) -> Vec<String> {
    let answer = answer(document);
    let (_, list) = answer.split_once(before).expect(&answer);
    let list = list.split(';').next().unwrap();
    list.split(", ")
        .flat_map(|part| part.split(" or "))
        .map(str::to_owned)
        .collect()
}

/// Returns the keys of a mapping. `document` has a key `-` in it, and no known key is close to that.
pub(crate) fn keys(document: &str) -> Vec<String> {
    listed(document, "the keys here are ")
}

/// Returns the words that `document` may have in place of `?`.
pub(crate) fn words(document: &str) -> Vec<String> {
    let document = document.replace('?', "'-'");
    let list = listed(&document, "expected ");
    list.into_iter()
        .filter(|word| !word.starts_with("read "))
        .collect()
}

/// Returns the minimum and the maximum that may stand for `?`.
pub(crate) fn bounds(document: &str) -> (i64, i64) {
    let answer = answer(&document.replace('?', "'-'"));
    let (_, range) = answer.split_once("number from ").expect(&answer);
    let (least, rest) = range.split_once(" to ").unwrap();
    let most: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (least.parse().unwrap(), most.parse().unwrap())
}
