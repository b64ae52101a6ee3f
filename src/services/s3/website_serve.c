/* Pages of static websites: "Website endpoints", "Configuring an index document", "Configuring a
 * custom error document", "Configuring a webpage redirect", Amazon S3 User Guide. A page is an
 * object that anybody may read; errors are pages, too. */
#include "base/encode.h"
#include "services/s3/access.h"
#include "services/s3/settings.h"

struct site {
    struct call *call;
    const struct s3_WebsitePageRequest *in;
    struct s3_WebsitePageOutput *out;
    bool head;
    struct str asked; /* the key as the URL has it, without the first '/' */
    const struct access_target *target;
    struct s3_WebsiteConfiguration website;
};

/* --- answers without an object --- */

static struct str reason_of(unsigned status)
{
    static const struct {
        unsigned status;
        struct str reason;
    } reasons[] = {
        {301, STR_INIT("Moved Permanently")},   {302, STR_INIT("Moved Temporarily")},
        {400, STR_INIT("Bad Request")},         {403, STR_INIT("Forbidden")},
        {404, STR_INIT("Not Found")},           {405, STR_INIT("Method Not Allowed")},
        {412, STR_INIT("Precondition Failed")}, {416, STR_INIT("Requested Range Not Satisfiable")},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return STR("Error");
}

static void send(struct site *site, unsigned status, struct str body)
{
    struct call *call = site->call;
    call->status = (uint16_t)status;
    call->stream = (struct call_stream){
        .present = true, .bytes = body, .length = body.len, .length_only = site->head};
    if (body.len > 0)
        site->out->ContentType = STR("text/html; charset=utf-8");
}

static void append_escaped(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '<')
            buf_append_c(out, "&lt;");
        else if (c == '>')
            buf_append_c(out, "&gt;");
        else if (c == '&')
            buf_append_c(out, "&amp;");
        else
            buf_append_char(out, c);
    }
}

static void append_item(struct buf *out, const char *name, struct str value)
{
    buf_append_format(out, "<li>%s: ", name);
    append_escaped(out, value);
    buf_append_c(out, "</li>\n");
}

struct problem {
    unsigned status;
    struct str code, message;
    const char *detail_name; /* "Key", "BucketName"; NULL: none */
    struct str detail;
};

static void send_problem(struct site *site, const struct problem *problem,
                         const struct problem *of_document)
{
    struct call *call = site->call;
    struct str reason = reason_of(problem->status);
    struct buf out;
    buf_init(&out, call->arena, SIZE_MAX);
    buf_append_format(&out,
                      "<html>\n<head><title>%u %.*s</title></head>\n<body>\n<h1>%u "
                      "%.*s</h1>\n<ul>\n",
                      problem->status, PRSTR(reason), problem->status, PRSTR(reason));
    append_item(&out, "Code", problem->code);
    append_item(&out, "Message", problem->message);
    if (problem->detail_name != NULL)
        append_item(&out, problem->detail_name, problem->detail);
    append_item(&out, "RequestId", call->request_id);
    append_item(&out, "HostId", wire_s3_host_id(call->arena, call->request_id));
    buf_append_c(&out, "</ul>\n");
    if (of_document != NULL) {
        buf_append_c(&out, "<h3>An Error Occurred While Attempting to Retrieve a Custom Error "
                           "Document</h3>\n<ul>\n");
        append_item(&out, "Code", of_document->code);
        append_item(&out, "Message", of_document->message);
        if (of_document->detail_name != NULL)
            append_item(&out, of_document->detail_name, of_document->detail);
        buf_append_c(&out, "</ul>\n");
    }
    buf_append_c(&out, "<hr/>\n</body>\n</html>\n");
    site->out->ErrorCode = problem->code;
    site->out->ErrorMessage = problem->message;
    send(site, problem->status, buf_str(&out));
}

/* --- redirects --- */

static struct str host_of(const struct call *call)
{
    struct str host = wire_request_header(call->request, STR("host"));
    return str_is_absent(host) ? STR("localhost") : host;
}

/* Where a key of this website is, as the client came: by host, or by path. */
static struct str path_of(struct site *site, struct str key, bool same_host)
{
    struct call *call = site->call;
    struct buf out;
    buf_init(&out, call->arena, SIZE_MAX);
    if (same_host && str_starts_with(call->request->path, STR("/_kumoniwa/website/")))
        buf_append_format(&out, "/_kumoniwa/website/%.*s", PRSTR(site->in->Bucket));
    buf_append_char(&out, '/');
    percent_encode(&out, key, true);
    return buf_str(&out);
}

static void redirect(struct site *site, unsigned status, struct str protocol, struct str host,
                     struct str key)
{
    struct call *call = site->call;
    bool same_host = str_is_absent(host);
    if (str_is_absent(protocol))
        protocol = call->secure_transport ? STR("https") : STR("http");
    struct str path = path_of(site, key, same_host);
    host = same_host ? host_of(call) : host;
    site->out->Location =
        str_format(call->arena, "%.*s://%.*s%.*s", PRSTR(protocol), PRSTR(host), PRSTR(path));
    send(site, status, STR(""));
}

static void redirect_by_rule(struct site *site, const struct s3_RoutingRule *rule)
{
    const struct s3_Redirect *to = rule->Redirect;
    struct str key = site->asked, prefix = STR("");
    int64_t status = 301;
    if (rule->Condition != NULL && !str_is_absent(rule->Condition->KeyPrefixEquals))
        prefix = rule->Condition->KeyPrefixEquals;
    if (!str_is_absent(to->ReplaceKeyWith))
        key = to->ReplaceKeyWith;
    else if (!str_is_absent(to->ReplaceKeyPrefixWith))
        key = str_concat(site->call->arena, to->ReplaceKeyPrefixWith,
                         str_slice(key, prefix.len, key.len));
    if (!str_is_absent(to->HttpRedirectCode))
        (void)str_to_i64(to->HttpRedirectCode, &status);
    redirect(site, (unsigned)status, to->Protocol, to->HostName, key);
}

/* The first rule for the request (status 0), or for the error that it came to. */
static bool apply_rules(struct site *site, unsigned status)
{
    for (size_t i = 0; i < site->website.RoutingRules.len; i++) {
        const struct s3_RoutingRule *rule = &site->website.RoutingRules.items[i];
        const struct s3_Condition *condition = rule->Condition;
        struct str prefix = condition == NULL ? (struct str){0} : condition->KeyPrefixEquals;
        struct str error =
            condition == NULL ? (struct str){0} : condition->HttpErrorCodeReturnedEquals;
        int64_t wanted = 0;
        if (!str_is_absent(error))
            (void)str_to_i64(error, &wanted);
        if (wanted != (int64_t)status ||
            (!str_is_absent(prefix) && !str_starts_with(site->asked, prefix)))
            continue;
        redirect_by_rule(site, rule);
        return true;
    }
    return false;
}

/* --- objects --- */

#define PAGE_FILL(out, got)                                                                        \
    do {                                                                                           \
        (out)->ContentType = (got)->ContentType;                                                   \
        (out)->CacheControl = (got)->CacheControl;                                                 \
        (out)->ContentDisposition = (got)->ContentDisposition;                                     \
        (out)->ContentEncoding = (got)->ContentEncoding;                                           \
        (out)->ContentLanguage = (got)->ContentLanguage;                                           \
        (out)->ContentRange = (got)->ContentRange;                                                 \
        (out)->Expires = (got)->Expires;                                                           \
        (out)->ETag = (got)->ETag;                                                                 \
        (out)->LastModified = (got)->LastModified;                                                 \
        (out)->AcceptRanges = (got)->AcceptRanges;                                                 \
        (out)->VersionId = (got)->VersionId;                                                       \
        (out)->Metadata = (got)->Metadata;                                                         \
    } while (0)

/* The object as the page; RESULT_ERROR as GetObject fails. */
static RESULT read_page(struct site *site, struct str key, bool plainly)
{
    const struct s3_WebsitePageRequest *in = site->in;
    struct call *call = site->call;
    struct s3_GetObjectRequest get = {.Bucket = in->Bucket, .Key = key};
    if (!plainly) {
        get.IfMatch = in->IfMatch;
        get.IfNoneMatch = in->IfNoneMatch;
        get.IfModifiedSince = in->IfModifiedSince;
        get.IfUnmodifiedSince = in->IfUnmodifiedSince;
        get.Range = in->Range;
    }
    if (site->head) {
        const struct s3_HeadObjectRequest head = {
            .Bucket = get.Bucket,
            .Key = key,
            .IfMatch = get.IfMatch,
            .IfNoneMatch = get.IfNoneMatch,
            .IfModifiedSince = get.IfModifiedSince,
            .IfUnmodifiedSince = get.IfUnmodifiedSince,
            .Range = get.Range,
        };
        struct s3_HeadObjectOutput got = {0};
        TRY(s3_HeadObject(call, &head, &got));
        PAGE_FILL(site->out, &got);
        return RESULT_OK;
    }
    struct s3_GetObjectOutput got = {0};
    TRY(s3_GetObject(call, &get, &got));
    PAGE_FILL(site->out, &got);
    return RESULT_OK;
}

static RESULT find(struct site *site, struct str key, bool *there, bool *may,
                   struct s3_object *object)
{
    struct object_place place;
    TRY(object_latest(site->call, &site->target->bucket, key, &place));
    *there = place.found && !place.object.delete_marker;
    *object = place.object;
    return access_may(site->call, &site->target->bucket, STR("s3:GetObject"), key, may);
}

static struct problem denied(void)
{
    return (struct problem){403, STR("AccessDenied"), STR("Access Denied"), NULL, {0}};
}

static RESULT missing(struct site *site, struct str key, struct problem *problem)
{
    bool may;
    TRY(access_may(site->call, &site->target->bucket, STR("s3:ListBucket"), (struct str){0}, &may));
    *problem = denied();
    if (may)
        *problem = (struct problem){404, STR("NoSuchKey"), STR("The specified key does not exist."),
                                    "Key", key};
    return RESULT_OK;
}

/* What GetObject refused: a condition, a range. */
static struct problem of_call(const struct call *call)
{
    const struct wire_error *error = &s3_model.errors[call->error];
    return (struct problem){
        error->status, wire_string(&s3_model, error->code), call->message, NULL, {0}};
}

/* The error: by a rule, by the error document, or plain. */
static RESULT fail(struct site *site, const struct problem *problem)
{
    const struct s3_ErrorDocument *document = site->website.ErrorDocument;
    struct problem of_document;
    struct s3_object object;
    bool there, may;
    if (apply_rules(site, problem->status))
        return RESULT_OK;
    if (document == NULL || problem->status >= 500) {
        send_problem(site, problem, NULL);
        return RESULT_OK;
    }
    TRY(find(site, document->Key, &there, &may, &object));
    if (!there || !may) {
        if (!may)
            of_document = denied();
        else
            TRY(missing(site, document->Key, &of_document));
        send_problem(site, problem, &of_document);
        return RESULT_OK;
    }
    enum result result = read_page(site, document->Key, true);
    if (result == RESULT_ERROR) {
        of_document = of_call(site->call);
        send_problem(site, problem, &of_document);
        return RESULT_OK;
    }
    TRY(result);
    site->call->status = (uint16_t)problem->status;
    site->out->ErrorCode = problem->code;
    site->out->ErrorMessage = problem->message;
    return RESULT_OK;
}

/* A key that is not there may be a folder that has an index: "302 Found". */
static RESULT try_folder(struct site *site, bool *answered)
{
    struct call *call = site->call;
    struct s3_object object;
    bool there, may;
    *answered = false;
    if (str_is_empty(site->asked) || str_ends_with(site->asked, STR("/")))
        return RESULT_OK;
    struct str folder = str_concat(call->arena, site->asked, STR("/"));
    struct str suffix = site->website.IndexDocument->Suffix;
    TRY(find(site, str_concat(call->arena, folder, suffix), &there, &may, &object));
    if (!there || !may)
        return RESULT_OK;
    const struct problem found = {
        .status = 302, .code = STR("Found"), .message = STR("Resource Found")};
    send_problem(site, &found, NULL);
    site->out->Location = path_of(site, folder, true);
    *answered = true;
    return RESULT_OK;
}

static RESULT serve_object(struct site *site)
{
    struct call *call = site->call;
    struct str key = site->asked;
    struct problem problem;
    struct s3_object object;
    bool there, may, answered;
    if (str_is_empty(key) || str_ends_with(key, STR("/")))
        key = str_concat(call->arena, key, site->website.IndexDocument->Suffix);
    TRY(find(site, key, &there, &may, &object));
    if (!there) {
        TRY(try_folder(site, &answered));
        if (answered)
            return RESULT_OK;
        TRY(missing(site, key, &problem));
        return fail(site, &problem);
    }
    if (!may) {
        problem = denied();
        return fail(site, &problem);
    }
    if (!str_is_empty(object.website_redirect)) {
        send(site, 301, STR(""));
        site->out->Location = object.website_redirect;
        return RESULT_OK;
    }
    enum result result = read_page(site, key, false);
    if (result != RESULT_ERROR)
        return result;
    problem = of_call(call);
    return fail(site, &problem);
}

/* --- requests --- */

static RESULT serve(struct call *call, const struct s3_WebsitePageRequest *in,
                    struct s3_WebsitePageOutput *out, bool head)
{
    struct site site = {.call = call, .in = in, .out = out, .head = head};
    bool found = false;
    /* Websites do not look at signatures. */
    call->principal = (struct principal){.kind = PRINCIPAL_ANONYMOUS};
    call->account = (struct str){0};
    site.asked = str_is_absent(in->Key) ? STR("") : in->Key;
    TRY(access_target(call, in->Bucket, &site.target));
    struct problem problem = {404, STR("NoSuchBucket"), STR("The specified bucket does not exist"),
                              "BucketName", in->Bucket};
    if (site.target->found && !site.target->by_point) {
        TRY(setting_get(call, &site.target->bucket, S3_SETTING_WEBSITE, (struct str){0},
                        &site.website, &found));
        problem.code = STR("NoSuchWebsiteConfiguration");
        problem.message = STR("The specified bucket does not have a website configuration");
    }
    if (!found) {
        send_problem(&site, &problem, NULL);
        return RESULT_OK;
    }
    const struct s3_RedirectAllRequestsTo *all = site.website.RedirectAllRequestsTo;
    if (all != NULL) {
        redirect(&site, 301, all->Protocol, all->HostName, site.asked);
        return RESULT_OK;
    }
    return apply_rules(&site, 0) ? RESULT_OK : serve_object(&site);
}

static RESULT serve_root(struct call *call, const struct s3_WebsiteRootRequest *in,
                         struct s3_WebsitePageOutput *out, bool head)
{
    const struct s3_WebsitePageRequest page = {
        .Bucket = in->Bucket,
        .IfMatch = in->IfMatch,
        .IfNoneMatch = in->IfNoneMatch,
        .IfModifiedSince = in->IfModifiedSince,
        .IfUnmodifiedSince = in->IfUnmodifiedSince,
        .Range = in->Range,
    };
    return serve(call, &page, out, head);
}

RESULT s3_GetWebsitePage(struct call *call, const struct s3_WebsitePageRequest *in,
                         struct s3_WebsitePageOutput *out)
{
    return serve(call, in, out, false);
}

RESULT s3_GetWebsiteRoot(struct call *call, const struct s3_WebsiteRootRequest *in,
                         struct s3_WebsitePageOutput *out)
{
    return serve_root(call, in, out, false);
}

RESULT s3_HeadWebsitePage(struct call *call, const struct s3_WebsitePageRequest *in,
                          struct s3_WebsitePageOutput *out)
{
    return serve(call, in, out, true);
}

RESULT s3_HeadWebsiteRoot(struct call *call, const struct s3_WebsiteRootRequest *in,
                          struct s3_WebsitePageOutput *out)
{
    return serve_root(call, in, out, true);
}
