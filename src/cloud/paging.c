#include "cloud/paging.h"

#include "base/encode.h"

enum { SEAL_VERSION = 1, SEAL_MAC = 16 };

/* What the seal covers beside the payload: a handle made for another purpose does not open. */
static void seal_mac(struct call *call, struct str purpose, struct str payload,
                     uint8_t mac[SHA256_SIZE])
{
    struct buf message;
    buf_init(&message, call->arena, 64 * 1024);
    buf_append(&message, purpose);
    buf_append_char(&message, '\0');
    buf_append(&message, payload);
    struct str key = str_make((const char *)call->cloud->secret, sizeof call->cloud->secret);
    digest_hmac_sha256(key, buf_str(&message), mac);
}

struct str seal_make(struct call *call, struct str purpose, struct str payload)
{
    uint8_t mac[SHA256_SIZE];
    seal_mac(call, purpose, payload, mac);
    struct buf sealed, text;
    buf_init(&sealed, call->arena, 64 * 1024);
    buf_append_char(&sealed, SEAL_VERSION);
    buf_append(&sealed, str_make((const char *)mac, SEAL_MAC));
    buf_append(&sealed, payload);
    buf_init(&text, call->arena, 128 * 1024);
    base64url_encode(&text, buf_str(&sealed));
    return buf_str(&text);
}

bool seal_open(struct call *call, struct str purpose, struct str text, struct str *payload)
{
    struct str sealed;
    if (text.len > 64 * 1024 || !base64url_decode(call->arena, text, &sealed))
        return false;
    if (sealed.len < 1 + SEAL_MAC || sealed.ptr[0] != SEAL_VERSION)
        return false;
    struct str inside = str_slice(sealed, 1 + SEAL_MAC, sealed.len);
    uint8_t mac[SHA256_SIZE];
    seal_mac(call, purpose, inside, mac);
    if (!digest_equal(mac, (const uint8_t *)sealed.ptr + 1, SEAL_MAC))
        return false;
    *payload = inside;
    return true;
}

static struct str paging_purpose(struct call *call)
{
    const struct wire_operation *operation = &call->model->operations[call->operation];
    struct str service = call->model->name;
    struct str name = wire_string(call->model, operation->name);
    return str_format(call->arena, "page/%.*s/%.*s/%.*s/%.*s", PRSTR(service), PRSTR(name),
                      PRSTR(call->account), PRSTR(call->region));
}

struct str paging_token(struct call *call, struct str position)
{
    return seal_make(call, paging_purpose(call), position);
}

bool paging_position(struct call *call, struct str token, struct str *position)
{
    return seal_open(call, paging_purpose(call), token, position);
}
