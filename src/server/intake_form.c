#include "server/intake_form.h"

#include "base/vec.h"

/* "Your POST request fields preceding the upload file were too large": 20 KB. */
enum { FORM_FIELDS_MAX = 20 * 1024, FORM_HELD_MAX = 64 * 1024, FORM_PIECE = 16 * 1024 };

enum form_state { FORM_BEFORE, FORM_HEAD, FORM_FIELD, FORM_FILE, FORM_OVER };

struct form {
    struct request *request;
    enum form_state state;
    struct str delimiter; /* "\r\n--BOUNDARY" */
    char *held;           /* not looked at yet */
    size_t held_len;
    size_t fields_size;
    struct wire_header *fields;
    size_t field_count, field_cap;
    struct str name; /* of the field at hand */
};

static RESULT form_refuse(struct form *form, struct str code, struct str message)
{
    form->request->code = code;
    return request_fail(form->request, WIRE_VALIDATION, message);
}

static RESULT form_malformed(struct form *form)
{
    return form_refuse(form, STR("MalformedPOSTRequest"),
                       STR("The body of your POST request is not well-formed "
                           "multipart/form-data."));
}

/* A parameter of a header's value: name="..." */
static struct str form_parameter(struct str text, struct str name)
{
    struct str one, rest, key, value;
    str_cut(text, ';', &one, &rest);
    while (!str_is_absent(rest)) {
        str_cut(rest, ';', &one, &rest);
        if (!str_cut(str_trim(one), '=', &key, &value) || !str_eq_nocase(str_trim(key), name))
            continue;
        value = str_trim(value);
        if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
            value = str_slice(value, 1, value.len - 1);
        return value;
    }
    return (struct str){0};
}

struct form *form_new(struct request *request)
{
    struct str type = wire_request_header(&request->wire, STR("content-type"));
    struct arena *arena = request->exchange->arena;
    struct str boundary = form_parameter(type, STR("boundary"));
    struct form *form = ARENA_NEW(arena, struct form);
    form->request = request;
    form->delimiter = str_concat(arena, STR("\r\n--"), boundary);
    form->held = arena_alloc_raw(arena, FORM_HELD_MAX);
    /* The first delimiter may stand at the very beginning. */
    memcpy(form->held, "\r\n", 2);
    form->held_len = 2;
    return form;
}

/* Takes the first bytes of what is held away. */
static void form_drop(struct form *form, size_t count)
{
    form->held_len -= count;
    memmove(form->held, form->held + count, form->held_len);
}

static struct str form_held(const struct form *form)
{
    return str_make(form->held, form->held_len);
}

static void form_add(struct form *form, struct str name, struct str value)
{
    struct arena *arena = form->request->exchange->arena;
    struct wire_header field = {str_lower(arena, name), str_copy(arena, value)};
    VEC_PUSH(arena, form->fields, form->field_count, form->field_cap, field);
}

/* The fields stand for the headers; of those the few remain that say who sends. */
static void form_replace_headers(struct form *form)
{
    static const struct str kept[] = {STR_INIT("host"), STR_INIT("origin"), STR_INIT("referer"),
                                      STR_INIT("user-agent")};
    struct wire_request *wire = &form->request->wire;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        struct str value = wire_request_header(wire, kept[i]);
        if (!str_is_absent(value))
            form_add(form, kept[i], value);
    }
    wire->headers = form->fields;
    wire->header_count = form->field_count;
}

/* Behind a delimiter: "--" ends the form, a line break begins a part. */
static RESULT form_next_part(struct form *form, bool *more)
{
    struct str held = form_held(form);
    *more = held.len >= form->delimiter.len + 2;
    if (!*more)
        return RESULT_OK;
    struct str mark = str_slice(held, form->delimiter.len, form->delimiter.len + 2);
    if (str_eq(mark, STR("--"))) {
        form->state = FORM_OVER;
        return RESULT_OK;
    }
    if (!str_eq(mark, STR("\r\n")))
        return form_malformed(form);
    form_drop(form, form->delimiter.len); /* the line break is the head's */
    form->state = FORM_HEAD;
    return RESULT_OK;
}

static RESULT form_read_head(struct form *form, const struct form_reader *reader, bool *more)
{
    struct str held = form_held(form), line, rest, name, value, disposition = {0};
    size_t end = str_find(held, STR("\r\n\r\n"));
    *more = end != SIZE_MAX;
    if (!*more)
        return held.len > FORM_FIELDS_MAX ? form_malformed(form) : RESULT_OK;
    rest = str_slice(held, 0, end);
    while (!str_is_absent(rest)) {
        str_cut(rest, '\n', &line, &rest);
        if (str_cut(line, ':', &name, &value) &&
            str_eq_nocase(str_trim(name), STR("content-disposition")))
            disposition = str_trim(value);
    }
    struct arena *arena = form->request->exchange->arena;
    form->name = form_parameter(disposition, STR("name"));
    if (str_is_empty(form->name))
        return form_malformed(form);
    form->name = str_copy(arena, form->name);
    struct str file = form_parameter(disposition, STR("filename"));
    bool is_file = str_eq_nocase(form->name, STR("file"));
    if (is_file)
        form_add(form, form->name, str_is_absent(file) ? STR("") : file);
    form_drop(form, end + 4);
    form->state = is_file ? FORM_FILE : FORM_FIELD;
    if (!is_file)
        return RESULT_OK;
    form_replace_headers(form);
    return reader->fields(form->request);
}

static RESULT form_read_field(struct form *form, bool *more)
{
    struct str held = form_held(form);
    size_t end = str_find(held, form->delimiter);
    *more = end != SIZE_MAX;
    size_t size = *more ? end : held.len;
    if (form->fields_size + size > FORM_FIELDS_MAX)
        return form_refuse(form, STR("MaxPostPreDataLengthExceeded"),
                           STR("Your POST request fields preceding the upload file were too "
                               "large."));
    if (!*more)
        return RESULT_OK;
    form->fields_size += size + form->name.len;
    form_add(form, form->name, str_slice(held, 0, end));
    form_drop(form, end);
    form->state = FORM_BEFORE;
    return RESULT_OK;
}

static RESULT form_read_file(struct form *form, const struct form_reader *reader, bool *more)
{
    struct str held = form_held(form);
    size_t end = str_find(held, form->delimiter);
    *more = end != SIZE_MAX;
    /* What could be the beginning of a delimiter waits. */
    size_t sure = held.len >= form->delimiter.len ? held.len - form->delimiter.len + 1 : 0;
    size_t size = *more ? end : sure;
    if (size > 0)
        TRY(reader->store(reader->context, str_slice(held, 0, size)));
    form_drop(form, size);
    if (*more)
        form->state = FORM_OVER;
    return RESULT_OK;
}

static RESULT form_before(struct form *form, bool *more)
{
    size_t at = str_find(form_held(form), form->delimiter);
    *more = at != SIZE_MAX;
    if (!*more)
        return form->held_len > FORM_FIELDS_MAX ? form_malformed(form) : RESULT_OK;
    form_drop(form, at);
    return form_next_part(form, more);
}

static RESULT form_step(struct form *form, const struct form_reader *reader, bool *more)
{
    switch (form->state) {
    case FORM_BEFORE:
        return form_before(form, more);
    case FORM_HEAD:
        return form_read_head(form, reader, more);
    case FORM_FIELD:
        return form_read_field(form, more);
    case FORM_FILE:
        return form_read_file(form, reader, more);
    case FORM_OVER:
        break;
    }
    form->held_len = 0; /* "Any fields after the file are ignored" */
    *more = false;
    return RESULT_OK;
}

RESULT form_feed(struct form *form, struct str piece, const struct form_reader *reader)
{
    while (!str_is_empty(piece)) {
        struct str part = str_slice(piece, 0, FORM_PIECE);
        piece = str_slice(piece, part.len, piece.len);
        ASSERT(form->held_len + part.len <= FORM_HELD_MAX);
        memcpy(form->held + form->held_len, part.ptr, part.len);
        form->held_len += part.len;
        for (bool more = true; more;)
            TRY(form_step(form, reader, &more));
    }
    return RESULT_OK;
}

RESULT form_end(struct form *form)
{
    bool had_file = form->request->wire.headers == form->fields && form->field_count > 0;
    if (form->state != FORM_OVER)
        return form_malformed(form);
    if (had_file)
        return RESULT_OK;
    request_detail(form->request, STR("ArgumentName"), STR("file"));
    request_detail(form->request, STR("ArgumentValue"), STR("0"));
    return form_refuse(form, STR("InvalidArgument"),
                       STR("POST requires exactly one file upload per request."));
}
