#!/usr/bin/env python3
"""make bench: measures build/kumoniwa on this machine in one run and judges the figures.

The server runs on one core and the load generator on another. bench/README.md says what each figure is.
Needs build/kumoniwa, build/bench/load and build/bench/echo, and nothing but Python's standard library."""
import argparse
import datetime
import hashlib
import hmac
import json
import os
import platform
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from functions import Functions
from s3 import Peak, S3

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
MIB = 1 << 20

# What the program must reach on the machine that it is developed on.
START_MS, STOP_S, IDLE_MIB, PROGRAM_MB = 15, 1, 10, 19
ECHO_SHARE, P99_MS, WAITING_SHARE, PARKED_MIB, WAKE_MS = 0.4, 5, 0.8, 100, 5
ITEM_BYTES, SORTED_BYTES = 1024, 64
UPDATE_SHARE, FULL_SHARE, QUERIES, SCAN_MB = 0.35, 0.8, 8000, 150
LOGS_MB, LOGS_MIB, LOGS_GROWN_MIB, LOGS_LEFT_MIB = 100, 64, 16, 32


class Failure(Exception):
    pass


class Plan:
    """How long and how much, in full or in a hurry."""

    def __init__(self, quick):
        self.starts = 7 if quick else 20
        self.seconds, self.warm_up = (1.5, 0.5) if quick else (6, 1)
        self.echo_seconds = 1.5 if quick else 4
        self.waiting = 100_000 if quick else 1_000_000
        self.polls, self.rounds = 10_000, 100 if quick else 500
        self.items, self.sorted = (50_000, 50_000) if quick else (200_000, 200_000)


class Cores:
    def __init__(self):
        self.all = sorted(os.sched_getaffinity(0))
        self.server, self.client = self.all[0], self.all[1 % len(self.all)]

    def free(self):
        os.sched_setaffinity(0, self.all)

    def spawn(self, cores, arguments, environment, log):
        """Starts a program on some cores. posix_spawn: the child is not held up by a copy of this process."""
        os.sched_setaffinity(0, cores)
        try:
            return os.posix_spawn(arguments[0], arguments, environment, file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2)])
        finally:
            os.sched_setaffinity(0, {self.client})


def program_path(options):
    return Path(os.environ.get("KUMONIWA") or Path(options.build) / "kumoniwa").resolve()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def signed_request(port):
    """A GetCallerIdentity as a client sends it: signature version 4 in the Authorization header."""
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = now[:8] + "/us-east-1/sts/aws4_request"
    headers = {"content-type": "application/x-www-form-urlencoded", "host": "127.0.0.1:%d" % port, "x-amz-date": now}
    names = ";".join(headers)
    canonical = "POST\n/\n\n%s\n\n%s\n%s" % (
        "\n".join("%s:%s" % item for item in headers.items()), names, hashlib.sha256(body).hexdigest())
    key = b"AWS4test"
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (now, scope, hashlib.sha256(canonical.encode()).hexdigest())
    headers["authorization"] = "AWS4-HMAC-SHA256 Credential=test/%s, SignedHeaders=%s, Signature=%s" % (
        scope, names, hmac.digest(key, text.encode(), "sha256").hex())
    headers["content-length"] = str(len(body))
    return ("POST / HTTP/1.1\r\n" + "".join("%s: %s\r\n" % item for item in headers.items()) + "\r\n").encode() + body


class Server:
    """One running program; `with` stops it."""

    def __init__(self, cores, arguments, port, log, request=None, free=False):
        self.port, self.log, self.free, self.stop_seconds = port, log, free, None
        self.arguments = [str(argument) for argument in arguments]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KUMONIWA")}
        begin = time.perf_counter()
        self.pid = cores.spawn(cores.all if free else {cores.server}, self.arguments, environment, log)
        self.running = True
        try:
            self.first_answer(request or b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", begin + 15)
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.perf_counter() - begin

    def first_answer(self, request, deadline):
        while time.perf_counter() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10) as client:
                    client.sendall(request)
                    answer = client.recv(4096)
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise Failure("the first answer is not a 200:\n" + answer.decode("latin-1"))
                return
            except ConnectionRefusedError:
                if os.waitpid(self.pid, os.WNOHANG) != (0, 0):
                    self.running = False
                    break
        raise Failure("%s does not serve. Its output:\n%s" % (
            " ".join(self.arguments), Path(self.log).read_text(errors="replace")[-2000:]))

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port

    def memory(self):
        """Bytes by the names of /proc/PID/smaps_rollup: Rss, Pss, Anonymous, ..."""
        lines = Path("/proc/%d/smaps_rollup" % self.pid).read_text().splitlines()[1:]
        return {name: int(size.split()[0]) * 1024 for name, size in (line.split(":") for line in lines)}

    def stop(self):
        if not self.running:
            return
        self.running = False
        begin = time.perf_counter()
        os.kill(self.pid, signal.SIGTERM)
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            if time.perf_counter() - begin > 10:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                break
            time.sleep(0.001)
        self.stop_seconds = time.perf_counter() - begin

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Bench:
    def __init__(self, options, scratch):
        self.quick, self.full = options.quick, options.full
        self.only = options.only
        self.plan, self.cores = Plan(options.quick), Cores()
        self.build, self.scratch = Path(options.build).resolve(), Path(scratch)
        self.program = program_path(options)
        self.rows, self.facts, self.verdicts, self.problems = [], [], [], []
        self.figures = {}
        self.count = 0

    def say(self, text):
        print("bench: " + text, file=sys.stderr, flush=True)

    free_port = staticmethod(free_port)

    def serve(self, free=False):
        """On the server's core, or on all of them."""
        os.sync()  # or the kernel writes what the part before has left, on the server's core too
        self.count += 1
        port, data = free_port(), self.scratch / ("data%d" % self.count)
        return Server(self.cores, [self.program, "serve", "--listen", "127.0.0.1:%d" % port, "--data", data], port,
                      self.scratch / ("log%d" % self.count), signed_request(port), free)

    def load(self, server, workload, seconds=None, timeout=240, **flags):
        seconds = seconds or self.plan.seconds
        arguments = [str(self.build / "bench" / "load"), "--json", "--workload", workload, "--endpoint", server.url,
                     "--server-pid", str(server.pid), "--duration", str(seconds), "--warm-up", str(self.plan.warm_up)]
        if self.cores.client != self.cores.server and not server.free:
            arguments.append("--spin")
        for name, value in flags.items():
            arguments += ["--" + name.replace("_", "-"), str(value)]
        self.say(" ".join(arguments[2:4] + arguments[6:]))
        try:
            # This process is bound to the client's core, and with it what it starts.
            done = subprocess.run(arguments, capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise Failure("%s did not end in %d s" % (workload, timeout)) from None
        if not done.stdout:
            log = Path(server.log).read_text(errors="replace")[-2000:]
            raise Failure("%s: %s\nThe server's output:\n%s" % (workload, done.stderr, log))
        if done.returncode != 0:
            self.problems.append("%s: not every answer was right: %s" % (workload, done.stderr.strip()[:2000]))
        return json.loads(done.stdout)

    def issue(self, server):
        """Flags of a load signed with a key of the server's own."""
        done = subprocess.run([self.program, "credentials", "issue"], capture_output=True, text=True, check=True,
                              env={**os.environ, "AWS_ENDPOINT_URL": server.url})
        key, secret = (line.partition("=")[2] for line in done.stdout.splitlines()[:2])
        return {"access_key": key, "secret": secret}

    def row(self, name, result):
        self.rows.append((name, result))
        return result

    def judge(self, what, value, unit, target, at_most=True):
        met = value <= target if at_most else value >= target
        self.verdicts.append((what, value, unit, target, at_most, met))

    def measure_start(self):
        self.say("%d starts" % self.plan.starts)
        seconds, stops = [], []
        for _ in range(self.plan.starts):
            with self.serve() as server:
                seconds.append(server.start_seconds)
            stops.append(server.stop_seconds)
        self.facts.append(("start to first signed answer, slowest of %d" % len(seconds),
                           "%.1f ms" % (max(seconds) * 1e3)))
        self.judge("start to first signed answer (median of %d)" % len(seconds),
                   statistics.median(seconds) * 1e3, "ms", START_MS)
        self.judge("clean shutdown, slowest", max(stops), "s", STOP_S)

    def measure_idle(self):
        self.say("idle memory")
        with self.serve() as server:
            time.sleep(2)
            memory = server.memory()
        self.judge("idle memory, resident", memory["Rss"] / MIB, "MiB", IDLE_MIB)
        self.facts.append(("idle memory, proportional / anonymous",
                           "%.1f / %.1f MiB" % (memory["Pss"] / MIB, memory["Anonymous"] / MIB)))
        self.judge("program file", self.program.stat().st_size / 1e6, "MB", PROGRAM_MB)

    def measure_echo(self):
        port = free_port()
        with Server(self.cores, [self.build / "bench" / "echo", "--port", port], port, self.scratch / "echo") as server:
            result = self.load(server, "echo", seconds=self.plan.echo_seconds)
        best = self.figures.get("echo")
        if best is None or result["per_second"] > best["per_second"]:
            self.figures["echo"] = result

    def measure_operations(self, server):
        self.row("GetCallerIdentity", self.load(server, "sts-caller-identity"))
        send = self.row("SendMessage", self.load(server, "sqs-send", queue="bench-send"))
        self.row("SendMessage, issued key", self.load(server, "sqs-send", queue="bench-send", **self.issue(server)))
        rate = send["per_second"]
        self.row("SendMessage, open loop at half that rate",
                 self.load(server, "sqs-send", queue="bench-open", rate=round(rate / 2)))
        self.row("SendMessageBatch of 10", self.load(server, "sqs-send-batch", queue="bench-batch"))
        # A receive and a delete take more than one send: these are enough to never run dry.
        enough = int(rate * (self.plan.seconds + self.plan.warm_up) * 0.7)
        self.load(server, "sqs-fill", queue="bench-receive", messages=enough)
        receive = self.row("ReceiveMessage + DeleteMessage",
                           self.load(server, "sqs-receive-delete", queue="bench-receive"))
        self.figures.update(send=send, receive=receive)

    def measure_waiting(self, server):
        self.figures["fill"] = self.load(server, "sqs-fill", queue="bench-waiting", messages=self.plan.waiting)
        memory = server.memory()
        self.facts.append(("memory with %s messages waiting: anonymous / resident with the mapped store" %
                           format(self.plan.waiting, ","),
                           "%.1f / %.1f MiB" % (memory["Anonymous"] / MIB, memory["Rss"] / MIB)))
        for name, workload, title in (("send", "sqs-send", "SendMessage"),
                                      ("receive", "sqs-receive-delete", "ReceiveMessage + DeleteMessage")):
            result = self.row("%s, %s waiting" % (title, format(self.plan.waiting, ",")),
                              self.load(server, workload, queue="bench-waiting"))
            self.figures[name + "_waiting"] = result

    def dynamodb_items(self, server, items, titles):
        """Fills a table and measures what touches one item of it; *titles: what is measured under which name."""
        flags = {"queue": "bench-items-%d" % items, "messages": items, "body_bytes": ITEM_BYTES}
        self.load(server, "dynamo-fill", timeout=3600, **flags)
        return {workload: self.row(title, self.load(server, "dynamo-" + workload, **flags))
                for workload, title in titles.items()}

    def measure_dynamodb(self):
        titles = {"put": "PutItem, 1 KiB", "get": "GetItem, 1 KiB", "update": "UpdateItem with a condition"}
        with self.serve() as server:
            few = self.dynamodb_items(server, self.plan.items, titles)
            self.row("GetItem, 1 KiB, issued key", self.load(
                server, "dynamo-get", queue="bench-items-%d" % self.plan.items, messages=self.plan.items,
                body_bytes=ITEM_BYTES, **self.issue(server)))
            scan = self.row("Scan, 16 segments", self.load(
                server, "dynamo-scan", queue="bench-items-%d" % self.plan.items, connections=16,
                messages=self.plan.items))
            flags = {"queue": "bench-sorted", "messages": self.plan.sorted, "body_bytes": SORTED_BYTES}
            self.load(server, "dynamo-fill-sorted", **flags)
            query = self.row("Query of 100 items", self.load(server, "dynamo-query", **flags))
            memory = server.memory()
        self.facts.append(("DynamoDB's memory at the end, anonymous", "%.1f MiB" % (memory["Anonymous"] / MIB)))
        scan_mb = scan["messages"] / scan["requests"] * scan["per_second"] * ITEM_BYTES / 1e6
        self.figures["dynamodb"] = few, query, scan_mb
        if not self.full:
            return
        with self.serve() as server:
            full = self.dynamodb_items(server, 10_000_000,
                                       {name: title + ", 10,000,000 items" for name, title in titles.items()})
        for name, title in titles.items():
            self.judge("%s, 10,000,000 items against few" % title,
                       full[name]["per_second"] / few[name]["per_second"] * 100, "%", FULL_SHARE * 100, at_most=False)

    def judge_dynamodb(self):
        few, query, scan_mb = self.figures["dynamodb"]
        echo = self.figures["echo"]["per_second"]
        for name, title, share in (("put", "PutItem", ECHO_SHARE), ("get", "GetItem", ECHO_SHARE),
                                   ("update", "UpdateItem", UPDATE_SHARE)):
            self.judge(title + ", share of echo", few[name]["per_second"] / echo * 100, "%", share * 100, at_most=False)
            if name != "update":
                self.judge(title + ", p99", few[name]["operations"][0]["p99_us"] / 1e3, "ms", P99_MS)
        self.judge("Query of 100 items", query["per_second"], "/s", QUERIES, at_most=False)
        self.judge("parallel Scan", scan_mb, "MB/s", SCAN_MB, at_most=False)

    def measure_logs(self):
        """The same twice: memory that grows with what was taken in would be seen in the second run."""
        flags = {"connections": 8, "body_bytes": 200}
        with self.serve() as server:
            with Peak(server.pid) as first:
                self.load(server, "logs-put", queue="bench-logs-1", **flags)
            with Peak(server.pid) as second:
                result = self.row("PutLogEvents of 1 MB, 8 connections", self.load(server, "logs-put", queue="bench-logs-2", **flags))
            time.sleep(2)
            left = first.now() - first.before
        rate = result["messages"] / result["requests"] * result["per_second"] / 1e6
        self.judge("PutLogEvents, messages", rate, "MB/s", LOGS_MB, at_most=False)
        self.judge("PutLogEvents, memory", (max(first.peak, second.peak) - first.before) / MIB, "MiB", LOGS_MIB)
        self.judge("PutLogEvents, memory more than after the first run", max(0, second.peak - first.peak) / MIB, "MiB",
                   LOGS_GROWN_MIB)
        self.judge("PutLogEvents, memory two seconds later", max(0, left) / MIB, "MiB", LOGS_LEFT_MIB)

    def measure_parked(self):
        with self.serve() as server:
            result = self.load(server, "sqs-longpoll", queue="bench-polls", connections=self.plan.polls,
                               rounds=self.plan.rounds)
        polls = format(self.plan.polls, ",")
        if result["parked"] != self.plan.polls:
            self.problems.append("only %d polls stayed parked" % result["parked"])
        if result["surplus"]:
            self.problems.append("%d messages woke more than one poll" % result["surplus"])
        grown = result["rss_parked"] - result["rss_idle"]
        self.judge("%s parked polls, memory" % polls, grown / MIB, "MiB", PARKED_MIB)
        self.judge("%s parked polls, wake p99" % polls, result["p99_us"] / 1e3, "ms", WAKE_MS)
        self.facts.append(("%s parked polls: wake p50 / p99.9 / max of %d" % (polls, result["wakes"]),
                           "%.2f / %.2f / %.2f ms" % tuple(result[n] / 1e3 for n in ("p50_us", "p99.9_us", "max_us"))))
        self.facts.append(("memory of one parked poll", "%.2f KiB" % (grown / self.plan.polls / 1024)))

    def judge_operations(self):
        echo, send, receive = (self.figures[name] for name in ("echo", "send", "receive"))
        for title, result in (("SendMessage", send), ("ReceiveMessage + DeleteMessage", receive)):
            self.judge("%s, share of echo" % title, result["per_second"] / echo["per_second"] * 100, "%",
                       ECHO_SHARE * 100, at_most=False)
            for operation in result["operations"]:
                self.judge("%s, p99" % operation["name"], operation["p99_us"] / 1e3, "ms", P99_MS)
        for name, title in (("send", "SendMessage"), ("receive", "ReceiveMessage + DeleteMessage")):
            share = self.figures[name + "_waiting"]["per_second"] / self.figures[name]["per_second"]
            self.judge("%s, %s waiting against few" % (title, format(self.plan.waiting, ",")), share * 100, "%",
                       WAITING_SHARE * 100, at_most=False)

    def run(self):
        if self.quick:
            self.facts.append(("a quick run", "shorter and on fewer messages than the targets mean"))
        if len(self.cores.all) < 2:
            self.facts.append(("cores", "1: client and server share it, the figures are too low"))
        if os.getloadavg()[0] > 0.5:
            self.facts.append(("load of the machine before the run",
                               "%.1f: other programs are at work, the figures are too low" % os.getloadavg()[0]))
        os.sched_setaffinity(0, {self.cores.client})
        if self.only is not None:
            self.measure_echo()
            {"s3": lambda: S3(self).run(), "functions": lambda: Functions(self).run(), "logs": self.measure_logs}[self.only]()
            return
        self.measure_start()
        self.measure_idle()
        self.measure_echo()
        with self.serve() as server:
            self.measure_operations(server)
            self.measure_waiting(server)
        self.measure_dynamodb()
        self.measure_logs()
        self.measure_echo()
        self.measure_parked()
        self.judge_operations()
        self.judge_dynamodb()
        S3(self).run()
        Functions(self).run()


def quantity(value, unit):
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return "%.*f %s" % (digits, value, unit)


def machine():
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return "%s, %d cores, Linux %s" % (model, os.cpu_count(), platform.release())


def verdict_table(bench):
    lines = ["| What | Measured | Target | |", "|---|---:|---:|---|"]
    for what, value, unit, target, at_most, met in bench.verdicts:
        lines.append("| %s | %s | %s %g %s | %s |" % (
            what, quantity(value, unit), "<=" if at_most else ">=", target, unit, "met" if met else "**not met**"))
    return lines


def absolute_table(bench):
    echo = bench.figures["echo"]
    lines = ["| Operation (64 connections) | Requests/s | Of echo | Server us/request | Client us/request "
             "| p50 ms | p99 ms | p99.9 ms |", "|---|---:|---:|---:|---:|---:|---:|---:|"]
    for name, result in [("bare echo server (the limit)", echo)] + bench.rows:
        operations = result["operations"]
        times = [" / ".join("%.2f" % (o[q] / 1e3) for o in operations) for q in ("p50_us", "p99_us", "p99.9_us")]
        lines.append("| %s | %.0f | %.0f %% | %.1f | %.1f | %s |" % (
            name, result["per_second"], 100 * result["per_second"] / echo["per_second"], result["server_cpu_us"],
            result["client_cpu_us"], " | ".join(times)))
    return lines


def ratio_table(bench):
    echo = bench.figures["echo"]
    floor = echo["operations"][0]
    lines = ["| Operation (64 connections) | Rate, of echo's | Server time a request, of echo's | p50, of echo's "
             "| p99, of echo's |", "|---|---:|---:|---:|---:|"]
    for name, result in bench.rows:
        operations = result["operations"]
        times = [" / ".join("%.1f" % (o[q] / floor[q]) for o in operations) for q in ("p50_us", "p99_us")]
        lines.append("| %s | %.2f | %.1f | %s |" % (
            name, result["per_second"] / echo["per_second"], result["server_cpu_us"] / echo["server_cpu_us"],
            " | ".join(times)))
    lines += ["", "| What | Measured, of the target | Target | |", "|---|---:|---:|---|"]
    for what, value, unit, target, at_most, met in bench.verdicts:
        lines.append("| %s | %.2f | %s %g %s | %s |" % (
            what, value / target, "<=" if at_most else ">=", target, unit, "met" if met else "**not met**"))
    return lines


def notes(bench):
    lines = ["- %s: %s" % fact for fact in bench.facts]
    lines.append("- one machine: client and server talk over loopback, the server on one core and the client on "
                 "another; durability `process` (%s)" % machine())
    lines.append("- requests are signed with the key `test`, which nobody issued: its signature is read and there is nothing "
                 "to verify it with; in rows that say \"issued key\" every signature is verified")
    lines.append("- ReceiveMessage + DeleteMessage counts both requests; its times are given for one / the other")
    return lines


def write_page(bench):
    if PAGE.exists():
        text = PAGE.read_text()
    else:
        text = "# Performance\n\nWhat `make bench` measures ([how](../bench/README.md)).\n\n%s\n%s\n" % (BEGIN, END)
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise Failure("%s must have the lines %s and %s once each, in this order" % (PAGE, BEGIN, END))
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    date = datetime.date.today().isoformat()
    body = ["", "Figures of one run on %s, as ratios, since the absolute ones belong to the machine:" % date, ""]
    body += ratio_table(bench) + [""] + notes(bench)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(before + BEGIN + "\n".join(body + ["", END]) + after)
    bench.say("wrote " + str(PAGE.relative_to(ROOT)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="less of everything, under 40 s; rougher figures")
    parser.add_argument("--full", action="store_true",
                        help="DynamoDB at 10,000,000 items too: some minutes and 20 GB more")
    parser.add_argument("--write", action="store_true", help="put the ratios into docs/performance.md")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a target is not met")
    parser.add_argument("--only", choices=["s3", "functions", "logs"], help="this part alone")
    parser.add_argument("--build", default=str(ROOT / "build"), help="where the programs are (build)")
    parser.add_argument("--scratch", help="where the data directories go (the system's temporary directory)")
    options = parser.parse_args()
    bench_programs = [Path(options.build) / "bench" / name for name in ("load", "echo", "bulk", "bootstrap")]
    missing = [str(path) for path in bench_programs + [program_path(options)] if not path.exists()]
    if missing:
        sys.exit("bench: %s must be built first (make bench)" % ", ".join(missing))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    with tempfile.TemporaryDirectory(prefix="kumoniwa-bench-", dir=options.scratch) as scratch:
        bench = Bench(options, scratch)
        try:
            bench.run()
            print("\n".join(["## Benchmark", ""] + absolute_table(bench) + [""] + verdict_table(bench) + [""] +
                            notes(bench)))
            if options.write:
                write_page(bench)
        except Failure as failure:
            sys.exit("bench: %s" % failure)
    for problem in bench.problems:
        print("bench: " + problem, file=sys.stderr)
    not_met = sum(not verdict[-1] for verdict in bench.verdicts)
    print("\n%d of %d targets met" % (len(bench.verdicts) - not_met, len(bench.verdicts)))
    return 1 if bench.problems or (options.strict and not_met) else 0


if __name__ == "__main__":
    sys.exit(main())
