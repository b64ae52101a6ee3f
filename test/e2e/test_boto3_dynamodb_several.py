"""Global indexes whose keys have several attributes ("Multi-attribute keys pattern", Developer Guide)."""

import random

import botocore.exceptions
import pytest

TYPES = {"id": "S", "tournament": "S", "region": "S", "round": "S", "score": "N", "match": "S"}
KEYS = [("tournament", "HASH"), ("region", "HASH"), ("round", "RANGE"), ("score", "RANGE"), ("match", "RANGE")]
INDEX = {"IndexName": "rounds", "KeySchema": [{"AttributeName": n, "KeyType": k} for n, k in KEYS],
         "Projection": {"ProjectionType": "KEYS_ONLY"}}


def definitions(*names):
    return [{"AttributeName": n, "AttributeType": TYPES[n]} for n in names]


@pytest.fixture(scope="module")
def ddb(cloud):
    return cloud.client("dynamodb")


def create(ddb, table, **more):
    ddb.create_table(TableName=table, BillingMode="PAY_PER_REQUEST",
                     KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], **more)
    ddb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})


def match(n, seed):
    rng = random.Random(f"{seed} {n}")
    item = {"id": {"S": f"m{n}"}, "tournament": {"S": rng.choice("AB")}, "region": {"S": rng.choice(["", "x", "xA"]) + "r"},
            "round": {"S": rng.choice(["FINAL", "SEMI", "SEMIX"])}, "score": {"N": str(rng.randint(-3, 3))},
            "match": {"S": rng.choice(["a", "b", "a\x00", "c"])}, "more": {"S": "not projected"}}
    for name in list(item):
        if name != "id" and rng.random() < 0.05:  # then it is not in the index
            del item[name]
    return item


def plain(item, *names):
    return tuple(float(item[n]["N"]) if "N" in item[n] else item[n]["S"].encode() for n in names)


@pytest.fixture(scope="module")
def matches(ddb):
    """Half stand before the index is made; some are changed and deleted behind it."""
    seed = 20251119
    create(ddb, "matches", AttributeDefinitions=definitions("id"))
    items = [match(n, seed) for n in range(400)]
    for item in items[:200]:
        ddb.put_item(TableName="matches", Item=item)
    ddb.update_table(TableName="matches", AttributeDefinitions=definitions(*(n for n, _ in KEYS)),
                     GlobalSecondaryIndexUpdates=[{"Create": INDEX}])
    for item in items[200:]:
        ddb.put_item(TableName="matches", Item=item)
    for n in range(0, 400, 10):
        items[n] = {**match(n, seed + 1), "id": items[n]["id"]}
        ddb.put_item(TableName="matches", Item=items[n])
    for n in range(5, 400, 20):
        ddb.delete_item(TableName="matches", Key={"id": items[n]["id"]})
        items[n] = None
    while ddb.describe_table(TableName="matches")["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"] != "ACTIVE":
        pass
    return [item for item in items if item is not None and all(n in item for n, _ in KEYS)]


def pages(ddb, **request):
    """All items, three at a time."""
    start = {}
    while True:
        page = ddb.query(TableName="matches", IndexName="rounds", Limit=3, **start, **request)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        assert set(page["LastEvaluatedKey"]) == {"id", *(n for n, _ in KEYS)}
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


RELATIONS = {
    "{} = {}": lambda v, w: v == w, "{} < {}": lambda v, w: v < w, "{} <= {}": lambda v, w: v <= w,
    "{} > {}": lambda v, w: v > w, "{} >= {}": lambda v, w: v >= w,
    "begins_with({}, {})": lambda v, w: v.startswith(w),
}


def test_every_prefix_of_the_sort_key_in_both_orders(ddb, matches):
    seed = 1911
    rng = random.Random(seed)
    found = 0
    for _ in range(150):
        like = rng.choice(matches)
        deep = rng.randint(0, 3)
        sort = [n for n, k in KEYS if k == "RANGE"][:deep]
        names = ["tournament", "region", *sort]
        values = {f":{n}": like[n] for n in names}
        conditions = [f"#{n} = :{n}" for n in names]
        relation = "{} = {}"
        if sort:
            relation = rng.choice([r for r in RELATIONS if "begins" not in r or "S" in like[sort[-1]]])
            conditions[-1] = relation.format(f"#{sort[-1]}", f":{sort[-1]}")
        rng.shuffle(conditions)
        forward = rng.random() < 0.5
        got = list(pages(ddb, KeyConditionExpression=" AND ".join(conditions), ExpressionAttributeValues=values,
                         ExpressionAttributeNames={f"#{n}": n for n in names}, ScanIndexForward=forward))
        expected = [m for m in matches if all(m[n] == like[n] for n in names[:len(names) - bool(sort)])]
        if sort:
            expected = [m for m in expected if RELATIONS[relation](plain(m, sort[-1])[0], plain(like, sort[-1])[0])]
        order = [plain(m, "round", "score", "match") for m in got]
        assert order == sorted(order, reverse=not forward), f"seed {seed}: {conditions}"
        assert sorted(m["id"]["S"] for m in got) == sorted(m["id"]["S"] for m in expected), f"seed {seed}: {conditions}"
        assert all("more" not in m for m in got)
        found += len(got)
    assert found > 300


def test_scan_partiql_and_description(ddb, matches):
    every = ddb.scan(TableName="matches", IndexName="rounds")
    assert sorted(m["id"]["S"] for m in every["Items"]) == sorted(m["id"]["S"] for m in matches)
    shared = [ddb.scan(TableName="matches", IndexName="rounds", Segment=i, TotalSegments=3)["Items"] for i in range(3)]
    assert sorted(m["id"]["S"] for part in shared for m in part) == sorted(m["id"]["S"] for m in matches)
    like = matches[0]
    rows = ddb.execute_statement(Statement='SELECT id FROM "matches"."rounds" WHERE tournament=? AND region=?',
                                 Parameters=[like["tournament"], like["region"]])["Items"]
    assert {row["id"]["S"] for row in rows} == {m["id"]["S"] for m in matches if plain(m, "tournament", "region")
                                                == plain(like, "tournament", "region")}
    shown = ddb.describe_table(TableName="matches")["Table"]["GlobalSecondaryIndexes"][0]
    assert shown["KeySchema"] == INDEX["KeySchema"] and shown["ItemCount"] == len(matches)


def refusal(call, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**members)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    return caught.value.response["Error"]["Message"]


@pytest.mark.parametrize("condition, message", [
    ("tournament = :s", "Query condition missed key schema element: region"),
    ("tournament = :s AND #region > :s", "Query key condition not supported"),
    ("tournament = :s AND #region = :s AND score = :n", "Query condition missed key schema element: round"),
    ("tournament = :s AND #region = :s AND #round > :s AND score = :n", "Query key condition not supported"),
    ("tournament = :s AND #region = :n", "One or more parameter values were invalid: Condition parameter type does not "
     "match schema type"),
])
def test_conditions_that_leave_attributes_out(ddb, matches, condition, message):
    values = {v: {"S": "a"} if v == ":s" else {"N": "1"} for v in (":s", ":n") if v in condition}
    names = {f"#{n}": n for n in ("region", "round") if f"#{n}" in condition}
    more = {"ExpressionAttributeNames": names} if names else {}
    assert refusal(ddb.query, TableName="matches", IndexName="rounds", KeyConditionExpression=condition,
                   ExpressionAttributeValues=values, **more) == message


def test_keys_of_tables_and_local_indexes_have_one_attribute_each(ddb, name):
    keys = [{"AttributeName": n, "KeyType": k} for n, k in (("id", "HASH"), ("round", "RANGE"), ("match", "RANGE"))]
    shown = ", ".join(f"KeySchemaElement(attributeName={k['AttributeName']}, keyType={k['KeyType']})" for k in keys)
    assert refusal(ddb.create_table, TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=keys,
                   AttributeDefinitions=definitions("id", "round", "match")) == (
        f"1 validation error detected: Value '[{shown}]' at 'keySchema' failed to satisfy constraint: Member must have "
        "length less than or equal to 2")
    five = [{"AttributeName": n, "KeyType": "HASH"} for n in ("tournament", "region", "round", "score", "match")]
    assert "HASH" in refusal(ddb.create_table, TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=keys[:1],
                             AttributeDefinitions=definitions(*TYPES),
                             GlobalSecondaryIndexes=[{**INDEX, "KeySchema": five}])


def test_what_index_keys_must_be(ddb, matches):
    item = {"id": {"S": "bad"}, "tournament": {"S": "A"}}
    assert refusal(ddb.put_item, TableName="matches", Item={**item, "region": {"N": "1"}}) == (
        "One or more parameter values were invalid: Type mismatch for Index Key region Expected: S Actual: N "
        "IndexName: rounds")
    assert refusal(ddb.put_item, TableName="matches", Item={**item, "match": {"S": ""}}).endswith(
        "IndexName: rounds, IndexKey: match")
    assert refusal(ddb.put_item, TableName="matches", Item={**item, "region": {"S": "x" * 2048}}) == (
        "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes")
    assert refusal(ddb.put_item, TableName="matches",
                   Item={**item, "round": {"S": "x" * 600}, "match": {"S": "x" * 600}}) == (
        "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of "
        "1024 bytes")
