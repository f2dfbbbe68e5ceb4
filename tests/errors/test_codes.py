"""The table of error codes knows every code of the retry lists and of both services' models."""

import json
import pathlib
import re

import botocore
import botocore.session
from botocore.retries import standard

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = (ROOT / "functions/core/src/error_codes.rs").read_text()
ROW = re.compile(r"Row \{ class: ErrorClass::(\w+), source: \w+, codes: &\[(.*?)\] \}", re.S)
CLASSES = {code: name for name, codes in ROW.findall(TABLE) for code in re.findall(r'"(\w+)"', codes)}
THROTTLING = set(standard.ThrottledRetryableChecker._THROTTLED_ERROR_CODES)
TRANSIENT = set(standard.TransientRetryableChecker._TRANSIENT_ERROR_CODES) - THROTTLING


def legacy():
    """The codes of the legacy retry mode, which the AWS CLI had by default until version 2."""
    lists = json.loads((pathlib.Path(botocore.__file__).parent / "data/_retry.json").read_text())

    def codes(part):
        if isinstance(part, dict):
            for name, value in part.items():
                if name == "service_error_code":
                    yield value
                else:
                    yield from codes(value)
        elif isinstance(part, list):
            for value in part:
                yield from codes(value)

    return set(codes(lists))


def model(service):
    """The service and the names of its errors."""
    client = botocore.session.Session().get_service_model(service)
    operations = {name: client.operation_model(name).error_shapes for name in client.operation_names}
    return {name: {shape.name for shape in shapes} for name, shapes in operations.items()}


def test_the_table_was_read():
    assert len(CLASSES) > 100
    assert CLASSES["ThrottlingException"] == "Throttled"


def test_every_code_of_the_retry_lists_is_known():
    assert not (THROTTLING | TRANSIENT | legacy()) - set(CLASSES)
    assert {code: CLASSES[code] for code in THROTTLING} == dict.fromkeys(THROTTLING, "Throttled")
    assert {code: CLASSES[code] for code in TRANSIENT} == dict.fromkeys(TRANSIENT, "Unavailable")


def test_every_code_of_both_services_is_known():
    for service in ("stepfunctions", "codepipeline"):
        codes = set().union(*model(service).values())
        assert not codes - set(CLASSES), service


def test_what_the_two_calls_document_is_decided_for_them():
    """calls.rs names every code that the models give RedriveExecution and RetryStageExecution."""
    calls = (ROOT / "functions/core/src/calls.rs").read_text()
    documented = calls[calls.index("fn documented") : calls.index("pub fn result_of")]
    named = set(re.findall(r'"(\w+)"', documented))
    for service, operation in [("stepfunctions", "RedriveExecution"), ("codepipeline", "RetryStageExecution")]:
        assert not model(service)[operation] - named, operation
