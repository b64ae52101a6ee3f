"""Replication between buckets through boto3: same account, other region, other account; what is refused."""

import contextlib
import json
import time

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::000000000000:role/replicator"


@pytest.fixture
def s3(cloud):
    """With the role that the configurations name."""
    iam = cloud.client("iam")
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName="replicator", AssumeRolePolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                                                    "Principal": {"Service": "s3.amazonaws.com"}}]}))
        iam.put_role_policy(RoleName="replicator", PolicyName="all", PolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}))
    return cloud.client("s3")


@pytest.fixture
def pair(s3, cloud, name):
    """A source in us-east-1 and a target in eu-west-1, both versioned."""
    plain = name.lower().replace("_", "-")[:60].rstrip("-")
    s3.create_bucket(Bucket=plain)
    far = cloud.client("s3", region="eu-west-1")
    far.create_bucket(Bucket=plain + "-r", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for client, bucket in ((s3, plain), (far, plain + "-r")):
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return plain, plain + "-r", far


def rule(target, prefix="", markers="Enabled", priority=1, **more):
    return {"ID": f"r{priority}", "Priority": priority, "Status": "Enabled", "Filter": {"Prefix": prefix},
            "DeleteMarkerReplication": {"Status": markers}, "Destination": {"Bucket": f"arn:aws:s3:::{target}"}, **more}


def configure(s3, bucket, *rules, role=ROLE):
    s3.put_bucket_replication(Bucket=bucket, ReplicationConfiguration={"Role": role, "Rules": list(rules)})


def settled(s3, bucket, key, version=None):
    more = {"VersionId": version} if version else {}
    end = time.monotonic() + 60
    while True:
        head = s3.head_object(Bucket=bucket, Key=key, **more)
        if head.get("ReplicationStatus") != "PENDING":
            return head
        assert time.monotonic() < end
        time.sleep(0.02)


def test_versions(s3, pair):
    source, target, far = pair
    s3.put_object(Bucket=source, Key="before", Body=b"x")
    configure(s3, source, rule(target))
    got = s3.get_bucket_replication(Bucket=source)["ReplicationConfiguration"]
    assert got["Role"] == ROLE and got["Rules"] == [rule(target)]
    versions = []
    for body in (b"one", b"x" * 100000, b"three"):
        versions.append(s3.put_object(Bucket=source, Key="k/é", Body=body, Metadata={"a": "b"}, Tagging="t=1",
                                      ContentType="text/x")["VersionId"])
    upload = s3.create_multipart_upload(Bucket=source, Key="m")["UploadId"]
    part = s3.upload_part(Bucket=source, Key="m", UploadId=upload, PartNumber=1, Body=b"y" * 9000)
    done = s3.complete_multipart_upload(Bucket=source, Key="m", UploadId=upload,
                                        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    for version in versions:
        head = settled(s3, source, "k/é", version)
        assert head["ReplicationStatus"] == "COMPLETED"
        replica = far.get_object(Bucket=target, Key="k/é", VersionId=version)
        assert replica["ReplicationStatus"] == "REPLICA"
        for same in ("ETag", "LastModified", "ContentType", "Metadata", "ContentLength", "TagCount"):
            assert replica[same] == head[same], same
        assert len(replica["Body"].read()) == head["ContentLength"]
    settled(s3, source, "m")
    replica = far.get_object(Bucket=target, Key="m")
    assert replica["ETag"] == done["ETag"] and replica["VersionId"] == done["VersionId"]
    assert replica["Body"].read() == b"y" * 9000
    assert [v["VersionId"] for v in far.list_object_versions(Bucket=target, Prefix="k/")["Versions"]] == versions[::-1]
    with pytest.raises(ClientError) as caught:
        s3.put_bucket_versioning(Bucket=source, VersioningConfiguration={"Status": "Suspended"})
    assert caught.value.response["Error"]["Code"] == "InvalidBucketState"
    # What was there before stays where it is.
    assert "ReplicationStatus" not in s3.head_object(Bucket=source, Key="before")
    with pytest.raises(ClientError):
        far.head_object(Bucket=target, Key="before")
    # Tags follow; the version is the same.
    s3.put_object_tagging(Bucket=source, Key="k/é", Tagging={"TagSet": [{"Key": "t", "Value": "2"}]})
    settled(s3, source, "k/é")
    assert far.get_object_tagging(Bucket=target, Key="k/é")["TagSet"] == [{"Key": "t", "Value": "2"}]
    # A delete marker does, the deletion of a version does not.
    marker = s3.delete_object(Bucket=source, Key="k/é")["VersionId"]
    s3.delete_object(Bucket=source, Key="k/é", VersionId=versions[0])
    end = time.monotonic() + 60
    while not (markers := far.list_object_versions(Bucket=target, Prefix="k/").get("DeleteMarkers")):
        assert time.monotonic() < end
    assert markers[0]["VersionId"] == marker and markers[0]["IsLatest"]
    assert len(far.list_object_versions(Bucket=target, Prefix="k/")["Versions"]) == 3
    # Deleting the source leaves the bytes to the replica.
    s3.delete_object(Bucket=source, Key="k/é", VersionId=versions[1])
    assert far.get_object(Bucket=target, Key="k/é", VersionId=versions[1])["Body"].read() == b"x" * 100000
    assert s3.delete_bucket_replication(Bucket=source)["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError) as caught:
        s3.get_bucket_replication(Bucket=source)
    assert caught.value.response["Error"]["Code"] == "ReplicationConfigurationNotFoundError"


def test_rules(s3, pair):
    source, target, far = pair
    tagged = rule(target, priority=3, markers="Disabled")
    tagged["Filter"] = {"And": {"Prefix": "t/", "Tags": [{"Key": "go", "Value": "1"}]}}
    tagged["Destination"]["StorageClass"] = "STANDARD_IA"
    configure(s3, source, rule(target, "a/", markers="Disabled"),
              rule(target, "a/off/", priority=2, Status="Disabled"), tagged)
    s3.put_object(Bucket=source, Key="b", Body=b"")
    s3.put_object(Bucket=source, Key="t/no", Body=b"")
    s3.put_object(Bucket=source, Key="t/yes", Body=b"", Tagging="go=1")
    s3.put_object(Bucket=source, Key="a/1", Body=b"")
    s3.delete_object(Bucket=source, Key="a/1")
    assert settled(s3, source, "t/yes")["ReplicationStatus"] == "COMPLETED"
    time.sleep(0.2)
    assert [(o["Key"], o["StorageClass"]) for o in far.list_objects_v2(Bucket=target)["Contents"]] == [
        ("a/1", "STANDARD"), ("t/yes", "STANDARD_IA")]
    for key in ("b", "t/no"):
        assert "ReplicationStatus" not in s3.head_object(Bucket=source, Key=key)


def test_failure_is_told(s3, sqs, queue, pair, cloud):
    source, target, _ = pair
    configure(s3, source, rule(target), role="arn:aws:iam::000000000000:role/replicator")
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps({"Statement": [{
        "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:*", "Resource": arn}]})})
    s3.put_bucket_notification_configuration(Bucket=source, NotificationConfiguration={"QueueConfigurations": [
        {"Id": "n", "QueueArn": arn, "Events": ["s3:Replication:*"]}]})
    cloud.client("s3", region="eu-west-1").put_bucket_versioning(
        Bucket=target, VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket=source, Key="k", Body=b"12")
    assert settled(s3, source, "k")["ReplicationStatus"] == "FAILED"
    records = []
    while len(records) < 2:
        for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]:
            records.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    (record,) = [r["Records"][0] for r in records if "Records" in r]
    assert record["eventName"] == "Replication:OperationFailedReplication" and record["eventVersion"] == "2.2"
    data = record["replicationEventData"]
    assert data.pop("requestTime").endswith("Z")
    assert data == {"replicationRuleId": "r1", "destinationBucket": f"arn:aws:s3:::{target}",
                    "s3Operation": "OBJECT_PUT", "failureReason": "DstBucketUnversioned"}


def test_refused(s3, pair, name):
    source, target, _ = pair

    def refused(*rules, code="InvalidRequest", text="", role=ROLE):
        with pytest.raises(ClientError) as caught:
            configure(s3, source, *rules, role=role)
        error = caught.value.response["Error"]
        assert error["Code"] == code and text in error["Message"], error

    good = rule(target)
    refused({k: v for k, v in good.items() if k != "Priority"}, text="Priority must be specified for this version")
    refused({k: v for k, v in good.items() if k != "DeleteMarkerReplication"},
            text="DeleteMarkerReplication must be specified")
    refused({**good, "Filter": {"Tag": {"Key": "a", "Value": "b"}}}, text="Delete marker replication is not supported")
    refused(rule("not-" + target), text="Destination bucket must exist.")
    refused(rule(source), text="cannot be the same")
    refused(good, {**good, "Priority": 2}, text="Rule Id must be unique")
    refused(good, {**good, "ID": "other"}, text="priorities")
    refused({**good, "Status": "Maybe"}, code="MalformedXML")
    refused({**good, "ExistingObjectReplication": {"Status": "Enabled"}}, code="MalformedXML")
    refused(good, role="replicator", code="InvalidArgument")
    refused({**good, "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}}},
            text="ReplicaKmsKeyID must be specified")
    plain = source[:50] + "-plain"
    s3.create_bucket(Bucket=plain)
    refused(rule(plain), text="Destination bucket must have versioning enabled.")
    with pytest.raises(ClientError) as caught:
        configure(s3, plain, good)
    assert caught.value.response["Error"]["Message"] == \
        "Versioning must be 'Enabled' on the bucket to apply a replication configuration"


def test_both_ways(s3, pair):
    """Tags of a replica go back to its original, once, where the rule takes replicas' modifications."""
    source, target, far = pair
    back = {**rule(source), "SourceSelectionCriteria": {"ReplicaModifications": {"Status": "Enabled"}}}
    configure(s3, source, {**rule(target), "SourceSelectionCriteria": {"ReplicaModifications": {"Status": "Enabled"}}})
    configure(far, target, back)
    version = s3.put_object(Bucket=source, Key="k", Body=b"x")["VersionId"]
    settled(s3, source, "k")
    far.put_object_tagging(Bucket=target, Key="k", Tagging={"TagSet": [{"Key": "from", "Value": "afar"}]})
    end = time.monotonic() + 60
    while s3.get_object_tagging(Bucket=source, Key="k")["TagSet"] != [{"Key": "from", "Value": "afar"}]:
        assert time.monotonic() < end
        time.sleep(0.02)
    for client, bucket, status in ((s3, source, "COMPLETED"), (far, target, "REPLICA")):
        (one,) = client.list_object_versions(Bucket=bucket)["Versions"]
        assert one["VersionId"] == version
        assert client.head_object(Bucket=bucket, Key="k")["ReplicationStatus"] == status


def test_encrypted(s3, pair):
    """Large and small, with each kind of key: what arrives can be read, with keys of the target's own."""
    source, target, far = pair
    configure(s3, source, rule(target))
    for client, bucket in ((s3, source), (far, target)):
        client.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [{
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
            "BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}]})
    customer = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32}
    for size in (100, 300000):
        body = bytes(range(250)) * (size // 250 + 1)
        s3.put_object(Bucket=source, Key=f"own{size}", Body=body)
        s3.put_object(Bucket=source, Key=f"customer{size}", Body=body, **customer)
        s3.put_object(Bucket=source, Key=f"kms{size}", Body=body, ServerSideEncryption="aws:kms")
        assert settled(s3, source, f"own{size}")["ReplicationStatus"] == "COMPLETED"
        replica = far.get_object(Bucket=target, Key=f"own{size}")
        assert replica["Body"].read() == body and replica["ServerSideEncryption"] == "AES256"
        end = time.monotonic() + 60
        while s3.head_object(Bucket=source, Key=f"customer{size}", **customer)["ReplicationStatus"] == "PENDING":
            assert time.monotonic() < end
        assert far.get_object(Bucket=target, Key=f"customer{size}", **customer)["Body"].read() == body
        # Not without being asked for.
        assert "ReplicationStatus" not in s3.head_object(Bucket=source, Key=f"kms{size}")


@pytest.mark.parametrize("algorithm", ["aws:kms", "aws:kms:dsse"])
def test_encrypted_by_kms(s3, pair, algorithm):
    """With a key of the target's region; a key that there is not is a failure."""
    source, target, far = pair

    def with_key(name):
        one = {**rule(target), "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}}}
        one["Destination"]["EncryptionConfiguration"] = {
            "ReplicaKmsKeyID": f"arn:aws:kms:eu-west-1:000000000000:{name}"}
        configure(s3, source, one)

    with_key("alias/aws/s3")
    for size in (100, 100000):
        s3.put_object(Bucket=source, Key="k", Body=b"x" * size, ServerSideEncryption=algorithm)
        assert settled(s3, source, "k")["ReplicationStatus"] == "COMPLETED"
        replica = far.get_object(Bucket=target, Key="k")
        assert replica["ServerSideEncryption"] == algorithm and ":eu-west-1:" in replica["SSEKMSKeyId"]
        assert replica["Body"].read() == b"x" * size
    with_key("key/11111111-1111-1111-1111-111111111111")
    s3.put_object(Bucket=source, Key="k", Body=b"", ServerSideEncryption=algorithm)
    assert settled(s3, source, "k")["ReplicationStatus"] == "FAILED"


def test_role_decides(cloud, s3, pair):
    """A role that there is not, one that S3 may not assume, one that may not, one that may."""
    source, target, far = pair
    iam = cloud.client("iam")

    def trust(service):
        return json.dumps({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}]})

    role, status = source[:40], []

    def put():
        configure(s3, source, rule(target), role=f"arn:aws:iam::000000000000:role/{role}")
        s3.put_object(Bucket=source, Key="k", Body=b"x")
        status.append(settled(s3, source, "k")["ReplicationStatus"])

    put()
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))
    put()
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=trust("s3.amazonaws.com"))
    put()
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "s3:GetObjectVersionForReplication", "Resource": f"arn:aws:s3:::{source}/*"},
            {"Effect": "Allow", "Action": "s3:ReplicateObject", "Resource": f"arn:aws:s3:::{target}/*"}]}))
    put()
    assert status == ["FAILED", "FAILED", "FAILED", "COMPLETED"]
    # It may not carry delete markers over.
    s3.delete_object(Bucket=source, Key="k")
    s3.put_object(Bucket=source, Key="after", Body=b"")
    settled(s3, source, "after")
    assert "DeleteMarkers" not in far.list_object_versions(Bucket=target)


def test_other_account(cloud, s3, pair):
    source, target, far = pair
    other = cloud.client("s3", key="111122223333")
    name = source[:50] + "-other"
    other.create_bucket(Bucket=name)
    other.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    one = rule(name)
    one["Destination"].update(Account="111122223333", AccessControlTranslation={"Owner": "Destination"})
    configure(s3, source, one)
    s3.put_object(Bucket=source, Key="k", Body=b"12")
    # The owner of the target has not allowed it.
    assert settled(s3, source, "k")["ReplicationStatus"] == "FAILED"
    with pytest.raises(ClientError):
        other.head_object(Bucket=name, Key="k")
    other.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": ROLE}, "Resource": f"arn:aws:s3:::{name}/*",
        "Action": ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags",
                                          "s3:ObjectOwnerOverrideToBucketOwner"]}]}))
    s3.put_object(Bucket=source, Key="k", Body=b"34")
    assert settled(s3, source, "k")["ReplicationStatus"] == "COMPLETED"
    assert other.get_object(Bucket=name, Key="k")["Body"].read() == b"34"
