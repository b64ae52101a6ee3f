/* The files in the directory:
 *
 *     ca.pem ca.key           the authority, ten years
 *     server.pem server.key   the server's certificate, 397 days (clients refuse longer ones),
 * signed by it
 *
 * The authority is never replaced behind the user's back, for trust was given to it by hand:
 * damaged files are a fault that names them. The server's certificate is made anew whenever it does
 * not fit: names, age, issuer, key. */
#include "http/local_ca.h"

#include "base/buf.h"
#include "base/time.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CA_DAYS = 3650,
    SERVER_DAYS = 397,
    RENEW_DAYS = 30,
    SERIAL_SIZE = 16,
    PEM_MAX = 64 * 1024,
    NAMES_MAX = 16 * 1024,
    DAY_SECONDS = 24 * 60 * 60,
};

struct pair {
    X509 *certificate;
    EVP_PKEY *key;
};

static void pair_release(struct pair *pair)
{
    X509_free(pair->certificate);
    EVP_PKEY_free(pair->key);
    *pair = (struct pair){0};
}

static const char *openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason == NULL ? "OpenSSL failed" : reason;
}

/* Files ------------------------------------------------------------------------------------------
 */

static const char *path_of(struct arena *arena, struct str directory, const char *name)
{
    return str_to_c(arena, str_format(arena, "%.*s/%s", PRSTR(directory), name));
}

/* Absent when there is no such file. */
static RESULT read_file(struct arena *arena, const char *path, struct str *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        *out = (struct str){0};
        return RESULT_OK;
    }
    if (fd < 0)
        return FAULT("%s: %s", path, strerror(errno));
    char *text = arena_alloc_raw(arena, PEM_MAX);
    size_t len = 0;
    ssize_t count;
    while (len < PEM_MAX && (count = read(fd, text + len, PEM_MAX - len)) > 0)
        len += (size_t)count;
    (void)close(fd);
    if (count != 0)
        return FAULT("%s: %s", path, count < 0 ? strerror(errno) : "too large");
    *out = str_make(text, len);
    return RESULT_OK;
}

static bool write_whole(int fd, struct str text)
{
    while (text.len > 0) {
        ssize_t count = write(fd, text.ptr, text.len);
        if (count < 0 && errno != EINTR)
            return false;
        if (count > 0)
            text = str_slice(text, (size_t)count, text.len);
    }
    return fsync(fd) == 0;
}

/* A reader sees the old file or the new one, whole. */
static RESULT write_file(struct arena *arena, const char *path, struct str text, mode_t mode)
{
    const char *fresh = str_to_c(arena, str_format(arena, "%s.new", path));
    (void)unlink(fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return FAULT("%s: %s", fresh, strerror(errno));
    bool good = write_whole(fd, text);
    int error = errno;
    (void)close(fd);
    if (good && rename(fresh, path) == 0)
        return RESULT_OK;
    if (good)
        error = errno;
    (void)unlink(fresh);
    return FAULT("%s: %s", path, strerror(error));
}

static RESULT make_directory(const char *path)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return FAULT("%s: %s", path, strerror(errno));
    return RESULT_OK;
}

/* PEM --------------------------------------------------------------------------------------------
 */

static struct str bio_text(struct arena *arena, BIO *bio)
{
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);
    return len <= 0 ? STR("") : str_copy(arena, str_make(text, (size_t)len));
}

static RESULT to_pem(struct arena *arena, const struct pair *pair, struct str *certificate,
                     struct str *key)
{
    BIO *certificate_bio = BIO_new(BIO_s_mem());
    BIO *key_bio = BIO_new(BIO_s_mem());
    bool good = certificate_bio != NULL && key_bio != NULL &&
                PEM_write_bio_X509(certificate_bio, pair->certificate) == 1 &&
                PEM_write_bio_PrivateKey(key_bio, pair->key, NULL, NULL, 0, NULL, NULL) == 1;
    if (good) {
        *certificate = bio_text(arena, certificate_bio);
        *key = bio_text(arena, key_bio);
    }
    BIO_free(certificate_bio);
    BIO_free(key_bio);
    return good ? RESULT_OK : FAULT("PEM: %s", openssl_reason());
}

/* False when the texts are not a certificate and its key. */
static bool from_pem(struct str certificate, struct str key, struct pair *out)
{
    BIO *certificate_bio = BIO_new_mem_buf(certificate.ptr, (int)certificate.len);
    BIO *key_bio = BIO_new_mem_buf(key.ptr, (int)key.len);
    struct pair pair = {0};
    if (certificate_bio != NULL && key_bio != NULL) {
        pair.certificate = PEM_read_bio_X509(certificate_bio, NULL, NULL, NULL);
        pair.key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
    }
    BIO_free(certificate_bio);
    BIO_free(key_bio);
    bool good = pair.certificate != NULL && pair.key != NULL &&
                X509_check_private_key(pair.certificate, pair.key) == 1;
    ERR_clear_error();
    if (!good) {
        pair_release(&pair);
        return false;
    }
    *out = pair;
    return true;
}

static RESULT load_pair(struct arena *arena, const char *certificate_path, const char *key_path,
                        struct pair *out, bool *present, bool *sound)
{
    struct str certificate, key;
    TRY(read_file(arena, certificate_path, &certificate));
    TRY(read_file(arena, key_path, &key));
    *present = !str_is_absent(certificate) || !str_is_absent(key);
    *sound = !str_is_absent(certificate) && !str_is_absent(key) && from_pem(certificate, key, out);
    return RESULT_OK;
}

static RESULT store_pair(struct arena *arena, const struct pair *pair, const char *certificate_path,
                         const char *key_path)
{
    struct str certificate, key;
    TRY(to_pem(arena, pair, &certificate, &key));
    /* The key first: a certificate without its key would look like damage. */
    TRY(write_file(arena, key_path, key, 0600));
    return write_file(arena, certificate_path, certificate, 0644);
}

/* Certificates -----------------------------------------------------------------------------------
 */

static X509_EXTENSION *make_extension(X509 *issuer, X509 *subject, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, subject, NULL, NULL, 0);
    return X509V3_EXT_conf_nid(NULL, &context, nid, value);
}

static bool extend(X509 *issuer, X509 *subject, int nid, const char *value)
{
    X509_EXTENSION *extension = make_extension(issuer, subject, nid, value);
    bool good = extension != NULL && X509_add_ext(subject, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

static bool set_serial(X509 *certificate)
{
    unsigned char bytes[SERIAL_SIZE];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, of full length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool good =
        number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return good;
}

static bool set_name(X509_NAME *name, const char *common_name)
{
    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Kumoniwa",
                                      -1, -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                      -1, -1, 0) == 1;
}

/* An hour in the past: clocks of containers differ. */
static bool set_basics(X509 *certificate, EVP_PKEY *key, const char *common_name, long days)
{
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), days * DAY_SECONDS) != NULL &&
           X509_set_pubkey(certificate, key) == 1 &&
           set_name(X509_get_subject_name(certificate), common_name);
}

static bool make_authority(struct pair *pair)
{
    X509 *certificate = pair->certificate = X509_new();
    pair->key = EVP_EC_gen("P-256");
    if (certificate == NULL || pair->key == NULL)
        return false;
    char common_name[64];
    unsigned char mark[4];
    if (RAND_bytes(mark, sizeof(mark)) != 1)
        return false;
    (void)snprintf(common_name, sizeof(common_name), "Kumoniwa local CA %02x%02x%02x%02x", mark[0],
                   mark[1], mark[2], mark[3]);
    return set_basics(certificate, pair->key, common_name, CA_DAYS) &&
           X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1 &&
           extend(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           extend(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           extend(certificate, certificate, NID_subject_key_identifier, "hash") &&
           X509_sign(certificate, pair->key, EVP_sha256()) > 0;
}

static bool make_server(const struct pair *authority, const char *names, struct pair *pair)
{
    X509 *certificate = pair->certificate = X509_new();
    X509 *issuer = authority->certificate;
    pair->key = EVP_EC_gen("P-256");
    if (certificate == NULL || pair->key == NULL)
        return false;
    return set_basics(certificate, pair->key, "localhost", SERVER_DAYS) &&
           X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
           extend(issuer, certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           extend(issuer, certificate, NID_key_usage, "critical,digitalSignature") &&
           extend(issuer, certificate, NID_ext_key_usage, "serverAuth") &&
           extend(issuer, certificate, NID_subject_key_identifier, "hash") &&
           extend(issuer, certificate, NID_authority_key_identifier, "keyid:always") &&
           extend(issuer, certificate, NID_subject_alt_name, names) &&
           X509_sign(certificate, authority->key, EVP_sha256()) > 0;
}

/* Names ------------------------------------------------------------------------------------------
 */

static bool is_ip(struct str name)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[16];
    if (name.len >= sizeof(text))
        return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

/* OpenSSL's notation gives commas and colons a meaning. */
static bool is_host(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '*' && c != '_')
            return false;
    }
    return name.len > 0 && name.len <= 253;
}

static RESULT list_names(struct arena *arena, const struct str *names, size_t count,
                         const char **out)
{
    struct buf buf;
    buf_init(&buf, arena, NAMES_MAX);
    /* A wildcard stands for one label only, and OpenSSL's clients want two labels after it. */
    buf_append_c(
        &buf,
        "DNS:localhost,DNS:*.localhost,DNS:s3.localhost,DNS:*.s3.localhost,IP:127.0.0.1,IP:::1,"
        "DNS:localhost.localstack.cloud,DNS:*.localhost.localstack.cloud,"
        "DNS:*.s3.localhost.localstack.cloud");
    for (size_t i = 0; i < count; i++) {
        if (!is_ip(names[i]) && !is_host(names[i]))
            return FAULT("a certificate for the name \"%.*s\" cannot be made", PRSTR(names[i]));
        buf_append_c(&buf, is_ip(names[i]) ? ",IP:" : ",DNS:");
        buf_append(&buf, names[i]);
    }
    if (buf_is_full(&buf))
        return FAULT("too many names for one certificate");
    *out = str_to_c(arena, buf_str(&buf));
    return RESULT_OK;
}

static bool lasts(const X509 *certificate)
{
    time_t limit = (time_t)(time_wall_ms() / 1000) + (time_t)RENEW_DAYS * DAY_SECONDS;
    return X509_cmp_time(X509_get0_notAfter(certificate), &limit) > 0;
}

static bool has_names(X509 *certificate, const char *names)
{
    X509_EXTENSION *wanted = make_extension(certificate, certificate, NID_subject_alt_name, names);
    int at = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);
    bool same = wanted != NULL && at >= 0 &&
                ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(X509_get_ext(certificate, at)),
                                      X509_EXTENSION_get_data(wanted)) == 0;
    X509_EXTENSION_free(wanted);
    return same;
}

static bool fits(const struct pair *authority, const struct pair *pair, const char *names)
{
    return lasts(pair->certificate) && has_names(pair->certificate, names) &&
           X509_verify(pair->certificate, authority->key) == 1;
}

/* ------------------------------------------------------------------------------------------------
 */

static RESULT load_authority(struct arena *arena, struct str directory, struct pair *authority,
                             struct local_ca *out)
{
    const char *certificate_path = path_of(arena, directory, "ca.pem");
    const char *key_path = path_of(arena, directory, "ca.key");
    bool present, sound;
    out->ca_path = str_from_c(certificate_path);
    TRY(load_pair(arena, certificate_path, key_path, authority, &present, &sound));
    /* A key alone is what is left of a creation that was cut short. */
    if (present && !sound && access(certificate_path, F_OK) == 0)
        return FAULT("%s or %s is damaged or does not match the other: remove both to make a new "
                     "authority",
                     certificate_path, key_path);
    if (sound && lasts(authority->certificate))
        return RESULT_OK;
    pair_release(authority);
    if (!make_authority(authority))
        return FAULT("cannot make a certificate authority: %s", openssl_reason());
    out->created = true;
    return store_pair(arena, authority, certificate_path, key_path);
}

static RESULT load_server(struct arena *arena, struct str directory, const struct pair *authority,
                          const char *names, struct pair *server)
{
    const char *certificate_path = path_of(arena, directory, "server.pem");
    const char *key_path = path_of(arena, directory, "server.key");
    bool present, sound;
    TRY(load_pair(arena, certificate_path, key_path, server, &present, &sound));
    if (sound && fits(authority, server, names))
        return RESULT_OK;
    pair_release(server);
    if (!make_server(authority, names, server))
        return FAULT("cannot make a certificate: %s", openssl_reason());
    return store_pair(arena, server, certificate_path, key_path);
}

static RESULT load_both(struct arena *arena, struct str directory, const char *names,
                        struct pair *authority, struct pair *server, struct local_ca *out)
{
    TRY(make_directory(str_to_c(arena, directory)));
    TRY(load_authority(arena, directory, authority, out));
    TRY(load_server(arena, directory, authority, names, server));
    struct str authority_text, authority_key;
    TRY(to_pem(arena, authority, &authority_text, &authority_key));
    TRY(to_pem(arena, server, &out->certificate, &out->key));
    out->certificate = str_concat(arena, out->certificate, authority_text);
    return RESULT_OK;
}

RESULT local_ca_load(struct arena *arena, struct str directory, const struct str *names,
                     size_t name_count, struct local_ca *out)
{
    const char *wanted = NULL;
    TRY(list_names(arena, names, name_count, &wanted));
    struct pair authority = {0}, server = {0};
    struct local_ca made = {0};
    enum result result = load_both(arena, directory, wanted, &authority, &server, &made);
    pair_release(&authority);
    pair_release(&server);
    if (result == RESULT_OK)
        *out = made;
    return result;
}
