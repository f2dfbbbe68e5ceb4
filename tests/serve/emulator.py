"""A running `redrive serve`, and SDK clients that nobody's own AWS settings reach."""

import ctypes
import http.client
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import boto3
import pytest
from botocore.config import Config

REGION, ACCOUNT = "eu-west-1", "111122223333"


def die_with_parent():
    """On Linux not even `kill -9` of the test run leaves a server behind."""
    if LIBC:
        LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@pytest.fixture(scope="session")
def session():
    """A boto3 session that nobody's own AWS settings reach."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        yield boto3.Session()


class Server:
    """A running `redrive serve`."""

    def __init__(self, process, lines, session):
        self.process, self.lines, self.session = process, lines, session
        first = self.next_line()
        address = re.search(r"(http://127\.0\.0\.1:(\d+))\s*$", first)
        assert address, f"the first line of output names no address on 127.0.0.1: {first!r}"
        self.url, self.port = address[1], int(address[2])

    def next_line(self):
        """The next line of its output, and nothing once it has ended."""
        return self.lines.get(timeout=10)

    def client(self, service, region=REGION, key=ACCOUNT, attempts=1, **config):
        """An SDK client; without further `attempts` it does not retry by itself."""
        return self.session.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=key,
            aws_secret_access_key="any",
            config=Config(
                retries={"total_max_attempts": attempts, "mode": "standard"},
                connect_timeout=5,
                read_timeout=10,
                proxies={},
                **config,
            ),
        )

    def send(self, method, path, body=b"", **headers):
        """A plain HTTP request; answers status and text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): it for name, it in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def own(self, method, path, body=None):
        """A request of the emulator's own under /_redrive/."""
        status, text = self.send(method, f"/_redrive/{path}", b"" if body is None else json.dumps(body))
        assert status == 200, text
        return json.loads(text)

    def wind(self, seconds):
        self.own("POST", "clock", {"advance_seconds": seconds})

    def play(self, service, operation, fault, **where):
        self.own("POST", "faults", {"service": service, "operation": operation, "fault": fault, **where})

    def choose(self, **options):
        """How CodePipeline behaves from now on where AWS leaves it open."""
        self.own("POST", "options", {"codepipeline": options})

    def events(self, after=0):
        return self.own("GET", f"events?after={after}")

    def calls(self, operation):
        return self.own("GET", "calls").get(operation, 0)

    def record(self, operation):
        """The calls of one operation, oldest first, with what each did."""
        return [call for call in self.own("GET", "record") if call["operation"] == operation]


@contextmanager
def serving(binary, session):
    process = subprocess.Popen(
        [binary, "serve", "--port", "0"], stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent
    )
    try:
        # The output is read all the time: a full pipe would hold the server up.
        lines = queue.Queue()
        reader = threading.Thread(target=pass_on, args=(process.stdout, lines), daemon=True)
        reader.start()
        yield Server(process, lines, session)
    finally:
        process.kill()
        process.wait()
        reader.join(timeout=10)


def pass_on(output, lines):
    with output:
        for line in output:
            lines.put(line)
    lines.put("")
