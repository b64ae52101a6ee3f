/* The rules that tags share ("Tagging AWS resources" user guide): keys of 1-128, values of 0-256
 * characters of letters, digits, white space and _ . : / = + - @, no "aws:" prefix, at most 50 of
 * them. */
#ifndef KUMONIWA_CLOUD_TAGS_H
#define KUMONIWA_CLOUD_TAGS_H

#include "wire/types.h"

enum tags_problem {
    TAGS_OK,
    TAGS_TOO_MANY,
    TAGS_KEY_LENGTH,
    TAGS_KEY_CHARACTERS,
    TAGS_KEY_RESERVED, /* aws: */
    TAGS_KEY_TWICE,
    TAGS_VALUE_LENGTH,
    TAGS_VALUE_CHARACTERS,
};

/* *which: the index of the first offender. */
enum tags_problem tags_check(const struct str_map *tags, size_t limit, size_t *which);
/* `add` over `old`, in the arena: later values win, order of first appearance kept. */
struct str_map tags_merge(struct arena *arena, const struct str_map *old,
                          const struct str_map *add);
struct str_map tags_without(struct arena *arena, const struct str_map *old,
                            const struct str_list *keys);
struct str tags_get(const struct str_map *tags, struct str key);

#endif
