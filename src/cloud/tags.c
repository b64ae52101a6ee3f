#include "cloud/tags.h"

#include "base/arena.h"

/* One past the UTF-8 sequence at i; the caller has checked that the text is UTF-8. */
static bool tags_character_allowed(struct str text, size_t *i)
{
    unsigned char c = (unsigned char)text.ptr[*i];
    if (c >= 0x80) {
        /* Letters and digits of any script: all beyond ASCII passes but C1 controls. */
        unsigned char next = *i + 1 < text.len ? (unsigned char)text.ptr[*i + 1] : 0;
        bool control = c == 0xC2 && next < 0xA0;
        *i += c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
        return !control;
    }
    (*i)++;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return memchr(" \t\n\r\f\v_.:/=+-@", c, 15) != NULL;
}

static bool tags_characters_allowed(struct str text)
{
    if (!str_is_utf8(text))
        return false;
    for (size_t i = 0; i < text.len;)
        if (!tags_character_allowed(text, &i))
            return false;
    return true;
}

static enum tags_problem tags_check_one(const struct str_map *tags, size_t i)
{
    struct str key = tags->items[i].key;
    struct str value = tags->items[i].value;
    if (!tags_characters_allowed(key))
        return TAGS_KEY_CHARACTERS;
    size_t key_length = str_utf8_length(key);
    if (key_length < 1 || key_length > 128)
        return TAGS_KEY_LENGTH;
    if (key.len >= 4 && str_eq_nocase(str_slice(key, 0, 4), STR("aws:")))
        return TAGS_KEY_RESERVED;
    if (!tags_characters_allowed(value))
        return TAGS_VALUE_CHARACTERS;
    if (str_utf8_length(value) > 256)
        return TAGS_VALUE_LENGTH;
    for (size_t j = 0; j < i; j++)
        if (str_eq(tags->items[j].key, key))
            return TAGS_KEY_TWICE;
    return TAGS_OK;
}

enum tags_problem tags_check(const struct str_map *tags, size_t limit, size_t *which)
{
    for (size_t i = 0; i < tags->len; i++) {
        enum tags_problem problem = tags_check_one(tags, i);
        if (problem != TAGS_OK) {
            *which = i;
            return problem;
        }
    }
    if (tags->len > limit) {
        *which = limit;
        return TAGS_TOO_MANY;
    }
    return TAGS_OK;
}

struct str_map tags_merge(struct arena *arena, const struct str_map *old, const struct str_map *add)
{
    struct str_map merged = {.items =
                                 ARENA_ARRAY(arena, old->len + add->len + 1, struct str_map_entry)};
    for (size_t i = 0; i < old->len; i++)
        merged.items[merged.len++] = old->items[i];
    for (size_t i = 0; i < add->len; i++) {
        size_t at = 0;
        while (at < merged.len && !str_eq(merged.items[at].key, add->items[i].key))
            at++;
        merged.items[at] = add->items[i];
        if (at == merged.len)
            merged.len++;
    }
    return merged;
}

struct str_map tags_without(struct arena *arena, const struct str_map *old,
                            const struct str_list *keys)
{
    struct str_map left = {.items = ARENA_ARRAY(arena, old->len + 1, struct str_map_entry)};
    for (size_t i = 0; i < old->len; i++) {
        bool drop = false;
        for (size_t k = 0; k < keys->len && !drop; k++)
            drop = str_eq(keys->items[k], old->items[i].key);
        if (!drop)
            left.items[left.len++] = old->items[i];
    }
    return left;
}

struct str tags_get(const struct str_map *tags, struct str key)
{
    for (size_t i = 0; i < tags->len; i++)
        if (str_eq(tags->items[i].key, key))
            return tags->items[i].value;
    return (struct str){0};
}
