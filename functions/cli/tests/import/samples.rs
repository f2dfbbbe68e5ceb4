//! Samples of each platform, and the policies that were looked at. After a change that is meant:
//! `UPDATE_EXPECTED=1 cargo test`.

use std::path::Path;

use redrive_core::policy::Document;

use crate::command::CRATE;
use crate::import;

/// A sample, the policy that is printed, and what is said on standard error.
const SAMPLES: [(&str, &str, &str); 13] = [
    ("buildkite", "block.yml", ""),
    (
        "buildkite",
        "pipeline.yml",
        "redrive: tests/import/samples/pipeline.yml:8:27: permit_on_passed: true is left out: neither Step Functions nor CodePipeline can retry what passed\n\
         redrive: tests/import/samples/pipeline.yml:17:28: exit_status: the text \"-1\" is read as the number -1; write it without quotes\n\
         redrive: tests/import/samples/pipeline.yml:18:43: signal_reason: agent_refused is said of Buildkite's agents, and never met here\n\
         redrive: tests/import/samples/pipeline.yml:32:18: manual: false applies only to redrive's own commands; the consoles and APIs of Step Functions and CodePipeline can still retry\n",
    ),
    ("buildkite", "step.yml", ""),
    ("buildkite", "list.yml", ""),
    ("asl", "orders.asl.json", ""),
    (
        "asl",
        "limits.asl.json",
        "redrive: tests/import/samples/limits.asl.json:8:5: the longest wait, 60000000000 s, becomes 1209600 s: AWS lets an execution be redriven for 14 days\n\
         redrive: tests/import/samples/limits.asl.json:8:31: the error none is left out: none means that there is no error here\n\
         redrive: tests/import/samples/limits.asl.json:8:55: MaxAttempts 99999999 becomes limit 10: a rule retries at most 10 times\n\
         redrive: tests/import/samples/limits.asl.json:9:23: the error none is left out: none means that there is no error here\n\
         redrive: tests/import/samples/limits.asl.json:10:5: BackoffRate 200.5 becomes 100.0, the highest there is here\n",
    ),
    (
        "asl",
        "nested.asl.json",
        "redrive: tests/import/samples/nested.asl.json:36:103: the Retry of Child is left out: it is in a distributed Map, whose child executions are redriven with their parent and never judged themselves\n",
    ),
    ("asl", "branches.asl.json", ""),
    ("asl", "retriers.json", ""),
    (
        "batch",
        "strategy.json",
        "redrive: tests/import/samples/strategy.json:7:40: the entry with onExitCode 1000 is left out: no exit status from 0 to 255 reads so\n",
    ),
    ("batch", "definition.json", ""),
    ("batch", "definition.yaml", ""),
    ("batch", "attempts.json", ""),
];

#[test]
fn each_sample_becomes_its_reviewed_policy() {
    for (platform, sample, said) in SAMPLES {
        let file = format!("tests/import/samples/{sample}");
        let ran = import(platform, &file, "");
        assert_eq!(ran.code, 0, "{sample}: {}", ran.err);
        let path = Path::new(CRATE).join(format!("{file}.policy.yaml"));
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&path, &ran.out).unwrap();
        }
        assert_eq!(ran.out, std::fs::read_to_string(&path).unwrap(), "{sample}");
        assert_eq!(ran.err, said, "{sample}");
        Document::parse(&ran.out).unwrap();
    }
}

#[test]
fn unconverted_parts_are_comments_in_the_policy() {
    for (platform, sample, _) in SAMPLES {
        let ran = import(platform, &format!("tests/import/samples/{sample}"), "");
        let comments: Vec<&str> = ran
            .out
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("# "))
            .map(str::trim)
            .collect();
        let comments = comments.join(" ");
        for line in ran.err.lines() {
            let said = line.splitn(5, ':').nth(4).unwrap().trim();
            assert!(comments.contains(said), "{sample}: {said}\n{comments}");
        }
    }
}
