#include "services/logs/mask.h"

#include <arpa/inet.h>

#include "base/vec.h"
#include "services/logs/regex.h"

/* "If a keyword has to be in proximity of a particular type of data, the keyword typically has to
 * be within 30 characters (inclusively) of the data." */
enum { NEAR = 30, IPV6_TEXT_MAX = 45 };

struct data_identifier {
    struct regex *regex;
    const struct str *keywords; /* one of which must be near; NULL: none need */
    size_t keyword_count;
    bool (*is_one)(struct str text); /* NULL: what the expression finds */
};
struct mask_policy {
    bool of_account;
    int64_t since_ms;
    const struct data_identifier *const *identifiers;
    size_t count;
};
struct log_masks {
    struct arena *arena;
    struct mask_policy *policies;
    size_t count, cap;
};

/* --- managed identifiers: "CloudWatch Logs managed data identifiers for sensitive data types" ---
 */

static bool is_address(struct str text)
{
    char room[IPV6_TEXT_MAX + 1];
    struct in6_addr address;
    if (str_find_char(text, ':') == SIZE_MAX)
        return true;
    if (text.len > IPV6_TEXT_MAX)
        return false;
    memcpy(room, text.ptr, text.len);
    room[text.len] = '\0';
    return inet_pton(AF_INET6, room, &address) == 1;
}

static const struct str secret_keywords[] = {
    STR_INIT("aws_secret_access_key"), STR_INIT("credentials"),
    STR_INIT("secret access key"),     STR_INIT("secret key"),
    STR_INIT("set-awscredential"),
};

#define OCTET "(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
#define KEY_BLOCK(name) "-----BEGIN " name "-----[^-]*(?:-(?!----END)[^-]*)*-----END " name "-----"

static const struct {
    struct str name, expression;
    const struct str *keywords;
    size_t keyword_count;
    bool (*is_one)(struct str text);
} managed[] = {
    {.name = STR_INIT("EmailAddress"),
     .expression = STR_INIT("[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\\.)+[A-Za-z]{2,}")},
    {.name = STR_INIT("IpAddress"),
     .expression = STR_INIT("(?<![0-9A-Za-z.])(?:" OCTET "\\.){3}" OCTET "(?![0-9A-Za-z]|\\.[0-9])"
                            "|(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{0,4}:){2,7}"
                            "(?:[0-9A-Fa-f]{1,4})?(?![0-9A-Za-z:.])"),
     .is_one = is_address},
    {.name = STR_INIT("AwsSecretKey"),
     .expression = STR_INIT("(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"),
     .keywords = secret_keywords,
     .keyword_count = sizeof secret_keywords / sizeof secret_keywords[0]},
    {.name = STR_INIT("OpenSshPrivateKey"),
     .expression = STR_INIT(KEY_BLOCK("OPENSSH PRIVATE KEY"))},
    {.name = STR_INIT("PgpPrivateKey"), .expression = STR_INIT(KEY_BLOCK("PGP PRIVATE KEY BLOCK"))},
    {.name = STR_INIT("PkcsPrivateKey"),
     .expression = STR_INIT(KEY_BLOCK("(?:(?:RSA|EC|DSA|ENCRYPTED) )?PRIVATE KEY"))},
};

static const struct data_identifier *identifier_new(struct arena *arena, struct str expression,
                                                    struct str *problem)
{
    struct data_identifier *identifier = ARENA_NEW(arena, struct data_identifier);
    return regex_compile(arena, expression, &identifier->regex, problem) ? identifier : NULL;
}

const struct data_identifier *data_identifier_managed(struct arena *arena, struct str name)
{
    struct str problem;
    for (size_t i = 0; i < sizeof managed / sizeof managed[0]; i++) {
        if (!str_eq(managed[i].name, name))
            continue;
        struct data_identifier *identifier = ARENA_NEW(arena, struct data_identifier);
        bool fine = regex_compile(arena, managed[i].expression, &identifier->regex, &problem);
        ASSERT(fine);
        identifier->keywords = managed[i].keywords;
        identifier->keyword_count = managed[i].keyword_count;
        identifier->is_one = managed[i].is_one;
        return identifier;
    }
    return NULL;
}

const struct data_identifier *data_identifier_custom(struct arena *arena, struct str expression,
                                                     struct str *problem)
{
    return identifier_new(arena, expression, problem);
}

/* --- finding --- */

/* "If a keyword contains a space", it may be missing there, or be an underscore or a hyphen. */
static bool keyword_at(struct str text, size_t at, struct str keyword, size_t *end)
{
    for (size_t i = 0; i < keyword.len; i++) {
        char wanted = keyword.ptr[i];
        if (at < text.len && wanted == ' ' &&
            (text.ptr[at] == ' ' || text.ptr[at] == '_' || text.ptr[at] == '-')) {
            at++;
        } else if (wanted != ' ') {
            if (at >= text.len ||
                (text.ptr[at] | (text.ptr[at] >= 'A' && text.ptr[at] <= 'Z' ? 0x20 : 0)) != wanted)
                return false;
            at++;
        }
    }
    *end = at;
    return true;
}

static bool is_near(const struct data_identifier *identifier, struct str text, size_t begin,
                    size_t end)
{
    size_t until = end + NEAR < text.len ? end + NEAR : text.len;
    for (size_t i = 0; i < identifier->keyword_count; i++) {
        struct str keyword = identifier->keywords[i];
        size_t from = begin > NEAR + keyword.len ? begin - NEAR - keyword.len : 0;
        for (size_t at = from; at < until; at++) {
            size_t after;
            if (keyword_at(text, at, keyword, &after) &&
                (after <= begin ? begin - after <= NEAR : at >= end))
                return true;
        }
    }
    return false;
}

static bool identifier_find(const struct data_identifier *identifier, struct str text, size_t from,
                            size_t *begin, size_t *end)
{
    while (regex_find(identifier->regex, text, from, begin, end)) {
        if (*end > *begin &&
            (identifier->is_one == NULL || identifier->is_one(str_slice(text, *begin, *end))) &&
            (identifier->keywords == NULL || is_near(identifier, text, *begin, *end)))
            return true;
        from = *end > *begin ? *end : *end + 1;
    }
    return false;
}

/* --- masking --- */

struct log_masks *log_masks_new(struct arena *arena)
{
    struct log_masks *masks = ARENA_NEW(arena, struct log_masks);
    masks->arena = arena;
    return masks;
}

void log_masks_add(struct log_masks *masks, bool of_account, int64_t since_ms,
                   const struct data_identifier *const *identifiers, size_t count)
{
    struct mask_policy policy = {of_account, since_ms, identifiers, count};
    VEC_PUSH(masks->arena, masks->policies, masks->count, masks->cap, policy);
}

/* The policy that held when the event came; NULL: none did. */
static const struct mask_policy *policy_of(const struct log_masks *masks, bool of_account,
                                           int64_t ingested_ms)
{
    const struct mask_policy *policy = NULL;
    for (size_t i = 0; i < masks->count; i++)
        if (masks->policies[i].of_account == of_account &&
            masks->policies[i].since_ms <= ingested_ms)
            policy = &masks->policies[i];
    return policy;
}

/* Marks what it finds; *hidden is made when there is something. */
static void hide(const struct mask_policy *policy, struct arena *arena, struct str text,
                 char **hidden)
{
    for (size_t i = 0; policy != NULL && i < policy->count; i++) {
        size_t begin, end;
        for (size_t from = 0; identifier_find(policy->identifiers[i], text, from, &begin, &end);
             from = end) {
            if (*hidden == NULL)
                *hidden = arena_alloc(arena, text.len);
            memset(*hidden + begin, 1, end - begin);
        }
    }
}

struct str log_mask(const struct log_masks *masks, struct arena *arena,
                    const struct log_event *event)
{
    struct str text = event->message;
    char *hidden = NULL;
    if (masks == NULL)
        return text;
    hide(policy_of(masks, false, event->ingested_ms), arena, text, &hidden);
    hide(policy_of(masks, true, event->ingested_ms), arena, text, &hidden);
    if (hidden == NULL)
        return text;
    struct buf out;
    buf_init(&out, arena, text.len);
    (void)buf_reserve(&out, text.len);
    for (size_t i = 0; i < text.len; i++) {
        bool inner = ((unsigned char)text.ptr[i] & 0xc0) == 0x80; /* of a character */
        if (!hidden[i])
            buf_append_char(&out, text.ptr[i]);
        else if (!inner)
            buf_append_char(&out, '*');
    }
    return buf_str(&out);
}
