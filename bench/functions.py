"""The Lambda part of bench/run.py: warm and cold invocations, and many functions on little memory."""
import base64
import concurrent.futures
import datetime
import hashlib
import hmac
import http.client
import io
import json
import re
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
MESSAGES_S, BATCH, SIDE_BY_SIDE = 10000, 10, 10
TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["logs:*", "sqs:*"], "Resource": "*"}]}
# Counts what comes. Asked for its count it takes a moment, so that each environment is asked once.
COUNTS = """
import os, time
me, seen = os.urandom(8).hex(), 0
def handler(event, context):
    global seen
    if "count" in event:
        time.sleep(1)
        return [me, seen]
    seen += len(event["Records"])
"""


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
            "counts": ("h.handler", archive("h.py", COUNTS)),
            "provided.al2023": ("none", archive("bootstrap", (bench.build / "bench" / "bootstrap").read_bytes(), 0o755)),
        }
        for action in ({"Action": "CreateRole", "AssumeRolePolicyDocument": json.dumps(TRUST)},
                       {"Action": "PutRolePolicy", "PolicyName": "p", "PolicyDocument": json.dumps(ALLOW)}):
            self.ask("iam", RoleName="bench", **action)

    def post(self, service, path, body, kind="application/json"):
        self.connection.request("POST", path, body, signed_headers(self.port, service, path, body, kind))
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in (200, 201, 202):
            raise RuntimeError("%s: %d %s" % (path, answer.status, text.decode()))
        return text

    def ask(self, service, **members):
        """An operation of the query protocol."""
        version = {"iam": "2010-05-08", "sqs": "2012-11-05"}[service]
        form = urllib.parse.urlencode({"Version": version, **members}).encode()
        return self.post(service, "/", form, "application/x-www-form-urlencoded").decode()

    def make(self, name, runtime, code=None):
        handler, code = self.codes[code or runtime]
        self.post("lambda", "/2015-03-31/functions", json.dumps({
            "FunctionName": name, "Runtime": runtime, "Handler": handler, "Timeout": 30,
            "Role": "arn:aws:iam::000000000000:role/bench", "Code": {"ZipFile": code}}).encode())

    def invoke_with(self, name, event):
        return self.post("lambda", "/2015-03-31/functions/%s/invocations" % name, event)

    def invoke(self, name):
        begin = time.perf_counter()
        if self.invoke_with(name, b"{}") != b"{}":
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

    def waiting(self, client, url):
        """Messages of a queue: visible and in flight."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        text = client.ask("sqs", Action="GetQueueAttributes", QueueUrl=url,
                          **{"AttributeName.%d" % (i + 1): name for i, name in enumerate(names)})
        return sum(int(value) for value in re.findall(r"<Value>(\d+)</Value>", text))

    def counted(self, port):
        """What all environments have counted together."""
        def one(_):
            path = "/2015-03-31/functions/counts/invocations"
            body = b'{"count": true}'
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("POST", path, body, signed_headers(port, "lambda", path, body, "application/json"))
            return tuple(json.loads(connection.getresponse().read()))
        with concurrent.futures.ThreadPoolExecutor(2 * SIDE_BY_SIDE) as threads:
            return sum(seen for _, seen in set(threads.map(one, range(2 * SIDE_BY_SIDE))))

    def measure_queue(self, server, client):
        """Messages that are there already, from the moment when they may be taken until the last one is deleted."""
        count = 20_000 if self.bench.quick else 100_000
        client.make("counts", "python3.12", "counts")
        url = re.search("<QueueUrl>(.*)</QueueUrl>", client.ask("sqs", Action="CreateQueue", QueueName="counted"))[1]
        for first in range(0, count, 10):
            client.ask("sqs", Action="SendMessageBatch", QueueUrl=url, **{
                "SendMessageBatchRequestEntry.%d.%s" % (i + 1, name): "message %d" % (first + i) if name == "MessageBody" else i
                for i in range(10) for name in ("Id", "MessageBody")})
        self.settle()
        client.invoke_with("counts", b'{"count": true}')
        begin = time.perf_counter()
        client.post("lambda", "/2015-03-31/event-source-mappings", json.dumps({
            "FunctionName": "counts", "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:counted", "BatchSize": BATCH,
            "ScalingConfig": {"MaximumConcurrency": SIDE_BY_SIDE}}).encode())
        while self.waiting(client, url) > 0:
            if time.perf_counter() - begin > 120:
                raise RuntimeError("messages are left")
            time.sleep(0.02)
        took = time.perf_counter() - begin
        seen = self.counted(server.port)
        if seen < count:
            raise RuntimeError("%d messages were sent, and %d were counted" % (count, seen))
        self.bench.judge("SQS to Lambda, messages through batches of %d" % BATCH, count / took, "/s", MESSAGES_S, at_most=False)

    def run(self):
        self.bench.say("functions")
        for runtime in self.runtimes():
            with self.bench.serve() as server:
                client = Client(self.bench, server)
                self.measure_cold(client, runtime)
                self.measure_warm(server, client, runtime)
        with self.bench.serve() as server:
            self.measure_queue(server, Client(self.bench, server))
        with self.bench.serve(free=True) as server:
            self.measure_many(server, Client(self.bench, server))
