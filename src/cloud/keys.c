#include "cloud/keys.h"

#include <stdlib.h>

#include "base/cipher.h"
#include "base/rng.h"
#include "cloud/arn.h"
#include "gen/cloud.h"

enum { SALT = 16, SEALED_MAX = 64 * 1024 };

static struct str key_text(const uint8_t *bytes)
{
    return str_make((const char *)bytes, KEYS_DATA);
}

/* --- the root --- */

RESULT keys_open_root(struct cloud *cloud, struct kv_txn *txn, struct arena *arena)
{
    struct key key;
    struct str box, root;
    uint8_t cover[SHA256_SIZE];
    key_init(&key, NULL);
    key_str(&key, STR("cloud"));
    key_str(&key, STR("root-key"));
    digest_hmac_sha256(key_text(cloud->secret), STR("root key"), cover);
    TRY(kv_get(txn, key_bytes(&key), &box));
    if (str_is_absent(box)) {
        uint8_t drawn[KEYS_DATA];
        rng_bytes(drawn, sizeof drawn);
        digest_hmac_prepare(&cloud->root_key, key_text(drawn));
        box = cipher_box(arena, cover, STR("root key"), key_text(drawn));
        return kv_put(txn, key_bytes(&key), box);
    }
    if (!cipher_unbox(arena, cover, STR("root key"), box, &root) || root.len != KEYS_DATA)
        return FAULT("the data directory's root key does not open");
    digest_hmac_prepare(&cloud->root_key, root);
    return RESULT_OK;
}

void keys_derive(const struct cloud *cloud, struct str purpose, uint8_t out[KEYS_DATA])
{
    digest_hmac_run(&cloud->root_key, purpose, out);
}

/* --- records --- */

static struct key keys_key(struct call *call, struct str account, struct str region,
                           struct str kind, struct str name)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("keys"));
    key_str(&key, account);
    key_str(&key, region);
    key_str(&key, kind);
    key_str(&key, name);
    return key;
}

static RESULT keys_put(struct call *call, const struct cloud_master_key *record)
{
    struct key key = keys_key(call, record->account, record->region, STR("key"), record->id);
    return call_put_record(call, &key, &cloud_model, CLOUD_SHAPE_master_key, record);
}

static RESULT keys_fill(struct call *call, const struct cloud_master_key *record,
                        struct keys_key *out)
{
    uint8_t cover[KEYS_DATA];
    struct str material;
    keys_derive(call->cloud, STR("master keys"), cover);
    if (!cipher_unbox(call->arena, cover, record->id, record->material, &material) ||
        material.len != KEYS_DATA)
        return FAULT("the key %.*s does not open", PRSTR(record->id));
    *out = (struct keys_key){
        .id = record->id,
        .arn = arn_make(call->arena, STR("kms"), record->region, record->account,
                        str_concat(call->arena, STR("key/"), record->id)),
        .account = record->account,
        .region = record->region,
        .of_service = !str_is_absent(record->alias),
    };
    memcpy(out->material, material.ptr, KEYS_DATA);
    return RESULT_OK;
}

static RESULT keys_make(struct call *call, struct str account, struct str region, struct str alias,
                        struct keys_key *out)
{
    if (!kv_is_writing(call->txn))
        return RESULT_RESTART;
    uint8_t cover[KEYS_DATA], material[KEYS_DATA];
    char *id = arena_alloc_raw(call->arena, 36);
    rng_uuid(id);
    rng_bytes(material, sizeof material);
    keys_derive(call->cloud, STR("master keys"), cover);
    struct cloud_master_key record = {
        .id = str_make(id, 36),
        .account = str_copy(call->arena, account),
        .region = str_copy(call->arena, region),
        .alias = alias,
        .created_ms = call->now_ms,
    };
    record.material = cipher_box(call->arena, cover, record.id, key_text(material));
    TRY(keys_put(call, &record));
    if (!str_is_absent(alias)) {
        struct key key = keys_key(call, account, region, STR("alias"), alias);
        TRY(kv_put(call->txn, key_bytes(&key), record.id));
    }
    return keys_fill(call, &record, out);
}

RESULT keys_create(struct call *call, struct str account, struct str region, struct keys_key *key)
{
    return keys_make(call, account, region, (struct str){0}, key);
}

static RESULT keys_get(struct call *call, struct str account, struct str region, struct str id,
                       struct cloud_master_key *record, bool *found)
{
    struct key key = keys_key(call, account, region, STR("key"), id);
    return call_get_record_copy(call, &key, &cloud_model, CLOUD_SHAPE_master_key, record, found);
}

RESULT keys_set_disabled(struct call *call, const struct keys_key *key, bool disabled)
{
    struct cloud_master_key record;
    bool found;
    TRY(keys_get(call, key->account, key->region, key->id, &record, &found));
    if (!found)
        return RESULT_ERROR;
    record.disabled = disabled;
    return keys_put(call, &record);
}

/* --- finding --- */

static RESULT keys_fail(struct keys_problem *problem, enum keys_fault fault, struct str message)
{
    *problem = (struct keys_problem){fault, message};
    return RESULT_ERROR;
}

static RESULT keys_by_id(struct call *call, struct str account, struct str region, struct str id,
                         struct keys_key *out, struct keys_problem *problem)
{
    struct cloud_master_key record;
    bool found;
    TRY(keys_get(call, account, region, id, &record, &found));
    struct str arn = arn_make(call->arena, STR("kms"), region, account,
                              str_concat(call->arena, STR("key/"), id));
    if (!found)
        return keys_fail(problem, KEYS_NOT_FOUND,
                         str_format(call->arena, "Key '%.*s' does not exist", PRSTR(arn)));
    if (record.disabled)
        return keys_fail(problem, KEYS_DISABLED,
                         str_format(call->arena, "%.*s is disabled.", PRSTR(arn)));
    return keys_fill(call, &record, out);
}

static RESULT keys_by_alias(struct call *call, struct str account, struct str region,
                            struct str alias, struct keys_key *out, struct keys_problem *problem)
{
    struct key key = keys_key(call, account, region, STR("alias"), alias);
    struct str id;
    TRY(kv_get(call->txn, key_bytes(&key), &id));
    if (!str_is_absent(id))
        return keys_by_id(call, account, region, str_copy(call->arena, id), out, problem);
    if (str_starts_with(alias, STR("alias/aws/")))
        return keys_make(call, account, region, str_copy(call->arena, alias), out);
    return keys_fail(problem, KEYS_NOT_FOUND,
                     str_format(call->arena, "Alias arn:aws:kms:%.*s:%.*s:%.*s is not found.",
                                PRSTR(region), PRSTR(account), PRSTR(alias)));
}

RESULT keys_find(struct call *call, struct str account, struct str region, struct str name,
                 struct keys_key *key, struct keys_problem *problem)
{
    struct arn arn;
    if (str_starts_with(name, STR("arn:"))) {
        if (!arn_parse(name, &arn) || !str_eq(arn.service, STR("kms")) ||
            !arn_is_account(arn.account))
            return keys_fail(problem, KEYS_NOT_FOUND,
                             str_format(call->arena, "Invalid arn %.*s", PRSTR(name)));
        if (!str_eq(arn.region, region))
            return keys_fail(problem, KEYS_NOT_FOUND,
                             str_format(call->arena, "Invalid arn %.*s", PRSTR(arn.region)));
        account = arn.account;
        name = arn.resource;
        if (str_starts_with(name, STR("key/")))
            name = str_slice(name, 4, name.len);
    }
    if (str_starts_with(name, STR("alias/")))
        return keys_by_alias(call, account, region, name, key, problem);
    /* An id is a UUID, or "mrk-" and 32 digits. */
    if (name.len != 36)
        return keys_fail(problem, KEYS_NOT_FOUND,
                         str_format(call->arena, "Invalid keyId %.*s", PRSTR(name)));
    return keys_by_id(call, account, region, name, key, problem);
}

/* --- sealing --- */

static int compare_entries(const void *a, const void *b)
{
    const struct str_map_entry *x = a, *y = b;
    return str_cmp(x->key, y->key);
}

static void put_sized(struct buf *out, struct str text)
{
    for (unsigned shift = 24;; shift -= 8) {
        buf_append_char(out, (char)(uint8_t)(text.len >> shift));
        if (shift == 0)
            break;
    }
    buf_append(out, text);
}

/* The context, whatever its order. */
static struct str keys_aad(struct call *call, const struct str_map *context)
{
    struct buf out;
    size_t count = context == NULL ? 0 : context->len;
    struct str_map_entry *sorted = ARENA_ARRAY(call->arena, count + 1, struct str_map_entry);
    for (size_t i = 0; i < count; i++)
        sorted[i] = context->items[i];
    qsort(sorted, count, sizeof *sorted, compare_entries);
    buf_init(&out, call->arena, SEALED_MAX);
    for (size_t i = 0; i < count; i++) {
        put_sized(&out, sorted[i].key);
        put_sized(&out, sorted[i].value);
    }
    return buf_str(&out);
}

/* Each sealing has a key of its own, so that a master key may be used without end. */
static void keys_once(const struct keys_key *key, struct str salt, uint8_t out[KEYS_DATA])
{
    digest_hmac_sha256(key_text(key->material), salt, out);
}

/* key (account, region, id), then salt and box */
struct str keys_seal(struct call *call, const struct keys_key *key, const struct str_map *context,
                     struct str secret)
{
    uint8_t salt[SALT], once[KEYS_DATA];
    struct key head;
    struct buf out;
    rng_bytes(salt, sizeof salt);
    struct str salt_text = str_make((const char *)salt, sizeof salt);
    keys_once(key, salt_text, once);
    key_init(&head, call->arena);
    key_str(&head, key->account);
    key_str(&head, key->region);
    key_str(&head, key->id);
    key_str(&head, salt_text);
    key_str(&head, cipher_box(call->arena, once, keys_aad(call, context), secret));
    buf_init(&out, call->arena, SEALED_MAX);
    buf_append(&out, key_bytes(&head));
    return buf_str(&out);
}

RESULT keys_open(struct call *call, struct str sealed, const struct str_map *context,
                 struct str *secret, struct keys_key *key, struct keys_problem *problem)
{
    struct key_reader reader = key_read(call->arena, sealed);
    struct str account, region, id, salt, box;
    uint8_t once[KEYS_DATA];
    bool good = key_next_str(&reader, &account) && key_next_str(&reader, &region) &&
                key_next_str(&reader, &id) && key_next_str(&reader, &salt) &&
                key_next_str(&reader, &box);
    if (!good)
        return keys_fail(problem, KEYS_INVALID_CIPHERTEXT, STR(""));
    TRY(keys_by_id(call, account, region, id, key, problem));
    keys_once(key, salt, once);
    if (cipher_unbox(call->arena, once, keys_aad(call, context), box, secret))
        return RESULT_OK;
    return keys_fail(problem, KEYS_INVALID_CIPHERTEXT, STR(""));
}

void keys_generate(struct call *call, const struct keys_key *key, const struct str_map *context,
                   uint8_t data_key[KEYS_DATA], struct str *sealed)
{
    rng_bytes(data_key, KEYS_DATA);
    *sealed = keys_seal(call, key, context, key_text(data_key));
}
