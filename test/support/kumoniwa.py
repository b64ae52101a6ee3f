"""The program under test, for the end-to-end and the crash tests: started on a free port, stopped, killed, started
again. KUMONIWA names the binary; build/kumoniwa is the default."""

import contextlib
import json
import os
import pathlib
import random
import re
import selectors
import signal
import socket
import subprocess
import time
import urllib.request

# Signatures by Python, which is what nearly everybody has; who wants the native ones runs a process of its own.
os.environ.setdefault("BOTO_DISABLE_CRT", "true")

import botocore.config  # noqa: E402
import botocore.session  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("KUMONIWA", ROOT / "build/kumoniwa")).resolve()
REGION = "us-east-1"

# Sanitizers make everything slower and larger: limits of time are loosened, those of memory are not judged.
INSTRUMENTED = any(part in ("asan", "tsan") for part in PROGRAM.parts)
SLOWNESS = 8 if INSTRUMENTED else 1


def clean_environment(home="/nonexistent"):
    """The environment without what could change a client's or the program's mind."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "KUMONIWA", "XDG_", "PYTHON", "BOTO"))
        and not name.lower().endswith("_proxy")
    }
    return {
        **kept,
        "HOME": str(home),
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "BOTO_DISABLE_CRT": "true",
    }


def wait_until(condition, seconds=5, message="it did not come true"):
    """Asks until it is true. What took longer than `seconds` on a machine with much else to do is no mistake: a
    test that measures time looks at its clock itself."""
    seconds = max(60, seconds * 3)
    end = time.monotonic() + seconds * SLOWNESS
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{message} within {seconds * SLOWNESS} s")


def rounds_until(least, enough):
    """That many rounds, and more until enough was done in them: those in which nothing happened would say nothing."""
    for number in range(10 * least):
        if number >= least and enough():
            return
        yield number
    raise AssertionError(f"too little happened in {10 * least} rounds")


def idle_seconds():
    """How long the machine's cores have had nothing to do, all together."""
    fields = pathlib.Path("/proc/stat").read_text().split(maxsplit=5)
    return int(fields[4]) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def within(seconds, message="it took"):
    """What is inside must not take longer. Who was kept waiting by a machine whose cores had all something else to do is
    not to blame: only so much of the time counts as some core was idle."""
    begin, idle = time.monotonic(), idle_seconds()
    yield
    took = time.monotonic() - begin
    free = idle_seconds() - idle
    assert min(took, free) < seconds, f"{message} {took:.3f} s, not less than {seconds}; cores were idle for {free:.2f} s"


def free_port():
    """One below those that the kernel gives to clients: while a program is down, none of them is given its port."""
    while True:
        port = random.SystemRandom().randrange(12000, 32000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Cloud:
    """One data directory and, most of the time, one process that serves it."""

    def __init__(self, folder, *flags, environment=None, tls=False):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.flags = list(flags) + (["--tls"] if tls else [])
        self.scheme = "https" if tls else "http"
        self.environment = environment or {}
        self.port = 0
        self.process = None
        self.greeting = ""

    @property
    def endpoint(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def ca(self):
        return self.data / "tls" / "ca.pem"

    def command(self):
        return [
            str(PROGRAM), "serve", "--listen", f"127.0.0.1:{self.port}", "--data", str(self.data),
            "--init", str(self.folder / "init"), *self.flags,
        ]

    def start(self):
        """Returns when the program has said that it answers. A restart keeps the port."""
        assert self.process is None
        self.port = self.port or free_port()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**clean_environment(self.folder), **self.environment},
                start_new_session=True,
            )
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            ready = selector.select(60 * SLOWNESS)
        self.greeting = self.process.stdout.readline().decode() if ready else ""
        match = re.match(r"Kumoniwa answers on https?://127\.0\.0\.1:(\d+) ", self.greeting)
        assert match, f"no greeting: {self.greeting!r}, exit code {self.process.poll()}\n{self.log_text()}"
        self.port = int(match[1])
        return self

    def stop(self):
        """SIGTERM: must end cleanly, in less than a second. Returns the seconds it took."""
        begin = time.monotonic()
        with within(1 * SLOWNESS, "SIGTERM took"):
            self.process.send_signal(signal.SIGTERM)
            try:
                code = self.process.wait(60 * SLOWNESS)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"SIGTERM did not end the program\n{self.log_text()}") from None
            took = time.monotonic() - begin
            self.process.stdout.close()
            self.process = None
            assert code == 0, f"exit code {code} after SIGTERM\n{self.log_text()}"
        return took

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def close(self):
        if self.process is not None:
            self.stop()

    def __enter__(self):
        return self if self.process is not None else self.start()

    def __exit__(self, kind, value, trace):
        if self.process is None:
            return
        if kind is None:
            self.stop()
        else:
            self.kill()

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def resident_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        anonymous = re.search(r"RssAnon:\s*(\d+) kB", status)
        return int(anonymous[1]) * 1024

    def client_environment(self, **more):
        """What a user exports, nothing else of AWS in it."""
        environment = {
            **clean_environment(self.folder),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "KUMONIWA_ENDPOINT": self.endpoint,
            **more,
        }
        if self.scheme == "https":
            environment["AWS_CA_BUNDLE"] = str(self.ca)
        return environment

    def run(self, *arguments, timeout=60, check=True, **more):
        """One of the program's own commands against this cloud."""
        done = subprocess.run(
            [str(PROGRAM), *arguments], env=self.client_environment(**more), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=timeout, check=False,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def get(self, path, method="GET", headers=None, body=None):
        """(status, parsed JSON or text) of one of the pages that are not AWS's."""
        request = urllib.request.Request(self.endpoint + path, data=body, method=method, headers=headers or {})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as reply:
                status, text, kind = reply.status, reply.read().decode(), reply.headers["Content-Type"]
        except urllib.error.HTTPError as error:
            status, text, kind = error.code, error.read().decode(), error.headers["Content-Type"]
        return status, json.loads(text) if text and "json" in (kind or "") else text

    def client(self, service, key="test", secret="test", token=None, region=REGION, host=None, **config):
        """A client of the newest boto3's core, set up as its users do."""
        import boto3

        settings = {"retries": {"total_max_attempts": 1}, "read_timeout": 60, "proxies": {}, **config}
        session = boto3.session.Session(
            aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token, region_name=region,
            botocore_session=botocore.session.Session({"profile": (None, "KUMONIWA_NO_PROFILE", None, None)}),
        )
        return session.client(
            service, endpoint_url=self.endpoint.replace("127.0.0.1", host or "127.0.0.1"), config=botocore.config.Config(**settings),
            verify=str(self.ca) if self.scheme == "https" else None,
        )

    def issue(self, account="000000000000", user=None):
        """(access key, secret) of credentials that the program verifies."""
        text = self.run("credentials", "issue", account, *([user] if user else [])).stdout
        return (
            re.search(r"AWS_ACCESS_KEY_ID=(\S+)", text)[1],
            re.search(r"AWS_SECRET_ACCESS_KEY=(\S+)", text)[1],
        )

    def models(self):
        """{service: {operation: implemented}}"""
        status, page = self.get("/_kumoniwa/services")
        assert status == 200
        return {
            service["name"]: {operation["name"]: operation["implemented"] for operation in service["operations"]}
            for service in page["services"]
        }
