"""The Lambda part of bench/run.py: warm and cold invocations, and many functions on little memory."""
import base64
import datetime
import hashlib
import hmac
import http.client
import io
import json
import shutil
import statistics
import time
import urllib.parse
import zipfile
from pathlib import Path

MIB = 1 << 20
WARM, P50_MS = 3000, 0.5
COLD_MS = {"python3.12": 30, "nodejs20.x": 60, "provided.al2023": 10}
NAMES = {"python3.12": "Python", "nodejs20.x": "Node.js", "provided.al2023": "provided.al2023"}
MANY, MANY_S, MANY_MIB, COLD = 500, 30, 300, 11
TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}


def signed_headers(port, service, path, body, kind):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = "%s/us-east-1/%s/aws4_request" % (now[:8], service)
    fields = {"content-type": kind, "host": "127.0.0.1:%d" % port, "x-amz-date": now}
    names = ";".join(fields)
    canonical = "POST\n%s\n\n%s\n\n%s\n%s" % (
        path, "\n".join("%s:%s" % item for item in fields.items()), names, hashlib.sha256(body).hexdigest())
    key = b"AWS4test"
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (now, scope, hashlib.sha256(canonical.encode()).hexdigest())
    fields["authorization"] = "AWS4-HMAC-SHA256 Credential=test/%s, SignedHeaders=%s, Signature=%s" % (
        scope, names, hmac.digest(key, text.encode(), "sha256").hex())
    return fields


def archive(name, content, mode=0o644):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = (0o100000 | mode) << 16
        made.writestr(entry, content)
    return base64.b64encode(out.getvalue()).decode()


def family(pid):
    """A process and all that come from it."""
    found = [pid]
    for children in Path("/proc/%d/task" % pid).glob("*/children"):
        for child in children.read_text().split():
            found += family(int(child))
    return found


def proportional_bytes(pid):
    try:
        lines = Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has just ended
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


class Client:
    def __init__(self, bench, server):
        self.bench, self.port = bench, server.port
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.codes = {
            "python3.12": ("h.handler", archive("h.py", "def handler(event, context):\n    return {}\n")),
            "nodejs20.x": ("h.handler", archive("h.js", "exports.handler = async (event) => ({});\n")),
            "provided.al2023": ("none", archive("bootstrap", (bench.build / "bench" / "bootstrap").read_bytes(), 0o755)),
        }
        for action in ({"Action": "CreateRole", "AssumeRolePolicyDocument": json.dumps(TRUST)},
                       {"Action": "PutRolePolicy", "PolicyName": "p", "PolicyDocument": json.dumps(ALLOW)}):
            form = {"Version": "2010-05-08", "RoleName": "bench", **action}
            self.post("iam", "/", urllib.parse.urlencode(form).encode(), "application/x-www-form-urlencoded")

    def post(self, service, path, body, kind="application/json"):
        self.connection.request("POST", path, body, signed_headers(self.port, service, path, body, kind))
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError("%s: %d %s" % (path, answer.status, text.decode()))
        return text

    def make(self, name, runtime):
        handler, code = self.codes[runtime]
        self.post("lambda", "/2015-03-31/functions", json.dumps({
            "FunctionName": name, "Runtime": runtime, "Handler": handler, "Timeout": 30,
            "Role": "arn:aws:iam::000000000000:role/bench", "Code": {"ZipFile": code}}).encode())

    def invoke(self, name):
        begin = time.perf_counter()
        if self.post("lambda", "/2015-03-31/functions/%s/invocations" % name, b"{}") != b"{}":
            raise RuntimeError("%s: another answer than {}" % name)
        return time.perf_counter() - begin


class Functions:
    def __init__(self, bench):
        self.bench = bench

    def runtimes(self):
        return [runtime for runtime in COLD_MS if runtime != "nodejs20.x" or shutil.which("node")]

    def settle(self):
        """Functions are Pending for a moment after they were made."""
        time.sleep(1)

    def measure_warm(self, server, client, runtime):
        name = "warm-" + runtime.split(".")[0]
        client.make(name, runtime)
        self.settle()
        client.invoke(name)
        one = self.bench.row("Invoke, %s, one after another" % NAMES[runtime],
                             self.bench.load(server, "lambda-invoke", queue=name, connections=1, messages=1))
        self.bench.judge("Invoke, warm, %s" % NAMES[runtime], one["per_second"], "/s", WARM, at_most=False)
        self.bench.judge("Invoke, warm, %s, p50" % NAMES[runtime], one["operations"][0]["p50_us"] / 1e3, "ms", P50_MS)
        self.bench.row("Invoke, %s, four at once" % NAMES[runtime],
                       self.bench.load(server, "lambda-invoke", queue=name, connections=4, messages=1))

    def measure_cold(self, client, runtime):
        names = ["cold-%s-%d" % (runtime.split(".")[0], i) for i in range(COLD)]
        for name in names:
            client.make(name, runtime)
        self.settle()
        # The first one looks for the interpreter, and pulls its files into memory.
        times = [client.invoke(name) for name in names][1:]
        self.bench.judge("first invocation of a function, %s (median of %d)" % (NAMES[runtime], len(times)),
                         statistics.median(times) * 1e3, "ms", COLD_MS[runtime])

    def measure_many(self, server, client):
        for i in range(MANY):
            client.make("many%d" % i, "python3.12")
        self.settle()
        begin = time.perf_counter()
        for i in range(MANY):
            client.invoke("many%d" % i)
        took = time.perf_counter() - begin
        memory = sum(proportional_bytes(pid) for pid in family(server.pid))
        self.bench.judge("%d functions, each invoked once" % MANY, took, "s", MANY_S)
        self.bench.judge("memory after that, of the server and all environments", memory / MIB, "MiB", MANY_MIB)

    def run(self):
        self.bench.say("functions")
        for runtime in self.runtimes():
            with self.bench.serve() as server:
                client = Client(self.bench, server)
                self.measure_cold(client, runtime)
                self.measure_warm(server, client, runtime)
        with self.bench.serve(free=True) as server:
            self.measure_many(server, Client(self.bench, server))
