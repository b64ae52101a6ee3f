#!/usr/bin/env python3
"""Runs cmocka programs, fuzz corpora and pytest folders; failures are printed in full, the last line counts."""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

RESULTS = pathlib.Path("build/results")
PROGRAM_SECONDS = 900
PYTEST_SECONDS = 3600
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:check_initialization_order=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:suppressions=" + os.path.abspath("test/tsan.supp"),
}


class Result:
    def __init__(self, name):
        self.name = name
        self.passed = self.failed = self.skipped = 0
        self.text = ""
        self.seconds = 0.0


def execute(command, environment, limit):
    """Exit code and all output; a command that outlives the limit has failed."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **SANITIZERS, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit,
            check=False,
        )
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as expired:
        output = (expired.stdout or b"").decode(errors="replace")
        return 124, f"{output}\n{command}: killed after {limit} s\n"


def run_cmocka(program, prefix):
    result = Result(program)
    begin = time.monotonic()
    folder = RESULTS / "cmocka" / program.replace("/", "-")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = {"CMOCKA_MESSAGE_OUTPUT": "xml", "CMOCKA_XML_FILE": str(folder / "%g.xml")}
    status, output = execute([*prefix, program], environment, PROGRAM_SECONDS)
    details = []
    for file in sorted(folder.glob("*.xml")):
        # Read by pattern: what a test prints may not be XML.
        text = file.read_text(errors="replace")
        for head in re.finditer(r'tests="(\d+)" failures="(\d+)" errors="(\d+)" skipped="(\d+)"', text):
            tests, failures, errors, skipped = map(int, head.groups())
            result.failed += failures + errors
            result.skipped += skipped
            result.passed += tests - failures - errors - skipped
        for case in re.finditer(r'<testcase name="([^"]*)"[^>]*>(.*?)</testcase>', text, re.S):
            for why in re.findall(r"<(?:failure|error)[^>]*><!\[CDATA\[(.*?)\]\]>", case[2], re.S):
                details.append(f"--- {case[1]}\n{why.rstrip()}")
    if status != 0 and result.failed == 0:
        result.failed = 1
        details.append(f"--- {program} ended with {status}")
    if status == 0 and result.passed + result.failed + result.skipped == 0:
        result.failed = 1
        details.append(f"--- {program} reported no test")
    if result.failed:
        result.text = "\n".join([*details, output.rstrip()])
    result.seconds = time.monotonic() - begin
    return result


def run_replay(program, prefix):
    result = Result(program)
    begin = time.monotonic()
    name = pathlib.Path(program).name.removeprefix("fuzz_")
    corpus = pathlib.Path("test/fuzz/corpus") / name
    status, output = execute([*prefix, program, *([str(corpus)] if corpus.is_dir() else [])], {}, PROGRAM_SECONDS)
    if status == 0:
        result.passed = 1
    else:
        result.failed = 1
        result.text = output.rstrip() + f"\n{program} ended with {status}"
    result.seconds = time.monotonic() - begin
    return result


def run_unittest(script):
    result = Result(script)
    begin = time.monotonic()
    status, output = execute(["build/venv-e2e/bin/python", script], {"PYTHONDONTWRITEBYTECODE": "1"}, PROGRAM_SECONDS)
    ran = re.search(r"^Ran (\d+) test", output, re.M)
    bad = re.search(r"^FAILED \((.*)\)", output, re.M)
    skipped = re.search(r"skipped=(\d+)", output)
    result.failed = sum(map(int, re.findall(r"(?:failures|errors)=(\d+)", bad[1]))) if bad else 0
    result.skipped = int(skipped[1]) if skipped else 0
    result.passed = (int(ran[1]) if ran else 0) - result.failed - result.skipped
    if status != 0 and result.failed == 0:
        result.failed = 1
    if result.failed:
        result.text = output.rstrip()
    result.seconds = time.monotonic() - begin
    return result


def run_pytest(folder, program, jobs):
    result = Result(folder)
    begin = time.monotonic()
    report = RESULTS / (folder.replace("/", "-") + ".xml")
    report.unlink(missing_ok=True)
    command = ["build/venv-e2e/bin/pytest", "-q", "-ra", f"--junitxml={report}", folder]
    if jobs > 1:
        command[1:1] = ["-n", str(jobs), "--dist", "loadfile"]
    environment = {"KUMONIWA": os.path.abspath(program), "PYTHONDONTWRITEBYTECODE": "1"}
    status, output = execute(command, environment, PYTEST_SECONDS)
    if report.exists():
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped = int(suite.get("skipped", 0))
            result.failed += failed
            result.skipped += skipped
            result.passed += int(suite.get("tests", 0)) - failed - skipped
    if status != 0 and result.failed == 0:
        result.failed = 1
    result.text = output.rstrip() if result.failed else "\n".join(re.findall(r"^(?:SKIPPED|XFAIL|XPASS).*", output, re.M))
    result.seconds = time.monotonic() - begin
    return result


def announce(result):
    counts = f"{result.passed} passed"
    if result.failed:
        counts += f", {result.failed} FAILED"
    if result.skipped:
        counts += f", {result.skipped} skipped"
    print(f"  {result.name}: {counts} ({result.seconds:.1f} s)", flush=True)
    if result.text:
        print(result.text, flush=True)


def has_tests(folder):
    return any(pathlib.Path(folder).rglob("test_*.py"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cmocka", nargs="*", default=[], metavar="PROGRAM")
    parser.add_argument("--replay", nargs="*", default=[], metavar="PROGRAM", help="fuzz targets, run on their corpora")
    parser.add_argument("--unittest", nargs="*", default=[], metavar="SCRIPT")
    parser.add_argument("--pytest", nargs="*", default=[], metavar="FOLDER")
    parser.add_argument("--program", default="build/kumoniwa", help="what the pytest folders test")
    parser.add_argument("--pytest-jobs", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--no-aslr", action="store_true", help="ThreadSanitizer cannot stand much of it")
    arguments = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    prefix = ["setarch", os.uname().machine, "-R"] if arguments.no_aslr else []

    results = []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        waiting = [pool.submit(run_cmocka, program, prefix) for program in arguments.cmocka]
        waiting += [pool.submit(run_replay, program, prefix) for program in arguments.replay]
        waiting += [pool.submit(run_unittest, script) for script in arguments.unittest]
        for future in waiting:
            results.append(future.result())
            announce(results[-1])
    for folder in filter(has_tests, arguments.pytest):
        # Crash tests measure time and kill what they started: one at a time.
        jobs = 1 if "crash" in folder else arguments.pytest_jobs
        results.append(run_pytest(folder, arguments.program, jobs))
        announce(results[-1])

    passed = sum(result.passed for result in results)
    failed = sum(result.failed for result in results)
    skipped = sum(result.skipped for result in results)
    bad = [result.name for result in results if result.failed]
    if bad:
        print("failed in: " + " ".join(bad))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if failed == 0 and passed > 0 else 1


sys.exit(main())
