"""Object Lock, storage classes and restores through an unmodified boto3."""

import base64
import datetime
import hashlib

import pytest
from botocore.exceptions import ClientError

UTC = datetime.timezone.utc


def fails(status, code, call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
    return answer["Error"].get("Message", "")


@pytest.fixture
def s3(own):
    return own.client("s3")


def advance(own, duration):
    own.run("clock", "advance", duration)


def now(own):
    return datetime.datetime.now(UTC)


def in_days(days):
    return (datetime.datetime.now(UTC) + datetime.timedelta(days=days)).replace(microsecond=0)


def test_lock(own, s3):
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    assert s3.get_bucket_versioning(Bucket="locked")["Status"] == "Enabled"
    fails(409, "InvalidBucketState", s3.put_bucket_versioning, Bucket="locked",
          VersioningConfiguration={"Status": "Suspended"})
    assert s3.get_object_lock_configuration(Bucket="locked")["ObjectLockConfiguration"] == {"ObjectLockEnabled": "Enabled"}
    one = {"Bucket": "locked", "Key": "k"}
    first = s3.put_object(**one, Body=b"1")["VersionId"]
    fails(404, "NoSuchObjectLockConfiguration", s3.get_object_retention, **one)
    fails(404, "NoSuchObjectLockConfiguration", s3.get_object_legal_hold, **one)

    # Governance: longer is free, shorter needs the bypass.
    s3.put_object_retention(**one, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": in_days(10)})
    assert s3.get_object_retention(**one)["Retention"]["Mode"] == "GOVERNANCE"
    assert s3.head_object(**one)["ObjectLockMode"] == "GOVERNANCE"
    s3.put_object_retention(**one, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": in_days(20)})
    shorter = {"Mode": "GOVERNANCE", "RetainUntilDate": in_days(5)}
    assert "protected by object lock" in fails(403, "AccessDenied", s3.put_object_retention, **one, Retention=shorter)
    s3.put_object_retention(**one, Retention=shorter, BypassGovernanceRetention=True)
    assert "protected by object lock" in fails(403, "AccessDenied", s3.delete_object, **one, VersionId=first)
    marker = s3.delete_object(**one)  # a marker hides it and removes nothing
    assert marker["DeleteMarker"]
    s3.delete_object(**one, VersionId=marker["VersionId"])
    many = s3.delete_objects(Bucket="locked", Delete={"Objects": [{"Key": "k", "VersionId": first}]})
    assert many["Errors"][0]["Code"] == "AccessDenied"
    s3.delete_object(**one, VersionId=first, BypassGovernanceRetention=True)
    fails(404, "404", s3.head_object, **one)

    # Compliance: nobody, until it is over.
    put = s3.put_object(**one, Body=b"2", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=in_days(3))["VersionId"]
    fails(403, "AccessDenied", s3.delete_object, **one, VersionId=put, BypassGovernanceRetention=True)
    fails(403, "AccessDenied", s3.put_object_retention, **one, BypassGovernanceRetention=True,
          Retention={"Mode": "COMPLIANCE", "RetainUntilDate": in_days(1)})
    fails(403, "AccessDenied", s3.put_object_retention, **one, BypassGovernanceRetention=True,
          Retention={"Mode": "GOVERNANCE", "RetainUntilDate": in_days(9)})
    s3.put_object_retention(**one, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": in_days(4)})
    s3.put_object_legal_hold(**one, LegalHold={"Status": "ON"})
    advance(own, "5d")
    fails(403, "AccessDenied", s3.delete_object, **one, VersionId=put)
    assert s3.get_object_legal_hold(**one)["LegalHold"]["Status"] == "ON"
    s3.put_object_legal_hold(**one, LegalHold={"Status": "OFF"})
    s3.delete_object(**one, VersionId=put)


def test_default_retention(own, s3):
    s3.create_bucket(Bucket="bucket")
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 2}}}
    put = {"Bucket": "bucket", "ObjectLockConfiguration": configuration}
    fails(404, "ObjectLockConfigurationNotFoundError", s3.get_object_lock_configuration, Bucket="bucket")
    fails(409, "InvalidBucketState", s3.put_object_lock_configuration, **put)
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object_lock_configuration(**put)
    assert s3.get_object_lock_configuration(Bucket="bucket")["ObjectLockConfiguration"] == configuration
    s3.put_object(Bucket="bucket", Key="put", Body=b"x")
    s3.copy_object(Bucket="bucket", Key="copy", CopySource="bucket/put")
    upload = s3.create_multipart_upload(Bucket="bucket", Key="parts", ObjectLockLegalHoldStatus="ON")["UploadId"]
    part = s3.upload_part(Bucket="bucket", Key="parts", UploadId=upload, PartNumber=1, Body=b"p")
    s3.complete_multipart_upload(Bucket="bucket", Key="parts", UploadId=upload,
                                 MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    for key in ("put", "copy", "parts"):
        head = s3.head_object(Bucket="bucket", Key=key)
        assert head["ObjectLockMode"] == "GOVERNANCE"
        left = head["ObjectLockRetainUntilDate"] - datetime.datetime.now(UTC)
        assert datetime.timedelta(days=1, hours=23) < left <= datetime.timedelta(days=2)
        assert head.get("ObjectLockLegalHoldStatus") == ("ON" if key == "parts" else None)
    version = s3.head_object(Bucket="bucket", Key="put")["VersionId"]
    # What will be retained must come with a digest: whole objects and parts.
    bare = own.client("s3", request_checksum_calculation="when_required")
    upload = bare.create_multipart_upload(Bucket="bucket", Key="bare")["UploadId"]
    parts = {"Bucket": "bucket", "Key": "bare", "UploadId": upload, "PartNumber": 1, "Body": b"x"}
    md5 = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    fails(400, "InvalidRequest", bare.put_object, Bucket="bucket", Key="bare", Body=b"x")
    fails(400, "InvalidRequest", bare.upload_part, **parts)
    bare.put_object(Bucket="bucket", Key="bare", Body=b"x", ContentMD5=md5)
    bare.upload_part(**parts, ContentMD5=md5)
    fails(403, "AccessDenied", s3.delete_object, Bucket="bucket", Key="put", VersionId=version)
    advance(own, "49h")
    s3.delete_object(Bucket="bucket", Key="put", VersionId=version)
    for bad in ({"Mode": "GOVERNANCE"}, {"Mode": "GOVERNANCE", "Days": 1, "Years": 1}, {"Days": 1}):
        fails(400, "MalformedXML", s3.put_object_lock_configuration, Bucket="bucket", ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": bad}})


def test_lock_refusals(s3):
    s3.create_bucket(Bucket="plain")
    one = {"Bucket": "plain", "Key": "k"}
    s3.put_object(**one, Body=b"")
    fails(400, "InvalidRequest", s3.put_object, **one, Body=b"", ObjectLockLegalHoldStatus="ON")
    fails(400, "InvalidRequest", s3.get_object_retention, **one)
    fails(400, "InvalidRequest", s3.put_object_legal_hold, **one, LegalHold={"Status": "ON"})
    fails(400, "InvalidArgument", s3.delete_object, **one, BypassGovernanceRetention=True)
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    one["Bucket"] = "locked"
    fails(400, "InvalidArgument", s3.put_object, **one, Body=b"", ObjectLockMode="GOVERNANCE")
    fails(400, "InvalidArgument", s3.put_object, **one, Body=b"", ObjectLockMode="GOVERNANCE",
          ObjectLockRetainUntilDate=in_days(-1))


def test_restore(own, s3):
    s3.create_bucket(Bucket="archive")
    body = b"cold " * 5000
    for name in ("GLACIER", "DEEP_ARCHIVE"):
        one = {"Bucket": "archive", "Key": name}
        s3.put_object(**one, Body=body, StorageClass=name)
        assert s3.head_object(**one)["StorageClass"] == name
        error = fails(403, "InvalidObjectState", s3.get_object, **one)
        assert error == "The operation is not valid for the object's storage class"
        fails(403, "InvalidObjectState", s3.copy_object, Bucket="archive", Key="copy", CopySource=one)
    fails(400, "InvalidArgument", s3.restore_object, Bucket="archive", Key="DEEP_ARCHIVE",
          RestoreRequest={"Days": 1, "GlacierJobParameters": {"Tier": "Expedited"}})
    one = {"Bucket": "archive", "Key": "GLACIER"}
    fails(400, "InvalidArgument", s3.restore_object, **one, RestoreRequest={"Days": 0})
    fails(400, "MalformedXML", s3.restore_object, **one, RestoreRequest={"Tier": "Bulk"})

    def restore(days, tier=None):
        request = {"Days": days, **({"GlacierJobParameters": {"Tier": tier}} if tier else {})}
        return s3.restore_object(**one, RestoreRequest=request)["ResponseMetadata"]["HTTPStatusCode"]

    assert restore(2) == 202
    assert s3.head_object(**one)["Restore"] == 'ongoing-request="true"'
    fails(409, "RestoreAlreadyInProgress", s3.restore_object, **one, RestoreRequest={"Days": 2})
    listed = s3.list_objects_v2(Bucket="archive", OptionalObjectAttributes=["RestoreStatus"])["Contents"]
    assert {o["Key"]: o.get("RestoreStatus") for o in listed} == {
        "GLACIER": {"IsRestoreInProgress": True}, "DEEP_ARCHIVE": None}
    advance(own, "2h")
    fails(403, "InvalidObjectState", s3.get_object, **one)
    advance(own, "61m")
    wait(lambda: 'ongoing-request="false", expiry-date=' in s3.head_object(**one)["Restore"])
    assert s3.get_object(**one)["Body"].read() == body
    s3.copy_object(Bucket="archive", Key="copy", CopySource=one, StorageClass="STANDARD")
    listed = s3.list_object_versions(Bucket="archive", OptionalObjectAttributes=["RestoreStatus"])["Versions"]
    status = {o["Key"]: o.get("RestoreStatus") for o in listed}["GLACIER"]
    assert status["IsRestoreInProgress"] is False
    assert (status["RestoreExpiryDate"].hour, status["RestoreExpiryDate"].minute) == (0, 0)
    assert restore(5) == 200  # counts anew
    advance(own, "4d")
    assert s3.get_object(**one)["Body"].read() == body
    advance(own, "2d")
    fails(403, "InvalidObjectState", s3.get_object, **one)
    wait(lambda: "Restore" not in s3.head_object(**one))
    assert s3.get_object(Bucket="archive", Key="copy")["Body"].read() == body

    # A faster tier while it runs.
    assert restore(1, "Bulk") == 202
    assert restore(1, "Expedited") == 202
    advance(own, "2m")
    wait(lambda: "false" in s3.head_object(**one)["Restore"])
    fails(400, "InvalidArgument", s3.list_objects_v2, Bucket="archive", OptionalObjectAttributes=["Nothing"])
    fails(403, "InvalidObjectState", s3.restore_object, Bucket="archive", Key="copy", RestoreRequest={"Days": 1})


def test_restore_survives(own, s3):
    s3.create_bucket(Bucket="archive")
    one = {"Bucket": "archive", "Key": "k"}
    s3.put_object(**one, Body=b"x", StorageClass="GLACIER")
    s3.restore_object(**one, RestoreRequest={"Days": 1})
    own.kill()
    own.start()
    s3 = own.client("s3")
    advance(own, "4h")
    wait(lambda: "false" in s3.head_object(**one)["Restore"])
    assert s3.get_object(**one)["Body"].read() == b"x"


def wait(condition):
    from kumoniwa import wait_until
    wait_until(condition)


def test_lifecycle_leaves_what_is_locked(own, s3):
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket="locked", LifecycleConfiguration={"Rules": [rule]})
    locked = s3.put_object(Bucket="locked", Key="k", Body=b"1", ObjectLockMode="GOVERNANCE",
                           ObjectLockRetainUntilDate=in_days(30))["VersionId"]
    free = s3.put_object(Bucket="locked", Key="k", Body=b"2")["VersionId"]
    newest = s3.put_object(Bucket="locked", Key="k", Body=b"3")["VersionId"]

    def versions():
        return {v["VersionId"] for v in s3.list_object_versions(Bucket="locked").get("Versions", [])}

    assert versions() == {locked, free, newest}
    advance(own, "5d")
    wait(lambda: versions() == {locked, newest})
    advance(own, "30d")
    wait(lambda: versions() == {newest})


def test_event_hold(own, s3):
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    version = s3.put_object(Bucket="locked", Key="k", Body=b"x", ObjectLockMode="COMPLIANCE", ObjectLockEventHold="ON",
                            ObjectLockEventHoldDurationDays=10)["VersionId"]
    head = s3.head_object(Bucket="locked", Key="k")
    assert head["ObjectLockEventHold"] == "ON" and head["ObjectLockEventHoldDurationDays"] == 10
    assert abs(head["ObjectLockRetainUntilDate"] - in_days(10)) < datetime.timedelta(minutes=1)
    advance(own, "2400h")
    fails(403, "AccessDenied", s3.delete_object, Bucket="locked", Key="k", VersionId=version)
    fails(400, "InvalidArgument", s3.put_object_retention, Bucket="locked", Key="k",
          Retention={"Mode": "COMPLIANCE", "EventHold": "OFF", "EventHoldDuration": {"Days": 1}})
    s3.put_object_retention(Bucket="locked", Key="k", Retention={"Mode": "COMPLIANCE", "EventHold": "OFF"})
    released = s3.get_object_retention(Bucket="locked", Key="k")["Retention"]
    assert released["EventHold"] == "OFF" and "EventHoldDuration" not in released
    assert abs(released["RetainUntilDate"] - in_days(110)) < datetime.timedelta(minutes=1)
    fails(403, "AccessDenied", s3.delete_object, Bucket="locked", Key="k", VersionId=version)
    advance(own, "241h")
    s3.delete_object(Bucket="locked", Key="k", VersionId=version)
