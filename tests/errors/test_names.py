"""The list of known error names is the one that its generator prints."""

import pathlib

import generate

NAMES = "functions/policy-tools/src/lint/names.txt"
ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_committed_list_is_what_the_generator_prints():
    same = (ROOT / NAMES).read_text() == generate.text()
    assert same, f"the list is not what the models say: python tests/errors/generate.py > {NAMES}"


def test_names_are_formed_as_executions_carry_them():
    for service, names in [
        ("DynamoDB", {"DynamoDB", "DynamoDb"}),
        ("SFN", {"SFN", "Sfn"}),
        ("CloudWatch Logs", {"CloudWatchLogs"}),
        ("SESv2", {"SESv2", "SesV2"}),
        ("WAFV2", {"WAFV2", "Wafv2"}),
        ("FSx", {"FSx"}),
    ]:
        assert set(generate.service_names({"serviceId": service})) == names
    for shape, names in [
        ("ExecutionAlreadyExists", {"ExecutionAlreadyExists", "ExecutionAlreadyExistsException"}),
        ("EC2ThrottledException", {"EC2ThrottledException", "Ec2ThrottledException"}),
        ("DomainNotFoundFault", {"DomainNotFoundFault", "DomainNotFoundException"}),
    ]:
        assert set(generate.error_names(shape, {})) == names
