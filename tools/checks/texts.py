#!/usr/bin/env python3
"""No tabs, no blanks at line ends, a newline at the end; no host name of a package registry anywhere."""
import hashlib
import pathlib
import re

import common

LAID_OUT = (".c", ".h", ".py", ".sh", ".md", ".1", ".list", ".service.in", ".fish", ".bash", ".mjs", ".js")
# The hosts, not written out: the first 16 digits of their SHA-256.
HOSTS = {
    "a4aa2ac280bb8d1a", "8b5bb5eb9d758455", "8743857e3ea00fd1", "3ca29e55be4befa4",
    "789e46d79514e280", "00a7dc5a0cc38858", "9da5f32d96412512", "c3db8466ffcd8589",
    "41b464c047c28da2", "e680c440a2e92079", "1ba4e37997a2e986", "71741fe2460a6150",
    "87d14f070cb96869",
}
GENERATED_BY_TOOLS = ("test/fuzz/corpus/", "test/wire/golden", "test/golden")


def check():
    found = []
    for path in common.files():
        data = pathlib.Path(path).read_bytes()
        if b"\0" in data or path.startswith(GENERATED_BY_TOOLS):
            continue
        text = data.decode(errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            for host in re.findall(r"(?:[a-z0-9-]+\.)+[a-z]{2,}", line.lower()):
                labels = host.split(".")
                for first in range(len(labels) - 1):
                    name = ".".join(labels[first:])
                    if hashlib.sha256(name.encode()).hexdigest()[:16] in HOSTS:
                        found.append(f"{path}:{number}: names a package registry's host")
            if path.endswith(LAID_OUT):
                if "\t" in line:
                    found.append(f"{path}:{number}: a tab")
                if line != line.rstrip():
                    found.append(f"{path}:{number}: blanks at the end of the line")
        if path.endswith(LAID_OUT) and text and not text.endswith("\n"):
            found.append(f"{path}:{text.count(chr(10)) + 1}: no newline at the end")
    return found


if __name__ == "__main__":
    common.main(check)
