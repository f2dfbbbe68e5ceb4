"""A local account: ministack, an independent emulator of AWS, with additions for its gaps.

It listens on loopback, checks signatures and evaluates roles (AUTH=true). What is added is said at the start.
CodePipeline is `redrive serve` at CODEPIPELINE_URL, to which each call is passed on once ministack's IAM allows it.
"""

import asyncio
import contextvars
import hashlib
import http.client
import io
import json
import os
import re
import tempfile
import threading
import zipfile
from pathlib import Path

from ministack import app
from ministack.core import iam_actions, router
from ministack.core.responses import error_response_json, get_account_id, json_response, now_iso
from ministack.services import eventbridge, lambda_svc
from ministack.services import stepfunctions as states
from ministack.services.cloudformation import provisioners

ADDED = """\
RedriveExecution with its client token; it begins again with the first state
redriveCount, redriveDate, redriveStatus and its reason: in DescribeExecution, ListExecutions and status events
previousEventId in histories, revisionId of state machines
PutEvents takes events of aws.* sources, so that one can be sent twice
events of executions whose name begins with unhandled- are dropped
EventBridge invokes a function asynchronously: three tries, and then its OnFailure destination
CodePipeline: `redrive serve`, behind the same signatures and role statements as all else
layers of compiled functions: unpacked, and REDRIVE_POLICY says where, for /opt is the machine's own
CloudFormation takes saved queries, and alarms on expressions; a Number parameter is a number for an event source
"""

# --- Step Functions: redrives ------------------------------------------------------------------------------------

REDRIVABLE = ("FAILED", "TIMED_OUT", "ABORTED")


def redrive_fields(execution):
    """The members about redrives in DescribeExecution and in events."""
    status = execution["status"]
    redrivable = status in REDRIVABLE
    return {
        "redriveCount": execution.get("redriveCount", 0),
        "redriveDate": execution.get("redriveDate"),
        "redriveStatus": "REDRIVABLE" if redrivable else "NOT_REDRIVABLE",
        "redriveStatusReason": None if redrivable else f"Execution is {status} and cannot be redriven",
    }


def redrive_execution(data):
    arn, token = data.get("executionArn"), data.get("clientToken")
    execution = states._executions.get(arn)
    if execution is None:
        return error_response_json("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'", 400)
    if token and token == execution.get("redriveToken"):
        return json_response({"redriveDate": execution["redriveDate"]})
    if execution["status"] not in REDRIVABLE:
        reason = redrive_fields(execution)["redriveStatusReason"]
        return error_response_json("ExecutionNotRedrivable", reason, 400)
    execution.update(
        status="RUNNING",
        stopDate=None,
        output=None,
        error=None,
        cause=None,
        redriveCount=execution.get("redriveCount", 0) + 1,
        redriveDate=now_iso(),
        redriveToken=token,
    )
    details = {"executionRedrivenEventDetails": {"redriveCount": execution["redriveCount"]}}
    states._add_event(execution, "ExecutionRedriven", details)
    states._emit_execution_status_event(execution)
    run = contextvars.copy_context().run
    threading.Thread(target=run, args=(states._run_execution, arn), daemon=True).start()
    return json_response({"redriveDate": execution["redriveDate"]})


def revision(arn):
    """The id of a state machine's revision: another definition, another id."""
    machine = states._state_machines.get(arn) or {}
    return hashlib.sha256(machine.get("definition", "").encode()).hexdigest()[:32]


async def handle_states(method, path, headers, body, query, inner=states.handle_request):
    action = headers.get("x-amz-target", "").split(".")[-1]
    if action == "RedriveExecution":
        return states._finalize_response(redrive_execution(json.loads(body)))
    status, kept, answer = await inner(method, path, headers, body, query)
    if status != 200:
        return status, kept, answer
    shown = json.loads(answer)
    if action == "DescribeExecution":
        shown.update(redrive_fields(states._executions[shown["executionArn"]]))
    elif action == "ListExecutions":
        for one in shown["executions"]:
            one["redriveCount"] = states._executions[one["executionArn"]].get("redriveCount", 0)
    elif action in ("DescribeStateMachine", "DescribeStateMachineForExecution"):
        shown["revisionId"] = revision(shown["stateMachineArn"])
    else:
        return status, kept, answer
    return states._finalize_response(json_response(shown))


def add_event(execution, event_type, details=None, inner=states._add_event):
    event = inner(execution, event_type, details)
    event["previousEventId"] = event["id"] - 1
    return event


states.handle_request = handle_states
states._add_event = add_event

# --- EventBridge -------------------------------------------------------------------------------------------------


def put_events(data, allow_aws_source=False, inner=eventbridge._put_events):
    if not allow_aws_source:
        return inner(data, allow_aws_source=True)
    entries = []
    for entry in data["Entries"]:
        detail = json.loads(entry["Detail"])
        execution = states._executions.get(detail.get("executionArn"))
        if execution and execution["name"].startswith("unhandled-"):
            continue
        if execution:
            # AWS writes milliseconds in its events.
            fields = redrive_fields(execution)
            fields["redriveDate"] = states._iso_to_epoch_ms(fields["redriveDate"])
            entry = {**entry, "Detail": json.dumps({**detail, **fields})}
        entries.append(entry)
    return inner({**data, "Entries": entries}, allow_aws_source=True)


def dispatch_to_lambda(arn, payload):
    function, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if function and config:
        record = lambda_svc._execution_record_for_config(function, config)
        lambda_svc.invoke_async_with_retry(record, json.loads(payload))


eventbridge._put_events = put_events
eventbridge._dispatch_to_lambda = dispatch_to_lambda

# --- CodePipeline ------------------------------------------------------------------------------------------------


async def handle_codepipeline(method, path, headers, body, query):
    return await asyncio.to_thread(pass_on, headers, body, get_account_id())


def pass_on(headers, body, account):
    """The answer of `redrive serve`, which distinguishes accounts by the access key."""
    url = os.environ["CODEPIPELINE_URL"].removeprefix("http://")
    connection = http.client.HTTPConnection(url, timeout=30)
    try:
        sent = {name: headers[name] for name in ("x-amz-target", "content-type", "x-amz-date") if name in headers}
        sent["authorization"] = re.sub(r"Credential=[^/]+/", f"Credential={account}/", headers["authorization"])
        connection.request("POST", "/", body, sent)
        answer = connection.getresponse()
        kept = {"Content-Type": answer.headers["Content-Type"]}
        return answer.status, kept, answer.read()
    finally:
        connection.close()


def resource_arn(service, method, path, headers, body, query, region, account, inner=iam_actions.extract_resource_arn):
    """The resource of a CodePipeline call, as in "Service Authorization Reference"."""
    if service != "codepipeline":
        return inner(service, method, path, headers, body, query, region, account)
    asked = json.loads(body or b"{}")
    name = asked.get("pipelineName") or asked.get("name") or (asked.get("pipeline") or {}).get("name")
    if not name:
        return "*"
    operation = headers.get("x-amz-target", "").split(".")[-1]
    stage = f"/{asked['stageName']}" if operation in ("RetryStageExecution", "RollbackStage") else ""
    return f"arn:aws:codepipeline:{region}:{account}:{name}{stage}"


app.SERVICE_HANDLERS["codepipeline"] = handle_codepipeline
router.SERVICE_PATTERNS["codepipeline"] = {"target_prefixes": ["CodePipeline_"], "host_patterns": []}
iam_actions.SERVICE_TO_IAM_NAMESPACE["codepipeline"] = "codepipeline"
iam_actions.extract_resource_arn = resource_arn

# --- Layers ------------------------------------------------------------------------------------------------------


def worker_env(config, code_dir, port, inner=lambda_svc._provided_worker_env):
    found = inner(config, code_dir, port)
    for layer in config.get("Layers", []):
        content = lambda_svc._resolve_layer_zip(layer)
        opt = Path(tempfile.gettempdir(), "opt-" + hashlib.sha256(content).hexdigest()[:16])
        if not opt.exists():
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                packed.extractall(opt)
        found["REDRIVE_POLICY"] = str(opt / "policy.yaml")
    return found


lambda_svc._provided_worker_env = worker_env

# --- CloudFormation ----------------------------------------------------------------------------------------------

HANDLERS = provisioners._RESOURCE_HANDLERS


def create_alarm(logical_id, properties, stack, inner=HANDLERS["AWS::CloudWatch::Alarm"]["create"]):
    """Only the first metric of an alarm on an expression."""
    if asked := properties.get("Metrics"):
        one = next(metric["MetricStat"] for metric in asked if "MetricStat" in metric)
        rest = {name: value for name, value in properties.items() if name != "Metrics"}
        properties = {**rest, **one["Metric"], "Period": one["Period"], "Statistic": one["Stat"]}
    return inner(logical_id, properties, stack)


HANDLERS["AWS::CloudWatch::Alarm"]["create"] = create_alarm
HANDLERS["AWS::Logs::QueryDefinition"] = {
    "create": lambda logical_id, properties, stack: (logical_id, {"QueryDefinitionId": logical_id}),
    "delete": lambda *_: None,
}



def with_numbers(properties):
    """The concurrency of an event source as a number, as CloudFormation converts a parameter."""
    scaling = properties.get("ScalingConfig")
    return {**properties, "ScalingConfig": {name: int(value) for name, value in scaling.items()}} if scaling else properties


MAPPING = HANDLERS["AWS::Lambda::EventSourceMapping"]
HANDLERS["AWS::Lambda::EventSourceMapping"] = {
    **MAPPING,
    "create": lambda name, properties, stack: MAPPING["create"](name, with_numbers(properties), stack),
    "update": lambda name, old, new, stack: MAPPING["update"](name, with_numbers(old), with_numbers(new), stack),
}

if __name__ == "__main__":
    for line in ADDED.splitlines():
        print(f"added: {line}", flush=True)
    app.main()
