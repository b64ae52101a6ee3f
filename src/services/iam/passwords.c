/* Passwords of users, and the account's rules for them ("Passwords in AWS", "Set an account
 * password policy for IAM users", IAM User Guide). There is no console to sign in to: passwords are
 * kept as the API promises, salted and hashed. */
#include <openssl/evp.h>

#include "base/digest.h"
#include "base/rng.h"
#include "services/iam/iam_int.h"

enum { SALT = 16, HASH = 32, ROUNDS = 20000, HISTORY_MAX = 24 };

static const struct iam_password_policy without_policy = {.minimum_length = 8};

/* --- the policy --- */

RESULT iam_password_policy_get(struct call *call, struct iam_password_policy *out, bool *found)
{
    struct key key = iam_key(call, "password-policy", (struct str){0});
    TRY(call_get_record(call, &key, &iam_model, IAM_SHAPE_password_policy, out, found));
    if (!*found)
        *out = without_policy;
    return RESULT_OK;
}

/* What is not given goes back to what it is without a policy: the operation replaces it whole. */
RESULT iam_UpdateAccountPasswordPolicy(struct call *call,
                                       const struct iam_UpdateAccountPasswordPolicyRequest *in,
                                       struct iam_UpdateAccountPasswordPolicyResult *out)
{
    (void)out;
    struct iam_password_policy policy = {
        .minimum_length = in->MinimumPasswordLength.set ? in->MinimumPasswordLength.value : 6,
        .symbols = in->RequireSymbols.value,
        .numbers = in->RequireNumbers.value,
        .uppercase = in->RequireUppercaseCharacters.value,
        .lowercase = in->RequireLowercaseCharacters.value,
        .users_may_change = in->AllowUsersToChangePassword.value,
        .max_age_days = in->MaxPasswordAge.value,
        .reuse_prevention = in->PasswordReusePrevention.value,
        .hard_expiry = in->HardExpiry.value,
    };
    struct key key = iam_key(call, "password-policy", (struct str){0});
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_password_policy, &policy);
}

static RESULT policy_absent(struct call *call)
{
    return call_fail(call, IAM_NO_SUCH_ENTITY,
                     "The Password Policy with domain name %.*s cannot be found.",
                     PRSTR(call->account));
}

RESULT iam_GetAccountPasswordPolicy(struct call *call,
                                    const struct iam_GetAccountPasswordPolicyRequest *in,
                                    struct iam_GetAccountPasswordPolicyResponse *out)
{
    (void)in;
    struct iam_password_policy policy;
    bool found;
    TRY(iam_password_policy_get(call, &policy, &found));
    if (!found)
        return policy_absent(call);
    out->PasswordPolicy = ARENA_NEW(call->arena, struct iam_PasswordPolicy);
    *out->PasswordPolicy = (struct iam_PasswordPolicy){
        .MinimumPasswordLength = opt_int((int32_t)policy.minimum_length),
        .RequireSymbols = opt_bool(policy.symbols),
        .RequireNumbers = opt_bool(policy.numbers),
        .RequireUppercaseCharacters = opt_bool(policy.uppercase),
        .RequireLowercaseCharacters = opt_bool(policy.lowercase),
        .AllowUsersToChangePassword = opt_bool(policy.users_may_change),
        .ExpirePasswords = opt_bool(policy.max_age_days > 0),
    };
    if (policy.max_age_days > 0) {
        out->PasswordPolicy->MaxPasswordAge = opt_int((int32_t)policy.max_age_days);
        out->PasswordPolicy->HardExpiry = opt_bool(policy.hard_expiry);
    }
    if (policy.reuse_prevention > 0)
        out->PasswordPolicy->PasswordReusePrevention = opt_int((int32_t)policy.reuse_prevention);
    return RESULT_OK;
}

RESULT iam_DeleteAccountPasswordPolicy(struct call *call,
                                       const struct iam_DeleteAccountPasswordPolicyRequest *in,
                                       struct iam_DeleteAccountPasswordPolicyResult *out)
{
    (void)in;
    (void)out;
    struct key key = iam_key(call, "password-policy", (struct str){0});
    bool existed;
    TRY(kv_delete(call->txn, key_bytes(&key), &existed));
    return existed ? RESULT_OK : policy_absent(call);
}

/* --- hashes: salt, then PBKDF2-HMAC-SHA-256 --- */

static RESULT password_derive(struct str password, const uint8_t *salt, uint8_t out[HASH])
{
    if (PKCS5_PBKDF2_HMAC(password.ptr, (int)password.len, salt, SALT, ROUNDS, EVP_sha256(), HASH,
                          out) != 1)
        return FAULT("iam: no PBKDF2");
    return RESULT_OK;
}

static RESULT password_hash(struct call *call, struct str password, struct str *out)
{
    uint8_t *bytes = arena_alloc(call->arena, SALT + HASH);
    rng_bytes(bytes, SALT);
    TRY(password_derive(password, bytes, bytes + SALT));
    *out = str_make((const char *)bytes, SALT + HASH);
    return RESULT_OK;
}

static RESULT password_is(struct str password, struct str kept, bool *same)
{
    uint8_t hash[HASH];
    *same = false;
    if (kept.len != SALT + HASH)
        return RESULT_OK;
    TRY(password_derive(password, (const uint8_t *)kept.ptr, hash));
    *same = digest_equal(hash, (const uint8_t *)kept.ptr + SALT, HASH);
    return RESULT_OK;
}

/* --- rules --- */

struct character_kinds {
    bool upper, lower, number, symbol;
};

static struct character_kinds kinds_of(struct str password)
{
    struct character_kinds kinds = {0};
    for (size_t i = 0; i < password.len; i++) {
        char c = password.ptr[i];
        kinds.upper = kinds.upper || (c >= 'A' && c <= 'Z');
        kinds.lower = kinds.lower || (c >= 'a' && c <= 'z');
        kinds.number = kinds.number || (c >= '0' && c <= '9');
        kinds.symbol = kinds.symbol || (c != '\0' && strchr("!@#$%^&*()_+-=[]{}|'", c) != NULL);
    }
    return kinds;
}

/* "The following default password policy": eight characters, three kinds of them. */
static RESULT password_check_default(struct call *call, struct str user, struct str password)
{
    struct character_kinds kinds = kinds_of(password);
    if (kinds.upper + kinds.lower + kinds.number + kinds.symbol < 3)
        return call_fail(call, IAM_PASSWORD_POLICY_VIOLATION,
                         "Password should include a minimum of three of the following mix of "
                         "character types: uppercase, lowercase, numbers, and symbols");
    if (str_eq_nocase(password, user))
        return call_fail(call, IAM_PASSWORD_POLICY_VIOLATION,
                         "Password should not be identical to the user name");
    return RESULT_OK;
}

static RESULT password_check(struct call *call, struct str user, struct str password)
{
    struct iam_password_policy policy;
    struct character_kinds kinds = kinds_of(password);
    bool found;
    TRY(iam_password_policy_get(call, &policy, &found));
    const struct {
        bool broken;
        const char *what;
    } rules[] = {
        {policy.uppercase && !kinds.upper, "uppercase letter"},
        {policy.lowercase && !kinds.lower, "lowercase letter"},
        {policy.numbers && !kinds.number, "number"},
        {policy.symbols && !kinds.symbol, "symbol"},
    };
    if (str_utf8_length(password) < (size_t)policy.minimum_length)
        return call_fail(call, IAM_PASSWORD_POLICY_VIOLATION,
                         "Password should have a minimum length of %lld",
                         (long long)policy.minimum_length);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].broken)
            return call_fail(call, IAM_PASSWORD_POLICY_VIOLATION,
                             "Password should have at least one %s", rules[i].what);
    return found ? RESULT_OK : password_check_default(call, user, password);
}

/* --- login profiles: ("iam", ACCOUNT, "login", USER) --- */

RESULT iam_login_profile_get(struct call *call, struct str user, struct iam_login_profile *out,
                             bool *found)
{
    struct key key = iam_key(call, "login", user);
    return call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_login_profile, out, found);
}

static RESULT login_put(struct call *call, struct str user, const struct iam_login_profile *login)
{
    struct key key = iam_key(call, "login", user);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_login_profile, login);
}

/* The user's name is in the arena. */
static RESULT login_user(struct call *call, struct str name, struct str *user)
{
    struct iam_user found;
    TRY(iam_user_or_caller(call, name, &found));
    if (str_is_empty(found.name) && !session_is_root_task(&call->principal))
        return call_fail(call, IAM_VALIDATION,
                         "Must specify userName when calling with non-User credentials");
    *user = str_copy(call->arena, found.name);
    return RESULT_OK;
}

static RESULT login_must(struct call *call, struct str user, struct iam_login_profile *login)
{
    bool found;
    TRY(iam_login_profile_get(call, user, login, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "Login Profile for User %.*s cannot be found.",
                         PRSTR(user));
    return RESULT_OK;
}

/* The password that was, and those before it, are kept from coming again. */
static RESULT password_is_fresh(struct call *call, const struct iam_login_profile *login,
                                struct str password)
{
    struct iam_password_policy policy;
    bool found, same;
    TRY(iam_password_policy_get(call, &policy, &found));
    for (int64_t i = 0; i < policy.reuse_prevention; i++) {
        struct str kept = i == 0 ? login->password : (struct str){0};
        if (i > 0 && (size_t)i <= login->earlier.len)
            kept = login->earlier.items[i - 1];
        TRY(password_is(password, kept, &same));
        if (same)
            return call_fail(call, IAM_PASSWORD_POLICY_VIOLATION,
                             "Policy constraint violation with password reuse prevention during "
                             "password change");
    }
    return RESULT_OK;
}

static RESULT password_set(struct call *call, struct str user, struct iam_login_profile *login,
                           struct str password)
{
    struct str hash;
    TRY(password_check(call, user, password));
    TRY(password_is_fresh(call, login, password));
    TRY(password_hash(call, password, &hash));
    if (!str_is_absent(login->password)) {
        struct str_list earlier = {login->earlier.items, login->earlier.len};
        iam_list_insert(call->arena, &earlier, 0, login->password);
        login->earlier.items = earlier.items;
        login->earlier.len = earlier.len > HISTORY_MAX ? HISTORY_MAX : earlier.len;
    }
    login->password = hash;
    login->changed_ms = call->now_ms;
    return RESULT_OK;
}

static struct iam_LoginProfile *login_shown(struct call *call, struct str user,
                                            const struct iam_login_profile *login)
{
    struct iam_LoginProfile *shown = ARENA_NEW(call->arena, struct iam_LoginProfile);
    *shown =
        (struct iam_LoginProfile){str_is_empty(user) ? (struct str){0} : user,
                                  iam_time(login->created_ms), opt_bool(login->reset_required)};
    return shown;
}

RESULT iam_CreateLoginProfile(struct call *call, const struct iam_CreateLoginProfileRequest *in,
                              struct iam_CreateLoginProfileResponse *out)
{
    struct iam_login_profile login;
    struct str user;
    bool found;
    TRY(login_user(call, in->UserName, &user));
    TRY(iam_login_profile_get(call, user, &login, &found));
    if (found)
        return call_fail(call, IAM_ENTITY_ALREADY_EXISTS,
                         "Login Profile for user %.*s already exists.", PRSTR(user));
    bool root = str_is_empty(user); /* who is let recover its password, and has none yet */
    if (str_is_absent(in->Password) != root)
        return call_fail(call, IAM_VALIDATION,
                         root ? "A password can't be set for the root user."
                              : "Must specify a password.");
    login = (struct iam_login_profile){
        .created_ms = call->now_ms,
        .reset_required = in->PasswordResetRequired.value,
    };
    if (!root)
        TRY(password_set(call, user, &login, in->Password));
    TRY(login_put(call, user, &login));
    out->LoginProfile = login_shown(call, user, &login);
    return RESULT_OK;
}

RESULT iam_GetLoginProfile(struct call *call, const struct iam_GetLoginProfileRequest *in,
                           struct iam_GetLoginProfileResponse *out)
{
    struct iam_login_profile login;
    struct str user;
    TRY(login_user(call, in->UserName, &user));
    TRY(login_must(call, user, &login));
    out->LoginProfile = login_shown(call, user, &login);
    return RESULT_OK;
}

RESULT iam_UpdateLoginProfile(struct call *call, const struct iam_UpdateLoginProfileRequest *in,
                              struct iam_UpdateLoginProfileResult *out)
{
    (void)out;
    struct iam_login_profile login;
    struct str user;
    TRY(login_user(call, in->UserName, &user));
    TRY(login_must(call, user, &login));
    if (!str_is_absent(in->Password))
        TRY(password_set(call, user, &login, in->Password));
    if (in->PasswordResetRequired.set)
        login.reset_required = in->PasswordResetRequired.value;
    return login_put(call, user, &login);
}

RESULT iam_DeleteLoginProfile(struct call *call, const struct iam_DeleteLoginProfileRequest *in,
                              struct iam_DeleteLoginProfileResult *out)
{
    (void)out;
    struct iam_login_profile login;
    struct str user;
    TRY(login_user(call, in->UserName, &user));
    TRY(login_must(call, user, &login));
    struct key key = iam_key(call, "login", user);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT iam_ChangePassword(struct call *call, const struct iam_ChangePasswordRequest *in,
                          struct iam_ChangePasswordResult *out)
{
    (void)out;
    struct iam_login_profile login;
    bool same;
    if (call->principal.kind != PRINCIPAL_USER)
        return call_fail(call, IAM_INVALID_USER_TYPE,
                         "Only IAM Users can change their own password");
    struct str user = call->principal.name;
    TRY(login_must(call, user, &login));
    TRY(password_is(in->OldPassword, login.password, &same));
    if (!same)
        return call_fail(call, IAM_ACCESS_DENIED, "The old password was incorrect.");
    TRY(password_set(call, user, &login, in->NewPassword));
    login.reset_required = false;
    return login_put(call, user, &login);
}
