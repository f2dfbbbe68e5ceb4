//! Tests of the exact text of every warning that reading gives.

use super::*;

fn warned(text: &str) -> Vec<String> {
    let checked = Document::read(text);
    assert!(checked.document.is_ok(), "{text}: {:?}", checked.document);
    assert!(
        checked
            .warnings
            .iter()
            .all(|warning| warning.severity == Severity::Warning)
    );
    checked.warnings.iter().map(ToString::to_string).collect()
}

const REASONS: &str = "agent_stop, cancel, process_run_error, stack_error, agent_refused, agent_incompatible or signature_rejected";

#[test]
fn surprising_documents_get_warnings() {
    let by_hand = "manual: false applies only to redrive's own commands; the consoles and APIs of Step Functions and CodePipeline can still retry";
    let on_passed = "permit_on_passed: true has no effect: neither Step Functions nor CodePipeline can retry a success";
    for (retry, expected) in [
        ("{automatic: {exit_status: '-1'}}", vec!["2:34: exit_status: the text \"-1\" is read as the number -1; write it without quotes".to_string()]),
        ("{automatic: {exit_status: [1, '007']}}", vec!["2:38: exit_status: the text \"007\" is read as the number 7; write it without quotes".into()]),
        ("{automatic: {not: {exit_status: '5'}}}", vec!["2:40: exit_status: the text \"5\" is read as the number 5; write it without quotes".into()]),
        ("{automatic: {mode: adaptive}}", vec!["2:27: mode: adaptive behaves as standard: redrive does not pace retries yet".into()]),
        ("{automatic: {signal_reason: agent_stopp}}", vec![format!("2:36: signal_reason: \"agent_stopp\" is none of {REASONS}, so it never matches; did you mean \"agent_stop\"?")]),
        ("{automatic: {signal_reason: [cancel, spot]}}", vec![format!("2:45: signal_reason: \"spot\" is none of {REASONS}, so it never matches")]),
        ("{automatic: 'true'}", vec!["2:20: automatic: the text \"true\" is read as true; write it without quotes".into()]),
        ("{manual: false}", vec![format!("2:17: {by_hand}")]),
        ("{manual: {allowed: false, reason: r}}", vec![format!("2:27: {by_hand}")]),
        ("{manual: 'false'}", vec!["2:17: manual: the text \"false\" is read as false; write it without quotes".into(), format!("2:17: {by_hand}")]),
        ("{manual: {permit_on_passed: true}}", vec![format!("2:36: {on_passed}")]),
        ("{manual: {permit_on_passed: false, allowed: true}}", vec![]),
        ("{manual: true}", vec![]),
        ("{automatic: [{exit_status: [-1, 255, '*', none]}, {signal_reason: [CANCEL, none, '*']}, {mode: [legacy, standard]}]}", vec![]),
    ] {
        let text = format!("version: 1\nretry: {retry}");
        // The place of the node behind `retry: ` on the second line.
        let expected: Vec<String> = expected;
        assert_eq!(warned(&text), expected, "{text}");
    }
}

#[test]
fn warnings_appear_beside_errors_and_refuse_no_document() {
    let text =
        "version: 1\nretry: {automatic: [{exit_status: '1'}, {limit: 11}, {mode: adaptive}]}";
    let checked = Document::read(text);
    assert_eq!(
        checked.document.unwrap_err().to_string(),
        "2:49: limit: expected a whole number from 0 to 10, read the number 11"
    );
    assert_eq!(checked.warnings.len(), 2);
    assert!(Document::parse("version: 1\nretry: {automatic: {mode: adaptive}}").is_ok());
}
