"""DynamoDB through boto3: PartiQL, who may do what, throughput and hot keys."""

import json

import botocore.exceptions
import pytest

OWNER, OTHER = "000000000000", "111111111111"


def failure(call, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**members)
    return caught.value.response


def error_of(call, **members):
    error = failure(call, **members)["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def ddb(cloud):
    return cloud.client("dynamodb")


def make(ddb, name, **more):
    more.setdefault("BillingMode", "PAY_PER_REQUEST")
    ddb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        **more,
    )
    ddb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    return name


@pytest.fixture
def table(ddb, name):
    return make(ddb, name)


def arn_of(ddb, table):
    return ddb.describe_table(TableName=table)["Table"]["TableArn"]


# --- PartiQL


def pages(ddb, **request):
    """All items, page by page, as applications do it; and how many pages there were."""
    items, count = [], 0
    while True:
        answer = ddb.execute_statement(**request)
        items += answer["Items"]
        count += 1
        if "NextToken" not in answer:
            return items, count
        request["NextToken"] = answer["NextToken"]


def test_statements(ddb, table):
    for n in range(7):
        ddb.execute_statement(Statement=f"INSERT INTO \"{table}\" VALUE {{'pk': 'a', 'sk': ?, 'tags': <<'x'>>}}",
                              Parameters=[{"N": str(n)}])
    assert error_of(ddb.execute_statement, Statement=f"INSERT INTO \"{table}\" VALUE {{'pk': 'a', 'sk': 1}}") == (
        "DuplicateItemException", "Duplicate primary key exists in table")
    found, count = pages(ddb, Statement=f'SELECT sk FROM "{table}" WHERE pk = ? ORDER BY sk DESC',
                         Parameters=[{"S": "a"}], Limit=3)
    assert [item["sk"]["N"] for item in found] == ["6", "5", "4", "3", "2", "1", "0"] and count == 3
    changed = ddb.execute_statement(
        Statement=f"UPDATE \"{table}\" SET n = 1 SET tags = set_add(tags, <<'y'>>) WHERE pk = 'a' AND sk = 2 "
                  "RETURNING ALL NEW *")["Items"]
    assert changed == [{"pk": {"S": "a"}, "sk": {"N": "2"}, "n": {"N": "1"}, "tags": {"SS": ["x", "y"]}}]
    with pytest.raises(ddb.exceptions.ConditionalCheckFailedException):
        ddb.execute_statement(Statement=f"DELETE FROM \"{table}\" WHERE pk = 'a' AND sk = 2 AND n = 2")
    kept = failure(ddb.execute_statement, Statement=f"DELETE FROM \"{table}\" WHERE pk = 'a' AND sk = 2 AND n = 2",
                   ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert kept["Item"]["n"] == {"N": "1"}
    old = ddb.execute_statement(Statement=f"DELETE FROM \"{table}\" WHERE pk = 'a' AND sk = 2 RETURNING ALL OLD *")
    assert old["Items"][0]["n"] == {"N": "1"}


def test_batches_and_transactions_of_statements(ddb, table):
    insert = f"INSERT INTO \"{table}\" VALUE {{'pk': 'b', 'sk': ?}}"
    answers = ddb.batch_execute_statement(Statements=[
        {"Statement": insert, "Parameters": [{"N": n}]} for n in ("1", "2", "1")])["Responses"]
    assert [answer.get("Error", {}).get("Code") for answer in answers] == [None, None, "DuplicateItem"]
    select = f'SELECT * FROM "{table}" WHERE pk = \'b\' AND sk = ?'
    got = ddb.execute_transaction(TransactStatements=[
        {"Statement": select, "Parameters": [{"N": n}]} for n in ("2", "9")])["Responses"]
    assert got[0]["Item"]["sk"] == {"N": "2"} and "Item" not in got[1]
    with pytest.raises(ddb.exceptions.TransactionCanceledException) as caught:
        ddb.execute_transaction(TransactStatements=[
            {"Statement": f"UPDATE \"{table}\" SET v = 1 WHERE pk = 'b' AND sk = 1"},
            {"Statement": f"EXISTS(SELECT * FROM \"{table}\" WHERE pk = 'b' AND sk = 2 AND v = 1)"}])
    reasons = caught.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"]
    token = {"ClientRequestToken": table[-36:]}
    for _ in range(2):
        ddb.execute_transaction(TransactStatements=[
            {"Statement": f"UPDATE \"{table}\" SET sk2 = 1 WHERE pk = 'b' AND sk = 1"}], **token)


# --- who may


def allow(iam, user, *statements):
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document)


def test_each_to_its_own_items(cloud, ddb, table, name):
    """The classic policy of a mobile application: whose key an item begins with, and which attributes."""
    iam = cloud.client("iam")
    user = name[:60]
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    mine = cloud.client("dynamodb", key["AccessKeyId"], key["SecretAccessKey"])
    allow(iam, user, {
        "Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:PartiQLSelect"],
        "Resource": arn_of(ddb, table),
        "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${aws:username}"]}},
    })
    mine.put_item(TableName=table, Item={"pk": {"S": user}, "sk": {"N": "1"}})
    ddb.put_item(TableName=table, Item={"pk": {"S": "boss"}, "sk": {"N": "1"}})
    query = {"TableName": table, "KeyConditionExpression": "pk = :p"}
    assert mine.query(ExpressionAttributeValues={":p": {"S": user}}, **query)["Count"] == 1
    code, message = error_of(mine.query, ExpressionAttributeValues={":p": {"S": "boss"}}, **query)
    assert code == "AccessDeniedException"
    assert message == (f"User: arn:aws:iam::{OWNER}:user/{user} is not authorized to perform: dynamodb:Query on "
                       f"resource: {arn_of(ddb, table)} because no identity-based policy allows the dynamodb:Query "
                       "action")
    assert error_of(mine.get_item, TableName=table, Key={"pk": {"S": "boss"}, "sk": {"N": "1"}})[0] == code
    assert error_of(mine.scan, TableName=table)[0] == code
    statement = f'SELECT * FROM "{table}" WHERE pk = ?'
    assert len(mine.execute_statement(Statement=statement, Parameters=[{"S": user}])["Items"]) == 1
    assert error_of(mine.execute_statement, Statement=statement, Parameters=[{"S": "boss"}])[0] == code


def test_a_table_lent_to_another_account(cloud, ddb, table):
    other = cloud.client("dynamodb", *cloud.issue(OTHER))
    arn = arn_of(ddb, table)
    key = {"pk": {"S": "k"}, "sk": {"N": "1"}}
    assert "because no resource-based policy allows" in error_of(other.get_item, TableName=arn, Key=key)[1]
    assert error_of(ddb.get_resource_policy, ResourceArn=arn)[0] == "PolicyNotFoundException"
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}, "Action": ["dynamodb:GetItem", "dynamodb:PutItem"],
        "Resource": arn}]})
    revision = ddb.put_resource_policy(ResourceArn=arn, Policy=policy)["RevisionId"]
    assert ddb.put_resource_policy(ResourceArn=arn, Policy=policy)["RevisionId"] == revision
    other.put_item(TableName=arn, Item=key)
    assert other.get_item(TableName=arn, Key=key)["Item"] == key
    assert error_of(other.delete_item, TableName=arn, Key=key)[0] == "AccessDeniedException"
    with pytest.raises(ddb.exceptions.PolicyNotFoundException):
        ddb.delete_resource_policy(ResourceArn=arn, ExpectedRevisionId="1")
    assert ddb.delete_resource_policy(ResourceArn=arn, ExpectedRevisionId=revision)["RevisionId"] == revision
    assert error_of(other.get_item, TableName=arn, Key=key)[0] == "AccessDeniedException"


# --- throughput and hot keys


def test_throughput_and_retries(cloud, ddb, name):
    make(ddb, name, BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1})
    patient = cloud.client("dynamodb", retries={"total_max_attempts": 12})
    item = {"pk": {"S": "k"}, "sk": {"N": "1"}}
    large = {**item, "v": {"S": "x" * 150 * 1024}}
    for _ in range(2):
        ddb.put_item(TableName=name, Item=large)
    # Two units or so are gone too far: made good after as many seconds.
    response = failure(ddb.put_item, TableName=name, Item=item)
    assert response["Error"]["Code"] == "ProvisionedThroughputExceededException"
    assert response["ThrottlingReasons"] == [
        {"reason": "TableWriteProvisionedThroughputExceeded", "resource": arn_of(ddb, name)}]
    left = ddb.batch_get_item(RequestItems={name: {"Keys": [item]}})
    assert left["UnprocessedKeys"] == {} and len(left["Responses"][name]) == 1
    patient.put_item(TableName=name, Item=item)  # the client tries again until there is enough


def test_hot_keys(cloud, ddb, table):
    """Scenario B9: contributor insights name the hot key."""
    assert ddb.describe_contributor_insights(TableName=table)["ContributorInsightsStatus"] == "DISABLED"
    ddb.update_contributor_insights(TableName=table, ContributorInsightsAction="ENABLE")
    seen = ddb.describe_contributor_insights(TableName=table)
    assert seen["ContributorInsightsStatus"] == "ENABLED" and len(seen["ContributorInsightsRuleList"]) == 4
    for n in range(40):
        ddb.put_item(TableName=table, Item={"pk": {"S": "hot" if n % 2 else f"cold {n}"}, "sk": {"N": "1"}})
    summaries = ddb.list_contributor_insights(TableName=table)["ContributorInsightsSummaries"]
    assert summaries == [{"TableName": table, "ContributorInsightsStatus": "ENABLED",
                          "ContributorInsightsMode": "ACCESSED_AND_THROTTLED_KEYS"}]
    status, shown = cloud.get(f"/_kumoniwa/dynamodb/hot-keys?table={table}")
    assert status == 200 and cloud.get("/_kumoniwa/dynamodb/hot-keys?table=none")[0] == 404
    units = {}
    for minute in shown["minutes"]:  # a minute may have ended meanwhile
        for row in minute["mostAccessed"]:
            units[row["key"]["pk"]["S"]] = units.get(row["key"]["pk"]["S"], 0) + row["units"]
    assert units["hot"] == 20 and max(units.values()) == 20
