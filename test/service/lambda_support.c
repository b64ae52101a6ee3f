#include "service/lambda_support.h"

#include <zlib.h>

#include "base/buf.h"

static void put16(struct buf *out, unsigned n)
{
    buf_append_char(out, (char)(n & 0xff));
    buf_append_char(out, (char)(n >> 8 & 0xff));
}

static void put32(struct buf *out, unsigned long n)
{
    put16(out, (unsigned)(n & 0xffff));
    put16(out, (unsigned)(n >> 16 & 0xffff));
}

/* What the local and the central header share. */
static void put_common(struct buf *out, const struct zip_file *file)
{
    unsigned long crc =
        crc32(0, (const unsigned char *)file->content.ptr, (unsigned)file->content.len);
    put16(out, 20);
    put16(out, 0);
    put16(out, 0);
    put16(out, 0);
    put16(out, 0x5b75); /* 2025-11-21 */
    put32(out, crc);
    put32(out, file->content.len);
    put32(out, file->content.len);
    put16(out, (unsigned)strlen(file->name));
    put16(out, 0);
}

struct str zip_make(struct arena *arena, const struct zip_file *files, size_t count)
{
    struct buf out;
    size_t starts[16];
    assert_true(count <= 16);
    buf_init(&out, arena, 64 * 1024 * 1024);
    for (size_t i = 0; i < count; i++) {
        starts[i] = out.len;
        put32(&out, 0x04034b50);
        put_common(&out, &files[i]);
        buf_append_c(&out, files[i].name);
        buf_append(&out, files[i].content);
    }
    size_t directory = out.len;
    for (size_t i = 0; i < count; i++) {
        unsigned mode = files[i].mode == 0 ? 0100644 : files[i].mode;
        put32(&out, 0x02014b50);
        put16(&out, 3 << 8 | 20); /* made on Unix */
        put_common(&out, &files[i]);
        put16(&out, 0);
        put16(&out, 0);
        put16(&out, 0);
        put32(&out, (unsigned long)mode << 16);
        put32(&out, starts[i]);
        buf_append_c(&out, files[i].name);
    }
    size_t end = out.len;
    put32(&out, 0x06054b50);
    put32(&out, 0);
    put16(&out, (unsigned)count);
    put16(&out, (unsigned)count);
    put32(&out, end - directory);
    put32(&out, directory);
    put16(&out, 0);
    return buf_str(&out);
}

struct str zip_one(struct loopback *lo, const char *name, const char *content)
{
    const struct zip_file file = {.name = name, .content = str_from_c(content)};
    return zip_make(lo->arena, &file, 1);
}

struct str lambda_role(struct loopback *lo, const char *name)
{
    const struct iam_CreateRoleResponse *made =
        IAM_OK(lo, CreateRole, .RoleName = str_from_c(name),
               .AssumeRolePolicyDocument = TRUST("Service", "lambda.amazonaws.com"));
    return str_copy(lo->arena, made->Role->Arn);
}

struct str lambda_test_arn(struct loopback *lo, const char *name)
{
    return str_format(lo->arena, "arn:aws:lambda:us-east-1:%.*s:function:%s", PRSTR(lo->account),
                      name);
}

struct str lambda_make(struct loopback *lo, const char *name)
{
    struct str role = lambda_role(lo, name);
    struct lambda_FunctionCode code = {.ZipFile = zip_one(lo, "a.py", "def h(e, c): return e\n")};
    LAMBDA_DO(lo, CreateFunction, .FunctionName = str_from_c(name), .Runtime = STR("python3.12"),
              .Role = role, .Handler = STR("a.h"), .Code = &code);
    loopback_advance(lo, 1000);
    return lambda_test_arn(lo, name);
}

void lambda_as_dev(struct loopback *lo, struct str document)
{
    lo->principal = PRINCIPAL_ROOT;
    lo->user = (struct str){0};
    IAM_DO(lo, PutUserPolicy, .UserName = STR("dev"), .PolicyName = STR("p"),
           .PolicyDocument = document);
    lo->principal = PRINCIPAL_USER;
    lo->user = STR("dev");
}
