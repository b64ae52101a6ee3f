"""DynamoDB through boto3's client and resource: what applications do."""

import datetime
import decimal
import threading

import boto3
import boto3.dynamodb.conditions
import botocore.exceptions
import pytest

Attr = boto3.dynamodb.conditions.Attr
Key = boto3.dynamodb.conditions.Key


def error_of(call, *arguments, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(*arguments, **members)
    return caught.value.response


def words_of(call, *arguments, **members):
    response = error_of(call, *arguments, **members)
    return response["Error"]["Code"], response["Error"]["Message"]


def invalid(call, *arguments, **members):
    code, message = words_of(call, *arguments, **members)
    assert code == "ValidationException"
    return message


def attributes(text):
    return [{"AttributeName": one[:-2], "AttributeType": one[-1]} for one in text.split()]


def keys(*names):
    return [{"AttributeName": n, "KeyType": kind} for n, kind in zip(names, ("HASH", "RANGE"))]


@pytest.fixture
def ddb(cloud):
    return cloud.client("dynamodb")


def make(ddb, name, definitions="pk:S sk:N", schema=("pk", "sk"), **more):
    ddb.create_table(TableName=name, AttributeDefinitions=attributes(definitions), KeySchema=keys(*schema),
                     BillingMode="PAY_PER_REQUEST", **more)
    ddb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    return name


@pytest.fixture
def table(ddb, name):
    return make(ddb, name)


def put(ddb, table, pk, sk, **more):
    ddb.put_item(TableName=table, Item={"pk": {"S": pk}, "sk": {"N": str(sk)}, **more})


def sks(page):
    return [int(item["sk"]["N"]) for item in page["Items"]]


# --- tables


def test_life_of_a_table(ddb, name):
    made = ddb.create_table(
        TableName=name, AttributeDefinitions=attributes("pk:S sk:N other:B"), KeySchema=keys("pk", "sk"),
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
        LocalSecondaryIndexes=[{"IndexName": "local", "KeySchema": keys("pk", "other"),
                                "Projection": {"ProjectionType": "KEYS_ONLY"}}],
        Tags=[{"Key": "team", "Value": "sky"}])["TableDescription"]
    assert made["TableStatus"] == "CREATING" and made["ItemCount"] == 0 and made["TableSizeBytes"] == 0
    assert made["TableArn"] == f"arn:aws:dynamodb:us-east-1:000000000000:table/{name}"
    assert made["LocalSecondaryIndexes"][0]["IndexArn"] == made["TableArn"] + "/index/local"
    ddb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    seen = ddb.describe_table(TableName=name)["Table"]
    assert seen["TableStatus"] == "ACTIVE"
    assert seen["KeySchema"] == keys("pk", "sk")
    assert seen["ProvisionedThroughput"] == {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 5,
                                             "WriteCapacityUnits": 6}
    assert ddb.describe_table(TableName=seen["TableArn"])["Table"] == seen
    assert words_of(ddb.create_table, TableName=name, AttributeDefinitions=attributes("a:S"), KeySchema=keys("a"),
                    BillingMode="PAY_PER_REQUEST") == ("ResourceInUseException", f"Table already exists: {name}")
    arn = seen["TableArn"]
    ddb.tag_resource(ResourceArn=arn, Tags=[{"Key": "cost", "Value": "1"}])
    ddb.untag_resource(ResourceArn=arn, TagKeys=["team"])
    assert ddb.list_tags_of_resource(ResourceArn=arn)["Tags"] == [{"Key": "cost", "Value": "1"}]
    ddb.update_table(TableName=name, DeletionProtectionEnabled=True)
    ddb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    assert "protected against deletion" in invalid(ddb.delete_table, TableName=name)
    ddb.update_table(TableName=name, DeletionProtectionEnabled=False, BillingMode="PAY_PER_REQUEST")
    ddb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    assert ddb.describe_table(TableName=name)["Table"]["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert ddb.delete_table(TableName=name)["TableDescription"]["TableStatus"] == "DELETING"
    ddb.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    assert words_of(ddb.describe_table, TableName=name) == (
        "ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")


def test_tables_are_listed_in_pages(make_cloud):
    fresh = make_cloud()
    fresh.start()
    ddb = fresh.client("dynamodb")
    for n in range(5):
        make(ddb, f"table{n}")
    assert [page["TableNames"] for page in ddb.get_paginator("list_tables").paginate(
        PaginationConfig={"PageSize": 2})] == [["table0", "table1"], ["table2", "table3"], ["table4"]]


def test_bad_schemas(ddb, name):
    def create(definitions, *schema, **more):
        more.setdefault("BillingMode", "PAY_PER_REQUEST")
        return invalid(ddb.create_table, TableName=name, AttributeDefinitions=attributes(definitions),
                       KeySchema=keys(*schema), **more)

    assert create("pk:S", "nk") == (
        "One or more parameter values were invalid: Some index key attributes are not defined in "
        "AttributeDefinitions. Keys: [nk], AttributeDefinitions: [pk]")
    assert create("pk:S sk:S", "pk") == (
        "One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match number "
        "of attributes defined in AttributeDefinitions")
    assert create("pk:S", "pk", "pk") == (
        "Both the Hash Key and the Range Key element in the KeySchema have the same name")
    assert create("pk:S", "pk", BillingMode="PROVISIONED") == (
        "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified "
        "when BillingMode is PROVISIONED")
    assert create("pk:S", "pk", ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}) == (
        "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified "
        "when BillingMode is PAY_PER_REQUEST")
    assert create("pk:S sk:S", "pk", LocalSecondaryIndexes=[
        {"IndexName": "idx", "KeySchema": keys("pk", "sk"), "Projection": {"ProjectionType": "ALL"}}]) == (
        "One or more parameter values were invalid: Table KeySchema does not have a range key, which is required when "
        "specifying a LocalSecondaryIndex")


# --- items


EVERY = {
    "s": {"S": "text é"}, "n": {"N": "-12.5"}, "b": {"B": b"\x00\xff"}, "t": {"BOOL": True}, "f": {"BOOL": False},
    "z": {"NULL": True}, "ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1", "2"]}, "bs": {"BS": [b"x", b"y"]},
    "l": {"L": [{"N": "1"}, {"M": {"deep": {"L": []}}}]}, "m": {"M": {"k": {"S": ""}}}, "e": {"S": ""},
}


def test_every_type_comes_back(ddb, table):
    put(ddb, table, "p", 1, **EVERY)
    item = ddb.get_item(TableName=table, Key={"pk": {"S": "p"}, "sk": {"N": "1.0"}})["Item"]
    assert item == {"pk": {"S": "p"}, "sk": {"N": "1"}, **EVERY}


def test_resource_objects(cloud, ddb, table):
    t = boto3.resource("dynamodb", endpoint_url=cloud.endpoint, region_name="us-east-1", aws_access_key_id="test",
                       aws_secret_access_key="test").Table(table)
    t.put_item(Item={"pk": "a", "sk": 1, "price": decimal.Decimal("1.10"), "tags": {"x", "y"}})
    assert t.get_item(Key={"pk": "a", "sk": 1})["Item"]["price"] == decimal.Decimal("1.1")
    t.update_item(Key={"pk": "a", "sk": 1}, UpdateExpression="ADD price :d", ExpressionAttributeValues={":d": 2})
    assert t.query(KeyConditionExpression=Key("pk").eq("a"), FilterExpression=Attr("price").gt(3))["Count"] == 1
    with t.batch_writer() as batch:
        for n in range(60):
            batch.put_item(Item={"pk": "many", "sk": n})
    assert t.query(KeyConditionExpression=Key("pk").eq("many") & Key("sk").between(10, 19))["Count"] == 10
    assert t.scan(FilterExpression=Attr("pk").eq("many"))["Count"] == 60


def test_conditions_and_returned_values(ddb, table):
    key = {"pk": {"S": "p"}, "sk": {"N": "1"}}
    put(ddb, table, "p", 1, v={"N": "1"})
    failure = error_of(ddb.put_item, TableName=table, Item=key, ConditionExpression="attribute_not_exists(pk)",
                       ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert failure["Error"] == {"Code": "ConditionalCheckFailedException", "Message": "The conditional request failed"}
    assert failure["Item"] == {**key, "v": {"N": "1"}}
    out = ddb.update_item(TableName=table, Key=key, UpdateExpression="SET v = v + :one, w = :w",
                          ConditionExpression="v = :one", ReturnValues="UPDATED_NEW",
                          ExpressionAttributeValues={":one": {"N": "1"}, ":w": {"S": "new"}})
    assert out["Attributes"] == {"v": {"N": "2"}, "w": {"S": "new"}}
    out = ddb.put_item(TableName=table, Item=key, ReturnValues="ALL_OLD")
    assert out["Attributes"] == {**key, "v": {"N": "2"}, "w": {"S": "new"}}
    assert "Attributes" not in ddb.delete_item(TableName=table, Key=key)
    assert "Item" not in ddb.get_item(TableName=table, Key=key)
    assert ddb.describe_table(TableName=table)["Table"]["ItemCount"] == 0


def test_what_is_wrong_with_keys(ddb, table):
    assert invalid(ddb.put_item, TableName=table, Item={"pk": {"S": "x"}}) == (
        "One or more parameter values were invalid: Missing the key sk in the item")
    assert invalid(ddb.put_item, TableName=table, Item={"pk": {"N": "1"}, "sk": {"N": "1"}}) == (
        "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N")
    assert invalid(ddb.get_item, TableName=table, Key={"pk": {"S": "x"}}) == (
        "The provided key element does not match the schema")
    assert invalid(ddb.put_item, TableName=table, Item={"pk": {"S": ""}, "sk": {"N": "1"}}) == (
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
        "string value. Key: pk")
    assert invalid(ddb.update_item, TableName=table, Key={"pk": {"S": "x"}, "sk": {"N": "1"}},
                   UpdateExpression="SET sk = :x", ExpressionAttributeValues={":x": {"N": "2"}}) == (
        "One or more parameter values were invalid: Cannot update attribute sk. This attribute is part of the key")
    assert invalid(ddb.put_item, TableName=table, Item={"pk": {"S": "x"}, "sk": {"N": "1"},
                                                       "big": {"S": "x" * 409600}}) == (
        "Item size has exceeded the maximum allowed size")
    assert words_of(ddb.get_item, TableName="no-such-table", Key={"pk": {"S": "x"}}) == (
        "ResourceNotFoundException", "Requested resource not found")


def test_one_counter_two_clients(cloud, ddb, table):
    def count():
        mine = cloud.client("dynamodb")
        for _ in range(300):
            mine.update_item(TableName=table, Key={"pk": {"S": "c"}, "sk": {"N": "0"}}, UpdateExpression="ADD n :one",
                             ExpressionAttributeValues={":one": {"N": "1"}})

    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    item = ddb.get_item(TableName=table, Key={"pk": {"S": "c"}, "sk": {"N": "0"}}, ConsistentRead=True)["Item"]
    assert item["n"] == {"N": "600"}


# --- pages


@pytest.mark.parametrize("condition,values,expected", [
    ("pk = :p", {}, range(-5, 15)),
    ("pk = :p AND sk = :a", {":a": 3}, [3]),
    ("pk = :p AND sk < :a", {":a": -2}, range(-5, -2)),
    ("pk = :p AND sk <= :a", {":a": -2}, range(-5, -1)),
    ("pk = :p AND sk > :a", {":a": 12}, [13, 14]),
    ("pk = :p AND sk >= :a", {":a": 12}, [12, 13, 14]),
    ("pk = :p AND sk BETWEEN :a AND :b", {":a": -1, ":b": 1}, [-1, 0, 1]),
])
def test_ranges_both_ways(ddb, table, condition, values, expected):
    for n in range(-5, 15):
        put(ddb, table, "p", n)
        put(ddb, table, "q", n)
    arguments = dict(TableName=table, KeyConditionExpression=condition, ExpressionAttributeValues={
        ":p": {"S": "p"}, **{k: {"N": str(v)} for k, v in values.items()}})
    assert sks(ddb.query(**arguments)) == list(expected)
    assert sks(ddb.query(**arguments, ScanIndexForward=False)) == list(reversed(expected))
    for forward in (True, False):
        pages = ddb.get_paginator("query").paginate(**arguments, ScanIndexForward=forward,
                                                    PaginationConfig={"PageSize": 2})
        assert [n for page in pages for n in sks(page)] == list(expected if forward else reversed(expected))


def test_begins_with_and_strings_order(ddb, name):
    make(ddb, name, "pk:S sk:S")
    texts = ["", "a", "a\x00", "a\x00b", "a\x01", "ab", "b", "z", "é"]
    for text in texts[1:]:
        ddb.put_item(TableName=name, Item={"pk": {"S": "p"}, "sk": {"S": text}})

    def query(condition, **values):
        page = ddb.query(TableName=name, KeyConditionExpression="pk = :p AND " + condition, ExpressionAttributeValues={
            ":p": {"S": "p"}, **{":" + k: {"S": v} for k, v in values.items()}})
        return [item["sk"]["S"] for item in page["Items"]]

    assert query("sk >= :a", a="a") == texts[1:]
    assert query("begins_with(sk, :a)", a="a") == ["a", "a\x00", "a\x00b", "a\x01", "ab"]
    assert query("begins_with(sk, :a)", a="a\x00") == ["a\x00", "a\x00b"]
    assert query("sk > :a", a="a") == texts[2:]
    assert query("sk <= :a", a="a\x00") == ["a", "a\x00"]
    assert query("sk < :a", a="a\x01") == ["a", "a\x00", "a\x00b"]


def test_pages_of_one_megabyte(ddb, table):
    for n in range(30):
        put(ddb, table, "p", n, body={"S": "x" * 100_000})
    page = ddb.query(TableName=table, KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": {"S": "p"}},
                     ReturnConsumedCapacity="TOTAL", ConsistentRead=True)
    assert page["Count"] == 11 and page["LastEvaluatedKey"] == {"pk": {"S": "p"}, "sk": {"N": "10"}}
    assert page["ConsumedCapacity"] == {"TableName": table, "CapacityUnits": 269.0}
    everything = list(ddb.get_paginator("scan").paginate(TableName=table))
    assert sum(page["Count"] for page in everything) == 30 and len(everything) == 3


def test_segments_share_a_scan(ddb, name):
    make(ddb, name, "pk:S", ("pk",))
    for n in range(0, 200, 25):
        ddb.batch_write_item(RequestItems={name: [
            {"PutRequest": {"Item": {"pk": {"S": f"k{i}"}}}} for i in range(n, n + 25)]})
    seen = []
    for segment in range(7):
        for page in ddb.get_paginator("scan").paginate(TableName=name, Segment=segment, TotalSegments=7,
                                                       PaginationConfig={"PageSize": 3}):
            seen += [item["pk"]["S"] for item in page["Items"]]
    assert sorted(seen) == sorted(f"k{i}" for i in range(200))
    assert invalid(ddb.scan, TableName=name, Segment=2, TotalSegments=2) == (
        "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 2 is not less "
        "than TotalSegments: 2")


def test_filters_and_counts(ddb, table):
    for n in range(10):
        put(ddb, table, "p", n, odd={"BOOL": n % 2 == 1})
    arguments = dict(TableName=table, FilterExpression="odd = :t", ExpressionAttributeValues={":t": {"BOOL": True}})
    page = ddb.scan(**arguments, Limit=4)
    assert (page["Count"], page["ScannedCount"]) == (2, 4) and "LastEvaluatedKey" in page
    page = ddb.scan(**arguments, Select="COUNT")
    assert (page["Count"], page["ScannedCount"]) == (5, 10) and "Items" not in page
    page = ddb.scan(TableName=table, ProjectionExpression="sk", Limit=10)
    assert all(set(item) == {"sk"} for item in page["Items"])


# --- indexes


GLOBAL = [{"IndexName": "by-owner", "KeySchema": keys("owner", "at"), "Projection": {"ProjectionType": "INCLUDE",
                                                                                    "NonKeyAttributes": ["title"]}}]


def test_global_index(ddb, name):
    make(ddb, name, "pk:S sk:N owner:S at:N", GlobalSecondaryIndexes=GLOBAL)
    for n in range(6):
        put(ddb, name, f"p{n}", n, owner={"S": "me" if n % 2 else "you"}, at={"N": str(100 - n)},
            title={"S": f"t{n}"}, hidden={"S": "x"})
    put(ddb, name, "sparse", 1)
    arguments = dict(TableName=name, IndexName="by-owner", KeyConditionExpression="#o = :o",
                     ExpressionAttributeNames={"#o": "owner"}, ExpressionAttributeValues={":o": {"S": "me"}})
    page = ddb.query(**arguments)
    assert sks(page) == [5, 3, 1]
    assert set(page["Items"][0]) == {"pk", "sk", "owner", "at", "title"}
    first = ddb.query(**arguments, Limit=1)
    assert set(first["LastEvaluatedKey"]) == {"pk", "sk", "owner", "at"}
    assert sks(ddb.query(**arguments, ExclusiveStartKey=first["LastEvaluatedKey"])) == [3, 1]
    assert ddb.scan(TableName=name, IndexName="by-owner")["Count"] == 6
    out = ddb.update_item(TableName=name, Key={"pk": {"S": "p1"}, "sk": {"N": "1"}}, UpdateExpression="SET #o = :y",
                          ExpressionAttributeNames={"#o": "owner"}, ExpressionAttributeValues={":y": {"S": "you"}},
                          ReturnConsumedCapacity="INDEXES")
    assert out["ConsumedCapacity"] == {
        "TableName": name, "CapacityUnits": 3.0, "Table": {"CapacityUnits": 1.0},
        "GlobalSecondaryIndexes": {"by-owner": {"CapacityUnits": 2.0}}}
    assert sks(ddb.query(**arguments)) == [5, 3]
    assert invalid(ddb.query, **arguments, ConsistentRead=True) == (
        "Consistent reads are not supported on global secondary indexes")
    assert invalid(ddb.put_item, TableName=name, Item={"pk": {"S": "x"}, "sk": {"N": "1"}, "owner": {"N": "1"}}) == (
        "One or more parameter values were invalid: Type mismatch for Index Key owner Expected: S Actual: N IndexName: "
        "by-owner")
    described = ddb.describe_table(TableName=name)["Table"]["GlobalSecondaryIndexes"][0]
    assert described["ItemCount"] == 6 and described["IndexStatus"] == "ACTIVE"


def test_local_index_reads_what_it_lacks(ddb, name):
    make(ddb, name, "pk:S sk:N rank:N", LocalSecondaryIndexes=[
        {"IndexName": "by-rank", "KeySchema": keys("pk", "rank"), "Projection": {"ProjectionType": "KEYS_ONLY"}}])
    for n in range(5):
        put(ddb, name, "p", n, rank={"N": str(n % 2)}, body={"S": str(n)})
    arguments = dict(TableName=name, IndexName="by-rank", KeyConditionExpression="pk = :p",
                     ExpressionAttributeValues={":p": {"S": "p"}}, ConsistentRead=True)
    assert sks(ddb.query(**arguments)) == [0, 2, 4, 1, 3]
    assert all("body" not in item for item in ddb.query(**arguments)["Items"])
    assert all("body" in item for item in ddb.query(**arguments, Select="ALL_ATTRIBUTES")["Items"])


def test_index_made_while_items_stand(ddb, table):
    for n in range(700):
        put(ddb, table, f"p{n % 50}", n, color={"S": "red" if n % 7 == 0 else "blue"})
    ddb.update_table(TableName=table, AttributeDefinitions=attributes("color:S"), GlobalSecondaryIndexUpdates=[
        {"Create": {"IndexName": "by-color", "KeySchema": keys("color"), "Projection": {"ProjectionType": "ALL"}}}])
    put(ddb, table, "late", 1, color={"S": "red"})
    for _ in range(100):
        index = ddb.describe_table(TableName=table)["Table"]["GlobalSecondaryIndexes"][0]
        if index["IndexStatus"] == "ACTIVE":
            break
        threading.Event().wait(0.05)
    page = ddb.query(TableName=table, IndexName="by-color", KeyConditionExpression="color = :c",
                     ExpressionAttributeValues={":c": {"S": "red"}})
    assert page["Count"] == 101
    assert ddb.describe_table(TableName=table)["Table"]["GlobalSecondaryIndexes"][0]["ItemCount"] == 701
    # The index is done a moment before its table is: only then may the table be changed again.
    ddb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    ddb.update_table(TableName=table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-color"}}])
    ddb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    assert "GlobalSecondaryIndexes" not in ddb.describe_table(TableName=table)["Table"]


# --- batches and transactions


def test_batches(ddb, table):
    ddb.batch_write_item(RequestItems={table: [
        {"PutRequest": {"Item": {"pk": {"S": "p"}, "sk": {"N": str(n)}}}} for n in range(25)]})
    out = ddb.batch_get_item(RequestItems={table: {"Keys": [
        {"pk": {"S": "p"}, "sk": {"N": str(n)}} for n in (1, 2, 99)]}}, ReturnConsumedCapacity="TOTAL")
    assert sorted(int(item["sk"]["N"]) for item in out["Responses"][table]) == [1, 2]
    assert out["UnprocessedKeys"] == {}
    assert out["ConsumedCapacity"] == [{"TableName": table, "CapacityUnits": 1.5}]
    twice = [{"DeleteRequest": {"Key": {"pk": {"S": "p"}, "sk": {"N": n}}}} for n in ("1", "1.0")]
    assert invalid(ddb.batch_write_item, RequestItems={table: twice}) == (
        "Provided list of item keys contains duplicates")
    ddb.batch_write_item(RequestItems={table: twice[:1]})
    assert ddb.scan(TableName=table, Select="COUNT")["Count"] == 24


def test_transactions(ddb, table):
    def at(n):
        return {"pk": {"S": "p"}, "sk": {"N": str(n)}}

    put(ddb, table, "p", 1, balance={"N": "100"})
    put(ddb, table, "p", 2, balance={"N": "0"})

    def transfer(amount, **more):
        return dict(TransactItems=[
            {"Update": {"TableName": table, "Key": at(1), "UpdateExpression": "SET balance = balance - :a",
                        "ConditionExpression": "balance >= :a", "ExpressionAttributeValues": {":a": {"N": amount}},
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}},
            {"Update": {"TableName": table, "Key": at(2), "UpdateExpression": "SET balance = balance + :a",
                        "ExpressionAttributeValues": {":a": {"N": amount}}}},
            {"Put": {"TableName": table, "Item": {**at(3), "log": {"N": amount}}}}], **more)

    for _ in range(2):  # the same token: done once
        ddb.transact_write_items(**transfer("30", ClientRequestToken="once"))
    got = ddb.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": at(n)}} for n in (1, 2, 3, 4)])
    assert [r.get("Item", {}).get("balance", {}).get("N") for r in got["Responses"]] == ["70", "30", None, None]
    assert words_of(ddb.transact_write_items, **transfer("31", ClientRequestToken="once"))[0] == (
        "IdempotentParameterMismatchException")
    failure = error_of(ddb.transact_write_items, **transfer("1000"))
    assert failure["Error"]["Code"] == "TransactionCanceledException"
    assert failure["Error"]["Message"] == (
        "Transaction cancelled, please refer cancellation reasons for specific reasons [ConditionalCheckFailed, None, "
        "None]")
    assert failure["CancellationReasons"] == [
        {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed",
         "Item": {**at(1), "balance": {"N": "70"}}}, {"Code": "None"}, {"Code": "None"}]
    assert ddb.get_item(TableName=table, Key=at(3))["Item"]["log"] == {"N": "30"}
    assert invalid(ddb.transact_write_items, TransactItems=[
        {"Delete": {"TableName": table, "Key": at(1)}}, {"Put": {"TableName": table, "Item": at(1)}}]) == (
        "Transaction request cannot include multiple operations on one item")


def test_what_is_kept_outlives_a_kill(own):
    ddb = own.client("dynamodb")
    make(ddb, "kept", "pk:S sk:N owner:S at:N", GlobalSecondaryIndexes=GLOBAL)
    for n in range(20):
        put(ddb, "kept", "p", n, owner={"S": "me"}, at={"N": str(n)})
    own.kill()
    own.start()
    ddb = own.client("dynamodb")
    assert ddb.scan(TableName="kept", Select="COUNT")["Count"] == 20
    assert ddb.scan(TableName="kept", IndexName="by-owner", Select="COUNT")["Count"] == 20
    assert ddb.describe_table(TableName="kept")["Table"]["ItemCount"] == 20


# --- streams


def test_stream_of_changes(cloud, ddb, name):
    streams = cloud.client("dynamodbstreams")
    make(ddb, name, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    seen = ddb.describe_table(TableName=name)["Table"]
    arn = seen["LatestStreamArn"]
    assert arn == f"{seen['TableArn']}/stream/{seen['LatestStreamLabel']}"
    assert streams.list_streams(TableName=name)["Streams"] == [
        {"StreamArn": arn, "TableName": name, "StreamLabel": seen["LatestStreamLabel"]}]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]

    def iterator(kind, **more):
        return streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType=kind, **more)["ShardIterator"]

    latest = iterator("LATEST")
    key = {"pk": {"S": "p"}, "sk": {"N": "1"}}
    put(ddb, name, "p", 1, v={"N": "1"})
    put(ddb, name, "p", 1, v={"N": "1"})  # changes nothing: no record
    ddb.update_item(TableName=name, Key=key, UpdateExpression="SET v = :v", ExpressionAttributeValues={":v": {"N": "2"}})
    ddb.transact_write_items(TransactItems=[{"Delete": {"TableName": name, "Key": key}}])
    records = streams.get_records(ShardIterator=iterator("TRIM_HORIZON"))["Records"]
    assert [r["eventName"] for r in records] == ["INSERT", "MODIFY", "REMOVE"]
    assert all(r["dynamodb"]["Keys"] == key and r["eventSource"] == "aws:dynamodb" for r in records)
    assert records[1]["dynamodb"]["OldImage"] == {**key, "v": {"N": "1"}}
    assert records[1]["dynamodb"]["NewImage"] == {**key, "v": {"N": "2"}}
    assert "NewImage" not in records[2]["dynamodb"] and "userIdentity" not in records[2]
    assert [r["eventID"] for r in streams.get_records(ShardIterator=latest)["Records"]] == [
        r["eventID"] for r in records]
    middle = records[1]["dynamodb"]["SequenceNumber"]
    page = streams.get_records(ShardIterator=iterator("AT_SEQUENCE_NUMBER", SequenceNumber=middle), Limit=1)
    assert page["Records"] == records[1:2]
    assert streams.get_records(ShardIterator=page["NextShardIterator"])["Records"] == records[2:]
    page = streams.get_records(ShardIterator=iterator("AFTER_SEQUENCE_NUMBER", SequenceNumber=middle))
    assert page["Records"] == records[2:]
    ddb.update_table(TableName=name, StreamSpecification={"StreamEnabled": False})
    ddb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    put(ddb, name, "p", 2)
    description = streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert description["StreamStatus"] == "DISABLED"
    assert "EndingSequenceNumber" in description["Shards"][0]["SequenceNumberRange"]
    page = streams.get_records(ShardIterator=iterator("TRIM_HORIZON"))
    assert len(page["Records"]) == 3 and "NextShardIterator" not in page
    assert words_of(streams.describe_stream, StreamArn=arn + "9")[0] == "ResourceNotFoundException"


def test_stream_from_a_moment_on(own):
    ddb, streams = own.client("dynamodb"), own.client("dynamodbstreams")
    make(ddb, "moments", StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    arn = ddb.describe_table(TableName="moments")["Table"]["LatestStreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]

    def ask(**more):
        return streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="AT_TIMESTAMP", **more)

    def since(time):
        records = streams.get_records(ShardIterator=ask(Timestamp=time)["ShardIterator"])["Records"]
        return [int(r["dynamodb"]["Keys"]["sk"]["N"]) for r in records]

    times = []
    for n in range(30):
        put(ddb, "moments", "p", n)
        if n % 10 == 9:
            records = streams.get_records(ShardIterator=streams.get_shard_iterator(
                StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"])["Records"]
            times.append(records[-1]["dynamodb"]["ApproximateCreationDateTime"])
            own.run("clock", "advance", "10m")
    minute = datetime.timedelta(minutes=1)
    assert since(times[0] - minute) == list(range(30))
    assert since(times[0] + minute) == list(range(10, 30))
    assert since(times[1] + minute) == list(range(20, 30))
    assert since(times[2] + minute) == []
    assert words_of(ask, Timestamp=times[2] + 60 * minute)[0] == "ValidationException"
    assert words_of(ask)[0] == "ValidationException"
