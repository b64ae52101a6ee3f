/* Choosing the operation of a REST request.
 *
 * An operation is a candidate when its method is the request's, its template matches the path and
 * every literal of its query string ("?acl", "?list-type=2") is there. Among the candidates goes
 * first, in this order: the more literal path; more query literals; no required header or query
 * member missing; more of them present (UploadPart before PutObject, CopyObject before PutObject
 * where x-amz-copy-source is given). Two that are still equal are an operation and its successor,
 * of the same name but longer (GetBucketLifecycleConfiguration): that one is taken. */
#include "base/encode.h"
#include "wire/rest_int.h"
#include "wire/shape.h"

enum { SEGMENTS_MAX = 32, PARAMS_MAX = 64 };

/* One segment of a template or a path. */
struct cursor {
    struct str rest; /* absent: at the end */
};

static struct cursor cursor_make(struct str path)
{
    if (path.len > 0 && path.ptr[0] == '/')
        path = str_slice(path, 1, path.len);
    return (struct cursor){.rest = path};
}

static bool cursor_next(struct cursor *cursor, struct str *segment)
{
    if (str_is_absent(cursor->rest))
        return false;
    str_cut(cursor->rest, '/', segment, &cursor->rest);
    return true;
}

static bool is_label(struct str segment)
{
    return segment.len > 2 && segment.ptr[0] == '{' && segment.ptr[segment.len - 1] == '}';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether the encoded text says the literal, without a copy. */
static bool encoded_eq(struct str encoded, struct str literal)
{
    size_t at = 0;

    if (str_eq(encoded, literal))
        return true;
    for (size_t i = 0; i < encoded.len; i++) {
        char c = encoded.ptr[i];
        if (c == '%' && i + 2 < encoded.len) {
            int high = hex_value(encoded.ptr[i + 1]), low = hex_value(encoded.ptr[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (at == literal.len || literal.ptr[at++] != c)
            return false;
    }
    return at == literal.len;
}

static size_t count_segments(struct str path)
{
    size_t count = 1;
    for (size_t i = 0; i < path.len; i++)
        count += path.ptr[i] == '/';
    return count;
}

/* How many segments the greedy label takes: what the path has more than the rest of the template.
 */
static size_t greedy_len(struct cursor template, struct cursor path)
{
    size_t have = count_segments(path.rest);
    size_t need = str_is_absent(template.rest) ? 0 : count_segments(template.rest);
    return have > need ? have - need : 0;
}

/* Takes one segment, or what the greedy label covers, off the path. False: too short or empty. */
static bool take_label(struct cursor template, struct cursor *path, bool greedy, struct str *value)
{
    if (str_is_absent(path->rest))
        return false;
    if (!greedy)
        return cursor_next(path, value) && value->len > 0;
    size_t count = greedy_len(template, *path);
    struct str segment, start = path->rest;
    if (count == 0)
        return false;
    while (count-- > 0 && cursor_next(path, &segment))
        value->len = (size_t)(segment.ptr + segment.len - start.ptr);
    value->ptr = start.ptr;
    return value->len > 0;
}

/* An empty last segment is no segment: "/2015-03-31/functions/" and "/bucket/". */
static bool at_end(const struct cursor *cursor)
{
    return str_is_absent(cursor->rest) || cursor->rest.len == 0;
}

bool wire_rest_walk(struct str template, struct str path,
                    bool (*label)(void *context, struct str name, struct str value), void *context,
                    unsigned *literals)
{
    struct cursor want = cursor_make(template), have = cursor_make(path);
    struct str segment, value;
    unsigned score = 0, bit = 1U << 31;

    while (!at_end(&want)) {
        cursor_next(&want, &segment);
        if (is_label(segment)) {
            bool greedy = segment.ptr[segment.len - 2] == '+';
            if (!take_label(want, &have, greedy, &value))
                return false;
            struct str name = str_slice(segment, 1, segment.len - (greedy ? 2 : 1));
            if (label != NULL && !label(context, name, value))
                return false;
            if (!greedy)
                score |= bit >> 1; /* less than a literal there, more than a greedy label */
        } else {
            if (at_end(&have) || !cursor_next(&have, &value) || !encoded_eq(value, segment))
                return false;
            score |= bit;
        }
        bit >>= 2;
    }
    if (literals != NULL)
        *literals = score;
    return at_end(&have);
}

/* ---- query strings, still encoded */

struct query {
    struct str keys[PARAMS_MAX], values[PARAMS_MAX];
    size_t len;
};

static void query_split(struct str text, struct query *query)
{
    struct str pair, rest = text;
    query->len = 0;
    while (!str_is_absent(rest) && query->len < PARAMS_MAX) {
        str_cut(rest, '&', &pair, &rest);
        if (pair.len > 0) {
            str_cut(pair, '=', &query->keys[query->len], &query->values[query->len]);
            query->len++;
        }
    }
}

static bool query_has(const struct query *query, struct str key, struct str value)
{
    for (size_t i = 0; i < query->len; i++)
        if (encoded_eq(query->keys[i], key) &&
            (str_is_absent(value) || encoded_eq(query->values[i], value)))
            return true;
    return false;
}

/* The literals of a template's query string: -1 when one is not there, else their number. */
static int match_literals(struct str literals, const struct query *query)
{
    struct str literal, key, value, rest = literals;
    int count = 0;
    while (!str_is_absent(rest)) {
        str_cut(rest, '&', &literal, &rest);
        if (literal.len == 0)
            continue;
        str_cut(literal, '=', &key, &value);
        if (!query_has(query, key, value))
            return -1;
        count++;
    }
    return count;
}

/* ---- candidates */

struct rank {
    unsigned path;
    int literals;
    int missing;
    int present;
};

static void count_required(const struct wire_model *model, uint16_t input,
                           const struct wire_request *request, const struct query *query,
                           struct rank *rank)
{
    const struct wire_shape *shape = shape_at(model, input);
    const struct wire_member *members = shape_members(model, shape);

    for (size_t i = 0; i < shape->member_count; i++) {
        if (!(members[i].flags & WIRE_MEMBER_REQUIRED))
            continue;
        struct str name = wire_string(model, members[i].wire_name);
        bool there;
        if (members[i].location == WIRE_IN_QUERY)
            there = query_has(query, name, (struct str){0});
        else if (members[i].location == WIRE_IN_HEADER)
            there = !str_is_absent(wire_request_header(request, name));
        else
            continue;
        rank->missing += !there;
        rank->present += there;
    }
}

static int rank_compare(const struct rank *a, const struct rank *b)
{
    if (a->path != b->path)
        return a->path > b->path ? 1 : -1;
    if (a->literals != b->literals)
        return a->literals > b->literals ? 1 : -1;
    if ((a->missing == 0) != (b->missing == 0))
        return a->missing == 0 ? 1 : -1;
    if (a->present != b->present)
        return a->present > b->present ? 1 : -1;
    return 0;
}

static bool is_successor(const struct wire_model *model, int operation, int of)
{
    return str_starts_with(wire_string(model, model->operations[operation].name),
                           wire_string(model, model->operations[of].name));
}

/* Equal strings stand once in the pool: the index of the request's method, once found, is compared
 * instead of it. */
static bool method_matches(const struct wire_model *model, uint32_t method, struct str wanted,
                           uint32_t *known)
{
    if (*known == 0 && str_eq(wire_string(model, method), wanted))
        *known = method;
    return method == *known;
}

/* What most templates fail by, looked at first: the beginning of their literal. */
static bool may_match(struct str template, struct str path)
{
    size_t len = template.len < path.len ? template.len : path.len;
    for (size_t i = 1; i < len && i < 12; i++) {
        if (template.ptr[i] == '{' || template.ptr[i] == '?' || path.ptr[i] == '%')
            return true;
        if (template.ptr[i] != path.ptr[i])
            return template.ptr[i] == '/' && i + 1 == template.len;
    }
    return true;
}

/* What the path was found to be under the template looked at last: many operations of S3 share one,
 * and equal strings stand once in the pool. */
struct walked {
    uint32_t uri;
    bool fits;
    unsigned score;
};

/* Rank of an operation whose method is the request's; false: no candidate. */
static bool rank_of(const struct wire_model *model, const struct wire_operation *operation,
                    struct str path, const struct query *query, struct walked *walked,
                    struct rank *rank)
{
    struct str uri = wire_string(model, operation->uri), template, literals;

    *rank = (struct rank){0};
    if (operation->flags & WIRE_OP_QUERY_LITERAL) { /* most of them fail by it */
        str_cut(uri, '?', &template, &literals);
        rank->literals = match_literals(literals, query);
        if (rank->literals < 0)
            return false;
    }
    if (operation->uri != walked->uri) {
        walked->uri = operation->uri;
        walked->fits = false;
        if (may_match(uri, path)) {
            str_cut(uri, '?', &template, &literals);
            walked->fits = wire_rest_walk(template, path, NULL, NULL, &walked->score);
        }
    }
    rank->path = walked->score;
    return walked->fits;
}

int wire_rest_match(const struct wire_model *model, const struct wire_request *request,
                    struct str path)
{
    struct query query;
    struct rank best = {0}, rank;
    struct walked walked = {0};
    uint32_t method = 0;
    int found = -1;

    query_split(request->query, &query);
    for (uint32_t i = 0; i < model->operation_count; i++) {
        const struct wire_operation *operation = &model->operations[i];
        if (!method_matches(model, operation->method, request->method, &method) ||
            (query.len == 0 && (operation->flags & WIRE_OP_QUERY_LITERAL)) ||
            !rank_of(model, operation, path, &query, &walked, &rank))
            continue;
        if (found >= 0 && rank.path < best.path)
            continue;
        count_required(model, operation->input, request, &query, &rank);
        int order = found < 0 ? 1 : rank_compare(&rank, &best);
        if (order > 0 || (order == 0 && is_successor(model, (int)i, found))) {
            best = rank;
            found = (int)i;
        }
    }
    return found;
}
