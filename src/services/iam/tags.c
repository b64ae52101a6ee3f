/* Tags of IAM's resources ("Tags for AWS Identity and Access Management resources", IAM User
 * Guide): keys keep their case and are not distinguished by it. */
#include "cloud/tags.h"

#include "cloud/authorize.h"
#include "cloud/organization.h"
#include "services/iam/iam_int.h"

enum { TAGS_MAX = 50 };

static size_t tag_find(const struct str_map *tags, struct str key)
{
    size_t i = 0;
    while (i < tags->len && !str_eq_nocase(tags->items[i].key, key))
        i++;
    return i;
}

RESULT iam_tags_made_with(struct call *call, const struct iam_tagging *tagging,
                          const struct iam_tagListType *given, struct str_map *out)
{
    struct authorize_ask ask = {
        .action = tagging->action, .resource = tagging->arn, .in = tagging->request};
    TRY(iam_tags_take(call, tagging->type, given, out));
    return given->len == 0 ? RESULT_OK : authorize_ask(call, &ask);
}

RESULT iam_tags_take(struct call *call, const char *type, const struct iam_tagListType *given,
                     struct str_map *out)
{
    struct str refused;
    size_t which;
    struct str_map tags = {.items = ARENA_ARRAY(call->arena, given->len + 1, struct str_map_entry)};
    for (size_t i = 0; i < given->len; i++) {
        if (tag_find(&tags, given->items[i].Key) < tags.len)
            return call_fail(call, IAM_INVALID_INPUT,
                             "Duplicate tag keys found. Please note that Tag keys are case "
                             "insensitive.");
        tags.items[tags.len++] = (struct str_map_entry){given->items[i].Key, given->items[i].Value};
    }
    enum tags_problem problem = tags_check(&tags, TAGS_MAX, &which);
    if (problem == TAGS_KEY_RESERVED)
        return call_fail(call, IAM_INVALID_INPUT,
                         "Tag keys beginning with aws: are reserved for system use.");
    if (problem == TAGS_TOO_MANY)
        return call_fail(call, IAM_LIMIT_EXCEEDED,
                         "The number of tags has reached the maximum limit.");
    if (problem != TAGS_OK)
        return call_fail(call, IAM_INVALID_INPUT, "The tag %.*s is not allowed.",
                         PRSTR(tags.items[which].key));
    TRY(organization_tag_refused(call, call->account, str_from_c(type), &tags, &refused));
    if (!str_is_absent(refused))
        return call_fail(call, IAM_INVALID_INPUT, ORGANIZATION_TAG_TEXT, PRSTR(refused));
    *out = tags;
    return RESULT_OK;
}

RESULT iam_tags_add(struct call *call, const char *type, const struct iam_tagListType *given,
                    struct str_map *tags)
{
    struct str_map added;
    TRY(iam_tags_take(call, type, given, &added));
    struct str_map_entry *items =
        ARENA_ARRAY(call->arena, tags->len + added.len + 1, struct str_map_entry);
    struct str_map all = {.items = items, .len = tags->len};
    for (size_t i = 0; i < tags->len; i++)
        items[i] = tags->items[i];
    for (size_t i = 0; i < added.len; i++) {
        size_t at = tag_find(&all, added.items[i].key);
        items[at] = added.items[i];
        all.len += at == all.len;
    }
    if (all.len > TAGS_MAX)
        return call_fail(call, IAM_LIMIT_EXCEEDED,
                         "The number of tags has reached the maximum limit.");
    *tags = all;
    return RESULT_OK;
}

void iam_tags_remove(struct call *call, const struct str_list *keys, struct str_map *tags)
{
    struct str_map left = {.items = ARENA_ARRAY(call->arena, tags->len + 1, struct str_map_entry)};
    for (size_t i = 0; i < tags->len; i++) {
        bool removed = false;
        for (size_t k = 0; k < keys->len && !removed; k++)
            removed = str_eq_nocase(keys->items[k], tags->items[i].key);
        if (!removed)
            left.items[left.len++] = tags->items[i];
    }
    *tags = left;
}

struct iam_tagListType iam_tags_shown(struct call *call, const struct str_map *tags)
{
    struct iam_tagListType shown = {0};
    if (tags->len == 0)
        return shown;
    shown.items = ARENA_ARRAY(call->arena, tags->len, struct iam_Tag);
    shown.len = tags->len;
    for (size_t i = 0; i < tags->len; i++)
        shown.items[i] = (struct iam_Tag){tags->items[i].key, tags->items[i].value};
    return shown;
}

static struct str tag_name(const void *list, size_t i)
{
    return ((const struct iam_tagListType *)list)->items[i].Key;
}

RESULT iam_tags_page(struct call *call, const struct str_map *tags, struct str marker,
                     struct opt_int max_items, struct iam_tags_page *page)
{
    struct iam_tagListType all = iam_tags_shown(call, tags);
    struct iam_window window;
    for (size_t i = 1; i < all.len; i++) /* few: in order of their keys */
        for (size_t j = i; j > 0 && str_cmp(all.items[j].Key, all.items[j - 1].Key) < 0; j--) {
            struct iam_Tag tag = all.items[j];
            all.items[j] = all.items[j - 1];
            all.items[j - 1] = tag;
        }
    TRY(iam_window_open(call, marker, max_items, &all, all.len, tag_name, &window));
    *page = (struct iam_tags_page){.tags = {.items = all.items, .len = window.to - window.from}};
    if (page->tags.items == NULL)
        page->tags.items = ARENA_NEW(call->arena, struct iam_Tag); /* present, though empty */
    page->tags.items += window.from;
    iam_window_end(call, &window, window.to > 0 ? all.items[window.to - 1].Key : STR(""),
                   &page->truncated, &page->marker);
    return RESULT_OK;
}
