/* Annotations: texts beside a version, with every refusal. */
#include "service/s3_support.h"

#define IN .Bucket = STR("noted")
#define ON IN, .Key = STR("k")

static void make_object(struct loopback *lo, bool versioned)
{
    s3_bucket(lo, "noted", versioned);
    lo->payload = STR("x"); /* with its checksum, so that a copy need not make one */
    loopback_ok(S3_CALL(lo, PutObject, ON));
    lo->payload = (struct str){0};
}

static struct loopback_reply annotate(struct loopback *lo, struct str name, struct str text)
{
    lo->payload = text;
    struct loopback_reply reply = S3_CALL(lo, PutObjectAnnotation, ON, .AnnotationName = name);
    lo->payload = (struct str){0};
    return reply;
}

static void test_life(void **state)
{
    struct loopback *lo = *state;
    make_object(lo, false);
    const struct s3_PutObjectAnnotationOutput *made =
        loopback_ok(annotate(lo, STR("summary"), STR("good")));
    assert_text(made->AnnotationName, STR("summary"));
    assert_text(made->ETag, STR("\"755f85c2723bb39381c7379a604160d8\""));
    assert_text(made->ServerSideEncryption, STR("AES256"));
    loopback_ok(annotate(lo, STR("summary"), STR("better")));
    loopback_ok(annotate(lo, STR("source"), STR("\xC3\xBC")));
    struct loopback_reply reply =
        S3_CALL(lo, GetObjectAnnotation, ON, .AnnotationName = STR("summary"),
                .ChecksumMode = STR("ENABLED"));
    const struct s3_GetObjectAnnotationOutput *got = loopback_ok(reply);
    assert_text(reply.stream, STR("better"));
    assert_int_equal(got->ContentLength.value, 6);
    assert_text(got->ChecksumType, STR("FULL_OBJECT"));
    const struct s3_ListObjectAnnotationsOutput *list =
        loopback_ok(S3_CALL(lo, ListObjectAnnotations, ON, .MaxAnnotationResults = opt_int(1)));
    assert_int_equal(list->Annotations.len, 1);
    assert_text(list->Annotations.items[0].AnnotationName, STR("source"));
    list = loopback_ok(
        S3_CALL(lo, ListObjectAnnotations, ON, .ContinuationToken = list->NextContinuationToken));
    assert_text(list->Annotations.items[0].AnnotationName, STR("summary"));
    assert_true(str_is_absent(list->NextContinuationToken));
    list = loopback_ok(S3_CALL(lo, ListObjectAnnotations, ON, .AnnotationPrefix = STR("so")));
    assert_int_equal(list->Annotations.len, 1);
    loopback_ok(S3_CALL(lo, DeleteObjectAnnotation, ON, .AnnotationName = STR("source")));
    loopback_ok(S3_CALL(lo, DeleteObjectAnnotation, ON, .AnnotationName = STR("source")));
    list = loopback_ok(S3_CALL(lo, ListObjectAnnotations, ON));
    assert_int_equal(list->Annotations.len, 1);
    /* They go with their object. */
    loopback_ok(S3_CALL(lo, DeleteObject, ON));
    s3_put(lo, "noted", STR("k"));
    list = loopback_ok(S3_CALL(lo, ListObjectAnnotations, ON));
    assert_int_equal(list->Annotations.len, 0);
}

static void test_wrong(void **state)
{
    struct loopback *lo = *state;
    char long_name[513];
    memset(long_name, 'n', sizeof long_name);
    make_object(lo, false);
    loopback_error(annotate(lo, str_make(long_name, 513), STR("x")), "AnnotationNameTooLong",
                   "The annotation name exceeds 512 bytes.");
    static const struct str names[] = {STR_INIT("aws"), STR_INIT("AWS-x"), STR_INIT("S3thing"),
                                       STR_INIT("\xFF")};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        loopback_error(annotate(lo, names[i], STR("x")), "InvalidAnnotationName",
                       "The annotation name you provided is invalid.");
    loopback_error(annotate(lo, STR("n"), STR("")), "InvalidRequest",
                   "The annotation payload must be between 1 byte and 1 MiB in size.");
    char *large = arena_alloc(lo->arena, (1 << 20) + 1);
    memset(large, 'x', (1 << 20) + 1);
    loopback_error(annotate(lo, STR("n"), str_make(large, (1 << 20) + 1)), "InvalidRequest", NULL);
    loopback_ok(annotate(lo, STR("n"), str_make(large, 1 << 20)));
    loopback_error(annotate(lo, STR("n"), STR("\xC3")), "UnsupportedMediaType",
                   "The annotation payload is not valid UTF-8 encoded text.");
    loopback_error(S3_CALL(lo, GetObjectAnnotation, ON, .AnnotationName = STR("none")),
                   "NoSuchAnnotation", "The specified annotation does not exist on this object.");
    loopback_error(
        S3_CALL(lo, GetObjectAnnotation, IN, .Key = STR("none"), .AnnotationName = STR("n")),
        "NoSuchKey", NULL);
    loopback_error(S3_CALL(lo, ListObjectAnnotations, .Bucket = STR("no-such"), .Key = STR("k")),
                   "NoSuchBucket", NULL);
    loopback_error(S3_CALL(lo, ListObjectAnnotations, ON, .MaxAnnotationResults = opt_int(0)),
                   "InvalidArgument", NULL);
    loopback_error(S3_CALL(lo, ListObjectAnnotations, ON, .MaxAnnotationResults = opt_int(1001)),
                   "InvalidArgument", NULL);
    loopback_error(S3_CALL(lo, ListObjectAnnotations, ON, .ContinuationToken = STR("x")),
                   "InvalidArgument", "The continuation token provided is incorrect");
    loopback_error(
        S3_CALL(lo, ListObjectAnnotations, ON, .AnnotationPrefix = str_make(long_name, 513)),
        "InvalidPrefix", NULL);
    loopback_error(S3_CALL(lo, DeleteObjectAnnotation, ON, .AnnotationName = STR("n"),
                           .ObjectIfMatch = STR("\"x\"")),
                   "PreconditionFailed", NULL);
}

static void test_limit(void **state)
{
    struct loopback *lo = *state;
    make_object(lo, false);
    for (int i = 0; i < 1000; i++)
        loopback_ok(annotate(lo, str_format(lo->arena, "n%d", i), STR("x")));
    loopback_error(annotate(lo, STR("more"), STR("x")), "AnnotationLimitExceeded", NULL);
    loopback_ok(annotate(lo, STR("n7"), STR("y"))); /* one that is there */
}

static void test_versions(void **state)
{
    struct loopback *lo = *state;
    make_object(lo, true);
    const struct s3_PutObjectAnnotationOutput *made =
        loopback_ok(annotate(lo, STR("n"), STR("old")));
    struct str first = made->ObjectVersionId;
    assert_false(str_is_absent(first));
    s3_put(lo, "noted", STR("k"));
    loopback_error(S3_CALL(lo, GetObjectAnnotation, ON, .AnnotationName = STR("n")),
                   "NoSuchAnnotation", NULL);
    struct loopback_reply reply =
        S3_CALL(lo, GetObjectAnnotation, ON, .AnnotationName = STR("n"), .VersionId = first);
    loopback_ok(reply);
    assert_text(reply.stream, STR("old"));
    loopback_ok(S3_CALL(lo, DeleteObject, ON));
    loopback_error(annotate(lo, STR("n"), STR("x")), "DeleteMarkerFound", NULL);
    loopback_error(S3_CALL(lo, ListObjectAnnotations, ON, .VersionId = STR("nonsense")),
                   "InvalidArgument", NULL);
    /* Copies have them, unless told otherwise. */
    loopback_ok(
        S3_CALL(lo, CopyObject, IN, .Key = STR("copy"),
                .CopySource = str_format(lo->arena, "noted/k?versionId=%.*s", PRSTR(first))));
    reply = S3_CALL(lo, GetObjectAnnotation, IN, .Key = STR("copy"), .AnnotationName = STR("n"));
    loopback_ok(reply);
    assert_text(reply.stream, STR("old"));
    loopback_ok(S3_CALL(lo, CopyObject, IN, .Key = STR("bare"),
                        .CopySource = str_format(lo->arena, "noted/k?versionId=%.*s", PRSTR(first)),
                        .AnnotationDirective = STR("EXCLUDE")));
    loopback_error(
        S3_CALL(lo, GetObjectAnnotation, IN, .Key = STR("bare"), .AnnotationName = STR("n")),
        "NoSuchAnnotation", NULL);
}

static void test_locked(void **state)
{
    struct loopback *lo = *state;
    struct s3_ObjectLockLegalHold hold = {.Status = STR("ON")};
    loopback_ok(S3_CALL(lo, CreateBucket, IN, .ObjectLockEnabledForBucket = opt_bool(true)));
    s3_put(lo, "noted", STR("k"));
    loopback_ok(annotate(lo, STR("n"), STR("x")));
    loopback_ok(S3_CALL(lo, PutObjectLegalHold, ON, .LegalHold = &hold));
    loopback_error(S3_CALL(lo, DeleteObjectAnnotation, ON, .AnnotationName = STR("n")),
                   "AccessDenied", "Access Denied because object protected by object lock.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        S3_TEST(test_life),     S3_TEST(test_wrong),  S3_TEST(test_limit),
        S3_TEST(test_versions), S3_TEST(test_locked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
