"""DynamoDB's refusals, word for word, through a client that checks nothing itself."""

import botocore.exceptions
import pytest

KEY = {"pk": {"S": "a"}, "sk": {"N": "1"}}
ONE = {":v": {"N": "1"}}
EMPTY_KEY = ("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
             "string value. Key: pk")
EMPTY_INDEX_KEY = ("One or more parameter values are not valid. A value specified for a secondary index key is not "
                   "supported. The AttributeValue for a key attribute cannot contain an empty string value. "
                   "IndexName: gsi, IndexKey: g")
DEEP = ("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported "
        "limit")
OF_KEY = "The provided key element does not match the schema"
OVERLAP = "must remove or rewrite one of these paths; path one: {}, path two: {}"


def schema(*names):
    return [{"AttributeName": n, "KeyType": kind} for n, kind in zip(names, ("HASH", "RANGE"))]


@pytest.fixture(scope="module")
def ddb(cloud):
    ddb = cloud.client("dynamodb", parameter_validation=False)
    ddb.create_table(
        TableName="words", BillingMode="PAY_PER_REQUEST", KeySchema=schema("pk", "sk"),
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "N" if n == "sk" else "S"}
                              for n in ("pk", "sk", "g", "l")],
        LocalSecondaryIndexes=[{"IndexName": "lsi", "KeySchema": schema("pk", "l"),
                                "Projection": {"ProjectionType": "KEYS_ONLY"}}],
        GlobalSecondaryIndexes=[{"IndexName": "gsi", "KeySchema": schema("g"),
                                 "Projection": {"ProjectionType": "KEYS_ONLY"}}])
    ddb.get_waiter("table_exists").wait(TableName="words", WaiterConfig={"Delay": 1})
    ddb.put_item(TableName="words", Item={**KEY, "text": {"S": "x"}})
    return ddb


def refusal(call, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**members)
    return caught.value.response


def words(call, **members):
    error = refusal(call, **members)["Error"]
    assert error["Code"] == "ValidationException", error
    return error["Message"]


def nested(depth):
    value = {"S": "x"}
    for i in range(depth):
        value = {"L": [value]} if i % 2 else {"M": {"a": value}}
    return value


UPDATES = [
    ("", {}, "Invalid UpdateExpression: The expression can not be empty;"),
    ("SET a = :v", {}, "Invalid UpdateExpression: An expression attribute value used in expression is not defined; "
     "attribute value: :v"),
    ("SET #a = :v", ONE, "Invalid UpdateExpression: An expression attribute name used in the document path is not "
     "defined; attribute name: #a"),
    ("SET a = :v", {**ONE, ":w": {"N": "2"}}, "Value provided in ExpressionAttributeValues unused in expressions: "
     "keys: {:w}"),
    ("SET name = :v", ONE, "Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: name"),
    ("SET a = :v, a.b = :v", ONE, "Invalid UpdateExpression: Two document paths overlap with each other; "
     + OVERLAP.format("[a]", "[a, b]")),
    ("SET a[0] = :v, a.b = :v", ONE, "Invalid UpdateExpression: Two document paths conflict with each other; "
     + OVERLAP.format("[a, [0]]", "[a, b]")),
    ("SET a = :v SET b = :v", ONE, 'Invalid UpdateExpression: The "SET" section can only be used once in an update '
     "expression;"),
    ("SET a :v", ONE, 'Invalid UpdateExpression: Syntax error; token: ":v", near: "a :v"'),
    ("SET a = :v,", ONE, 'Invalid UpdateExpression: Syntax error; token: "<EOF>", near: ","'),
    ("SET a = :v + :v", {":v": {"S": "x"}}, "Invalid UpdateExpression: Incorrect operand type for operator or function; "
     "operator or function: +, operand type: S"),
    ("SET a = foo(:v)", ONE, "Invalid UpdateExpression: Invalid function name; function: foo"),
    ("SET a = if_not_exists(:v, :v)", ONE, "Invalid UpdateExpression: Operator or function requires a document path; "
     "operator or function: if_not_exists"),
    ("ADD a :v", {":v": {"S": "x"}}, "Invalid UpdateExpression: Incorrect operand type for operator or function; "
     "operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"),
    ("DELETE a :v", ONE, "Invalid UpdateExpression: Incorrect operand type for operator or function; "
     "operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"),
    ("SET pk = :v", ONE, "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part "
     "of the key"),
    ("SET zz.y = :v", ONE, "The document path provided in the update expression is invalid for update"),
    ("SET a = zz", {}, "The provided expression refers to an attribute that does not exist in the item"),
    ("ADD #text :v", ONE, "An operand in the update expression has an incorrect data type"),
    ("SET g = :v", ONE, "The update expression attempted to update the secondary index key to unsupported type"),
    ("SET a = %s" % " + ".join(["if_not_exists(b, :v)"] * 2), {"v": {"N": "1"}},
     'ExpressionAttributeValues contains invalid key: Syntax error; key: "v"'),
    ("SET a = :v", {":v": {}}, "ExpressionAttributeValues contains invalid value: Supplied AttributeValue is empty, must "
     "contain exactly one of the supported datatypes for key :v"),
]


@pytest.mark.parametrize("expression, values, message", UPDATES)
def test_updates(ddb, expression, values, message):
    more = {"ExpressionAttributeValues": values} if values else {}
    if "#text" in expression:
        more["ExpressionAttributeNames"] = {"#text": "text"}
    assert words(ddb.update_item, TableName="words", Key=KEY, UpdateExpression=expression, **more) == message


def test_three_hundred_operators(ddb):
    """'SET a = :val1 + :val2 + :val3 contains two operators' (Quotas in Amazon DynamoDB): the equals sign is none."""
    ddb.update_item(TableName="words", Key={"pk": {"S": "many"}, "sk": {"N": "1"}}, ExpressionAttributeValues=ONE,
                    UpdateExpression="SET " + ",".join(f"a{i}=:v" for i in range(301)))
    many = " OR ".join(["a = :v"] * 200)
    assert words(ddb.put_item, TableName="words", Item=KEY, ConditionExpression=many, ExpressionAttributeValues=ONE) == (
        "Invalid ConditionExpression: The expression contains too many operators; operator count: 301")
    long = "a" * 4097
    assert words(ddb.get_item, TableName="words", Key=KEY, ProjectionExpression=long) == (
        "Invalid ProjectionExpression: Expression size has exceeded the maximum allowed size;")
    assert words(ddb.scan, TableName="words", FilterExpression=long) == (
        "Invalid FilterExpression: Expression size has exceeded the maximum allowed size; expression size: 4097")


CONDITIONS = [
    ("((pk = :v))", "Invalid ConditionExpression: The expression has redundant parentheses;"),
    ("pk = pk", "Invalid ConditionExpression: The first operand must be distinct from the remaining operands for this "
     "operator or function; operator: =, first operand: [pk]"),
    ("size(a)", "Invalid ConditionExpression: The function is not allowed to be used this way in an expression; "
     "function: size"),
    ("begins_with(a)", "Invalid ConditionExpression: Incorrect number of operands for operator or function; operator or "
     "function: begins_with, number of operands: 1"),
    ("begins_with(a, :v)", "Invalid ConditionExpression: Incorrect operand type for operator or function; operator or "
     "function: begins_with, operand type: N"),
    ("a BETWEEN :w AND :v", "Invalid ConditionExpression: The BETWEEN operator requires upper bound to be greater than or "
     "equal to lower bound; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}"),
]


@pytest.mark.parametrize("expression, message", CONDITIONS)
def test_conditions(ddb, expression, message):
    used = {name: {"N": n} for name, n in ((":v", "1"), (":w", "2")) if name in expression}
    more = {"ExpressionAttributeValues": used} if used else {}
    assert words(ddb.put_item, TableName="words", Item=KEY, ConditionExpression=expression, **more) == message


ITEMS = [
    ({"pk": {"S": "a"}}, "One or more parameter values were invalid: Missing the key sk in the item"),
    ({"pk": {"S": "a"}, "sk": {"S": "1"}}, "One or more parameter values were invalid: Type mismatch for key sk "
     "expected: N actual: S"),
    ({"pk": {"S": ""}, "sk": {"N": "1"}}, EMPTY_KEY),
    ({"pk": {"S": "x" * 2049}, "sk": {"N": "1"}}, "One or more parameter values were invalid: Size of hashkey has exceeded "
     "the maximum size limit of2048 bytes"),
    ({**KEY, "g": {"N": "1"}}, "One or more parameter values were invalid: Type mismatch for Index Key g Expected: S "
     "Actual: N IndexName: gsi"),
    ({**KEY, "g": {"S": ""}}, EMPTY_INDEX_KEY),
    ({**KEY, "x": {"S": "x" * 409600}}, "Item size has exceeded the maximum allowed size"),
    ({**KEY, "x": {"SS": []}}, "One or more parameter values were invalid: An string set  may not be empty"),
    ({**KEY, "x": {"SS": ["a", "a"]}}, "One or more parameter values were invalid: Input collection [a, a] contains "
     "duplicates."),
    ({**KEY, "x": {"N": "1e126"}}, "Number overflow. Attempting to store a number with magnitude larger than supported "
     "range"),
    ({**KEY, "x": {"N": "1" * 39}}, "Attempting to store more than 38 significant digits in a Number"),
    ({**KEY, "x": nested(32)}, DEEP),
]


@pytest.mark.parametrize("item, message", ITEMS)
def test_items(ddb, item, message):
    assert words(ddb.put_item, TableName="words", Item=item) == message


def test_values_nest_32_deep_everywhere(cloud, ddb):
    """A value of 32 levels, the innermost counted, is 63 of JSON: in each request, in a token's record and in a stream."""
    ddb.create_table(TableName="deep", BillingMode="PAY_PER_REQUEST", KeySchema=schema("pk"),
                     AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                     StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    ddb.get_waiter("table_exists").wait(TableName="deep", WaiterConfig={"Delay": 1})
    deep = nested(31)
    item = {"pk": {"S": "put"}, "x": deep}
    ddb.put_item(TableName="deep", Item=item)
    ddb.batch_write_item(RequestItems={"deep": [{"PutRequest": {"Item": {**item, "pk": {"S": "batch"}}}}]})
    for _ in range(2):
        ddb.transact_write_items(ClientRequestToken="deep", TransactItems=[
            {"Put": {"TableName": "deep", "Item": {**item, "pk": {"S": "transact"}}}}])
    assert [one["x"] for one in ddb.scan(TableName="deep")["Items"]] == [deep] * 3
    got = ddb.transact_get_items(TransactItems=[{"Get": {"TableName": "deep", "Key": {"pk": {"S": "transact"}}}}])
    assert got["Responses"][0]["Item"]["x"] == deep
    streams = cloud.client("dynamodbstreams")
    arn = ddb.describe_table(TableName="deep")["Table"]["LatestStreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    records = streams.get_records(ShardIterator=iterator)["Records"]
    assert [one["dynamodb"]["NewImage"]["x"] for one in records] == [deep] * 3


ENUMERATIONS = [
    ("put_item", {"Item": KEY, "ReturnValues": "X"}, "returnValues", "[ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"),
    ("put_item", {"Item": KEY, "ReturnConsumedCapacity": "X"}, "returnConsumedCapacity", "[INDEXES, TOTAL, NONE]"),
    ("put_item", {"Item": KEY, "ReturnItemCollectionMetrics": "X"}, "returnItemCollectionMetrics", "[SIZE, NONE]"),
    ("scan", {"Select": "X"}, "select", "[SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]"),
    ("update_item", {"Key": KEY, "AttributeUpdates": {"x": {"Action": "X"}}}, "attributeUpdates.x.member.action",
     "[ADD, DELETE, PUT]"),
]


@pytest.mark.parametrize("operation, members, path, values", ENUMERATIONS)
def test_enumerations(ddb, operation, members, path, values):
    assert words(getattr(ddb, operation), TableName="words", **members) == (
        f"1 validation error detected: Value 'X' at '{path}' failed to satisfy constraint: "
        f"Member must satisfy enum value set: {values}")


@pytest.mark.parametrize("operation", ["put_item", "delete_item"])
def test_values_that_cannot_be_returned(ddb, operation):
    members = {"Item": KEY} if operation == "put_item" else {"Key": KEY}
    assert words(getattr(ddb, operation), TableName="words", ReturnValues="ALL_NEW", **members) == (
        "ReturnValues can only be ALL_OLD or NONE")


def test_batches(ddb):
    keys = [{"pk": {"S": "a"}, "sk": {"N": str(i)}} for i in range(101)]
    assert words(ddb.batch_get_item, RequestItems={"words": {"Keys": keys}}) == (
        "1 validation error detected: Value at 'RequestItems.words.member.Keys' failed to satisfy constraint: "
        "Member must have length less than or equal to 100")
    assert words(ddb.batch_get_item, RequestItems={"words": {"Keys": keys[:60]}, "other": {"Keys": keys[:41]}}) == (
        "Too many items requested for the BatchGetItem call")
    puts = [{"PutRequest": {"Item": key}} for key in keys[:26]]
    message = words(ddb.batch_write_item, RequestItems={"words": puts})
    assert message.startswith("1 validation error detected: Value '{words=[WriteRequest(putRequest=PutRequest(item={pk=")
    assert message.endswith("]}' at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: [Member "
                            "must have length less than or equal to 25, Member must have length greater than or equal to 1]")
    assert words(ddb.batch_write_item, RequestItems={"words": puts[:13], "other": puts[:13]}) == (
        "Too many items requested for the BatchWriteItem call")
    twice = [{"PutRequest": {"Item": KEY}}, {"DeleteRequest": {"Key": KEY}}]
    assert words(ddb.batch_write_item, RequestItems={"words": twice}) == "Provided list of item keys contains duplicates"
    for item, message in (({"pk": {"N": "1"}, "sk": {"N": "1"}}, OF_KEY), ({"pk": {"S": "a"}}, OF_KEY),
                          ({"pk": {"S": ""}, "sk": {"N": "1"}}, EMPTY_KEY), ({**KEY, "g": {"S": ""}}, EMPTY_INDEX_KEY)):
        assert words(ddb.batch_write_item, RequestItems={"words": [{"PutRequest": {"Item": item}}]}) == message


def test_transactions_refuse_empty_keys_as_a_whole_and_cancel_for_others(ddb):
    def put(item):
        return {"Put": {"TableName": "words", "Item": item}}

    empty = {"pk": {"S": ""}, "sk": {"N": "1"}}
    good = put({"pk": {"S": "good"}, "sk": {"N": "1"}})
    assert words(ddb.transact_write_items, TransactItems=[good, put(empty)]) == EMPTY_KEY
    assert words(ddb.transact_write_items, TransactItems=[{"Delete": {"TableName": "words", "Key": empty}}]) == EMPTY_KEY
    assert words(ddb.transact_write_items, TransactItems=[put({**KEY, "g": {"S": ""}})]) == EMPTY_INDEX_KEY
    assert words(ddb.transact_get_items, TransactItems=[{"Get": {"TableName": "words", "Key": empty}}]) == EMPTY_KEY
    response = refusal(ddb.transact_write_items, TransactItems=[good, put({"pk": {"N": "1"}, "sk": {"N": "1"}})])
    assert response["Error"]["Code"] == "TransactionCanceledException"
    assert response["Error"]["Message"] == ("Transaction cancelled, please refer cancellation reasons for specific reasons "
                                            "[None, ValidationError]")
    assert response["CancellationReasons"] == [
        {"Code": "None"}, {"Code": "ValidationError", "Message": "One or more parameter values were invalid: Type mismatch "
                           "for key pk expected: S actual: N"}]


def test_filters_of_keys(ddb):
    of_key = "can only contain non-primary key attributes: Primary key attribute: sk"
    equal = {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]}
    assert words(ddb.query, TableName="words", KeyConditions={"pk": equal},
                 QueryFilter={"sk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"N": "1"}]}}) == (
        "QueryFilter " + of_key)
    assert words(ddb.query, TableName="words", KeyConditionExpression="pk = :p", FilterExpression="sk = :v",
                 ExpressionAttributeValues={":p": {"S": "a"}, **ONE}) == "Filter Expression " + of_key


def test_new_index_defines_its_keys_itself(ddb):
    index = {"Create": {"IndexName": "more", "KeySchema": schema("g", "sk"), "Projection": {"ProjectionType": "ALL"}}}
    assert words(ddb.update_table, TableName="words", GlobalSecondaryIndexUpdates=[index],
                 AttributeDefinitions=[{"AttributeName": "g", "AttributeType": "S"}]) == (
        "One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. "
        "Keys: [g, sk], AttributeDefinitions: [g]")


def test_checksum_of_answers(ddb):
    """What AWS sends with this very refusal; botocore compares it where there is no error."""
    response = refusal(ddb.put_item, TableName="words", Item=KEY, ConditionExpression="attribute_not_exists(pk)")
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amz-crc32"] == "396270901"
    assert "x-amz-crc32" in ddb.list_tables()["ResponseMetadata"]["HTTPHeaders"]


def test_updates_that_only_remove_make_no_item(ddb):
    key = {"pk": {"S": "never"}, "sk": {"N": "1"}}
    ddb.update_item(TableName="words", Key=key, UpdateExpression="REMOVE x")
    assert "Item" not in ddb.get_item(TableName="words", Key=key)
    ddb.update_item(TableName="words", Key=key)
    assert ddb.get_item(TableName="words", Key=key)["Item"] == key


def test_iterators_name_their_stream(cloud, ddb):
    streams = cloud.client("dynamodbstreams", parameter_validation=False)
    arn = ddb.create_table(
        TableName="flowing", BillingMode="PAY_PER_REQUEST", KeySchema=schema("pk"),
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})["TableDescription"]["LatestStreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="LATEST")["ShardIterator"]
    assert iterator.startswith(arn + "|1|")
    assert streams.get_records(ShardIterator=iterator)["Records"] == []
    assert words(streams.get_records, ShardIterator=iterator.replace("flowing", "blowing")) == "Invalid ShardIterator"
    too_many = "1 validation error detected: Value '{}' at 'limit' failed to satisfy constraint: Member must have value less than or equal to {}"
    assert words(streams.get_records, ShardIterator=iterator, Limit=1001) == too_many.format(1001, 1000)
    assert words(streams.list_streams, Limit=101) == too_many.format(101, 100)
    assert words(streams.describe_stream, StreamArn=arn, Limit=101) == too_many.format(101, 100)
