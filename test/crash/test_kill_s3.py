"""kill -9 in the midst of puts, copies, deletes and completed uploads: what was acknowledged is there and whole, nothing
else is, and no file is left over."""

import os
import random
import threading
import time

from kumoniwa import Cloud, wait_until

SIZES = (100, 8192, 9000, 200000)


def content(key, size):
    return (key.encode() * (size // len(key) + 1))[:size]


def work(cloud, number, acknowledged, stop):
    s3 = cloud.client("s3", connect_timeout=2)
    random.seed(number)
    for turn in range(10000):
        key = f"{number}/{turn}"
        size = random.choice(SIZES)
        try:
            s3.put_object(Bucket="bucket", Key=key, Body=content(key, size))
            acknowledged[key] = (key, size)
            if turn % 3 == 0:
                s3.copy_object(Bucket="bucket", Key=key + "c", CopySource={"Bucket": "bucket", "Key": key})
                acknowledged[key + "c"] = (key, size)
            if turn % 5 == 0:
                acknowledged[key] = None  # may be gone or not until the answer is here
                s3.delete_object(Bucket="bucket", Key=key)
                acknowledged[key] = "gone"
            if turn % 4 == 0:
                one = {"Bucket": "bucket", "Key": key + "m"}
                upload = s3.create_multipart_upload(**one)["UploadId"]
                part = s3.upload_part(**one, UploadId=upload, PartNumber=1, Body=content(key, size))
                s3.complete_multipart_upload(**one, UploadId=upload, MultipartUpload={
                    "Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
                acknowledged[key + "m"] = (key, size)
        except Exception:
            return
        if stop.is_set():
            return


def check(cloud, acknowledged):
    s3 = cloud.client("s3")
    listed = {o["Key"]: o["Size"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="bucket")
              for o in page.get("Contents", [])}
    for key, wanted in acknowledged.items():
        if wanted == "gone":
            assert key not in listed, key
        elif wanted is not None:
            assert listed[key] == wanted[1], key
    for key, size in listed.items():
        assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == content(key.rstrip("cm"), size), key
    return listed


def test_kill(tmp_path):
    own = Cloud(tmp_path / "own").start()
    own.client("s3").create_bucket(Bucket="bucket")
    acknowledged = {}
    for turn in range(6):
        stop = threading.Event()
        workers = [threading.Thread(target=work, args=(own, turn * 10 + n, acknowledged, stop)) for n in range(3)]
        for worker in workers:
            worker.start()
        before = len(acknowledged)
        wait_until(lambda: len(acknowledged) >= before + 6, message="nothing is acknowledged")  # noqa: B023
        time.sleep(0.3 + random.random() / 2)
        own.kill()
        stop.set()
        for worker in workers:
            worker.join()
        own.start()
        listed = check(own, acknowledged)
    assert len(listed) > 20
    s3 = own.client("s3")
    for upload in s3.list_multipart_uploads(Bucket="bucket").get("Uploads", []):
        s3.abort_multipart_upload(Bucket="bucket", Key=upload["Key"], UploadId=upload["UploadId"])
    for key in listed:
        s3.delete_object(Bucket="bucket", Key=key)
    nothing_is_left(own)


def nothing_is_left(own):
    wait_until(lambda: not any(files for _, _, files in os.walk(own.data / "blobs")), message="blobs are left over")
    own.stop()


# --- keys that are written over and over ---------------------------------------------------------------------------

LARGE = (9000, 300_000, 3 << 20)


def body_of(turn, size):
    return (b"%08d" % turn) * (size // 8)


def overwrite(cloud, bucket, key, begun, done, turns):
    """Puts, completed uploads and copies of one key, one after another; which were begun, and which acknowledged."""
    s3 = cloud.client("s3", connect_timeout=2, read_timeout=20)
    one = {"Bucket": bucket, "Key": key}
    for turn in turns:
        size = LARGE[turn % 3]
        begun[turn] = size
        try:
            if turn % 4 == 3:
                upload = s3.create_multipart_upload(**one)["UploadId"]
                part = s3.upload_part(**one, UploadId=upload, PartNumber=1, Body=body_of(turn, size))
                s3.complete_multipart_upload(**one, UploadId=upload, MultipartUpload={
                    "Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
            elif turn % 4 == 2:
                s3.put_object(Bucket=bucket, Key=key + ".new", Body=body_of(turn, size))
                s3.copy_object(**one, CopySource={"Bucket": bucket, "Key": key + ".new"})
            else:
                s3.put_object(**one, Body=body_of(turn, size))
        except Exception:
            return
        done.append(turn)


def check_overwritten(cloud, bucket, key, begun, done, versioned):
    """The newest is the last that was acknowledged, or one begun later; whole. Of a versioned key, so is every version, and
    each that was acknowledged is there."""
    s3 = cloud.client("s3")
    if not begun:
        return
    newest = s3.get_object(Bucket=bucket, Key=key)["Body"].read() if done else None
    if done:
        turn = int(newest[:8])
        assert turn >= done[-1] and newest == body_of(turn, begun[turn])
    if not versioned:
        return
    seen = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key):
        for version in page.get("Versions", []):
            if version["Key"] != key:
                continue
            body = s3.get_object(Bucket=bucket, Key=key, VersionId=version["VersionId"])["Body"].read()
            turn = int(body[:8])
            assert body == body_of(turn, begun[turn])
            seen.append(turn)
    assert len(seen) == len(set(seen)) and set(done) <= set(seen)


def test_kill_while_keys_are_overwritten(tmp_path):
    own = Cloud(tmp_path / "own").start()
    s3 = own.client("s3")
    for bucket in ("plain", "versioned"):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    state = {(bucket, key): ({}, []) for bucket in ("plain", "versioned") for key in ("a", "b")}
    random.seed(5)
    for round_number in range(5):
        first = round_number * 1000
        workers = [threading.Thread(target=overwrite, args=(own, *where, *state[where], range(first, first + 1000)))
                   for where in state]
        for worker in workers:
            worker.start()
        before = sum(len(done) for _, done in state.values())
        wait_until(lambda: sum(len(done) for _, done in state.values()) >= before + 6, message="nothing is acknowledged")  # noqa: B023
        time.sleep(0.5 + random.random() / 2)
        own.kill()
        for worker in workers:
            worker.join()
        own.start()
        for (bucket, key), (begun, done) in state.items():
            check_overwritten(own, bucket, key, begun, done, bucket == "versioned")
    assert sum(len(done) for _, done in state.values()) > 20
    s3 = own.client("s3")
    for bucket in ("plain", "versioned"):
        for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for version in page.get("Versions", []) + page.get("DeleteMarkers", []):
                s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
    nothing_is_left(own)
