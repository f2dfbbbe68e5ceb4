"""Each permission is a line of permissions.txt: who, action, resource. UPDATE_EXPECTED=1 writes it."""

import os
import re

from reading import FUNCTIONS, HERE, ROOT, as_list, flat, of_type

def permissions(resources):
    """The permissions: (who, action, resource), with their condition of the template, if any."""
    rows = []
    for name, function in of_type(resources, "AWS::Serverless::Function").items():
        assert "Policies" not in function, "the roles are written out"
        role = resources[function["Role"]["Fn::GetAtt"][0]]["Properties"]
        assert "ManagedPolicyArns" not in role, "what a managed policy allows is not seen in review"
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                condition = ()
                if "Fn::If" in statement:
                    name_of_it, statement, otherwise = statement["Fn::If"]
                    assert otherwise == {"Ref": "AWS::NoValue"}
                    condition = (f"if {name_of_it}",)
                assert set(statement) == {"Effect", "Action", "Resource"}
                assert statement["Effect"] == "Allow"
                actions, on = as_list(statement["Action"]), as_list(statement["Resource"])
                rows += [(name, action, flat(one), *condition) for action in actions for one in on]
    for permission in of_type(resources, "AWS::Lambda::Permission").values():
        who = f"{permission['Principal']} for {flat(permission['SourceArn'])}"
        rows.append((who, permission["Action"], flat(permission["FunctionName"])))
    for policy in of_type(resources, "AWS::SQS::QueuePolicy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            for rule in statement["Condition"]["ArnEquals"]["aws:SourceArn"]:
                who = f"{statement['Principal']['Service']} for {flat(rule)}"
                rows += [(who, action, flat(statement["Resource"])) for action in as_list(statement["Action"])]
    return rows


def test_every_permission_is_a_reviewed_line(resources):
    rows = sorted(permissions(resources))
    assert len(rows) == len(set(rows)), "something is allowed twice"
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    text = "".join(f"{who:{widths[0]}}  {action:{widths[1]}}  {'  '.join(on)}\n" for who, action, *on in rows)
    file = HERE / "permissions.txt"
    if os.environ.get("UPDATE_EXPECTED"):
        file.write_text(text)
    assert text == file.read_text(), "if that is meant: UPDATE_EXPECTED=1"


# Actions without a resource that a role could name: lists of everything, and traces.
UNNAMED = {
    ("SweepFunction", "states:ListStateMachines"),
    ("SweepFunction", "codepipeline:ListPipelines"),
    *((name, f"xray:{action}") for name in FUNCTIONS for action in ("PutTelemetryRecords", "PutTraceSegments")),
}


def test_only_actions_without_resource_are_allowed_on_all(resources):
    assert {(who, action) for who, action, on, *_ in permissions(resources) if on == "*"} == UNNAMED
    for who, action, on, *_ in permissions(resources):
        assert "*" not in action, (who, action)
        if (who, action) in UNNAMED:
            continue
        # The patterns of names, and the executions and stages below them.
        parts = on.split(":", 5) if on.startswith("arn:") else []
        assert all("*" not in part for part in parts[:5]), (who, action, on)
        if "*" in on:
            assert re.search(r"\$\{(StateMachine|Pipeline)Pattern\}[:/]\*$", on), (who, action, on)


def test_search_and_role_have_the_same_patterns(resources):
    variables = resources["SweepFunction"]["Properties"]["Environment"]["Variables"]
    assert variables == {
        "REDRIVE_SINCE": {"Ref": "Since"},
        "REDRIVE_STATE_MACHINES": {"Ref": "StateMachinePattern"},
        "REDRIVE_PIPELINES": {"Ref": "PipelinePattern"},
    }


def test_invalid_since_is_refused_before_deployment(template):
    pattern = re.compile(template["Parameters"]["Since"]["AllowedPattern"])
    for good in ["", "2026-11-20T00:00:00Z", "2026-11-20T00:00:00.250Z", "2026-11-20T01:00:00+01:00"]:
        assert pattern.search(good), good
    for bad in ["yesterday", "2026-11-20", "2026-11-20T00:00:00", "1763596800"]:
        assert not pattern.search(bad), bad


def test_each_function_has_its_own_role_for_lambda_only(resources):
    roles = [f["Role"]["Fn::GetAtt"][0] for f in of_type(resources, "AWS::Serverless::Function").values()]
    assert sorted(roles) == sorted(of_type(resources, "AWS::IAM::Role"))
    for role in roles:
        (statement,) = resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement == {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }


def test_roles_allow_exactly_the_calls_of_the_code(resources):
    services = ("states", "codepipeline", "dynamodb", "sqs", "events")
    rows = permissions(resources)
    allowed = {a.split(":")[1] for who, a, *_ in rows if who in FUNCTIONS and a.split(":")[0] in services}
    # Lambda itself reads the queue with the function's role.
    allowed -= {"ReceiveMessage", "DeleteMessage", "GetQueueAttributes"}
    called = set()
    for file in (ROOT / "functions/aws/src").rglob("*.rs"):
        # That file creates the table, for tests and local use.
        if file.name != "table.rs":
            called |= set(re.findall(r"\bclient\s*\.(\w+)\(\)", file.read_text()))
    called = {"".join(word.title() for word in call.split("_")) for call in called}
    assert len(called) > 10
    # SendMessage is always needed: Lambda sends failed events with the function's role.
    assert called | {"SendMessage"} == allowed


def test_optional_features_are_permitted_only_when_enabled(template, resources):
    optional = {(who, action): on for who, action, *on in permissions(resources) if len(on) > 1}
    assert {action for _, action in optional} == {"events:PutEvents", "xray:PutTelemetryRecords", "xray:PutTraceSegments"}
    for (who, action), (_, condition) in optional.items():
        assert condition == ("if DecisionsArePut" if action == "events:PutEvents" else "if IsTraced"), (who, action)
    assert template["Conditions"]["DecisionsArePut"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "DecisionBus"}, ""]}]}
    assert template["Conditions"]["IsTraced"] == {"Fn::Equals": [{"Ref": "Tracing"}, "Active"]}
    parameters = template["Parameters"]
    assert (parameters["DecisionBus"]["Default"], parameters["Tracing"]["Default"]) == ("", "PassThrough")
    function = template["Globals"]["Function"]
    assert function["Tracing"] == {"Ref": "Tracing"}
    assert function["Environment"]["Variables"]["REDRIVE_BUS"] == {"Ref": "DecisionBus"}
