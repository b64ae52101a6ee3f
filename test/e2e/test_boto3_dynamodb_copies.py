"""DynamoDB through boto3: backups, point-in-time recovery, exports to S3 and imports, global tables."""

import gzip
import json
import time

import botocore.exceptions
import pytest


@pytest.fixture
def ddb(cloud):
    return cloud.client("dynamodb")


def make(ddb, name, **more):
    ddb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                     AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}], **more)
    ddb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    return name


def until(ask, wanted, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        seen = ask()
        if seen == wanted:
            return
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)


def write(ddb, table, *values):
    for value in values:
        ddb.put_item(TableName=table, Item={"pk": {"S": f"k{value}"}, "v": {"N": str(value)}, "b": {"B": b"\0\xff"}})


def keys_of(ddb, table):
    pages = ddb.get_paginator("scan").paginate(TableName=table)
    return sorted(item["pk"]["S"] for page in pages for item in page["Items"])


def pitr(ddb, name):
    ddb.update_continuous_backups(TableName=name,
                                  PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})


def test_backup_and_restore(ddb, name):
    make(ddb, name)
    write(ddb, name, 1, 2, 3)
    arn = ddb.create_backup(TableName=name, BackupName="nightly")["BackupDetails"]["BackupArn"]
    write(ddb, name, 4)
    status = lambda: ddb.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]["BackupStatus"]  # noqa: E731
    until(status, "AVAILABLE")
    assert [b["BackupName"] for b in ddb.list_backups(TableName=name)["BackupSummaries"]] == ["nightly"]
    made = ddb.restore_table_from_backup(TargetTableName=name + "-again", BackupArn=arn)["TableDescription"]
    assert made["RestoreSummary"]["SourceBackupArn"] == arn
    ddb.get_waiter("table_exists").wait(TableName=name + "-again", WaiterConfig={"Delay": 1})
    assert keys_of(ddb, name + "-again") == ["k1", "k2", "k3"]
    ddb.delete_backup(BackupArn=arn)
    with pytest.raises(ddb.exceptions.BackupNotFoundException):
        ddb.describe_backup(BackupArn=arn)


def test_any_second(ddb, name):
    make(ddb, name)
    pitr(ddb, name)
    write(ddb, name, 1)
    time.sleep(1.1)
    moment = int(time.time())
    time.sleep(1.1)
    write(ddb, name, 2)
    seen = ddb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert seen["PointInTimeRecoveryStatus"] == "ENABLED" and seen["RecoveryPeriodInDays"] == 35
    ddb.restore_table_to_point_in_time(SourceTableName=name, TargetTableName=name + "-then", RestoreDateTime=moment)
    ddb.restore_table_to_point_in_time(SourceTableName=name, TargetTableName=name + "-now", UseLatestRestorableTime=True)
    for suffix, keys in (("-then", ["k1"]), ("-now", ["k1", "k2"])):
        ddb.get_waiter("table_exists").wait(TableName=name + suffix, WaiterConfig={"Delay": 1})
        assert keys_of(ddb, name + suffix) == keys
    with pytest.raises(ddb.exceptions.InvalidRestoreTimeException):
        ddb.restore_table_to_point_in_time(SourceTableName=name, TargetTableName=name + "-no", RestoreDateTime=moment - 99999)


def test_export_and_import(cloud, ddb, name):
    s3 = cloud.client("s3")
    bucket = name.lower().replace("_", "-")
    s3.create_bucket(Bucket=bucket)
    make(ddb, name)
    pitr(ddb, name)
    write(ddb, name, *range(40))
    arn = ddb.describe_table(TableName=name)["Table"]["TableArn"]
    export = ddb.export_table_to_point_in_time(TableArn=arn, S3Bucket=bucket, S3Prefix="out", ExportFormat="DYNAMODB_JSON")
    export_arn = export["ExportDescription"]["ExportArn"]
    until(lambda: ddb.describe_export(ExportArn=export_arn)["ExportDescription"]["ExportStatus"], "COMPLETED")
    done = ddb.describe_export(ExportArn=export_arn)["ExportDescription"]
    assert done["ItemCount"] == 40 and done["ExportManifest"].startswith("out/AWSDynamoDB/")
    read = lambda key: s3.get_object(Bucket=bucket, Key=key)["Body"].read()  # noqa: E731
    summary = json.loads(read(done["ExportManifest"]))
    files = [json.loads(line) for line in read(summary["manifestFilesS3Key"]).splitlines()]
    assert sum(file["itemCount"] for file in files) == summary["itemCount"] == 40
    items = [json.loads(line)["Item"] for file in files for line in gzip.decompress(read(file["dataFileS3Key"])).splitlines()]
    assert sorted(item["pk"]["S"] for item in items) == keys_of(ddb, name)
    assert items[0]["b"] == {"B": "AP8="}
    parameters = {"TableName": name + "-in", "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                  "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"}
    data = files[0]["dataFileS3Key"].rsplit("/", 1)[0] + "/"
    made = ddb.import_table(S3BucketSource={"S3Bucket": bucket, "S3KeyPrefix": data}, InputFormat="DYNAMODB_JSON",
                            InputCompressionType="GZIP", TableCreationParameters=parameters)
    import_arn = made["ImportTableDescription"]["ImportArn"]
    until(lambda: ddb.describe_import(ImportArn=import_arn)["ImportTableDescription"]["ImportStatus"], "COMPLETED")
    assert keys_of(ddb, name + "-in") == keys_of(ddb, name)
    assert ddb.list_imports(TableArn=arn + "-in")["ImportSummaryList"][0]["ImportArn"] == import_arn
    assert ddb.list_exports(TableArn=arn)["ExportSummaries"][0]["ExportArn"] == export_arn


def test_import_of_csv(cloud, ddb, name):
    s3 = cloud.client("s3")
    bucket = name.lower().replace("_", "-")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="people.csv", Body='pk,age,note\nann,30,"likes, commas"\n,1,no key\nben,41,""\n'.encode())
    made = ddb.import_table(
        S3BucketSource={"S3Bucket": bucket}, InputFormat="CSV", TableCreationParameters={
            "TableName": name, "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"})
    arn = made["ImportTableDescription"]["ImportArn"]
    until(lambda: ddb.describe_import(ImportArn=arn)["ImportTableDescription"]["ImportStatus"], "COMPLETED")
    seen = ddb.describe_import(ImportArn=arn)["ImportTableDescription"]
    assert (seen["ProcessedItemCount"], seen["ImportedItemCount"], seen["ErrorCount"]) == (3, 2, 1)
    item = ddb.get_item(TableName=name, Key={"pk": {"S": "ann"}})["Item"]
    assert item == {"pk": {"S": "ann"}, "age": {"S": "30"}, "note": {"S": "likes, commas"}}


def test_export_to_no_bucket(ddb, name):
    make(ddb, name)
    pitr(ddb, name)
    arn = ddb.describe_table(TableName=name)["Table"]["TableArn"]
    export = ddb.export_table_to_point_in_time(TableArn=arn, S3Bucket="no-such-bucket-" + name.lower().replace("_", "-")[-20:])
    export_arn = export["ExportDescription"]["ExportArn"]
    until(lambda: ddb.describe_export(ExportArn=export_arn)["ExportDescription"]["ExportStatus"], "FAILED")
    assert ddb.describe_export(ExportArn=export_arn)["ExportDescription"]["FailureCode"] == "S3NoSuchBucket"


def test_global_table(cloud, name):
    regions = ("us-east-1", "eu-central-1", "ap-northeast-1")
    clients = {region: cloud.client("dynamodb", region_name=region) for region in regions}
    home = clients["us-east-1"]
    make(home, name, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    write(home, name, 1)
    for region in regions[1:]:
        home.update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": region}}])
        until(lambda: {r["ReplicaStatus"] for r in home.describe_table(TableName=name)["Table"]["Replicas"]}, {"ACTIVE"})
        home.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
        clients[region].get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    for n, region in enumerate(regions, 10):
        write(clients[region], name, n)
    for region in regions:
        until(lambda: keys_of(clients[region], name), ["k1", "k10", "k11", "k12"])  # noqa: B023
    described = clients["eu-central-1"].describe_table(TableName=name)["Table"]
    assert described["GlobalTableVersion"] == "2019.11.21"
    assert sorted(r["RegionName"] for r in described["Replicas"]) == ["ap-northeast-1", "us-east-1"]
    home.update_table(TableName=name, ReplicaUpdates=[{"Delete": {"RegionName": "eu-central-1"}}])
    clients["eu-central-1"].get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    with pytest.raises(botocore.exceptions.ClientError):
        clients["eu-central-1"].describe_table(TableName=name)


# --- in whose name


def someone(cloud, name, *statements):
    """A user of that name who may what the statements allow: its client."""
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    document = {"Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": a, "Resource": r} for a, r in statements]}
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return cloud.client("dynamodb", key=key["AccessKeyId"], secret=key["SecretAccessKey"])


def test_exports_ask_s3_as_who_asked_for_them(cloud, ddb, name):
    bucket = name.lower().replace("_", "-")[-50:].strip("-")
    cloud.client("s3").create_bucket(Bucket=bucket)
    make(ddb, name)
    pitr(ddb, name)
    arn = ddb.describe_table(TableName=name)["Table"]["TableArn"]
    outcomes = {}
    for who, statements in (("without", []), ("with", [("s3:PutObject", f"arn:aws:s3:::{bucket}/*")])):
        client = someone(cloud, f"{who}-{name}"[:60], ("dynamodb:*", "*"), *statements)
        export = client.export_table_to_point_in_time(TableArn=arn, S3Bucket=bucket)["ExportDescription"]["ExportArn"]
        describe = lambda: client.describe_export(ExportArn=export)["ExportDescription"]  # noqa: E731, B023
        deadline = time.monotonic() + 60
        while describe()["ExportStatus"] == "IN_PROGRESS":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        outcomes[who] = describe()["ExportStatus"], describe().get("FailureCode")
    assert outcomes == {"without": ("FAILED", "S3AccessDenied"), "with": ("COMPLETED", None)}


def test_restoring_asks_for_the_new_table_too(cloud, ddb, name):
    make(ddb, name)
    arn = ddb.create_backup(TableName=name, BackupName="one")["BackupDetails"]["BackupArn"]
    status = lambda: ddb.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]["BackupStatus"]  # noqa: E731
    until(status, "AVAILABLE")
    client = someone(cloud, f"r-{name}"[:60], ("dynamodb:RestoreTableFromBackup", "*"), ("dynamodb:*", "arn:aws:dynamodb:*:*:table/" + name + "-mine"))
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        client.restore_table_from_backup(TargetTableName=name + "-other", BackupArn=arn)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    client.restore_table_from_backup(TargetTableName=name + "-mine", BackupArn=arn)
