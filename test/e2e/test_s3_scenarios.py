"""What people did with S3, as test scenarios name it."""

import concurrent.futures
import csv
import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time
import urllib.request

import botocore.exceptions
from boto3.s3.transfer import TransferConfig
from kumoniwa import SLOWNESS, wait_until
from test_boto3_s3 import fails, pattern
from test_s3_clients import aws, files, run, tree  # noqa: F401 (fixtures)

MIB = 1 << 20


def test_b22_a_user_who_sees_one_bucket(cloud, bucket, s3, name):
    """Nothing but that bucket, not even that there are others. The trap: ListBucket's resource is the bucket, and with a
    slash behind it the policy says nothing that is ever asked."""
    iam, user = cloud.client("iam"), name[:60]
    s3.put_object(Bucket=bucket, Key="dir/a", Body=b"1")
    other = f"{bucket[:50]}-other"
    s3.create_bucket(Bucket=other)
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    mine = cloud.client("s3", key=key["AccessKeyId"], secret=key["SecretAccessKey"])

    def allow(list_resource):
        iam.put_user_policy(UserName=user, PolicyName="one-bucket", PolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": list_resource},
                {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                 "Resource": f"arn:aws:s3:::{bucket}/*"}]}))

    fails(403, "AccessDenied", mine.list_objects_v2, Bucket=bucket)
    allow(f"arn:aws:s3:::{bucket}/")
    error = fails(403, "AccessDenied", mine.list_objects_v2, Bucket=bucket)
    assert "s3:ListBucket" in error["Message"] and f"arn:aws:s3:::{bucket}" in error["Message"]
    fails(403, "AccessDenied", mine.get_object, Bucket=bucket, Key="none")  # who may not list does not learn what is missing
    assert mine.get_object(Bucket=bucket, Key="dir/a")["Body"].read() == b"1"
    allow(f"arn:aws:s3:::{bucket}")
    assert [o["Key"] for o in mine.list_objects_v2(Bucket=bucket)["Contents"]] == ["dir/a"]
    fails(404, "NoSuchKey", mine.get_object, Bucket=bucket, Key="none")
    mine.put_object(Bucket=bucket, Key="dir/b", Body=b"2")
    mine.delete_object(Bucket=bucket, Key="dir/b")
    fails(403, "AccessDenied", mine.list_buckets)
    fails(403, "AccessDenied", mine.list_objects_v2, Bucket=other)
    fails(403, "AccessDenied", mine.put_object, Bucket=other, Key="k", Body=b"")
    fails(403, "AccessDenied", mine.put_bucket_policy, Bucket=bucket, Policy="{}")
    # The same by the command line.
    environment = cloud.client_environment(AWS_ACCESS_KEY_ID=key["AccessKeyId"], AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"])
    command = [str(pathlib.Path(sys.executable).parent / "aws"), "--endpoint-url", cloud.endpoint, "s3", "ls"]
    assert b"PRE dir/" in run([*command, f"s3://{bucket}"], environment).stdout
    assert b"AccessDenied" in run(command, environment, check=False).stderr


def test_c3_a_data_base_for_shell_scripts(cloud, bucket, s3, tmp_path):
    """Many small plain-text objects: written in bulk, listed, read and rewritten by a script of the AWS CLI and a pipe."""
    count = 2000
    folder = tmp_path / "data base"
    for i in range(count):
        path = folder / f"user/{i % 100:02d}/{i:05d}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"name=user {i}\nvisits={i}\n")
    script = tmp_path / "rewrite.sh"
    script.write_text("""set -eu
aws() { "$AWS" --endpoint-url "$AWS_ENDPOINT_URL" --only-show-errors "$@"; }
aws s3 sync "$1" "s3://$2/table"
test "$("$AWS" --endpoint-url "$AWS_ENDPOINT_URL" s3 ls --recursive "s3://$2/table/user/07/" | wc -l)" = 20
# Read a part of the table, rewrite it, write it back.
aws s3 cp --recursive "s3://$2/table/user/07" "$3"
for file in "$3"/*.txt; do
    visits=$(sed -n 's/^visits=//p' "$file")
    sed "s/^visits=.*/visits=$((visits + 1))/" "$file" >"$file.new"
    mv "$file.new" "$file"
done
aws s3 sync --size-only "$3" "s3://$2/table/user/07"
aws s3 cp --recursive "$3" "s3://$2/table/user/07"
# One by one, as a shell does.
printf 'name=single\\nvisits=1\\n' | aws s3 cp - "s3://$2/table/user/single.txt"
aws s3 cp "s3://$2/table/user/single.txt" - | grep -q '^name=single$'
aws s3 mv --recursive "s3://$2/table/user/08" "s3://$2/archive"
aws s3 rm --recursive "s3://$2/table/user/09"
""")
    program = pathlib.Path(sys.executable).parent / "aws"
    config = tmp_path / "config"
    config.write_text("[default]\ns3 =\n  max_concurrent_requests = 4\n")
    begin = time.monotonic()
    run(["bash", script, folder, bucket, tmp_path / "part"],
        cloud.client_environment(AWS=str(program), AWS_CONFIG_FILE=str(config)))
    took = time.monotonic() - begin
    listed = [o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket) for o in page["Contents"]]
    assert len(listed) == count - 20 + 1 and sum(key.startswith("archive/") for key in listed) == 20
    for i in range(7, count, 100):
        text = s3.get_object(Bucket=bucket, Key=f"table/user/07/{i:05d}.txt")["Body"].read().decode()
        assert text == f"name=user {i}\nvisits={i + 1}\n"
    assert took < 120 * SLOWNESS, f"{took:.0f} s for {count} objects"


def test_d5_static_site_by_the_command_line(aws, cloud, bucket, tmp_path, s3):
    """Built, synchronised, open to everyone by policy, served as a website with an index and an error page."""
    site = tmp_path / "site"
    for name, text in {"index.html": "<h1>home</h1>", "404.html": "<h1>lost</h1>", "docs/index.html": "<h1>docs</h1>",
                       "style.css": "h1 {color: green}", "app.js": "1", "pic.svg": "<svg/>"}.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    aws("s3", "sync", site, f"s3://{bucket}", "--delete", "--cache-control", "max-age=60")
    types = {key: s3.head_object(Bucket=bucket, Key=key)["ContentType"] for key in ("index.html", "style.css", "pic.svg")}
    assert types == {"index.html": "text/html", "style.css": "text/css", "pic.svg": "image/svg+xml"}
    done = aws("s3", "website", f"s3://{bucket}", "--index-document", "index.html", "--error-document", "404.html", check=False)
    assert done.returncode == 0, done.stderr
    aws("s3api", "delete-public-access-block", "--bucket", bucket)
    aws("s3api", "put-bucket-policy", "--bucket", bucket, "--policy", json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                                                "Resource": f"arn:aws:s3:::{bucket}/*"}]}))

    def visit(path):
        request = urllib.request.Request(cloud.endpoint + path, headers={"Host": f"{bucket}.s3-website.localhost:{cloud.port}"})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as reply:
                return reply.status, reply.headers["Content-Type"], reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Content-Type"], error.read().decode()

    assert visit("/") == (200, "text/html", "<h1>home</h1>")
    assert visit("/docs/") == (200, "text/html", "<h1>docs</h1>")
    assert visit("/style.css") == (200, "text/css", "h1 {color: green}")
    assert visit("/docs") == (200, "text/html", "<h1>docs</h1>")  # by way of a redirect
    status, _, text = visit("/none.html")
    assert (status, text) == (403, "<h1>lost</h1>")  # nobody may list: what is missing looks forbidden
    (site / "app.js").unlink()
    (site / "index.html").write_text("<h1>new home</h1>")
    os.utime(site / "index.html", (time.time() + 60, time.time() + 60))
    out = aws("s3", "sync", site, f"s3://{bucket}", "--delete")
    assert "delete:" in out and "upload:" in out
    assert visit("/")[2] == "<h1>new home</h1>"


def csv_of(number, rows):
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["id", "when", "amount"])
    for row in range(rows):
        table.writerow([number * rows + row, f"2026-11-{row % 28 + 1:02d}", row * 7 % 1000])
    return gzip.compress(text.getvalue().encode(), mtime=0)


def test_e15_thousands_of_csv_gz(own):
    """Parallel and resumable: the program is killed in the midst of it. Single-part ETags are MD5s, large ones go by parts
    that are continued where they stopped; sizes by prefix add up."""
    retries = {"retries": {"mode": "standard", "total_max_attempts": 10}}
    own.client("s3").create_bucket(Bucket="lake")
    days, each = 20, 100
    expected, sizes = {}, {}
    for day in range(days):
        for number in range(each):
            key = f"raw/day={day:02d}/part-{number:05d}.csv.gz"
            expected[key] = csv_of(day * each + number, 20 + number % 7)
            sizes[day] = sizes.get(day, 0) + len(expected[key])
    keys = list(expected)
    random.Random(15).shuffle(keys)

    def upload(part):
        client = own.client("s3", **retries)
        for key in keys[part::4]:
            while True:
                try:
                    reply = client.put_object(Bucket="lake", Key=key, Body=expected[key], ContentType="application/gzip")
                    break
                except (botocore.exceptions.ClientError, botocore.exceptions.HTTPClientError):
                    time.sleep(0.05)
            assert reply["ETag"] == f'"{hashlib.md5(expected[key]).hexdigest()}"'

    large = random.Random(7).randbytes(24 * MIB)
    client = own.client("s3", **retries)
    begun = client.create_multipart_upload(Bucket="lake", Key="raw/large.csv.gz")["UploadId"]
    one = {"Bucket": "lake", "Key": "raw/large.csv.gz", "UploadId": begun}
    for number in (1, 2):
        client.upload_part(**one, PartNumber=number, Body=large[(number - 1) * 8 * MIB:number * 8 * MIB])
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        working = [pool.submit(upload, part) for part in range(4)]
        for _ in range(2):
            time.sleep(0.7)
            own.kill()
            own.start()
        for job in working:
            job.result()
    # Resumed by another program: what is there is asked for, what is missing is sent.
    client = own.client("s3")
    (open_upload,) = client.list_multipart_uploads(Bucket="lake")["Uploads"]
    one["UploadId"] = open_upload["UploadId"]
    there = {p["PartNumber"]: p["ETag"] for p in client.list_parts(**one)["Parts"]}
    assert there == {n: f'"{hashlib.md5(large[(n - 1) * 8 * MIB:n * 8 * MIB]).hexdigest()}"' for n in (1, 2)}
    there[3] = client.upload_part(**one, PartNumber=3, Body=large[16 * MIB:])["ETag"]
    parts = {"Parts": [{"PartNumber": n, "ETag": etag} for n, etag in sorted(there.items())]}
    whole = client.complete_multipart_upload(**one, MultipartUpload=parts)
    digests = b"".join(hashlib.md5(large[n * 8 * MIB:(n + 1) * 8 * MIB]).digest() for n in range(3))
    assert whole["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    found, total = {}, 0
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix="raw/day="):
        for entry in page["Contents"]:
            day = int(entry["Key"][8:10])
            found[day] = found.get(day, 0) + entry["Size"]
            assert entry["ETag"] == f'"{hashlib.md5(expected[entry["Key"]]).hexdigest()}"'
            total += 1
    assert total == days * each and found == sizes
    folders = client.list_objects_v2(Bucket="lake", Prefix="raw/", Delimiter="/")
    assert [p["Prefix"] for p in folders["CommonPrefixes"]] == [f"raw/day={day:02d}/" for day in range(days)]
    sample = keys[0]
    assert gzip.decompress(client.get_object(Bucket="lake", Key=sample)["Body"].read()).startswith(b"id,when,amount")
    assert client.get_object(Bucket="lake", Key="raw/large.csv.gz")["Body"].read() == large


def test_e15_archived_until_they_are_restored(own):
    """A lifecycle moves the files to DEEP_ARCHIVE; nobody reads them until restore-object is done, and a while after that
    nobody does again."""
    s3 = own.client("s3")
    s3.create_bucket(Bucket="lake")
    bodies = {f"raw/day=00/part-{n:05d}.csv.gz": csv_of(n, 20) for n in range(50)}
    bodies["raw/large.csv.gz"] = random.Random(7).randbytes(6 * MIB)
    for key, body in bodies.items():
        s3.put_object(Bucket="lake", Key=key, Body=body)
    s3.put_object(Bucket="lake", Key="other/hot.csv", Body=b"1")
    s3.put_bucket_lifecycle_configuration(
        Bucket="lake", TransitionDefaultMinimumObjectSize="varies_by_storage_class",  # these are smaller than 128 KB
        LifecycleConfiguration={"Rules": [{
            "ID": "cold", "Status": "Enabled", "Filter": {"Prefix": "raw/"},
            "Transitions": [{"Days": 7, "StorageClass": "DEEP_ARCHIVE"}]}]})

    def classes():
        return {o["Key"]: o["StorageClass"] for o in s3.list_objects_v2(Bucket="lake")["Contents"]}

    own.run("clock", "advance", "144h")
    time.sleep(0.5)
    assert set(classes().values()) == {"STANDARD"}
    own.run("clock", "advance", "48h")
    wait_until(lambda: list(classes().values()).count("DEEP_ARCHIVE") == len(bodies), 30)
    assert classes()["other/hot.csv"] == "STANDARD"
    key = "raw/large.csv.gz"
    for one in (key, "raw/day=00/part-00007.csv.gz"):
        fails(403, "InvalidObjectState", s3.get_object, Bucket="lake", Key=one)
        s3.restore_object(Bucket="lake", Key=one, RestoreRequest={"Days": 2, "GlacierJobParameters": {"Tier": "Standard"}})
    assert s3.head_object(Bucket="lake", Key=key)["Restore"] == 'ongoing-request="true"'
    own.run("clock", "advance", "11h")
    fails(403, "InvalidObjectState", s3.get_object, Bucket="lake", Key=key)
    own.run("clock", "advance", "61m")
    wait_until(lambda: "false" in s3.head_object(Bucket="lake", Key=key)["Restore"], 30)
    for one in (key, "raw/day=00/part-00007.csv.gz"):
        assert s3.get_object(Bucket="lake", Key=one)["Body"].read() == bodies[one]
    fails(403, "InvalidObjectState", s3.get_object, Bucket="lake", Key="raw/day=00/part-00008.csv.gz")
    own.run("clock", "advance", "96h")
    wait_until(lambda: "Restore" not in s3.head_object(Bucket="lake", Key=key), 30)
    fails(403, "InvalidObjectState", s3.get_object, Bucket="lake", Key=key)
    assert classes()[key] == "DEEP_ARCHIVE"


def test_e17_a_crawler_writes_json_lines(cloud, bucket, s3):
    """botocore alone, in threads: pages are appended to a buffer, and each full buffer becomes an object; a reader follows
    by StartAfter."""
    import botocore.config
    import botocore.session

    session = botocore.session.Session()
    session.set_credentials("test", "test")
    crawler = session.create_client("s3", region_name="us-east-1", endpoint_url=cloud.endpoint,
                                    config=botocore.config.Config(max_pool_connections=8, proxies={}))
    pages, per_object, lock, numbers = 3000, 100, threading.Lock(), iter(range(10**9))

    def crawl(part):
        lines = []
        for page in range(part, pages, 4):
            record = {"url": f"https://example.com/{page}", "title": f"Seite {page} ✓", "links": list(range(page % 5))}
            lines.append(json.dumps(record, ensure_ascii=False))
            if len(lines) == per_object or page + 4 >= pages:
                with lock:
                    number = next(numbers)
                crawler.put_object(Bucket=bucket, Key=f"crawl/2026/11/21/{number:08d}.jsonl",
                                   Body=("\n".join(lines) + "\n").encode(), ContentType="application/x-ndjson",
                                   Metadata={"lines": str(len(lines))})
                lines = []

    seen, marker = {}, ""

    def follow():
        nonlocal marker
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="crawl/", StartAfter=marker):
            for entry in page.get("Contents", []):
                got = s3.get_object(Bucket=bucket, Key=entry["Key"])
                lines = [json.loads(line) for line in got["Body"].iter_lines()]
                assert len(lines) == int(got["Metadata"]["lines"])
                for line in lines:
                    seen[line["url"]] = seen.get(line["url"], 0) + 1
                marker = entry["Key"]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for job in [pool.submit(crawl, part) for part in range(4)]:
            job.result()
    follow()
    assert len(seen) == pages and set(seen.values()) == {1}
    follow()  # nothing new
    assert set(seen.values()) == {1}
    assert seen["https://example.com/2999"] == 1
