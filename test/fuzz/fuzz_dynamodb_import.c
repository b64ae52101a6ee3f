/* What ImportTable reads: every line ends somewhere within the text, and what is made of it is an
 * item that can be kept. The first byte chooses the format and the delimiter. */
#include "fuzz/fuzz.h"

#include "services/dynamodb/transfer.h"

static void judge(struct arena *arena, const struct dynamodb_AttributeMap *item)
{
    struct dynamodb_AttributeMap back;
    struct str bytes;
    size_t size, again;
    size = item_size(item);
    ASSERT(codec_encode(arena, item, size, &bytes) == RESULT_OK);
    ASSERT(codec_decode(arena, bytes, &back, &again) == RESULT_OK && again == size);
    ASSERT(item_equal(arena, item, &back));
}

static void read_csv(struct arena *arena, struct str line, char delimiter, struct str_list *header)
{
    static struct dynamodb_attribute names[] = {{STR_INIT("a"), STR_INIT("N")},
                                                {STR_INIT("b"), STR_INIT("B")}};
    const struct dynamodb_table table = {.attributes = {names, 2}};
    struct str_list fields;
    struct dynamodb_AttributeMap item;
    struct str reason;
    if (import_csv_fields(arena, line, delimiter, &fields) != RESULT_OK)
        return;
    ASSERT(fields.len > 0);
    if (header->len == 0 && import_header_is_valid(&fields))
        *header = fields;
    else if (import_csv_item(arena, &table, header, &fields, &item, &reason) == RESULT_OK)
        judge(arena, &item);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct str text = str_make((const char *)data, size);
    struct str_list header = {0};
    bool csv = size > 0 && data[0] % 2 == 0;
    char delimiter = size > 0 && data[0] % 4 == 0 ? ';' : ',';
    text = str_slice(text, 1, text.len);
    while (text.len > 0) {
        size_t end = import_line_end(text, csv);
        ASSERT(end <= text.len && (end == 0 || text.ptr[end - 1] == '\n'));
        if (end == 0)
            end = text.len;
        struct str line = str_trim(str_slice(text, 0, end)), reason;
        struct dynamodb_AttributeMap item;
        if (csv)
            read_csv(arena, line, delimiter, &header);
        else if (import_json_item(arena, line, &item, &reason) == RESULT_OK)
            judge(arena, &item);
        text = str_slice(text, end, text.len);
    }
    arena_free(arena);
    return 0;
}
