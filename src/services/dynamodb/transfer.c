/* What exports and imports have in common. */
#include "services/dynamodb/transfer.h"

#include "base/digest.h"
#include "cloud/paging.h"
#include "services/dynamodb/backup.h"

enum { REQUEST_MAX = 4 * 1024 * 1024 };
#define LISTED_MS (INT64_C(90) * 24 * 3600 * 1000)
/* "A client token is valid for 8 hours after the first request that uses it is completed." */
#define ONCE_MS (INT64_C(8) * 3600 * 1000)

/* --- tokens
 * -------------------------------------------------------------------------------------------------
 */

static struct key once_key(struct call *call, struct str token)
{
    struct key key = call_key(call, STR("once"));
    key_str(&key, token);
    return key;
}

static RESULT once_digest(struct call *call, uint16_t shape, const void *in, struct str *digest)
{
    struct buf text;
    uint8_t *sum = arena_alloc(call->arena, SHA256_SIZE);
    buf_init(&text, call->arena, REQUEST_MAX);
    TRY(wire_json_encode(&text, &dynamodb_model, shape, in));
    digest_sha256(buf_str(&text), sum);
    *digest = str_make((const char *)sum, SHA256_SIZE);
    return RESULT_OK;
}

RESULT once_meet(struct call *call, struct str token, uint16_t shape, const void *in,
                 uint32_t mismatch, struct str *arn)
{
    struct dynamodb_once once;
    struct str digest;
    bool found;
    *arn = (struct str){0};
    if (str_is_absent(token))
        return RESULT_OK;
    struct key key = once_key(call, token);
    TRY(call_get_record_copy(call, &key, &dynamodb_model, DYNAMODB_SHAPE_once, &once, &found));
    if (!found || once.expires_ms <= call->now_ms)
        return RESULT_OK;
    TRY(once_digest(call, shape, in, &digest));
    if (!str_eq(digest, once.digest))
        return call_fail(call, mismatch,
                         "The client token %.*s was used with other parameters before",
                         PRSTR(token));
    *arn = once.arn;
    return RESULT_OK;
}

RESULT once_note(struct call *call, struct str token, uint16_t shape, const void *in,
                 struct str arn)
{
    if (str_is_absent(token))
        return RESULT_OK;
    struct dynamodb_once once = {.arn = arn, .expires_ms = call->now_ms + ONCE_MS};
    struct key key = once_key(call, token);
    TRY(once_digest(call, shape, in, &once.digest));
    TRY(call_put_record(call, &key, &dynamodb_model, DYNAMODB_SHAPE_once, &once));
    return job_schedule(call, STR("dynamodb.once"), once.expires_ms, token, NULL);
}

RESULT once_deliver(struct call *call, const struct outbox_item *item)
{
    struct dynamodb_once once;
    bool found;
    struct key key = once_key(call, item->payload);
    TRY(call_get_record(call, &key, &dynamodb_model, DYNAMODB_SHAPE_once, &once, &found));
    if (!found || once.expires_ms > call->now_ms)
        return RESULT_OK;
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

/* --- S3
 * -------------------------------------------------------------------------------------------------
 */

RESULT transfer_caller(struct call *call, struct str kept, struct str source_arn,
                       struct object_io_caller *out)
{
    TRY(object_io_principal_read(call->arena, kept, &out->principal));
    out->source_arn = source_arn;
    out->source_account = call->account;
    return RESULT_OK;
}

struct str transfer_failure(struct call *call, const struct object_io_problem *problem)
{
    if (str_eq(problem->code, TRANSFER_INVALID))
        return problem->code;
    return str_concat(call->arena, STR("S3"), problem->code);
}

/* --- lists
 * -------------------------------------------------------------------------------------------------
 */

bool transfer_is_listed(const struct call *call, int64_t start_ms)
{
    return start_ms >= call->now_ms - LISTED_MS;
}

RESULT transfer_list(struct call *call, const struct transfer_list *list, struct str *next)
{
    struct key prefix = call_key(call, list->kind);
    struct kv_cursor *cursor;
    struct str key, value, position, last = {0};
    if (!str_is_absent(list->table_arn)) {
        struct str name = list->table_arn;
        name = str_slice(name, str_find_last_char(name, '/') + 1, name.len);
        key_str(&prefix, name);
    }
    TRY(kv_cursor_open(call->txn, call->arena, str_copy(call->arena, key_bytes(&prefix)), false,
                       &cursor));
    if (!str_is_absent(list->token)) {
        if (!paging_position(call, list->token, &position))
            return DYNAMODB_ERROR(call, "Invalid NextToken: %.*s", PRSTR(list->token));
        TRY(kv_cursor_seek(cursor, str_concat(call->arena, position, str_make("", 1))));
    }
    for (;;) {
        enum result result = RESULT_OK;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        if (!list->visit(list->context, value, &result))
            break;
        TRY(result);
        last = str_copy(call->arena, key);
    }
    *next = paging_token(call, last);
    return RESULT_OK;
}
