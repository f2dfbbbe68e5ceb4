"""House rules: properties of every resource of a kind, and agreement with other files."""

import copy
import re
import ssl
import tomllib
from pathlib import Path

import botocore
import yaml
from reading import FUNCTIONS, ROOT, of_type, sam

# A fixed name could not be deployed twice.
NAMES = {"AlarmName", "DashboardName", "LayerName", "LogGroupName", "Name", "QueueName", "TableName", "RoleName", "FunctionName"}


def test_every_parameter_has_a_default(template):
    for name, parameter in template["Parameters"].items():
        assert "Default" in parameter, name
        assert len(parameter["Description"]) > 20, name
        if "AllowedPattern" in parameter:
            assert re.search(parameter["AllowedPattern"], parameter["Default"]), name


def test_each_parameter_is_used_and_each_condition_tests_one(template):
    text = (ROOT / "template.yaml").read_text()
    for name in template["Parameters"]:
        assert re.search(rf"!Ref {name}\b|\${{{name}}}", text), name
    for name in template["Conditions"]:
        assert len(re.findall(rf"\b{name}\b", text)) > 1, name


def test_two_stacks_fit_into_one_account(resources):
    for name, resource in resources.items():
        if resource["Type"] in ("AWS::Lambda::Permission", "AWS::CloudWatch::Dashboard"):
            continue
        for key in NAMES & set(resource["Properties"]):
            assert "${AWS::StackName}" in resource["Properties"][key]["Fn::Sub"], (name, key)


def test_stored_data_is_encrypted(resources):
    queues = of_type(resources, "AWS::SQS::Queue")
    assert len(queues) == 3
    for name, queue in queues.items():
        assert queue["SqsManagedSseEnabled"] is True, name
        if name.endswith("DeadLetterQueue"):
            assert queue["MessageRetentionPeriod"] == 1209600, name
    for name, table in of_type(resources, "AWS::DynamoDB::Table").items():
        assert table["SSESpecification"]["SSEEnabled"] is True, name


def test_each_skipped_check_has_a_reason(resources):
    skipped = 0
    for name, resource in resources.items():
        skips = resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
        assert len({skip["id"] for skip in skips}) == len(skips), name
        for skip in skips:
            assert len(skip["comment"].split()) > 5, (name, skip["id"])
            skipped += 1
    assert skipped == 23


def test_published_code_is_the_built_code(template):
    published = template["Metadata"]["AWS::ServerlessRepo::Application"]
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]
    assert (published["SemanticVersion"], published["SpdxLicenseId"]) == (package["version"], package["license"])
    for file in ("LicenseUrl", "ReadmeUrl"):
        assert (ROOT / published[file]).is_file()
    assert len(published["Description"]) <= 256 and len(published["Labels"]) <= 10


def test_new_policy_is_a_new_layer_of_every_function(template):
    """A function's configuration has the ARN of the layer's version, which a new upload changes."""

    def layers(uploaded):
        changed = copy.deepcopy(template)
        made = sam(changed, layer=f"s3://bucket/{uploaded}")["Resources"]
        (version,) = [name for name, one in made.items() if one["Type"] == "AWS::Lambda::LayerVersion"]
        for function in FUNCTIONS:
            assert made[function]["Properties"]["Layers"] == [{"Ref": version}]
        return version

    assert layers("of-today") == layers("of-today") != layers("of-tomorrow")


def test_asynchronous_function_sets_attempts_and_maximum_age(resources):
    for name, function in of_type(resources, "AWS::Serverless::Function").items():
        if "Events" in function:
            continue
        config = function["EventInvokeConfig"]
        assert {"MaximumRetryAttempts", "MaximumEventAgeInSeconds"} <= set(config), name


def test_workflow_runs_the_local_checks_with_read_permissions():
    workflows = sorted((ROOT / ".github/workflows").iterdir())
    assert [file.name for file in workflows] == ["ci.yml", "nightly.yml"]
    lasts = []
    for workflow in (yaml.safe_load(file.read_text()) for file in workflows):
        assert workflow["permissions"] == {"contents": "read"}
        for job in workflow["jobs"].values():
            assert "permissions" not in job
            for used in (step["uses"] for step in job["steps"] if "uses" in step):
                assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", used), used
            last = job["steps"][-1]
            lasts.append((last["run"], last.get("env")))
    assert lasts == [(".ci/run fast", None), (".ci/run", {"REQUIRE_ADVISORIES": "1"}), (".ci/run long", None)]
    assert "${REQUIRE_ADVISORIES:-}" in (ROOT / ".ci/run").read_text()


def test_trusted_roots_are_amazons_in_mozillas_list(template, resources):
    """Mozilla's list, which botocore contains, drops roots that expired or lost trust."""

    def certificates(path):
        found = re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", path.read_text(), re.DOTALL)
        return {ssl.PEM_cert_to_DER_cert(one) for one in found}

    named = template["Globals"]["Function"]["Environment"]["Variables"]["SSL_CERT_FILE"]
    assert named == {"Fn::If": ["TrustsAmazonAlone", "/opt/roots.pem", "/etc/pki/tls/certs/ca-bundle.crt"]}
    roots = certificates(ROOT / resources["PolicyLayer"]["Properties"]["ContentUri"] / "roots.pem")
    assert len(roots) == 5
    assert roots <= certificates(Path(botocore.__file__).with_name("cacert.pem"))
    assert all(b"Amazon Root CA " in root or b"Starfield Services Root " in root for root in roots)
