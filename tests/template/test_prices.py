"""The dollars of the README and of the dashboard are those of tests/cost/run."""

import json
import re
import runpy
import subprocess
import sys

import pytest
from reading import ROOT, of_type, source
from test_watching import alarms, dashboard, own_metrics, watched


@pytest.fixture(scope="module")
def run():
    return runpy.run_path(str(ROOT / "tests/cost/run"))


def test_readme_has_the_tables_of_the_script():
    printed = subprocess.run([sys.executable, ROOT / "tests/cost/run"], capture_output=True, text=True, check=True).stdout
    assert printed in source("README.md")


def test_monthly_costs_count_the_resources_of_the_template(template, resources):
    always = {name: alarm for name, alarm in alarms(resources).items() if "Condition" not in resources[name]}
    assert json.loads(source("tests/cost/measured.json"))["stack"] == {
        "alarm_metrics": sum(len(watched(alarm)) for alarm in always.values()),
        "metrics": len(own_metrics()),
        "dashboards": len(of_type(resources, "AWS::CloudWatch::Dashboard")),
        "memory_mb": template["Globals"]["Function"]["MemorySize"],
    }
    assert template["Resources"]["SweepRule"]["Properties"]["ScheduleExpression"] == "rate(1 minute)"
    assert template["Parameters"]["LogRetentionDays"]["Default"] == 30


def test_dashboard_has_the_same_prices(run, resources):
    prices = run["PRICES"]
    formulas = {m["label"]: m["expression"] for w in dashboard(resources) for (m, *_) in w["properties"].get("metrics", []) if isinstance(m, dict)}
    by_architecture = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][1]["GigabyteSecond"]["Fn::If"]
    assert [by_architecture[0], *map(float, by_architecture[1:])] == ["IsArm", *(prices["gigabyte_second"][one] for one in ("arm64", "x86_64"))]
    for service, factors in {
        "Lambda": [1000, 0.125, prices["request"]],
        "DynamoDB": [prices["written"], prices["read"]],
        "SQS": [prices["queue_request"]],
        "Logs": [run["GIGABYTE"], prices["log_gigabyte"]],
    }.items():
        assert [float(one) for one in re.findall(r"\b\d[\d.]*\b", formulas[service])] == pytest.approx(factors), service
