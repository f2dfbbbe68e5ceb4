"""Real failures: state machines whose task fails a given number of times, and pipelines that do the same."""

import io
import json
import uuid
import zipfile

from stack import ACCOUNT, REGION, wait_for
from subjects import HANG, PASS, ROLE, action

# The task of all state machines. It counts the runs of an execution, and fails until the count is reached.
WORK = """
import os, boto3
runs = boto3.resource("dynamodb", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).Table("runs")
def handler(event, context):
    update = dict(UpdateExpression="ADD runs :one", ExpressionAttributeValues={":one": 1}, ReturnValues="UPDATED_NEW")
    run = int(runs.update_item(Key={"pk": event["execution"]}, **update)["Attributes"]["runs"])
    if run <= event["fails"]:
        raise RuntimeError(event["error"])
    return {"run": run}
"""
TASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke",
    "Parameters": {
        "FunctionName": "work",
        "Payload": {"execution.$": "$$.Execution.Id", "fails.$": "$.fails", "error.$": "$.error"},
    },
}
FOREVER = {"Type": "Wait", "Seconds": 3600, "End": True}
MACHINES = {
    "orders": {"StartAt": "Work", "States": {"Work": {**TASK, "End": True}}},
    # A failure of its task ends in a Fail state with the same error.
    "intake": {
        "StartAt": "Work",
        "States": {
            "Work": {**TASK, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Reject"}], "End": True},
            "Reject": {"Type": "Fail", "Error": "Orders.Rejected", "Cause": "Throttled"},
        },
    },
    "transfer": {"StartAt": "Work", "States": {"Work": {**TASK, "Next": "Hold"}, "Hold": FOREVER}},
}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}
# The roles of the task and of the machines. The stack does not use them.
ALLOWED = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["dynamodb:UpdateItem", "lambda:InvokeFunction"], "Resource": "*"},
    ],
}


class Machines:
    """The state machines, with the function that their tasks invoke."""

    def __init__(self, deployment):
        self.deployment, self.client = deployment, deployment.stepfunctions
        self._prepare()
        self.arns = {name: self.create(name, definition) for name, definition in MACHINES.items()}

    def _prepare(self):
        iam, table = self.deployment.iam, {"TableName": "runs", "BillingMode": "PAY_PER_REQUEST"}
        self.role = iam.create_role(RoleName="work", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        iam.put_role_policy(RoleName="work", PolicyName="work", PolicyDocument=json.dumps(ALLOWED))
        key = [{"AttributeName": "pk", "KeyType": "HASH"}]
        self.deployment.dynamodb.create_table(
            KeySchema=key, AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}], **table
        )
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("index.py", WORK)
        self.deployment.functions.create_function(
            FunctionName="work",
            Runtime="python3.13",
            Handler="index.handler",
            Role=self.role,
            Code={"ZipFile": packed.getvalue()},
            Timeout=20,
        )

    def create(self, name, definition):
        made = self.client.create_state_machine(name=name, definition=json.dumps(definition), roleArn=self.role)
        return made["stateMachineArn"]

    def start(self, machine, fails, error="Throttled", name=""):
        given = {"name": f"{name}-{uuid.uuid4()}"} if name else {}
        asked = json.dumps({"fails": fails, "error": error})
        started = self.client.start_execution(stateMachineArn=self.arns[machine], input=asked, **given)
        return Execution(self.deployment, started["executionArn"])


class Execution:
    """One execution, by its ARN."""

    function = "stepfunctions"

    def __init__(self, deployment, arn):
        self.deployment, self.client, self.key = deployment, deployment.stepfunctions, arn

    def shown(self):
        return self.client.describe_execution(executionArn=self.key)

    def status(self):
        return self.shown()["status"]

    def retries(self):
        """The number of its redrives, from its history."""
        pages = self.client.get_paginator("get_execution_history").paginate(executionArn=self.key)
        return sum(event["type"] == "ExecutionRedriven" for page in pages for event in page["events"])

    def until(self, status, seconds=30):
        wait_for(f"{status} of {self.key}", lambda: self.status() == status, seconds)

    def retried_at(self):
        """The time of its first redrive."""
        found = self.client.get_execution_history(executionArn=self.key)["events"]
        return next(event["timestamp"].timestamp() for event in found if event["type"] == "ExecutionRedriven")

    def stop(self):
        self.client.stop_execution(executionArn=self.key, error="OperatorStop", cause="not tonight")

    def failed(self):
        """The event of its first failure, which EventBridge may deliver again."""
        shown = self.shown()
        found = self.client.get_execution_history(executionArn=self.key)["events"]
        first = next(event for event in found if event["type"] == "ExecutionFailed")
        detail = {
            **{name: shown[name] for name in ("executionArn", "stateMachineArn", "name", "input")},
            "status": "FAILED",
            "startDate": int(shown["startDate"].timestamp() * 1000),
            "stopDate": int(first["timestamp"].timestamp() * 1000),
            "inputDetails": {"included": True},
            "output": None,
            "outputDetails": None,
            "stateMachineVersionArn": None,
            "stateMachineAliasArn": None,
            "redriveCount": 0,
            "redriveDate": None,
            "redriveStatus": "REDRIVABLE",
            "redriveStatusReason": None,
            **first["executionFailedEventDetails"],
        }
        kind = {"source": "aws.states", "detail-type": "Step Functions Execution Status Change"}
        return {**kind, "resources": [self.key], "detail": detail}


# --- Pipelines

# The milliseconds of each run of an action.
RUN = 200


def fails(message):
    return {"fail": {"code": "JobFailed", "message": message, "summary": message}, "after_ms": RUN}


class Pipelines:
    """Pipelines of `redrive serve`, one for each execution, since a stage shows only its latest execution."""

    def __init__(self, deployment):
        self.deployment, self.client = deployment, deployment.codepipeline

    def start(self, failures, error="Throttled", name="pipeline", hangs=False, approval=False):
        name = f"{name}-{uuid.uuid4().hex[:8]}"
        build = action("Approve", "Approval", "Manual") if approval else action("Compile", "Build", "CodeBuild")
        stages = [
            {"name": "Source", "actions": [action("Fetch", "Source", "S3")]},
            {"name": "Build", "actions": [build]},
        ]
        self.client.create_pipeline(pipeline={"name": name, "roleArn": ROLE, "stages": stages})
        quick = {**PASS, "after_ms": RUN}
        script = {"Source/Fetch": [quick], "Build/Compile": [*[fails(error)] * failures, HANG if hangs else quick]}
        scripted = {} if approval else {"variables": [{"name": "outcomes", "value": json.dumps(script)}]}
        started = self.client.start_pipeline_execution(name=name, **scripted)
        return Stage(self.deployment, name, started["pipelineExecutionId"])


class Stage:
    """The stage Build in one execution of a pipeline."""

    function = "codepipeline"

    def __init__(self, deployment, pipeline, execution):
        self.deployment, self.client = deployment, deployment.codepipeline
        self.pipeline, self.execution = pipeline, execution
        self.key = f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:{pipeline}/Build/{execution}"

    def shown(self):
        stages = self.client.get_pipeline_state(name=self.pipeline)["stageStates"]
        return next(stage for stage in stages if stage["stageName"] == "Build")

    def status(self):
        return self.shown().get("latestExecution", {}).get("status")

    def retries(self):
        """The number of retries that took effect, from the record of `redrive serve`."""
        calls = self.deployment.server.record("RetryStageExecution")
        return sum(call["pipelineExecutionId"] == self.execution and call["effect"] == "done" for call in calls)

    def until(self, status, seconds=30):
        wait_for(f"{status} of {self.key}", lambda: self.status() == status, seconds)

    def retried_at(self):
        calls = self.deployment.server.record("RetryStageExecution")
        return next(call["at"] / 1000 for call in calls if call["pipelineExecutionId"] == self.execution)

    def stop(self):
        self.client.stop_pipeline_execution(
            pipelineName=self.pipeline, pipelineExecutionId=self.execution, abandon=True, reason="not tonight"
        )

    def reject(self):
        def token():
            (shown,) = self.shown()["actionStates"]
            return shown.get("latestExecution", {}).get("token")

        self.client.put_approval_result(
            pipelineName=self.pipeline,
            stageName="Build",
            actionName="Approve",
            token=wait_for("approval to be asked for", token),
            result={"summary": "Throttled", "status": "Rejected"},
        )

    def failed(self):
        """The event of its first failure, as it was delivered."""
        kind = "CodePipeline Stage Execution State Change"
        events = (
            event
            for event in list(self.deployment.handled[self.execution])
            if event["detail-type"] == kind and event["detail"]["state"] == "FAILED"
        )
        return next(events)
