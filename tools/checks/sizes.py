#!/usr/bin/env python3
"""Files of at most 800 lines, functions of at most 60, but for those in tools/size-exceptions.txt, which only shrinks."""
import pathlib
import re

import common

FILE_LINES = 800
FUNCTION_LINES = 60
LIST = "tools/size-exceptions.txt"


def functions(path):
    """(name, first line, lines of the body) of a laid-out file: bodies stand between braces in the first column."""
    lines = pathlib.Path(path).read_text().splitlines()
    opened = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            opened = number
        elif line == "}" and opened is not None:
            head = "".join(lines[max(0, opened - 6) : opened - 1])
            names = re.findall(r"(\w+)\((?=[^{}]*\)$|[^{}]*\)\s*__attribute__)", re.split(r"[;}]", head)[-1])
            yield (names[0] if names else f"line-{opened}"), opened, number - opened - 1
            opened = None


def check():
    allowed = {}
    for number, line in enumerate(pathlib.Path(LIST).read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            name, limit = line.split()[:2]
            allowed[name] = (int(limit), number)
    found = []
    large = {}
    for path in common.files(".c", ".h"):
        if not path.startswith(("src/", "test/", "bench/")):
            continue
        size = len(pathlib.Path(path).read_text().splitlines())
        if size > FILE_LINES:
            large[path] = (path, 1, size, FILE_LINES)
        if path.endswith(".c"):
            for name, line, length in functions(path):
                if length > FUNCTION_LINES:
                    large[f"{path}:{name}"] = (path, line, length, FUNCTION_LINES)
    for name, (path, line, size, limit) in large.items():
        if name not in allowed:
            found.append(f"{path}:{line}: {name} has {size} lines, more than {limit}: it wants to be two things")
        elif size > allowed[name][0]:
            found.append(f"{path}:{line}: {name} has {size} lines, more than the {allowed[name][0]} of {LIST}")
        elif size < allowed[name][0]:
            found.append(f"{LIST}:{allowed[name][1]}: {name} has shrunk: write {size}")
    for name in allowed.keys() - large.keys():
        found.append(f"{LIST}:{allowed[name][1]}: no longer needed: {name}")
    return found


if __name__ == "__main__":
    common.main(check)
