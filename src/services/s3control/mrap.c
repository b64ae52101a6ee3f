#include "services/s3control/mrap.h"

#include "auth/policy_words.h"
#include "base/rng.h"
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/bucket_policy.h"
#include "services/s3control/s3control_int.h"
#include "store/record.h"

/* "Multi-Region Access Point restrictions and limitations". */
enum { MRAPS_MAX = 100, REGIONS_MAX = 17, ALIAS_LETTERS = 13, ID_LETTERS = 26 };

/* (kind, account, name) */
static struct key mrap_key(struct call *call, const char *kind, struct str account, struct str name)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, str_from_c(kind));
    key_str(&key, account);
    if (!str_is_absent(name))
        key_str(&key, name);
    return key;
}

static RESULT mrap_find(struct call *call, struct str account, struct str name,
                        struct s3control_mrap *out, bool *found)
{
    struct key key = mrap_key(call, "s3control-mrap", account, name);
    return call_get_record_copy(call, &key, &s3control_model, S3CONTROL_SHAPE_mrap, out, found);
}

/* What S3 goes by, of one that is ready. */
static RESULT mrap_route(struct call *call, const struct s3control_mrap *mrap)
{
    struct cloud_multi_region_point point = {
        .alias = mrap->alias,
        .account = mrap->account,
        .policy = mrap->policy,
        .public_access = mrap->public_access,
        .routes = {ARENA_ARRAY(call->arena, mrap->regions.len + 1, struct cloud_route),
                   mrap->regions.len},
    };
    if (!str_eq(mrap->status, STR("READY")))
        return multi_region_delete(call, mrap->alias);
    for (size_t i = 0; i < mrap->regions.len; i++)
        point.routes.items[i] = (struct cloud_route){
            .bucket = mrap->regions.items[i].bucket,
            .bucket_account = mrap->regions.items[i].account,
            .region = mrap->regions.items[i].region,
            .active = mrap->regions.items[i].dial > 0,
        };
    return multi_region_put(call, &point);
}

static RESULT mrap_put(struct call *call, const struct s3control_mrap *mrap)
{
    struct key key = mrap_key(call, "s3control-mrap", mrap->account, mrap->name);
    TRY(mrap_route(call, mrap));
    return call_put_record(call, &key, &s3control_model, S3CONTROL_SHAPE_mrap, mrap);
}

static RESULT no_such_mrap(struct call *call)
{
    return call_fail(call, S3CONTROL_NO_SUCH_MULTI_REGION_ACCESS_POINT,
                     "The specified Multi-Region Access Point does not exist");
}

static RESULT mrap_open(struct call *call, struct str account, struct str name,
                        struct s3control_mrap *out)
{
    bool found;
    TRY(account_check(call, account));
    TRY(mrap_find(call, account, name, out, &found));
    return found ? RESULT_OK : no_such_mrap(call);
}

/* Few per account: at most 100. */
static RESULT mrap_all(struct call *call, struct str account, struct s3control_mrap **all,
                       size_t *len)
{
    struct key prefix = mrap_key(call, "s3control-mrap", account, (struct str){0});
    struct kv_cursor *cursor;
    size_t cap = 0;
    *all = NULL;
    *len = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct str key, value;
        struct s3control_mrap one;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &s3control_model, S3CONTROL_SHAPE_mrap, value, &one));
        VEC_PUSH(call->arena, *all, *len, cap, one);
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

static struct str random_letters(struct call *call, size_t count)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    struct buf out;
    uint8_t random[ID_LETTERS];
    ASSERT(count <= sizeof random);
    rng_bytes(random, count);
    buf_init(&out, call->arena, count);
    for (size_t i = 0; i < count; i++)
        buf_append_char(&out, letters[random[i] % (i == 0 ? 26 : 36)]);
    return buf_str(&out);
}

static struct str mrap_arn(struct call *call, const struct s3control_mrap *mrap)
{
    return str_format(call->arena, "arn:%.*s:s3::%.*s:accesspoint/%.*s", PRSTR(call->partition),
                      PRSTR(mrap->account), PRSTR(mrap->alias));
}

/* --- requests --- */

static struct str request_arn(struct call *call, const struct s3control_mrap_request *request)
{
    const char *verb = str_starts_with(request->operation, STR("Create"))   ? "create"
                       : str_starts_with(request->operation, STR("Delete")) ? "delete"
                                                                            : "put-policy";
    return str_format(call->arena, "arn:%.*s:s3:us-west-2:%.*s:async-request/mrap/%s/%.*s",
                      PRSTR(call->partition), PRSTR(request->account), verb, PRSTR(request->id));
}

static RESULT request_put(struct call *call, const struct s3control_mrap_request *request)
{
    struct key key = mrap_key(call, "s3control-mrap-request", request->account, request->id);
    return call_put_record(call, &key, &s3control_model, S3CONTROL_SHAPE_mrap_request, request);
}

static RESULT request_find(struct call *call, struct str account, struct str id,
                           struct s3control_mrap_request *request, bool *found)
{
    struct key key = mrap_key(call, "s3control-mrap-request", account, id);
    return call_get_record_copy(call, &key, &s3control_model, S3CONTROL_SHAPE_mrap_request, request,
                                found);
}

/* The same client token again is the same request. */
static RESULT request_again(struct call *call, struct str account, struct str client_token,
                            struct str operation, struct str name, struct str *arn)
{
    struct key key = mrap_key(call, "s3control-mrap-token", account, client_token);
    struct s3control_mrap_request request;
    struct str id;
    bool found;
    *arn = (struct str){0};
    TRY(account_check(call, account));
    TRY(kv_get(call->txn, key_bytes(&key), &id));
    if (str_is_absent(id))
        return RESULT_OK;
    TRY(request_find(call, account, str_copy(call->arena, id), &request, &found));
    if (!found)
        return FAULT("a client token without its request");
    if (!str_eq(request.operation, operation) || !str_eq(request.name, name))
        return call_fail(call, S3CONTROL_INVALID_REQUEST,
                         "The client token was used for another request.");
    *arn = request_arn(call, &request);
    return RESULT_OK;
}

static RESULT request_post(struct call *call, struct s3control_mrap_request *request,
                           struct str *arn)
{
    request->id = random_letters(call, ID_LETTERS);
    request->created_ms = call->now_ms;
    request->status = STR("INPROGRESS");
    struct key key =
        mrap_key(call, "s3control-mrap-token", request->account, request->client_token);
    TRY(request_put(call, request));
    TRY(kv_put(call->txn, key_bytes(&key), request->id));
    *arn = request_arn(call, request);
    return outbox_post(
        call, STR("s3control.mrap"),
        str_concat(call->arena, STR("s3control.mrap/"), request->account),
        str_format(call->arena, "%.*s/%.*s", PRSTR(request->account), PRSTR(request->id)));
}

RESULT mrap_deliver(struct call *call, const struct outbox_item *item)
{
    struct s3control_mrap_request request;
    struct s3control_mrap mrap;
    struct str account, id;
    bool found, there;
    if (!str_cut(item->payload, '/', &account, &id))
        return FAULT("a broken request for a multi-region access point");
    TRY(request_find(call, account, id, &request, &found));
    if (!found)
        return RESULT_OK;
    TRY(mrap_find(call, account, request.name, &mrap, &there));
    request.status = there ? STR("SUCCEEDED") : STR("FAILED");
    TRY(request_put(call, &request));
    if (!there)
        return RESULT_OK;
    if (str_starts_with(request.operation, STR("Delete"))) {
        struct key key = mrap_key(call, "s3control-mrap", account, request.name);
        return kv_delete(call->txn, key_bytes(&key), NULL);
    }
    if (str_starts_with(request.operation, STR("Create")))
        mrap.status = STR("READY");
    else
        mrap.policy = request.policy;
    return mrap_put(call, &mrap);
}

/* --- creating, deleting --- */

static RESULT region_of(struct call *call, const struct s3control_Region *given, struct str account,
                        struct s3control_mrap_region *out)
{
    struct str owner = str_is_absent(given->BucketAccountId) ? account : given->BucketAccountId;
    struct bucket_found found;
    TRY(bucket_head(call, given->Bucket, owner, &found));
    if (str_is_absent(found.region))
        return call_fail(call, S3CONTROL_INVALID_REQUEST,
                         "The bucket %.*s does not exist, or is not of the account.",
                         PRSTR(given->Bucket));
    *out = (struct s3control_mrap_region){
        .bucket = given->Bucket,
        .region = found.region,
        .account = owner,
        .dial = 100,
    };
    return RESULT_OK;
}

static RESULT read_regions(struct call *call, const struct s3control_RegionCreationList *given,
                           struct str account, struct s3control_list_mrap_region *out)
{
    if (given->len == 0 || given->len > REGIONS_MAX)
        return call_fail(call, S3CONTROL_INVALID_REQUEST,
                         "A Multi-Region Access Point has 1 to 17 buckets.");
    out->items = ARENA_ARRAY(call->arena, given->len, struct s3control_mrap_region);
    for (size_t i = 0; i < given->len; i++) {
        TRY(region_of(call, &given->items[i], account, &out->items[i]));
        for (size_t j = 0; j < i; j++)
            if (str_eq(out->items[i].region, out->items[j].region))
                return call_fail(call, S3CONTROL_INVALID_REQUEST,
                                 "A Multi-Region Access Point has at most one bucket in a Region.");
    }
    out->len = given->len;
    return RESULT_OK;
}

RESULT
s3control_CreateMultiRegionAccessPoint(
    struct call *call, const struct s3control_CreateMultiRegionAccessPointRequest *in,
    struct s3control_CreateMultiRegionAccessPointResult *out)
{
    const struct s3control_CreateMultiRegionAccessPointInput *wanted = in->Details;
    struct s3control_mrap mrap, *all;
    bool found;
    size_t count;
    TRY(request_again(call, in->AccountId, in->ClientToken, STR("CreateMultiRegionAccessPoint"),
                      wanted->Name, &out->RequestTokenARN));
    if (!str_is_absent(out->RequestTokenARN))
        return RESULT_OK;
    TRY(mrap_find(call, in->AccountId, wanted->Name, &mrap, &found));
    if (found)
        return call_fail(call, S3CONTROL_MULTI_REGION_ACCESS_POINT_ALREADY_OWNED_BY_YOU,
                         "You already own a Multi-Region Access Point of this name.");
    TRY(mrap_all(call, in->AccountId, &all, &count));
    if (count >= MRAPS_MAX)
        return call_fail(call, S3CONTROL_INVALID_REQUEST,
                         "The account has 100 Multi-Region Access Points, the most it may have.");
    mrap = (struct s3control_mrap){
        .name = wanted->Name,
        .alias = str_concat(call->arena, random_letters(call, ALIAS_LETTERS), STR(".mrap")),
        .account = in->AccountId,
        .created_ms = call->now_ms,
        .public_access = wanted->PublicAccessBlock == NULL
                             ? ACCESS_ALL
                             : public_access_bits(wanted->PublicAccessBlock),
        .status = STR("CREATING"),
    };
    TRY(read_regions(call, &wanted->Regions, in->AccountId, &mrap.regions));
    TRY(mrap_put(call, &mrap));
    struct s3control_mrap_request request = {
        .account = in->AccountId,
        .operation = STR("CreateMultiRegionAccessPoint"),
        .name = mrap.name,
        .public_access = mrap.public_access,
        .regions = mrap.regions,
        .client_token = in->ClientToken,
    };
    return request_post(call, &request, &out->RequestTokenARN);
}

RESULT
s3control_DeleteMultiRegionAccessPoint(
    struct call *call, const struct s3control_DeleteMultiRegionAccessPointRequest *in,
    struct s3control_DeleteMultiRegionAccessPointResult *out)
{
    struct s3control_mrap mrap;
    TRY(request_again(call, in->AccountId, in->ClientToken, STR("DeleteMultiRegionAccessPoint"),
                      in->Details->Name, &out->RequestTokenARN));
    if (!str_is_absent(out->RequestTokenARN))
        return RESULT_OK;
    TRY(mrap_open(call, in->AccountId, in->Details->Name, &mrap));
    mrap.status = STR("DELETING");
    TRY(mrap_put(call, &mrap));
    struct s3control_mrap_request request = {
        .account = in->AccountId,
        .operation = STR("DeleteMultiRegionAccessPoint"),
        .name = mrap.name,
        .regions = mrap.regions,
        .client_token = in->ClientToken,
    };
    return request_post(call, &request, &out->RequestTokenARN);
}

/* --- what became of a request --- */

static void show_parameters(struct call *call, const struct s3control_mrap_request *request,
                            struct s3control_AsyncRequestParameters *out)
{
    if (str_starts_with(request->operation, STR("Delete"))) {
        out->DeleteMultiRegionAccessPointRequest =
            ARENA_NEW(call->arena, struct s3control_DeleteMultiRegionAccessPointInput);
        out->DeleteMultiRegionAccessPointRequest->Name = request->name;
        return;
    }
    if (!str_starts_with(request->operation, STR("Create"))) {
        out->PutMultiRegionAccessPointPolicyRequest =
            ARENA_NEW(call->arena, struct s3control_PutMultiRegionAccessPointPolicyInput);
        out->PutMultiRegionAccessPointPolicyRequest->Name = request->name;
        out->PutMultiRegionAccessPointPolicyRequest->Policy = request->policy;
        return;
    }
    struct s3control_CreateMultiRegionAccessPointInput *create =
        ARENA_NEW(call->arena, struct s3control_CreateMultiRegionAccessPointInput);
    struct s3control_PublicAccessBlockConfiguration *block =
        ARENA_NEW(call->arena, struct s3control_PublicAccessBlockConfiguration);
    *block = *public_access_shown(call, request->public_access);
    create->Name = request->name;
    create->PublicAccessBlock = block;
    create->Regions.len = request->regions.len;
    create->Regions.items =
        ARENA_ARRAY(call->arena, request->regions.len + 1, struct s3control_Region);
    for (size_t i = 0; i < request->regions.len; i++)
        create->Regions.items[i] = (struct s3control_Region){
            .Bucket = request->regions.items[i].bucket,
            .BucketAccountId = request->regions.items[i].account,
        };
    out->CreateMultiRegionAccessPointRequest = create;
}

RESULT
s3control_DescribeMultiRegionAccessPointOperation(
    struct call *call, const struct s3control_DescribeMultiRegionAccessPointOperationRequest *in,
    struct s3control_DescribeMultiRegionAccessPointOperationResult *out)
{
    struct s3control_mrap_request request;
    struct arn arn;
    bool found = false;
    TRY(account_check(call, in->AccountId));
    if (arn_parse(in->RequestTokenARN, &arn)) {
        size_t slash = str_find_last_char(arn.resource, '/');
        struct str id =
            str_slice(arn.resource, slash == SIZE_MAX ? 0 : slash + 1, arn.resource.len);
        if (str_eq(arn.account, in->AccountId) && !str_is_empty(id))
            TRY(request_find(call, in->AccountId, id, &request, &found));
    }
    if (!found || !str_eq(request_arn(call, &request), in->RequestTokenARN))
        return call_fail(call, S3CONTROL_NO_SUCH_ASYNC_REQUEST,
                         "The specified async request does not exist");
    struct s3control_AsyncOperation *shown =
        ARENA_NEW(call->arena, struct s3control_AsyncOperation);
    struct s3control_AsyncResponseDetails *details =
        ARENA_NEW(call->arena, struct s3control_AsyncResponseDetails);
    struct s3control_MultiRegionAccessPointsAsyncResponse *regions =
        ARENA_NEW(call->arena, struct s3control_MultiRegionAccessPointsAsyncResponse);
    shown->CreationTime = opt_time(request.created_ms);
    shown->Operation = request.operation;
    shown->RequestTokenARN = in->RequestTokenARN;
    shown->RequestStatus = request.status;
    shown->RequestParameters = ARENA_NEW(call->arena, struct s3control_AsyncRequestParameters);
    show_parameters(call, &request, shown->RequestParameters);
    regions->Regions.len = request.regions.len;
    regions->Regions.items = ARENA_ARRAY(call->arena, request.regions.len + 1,
                                         struct s3control_MultiRegionAccessPointRegionalResponse);
    for (size_t i = 0; i < request.regions.len; i++)
        regions->Regions.items[i] = (struct s3control_MultiRegionAccessPointRegionalResponse){
            .Name = request.regions.items[i].region, .RequestStatus = request.status};
    details->MultiRegionAccessPointDetails = regions;
    shown->ResponseDetails = details;
    out->AsyncOperation = shown;
    return RESULT_OK;
}

/* --- reading --- */

static void mrap_show(struct call *call, const struct s3control_mrap *mrap,
                      struct s3control_MultiRegionAccessPointReport *out)
{
    struct s3control_PublicAccessBlockConfiguration *block =
        ARENA_NEW(call->arena, struct s3control_PublicAccessBlockConfiguration);
    *block = *public_access_shown(call, mrap->public_access);
    out->Name = mrap->name;
    out->Alias = mrap->alias;
    out->CreatedAt = opt_time(mrap->created_ms);
    out->PublicAccessBlock = block;
    out->Status = mrap->status;
    out->Regions.len = mrap->regions.len;
    out->Regions.items =
        ARENA_ARRAY(call->arena, mrap->regions.len + 1, struct s3control_RegionReport);
    for (size_t i = 0; i < mrap->regions.len; i++)
        out->Regions.items[i] =
            (struct s3control_RegionReport){.Bucket = mrap->regions.items[i].bucket,
                                            .Region = mrap->regions.items[i].region,
                                            .BucketAccountId = mrap->regions.items[i].account};
}

RESULT
s3control_GetMultiRegionAccessPoint(struct call *call,
                                    const struct s3control_GetMultiRegionAccessPointRequest *in,
                                    struct s3control_GetMultiRegionAccessPointResult *out)
{
    struct s3control_mrap mrap;
    TRY(mrap_open(call, in->AccountId, in->Name, &mrap));
    out->AccessPoint = ARENA_NEW(call->arena, struct s3control_MultiRegionAccessPointReport);
    mrap_show(call, &mrap, out->AccessPoint);
    return RESULT_OK;
}

/* NextToken and MaxResults: "Not currently used." */
RESULT
s3control_ListMultiRegionAccessPoints(struct call *call,
                                      const struct s3control_ListMultiRegionAccessPointsRequest *in,
                                      struct s3control_ListMultiRegionAccessPointsResult *out)
{
    struct s3control_mrap *all;
    size_t count;
    TRY(account_check(call, in->AccountId));
    TRY(mrap_all(call, in->AccountId, &all, &count));
    out->AccessPoints.len = count;
    out->AccessPoints.items =
        ARENA_ARRAY(call->arena, count + 1, struct s3control_MultiRegionAccessPointReport);
    for (size_t i = 0; i < count; i++)
        mrap_show(call, &all[i], &out->AccessPoints.items[i]);
    return RESULT_OK;
}

/* --- policies --- */

RESULT
s3control_PutMultiRegionAccessPointPolicy(
    struct call *call, const struct s3control_PutMultiRegionAccessPointPolicyRequest *in,
    struct s3control_PutMultiRegionAccessPointPolicyResult *out)
{
    struct s3control_mrap mrap;
    struct str reason = {0};
    bool is_public;
    int64_t account;
    TRY(request_again(call, in->AccountId, in->ClientToken, STR("PutMultiRegionAccessPointPolicy"),
                      in->Details->Name, &out->RequestTokenARN));
    if (!str_is_absent(out->RequestTokenARN))
        return RESULT_OK;
    TRY(mrap_open(call, in->AccountId, in->Details->Name, &mrap));
    const struct policy_guarded guarded = {.point_arn = mrap_arn(call, &mrap)};
    enum result result =
        bucket_policy_check(call, &guarded, in->Details->Policy, &is_public, &reason);
    if (result == RESULT_ERROR)
        return call_fail(call, S3CONTROL_MALFORMED_POLICY, "%.*s", PRSTR(reason));
    TRY(result);
    TRY(account_public_access(call, mrap.account, &account));
    if (is_public && ((mrap.public_access | account) & ACCESS_BLOCK_POLICY) != 0)
        return call_fail(call, WIRE_ACCESS_DENIED, "Access Denied");
    mrap.proposed = in->Details->Policy;
    TRY(mrap_put(call, &mrap));
    struct s3control_mrap_request request = {
        .account = in->AccountId,
        .operation = STR("PutMultiRegionAccessPointPolicy"),
        .name = mrap.name,
        .policy = in->Details->Policy,
        .regions = mrap.regions,
        .client_token = in->ClientToken,
    };
    return request_post(call, &request, &out->RequestTokenARN);
}

RESULT
s3control_GetMultiRegionAccessPointPolicy(
    struct call *call, const struct s3control_GetMultiRegionAccessPointPolicyRequest *in,
    struct s3control_GetMultiRegionAccessPointPolicyResult *out)
{
    struct s3control_mrap mrap;
    TRY(mrap_open(call, in->AccountId, in->Name, &mrap));
    struct s3control_MultiRegionAccessPointPolicyDocument *shown =
        ARENA_NEW(call->arena, struct s3control_MultiRegionAccessPointPolicyDocument);
    if (!str_is_absent(mrap.policy)) {
        shown->Established =
            ARENA_NEW(call->arena, struct s3control_EstablishedMultiRegionAccessPointPolicy);
        shown->Established->Policy = mrap.policy;
    }
    if (!str_is_absent(mrap.proposed)) {
        shown->Proposed =
            ARENA_NEW(call->arena, struct s3control_ProposedMultiRegionAccessPointPolicy);
        shown->Proposed->Policy = mrap.proposed;
    }
    out->Policy = shown;
    return RESULT_OK;
}

RESULT
s3control_GetMultiRegionAccessPointPolicyStatus(
    struct call *call, const struct s3control_GetMultiRegionAccessPointPolicyStatusRequest *in,
    struct s3control_GetMultiRegionAccessPointPolicyStatusResult *out)
{
    struct s3control_mrap mrap;
    const struct policy *policy;
    struct str reason = {0};
    bool is_public = false;
    TRY(mrap_open(call, in->AccountId, in->Name, &mrap));
    if (!str_is_absent(mrap.policy)) {
        if (policy_compile(call->arena, mrap.policy, POLICY_FORM_RESOURCE, &policy, &reason) !=
            RESULT_OK)
            return FAULT("a multi-region access point's policy does not compile");
        is_public = policy_is_public(call->arena, policy);
    }
    out->Established = ARENA_NEW(call->arena, struct s3control_PolicyStatus);
    out->Established->IsPublic = opt_bool(is_public);
    return RESULT_OK;
}

/* --- routes --- */

/* By ARN, by alias. */
static RESULT mrap_by_alias(struct call *call, struct str account, struct str text,
                            struct s3control_mrap *out)
{
    struct arn arn;
    struct s3control_mrap *all;
    size_t count;
    struct str kind = STR("accesspoint/");
    TRY(account_check(call, account));
    if (arn_parse(text, &arn) && str_starts_with(arn.resource, kind))
        text = str_slice(arn.resource, kind.len, arn.resource.len);
    TRY(mrap_all(call, account, &all, &count));
    for (size_t i = 0; i < count; i++) {
        if (str_eq(all[i].alias, text)) {
            *out = all[i];
            return RESULT_OK;
        }
    }
    return no_such_mrap(call);
}

RESULT s3control_GetMultiRegionAccessPointRoutes(
    struct call *call, const struct s3control_GetMultiRegionAccessPointRoutesRequest *in,
    struct s3control_GetMultiRegionAccessPointRoutesResult *out)
{
    struct s3control_mrap mrap;
    TRY(mrap_by_alias(call, in->AccountId, in->Mrap, &mrap));
    out->Mrap = mrap_arn(call, &mrap);
    out->Routes.len = mrap.regions.len;
    out->Routes.items = ARENA_ARRAY(call->arena, mrap.regions.len + 1,
                                    struct s3control_MultiRegionAccessPointRoute);
    for (size_t i = 0; i < mrap.regions.len; i++)
        out->Routes.items[i] = (struct s3control_MultiRegionAccessPointRoute){
            .Bucket = mrap.regions.items[i].bucket,
            .Region = mrap.regions.items[i].region,
            .TrafficDialPercentage = opt_int((int32_t)mrap.regions.items[i].dial)};
    return RESULT_OK;
}

static RESULT route_update(struct call *call, struct s3control_mrap *mrap,
                           const struct s3control_MultiRegionAccessPointRoute *route)
{
    if (route->TrafficDialPercentage.value != 0 && route->TrafficDialPercentage.value != 100)
        return call_fail(call, S3CONTROL_INVALID_REQUEST,
                         "TrafficDialPercentage must be 0 or 100.");
    if (str_is_absent(route->Bucket) && str_is_absent(route->Region))
        return call_fail(call, S3CONTROL_INVALID_REQUEST,
                         "Either the Bucket or the Region value must be provided.");
    for (size_t i = 0; i < mrap->regions.len; i++) {
        struct s3control_mrap_region *one = &mrap->regions.items[i];
        if ((!str_is_absent(route->Bucket) && !str_eq(route->Bucket, one->bucket)) ||
            (!str_is_absent(route->Region) && !str_eq(route->Region, one->region)))
            continue;
        one->dial = route->TrafficDialPercentage.value;
        return RESULT_OK;
    }
    return call_fail(call, S3CONTROL_INVALID_REQUEST,
                     "The Multi-Region Access Point has no such bucket or Region.");
}

RESULT
s3control_SubmitMultiRegionAccessPointRoutes(
    struct call *call, const struct s3control_SubmitMultiRegionAccessPointRoutesRequest *in,
    struct s3control_SubmitMultiRegionAccessPointRoutesResult *out)
{
    (void)out;
    struct s3control_mrap mrap;
    bool active = false;
    TRY(mrap_by_alias(call, in->AccountId, in->Mrap, &mrap));
    for (size_t i = 0; i < in->RouteUpdates.len; i++)
        TRY(route_update(call, &mrap, &in->RouteUpdates.items[i]));
    for (size_t i = 0; i < mrap.regions.len; i++)
        active = active || mrap.regions.items[i].dial > 0;
    if (!active)
        return call_fail(call, S3CONTROL_INVALID_REQUEST,
                         "At least one Region must be active at all times.");
    return mrap_put(call, &mrap);
}
