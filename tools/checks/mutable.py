#!/usr/bin/env python3
"""Nothing in the program can change at file scope: no symbol of the objects is in a writable section."""
import pathlib
import re

import common


def check():
    allowed = common.exceptions("tools/checks/mutable.txt", 2)
    used = set()
    found = []
    for source in [f for f in common.files(".c") if f.startswith("src/")]:
        made = pathlib.Path("build/release", source).with_suffix(".o")
        if not made.exists():
            continue
        for line in common.run(["nm", str(made)])[1].splitlines():
            match = re.match(r"[0-9a-f]+ ([bBdDC]) (\w+)", line)
            if not match:
                continue
            entry = (source, match[2])
            if entry in allowed:
                used.add(entry)
            else:
                pattern = re.compile(rf"\b{re.escape(match[2])}\b")
                lines = pathlib.Path(source).read_text().splitlines()
                number = next((n for n, text in enumerate(lines, 1) if pattern.search(text)), 1)
                found.append(f"{source}:{number}: {match[2]} can change: keep it in an object, or make it const")
    for entry in sorted(set(allowed) - used):
        found.append(f"tools/checks/mutable.txt:{allowed[entry]}: no longer needed: {' '.join(entry)}")
    return found


if __name__ == "__main__":
    common.main(check)
