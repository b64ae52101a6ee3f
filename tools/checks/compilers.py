#!/usr/bin/env python3
"""clang takes every source without a warning (gcc has seen them in the build)."""
import common


def check():
    flags = common.compile_flags()
    return common.cached(
        "clang",
        common.c_sources(),
        lambda f: ["clang", *flags, "-fsyntax-only", "-fno-caret-diagnostics", f],
        common.dependencies,
    )


if __name__ == "__main__":
    common.main(check)
