"""S3 through the programs that people use with it, unmodified: the AWS CLI, s3cmd, rclone, restic, s3fs."""

import concurrent.futures
import configparser
import csv
import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest
from kumoniwa import SLOWNESS, clean_environment, wait_until
from test_boto3_s3 import fails, pattern

MIB = 1 << 20
CLI = {"v1": [str(pathlib.Path(sys.executable).parent / "aws")], "debian-v2": ["/usr/bin/aws"]}


def need(program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    return program


def run(command, environment, check=True, **more):
    done = subprocess.run(list(map(str, command)), env=environment, stdin=more.pop("stdin", subprocess.DEVNULL),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300 * SLOWNESS, check=False, **more)
    assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-4000:]!r}\n{done.stderr[-4000:]!r}"
    return done


def tree(folder):
    """{path: SHA-256} of every file below."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def files(tmp_path):
    """A folder such as people have."""
    folder = tmp_path / "files"
    for name, body in {"a.txt": b"alpha", "empty": b"", "dir/b c.bin": pattern(100000), "dir/sub/ü+&.txt": b"umlaut",
                       "large.bin": pattern(20 * MIB), "dir/#hash?.html": b"<p>"}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        os.utime(path, (time.time() - 60, time.time() - 60))  # LastModified has whole seconds: what is just made looks newer
    return folder


# --- the AWS CLI ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=CLI)
def aws(request, cloud):
    command = CLI[request.param]
    if not os.access(command[0], os.X_OK):
        pytest.skip(f"{command[0]} is not installed")

    def call(*arguments, check=True, **more):
        done = run([*command, "--endpoint-url", cloud.endpoint, *arguments], cloud.client_environment(), check, **more)
        return done.stdout.decode() if check else done

    return call


def test_cli_high_level(aws, s3, name, files, tmp_path):
    bucket = name.lower().replace("_", "-").strip("-")
    other = bucket[:50] + "-other"
    url = f"s3://{bucket}"
    assert f"make_bucket: {bucket}" in aws("s3", "mb", url)
    aws("s3", "mb", f"s3://{other}")
    assert bucket in aws("s3", "ls")
    aws("s3", "cp", files / "large.bin", f"{url}/large.bin", "--metadata", "a=b", "--content-type", "x/y")
    head = s3.head_object(Bucket=bucket, Key="large.bin")
    assert (head["ContentType"], head["Metadata"], head["ETag"][-3:]) == ("x/y", {"a": "b"}, '-3"')
    aws("s3", "cp", f"{url}/large.bin", tmp_path / "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == (files / "large.bin").read_bytes()
    done = aws("s3", "cp", "-", f"{url}/stream", stdin=open(files / "dir/b c.bin", "rb"))
    assert s3.get_object(Bucket=bucket, Key="stream")["Body"].read() == pattern(100000), done
    aws("s3", "cp", "--recursive", files, f"{url}/copy")
    assert "dir/sub/ü+&.txt" in aws("s3", "ls", "--recursive", f"{url}/copy/")
    listed = aws("s3", "ls", f"{url}/copy/")
    assert "PRE dir/" in listed and "a.txt" in listed
    summary = aws("s3", "ls", "--summarize", "--recursive", "--human-readable", f"{url}/copy/")
    assert "Total Objects: 6" in summary
    aws("s3", "cp", "--recursive", f"{url}/copy", f"s3://{other}/twice")  # the server copies, large.bin by parts
    aws("s3", "mv", f"{url}/large.bin", f"s3://{other}/moved.bin")
    fails(404, "404", s3.head_object, Bucket=bucket, Key="large.bin")
    assert s3.head_object(Bucket=other, Key="moved.bin")["ContentLength"] == 20 * MIB
    aws("s3", "cp", "--recursive", f"s3://{other}/twice", tmp_path / "twice")
    assert tree(tmp_path / "twice") == tree(files)
    aws("s3", "rm", "--recursive", "--exclude", "*.txt", f"s3://{other}/twice")
    assert sorted(o["Key"] for o in s3.list_objects_v2(Bucket=other, Prefix="twice/")["Contents"]) == [
        "twice/a.txt", "twice/dir/sub/ü+&.txt"]
    assert b"BucketNotEmpty" in aws("s3", "rb", url, check=False).stderr
    aws("s3", "rb", "--force", url)
    aws("s3", "rb", "--force", f"s3://{other}")
    assert bucket not in aws("s3", "ls")
    assert b"NoSuchBucket" in aws("s3", "ls", url, check=False).stderr


def test_cli_sync(aws, bucket, files, tmp_path):
    url = f"s3://{bucket}/site"
    assert aws("s3", "sync", files, url).count("upload:") == 6
    assert aws("s3", "sync", files, url) == ""
    (files / "a.txt").write_bytes(b"beta!")
    os.utime(files / "a.txt", (time.time() + 60, time.time() + 60))
    (files / "empty").unlink()
    (files / "new.txt").write_bytes(b"new")
    out = aws("s3", "sync", "--delete", files, url)
    assert sorted(line.split(":")[0] for line in out.splitlines() if line.split(":")[0] in ("upload", "delete")) == [
        "delete", "upload", "upload"]
    aws("s3", "sync", url, tmp_path / "back")
    assert tree(tmp_path / "back") == tree(files)
    aws("s3", "sync", url, f"s3://{bucket}/mirror", "--exclude", "dir/*")
    assert "mirror/a.txt" in aws("s3", "ls", "--recursive", f"s3://{bucket}/mirror")


def test_cli_presign(aws, bucket, s3):
    s3.put_object(Bucket=bucket, Key="dir/a b.txt", Body=b"signed", ContentType="text/plain")
    url = aws("s3", "presign", f"s3://{bucket}/dir/a b.txt", "--expires-in", "60").strip()
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30) as reply:
        assert reply.read() == b"signed"


def test_cli_api(aws, bucket, tmp_path):
    """s3api: what the commands above do not use."""
    body = tmp_path / "body"
    body.write_bytes(pattern(6 * MIB))

    def api(operation, *arguments):
        out = aws("s3api", operation, "--bucket", bucket, *arguments, "--output", "json")
        return json.loads(out) if out.strip() else {}

    etag = api("put-object", "--key", "k", "--body", body, "--tagging", "a=b&c=d", "--storage-class", "STANDARD_IA")["ETag"]
    assert api("head-object", "--key", "k")["StorageClass"] == "STANDARD_IA"
    assert api("get-object-tagging", "--key", "k")["TagSet"] == [{"Key": "a", "Value": "b"}, {"Key": "c", "Value": "d"}]
    api("get-object", "--key", "k", "--range", "bytes=0-9", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == pattern(6 * MIB)[:10]
    api("put-bucket-versioning", "--versioning-configuration", "Status=Enabled")
    api("delete-object", "--key", "k")
    versions = api("list-object-versions")
    assert len(versions["Versions"]) == 1 and len(versions["DeleteMarkers"]) == 1
    upload = api("create-multipart-upload", "--key", "m")["UploadId"]
    part = api("upload-part", "--key", "m", "--upload-id", upload, "--part-number", "1", "--body", body)
    assert part["ETag"] == etag
    copied = api("upload-part-copy", "--key", "m", "--upload-id", upload, "--part-number", "2", "--copy-source",
                 f"{bucket}/k?versionId={versions['Versions'][0]['VersionId']}", "--copy-source-range", "bytes=5-9")
    assert len(api("list-parts", "--key", "m", "--upload-id", upload)["Parts"]) == 2
    done = api("complete-multipart-upload", "--key", "m", "--upload-id", upload, "--multipart-upload", json.dumps(
        {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}, {"PartNumber": 2, "ETag": copied["CopyPartResult"]["ETag"]}]}))
    assert done["ETag"].endswith('-2"')
    assert api("list-objects-v2", "--max-items", "1")["Contents"][0]["Size"] == 6 * MIB + 5
    aws("s3api", "wait", "object-exists", "--bucket", bucket, "--key", "m")


# --- s3cmd ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def s3cmd(cloud, tmp_path):
    need("s3cmd")
    config = tmp_path / "s3cfg"
    config.write_text("[default]\naccess_key = test\nsecret_key = test\nuse_https = False\n"
                      f"host_base = 127.0.0.1:{cloud.port}\nhost_bucket = 127.0.0.1:{cloud.port}\n")

    def call(*arguments, check=True):
        done = run(["s3cmd", "-c", config, "--no-progress", *arguments], clean_environment(tmp_path), check)
        return done.stdout.decode() if check else done

    return call


def write_lifecycle(folder):
    path = folder / "lifecycle.xml"
    path.write_text("<LifecycleConfiguration><Rule><ID>old</ID><Prefix>old/</Prefix><Status>Enabled</Status>"
                    "<Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>")
    return path


def test_s3cmd(s3cmd, s3, files, tmp_path, name):
    bucket = "s3cmd-" + name.lower().replace("_", "-").strip("-")
    url = f"s3://{bucket}"
    s3cmd("mb", url)
    assert url in s3cmd("ls")
    s3cmd("put", "--multipart-chunk-size-mb=5", files / "large.bin", f"{url}/large.bin")
    assert s3.head_object(Bucket=bucket, Key="large.bin")["ETag"].endswith('-4"')
    s3cmd("put", "--add-header=x-amz-meta-a:b", "--mime-type=x/y", files / "a.txt", f"{url}/ü a.txt")
    head = s3.head_object(Bucket=bucket, Key="ü a.txt")
    assert head["ContentType"] == "x/y" and head["Metadata"]["a"] == "b"
    assert "MD5 sum" in s3cmd("info", f"{url}/ü a.txt")
    s3cmd("get", f"{url}/large.bin", tmp_path / "large.bin")
    assert (tmp_path / "large.bin").read_bytes() == (files / "large.bin").read_bytes()
    s3cmd("sync", f"{files}/", f"{url}/sync/")
    assert "upload" not in s3cmd("sync", f"{files}/", f"{url}/sync/")
    (tmp_path / "back").mkdir()
    s3cmd("sync", f"{url}/sync/", f"{tmp_path}/back/")
    assert tree(tmp_path / "back") == tree(files)
    s3cmd("cp", f"{url}/large.bin", f"{url}/copied.bin")
    s3cmd("mv", f"{url}/copied.bin", f"{url}/moved.bin")
    assert "moved.bin" in s3cmd("ls", url) and "DIR" in s3cmd("ls", url)
    s3cmd("modify", "--add-header=Cache-Control:no-cache", f"{url}/sync/a.txt")
    assert s3.head_object(Bucket=bucket, Key="sync/a.txt")["CacheControl"] == "no-cache"
    s3cmd("accesslog", url)
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*"}]}))
    s3cmd("setpolicy", policy, url)
    assert "111111111111" in s3cmd("info", url)
    s3cmd("delpolicy", url)
    s3cmd("ws-create", "--ws-index=index.html", "--ws-error=404.html", url)
    assert "index.html" in s3cmd("ws-info", url)
    s3cmd("ws-delete", url)
    cors = tmp_path / "cors.xml"
    cors.write_text("<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>"
                    "</CORSConfiguration>")
    s3cmd("setcors", cors, url)
    s3cmd("delcors", url)
    s3cmd("setlifecycle", write_lifecycle(tmp_path), url)
    assert "<ID>old</ID>" in s3cmd("getlifecycle", url)
    s3cmd("dellifecycle", url)
    assert "20971520" in s3cmd("du", f"{url}/moved.bin")
    signed = s3cmd("signurl", f"{url}/sync/a.txt", "+60").strip()
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(signed, timeout=30) as reply:
        assert reply.read() == b"alpha"
    s3cmd("del", "--recursive", "--force", f"{url}/sync/")
    s3cmd("rb", "--recursive", "--force", url)
    assert url not in s3cmd("ls")
    assert b"NoSuchBucket" in s3cmd("ls", url, check=False).stderr


# --- rclone --------------------------------------------------------------------------------------------------------


@pytest.fixture
def rclone(cloud, tmp_path):
    need("rclone")
    environment = {**clean_environment(tmp_path), "RCLONE_CONFIG": str(tmp_path / "rclone.conf"), "RCLONE_CONFIG_S_TYPE": "s3",
                   "RCLONE_CONFIG_S_PROVIDER": "Other", "RCLONE_CONFIG_S_ACCESS_KEY_ID": "test",
                   "RCLONE_CONFIG_S_SECRET_ACCESS_KEY": "test", "RCLONE_CONFIG_S_REGION": "us-east-1",
                   "RCLONE_CONFIG_S_ENDPOINT": cloud.endpoint, "RCLONE_CONFIG_S_FORCE_PATH_STYLE": "true",
                   "RCLONE_RETRIES": "1", "RCLONE_LOW_LEVEL_RETRIES": "1"}
    (tmp_path / "rclone.conf").write_text("")

    def call(*arguments, check=True):
        done = run(["rclone", *arguments], environment, check)
        return done.stdout.decode() if check else done

    return call


def test_rclone(rclone, s3, files, tmp_path, name):
    bucket = "rclone-" + name.lower().replace("_", "-").strip("-")
    rclone("mkdir", f"s:{bucket}")
    rclone("copy", "--s3-chunk-size", "5M", "--s3-upload-cutoff", "6M", files, f"s:{bucket}/copy")
    assert s3.head_object(Bucket=bucket, Key="copy/large.bin")["ETag"].endswith('-4"')
    rclone("check", "--download", files, f"s:{bucket}/copy")
    listed = json.loads(rclone("lsjson", "--recursive", "--files-only", "--hash", f"s:{bucket}/copy"))
    assert {entry["Path"] for entry in listed} == set(tree(files))
    when = {entry["Path"]: entry["ModTime"] for entry in listed}
    assert abs(time.time() - os.stat(files / "a.txt").st_mtime) < 3600 and when["a.txt"][:4] == time.strftime("%Y", time.gmtime(
        os.stat(files / "a.txt").st_mtime))  # kept as metadata
    rclone("sync", f"s:{bucket}/copy", f"s:{bucket}/mirror")  # the server copies
    rclone("moveto", f"s:{bucket}/mirror/a.txt", f"s:{bucket}/mirror/b.txt")
    rclone("copy", f"s:{bucket}/mirror", tmp_path / "back")
    expected = tree(files)
    expected["b.txt"] = expected.pop("a.txt")
    assert tree(tmp_path / "back") == expected
    assert rclone("cat", f"s:{bucket}/mirror/b.txt") == "alpha"
    assert json.loads(rclone("size", "--json", f"s:{bucket}"))["count"] == 12
    rclone("touch", f"s:{bucket}/touched")
    rclone("delete", f"s:{bucket}/mirror")
    rclone("purge", f"s:{bucket}")
    fails(404, "404", s3.head_bucket, Bucket=bucket)


# --- restic --------------------------------------------------------------------------------------------------------


def test_restic(cloud, files, tmp_path, bucket):
    need("restic")
    environment = {**cloud.client_environment(), "HOME": str(tmp_path), "RESTIC_PASSWORD": "secret",
                   "RESTIC_CACHE_DIR": str(tmp_path / "cache"), "RESTIC_REPOSITORY": f"s3:{cloud.endpoint}/{bucket}/backup"}

    def restic(*arguments):
        return run(["restic", "--json", *arguments], environment).stdout.decode()

    restic("init")
    restic("backup", files)
    (files / "more.txt").write_bytes(b"more")
    restic("backup", files)
    assert len(json.loads(restic("snapshots"))) == 2
    restic("check", "--read-data")
    restic("restore", "latest", "--target", tmp_path / "back")
    (restored,) = (tmp_path / "back").rglob("files")
    assert tree(restored) == tree(files)
    restic("forget", "--keep-last", "1", "--prune")
    assert len(json.loads(restic("snapshots"))) == 1
    restic("check")


# --- s3fs ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def mounted(cloud, bucket, tmp_path):
    need("s3fs")
    if not os.path.exists("/dev/fuse"):
        pytest.skip("this kernel has no FUSE")
    where = tmp_path / "mounted"
    where.mkdir()
    secret = tmp_path / "passwd"
    secret.write_text("test:test\n")
    secret.chmod(0o600)
    done = run(["s3fs", bucket, where, "-o", f"url={cloud.endpoint},use_path_request_style,passwd_file={secret},endpoint=us-east-1",
                "-o", f"multipart_size=5,logfile={tmp_path / 's3fs.log'}"], clean_environment(tmp_path), check=False)
    if done.returncode != 0 and b"fuse" in done.stderr:
        pytest.skip(f"FUSE cannot be used here: {done.stderr.decode().strip()}")
    assert done.returncode == 0, done.stderr
    try:
        wait_until(lambda: os.path.ismount(where), 10, (tmp_path / "s3fs.log").read_text() if (tmp_path / "s3fs.log").exists() else "")
        yield where
    finally:
        run(["fusermount", "-u", "-z", where], clean_environment(tmp_path), check=False)


def test_s3fs(mounted, s3, bucket, files):
    shutil.copytree(files, mounted / "files")
    assert tree(mounted / "files") == tree(files)
    assert s3.get_object(Bucket=bucket, Key="files/dir/sub/ü+&.txt")["Body"].read() == b"umlaut"
    assert s3.head_object(Bucket=bucket, Key="files/large.bin")["ContentLength"] == 20 * MIB
    with open(mounted / "files/a.txt", "ab") as file:
        file.write(b" and omega")
    assert s3.get_object(Bucket=bucket, Key="files/a.txt")["Body"].read() == b"alpha and omega"
    os.rename(mounted / "files/a.txt", mounted / "moved.txt")
    os.chmod(mounted / "moved.txt", 0o600)
    assert (mounted / "moved.txt").stat().st_mode & 0o777 == 0o600
    with open(mounted / "files/large.bin", "r+b") as file:
        file.seek(10 * MIB)
        file.write(b"changed")
    body = s3.get_object(Bucket=bucket, Key="files/large.bin")["Body"].read()
    assert body[10 * MIB:10 * MIB + 7] == b"changed" and body[:10 * MIB] == pattern(20 * MIB)[:10 * MIB]
    s3.put_object(Bucket=bucket, Key="outside.txt", Body=b"by another")
    wait_until(lambda: (mounted / "outside.txt").exists() and (mounted / "outside.txt").read_bytes() == b"by another")
    shutil.rmtree(mounted / "files")
    assert sorted(os.listdir(mounted)) == ["moved.txt", "outside.txt"]
