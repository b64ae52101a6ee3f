"""kill -9 in the midst of puts, copies, deletes and completed uploads: what was acknowledged is there and whole, nothing
else is, and no file is left over."""

import os
import random
import threading
import time

from kumoniwa import Cloud

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
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if not any(files for _, _, files in os.walk(own.data / "blobs")):
            own.stop()
            return
        time.sleep(0.5)
    raise AssertionError("blobs are left over")
