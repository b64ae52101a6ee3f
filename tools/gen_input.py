"""What the generator reads: models, overlays, services.list, and the small files of a service's folder."""

import gzip
import json
import os
import re


class GeneratorError(Exception):
    """Something that a person must put right; the message names the file."""


def fail(message, *args):
    raise GeneratorError(message % args)


def content_lines(path):
    """(number, text) of the lines that are neither empty nor comments."""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            text = re.sub(r"(^|\s)#.*", "", line).strip()
            if text:
                yield number, text


def read_services(path):
    """services.list: [(name, botocore folder, options)]."""
    services, seen = [], set()
    for number, text in content_lines(path):
        words = text.split()
        if len(words) < 2:
            fail("%s:%d: expected NAME BOTOCORE_DIR [key=value...]", path, number)
        name, folder = words[:2]
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            fail("%s:%d: %s is no C name in small letters", path, number, name)
        if name in seen:
            fail("%s:%d: %s stands here twice", path, number, name)
        seen.add(name)
        options = {}
        for word in words[2:]:
            key, equals, value = word.partition("=")
            if not equals or key not in ("validation", "protocols", "readonly"):
                fail("%s:%d: unknown option %s", path, number, word)
            options[key] = value
        services.append((name, folder, options))
    return services


def read_model(models, folder):
    """The newest service-2.json of a botocore data folder."""
    base = os.path.join(models, folder)
    if not os.path.isdir(base):
        fail("%s: no such model", base)
    for version in sorted(os.listdir(base), reverse=True):
        plain = os.path.join(base, version, "service-2.json")
        if os.path.exists(plain):
            with open(plain, encoding="utf-8") as file:
                return json.load(file)
        if os.path.exists(plain + ".gz"):
            with gzip.open(plain + ".gz", "rt", encoding="utf-8") as file:
                return json.load(file)
    return fail("%s: holds no service-2.json", base)


def merge(target, change):
    """Deep merge of an overlay's object; null removes a key."""
    for key, value in change.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = value


OVERLAY_SECTIONS = ("comment", "metadata", "operations", "shapes", "errors")


def read_overlay(path, model):
    """Applies an overlay to the model; returns its `errors`."""
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        overlay = json.load(file)
    for section in overlay:
        if section not in OVERLAY_SECTIONS:
            fail("%s: unknown section %s", path, section)
    for operation, change in overlay.get("operations", {}).items():
        if operation not in model["operations"] and "http" not in change:
            fail("%s: no operation %s in the model", path, operation)
    for name, change in overlay.get("shapes", {}).items():
        if not isinstance(change, dict):
            continue
        shape = model["shapes"].get(name, {})
        for member, ref in change.get("members", {}).items():
            if not isinstance(ref, dict) or "required" not in ref:
                continue
            required = [m for m in shape.get("required", []) if m != member]
            if ref.pop("required"):
                required.append(member)
            shape["required"] = required
    for section in ("metadata", "operations", "shapes"):
        merge(model[section], overlay.get(section, {}))
    for name in overlay.get("shapes", {}):
        check_shape(path, name, model["shapes"].get(name))
    return overlay.get("errors", {})


def check_shape(path, name, shape):
    """A slip of the pen in an overlay makes a shape or member that is of no type."""
    if shape is None:
        return
    if "type" not in shape:
        fail("%s: shape %s is not in the model and has no type", path, name)
    for member, ref in shape.get("members", {}).items():
        if "shape" not in ref:
            fail("%s: %s.%s is not in the model and has no shape", path, name, member)


def read_common_errors(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)["errors"]


def read_unimplemented(path, operations):
    """unimplemented.txt: the set of operations that have no function yet."""
    names = set()
    if not os.path.exists(path):
        return names
    for number, text in content_lines(path):
        words = text.split(None, 1)
        if words[0] not in operations:
            fail("%s:%d: %s is no operation of the model", path, number, words[0])
        if len(words) < 2:
            fail("%s:%d: %s has no reason", path, number, words[0])
        if words[0] in names:
            fail("%s:%d: %s stands here twice", path, number, words[0])
        names.add(words[0])
    return names


def read_iam(path, operations, unimplemented):
    """iam.list: operation -> "action resource [condition keys]" lines joined by newlines."""
    rows = {}
    if os.path.exists(path):
        for number, text in content_lines(path):
            words = text.split()
            if words[0] not in operations:
                fail("%s:%d: %s is no operation of the model", path, number, words[0])
            if len(words) < 3:
                fail("%s:%d: expected OPERATION ACTION RESOURCE [CONDITION KEYS]", path, number)
            rows.setdefault(words[0], []).append(" ".join(words[1:]))
    missing = [name for name in operations if name not in unimplemented and name not in rows]
    if missing:
        fail("%s: implemented operations without a row: %s", path, " ".join(missing))
    return {name: "\n".join(lines) for name, lines in rows.items()}


class Record:
    """One `record NAME {...}`; members are (tag, type, name)."""

    def __init__(self, name, place):
        self.name, self.place = name, place
        self.members = []
        self.reserved = set()


MEMBER_LINE = re.compile(r"(\d+)\s+([A-Za-z0-9_<>,\s]+?)\s+([A-Za-z_][A-Za-z0-9_]*)")


def read_records(path):
    """NAME.records: [Record]."""
    records, record = [], None
    if not os.path.exists(path):
        return records
    for number, text in content_lines(path):
        place = "%s:%d" % (path, number)
        start = re.fullmatch(r"record\s+([a-z][A-Za-z0-9_]*)\s*\{", text)
        member = MEMBER_LINE.fullmatch(text)
        reserved = re.fullmatch(r"reserved\s+(\d+)", text)
        if record is None and start:
            record = Record(start.group(1), place)
            if any(r.name == record.name for r in records):
                fail("%s: record %s stands here twice", place, record.name)
        elif record is not None and text == "}":
            if not record.members:
                fail("%s: record %s has no members", place, record.name)
            records.append(record)
            record = None
        elif record is not None and reserved:
            record.reserved.add(int(reserved.group(1)))
        elif record is not None and member:
            add_record_member(record, place, member)
        else:
            fail("%s: cannot read %r", place, text)
    if record is not None:
        fail("%s: record %s does not end", path, record.name)
    for done in records:
        clash = done.reserved.intersection(tag for tag, _, _ in done.members)
        if clash:
            fail("%s: record %s: tag %d is reserved", path, done.name, min(clash))
    return records


def add_record_member(record, place, match):
    tag, kind, name = int(match.group(1)), re.sub(r"\s+", "", match.group(2)), match.group(3)
    if not 0 < tag < 1 << 28:
        fail("%s: tag %d is out of range", place, tag)
    for other_tag, _, other_name in record.members:
        if other_tag == tag or other_name == name:
            fail("%s: tag %d or name %s stands in record %s twice", place, tag, name, record.name)
    record.members.append((tag, kind, name))
