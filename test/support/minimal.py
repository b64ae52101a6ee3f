"""The smallest valid input of an operation, made from its botocore model: required members alone, lengths, ranges,
enumerations and patterns kept."""

import datetime
import itertools
import re
import re._constants as constants
import re._parser as parser

# What patterns most often ask for; tried before a text is made from the pattern itself.
CANDIDATES = (
    "a", "A", "1", "aaaa", "abcd1234", "000000000000", "arn:aws:iam::000000000000:role/name", "us-east-1",
    "12345678-1234-1234-1234-123456789012", "https://example.com/", "s3://bucket/key", "name.example.com",
)
COMPLEX = ("structure", "list", "map")


def plain(pattern):
    """Unicode properties, which Python does not know, as ranges of ASCII."""
    names = {"N": "0-9", "Nd": "0-9", "Z": " ", "S": "+", "P": "!", "XDigit": "0-9a-f", "Digit": "0-9"}
    out, at, inside = "", 0, False
    while at < len(pattern):
        found = re.compile(r"\\[pP]\{(\w+)\}").match(pattern, at)
        if found:
            ranges = "a-z" if found[0][1] == "P" else names.get(found[1], "a-z")
            out += ranges if inside else f"[{ranges}]"
            at = found.end()
            continue
        length = 2 if pattern[at] == "\\" else 1
        if length == 1 and pattern[at] in "[]":
            inside = pattern[at] == "["
        out += pattern[at : at + length]
        at += length
    return out


def text_of(pattern):
    """One text that the pattern matches, or None when it says something that this does not read."""
    try:
        tree = parser.parse(plain(pattern))
    except (re.error, OverflowError):
        return None

    def pick(choices):
        negated = choices and choices[0][0] is constants.NEGATE
        members = set()
        for kind, value in choices:
            if kind is constants.LITERAL:
                members.add(value)
            elif kind is constants.RANGE:
                members.update(range(value[0], min(value[1], value[0] + 64) + 1))
            elif kind is constants.CATEGORY:
                members.update(map(ord, {"CATEGORY_DIGIT": "0", "CATEGORY_WORD": "a0_", "CATEGORY_SPACE": " ",
                                         "CATEGORY_NOT_SPACE": "a", "CATEGORY_NOT_DIGIT": "a",
                                         "CATEGORY_NOT_WORD": "-"}[str(value).split(".")[-1]]))
        for wanted in itertools.chain(b"aA0-./:_ ", range(33, 0x250)):
            if (wanted in members) != negated:
                return chr(wanted)
        return chr(min(members))

    groups = {}

    def make(items):
        out = ""
        for kind, value in items:
            if kind is constants.LITERAL:
                out += chr(value)
            elif kind is constants.NOT_LITERAL:
                out += "a" if value != ord("a") else "b"
            elif kind is constants.ANY:
                out += "a"
            elif kind is constants.IN:
                out += pick(value)
            elif kind in (constants.MAX_REPEAT, constants.MIN_REPEAT, constants.POSSESSIVE_REPEAT):
                low, _, inner = value
                out += "".join(make(inner) for _ in range(min(low, 300)))
            elif kind is constants.SUBPATTERN:
                groups[value[0]] = make(value[3])
                out += groups[value[0]]
            elif kind is constants.BRANCH:
                out += make(value[1][0])
            elif kind is constants.GROUPREF:
                out += groups.get(value, "")
            elif kind in (constants.AT, constants.ASSERT, constants.ASSERT_NOT):
                pass
            elif kind is constants.ATOMIC_GROUP:
                out += make(value)
            else:
                raise KeyError(kind)
        return out

    try:
        return make(tree)
    except (KeyError, ValueError):
        return None


def string_of(shape):
    if shape.enum:
        return shape.enum[0]
    low = int(shape.metadata.get("min", 1))
    high = int(shape.metadata.get("max", max(low, 1 << 20)))
    pattern = shape.metadata.get("pattern")
    made = text_of(pattern) if pattern else None
    options = [*CANDIDATES, *([made] if made is not None else [])]
    for option in [*options, *(option + option[-1:] * (low - len(option)) for option in options)]:
        if not low <= len(option) <= high:
            continue
        try:
            if not pattern or re.search(f"^(?:{plain(pattern)})$", option):
                return option
        except re.error:
            return option
    return (made or "a").ljust(low, "a")[:high]


def value_of(shape, depth=0):
    kind = shape.type_name
    low = shape.metadata.get("min")
    if kind == "structure":
        members = {}
        if depth < 12:
            for name in shape.required_members:
                members[name] = value_of(shape.members[name], depth + 1)
            # The query protocol has no empty structures, and a union has one member.
            if depth > 0 and not members and shape.members:
                name, member = min(shape.members.items(), key=lambda pair: pair[1].type_name in COMPLEX)
                members[name] = value_of(member, depth + 1)
        return members
    if kind == "list":
        # Nor has it empty lists.
        count = max(int(low or 0), 1 if int(shape.metadata.get("max", 1)) > 0 and depth < 12 else 0)
        return [value_of(shape.member, depth + 1) for _ in range(count)]
    if kind == "map":
        return {string_of(shape.key): value_of(shape.value, depth + 1)} if depth < 12 else {}
    if kind == "string":
        return string_of(shape)
    if kind in ("integer", "long"):
        return int(float(low)) if low is not None else 1
    if kind in ("float", "double"):
        return float(low) if low is not None else 1.0
    if kind == "boolean":
        return True
    if kind == "timestamp":
        return datetime.datetime(2026, 1, 1)
    if kind == "blob":
        return b"x" * int(low or 1)
    raise AssertionError(kind)


def input_of(operation):
    return value_of(operation.input_shape) if operation.input_shape is not None else {}
