"""template.yaml, checked without an account.

    cargo build
    pip install -r tests/template/requirements.txt
    REDRIVE_BIN=target/debug/redrive pytest tests/template

What the template says is compared with what the code says: the table, the lease, the calls, the events that are
handled. The rules' patterns are put to Event Ruler, which is the engine of EventBridge; it needs Java and Maven and is
fetched once, into ~/.cache/redrive-ci. UPDATE_EXPECTED=1 writes permissions.txt.
"""

import copy
import fcntl
import itertools
import json
import os
import pathlib
import re
import subprocess

import pytest
from reading import FUNCTIONS, HERE, ROOT, RULES, arn_of, flat, lint, of_type, part, read_template, sam, seconds, source
from test_permissions import permissions

def test_cfn_lint_accepts_the_transformed_template(template):
    assert lint(sam(template)) == []


def test_cfn_lint_detects_a_misspelt_action(template):
    statements = template["Resources"]["DueRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    statements[0]["Action"] = ["states:RedriveExecutions"]
    assert any(said.startswith("W3037 ") for said in lint(sam(template)))


def test_sam_adds_no_role_and_no_policy(template):
    kinds = {}
    for name, resource in sam(template)["Resources"].items():
        kinds.setdefault(resource["Type"], set()).add(name)
    assert kinds["AWS::IAM::Role"] == {part(name, "Role") for name in FUNCTIONS}
    assert not any("Policy" in kind for kind in kinds if kind != "AWS::SQS::QueuePolicy")
    assert kinds["AWS::Lambda::Function"] == set(FUNCTIONS)


# --- The ledger's table


def test_table_equals_that_of_the_code(resources):
    rust = source("functions/aws/src/table.rs")
    names = dict(re.findall(r'pub const (\w+): &str = "([^"]+)";', rust))
    body = re.sub(r"\s", "", re.search(r"pub fn definition\(.*?\{(.*?)\n\}", rust, re.S)[1])
    said = re.findall(r"\.(\w+)\(([\w:]*)(?:\(([\w:,]+)\))?", body)
    # Every call of the builder, in order. An unknown call is a difference too.
    calls = [
        (call, *(names.get(word, word.split("::")[-1]) for word in (what, *words.split(",")) if word))
        for call, what, words in said
    ]
    table = resources["Ledger"]["Properties"]
    kinds = {"HASH": "Hash", "RANGE": "Range"}

    def keys(schema):
        return [("key_schema", "key", k["AttributeName"], kinds[k["KeyType"]]) for k in schema]

    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert calls == [
        ("table_name", "table"),
        ("billing_mode", "PayPerRequest"),
        *(
            ("attribute_definitions", "attribute", a["AttributeName"], a["AttributeType"])
            for a in table["AttributeDefinitions"]
        ),
        *keys(table["KeySchema"]),
        *(
            ("global_secondary_indexes", "index", i["IndexName"], *(k["AttributeName"] for k in i["KeySchema"]))
            for i in table["GlobalSecondaryIndexes"]
        ),
        ("tags", "builder"),
        ("key", "TAG"),
        ("value", "TAG"),
        ("build",),
        ("build",),
    ]
    for index in table["GlobalSecondaryIndexes"]:
        assert [k["KeyType"] for k in index["KeySchema"]] == ["HASH", "RANGE"]
        assert index["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": [names["SCHEMA"]]}
    assert rust.count("ProjectionType::") == rust.count("ProjectionType::Include") == rust.count("non_key_attributes(SCHEMA)") == 1
    tag = dict([re.search(r'TAG: \(&str, &str\) = \("([^"]+)", "([^"]+)"\)', rust).groups()])
    assert {t["Key"]: t["Value"] for t in table["Tags"]} == tag
    assert table["TimeToLiveSpecification"] == {"AttributeName": names["TTL"], "Enabled": True}
    unread = set(table) - {"TimeToLiveSpecification", "PointInTimeRecoverySpecification", "SSESpecification"}
    assert unread == {
        "AttributeDefinitions",
        "BillingMode",
        "DeletionProtectionEnabled",
        "GlobalSecondaryIndexes",
        "KeySchema",
        "Tags",
    }


def test_the_ledger_outlives_the_stack(resources):
    ledger = resources["Ledger"]
    assert (ledger["DeletionPolicy"], ledger["UpdateReplacePolicy"]) == ("Retain", "Retain")
    properties = ledger["Properties"]
    assert properties["DeletionProtectionEnabled"] is True
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}


# --- Times


def test_function_time_out_is_below_the_lease(resources):
    lease = seconds("lease")
    for name in FUNCTIONS:
        assert resources[name]["Properties"]["Timeout"] < lease, name


def test_visibility_time_out_is_six_function_time_outs(resources, template):
    queue = resources["DueQueue"]["Properties"]
    due = resources["DueFunction"]["Properties"]
    assert queue["VisibilityTimeout"] >= 6 * due["Timeout"]
    (event,) = due["Events"].values()
    mapping = event["Properties"]
    assert mapping["Queue"] == arn_of("DueQueue")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"]["MaximumConcurrency"] == {"Ref": "RetryConcurrency"}
    assert template["Parameters"]["RetryConcurrency"]["MinValue"] == 2, "the least that Lambda takes"
    assert "ReservedConcurrentExecutions" not in due, "it would have to be no less than MaximumConcurrency"


def test_retention_of_queues_exceeds_the_age_of_messages(resources):
    queue = resources["DueQueue"]["Properties"]
    redrive = queue["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == arn_of("DueDeadLetterQueue")
    assert seconds("max_queue_delay") <= 900, "the most that SQS DelaySeconds takes"
    kept = queue.get("MessageRetentionPeriod", 345600)
    longest = seconds("max_queue_delay") + redrive["maxReceiveCount"] * queue["VisibilityTimeout"]
    assert longest < kept
    # The age of a message counts from its first send, in every queue.
    assert kept < resources["DueDeadLetterQueue"]["Properties"]["MessageRetentionPeriod"] <= 1209600


def test_schedule_of_the_sweep_fits_the_timing(resources):
    every = resources["SweepRule"]["Properties"]["ScheduleExpression"]
    assert every == "rate(1 minute)"
    for term in ("initial_backoff", "lease", "overdue_after"):
        assert 60 <= seconds(term), term


def test_event_is_repeated_after_the_lag_of_reads(resources):
    config = resources["CodePipelineFunction"]["Properties"]["EventInvokeConfig"]
    # Lambda waits one minute, then two.
    assert sum([60, 120][: config["MaximumRetryAttempts"]]) > seconds("read_lag")


# --- Dead letters


def test_undeliverable_events_go_to_a_permitted_queue(resources):
    assert sorted(of_type(resources, "AWS::Events::Rule")) == sorted(RULES)
    (policy,) = of_type(resources, "AWS::SQS::QueuePolicy").values()
    assert policy["Queues"] == [{"Ref": "DeadLetterQueue"}]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Resource"] == arn_of("DeadLetterQueue")
    may_send = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    permitted = {
        (flat(p["SourceArn"]), flat(p["FunctionName"]))
        for p in of_type(resources, "AWS::Lambda::Permission").values()
        if (p["Principal"], p["Action"]) == ("events.amazonaws.com", "lambda:InvokeFunction")
    }
    for rule in RULES:
        (target,) = resources[rule]["Properties"]["Targets"]
        function = rule.removesuffix("Rule") + "Function"
        assert target["Arn"] == arn_of(function)
        assert (f"{rule}.Arn", function) in permitted
        assert target["DeadLetterConfig"] == {"Arn": arn_of("DeadLetterQueue")}
        assert set(target["RetryPolicy"]) == {"MaximumEventAgeInSeconds", "MaximumRetryAttempts"}
        assert arn_of(rule) in may_send
    assert len(may_send) == len(RULES)


@pytest.mark.parametrize("name", ["StepFunctionsFunction", "CodePipelineFunction"])
def test_failed_events_go_to_a_permitted_queue(resources, name):
    config = resources[name]["Properties"]["EventInvokeConfig"]
    assert config["MaximumRetryAttempts"] == 2
    assert config["DestinationConfig"]["OnFailure"] == {"Type": "SQS", "Destination": arn_of("DeadLetterQueue")}
    assert (name, "sqs:SendMessage", "DeadLetterQueue.Arn") in permissions(resources)


def test_each_function_has_a_json_log_with_retention(resources):
    for name in FUNCTIONS:
        logging = resources[name]["Properties"]["LoggingConfig"]
        group = part(name, "LogGroup")
        assert logging["LogFormat"] == "JSON"
        assert logging["LogGroup"] == {"Ref": group}
        assert resources[group]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


# --- The policy and the modes


def test_layer_holds_the_policy_at_its_top(template, resources):
    folder = ROOT / resources["PolicyLayer"]["Properties"]["ContentUri"]
    assert folder.is_dir(), "SAM uploads a single file as it is, and not as a zip"
    assert (folder / "policy.yaml").is_file()
    # Lambda would start a file there.
    assert not (folder / "extensions").exists()
    assert template["Globals"]["Function"]["Layers"] == [{"Ref": "PolicyLayer"}]


def test_default_mode_is_observe(template):
    mode = template["Parameters"]["Mode"]
    assert (mode["Default"], mode["AllowedValues"]) == ("observe", ["observe", "act", "off"])


# --- Event patterns


def pattern(rule, **parameters):
    """The event pattern of a rule, as EventBridge receives it."""
    template = read_template()
    values = {name: p.get("Default") for name, p in template["Parameters"].items()} | parameters

    def resolve(value):
        if isinstance(value, list):
            return [resolve(one) for one in value]
        if not isinstance(value, dict):
            return value
        if set(value) == {"Ref"}:
            return values[value["Ref"]]
        if set(value) == {"Fn::Sub"}:
            return re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], value["Fn::Sub"])
        return {key: resolve(one) for key, one in value.items()}

    return resolve(template["Resources"][rule]["Properties"]["EventPattern"])


def fetch_ruler():
    """The folder of Event Ruler, built unless it was built for this pom.xml."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "redrive-ci"
    home, pom = cache / "event-ruler", HERE / "ruler/pom.xml"
    home.mkdir(parents=True, exist_ok=True)
    with open(cache / "event-ruler.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fetched = home / "fetched"
        if not fetched.is_file() or fetched.read_text() != pom.read_text():
            subprocess.run(
                ["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime",
                 f"-DoutputDirectory={home / 'lib'}"],
                check=True, capture_output=True, timeout=300,
            )  # fmt: skip
            fetched.write_text(pom.read_text())
    return home / "lib"


@pytest.fixture(scope="session")
def matches():
    """Matches pairs of a pattern and an event in one run of the engine."""
    try:
        lib = fetch_ruler()
        subprocess.run(["java", "-version"], check=True, capture_output=True)
    except (OSError, subprocess.SubprocessError) as why:
        said = f"NOT RUN: THE PATTERNS WERE NOT TRIED, Event Ruler is not to be had: {why}"
        if os.environ.get("REDRIVE_REQUIRE_ENGINES") == "1":
            pytest.fail(f"{said}, and REDRIVE_REQUIRE_ENGINES=1 requires it")
        pytest.skip(said)

    def ask(pairs):
        text = json.dumps([[json.dumps(pattern), json.dumps(event)] for pattern, event in pairs])
        java = ["java", "-cp", str(lib / "*"), str(HERE / "ruler/Match.java")]
        done = subprocess.run(java, input=text, check=True, capture_output=True, text=True, timeout=120)
        answers = json.loads(done.stdout)
        assert len(answers) == len(pairs)
        return answers

    return ask


@pytest.fixture(scope="session")
def explain():
    binary = os.environ.get("REDRIVE_BIN", "")
    assert os.access(binary, os.X_OK), "REDRIVE_BIN has to name the redrive binary: cargo build makes it"

    def ask(event):
        command = [binary, "explain", "--json", "--policy", ROOT / "infra/policy.yaml", "-"]
        done = subprocess.run(command, input=json.dumps(event), check=True, capture_output=True, text=True, timeout=60)
        return json.loads(done.stdout)

    return ask


def samples():
    found = {}
    for file in sorted((ROOT / "events").glob("*.json")):
        try:
            event = json.loads(file.read_text())
        except ValueError:
            continue
        if isinstance(event, dict) and "source" in event:
            found[file.stem] = event
    return found


def let_through(matches, events, **parameters):
    """For each event, the rules that match it."""
    rules = RULES[:2]
    patterns = [pattern(rule, **parameters) for rule in rules]
    answers = iter(matches([(p, event) for event in events for p in patterns]))
    through = []
    for _ in events:
        said = {rule: next(answers) for rule in rules}
        assert set(said.values()) <= {True, False}, said
        through.append([rule for rule in rules if said[rule]])
    return through


def test_rules_match_the_events_that_functions_handle(matches, explain, capsys):
    events = samples()
    through = dict(zip(events, let_through(matches, list(events.values()))))
    stages = {
        (event["detail"]["pipeline"], event["detail"].get("execution-id"), event["detail"]["stage"])
        for name, event in events.items()
        if through[name] == ["CodePipelineRule"] and event["detail"]["state"] == "FAILED"
    }
    count = dict.fromkeys(["handled", "kept out", "malformed, let through", "malformed, kept out"], 0)
    for name, event in events.items():
        explained = explain(event)
        rule = ["StepFunctionsRule" if event["source"] == "aws.states" else "CodePipelineRule"]
        if explained["event"] == "malformed":
            count["malformed, let through" if through[name] else "malformed, kept out"] += 1
            continue
        count["handled" if through[name] else "kept out"] += 1
        if explained["event"] == "ignored":
            assert through[name] == [], f"{name} would wake a function for nothing"
        elif explained["verdict"]["reason"] == "map_run_child":
            assert through[name] == [], f"{name}: Map Runs have ten thousand children"
        elif event["detail-type"] == "CodePipeline Action Execution State Change":
            detail = event["detail"]
            assert through[name] == [], f"{name}: its stage speaks for it"
            assert (detail["pipeline"], detail["execution-id"], detail["stage"]) in stages, f"{name}: nobody does"
        else:
            assert through[name] == rule, f"{name} would be missed"
    assert count["handled"] > 20 and count["kept out"] > 20
    with capsys.disabled():
        print(f"\nof {len(events)} sample events: " + ", ".join(f"{n} {what}" for what, n in count.items()))


ABSENT = object()


def variants(event, **keys):
    """The event with every combination of the values of some keys of its detail."""
    for values in itertools.product(*keys.values()):
        changed = copy.deepcopy(event)
        for key, value in zip(keys, values):
            changed["detail"].pop(key, None)
            if value is not ABSENT:
                changed["detail"][key] = value
        yield changed


def test_rules_and_code_agree_on_generated_events(matches, explain):
    events = [
        *variants(
            samples()["sfn-01-throttled"],
            status=["FAILED", "TIMED_OUT", "SUCCEEDED", "ABORTED", "RUNNING", "PENDING_REDRIVE"],
            redriveCount=[ABSENT, None, 0, 0.0, 1, 2.0, 12],
            redriveStatus=[ABSENT, "REDRIVABLE", "NOT_REDRIVABLE"],
        ),
        *variants(
            samples()["cp-07-image-pull-stage-succeeded"],
            **{
                "state": ["STARTED", "SUCCEEDED", "FAILED", "RESUMED", "STOPPING", "STOPPED", "CANCELED"],
                "pipeline-execution-attempt": [ABSENT, 0.0, 1, 1.0, 2, 2.0, 11.0],
                "stage-last-retry-attempt-time": [ABSENT, "2026-11-20T02:14:29.318Z"],
            },
        ),
        *variants(samples()["sfn-01-throttled"], stateMachineArn=[ABSENT, None]),
    ]
    for event, through in zip(events, let_through(matches, events)):
        kind = explain(event)["event"]
        assert bool(through) == (kind in ("failure", "completion")), (kind, event["detail"])


def test_express_is_excluded_and_a_missing_arn_is_not(matches):
    event = samples()["sfn-01-throttled"]
    express = "arn:aws:states:eu-west-1:111122223333:express:etl-orders:orders:c7f3b0a2"
    kept_out, malformed = let_through(matches, list(variants(event, executionArn=[express, ABSENT])))
    assert (kept_out, malformed) == ([], ["StepFunctionsRule"])


def test_name_patterns_narrow_rules_like_roles(matches):
    events = samples()
    machines = ["sfn-01-throttled", "sfn-05-lambda-too-many-requests", "sfn-20-shape-before-redrive"]
    pipelines = ["cp-02-image-pull-stage-failed", "cp-09-fails-twice-stage-failed"]
    chosen = [events[name] for name in machines + pipelines]
    through = let_through(matches, chosen, StateMachinePattern="etl-*", PipelinePattern="web-delivery")
    assert [bool(rules) for rules in through] == [True, False, True, True, False]


@pytest.mark.parametrize("parameter", ["StateMachinePattern", "PipelinePattern"])
def test_invalid_name_pattern_is_refused_by_the_parameter(template, matches, parameter):
    allowed = re.compile(template["Parameters"][parameter]["AllowedPattern"])
    rule = {"StateMachinePattern": "StepFunctionsRule", "PipelinePattern": "CodePipelineRule"}[parameter]
    names = ["*", "etl-*", "*-nightly", "*etl*", "a*b*c", "etl-orders", "e.t_l"]
    said = matches([(pattern(rule, **{parameter: name}), {}) for name in names])
    assert said == [False] * len(names), "no event, no match, and no complaint"
    for name in names:
        assert allowed.search(name), name
    for name in ["", "**", "etl-**", "a?", "a:b", "a/b", "a b", "${x}"]:
        assert not allowed.search(name), name


def test_engine_refuses_the_same_as_eventbridge(matches):
    (said,) = matches([({"detail": {"status": [{"wildcard": "a**"}]}}, {})])
    assert "wildcard" in str(said).lower()
