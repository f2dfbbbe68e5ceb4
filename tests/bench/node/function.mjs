// The same job as samples write it: clients at import, a record, and the redrive. No lease, no settling, no policy.
import { DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { RedriveExecutionCommand, SFNClient } from "@aws-sdk/client-sfn";

const dynamodb = new DynamoDBClient({});
const stepfunctions = new SFNClient({});

export const handler = async ({ detail }) => {
  if (!["FAILED", "TIMED_OUT"].includes(detail.status)) return null;
  await dynamodb.send(
    new PutItemCommand({
      TableName: process.env.REDRIVE_LEDGER,
      Item: {
        pk: { S: `${detail.executionArn}#${detail.redriveCount}` },
        error: { S: detail.error },
        at: { N: String(Math.floor(Date.now() / 1000)) },
      },
      ConditionExpression: "attribute_not_exists(pk)",
    }),
  );
  const answer = await stepfunctions.send(
    new RedriveExecutionCommand({ executionArn: detail.executionArn }),
  );
  return { redriven: answer.redriveDate.toISOString() };
};
