/* What is imported: lines of DynamoDB JSON, records of CSV ("Amazon S3 import formats for
 * DynamoDB", Developer Guide; RFC 4180). */
#include "base/encode.h"
#include "base/vec.h"
#include "services/dynamodb/transfer.h"
#include "wire/json_text.h"

size_t import_line_end(struct str text, bool csv)
{
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        if (csv && text.ptr[i] == '"')
            quoted = !quoted;
        else if (text.ptr[i] == '\n' && !quoted)
            return i + 1;
    }
    return 0;
}

/* One field from `at` on, up to its delimiter or the end. */
static RESULT csv_field(struct arena *arena, struct str line, char delimiter, size_t *at,
                        struct str *field)
{
    size_t begin = *at;
    if (begin >= line.len || line.ptr[begin] != '"') {
        while (*at < line.len && line.ptr[*at] != delimiter)
            ++*at;
        *field = str_slice(line, begin, *at);
        return RESULT_OK;
    }
    struct buf text;
    buf_init(&text, arena, line.len);
    for (++*at; *at < line.len; ++*at) {
        char c = line.ptr[*at];
        if (c == '"' && *at + 1 < line.len && line.ptr[*at + 1] == '"')
            ++*at;
        else if (c == '"')
            break;
        buf_append_char(&text, c);
    }
    if (*at >= line.len)
        return RESULT_ERROR; /* no end of the quotation */
    ++*at;
    *field = buf_str(&text);
    return *at == line.len || line.ptr[*at] == delimiter ? RESULT_OK : RESULT_ERROR;
}

RESULT import_csv_fields(struct arena *arena, struct str line, char delimiter,
                         struct str_list *fields)
{
    size_t cap = 0, at = 0;
    *fields = (struct str_list){0};
    for (;;) {
        struct str field;
        TRY(csv_field(arena, line, delimiter, &at, &field));
        VEC_PUSH(arena, fields->items, fields->len, cap, field);
        if (at == line.len)
            return RESULT_OK;
        at++;
    }
}

bool import_header_is_valid(const struct str_list *header)
{
    for (size_t i = 0; i < header->len; i++) {
        if (str_is_empty(header->items[i]))
            return false;
        for (size_t j = 0; j < i; j++)
            if (str_eq(header->items[i], header->items[j]))
                return false;
    }
    return true;
}

static RESULT import_reason(struct str *reason, struct str text)
{
    *reason = text;
    return RESULT_ERROR;
}

RESULT import_json_item(struct arena *arena, struct str line, struct dynamodb_AttributeMap *item,
                        struct str *reason)
{
    struct str raw;
    struct wire_failure failure = {0};
    struct value_failure wrong = {0};
    if (!json_is_valid(line) || json_kind_of(str_trim(line)) != JSON_OBJECT)
        return import_reason(reason, STR("The line is not a JSON object"));
    if (!json_member(arena, line, STR("Item"), &raw) || json_kind_of(raw) != JSON_OBJECT)
        return import_reason(reason, STR("The line has no Item"));
    enum result result =
        wire_json_decode(arena, &dynamodb_model, DYNAMODB_SHAPE_AttributeMap, raw, item, &failure);
    if (result == RESULT_ERROR)
        return import_reason(reason, failure.message);
    TRY(result);
    result = item_check(arena, *item, &wrong);
    return result == RESULT_ERROR ? import_reason(reason, wrong.message) : result;
}

/* Columns are strings, but for keys: these have the type of their definition. */
RESULT import_csv_item(struct arena *arena, const struct dynamodb_table *table,
                       const struct str_list *header, const struct str_list *fields,
                       struct dynamodb_AttributeMap *item, struct str *reason)
{
    struct value_failure wrong = {0};
    if (fields->len != header->len)
        return import_reason(reason, STR("The record has not as many fields as the header"));
    *item = (struct dynamodb_AttributeMap){
        .items = ARENA_ARRAY(arena, fields->len, struct dynamodb_AttributeMap_entry)};
    for (size_t i = 0; i < fields->len; i++) {
        struct dynamodb_AttributeMap_entry *entry = &item->items[item->len++];
        entry->key = header->items[i];
        switch (table_type(table, entry->key)) {
        case VALUE_N:
            entry->value.N = str_trim(fields->items[i]);
            break;
        case VALUE_B:
            if (!base64_decode(arena, fields->items[i], &entry->value.B))
                return import_reason(reason, STR("A key of type B is not base64"));
            break;
        case VALUE_NONE:
        case VALUE_S:
        case VALUE_SS:
        case VALUE_NS:
        case VALUE_BS:
        case VALUE_M:
        case VALUE_L:
        case VALUE_NULL:
        case VALUE_BOOL:
            entry->value.S = fields->items[i];
            break;
        }
    }
    enum result result = item_check(arena, *item, &wrong);
    return result == RESULT_ERROR ? import_reason(reason, wrong.message) : result;
}
