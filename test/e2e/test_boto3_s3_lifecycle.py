"""S3's lifecycle through boto3: what a configuration may say, what comes of it when the clock is advanced."""

import datetime
import random
import time

import pytest
from botocore.exceptions import ClientError


def put(s3, bucket, *rules, **more):
    whole = [{"Status": "Enabled", **({} if "Prefix" in r else {"Filter": {"Prefix": ""}}), **r} for r in rules]
    return s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": whole}, **more)


def refused(s3, bucket, *rules, code, text=""):
    with pytest.raises(ClientError) as caught:
        put(s3, bucket, *rules)
    error = caught.value.response["Error"]
    assert error["Code"] == code and text in error["Message"], error


def test_configuration(s3, bucket):
    with pytest.raises(ClientError) as caught:
        s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert caught.value.response["Error"]["Code"] == "NoSuchLifecycleConfiguration"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    midnight = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
    rules = [
        {"ID": "one", "Filter": {"Prefix": "logs/"}, "Status": "Enabled", "Expiration": {"Days": 400},
         "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 60, "StorageClass": "GLACIER"}]},
        {"ID": "two", "Status": "Disabled", "Expiration": {"Date": midnight},
         "Filter": {"And": {"Prefix": "x", "Tags": [{"Key": "a", "Value": "b"}], "ObjectSizeGreaterThan": 5}}},
        {"ID": "three", "Status": "Enabled", "Filter": {}, "Expiration": {"ExpiredObjectDeleteMarker": True},
         "NoncurrentVersionExpiration": {"NoncurrentDays": 40, "NewerNoncurrentVersions": 2},
         "NoncurrentVersionTransitions": [{"NoncurrentDays": 30, "StorageClass": "STANDARD_IA"}],
         "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
        {"Status": "Enabled", "Filter": {"Tag": {"Key": "k", "Value": ""}},
         "Transitions": [{"Days": 0, "StorageClass": "INTELLIGENT_TIERING"}]}]
    answer = s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    assert answer["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"
    got = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert got["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"
    assert got["Rules"][3].pop("ID")
    assert got["Rules"] == rules
    # Rules of the first generation come back as they were.
    old = [{"ID": "o", "Prefix": "p", "Status": "Enabled", "Expiration": {"Days": 1}}]
    answer = s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": old},
                                                   TransitionDefaultMinimumObjectSize="varies_by_storage_class")
    got = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert got["Rules"] == old and got["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"
    assert s3.delete_bucket_lifecycle(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError):
        s3.get_bucket_lifecycle_configuration(Bucket=bucket)


def test_refused(s3, bucket):
    expire = {"Expiration": {"Days": 1}}
    noon = datetime.datetime(2030, 1, 1, 12, tzinfo=datetime.timezone.utc)
    tag = {"Tag": {"Key": "a", "Value": "b"}}
    for rule, code, text in [
            ({}, "InvalidRequest", "At least one action"),
            ({"Expiration": {"Days": 0}}, "InvalidArgument", "'Days' for Expiration action must be a positive"),
            ({"Expiration": {"Date": noon}}, "InvalidArgument", "'Date' must be at midnight GMT"),
            ({"Expiration": {"Days": 1, "ExpiredObjectDeleteMarker": True}}, "MalformedXML", ""),
            ({**expire, "Status": "On"}, "MalformedXML", ""),
            ({**expire, "ID": "x" * 256}, "InvalidArgument", "ID length"),
            ({**expire, "Filter": {"Prefix": "a", **tag}}, "MalformedXML", ""),
            ({**expire, "Filter": {"And": {"Prefix": "a"}}}, "MalformedXML", ""),
            ({**expire, "Prefix": "a", "Filter": tag}, "MalformedXML", ""),
            ({"Filter": tag, "Expiration": {"ExpiredObjectDeleteMarker": True}}, "InvalidRequest", "with Tags"),
            ({"Filter": tag, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}, "InvalidRequest",
             "with Tags"),
            ({"Filter": {"ObjectSizeLessThan": 9}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
             "InvalidRequest", "Object Size"),
            ({"Transitions": [{"Days": 29, "StorageClass": "STANDARD_IA"}]}, "InvalidArgument",
             "must be greater than or equal to 30 for storageClass 'STANDARD_IA'"),
            ({"Transitions": [{"Days": 30, "StorageClass": "STANDARD"}]}, "MalformedXML", ""),
            ({"Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 59, "StorageClass": "GLACIER"}]},
             "InvalidArgument", "30 days more"),
            ({"Transitions": [{"Days": 3, "StorageClass": "GLACIER"}, {"Days": 9, "StorageClass": "GLACIER"}]},
             "InvalidRequest", "'StorageClass' must be different"),
            ({**expire, "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}, "InvalidArgument",
             "'Days' in the Expiration action"),
            ({"Expiration": {"Date": noon.replace(hour=0)}, "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]},
             "InvalidRequest", "mixed 'Date' and 'Days' based Expiration and Transition"),
            ({"Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"},
                              {"Date": noon.replace(hour=0), "StorageClass": "GLACIER"}]},
             "InvalidRequest", "mixed 'Date' and 'Days' based Transition actions"),
            ({"Expiration": {"Date": noon.replace(hour=0)},
              "Transitions": [{"Date": noon.replace(hour=0), "StorageClass": "GLACIER"}]},
             "InvalidArgument", "'Date' in the Expiration action"),
            ({"Transitions": [{"Date": noon.replace(hour=0), "StorageClass": "GLACIER"},
                              {"Date": noon.replace(hour=0, day=2), "StorageClass": "GLACIER_IR"}]},
             "InvalidArgument", "must be later than"),
            ({"NoncurrentVersionTransitions": [{"NoncurrentDays": 9, "StorageClass": "GLACIER"},
                                               {"NoncurrentDays": 10, "StorageClass": "GLACIER"}]},
             "InvalidRequest", "'StorageClass' must be different"),
            ({"NoncurrentVersionTransitions": [{"NoncurrentDays": 90, "StorageClass": "STANDARD_IA"},
                                               {"NoncurrentDays": 60, "StorageClass": "GLACIER"}]},
             "InvalidArgument", "'NoncurrentDays' in the 'GLACIER' transition action"),
            ({"NoncurrentVersionExpiration": {"NoncurrentDays": 0}}, "InvalidArgument", "positive integer"),
            ({"NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 101}},
             "InvalidArgument", "NewerNoncurrentVersions")]:
        refused(s3, bucket, rule, code=code, text=text)
    refused(s3, bucket, {**expire, "ID": "a"}, {**expire, "ID": "a"}, code="InvalidArgument", text="must be unique")
    refused(s3, bucket, {**expire, "Prefix": "a"}, {**expire, "Prefix": "ab"}, code="InvalidRequest",
            text="Found overlapping prefixes")
    refused(s3, bucket, {**expire, "Prefix": "a"}, {**expire, "Filter": {"Prefix": "b"}}, code="InvalidRequest",
            text="Base level prefix")
    refused(s3, bucket, *[expire] * 1001, code="MalformedXML")
    with pytest.raises(ClientError) as caught:
        put(s3, bucket, expire, TransitionDefaultMinimumObjectSize="small")
    assert caught.value.response["Error"]["Code"] == "InvalidArgument"


def until(check, seconds=60):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_run(own):
    s3 = own.client("s3")
    for bucket in ("plain", "versioned"):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    put(s3, "plain", {"ID": "logs go", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 3}},
        {"Filter": {"Tag": {"Key": "tmp", "Value": "1"}}, "Expiration": {"Days": 1}},
        {"Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 70, "StorageClass": "GLACIER_IR"}],
         "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}, "ID": "u"})
    put(s3, "versioned", {"Expiration": {"Days": 1}, "NoncurrentVersionExpiration": {"NoncurrentDays": 2}})
    answer = s3.put_object(Bucket="plain", Key="logs/a", Body=b"x")
    assert answer["Expiration"].endswith('00:00:00 GMT", rule-id="logs%20go"')
    assert s3.head_object(Bucket="plain", Key="logs/a")["Expiration"] == answer["Expiration"]
    s3.put_object(Bucket="plain", Key="tagged", Body=b"x", Tagging="tmp=1")
    s3.put_object(Bucket="plain", Key="large", Body=b"x" * 131072)
    s3.put_object(Bucket="plain", Key="small", Body=b"x")
    assert "Expiration" not in s3.head_object(Bucket="plain", Key="small")
    upload = s3.create_multipart_upload(Bucket="plain", Key="m")
    assert upload["AbortRuleId"] == "u" and upload["AbortDate"].hour == 0
    s3.upload_part(Bucket="plain", Key="m", UploadId=upload["UploadId"], PartNumber=1, Body=b"x" * 20000)
    for body in (b"1", b"2"):
        s3.put_object(Bucket="versioned", Key="k", Body=body)

    def keys():
        return [o["Key"] for o in s3.list_objects_v2(Bucket="plain").get("Contents", [])]

    def versions():
        answer = s3.list_object_versions(Bucket="versioned")
        return len(answer.get("Versions", [])), len(answer.get("DeleteMarkers", []))

    own.run("clock", "advance", "48h")
    until(lambda: keys() == ["large", "logs/a", "small"])
    until(lambda: versions() == (2, 1))
    own.run("clock", "advance", "48h")
    until(lambda: keys() == ["large", "small"])
    until(lambda: "Uploads" not in s3.list_multipart_uploads(Bucket="plain"))
    until(lambda: versions()[0] < 2)
    own.run("clock", "advance", "72h")
    until(lambda: versions() == (0, 0) or versions() == (0, 1))
    own.run("clock", "advance", "24h")
    until(lambda: versions() == (0, 0))
    own.run("clock", "advance", "600h")
    until(lambda: s3.head_object(Bucket="plain", Key="large").get("StorageClass") == "STANDARD_IA")
    own.run("clock", "advance", "1000h")
    until(lambda: s3.head_object(Bucket="plain", Key="large").get("StorageClass") == "GLACIER_IR")
    assert "StorageClass" not in s3.head_object(Bucket="plain", Key="small")
    assert s3.get_object(Bucket="plain", Key="large")["Body"].read() == b"x" * 131072


def test_missed_midnights(own):
    """A clock that leaps: what a cloud that ran all the time would have done, each thing on its own day."""
    s3 = own.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    put(s3, "bucket", {"Expiration": {"Days": 10}, "NoncurrentVersionExpiration": {"NoncurrentDays": 20}},
        {"Expiration": {"ExpiredObjectDeleteMarker": True}})
    made = s3.put_object(Bucket="bucket", Key="k", Body=b"x")
    begun = s3.head_object(Bucket="bucket", Key="k")["LastModified"]

    def versions():
        answer = s3.list_object_versions(Bucket="bucket")
        return answer.get("Versions", []), answer.get("DeleteMarkers", [])

    own.run("clock", "advance", "600h")
    until(lambda: len(versions()[1]) == 1)
    (old,), (marker,) = versions()
    assert old["VersionId"] == made["VersionId"] and not old["IsLatest"] and marker["IsLatest"]
    after = marker["LastModified"] - begun
    assert datetime.timedelta(days=10) <= after <= datetime.timedelta(days=11, seconds=2)
    assert (marker["LastModified"].hour, marker["LastModified"].minute) == (0, 0)
    own.run("clock", "advance", "72h")  # 28 days: 20 days after the marker have not passed
    time.sleep(0.5)
    assert [len(found) for found in versions()] == [1, 1]
    s3.put_object(Bucket="bucket", Key="later", Body=b"x")
    own.kill()
    own.start()
    own.run("clock", "advance", "144h")  # 34 days: the version goes, and a day later the marker that is alone
    until(lambda: [len(found) for found in versions()] == [1, 0])
    own.run("clock", "advance", "1440h")  # at one go: expired, noncurrent for 20 days, gone, the marker too
    until(lambda: versions() == ([], []))


def random_rules(draw):
    rules = []
    for number in range(draw.randint(1, 4)):
        kind = draw.choice(["e", "e", "n", "m", "t", "en"])
        where = draw.choice([{"Prefix": ""}, {"Prefix": "a"}, {"Tag": {"Key": "t", "Value": "1"}},
                             {"And": {"Prefix": "", "ObjectSizeGreaterThan": 5}}])
        rule = {"ID": f"r{number}", "Filter": {"Prefix": ""} if kind == "m" else where}
        if "e" in kind:
            rule["Expiration"] = {"Days": draw.randint(1, 9)}
        if kind == "m":
            rule["Expiration"] = {"ExpiredObjectDeleteMarker": True}
        if "n" in kind:
            newer = {"NewerNoncurrentVersions": draw.randint(1, 2)} if draw.random() < 0.4 else {}
            rule["NoncurrentVersionExpiration"] = {"NoncurrentDays": draw.randint(1, 7), **newer}
        if kind == "t":
            rule["Transitions"] = [{"Days": draw.randint(1, 6), "StorageClass": draw.choice(["GLACIER", "GLACIER_IR"])}]
        if "Prefix" in rule["Filter"] and draw.random() < 0.3:
            rule["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": draw.randint(1, 5)}
        rules.append(rule)
    return rules


@pytest.mark.parametrize("seed", [3, 8])
def test_leaps_are_as_good_as_days(make_cloud, seed):
    """One cloud lives through every day, the other leaps over several, and is killed now and then: they end alike."""
    draw = random.Random(seed)
    clouds = [make_cloud("--threads", "1", name=f"cloud{seed}-{n}") for n in range(2)]
    for cloud in clouds:
        cloud.start()
    clients = [cloud.client("s3") for cloud in clouds]
    rules = random_rules(draw)
    for s3 in clients:
        s3.create_bucket(Bucket="bucket")
        s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        put(s3, "bucket", *rules, TransitionDefaultMinimumObjectSize="varies_by_storage_class")

    def state(s3):
        found = s3.list_object_versions(Bucket="bucket")
        versions = [(v["Key"], v["IsLatest"], v.get("StorageClass"), v.get("Size"), v["LastModified"].date())
                    for v in found.get("Versions", []) + found.get("DeleteMarkers", [])]
        return versions, [u["Key"] for u in s3.list_multipart_uploads(Bucket="bucket").get("Uploads", [])]

    for _ in range(3):
        for _ in range(draw.randint(3, 8)):
            what, key, size, tags = draw.choice("pppdu"), draw.choice(["a1", "a2", "b1"]), draw.randint(0, 9), draw.choice(["", "t=1"])
            for s3 in clients:
                if what == "p":
                    s3.put_object(Bucket="bucket", Key=key, Body=b"x" * size, Tagging=tags)
                elif what == "d":
                    s3.delete_object(Bucket="bucket", Key=key)
                else:
                    s3.create_multipart_upload(Bucket="bucket", Key=key)
        days = draw.randint(2, 9)
        for _ in range(days):
            clouds[0].run("clock", "advance", "24h")
            time.sleep(0.2)
        clouds[1].run("clock", "advance", f"{24 * days}h")
        if draw.random() < 0.5:
            clouds[1].kill()
            clouds[1].start()
            clients[1] = clouds[1].client("s3")
        until(lambda: state(clients[0]) == state(clients[1]))
