// DynamoDB through the SDK's document client: plain values in, plain values out. Prints what it saw.
import { CreateTableCommand, DynamoDBClient, waitUntilTableExists } from "@aws-sdk/client-dynamodb";
import {
  BatchGetCommand, BatchWriteCommand, DeleteCommand, DynamoDBDocumentClient, GetCommand, paginateQuery, paginateScan,
  PutCommand, QueryCommand, TransactWriteCommand, UpdateCommand,
} from "@aws-sdk/lib-dynamodb";

const table = process.argv[2];
const plain = new DynamoDBClient({ maxAttempts: 1 });
const documents = DynamoDBDocumentClient.from(plain, { marshallOptions: { removeUndefinedValues: true } });
const send = (Command, input) => documents.send(new Command({ TableName: table, ...input }));
const seen = {};

const errorOf = async (promise) => {
  try {
    await promise;
  } catch (error) {
    return {
      name: error.name, message: error.message, status: error.$metadata.httpStatusCode, item: error.Item,
      reasons: error.CancellationReasons?.map((reason) => reason.Code),
    };
  }
  return null;
};

await plain.send(new CreateTableCommand({
  TableName: table,
  BillingMode: "PAY_PER_REQUEST",
  AttributeDefinitions: [["pk", "S"], ["sk", "N"], ["kind", "S"]].map(([AttributeName, AttributeType]) => ({ AttributeName, AttributeType })),
  KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }, { AttributeName: "sk", KeyType: "RANGE" }],
  GlobalSecondaryIndexes: [{
    IndexName: "kinds", KeySchema: [{ AttributeName: "kind", KeyType: "HASH" }], Projection: { ProjectionType: "ALL" },
  }],
}));
await waitUntilTableExists({ client: plain, maxWaitTime: 30, minDelay: 1 }, { TableName: table });

const item = {
  pk: "雲庭", sk: 1, kind: "full", text: "", bytes: new Uint8Array([0, 255, 10]), yes: true, nothing: null, skipped: undefined,
  list: [1, "two", [3.5], { deep: { er: -1e-20 } }], words: new Set(["a", "b"]), numbers: new Set([1, 2.5]),
};
await send(PutCommand, { Item: item });
const got = (await send(GetCommand, { Key: { pk: "雲庭", sk: 1 }, ConsistentRead: true })).Item;
seen.got = { ...got, bytes: [...got.bytes], words: [...got.words], numbers: [...got.numbers].sort() };
seen.missing = (await send(GetCommand, { Key: { pk: "none", sk: 0 } })).Item ?? "none";

seen.updated = (await send(UpdateCommand, {
  Key: { pk: "雲庭", sk: 1 },
  UpdateExpression: "SET #l[1] = :t, added = if_not_exists(added, :zero) + :one REMOVE nothing ADD words :w",
  ExpressionAttributeNames: { "#l": "list" },
  ExpressionAttributeValues: { ":t": "changed", ":zero": 0, ":one": 1, ":w": new Set(["c"]) },
  ReturnValues: "UPDATED_NEW",
})).Attributes;
seen.updated.words = [...seen.updated.words].sort();

seen.conflict = await errorOf(send(PutCommand, {
  Item: { pk: "雲庭", sk: 1 }, ConditionExpression: "attribute_not_exists(pk)", ReturnValuesOnConditionCheckFailure: "ALL_OLD",
}));
seen.conflict.item = Object.keys(seen.conflict.item ?? {}).length > 0;

await documents.send(new BatchWriteCommand({
  RequestItems: { [table]: [...Array(25).keys()].map((n) => ({ PutRequest: { Item: { pk: "many", sk: n, kind: n % 2 ? "odd" : "even" } } })) },
}));
const both = await documents.send(new BatchGetCommand({
  RequestItems: { [table]: { Keys: [{ pk: "many", sk: 3 }, { pk: "many", sk: 4 }, { pk: "many", sk: 99 }] } },
}));
seen.batch = both.Responses[table].map((one) => one.sk).sort();

seen.pages = [];
const query = {
  TableName: table, KeyConditionExpression: "pk = :p AND sk BETWEEN :a AND :b", FilterExpression: "kind = :k",
  ExpressionAttributeValues: { ":p": "many", ":a": 5, ":b": 14, ":k": "odd" }, ScanIndexForward: false,
};
for await (const page of paginateQuery({ client: documents, pageSize: 4 }, query)) seen.pages.push(page.Items.map((one) => one.sk));
seen.index = (await send(QueryCommand, {
  IndexName: "kinds", KeyConditionExpression: "kind = :k", ExpressionAttributeValues: { ":k": "even" }, Select: "COUNT",
})).Count;
let scanned = 0;
for await (const page of paginateScan({ client: documents, pageSize: 10 }, { TableName: table })) scanned += page.Count;
seen.scanned = scanned;

seen.transaction = await errorOf(documents.send(new TransactWriteCommand({
  TransactItems: [
    { Put: { TableName: table, Item: { pk: "t", sk: 1 } } },
    { ConditionCheck: { TableName: table, Key: { pk: "none", sk: 1 }, ConditionExpression: "attribute_exists(pk)" } },
  ],
})));
seen.rolledBack = (await send(GetCommand, { Key: { pk: "t", sk: 1 } })).Item ?? "none";
seen.deleted = (await send(DeleteCommand, { Key: { pk: "many", sk: 0 }, ReturnValues: "ALL_OLD" })).Attributes;
seen.invalid = await errorOf(send(QueryCommand, { KeyConditionExpression: "pk = :p" }));
seen.none = await errorOf(documents.send(new GetCommand({ TableName: "no-such-table", Key: { pk: "a" } })));
console.log(JSON.stringify(seen));
