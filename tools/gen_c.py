"""Writes a Service's C: structs, tables, enumerations, prototypes."""

from gen_names import c_string, identifier
from gen_input import fail

BANNER = "/* Made by tools/generate.py from the service's model: do not edit. */\n"


def structs(service):
    """The C forms of all shapes. Heads of lists and maps hold pointers alone and come first, then the
    structures, then the maps' entries, which hold structures by value."""
    heads, bodies, entries = [], [], []
    done = {"str_list", "str_map"}
    for shape in service.shapes:
        if not shape.tag or shape.tag in done:
            continue
        done.add(shape.tag)
        if shape.kind == "LIST":
            heads.append("struct %s {\n    %s*items;\n    size_t len;\n};"
                         % (shape.tag, shape.members[0].shape.item_type))  # fmt: skip
        elif shape.kind == "MAP":
            heads.append("struct %s {\n    struct %s_entry *items;\n    size_t len;\n};"
                         % (shape.tag, shape.tag))  # fmt: skip
            entries.append("struct %s_entry {\n    struct str key;\n    %svalue;\n};"
                           % (shape.tag, shape.members[1].shape.item_type))  # fmt: skip
        else:
            bodies.append(structure(shape.tag, shape.members))
    for operation in service.operations:
        for ref, suffix in ((operation.input_tag, "Request"), (operation.output_tag, "Result")):
            tag = "%s_%s%s" % (service.prefix, identifier(operation.name), suffix)
            if ref is None:
                if tag in done:
                    fail("%s: %s has no shape, but struct %s exists", service.name, operation.name, tag)
                done.add(tag)
                bodies.append(structure(tag, ()))
    return "\n".join(heads + bodies + entries) + "\n"


def structure(tag, members):
    if not members:
        return "struct %s {\n    char empty_;\n};" % tag
    lines = ["struct %s {" % tag]
    for member in members:
        c_type = member.plain + " " if member.plain else member.shape.c_type
        lines.append("    %s%s;" % (c_type, member.c_name))
    return "\n".join(lines) + "\n};"


def flags(prefix, names):
    return " | ".join(prefix + name for name in names)


def row(fields):
    return "    {" + ", ".join(".%s = %s" % field for field in fields) + "},"


def used(pairs):
    """Designated initialisers: what is 0 or absent is left out."""
    return [(key, value) for key, value in pairs if value not in (0, "0", "", None, "false")]


def member_row(service, shape, number, member):
    add = service.pool.add
    if shape.kind == "STRUCT":
        offset = "offsetof(struct %s, %s)" % (shape.tag, member.c_name)
    elif shape.kind == "MAP" and number == 1:
        offset = "offsetof(struct %s_entry, value)" % shape.tag
    else:
        offset = 0
    return row(used([
        ("name", add(member.json_name)), ("wire_name", add(member.wire_name)),
        ("query_name", add(member.query_name)), ("namespace_uri", add(member.namespace)),
        ("namespace_prefix", add(member.prefix)), ("tag", "0x%x" % member.tag),
        ("offset", offset), ("shape", member.shape.index),
        ("flags", flags("WIRE_MEMBER_", member.flags)),
        ("location", member.location and "WIRE_IN_" + member.location),
        ("time_format", member.time_format and "WIRE_TIME_" + member.time_format),
    ]))  # fmt: skip


def shape_row(service, shape, first):
    c_type = "struct " + shape.tag if shape.tag else shape.c_type.strip()
    return row(used([
        ("type", "WIRE_" + shape.kind), ("flags", flags("WIRE_SHAPE_", shape.flags)),
        ("member_count", len(shape.members)), ("name", service.pool.add(shape.name)),
        ("members", first if shape.members else 0), ("size", "sizeof(%s)" % c_type),
        ("payload", shape.payload), ("constraint", shape.constraint),
        ("namespace_uri", service.pool.add(shape.namespace)),
    ]))  # fmt: skip


def number(value):
    return repr(float(value))


def constraint_row(fields):
    if fields is None:
        return "    {.min = 0},"
    low, high, pattern, first, count = fields
    bounds = [name for name, value in (("MIN", low), ("MAX", high)) if value is not None]
    return row(used([
        ("min", low and number(low)), ("max", high and number(high)), ("pattern", pattern),
        ("enum_first", first), ("enum_count", count), ("flags", flags("WIRE_HAS_", bounds)),
    ]))  # fmt: skip


def operation_row(service, operation):
    add = service.pool.add
    return row(used([
        ("name", add(operation.name)), ("method", add(operation.method)), ("uri", add(operation.uri)),
        ("input_root", add(operation.input_root)),
        ("input_namespace", add(operation.input_namespace)),
        ("output_root", add(operation.output_root)), ("host_prefix", add(operation.host_prefix)),
        ("iam", add(service.iam.get(operation.name))), ("input", operation.input.index),
        ("output", operation.output.index), ("status", operation.status),
        ("flags", flags("WIRE_OP_", operation.flags)),
    ]))  # fmt: skip


def error_row(service, error):
    add = service.pool.add
    return row(used([
        ("name", add(error.name)), ("code", add(error.code)), ("query_code", add(error.query_code)),
        ("shape", error.shape), ("status", error.status),
        ("server_fault", "true" if error.server_fault else "false"),
    ]))  # fmt: skip


def table(service, kind, name, rows):
    """An array and its length; a table without rows gets one of zeros, which no count reaches."""
    body = "\n".join(rows) if rows else "    0," if kind == "uint32_t" else "    {0},"
    name = service.table_prefix + name
    return ("static const %s %s[] = {\n%s\n};\n"
            "_Static_assert(sizeof(%s) / sizeof(%s[0]) == %d, \"rows of %s\");\n"
            % (kind, name, body, name, name, max(len(rows), 1), name))  # fmt: skip


def string_table(service):
    lines = ['    "\\0\\0"']
    for piece in service.pool.data[1:]:
        length = "\\%03o\\%03o" % (piece[0], piece[1])
        lines.append('    "%s%s\\0"' % (length, c_string(piece[2:-1])))
    name = service.table_prefix + "strings"
    return ("static const char %s[] =\n%s;\n_Static_assert(sizeof(%s) == %d + 1, \"bytes of %s\");\n"
            % (name, "\n".join(lines), name, service.pool.size, name))  # fmt: skip


def function_table(service):
    thunks, rows = [], []
    for index, operation in enumerate(service.operations):
        name = identifier(operation.name)
        if not service.implemented or operation.name in service.unimplemented:
            continue
        thunks.append("static RESULT thunk_%s(struct call *call, const void *in, void *out)\n"
                      "{\n    return %s_%s(call, in, out);\n}\n"
                      % (name, service.prefix, name))  # fmt: skip
        rows.append("    [%d] = thunk_%s," % (index, name))
    count = max(len(service.operations), 1)
    return "%sstatic wire_function *const %sfunctions[%d] = {\n%s\n};\n" % (
        "".join(thunks), service.table_prefix, count, "\n".join(rows) or "    NULL,")  # fmt: skip


def model_text(service):
    """(key, value, offset) of the model's own strings in model_text, which stands beside the model."""
    rows, offset = [], 0
    for key, value in service.strings.items():
        if value and key not in POOLED:
            rows.append((key, value, offset))
            offset += len(value)
    return rows


# Strings of the model that its shapes share; the others are struct str.
POOLED = ("namespace_uri", "error_namespace")


def model_rows(service):
    add = service.pool.add
    return [
        "    .%s = %d," % (key, add(value)) for key, value in service.strings.items() if value and key in POOLED
    ] + [
        "    .%s = {%smodel_text + %d, %d}," % (key, service.table_prefix, offset, len(value))
        for key, value, offset in model_text(service)
    ] + [
        "    .protocols = %s," % (flags("WIRE_PROTOCOL_", service.protocols) or "0"),
        "    .own_protocol = %d," % service.own_protocol,
        "    .json_version = %d," % service.json_version,
        "    .validation = WIRE_VALIDATE_%s," % service.validation,
        "    .query_compatible = %s," % str(service.query_compatible).lower(),
        "    .body_crc32 = %s," % str(service.body_crc32).lower(),
        "    .implemented = %s," % str(service.implemented).lower(),
    ]


def tables(service):
    """All tables; the string pool is complete only when the others are made, and goes first."""
    member_rows, shape_rows = [], []
    for shape in service.shapes:
        shape_rows.append(shape_row(service, shape, len(member_rows)))
        for index, member in enumerate(shape.members):
            member_rows.append(member_row(service, shape, index, member))
    member_count = len(member_rows)
    parts = [
        table(service, "struct wire_shape", "shapes", shape_rows),
        table(service, "struct wire_member", "members", member_rows),
        table(service, "struct wire_constraint", "constraints",
              [constraint_row(fields) for fields in service.constraint_rows]),
        table(service, "uint32_t", "enum_values", ["    %d," % value for value in service.enum_values]),
        table(service, "struct wire_operation", "operations",
              [operation_row(service, operation) for operation in service.operations]),
        table(service, "struct wire_error", "errors", [error_row(service, e) for e in service.errors]),
        function_table(service),
    ]  # fmt: skip
    counts = [("shape", len(service.shapes)), ("member", member_count),
              ("operation", len(service.operations)), ("error", len(service.errors))]  # fmt: skip
    # All models stand together, apart from their tables: routing looks at each when the program starts.
    model = ['__attribute__((section("wire_models_data")))',
             'static const char %smodel_text[] = "%s";' % (
                 service.table_prefix, "".join(c_string(value) for _, value, _ in model_text(service))),
             '__attribute__((section("wire_models_data")))']
    model += ["%sconst struct wire_model %s_model = {" % (service.linkage, service.prefix
                                                          + service.model_suffix)]
    model += ["    .%s = %s%s," % (name, service.table_prefix, name) for name in (
        "strings", "shapes", "members", "constraints", "enum_values", "operations", "errors",
        "functions")]  # fmt: skip
    model += ["    .%s_count = %d," % pair for pair in counts]
    model += model_rows(service) + ["};", ""]
    return string_table(service) + "\n" + "\n".join(parts) + "\n" + "\n".join(model)


def source_file(service):
    """The .c file; without a folder under src/services nothing else needs the structs: they stand here."""
    start = BANNER + '#include "gen/%s.h"\n\n' % service.name
    start += '#pragma GCC diagnostic ignored "-Woverlength-strings"\n\n'  # the pool is one literal
    if not service.implemented:
        start += structs(service) + "\n"
    return start + tables(service)


def enumeration(name, rows):
    return "enum %s {\n%s\n};\n" % (name, "\n".join("    %s," % line for line in rows))


def header_file(service, common):
    guard = "KUMONIWA_GEN_%s_H" % service.upper
    parts = [BANNER + "#ifndef %s\n#define %s\n\n#include \"wire/desc.h\"\n" % (guard, guard)]
    if service.implemented:
        parts += [structs(service)] + header_enumerations(service, common)
        parts.append(prototypes(service))
    parts.append("extern const struct wire_model %s_model;\n\n#endif\n" % service.prefix)
    return "\n".join(parts)


def header_enumerations(service, common):
    upper, seen, parts = service.upper, set(), []

    def constant(name):
        if name in seen:
            fail("%s: the constant %s would stand for two things", service.name, name)
        seen.add(name)
        return name

    if service.operations:
        rows = ["%s = %d" % (constant("%s_OP_%s" % (upper, identifier(o.name))), i)
                for i, o in enumerate(service.operations)]  # fmt: skip
        rows.append(constant("%s_OPERATIONS" % upper))
        parts.append(enumeration(service.prefix + "_operation", rows))
    rows = ["%s = %d" % (constant("%s_SHAPE_%s" % (upper, identifier(s.name))), s.index)
            for s in service.shapes if s.name and "@" not in s.name and "." not in s.name]  # fmt: skip
    if rows:
        parts.append(enumeration(service.prefix + "_shape", rows))
    rows = ["%s = WIRE_%s" % (constant("%s_%s" % (upper, e.constant)), e.constant)
            for e in service.errors[:common]]  # fmt: skip
    rows += ["%s = %d" % (constant("%s_%s" % (upper, e.constant)), common + i)
             for i, e in enumerate(service.errors[common:])]  # fmt: skip
    parts.append(enumeration(service.prefix + "_error", rows))
    defines = []
    for name, value in service.constant_names():
        defines.append('#define %s STR("%s")' % (constant(name), c_string(value)))
    if defines:
        parts.append("\n".join(defines) + "\n")
    return parts


def tags(service, operation):
    """The struct tags of an operation's input and output."""
    name = "%s_%s" % (service.prefix, identifier(operation.name))
    return operation.input_tag or name + "Request", operation.output_tag or name + "Result"


def prototypes(service):
    lines = []
    for operation in service.operations:
        if operation.name in service.unimplemented:
            continue
        lines.append("RESULT %s_%s(struct call *call, const struct %s *in,\n    struct %s *out);"
                     % ((service.prefix, identifier(operation.name)) + tags(service, operation)))
    return "\n".join(lines) + "\n"


def registry(services):
    lines = [BANNER + '#include "wire/desc.h"\n']
    lines += ['#include "gen/%s.h"' % service for service in services]
    lines.append("\nconst struct wire_model *const wire_models[] = {")
    lines += ["    &%s_model," % identifier(service) for service in services]
    lines += ["};", "const size_t wire_model_count = sizeof(wire_models) / sizeof(wire_models[0]);",
              ""]  # fmt: skip
    return "\n".join(lines)
