"""DynamoDB's tables, exports, imports and restores where settings meet one another, through boto3."""

import gzip
import json
import time

import botocore.exceptions
import pytest

UNITS = {"ReadCapacityUnits": 2, "WriteCapacityUnits": 3}
INDEX = {"IndexName": "gsi", "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
         "Projection": {"ProjectionType": "ALL"}}


@pytest.fixture
def ddb(cloud):
    return cloud.client("dynamodb")


def until(ask, wanted, seconds=60):
    deadline = time.monotonic() + seconds
    while (seen := ask()) != wanted:
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)


def table(ddb, name):
    made = ddb.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "g")],
        GlobalSecondaryIndexes=[INDEX])["TableDescription"]
    ddb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    return made["TableArn"]


def refused(call, code, part, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    assert (error["Code"], part in error["Message"]) == (code, True), error


def test_restores_into_another_mode(ddb, name):
    table(ddb, name)
    arn = ddb.create_backup(TableName=name, BackupName="one")["BackupDetails"]["BackupArn"]
    state = lambda: ddb.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]["BackupStatus"]  # noqa: E731
    until(state, "AVAILABLE")
    changed = {"BackupArn": arn, "TargetTableName": name + "-two", "BillingModeOverride": "PROVISIONED",
               "ProvisionedThroughputOverride": UNITS}
    refused(ddb.restore_table_from_backup, "ValidationException",
            "ProvisionedThroughput must be specified for index: gsi", **changed)
    made = ddb.restore_table_from_backup(
        **changed, GlobalSecondaryIndexOverride=[{**INDEX, "ProvisionedThroughput": UNITS}])["TableDescription"]
    assert made["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["WriteCapacityUnits"] == 3
    refused(ddb.restore_table_from_backup, "ValidationException", "OnDemandThroughput must give", BackupArn=arn,
            TargetTableName=name + "-three", OnDemandThroughputOverride={})


def test_export_under_a_key(ddb, s3, bucket, cloud, name):
    arn = table(ddb, name)
    ddb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    ddb.put_item(TableName=name, Item={"pk": {"S": "a"}})
    refused(ddb.export_table_to_point_in_time, "ValidationException", "S3SseKmsKeyId", TableArn=arn, S3Bucket=bucket,
            S3SseKmsKeyId="alias/aws/s3")
    export = ddb.export_table_to_point_in_time(TableArn=arn, S3Bucket=bucket, S3SseAlgorithm="KMS",
                                               S3SseKmsKeyId="alias/aws/s3")["ExportDescription"]
    about = lambda: ddb.describe_export(ExportArn=export["ExportArn"])["ExportDescription"]  # noqa: E731
    until(lambda: about()["ExportStatus"], "COMPLETED")
    assert (about()["S3SseAlgorithm"], about()["S3SseKmsKeyId"]) == ("KMS", "alias/aws/s3")
    for found in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        assert s3.head_object(Bucket=bucket, Key=found["Key"])["ServerSideEncryption"] == "aws:kms", found["Key"]
    summary = json.loads(s3.get_object(Bucket=bucket, Key=about()["ExportManifest"])["Body"].read())
    assert (summary["s3SseAlgorithm"], summary["s3SseKmsKeyId"]) == ("KMS", "alias/aws/s3")


def test_import_logs_what_it_refuses(ddb, s3, bucket, cloud, name):
    s3.put_object(Bucket=bucket, Key="in/a.csv", Body="pk,n\na,1\n,2\nc\n")
    made = ddb.import_table(
        S3BucketSource={"S3Bucket": bucket, "S3KeyPrefix": "in/"}, InputFormat="CSV",
        TableCreationParameters={"TableName": name, "BillingMode": "PAY_PER_REQUEST",
                                 "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                                 "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]},
    )["ImportTableDescription"]
    about = lambda: ddb.describe_import(ImportArn=made["ImportArn"])["ImportTableDescription"]  # noqa: E731
    until(lambda: about()["ImportStatus"], "COMPLETED")
    assert (about()["ImportedItemCount"], about()["ErrorCount"]) == (1, 2)
    group = about()["CloudWatchLogGroupArn"].split(":log-group:")[1].removesuffix(":*")
    logs = cloud.client("logs")
    stream = made["ImportArn"].rsplit("/", 1)[1]

    def told():
        try:
            events = logs.filter_log_events(logGroupName=group, logStreamNames=[stream])["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [json.loads(event["message"]) for event in events]

    until(lambda: len(told()), 2)
    assert [one["itemS3Pointer"] for one in told()] == [{"bucket": bucket, "key": "in/a.csv", "itemIndex": n}
                                                       for n in (1, 2)]
    assert all(one["importArn"] == made["ImportArn"] and one["errorMessages"] for one in told())


def test_partiql_in_has_a_limit(ddb, name):
    table(ddb, name)
    values = ",".join(f"'{n}'" for n in range(101))
    refused(ddb.execute_statement, "ValidationException", "The IN operator is given 101 values; the limit is 100",
            Statement=f'SELECT * FROM "{name}" WHERE v IN [{values}]')
    values = values.rsplit(",", 1)[0]
    assert ddb.execute_statement(Statement=f'SELECT * FROM "{name}" WHERE v IN [{values}]')["Items"] == []


def test_expressions_in_has_a_limit(ddb, name):
    table(ddb, name)
    refused(ddb.scan, "ValidationException",
            "Invalid FilterExpression: The IN operator is provided with too many operands; number of operands: 101",
            TableName=name, FilterExpression=f"v IN ({', '.join(f':{n}' for n in range(101))})",
            ExpressionAttributeValues={f":{n}": {"N": str(n)} for n in range(101)})


def test_a_filter_shows_no_more_than_the_local_index(ddb, name):
    ddb.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": n, "KeyType": k} for n, k in (("pk", "HASH"), ("sk", "RANGE"))],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk", "l")],
        LocalSecondaryIndexes=[{"IndexName": "lsi", "Projection": {"ProjectionType": "KEYS_ONLY"},
                                "KeySchema": [{"AttributeName": n, "KeyType": k}
                                              for n, k in (("pk", "HASH"), ("l", "RANGE"))]}])
    key = {"pk": {"S": "a"}, "sk": {"S": "b"}, "l": {"S": "c"}}
    ddb.put_item(TableName=name, Item={**key, "v": {"N": "5"}, "w": {"N": "6"}})
    asked = {"TableName": name, "IndexName": "lsi", "FilterExpression": "v = :v",
             "ExpressionAttributeValues": {":v": {"N": "5"}}}
    assert ddb.scan(**asked)["Items"] == [key]
    assert ddb.scan(**asked, Select="ALL_ATTRIBUTES")["Items"] == [{**key, "v": {"N": "5"}, "w": {"N": "6"}}]
    assert ddb.scan(**asked, ProjectionExpression="w")["Items"] == [{"w": {"N": "6"}}]


def test_positions_that_a_stream_has_not_reached(ddb, cloud, name):
    table(ddb, name)
    ddb.update_table(TableName=name, StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    ddb.put_item(TableName=name, Item={"pk": {"S": "a"}})
    streams = cloud.client("dynamodbstreams")
    arn = ddb.describe_table(TableName=name)["Table"]["LatestStreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    ask = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "AT_SEQUENCE_NUMBER"}
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    [record] = streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    number = record["dynamodb"]["SequenceNumber"]
    again = streams.get_shard_iterator(SequenceNumber=number, **ask)["ShardIterator"]
    assert streams.get_records(ShardIterator=again)["Records"] == [record]
    refused(streams.get_shard_iterator, "ValidationException", "is not in shard", SequenceNumber=str(int(number) + 1),
            **ask)


def test_restores_into_another_region(ddb, cloud, name):
    arn = table(ddb, name)
    ddb.update_table(TableName=name, SSESpecification={"Enabled": True})
    ddb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    ddb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    for n in range(700):
        ddb.put_item(TableName=name, Item={"pk": {"S": f"k{n}"}, "g": {"S": "x"}})
    backup = ddb.create_backup(TableName=name, BackupName="one")["BackupDetails"]["BackupArn"]
    state = lambda: ddb.describe_backup(BackupArn=backup)["BackupDescription"]["BackupDetails"]["BackupStatus"]  # noqa: E731
    until(state, "AVAILABLE")
    there = cloud.client("dynamodb", region="eu-central-1")
    there.restore_table_from_backup(TargetTableName=name, BackupArn=backup)
    there.restore_table_to_point_in_time(TargetTableName=name + "-two", SourceTableArn=arn, UseLatestRestorableTime=True)
    for made in (name, name + "-two"):
        there.get_waiter("table_exists").wait(TableName=made, WaiterConfig={"Delay": 1})
        about = there.describe_table(TableName=made)["Table"]
        assert about["SSEDescription"]["KMSMasterKeyArn"].startswith("arn:aws:kms:eu-central-1:")
        assert about["RestoreSummary"]["SourceTableArn"] == arn
        pages = there.get_paginator("query").paginate(
            TableName=made, IndexName="gsi", KeyConditionExpression="g = :g", ExpressionAttributeValues={":g": {"S": "x"}})
        assert sum(page["Count"] for page in pages) == 700
    # The source is free again: it goes, and its backup too.
    ddb.delete_backup(BackupArn=backup)
    ddb.delete_table(TableName=name)
    ddb.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 1})


def test_export_of_some_items(ddb, s3, bucket, name):
    arn = table(ddb, name)
    ddb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    for n in range(20):
        ddb.put_item(TableName=name, Item={"pk": {"S": f"k{n}"}, "g": {"S": "x"}, "v": {"N": str(n)}})

    def exported(prefix, **spec):
        made = ddb.export_table_to_point_in_time(TableArn=arn, S3Bucket=bucket, S3Prefix=prefix, FilterSpecification=spec)
        ask = {"ExportArn": made["ExportDescription"]["ExportArn"]}
        until(lambda: ddb.describe_export(**ask)["ExportDescription"]["ExportStatus"], "COMPLETED")
        about = ddb.describe_export(**ask)["ExportDescription"]
        assert about["FilterSpecification"] == spec
        keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]]
        packed = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys if key.endswith(".gz")]
        items = [json.loads(line)["Item"] for one in packed for line in gzip.decompress(one).splitlines()]
        assert about["ItemCount"] == len(items)
        return items

    some = exported("some", FilterExpression="#v >= :v", ProjectionExpression="pk, #v",
                    ExpressionAttributeNames={"#v": "v"}, ExpressionAttributeValues={":v": {"N": "18"}})
    assert sorted(item["v"]["N"] for item in some) == ["18", "19"] and set(some[0]) == {"pk", "v"}
    assert exported("one", KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": {"S": "k7"}}) == [
        {"pk": {"S": "k7"}, "g": {"S": "x"}, "v": {"N": "7"}}]
    assert exported("none", FilterExpression="attribute_exists(nothing)") == []
    ask = {"TableArn": arn, "S3Bucket": bucket}
    refused(ddb.export_table_to_point_in_time, "ValidationException", "Invalid FilterExpression: Syntax error", **ask,
            FilterSpecification={"FilterExpression": "v >"})
    refused(ddb.export_table_to_point_in_time, "ValidationException", "can only contain non-primary key attributes", **ask,
            FilterSpecification={"KeyConditionExpression": "pk = :p", "FilterExpression": "pk <> :p",
                                 "ExpressionAttributeValues": {":p": {"S": "a"}}})
