/* The evaluator against a second one that is slow and obvious, on random policies and questions.
 * POLICY_ROUNDS in the environment sets how many (default 20000). What the second one does, it
 * does from the choices that the document was printed from, never from the document. */
#include "unit/policy_support.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/rng.h"

enum { ITEMS_MAX = 3, STATEMENTS_MAX = 3, POLICIES_MAX = 5, SEED = 20261121 };

struct texts {
    const char *items[ITEMS_MAX];
    size_t len;
};
struct random_condition {
    const char *set; /* "", "ForAllValues:", "ForAnyValue:" */
    const char *operator_name;
    const char *key;
    bool if_exists;
    struct texts values;
};
struct random_statement {
    bool deny, not_action, not_resource, not_principal;
    struct texts actions, resources, principals;
    struct random_condition conditions[2];
    size_t condition_count;
};
struct random_policy {
    enum policy_kind kind;
    bool level;
    struct random_statement statements[STATEMENTS_MAX];
    size_t count;
};

/* --- what is chosen from --- */

#define CHOOSE(array) (array)[rng_below(sizeof(array) / sizeof((array)[0]))]

static const char *const actions[] = {"s3:Get", "s3:GetX", "sqs:Get", "S3:get", "s3:*",
                                      "s3:G*",  "*",       "sqs:?et", "s3:*X",  "sqs:G?t"};
static const char *const asked_actions[] = {"s3:Get", "s3:GetX", "sqs:Get", "s3:Put"};
static const char *const resources[] = {"*",
                                        "arn:aws:s3:::a",
                                        "arn:aws:s3:::a*",
                                        "arn:aws:s3:::?b",
                                        "arn:aws:s3:::*b",
                                        "arn:aws:s3:::${a:s}",
                                        "arn:aws:s3:::${a:s, 'ab'}*",
                                        "arn:aws:s3:::${*}b",
                                        "arn:*:s?:*::*b"};
static const char *const asked_resources[] = {"arn:aws:s3:::a", "arn:aws:s3:::ab", "arn:aws:s3:::b",
                                              "arn:aws:s3:::*b", "arn:aws:s3:::bab"};
static const char *const keys[] = {"a:s", "A:S", "a:n", "a:d", "a:ip", "a:arn", "a:none"};
static const char *const string_values[] = {"a", "A", "ab", "*", "a*", "?b", "${a:s}", "${a:none}"};
static const char *const number_values[] = {"1", "2", "2.0", "x"};
static const char *const date_values[] = {"2026-01-01", "2026-01-01T00:00:00Z", "1767225600",
                                          "2027"};
static const char *const address_values[] = {"10.0.0.0/8", "10.1.2.3", "::/0", "10.1.0.0/17"};
static const char *const arn_values[] = {"arn:aws:s3:::a", "arn:aws:*:::a*", "arn:*:a", "*"};
static const char *const bool_values[] = {"true", "false"};
static const char *const operators[] = {"StringEquals",
                                        "StringNotEquals",
                                        "StringEqualsIgnoreCase",
                                        "StringNotEqualsIgnoreCase",
                                        "StringLike",
                                        "StringNotLike",
                                        "NumericEquals",
                                        "NumericNotEquals",
                                        "NumericLessThan",
                                        "NumericGreaterThanEquals",
                                        "DateEquals",
                                        "DateNotEquals",
                                        "DateLessThan",
                                        "DateGreaterThanEquals",
                                        "IpAddress",
                                        "NotIpAddress",
                                        "ArnLike",
                                        "ArnNotEquals",
                                        "Bool",
                                        "Null"};

/* Principals: what the document says, and whom it names of those who ask. */
static const char *const principals[] = {"*",
                                         "111111111111",
                                         "arn:aws:iam::222222222222:root",
                                         "arn:aws:iam::111111111111:user/bob",
                                         "arn:aws:iam::111111111111:role/r",
                                         "arn:aws:sts::111111111111:assumed-role/r/s",
                                         "arn:aws:iam::222222222222:user/eve"};

static struct texts choose(const char *const *from, size_t count)
{
    struct texts out = {.len = 1 + rng_below(ITEMS_MAX)};
    for (size_t i = 0; i < out.len; i++)
        out.items[i] = from[rng_below(count)];
    return out;
}
#define CHOOSE_SOME(array) choose((array), sizeof(array) / sizeof((array)[0]))

static struct random_condition random_condition(void)
{
    static const char *const sets[] = {"", "", "ForAllValues:", "ForAnyValue:"};
    struct random_condition c = {.set = CHOOSE(sets),
                                 .operator_name = CHOOSE(operators),
                                 .key = CHOOSE(keys),
                                 .if_exists = rng_below(5) == 0};
    switch (c.operator_name[0]) {
    case 'S':
        c.values = CHOOSE_SOME(string_values);
        break;
    case 'D':
        c.values = CHOOSE_SOME(date_values);
        break;
    case 'I':
        c.values = CHOOSE_SOME(address_values);
        break;
    case 'A':
        c.values = CHOOSE_SOME(arn_values);
        break;
    case 'B':
        c.values = CHOOSE_SOME(bool_values);
        break;
    default:
        c.values = CHOOSE_SOME(number_values);
    }
    if (strcmp(c.operator_name, "NotIpAddress") == 0)
        c.values = CHOOSE_SOME(address_values);
    if (strcmp(c.operator_name, "Null") == 0) {
        c.values = CHOOSE_SOME(bool_values);
        c.set = "";
        c.if_exists = false;
    }
    return c;
}

static struct random_policy random_policy(void)
{
    struct random_policy policy = {.kind = (enum policy_kind)rng_below(POLICY_KINDS),
                                   .level = rng_below(4) == 0,
                                   .count = 1 + rng_below(STATEMENTS_MAX)};
    for (size_t i = 0; i < policy.count; i++) {
        struct random_statement *s = &policy.statements[i];
        s->deny = rng_below(6) == 0;
        s->not_action = rng_below(5) == 0;
        s->not_resource = rng_below(5) == 0;
        s->actions = CHOOSE_SOME(actions);
        s->resources = CHOOSE_SOME(resources);
        if (policy.kind == POLICY_RESOURCE) {
            s->principals = CHOOSE_SOME(principals);
            s->not_principal = rng_below(4) == 0;
        }
        s->condition_count = rng_below(3) == 0 ? 1 + rng_below(2) : 0;
        for (size_t c = 0; c < s->condition_count; c++)
            s->conditions[c] = random_condition();
    }
    return policy;
}

/* --- printing the document --- */

static void print_texts(struct buf *out, const char *name, const struct texts *texts)
{
    buf_append_format(out, "\"%s\":[", name);
    for (size_t i = 0; i < texts->len; i++)
        buf_append_format(out, "%s\"%s\"", i == 0 ? "" : ",", texts->items[i]);
    buf_append_c(out, "]");
}

static void print_statement(struct buf *out, const struct random_statement *s)
{
    buf_append_format(out, "{\"Effect\":\"%s\",", s->deny ? "Deny" : "Allow");
    print_texts(out, s->not_action ? "NotAction" : "Action", &s->actions);
    buf_append_c(out, ",");
    print_texts(out, s->not_resource ? "NotResource" : "Resource", &s->resources);
    if (s->principals.len > 0) {
        buf_append_format(out, ",\"%s\":{", s->not_principal ? "NotPrincipal" : "Principal");
        print_texts(out, "AWS", &s->principals);
        buf_append_c(out, "}");
    }
    buf_append_c(out, ",\"Condition\":{");
    for (size_t i = 0; i < s->condition_count; i++) {
        const struct random_condition *c = &s->conditions[i];
        buf_append_format(out, "%s\"%s%s%s\":{", i == 0 ? "" : ",", c->set, c->operator_name,
                          c->if_exists ? "IfExists" : "");
        print_texts(out, c->key, &c->values);
        buf_append_c(out, "}");
    }
    buf_append_c(out, "}}");
}

static const char *print_policy(struct arena *arena, const struct random_policy *policy)
{
    struct buf out;
    buf_init(&out, arena, 1 << 20);
    buf_append_c(&out, "{\"Version\":\"2012-10-17\",\"Statement\":[");
    for (size_t i = 0; i < policy->count; i++) {
        buf_append_c(&out, i == 0 ? "" : ",");
        print_statement(&out, &policy->statements[i]);
    }
    buf_append_c(&out, "]}");
    buf_append_char(&out, '\0');
    return out.ptr;
}

/* --- the second evaluator --- */

/* A pattern as characters of which each says whether it is a wildcard. */
struct slow_pattern {
    char text[256];
    bool wild[256];
    size_t len;
};

static bool slow_glob(const struct slow_pattern *pattern, size_t p, const char *text)
{
    if (p == pattern->len)
        return *text == '\0';
    if (pattern->wild[p] && pattern->text[p] == '*')
        return slow_glob(pattern, p + 1, text) ||
               (*text != '\0' && slow_glob(pattern, p, text + 1));
    if (*text == '\0' || (!pattern->wild[p] && pattern->text[p] != *text))
        return false;
    return slow_glob(pattern, p + 1, text + 1);
}

static const struct policy_key *slow_key(const struct policy_keys *given, const char *name)
{
    for (size_t i = 0; i < given->len; i++)
        if (str_eq_nocase(given->items[i].name, str_from_c(name)))
            return &given->items[i];
    return NULL;
}

/* False: a variable has no value. */
static bool slow_expand(const struct policy_keys *given, const char *text, bool wild,
                        struct slow_pattern *out)
{
    out->len = 0;
    while (*text != '\0') {
        char name[64] = "", fallback[64] = "";
        const char *value = NULL;
        char single[2] = "";
        if (strncmp(text, "${", 2) != 0) {
            out->wild[out->len] = wild && (*text == '*' || *text == '?');
            out->text[out->len++] = *text++;
            continue;
        }
        if (sscanf(text, "${%63[^,}], '%63[^']'}", name, fallback) == 2)
            value = fallback;
        if (strlen(name) == 1) {
            single[0] = name[0];
            value = single;
        }
        const struct policy_key *key = slow_key(given, name);
        char held[64];
        if (key != NULL && key->len == 1) {
            snprintf(held, sizeof held, "%.*s", PRSTR(key->values[0]));
            value = held;
        }
        if (value == NULL)
            return false;
        for (; *value != '\0'; value++) {
            out->wild[out->len] = false;
            out->text[out->len++] = *value;
        }
        text = strchr(text, '}') + 1;
    }
    return true;
}

static bool slow_action(const struct random_statement *s, const char *asked)
{
    struct policy_keys none = {.len = 0};
    char low[64];
    for (size_t i = 0; i <= strlen(asked); i++)
        low[i] = (char)(asked[i] >= 'A' && asked[i] <= 'Z' ? asked[i] + 32 : asked[i]);
    for (size_t i = 0; i < s->actions.len; i++) {
        struct slow_pattern pattern;
        slow_expand(&none, s->actions.items[i], true, &pattern);
        for (size_t c = 0; c < pattern.len; c++)
            if (pattern.text[c] >= 'A' && pattern.text[c] <= 'Z')
                pattern.text[c] = (char)(pattern.text[c] + 32);
        if (slow_glob(&pattern, 0, low))
            return !s->not_action;
    }
    return s->not_action;
}

static bool slow_resource(const struct random_statement *s, const struct policy_keys *given,
                          const char *asked)
{
    bool listed = false, unknown = false;
    for (size_t i = 0; i < s->resources.len; i++) {
        struct slow_pattern pattern;
        if (!slow_expand(given, s->resources.items[i], true, &pattern))
            unknown = true;
        else if (slow_glob(&pattern, 0, asked))
            listed = true;
    }
    return s->not_resource ? !listed && !unknown : listed;
}

/* The instants and numbers of the tables above, by what they are known to mean. */
static bool slow_number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return *text != '\0' && *end == '\0';
}

static bool slow_date(const char *text, double *out)
{
    if (strcmp(text, "2027") == 0)
        *out = 1798761600;
    else if (strncmp(text, "2026-01-01", 10) == 0)
        *out = 1767225600;
    else
        return strchr(text, '.') == NULL && slow_number(text, out); /* seconds */
    return true;
}

static bool slow_address(const char *range, const char *given)
{
    if (strcmp(given, "::1") == 0)
        return strcmp(range, "::/0") == 0;
    if (strncmp(given, "10.", 3) != 0)
        return false;
    if (strcmp(range, "10.0.0.0/8") == 0)
        return true;
    if (strcmp(range, "10.1.0.0/17") == 0)
        return strcmp(given, "10.1.2.3") == 0; /* 10.1.200.3 is beyond */
    return strcmp(range, given) == 0;
}

static bool slow_arn(const char *wanted, const char *given)
{
    struct policy_keys none = {.len = 0};
    struct slow_pattern pattern;
    if (strcmp(wanted, "*") == 0)
        return true;
    int colons = 0, wanted_colons = 0;
    for (size_t i = 0; given[i] != '\0'; i++)
        colons += given[i] == ':';
    for (size_t i = 0; wanted[i] != '\0'; i++)
        wanted_colons += wanted[i] == ':';
    if (colons < 5 || wanted_colons < 5)
        return false;
    /* In the tables no component has a wildcard that could take in a colon of the given one. */
    slow_expand(&none, wanted, true, &pattern);
    return slow_glob(&pattern, 0, given);
}

static bool slow_compare(const char *operator_name, double given, double wanted)
{
    if (strstr(operator_name, "LessThan") != NULL)
        return given < wanted;
    if (strstr(operator_name, "GreaterThanEquals") != NULL)
        return given >= wanted;
    return !(given < wanted) && !(given > wanted);
}

/* One value of the document against one of the request, never negated. 2: cannot be known. */
static int slow_value(const struct random_condition *c, const struct policy_keys *all,
                      const char *wanted, const char *given)
{
    const char *op = c->operator_name;
    double a, b;
    struct slow_pattern pattern;
    switch (op[0]) {
    case 'D':
        return slow_date(given, &a) && slow_date(wanted, &b) && slow_compare(op, a, b);
    case 'I':
        return slow_address(wanted, given);
    case 'A':
        return slow_arn(wanted, given);
    case 'B':
        return strcmp(wanted, given) == 0;
    case 'S':
        break;
    default:
        if (strcmp(op, "NotIpAddress") == 0)
            return slow_address(wanted, given);
        return slow_number(given, &a) && slow_number(wanted, &b) && slow_compare(op, a, b);
    }
    if (!slow_expand(all, wanted, strstr(op, "Like") != NULL, &pattern))
        return 2;
    if (strstr(op, "IgnoreCase") != NULL)
        return str_eq_nocase(str_make(pattern.text, pattern.len), str_from_c(given));
    return slow_glob(&pattern, 0, given);
}

static bool slow_condition(const struct random_condition *c, const struct policy_keys *given)
{
    const struct policy_key *key = slow_key(given, c->key);
    bool negated = strstr(c->operator_name, "Not") != NULL;
    bool for_all = strcmp(c->set, "ForAllValues:") == 0,
         for_any = strcmp(c->set, "ForAnyValue:") == 0;
    bool absent = key == NULL || key->len == 0;
    if (strcmp(c->operator_name, "Null") == 0) {
        for (size_t i = 0; i < c->values.len; i++)
            if (strcmp(c->values.items[i], absent ? "true" : "false") == 0)
                return true;
        return false;
    }
    if (for_all && !absent && key->len == 1 && key->values[0].len == 0)
        absent = true;
    if (absent)
        return c->if_exists || for_all || (negated && !for_any);
    size_t holding = 0;
    for (size_t k = 0; k < key->len; k++) {
        char value[64];
        bool listed = false;
        snprintf(value, sizeof value, "%.*s", PRSTR(key->values[k]));
        for (size_t i = 0; i < c->values.len; i++) {
            int matches = slow_value(c, given, c->values.items[i], value);
            if (matches == 2 && negated)
                return false;
            listed = listed || matches == 1;
        }
        holding += listed != negated;
    }
    /* Nothing that can be known is left: no statement holds by it. */
    bool known = false;
    for (size_t i = 0; i < c->values.len; i++)
        known = known || slow_value(c, given, c->values.items[i], "") != 2;
    if (!known)
        return false;
    return for_all || (negated && !for_any) ? holding == key->len : holding > 0;
}

enum asker { ASK_ROOT, ASK_BOB, ASK_SESSION, ASK_EVE, ASK_NOBODY, ASKERS };

/* 0: not; 1: the account; 2: everybody, or the session's role; 3: exactly. */
static int slow_named(enum asker who, const char *principal)
{
    if (strcmp(principal, "*") == 0)
        return 2;
    if (strcmp(principal, "111111111111") == 0)
        return who == ASK_ROOT || who == ASK_BOB || who == ASK_SESSION ? 1 : 0;
    if (strcmp(principal, "arn:aws:iam::222222222222:root") == 0)
        return who == ASK_EVE ? 1 : 0;
    if (strstr(principal, "user/bob") != NULL)
        return who == ASK_BOB ? 3 : 0;
    if (strstr(principal, "role/r/s") != NULL)
        return who == ASK_SESSION ? 3 : 0;
    if (strstr(principal, "role/r") != NULL)
        return who == ASK_SESSION ? 2 : 0;
    return who == ASK_EVE ? 3 : 0;
}

static int slow_principal(const struct random_statement *s, enum asker who)
{
    bool seen[4] = {false, false, false, false}, star = false;
    int best = 0;
    if (s->principals.len == 0)
        return 3;
    for (size_t i = 0; i < s->principals.len; i++) {
        int named = slow_named(who, s->principals.items[i]);
        star = star || strcmp(s->principals.items[i], "*") == 0;
        seen[named] = true;
        best = named > best ? named : best;
    }
    if (!s->not_principal)
        return best;
    bool excepted = star;
    if (who == ASK_ROOT)
        excepted = excepted || seen[1];
    else if (who == ASK_SESSION)
        excepted = excepted || (seen[1] && seen[2] && seen[3]);
    else if (who != ASK_NOBODY)
        excepted = excepted || (seen[1] && seen[3]);
    return excepted ? 0 : 2;
}

struct slow_world {
    const struct random_policy *policies;
    size_t count;
    const struct policy_keys *keys;
    const char *action, *resource;
    enum asker who;
    bool needs_resource_policy;
};

/* How a statement of one effect that applies names who asks; 0: none applies. */
static int slow_best(const struct slow_world *world, enum policy_kind kind, int level, bool deny)
{
    int best = 0;
    for (size_t p = 0; p < world->count; p++) {
        const struct random_policy *policy = &world->policies[p];
        if (policy->kind != kind || (level >= 0 && policy->level != (level == 1)))
            continue;
        for (size_t i = 0; i < policy->count; i++) {
            const struct random_statement *s = &policy->statements[i];
            bool applies = s->deny == deny && slow_action(s, world->action) &&
                           slow_resource(s, world->keys, world->resource);
            for (size_t c = 0; c < s->condition_count; c++)
                applies = applies && slow_condition(&s->conditions[c], world->keys);
            int named = applies ? slow_principal(s, world->who) : 0;
            best = named > best ? named : best;
        }
    }
    return best;
}

static bool slow_there(const struct slow_world *world, enum policy_kind kind, int level)
{
    for (size_t p = 0; p < world->count; p++)
        if (world->policies[p].kind == kind && world->policies[p].level == (level == 1))
            return true;
    return false;
}

/* No policy of that kind, or an allow at each level where there are some. */
static bool slow_within(const struct slow_world *world, enum policy_kind kind)
{
    for (int level = 0; level < 2; level++)
        if (slow_there(world, kind, level) && slow_best(world, kind, level, false) == 0)
            return false;
    return true;
}

static enum policy_verdict slow_verdict(const struct slow_world *world)
{
    for (size_t kind = 0; kind < POLICY_KINDS; kind++)
        if (slow_best(world, (enum policy_kind)kind, -1, true) > 0)
            return POLICY_DENIED_EXPLICITLY;
    int resource = slow_best(world, POLICY_RESOURCE, -1, false);
    bool identity = world->who == ASK_ROOT || slow_best(world, POLICY_IDENTITY, -1, false) > 0;
    bool limits = slow_within(world, POLICY_BOUNDARY) && slow_within(world, POLICY_SESSION);
    bool allowed = false;
    if (world->who == ASK_NOBODY)
        allowed = resource > 0;
    else if (world->who == ASK_EVE)
        allowed = resource > 0 && identity && limits;
    else if (resource == 3)
        allowed = true;
    else if (world->needs_resource_policy && resource == 0)
        allowed = false;
    else
        allowed = (identity || resource == 2) && limits;
    if (!slow_within(world, POLICY_SCP) || !slow_within(world, POLICY_RCP))
        allowed = false;
    return allowed ? POLICY_ALLOWED : POLICY_DENIED_IMPLICITLY;
}

/* --- both --- */

static const struct policy_principal askers[ASKERS] = {
    [ASK_ROOT] = {.kind = POLICY_BY_ROOT,
                  .account = STR_INIT("111111111111"),
                  .arn = STR_INIT("arn:aws:iam::111111111111:root")},
    [ASK_BOB] = {.kind = POLICY_BY_USER,
                 .account = STR_INIT("111111111111"),
                 .arn = STR_INIT("arn:aws:iam::111111111111:user/bob")},
    [ASK_SESSION] = {.kind = POLICY_BY_ROLE,
                     .account = STR_INIT("111111111111"),
                     .arn = STR_INIT("arn:aws:sts::111111111111:assumed-role/r/s"),
                     .role_arn = STR_INIT("arn:aws:iam::111111111111:role/r")},
    [ASK_EVE] = {.kind = POLICY_BY_USER,
                 .account = STR_INIT("222222222222"),
                 .arn = STR_INIT("arn:aws:iam::222222222222:user/eve")},
    [ASK_NOBODY] = {.kind = POLICY_BY_NOBODY},
};

static void random_keys(struct policy_keys *out)
{
    static const char *const s[] = {"a:s=a", "a:s=A|ab", "a:s=*", "a:s=", "a:s='", "b:s=x"};
    static const char *const n[] = {"a:n=1", "a:n=2|1", "a:n=x", "b:n=1"};
    static const char *const d[] = {"a:d=1767225600", "a:d=2026-01-01T00:00:00Z", "a:d=1767225601"};
    static const char *const ip[] = {"a:ip=10.1.2.3", "a:ip=10.1.200.3", "a:ip=::1", "a:ip=x"};
    static const char *const arn[] = {"a:arn=arn:aws:s3:::a", "a:arn=arn:aws:sqs:::ab", "a:arn=a"};
    const char *const texts[] = {CHOOSE(s), CHOOSE(n), CHOOSE(d), CHOOSE(ip), CHOOSE(arn)};
    policy_keys_read(out, texts, 5);
}

static enum policy_verdict check_one(struct arena *arena)
{
    struct random_policy policies[POLICIES_MAX];
    struct policy_attached attached[POLICIES_MAX];
    const char *documents[POLICIES_MAX];
    struct policy_keys given;
    random_keys(&given);
    struct slow_world world = {
        .policies = policies,
        .count = rng_below(POLICIES_MAX + 1),
        .keys = &given,
        .action = CHOOSE(asked_actions),
        .resource = CHOOSE(asked_resources),
        .who = (enum asker)rng_below(ASKERS),
        .needs_resource_policy = rng_below(8) == 0,
    };
    for (size_t i = 0; i < world.count; i++) {
        policies[i] = random_policy();
        if (rng_below(2) == 0)
            policies[i].kind = rng_below(2) == 0 ? POLICY_IDENTITY : policies[i].kind;
        if (policies[i].kind != POLICY_RESOURCE)
            for (size_t s = 0; s < policies[i].count; s++)
                policies[i].statements[s].principals.len = 0;
        documents[i] = print_policy(arena, &policies[i]);
        attached[i] = (struct policy_attached){
            .kind = policies[i].kind,
            .policy = policy_read(arena,
                                  policies[i].kind == POLICY_RESOURCE ? POLICY_FORM_RESOURCE
                                                                      : POLICY_FORM_INLINE,
                                  documents[i]),
            .level = policies[i].level,
        };
    }
    struct policy_question question = {
        .principal = askers[world.who],
        .action = str_from_c(world.action),
        .resource = str_from_c(world.resource),
        .owner = STR("111111111111"),
        .context = {policy_keys_find, &given},
        .policies = attached,
        .count = world.count,
        .needs_resource_policy = world.needs_resource_policy,
    };
    struct policy_answer answer;
    policy_evaluate(arena, &question, &answer);
    enum policy_verdict expected = slow_verdict(&world);
    if (answer.verdict == expected)
        return expected;
    for (size_t i = 0; i < world.count; i++)
        print_error("kind %d: %s\n", policies[i].kind, documents[i]);
    for (size_t i = 0; i < given.len; i++)
        print_error("key %.*s=%.*s (%zu)\n", PRSTR(given.items[i].name),
                    PRSTR(given.items[i].values[0]), given.items[i].len);
    fail_msg("asker %d, %s on %s: %d, expected %d", world.who, world.action, world.resource,
             answer.verdict, expected);
    return expected;
}

static void test_random(void **state)
{
    (void)state;
    const char *wanted = getenv("POLICY_ROUNDS");
    unsigned long rounds = wanted == NULL ? 20000 : strtoul(wanted, NULL, 10), verdicts[3] = {0};
    struct arena *arena = arena_new(64 * 1024);
    rng_set_seed(SEED);
    for (unsigned long i = 0; i < rounds; i++) {
        verdicts[check_one(arena)]++;
        arena_reset(arena);
    }
    rng_set_seed(0);
    arena_free(arena);
    print_message("seed %d, %lu rounds: %lu allowed, %lu denied, %lu not allowed\n", SEED, rounds,
                  verdicts[0], verdicts[1], verdicts[2]);
    for (size_t i = 0; i < 3; i++)
        assert_true(verdicts[i] > rounds / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
