/* The credential report ("Generate credential reports for your AWS account", IAM User Guide): made
 * by an event, kept for four hours. */
#include "base/time.h"
#include "cloud/credentials.h"
#include "services/iam/iam_int.h"
#include "store/record.h"

static const int64_t report_life_ms = INT64_C(4) * 3600 * 1000;
static const int64_t day_ms = INT64_C(24) * 3600 * 1000;

static RESULT report_get(struct call *call, struct iam_credential_report *report, bool *found)
{
    struct key key = iam_key(call, "credential-report", (struct str){0});
    return call_get_record(call, &key, &iam_model, IAM_SHAPE_credential_report, report, found);
}

static RESULT report_put(struct call *call, const struct iam_credential_report *report)
{
    struct key key = iam_key(call, "credential-report", (struct str){0});
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_credential_report, report);
}

RESULT iam_GenerateCredentialReport(struct call *call,
                                    const struct iam_GenerateCredentialReportRequest *in,
                                    struct iam_GenerateCredentialReportResponse *out)
{
    (void)in;
    struct iam_credential_report report;
    bool found;
    TRY(report_get(call, &report, &found));
    if (found && report.at_ms == 0) {
        out->State = STR("INPROGRESS");
        return RESULT_OK;
    }
    if (found && report.at_ms + report_life_ms > call->now_ms) {
        out->State = STR("COMPLETE");
        return RESULT_OK;
    }
    report = (struct iam_credential_report){0};
    TRY(report_put(call, &report));
    TRY(outbox_post(call, STR("iam.credential-report"), (struct str){0}, STR("")));
    out->State = STR("STARTED");
    out->Description = STR("No report exists. Starting a new report generation task");
    return RESULT_OK;
}

RESULT iam_GetCredentialReport(struct call *call, const struct iam_GetCredentialReportRequest *in,
                               struct iam_GetCredentialReportResponse *out)
{
    (void)in;
    struct iam_credential_report report;
    bool found;
    TRY(report_get(call, &report, &found));
    if (!found)
        return call_fail(call, IAM_CREDENTIAL_REPORT_NOT_PRESENT,
                         "The credential report does not exist. To generate a credential report, "
                         "use GenerateCredentialReport.");
    if (report.at_ms == 0)
        return call_fail(call, IAM_CREDENTIAL_REPORT_NOT_READY,
                         "The credential report is still being generated.");
    if (report.at_ms + report_life_ms <= call->now_ms)
        return call_fail(call, IAM_CREDENTIAL_REPORT_EXPIRED,
                         "The most recent credential report has expired. To generate a new "
                         "credential report, use GenerateCredentialReport.");
    out->Content = report.text;
    out->ReportFormat = STR("text/csv");
    out->GeneratedTime = iam_time(report.at_ms);
    return RESULT_OK;
}

/* --- the text --- */

static const struct str report_head =
    STR_INIT("user,arn,user_creation_time,password_enabled,password_last_used,"
             "password_last_changed,password_next_rotation,mfa_active,access_key_1_active,"
             "access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,"
             "access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,"
             "access_key_2_last_used_date,access_key_2_last_used_region,"
             "access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,"
             "cert_2_last_rotated");

static void field(struct buf *out, struct str text)
{
    buf_append_char(out, ',');
    buf_append(out, text);
}

static void field_bool(struct buf *out, bool value)
{
    field(out, value ? STR("true") : STR("false"));
}

static void field_time(struct buf *out, int64_t ms)
{
    buf_append_char(out, ',');
    struct buf text;
    char memory[40];
    buf_init_fixed(&text, memory, sizeof memory);
    time_format_iso8601(&text, ms / 1000 * 1000);
    struct str shown = buf_str(&text);
    if (str_ends_with(shown, STR("Z"))) /* the report writes offsets: "+00:00" */
        shown = str_slice(shown, 0, shown.len - 1);
    buf_append(out, shown);
    buf_append(out, STR("+00:00"));
}

static RESULT report_password(struct call *call, struct str user, struct buf *out)
{
    struct iam_login_profile login;
    struct iam_password_policy policy;
    bool found, has_policy;
    TRY(iam_login_profile_get(call, user, &login, &found));
    TRY(iam_password_policy_get(call, &policy, &has_policy));
    field_bool(out, found);
    field(out, found ? STR("no_information") : STR("N/A")); /* nobody signs in to a console */
    if (!found) {
        field(out, STR("N/A"));
        field(out, STR("N/A"));
        return RESULT_OK;
    }
    field_time(out, login.changed_ms);
    if (policy.max_age_days > 0)
        field_time(out, login.changed_ms + policy.max_age_days * day_ms);
    else
        field(out, STR("N/A"));
    return RESULT_OK;
}

static RESULT report_key(struct call *call, const struct iam_user_key *record, struct buf *out)
{
    struct credentials credentials;
    struct iam_last_use use;
    bool found;
    TRY(credentials_find(call->cloud, call->txn, call->arena, record->id, &credentials, &found));
    field_bool(out, found && credentials.active);
    field_time(out, record->created_ms);
    struct key key = iam_key(call, "key-used", record->id);
    TRY(call_get_record(call, &key, &iam_model, IAM_SHAPE_last_use, &use, &found));
    if (found)
        field_time(out, use.at_ms);
    else
        field(out, STR("N/A"));
    field(out, found ? use.region : STR("N/A"));
    field(out, found ? use.service : STR("N/A"));
    return RESULT_OK;
}

static RESULT report_keys(struct call *call, struct str user, struct buf *out)
{
    struct key prefix = iam_key(call, "user-key", user);
    struct kv_cursor *cursor;
    struct str key, value;
    size_t shown = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;; shown++) {
        struct iam_user_key record;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key) || shown == 2)
            break;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_user_key, value, &record));
        TRY(report_key(call, &record, out));
    }
    for (; shown < 2; shown++)
        buf_append(out, STR(",false,N/A,N/A,N/A,N/A"));
    return RESULT_OK;
}

static RESULT report_certificates(struct call *call, const struct iam_user *user, struct buf *out)
{
    struct key prefix = iam_key(call, "signing-cert", user->id);
    struct kv_cursor *cursor;
    struct str key, value;
    size_t shown = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (; shown < 2; shown++) {
        struct iam_signing_certificate record;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_signing_certificate, value, &record));
        field_bool(out, !record.inactive);
        field_time(out, record.uploaded_ms);
    }
    for (; shown < 2; shown++)
        buf_append(out, STR(",false,N/A"));
    return RESULT_OK;
}

static RESULT report_user(struct call *call, const struct iam_user *user, struct buf *out)
{
    bool root = str_is_empty(user->name);
    buf_append(out, root ? STR("<root_account>") : user->name);
    field(out, iam_user_arn(call, user));
    if (root) {
        /* An account's age is not known. */
        buf_append(out, STR(",N/A,not_supported,no_information,not_supported,not_supported"));
    } else {
        field_time(out, user->created_ms);
        TRY(report_password(call, user->name, out));
    }
    bool mfa;
    TRY(iam_user_has_mfa(call, user, &mfa));
    field_bool(out, mfa);
    TRY(report_keys(call, user->name, out));
    return report_certificates(call, user, out);
}

RESULT iam_credential_report(struct call *call, const struct outbox_item *item)
{
    struct iam_credential_report report;
    struct iam_user user = {.name = STR(""), .id = item->account};
    struct kv_cursor *cursor;
    struct str key, value;
    struct buf text;
    call->account = item->account;
    buf_init(&text, call->arena, SIZE_MAX);
    buf_append(&text, report_head);
    buf_append_char(&text, '\n');
    TRY(report_user(call, &user, &text));
    struct key prefix = iam_key(call, "user", (struct str){0});
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_user, value, &user));
        buf_append_char(&text, '\n');
        TRY(report_user(call, &user, &text));
    }
    report = (struct iam_credential_report){call->now_ms, buf_str(&text)};
    return report_put(call, &report);
}
