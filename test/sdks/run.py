#!/usr/bin/env python3
"""The AWS SDKs for Go, Java and Rust against the unmodified program, each with a private, empty cloud of its own.

    test/sdks/run.py [--program build/kumoniwa] [go] [java] [rust]

An SDK whose toolchain is missing or too old is skipped by name. Failures are printed in full; the last line counts.
What is built stands under build/sdks, what is fetched in the tools' own caches; beside the sources only Rust's lock
file is written, which the repository does not keep (test/sdks/rust/Cargo.toml says why)."""

import argparse
import contextlib
import json
import os
import pathlib
import re
import selectors
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
BUILD = ROOT / "build/sdks"
# The first build fetches and compiles the SDKs themselves.
BUILD_SECONDS = 2700
TEST_SECONDS = 600


class Result:
    """What one SDK's tests came to; `texts` has the failures, each whole."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.texts = []

    def fail(self, text):
        self.failed += 1
        self.texts.append(text.rstrip())


def clean_environment():
    """The environment without what could change a client's mind. HOME stays: the tools' caches are there."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("AWS_", "KUMONIWA", "MAKE")) and name != "MFLAGS"}
    return {
        **kept,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def execute(command, folder, environment, seconds):
    """Exit code and all output. It, and all that it started, yields to everything else on the machine."""
    process = subprocess.Popen(["nice", "-n", "10", *map(str, command)], cwd=folder, env=environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, errors="replace", start_new_session=True)
    try:
        output, _ = process.communicate(timeout=seconds)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return 124, f"{output}\n{command[0]}: killed after {seconds} s"


# --- the cloud ----------------------------------------------------------------------------------------------------


def wait_for_greeting(process):
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline() if selector.select(30) else ""
    match = re.match(r"Kumoniwa answers on (http://\S+) ", line)
    if not match:
        raise RuntimeError(f"the program did not start: {line!r}, exit code {process.poll()}")
    return match[1]


def issue_key(program, endpoint):
    """A key whose signatures are verified."""
    done = subprocess.run([program, "credentials", "issue", "111122223333", "gardener"], text=True, check=True,
                          env={**clean_environment(), "KUMONIWA_ENDPOINT": endpoint}, stdout=subprocess.PIPE, timeout=30)
    return dict(re.findall(r"export (\w+)=(\S+)", done.stdout))


@contextlib.contextmanager
def cloud(program, log):
    """Gives the environment of the tests. The log of the program goes to the file `log`."""
    with open(log, "wb") as stderr:
        process = subprocess.Popen([program, "serve", "--ephemeral", "--listen", "127.0.0.1:0"], text=True,
                                   env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr)
    try:
        endpoint = wait_for_greeting(process)
        key = issue_key(program, endpoint)
        yield {
            **clean_environment(),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            # No retry hides an error.
            "AWS_MAX_ATTEMPTS": "1",
            "KUMONIWA_ISSUED_KEY": key["AWS_ACCESS_KEY_ID"],
            "KUMONIWA_ISSUED_SECRET": key["AWS_SECRET_ACCESS_KEY"],
        }
        process.send_signal(signal.SIGTERM)
        if process.wait(30) != 0:
            raise RuntimeError(f"the program ended with {process.returncode}: see {log}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()


# --- one class for each SDK: the tools that it needs, how its tests are built and run, how the outcome is read ----


class Go:
    needs = {"go": (["version"], r"go(\d+)\.(\d+)", (1, 24))}
    folder = FOLDER / "go"
    program = BUILD / "go/sdks.test"
    build = ["go", "test", "-c", "-o", program, "."]
    test = ["go", "tool", "test2json", "-t", program, "-test.v", "-test.timeout", "9m"]
    # The toolchain that is here, not one that it would fetch.
    environment = {"GOTOOLCHAIN": "local"}

    @staticmethod
    def read(output, result):
        said = {}
        for line in output.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            name = event.get("Test")
            if name is None:
                continue
            if event["Action"] == "output":
                said.setdefault(name, []).append(event["Output"])
            elif event["Action"] == "pass":
                result.passed += 1
            elif event["Action"] == "skip":
                result.skipped += 1
            elif event["Action"] == "fail":
                result.fail("".join(said.get(name, [])))


class Java:
    needs = {
        "javac": (["-version"], r"javac (\d+)", (17,)),
        "mvn": (["--version"], r"Apache Maven (\d+)\.(\d+)\.(\d+)", (3, 6, 3)),
    }
    folder = FOLDER / "java"
    maven = ["mvn", "--batch-mode", "--no-transfer-progress", f"-Dkumoniwa.build={BUILD / 'java'}"]
    build = [*maven, "test-compile"]
    test = [*maven, "surefire:test"]
    environment = {}
    reports = BUILD / "java/surefire-reports"

    @classmethod
    def read(cls, _, result):
        for file in sorted(cls.reports.glob("TEST-*.xml")):
            for case in ElementTree.parse(file).getroot().iter("testcase"):
                problem = next((e for e in case if e.tag in ("failure", "error")), None)
                if problem is not None:
                    result.fail(f"--- {case.get('classname')}.{case.get('name')}\n{problem.text or problem.get('message')}")
                elif case.find("skipped") is not None:
                    result.skipped += 1
                else:
                    result.passed += 1


class Rust:
    needs = {"cargo": (["--version"], r"cargo (\d+)\.(\d+)", (1, 95))}
    folder = FOLDER / "rust"
    cargo = ["cargo", "test", "--target-dir", BUILD / "rust", "--test", "sdk", "--test", "s3", "--test", "dynamodb"]
    build = [*cargo, "--no-run"]
    test = [*cargo, "--quiet", "--", "--format", "pretty"]
    environment = {}

    @staticmethod
    def read(output, result):
        texts = dict(re.findall(r"^---- (\S+) stdout ----\n(.*?)(?=^---- |^failures:$|\Z)", output, re.S | re.M))
        for name, outcome in re.findall(r"^test (\S+) \.\.\. (ok|FAILED|ignored)", output, re.M):
            if outcome == "ok":
                result.passed += 1
            elif outcome == "ignored":
                result.skipped += 1
            else:
                result.fail(f"--- {name}\n{texts.get(name, 'it said nothing')}")


SDKS = {"go": Go, "java": Java, "rust": Rust}


def missing_tool(sdk):
    """What keeps this SDK from being tested here, or None."""
    for tool, (arguments, pattern, least) in sdk.needs.items():
        wanted = f"{tool} {'.'.join(map(str, least))} or newer"
        if shutil.which(tool) is None:
            return f"{wanted} is not installed"
        done = subprocess.run([tool, *arguments], env={**clean_environment(), **sdk.environment}, check=False, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        match = re.search(pattern, done.stdout)
        if not match or tuple(map(int, match.groups())) < least:
            return f"{wanted} is needed; here is {done.stdout.strip().splitlines()[:1]}"
    return None


def run_sdk(name, program):
    sdk, result = SDKS[name], Result()
    why = missing_tool(sdk)
    if why:
        result.skipped = 1
        print(f"  skipped {name}: {why}", flush=True)
        return result
    (BUILD / name).mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    status, output = execute(sdk.build, sdk.folder, {**clean_environment(), **sdk.environment}, BUILD_SECONDS)
    if status != 0:
        result.fail(f"--- {name}: the tests could not be built ({status})\n{output}")
        return result
    built = time.monotonic()
    shutil.rmtree(getattr(sdk, "reports", BUILD / "none"), ignore_errors=True)
    log = BUILD / f"{name}.log"
    try:
        with cloud(program, log) as environment:
            status, output = execute(sdk.test, sdk.folder, {**environment, **sdk.environment}, TEST_SECONDS)
        sdk.read(output, result)
    except (RuntimeError, subprocess.SubprocessError) as problem:
        result.fail(f"--- {name}: {problem}\n{log.read_text(errors='replace')}")
    if status != 0 and result.failed == 0:
        result.fail(f"--- {name}: the tests ended with {status}\n{output}")
    if result.passed + result.failed + result.skipped == 0:
        result.fail(f"--- {name}: no test ran\n{output}")
    print(f"  {name}: {result.passed} passed, {result.failed} failed, {result.skipped} skipped  "
          f"({built - begin:.0f} s to build, {time.monotonic() - built:.0f} s to run)", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=os.environ.get("KUMONIWA", ROOT / "build/kumoniwa"))
    parser.add_argument("sdk", nargs="*", choices=[*SDKS, []], help="all of them by default")
    arguments = parser.parse_args()
    program = str(pathlib.Path(arguments.program).resolve())
    results = [run_sdk(name, program) for name in arguments.sdk or SDKS]
    for result in results:
        for text in result.texts:
            print(f"\n{text}")
    passed, failed, skipped = (sum(getattr(r, what) for r in results) for what in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
