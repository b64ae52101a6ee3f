/* Virtual MFA devices ("AWS Multi-factor authentication in IAM", IAM User Guide; RFC 6238). A
 * device is kept by its name; a user's devices also under its id. */
#include "base/vec.h"
#include "services/iam/iam_int.h"
#include "services/iam/qr.h"
#include "services/iam/topics.h"
#include "services/iam/totp.h"
#include "store/record.h"

enum { DEVICES_PER_USER = 8, SEED_SIZE = 40, FIND_STEPS = 20 };

/* --- where they stand --- */

static struct key device_key(struct call *call, struct str account, struct str name)
{
    return iam_key_of(call, account, "mfa", name);
}

static struct key assigned_key(struct call *call, struct str account, struct str user_id,
                               struct str name)
{
    struct key key = iam_key_of(call, account, "user-mfa", user_id);
    if (!str_is_absent(name))
        key_str(&key, str_lower(call->arena, name));
    return key;
}

static struct str device_serial(struct call *call, const struct iam_mfa_device *device)
{
    return iam_arn(call, "mfa", device->path, device->name);
}

/* By ARN; *found false: no virtual device of this account. In the arena: it is to be written. */
static RESULT device_find(struct call *call, struct str account, struct str serial,
                          struct iam_mfa_device *device, bool *found)
{
    struct call as = *call;
    size_t slash = str_find_last_char(serial, '/');
    *found = false;
    if (slash == SIZE_MAX || !str_starts_with(serial, STR("arn:")))
        return RESULT_OK;
    as.account = account;
    struct key key = device_key(call, account, str_slice(serial, slash + 1, serial.len));
    TRY(call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_mfa_device, device, found));
    *found = *found && str_eq(device_serial(&as, device), serial);
    return RESULT_OK;
}

static RESULT device_must(struct call *call, struct str serial, struct iam_mfa_device *device)
{
    bool found;
    TRY(device_find(call, call->account, serial, device, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY,
                         "VirtualMFADevice with serial number %.*s does not exist.", PRSTR(serial));
    return RESULT_OK;
}

/* The same, enabled for this user. */
static RESULT device_of_user(struct call *call, struct str user_name, struct str serial,
                             struct iam_user *user, struct iam_mfa_device *device)
{
    bool found;
    TRY(topic_user(call, user_name, user));
    TRY(device_find(call, call->account, serial, device, &found));
    if (!found || !str_eq(device->user_id, user->id) || str_is_empty(device->user_id))
        return call_fail(call, IAM_NO_SUCH_ENTITY,
                         "MFA device with serial number %.*s is not enabled for the user.",
                         PRSTR(serial));
    return RESULT_OK;
}

static RESULT device_put(struct call *call, struct str account, const struct iam_mfa_device *device)
{
    struct key key = device_key(call, account, device->name);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_mfa_device, device);
}

/* --- codes --- */

/* Two codes one after the other, near the cloud's time: how far the device's clock is off. */
static bool device_sync(struct call *call, struct iam_mfa_device *device, struct str first,
                        struct str second)
{
    int64_t now = totp_step(call->now_ms);
    for (int64_t drift = 0; drift <= FIND_STEPS; drift++)
        for (int sign = -1; sign <= 1; sign += 2) {
            int64_t step = now + sign * drift;
            if (!totp_matches(device->seed, step, first) ||
                !totp_matches(device->seed, step + 1, second))
                continue;
            device->last_step = step + 1;
            device->drift = step + 1 - now;
            return true;
        }
    return false;
}

static RESULT device_bad_code(struct call *call)
{
    return call_fail(call, IAM_INVALID_AUTHENTICATION_CODE,
                     "Authentication code for device is not valid.");
}

RESULT iam_check_mfa(struct call *call, struct str account, struct str user, struct str serial,
                     struct str code, enum identity_mfa *out)
{
    struct iam_mfa_device device;
    struct iam_user record;
    struct call as = *call;
    bool found;
    *out = IDENTITY_MFA_UNKNOWN;
    as.account = account;
    if (str_is_absent(user))
        return RESULT_OK; /* a root user's devices are not kept here */
    TRY(iam_user_find(&as, user, &record, &found));
    if (!found)
        return RESULT_OK;
    struct str id = str_copy(call->arena, record.id);
    TRY(device_find(call, account, serial, &device, &found));
    if (!found || !str_eq(device.user_id, id))
        return RESULT_OK;
    int64_t now = totp_step(call->now_ms); /* the device's clock may be right again by now */
    int64_t from = now + (device.drift < 0 ? device.drift : 0) - 1;
    int64_t to = now + (device.drift > 0 ? device.drift : 0) + 1;
    *out = IDENTITY_MFA_BAD;
    for (int64_t step = from; step <= to; step++) {
        if (step <= device.last_step || !totp_matches(device.seed, step, code))
            continue;
        device.last_step = step; /* a code serves once */
        *out = IDENTITY_MFA_GOOD;
        return device_put(call, account, &device);
    }
    return RESULT_OK;
}

/* --- making and unmaking --- */

RESULT iam_CreateVirtualMFADevice(struct call *call,
                                  const struct iam_CreateVirtualMFADeviceRequest *in,
                                  struct iam_CreateVirtualMFADeviceResponse *out)
{
    struct iam_mfa_device device;
    bool found;
    TRY(iam_check_path(call, "path", in->Path));
    struct key key = device_key(call, call->account, in->VirtualMFADeviceName);
    TRY(call_get_record(call, &key, &iam_model, IAM_SHAPE_mfa_device, &device, &found));
    if (found)
        return call_fail(call, IAM_ENTITY_ALREADY_EXISTS,
                         "MFADevice entity at the same path and name already exists.");
    device = (struct iam_mfa_device){
        .name = in->VirtualMFADeviceName,
        .path = iam_path(in->Path),
        .seed = totp_new_seed(call->arena, SEED_SIZE),
        .created_ms = call->now_ms,
    };
    TRY(iam_tags_take(call, "iam:mfa", &in->Tags, &device.tags));
    TRY(device_put(call, call->account, &device));
    struct str secret = totp_base32(call->arena, device.seed);
    struct str uri = str_format(call->arena, "otpauth://totp/%.*s@%.*s?secret=%.*s",
                                PRSTR(device.name), PRSTR(call->account), PRSTR(secret));
    out->VirtualMFADevice = ARENA_NEW(call->arena, struct iam_VirtualMFADevice);
    *out->VirtualMFADevice = (struct iam_VirtualMFADevice){
        .SerialNumber = device_serial(call, &device),
        .Base32StringSeed = secret,
        .QRCodePNG = qr_png(call->arena, uri),
        .Tags = iam_tags_shown(call, &device.tags),
    };
    return RESULT_OK;
}

RESULT iam_DeleteVirtualMFADevice(struct call *call,
                                  const struct iam_DeleteVirtualMFADeviceRequest *in,
                                  struct iam_DeleteVirtualMFADeviceResult *out)
{
    (void)out;
    struct iam_mfa_device device;
    TRY(device_must(call, in->SerialNumber, &device));
    if (!str_is_empty(device.user_id))
        return call_fail(call, IAM_DELETE_CONFLICT,
                         "MFA VirtualDevice in use. Must deactivate first.");
    struct key key = device_key(call, call->account, device.name);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT iam_EnableMFADevice(struct call *call, const struct iam_EnableMFADeviceRequest *in,
                           struct iam_EnableMFADeviceResult *out)
{
    (void)out;
    struct iam_user user;
    struct iam_mfa_device device;
    size_t count;
    TRY(topic_user(call, in->UserName, &user));
    TRY(device_must(call, in->SerialNumber, &device));
    if (!str_is_empty(device.user_id))
        return call_fail(call, IAM_ENTITY_ALREADY_EXISTS, "MFA device is already in use.");
    TRY(topic_count(call, "user-mfa", user.id, &count));
    if (count >= DEVICES_PER_USER)
        return iam_quota(call, "MFADevicesPerUser", DEVICES_PER_USER);
    if (!device_sync(call, &device, in->AuthenticationCode1, in->AuthenticationCode2))
        return device_bad_code(call);
    device.user_id = user.id;
    device.enabled_ms = call->now_ms;
    TRY(device_put(call, call->account, &device));
    struct key key = assigned_key(call, call->account, user.id, device.name);
    return kv_put(call->txn, key_bytes(&key), device.name);
}

RESULT iam_DeactivateMFADevice(struct call *call, const struct iam_DeactivateMFADeviceRequest *in,
                               struct iam_DeactivateMFADeviceResult *out)
{
    (void)out;
    struct iam_user user;
    struct iam_mfa_device device;
    TRY(device_of_user(call, in->UserName, in->SerialNumber, &user, &device));
    struct key key = assigned_key(call, call->account, user.id, device.name);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    device.user_id = (struct str){0};
    device.enabled_ms = 0;
    return device_put(call, call->account, &device);
}

RESULT iam_ResyncMFADevice(struct call *call, const struct iam_ResyncMFADeviceRequest *in,
                           struct iam_ResyncMFADeviceResult *out)
{
    (void)out;
    struct iam_user user;
    struct iam_mfa_device device;
    TRY(device_of_user(call, in->UserName, in->SerialNumber, &user, &device));
    if (!device_sync(call, &device, in->AuthenticationCode1, in->AuthenticationCode2))
        return device_bad_code(call);
    return device_put(call, call->account, &device);
}

/* --- looking --- */

RESULT iam_GetMFADevice(struct call *call, const struct iam_GetMFADeviceRequest *in,
                        struct iam_GetMFADeviceResponse *out)
{
    struct iam_user user;
    struct iam_mfa_device device;
    if (str_is_absent(in->UserName)) {
        bool found = false;
        TRY(device_must(call, in->SerialNumber, &device));
        if (!str_is_empty(device.user_id))
            TRY(iam_user_by_id(call, device.user_id, &user, &found));
        out->UserName = found ? user.name : (struct str){0};
    } else {
        TRY(device_of_user(call, in->UserName, in->SerialNumber, &user, &device));
        out->UserName = user.name;
    }
    out->SerialNumber = in->SerialNumber;
    out->EnableDate = iam_time(device.enabled_ms);
    return RESULT_OK;
}

RESULT iam_ListMFADevices(struct call *call, const struct iam_ListMFADevicesRequest *in,
                          struct iam_ListMFADevicesResponse *out)
{
    struct iam_user user;
    struct iam_pages pages;
    struct str value;
    TRY(topic_user(call, in->UserName, &user));
    struct key prefix = assigned_key(call, call->account, user.id, (struct str){0});
    TRY(iam_pages_open(call, &prefix, in->Marker, in->MaxItems, &pages));
    out->MFADevices.items = ARENA_NEW(call->arena, struct iam_MFADevice);
    for (size_t cap = 1;;) {
        struct iam_mfa_device device;
        bool found;
        TRY(iam_pages_next(&pages, out->MFADevices.len, &value));
        if (str_is_absent(value))
            break;
        struct key key = device_key(call, call->account, value);
        TRY(call_get_record(call, &key, &iam_model, IAM_SHAPE_mfa_device, &device, &found));
        if (!found)
            return FAULT("an assigned MFA device is not there");
        struct iam_MFADevice shown = {
            .UserName = user.name,
            .SerialNumber = device_serial(call, &device),
            .EnableDate = iam_time(device.enabled_ms),
        };
        VEC_PUSH(call->arena, out->MFADevices.items, out->MFADevices.len, cap, shown);
    }
    iam_pages_end(&pages, &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}

static RESULT device_shown(struct call *call, const struct iam_mfa_device *device,
                           struct iam_VirtualMFADevice *out)
{
    struct iam_user user;
    bool found;
    *out = (struct iam_VirtualMFADevice){
        .SerialNumber = device_serial(call, device),
        .EnableDate = iam_time(device->enabled_ms),
        .Tags = iam_tags_shown(call, &device->tags),
    };
    if (str_is_empty(device->user_id))
        return RESULT_OK;
    TRY(iam_user_by_id(call, device->user_id, &user, &found));
    if (found) {
        out->User = ARENA_NEW(call->arena, struct iam_User);
        *out->User = iam_user_shown(call, &user, false);
    }
    return RESULT_OK;
}

RESULT iam_ListVirtualMFADevices(struct call *call,
                                 const struct iam_ListVirtualMFADevicesRequest *in,
                                 struct iam_ListVirtualMFADevicesResponse *out)
{
    struct key prefix = device_key(call, call->account, (struct str){0});
    struct iam_pages pages;
    struct str value;
    bool assigned = str_eq(in->AssignmentStatus, STR("Assigned"));
    bool unassigned = str_eq(in->AssignmentStatus, STR("Unassigned"));
    TRY(iam_pages_open(call, &prefix, in->Marker, in->MaxItems, &pages));
    out->VirtualMFADevices.items = ARENA_NEW(call->arena, struct iam_VirtualMFADevice);
    for (size_t cap = 1;;) {
        struct iam_mfa_device device;
        struct iam_VirtualMFADevice shown;
        TRY(iam_pages_next(&pages, out->VirtualMFADevices.len, &value));
        if (str_is_absent(value))
            break;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_mfa_device, value, &device));
        if (str_is_empty(device.user_id) ? assigned : unassigned)
            continue;
        TRY(device_shown(call, &device, &shown));
        VEC_PUSH(call->arena, out->VirtualMFADevices.items, out->VirtualMFADevices.len, cap, shown);
    }
    iam_pages_end(&pages, &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}

/* --- tags --- */

RESULT iam_TagMFADevice(struct call *call, const struct iam_TagMFADeviceRequest *in,
                        struct iam_TagMFADeviceResult *out)
{
    (void)out;
    struct iam_mfa_device device;
    TRY(device_must(call, in->SerialNumber, &device));
    TRY(iam_tags_add(call, "iam:mfa", &in->Tags, &device.tags));
    return device_put(call, call->account, &device);
}

RESULT iam_UntagMFADevice(struct call *call, const struct iam_UntagMFADeviceRequest *in,
                          struct iam_UntagMFADeviceResult *out)
{
    (void)out;
    struct iam_mfa_device device;
    TRY(device_must(call, in->SerialNumber, &device));
    iam_tags_remove(call, &in->TagKeys, &device.tags);
    return device_put(call, call->account, &device);
}

RESULT iam_ListMFADeviceTags(struct call *call, const struct iam_ListMFADeviceTagsRequest *in,
                             struct iam_ListMFADeviceTagsResponse *out)
{
    struct iam_mfa_device device;
    struct iam_tags_page page;
    TRY(device_must(call, in->SerialNumber, &device));
    TRY(iam_tags_page(call, &device.tags, in->Marker, in->MaxItems, &page));
    out->Tags = page.tags;
    out->IsTruncated = page.truncated;
    out->Marker = page.marker;
    return RESULT_OK;
}

RESULT iam_user_has_mfa(struct call *call, const struct iam_user *user, bool *out)
{
    return iam_has_any(call, "user-mfa", user->id, out);
}
