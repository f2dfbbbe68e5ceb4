import pytest
from reading import read_template


@pytest.fixture
def template():
    return read_template()


@pytest.fixture
def resources(template):
    return template["Resources"]
