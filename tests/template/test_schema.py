"""Validates infra/policy.schema.json, with which editors complete and check a policy.

What the command refuses for its shape the schema refuses, and what the command takes the schema takes.
"""

import json
import os
import pathlib
import re
import subprocess

import jsonschema
import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "infra/policy.schema.json").read_text())
README = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)

RIGHT = [
    (ROOT / "infra/policy.yaml").read_text(),
    *README,
    "{version: 1, retry: {automatic: true}}",
    "{version: 1, retry: {automatic: {exit_status: '*'}, manual: false, nested: own}}",
    "{version: 1, retry: {automatic: [{exit_status: ['-1', 137], signal_reason: none, limit: 0}]}}",
    "{version: 1, retry: {automatic: {mode: [legacy, standard], max_attempts: 5, backoff: {backoff_rate: 1.5}}}}",
    "{version: 1, policies: [{name: a, match: {account: ['111122223333']}, retry: {}}]}",
    "{version: 1, retry: {}, never: [{http_status: 403, not: {state: 'Load*'}}], budget: {per_execution: 0}}",
    "{version: 1, retry: {}, tests: [{name: a, failure: {pipeline: p, summary: null}, expect: {reason: unmatched}}]}",
]
WRONG = [
    "[]",
    "{version: 2, retry: {}}",
    "{retry: {}}",
    "{version: 1}",
    "{version: 1, retry: {}, policies: []}",
    "{version: 1, retry: {automatic: {limt: 3}}}",
    "{version: 1, retry: {automatic: {limit: 11}}}",
    "{version: 1, retry: {automatic: {limit: '3'}}}",
    "{version: 1, retry: {automatic: {error: []}}}",
    "{version: 1, retry: {automatic: {error: 5}}}",
    "{version: 1, retry: {automatic: {exit_status: 256}}}",
    "{version: 1, retry: {automatic: {http_status: '*'}}}",
    "{version: 1, retry: {automatic: {mode: patient}}}",
    "{version: 1, retry: {automatic: {signal_reason: 'agent*'}}}",
    "{version: 1, retry: {automatic: {max_attempts: 3}}}",
    "{version: 1, retry: {automatic: {mode: standard, max_attempts: 3, limit: 2}}}",
    "{version: 1, retry: {automatic: {not: {limit: 2}}}}",
    "{version: 1, retry: {automatic: {backoff: {interval_seconds: -1}}}}",
    "{version: 1, retry: {automatic: {backoff: {jitter_strategy: SOME}}}}",
    "{version: 1, retry: {automatic: {retry_mode: ALL}}}",
    "{version: 1, retry: {nested: child}}",
    "{version: 1, retry: {manual: {allow: true}}}",
    "{version: 1, retry: {}, never: [{}]}",
    "{version: 1, retry: {}, budget: {per_execution: 1001}}",
    "{version: 1, policies: [{name: a}]}",
    "{version: 1, policies: [{name: a, retry: {}, match: {account: '1111'}}]}",
    "{version: 1, retry: {}, tests: [{name: a, failure: {pipeline: p}}]}",
    "{version: 1, retry: {}, tests: [{name: a, failure: {pipeline: p, error: X}, expect: retry}]}",
    "{version: 1, retry: {}, tests: [{name: a, failure: {pipeline: p}, expect: maybe}]}",
    "{version: 1, retry: {}, tests: [{name: a, failure: {state_machine: s, exit_status: '*'}, expect: retry}]}",
]


def problems(text):
    found = jsonschema.Draft7Validator(SCHEMA).iter_errors(yaml.safe_load(text))
    return [error.message for error in found]


def is_refused(text):
    ran = subprocess.run(
        [os.environ["REDRIVE_BIN"], "test", "--json", "-"], input=text, capture_output=True, text=True, check=False
    )
    return "the policy has" in ran.stderr


def test_schema_is_valid():
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_the_shipped_policy_names_the_schema_beside_it():
    first = RIGHT[0].splitlines()[0]
    name = first.removeprefix("# yaml-language-server: $schema=")
    assert (ROOT / "infra" / name).is_file(), first


def test_the_readme_has_examples():
    assert len(README) >= 3


@pytest.mark.parametrize("text", RIGHT)
def test_schema_accepts_valid_policies(text):
    assert problems(text) == []
    assert not is_refused(text)


@pytest.mark.parametrize("text", WRONG)
def test_schema_refuses_policies_of_wrong_shape(text):
    assert problems(text)
    assert is_refused(text)
