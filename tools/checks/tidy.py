#!/usr/bin/env python3
"""clang-tidy, with what .clang-tidy asks for, over src/ and bench/."""
import re

import common


def check():
    flags = [f for f in common.compile_flags() if f != "-Werror"]
    outputs = common.cached(
        "tidy",
        [f for f in common.c_sources() if not f.startswith("test/")],
        lambda f: ["clang-tidy", "--quiet", f, "--", *flags],
        lambda f: [*common.dependencies(f), ".clang-tidy"],
    )
    # Each report with its notes; not the counts of suppressed ones.
    return [re.sub(r"^\d+ warnings?( and \d+ errors?)? (generated|treated).*\n?", "", o, flags=re.M) for o in outputs]


if __name__ == "__main__":
    common.main(check)
