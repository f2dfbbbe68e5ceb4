"""A state machine and a pipeline in the emulated services, with scripts for their runs."""

import json

from emulator import ACCOUNT, REGION

MINUTE, DAY = 60, 24 * 60 * 60
RUN = MINUTE


def unwrapped(answer):
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


# Step Functions

LOAD = {"Type": "Task", "Resource": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:load", "End": True}
ONE_TASK = {"StartAt": "Load", "States": {"Load": LOAD}}
INTO_A_FAIL_STATE = {
    "StartAt": "Load",
    "States": {
        "Load": {**LOAD, "End": False, "Next": "GiveUp"},
        "GiveUp": {"Type": "Fail", "Error": "Orders.Rejected", "Cause": "the order is void"},
    },
}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"
ERROR, CAUSE = "Lambda.TooManyRequestsException", "Rate Exceeded."
FAIL = {"fail": {"state": "Load", "error": ERROR, "cause": CAUSE}, "after_ms": RUN * 1000}
SUCCEED = {"succeed": {"output": {"loaded": 3}}, "after_ms": RUN * 1000}
TIME_OUT = {"time_out": {}, "after_ms": RUN * 1000}
HANG = {"hang": {}}


class Orders:
    """A state machine and its executions."""

    def __init__(self, server, definition=ONE_TASK, **client):
        self.server, self.client = server, server.client("stepfunctions", **client)
        self.definition = json.dumps(definition)
        self.machine = self.client.create_state_machine(name="orders", definition=self.definition, roleArn=ROLE)[
            "stateMachineArn"
        ]

    def start(self, *outcomes, **options):
        if outcomes:
            options["input"] = json.dumps({"outcomes": outcomes})
        return self.client.start_execution(stateMachineArn=self.machine, **options)["executionArn"]

    def start_and_end(self, *outcomes):
        execution = self.start(*outcomes)
        self.server.wind(RUN)
        return execution

    def redrive(self, execution, token):
        return self.client.redrive_execution(executionArn=execution, clientToken=token)["redriveDate"]

    def describe(self, execution):
        return unwrapped(self.client.describe_execution(executionArn=execution))

    def standing(self, execution):
        described = self.describe(execution)
        return described["status"], described["redriveCount"]

    def history(self, execution, **options):
        return self.client.get_execution_history(executionArn=execution, **options)["events"]

    def event_statuses(self, execution):
        """Status and redrive count in the events about an execution."""
        details = [event["detail"] for event in self.server.events() if event["resources"] == [execution]]
        return [(detail["status"], detail["redriveCount"]) for detail in details]


# CodePipeline


def action(name, category, provider):
    kind = {"category": category, "owner": "AWS", "provider": provider, "version": "1"}
    return {"name": name, "actionTypeId": kind}


STAGES = [
    {"name": "Source", "actions": [action("Fetch", "Source", "S3")]},
    {"name": "Build", "actions": [action("Compile", "Build", "CodeBuild"), action("Check", "Test", "CodeBuild")]},
    {"name": "Deploy", "actions": [action("Copy", "Deploy", "S3")]},
]
MESSAGE = "Build terminated with state: FAILED. Phase: BUILD, Code: COMMAND_EXECUTION_ERROR, Message: exit status 1"
PASS = {"succeed": {}, "after_ms": RUN * 1000}
BREAK = {"fail": {"code": "JobFailed", "message": MESSAGE, "summary": MESSAGE}, "after_ms": RUN * 1000}
NOWHERE = "00000000-0000-4000-8000-000000000000"


class Shop:
    """A pipeline and its executions. A run without a script succeeds."""

    def __init__(self, server, stages=STAGES, **client):
        self.server, self.client = server, server.client("codepipeline", **client)
        self.client.create_pipeline(pipeline={"name": "shop", "roleArn": ROLE, "stages": stages})

    def start(self, **outcomes):
        script = {"Source/Fetch": [PASS], "Build/Compile": [PASS], "Build/Check": [PASS], "Deploy/Copy": [PASS]}
        script.update({f"Build/{name}": runs for name, runs in outcomes.items()})
        variables = [{"name": "outcomes", "value": json.dumps(script)}]
        return self.client.start_pipeline_execution(name="shop", variables=variables)["pipelineExecutionId"]

    def start_and_break(self, *then):
        """An execution whose stage Build failed: Compile failed, Check succeeded."""
        execution = self.start(Compile=[BREAK, *then])
        self.server.wind(RUN)
        self.server.wind(RUN)
        return execution

    def roll_back(self, target, stage="Build"):
        return self.client.rollback_stage(pipelineName="shop", stageName=stage, targetPipelineExecutionId=target)[
            "pipelineExecutionId"
        ]

    def roll_back_and_break(self, *then):
        """A rollback whose stage Build failed: Compile succeeded in its target, and then failed."""
        target = self.start(Compile=[PASS, BREAK, *then])
        for _ in STAGES:
            self.server.wind(RUN)
        rollback = self.roll_back(target)
        self.server.wind(RUN)
        return rollback

    def retry(self, execution, mode="FAILED_ACTIONS", pipeline="shop", stage="Build"):
        return self.client.retry_stage_execution(
            pipelineName=pipeline, stageName=stage, pipelineExecutionId=execution, retryMode=mode
        )["pipelineExecutionId"]

    def stage(self, name="Build"):
        stages = self.client.get_pipeline_state(name="shop")["stageStates"]
        return next(stage for stage in stages if stage["stageName"] == name)

    def status(self, name="Build"):
        return self.stage(name).get("latestExecution", {}).get("status")

    def latest_runs(self, name="Build"):
        return {it["actionName"]: it["latestExecution"] for it in self.stage(name)["actionStates"]}

    def rows(self, execution):
        """Stage, action and status of every action execution, newest first."""
        rows = self.client.list_action_executions(pipelineName="shop", filter={"pipelineExecutionId": execution})
        return rows["actionExecutionDetails"]

    def execution_status(self, execution):
        answer = self.client.get_pipeline_execution(pipelineName="shop", pipelineExecutionId=execution)
        return answer["pipelineExecution"]["status"]
