/* "Configuring MFA delete", Amazon S3 User Guide: a code for each request that deletes a version
 * for good or changes the bucket's versioning. */
#include "cloud/identity.h"
#include "services/s3/access.h"

static RESULT refuse(struct call *call, const char *message)
{
    return call_fail(call, WIRE_ACCESS_DENIED, "%s", message);
}

/* x-amz-mfa: the device's serial number, a blank, the code it shows. */
RESULT mfa_delete_check(struct call *call, struct str mfa)
{
    const struct identity_table *identity = identity_of(call->cloud);
    struct str serial, code;
    enum identity_mfa verdict = IDENTITY_MFA_UNKNOWN;
    bool root = call->principal.kind == PRINCIPAL_ROOT;
    if (call->principal.kind == PRINCIPAL_SERVICE)
        return RESULT_OK;
    if (str_is_empty(mfa))
        return refuse(call, "Mfa Authentication must be used for this request");
    if (!str_cut(str_trim(mfa), ' ', &serial, &code))
        return call_fail(call, WIRE_INVALID_PARAMETER_VALUE, "Invalid x-amz-mfa header.");
    if (identity->check_mfa != NULL && (root || call->principal.kind == PRINCIPAL_USER))
        TRY(identity->check_mfa(call, call->principal.account,
                                root ? (struct str){0} : call->principal.name, serial,
                                str_trim(code), &verdict));
    return verdict == IDENTITY_MFA_GOOD
               ? RESULT_OK
               : refuse(call, "Mfa Authentication must be used for this request");
}

RESULT mfa_delete_change(struct call *call, struct s3_bucket *bucket, struct str wanted,
                         struct str mfa)
{
    bool enabled = str_eq(wanted, STR("Enabled"));
    if (!str_is_absent(wanted) && !enabled && !str_eq(wanted, STR("Disabled")))
        return call_fail(call, S3_ILLEGAL_VERSIONING_CONFIGURATION,
                         "The MfaDelete element is not valid");
    if (!bucket->mfa_delete && !enabled)
        return RESULT_OK;
    /* AWS lets the root user alone enable it, whose devices nobody keeps here: a user with a device
     * may, as policies let him. */
    TRY(mfa_delete_check(call, mfa));
    if (!str_is_absent(wanted))
        bucket->mfa_delete = enabled;
    return RESULT_OK;
}
