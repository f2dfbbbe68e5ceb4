"""Each role against the calls of its function in all earlier tests: no permission is missing, and none is unused."""

import re
from pathlib import Path

import pytest

PERMISSIONS = Path(__file__).resolve().parents[1] / "template" / "permissions.txt"
# Permissions that Lambda uses for a function: read its queue, write its log, trace, and send failed events.
BY_LAMBDA = {
    "ReceiveMessage",
    "DeleteMessage",
    "GetQueueAttributes",
    "CreateLogStream",
    "PutLogEvents",
    "PutTelemetryRecords",
    "PutTraceSegments",
}
ROLES = {
    "stepfunctions": "StepFunctionsFunction",
    "codepipeline": "CodePipelineFunction",
    "due": "DueFunction",
    "sweep": "SweepFunction",
}


@pytest.mark.parametrize("name", ROLES)
def test_a_role_allows_what_its_function_calls_and_nothing_more(used, name):
    if not all(used.values()):
        pytest.skip("it judges what all tests of this folder did, and they were not run")
    allowed = set(re.findall(rf"^{ROLES[name]}\b.*?\w+:(\w+)", PERMISSIONS.read_text(), re.MULTILINE))
    assert allowed - BY_LAMBDA == used[name]
