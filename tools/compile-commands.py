#!/usr/bin/env python3
"""Writes compile_commands.json for editors and clang-tidy: one entry for each source, all with the same flags."""
import argparse
import json
import os
import pathlib


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    parser.add_argument("--sources", required=True, help="file with the sources, separated by white space")
    parser.add_argument("command", nargs="+", help="compiler and flags")
    arguments = parser.parse_args()
    entries = [
        {"directory": os.getcwd(), "file": source, "arguments": [*arguments.command, "-c", source]}
        for source in pathlib.Path(arguments.sources).read_text().split()
    ]
    pathlib.Path(arguments.out).write_text(json.dumps(entries, indent=1) + "\n")


main()
