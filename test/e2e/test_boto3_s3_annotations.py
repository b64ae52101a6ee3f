"""Annotations of objects, through boto3."""

import json
import time

import botocore.exceptions
import pytest


def code(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def put(s3, bucket, name, text, key="k", **more):
    return s3.put_object_annotation(
        Bucket=bucket, Key=key, AnnotationName=name, AnnotationPayload=text, **more
    )


def get(s3, bucket, name, key="k", **more):
    answer = s3.get_object_annotation(Bucket=bucket, Key=key, AnnotationName=name, **more)
    body = answer["AnnotationPayload"]
    return body if isinstance(body, bytes) else body.read()


def names(s3, bucket, key="k", **more):
    answer = s3.list_object_annotations(Bucket=bucket, Key=key, **more)
    return [one["AnnotationName"] for one in answer.get("Annotations", [])]


def test_put_get_list_delete(own):
    s3 = own.client("s3")
    s3.create_bucket(Bucket="notes")
    etag = s3.put_object(Bucket="notes", Key="k", Body=b"x")["ETag"]
    big = ("雲" * 300000).encode()
    put(s3, "notes", "labels", b'{"cat": 1}')
    put(s3, "notes", "labels", b'{"cat": 2}', ObjectIfMatch=etag, ChecksumAlgorithm="SHA256")
    put(s3, "notes", "large/one", big)
    assert get(s3, "notes", "labels", ChecksumMode="ENABLED") == b'{"cat": 2}'
    assert get(s3, "notes", "large/one") == big
    for i in range(5):
        put(s3, "notes", f"n{i}", b"n")
    pages = s3.get_paginator("list_object_annotations").paginate(
        Bucket="notes", Key="k", MaxAnnotationResults=2
    )
    listed = [one for page in pages for one in page.get("Annotations", [])]
    assert [one["AnnotationName"] for one in listed] == [
        "labels", "large/one", "n0", "n1", "n2", "n3", "n4"]
    assert listed[1]["Size"] == len(big)
    assert names(s3, "notes", AnnotationPrefix="la") == ["labels", "large/one"]
    # The object is as it was.
    assert s3.head_object(Bucket="notes", Key="k")["ETag"] == etag
    s3.delete_object_annotation(Bucket="notes", Key="k", AnnotationName="labels")
    assert code(get, s3=s3, bucket="notes", name="labels") == "NoSuchAnnotation"


def test_refusals(own):
    s3 = own.client("s3")
    s3.create_bucket(Bucket="notes")
    s3.put_object(Bucket="notes", Key="k", Body=b"x")
    for name, text, wanted in (
        ("AWS-x", b"x", "InvalidAnnotationName"),
        ("S3y", b"x", "InvalidAnnotationName"),
        ("n" * 513, b"x", "AnnotationNameTooLong"),
        ("n", b"\xff\xfe", "UnsupportedMediaType"),
        ("n", b"", "InvalidRequest"),
        ("n", b"x" * (1 << 20) + b"y", "InvalidRequest"),
    ):
        assert code(put, s3=s3, bucket="notes", name=name, text=text) == wanted
    assert code(put, s3=s3, bucket="notes", name="n", text=b"x", key="absent") == "NoSuchKey"
    assert code(put, s3=s3, bucket="notes", name="n", text=b"x",
                ObjectIfMatch='"0"') == "PreconditionFailed"


def test_limit_of_a_thousand(own):
    s3 = own.client("s3")
    s3.create_bucket(Bucket="notes")
    s3.put_object(Bucket="notes", Key="k", Body=b"x")
    for i in range(1000):
        put(s3, "notes", f"n{i:04}", b"n")
    assert code(put, s3=s3, bucket="notes", name="one more", text=b"n") == "AnnotationLimitExceeded"
    put(s3, "notes", "n0000", b"another")
    s3.copy_object(Bucket="notes", Key="copy", CopySource="notes/k")
    assert len(names(s3, "notes", key="copy")) == 1000
    s3.delete_object(Bucket="notes", Key="k")
    s3.put_object(Bucket="notes", Key="k", Body=b"x")
    assert names(s3, "notes") == []


def test_versions_and_copies(own):
    s3 = own.client("s3")
    s3.create_bucket(Bucket="notes")
    s3.put_bucket_versioning(Bucket="notes", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="notes", Key="k", Body=b"1")["VersionId"]
    put(s3, "notes", "a", b"first")
    s3.put_object(Bucket="notes", Key="k", Body=b"2")
    assert names(s3, "notes") == []
    assert get(s3, "notes", "a", VersionId=first) == b"first"
    s3.copy_object(Bucket="notes", Key="copy", CopySource=f"notes/k?versionId={first}",
                   ServerSideEncryption="aws:kms")
    assert get(s3, "notes", "a", key="copy") == b"first"
    s3.copy_object(Bucket="notes", Key="bare", CopySource=f"notes/k?versionId={first}",
                   AnnotationDirective="EXCLUDE")
    assert names(s3, "notes", key="bare") == []
    # Onto itself, where the source goes away.
    s3.create_bucket(Bucket="plain")
    s3.put_object(Bucket="plain", Key="k", Body=b"1")
    put(s3, "plain", "a", b"kept")
    s3.copy_object(Bucket="plain", Key="k", CopySource="plain/k", MetadataDirective="REPLACE")
    assert get(s3, "plain", "a") == b"kept"
    assert s3.get_object(Bucket="plain", Key="k")["Body"].read() == b"1"


def test_replicas_have_what_the_original_has(own):
    s3 = own.client("s3")
    for bucket in ("from", "into"):
        s3.create_bucket(Bucket=f"notes-{bucket}")
        s3.put_bucket_versioning(
            Bucket=f"notes-{bucket}", VersioningConfiguration={"Status": "Enabled"})
    iam = own.client("iam")
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="carrier", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    may = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_role_policy(RoleName="carrier", PolicyName="may", PolicyDocument=json.dumps(may))
    s3.put_bucket_replication(Bucket="notes-from", ReplicationConfiguration={"Role": role, "Rules": [{
        "ID": "all", "Status": "Enabled", "Priority": 1, "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": "arn:aws:s3:::notes-into"}}]})

    def settled():
        for _ in range(1000):
            status = s3.head_object(Bucket="notes-from", Key="k").get("ReplicationStatus")
            if status != "PENDING":
                return status
            time.sleep(0.05)
        raise AssertionError("still pending")

    s3.put_object(Bucket="notes-from", Key="k", Body=b"x")
    assert settled() == "COMPLETED"
    put(s3, "notes-from", "a", b"1")
    put(s3, "notes-from", "b", b"2")
    assert settled() == "COMPLETED"
    assert names(s3, "notes-into") == ["a", "b"] and get(s3, "notes-into", "b") == b"2"
    s3.delete_object_annotation(Bucket="notes-from", Key="k", AnnotationName="a")
    assert settled() == "COMPLETED"
    assert names(s3, "notes-into") == ["b"]
