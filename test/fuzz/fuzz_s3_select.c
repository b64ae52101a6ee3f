/* The query of S3 Select: what parses runs over a record of CSV and one of JSON without a fault;
 * the readers take any bytes. The first byte says which; the text ends at the first NUL, and the
 * rest is what is read. */
#include "fuzz.h"

#include "base/arena.h"
#include "base/result.h"
#include "services/s3/select_int.h"

static void evaluate(struct arena *arena, const struct select_query *query,
                     const struct select_row *row)
{
    struct select_evaluation e = {.arena = arena, .row = row, .now_ms = INT64_C(1795219200000)};
    struct select_total *totals = ARENA_ARRAY(arena, query->aggregates + 1, struct select_total);
    struct select_value *values = ARENA_ARRAY(arena, query->item_count + 1, struct select_value);
    struct select_value value;
    const struct s3_OutputSerialization csv = {.CSV = ARENA_NEW(arena, struct s3_CSVOutput)};
    const struct s3_OutputSerialization json = {.JSON = ARENA_NEW(arena, struct s3_JSONOutput)};
    struct buf out;
    buf_init(&out, arena, 1 << 20);
    if (query->where != NULL && !select_evaluate(&e, query->where, &value))
        ASSERT(e.failure.code != NULL);
    for (size_t i = 0; i < query->item_count; i++)
        if (query->aggregates > 0 && !select_count(&e, query->items[i].node, totals))
            ASSERT(e.failure.code != NULL);
    e.totals = totals;
    for (size_t i = 0; i < query->item_count; i++)
        if (!select_evaluate(&e, query->items[i].node, &values[i])) {
            ASSERT(e.failure.code != NULL);
            return;
        }
    select_write_row(&out, &csv, arena, query, row, values);
    select_write_row(&out, &json, arena, query, row, values);
}

static void read_all(struct arena *arena, struct str bytes, uint8_t how)
{
    const struct s3_CSVInput csv = {
        .FileHeaderInfo = how & 1 ? STR("USE") : STR("NONE"),
        .QuoteEscapeCharacter = how & 2 ? STR("\\") : STR("\""),
        .RecordDelimiter = how & 4 ? STR("ab") : STR("\n"),
        .AllowQuotedRecordDelimiter = opt_bool((how & 8) != 0),
    };
    const struct s3_JSONInput json = {.Type = STR("LINES")};
    struct s3_InputSerialization input = {0};
    struct select_failure failure = {0};
    struct select_row row;
    uint64_t offset;
    union {
        const void *in;
        void *out;
    } which;
    which.in = how & 16 ? (const void *)&json : (const void *)&csv;
    if (how & 16)
        input.JSON = which.out;
    else
        input.CSV = which.out;
    struct select_reader *reader = select_reader_new(arena, &input);
    for (size_t at = 0, step = 1 + (how >> 5) * 3u;; at += step) {
        enum select_next next;
        while ((next = select_next_row(reader, arena, &row, &offset, &failure)) == SELECT_ROW)
            ASSERT(offset <= bytes.len);
        if (next != SELECT_MORE)
            return;
        if (at >= bytes.len)
            select_feed_end(reader);
        else if (!select_feed(reader, str_slice(bytes, at, at + step), &failure))
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct arena *arena = arena_new(0);
    struct str all = str_make((const char *)data + 1, size - 1), text, rest;
    struct select_query query;
    struct select_failure failure;
    struct str fields[] = {STR_INIT("Ada"), STR_INIT("36"), STR_INIT("1815-12-10T"), STR_INIT("")};
    struct str names[] = {STR_INIT("name"), STR_INIT("age"), STR_INIT("born"), STR_INIT("x")};
    const struct select_row csv = {.fields = fields, .count = 4, .names = names, .name_count = 4};
    const struct select_row json = {
        .json =
            STR("{\"a\": [1, {\"b\": null}], \"n\": -1.5e3, \"s\": \"x\\u00e4\", \"t\": true}")};
    str_cut(all, '\0', &text, &rest);
    if (select_parse(arena, text, &query, &failure)) {
        evaluate(arena, &query, &csv);
        evaluate(arena, &query, &json);
    } else {
        ASSERT(failure.code != NULL && failure.message.len > 0);
    }
    if (!str_is_absent(rest))
        read_all(arena, rest, data[0]);
    arena_free(arena);
    return 0;
}
