/* SSH public keys of users ("Use SSH keys with CodeCommit", IAM User Guide): RSA of 2048 bits and
 * more. */
#include "base/vec.h"
#include "services/iam/pem.h"
#include "services/iam/topics.h"
#include "store/record.h"

enum { KEYS_PER_USER = 5 };

static struct key ssh_place(struct call *call, struct str user_id, struct str id)
{
    struct key key = iam_key(call, "ssh-key", user_id);
    if (!str_is_absent(id))
        key_str(&key, id);
    return key;
}

static RESULT ssh_must(struct call *call, struct str user_name, struct str id,
                       struct iam_user *user, struct iam_ssh_key *record)
{
    bool found;
    TRY(topic_user(call, user_name, user));
    struct key key = ssh_place(call, user->id, id);
    TRY(call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_ssh_key, record, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "The Public Key with id %.*s cannot be found.",
                         PRSTR(id));
    return RESULT_OK;
}

static struct iam_SSHPublicKey *ssh_shown(struct call *call, const struct iam_user *user,
                                          const struct iam_ssh_key *record, bool pem)
{
    struct iam_SSHPublicKey *shown = ARENA_NEW(call->arena, struct iam_SSHPublicKey);
    *shown = (struct iam_SSHPublicKey){
        .UserName = user->name,
        .SSHPublicKeyId = record->id,
        .Fingerprint = record->fingerprint,
        .SSHPublicKeyBody = pem ? record->pem : record->ssh,
        .Status = topic_status(record->inactive),
        .UploadDate = opt_time(record->uploaded_ms),
    };
    return shown;
}

/* How many there are, and whether one of them is this key. */
static RESULT ssh_look(struct call *call, struct str user_id, struct str ssh, size_t *count,
                       bool *known)
{
    struct key prefix = ssh_place(call, user_id, (struct str){0});
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    *known = false;
    for (*count = 0;; ++*count) {
        struct iam_ssh_key record;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_ssh_key, value, &record));
        *known = *known || str_eq(record.ssh, ssh);
    }
}

RESULT iam_UploadSSHPublicKey(struct call *call, const struct iam_UploadSSHPublicKeyRequest *in,
                              struct iam_UploadSSHPublicKeyResponse *out)
{
    struct iam_user user;
    struct ssh_key read;
    size_t count;
    bool known;
    TRY(topic_user(call, in->UserName, &user));
    enum ssh_problem problem = ssh_key_read(call->arena, in->SSHPublicKeyBody, &read);
    if (problem == SSH_UNKNOWN_ENCODING)
        return call_fail(call, IAM_UNRECOGNIZED_PUBLIC_KEY_ENCODING,
                         "The public key encoding format is unsupported or unrecognized.");
    if (problem != SSH_GOOD)
        return call_fail(call, IAM_INVALID_PUBLIC_KEY, "The public key is invalid.");
    TRY(ssh_look(call, user.id, read.ssh, &count, &known));
    if (known)
        return call_fail(call, IAM_DUPLICATE_SSH_PUBLIC_KEY,
                         "The SSH public key is already associated with the specified IAM user.");
    if (count >= KEYS_PER_USER)
        return iam_quota(call, "SSHPublicKeysPerUser", KEYS_PER_USER);
    struct iam_ssh_key record = {
        .id = iam_new_id(call, STR("APKA")),
        .ssh = read.ssh,
        .pem = read.pem,
        .fingerprint = read.fingerprint,
        .uploaded_ms = call->now_ms,
    };
    struct key key = ssh_place(call, user.id, record.id);
    out->SSHPublicKey = ssh_shown(call, &user, &record, false);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_ssh_key, &record);
}

RESULT iam_GetSSHPublicKey(struct call *call, const struct iam_GetSSHPublicKeyRequest *in,
                           struct iam_GetSSHPublicKeyResponse *out)
{
    struct iam_user user;
    struct iam_ssh_key record;
    TRY(ssh_must(call, in->UserName, in->SSHPublicKeyId, &user, &record));
    out->SSHPublicKey = ssh_shown(call, &user, &record, str_eq(in->Encoding, STR("PEM")));
    return RESULT_OK;
}

RESULT iam_UpdateSSHPublicKey(struct call *call, const struct iam_UpdateSSHPublicKeyRequest *in,
                              struct iam_UpdateSSHPublicKeyResult *out)
{
    (void)out;
    struct iam_user user;
    struct iam_ssh_key record;
    TRY(ssh_must(call, in->UserName, in->SSHPublicKeyId, &user, &record));
    record.inactive = !str_eq(in->Status, STR("Active"));
    struct key key = ssh_place(call, user.id, record.id);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_ssh_key, &record);
}

RESULT iam_DeleteSSHPublicKey(struct call *call, const struct iam_DeleteSSHPublicKeyRequest *in,
                              struct iam_DeleteSSHPublicKeyResult *out)
{
    (void)out;
    struct iam_user user;
    struct iam_ssh_key record;
    TRY(ssh_must(call, in->UserName, in->SSHPublicKeyId, &user, &record));
    struct key key = ssh_place(call, user.id, record.id);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT iam_ListSSHPublicKeys(struct call *call, const struct iam_ListSSHPublicKeysRequest *in,
                             struct iam_ListSSHPublicKeysResponse *out)
{
    struct iam_user user;
    struct iam_pages pages;
    struct str value;
    TRY(topic_user(call, in->UserName, &user));
    struct key prefix = ssh_place(call, user.id, (struct str){0});
    TRY(iam_pages_open(call, &prefix, in->Marker, in->MaxItems, &pages));
    out->SSHPublicKeys.items = ARENA_NEW(call->arena, struct iam_SSHPublicKeyMetadata);
    for (size_t cap = 1;;) {
        struct iam_ssh_key record;
        TRY(iam_pages_next(&pages, out->SSHPublicKeys.len, &value));
        if (str_is_absent(value))
            break;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_ssh_key, value, &record));
        struct iam_SSHPublicKeyMetadata shown = {
            .UserName = user.name,
            .SSHPublicKeyId = record.id,
            .Status = topic_status(record.inactive),
            .UploadDate = opt_time(record.uploaded_ms),
        };
        VEC_PUSH(call->arena, out->SSHPublicKeys.items, out->SSHPublicKeys.len, cap, shown);
    }
    iam_pages_end(&pages, &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}
