/* Results as CSV or JSON. */
#include "services/s3/select_int.h"
#include "wire/json_text.h"
#include "wire/wire.h"

/* --- CSV --- */

static struct str or_default(struct str given, const char *otherwise)
{
    return str_is_empty(given) ? str_from_c(otherwise) : given;
}

static bool needs_quotes(const struct s3_CSVOutput *csv, struct str text)
{
    struct str record = or_default(csv->RecordDelimiter, "\n");
    struct str field = or_default(csv->FieldDelimiter, ",");
    struct str quote = or_default(csv->QuoteCharacter, "\"");
    if (str_eq_nocase(csv->QuoteFields, STR("ALWAYS")))
        return true;
    return str_find(text, field) != SIZE_MAX || str_find(text, record) != SIZE_MAX ||
           str_find(text, quote) != SIZE_MAX || str_find_char(text, '\n') != SIZE_MAX ||
           str_find_char(text, '\r') != SIZE_MAX;
}

static void write_field(struct buf *out, const struct s3_CSVOutput *csv, struct str text,
                        bool first)
{
    struct str quote = or_default(csv->QuoteCharacter, "\"");
    struct str escape = or_default(csv->QuoteEscapeCharacter, "\"");
    if (!first)
        buf_append(out, or_default(csv->FieldDelimiter, ","));
    if (!needs_quotes(csv, text)) {
        buf_append(out, text);
        return;
    }
    buf_append(out, quote);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == quote.ptr[0] || text.ptr[i] == escape.ptr[0])
            buf_append(out, escape);
        buf_append_char(out, text.ptr[i]);
    }
    buf_append(out, quote);
}

/* All columns of "*"; of JSON the members' values. */
static void write_all_csv(struct buf *out, const struct s3_CSVOutput *csv, struct arena *arena,
                          const struct select_row *row)
{
    struct str rest = row->json, name, raw;
    for (size_t i = 0; i < row->count; i++)
        write_field(out, csv, row->fields[i], i == 0);
    if (str_is_empty(row->json))
        return;
    if (json_kind_of(row->json) != JSON_OBJECT) {
        struct select_value value = select_of_json(arena, row->json);
        write_field(out, csv, select_text(arena, &value), true);
        return;
    }
    for (bool first = true; json_next_member(arena, &rest, &name, &raw); first = false) {
        struct select_value value = select_of_json(arena, raw);
        write_field(out, csv, select_text(arena, &value), first);
    }
}

/* --- JSON --- */

static void write_name(struct buf *out, struct str name, bool first)
{
    buf_append_char(out, first ? '{' : ',');
    wire_json_write_string(out, name);
    buf_append_char(out, ':');
}

/* Without the blanks and line ends between its parts. */
static void write_compact(struct buf *out, struct str json)
{
    bool quoted = false;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (quoted && c == '\\') {
            buf_append_char(out, c);
            c = json.ptr[++i];
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == ' ' || c == '\n' || c == '\r' || c == '\t')) {
            continue;
        }
        buf_append_char(out, c);
    }
}

static void write_all_json(struct buf *out, struct arena *arena, const struct select_row *row)
{
    if (!str_is_empty(row->json)) {
        bool object = json_kind_of(row->json) == JSON_OBJECT;
        buf_append(out, object ? STR("") : STR("{\"_1\":"));
        write_compact(out, row->json);
        buf_append(out, object ? STR("") : STR("}"));
        return;
    }
    for (size_t i = 0; i < row->count; i++) {
        struct str name = i < row->name_count ? row->names[i] : str_format(arena, "_%zu", i + 1);
        write_name(out, name, i == 0);
        wire_json_write_string(out, row->fields[i]);
    }
    buf_append_c(out, row->count == 0 ? "{}" : "}");
}

static void write_items_json(struct buf *out, struct arena *arena, const struct select_query *query,
                             const struct select_value *values)
{
    bool first = true;
    for (size_t i = 0; i < query->item_count; i++) {
        if (values[i].type == SELECT_MISSING)
            continue;
        write_name(out, query->items[i].name, first);
        if (values[i].type == SELECT_JSON)
            write_compact(out, values[i].text);
        else
            select_write_json(out, arena, &values[i]);
        first = false;
    }
    buf_append_c(out, first ? "{}" : "}");
}

void select_write_row(struct buf *out, const struct s3_OutputSerialization *output,
                      struct arena *arena, const struct select_query *query,
                      const struct select_row *row, const struct select_value *values)
{
    if (output->JSON != NULL) {
        if (query->items == NULL)
            write_all_json(out, arena, row);
        else
            write_items_json(out, arena, query, values);
        buf_append(out, or_default(output->JSON->RecordDelimiter, "\n"));
        return;
    }
    const struct s3_CSVOutput *csv = output->CSV;
    if (query->items == NULL)
        write_all_csv(out, csv, arena, row);
    for (size_t i = 0; i < query->item_count; i++)
        write_field(out, csv, select_text(arena, &values[i]), i == 0);
    buf_append(out, or_default(csv->RecordDelimiter, "\n"));
}
