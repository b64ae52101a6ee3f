"""Policies that AWS manages: src/services/iam/managed/*.json to one constant table, build/gen/iam_managed.c.

Each file holds {"PATH/NAME": {"description": TEXT, "created": DAY, "updated": DAY, "version": N, "document": {...}}}.
Ids are AWS's where the file says one; else they are made of the name, so that they are the same everywhere."""

import base64
import datetime
import glob
import hashlib
import json
import os

from gen_input import fail


def policy_id(name):
    digest = hashlib.sha256(name.encode()).digest()
    return "ANPA" + base64.b32encode(digest).decode()[:17]


def milliseconds(day):
    instant = datetime.datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=datetime.timezone.utc)
    return int(instant.timestamp()) * 1000


def read_managed(folder):
    """{full name: policy}, in the order of names."""
    policies = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
        with open(path, encoding="utf-8") as file:
            for name, policy in json.load(file).items():
                if name in policies:
                    fail("%s: %s stands twice", path, name)
                if policy["document"].get("Version") != "2012-10-17":
                    fail("%s: %s: its document has no version", path, name)
                policies[name] = policy
    return dict(sorted(policies.items(), key=lambda item: item[0].encode()))


def c_string(text):
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


def c_str(text, indent):
    """STR_INIT() of a text, cut into lines."""
    pieces = [text[i:i + 100] for i in range(0, len(text), 100)] or [""]
    return "STR_INIT(%s)" % ("\n" + indent).join(c_string(piece) for piece in pieces)


def source_file(policies):
    lines = ["/* Made by tools/gen_managed.py from src/services/iam/managed. */",
             '#include "services/iam/aws_policies.h"', "",
             "const struct iam_aws_policy iam_aws_policies[] = {"]
    for name, policy in policies.items():
        document = json.dumps(policy["document"], separators=(",", ":"))
        lines += ["    {.full_name = %s," % c_str(name, "     "),
                  "     .id = %s," % c_str(policy.get("id") or policy_id(name), "     "),
                  "     .description = %s," % c_str(policy["description"], "     "),
                  "     .document = %s," % c_str(document, "     "),
                  "     .created_ms = %d, .updated_ms = %d, .version = %d}," % (
                      milliseconds(policy["created"]), milliseconds(policy.get("updated", policy["created"])),
                      policy.get("version", 1))]
    lines += ["};", "const size_t iam_aws_policy_count = %d;" % len(policies), ""]
    return "\n".join(lines)
