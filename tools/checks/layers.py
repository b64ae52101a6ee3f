#!/usr/bin/env python3
"""Nothing includes what stands above it; services do not include each other."""
import pathlib
import re

import common

ORDER = ["base", "wire", "store", "http", "sandbox", "functions", "auth", "cloud", "services", "server", "cli", "console"]
# cli and console stand side by side, on top of everything.
RANK = {name: min(rank, ORDER.index("cli")) for rank, name in enumerate(ORDER)}
MAY_INCLUDE_GENERATED = {"services", "cloud", "server", "auth"}


def check():
    found = []
    for path in common.files(".c", ".h"):
        parts = path.split("/")
        if parts[0] != "src" or len(parts) < 3:
            continue
        layer = parts[1]
        if layer not in RANK:
            found.append(f"{path}:1: no such layer: {layer}")
            continue
        for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not match:
                continue
            other = match[1].split("/")
            if other[0] == "gen":
                if layer not in MAY_INCLUDE_GENERATED:
                    found.append(f"{path}:{number}: {layer}/ must not know generated {match[1]}")
            elif other[0] not in RANK:
                found.append(f'{path}:{number}: "{match[1]}" is not a path from src/')
            elif other[0] == layer:
                if layer == "services" and other[1] != parts[2]:
                    found.append(f"{path}:{number}: service {parts[2]} includes service {other[1]}")
                if layer != "services" and len(other) > 2:
                    found.append(f"{path}:{number}: {match[1]}: layers have no folders of their own")
            elif RANK[other[0]] >= RANK[layer]:
                found.append(f"{path}:{number}: {layer}/ includes {match[1]}, which stands above it")
            if match and match[1].endswith("_int.h") and other[:-1] != parts[1:-1]:
                found.append(f"{path}:{number}: {match[1]} is private to its folder")
    return found


if __name__ == "__main__":
    common.main(check)
