/* A process that ends at every single write while functions and layers come, change and go: no half
 * function, no code that nobody uses, no count that is wrong. */
#include <dirent.h>
#include <unistd.h>

#include "service/lambda_support.h"
#include "store/key.h"
#include "store/record.h"
#include "support/crash.h"

/* --- the child --- */

static void step_done(int tell)
{
    crash_tell(tell, "+", 1);
}

static struct str zip_of(struct loopback *lo, const char *text)
{
    return zip_one(lo, "a.py", text);
}

static void create(struct loopback *lo, const char *name, const char *text, struct str layer)
{
    struct lambda_FunctionCode code = {.ZipFile = zip_of(lo, text)};
    struct str arn = str_format(lo->arena, "arn:aws:iam::%.*s:role/r", PRSTR(lo->account));
    LAMBDA_DO(lo, CreateFunction, .FunctionName = str_from_c(name), .Runtime = STR("python3.12"),
              .Role = arn, .Handler = STR("a.h"), .Code = &code, .Tags = PAIRS(lo, "team", "a"),
              .Layers = {&layer, str_is_absent(layer) ? 0 : 1});
    loopback_advance(lo, 1000);
}

static void update_code(struct loopback *lo, const char *text)
{
    LAMBDA_DO(lo, UpdateFunctionCode, .FunctionName = STR("f"), .ZipFile = zip_of(lo, text),
              .Publish = opt_bool(true));
    loopback_advance(lo, 1000);
}

static void publish(struct loopback *lo)
{
    LAMBDA_DO(lo, UpdateFunctionConfiguration, .FunctionName = STR("f"), .Timeout = opt_int(9));
    loopback_advance(lo, 1000);
    LAMBDA_DO(lo, PublishVersion, .FunctionName = STR("f"));
    LAMBDA_DO(lo, CreateAlias, .FunctionName = STR("f"), .Name = STR("live"),
              .FunctionVersion = STR("2"));
    LAMBDA_DO(lo, AddPermission, .FunctionName = STR("f"), .Qualifier = STR("live"),
              .StatementId = STR("s"), .Action = STR("lambda:InvokeFunction"),
              .Principal = STR("s3.amazonaws.com"));
}

enum { MADE_F = 2, MADE_G = 5, GONE_F = 7, GONE_G = 9, STEPS = 9 };

static void work(struct loopback *lo, int tell)
{
    struct lambda_LayerVersionContentInput content = {.ZipFile = zip_of(lo, "layer")};
    const struct lambda_PublishLayerVersionResponse *layer =
        LAMBDA_OK(lo, PublishLayerVersionResponse, PublishLayerVersion, .LayerName = STR("l"),
                  .Content = &content);
    step_done(tell);
    create(lo, "f", "first", str_copy(lo->arena, layer->LayerVersionArn));
    step_done(tell);
    update_code(lo, "second");
    step_done(tell);
    publish(lo);
    step_done(tell);
    create(lo, "g", "second", (struct str){0});
    step_done(tell);
    LAMBDA_DO(lo, DeleteFunction, .FunctionName = STR("f"), .Qualifier = STR("1"));
    step_done(tell);
    LAMBDA_DO(lo, DeleteFunction, .FunctionName = STR("f"));
    step_done(tell);
    LAMBDA_DO(lo, DeleteLayerVersion, .LayerName = STR("l"), .VersionNumber = opt_long(1));
    step_done(tell);
    LAMBDA_DO(lo, DeleteFunction, .FunctionName = STR("g"));
    step_done(tell);
}

/* --- the parent --- */

struct counted {
    struct str ids[16];
    int64_t uses[16];
    size_t len;
    int64_t functions, code_size;
};

static void use(struct counted *counted, struct str id)
{
    size_t i = 0;
    while (i < counted->len && !str_eq(counted->ids[i], id))
        i++;
    if (i == counted->len)
        counted->ids[counted->len++] = id;
    counted->uses[i]++;
}

static void each(struct loopback *lo, struct kv_txn *txn, const char *kind, bool of_account,
                 void (*take)(struct loopback *lo, struct str value, struct counted *counted),
                 struct counted *counted)
{
    struct kv_cursor *cursor;
    struct key prefix;
    struct str key, value;
    key_init(&prefix, lo->arena);
    if (of_account) {
        key_str(&prefix, STR("lambda"));
        key_str(&prefix, lo->account);
        key_str(&prefix, lo->region);
    }
    key_str(&prefix, str_from_c(kind));
    assert_int_equal(kv_cursor_open(txn, lo->arena, key_bytes(&prefix), false, &cursor), RESULT_OK);
    for (;;) {
        assert_int_equal(kv_next(cursor, &key, &value), RESULT_OK);
        if (str_is_absent(key))
            break;
        take(lo, value, counted);
    }
    kv_cursor_close(cursor);
}

#define DECODED(lo, type, value, out)                                                              \
    assert_int_equal(                                                                              \
        record_decode_copy((lo)->arena, &lambda_model, LAMBDA_SHAPE_##type, (value), (out)),       \
        RESULT_OK)

static void take_function(struct loopback *lo, struct str value, struct counted *counted)
{
    struct lambda_function function;
    DECODED(lo, function, value, &function);
    counted->functions++;
}

static void take_version(struct loopback *lo, struct str value, struct counted *counted)
{
    struct lambda_version version;
    DECODED(lo, version, value, &version);
    counted->code_size += version.code_size;
    use(counted, version.code);
    for (size_t i = 0; i < version.layer_codes.len; i++)
        use(counted, version.layer_codes.items[i]);
}

static void take_layer(struct loopback *lo, struct str value, struct counted *counted)
{
    struct lambda_layer_version version;
    DECODED(lo, layer_version, value, &version);
    counted->code_size += version.code_size;
    use(counted, version.code);
}

/* Each is used, and as often as it says. */
static void take_code(struct loopback *lo, struct str value, struct counted *counted)
{
    struct lambda_code code;
    DECODED(lo, code, value, &code);
    for (size_t i = 0; i < counted->len; i++)
        if (str_eq(counted->ids[i], code.id)) {
            assert_int_equal(code.uses, counted->uses[i]);
            counted->uses[i] = 0;
            return;
        }
    fail_msg("code that nobody uses");
}

static void take_account(struct loopback *lo, struct str value, struct counted *counted)
{
    struct lambda_account account;
    DECODED(lo, account, value, &account);
    assert_int_equal(account.functions, counted->functions);
    assert_int_equal(account.code_size, counted->code_size);
}

static size_t entries(struct loopback *lo, const char *folder)
{
    struct str path = str_format(lo->arena, "%s/%s", lo->directory, folder);
    DIR *directory = opendir(str_to_c(lo->arena, path));
    size_t count = 0;
    if (directory == NULL)
        return 0;
    for (struct dirent *found; (found = readdir(directory)) != NULL;)
        count += found->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* Archives that lie in the blobs' folders when those that were released are collected. */
static size_t blobs(struct loopback *lo)
{
    size_t removed, count = 0;
    blob_store_set_grace(lo->cloud->blobs, 0);
    assert_int_equal(blob_collect(lo->cloud->blobs, lo->cloud->kv, 1000, &removed), RESULT_OK);
    for (unsigned i = 0; i < 256; i++) {
        char folder[32];
        (void)snprintf(folder, sizeof folder, "blobs/%02x", i);
        count += entries(lo, folder);
    }
    return count;
}

/* What stands in the store fits together; how many codes there are. */
static size_t verify_store(struct loopback *lo)
{
    struct counted counted = {0};
    struct kv_txn *txn;
    assert_int_equal(kv_begin(lo->cloud->kv, false, &txn), RESULT_OK);
    each(lo, txn, "function", true, take_function, &counted);
    each(lo, txn, "version", true, take_version, &counted);
    each(lo, txn, "layer-version", true, take_layer, &counted);
    each(lo, txn, "lambda-code", false, take_code, &counted);
    each(lo, txn, "account", true, take_account, &counted);
    kv_abort(txn);
    for (size_t i = 0; i < counted.len; i++)
        assert_int_equal(counted.uses[i], 0); /* all of them have their record */
    return counted.len;
}

static bool is_there(struct loopback *lo, const char *name)
{
    struct loopback_reply reply =
        LAMBDA_CALL(lo, GetFunction, GetFunctionRequest, .FunctionName = str_from_c(name));
    if (reply.result != RESULT_OK) {
        loopback_error(reply, "ResourceNotFoundException", NULL);
        return false;
    }
    const struct lambda_GetFunctionResponse *got = reply.out;
    assert_int_equal(got->Tags.len, 1);
    assert_false(str_is_empty(got->Code->Location));
    return true;
}

static void check_presence(struct loopback *lo, const char *name, int done, int made, int gone)
{
    bool there = is_there(lo, name);
    if (done >= made && done < gone - 1)
        assert_true(there);
    if (done < made - 1 || done >= gone)
        assert_false(there);
}

static void verify(struct loopback *lo, struct str told, bool lived)
{
    int done = (int)told.len; /* a byte for each step */
    assert_true(!lived || done == STEPS);
    size_t codes = verify_store(lo);
    assert_true(entries(lo, "functions/code") <= codes);
    assert_int_equal(blobs(lo), codes);
    check_presence(lo, "f", done, MADE_F, GONE_F);
    check_presence(lo, "g", done, MADE_G, GONE_G);
    /* All of it can still be taken away. */
    if (is_there(lo, "f"))
        LAMBDA_DO(lo, DeleteFunction, .FunctionName = STR("f"));
    if (is_there(lo, "g"))
        LAMBDA_DO(lo, DeleteFunction, .FunctionName = STR("g"));
    LAMBDA_DO(lo, DeleteLayerVersion, .LayerName = STR("l"), .VersionNumber = opt_long(1));
    assert_int_equal(verify_store(lo), 0);
    loopback_reopen(lo); /* what was released a moment ago goes at the next start */
    assert_int_equal(entries(lo, "functions/code"), 0);
    assert_int_equal(blobs(lo), 0);
}

static void prepare(struct loopback *lo)
{
    (void)lambda_role(lo, "r");
}

static void test_every_write(void **state)
{
    (void)state;
    crash_at_every_write(20, prepare, work, verify);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
