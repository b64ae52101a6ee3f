"""Test models and cases from public protocol vectors (botocore's form of the Smithy protocol tests).

Each suite of a file becomes a model with one operation a case, and a *mirror* of it: the same structs, but every
member in the JSON body under its own name. Through the mirror a test turns a case's `params` or `result` into the
typed struct and back, whatever the protocol binds where."""

import base64
import copy
import json
import os
import re

from gen_input import fail
from gen_c import BANNER, structs, tables
from gen_model import Service
from gen_names import c_string

HEADER = """#ifndef KUMONIWA_GEN_TEST_VECTORS_H
#define KUMONIWA_GEN_TEST_VECTORS_H

#include "wire/wire.h"

enum vector_kind {
    VECTOR_REQUEST,  /* decode the request; the input is `json` */
    VECTOR_RESPONSE, /* encode `json`; the response is status, headers, body */
    VECTOR_ERROR,    /* encode error, message and detail (`json`) */
    VECTOR_EVENT,    /* encode `json` as an event of the stream `shape`; `body` is the frame */
};

enum vector_body {
    VECTOR_BODY_NONE, /* nothing is said of it */
    VECTOR_BODY_RAW,
    VECTOR_BODY_JSON,
    VECTOR_BODY_XML,
    VECTOR_BODY_CBOR,
};

enum { VECTOR_INITIAL = 0xFFFF };

struct vector_case {
    const char *id;
    const char *skip; /* why it does not apply to a server; NULL: it does */
    const struct wire_model *model;
    const struct wire_model *mirror;
    enum vector_kind kind;
    enum vector_body body_kind;
    enum wire_protocol protocol;
    int operation;
    uint16_t shape;        /* of the model: input, output or error */
    uint16_t mirror_shape; /* the same in the mirror */
    uint16_t status;
    uint16_t member;       /* of the event stream; VECTOR_INITIAL: the frame before all events */
    uint32_t error;
    struct str message;
    struct str json;
    struct str method, path, query, host, body;
    const struct wire_header *headers;
    size_t header_count;
};

extern const struct vector_case vector_cases[];
extern const size_t vector_case_count;

#endif
"""

# Said by HTTP or of the request, not by the encoder.
NOT_COMPARED = ("content-length", "x-amz-target")
TOKEN = "00000000-0000-4000-8000-000000000000"
FILES = ("input", "output", "legacy/input", "legacy/output")


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def as_aws_writes(text):
    """Two spellings of the same: AWS ends a time with Z, and says whose fault it is."""
    text = re.sub(r"(\d\d:\d\d:\d\d)\+00:00", r"\1Z", text)
    return text.replace("<Type>SomeType</Type>", "<Type>Sender</Type>")


def read_skips(path):
    """Lines of `ID reason`: cases that say something about clients alone."""
    skips = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                words = line.split(None, 1)
                if words and not words[0].startswith("#"):
                    skips[words[0]] = words[1].strip()
    return skips


def mirror_shapes(shapes):
    """The same C structs, everything in the body under its own name, formats at their defaults."""
    mirrored = {"JsonValue__": {"type": "structure", "members": {}, "document": True}}
    for name, shape in shapes.items():
        plain = {"type": shape["type"]}
        if shape.get("document"):
            plain["document"] = True
        for part in ("member", "key", "value"):
            if isinstance(shape.get(part), dict):
                plain[part] = {"shape": shape[part]["shape"]}
        if "members" in shape:
            plain["members"] = {
                member: {"shape": "JsonValue__" if ref.get("jsonvalue") else ref["shape"]}
                for member, ref in shape["members"].items()
            }
        elif shape["type"] == "structure":
            plain["members"] = {}
        mirrored[name] = plain
    return mirrored


class Suite:
    """One suite of a file: the two models and its cases."""

    def __init__(self, prefix, source, common, legacy):
        self.prefix, self.cases, self.legacy = prefix, [], legacy
        self.shapes = copy.deepcopy(source["shapes"])
        self.mark_payloads(source["cases"])
        self.mark_errors(source["cases"])
        metadata = dict(source["metadata"])
        metadata.setdefault("targetPrefix", "Target")
        self.model = self.service(metadata, self.shapes, common, "")
        plain = {"protocol": "json", "jsonVersion": "1.1"}
        self.mirror = self.service(plain, mirror_shapes(source["shapes"]), common, "m")
        for number, case in enumerate(source["cases"]):
            self.add(number, case)

    def mark_payloads(self, cases):
        """The older vectors name the payload where they use the shape."""
        for case in cases:
            for ref in (case["given"].get("input", {}), case["given"].get("output", {})):
                if "payload" in ref:
                    self.shapes[ref["shape"]]["payload"] = ref["payload"]

    def mark_errors(self, cases):
        for case in cases:
            for ref in case["given"].get("errors", ()):
                shape = self.shapes[ref["shape"]]
                shape["exception"] = True
                if "response" in case:
                    details = shape.setdefault("error", {})
                    details["httpStatusCode"] = case["response"]["status_code"]
                    details.update(ref.get("error", {}))

    def service(self, metadata, shapes, common, suffix):
        service = Service(self.prefix, {"metadata": metadata, "shapes": shapes}, {}, common, {})
        service.table_prefix = "%s%s_" % (self.prefix, suffix)
        service.model_suffix = suffix
        service.linkage = "static "
        return service

    def add(self, number, case):
        given = case["given"]
        if self.legacy and "response" in case and "output" in given:
            self.name_roots(given, case["response"].get("body") or "")
        self.model.add_operation(given["name"], given, {})
        operation = self.model.operations[-1]
        empty = self.model.shapes[0].tag
        operation.input_tag = operation.input_tag or empty
        operation.output_tag = operation.output_tag or empty
        self.cases.append((number, case))


    def name_roots(self, given, body):
        """The older vectors' roots and wrappers follow no rule: taken from the answer."""
        output = given["output"] = dict(given["output"])
        root = re.match(r"<([A-Za-z]+)", body)
        if self.model.protocol == "rest-xml" and root:
            output.setdefault("locationName", root.group(1))
            shape = self.shapes[output["shape"]]
            if "payload" in shape:
                payload = self.model.shape(output["shape"]).members
                index = list(shape["members"]).index(shape["payload"])
                payload[index].wire_name = root.group(1)
        if self.model.protocol == "query" and "<%sResult>" % given["name"] not in body:
            output.setdefault("resultWrapper", "")


class CaseWriter:
    """One row of vector_cases."""

    def __init__(self, suite, case_id, number, case, skip):
        self.suite, self.case, self.skip = suite, case, skip
        self.id = case_id
        self.operation = number
        self.given = case["given"]
        self.fields = []

    def bounds(self, key):
        ref = self.given.get(key)
        return ref["shape"] if ref else None

    def index(self, service, name):
        return service.shape(name).index if name else 0

    def string(self, data):
        data = data.encode() if isinstance(data, str) else data
        return '{"%s", %d}' % (c_string(data), len(data))

    def text(self, key, data):
        if data is not None:
            self.fields.append("        .%s = %s," % (key, self.string(data)))

    def number(self, key, value):
        self.fields.append("        .%s = %s," % (key, value))

    def source(self, name):
        return self.suite.shapes[name]

    def plain(self, name, value, top=False, request=True):
        """A value as the mirror's JSON has it: blobs in base64, absent members left out."""
        shape = self.source(name)
        kind = shape["type"]
        if shape.get("document"):
            return value
        if shape.get("eventstream"):
            return {}
        if kind == "blob":
            data = value.encode() if isinstance(value, str) else bytes(value)
            return base64.b64encode(data).decode()
        if kind == "structure":
            out = {}
            for member, item in value.items():
                if member not in shape["members"] or item is None:
                    continue
                out.update(self.plain_member(name, shape, member, item, top, request))
            return out
        if kind == "list":
            return [None if item is None else self.plain(shape["member"]["shape"], item)
                    for item in value]  # fmt: skip
        if kind == "map":
            return {key: None if item is None else self.plain(shape["value"]["shape"], item)
                    for key, item in value.items()}  # fmt: skip
        return value

    def plain_member(self, name, shape, member, item, top, request):
        ref = shape["members"][member]
        both = {**self.source(ref["shape"]), **ref}
        if both.get("jsonvalue"):
            return {member: json.loads(item) if isinstance(item, str) else item}
        if top and member == shape.get("payload") and both.get("streaming"):
            return {}  # not in memory
        if request and both.get("location") == "querystring" and both["type"] == "map":
            taken = {r.get("locationName", m) for m, r in shape["members"].items()
                     if r.get("location") == "querystring" and m != member}  # fmt: skip
            item = {key: value for key, value in item.items() if key not in taken}
        empty = isinstance(item, (list, dict)) and not item and both["type"] in ("list", "map")
        if request and empty and self.drops_empty(both):
            return {}
        return {member: self.plain(ref["shape"], item)}

    def sent_header(self, name):
        for key, value in self.case.get("serialized", {}).get("headers", {}).items():
            if key.lower() == name.lower():
                return value
        return None

    def add_sent(self, name, params):
        """What the client adds by itself and the server therefore sees."""
        shape = self.source(name)
        for member, ref in shape["members"].items():
            if member in params:
                continue
            both = {**self.source(ref["shape"]), **ref}
            header = self.sent_header(both.get("locationName", member))
            if both.get("idempotencyToken"):
                params[member] = TOKEN
            elif both.get("location") == "header" and both["type"] == "string" and header:
                params[member] = header
            elif member == shape.get("payload") and both["type"] == "structure":
                if self.case["serialized"].get("body"):
                    params[member] = {}

    def drops_empty(self, both):
        """Empty lists and maps that the wire cannot tell from absent ones."""
        protocol = self.suite.model.protocol
        location = both.get("location")
        if location == "header":
            return self.sent_header(both["locationName"]) is None
        return location is not None or protocol == "ec2" or (protocol == "query" and both["type"] == "map") or (
            protocol in ("rest-xml", "query") and both.get("flattened"))

    def common(self, kind, name, mirror_name=None):
        model, mirror = self.suite.model, self.suite.mirror
        self.number("kind", kind)
        self.number("model", "&%s_model" % self.suite.prefix)
        self.number("mirror", "&%sm_model" % self.suite.prefix)
        self.number("protocol", "WIRE_PROTOCOL_" + model.protocols[0])
        self.number("operation", self.operation)
        self.number("shape", self.index(model, name))
        self.number("mirror_shape", self.index(mirror, mirror_name or name))

    def headers(self, headers):
        if headers:
            rows = ", ".join("{%s, %s}" % (self.string(k), self.string(v)) for k, v in headers)
            self.number("headers", "(const struct wire_header[]){%s}" % rows)
            self.number("header_count", len(headers))

    def request(self, endpoint):
        name = self.bounds("input")
        sent = self.case["serialized"]
        self.common("VECTOR_REQUEST", name)
        params = self.plain(name, self.case["params"], top=True) if name else {}
        if name:
            self.add_sent(name, params)
        self.text("json", compact(params))
        base = re.sub(r"^https?://[^/]*", "", endpoint or "").rstrip("/")
        path, mark, query = sent["uri"][len(base) :].partition("?")
        self.text("method", sent.get("method", self.given.get("http", {}).get("method", "POST")))
        self.text("path", path)
        self.text("query", query if mark else None)
        host = re.sub(r"^https?://", "", endpoint or "https://example.com").split("/")[0]
        self.text("host", sent.get("host", host).split("/")[0])
        if "gzip" in (self.sent_header("Content-Encoding") or "") and not sent.get("body"):
            self.skip = self.skip or "gives no body; compression is undone before wire/"
        body = sent.get("body") or ""
        headers = flatten_headers(sent.get("headers", {}))
        if self.suite.model.protocol in ("query", "ec2"):
            if not any(key.lower() == "content-type" for key, _ in headers):
                headers.append(("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"))
        if self.suite.model.protocol == "smithy-rpc-v2-cbor":
            body = base64.b64decode(body)
        elif isinstance(body, dict):
            body = json.dumps(body)
        self.text("body", body)
        self.headers(headers)

    def response(self):
        answer = self.case["response"]
        protocol = self.suite.model.protocol
        if "error" in self.case or "errorCode" in self.case:
            self.error(answer)
            kind = self.format(None)
        else:
            name = self.bounds("output")
            self.common("VECTOR_RESPONSE", name)
            result = self.plain(name, self.case["result"], top=True, request=False) if name else {}
            self.text("json", compact(result))
            kind = self.format(name)
        body = answer.get("body")
        if body is None:
            kind = "NONE"
        elif protocol == "smithy-rpc-v2-cbor":
            body = base64.b64decode(body)
        else:
            body = as_aws_writes(body)
        self.number("body_kind", "VECTOR_BODY_" + kind)
        self.number("status", answer["status_code"])
        self.text("body", body)
        headers = flatten_headers(answer.get("headers") or {})
        self.headers([(key, as_aws_writes(value)) for key, value in headers
                      if key.lower() not in NOT_COMPARED])  # fmt: skip

    def format(self, name):
        """How the body is to be compared."""
        shape = self.source(name) if name else {}
        payload = shape.get("payload")
        if name and self.stream_member():
            return "NONE"  # its frames are cases of their own
        if payload:
            ref = shape["members"][payload]
            both = {**self.source(ref["shape"]), **ref}
            if both.get("streaming"):
                return "NONE"
            if both["type"] in ("blob", "string"):
                return "RAW"
        protocol = self.suite.model.protocol
        if protocol in ("json", "rest-json"):
            return "JSON"
        return "CBOR" if protocol == "smithy-rpc-v2-cbor" else "XML"

    def error_name(self):
        """The shape of the error that the answer names."""
        code = self.case.get("errorCode")
        for name, shape in self.suite.shapes.items():
            if shape.get("exception") and code in (name, shape.get("error", {}).get("code")):
                return name
        return None

    def error(self, answer):
        name = self.error_name()
        self.common("VECTOR_ERROR", name)
        if name is None:
            self.skip = self.skip or "an error that no model knows"
            return
        index = next(i for i, e in enumerate(self.suite.model.errors) if e.name == name)
        self.number("error", index)
        details = self.case.get("error") or {}
        message = self.case.get("errorMessage") or details.get("message") or details.get("Message")
        if message is None:
            found = re.search(r"<[Mm]essage>(.*?)</", answer.get("body") or "")
            message = found.group(1) if found else None
        self.text("message", message)
        self.text("json", compact(self.plain(name, details, request=False)))

    def stream_member(self):
        """(name, shape) of the output's event stream."""
        name = self.bounds("output") if "response" in self.case else None
        for member, ref in self.source(name)["members"].items() if name else ():
            if self.source(ref["shape"]).get("eventstream"):
                return member, ref["shape"]
        return None

    def event(self, stream, event, frame):
        """One frame of the answer's body. event: {member: value}; None: the initial response."""
        if event is None:
            name = self.bounds("output")
            self.common("VECTOR_EVENT", name)
            self.number("member", "VECTOR_INITIAL")
            value = self.case["result"]
        else:
            ((member, value),) = event.items()
            members = self.source(stream)["members"]
            name = members[member]["shape"]
            self.common("VECTOR_EVENT", stream, name)
            self.number("member", list(members).index(member))
        value = self.plain(name, value)
        self.text("json", compact(value))
        self.text("body", frame)
        return self.row()

    def write(self, endpoint):
        if "serialized" in self.case:
            self.request(endpoint)
        else:
            self.response()
        return self.row()

    def row(self):
        start = ['    {', '        .id = "%s",' % c_string(self.id)]
        if self.skip:
            start.append('        .skip = "%s",' % c_string(self.skip))
        return "\n".join(start + self.fields + ["    },"])


def flatten_headers(headers):
    rows = []
    for key, value in headers.items():
        values = value if isinstance(value, list) else [value]
        rows += [(key, str(item)) for item in values]
    return rows


def event_rows(case):
    """A row for each frame of an answer that is an event stream (length, ..., as in the AWS event stream encoding)."""
    stream = case.stream_member()
    if stream is None:
        return []
    frames, body = [], base64.b64decode(case.case["response"]["body"])
    while body:
        length = int.from_bytes(body[:4], "big")
        frames.append(body[:length])
        body = body[length:]
    events = list(case.case["result"][stream[0]])
    if len(frames) > len(events):
        events.insert(0, None)
    rows = []
    for number, (event, frame) in enumerate(zip(events, frames)):
        case_id = "%s#%d" % (case.id, number)
        writer = CaseWriter(case.suite, case_id, case.operation, case.case, case.skip)
        rows.append(writer.event(stream[1], event, frame))
    return rows


def case_rows(folder, common, skips):
    """(C text of models, rows)."""
    parts, rows, count = [], [], 0
    unused = set(skips)
    for kind in FILES:
        base = os.path.join(folder, kind)
        for name in sorted(os.listdir(base)) if os.path.isdir(base) else ():
            if not name.endswith(".json"):
                continue
            with open(os.path.join(base, name), encoding="utf-8") as file:
                sources = json.load(file)
            for number, source in enumerate(sources):
                suite = Suite("v%d" % count, source, common, kind.startswith("legacy"))
                count += 1
                place = "%s/%s:%d" % (kind, name[:-5], number)
                for index, case in suite.cases:
                    case_id = "%s.%d:%s" % (place, index, case.get("id", case["given"]["name"]))
                    unused -= {case_id, case.get("id")}
                    skip = skips.get(case_id) or skips.get(case.get("id"))
                    writer = CaseWriter(suite, case_id, index, case, skip)
                    rows.append(writer.write(source.get("clientEndpoint")))
                    rows += event_rows(writer)
                parts += [structs(suite.model), tables(suite.model), tables(suite.mirror)]
    if rows and unused:
        fail("vectors.skip names what is no vector: %s", " ".join(sorted(unused)))
    return parts, rows


def run(folder, out, common, skip_file, write):
    """Writes OUT/vectors.c and OUT/vectors.h; without the folder there are no cases."""
    os.makedirs(out, exist_ok=True)
    nested = os.path.join(folder, "protocols")
    if os.path.isdir(nested):
        folder = nested
    parts, rows = case_rows(folder, common, read_skips(skip_file))
    head = BANNER + '#include "gen/test/vectors.h"\n\n'
    head += '#pragma GCC diagnostic ignored "-Woverlength-strings"\n\n'
    end = "const struct vector_case vector_cases[] = {\n%s\n};\n" % (
        "\n".join(rows) if rows else "    {.id = NULL},")
    end += "const size_t vector_case_count = %d;\n" % len(rows)
    write(os.path.join(out, "vectors.h"), BANNER + HEADER)
    write(os.path.join(out, "vectors.c"), head + "\n".join(parts) + end)
