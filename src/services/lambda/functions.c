/* Functions, their versions and aliases as records: found, kept, counted. */
#include "base/rng.h"
#include "cloud/paging.h"
#include "services/lambda/lambda_int.h"

/* --- records --- */

RESULT function_get(struct call *call, const struct lambda_name *name,
                    struct lambda_function *function, bool *found)
{
    struct key key = lambda_function_key(call, name, STR("function"));
    return call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_function, function, found);
}

RESULT function_put(struct call *call, const struct lambda_name *name,
                    const struct lambda_function *function)
{
    struct key key = lambda_function_key(call, name, STR("function"));
    return call_put_record(call, &key, &lambda_model, LAMBDA_SHAPE_function, function);
}

/* $LATEST is number 0: it comes before those that are published. */
struct key version_key(struct call *call, const struct lambda_name *name, struct str number)
{
    struct key key = lambda_function_key(call, name, STR("version"));
    uint64_t n = 0;
    if (!str_eq(number, STR("$LATEST")))
        (void)str_to_u64(number, &n);
    key_u64(&key, n);
    return key;
}

static void version_settle(const struct call *call, struct lambda_version *version)
{
    if (str_is_absent(version->build))
        version->build = version->revision_id;
    if (version->settles_ms > call->now_ms)
        return;
    if (str_eq(version->state, STR("Pending"))) {
        version->state = STR("Active");
        version->state_reason = (struct str){0};
        version->state_reason_code = (struct str){0};
    }
    if (str_eq(version->update_status, STR("InProgress"))) {
        version->update_status = STR("Successful");
        version->update_reason = (struct str){0};
        version->update_reason_code = (struct str){0};
    }
}

RESULT version_get(struct call *call, const struct lambda_name *name, struct str number,
                   struct lambda_version *version, bool *found)
{
    struct key key = version_key(call, name, number);
    *found = false;
    *version = (struct lambda_version){0};
    if (!lambda_is_version(number))
        return RESULT_OK; /* "0" and "01" are none */
    TRY(call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_version, version, found));
    version_settle(call, version);
    return RESULT_OK;
}

RESULT version_put(struct call *call, const struct lambda_name *name,
                   const struct lambda_version *version)
{
    struct key key = version_key(call, name, version->version);
    return call_put_record(call, &key, &lambda_model, LAMBDA_SHAPE_version, version);
}

RESULT alias_get(struct call *call, const struct lambda_name *name, struct str alias,
                 struct lambda_alias *out, bool *found)
{
    struct key key = lambda_function_key(call, name, STR("alias"));
    key_str(&key, alias);
    return call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_alias, out, found);
}

struct str lambda_revision(struct call *call)
{
    char *uuid = arena_alloc_raw(call->arena, 36);
    rng_uuid(uuid);
    return str_make(uuid, 36);
}

/* --- finding --- */

RESULT function_missing(struct call *call, const struct lambda_name *name)
{
    return call_fail(call, LAMBDA_RESOURCE_NOT_FOUND, "Function not found: %.*s",
                     PRSTR(lambda_name_arn(call, name)));
}

RESULT function_find(struct call *call, const struct lambda_name *name,
                     struct lambda_function *function)
{
    bool found;
    TRY(function_get(call, name, function, &found));
    return found ? RESULT_OK : function_missing(call, name);
}

/* "Using Lambda aliases in canary deployments": the other version gets its share of the calls. */
static struct str alias_choose(const struct lambda_alias *alias)
{
    if (alias->weights.len == 0)
        return alias->version;
    double dice = (double)rng_below(1U << 30) / (double)(1U << 30);
    for (size_t i = 0; i < alias->weights.len; i++) {
        dice -= alias->weights.items[i].value.value;
        if (dice < 0)
            return alias->weights.items[i].key;
    }
    return alias->version;
}

RESULT lambda_find(struct call *call, const struct lambda_name *name, struct lambda_target *out)
{
    struct str number = str_is_absent(name->qualifier) ? STR("$LATEST") : name->qualifier;
    struct lambda_alias alias;
    bool found;
    out->name = *name;
    out->invoked_arn = lambda_name_arn(call, name);
    TRY(function_find(call, name, &out->function));
    if (!lambda_is_version(number)) {
        TRY(alias_get(call, name, number, &alias, &found));
        if (!found)
            return function_missing(call, name);
        number = alias_choose(&alias);
    }
    TRY(version_get(call, name, number, &out->version, &found));
    return found ? RESULT_OK : function_missing(call, name);
}

/* --- the account --- */

RESULT account_get(struct call *call, const struct lambda_name *name, struct lambda_account *out)
{
    struct key key = lambda_key(call, name, STR("account"));
    bool found;
    return call_get_record(call, &key, &lambda_model, LAMBDA_SHAPE_account, out, &found);
}

RESULT account_add(struct call *call, const struct lambda_name *name, int64_t functions,
                   int64_t code_size, int64_t reserved)
{
    struct key key = lambda_key(call, name, STR("account"));
    struct lambda_account account;
    TRY(account_get(call, name, &account));
    account.functions += functions;
    account.code_size += code_size;
    account.reserved += reserved;
    if (account.code_size > ACCOUNT_CODE_MAX && code_size > 0)
        return call_fail(call, LAMBDA_CODE_STORAGE_EXCEEDED, "Code storage limit exceeded.");
    return call_put_record(call, &key, &lambda_model, LAMBDA_SHAPE_account, &account);
}

RESULT lambda_page_open(struct call *call, struct str marker, struct opt_int wanted, size_t most,
                        struct key *prefix, struct lambda_page *page)
{
    struct str after;
    size_t limit = wanted.set && (size_t)wanted.value < most ? (size_t)wanted.value : most;
    *page = (struct lambda_page){.limit = limit};
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(prefix), false, &page->cursor));
    if (str_is_empty(marker))
        return RESULT_OK;
    if (!paging_position(call, marker, &after))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, "Invalid Marker.");
    return kv_cursor_seek(page->cursor, after);
}

RESULT lambda_page_next(struct call *call, struct lambda_page *page, size_t shown, struct str *next)
{
    TRY(kv_next(page->cursor, &page->key, &page->value));
    if (str_is_absent(page->key) || shown < page->limit)
        return RESULT_OK;
    *next = paging_token(call, page->key);
    page->key = (struct str){0};
    return RESULT_OK;
}
