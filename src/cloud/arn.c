#include "cloud/arn.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/encode.h"

bool arn_parse(struct str text, struct arn *out)
{
    struct arn arn;
    struct str rest = text;
    struct str prefix;
    if (!str_cut(rest, ':', &prefix, &rest) || !str_eq(prefix, STR("arn")))
        return false;
    if (!str_cut(rest, ':', &arn.partition, &rest) || str_is_empty(arn.partition))
        return false;
    if (!str_cut(rest, ':', &arn.service, &rest) || str_is_empty(arn.service))
        return false;
    if (!str_cut(rest, ':', &arn.region, &rest) || !str_cut(rest, ':', &arn.account, &arn.resource))
        return false;
    if (str_is_empty(arn.resource))
        return false;
    *out = arn;
    return true;
}

struct str arn_make(struct arena *arena, struct str service, struct str region, struct str account,
                    struct str resource)
{
    struct buf out;
    size_t size = 8 + service.len + region.len + account.len + resource.len + 3;
    buf_init_fixed(&out, arena_alloc_raw(arena, size), size);
    buf_append(&out, STR("arn:aws:"));
    buf_append(&out, service);
    buf_append_char(&out, ':');
    buf_append(&out, region);
    buf_append_char(&out, ':');
    buf_append(&out, account);
    buf_append_char(&out, ':');
    buf_append(&out, resource);
    return buf_str(&out);
}

struct str account_canonical_id(struct arena *arena, struct str account)
{
    uint8_t digest[SHA256_SIZE];
    struct buf text;
    digest_sha256(str_concat(arena, STR("canonical user of "), account), digest);
    buf_init(&text, arena, 2 * SHA256_SIZE);
    hex_encode(&text, str_make((const char *)digest, sizeof digest));
    return buf_str(&text);
}

bool arn_is_account(struct str account)
{
    return account.len == 12 && str_is_digits(account);
}

bool arn_is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && memchr("+=,.@_-", c, 7) == NULL)
            return false;
    }
    return name.len > 0;
}

bool arn_is_region(struct str region)
{
    /* us-east-1, ap-southeast-2, us-gov-west-1: lower-case words and a number, joined by dashes. */
    size_t last = str_find_last_char(region, '-');
    if (region.len > 32 || last == SIZE_MAX || last < 4 || last + 1 == region.len)
        return false;
    for (size_t i = 0; i < region.len; i++) {
        char c = region.ptr[i];
        bool digit = c >= '0' && c <= '9';
        bool letter = c >= 'a' && c <= 'z';
        if (i > last ? !digit : !(letter || c == '-'))
            return false;
    }
    return true;
}
