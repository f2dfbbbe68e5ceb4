"""Alarms, dashboard and saved queries against the metrics and lines of the code."""

import json
import re

import pytest
from reading import FUNCTIONS, ROOT, of_type, seconds, source

GROUPS = ["StepFunctionsLogGroup", "CodePipelineLogGroup", "DueLogGroup", "SweepLogGroup"]
# The metrics of AWS, by namespace and dimension, from the services' documentation.
OF_AWS = {
    ("AWS/Lambda", "FunctionName"): {"Invocations", "Errors", "Throttles", "Duration", "DestinationDeliveryFailures"},
    ("AWS/SQS", "QueueName"): {
        "ApproximateNumberOfMessagesVisible",
        "NumberOfEmptyReceives",
        "NumberOfMessagesDeleted",
        "NumberOfMessagesReceived",
        "NumberOfMessagesSent",
    },
    ("AWS/Events", "RuleName"): {"InvocationsFailedToBeSentToDlq"},
    ("AWS/DynamoDB", "TableName"): {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"},
    ("AWS/DynamoDB", "TableName", "GlobalSecondaryIndexName"): {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"},
    ("AWS/Logs", "LogGroupName"): {"IncomingBytes"},
}


def own_metrics():
    """The metrics of the wide lines."""
    code = source("functions/lambda/src/metrics.rs")
    return set(re.findall(r"^    ([A-Z]\w+),$", code[code.index("enum Metric {") : code.index("impl Metric {")], re.M))


def is_known(namespace, metric, dimensions):
    if namespace == "redrive":
        return metric in own_metrics() and dimensions == ("Stack",)
    return metric in OF_AWS.get((namespace, *dimensions), ())


def alarms(resources):
    return of_type(resources, "AWS::CloudWatch::Alarm")


def watched(alarm):
    """The metrics of an alarm: (namespace, name, dimensions)."""
    single = [alarm] if "MetricName" in alarm else [one["MetricStat"]["Metric"] for one in alarm["Metrics"][1:]]
    return [(one["Namespace"], one["MetricName"], tuple(d["Name"] for d in one["Dimensions"])) for one in single]


def slug(alarm):
    return alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")


def dashboard(resources):
    """The dashboard as CloudWatch receives it, each reference as its own text."""
    body, values = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    referred = set(re.findall(r"\$\{([\w:.]+)\}", body))
    known = {*resources, *values, "AWS::Region", "AWS::StackName", "Mode"}
    assert {name.split(".")[0] for name in referred} <= known
    return json.loads(body)["widgets"]


def test_each_metric_of_the_code_is_watched(resources):
    own = own_metrics()
    assert {"Retried", "Recovered", "GaveUp", "Ignored", "Malformed", "DecisionLatency", "OldestClaimAge"} <= own
    seen = {name for alarm in alarms(resources).values() for _, name, _ in watched(alarm)}
    for widget in dashboard(resources):
        seen |= {metric[1] for metric in widget["properties"].get("metrics", []) if len(metric) > 1}
    # It is only for queries of the lines.
    assert own - seen == {"Ignored"}


def test_each_alarm_watches_an_existing_metric(resources):
    assert len(alarms(resources)) == 12
    for name, alarm in alarms(resources).items():
        assert watched(alarm)
        for metric in watched(alarm):
            assert is_known(*metric), (name, metric)


def test_each_alarm_is_sent_to_the_topic_only(template, resources):
    sent = {"Fn::If": ["AlarmsAreSent", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]}
    for name, alarm in alarms(resources).items():
        assert (alarm["AlarmActions"], alarm["OKActions"]) == (sent, sent), name
        missing = "breaching" if name == "SweepAlarm" else "notBreaching"
        assert alarm["TreatMissingData"] == missing, name
    topic = template["Parameters"]["AlarmTopic"]
    pattern = re.compile(topic["AllowedPattern"])
    assert topic["Default"] == "" and pattern.search("")
    assert pattern.search("arn:aws-us-gov:sns:us-gov-west-1:111122223333:pager")
    assert not pattern.search("pager") and not pattern.search("arn:aws:sqs:eu-west-1:111122223333:pager")


def test_alarms_and_sections_correspond(resources):
    page = source("infra/operations.md")
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert sorted(sections) == sorted(slug(alarm) for alarm in alarms(resources).values())
    for alarm in alarms(resources).values():
        assert alarm["AlarmDescription"].endswith(f"See infra/operations.md, {slug(alarm)}")
        text = sections[slug(alarm)]
        for part in ("**What it means.** ", "**What to do.** "):
            assert len(text.split(part)[1]) > 80, (slug(alarm), part)
    for link in re.findall(r"\]\(#([\w-]+)\)", page):
        assert link in sections


def test_names_in_operations_exist(template, resources):
    page = source("infra/operations.md")
    queries = {q["Name"]["Fn::Sub"].split("/")[1] for q in of_type(resources, "AWS::Logs::QueryDefinition").values()}
    for named in re.findall(r"[Qq]uery `([^`]+)`", page):
        assert named in queries
    for named in re.findall(r"outputs? `([^`]+)`", page):
        assert named in template["Outputs"]
    codes = set(re.findall(r'= "(\w+)", "', source("functions/policy/src/decision.rs")))
    for named in re.findall(r"`([a-z_]+)`(?:, | or |: (?=meant)|: the system)", page.split("## give-ups")[1].split("## claims")[0]):
        assert named in codes, named


def test_claim_alarm_follows_lease_and_sweep(resources):
    alarm = resources["ClaimAlarm"]["Properties"]
    assert 0 < alarm["Threshold"] - seconds("lease") - 60 <= 60


def test_missing_sweep_raises_an_alarm(resources):
    alarm = resources["SweepAlarm"]["Properties"]
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"]) == ("OldestClaimAge", "SampleCount", 1)
    assert alarm["ComparisonOperator"] == "LessThanThreshold"
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 600


def test_a_sum_of_metrics_sums_all_functions(resources):
    for name in ("ErrorAlarm", "ThrottleAlarm"):
        named = [d["Value"]["Ref"] for m in resources[name]["Properties"]["Metrics"][1:] for d in m["MetricStat"]["Metric"]["Dimensions"]]
        assert named == ["AWS::StackName", *FUNCTIONS], name


def test_every_expression_has_its_metrics(resources):
    formulas = [alarm["Metrics"] for alarm in alarms(resources).values() if "Metrics" in alarm]
    assert len(formulas) == 4
    for first, *metrics in formulas:
        ids = {one["Id"] for one in metrics}
        assert all(re.fullmatch(r"[a-z]\w*", one) for one in ids)
        named = set(re.findall(r"\b[a-z]\w*\b", first["Expression"]))
        assert named == (set() if first["Expression"] == "SUM(METRICS())" else ids)
        assert len({one["MetricStat"]["Period"] for one in metrics}) == 1


def test_dashboard_is_valid(resources):
    widgets = dashboard(resources)
    cells = [(x, y) for w in widgets for x in range(w["x"], w["x"] + w["width"]) for y in range(w["y"], w["y"] + w["height"])]
    assert len(cells) == len(set(cells)), "widgets lie upon each other"
    assert max(x for x, _ in cells) < 24
    questions = " ".join(w["properties"]["markdown"] for w in widgets if w["type"] == "text")
    assert all(asked in questions for asked in ("Is it working?", "Is it helping?", "What does it cost?"))
    for widget in widgets:
        formulas = [m[0] for m in widget["properties"].get("metrics", []) if isinstance(m[0], dict)]
        plain = [m for m in widget["properties"].get("metrics", []) if not isinstance(m[0], dict)]
        for namespace, metric, *rest in plain:
            dimensions = tuple(one for one in rest if isinstance(one, str))[::2]
            assert is_known(namespace, metric, dimensions), (namespace, metric, dimensions)
        ids = {m[-1]["id"] for m in plain if isinstance(m[-1], dict) and "id" in m[-1]}
        for formula in formulas:
            for asked in re.findall(r"METRICS\('(\w+)'\)", formula["expression"]):
                assert any(asked in one for one in ids), asked
    (shown,) = [w["properties"]["alarms"] for w in widgets if w["type"] == "alarm"]
    always = {name for name in alarms(resources) if "Condition" not in resources[name]}
    assert {one.removeprefix("${").removesuffix(".Arn}") for one in shown} == always


def queries(resources):
    saved = {name: q["QueryString"] for name, q in of_type(resources, "AWS::Logs::QueryDefinition").items()}
    shown = {w["properties"]["title"]: w["properties"]["query"].split(" | ", len(GROUPS))[-1] for w in dashboard(resources) if w["type"] == "log"}
    return saved | shown


def test_queries_read_existing_members(resources):
    documented = set(re.findall(r"`([\w.]+)`", source("README.md")))
    words = {"fields", "filter", "stats", "sort", "desc", "limit", "by", "as", "in", "and", "not", "count", "sum", "max", "pct", "bin", "ispresent"}
    assert len(queries(resources)) == 7
    for name, query in queries(resources).items():
        named = set(re.findall(r"\bas (\w+)", query))
        bare = re.sub(r"'[^']*'|\bas \w+|@\w+|(?<![\w.])\d+\w?\b", " ", query)
        for path in set(re.findall(r"[A-Za-z_][\w.]*", bare)) - words - named:
            parts = [part for part in path.split(".") if not part.isdigit()]
            assert all(part in documented for part in parts), f"{name}: {path}"


def test_every_query_reads_all_four_logs(resources):
    for query in of_type(resources, "AWS::Logs::QueryDefinition").values():
        assert query["LogGroupNames"] == [{"Ref": group} for group in GROUPS]
    for widget in dashboard(resources):
        if widget["type"] == "log":
            assert re.findall(r"SOURCE '\$\{(\w+)\}'", widget["properties"]["query"]) == GROUPS


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_no_log_level_hides_the_metrics(template, level):
    assert level in template["Parameters"]["LogLevel"]["AllowedValues"]
    assert len(template["Parameters"]["LogLevel"]["AllowedValues"]) == 2
    # The line with the metrics passes no filter of levels.
    assert "log::write(self.level, self);" in (ROOT / "functions/lambda/src/wide.rs").read_text()
