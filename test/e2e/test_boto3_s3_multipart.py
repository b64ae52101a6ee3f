"""S3 through unmodified clients: multipart uploads, copies, the transfer manager, the AWS CLI."""

import base64
import hashlib
import os
import pathlib
import subprocess
import sys
import zlib

import pytest
from boto3.s3.transfer import TransferConfig
from kumoniwa import wait_until
from test_boto3_s3 import fails, pattern

MIB = 1 << 20


def parts_of(s3, one, upload, bodies, **more):
    parts = []
    for number, body in enumerate(bodies, 1):
        part = s3.upload_part(**one, UploadId=upload, PartNumber=number, Body=body, **more)
        checksums = {name: value for name, value in part.items() if name.startswith("Checksum")}
        parts.append({"PartNumber": number, "ETag": part["ETag"], **checksums})
    return parts


def test_multipart(s3, bucket):
    one = {"Bucket": bucket, "Key": "big"}
    bodies = [pattern(5 * MIB), pattern(5 * MIB + 7), b"end"]
    made = s3.create_multipart_upload(**one, Metadata={"a": "b"}, ContentType="text/x", Tagging="x=y", ChecksumAlgorithm="CRC32")
    upload = made["UploadId"]
    assert made["ChecksumAlgorithm"] == "CRC32" and made["ChecksumType"] == "COMPOSITE"
    listed = s3.list_multipart_uploads(Bucket=bucket)
    assert [(u["Key"], u["UploadId"]) for u in listed["Uploads"]] == [("big", upload)]
    parts = parts_of(s3, one, upload, bodies)
    shown = s3.list_parts(**one, UploadId=upload, MaxParts=2)
    assert shown["IsTruncated"] and [p["Size"] for p in shown["Parts"]] == [5 * MIB, 5 * MIB + 7]
    rest = s3.list_parts(**one, UploadId=upload, PartNumberMarker=shown["NextPartNumberMarker"])
    assert [p["PartNumber"] for p in rest["Parts"]] == [3]
    fails(404, "NoSuchKey", s3.get_object, **one)
    fails(400, "InvalidPartOrder", s3.complete_multipart_upload, **one, UploadId=upload,
          MultipartUpload={"Parts": parts[::-1]})
    fails(400, "InvalidPart", s3.complete_multipart_upload, **one, UploadId=upload,
          MultipartUpload={"Parts": parts[:2] + [{"PartNumber": 9, "ETag": '"x"'}]})
    done = s3.complete_multipart_upload(**one, UploadId=upload, MultipartUpload={"Parts": parts})
    md5 = hashlib.md5(b"".join(hashlib.md5(b).digest() for b in bodies)).hexdigest()
    assert done["ETag"] == f'"{md5}-3"'
    crc = zlib.crc32(b"".join(zlib.crc32(b).to_bytes(4, "big") for b in bodies)).to_bytes(4, "big")
    assert done["ChecksumCRC32"] == base64.b64encode(crc).decode() + "-3"
    got = s3.get_object(**one)
    assert got["Body"].read() == b"".join(bodies)
    assert got["Metadata"] == {"a": "b"} and got["ContentType"] == "text/x" and got["TagCount"] == 1
    second = s3.get_object(**one, PartNumber=2)
    assert second["Body"].read() == bodies[1] and second["PartsCount"] == 3
    assert s3.head_object(**one, PartNumber=3)["ContentLength"] == 3
    across = s3.get_object(**one, Range=f"bytes={5 * MIB - 3}-{5 * MIB + 2}")
    assert across["Body"].read() == bodies[0][-3:] + bodies[1][:3]
    attributes = s3.get_object_attributes(**one, ObjectAttributes=["ETag", "Checksum", "ObjectParts", "ObjectSize"])
    assert attributes["ObjectParts"]["TotalPartsCount"] == 3 and len(attributes["ObjectParts"]["Parts"]) == 3
    fails(404, "NoSuchUpload", s3.list_parts, **one, UploadId=upload)


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256"])
def test_full_object_checksum(s3, bucket, algorithm):
    one = {"Bucket": bucket, "Key": "k"}
    bodies = [pattern(5 * MIB), pattern(12345)]
    if algorithm == "SHA256":
        fails(400, "InvalidRequest", s3.create_multipart_upload, **one, ChecksumAlgorithm=algorithm,
              ChecksumType="FULL_OBJECT")
        return
    upload = s3.create_multipart_upload(**one, ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")["UploadId"]
    parts = parts_of(s3, one, upload, bodies, ChecksumAlgorithm=algorithm)
    whole = base64.b64encode(zlib.crc32(b"".join(bodies)).to_bytes(4, "big")).decode()
    done = s3.complete_multipart_upload(**one, UploadId=upload, MultipartUpload={"Parts": parts},
                                        ChecksumType="FULL_OBJECT", ChecksumCRC32=whole)
    assert done["ChecksumCRC32"] == whole


@pytest.mark.parametrize("calculation", ["when_required", "when_supported"])
def test_default_checksum(cloud, bucket, calculation):
    s3 = cloud.client("s3", request_checksum_calculation=calculation)
    one = {"Bucket": bucket, "Key": "k"}
    bodies = [pattern(5 * MIB), pattern(12345)]
    upload = s3.create_multipart_upload(**one)["UploadId"]
    parts = parts_of(s3, one, upload, bodies)
    done = s3.complete_multipart_upload(**one, UploadId=upload, MultipartUpload={"Parts": parts})
    plain = cloud.client("s3", request_checksum_calculation="when_required")
    plain.put_object(Bucket=bucket, Key="single", Body=b"".join(bodies))
    single = s3.head_object(Bucket=bucket, Key="single", ChecksumMode="ENABLED")
    assert done["ChecksumCRC64NVME"] == single["ChecksumCRC64NVME"]


def test_small_parts_and_abort(s3, bucket):
    one = {"Bucket": bucket, "Key": "k"}
    upload = s3.create_multipart_upload(**one)["UploadId"]
    parts = parts_of(s3, one, upload, [b"small", b"end"])
    fails(400, "EntityTooSmall", s3.complete_multipart_upload, **one, UploadId=upload, MultipartUpload={"Parts": parts})
    s3.abort_multipart_upload(**one, UploadId=upload)
    fails(404, "NoSuchUpload", s3.upload_part, **one, UploadId=upload, PartNumber=1, Body=b"")
    fails(404, "NoSuchUpload", s3.abort_multipart_upload, **one, UploadId=upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize("size", [100, 100000])
def test_copy(s3, bucket, size):
    body = pattern(size)
    put = s3.put_object(Bucket=bucket, Key="a ü", Body=body, Metadata={"a": "b"}, ContentType="text/x", Tagging="x=y")
    source = {"Bucket": bucket, "Key": "a ü"}
    done = s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)
    assert done["CopyObjectResult"]["ETag"] == put["ETag"]
    s3.delete_object(**source)
    got = s3.get_object(Bucket=bucket, Key="copy")
    assert got["Body"].read() == body and got["Metadata"] == {"a": "b"} and got["TagCount"] == 1
    itself = {"Bucket": bucket, "Key": "copy"}
    fails(400, "InvalidRequest", s3.copy_object, **itself, CopySource=itself)
    s3.copy_object(**itself, CopySource=itself, MetadataDirective="REPLACE", Metadata={"c": "d"})
    got = s3.get_object(**itself)
    assert got["Body"].read() == body and got["Metadata"] == {"c": "d"}
    fails(412, "PreconditionFailed", s3.copy_object, Bucket=bucket, Key="x", CopySource=itself, CopySourceIfMatch='"no"')
    fails(404, "NoSuchKey", s3.copy_object, Bucket=bucket, Key="x", CopySource=source)
    changed = s3.copy_object(Bucket=bucket, Key="sha", CopySource=itself, ChecksumAlgorithm="SHA256")
    assert changed["CopyObjectResult"]["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(body).digest()).decode()


def test_copy_of_parts(s3, bucket):
    body = pattern(11 * MIB)
    s3.put_object(Bucket=bucket, Key="source", Body=body)
    one = {"Bucket": bucket, "Key": "k"}
    upload = s3.create_multipart_upload(**one, ChecksumAlgorithm="CRC32")["UploadId"]
    parts = []
    for number, span in enumerate((f"0-{6 * MIB - 1}", f"{6 * MIB}-{11 * MIB - 1}"), 1):
        part = s3.upload_part_copy(**one, UploadId=upload, PartNumber=number, CopySourceRange=f"bytes={span}",
                                   CopySource={"Bucket": bucket, "Key": "source"})["CopyPartResult"]
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]})
    s3.complete_multipart_upload(**one, UploadId=upload, MultipartUpload={"Parts": parts})
    s3.delete_object(Bucket=bucket, Key="source")
    assert s3.get_object(**one)["Body"].read() == body
    done = s3.copy_object(Bucket=bucket, Key="whole", CopySource=one)
    assert done["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    s3.delete_object(**one)
    assert s3.get_object(Bucket=bucket, Key="whole")["Body"].read() == body


def test_transfer_manager(s3, bucket, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(pattern(30 * MIB))
    settings = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB)
    s3.upload_file(str(big), bucket, "big", Config=settings)
    assert s3.head_object(Bucket=bucket, Key="big")["ETag"].endswith('-4"')
    s3.download_file(bucket, "big", str(tmp_path / "back"), Config=settings)
    assert (tmp_path / "back").read_bytes() == big.read_bytes()
    s3.copy({"Bucket": bucket, "Key": "big"}, bucket, "copied", Config=settings)
    s3.download_file(bucket, "copied", str(tmp_path / "again"))
    assert (tmp_path / "again").read_bytes() == big.read_bytes()


def test_cli(cloud, name, tmp_path):
    tool = pathlib.Path(sys.executable).parent / "aws"
    place = "s3://" + name.lower().replace("_", "-")

    def aws(*arguments):
        done = subprocess.run([str(tool), "s3", *arguments], env={**os.environ, **cloud.client_environment()},
                              capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "one.txt").write_bytes(b"one")
    (tree / "sub" / "two.bin").write_bytes(pattern(9 * MIB))
    aws("mb", place)
    aws("sync", str(tree), place)
    assert "PRE sub/" in aws("ls", place) and "two.bin" in aws("ls", "--recursive", place)
    aws("cp", place + "/one.txt", place + "/copy.txt")
    aws("mv", place + "/copy.txt", place + "/moved.txt")
    assert aws("cp", place + "/moved.txt", "-") == "one"
    aws("sync", place, str(tmp_path / "back"))
    assert (tmp_path / "back" / "sub" / "two.bin").read_bytes() == pattern(9 * MIB)
    aws("rm", "--recursive", place)
    aws("rb", place)


def test_no_blob_is_left_behind(own):
    s3 = own.client("s3")
    s3.create_bucket(Bucket="clean")
    one = {"Bucket": "clean", "Key": "k"}

    def blobs():
        return sum(len(files) for folder, _, files in os.walk(own.data / "blobs"))

    s3.put_object(**one, Body=pattern(50000))
    assert blobs() == 1
    fails(400, "BadDigest", s3.put_object, **one, Body=pattern(50000), ChecksumCRC32="AAAAAA==")
    fails(404, "NoSuchBucket", s3.put_object, Bucket="none", Key="k", Body=pattern(50000))
    assert blobs() == 1
    s3.copy_object(Bucket="clean", Key="copy", CopySource=one)
    s3.delete_object(**one)
    s3.put_object(**one, Body=b"small")
    upload = s3.create_multipart_upload(Bucket="clean", Key="m")["UploadId"]
    s3.upload_part(Bucket="clean", Key="m", UploadId=upload, PartNumber=1, Body=pattern(50000))
    s3.abort_multipart_upload(Bucket="clean", Key="m", UploadId=upload)
    s3.delete_object(Bucket="clean", Key="copy")
    wait_until(lambda: blobs() == 0, 30, "released blobs are not collected")
