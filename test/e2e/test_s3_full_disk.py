"""S3 on a disk that is full: the right error, nothing half-visible, nothing left over, and nothing broken afterwards."""

import os
import random
import shutil
import subprocess

import pytest
from botocore.exceptions import ClientError
from kumoniwa import INSTRUMENTED, Cloud, wait_until

MIB = 1 << 20
SIZE = 40 * MIB


class SmallDisk(Cloud):
    """Its data directory is a file system of 40 MiB, which ends with the process."""

    def command(self):
        self.data.mkdir(exist_ok=True)
        mount = f"mount -t tmpfs -o size={SIZE} none {self.data} && exec \"$@\""
        return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh", *super().command()]

    def files(self):
        """Of blobs, and their bytes."""
        seen = f"/proc/{self.process.pid}/root{self.data}/blobs"
        found = [os.path.join(folder, name) for folder, _, names in os.walk(seen) for name in names]
        return len(found), sum(os.stat(name).st_size for name in found)

    def free(self):
        status = os.statvfs(f"/proc/{self.process.pid}/root{self.data}")
        return status.f_bavail * status.f_frsize


@pytest.fixture
def small(tmp_path):
    able = shutil.which("unshare") and subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"],
        capture_output=True, check=False).returncode == 0
    if not able:
        pytest.skip("no file system may be mounted here")
    if INSTRUMENTED:
        pytest.skip("its shadow does not fit")
    with SmallDisk(tmp_path / "small") as made:
        made.client("s3").create_bucket(Bucket="bucket")
        yield made


def content(key, size):
    return random.Random(key).randbytes(size)


def put(s3, key, size):
    """The code that it was refused with, or none."""
    try:
        s3.put_object(Bucket="bucket", Key=key, Body=content(key, size))
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    return None


def fill(s3, size, what):
    kept = {}
    for n in range(10000):
        key = f"{what}{n}"
        refused = put(s3, key, size)
        if refused:
            return kept, refused
        kept[key] = size
    raise AssertionError("it never was full")


def check(s3, kept):
    listed = {o["Key"]: o["Size"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="bucket")
              for o in page.get("Contents", [])}
    assert listed == kept
    for key, size in kept.items():
        assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == content(key, size), key


@pytest.mark.parametrize("size", [8000, 200_000, 5 * MIB])
def test_full_disk(small, size):
    s3 = small.client("s3")
    kept, refused = fill(s3, size, "k")
    assert refused == ("ServiceUnavailable", 503) and len(kept) > 3
    files = small.files()[0]
    for n in range(20):
        assert put(s3, "larger", size + MIB), "there was room"
    check(s3, kept)
    wait_until(lambda: small.files()[0] == files, 60, "files are left over")
    # Deleting works, and makes room.
    for key in list(kept)[: len(kept) // 2]:
        s3.delete_object(Bucket="bucket", Key=key)
        del kept[key]
    wait_until(lambda: put(s3, "again", size) is None, 60, "there is no room again")
    kept["again"] = size
    check(s3, kept)
    assert "error" not in small.log_text() and "fault" not in small.log_text()


def test_uploads_on_a_full_disk(small):
    s3 = small.client("s3")
    one = {"Bucket": "bucket", "Key": "upload"}
    upload = s3.create_multipart_upload(**one)["UploadId"]
    body = content("part", 5 * MIB)
    parts = []
    for number in range(1, 100):
        try:
            etag = s3.upload_part(**one, UploadId=upload, PartNumber=number, Body=body)["ETag"]
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ServiceUnavailable"
            break
        parts.append({"PartNumber": number, "ETag": etag})
    assert 3 < len(parts) < 12
    listed = s3.list_parts(**one, UploadId=upload)["Parts"]
    assert [p["PartNumber"] for p in listed] == [p["PartNumber"] for p in parts]
    # A part in the place of another needs room beside it; refused, the older one stays.
    with pytest.raises(ClientError):
        s3.upload_part(**one, UploadId=upload, PartNumber=1, Body=content("other", 5 * MIB))
    s3.complete_multipart_upload(**one, UploadId=upload, MultipartUpload={"Parts": parts})
    s3.copy_object(Bucket="bucket", Key="copy", CopySource="bucket/upload")
    for key in ("upload", "copy"):
        assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == body * len(parts)
    s3.delete_object(**one)
    s3.delete_object(Bucket="bucket", Key="copy")
    wait_until(lambda: small.files() == (0, 0), 60, "files are left over")
    assert put(s3, "again", 5 * MIB) is None
