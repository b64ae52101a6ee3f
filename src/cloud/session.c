/* The token: base64 of a version byte and, sealed about the access key id, a record `session`,
 * deflated when that makes it shorter.
 *
 *   token  := base64(VERSION, nonce 12, AES-256-GCM(form, record, zeros), tag 16)
 *   form   := 0 the record as it is, 1 deflated (RFC 1951); then 2 bytes, how many zeros follow the
 *             record, for callers who ask for tokens of a size (MinimumSessionTokenSize)
 *
 * Access key ids carry their account as AWS's do: 40 bits of it, 40 of chance. */
#include "cloud/session.h"

#include <zlib.h>

#include "base/cipher.h"
#include "base/encode.h"
#include "base/rng.h"
#include "cloud/arn.h"
#include "cloud/credentials.h"
#include "cloud/identity.h"
#include "gen/cloud.h"
#include "store/record.h"

enum { TOKEN_VERSION = 1, FORM_PLAIN = 0, FORM_DEFLATED = 1, FORM_SIZE = 3 };
enum { DEFLATE_FROM = 600, RECORD_MAX = 64 * 1024 };
enum { KEY_ID_LEN = 20, SECRET_BYTES = 30 };

/* The nonce makes secrets differ even should two sessions get one access key id. */
static struct str session_secret(const struct cloud *cloud, struct arena *arena,
                                 struct str access_key, struct str nonce)
{
    uint8_t key[SHA256_SIZE], mac[SHA256_SIZE];
    struct buf text;
    cloud_derive(cloud, STR("session/secret"), key);
    digest_hmac_sha256(str_make((const char *)key, sizeof key),
                       str_concat(arena, access_key, nonce), mac);
    buf_init(&text, arena, 64);
    base64_encode(&text, str_make((const char *)mac, SECRET_BYTES));
    return buf_str(&text);
}

/* --- access key ids --- */

static const struct str key_letters = STR_INIT("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
enum { LETTER_BITS = 5, HALF_LETTERS = 8 };

static void session_put_letters(struct buf *out, uint64_t bits)
{
    for (int shift = (HALF_LETTERS - 1) * LETTER_BITS; shift >= 0; shift -= LETTER_BITS)
        buf_append_char(out, key_letters.ptr[(bits >> shift) & 31]);
}

/* The account stands masked by what stands behind it: ids of one account look unlike. */
static uint64_t session_mask(const struct cloud *cloud, uint64_t chance)
{
    uint8_t key[SHA256_SIZE], mac[SHA256_SIZE];
    uint64_t mask;
    cloud_derive(cloud, STR("session/id"), key);
    digest_hmac_sha256(str_make((const char *)key, sizeof key),
                       str_make((const char *)&chance, sizeof chance), mac);
    memcpy(&mask, mac, sizeof mask);
    return mask & ((UINT64_C(1) << (HALF_LETTERS * LETTER_BITS)) - 1);
}

static struct str session_key_id(const struct cloud *cloud, struct arena *arena, struct str account)
{
    struct buf out;
    uint64_t number = 0, chance = rng_below(UINT64_C(1) << (HALF_LETTERS * LETTER_BITS));
    ASSERT(str_to_u64(account, &number));
    buf_init(&out, arena, KEY_ID_LEN);
    buf_append(&out, STR("ASIA"));
    session_put_letters(&out, chance);
    session_put_letters(&out, number ^ session_mask(cloud, chance));
    return buf_str(&out);
}

bool session_is_key(struct str access_key)
{
    if (access_key.len != KEY_ID_LEN || !str_starts_with(access_key, STR("ASIA")))
        return false;
    for (size_t i = 4; i < access_key.len; i++)
        if (str_find_char(key_letters, access_key.ptr[i]) == SIZE_MAX)
            return false;
    return true;
}

bool session_key_account(struct cloud *cloud, struct arena *arena, struct str access_key,
                         struct str *account)
{
    uint64_t halves[2] = {0, 0};
    if (!session_is_key(access_key))
        return false;
    for (size_t i = 0; i < 2 * HALF_LETTERS; i++)
        halves[i / HALF_LETTERS] = halves[i / HALF_LETTERS] << LETTER_BITS |
                                   str_find_char(key_letters, access_key.ptr[4 + i]);
    uint64_t number = halves[1] ^ session_mask(cloud, halves[0]);
    if (number > UINT64_C(999999999999))
        return false;
    *account = str_format(arena, "%012llu", (unsigned long long)number);
    return true;
}

/* --- packing --- */

struct str session_deflate(struct arena *arena, struct str plain)
{
    z_stream stream = {0};
    uLong bound = compressBound((uLong)plain.len) + 16;
    char *out = arena_alloc_raw(arena, bound);
    ASSERT(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) ==
           Z_OK);
    stream.next_in = (z_const Bytef *)(uintptr_t)plain.ptr;
    stream.avail_in = (uInt)plain.len;
    stream.next_out = (Bytef *)out;
    stream.avail_out = (uInt)bound;
    ASSERT(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    size_t len = stream.total_out;
    deflateEnd(&stream);
    return str_make(out, len);
}

static bool session_inflate(struct arena *arena, struct str packed, struct str *plain)
{
    z_stream stream = {0};
    char *out = arena_alloc_raw(arena, RECORD_MAX);
    ASSERT(inflateInit2(&stream, -15) == Z_OK);
    stream.next_in = (z_const Bytef *)(uintptr_t)packed.ptr;
    stream.avail_in = (uInt)packed.len;
    stream.next_out = (Bytef *)out;
    stream.avail_out = RECORD_MAX;
    bool whole = inflate(&stream, Z_FINISH) == Z_STREAM_END;
    *plain = str_make(out, stream.total_out);
    inflateEnd(&stream);
    return whole;
}

struct cloud_session session_record(const struct principal *who)
{
    const struct session *session = who->session;
    return (struct cloud_session){
        .kind = (int64_t)who->kind,
        .account = who->account,
        .arn = who->arn,
        .user_id = who->user_id,
        .name = who->name,
        .issued_ms = session->issued_ms,
        .expires_ms = session->expires_ms,
        .role_arn = session->role_arn,
        .role_id = session->role_id,
        .session_name = session->name,
        .tags = session->tags,
        .transitive = session->transitive,
        .source_identity = session->source_identity,
        .mfa = session->mfa,
        .mfa_ms = session->mfa_ms,
        .federated_provider = session->federated_provider,
        .claims = session->claims,
        .policies = session->policies,
        .policy_arns = session->policy_arns,
        .issuer = session->issuer,
        .issuer_key = session->issuer_key,
        .parent_name = session->user_name,
        .parent_id = session->user_id,
        .chained = session->chained,
        .kept = session->kept,
        .via = session->via,
        .drop_in = who->drop_in,
    };
}

struct principal session_principal(struct arena *arena, const struct cloud_session *record)
{
    struct session *session = ARENA_NEW(arena, struct session);
    *session = (struct session){
        .issued_ms = record->issued_ms,
        .expires_ms = record->expires_ms,
        .role_arn = record->role_arn,
        .role_id = record->role_id,
        .name = record->session_name,
        .tags = record->tags,
        .transitive = record->transitive,
        .source_identity = record->source_identity,
        .mfa = record->mfa,
        .mfa_ms = record->mfa_ms,
        .federated_provider = record->federated_provider,
        .claims = record->claims,
        .policies = record->policies,
        .policy_arns = record->policy_arns,
        .issuer = record->issuer,
        .issuer_key = record->issuer_key,
        .user_name = record->parent_name,
        .user_id = record->parent_id,
        .chained = record->chained,
        .kept = record->kept,
        .via = record->via,
    };
    return (struct principal){
        .kind = (enum principal_kind)record->kind,
        .account = record->account,
        .arn = record->arn,
        .user_id = record->user_id,
        .name = record->name,
        .session = session,
        .drop_in = record->drop_in,
    };
}

/* So that the whole token has at least `least` characters. */
static struct str session_padded(struct arena *arena, char form, struct str bytes, size_t least)
{
    size_t wanted = (least + 3) / 4 * 3, have = 1 + CIPHER_BOX + FORM_SIZE + bytes.len;
    size_t zeros = wanted > have ? wanted - have : 0;
    char *out = arena_alloc(arena, FORM_SIZE + bytes.len + zeros);
    out[0] = form;
    out[1] = (char)(zeros >> 8);
    out[2] = (char)zeros;
    memcpy(out + FORM_SIZE, bytes.ptr, bytes.len);
    return str_make(out, FORM_SIZE + bytes.len + zeros);
}

RESULT session_issue(struct cloud *cloud, struct arena *arena, const struct principal *principal,
                     size_t least, struct credentials *out)
{
    uint8_t key[SHA256_SIZE];
    struct cloud_session record = session_record(principal);
    struct buf plain, sealed, text;
    buf_init(&plain, arena, RECORD_MAX);
    TRY(record_encode(&plain, &cloud_model, CLOUD_SHAPE_session, &record));
    struct str bytes = buf_str(&plain);
    char form = FORM_PLAIN;
    if (bytes.len >= DEFLATE_FROM) {
        bytes = session_deflate(arena, bytes);
        form = FORM_DEFLATED;
    }
    struct str id = session_key_id(cloud, arena, principal->account);
    cloud_derive(cloud, STR("session/token"), key);
    struct str box = cipher_box(arena, key, id, session_padded(arena, form, bytes, least));
    buf_init(&sealed, arena, RECORD_MAX);
    buf_append_char(&sealed, TOKEN_VERSION);
    buf_append(&sealed, box);
    buf_init(&text, arena, SESSION_TOKEN_MAX);
    base64_encode(&text, buf_str(&sealed));
    if (buf_is_full(&plain) || buf_is_full(&sealed) || buf_is_full(&text))
        return RESULT_ERROR;
    *out = (struct credentials){
        .principal = *principal,
        .secret = session_secret(cloud, arena, id, str_slice(box, 0, CIPHER_NONCE)),
        .session_token = buf_str(&text),
        .expires_ms = principal->session->expires_ms,
        .active = true,
    };
    out->principal.access_key = id;
    return RESULT_OK;
}

enum session_fault session_open(struct cloud *cloud, struct arena *arena, struct str access_key,
                                struct str token, int64_t now_ms, struct credentials *out)
{
    uint8_t key[SHA256_SIZE];
    struct cloud_session record;
    struct str sealed, plain;
    if (!session_is_key(access_key) || token.len > SESSION_TOKEN_MAX ||
        !base64_decode(arena, token, &sealed) || sealed.len <= 1 + CIPHER_BOX ||
        sealed.ptr[0] != TOKEN_VERSION)
        return SESSION_INVALID;
    struct str box = str_slice(sealed, 1, sealed.len);
    cloud_derive(cloud, STR("session/token"), key);
    if (!cipher_unbox(arena, key, access_key, box, &plain) || plain.len < FORM_SIZE)
        return SESSION_INVALID;
    size_t zeros = (size_t)(uint8_t)plain.ptr[1] << 8 | (uint8_t)plain.ptr[2];
    if (zeros > plain.len - FORM_SIZE)
        return SESSION_INVALID;
    struct str bytes = str_slice(plain, FORM_SIZE, plain.len - zeros);
    if (plain.ptr[0] == FORM_DEFLATED && !session_inflate(arena, bytes, &bytes))
        return SESSION_INVALID;
    if (record_decode(arena, &cloud_model, CLOUD_SHAPE_session, bytes, &record) != RESULT_OK)
        return SESSION_INVALID;
    struct str id = str_copy(arena, access_key);
    *out = (struct credentials){
        .principal = session_principal(arena, &record),
        .secret = session_secret(cloud, arena, id, str_slice(box, 0, CIPHER_NONCE)),
        .session_token = token,
        .expires_ms = record.expires_ms,
        .active = true,
    };
    out->principal.access_key = id;
    return record.expires_ms <= now_ms ? SESSION_EXPIRED : SESSION_OK;
}

bool session_is_root_task(const struct principal *who)
{
    return who->kind == PRINCIPAL_ROOT && who->session != NULL &&
           who->session->policy_arns.len == 1 &&
           str_starts_with(who->session->policy_arns.items[0],
                           STR("arn:aws:iam::aws:policy/root-task/"));
}

/* --- for services --- */

RESULT session_for_role(struct call *call, const struct session_for_service *request,
                        struct credentials *out, bool *found)
{
    const struct identity_table *identity = identity_of(call->cloud);
    struct identity_role role;
    struct arn arn;
    *found = false;
    if (identity->role == NULL || !arn_parse(request->role_arn, &arn))
        return RESULT_OK;
    TRY(identity->role(call, request->role_arn, &role, found));
    if (!*found)
        return RESULT_OK;
    struct str policy = request->policy;
    struct session session = {
        .issued_ms = call->now_ms,
        .expires_ms = call->now_ms + request->duration_s * 1000,
        .role_arn = role.arn,
        .role_id = role.id,
        .name = request->session_name,
        .source_identity = request->source_identity,
        .claims = request->claims,
        .policies = {&policy, str_is_absent(policy) ? 0 : 1},
        .kept = true,
        .via = request->service,
    };
    struct principal who = {.account = arn.account, .session = &session};
    session_role_principal(call->arena, &role, &who);
    TRY(session_issue(call->cloud, call->arena, &who, 0, out));
    /* What was borrowed for sealing must not be given out. */
    struct credentials opened;
    ASSERT(session_open(call->cloud, call->arena, out->principal.access_key, out->session_token,
                        call->now_ms, &opened) != SESSION_INVALID);
    *out = opened;
    return RESULT_OK;
}

void session_role_principal(struct arena *arena, const struct identity_role *role,
                            struct principal *who)
{
    struct str name = who->session->name;
    who->kind = PRINCIPAL_ROLE_SESSION;
    who->name = role->name;
    who->arn = str_format(arena, "arn:aws:sts::%.*s:assumed-role/%.*s/%.*s", PRSTR(who->account),
                          PRSTR(role->name), PRSTR(name));
    who->user_id = str_format(arena, "%.*s:%.*s", PRSTR(role->id), PRSTR(name));
}
