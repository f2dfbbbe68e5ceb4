"""template.yaml as written, and as transformed by SAM."""

import copy
import json
import os
import pathlib
import re

import cfnlint.api
import yaml
from samtranslator.translator.transform import transform

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FUNCTIONS = ["StepFunctionsFunction", "CodePipelineFunction", "DueFunction", "SweepFunction"]
RULES = ["StepFunctionsRule", "CodePipelineRule", "SweepRule"]


def part(function, kind):
    return function.removesuffix("Function") + kind


class Loader(yaml.SafeLoader):
    """YAML with !Ref, !GetAtt and the others expanded to their long forms."""


def _intrinsic(loader, tag, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


Loader.add_multi_constructor("!", _intrinsic)


def read_template():
    return yaml.load((ROOT / "template.yaml").read_text(), Loader)


def source(path):
    return (ROOT / path).read_text()


def seconds(term):
    """A duration of the ledger's default timing, in seconds."""
    timing = source("functions/core/src/ledger/timing.rs").split("impl Default for Timing", 1)[1]
    factors = re.search(rf"\b{term}: Duration::from_secs\(([\d_ *]+)\)", timing)[1].replace("_", "")
    product = 1
    for factor in factors.split("*"):
        product *= int(factor)
    return product


def of_type(resources, kind):
    return {name: r["Properties"] for name, r in resources.items() if r["Type"] == kind}


def arn_of(name):
    return {"Fn::GetAtt": [name, "Arn"]}


def as_list(value):
    return value if isinstance(value, list) else [value]


def flat(value):
    """An ARN on one line, as in the template."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    return {
        "Ref": lambda: argument,
        "Fn::Sub": lambda: argument,
        "Fn::GetAtt": lambda: ".".join(argument),
    }[function]()


# --- Transformed by SAM


def sam(template, layer="s3://bucket/layer"):
    """The template for CloudFormation. SAM needs uploaded code."""
    template = copy.deepcopy(template)
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/functions"
    template["Resources"]["PolicyLayer"]["Properties"]["ContentUri"] = layer

    class NoManagedPolicies:
        def load(self):
            return {}

    region = os.environ.get("AWS_DEFAULT_REGION")
    os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
    try:
        return transform(template, {}, NoManagedPolicies())
    finally:
        if region is None:
            del os.environ["AWS_DEFAULT_REGION"]
        else:
            os.environ["AWS_DEFAULT_REGION"] = region


def lint(template):
    found = cfnlint.api.lint(json.dumps(template), regions=["us-east-1", "eu-west-1"])
    return [f"{match.rule.id} {'/'.join(map(str, match.path or []))}: {match.message}" for match in found]
