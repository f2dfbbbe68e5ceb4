"""A running `redrive serve`, and SDK clients without the user's own AWS settings."""

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
    """Ends the server with the test run, even after `kill -9` on Linux."""
    if LIBC:
        LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@pytest.fixture(scope="session")
def session():
    """A boto3 session without the user's own AWS settings."""
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
        """The next line of its output, empty after its end."""
        return self.lines.get(timeout=10)

    def client(self, service, region=REGION, key=ACCOUNT, attempts=1, **config):
        """An SDK client. It does not retry by itself unless `attempts` is above 1."""
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
        """A request to the emulator's own API under /_redrive/."""
        status, text = self.send(method, f"/_redrive/{path}", b"" if body is None else json.dumps(body))
        assert status == 200, text
        return json.loads(text)

    def wind(self, seconds):
        self.own("POST", "clock", {"advance_seconds": seconds})

    def play(self, service, operation, fault, **where):
        self.own("POST", "faults", {"service": service, "operation": operation, "fault": fault, **where})

    def choose(self, **options):
        """Sets the behaviour of CodePipeline where AWS does not specify it."""
        self.own("POST", "options", {"codepipeline": options})

    def events(self, after=0):
        return self.own("GET", f"events?after={after}")

    def calls(self, operation):
        return self.own("GET", "calls").get(operation, 0)

    def record(self, operation):
        """The calls of one operation and their effects, oldest first."""
        return [call for call in self.own("GET", "record") if call["operation"] == operation]


@contextmanager
def serving(binary, session):
    process = subprocess.Popen(
        [binary, "serve", "--port", "0"], stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent
    )
    try:
        # The output is read continuously, since a full pipe would block the server.
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
