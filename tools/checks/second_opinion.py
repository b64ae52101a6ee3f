#!/usr/bin/env python3
"""cppcheck over src/, with the suppressions of cppcheck.txt."""
import pathlib

import common


def check():
    sources = [f for f in common.files(".c") if f.startswith("src/")]
    if not sources:
        return []
    pathlib.Path("build/check/cppcheck").mkdir(parents=True, exist_ok=True)
    # Generated headers are left out: cppcheck guards itself against unknown types, and is quick.
    output = common.run(
        ["cppcheck", "-j", str(common.JOBS), "--quiet", "--error-exitcode=1", "--inline-suppr", "--std=c11",
         "--enable=warning,performance,portability", "--suppressions-list=tools/checks/cppcheck.txt",
         "--cppcheck-build-dir=build/check/cppcheck", "--template={file}:{line}: {severity}: {message} [{id}]",
         "--template-location={file}:{line}: note: {info}", "-D_GNU_SOURCE", "-D__GNUC__=12", "-D__linux__",
         "-D__x86_64__", "-Isrc", *sources]
    )
    return output[1].splitlines() if output[0] else []


if __name__ == "__main__":
    common.main(check)
