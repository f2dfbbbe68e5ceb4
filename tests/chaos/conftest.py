"""The engines: DynamoDB Local, moto's SQS and `redrive serve`; and a clock that is set ahead."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "serve"), str(HERE.parent / "lambda")]

from fixtures import binary, bootstraps, dynamodb_local, moto, session  # noqa: E402, F401
from emulator import serving  # noqa: E402


@pytest.fixture(scope="session")
def clock(tmp_path_factory):
    """A library that sets the wall clock of a process ahead. `cc` exists wherever Rust links."""
    made = tmp_path_factory.mktemp("clock") / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", made, HERE / "clock.c"], check=True)
    return made


@pytest.fixture
def server(binary, session):  # noqa: F811
    with serving(binary, session) as server:
        yield server
