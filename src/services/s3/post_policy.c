#include "base/encode.h"
#include "base/time.h"
#include "services/s3/post.h"
#include "wire/json_text.h"

struct post {
    struct call *call;
    struct str bucket, key;
    bool *named; /* of each field: a condition speaks of it */
};

static RESULT invalid(struct post *post, const char *what)
{
    return call_fail(post->call, S3_INVALID_POLICY_DOCUMENT, "Invalid Policy: %s", what);
}

static RESULT failed(struct post *post, struct str condition)
{
    return call_fail(post->call, WIRE_ACCESS_DENIED,
                     "Invalid according to Policy: Policy Condition failed: %.*s",
                     PRSTR(condition));
}

/* A field's value; the bucket is one without being sent. */
static struct str value_of(struct post *post, struct str name)
{
    const struct wire_request *request = post->call->request;
    struct str value = {0};
    for (size_t i = 0; i < request->header_count; i++) {
        if (!str_eq_nocase(request->headers[i].name, name))
            continue;
        post->named[i] = true;
        if (str_is_absent(value))
            value = request->headers[i].value;
    }
    if (str_eq_nocase(name, STR("bucket")))
        return post->bucket;
    return str_eq_nocase(name, STR("key")) ? post->key : value;
}

/* Of a list of content types each must begin so. */
static bool begins(struct str name, struct str value, struct str wanted)
{
    struct str one, rest = value;
    if (!str_eq_nocase(name, STR("content-type")))
        return str_starts_with(value, wanted);
    while (!str_is_absent(rest)) {
        str_cut(rest, ',', &one, &rest);
        if (!str_starts_with(str_trim(one), wanted))
            return false;
    }
    return true;
}

static RESULT check_field(struct post *post, struct str operator, struct str name,
                          struct str wanted, struct str condition)
{
    struct str value = value_of(post, name);
    bool starts = str_eq_nocase(operator, STR("starts-with"));
    if (!starts && !str_eq_nocase(operator, STR("eq")))
        return invalid(post, "Invalid Condition: unknown operation.");
    if (str_is_absent(value))
        value = STR("");
    bool holds = starts ? begins(name, value, wanted) : str_eq(value, wanted);
    return holds ? RESULT_OK : failed(post, condition);
}

static RESULT check_length(struct post *post, struct str low, struct str high)
{
    struct call *call = post->call;
    int64_t min, max, size = (int64_t)call->payload.size;
    if (!json_integer(low, &min) || !json_integer(high, &max))
        return invalid(post, "Invalid Condition: content-length-range takes two numbers.");
    if (size < min) {
        struct s3_EntityTooSmall *detail = ARENA_NEW(call->arena, struct s3_EntityTooSmall);
        detail->ProposedSize = opt_long(size);
        detail->MinSizeAllowed = opt_long(min);
        return call_fail_with(call, S3_ENTITY_TOO_SMALL, detail,
                              "Your proposed upload is smaller than the minimum allowed size");
    }
    if (size > max)
        return call_fail(call, S3_ENTITY_TOO_LARGE,
                         "Your proposed upload exceeds the maximum allowed size");
    return RESULT_OK;
}

static RESULT check_list(struct post *post, struct str condition)
{
    struct arena *arena = post->call->arena;
    struct str rest = condition, part[3], operator, name, value, more;
    for (int i = 0; i < 3; i++)
        if (!json_next_item(&rest, &part[i]))
            return invalid(post, "Invalid Condition: wrong number of arguments.");
    if (json_next_item(&rest, &more) || !json_string(arena, part[0], &operator))
        return invalid(post, "Invalid Condition: wrong number of arguments.");
    if (str_eq_nocase(operator, STR("content-length-range")))
        return check_length(post, part[1], part[2]);
    if (!json_string(arena, part[1], &name) || !json_string(arena, part[2], &value) ||
        !str_starts_with(name, STR("$")))
        return invalid(post, "Invalid Condition: a field's name begins with '$'.");
    return check_field(post, operator, str_slice(name, 1, name.len), value, condition);
}

static RESULT check_condition(struct post *post, struct str condition)
{
    struct arena *arena = post->call->arena;
    struct str rest = condition, name, raw, value, more;
    if (json_kind_of(condition) == JSON_ARRAY)
        return check_list(post, condition);
    if (json_kind_of(condition) != JSON_OBJECT || !json_next_member(arena, &rest, &name, &raw) ||
        json_next_member(arena, &rest, &more, &more))
        return invalid(post, "Invalid Simple-Condition: Simple-Conditions must have exactly one "
                             "property specified.");
    if (!json_string(arena, raw, &value))
        return invalid(post, "Invalid Simple-Condition: value must be a string.");
    struct str as_list = str_format(arena, "[\"eq\", \"$%.*s\", %.*s]", PRSTR(name), PRSTR(raw));
    return check_field(post, STR("eq"), name, value, as_list);
}

/* "Each form field that you specify in a form must appear in the list of conditions", but for
 * these. */
static bool is_free(struct str name)
{
    static const struct str free_names[] = {
        STR_INIT("x-amz-signature"), STR_INIT("signature"), STR_INIT("awsaccesskeyid"),
        STR_INIT("policy"),          STR_INIT("file"),      STR_INIT("host"),
        STR_INIT("origin"),          STR_INIT("referer"),   STR_INIT("user-agent"),
    };
    for (size_t i = 0; i < sizeof free_names / sizeof free_names[0]; i++)
        if (str_eq(name, free_names[i]))
            return true;
    return str_starts_with(name, STR("x-ignore-"));
}

static RESULT check_extra(struct post *post)
{
    const struct wire_request *request = post->call->request;
    struct buf names;
    buf_init(&names, post->call->arena, SIZE_MAX);
    for (size_t i = 0; i < request->header_count; i++) {
        struct str name = request->headers[i].name;
        if (post->named[i] || is_free(name))
            continue;
        buf_append_c(&names, names.len == 0 ? "" : ", ");
        buf_append(&names, name);
    }
    if (names.len == 0)
        return RESULT_OK;
    return call_fail(post->call, WIRE_ACCESS_DENIED,
                     "Invalid according to Policy: Extra input fields: %.*s",
                     PRSTR(buf_str(&names)));
}

static RESULT check_expiration(struct post *post, struct str document)
{
    struct call *call = post->call;
    struct str raw, text;
    int64_t until;
    if (!json_member(call->arena, document, STR("expiration"), &raw))
        return invalid(post, "Policy missing expiration.");
    if (!json_string(call->arena, raw, &text) || !time_parse_iso8601(text, &until))
        return invalid(post, "Invalid 'expiration' value.");
    if (until + call->signer_ahead_ms > call->now_ms)
        return RESULT_OK;
    return call_fail(call, WIRE_ACCESS_DENIED, "Invalid according to Policy: Policy expired.");
}

RESULT post_check_policy(struct call *call, struct str policy, struct str bucket, struct str key)
{
    struct post post = {call, bucket, key,
                        ARENA_ARRAY(call->arena, call->request->header_count + 1, bool)};
    struct str document, conditions, condition;
    if (!base64_decode(call->arena, policy, &document) || !json_is_valid(document) ||
        json_kind_of(document) != JSON_OBJECT)
        return invalid(&post, "Invalid JSON.");
    TRY(check_expiration(&post, document));
    if (!json_member(call->arena, document, STR("conditions"), &conditions) ||
        json_kind_of(conditions) != JSON_ARRAY)
        return invalid(&post, "Policy missing conditions.");
    while (json_next_item(&conditions, &condition))
        TRY(check_condition(&post, condition));
    return check_extra(&post);
}
