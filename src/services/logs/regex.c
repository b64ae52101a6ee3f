#define PCRE2_CODE_UNIT_WIDTH 8
#include "services/logs/regex.h"

#include <pcre2.h>

struct regex {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

enum { STEPS_MAX = 200000, DEPTH_MAX = 2000 };

static void regex_free(void *context)
{
    struct regex *regex = context;
    pcre2_match_context_free(regex->limits);
    pcre2_match_data_free(regex->data);
    pcre2_code_free(regex->code);
}

bool regex_compile(struct arena *arena, struct str text, struct regex **out, struct str *problem)
{
    int error;
    PCRE2_SIZE at;
    struct regex *regex = ARENA_NEW(arena, struct regex);
    regex->code = pcre2_compile((PCRE2_SPTR)text.ptr, text.len,
                                PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C,
                                &error, &at, NULL);
    if (regex->code == NULL) {
        char *room = arena_alloc(arena, 160);
        pcre2_get_error_message(error, (PCRE2_UCHAR *)room, 160);
        *problem = str_format(arena, "%s at %zu of the regular expression", room, at);
        return false;
    }
    regex->data = pcre2_match_data_create_from_pattern(regex->code, NULL);
    regex->limits = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(regex->limits, STEPS_MAX);
    pcre2_set_depth_limit(regex->limits, DEPTH_MAX);
    arena_on_reset(arena, regex_free, regex);
    *out = regex;
    return true;
}

bool regex_matches(const struct regex *regex, struct str subject)
{
    return pcre2_match(regex->code, (PCRE2_SPTR)subject.ptr, subject.len, 0, 0, regex->data,
                       regex->limits) >= 0;
}

bool regex_find(const struct regex *regex, struct str subject, size_t from, size_t *begin,
                size_t *end)
{
    if (from > subject.len || pcre2_match(regex->code, (PCRE2_SPTR)subject.ptr, subject.len, from,
                                          0, regex->data, regex->limits) < 0)
        return false;
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(regex->data);
    *begin = at[0];
    *end = at[1];
    return at[1] >= at[0];
}

bool regex_groups(const struct regex *regex, struct arena *arena, struct str subject,
                  struct regex_group **groups, size_t *count)
{
    uint32_t total = 0, names = 0, name_size = 0;
    PCRE2_SPTR table;
    if (!regex_matches(regex, subject))
        return false;
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(regex->data);
    pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &total);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMECOUNT, &names);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMEENTRYSIZE, &name_size);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMETABLE, &table);
    *groups = ARENA_ARRAY(arena, total + 1, struct regex_group);
    *count = total;
    for (uint32_t i = 1; i <= total; i++)
        if (at[2 * i] != PCRE2_UNSET)
            (*groups)[i - 1].text = str_slice(subject, at[2 * i], at[2 * i + 1]);
    for (uint32_t i = 0; i < names; i++) {
        const unsigned char *entry = table + (size_t)i * name_size;
        uint32_t number = (uint32_t)entry[0] << 8 | entry[1];
        (*groups)[number - 1].name = str_copy(arena, str_from_c((const char *)entry + 2));
    }
    return true;
}
