/* Recursion: "Use Lambda recursive loop detection to prevent infinite loops", AWS Lambda Developer
 * Guide. The trace header ("Tracing header", AWS X-Ray Developer Guide) goes along with what a
 * function's SDK asks of SQS, S3 and Lambda, and comes back with what that causes; its member
 * Lineage=HASH:COUNT|... says how often the chain has been through which function. */
#include "base/rng.h"
#include "services/lambda/events_int.h"

enum { PASSES = 16, LINEAGE_MAX = 32, MEMBER_MAX = 1024 };

static uint32_t lineage_hash(struct call *call, const struct lambda_name *name)
{
    struct str arn = lambda_arn(call, name->account, name->region, name->function, (struct str){0});
    return (uint32_t)str_hash(arn, 0);
}

/* It may have come with a message, from anybody, and goes on in headers. */
static bool member_is_plain(struct str value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] <= ' ' || value.ptr[i] > '~')
            return false;
    return value.len > 0 && value.len <= MEMBER_MAX;
}

/* The value of the member, absent without one. */
static struct str trace_member(struct str trace, struct str name)
{
    struct str part, value, key, rest = trace;
    while (!str_is_empty(rest)) {
        str_cut(rest, ';', &part, &rest);
        if (str_cut(str_trim(part), '=', &key, &value) && str_eq_nocase(key, name))
            return member_is_plain(value) ? value : (struct str){0};
    }
    return (struct str){0};
}

static int64_t lineage_count(struct str item)
{
    struct str hash, count;
    int64_t n;
    return str_cut(item, ':', &hash, &count) && str_to_i64(count, &n) && n > 0 ? n : 0;
}

/* The lineage with one pass more; *passes: how many that makes of this function. */
static void lineage_append(struct buf *out, struct str lineage, struct str hash, int64_t *passes)
{
    struct str item, rest = lineage, name, count;
    size_t items = 0;
    *passes = 1;
    while (!str_is_empty(rest) && items < LINEAGE_MAX) {
        str_cut(rest, '|', &item, &rest);
        if (!str_cut(item, ':', &name, &count) || lineage_count(item) == 0)
            continue;
        if (str_eq(name, hash)) {
            *passes += lineage_count(item);
            continue;
        }
        buf_append_format(out, "%s%.*s", items++ == 0 ? "" : "|", PRSTR(item));
    }
    buf_append_format(out, "%s%.*s:%lld", items == 0 ? "" : "|", PRSTR(hash), (long long)*passes);
}

static struct str root_make(struct call *call)
{
    return str_format(call->arena, "1-%08llx-%08llx%016llx",
                      (unsigned long long)call->now_ms / 1000,
                      (unsigned long long)rng_u64() & 0xffffffff, (unsigned long long)rng_u64());
}

struct str trace_begin(struct call *call, struct str trace)
{
    return str_is_absent(trace_member(trace, STR("Root")))
               ? str_concat(call->arena, STR("Root="), root_make(call))
               : trace;
}

struct str trace_next(struct call *call, const struct lambda_target *target, struct str trace,
                      bool *loops)
{
    struct buf out;
    int64_t passes;
    struct str hash = str_format(call->arena, "%08x", lineage_hash(call, &target->name));
    struct str root = trace_member(trace, STR("Root"));
    struct str parent = trace_member(trace, STR("Parent"));
    struct str sampled = trace_member(trace, STR("Sampled"));
    if (str_is_absent(root))
        root = root_make(call);
    if (str_is_absent(parent))
        parent = str_format(call->arena, "%016llx", (unsigned long long)rng_u64());
    /* Of a function that traces by itself the first request of each second is sampled, and who
     * has less of them here than that has all. */
    if (str_is_absent(sampled) || str_eq(sampled, STR("?")))
        sampled = str_eq(target->version.tracing, STR("Active")) ? STR("1") : STR("0");
    buf_init(&out, call->arena, SIZE_MAX);
    buf_append_format(&out, "Root=%.*s;Parent=%.*s;Sampled=%.*s;Lineage=", PRSTR(root),
                      PRSTR(parent), PRSTR(sampled));
    lineage_append(&out, trace_member(trace, STR("Lineage")), hash, &passes);
    *loops = passes > PASSES && !str_eq(target->function.recursive_loop, STR("Allow"));
    return buf_str(&out);
}

static int64_t trace_length(struct str trace)
{
    struct str item, rest = trace_member(trace, STR("Lineage"));
    int64_t most = 0;
    while (!str_is_empty(rest)) {
        str_cut(rest, '|', &item, &rest);
        if (lineage_count(item) > most)
            most = lineage_count(item);
    }
    return most;
}

struct str trace_longer(struct str a, struct str b)
{
    if (str_is_absent(a))
        return b;
    return trace_length(b) > trace_length(a) ? b : a;
}
