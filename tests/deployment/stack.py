"""The deployed stack: a running account and `redrive serve`, and template.yaml deployed there by the SAM CLI."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/serve"), str(ROOT / "tests/lambda")]

import boto3  # noqa: E402
from botocore.config import Config  # noqa: E402
from fixtures import BUILT, plain, program  # noqa: E402
from emulator import ACCOUNT, LIBC, REGION, die_with_parent, serving  # noqa: E402
from lambda_runtime import free_port, wait_for_port  # noqa: E402

STACK = "redrive"


class Failed(Exception):
    """A scenario failed."""


def check(holds, said):
    if not holds:
        raise Failed(said)


def wait_for(what, ask, seconds=30):
    """The first true answer."""
    until = time.monotonic() + seconds
    while True:
        if answer := ask():
            return answer
        if time.monotonic() > until:
            raise Failed(f"after {seconds} s still no {what}")
        time.sleep(0.1)


def own_environment(url):
    """The environment of child processes, without the user's own AWS settings."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "SAM_"))]:
        del os.environ[name]
    os.environ.update(
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        AWS_REGION=REGION,
        AWS_DEFAULT_REGION=REGION,
        # Both emulators treat twelve digits as the root user of an account.
        AWS_ACCESS_KEY_ID=ACCOUNT,
        AWS_SECRET_ACCESS_KEY="test",
        AWS_ENDPOINT_URL=url,
        NO_PROXY="127.0.0.1",
        SAM_CLI_TELEMETRY="0",
        SAM_CLI_POLL_DELAY="0.3",
    )


def own_processes():
    """All descendants of this process. None is reparented to init."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return [int(pid) for pid in children.read_text().split()] if children.exists() else []


class Deployment:
    """One run, from start to cleanup."""

    def __init__(self, home, exits):
        self.home, self.exits = home, exits
        self.handled, self.sent, self.lock = defaultdict(list), [], threading.Lock()
        if LIBC:
            LIBC.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans are reparented here, and counted
        self.port = free_port()
        own_environment(f"http://127.0.0.1:{self.port}")
        binary = program(os.environ.get("REDRIVE_BIN", ROOT / "target/debug/redrive"), "cargo build")
        self.server = exits.enter_context(serving(binary, boto3.Session()))
        self.log = home / "account.log"
        self._start_account()
        for name in ("stepfunctions", "codepipeline", "dynamodb", "sqs", "iam", "logs", "cloudformation", "events"):
            setattr(self, name, self.client(name))
        self.functions = self.client("lambda")
        threading.Thread(target=self._tell, daemon=True).start()

    @staticmethod
    def client(service):
        return boto3.client(service, config=Config(max_pool_connections=50, read_timeout=60, proxies={}))

    def _start_account(self):
        python = os.environ.get("MINISTACK_PYTHON", sys.executable)
        temporary = self.home / "tmp"
        temporary.mkdir()
        process = subprocess.Popen(
            [python, str(ROOT / "tests/deployment/account.py")],
            env={
                **{name: os.environ[name] for name in ("PATH", "HOME", "NO_PROXY") if name in os.environ},
                "TMPDIR": str(temporary),
                "GATEWAY_PORT": str(self.port),
                "BIND_HOST": "127.0.0.1",
                "MINISTACK_HOST": "127.0.0.1",
                "MINISTACK_REGION": REGION,
                "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"],
                "CODEPIPELINE_URL": self.server.url,
                "AUTH": "true",
                "LAMBDA_EXECUTOR": "local",
                "IOT_MTLS_ENABLED": "0",
                "SFTP_ENABLED": "0",
            },
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,
        )
        self.exits.callback(self._end, process)
        wait_for_port(self.port, process, seconds=60)

    def _end(self, process):
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # ministack started the functions; this process ends the rest.
        for pid in own_processes():
            if pid != self.server.process.pid:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def _tell(self):
        """Puts the events of `redrive serve` on the event bus, as CodePipeline does."""
        while line := self.server.lines.get():
            if not line.startswith("{"):
                continue
            event = json.loads(line)
            about = event["detail"].get("pipeline", "")
            with self.lock:
                self.handled[event["detail"].get("execution-id")].append(event)
            if not about.startswith("unhandled-"):
                self.put(event)

    def put(self, event):
        """Makes the event bus deliver an event, possibly again."""
        entry = {
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
            "Resources": event["resources"],
        }
        check(self.events.put_events(Entries=[entry])["FailedEntryCount"] == 0, "the event bus refused an event")

    # --- The stack

    def lay_out(self, build):
        """A copy of the output of `sam build` with its own infra/, so that the policy can be replaced."""
        for name in ("template.yaml", *BUILT.values()):
            source, made = Path(build, name), self.home / ".aws-sam/build" / name
            made.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                program(source / "bootstrap", "sam build")
                shutil.copytree(source, made)
            else:
                shutil.copy(source, made)
        for name in ("infra", "LICENSE", "README.md"):
            (shutil.copytree if name == "infra" else shutil.copy)(ROOT / name, self.home / name)

    def deploy(self, policy=None, **parameters):
        """`sam deploy` as in the README. Raises its output if it fails."""
        if policy:
            (self.home / "infra/policy.yaml").write_text(policy)
        overrides = [f"{name}={value}" for name, value in parameters.items()]
        command = ["sam", "deploy", "--config-file", str(ROOT / "infra/samconfig.toml"), "--no-confirm-changeset"]
        command += ["--template-file", str(self.home / ".aws-sam/build/template.yaml")]
        command += ["--parameter-overrides", *overrides] if overrides else []
        done = subprocess.run(command, cwd=self.home, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        check(done.returncode == 0, f"sam deploy failed:\n{done.stdout}")
        (stack,) = self.cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def configuration(self, name):
        """The code and the layers of a function."""
        shown = self.functions.get_function_configuration(FunctionName=self.outputs[BUILT[name]])
        return {
            "code": shown["CodeSha256"],
            "layers": [layer["Arn"] for layer in shown["Layers"]],
            "role": shown["Role"].split("/")[-1],
        }

    def entry(self, key):
        """The entry of a subject."""
        found = self.dynamodb.get_item(TableName=self.outputs["Ledger"], Key={"pk": {"S": key}}, ConsistentRead=True)
        item = found.get("Item")
        return item and {name: plain(value) for name, value in item.items()}

    def lines(self, function, since=0):
        """The wide lines of a function since a time in milliseconds."""
        found, token = [], {}
        while True:
            page = self.logs.filter_log_events(logGroupName=f"/{STACK}/{function}", startTime=since, **token)
            found += [json.loads(one["message"]) for one in page["events"] if one["message"].startswith("{")]
            if not page.get("nextToken"):
                return [line for line in found if "function" in line]
            token = {"nextToken": page["nextToken"]}
