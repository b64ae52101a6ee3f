"""What the checks share. Each check is a module with check() -> list of "file:line: message"; run alone, it prints them."""
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
JOBS = 2
os.chdir(ROOT)


@functools.cache
def files(*suffixes):
    """The files of the project, also those not committed yet, but none that git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], check=True, capture_output=True, text=True
    ).stdout.split("\n")
    return sorted(f for f in set(listed) if f and (not suffixes or f.endswith(suffixes)) and os.path.isfile(f))


def c_sources():
    return [f for f in files(".c") if f.startswith(("src/", "test/", "bench/"))]


@functools.cache
def compile_flags():
    """The flags of the build, from compile_commands.json, without compiler and source."""
    entries = json.loads(pathlib.Path("compile_commands.json").read_text())
    return entries[0]["arguments"][1:-2] if entries else []


def run(command, text=None):
    done = subprocess.run(
        command, input=text, stdin=None if text else subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@functools.cache
def content(path):
    try:
        return hashlib.sha256(pathlib.Path(path).read_bytes()).digest()
    except OSError:
        return b"missing"


def dependencies(source):
    """All project files that a source is made of, itself too."""
    for variant in ("release", "asan"):
        made = pathlib.Path("build", variant, source).with_suffix(".d")
        if made.exists() and made.stat().st_mtime >= pathlib.Path(source).stat().st_mtime:
            rule = made.read_text()
            break
    else:
        rule = run(["gcc", *compile_flags(), "-MM", source])[1]
    words = rule.split("\n\n")[0].replace("\\\n", " ").split()[1:]
    return sorted({source, *(w.rstrip(":") for w in words)})


@functools.cache
def cache_folder():
    """Shared by all work trees of this user, as what is kept there depends on content alone; else under build/."""
    shared = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache", "kumoniwa-checks")
    try:
        shared.mkdir(parents=True, exist_ok=True)
        if os.access(shared, os.W_OK):
            return shared
    except OSError:
        pass
    return pathlib.Path("build/check")


@functools.cache
def version(tool):
    return run([tool, "--version"])[1]


def cached(name, items, command, sources, configuration="", failed=lambda status, output: status != 0):
    """Runs command(item) for every item, in parallel, unless the files sources(item) and the configuration are those of a
    run that found nothing. Returns what the others printed."""
    folder = cache_folder() / name
    folder.mkdir(parents=True, exist_ok=True)

    def one(item):
        words = [word.replace(str(ROOT), "") for word in command(item)]
        key = hashlib.sha256(repr((words, version(words[0]), configuration)).encode())
        for path in sources(item):
            key.update(path.encode() + content(path))
        marker = folder / key.hexdigest()
        if marker.exists():
            marker.touch()
            return ""
        status, output = run(command(item))
        if failed(status, output):
            return output or f"{item}:1: {command(item)[0]} ended with {status}"
        marker.touch()
        return ""

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        outputs = [output for output in pool.map(one, items) if output]
    newest = sorted(folder.iterdir(), key=lambda f: f.stat().st_mtime, reverse=True)
    for old in newest[5000:]:
        old.unlink()
    return outputs


def strip_c(text):
    """The text with comments and the insides of literals blanked, line for line."""

    def blank(match):
        found = match[0]
        if found[0] in "\"'":
            return found[0] + found[0]
        return "\n" * found.count("\n") + " "

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def exceptions(path, words):
    """Lines of a list of exceptions: the given number of words, then the reason, which must be there."""
    found = {}
    for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        parts = line.split(None, words)
        if len(parts) <= words:
            raise SystemExit(f"{path}:{number}: an exception needs its reason")
        found[tuple(parts[:words])] = number
    return found


def main(check):
    problems = check()
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)
