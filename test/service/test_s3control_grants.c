/* S3 Access Grants: instances, locations, grants, credentials; each with its errors. */
#include "base/vec.h"
#include "cloud/credentials.h"
#include "gen/iam.h"
#include "service/s3control_support.h"

#define INSTANCE_ARN STR("arn:aws:s3:us-east-1:000000000000:access-grants/default")
#define CENTER STR("arn:aws:sso:::instance/ssoins-1234567890abcdef")
#define NOBODY "You do not have READ permissions to the requested S3 Prefix: "

#define IAM_OK(lo, operation, ...)                                                                 \
    loopback_ok(loopback_call((lo), &iam_model, IAM_OP_##operation,                                \
                              &(struct iam_##operation##Request){__VA_ARGS__}))

static const char trust_text[] =
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":"
    "\"access-grants.s3.amazonaws.com\"},\"Action\":[\"sts:AssumeRole\",\"sts:SetSourceIdentity\"],"
    "\"Condition\":{\"StringEquals\":{\"aws:SourceAccount\":\"000000000000\"},\"ArnEquals\":"
    "{\"aws:SourceArn\":\"arn:aws:s3:us-east-1:000000000000:access-grants/default\"}}}]}";
static const char role_text[] =
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:*\","
    "\"Resource\":\"*\",\"Condition\":{\"ArnEquals\":{\"s3:AccessGrantsInstanceArn\":"
    "\"arn:aws:s3:us-east-1:000000000000:access-grants/default\"}}}]}";

/* Its ARN. */
static struct str make_role(struct loopback *lo, const char *name, const char *trust)
{
    const struct iam_CreateRoleResponse *made =
        IAM_OK(lo, CreateRole, .RoleName = str_from_c(name),
               .AssumeRolePolicyDocument = str_from_c(trust));
    IAM_OK(lo, PutRolePolicy, .RoleName = str_from_c(name), .PolicyName = STR("p"),
           .PolicyDocument = str_from_c(role_text));
    return made->Role->Arn;
}

/* A principal that may ask for what it was granted. */
static struct principal *make_user(struct loopback *lo, const char *account, const char *name)
{
    struct str before = lo->account;
    lo->account = str_from_c(account);
    const struct iam_CreateUserResponse *made =
        IAM_OK(lo, CreateUser, .UserName = str_from_c(name));
    IAM_OK(lo, PutUserPolicy, .UserName = str_from_c(name), .PolicyName = STR("p"),
           .PolicyDocument =
               STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":["
                   "\"s3:GetDataAccess\",\"s3:ListCallerAccessGrants\","
                   "\"s3:GetAccessGrantsInstanceForPrefix\"],\"Resource\":"
                   "\"arn:aws:s3:us-east-1:000000000000:access-grants/default\"}]}"));
    lo->account = before;
    struct principal *who = ARENA_NEW(lo->arena, struct principal);
    *who = (struct principal){.kind = PRINCIPAL_USER,
                              .account = str_from_c(account),
                              .arn = made->User->Arn,
                              .user_id = made->User->UserId,
                              .name = str_from_c(name),
                              .access_key = STR("AKIATEST")};
    return who;
}

/* An instance over all buckets, one of which is "data". */
static void make_instance(struct loopback *lo)
{
    s3_bucket(lo, "data", false);
    struct str role = make_role(lo, "all", trust_text);
    CONTROL_DO(lo, CreateAccessGrantsInstance, .AccountId = OWNER);
    CONTROL_DO(lo, CreateAccessGrantsLocation, .AccountId = OWNER, .LocationScope = STR("s3://"),
               .IAMRoleArn = role);
}

static struct loopback_reply grant(struct loopback *lo, struct str grantee, const char *permission,
                                   const char *sub_prefix, bool object)
{
    struct s3control_Grantee whom = {STR("IAM"), grantee};
    struct s3control_AccessGrantsLocationConfiguration part = {str_from_c(sub_prefix)};
    return CONTROL_CALL(lo, CreateAccessGrant, .AccountId = OWNER,
                        .AccessGrantsLocationId = STR("default"), .Grantee = &whom,
                        .Permission = str_from_c(permission),
                        .AccessGrantsLocationConfiguration = &part,
                        .S3PrefixType = object ? STR("Object") : (struct str){0});
}

struct asked {
    const char *target, *permission, *privilege, *type;
    int duration;
};

static struct loopback_reply ask(struct loopback *lo, const struct principal *who,
                                 struct asked asked)
{
    lo->who = who;
    struct loopback_reply reply =
        CONTROL_CALL(lo, GetDataAccess, .AccountId = OWNER, .Target = str_from_c(asked.target),
                     .Permission = str_from_c(asked.permission == NULL ? "READ" : asked.permission),
                     .Privilege = str_from_c(asked.privilege), .TargetType = str_from_c(asked.type),
                     .DurationSeconds = {asked.duration != 0, asked.duration});
    lo->who = NULL;
    return reply;
}

#define ASK(lo, who, ...) ask((lo), (who), (struct asked){__VA_ARGS__})
#define ASK_OK(lo, who, ...)                                                                       \
    ((const struct s3control_GetDataAccessResult *)loopback_ok(ASK((lo), (who), __VA_ARGS__)))

/* Whoever signs with what was given out. */
static const struct principal *vended(struct loopback *lo,
                                      const struct s3control_GetDataAccessResult *given)
{
    struct credentials *opened = ARENA_NEW(lo->arena, struct credentials);
    assert_int_equal(session_open(lo->cloud, lo->arena, given->Credentials->AccessKeyId,
                                  given->Credentials->SessionToken, loopback_now(lo), opened),
                     SESSION_OK);
    return &opened->principal;
}

#define AS(lo, principal, operation, ...)                                                          \
    ((lo)->who = (principal), S3_CALL((lo), operation, __VA_ARGS__))

/* --- instances --- */

static void test_instances(void **state)
{
    struct loopback *lo = *state;
    struct s3control_Tag tag = {STR("team"), STR("blue")}, more[51];
    CONTROL_FAILS(lo, "AccessGrantsInstanceNotExistsError", "Access Grants Instance does not exist",
                  GetAccessGrantsInstance, .AccountId = OWNER);
    const struct s3control_CreateAccessGrantsInstanceResult *made = CONTROL_OK(
        lo, CreateAccessGrantsInstance, .AccountId = OWNER, .Tags = {.items = &tag, .len = 1});
    assert_text(made->AccessGrantsInstanceId, STR("default"));
    assert_text(made->AccessGrantsInstanceArn, INSTANCE_ARN);
    assert_int_equal(made->CreatedAt.ms, LOOPBACK_NOW);
    assert_true(str_is_absent(made->IdentityCenterArn));
    CONTROL_FAILS(lo, "AccessGrantsInstanceAlreadyExists", "Access Grants Instance already exists",
                  CreateAccessGrantsInstance, .AccountId = OWNER);
    lo->region = STR("eu-west-1"); /* one in each region */
    CONTROL_FAILS(lo, "AccessGrantsInstanceNotExistsError", NULL, GetAccessGrantsInstance,
                  .AccountId = OWNER);
    for (size_t i = 0; i < 51; i++)
        more[i] = (struct s3control_Tag){str_format(lo->arena, "k%zu", i), STR("")};
    CONTROL_FAILS(lo, "TooManyTagsException", NULL, CreateAccessGrantsInstance, .AccountId = OWNER,
                  .Tags = {more, 51});
    more[1].Key = STR("k0");
    CONTROL_FAILS(lo, "InvalidTag", NULL, CreateAccessGrantsInstance, .AccountId = OWNER,
                  .Tags = {more, 2});
    more[1].Key = STR("aws:k");
    CONTROL_FAILS(lo, "InvalidTags", NULL, CreateAccessGrantsInstance, .AccountId = OWNER,
                  .Tags = {more, 2});
    CONTROL_FAILS(lo, "InvalidIdentityCenterInstance", NULL, CreateAccessGrantsInstance,
                  .AccountId = OWNER, .IdentityCenterArn = STR("arn:aws:sso:::instance/other"));
    made =
        CONTROL_OK(lo, CreateAccessGrantsInstance, .AccountId = OWNER, .IdentityCenterArn = CENTER);
    assert_text(made->IdentityCenterInstanceArn, CENTER);
    assert_true(str_starts_with(made->IdentityCenterApplicationArn,
                                STR("arn:aws:sso::000000000000:application/ssoins-"
                                    "1234567890abcdef/apl-")));
    CONTROL_FAILS(lo, "InvalidRequestException", NULL, DeleteAccessGrantsInstance,
                  .AccountId = OWNER);
    CONTROL_FAILS(lo, "InvalidRequestException", NULL, AssociateAccessGrantsIdentityCenter,
                  .AccountId = OWNER, .IdentityCenterArn = CENTER);
    CONTROL_DO(lo, DissociateAccessGrantsIdentityCenter, .AccountId = OWNER);
    CONTROL_FAILS(lo, "InvalidIdentityCenterInstance", NULL, DissociateAccessGrantsIdentityCenter,
                  .AccountId = OWNER);
    CONTROL_DO(lo, AssociateAccessGrantsIdentityCenter, .AccountId = OWNER,
               .IdentityCenterArn = CENTER);
    CONTROL_DO(lo, DissociateAccessGrantsIdentityCenter, .AccountId = OWNER);
    const struct s3control_ListAccessGrantsInstancesResult *list =
        CONTROL_OK(lo, ListAccessGrantsInstances, .AccountId = OWNER);
    assert_int_equal(list->AccessGrantsInstancesList.len, 1);
    CONTROL_FAILS(lo, "InvalidNextTokenException", NULL, ListAccessGrantsInstances,
                  .AccountId = OWNER, .NextToken = STR("x"));
    CONTROL_DO(lo, DeleteAccessGrantsInstance, .AccountId = OWNER);
    assert_int_equal(CONTROL_OK(lo, ListAccessGrantsInstances, .AccountId = OWNER)
                         ->AccessGrantsInstancesList.len,
                     0);
}

static void test_tags(void **state)
{
    struct loopback *lo = *state;
    struct s3control_Tag tags[] = {{STR("team"), STR("blue")}, {STR("aws:x"), STR("")}};
    struct str gone = STR("team");
    make_instance(lo);
    const struct s3control_CreateAccessGrantResult *made =
        loopback_ok(grant(lo, STR("arn:aws:iam::000000000000:user/ann"), "READ", "data/a*", false));
    const struct str arns[] = {INSTANCE_ARN, made->AccessGrantArn,
                               str_concat(lo->arena, INSTANCE_ARN, STR("/location/default"))};
    for (size_t i = 0; i < 3; i++) {
        CONTROL_DO(lo, TagResource, .AccountId = OWNER, .ResourceArn = arns[i], .Tags = {tags, 1});
        const struct s3control_ListTagsForResourceResult *list =
            CONTROL_OK(lo, ListTagsForResource, .AccountId = OWNER, .ResourceArn = arns[i]);
        assert_int_equal(list->Tags.len, 1);
        assert_text(list->Tags.items[0].Value, STR("blue"));
        CONTROL_FAILS(lo, "InvalidTags", NULL, TagResource, .AccountId = OWNER,
                      .ResourceArn = arns[i], .Tags = {tags, 2});
        CONTROL_DO(lo, UntagResource, .AccountId = OWNER, .ResourceArn = arns[i],
                   .TagKeys = {&gone, 1});
        list = CONTROL_OK(lo, ListTagsForResource, .AccountId = OWNER, .ResourceArn = arns[i]);
        assert_int_equal(list->Tags.len, 0);
    }
    CONTROL_FAILS(lo, "NotFoundException", NULL, ListTagsForResource, .AccountId = OWNER,
                  .ResourceArn = str_concat(lo->arena, INSTANCE_ARN, STR("/grant/none")));
    CONTROL_FAILS(lo, "NotFoundException", NULL, ListTagsForResource, .AccountId = OWNER,
                  .ResourceArn = STR("arn:aws:s3:eu-west-1:000000000000:access-grants/default"));
}

/* --- locations --- */

static void test_locations(void **state)
{
    struct loopback *lo = *state;
    s3_bucket(lo, "data", false);
    struct str role = make_role(lo, "r", trust_text);
    CONTROL_FAILS(lo, "AccessGrantsInstanceNotExistsError", NULL, CreateAccessGrantsLocation,
                  .AccountId = OWNER, .LocationScope = STR("s3://"), .IAMRoleArn = role);
    CONTROL_DO(lo, CreateAccessGrantsInstance, .AccountId = OWNER);
    const struct s3control_CreateAccessGrantsLocationResult *made =
        CONTROL_OK(lo, CreateAccessGrantsLocation, .AccountId = OWNER,
                   .LocationScope = STR("s3://"), .IAMRoleArn = role);
    assert_text(made->AccessGrantsLocationId, STR("default"));
    assert_text(made->AccessGrantsLocationArn,
                STR("arn:aws:s3:us-east-1:000000000000:access-grants/default/location/default"));
    made = CONTROL_OK(lo, CreateAccessGrantsLocation, .AccountId = OWNER,
                      .LocationScope = STR("s3://data/a*"), .IAMRoleArn = role);
    assert_int_equal(made->AccessGrantsLocationId.len, 36);
    struct str id = made->AccessGrantsLocationId;
    CONTROL_FAILS(lo, "AccessGrantsLocationAlreadyExistsError", NULL, CreateAccessGrantsLocation,
                  .AccountId = OWNER, .LocationScope = STR("s3://data/a*"), .IAMRoleArn = role);
    static const struct str wrong[] = {STR_INIT("data/a"), STR_INIT("s3://no-such-bucket/a"),
                                       STR_INIT("s3://da*"), STR_INIT("s3:///x")};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CONTROL_FAILS(lo, "InvalidAccessGrantsLocation", NULL, CreateAccessGrantsLocation,
                      .AccountId = OWNER, .LocationScope = wrong[i], .IAMRoleArn = role);
    CONTROL_FAILS(lo, "InvalidIamRole", "The specified IAM Role is invalid",
                  CreateAccessGrantsLocation, .AccountId = OWNER,
                  .LocationScope = STR("s3://data/b"),
                  .IAMRoleArn = STR("arn:aws:iam::000000000000:role/none"));
    struct str second = make_role(lo, "second", trust_text);
    assert_text(CONTROL_OK(lo, UpdateAccessGrantsLocation, .AccountId = OWNER,
                           .AccessGrantsLocationId = id, .IAMRoleArn = second)
                    ->IAMRoleArn,
                second);
    CONTROL_FAILS(lo, "NoSuchAccessGrantsLocationError", NULL, UpdateAccessGrantsLocation,
                  .AccountId = OWNER, .AccessGrantsLocationId = STR("none"), .IAMRoleArn = role);
    const struct s3control_ListAccessGrantsLocationsResult *list =
        CONTROL_OK(lo, ListAccessGrantsLocations, .AccountId = OWNER, .MaxResults = opt_int(1));
    assert_int_equal(list->AccessGrantsLocationsList.len, 1);
    list =
        CONTROL_OK(lo, ListAccessGrantsLocations, .AccountId = OWNER, .NextToken = list->NextToken);
    assert_int_equal(list->AccessGrantsLocationsList.len, 1);
    assert_true(str_is_absent(list->NextToken));
    list = CONTROL_OK(lo, ListAccessGrantsLocations, .AccountId = OWNER,
                      .LocationScope = STR("s3://data/a*"));
    assert_int_equal(list->AccessGrantsLocationsList.len, 1);
    assert_text(list->AccessGrantsLocationsList.items[0].IAMRoleArn, second);
    CONTROL_FAILS(lo, "InvalidNextTokenException", NULL, ListAccessGrantsLocations,
                  .AccountId = OWNER, .NextToken = STR("x"));
    CONTROL_FAILS(lo, "AccessGrantsInstanceNotEmptyError", NULL, DeleteAccessGrantsInstance,
                  .AccountId = OWNER);
    CONTROL_DO(lo, DeleteAccessGrantsLocation, .AccountId = OWNER, .AccessGrantsLocationId = id);
    CONTROL_FAILS(lo, "NoSuchAccessGrantsLocationError",
                  "The specified access grants location does not exist", GetAccessGrantsLocation,
                  .AccountId = OWNER, .AccessGrantsLocationId = id);
}

static void test_many_locations(void **state)
{
    struct loopback *lo = *state;
    make_instance(lo);
    struct str role = STR("arn:aws:iam::000000000000:role/all");
    for (int i = 1; i < 1000; i++)
        CONTROL_DO(lo, CreateAccessGrantsLocation, .AccountId = OWNER,
                   .LocationScope = str_format(lo->arena, "s3://data/%d/", i), .IAMRoleArn = role);
    CONTROL_FAILS(lo, "AccessGrantsLocationsQuotaExceededError",
                  "The access grants location quota has been exceeded. Access Grants Locations "
                  "Quota: 1000. Please reach out to S3 if an increase is required.",
                  CreateAccessGrantsLocation, .AccountId = OWNER, .LocationScope = STR("s3://data"),
                  .IAMRoleArn = role);
}

/* --- grants --- */

static void list_and_delete(struct loopback *lo, struct str ann, struct str application)
{
    const struct s3control_ListAccessGrantsResult *list =
        CONTROL_OK(lo, ListAccessGrants, .AccountId = OWNER);
    assert_int_equal(list->AccessGrantsList.len, 4);
    list = CONTROL_OK(lo, ListAccessGrants, .AccountId = OWNER, .GranteeIdentifier = ann,
                      .Permission = STR("READ"), .MaxResults = opt_int(1));
    assert_int_equal(list->AccessGrantsList.len, 1);
    list = CONTROL_OK(lo, ListAccessGrants, .AccountId = OWNER, .GranteeIdentifier = ann,
                      .Permission = STR("READ"), .NextToken = list->NextToken);
    assert_int_equal(list->AccessGrantsList.len, 1);
    list = CONTROL_OK(lo, ListAccessGrants, .AccountId = OWNER,
                      .GranteeType = STR("DIRECTORY_USER"), .ApplicationArn = application);
    assert_int_equal(list->AccessGrantsList.len, 1);
    CONTROL_FAILS(lo, "AccessGrantsLocationNotEmptyError", NULL, DeleteAccessGrantsLocation,
                  .AccountId = OWNER, .AccessGrantsLocationId = STR("default"));
    list = CONTROL_OK(lo, ListAccessGrants, .AccountId = OWNER);
    for (size_t i = 0; i < list->AccessGrantsList.len; i++)
        CONTROL_DO(lo, DeleteAccessGrant, .AccountId = OWNER,
                   .AccessGrantId = list->AccessGrantsList.items[i].AccessGrantId);
    CONTROL_FAILS(lo, "NoSuchAccessGrantError", "The specified access grant does not exist",
                  GetAccessGrant, .AccountId = OWNER,
                  .AccessGrantId = list->AccessGrantsList.items[0].AccessGrantId);
}

static struct loopback_reply create(struct loopback *lo,
                                    const struct s3control_CreateAccessGrantRequest *in)
{
    return loopback_call(lo, &s3control_model, S3CONTROL_OP_CreateAccessGrant, in);
}

static void test_grants(void **state)
{
    struct loopback *lo = *state;
    struct str ann = STR("arn:aws:iam::000000000000:user/ann");
    make_instance(lo);
    const struct s3control_CreateAccessGrantResult *made =
        loopback_ok(grant(lo, ann, "READ", "data/a*", false));
    assert_text(made->GrantScope, STR("s3://data/a*"));
    assert_true(
        str_starts_with(made->AccessGrantArn, str_concat(lo->arena, INSTANCE_ARN, STR("/grant/"))));
    loopback_error(grant(lo, ann, "READ", "data/a*", false), "AccessGrantAlreadyExists",
                   "The specified access grant already exists");
    loopback_ok(grant(lo, ann, "WRITE", "data/a*", false));
    loopback_ok(grant(lo, ann, "READ", "data/a", true));
    loopback_error(grant(lo, ann, "READ", NULL, false), "InvalidAccessGrant",
                   "The specified Access Grant is invalid"); /* all buckets */
    loopback_error(grant(lo, ann, "READ", "da*", false), "InvalidAccessGrant", NULL);
    loopback_error(grant(lo, ann, "READ", "data", true), "InvalidAccessGrant", NULL);
    loopback_error(grant(lo, STR("ann"), "READ", "data/*", false), "InvalidAccessGrant", NULL);
    loopback_error(grant(lo, STR("arn:aws:iam::000000000000:root"), "READ", "data/*", false),
                   "InvalidAccessGrant", NULL);
    struct s3control_Grantee user = {STR("DIRECTORY_USER"),
                                     STR("83d43802-00b1-7054-db02-f1d683aacba5")};
    struct s3control_AccessGrantsLocationConfiguration part = {STR("data/u/*")};
    struct s3control_CreateAccessGrantRequest directory = {
        .AccountId = OWNER,
        .AccessGrantsLocationId = STR("default"),
        .Grantee = &user,
        .Permission = STR("READ"),
        .AccessGrantsLocationConfiguration = &part,
    };
    loopback_error(create(lo, &directory), "InvalidIdentityCenterInstance", NULL);
    CONTROL_DO(lo, AssociateAccessGrantsIdentityCenter, .AccountId = OWNER,
               .IdentityCenterArn = CENTER);
    struct str application = STR("arn:aws:sso::000000000000:application/ssoins-1/apl-1");
    directory.ApplicationArn = application;
    made = loopback_ok(create(lo, &directory));
    assert_text(made->ApplicationArn, application);
    user.GranteeIdentifier = STR("mateo");
    loopback_error(create(lo, &directory), "InvalidAccessGrant", NULL);
    list_and_delete(lo, ann, application);
    CONTROL_FAILS(lo, "NoSuchAccessGrantsLocationError", NULL, CreateAccessGrant,
                  .AccountId = OWNER, .AccessGrantsLocationId = STR("none"), .Grantee = &user,
                  .Permission = STR("READ"));
    CONTROL_DO(lo, DeleteAccessGrantsLocation, .AccountId = OWNER,
               .AccessGrantsLocationId = STR("default"));
}

/* --- credentials --- */

/* "The scope of the returned temporary access token is the scope of the grant that is closest". */
static void test_closest(void **state)
{
    struct loopback *lo = *state;
    make_instance(lo);
    const struct principal *ann = make_user(lo, "000000000000", "ann");
    static const char *const scopes[] = {"data/*",      "data/bob/*",     "data/bob/reports/*",
                                         "data/bobby*", "data/bob/rest*", "data/zoo/*"};
    for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++)
        loopback_ok(grant(lo, ann->arn, i == 2 ? "READWRITE" : "READ", scopes[i], false));
    loopback_ok(grant(lo, ann->arn, "READ", "data/bob/reports/one", true));
    static const struct {
        const char *target, *permission, *matched; /* NULL: none */
    } cases[] = {
        {"s3://data/bob/*", "READ", "s3://data/bob/*"},
        {"s3://data/bob/r", "READ", "s3://data/bob/*"},
        {"s3://data/bob/reports/file.txt", "READ", "s3://data/bob/reports/*"},
        {"s3://data/bob/reports/one", "READ", "s3://data/bob/reports/one"},
        {"s3://data/bob/reports/one*", "READ", "s3://data/bob/reports/*"},
        {"s3://data/bob/reports/one", "WRITE", "s3://data/bob/reports/*"},
        {"s3://data/bob/reports/", "READWRITE", "s3://data/bob/reports/*"},
        {"s3://data/bobbyx", "READ", "s3://data/bobby*"},
        {"s3://data/b", "READ", "s3://data/*"},
        {"s3://data", "READ", "s3://data/*"},
        {"s3://data/zzz", "READ", "s3://data/*"},
        {"S3://data/zzz", "READ", "s3://data/*"},
        {"s3://data/bob/x", "WRITE", NULL},
        {"s3://data2/x", "READ", NULL},
        {"s3://", "READ", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct loopback_reply reply =
            ASK(lo, ann, .target = cases[i].target, .permission = cases[i].permission);
        if (cases[i].matched == NULL) {
            loopback_error(reply, "AccessDenied", NULL);
            continue;
        }
        const struct s3control_GetDataAccessResult *given = loopback_ok(reply);
        assert_text(given->MatchedGrantTarget, str_from_c(cases[i].matched));
        assert_text(given->MatchedInstanceArn, INSTANCE_ARN);
        assert_text(given->Grantee->GranteeIdentifier, ann->arn);
    }
    assert_text(
        ASK_OK(lo, ann, .target = "s3://data/bob/a", .privilege = "Minimal")->MatchedGrantTarget,
        STR("s3://data/bob/a"));
    loopback_error(ASK(lo, ann, .target = "data/bob"), "InvalidRequestException", NULL);
    loopback_error(ASK(lo, ann, .target = "s3://data/a", .duration = 899), "InvalidRequest", NULL);
    loopback_error(ASK(lo, ann, .target = "s3://data/a", .duration = 43201), "InvalidRequest",
                   NULL);
    loopback_error(ASK(lo, ann, .target = "s3://data/a", .duration = 3601), "StsValidationError",
                   NULL);
    const struct s3control_GetDataAccessResult *given =
        ASK_OK(lo, ann, .target = "s3://data/a", .duration = 900);
    assert_int_equal(given->Credentials->Expiration.ms, LOOPBACK_NOW + 900000);
}

static void test_credentials(void **state)
{
    struct loopback *lo = *state;
    struct str data = STR("data");
    make_instance(lo);
    const struct principal *ann = make_user(lo, "000000000000", "ann");
    static const char *const keys[] = {"a/1", "a/2", "b/1", "a*b"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        s3_put(lo, "data", str_from_c(keys[i]));
    loopback_error(AS(lo, ann, GetObject, .Bucket = data, .Key = STR("a/1")), "AccessDenied", NULL);
    loopback_error(ASK(lo, ann, .target = "s3://data/a/1"), "AccessDenied", NOBODY "s3://data/a/1");
    loopback_error(ASK(lo, NULL, .target = "s3://data/a/1"), "AccessDenied",
                   NOBODY "s3://data/a/1"); /* an account is no grantee */
    loopback_ok(grant(lo, ann->arn, "READWRITE", "data/a/*", false));
    const struct principal *reader = vended(lo, ASK_OK(lo, ann, .target = "s3://data/a/1"));
    assert_true(str_starts_with(reader->arn,
                                STR("arn:aws:sts::000000000000:assumed-role/all/access-grants-")));
    assert_text(reader->session->source_identity, ann->user_id);
    loopback_ok(AS(lo, reader, GetObject, .Bucket = data, .Key = STR("a/1")));
    loopback_ok(AS(lo, reader, GetObject, .Bucket = data, .Key = STR("a/2")));
    loopback_ok(AS(lo, reader, ListObjectsV2, .Bucket = data, .Prefix = STR("a/")));
    loopback_error(AS(lo, reader, ListObjectsV2, .Bucket = data), "BucketAccessDenied", NULL);
    loopback_error(AS(lo, reader, GetObject, .Bucket = data, .Key = STR("b/1")), "AccessDenied",
                   NULL);
    loopback_error(AS(lo, reader, PutObject, .Bucket = data, .Key = STR("a/3")), "AccessDenied",
                   NULL);
    const struct principal *writer =
        vended(lo, ASK_OK(lo, ann, .target = "s3://data/a/*", .permission = "WRITE"));
    loopback_ok(AS(lo, writer, PutObject, .Bucket = data, .Key = STR("a/3")));
    loopback_ok(AS(lo, writer, DeleteObject, .Bucket = data, .Key = STR("a/3")));
    loopback_error(AS(lo, writer, GetObject, .Bucket = data, .Key = STR("a/1")), "AccessDenied",
                   NULL);
    const struct principal *narrow = vended(
        lo, ASK_OK(lo, ann, .target = "s3://data/a/1", .privilege = "Minimal", .type = "Object"));
    loopback_ok(AS(lo, narrow, GetObject, .Bucket = data, .Key = STR("a/1")));
    loopback_error(AS(lo, narrow, GetObject, .Bucket = data, .Key = STR("a/2")), "AccessDenied",
                   NULL);
    lo->who = NULL;
    /* A '*' within a key is no wildcard. */
    loopback_ok(grant(lo, ann->arn, "READ", "data/a*b", true));
    narrow = vended(lo, ASK_OK(lo, ann, .target = "s3://data/a*b", .type = "Object"));
    loopback_ok(AS(lo, narrow, GetObject, .Bucket = data, .Key = STR("a*b")));
    loopback_error(AS(lo, narrow, GetObject, .Bucket = data, .Key = STR("a/b")), "AccessDenied",
                   NULL);
    lo->who = NULL;
    /* What a bound application has nobody else gets. */
    CONTROL_DO(lo, AssociateAccessGrantsIdentityCenter, .AccountId = OWNER,
               .IdentityCenterArn = CENTER);
    struct s3control_Grantee whom = {STR("IAM"), ann->arn};
    struct s3control_AccessGrantsLocationConfiguration part = {STR("data/b/*")};
    CONTROL_DO(lo, CreateAccessGrant, .AccountId = OWNER, .AccessGrantsLocationId = STR("default"),
               .Grantee = &whom, .Permission = STR("READ"),
               .AccessGrantsLocationConfiguration = &part,
               .ApplicationArn = STR("arn:aws:sso::000000000000:application/ssoins-1/apl-1"));
    loopback_error(ASK(lo, ann, .target = "s3://data/b/1"), "AccessDenied", NULL);
}

static void test_roles(void **state)
{
    struct loopback *lo = *state;
    make_instance(lo);
    const struct principal *ann = make_user(lo, "000000000000", "ann");
    loopback_ok(grant(lo, ann->arn, "READ", "data/*", false));
    /* Not trusted, or not for this. */
    IAM_OK(lo, UpdateAssumeRolePolicy, .RoleName = STR("all"),
           .PolicyDocument = STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                                 "\"Principal\":{\"Service\":\"access-grants.s3.amazonaws.com\"},"
                                 "\"Action\":\"sts:AssumeRole\"}]}"));
    loopback_error(ASK(lo, ann, .target = "s3://data/a"), "StsNotAuthorizedError",
                   "User: access-grants.s3.amazonaws.com is not authorized to perform: "
                   "sts:SetSourceIdentity on resource: arn:aws:iam::000000000000:role/all");
    IAM_OK(lo, UpdateAssumeRolePolicy, .RoleName = STR("all"),
           .PolicyDocument = STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                                 "\"Principal\":{\"Service\":\"lambda.amazonaws.com\"},"
                                 "\"Action\":\"sts:AssumeRole\"}]}"));
    loopback_error(ASK(lo, ann, .target = "s3://data/a"), "StsNotAuthorizedError",
                   "User: access-grants.s3.amazonaws.com is not authorized to perform: "
                   "sts:AssumeRole on resource: arn:aws:iam::000000000000:role/all");
    IAM_OK(lo, DeleteRolePolicy, .RoleName = STR("all"), .PolicyName = STR("p"));
    IAM_OK(lo, DeleteRole, .RoleName = STR("all"));
    loopback_error(ASK(lo, ann, .target = "s3://data/a"), "StsNotAuthorizedError", NULL);
    /* To a role: whoever has a session of it. */
    make_role(lo, "all", trust_text);
    struct str app = make_role(lo, "app", trust_text);
    IAM_OK(lo, PutRolePolicy, .RoleName = STR("app"), .PolicyName = STR("p"),
           .PolicyDocument = STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                                 "\"Action\":\"s3:GetDataAccess\",\"Resource\":\"*\"}]}"));
    loopback_ok(grant(lo, app, "READ", "data/*", false));
    const struct session session = {
        .role_arn = app, .name = STR("s"), .expires_ms = LOOPBACK_NOW + 1};
    const struct principal who = {.kind = PRINCIPAL_ROLE_SESSION,
                                  .account = OWNER,
                                  .arn = STR("arn:aws:sts::000000000000:assumed-role/app/s"),
                                  .user_id = STR("AROA:s"),
                                  .name = STR("app"),
                                  .session = &session};
    loopback_ok(ASK(lo, &who, .target = "s3://data/a"));
}

static void test_caller(void **state)
{
    struct loopback *lo = *state;
    make_instance(lo);
    const struct principal *ann = make_user(lo, "000000000000", "ann");
    loopback_ok(grant(lo, ann->arn, "READ", "data/a*", false));
    loopback_ok(grant(lo, ann->arn, "WRITE", "data/b*", false));
    loopback_ok(grant(lo, STR("arn:aws:iam::000000000000:user/bob"), "READ", "data/*", false));
    lo->who = ann;
    const struct s3control_ListCallerAccessGrantsResult *list =
        CONTROL_OK(lo, ListCallerAccessGrants, .AccountId = OWNER, .MaxResults = opt_int(1));
    assert_int_equal(list->CallerAccessGrantsList.len, 1);
    assert_text(list->CallerAccessGrantsList.items[0].GrantScope, STR("s3://data/a*"));
    assert_text(list->CallerAccessGrantsList.items[0].ApplicationArn, STR("NA"));
    list = CONTROL_OK(lo, ListCallerAccessGrants, .AccountId = OWNER, .NextToken = list->NextToken);
    assert_int_equal(list->CallerAccessGrantsList.len, 1);
    list = CONTROL_OK(lo, ListCallerAccessGrants, .AccountId = OWNER,
                      .GrantScope = STR("s3://data/b"));
    assert_int_equal(list->CallerAccessGrantsList.len, 1);
    assert_text(list->CallerAccessGrantsList.items[0].Permission, STR("WRITE"));
    CONTROL_FAILS(lo, "InvalidRequestException", NULL, ListCallerAccessGrants, .AccountId = OWNER,
                  .GrantScope = STR("data"));
    CONTROL_FAILS(lo, "AccessDenied", NULL, ListAccessGrants, .AccountId = OWNER);
    lo->who = NULL;
    assert_int_equal(
        CONTROL_OK(lo, ListCallerAccessGrants, .AccountId = OWNER)->CallerAccessGrantsList.len, 0);
}

/* --- other accounts --- */

static void test_other_accounts(void **state)
{
    struct loopback *lo = *state;
    make_instance(lo);
    s3_put(lo, "data", STR("a"));
    const struct principal *eve = make_user(lo, "111111111111", "eve");
    loopback_ok(grant(lo, eve->arn, "READ", "data/*", false));
    CONTROL_FAILS(lo, "AccessGrantsInstanceResourcePolicyNotExists", NULL,
                  GetAccessGrantsInstanceResourcePolicy, .AccountId = OWNER);
    loopback_error(ASK(lo, eve, .target = "s3://data/a"), "AccessDenied", NULL);
    static const struct str wrong[] = {
        STR_INIT("x"),
        STR_INIT("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":"
                 "{\"AWS\":\"111111111111\"},\"Action\":\"s3:GetDataAccess\",\"Resource\":"
                 "\"arn:aws:s3:::data\"}]}"),
        STR_INIT("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":"
                 "{\"AWS\":\"111111111111\"},\"Action\":\"sqs:SendMessage\",\"Resource\":\"*\"}]}"),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CONTROL_FAILS(lo, "InvalidResourcePolicy", "The specified Resource Policy is invalid",
                      PutAccessGrantsInstanceResourcePolicy, .AccountId = OWNER,
                      .Policy = wrong[i]);
    struct str policy =
        STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":"
            "{\"AWS\":\"111111111111\"},\"Action\":[\"s3:GetDataAccess\","
            "\"s3:GetAccessGrantsInstanceForPrefix\"],\"Resource\":"
            "\"arn:aws:s3:us-east-1:000000000000:access-grants/default\"}]}");
    CONTROL_DO(lo, PutAccessGrantsInstanceResourcePolicy, .AccountId = OWNER, .Policy = policy);
    assert_text(CONTROL_OK(lo, GetAccessGrantsInstanceResourcePolicy, .AccountId = OWNER)->Policy,
                policy);
    const struct principal *reader = vended(lo, ASK_OK(lo, eve, .target = "s3://data/a"));
    loopback_ok(AS(lo, reader, GetObject, .Bucket = STR("data"), .Key = STR("a")));
    lo->who = eve;
    assert_text(CONTROL_OK(lo, GetAccessGrantsInstanceForPrefix, .AccountId = STR("111111111111"),
                           .S3Prefix = STR("s3://data/a"))
                    ->AccessGrantsInstanceArn,
                INSTANCE_ARN);
    CONTROL_FAILS(lo, "AccessDenied", NULL, ListCallerAccessGrants, .AccountId = OWNER);
    CONTROL_FAILS(lo, "AccessDenied", NULL, GetAccessGrantsInstance, .AccountId = OWNER);
    lo->who = NULL;
    CONTROL_DO(lo, DeleteAccessGrantsInstanceResourcePolicy, .AccountId = OWNER);
    loopback_error(ASK(lo, eve, .target = "s3://data/a"), "AccessDenied", NULL);
    CONTROL_FAILS(lo, "AccessGrantsInstanceResourcePolicyNotExists", NULL,
                  DeleteAccessGrantsInstanceResourcePolicy, .AccountId = OWNER);
    CONTROL_FAILS(lo, "AccessGrantsInstanceNotExistsError", NULL, GetAccessGrantsInstanceForPrefix,
                  .AccountId = OWNER, .S3Prefix = STR("s3://no-such-bucket/a"));
    CONTROL_FAILS(lo, "InvalidRequestException", NULL, GetAccessGrantsInstanceForPrefix,
                  .AccountId = OWNER, .S3Prefix = STR("data"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        S3_TEST(test_instances),      S3_TEST(test_tags),   S3_TEST(test_locations),
        S3_TEST(test_many_locations), S3_TEST(test_grants), S3_TEST(test_closest),
        S3_TEST(test_credentials),    S3_TEST(test_roles),  S3_TEST(test_caller),
        S3_TEST(test_other_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
