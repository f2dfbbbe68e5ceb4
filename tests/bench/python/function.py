"""The same job as samples write it: clients at import, a record, and the redrive. No lease, no settling, no policy."""

import os
import time

import boto3

table = boto3.resource("dynamodb").Table(os.environ["REDRIVE_LEDGER"])
stepfunctions = boto3.client("stepfunctions")


def handler(event, context):
    detail = event["detail"]
    if detail["status"] not in ("FAILED", "TIMED_OUT"):
        return None
    table.put_item(
        Item={
            "pk": f"{detail['executionArn']}#{detail['redriveCount']}",
            "error": detail["error"],
            "at": int(time.time()),
        },
        ConditionExpression="attribute_not_exists(pk)",
    )
    answer = stepfunctions.redrive_execution(executionArn=detail["executionArn"])
    return {"redriven": answer["redriveDate"].isoformat()}
