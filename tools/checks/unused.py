#!/usr/bin/env python3
"""Every function and table that is not static is used by another file of the program, by a test or by the benchmark."""
import pathlib
import re

import common


def check():
    allowed = common.exceptions("tools/checks/unused.txt", 1)
    defined, wanted = {}, set()
    objects = {str(pathlib.Path("build/release", f).with_suffix(".o")): f for f in common.files(".c")
               if f.startswith("src/")}
    objects = {made: source for made, source in objects.items() if pathlib.Path(made).exists()}
    generated = [str(f) for f in pathlib.Path("build/release/gen").rglob("*.o")]
    listing = common.run(["nm", "-A", "-g", *objects, *generated])[1] if objects else ""
    for line in listing.splitlines():
        match = re.match(r"(\S+?):\s*[0-9a-f]* ([A-Za-z]) (\w+)$", line)
        if not match:
            continue
        if match[2] == "U":
            wanted.add(match[3])
        elif match[2] in "TRDBC" and match[1] in objects:
            defined[match[3]] = objects[match[1]]
    # src/http/ stands in for parts of a static library.
    archive = common.run(["gcc", "-print-file-name=libmicrohttpd.a"])[1].strip()
    theirs = set(re.findall(r" U (\w+)", common.run(["nm", archive])[1]))
    wanted |= theirs | {f"__wrap_{name}" for name in theirs}
    for path in common.files(".c", ".h"):
        if path.startswith(("test/", "bench/")):
            wanted.update(re.findall(r"\w+", pathlib.Path(path).read_text()))
    # Inline functions of headers use what their includers need not.
    for path in common.files(".h"):
        if path.startswith("src/"):
            text = common.strip_c(pathlib.Path(path).read_text())
            for body in re.findall(r"\)\n\{\n(.*?)\n\}", text, re.S):
                wanted.update(re.findall(r"(\w+)\(", body))
    found = []
    for name, source in sorted(defined.items(), key=lambda item: (item[1], item[0])):
        if name in wanted or name == "main" or (name,) in allowed:
            continue
        lines = pathlib.Path(source).read_text().splitlines()
        number = next((n for n, text in enumerate(lines, 1) if re.search(rf"\b{name}\b", text)), 1)
        found.append(f"{source}:{number}: nothing else uses {name}: make it static, or remove it")
    for (name,), number in sorted(allowed.items()):
        if name not in defined or name in wanted:
            found.append(f"tools/checks/unused.txt:{number}: no longer needed: {name}")
    return found


if __name__ == "__main__":
    common.main(check)
