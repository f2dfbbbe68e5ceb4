"""Removes each permission that a function uses, one at a time: the metric of its alarm must show it, and name the call."""

import json
import time
import uuid

from failing import MACHINES
from stack import BUILT, check, wait_for

# Permissions that Lambda uses for a function: read its queue, write its log, send failed events.
BY_LAMBDA = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
}
# A cached definition is valid for executions that began a minute after its last change.
SETTLES = 62
ALARMS = ("AccessDenied", "DecisionsLost")


class Permissions:
    def __init__(self, deployment, scenarios):
        self.deployment, self.machines, self.pipelines = deployment, scenarios.machines, scenarios.pipelines
        self.began = time.monotonic()
        for name in ("aged-stepfunctions", "aged-sweep"):
            self.machines.arns[name] = self.machines.create(name, MACHINES["orders"])
        # The sweep runs only on demand.
        rules = deployment.events.list_rules()["Rules"]
        (schedule,) = (rule["Name"] for rule in rules if rule.get("ScheduleExpression"))
        deployment.events.disable_rule(Name=schedule)

    # --- Causes of calls

    def execution(self, failures=1, error="Throttled", machine="orders", handled=True):
        return self.machines.start(machine, failures, error, "" if handled else "unhandled")

    def stage(self, failures=1, error="Throttled", handled=True):
        return self.pipelines.start(failures, error, "pipeline" if handled else "unhandled")

    def event_of_before_redrives(self):
        subject = self.execution(handled=False)
        subject.until("FAILED")
        event = subject.failed()
        old = {name: value for name, value in event["detail"].items() if not name.startswith("redrive")}
        self.deployment.put({**event, "detail": old})

    def new_machine(self, handled=True):
        name = f"new-{uuid.uuid4().hex[:8]}"
        self.machines.arns[name] = self.machines.create(name, MACHINES["orders"])
        self.execution(machine=name, handled=handled)

    def known_machine(self, name, handled=True):
        time.sleep(max(0, SETTLES - (time.monotonic() - self.began)))
        for _ in range(3):
            self.execution(machine=name, handled=handled).until("RUNNING" if handled else "FAILED")
            time.sleep(1)

    def state_without_a_type(self, *arguments, **options):
        self.deployment.server.choose(state_shows_execution_type=False)
        self.stage(*arguments, **options)

    def old_failure(self):
        """A delay so long that events about it may have been lost."""
        subject = self.execution(1, "Late")
        entry = wait_for("entry", lambda: self.deployment.entry(subject.key))
        self.deployment.dynamodb.update_item(
            TableName=self.deployment.outputs["Ledger"],
            Key={"pk": {"S": subject.key}},
            UpdateExpression="SET failed_at = :then",
            ExpressionAttributeValues={":then": {"N": str(entry["failed_at"] - 3_600_000)}},
        )

    def due_entry(self):
        """A retry that the sweep must check, since the queue seems to have lost its message."""
        subject = self.execution(1, "Late")
        wait_for("entry", lambda: self.deployment.entry(subject.key))
        self.deployment.dynamodb.update_item(
            TableName=self.deployment.outputs["Ledger"],
            Key={"pk": {"S": subject.key}},
            UpdateExpression="SET next_check_at = :then",
            ExpressionAttributeValues={":then": {"N": "1"}},
        )

    def parallel_pipeline(self):
        stage = self.stage(0)
        pipeline = self.pipelines.client.get_pipeline(name=stage.pipeline)["pipeline"]
        parallel = {**pipeline, "executionMode": "PARALLEL", "pipelineType": "V2"}
        self.pipelines.client.update_pipeline(pipeline=parallel)

    def storm(self, fails, **options):
        """More failures at once than a process retries without slots."""
        for _ in range(6):
            fails(**options)

    def what_calls(self):
        """By function and action: a step that causes the call."""
        reads = ("GetPipeline", "GetPipelineState", "ListActionExecutions", "RetryStageExecution")
        quiet = {"handled": False}
        nothing = lambda: None  # noqa: E731
        return {
            "stepfunctions": {
                "states:DescribeExecution": self.event_of_before_redrives,
                "states:DescribeStateMachineForExecution": self.new_machine,
                "states:GetExecutionHistory": lambda: self.execution(machine="intake"),
                "states:RedriveExecution": self.execution,
                "dynamodb:GetItem": lambda: self.execution(2),
                "dynamodb:PutItem": self.execution,
                "dynamodb:UpdateItem": lambda: self.storm(self.execution),
                "sqs:SendMessage": lambda: self.execution(1, "Late"),
                "events:PutEvents": self.execution,
                "states:DescribeStateMachine": lambda: self.known_machine("aged-stepfunctions"),
            },
            "codepipeline": {
                **{f"codepipeline:{name}": self.stage for name in reads},
                "codepipeline:GetPipelineExecution": self.state_without_a_type,
                "dynamodb:GetItem": lambda: self.stage(2),
                "dynamodb:PutItem": self.stage,
                "dynamodb:UpdateItem": lambda: self.storm(self.stage),
                "sqs:SendMessage": lambda: self.stage(1, "Late"),
                "events:PutEvents": self.stage,
            },
            "due": {
                **{f"codepipeline:{name}": lambda: self.stage(1, "Late") for name in reads},
                "codepipeline:GetPipelineExecution": lambda: self.state_without_a_type(1, "Late"),
                "states:DescribeExecution": self.old_failure,
                "states:RedriveExecution": lambda: self.execution(1, "Late"),
                "dynamodb:PutItem": lambda: self.execution(1, "Late"),
                "dynamodb:UpdateItem": lambda: self.execution(1, "Late"),
                "events:PutEvents": lambda: self.execution(1, "Late"),
            },
            "sweep": {
                **{f"codepipeline:{name}": lambda: self.stage(**quiet) for name in reads},
                "codepipeline:GetPipelineExecution": lambda: self.state_without_a_type(**quiet),
                "codepipeline:ListPipelineExecutions": self.parallel_pipeline,
                "codepipeline:ListPipelines": nothing,
                "states:ListStateMachines": nothing,
                "states:ListExecutions": nothing,
                "dynamodb:Query": nothing,
                "dynamodb:BatchGetItem": self.due_entry,
                "dynamodb:GetItem": nothing,
                "dynamodb:PutItem": nothing,
                "dynamodb:UpdateItem": lambda: self.storm(self.execution, **quiet),
                "states:DescribeExecution": lambda: self.execution(**quiet),
                "states:DescribeStateMachineForExecution": lambda: self.new_machine(**quiet),
                "states:GetExecutionHistory": lambda: self.execution(machine="intake", **quiet),
                "states:RedriveExecution": lambda: self.execution(**quiet),
                "sqs:SendMessage": lambda: self.execution(1, "Late", **quiet),
                "events:PutEvents": lambda: self.execution(**quiet),
                "states:DescribeStateMachine": lambda: self.known_machine("aged-sweep", **quiet),
            },
        }

    # --- Removal

    def try_all(self, report):
        """Removes each permission, and prints the table of the results."""
        for function, calls in self.what_calls().items():
            role = self.deployment.configuration(function)["role"]
            asked = {"RoleName": role, "PolicyName": function}
            policy = self.deployment.iam.get_role_policy(**asked)["PolicyDocument"]
            held = {action for statement in policy["Statement"] for action in listed(statement)}
            check(held - BY_LAMBDA == set(calls), f"{function} holds {held - BY_LAMBDA ^ set(calls)} untried")
            for action, makes_the_call in calls.items():
                began = time.monotonic()
                self.deployment.iam.put_role_policy(**asked, PolicyDocument=json.dumps(without(policy, action)))
                try:
                    noticed = self.notice(function, action.split(":")[1], makes_the_call)
                finally:
                    self.deployment.iam.put_role_policy(**asked, PolicyDocument=json.dumps(policy))
                    self.deployment.server.choose(state_shows_execution_type=True)
                report.count(bool(noticed))
                took = time.monotonic() - began
                print(f"  {function:14} {action:40} {noticed or 'NOT NOTICED':60} {took:4.1f} s", flush=True)

    def notice(self, function, call, makes_the_call):
        since = int(time.time() * 1000)
        makes_the_call()
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if function == "sweep":
                self.deployment.functions.invoke(FunctionName=self.deployment.outputs[BUILT["sweep"]], Payload=b"{}")
            for line in self.deployment.lines(function, since):
                if said := what_it_says(line, call):
                    return said
            time.sleep(0.2)
        return None


def listed(statement):
    actions = statement["Action"]
    return [actions] if isinstance(actions, str) else actions


def without(policy, action):
    """The policy without an action, in any statement."""
    kept = [{**one, "Action": [name for name in listed(one) if name != action]} for one in policy["Statement"]]
    return {**policy, "Statement": [one for one in kept if one["Action"]]}


def what_it_says(line, call):
    """The denied call in a line, if a metric with an alarm counts it."""
    metric = next((name for name in ALARMS if line.get(name)), None)
    if not metric:
        return None
    if metric == "DecisionsLost":
        return f"{metric}" if call == "PutEvents" else None
    if line.get("error", "").startswith(f"{call} "):
        return f"{metric}: {line['error']}"
    if line.get("unsettled", "").startswith(f"{call} "):
        return f"{metric}: {line['outcome']}, unsettled, {line['unsettled'].split(':')[0]}"
    if line.get("call_result") == "access_denied" and call in ("RedriveExecution", "RetryStageExecution"):
        return f"{metric}: {call}, {line['outcome']}, to be tried again"
    return None
