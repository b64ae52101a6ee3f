"""Server-side encryption through an unmodified boto3: each kind, on every way that bytes come and go; and what stands on
the disk."""

import base64
import hashlib
import json
import os
import subprocess

import pytest
from botocore.exceptions import ClientError

SECRET = b"These bytes are nobody's business. "
LARGE = (SECRET * 6000)[:200_000]
PART = (SECRET * 200_000)[: 5 << 20]


def fails(status, code, call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
    return answer["Error"].get("Message", "")


def customer(key=b"k" * 32, prefix=""):
    return {prefix + "SSECustomerAlgorithm": "AES256", prefix + "SSECustomerKey": key}


def allow_customers(s3, bucket):
    rule = {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})


KINDS = {
    "s3": ({}, {"ServerSideEncryption": "AES256"}, {}),
    "asked": ({"ServerSideEncryption": "AES256"}, {"ServerSideEncryption": "AES256"}, {}),
    "kms": ({"ServerSideEncryption": "aws:kms"}, {"ServerSideEncryption": "aws:kms"}, {}),
    "bucket-key": ({"ServerSideEncryption": "aws:kms", "BucketKeyEnabled": True},
                   {"ServerSideEncryption": "aws:kms", "BucketKeyEnabled": True}, {}),
    "dsse": ({"ServerSideEncryption": "aws:kms:dsse"}, {"ServerSideEncryption": "aws:kms:dsse"}, {}),
    "customer": (customer(), {"SSECustomerAlgorithm": "AES256"}, customer()),
}


def shows(answer, wanted):
    for member in ("ServerSideEncryption", "BucketKeyEnabled", "SSECustomerAlgorithm"):
        assert answer.get(member) == wanted.get(member), member
    assert ("SSEKMSKeyId" in answer) == wanted.get("ServerSideEncryption", "").startswith("aws:kms")
    assert ("SSECustomerKeyMD5" in answer) == ("SSECustomerAlgorithm" in wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(s3, bucket, kind):
    ask, wanted, read = KINDS[kind]
    if kind == "customer":
        allow_customers(s3, bucket)
    for size in (0, 1, 35, 8192, 8193, 65519, 65520, 65521, 131040, 200_000):
        body = LARGE[:size]
        put = s3.put_object(Bucket=bucket, Key=f"k{size}", Body=body, **ask)
        shows(put, wanted)
        md5 = hashlib.md5(body).hexdigest()
        assert (put["ETag"] == f'"{md5}"') == (kind in ("s3", "asked"))
        got = s3.get_object(Bucket=bucket, Key=f"k{size}", **read)
        shows(got, wanted)
        assert got["Body"].read() == body and got["ETag"] == put["ETag"]
        head = s3.head_object(Bucket=bucket, Key=f"k{size}", **read)
        shows(head, wanted)
        assert head["ContentLength"] == size
    for first, last in ((0, 0), (65518, 65522), (65520, 131039), (131040, 199_999), (100, 199_000)):
        got = s3.get_object(Bucket=bucket, Key="k200000", Range=f"bytes={first}-{last}", **read)
        assert got["Body"].read() == LARGE[first:last + 1]
    got = s3.get_object(Bucket=bucket, Key="k35", Range="bytes=5-9", **read)
    assert got["Body"].read() == LARGE[5:10]


@pytest.mark.parametrize("kind", KINDS)
def test_multipart(s3, bucket, kind):
    ask, wanted, read = KINDS[kind]
    if kind == "customer":
        allow_customers(s3, bucket)
    one = {"Bucket": bucket, "Key": "many parts"}
    s3.put_object(Bucket=bucket, Key="source", Body=LARGE)
    upload = s3.create_multipart_upload(**one, **ask)
    shows(upload, wanted)
    one["UploadId"] = upload["UploadId"]
    parts = []
    for number, body in ((1, PART), (3, SECRET)):
        part = s3.upload_part(**one, PartNumber=number, Body=body, **read)
        shows(part, wanted)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    part = s3.upload_part_copy(**one, PartNumber=2, CopySource={"Bucket": bucket, "Key": "source"}, **read)
    shows(part, wanted)
    parts.insert(1, {"PartNumber": 2, "ETag": part["CopyPartResult"]["ETag"]})
    # The last part alone may be small.
    del parts[1]
    part = s3.upload_part_copy(**one, PartNumber=3, CopySource={"Bucket": bucket, "Key": "source"},
                               CopySourceRange="bytes=60000-140000", **read)
    parts[1]["ETag"] = part["CopyPartResult"]["ETag"]
    done = s3.complete_multipart_upload(**one, MultipartUpload={"Parts": parts})
    assert done.get("ServerSideEncryption") == wanted.get("ServerSideEncryption")
    assert done["ETag"].endswith('-2"')
    whole = PART + LARGE[60000:140001]
    del one["UploadId"]
    got = s3.get_object(**one, **read)
    shows(got, wanted)
    assert got["Body"].read() == whole
    edge = 5 << 20
    got = s3.get_object(**one, Range=f"bytes={edge - 10}-{edge + 70000}", **read)
    assert got["Body"].read() == whole[edge - 10:edge + 70001]
    got = s3.get_object(**one, PartNumber=2, **read)
    assert got["Body"].read() == LARGE[60000:140001]


@pytest.mark.parametrize("source", KINDS)
def test_copies(s3, bucket, source):
    allow_customers(s3, bucket)
    ask, _, read = KINDS[source]
    for size in (35, 200_000):
        s3.put_object(Bucket=bucket, Key="source", Body=LARGE[:size], **ask)
        for target, (want, wanted, back) in KINDS.items():
            copy_read = {"CopySource" + k: v for k, v in read.items()}
            copied = s3.copy_object(Bucket=bucket, Key=target, CopySource={"Bucket": bucket, "Key": "source"},
                                    **want, **copy_read)
            shows(copied, wanted)
            got = s3.get_object(Bucket=bucket, Key=target, **back)
            shows(got, wanted)
            assert got["Body"].read() == LARGE[:size]
            if target in ("s3", "asked"):
                assert got["ETag"] == '"' + hashlib.md5(LARGE[:size]).hexdigest() + '"'
        s3.delete_object(Bucket=bucket, Key="source")
        for target, (_, _, back) in KINDS.items():
            assert s3.get_object(Bucket=bucket, Key=target, **back)["Body"].read() == LARGE[:size]


def test_default_of_the_bucket(s3, bucket):
    new = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert new == [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False,
                    "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}}]

    def put(algorithm, key=None, **more):
        default = {"SSEAlgorithm": algorithm, **({"KMSMasterKeyID": key} if key else {})}
        rule = {"ApplyServerSideEncryptionByDefault": default, **more}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})

    put("aws:kms", BucketKeyEnabled=True)
    shows(s3.put_object(Bucket=bucket, Key="k", Body=LARGE), KINDS["bucket-key"][1])
    shows(s3.put_object(Bucket=bucket, Key="k", Body=LARGE, BucketKeyEnabled=False), KINDS["kms"][1])
    shows(s3.put_object(Bucket=bucket, Key="k", Body=LARGE, ServerSideEncryption="AES256"), KINDS["s3"][1])
    put("aws:kms:dsse")
    for body in (SECRET, LARGE):
        shows(s3.put_object(Bucket=bucket, Key="k", Body=body), KINDS["dsse"][1])
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body
    put("aws:kms", "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000")
    assert "does not exist" in fails(400, "KMS.NotFoundException", s3.put_object, Bucket=bucket, Key="k", Body=b"")
    s3.delete_bucket_encryption(Bucket=bucket)
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"] == new
    shows(s3.put_object(Bucket=bucket, Key="k", Body=LARGE), KINDS["s3"][1])
    fails(400, "MalformedXML", put, algorithm="ROT13")
    fails(400, "InvalidArgument", put, algorithm="AES256", key="alias/aws/s3")
    empty = {"Rules": []}
    fails(400, "MalformedXML", s3.put_bucket_encryption, Bucket=bucket, ServerSideEncryptionConfiguration=empty)


def test_refusals(s3, bucket):
    one = {"Bucket": bucket, "Key": "k"}
    fails(403, "AccessDenied", s3.put_object, **one, Body=b"", **customer())
    allow_customers(s3, bucket)
    fails(400, "InvalidArgument", s3.put_object, **one, Body=b"", ServerSideEncryption="rot13")
    fails(400, "InvalidArgument", s3.put_object, **one, Body=b"", ServerSideEncryption="AES256", SSEKMSKeyId="x")
    fails(400, "InvalidArgument", s3.put_object, **one, Body=b"", ServerSideEncryption="AES256", **customer())
    fails(400, "InvalidArgument", s3.put_object, **one, Body=b"", **customer(b"short"))
    wrong = {**customer(base64.b64encode(b"k" * 32).decode()), "SSECustomerKeyMD5": base64.b64encode(b"0" * 16).decode()}
    assert "did not match" in fails(400, "InvalidArgument", s3.put_object, **one, Body=b"", **wrong)
    for name in ("no such key", "arn:aws:kms:us-east-1:000000000000:key/none", "alias/none",
                 "arn:aws:kms:eu-west-1:000000000000:key/00000000-0000-0000-0000-000000000000"):
        fails(400, "KMS.NotFoundException", s3.put_object, **one, Body=b"", ServerSideEncryption="aws:kms",
              SSEKMSKeyId=name)
    fails(400, "InvalidArgument", s3.put_object, **one, Body=b"", ServerSideEncryption="aws:kms",
          SSEKMSEncryptionContext="bm90IGpzb24=")
    for body in (SECRET, LARGE):
        s3.put_object(**one, Body=body, **customer())
        fails(400, "InvalidRequest", s3.get_object, **one)
        fails(400, "400", s3.head_object, **one)
        fails(403, "AccessDenied", s3.get_object, **one, **customer(b"x" * 32))
        fails(403, "403", s3.head_object, **one, **customer(b"x" * 32))
        fails(400, "InvalidRequest", s3.copy_object, Bucket=bucket, Key="copy", CopySource=one)
    s3.put_object(**one, Body=SECRET)
    fails(400, "InvalidRequest", s3.get_object, **one, **customer())
    upload = s3.create_multipart_upload(**one, **customer())["UploadId"]
    part = {**one, "UploadId": upload, "PartNumber": 1, "Body": b"x"}
    fails(400, "InvalidRequest", s3.upload_part, **part)
    fails(400, "InvalidArgument", s3.upload_part, **part, **customer(b"x" * 32))
    part["UploadId"] = s3.create_multipart_upload(**one)["UploadId"]
    fails(400, "InvalidRequest", s3.upload_part, **part, **customer())


def test_context(s3, bucket):
    context = base64.b64encode(json.dumps({"project": "Müller", "b": "1"}).encode()).decode()
    put = s3.put_object(Bucket=bucket, Key="k", Body=SECRET, ServerSideEncryption="aws:kms", SSEKMSKeyId="alias/aws/s3",
                        SSEKMSEncryptionContext=context)
    assert json.loads(base64.b64decode(put["SSEKMSEncryptionContext"])) == {"project": "Müller", "b": "1"}
    assert put["SSEKMSKeyId"].startswith("arn:aws:kms:us-east-1:000000000000:key/")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == SECRET
    again = s3.put_object(Bucket=bucket, Key="l", Body=SECRET, ServerSideEncryption="aws:kms", SSEKMSKeyId=put["SSEKMSKeyId"])
    assert again["SSEKMSKeyId"] == put["SSEKMSKeyId"]


def test_another_kind_for_what_is_there(s3, bucket):
    key = s3.put_object(Bucket=bucket, Key="x", Body=b"", ServerSideEncryption="aws:kms")["SSEKMSKeyId"]
    for body in (SECRET, LARGE):
        put = s3.put_object(Bucket=bucket, Key="k", Body=body, Metadata={"a": "b"})
        before = s3.head_object(Bucket=bucket, Key="k")
        for bucket_key in (False, True):
            kms = {"SSEKMS": {"KMSKeyArn": key, "BucketKeyEnabled": bucket_key}}
            s3.update_object_encryption(Bucket=bucket, Key="k", ObjectEncryption=kms)
            got = s3.get_object(Bucket=bucket, Key="k")
            shows(got, KINDS["bucket-key" if bucket_key else "kms"][1])
            assert got["Body"].read() == body
            assert got["ETag"] == put["ETag"] and got["LastModified"] == before["LastModified"]
            assert got["Metadata"] == {"a": "b"}
    s3.put_object(Bucket=bucket, Key="k", Body=b"", ServerSideEncryption="aws:kms:dsse")
    fails(400, "InvalidRequest", s3.update_object_encryption, Bucket=bucket, Key="k", ObjectEncryption=kms)


def test_bytes_on_disk(cloud, s3, bucket):
    allow_customers(s3, bucket)
    for kind, (ask, _, _) in KINDS.items():
        for size in (1000, 200_000):
            s3.put_object(Bucket=bucket, Key=f"{kind}{size}", Body=LARGE[:size], **ask)
    for folder, _, files in os.walk(cloud.data):
        for file in files:
            found = subprocess.run(["grep", "-c", "-a", "nobody's business", os.path.join(folder, file)],
                                   stdout=subprocess.PIPE, check=False)
            gone = found.returncode == 2 and not os.path.exists(os.path.join(folder, file))
            assert gone or found.stdout.strip() == b"0", (folder, file)
