"""From an AWS service model to the rows of the tables of src/wire/desc.h."""

from gen_input import fail
from gen_names import error_constants, fnv28, identifier, strip_error_suffix, upper_snake

TYPES = {
    "string": "STRING", "character": "STRING", "blob": "BLOB", "boolean": "BOOL", "byte": "BYTE",
    "short": "SHORT", "integer": "INT", "long": "LONG", "float": "FLOAT", "double": "DOUBLE",
    "timestamp": "TIMESTAMP", "bigInteger": "BIG_NUMBER", "bigDecimal": "BIG_NUMBER",
    "list": "LIST", "map": "MAP", "structure": "STRUCT",
}  # fmt: skip
STRINGS = ("STRING", "BLOB", "DOCUMENT", "BIG_NUMBER")
C_TYPES = {
    "STRING": "str", "BLOB": "str", "DOCUMENT": "str", "BIG_NUMBER": "str", "BOOL": "opt_bool",
    "BYTE": "opt_int", "SHORT": "opt_int", "INT": "opt_int", "LONG": "opt_long",
    "FLOAT": "opt_double", "DOUBLE": "opt_double", "TIMESTAMP": "opt_time",
}  # fmt: skip
PROTOCOLS = {
    "query": "QUERY", "ec2": "EC2", "json": "JSON", "rest-json": "REST_JSON",
    "rest-xml": "REST_XML", "cbor": "CBOR", "smithy-rpc-v2-cbor": "CBOR",
}  # fmt: skip
PROTOCOL_BITS = ("QUERY", "EC2", "JSON", "REST_JSON", "REST_XML", "CBOR")
LOCATIONS = {
    "header": "HEADER", "headers": "HEADERS", "querystring": "QUERY", "uri": "URI",
    "statusCode": "STATUS",
}  # fmt: skip
TIME_FORMATS = {"unixTimestamp": "UNIX", "iso8601": "ISO8601", "rfc822": "RFC822"}
# Services whose clients have spoken more protocols than today's model names.
MORE_PROTOCOLS = {"sqs": "query,json,cbor", "cloudwatch": "query,json,cbor"}
VALIDATION = {"query": "SMITHY", "ec2": "QUERY", "rest-xml": "SMITHY"}
SERVICE_VALIDATION = {"s3": "NONE", "dynamodb": "NONE", "sqs": "NONE"}
READ_ONLY_PREFIXES = (
    "Get", "List", "Describe", "Head", "BatchGet", "BatchDescribe", "Search", "Query", "Scan",
    "Lookup", "Select", "Check", "Count", "Estimate", "Preview", "Simulate", "Validate", "Verify",
    "Test",
)  # fmt: skip
PLAIN_TYPES = {"long": "int64_t", "int": "int64_t", "bool": "bool", "double": "double", "time": "int64_t"}
RECORD_TYPES = {
    "string": "STRING", "blob": "BLOB", "document": "DOCUMENT", "long": "LONG", "int": "LONG",
    "bool": "BOOL", "double": "DOUBLE", "time": "TIMESTAMP",
}  # fmt: skip


class Pool:
    """Strings, each after two bytes of length; equal ones once. Index 0 is no string."""

    def __init__(self):
        self.data = [b"\0\0"]
        self.size = 2
        self.indices = {}

    def add(self, text):
        if text is None:
            return 0
        index = self.indices.get(text)
        if index is None:
            raw = text.encode()
            if len(raw) > 0xFFFF:
                fail("a string of %d bytes is too long for the pool: %.60s...", len(raw), text)
            index = self.size + 2
            self.data.append(len(raw).to_bytes(2, "little") + raw + b"\0")
            self.size += len(raw) + 3
            self.indices[text] = index
        return index


class Shape:
    """A row of the shape table. `c_type`: how the value stands in a C structure, list or map."""

    def __init__(self, name, kind, index):
        self.name, self.kind, self.index = name, kind, index
        self.tag = ""  # of the C struct: heads of lists and maps, structures
        self.flags, self.members = [], []
        self.payload = 0
        self.constraint = 0
        self.namespace = None
        self.record = False

    @property
    def c_type(self):
        if self.kind == "STRUCT":
            return "struct %s *" % self.tag
        return "struct %s " % (self.tag or C_TYPES[self.kind])

    @property
    def item_type(self):
        """Inside a list or a map structures stand by value."""
        return "struct %s " % self.tag if self.kind == "STRUCT" else self.c_type


class Member:
    def __init__(self, name, shape):
        self.name, self.shape = name, shape
        self.c_name = identifier(name)
        self.json_name = self.wire_name = self.query_name = name
        self.namespace = self.prefix = None
        self.tag = fnv28(name)
        self.flags = []
        self.location = self.time_format = None
        self.plain = None  # C type of a plain record member


class Operation:
    def __init__(self, name):
        self.name = name
        self.flags = []
        self.input_tag = self.output_tag = None


class Error:
    def __init__(self, name, code, status):
        self.name, self.code, self.status = name, code, status
        self.query_code = None
        self.shape = 0
        self.server_fault = status >= 500
        self.constant = ""


def capitalised(text):
    return text[:1].upper() + text[1:]


class Service:
    """Everything about one service, ready to be written by gen_c."""

    def __init__(self, name, model, options, common, overlay_errors):
        self.name, self.model = name, model
        self.prefix = identifier(name)
        self.table_prefix = ""  # test models share a file
        self.linkage = self.model_suffix = ""
        self.upper = self.prefix.upper()
        self.source = model.get("shapes", {})
        self.pool = Pool()
        self.shapes, self.by_name = [], {}
        self.constraints, self.constraint_rows = {}, [None]
        self.enum_values, self.enum_lists = [], {}
        self.operations, self.errors = [], []
        self.implemented = False
        self.unimplemented, self.iam = set(), {}
        self.read_metadata(options)
        self.add_empty_shape()
        operations = model.get("operations", {})
        for change in options.get("readonly", "").split(","):
            if change and (change[0] not in "+-" or change[1:] not in operations):
                fail("services.list: %s: readonly=%s names no operation", name, change)
        for key, source in operations.items():
            self.add_operation(key, source, options)
        self.add_errors(common, overlay_errors)

    # ---- the service

    def read_metadata(self, options):
        meta = self.model.get("metadata", {})
        own = meta.get("protocol", "json")
        if own not in PROTOCOLS:
            fail("%s: unknown protocol %s", self.name, own)
        self.protocol = own
        more = options.get("protocols", MORE_PROTOCOLS.get(self.name, ""))
        names = [own] + list(meta.get("protocols", [])) + [p for p in more.split(",") if p]
        for protocol in names:
            if protocol not in PROTOCOLS:
                fail("%s: unknown protocol %s", self.name, protocol)
        self.protocols = sorted({PROTOCOLS[p] for p in names}, key=PROTOCOL_BITS.index)
        self.own_protocol = PROTOCOL_BITS.index(PROTOCOLS[own])
        self.json_version = 11 if meta.get("jsonVersion") == "1.1" else 10
        self.query_compatible = "awsQueryCompatible" in meta
        self.body_crc32 = meta.get("bodyCrc32", False)
        validation = options.get("validation", "").upper()
        if validation not in ("", "SMITHY", "QUERY", "NONE"):
            fail("%s: unknown validation=%s", self.name, validation.lower())
        default = SERVICE_VALIDATION.get(self.name, VALIDATION.get(own, "SMITHY"))
        self.validation = validation or default
        endpoint = meta.get("endpointPrefix", self.name)
        self.strings = {
            "name": self.name,
            "service_id": meta.get("serviceId"),
            "title": meta.get("serviceAbbreviation") or meta.get("serviceFullName"),
            "signing_name": meta.get("signingName", endpoint),
            "endpoint_prefix": endpoint,
            "api_version": meta.get("apiVersion"),
            "target_prefix": meta.get("targetPrefix"),
            "namespace_uri": namespace_of(meta)[0],
            "error_namespace": meta.get("errorNamespace"),
        }

    def speaks(self, *protocols):
        return any(protocol in self.protocols for protocol in protocols)

    # ---- shapes

    def add_empty_shape(self):
        empty = Shape(None, "STRUCT", 0)
        empty.tag = self.prefix + "_empty"
        self.shapes.append(empty)

    def shape(self, name):
        """The Shape of a model's shape, added on first use with all that it needs."""
        shape = self.by_name.get(name)
        if shape is not None:
            return shape
        source = self.source.get(name)
        if source is None:
            fail("%s: no shape %s in the model", self.name, name)
        kind = TYPES.get(source["type"])
        if kind is None:
            fail("%s: shape %s has the unknown type %s", self.name, name, source["type"])
        if source.get("document"):
            kind = "DOCUMENT"
        shape = self.new_shape(name, kind)
        for key, flag in (("union", "UNION"), ("eventstream", "EVENT_STREAM"), ("event", "EVENT"),
                          ("flattened", "FLATTENED"), ("streaming", "STREAMING"),
                          ("exception", "EXCEPTION"), ("sparse", "SPARSE"),
                          ("sensitive", "SENSITIVE")):  # fmt: skip
            if source.get(key):
                shape.flags.append(flag)
        shape.constraint = self.constraint(source, kind)
        if kind == "STRUCT":
            self.fill_structure(shape, source)
        elif kind == "LIST":
            self.fill_list(shape, source)
        elif kind == "MAP":
            self.fill_map(shape, source)
        return shape

    def new_shape(self, name, kind):
        shape = Shape(name, kind, len(self.shapes))
        if shape.index > 0xFFFF:
            fail("%s: more than 65535 shapes", self.name)
        self.shapes.append(shape)
        self.by_name[name] = shape
        if kind == "STRUCT":
            shape.tag = "%s_%s" % (self.prefix, identifier(name))
        return shape

    def fill_structure(self, shape, source):
        required = frozenset(source.get("required", ()))
        shape.namespace = namespace_of(source)[0]
        payload = source.get("payload")
        names, tags = set(), {}
        for number, (name, ref) in enumerate(source.get("members", {}).items()):
            member = self.member(name, ref, shape.name)
            if name in required:
                member.flags.append("REQUIRED")
            if name == payload:
                shape.payload = number + 1
                if self.protocol == "rest-xml" and member.shape.kind == "STRUCT":
                    member.wire_name = self.root_name(ref, self.source[ref["shape"]])
            if member.c_name in names:
                member.c_name += "_"
            names.add(member.c_name)
            if member.tag in tags:
                fail("%s: the tags of %s.%s and %s.%s are the same", self.name, shape.name, name,
                     shape.name, tags[member.tag])  # fmt: skip
            tags[member.tag] = name
            shape.members.append(member)
        if len(shape.members) > 0xFFFF:
            fail("%s: shape %s has more than 65535 members", self.name, shape.name)

    def member(self, name, ref, owner):
        """A structure's member, a list's item, a map's key or value. What the reference says goes before
        what its shape says, as in botocore."""
        target = ref["shape"]
        if any(key in ref for key in ("enum", "min", "max", "pattern")):
            target = self.refined_shape(ref, "%s.%s" % (owner, name))
        source = self.source.get(target)
        if source is None:
            fail("%s: %s.%s is of the missing shape %s", self.name, owner, name, target)
        both = {**source, **ref}
        member = Member(name, self.shape(target))
        location = both.get("location")
        if location is not None:
            member.location = LOCATIONS.get(location)
            if member.location is None:
                fail("%s: %s.%s has the unknown location %s", self.name, owner, name, location)
        own_name = ref if source["type"] == "structure" else both  # a structure's is its root's
        member.wire_name = own_name.get("locationName", name)
        if self.protocol == "rest-json" and location is None:
            member.json_name = own_name.get("locationName", name)
        if self.protocol == "ec2":
            fallback = capitalised(member.wire_name)
            member.query_name = both.get("queryName", fallback)
        elif both.get("flattened") and source["type"] == "list":  # as clients of query do
            item_name = source["member"].get("locationName", name)
            member.query_name = own_name.get("locationName", item_name)
        else:
            member.query_name = member.wire_name
        member.namespace, member.prefix = namespace_of(both)
        member.time_format = TIME_FORMATS.get(both.get("timestampFormat"))
        for key, flag in (("flattened", "FLATTENED"), ("xmlAttribute", "XML_ATTRIBUTE"),
                          ("idempotencyToken", "IDEMPOTENCY_TOKEN"), ("jsonvalue", "JSON_VALUE"),
                          ("hostLabel", "HOST_LABEL"), ("streaming", "STREAMING"),
                          ("eventpayload", "EVENT_PAYLOAD"),
                          ("eventheader", "EVENT_HEADER")):  # fmt: skip
            if both.get(key):
                member.flags.append(flag)
        return member

    def root_name(self, ref, source):
        """The element around a structure that is a whole body."""
        return ref.get("locationName") or source.get("locationName") or ref["shape"]

    def refined_shape(self, ref, place):
        """Some models put constraints on a member: these make a shape of their own."""
        name = "%s@%s" % (ref["shape"], place)
        refined = dict(self.source[ref["shape"]])
        for key in ("enum", "min", "max", "pattern"):
            if key in ref:
                refined[key] = ref[key]
        self.source[name] = refined
        return name

    def fill_list(self, shape, source):
        item = self.member("member", source["member"], shape.name)
        shape.members.append(item)
        if item.shape.kind in STRINGS:
            shape.tag = "str_list"
        else:
            shape.tag = "%s_%s" % (self.prefix, identifier(shape.name))

    def fill_map(self, shape, source):
        key = self.member("key", source["key"], shape.name)
        value = self.member("value", source["value"], shape.name)
        if key.shape.kind != "STRING":
            fail("%s: the keys of %s are no strings", self.name, shape.name)
        shape.members += [key, value]
        if value.shape.kind in STRINGS:
            shape.tag = "str_map"
        else:
            shape.tag = "%s_%s" % (self.prefix, identifier(shape.name))

    def constraint(self, source, kind):
        low, high = source.get("min"), source.get("max")
        pattern = source.get("pattern") if kind == "STRING" else None
        enum = tuple(source.get("enum", ())) if kind == "STRING" else ()
        if low is None and high is None and pattern is None and not enum:
            return 0
        key = (low, high, pattern, enum)
        index = self.constraints.get(key)
        if index is None:
            index = self.constraints[key] = len(self.constraint_rows)
            if index > 0xFFFF or len(enum) > 0xFFFF:
                fail("%s: too many constraints or enumeration values", self.name)
            first = 0
            if enum:
                if enum not in self.enum_lists:
                    self.enum_lists[enum] = len(self.enum_values)
                    self.enum_values += [self.pool.add(value) for value in enum]
                first = self.enum_lists[enum]
            row = (low, high, self.pool.add(pattern), first, len(enum))
            self.constraint_rows.append(row)
        return index

    # ---- operations

    def add_operation(self, name, source, options):
        operation = Operation(name)
        http = source.get("http", {})
        operation.method = http.get("method", "POST")
        operation.uri = http.get("requestUri", "/")
        operation.status = http.get("responseCode", 200)
        operation.input = self.root(source.get("input"))
        operation.output = self.root(source.get("output"))
        operation.input_tag = operation.input.tag if source.get("input") else None
        operation.output_tag = operation.output.tag if source.get("output") else None
        self.roots(operation, source)
        operation.host_prefix = source.get("endpoint", {}).get("hostPrefix")
        self.operation_flags(operation, source, options)
        self.operations.append(operation)
        if len(self.operations) > 0x7FFF:
            fail("%s: more than 32767 operations", self.name)

    def root(self, ref):
        if ref is None:
            return self.shapes[0]
        shape = self.shape(ref["shape"])
        if shape.kind != "STRUCT":
            fail("%s: %s is an input or output and no structure", self.name, shape.name)
        return shape

    def roots(self, operation, source):
        """Root elements and namespaces of the bodies."""
        operation.input_root = operation.input_namespace = operation.output_root = None
        given, answer = source.get("input"), source.get("output")
        if given and self.speaks("REST_XML"):
            both = {**self.source[given["shape"]], **given}
            operation.input_root = self.root_name(given, self.source[given["shape"]])
            operation.input_namespace = namespace_of(both)[0] or self.strings["namespace_uri"]
        if answer and self.speaks("REST_XML"):
            operation.output_root = self.root_name(answer, self.source[answer["shape"]])
        elif answer and self.speaks("QUERY"):
            both = {**self.source[answer["shape"]], **answer}
            # A model that speaks JSON by now has forgotten the wrapper.
            operation.output_root = both.get("resultWrapper", operation.name + "Result") or None

    def operation_flags(self, operation, source, options):
        flags, name = operation.flags, operation.name
        if source.get("authtype") == "none" or source.get("auth") == ["smithy.api#noAuth"]:
            flags.append("NO_AUTH")
        for shape, stream, event in ((operation.input, "STREAM_IN", "EVENT_IN"),
                                     (operation.output, "STREAM_OUT", "EVENT_OUT")):  # fmt: skip
            if shape.payload:
                body = shape.members[shape.payload - 1]
                streaming = "STREAMING" in body.flags or "STREAMING" in body.shape.flags
                if body.shape.kind == "BLOB" and streaming:
                    flags.append(stream)
            if any("EVENT_STREAM" in member.shape.flags for member in shape.members):
                flags.append(event)
        change = options.get("readonly", "").split(",")
        by_name = name.startswith(READ_ONLY_PREFIXES) or bool(source.get("readonly"))
        if "+" + name in change or (by_name and "-" + name not in change):
            flags.append("READ_ONLY")
        checksum = source.get("httpChecksum", {}).get("requestChecksumRequired")
        if source.get("httpChecksumRequired") or checksum:
            flags.append("CHECKSUM_REQUIRED")
        if source.get("unsignedPayload") or source.get("authtype") == "v4-unsigned-body":
            flags.append("UNSIGNED_PAYLOAD")
        if operation.uri.partition("?")[2]:
            flags.append("QUERY_LITERAL")
        for member in operation.input.members:
            greedy = "{%s+}" % member.wire_name in operation.uri
            if member.location == "URI" and greedy and "GREEDY" not in member.flags:
                member.flags.append("GREEDY")

    # ---- errors

    def add_errors(self, common, overlay):
        family = "s3" if self.name in ("s3", "s3control") else self.protocol
        for row in common:
            self.errors.append(self.common_error(row, family))
        known = self.by_wire_name(common)
        for name, source in list(self.source.items()):
            if source["type"] != "structure" or not source.get("exception"):
                continue
            error = self.model_error(name, source)
            same = known.get(self.wire_error(error))
            if same is not None:
                same.shape, same.status = error.shape, error.status
                same.server_fault = error.server_fault
            else:
                self.errors.append(error)
        self.apply_overlay_errors(overlay)
        commons = [row["constant"] for row in common]
        rest = self.errors[len(common) :]
        for error, constant in zip(self.errors, commons):
            error.constant = constant
        for error, constant in zip(rest, error_constants(commons, [e.name for e in rest])):
            error.constant = constant

    def wire_error(self, error):
        return error.code if self.protocol in XML_ERRORS else error.name

    def by_wire_name(self, common):
        """The common errors by the name that clients see. S3 and EC2 give several the same name: it then belongs
        to the one that is called so, or to none."""
        names = [self.wire_error(error) for error in self.errors]
        return {name: error for row, name, error in zip(common, names, self.errors)
                if names.count(name) == 1
                or upper_snake(strip_error_suffix(name)) == row["constant"]}  # fmt: skip

    def common_error(self, row, family):
        """names of a family: its own, else those of the family that it follows."""
        follows = {"rest-json": "json", "smithy-rpc-v2-cbor": "json", "ec2": "query",
                   "rest-xml": "query", "s3": "query"}  # fmt: skip
        base = row.get(follows.get(family), row.get("json", {}))
        own = {**base, **row.get(family, {})}
        error = Error(own["name"], own["name"], own["status"])
        if self.speaks("QUERY") and self.protocol != "query":
            error.code = row["query"]["name"]
            if self.query_compatible:  # its clients know query's codes and statuses
                error.query_code, error.status = error.code, row["query"]["status"]
        elif self.protocol == "query" and self.speaks("JSON", "CBOR"):
            error.name = row["json"]["name"]
        return error

    def model_error(self, name, source):
        details = source.get("error", {})
        server = bool(source.get("fault")) or details.get("fault") is True
        status = details.get("httpStatusCode", 500 if server else 400)
        error = Error(name, details.get("code", name), status)
        error.server_fault = (server or status >= 500) and not details.get("senderFault")
        if self.query_compatible:
            error.query_code = details.get("code")
        shape = self.shape(name)
        if any(member.name.lower() != "message" for member in shape.members):
            error.shape = shape.index
        return error

    def apply_overlay_errors(self, overlay):
        for name, change in overlay.items():
            unknown = set(change) - {"status", "code", "query_code", "name", "server_fault"}
            if unknown:
                fail("overlays/%s.json: error %s: unknown key %s", self.name, name, min(unknown))
            error = next((e for e in self.errors if name in (e.name, e.code)), None)
            if error is None:
                error = Error(name, name, change.get("status", 400))
                if self.query_compatible:
                    error.query_code = change.get("code", name)
                self.errors.append(error)
            error.status = change.get("status", error.status)
            error.server_fault = change.get("server_fault", error.status >= 500)
            error.name = change.get("name", error.name)
            if "code" in change:
                error.code = change["code"]
                if self.query_compatible:
                    error.query_code = error.code
            error.query_code = change.get("query_code", error.query_code)

    # ---- hand-declared records

    def add_records(self, records):
        names = {record.name for record in records}
        for record in records:
            if record.name in self.source:
                fail("%s: %s is a shape of the model too", record.place, record.name)
            self.new_shape(record.name, "STRUCT").record = True
        for record in records:
            shape = self.by_name[record.name]
            for tag, kind, name in record.members:
                member = Member(name, self.record_type(kind, names, record.place))
                member.tag = tag
                if kind in PLAIN_TYPES:
                    member.flags.append("PLAIN")
                    member.plain = PLAIN_TYPES[kind]
                shape.members.append(member)

    def record_type(self, kind, names, place):
        if kind in names:
            return self.by_name[kind]
        if kind in RECORD_TYPES:
            key = "record." + RECORD_TYPES[kind].lower()
            return self.by_name.get(key) or self.new_shape(key, RECORD_TYPES[kind])
        if kind.startswith("list<") and kind.endswith(">"):
            return self.record_container(kind, "LIST", kind[5:-1], names, place)
        if kind.startswith("map<string,") and kind.endswith(">"):
            return self.record_container(kind, "MAP", kind[11:-1], names, place)
        if kind in self.source:
            return self.shape(kind)
        return fail("%s: unknown type %s", place, kind)

    def record_container(self, kind, form, inner, names, place):
        key = "record." + kind
        if key in self.by_name:
            return self.by_name[key]
        value = self.record_type(inner, names, place)
        shape = self.new_shape(key, form)
        if form == "LIST":
            shape.members = [Member("member", value)]
            shape.tag = "str_list" if value.kind in STRINGS else ""
        else:
            shape.members = [Member("key", self.record_type("string", names, place)),
                             Member("value", value)]  # fmt: skip
            shape.tag = "str_map" if value.kind in STRINGS else ""
        if not shape.tag:
            words = kind.replace("<string,", "<").replace("<", "_").replace(">", "")
            shape.tag = "%s_%s" % (self.prefix, identifier(words))
        return shape

    # ---- what the writers ask for

    def constant_names(self):
        """(enumeration values as (name, value), in the order of the model)."""
        used, rows = set(), []
        for name, source in sorted(self.source.items()):
            if "@" in name or source["type"] != "string":
                continue
            for value in source.get("enum", ()):
                base = "%s_%s_%s" % (self.upper, upper_snake(name), upper_snake(value))
                constant, number = base, 2
                while constant in used:
                    constant, number = "%s_%d" % (base, number), number + 1
                used.add(constant)
                rows.append((constant, value))
        return rows


XML_ERRORS = ("query", "ec2", "rest-xml")


def namespace_of(source):
    """(uri, prefix) of an xmlNamespace, which is a string or an object."""
    namespace = source.get("xmlNamespace")
    if namespace is None:
        return None, None
    if isinstance(namespace, str):
        return namespace, None
    return namespace.get("uri"), namespace.get("prefix")
