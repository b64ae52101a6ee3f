#!/usr/bin/env python3
"""No function is called that is easily used wrongly; memory comes from base/arena.c."""
import pathlib
import re

import common

ANYWHERE = {
    "strcpy": "buf_append", "strcat": "buf_append", "sprintf": "snprintf or str_format", "vsprintf": "vsnprintf",
    "strncpy": "memcpy with a length", "strncat": "buf_append", "stpcpy": "memcpy with a length", "strtok": "str_cut",
    "gets": "a length", "atoi": "str_to_i64", "atol": "str_to_i64", "atoll": "str_to_i64", "atof": "str_to_double",
    "alloca": "an arena", "gmtime": "time_to_civil", "localtime": "time_to_civil", "ctime": "time_format_*",
    "asctime": "time_format_*", "setjmp": "RESULT", "longjmp": "RESULT", "tmpnam": "mkstemp", "mktemp": "mkstemp",
    "vfork": "posix_spawn",
}
IN_SOURCE = {
    "malloc": "an arena", "calloc": "an arena", "realloc": "an arena", "free": "an arena", "strdup": "str_copy",
    "strndup": "str_copy", "asprintf": "str_format", "vasprintf": "str_format", "reallocarray": "an arena",
    "system": "posix_spawn", "popen": "posix_spawn", "rand": "rng_*", "srand": "rng_*", "random": "rng_*", "drand48": "rng_*",
}


def check():
    allowed = common.exceptions("tools/checks/banned.txt", 2)
    used = set()
    found = []
    for path in common.files(".c", ".h"):
        if not path.startswith(("src/", "test/", "bench/")):
            continue
        banned = ANYWHERE | (IN_SOURCE if path.startswith("src/") else {})
        pattern = re.compile(r"(?<![\w.>])(" + "|".join(banned) + r")\s*\(")
        for number, line in enumerate(common.strip_c(pathlib.Path(path).read_text()).splitlines(), 1):
            for match in pattern.finditer(line):
                if (path, match[1]) in allowed:
                    used.add((path, match[1]))
                else:
                    found.append(f"{path}:{number}: {match[1]}() is banned: use {banned[match[1]]}")
    for entry in sorted(set(allowed) - used):
        found.append(f"tools/checks/banned.txt:{allowed[entry]}: no longer needed: {' '.join(entry)}")
    return found


if __name__ == "__main__":
    common.main(check)
