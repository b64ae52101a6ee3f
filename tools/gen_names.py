"""Names: from AWS's models to C identifiers and constants."""

import re

C_WORDS = frozenset(
    """auto break case char const continue default do double else enum extern float for goto if inline int
    long register restrict return short signed sizeof static struct switch typedef union unsigned void
    volatile while asm typeof bool true false NULL EOF errno linux unix stdin stdout stderr""".split()
)


def identifier(name):
    """A C identifier as close to `name` as C allows."""
    safe = re.sub(r"[^A-Za-z0-9_]", "_", name)
    if not safe or safe[0].isdigit() or safe in C_WORDS:
        return safe + "_" if safe in C_WORDS else "_" + safe
    return safe


def upper_snake(name):
    """QueueDoesNotExist -> QUEUE_DOES_NOT_EXIST; what has no small letter only changes its odd signs."""
    name = name.replace("*", "Any")
    if re.search(r"[a-z]", name):
        name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
        name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    name = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").upper()
    return name or "EMPTY"


def strip_error_suffix(name):
    for suffix in ("Exception", "Error"):
        if name.endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


def error_constants(common, names):
    """Constants of the errors `names`, unique among themselves and the `common` ones.

    The constant is the name in upper snake case without a trailing "Exception" (or else "Error"). Where
    two would be the same, or one the same as a common error's, the whole name is taken."""
    short = [upper_snake(strip_error_suffix(name)) for name in names]
    counts = {}
    for constant in list(common) + short:
        counts[constant] = counts.get(constant, 0) + 1
    return [s if counts[s] == 1 else upper_snake(name) for s, name in zip(short, names)]


def c_string(text):
    """The inside of a C string literal for `text` (str or bytes)."""
    data = text if isinstance(text, bytes) else text.encode()
    out = []
    for byte in data:
        char = chr(byte)
        if char in '"\\':
            out.append("\\" + char)
        elif char == "\n":
            out.append("\\n")
        elif char == "?":
            out.append("\\?")  # no trigraphs
        elif 32 <= byte < 127:
            out.append(char)
        else:
            out.append("\\%03o" % byte)
    return "".join(out)


def fnv28(text):
    """28-bit FNV-1a (32 bits, folded by xor): the record tag of a model member."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return (value >> 28) ^ (value & 0x0FFFFFFF)
