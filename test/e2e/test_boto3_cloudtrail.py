"""CloudTrail through boto3: scenario B12 (who did it), E19 (by a resource's name)."""

import datetime
import gzip
import io
import json
import pathlib
import re
import subprocess
import sys
import time
import zipfile

import pytest
from botocore.exceptions import ClientError
from accounts import new_account
from kumoniwa import wait_until

ACCOUNT = "000000000000"


def looked_up(client, **params):
    """Two lookups a second are let through: a patient client."""
    while True:
        try:
            return client.lookup_events(**params)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ThrottlingException", error
            assert error.response["Error"]["Message"] == "Rate exceeded"
            time.sleep(0.3)


def lookup(client, key, value, count=1):
    found = []

    def come():
        found[:] = looked_up(client, LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}])["Events"]
        return len(found) >= count

    wait_until(come, message=f"no event with {key}={value}")
    return found


def refused(code, call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response["Error"]["Message"]


def test_who_did_it(own):
    sqs, trail = own.client("sqs"), own.client("cloudtrail")
    sqs.create_queue(QueueName="audited", Attributes={"DelaySeconds": "3"})
    with pytest.raises(ClientError):
        sqs.get_queue_url(QueueName="absent")
    events = lookup(trail, "ResourceName", "audited")
    made = events[-1]
    assert (made["EventName"], made["EventSource"], made["ReadOnly"]) == ("CreateQueue", "sqs.amazonaws.com", "false")
    assert made["Username"] == "root" and made["AccessKeyId"] == "test"
    assert {(r["ResourceType"], r["ResourceName"]) for r in made["Resources"]} >= {("AWS::SQS::Queue", "audited")}
    record = json.loads(made["CloudTrailEvent"])
    assert record["requestParameters"] == {"queueName": "audited", "attributes": {"DelaySeconds": "3"}}
    assert record["responseElements"]["queueUrl"].endswith("/audited")
    assert record["userIdentity"]["type"] == "Root" and record["userIdentity"]["accountId"] == ACCOUNT
    assert record["eventID"] == made["EventId"] and record["managementEvent"] is True
    failed = json.loads(lookup(trail, "EventName", "GetQueueUrl")[0]["CloudTrailEvent"])
    assert failed["errorCode"] == "AWS.SimpleQueueService.NonExistentQueue" and failed["readOnly"] is True
    assert failed["responseElements"] is None
    assert lookup(trail, "EventId", made["EventId"])[0]["EventName"] == "CreateQueue"
    assert lookup(trail, "AccessKeyId", "test") and lookup(trail, "EventSource", "sqs.amazonaws.com")


def test_events_survive_a_kill_and_are_paged(own):
    sqs = own.client("sqs")
    for i in range(60):
        sqs.create_queue(QueueName=f"q{i}")
    own.kill()
    own.start()
    trail = own.client("cloudtrail", retries={"mode": "standard", "total_max_attempts": 10})
    lookup(trail, "ResourceName", "q59")
    pages = trail.get_paginator("lookup_events").paginate(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateQueue"}]
    )
    names = [json.loads(e["CloudTrailEvent"])["requestParameters"]["queueName"] for p in pages for e in p["Events"]]
    assert sorted(names) == sorted(f"q{i}" for i in range(60))


def test_data_calls_are_no_history(own):
    sqs, trail = own.client("sqs"), own.client("cloudtrail")
    url = sqs.create_queue(QueueName="busy")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.delete_queue(QueueUrl=url)
    lookup(trail, "EventName", "DeleteQueue")
    named = [{"AttributeKey": "EventName", "AttributeValue": "SendMessage"}]
    assert looked_up(trail, LookupAttributes=named)["Events"] == []


def test_bad_lookups(cloud):
    trail = cloud.client("cloudtrail", retries={"mode": "standard", "total_max_attempts": 10})
    two = [{"AttributeKey": "EventName", "AttributeValue": "a"}, {"AttributeKey": "EventId", "AttributeValue": "b"}]
    refused("InvalidLookupAttributesException", trail.lookup_events, LookupAttributes=two)
    refused("InvalidTimeRangeException", trail.lookup_events, StartTime=2000000000, EndTime=1000000000)
    refused("InvalidNextTokenException", trail.lookup_events, NextToken="nonsense")


POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:GetBucketAcl",
         "Resource": "arn:aws:s3:::logs"},
        {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:PutObject",
         "Resource": f"arn:aws:s3:::logs/AWSLogs/{ACCOUNT}/*",
         "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}},
    ],
}  # fmt: skip


def test_a_trail_delivers_to_a_bucket(own):
    s3, trail, sqs = own.client("s3"), own.client("cloudtrail"), own.client("sqs")
    refused("S3BucketDoesNotExistException", trail.create_trail, Name="all", S3BucketName="logs")
    s3.create_bucket(Bucket="logs")
    refused("InsufficientS3BucketPolicyException", trail.create_trail, Name="all", S3BucketName="logs")
    s3.put_bucket_policy(Bucket="logs", Policy=json.dumps(POLICY))
    made = trail.create_trail(Name="all", S3BucketName="logs", IsMultiRegionTrail=True)
    assert made["TrailARN"] == f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/all"
    refused("TrailAlreadyExistsException", trail.create_trail, Name="all", S3BucketName="logs")
    refused("TrailNotFoundException", trail.get_trail, Name="other")
    refused("InvalidTrailNameException", trail.get_trail, Name="a")
    assert trail.get_trail_status(Name="all")["IsLogging"] is False
    selectors = trail.get_event_selectors(TrailName="all")["EventSelectors"]
    assert selectors == [{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": [],
                          "ExcludeManagementEventSources": []}]  # fmt: skip
    trail.put_event_selectors(
        TrailName="all",
        EventSelectors=[{"ReadWriteType": "WriteOnly",
                         "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::data/"]}]}],
    )  # fmt: skip
    trail.start_logging(Name="all")
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="seen", Body=b"1")
    s3.get_object(Bucket="data", Key="seen")
    sqs.create_queue(QueueName="audited")
    lookup(trail, "ResourceName", "audited")
    own.run("clock", "advance", "6m")
    found = []

    def delivered():
        found[:] = [o["Key"] for o in s3.list_objects_v2(Bucket="logs").get("Contents", []) if o["Size"] > 0]
        return bool(found)

    wait_until(delivered, message="no log file came")
    assert found[0].startswith(f"AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/20") and found[0].endswith(".json.gz")
    records = json.loads(gzip.decompress(s3.get_object(Bucket="logs", Key=found[0])["Body"].read()))["Records"]
    names = [record["eventName"] for record in records]
    assert "CreateQueue" in names and "PutObject" in names
    assert "GetObject" not in names and "LookupEvents" not in names
    put = records[names.index("PutObject")]
    assert put["managementEvent"] is False and put["resources"][0]["ARN"] == "arn:aws:s3:::data/seen"
    assert trail.get_trail_status(Name="all")["LatestDeliveryTime"] is not None
    trail.stop_logging(Name="all")
    trail.add_tags(ResourceId=made["TrailARN"], TagsList=[{"Key": "k", "Value": "v"}])
    assert trail.list_tags(ResourceIdList=[made["TrailARN"]])["ResourceTagList"][0]["TagsList"] == [
        {"Key": "k", "Value": "v"}
    ]
    trail.delete_trail(Name="all")
    assert trail.describe_trails()["trailList"] == []


def test_lookups_are_limited(own):
    own.client("sqs").create_queue(QueueName="q")
    trail = own.client("cloudtrail")
    for _ in range(2):
        trail.lookup_events()
    told = []

    def is_refused():  # two a second are let through: who asks without a pause is refused soon
        try:
            trail.lookup_events()
        except ClientError as error:
            told.append((error.response["Error"]["Code"], error.response["Error"]["Message"]))
        return told

    wait_until(is_refused, message="nothing is refused")
    assert told == [("ThrottlingException", "Rate exceeded")]
    own.client("cloudtrail", region="eu-west-1").lookup_events()  # of another region
    time.sleep(1.1)
    trail.lookup_events()


# --- log file validation ---


def open_bucket(s3, name="logs"):
    s3.create_bucket(Bucket=name)
    service = {"Service": "cloudtrail.amazonaws.com"}
    statements = [
        {"Effect": "Allow", "Principal": service, "Action": "s3:GetBucketAcl", "Resource": f"arn:aws:s3:::{name}"},
        {"Effect": "Allow", "Principal": service, "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{name}/*"},
    ]
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))


def objects(s3, part, bucket="logs"):
    return [o["Key"] for o in s3.list_objects_v2(Bucket=bucket).get("Contents", []) if part in o["Key"] and o["Size"]]


def cli(own, *args):
    """The AWS CLI; its own S3 client inside validate-logs is told by AWS_ENDPOINT_URL where to go."""
    program = str(pathlib.Path(sys.executable).parent / "aws")
    done = subprocess.run([program, *args], env=own.client_environment(), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def advance(own, minutes):
    own.run("clock", "advance", f"{minutes}m")


def test_log_files_are_validated(own):
    s3, trail, sqs = own.client("s3"), own.client("cloudtrail"), own.client("sqs")
    open_bucket(s3)
    made = trail.create_trail(Name="all", S3BucketName="logs", S3KeyPrefix="p", EnableLogFileValidation=True)
    assert made["LogFileValidationEnabled"] is True
    assert trail.get_trail(Name="all")["Trail"]["LogFileValidationEnabled"] is True
    trail.start_logging(Name="all")
    start = datetime.datetime.utcnow() - datetime.timedelta(minutes=2)
    for hour in range(3):
        sqs.create_queue(QueueName=f"q{hour}")
        lookup(trail, "ResourceName", f"q{hour}")
        advance(own, 6)
        wait_until(lambda: len(objects(s3, "/CloudTrail/")) > hour, message="no log file came")
        own.kill()
        own.start()
        advance(own, 55)
        wait_until(lambda: len(objects(s3, "/CloudTrail-Digest/")) > hour, message="no digest came")
    keys = sorted(objects(s3, "/CloudTrail-Digest/"))
    form = r"p/AWSLogs/000000000000/CloudTrail-Digest/us-east-1/\d{4}/\d\d/\d\d/000000000000_CloudTrail-Digest_us-east-1_all_us-east-1_\d{8}T\d{6}Z\.json\.gz"
    assert all(re.fullmatch(form, key) for key in keys)
    first, second = (s3.get_object(Bucket="logs", Key=key) for key in keys[:2])
    assert second["Metadata"]["signature-algorithm"] == "SHA256withRSA"
    one, two = (json.loads(gzip.decompress(o["Body"].read())) for o in (first, second))
    assert one["previousDigestSignature"] is None and one["previousDigestS3Object"] is None
    assert two["previousDigestSignature"] == first["Metadata"]["signature"]
    assert two["previousDigestS3Object"] == keys[0] and two["digestStartTime"] == one["digestEndTime"]
    assert len(one["logFiles"]) >= 1 and one["logFiles"][0]["hashAlgorithm"] == "SHA-256"
    assert trail.get_trail_status(Name="all")["LatestDigestDeliveryTime"] is not None
    end = datetime.datetime.utcnow() + datetime.timedelta(hours=4)
    known = trail.list_public_keys(StartTime=start, EndTime=end)["PublicKeyList"]
    assert [k["Fingerprint"] for k in known] == [one["digestPublicKeyFingerprint"]]
    assert refused("InvalidTimeRangeException", trail.list_public_keys, StartTime=end, EndTime=start)
    validate = ["cloudtrail", "validate-logs", "--trail-arn", made["TrailARN"], "--verbose",
                "--start-time", start.strftime("%Y-%m-%dT%H:%M:%SZ"), "--end-time", end.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "--s3-bucket", "logs", "--s3-prefix", "p"]  # fmt: skip
    code, text = cli(own, *validate)
    assert code == 0 and f"{len(keys)}/{len(keys)} digest files valid" in text and "log files valid" in text, text
    # What was altered is found out: a log file, and a digest.
    log = one["logFiles"][0]["s3Object"]
    s3.put_object(Bucket="logs", Key=log, Body=gzip.compress(b'{"Records":[]}'))
    code, text = cli(own, *validate)
    assert code == 1 and "hash value doesn't match" in text, text
    forged = {**second["Metadata"], "signature": "00" * 256}
    body = s3.get_object(Bucket="logs", Key=keys[1])["Body"].read()
    s3.put_object(Bucket="logs", Key=keys[1], Body=body, Metadata=forged)
    code, text = cli(own, *validate)
    assert code == 1 and "signature verification failed" in text, text
    # Turned off, the chain ends with the hour; on again, another begins.
    trail.update_trail(Name="all", EnableLogFileValidation=False)
    advance(own, 61)
    wait_until(lambda: len(objects(s3, "/CloudTrail-Digest/")) > len(keys), message="no digest of the last hour came")
    advance(own, 61)
    assert len(objects(s3, "/CloudTrail-Digest/")) == len(keys) + 1
    trail.update_trail(Name="all", EnableLogFileValidation=True)
    advance(own, 61)

    def begins():
        later = [s3.get_object(Bucket="logs", Key=key)["Body"].read() for key in objects(s3, "/CloudTrail-Digest/") if key not in keys]
        return any(json.loads(gzip.decompress(body))["previousDigestSignature"] is None for body in later)

    wait_until(begins, message="no new chain")


def test_a_trail_seals_with_a_key(own):
    s3, trail, sqs = own.client("s3"), own.client("cloudtrail"), own.client("sqs")
    open_bucket(s3)
    refused("KmsKeyNotFoundException", trail.create_trail, Name="all", S3BucketName="logs", KmsKeyId="alias/absent")
    made = trail.create_trail(Name="all", S3BucketName="logs", KmsKeyId="alias/aws/s3")
    assert made["KmsKeyId"].startswith("arn:aws:kms:us-east-1:000000000000:key/")
    trail.start_logging(Name="all")
    sqs.create_queue(QueueName="q")
    lookup(trail, "ResourceName", "q")
    advance(own, 6)
    wait_until(lambda: objects(s3, "/CloudTrail/"), message="no log file came")
    file = s3.get_object(Bucket="logs", Key=objects(s3, "/CloudTrail/")[0])
    assert (file["ServerSideEncryption"], file["SSEKMSKeyId"]) == ("aws:kms", made["KmsKeyId"])
    assert json.loads(gzip.decompress(file["Body"].read()))["Records"]
    trail.update_trail(Name="all", KmsKeyId="")
    assert "KmsKeyId" not in trail.get_trail(Name="all")["Trail"]


def test_a_trail_of_an_organization(own):
    s3, trail, orgs = own.client("s3"), own.client("cloudtrail"), own.client("organizations")
    open_bucket(s3)
    wanted = {"Name": "org", "S3BucketName": "logs", "IsOrganizationTrail": True, "EnableLogFileValidation": True}
    refused("OrganizationsNotInUseException", trail.create_trail, **wanted)
    org = orgs.create_organization(FeatureSet="ALL")["Organization"]["Id"]
    refused("CloudTrailAccessNotEnabledException", trail.create_trail, **wanted)
    orgs.enable_aws_service_access(ServicePrincipal="cloudtrail.amazonaws.com")
    made = trail.create_trail(**wanted)
    assert made["IsOrganizationTrail"] is True
    trail.start_logging(Name="org")
    member = new_account(orgs, "a")["AccountId"]
    theirs = own.client("cloudtrail", key=member)
    refused("NotOrganizationMasterAccountException", theirs.create_trail, **wanted)
    assert [t["TrailARN"] for t in theirs.describe_trails()["trailList"]] == [made["TrailARN"]]
    assert theirs.get_trail(Name=made["TrailARN"])["Trail"]["HomeRegion"] == "us-east-1"
    refused("AccessDeniedException", theirs.stop_logging, Name=made["TrailARN"])
    refused("TrailNotFoundException", own.client("cloudtrail", key="999999999999").get_trail, Name=made["TrailARN"])
    own.client("sqs", key=member).create_queue(QueueName="theirs")
    lookup(theirs, "ResourceName", "theirs")
    advance(own, 6)
    folder = f"AWSLogs/{org}/{member}/CloudTrail/us-east-1/"
    wait_until(lambda: objects(s3, folder), message="no log file of the member came")
    records = json.loads(gzip.decompress(s3.get_object(Bucket="logs", Key=objects(s3, folder)[0])["Body"].read()))
    assert "CreateQueue" in [r["eventName"] for r in records["Records"]]
    wait_until(lambda: objects(s3, f"AWSLogs/{org}/{ACCOUNT}/CloudTrail/"), message="no log file of our own came")
    advance(own, 55)
    digests = f"AWSLogs/{org}/{member}/CloudTrail-Digest/us-east-1/"
    wait_until(lambda: objects(s3, digests), message="no digest of the member came")


def test_a_member_administers_the_organizations_trails(own):
    def code(call, **params):
        with pytest.raises(ClientError) as caught:
            call(**params)
        return caught.value.response["Error"]["Code"]

    master = "000000000000"
    orgs, trail = own.client("organizations"), own.client("cloudtrail")
    assert code(trail.register_organization_delegated_admin, MemberAccountId="200000000002") == (
        "OrganizationsNotInUseException")  # fmt: skip
    orgs.create_organization(FeatureSet="ALL")
    asked = orgs.invite_account_to_organization(Target={"Id": "200000000002", "Type": "ACCOUNT"})["Handshake"]["Id"]
    own.client("organizations", key="200000000002").accept_handshake(HandshakeId=asked)
    member = own.client("cloudtrail", key="200000000002")
    assert code(trail.register_organization_delegated_admin, MemberAccountId="200000000002") == (
        "CloudTrailAccessNotEnabledException")  # fmt: skip
    orgs.enable_aws_service_access(ServicePrincipal="cloudtrail.amazonaws.com")
    assert code(trail.register_organization_delegated_admin, MemberAccountId=master) == (
        "CannotDelegateManagementAccountException")  # fmt: skip
    assert code(trail.register_organization_delegated_admin, MemberAccountId="300000000003") == "AccountNotFoundException"
    assert code(member.register_organization_delegated_admin, MemberAccountId="200000000002") == (
        "NotOrganizationManagementAccountException")  # fmt: skip
    assert code(trail.deregister_organization_delegated_admin, DelegatedAdminAccountId="200000000002") == (
        "AccountNotRegisteredException")  # fmt: skip
    s3 = own.client("s3")
    s3.create_bucket(Bucket="shared-trails")
    s3.put_bucket_policy(Bucket="shared-trails", Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:*",
         "Resource": ["arn:aws:s3:::shared-trails", "arn:aws:s3:::shared-trails/*"]}]}))  # fmt: skip
    ask = {"Name": "theirs", "S3BucketName": "shared-trails", "IsOrganizationTrail": True}
    assert code(member.create_trail, **ask) == "NotOrganizationMasterAccountException"
    trail.register_organization_delegated_admin(MemberAccountId="200000000002")
    assert code(trail.register_organization_delegated_admin, MemberAccountId="200000000002") == (
        "AccountRegisteredException")  # fmt: skip
    # What it makes is the management account's, and both change it.
    arn = member.create_trail(**ask)["TrailARN"]
    assert arn == f"arn:aws:cloudtrail:us-east-1:{master}:trail/theirs"
    member.start_logging(Name="theirs")
    assert trail.get_trail_status(Name="theirs")["IsLogging"]
    member.stop_logging(Name=arn)
    member.update_trail(Name=arn, S3KeyPrefix="p")
    trail.deregister_organization_delegated_admin(DelegatedAdminAccountId="200000000002")
    assert code(member.start_logging, Name=arn) in ("AccessDenied", "AccessDeniedException")
    trail.delete_trail(Name="theirs")


def data_events(own, s3, bucket):
    """Every data event that the trail has delivered to the bucket by now, of all services but S3."""

    def delivered():
        own.run("clock", "advance", "6m")  # events that come after it wait for the next delivery
        time.sleep(1)
        return objects(s3, f"AWSLogs/{ACCOUNT}/CloudTrail/")

    wait_until(delivered, message="no log file came")
    found = []
    for key in objects(s3, f"AWSLogs/{ACCOUNT}/CloudTrail/"):
        records = json.loads(gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))["Records"]
        found += [e for e in records if e["eventCategory"] == "Data" and e["eventSource"] != "s3.amazonaws.com"]
    return found


def test_data_is_not_told_of(own):
    """"Non-key attribute values will be redacted in the CloudTrail logs of actions using the PartiQL API, and will not
    appear in logs of actions using the classic API." Nor does what messages and invocations say."""
    s3, trail, ddb, sqs = (own.client(n) for n in ("s3", "cloudtrail", "dynamodb", "sqs"))
    s3.create_bucket(Bucket="logs")
    s3.put_bucket_policy(Bucket="logs", Policy=json.dumps(POLICY))
    trail.create_trail(Name="all", S3BucketName="logs", IsMultiRegionTrail=True)
    trail.put_event_selectors(TrailName="all", AdvancedEventSelectors=[
        {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]},
                            {"Field": "resources.type", "Equals": [kind]}]}
        for kind in ("AWS::DynamoDB::Table", "AWS::SQS::Queue")])
    trail.start_logging(Name="all")
    ddb.create_table(TableName="Music", BillingMode="PAY_PER_REQUEST",
                     AttributeDefinitions=[{"AttributeName": "Artist", "AttributeType": "S"}],
                     KeySchema=[{"AttributeName": "Artist", "KeyType": "HASH"}])
    ddb.get_waiter("table_exists").wait(TableName="Music", WaiterConfig={"Delay": 1})
    key = {"Artist": {"S": "Somebody"}}
    item = {**key, "Album": {"S": "hunter2"}, "Year": {"N": "1999"}}
    value = {":v": {"S": "hunter2"}}
    ddb.put_item(TableName="Music", Item=item, ReturnValues="ALL_OLD")
    ddb.update_item(TableName="Music", Key=key, UpdateExpression="SET #A = :v", ExpressionAttributeNames={"#A": "Album"},
                    ExpressionAttributeValues=value, ReturnValues="ALL_NEW")
    ddb.get_item(TableName="Music", Key=key)
    ddb.query(TableName="Music", KeyConditionExpression="Artist = :v", ExpressionAttributeValues=value)
    ddb.scan(TableName="Music", FilterExpression="Album = :v", ExpressionAttributeValues=value)
    ddb.transact_write_items(TransactItems=[
        {"Put": {"TableName": "Music", "Item": item}},
        {"Delete": {"TableName": "Music", "Key": {"Artist": {"S": "Nobody"}}, "ExpressionAttributeValues": value,
                    "ConditionExpression": "attribute_not_exists(Artist) OR Album = :v"}}])
    ddb.batch_write_item(RequestItems={"Music": [{"PutRequest": {"Item": item}}]})
    ddb.batch_get_item(RequestItems={"Music": {"Keys": [key]}})
    ddb.execute_statement(Statement="SELECT * FROM Music WHERE Artist = 'Somebody' AND Album = 'hunter2' AND Year > 1998")
    ddb.batch_execute_statement(Statements=[
        {"Statement": "UPDATE Music SET Album = 'hunter2' WHERE Artist = 'Somebody'"},
        {"Statement": "INSERT INTO Music VALUE {'Artist' : 'Another', 'Album' : 'hunter2'}"}])
    ddb.delete_item(TableName="Music", Key=key, ReturnValues="ALL_OLD")
    queue = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="hunter2")
    sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": "a", "MessageBody": "hunter2"}])
    sqs.receive_message(QueueUrl=queue)
    events = data_events(own, s3, "logs")
    assert "hunter2" not in json.dumps(events) and "1999" not in json.dumps(events)
    told = {e["eventName"]: e["requestParameters"] for e in events}
    assert all(e["responseElements"] is None for e in events if e["eventSource"] == "dynamodb.amazonaws.com")
    assert [e["eventName"] for e in events if not e.get("resources") or e["resources"][0]["accountId"] != ACCOUNT] == []
    assert {e["resources"][0]["ARN"] for e in events if e["eventSource"] == "dynamodb.amazonaws.com"} == {
        f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/Music"}
    plain = {"Artist": "Somebody"}
    assert told["PutItem"] == {"tableName": "Music", "returnValues": "ALL_OLD", "key": plain,
                               "item": ["Artist", "Album", "Year"]}
    assert told["UpdateItem"] == {"tableName": "Music", "returnValues": "ALL_NEW", "updateExpression": "SET #A = :v",
                                  "expressionAttributeNames": {"#A": "Album"}, "key": plain}
    assert told["GetItem"] == {"tableName": "Music", "key": plain}
    assert told["Query"] == {"tableName": "Music", "keyConditionExpression": "Artist = :v"}
    assert told["TransactWriteItems"]["requestItems"] == [
        {"operation": "Put", "tableName": "Music", "key": plain, "items": ["Artist", "Album", "Year"]},
        {"operation": "Delete", "tableName": "Music", "key": {"Artist": "Nobody"},
         "conditionExpression": "attribute_not_exists(Artist) OR Album = :v"}]
    assert told["ExecuteStatement"] == {
        "statement": "SELECT * FROM Music WHERE Artist = 'Somebody' AND Album = ***(Redacted) AND Year > ***(Redacted)"}
    assert told["BatchExecuteStatement"] == {"requestItems": [
        {"statement": "UPDATE Music SET Album = ***(Redacted) WHERE Artist = 'Somebody'"},
        {"statement": "INSERT INTO Music VALUE {'Artist' : ***(Redacted), 'Album' : ***(Redacted)}"}]}
    assert told["SendMessage"]["messageBody"] == "HIDDEN_DUE_TO_SECURITY_REASONS"


def test_functions_events_have_their_actions_dates(own):
    functions, trail, iam = own.client("lambda"), own.client("cloudtrail"), own.client("iam")
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="runner", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.py", "def handler(event, context): return event")
    functions.create_function(FunctionName="f", Runtime="python3.12", Role=role, Handler="main.handler",
                              Code={"ZipFile": packed.getvalue()}, Environment={"Variables": {"PASSWORD": "hunter2"}})
    functions.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
    functions.update_function_configuration(FunctionName="f", Environment={"Variables": {"PASSWORD": "hunter2"}})
    functions.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
    functions.publish_version(FunctionName="f")
    functions.delete_function(FunctionName="f")

    def events():
        source = [{"AttributeKey": "EventSource", "AttributeValue": "lambda.amazonaws.com"}]
        return [json.loads(e["CloudTrailEvent"]) for e in looked_up(trail, LookupAttributes=source)["Events"]]

    lookup(trail, "EventName", "DeleteFunction20150331")
    seen = {e["eventName"]: e for e in events()}
    assert {"CreateFunction20150331", "UpdateFunctionConfiguration20150331v2", "PublishVersion20150331",
            "GetFunction20150331v2", "DeleteFunction20150331"} <= set(seen)
    assert "hunter2" not in json.dumps(seen) and "Invoke" not in seen
    made = seen["CreateFunction20150331"]
    assert made["readOnly"] is False and made["requestParameters"]["functionName"] == "f"
    assert made["responseElements"]["functionArn"].endswith(":function:f")
    assert seen["GetFunction20150331v2"]["readOnly"] is True
