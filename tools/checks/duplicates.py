#!/usr/bin/env python3
"""No run of twelve or more lines stands twice in src/."""
import pathlib
import re

import common

RUN = 12
ROW = re.compile(r"\bSTR(_INIT)?\b")


def lines_of(path):
    """(number, text) of the lines that say something: no blanks, braces, comments, includes; nor rows of literals, of which
    nothing is left without them."""
    text = common.strip_c(pathlib.Path(path).read_text())
    kept = []
    for number, line in enumerate(text.splitlines(), 1):
        line = " ".join(line.split())
        if len(line.strip("{}();, ")) < 2 or line.startswith("#include") or not re.search(r"\w", ROW.sub("", line)):
            continue
        kept.append((number, line))
    return kept


def check():
    texts = {f: lines_of(f) for f in common.files(".c", ".h") if f.startswith("src/")}
    seen = {}
    found = []
    covered = {}
    for path, lines in texts.items():
        for start in range(len(lines) - RUN + 1):
            window = tuple(text for _, text in lines[start : start + RUN])
            if window not in seen:
                seen[window] = (path, start)
                continue
            other, at = seen[window]
            # Overlapping runs of one file, and what a longer report already covers, are not told again.
            if other == path and start - at < RUN or covered.get((path, other), -1) >= start:
                continue
            length = RUN
            while (start + length < len(lines) and at + length < len(texts[other])
                   and lines[start + length][1] == texts[other][at + length][1]):
                length += 1
            covered[path, other] = start + length
            found.append(f"{path}:{lines[start][0]}: {length} lines as at {other}:{texts[other][at][0]}")
    return found


if __name__ == "__main__":
    common.main(check)
