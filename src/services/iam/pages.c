/* Marker, MaxItems, IsTruncated ("Paginating the results", IAM API Reference). */
#include "cloud/paging.h"
#include "services/iam/iam_int.h"

enum { PAGE_ITEMS = 100 };

static RESULT pages_begin(struct call *call, struct str marker, struct opt_int max_items,
                          size_t *limit, struct str *last)
{
    *limit = max_items.set ? (size_t)max_items.value : PAGE_ITEMS;
    *last = (struct str){0};
    if (!str_is_absent(marker) && !paging_position(call, marker, last))
        return call_fail(call, IAM_VALIDATION, "Invalid Marker.");
    return RESULT_OK;
}

RESULT iam_pages_open(struct call *call, const struct key *prefix, struct str marker,
                      struct opt_int max_items, struct iam_pages *pages)
{
    *pages = (struct iam_pages){.call = call};
    TRY(pages_begin(call, marker, max_items, &pages->limit, &pages->last));
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(prefix), false, &pages->cursor));
    if (str_is_absent(pages->last))
        return RESULT_OK;
    return kv_cursor_seek(pages->cursor, str_concat(call->arena, pages->last, str_make("", 1)));
}

RESULT iam_pages_next_key(struct iam_pages *pages, size_t taken, struct str *key, struct str *value)
{
    TRY(kv_next(pages->cursor, key, value));
    if (str_is_absent(*key)) {
        *value = *key;
        return RESULT_OK;
    }
    if (taken >= pages->limit) {
        pages->truncated = true;
        *key = *value = (struct str){0};
        return RESULT_OK;
    }
    pages->last = str_copy(pages->call->arena, *key);
    *key = pages->last;
    if (str_is_absent(*value))
        *value = STR("");
    return RESULT_OK;
}

RESULT iam_pages_next(struct iam_pages *pages, size_t taken, struct str *value)
{
    struct str key;
    return iam_pages_next_key(pages, taken, &key, value);
}

void iam_pages_end(const struct iam_pages *pages, struct opt_bool *truncated, struct str *marker)
{
    *truncated = opt_bool(pages->truncated);
    if (pages->truncated)
        *marker = paging_token(pages->call, pages->last);
}

RESULT iam_window_open(struct call *call, struct str marker, struct opt_int max_items,
                       const void *list, size_t count, struct str (*name)(const void *, size_t),
                       struct iam_window *window)
{
    struct str last;
    size_t limit;
    TRY(pages_begin(call, marker, max_items, &limit, &last));
    *window = (struct iam_window){.count = count};
    while (!str_is_absent(last) && window->from < count &&
           str_cmp(name(list, window->from), last) <= 0)
        window->from++;
    window->to = count - window->from > limit ? window->from + limit : count;
    return RESULT_OK;
}

void iam_window_end(struct call *call, const struct iam_window *window, struct str last,
                    struct opt_bool *truncated, struct str *marker)
{
    *truncated = opt_bool(window->to < window->count);
    if (truncated->value)
        *marker = paging_token(call, last);
}

struct str iam_list_name(const void *list, size_t i)
{
    return ((const struct str_list *)list)->items[i];
}
