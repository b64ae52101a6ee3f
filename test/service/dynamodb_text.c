#include "service/dynamodb_text.h"

#include "wire/wire_int.h"

static struct str swap_quotes(struct arena *arena, struct str text, char from, char to)
{
    char *copy = arena_alloc_raw(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        copy[i] = text.ptr[i] == from ? to : text.ptr[i];
    return str_make(copy, text.len);
}

void dynamodb_read(struct arena *arena, uint16_t shape, const char *json, void *out)
{
    struct wire_failure failure = {0};
    struct str text = swap_quotes(arena, str_from_c(json), '\'', '"');
    enum result result = wire_json_read(arena, &dynamodb_model, shape, text, out, &failure);
    ASSERT(result == RESULT_OK);
}

struct dynamodb_AttributeMap dynamodb_item(struct arena *arena, const char *json)
{
    struct dynamodb_AttributeMap item = {0};
    dynamodb_read(arena, DYNAMODB_SHAPE_AttributeMap, json, &item);
    return item;
}

struct dynamodb_AttributeValue dynamodb_value(struct arena *arena, const char *json)
{
    struct dynamodb_AttributeValue value = {0};
    dynamodb_read(arena, DYNAMODB_SHAPE_AttributeValue, json, &value);
    return value;
}

static struct str write(struct arena *arena, uint16_t shape, const void *value)
{
    struct buf out;
    buf_init(&out, arena, 1 << 26);
    enum result result = wire_json_write(&out, &dynamodb_model, shape, value);
    ASSERT(result == RESULT_OK);
    return swap_quotes(arena, buf_str(&out), '"', '\'');
}

struct str dynamodb_text(struct arena *arena, const struct dynamodb_AttributeMap *item)
{
    return write(arena, DYNAMODB_SHAPE_AttributeMap, item);
}

struct str dynamodb_value_text(struct arena *arena, const struct dynamodb_AttributeValue *value)
{
    return write(arena, DYNAMODB_SHAPE_AttributeValue, value);
}
