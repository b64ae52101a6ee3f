#include "sign.h"

#include <stdio.h>
#include <time.h>

struct hmac_key {
    SHA256_CTX inner, outer;
};

/* The one-call SHA256() of OpenSSL 3 looks the algorithm up under a lock every time. */
static void sha256(struct str data, uint8_t out[SHA256_DIGEST_LENGTH])
{
    SHA256_CTX state;
    SHA256_Init(&state);
    SHA256_Update(&state, data.ptr, data.len);
    SHA256_Final(out, &state);
}

static void hmac_prepare(struct hmac_key *key, const uint8_t *secret, size_t len)
{
    uint8_t block[SHA256_CBLOCK] = {0}, pad[SHA256_CBLOCK];
    if (len > sizeof block)
        sha256(str_make((const char *)secret, len), block);
    else
        memcpy(block, secret, len);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] = block[i] ^ 0x36;
    SHA256_Init(&key->inner);
    SHA256_Update(&key->inner, pad, sizeof pad);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] = block[i] ^ 0x5c;
    SHA256_Init(&key->outer);
    SHA256_Update(&key->outer, pad, sizeof pad);
}

static void hmac_finish(const SHA256_CTX *inner, const SHA256_CTX *outer, struct str data,
                        uint8_t out[SHA256_DIGEST_LENGTH])
{
    SHA256_CTX state = *inner;
    SHA256_Update(&state, data.ptr, data.len);
    SHA256_Final(out, &state);
    state = *outer;
    SHA256_Update(&state, out, SHA256_DIGEST_LENGTH);
    SHA256_Final(out, &state);
}

static void hmac_next(uint8_t key[SHA256_DIGEST_LENGTH], struct str data)
{
    struct hmac_key prepared;
    hmac_prepare(&prepared, key, SHA256_DIGEST_LENGTH);
    hmac_finish(&prepared.inner, &prepared.outer, data, key);
}

static void append_digest(struct bytes *out, const uint8_t digest[SHA256_DIGEST_LENGTH])
{
    bytes_reserve(out, 2 * SHA256_DIGEST_LENGTH);
    for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        out->ptr[out->len++] = "0123456789abcdef"[digest[i] >> 4];
        out->ptr[out->len++] = "0123456789abcdef"[digest[i] & 15];
    }
}

void signer_init(struct signer *signer, struct str access_key, struct str secret, struct str region,
                 struct str service, struct str host)
{
    *signer = (struct signer){
        .access_key = access_key,
        .secret = secret,
        .region = region,
        .service = service,
        .host = host,
    };
}

void signer_release(struct signer *signer)
{
    bytes_release(&signer->scope);
    bytes_release(&signer->canonical);
}

static void new_day(struct signer *signer)
{
    struct str day = str_make(signer->date, 8);
    struct bytes secret = {0};
    struct hmac_key prepared;
    uint8_t key[SHA256_DIGEST_LENGTH];

    bytes_append(&secret, STR("AWS4"));
    bytes_append(&secret, signer->secret);
    hmac_prepare(&prepared, (const uint8_t *)secret.ptr, secret.len);
    hmac_finish(&prepared.inner, &prepared.outer, day, key);
    hmac_next(key, signer->region);
    hmac_next(key, signer->service);
    hmac_next(key, STR("aws4_request"));
    hmac_prepare(&prepared, key, sizeof key);
    signer->inner = prepared.inner;
    signer->outer = prepared.outer;
    bytes_release(&secret);

    signer->scope.len = 0;
    bytes_append(&signer->scope, day);
    bytes_append(&signer->scope, STR("/"));
    bytes_append(&signer->scope, signer->region);
    bytes_append(&signer->scope, STR("/"));
    bytes_append(&signer->scope, signer->service);
    bytes_append(&signer->scope, STR("/aws4_request"));
}

static void update_date(struct signer *signer)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec == signer->second)
        return;
    char day[8];
    struct tm utc;
    memcpy(day, signer->date, sizeof day);
    gmtime_r(&now.tv_sec, &utc);
    strftime(signer->date, sizeof signer->date, "%Y%m%dT%H%M%SZ", &utc);
    signer->second = now.tv_sec;
    if (memcmp(day, signer->date, sizeof day) != 0)
        new_day(signer);
}

/* Appends "name:value\n" to the canonical headers and ";name" to the signed ones. */
static void canonical_header(struct bytes *canonical, struct bytes *signed_names, struct str name,
                             struct str value)
{
    if (value.len == 0)
        return;
    bytes_append(canonical, name);
    bytes_append(canonical, STR(":"));
    bytes_append(canonical, value);
    bytes_append(canonical, STR("\n"));
    if (signed_names->len != 0)
        bytes_append(signed_names, STR(";"));
    bytes_append(signed_names, name);
}

static void signature(struct signer *signer, const struct request *request,
                      struct bytes *signed_names, struct str payload_hash, struct bytes *out)
{
    struct bytes *canonical = &signer->canonical;
    uint8_t digest[SHA256_DIGEST_LENGTH];

    canonical->len = 0;
    bytes_append(canonical, request->method);
    bytes_append(canonical, STR("\n"));
    bytes_append(canonical, request->path);
    bytes_append(canonical, STR("\n"));
    bytes_append(canonical, request->query);
    bytes_append(canonical, STR("\n"));
    canonical_header(canonical, signed_names, STR("content-type"), request->content_type);
    canonical_header(canonical, signed_names, STR("host"), signer->host);
    canonical_header(canonical, signed_names, STR("x-amz-content-sha256"), payload_hash);
    canonical_header(canonical, signed_names, STR("x-amz-date"), str_make(signer->date, 16));
    canonical_header(canonical, signed_names, STR("x-amz-target"), request->target);
    bytes_append(canonical, STR("\n"));
    bytes_append(canonical, bytes_str(signed_names));
    bytes_append(canonical, STR("\n"));
    bytes_append(canonical, payload_hash);
    sha256(bytes_str(canonical), digest);

    canonical->len = 0;
    bytes_append(canonical, STR("AWS4-HMAC-SHA256\n"));
    bytes_append(canonical, str_make(signer->date, 16));
    bytes_append(canonical, STR("\n"));
    bytes_append(canonical, bytes_str(&signer->scope));
    bytes_append(canonical, STR("\n"));
    append_digest(canonical, digest);
    hmac_finish(&signer->inner, &signer->outer, bytes_str(canonical), digest);
    append_digest(out, digest);
}

static void header(struct bytes *head, struct str name, struct str value)
{
    if (value.len == 0)
        return;
    bytes_append(head, name);
    bytes_append(head, STR(": "));
    bytes_append(head, value);
    bytes_append(head, STR("\r\n"));
}

void sign_request(struct signer *signer, const struct request *request, struct bytes *head)
{
    char hash_text[2 * SHA256_DIGEST_LENGTH], names_text[96], signature_text[sizeof hash_text];
    struct bytes hash = {.ptr = hash_text, .cap = sizeof hash_text};
    struct bytes names = {.ptr = names_text, .cap = sizeof names_text};
    struct bytes result = {.ptr = signature_text, .cap = sizeof signature_text};
    uint8_t digest[SHA256_DIGEST_LENGTH];

    update_date(signer);
    sha256(request->body, digest);
    append_digest(&hash, digest);
    signature(signer, request, &names, bytes_str(&hash), &result);

    head->len = 0;
    bytes_append(head, request->method);
    bytes_append(head, STR(" "));
    bytes_append(head, request->path);
    if (request->query.len != 0)
        bytes_append(head, STR("?"));
    bytes_append(head, request->query);
    bytes_append(head, STR(" HTTP/1.1\r\n"));
    header(head, STR("Host"), signer->host);
    header(head, STR("Content-Type"), request->content_type);
    header(head, STR("X-Amz-Content-Sha256"), bytes_str(&hash));
    header(head, STR("X-Amz-Date"), str_make(signer->date, 16));
    header(head, STR("X-Amz-Target"), request->target);
    bytes_append(head, STR("Authorization: AWS4-HMAC-SHA256 Credential="));
    bytes_append(head, signer->access_key);
    bytes_append(head, STR("/"));
    bytes_append(head, bytes_str(&signer->scope));
    bytes_append(head, STR(", SignedHeaders="));
    bytes_append(head, bytes_str(&names));
    bytes_append(head, STR(", Signature="));
    bytes_append(head, bytes_str(&result));
    bytes_append(head, STR("\r\nContent-Length: "));
    bytes_append_u64(head, request->body.len);
    bytes_append(head, STR("\r\n\r\n"));
}
