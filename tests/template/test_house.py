"""House rules: what holds for every resource of its kind, and what hangs on another file."""

import copy
import re
import ssl
import tomllib
from pathlib import Path

import botocore
import yaml
from reading import FUNCTIONS, ROOT, of_type, sam

# A name that is fixed could not be deployed twice.
NAMES = {"AlarmName", "DashboardName", "LayerName", "LogGroupName", "Name", "QueueName", "TableName", "RoleName", "FunctionName"}


def test_who_deploys_without_a_word_is_asked_for_nothing(template):
    for name, parameter in template["Parameters"].items():
        assert "Default" in parameter, name
        assert len(parameter["Description"]) > 20, name
        if "AllowedPattern" in parameter:
            assert re.search(parameter["AllowedPattern"], parameter["Default"]), name


def test_each_parameter_is_used_and_each_condition_asks_for_one(template):
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


def test_what_is_kept_is_encrypted(resources):
    queues = of_type(resources, "AWS::SQS::Queue")
    assert len(queues) == 3
    for name, queue in queues.items():
        assert queue["SqsManagedSseEnabled"] is True, name
        if name.endswith("DeadLetterQueue"):
            assert queue["MessageRetentionPeriod"] == 1209600, name
    for name, table in of_type(resources, "AWS::DynamoDB::Table").items():
        assert table["SSESpecification"]["SSEEnabled"] is True, name


def test_each_check_that_is_skipped_says_why(resources):
    skipped = 0
    for name, resource in resources.items():
        skips = resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
        assert len({skip["id"] for skip in skips}) == len(skips), name
        for skip in skips:
            assert len(skip["comment"].split()) > 5, (name, skip["id"])
            skipped += 1
    assert skipped == 23


def test_what_is_published_is_what_is_built(template):
    published = template["Metadata"]["AWS::ServerlessRepo::Application"]
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]
    assert (published["SemanticVersion"], published["SpdxLicenseId"]) == (package["version"], package["license"])
    for file in ("LicenseUrl", "ReadmeUrl"):
        assert (ROOT / published[file]).is_file()
    assert len(published["Description"]) <= 256 and len(published["Labels"]) <= 10


def test_a_new_policy_is_a_new_layer_that_every_function_takes(template):
    """What reaches a function is its configuration: the ARN of the layer's version, which a new upload renames."""

    def layers(uploaded):
        changed = copy.deepcopy(template)
        made = sam(changed, layer=f"s3://bucket/{uploaded}")["Resources"]
        (version,) = [name for name, one in made.items() if one["Type"] == "AWS::Lambda::LayerVersion"]
        for function in FUNCTIONS:
            assert made[function]["Properties"]["Layers"] == [{"Ref": version}]
        return version

    assert layers("of-today") == layers("of-today") != layers("of-tomorrow")


def test_a_function_that_is_invoked_without_an_answer_says_how_often_and_how_long(resources):
    for name, function in of_type(resources, "AWS::Serverless::Function").items():
        if "Events" in function:
            continue
        config = function["EventInvokeConfig"]
        assert {"MaximumRetryAttempts", "MaximumEventAgeInSeconds"} <= set(config), name


def test_the_forge_runs_what_runs_locally_and_may_only_read():
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


def test_the_roots_of_trust_are_amazons_as_mozilla_has_them(template, resources):
    """Mozilla's list, which botocore brings along, loses what has run out or is no longer trusted."""

    def certificates(path):
        found = re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", path.read_text(), re.DOTALL)
        return {ssl.PEM_cert_to_DER_cert(one) for one in found}

    named = template["Globals"]["Function"]["Environment"]["Variables"]["SSL_CERT_FILE"]
    assert named == {"Fn::If": ["TrustsAmazonAlone", "/opt/roots.pem", "/etc/pki/tls/certs/ca-bundle.crt"]}
    roots = certificates(ROOT / resources["PolicyLayer"]["Properties"]["ContentUri"] / "roots.pem")
    assert len(roots) == 5
    assert roots <= certificates(Path(botocore.__file__).with_name("cacert.pem"))
    assert all(b"Amazon Root CA " in root or b"Starfield Services Root " in root for root in roots)
