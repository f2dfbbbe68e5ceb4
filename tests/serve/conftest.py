"""Fixtures of all tests against a running `redrive serve`."""

import os

import pytest
from emulator import serving, session  # noqa: F401


@pytest.fixture(scope="session")
def binary():
    path = os.environ.get("REDRIVE_BIN", "")
    if not (os.path.isfile(path) and os.access(path, os.X_OK)):
        pytest.exit(
            f"REDRIVE_BIN must name the redrive program, and is {path!r}. "
            "Build it with `cargo build`, then set REDRIVE_BIN=target/debug/redrive.",
            returncode=2,
        )
    return os.path.abspath(path)


@pytest.fixture
def server(binary, session):  # noqa: F811
    with serving(binary, session) as server:
        yield server
