"""The S3 part of bench/run.py: small objects, long listings, large bodies against nginx and OpenSSL."""
import datetime
import hashlib
import hmac
import json
import os
import random
import re
import statistics
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

MIB = 1 << 20
PUT_SHARE, GET_SHARE, LIST_SHARE = 35, 50, 80
LARGE_SHARE, LARGE_MIB, GET_TURNS = 80, 16, 11
BUCKET = "bench"
NGINX = "/usr/sbin/nginx"


def request_head(port, method, path, query="", payload="UNSIGNED-PAYLOAD", length=0, **headers):
    """A signed request's head; `headers` by names with '_' for '-'."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = now[:8] + "/us-east-1/s3/aws4_request"
    fields = {"host": "127.0.0.1:%d" % port, "x-amz-content-sha256": payload, "x-amz-date": now}
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    names = ";".join(sorted(fields))
    canonical = "%s\n%s\n%s\n%s\n\n%s\n%s" % (
        method, path, query, "\n".join("%s:%s" % (name, fields[name]) for name in sorted(fields)), names, payload)
    key = b"AWS4test"
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (now, scope, hashlib.sha256(canonical.encode()).hexdigest())
    fields["authorization"] = "AWS4-HMAC-SHA256 Credential=test/%s, SignedHeaders=%s, Signature=%s" % (
        scope, names, hmac.digest(key, text.encode(), "sha256").hex())
    if method != "GET":
        fields["content-length"] = str(length)
    target = path + ("?" + query if query else "")
    return "%s %s HTTP/1.1\r\n%s\r\n\r\n" % (method, target, "\r\n".join("%s: %s" % f for f in fields.items()))


class Peak(threading.Thread):
    """How far a process's anonymous memory grows while something runs."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.path, self.ended = Path("/proc/%d/status" % pid), threading.Event()
        self.before = self.peak = self.now()

    def now(self):
        return int(re.search(r"RssAnon:\s*(\d+) kB", self.path.read_text())[1]) * 1024

    def run(self):
        while not self.ended.wait(0.02):
            self.peak = max(self.peak, self.now())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()

    @property
    def grown(self):
        return self.peak - self.before


class S3:
    def __init__(self, bench):
        self.bench, self.quick = bench, bench.quick
        self.size = 256 * MIB if self.quick else 1024 * MIB
        self.keys = 10_000_000 if bench.full else 100_000 if self.quick else 1_000_000
        self.part = 16 * MIB if self.quick else 512 * MIB
        self.block = bench.scratch / "block"
        self.bytes = random.Random(3).randbytes(MIB)
        self.block.write_bytes(self.bytes)

    # --- small objects and listings

    def measure_small(self, server):
        bench = self.bench
        echo = bench.figures["echo"]["per_second"]
        for name, workload, share in (("PutObject", "s3-put", PUT_SHARE), ("GetObject", "s3-get", GET_SHARE)):
            result = bench.row(name + " of 1 KiB", bench.load(server, workload, queue=BUCKET, body_bytes=1024))
            bench.judge("%s of 1 KiB, share of echo" % name, result["per_second"] / echo * 100, "%", share, at_most=False)

        bench.row("GetObject of 1 KiB, issued key",
                  bench.load(server, "s3-get", queue=BUCKET, body_bytes=1024, **bench.issue(server)))

    def measure_lists(self, server):
        bench = self.bench
        bench.load(server, "s3-fill", queue="bench-few", messages=1000)
        few = bench.row("ListObjectsV2 of 1,000 keys", bench.load(server, "s3-list", queue="bench-few", messages=1000,
                                                                  connections=8))
        bench.load(server, "s3-fill", queue="bench-many", messages=self.keys, timeout=3600)
        many = bench.row("ListObjectsV2 of 1,000 among %s keys" % format(self.keys, ","),
                         bench.load(server, "s3-list", queue="bench-many", messages=self.keys, connections=8))
        # The server's time, not the rate: the two are not measured at the same moment.
        bench.judge("ListObjectsV2, a page of 1,000 among 1,000 keys, of the time for one among %s" % format(self.keys, ","),
                    few["server_cpu_us"] / many["server_cpu_us"] * 100, "%", LIST_SHARE, at_most=False)

    # --- large bodies: client and server share all cores, as they do for nginx

    def bulk(self, way, port, head, size):
        path = self.bench.scratch / "head"
        path.write_text(head)
        done = subprocess.run([self.bench.build / "bench" / "bulk", way, str(port), path, self.block, str(size)],
                              capture_output=True, text=True, timeout=600, preexec_fn=self.bench.cores.free)
        if done.returncode != 0:
            raise RuntimeError("bulk %s: %s" % (way, done.stderr))
        return size / json.loads(done.stdout)["seconds"]

    def put(self, port, key, size, query="", **headers):
        return self.bulk("put", port, request_head(port, "PUT", "/%s/%s" % (BUCKET, key), query, length=size, **headers), size)

    def get(self, port, path, size):
        return self.bulk("get", port, request_head(port, "GET", path), size)

    def openssl(self, algorithm):
        out = subprocess.run(["openssl", "speed", "-elapsed", "-seconds", "2", "-bytes", "65536", "-evp", algorithm],
                             capture_output=True, text=True, timeout=60, preexec_fn=self.bench.cores.free).stdout
        return float(out.split()[-1].rstrip("k")) * 1000

    def disk(self):
        path, begin = self.bench.scratch / "disk", time.perf_counter()
        with open(path, "wb", buffering=0) as file:
            for _ in range(self.size // MIB):
                file.write(self.bytes)
        took = time.perf_counter() - begin
        path.unlink()
        return self.size / took

    def best(self, measure, times=3):
        return max(measure() for _ in range(times))

    def measure_large_put(self, server):
        bench, port = self.bench, server.port
        digest = hashlib.sha256()
        for _ in range(self.size // MIB):
            digest.update(self.bytes)
        import base64
        sha256 = base64.b64encode(digest.digest()).decode()
        md5_rate, sha_rate, disk = self.openssl("md5"), self.openssl("sha256"), self.disk()
        limit = min(1 / (1 / md5_rate + 1 / sha_rate), disk)
        with Peak(server.pid) as peak:
            rate = self.best(lambda: self.put(port, "large", self.size, x_amz_checksum_sha256=sha256))
            plain = self.best(lambda: self.put(port, "large", self.size))
        size = "%d MiB" % (self.size // MIB)
        bench.facts.append(("OpenSSL's MD5 / SHA-256, the disk", "%.0f / %.0f, %.0f MB/s" % (
            md5_rate / 1e6, sha_rate / 1e6, disk / 1e6)))
        bench.facts.append(("PutObject of %s with SHA-256 / with CRC64NVME" % size, "%.0f / %.0f MB/s" % (rate / 1e6, plain / 1e6)))
        bench.judge("PutObject of %s with SHA-256, of OpenSSL's MD5 and SHA-256 or the disk" % size, rate / limit * 100, "%",
                    LARGE_SHARE, at_most=False)
        bench.judge("PutObject of %s, memory" % size, peak.grown / MIB, "MiB", LARGE_MIB)

    def measure_large_get(self, server):
        bench, folder = self.bench, self.bench.scratch / "nginx"
        folder.mkdir()
        with open(folder / "large", "wb") as file:
            for _ in range(self.size // MIB):
                file.write(self.bytes)
        port = bench.free_port()
        (folder / "nginx.conf").write_text(
            "daemon off; worker_processes auto; error_log %(f)s/error.log; pid %(f)s/pid; user %(u)s;\n"
            "events { worker_connections 512; }\n"
            "http { access_log off; sendfile on; tcp_nopush on; client_body_temp_path %(f)s/b; proxy_temp_path %(f)s/p;\n"
            "fastcgi_temp_path %(f)s/c; uwsgi_temp_path %(f)s/w; scgi_temp_path %(f)s/s;\n"
            "server { listen 127.0.0.1:%(p)d; root %(f)s; } }\n" % {
                "f": folder, "p": port, "u": __import__("pwd").getpwuid(os.getuid()).pw_name})
        nginx = subprocess.Popen([NGINX, "-p", folder, "-c", folder / "nginx.conf"], preexec_fn=bench.cores.free,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            ours, theirs = [], []
            with Peak(server.pid) as peak:
                for _ in range(GET_TURNS):  # in turns, so that both see the same neighbours
                    ours.append(self.get(server.port, "/%s/large" % BUCKET, self.size))
                    theirs.append(self.get(port, "/large", self.size))
        finally:
            nginx.terminate()
            nginx.wait()
        size = "%d MiB" % (self.size // MIB)
        # Medians: both have fast runs now and then, in which the client never sleeps (README.md), and the best of a few turns
        # says who had one.
        middle = [statistics.median(rates) for rates in (ours, theirs)]
        bench.facts.append(("GetObject of %s / the same from nginx, medians of %d turns (best)" % (size, GET_TURNS),
                            "%.0f / %.0f MB/s (%.0f / %.0f)" % tuple(rate / 1e6 for rate in (*middle, max(ours), max(theirs)))))
        bench.judge("GetObject of %s, of nginx" % size, middle[0] / middle[1] * 100, "%", LARGE_SHARE, at_most=False)
        bench.judge("GetObject of %s, memory" % size, peak.grown / MIB, "MiB", LARGE_MIB)

    def call(self, port, method, path, query, body=b""):
        import http.client
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        head = request_head(port, method, path, query, payload=hashlib.sha256(body).hexdigest(), length=len(body))
        connection.connect()
        connection.sock.sendall(head.encode() + body)
        reply = http.client.HTTPResponse(connection.sock, method=method)
        reply.begin()
        text = reply.read().decode()
        connection.close()
        if reply.status != 200:
            raise RuntimeError("%s %s?%s: %d\n%s" % (method, path, query, reply.status, text))
        return text

    def measure_complete(self, server):
        """Ten parts become one object: no byte of them is read or written."""
        port, path = server.port, "/%s/multi" % BUCKET
        upload = re.search("<UploadId>(.*?)</UploadId>", self.call(port, "POST", path, "uploads="))[1]
        digest = hashlib.md5()
        for _ in range(self.part // MIB):
            digest.update(self.bytes)
        parts = ""
        for number in range(1, 11):
            self.put(port, "multi", self.part, "partNumber=%d&uploadId=%s" % (number, urllib.parse.quote(upload, safe="")))
            parts += "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>" % (number, digest.hexdigest())

        def counted():
            return {n: int(v) for n, v in re.findall(r"(\w+): (\d+)", Path("/proc/%d/io" % server.pid).read_text())}

        before, begin = counted(), time.perf_counter()
        self.call(port, "POST", path, "uploadId=" + urllib.parse.quote(upload, safe=""),
                  ("<CompleteMultipartUpload>%s</CompleteMultipartUpload>" % parts).encode())
        took, after = time.perf_counter() - begin, counted()
        moved = sum(after[name] - before[name] for name in ("rchar", "wchar"))
        size = "%d MiB" % (10 * self.part // MIB)
        self.bench.judge("CompleteMultipartUpload of %s" % size, took * 1e3, "ms", 50)
        self.bench.judge("CompleteMultipartUpload of %s, bytes read and written" % size, moved / 1024, "KiB", 64)

    def run(self):
        bench = self.bench
        with bench.serve() as server:
            self.measure_small(server)
            self.measure_lists(server)
        with bench.serve(free=True) as server:
            self.call(server.port, "PUT", "/" + BUCKET, "")
            self.measure_large_put(server)
            self.measure_large_get(server)
            self.measure_complete(server)
