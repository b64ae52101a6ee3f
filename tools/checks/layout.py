#!/usr/bin/env python3
"""clang-format has nothing to change."""
import re

import common


def check():
    sources = [f for f in common.files(".c", ".h") if f.startswith(("src/", "test/", "bench/"))]
    outputs = common.cached(
        "layout",
        sources,
        lambda f: ["clang-format", "--dry-run", "-Werror", f],
        lambda f: [f, ".clang-format"],
    )
    found = []
    for output in outputs:
        lines = re.findall(r"^(\S+:\d+):\d+: error: code should be clang-formatted", output, re.M)
        found.append(f"{lines[0]}: not laid out ({len(lines)} places; make format)" if lines else output)
    return found


if __name__ == "__main__":
    common.main(check)
