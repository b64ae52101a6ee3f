/* The local authority: what it writes, when it writes anew, and that a client which trusts it can
 * talk to the server. */
#include "http/http.h"
#include "http/local_ca.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct arena *arena;
    char top[64];
    struct str directory;
};

static int set_up(void **state)
{
    struct arena *arena = arena_new(0);
    struct world *world = ARENA_NEW(arena, struct world);
    world->arena = arena;
    memcpy(world->top, "/tmp/kumoniwa-test-XXXXXX", sizeof("/tmp/kumoniwa-test-XXXXXX"));
    if (mkdtemp(world->top) == NULL)
        return -1;
    world->directory = str_format(arena, "%s/tls", world->top);
    *state = world;
    return 0;
}

static const char *path_of(struct world *world, const char *name)
{
    return str_to_c(world->arena,
                    str_format(world->arena, "%.*s/%s", PRSTR(world->directory), name));
}

static int tear_down(void **state)
{
    static const char *const names[] = {"ca.pem", "ca.key", "server.pem", "server.key"};
    struct world *world = *state;
    for (size_t i = 0; i < 4; i++)
        (void)unlink(path_of(world, names[i]));
    /* Fails if anything else was left behind. */
    (void)rmdir(str_to_c(world->arena, world->directory));
    int result = rmdir(world->top);
    arena_free(world->arena);
    return result;
}

static struct local_ca load(struct world *world, const struct str *names, size_t count)
{
    struct local_ca ca;
    assert_int_equal(local_ca_load(world->arena, world->directory, names, count, &ca), RESULT_OK);
    return ca;
}

static mode_t mode_of(struct world *world, const char *name)
{
    struct stat status;
    assert_int_equal(stat(path_of(world, name), &status), 0);
    return status.st_mode & 0777;
}

static void test_made_once(void **state)
{
    struct world *world = *state;
    struct local_ca first = load(world, NULL, 0);
    assert_true(first.created);
    assert_string_equal(str_to_c(world->arena, first.ca_path), path_of(world, "ca.pem"));
    assert_int_equal(mode_of(world, "ca.key"), 0600);
    assert_int_equal(mode_of(world, "server.key"), 0600);
    assert_int_equal(mode_of(world, "ca.pem"), 0644);
    struct local_ca second = load(world, NULL, 0);
    assert_false(second.created);
    assert_true(str_eq(first.certificate, second.certificate));
    assert_true(str_eq(first.key, second.key));
}

static X509 *certificate_of(const struct local_ca *ca)
{
    BIO *bio = BIO_new_mem_buf(ca->certificate.ptr, (int)ca->certificate.len);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(certificate);
    return certificate;
}

static void test_names(void **state)
{
    static const char *const hosts[] = {
        "localhost",
        "bucket.s3.localhost",
        "localhost.localstack.cloud",
        "sqs.localhost.localstack.cloud",
        "bucket.s3.localhost.localstack.cloud",
        "kumoniwa.test",
    };
    static const struct str further[] = {STR_INIT("kumoniwa.test"), STR_INIT("10.1.2.3")};
    struct world *world = *state;
    struct local_ca before = load(world, NULL, 0);
    struct local_ca ca = load(world, further, 2);
    assert_false(ca.created);
    assert_false(str_eq(before.certificate, ca.certificate));
    X509 *certificate = certificate_of(&ca);
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
        assert_int_equal(X509_check_host(certificate, hosts[i], 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(certificate, "example.com", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(certificate, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(certificate, "::1", 0), 1);
    assert_int_equal(X509_check_ip_asc(certificate, "10.1.2.3", 0), 1);
    assert_int_equal(X509_check_ca(certificate), 0);
    X509_free(certificate);
    static const struct str evil = STR_INIT("a,DNS:example.com");
    assert_int_equal(local_ca_load(world->arena, world->directory, &evil, 1, &ca), RESULT_FAULT);
}

static void overwrite(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

static void test_damage(void **state)
{
    struct world *world = *state;
    struct local_ca ca, first = load(world, NULL, 0);
    /* The server's pair is made anew, the authority never. */
    overwrite(path_of(world, "server.key"), "rubbish");
    ca = load(world, NULL, 0);
    assert_false(ca.created);
    assert_false(str_eq(ca.certificate, first.certificate));
    assert_int_equal(unlink(path_of(world, "server.pem")), 0);
    ca = load(world, NULL, 0);
    assert_false(ca.created);
    overwrite(path_of(world, "ca.key"), "rubbish");
    assert_int_equal(local_ca_load(world->arena, world->directory, NULL, 0, &ca), RESULT_FAULT);
    assert_int_equal(unlink(path_of(world, "ca.key")), 0);
    assert_int_equal(local_ca_load(world->arena, world->directory, NULL, 0, &ca), RESULT_FAULT);
    assert_int_equal(unlink(path_of(world, "ca.pem")), 0);
    ca = load(world, NULL, 0);
    assert_true(ca.created);
}

static void test_unwritable(void **state)
{
    struct world *world = *state;
    struct local_ca ca;
    assert_int_equal(local_ca_load(world->arena, STR("/proc/kumoniwa/tls"), NULL, 0, &ca),
                     RESULT_FAULT);
}

static void on_head(void *context, struct http_exchange *exchange)
{
    (void)context;
    (void)exchange;
}

static void on_complete(void *context, struct http_exchange *exchange)
{
    (void)context;
    assert_true(exchange->tls);
    http_respond(exchange, 200, NULL, 0, &(struct http_body){.bytes = exchange->body});
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    union {
        struct sockaddr_in *in;
        struct sockaddr *any;
    } as = {.in = &address};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, as.any, sizeof(address)), 0);
    return fd;
}

static void exchange_over(SSL *ssl)
{
    static const char request[] =
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";
    char reply[4096];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(SSL_write(ssl, request, sizeof(request) - 1), sizeof(request) - 1);
        size_t len = 0;
        while (len < 5 || memcmp(reply + len - 5, "hello", 5) != 0) {
            int count = SSL_read(ssl, reply + len, (int)(sizeof(reply) - len));
            assert_true(count > 0);
            len += (size_t)count;
        }
        assert_memory_equal(reply, "HTTP/1.1 200 OK\r\n", 17);
    }
}

static void test_tls(void **state)
{
    struct world *world = *state;
    struct local_ca ca = load(world, NULL, 0);
    struct http_config config = {
        .address = STR("127.0.0.1"),
        .threads = 1,
        .tls_certificate = ca.certificate,
        .tls_key = ca.key,
        .handler = {.head = on_head, .complete = on_complete, .close = on_head},
    };
    struct http_server *server;
    struct str message;
    assert_int_equal(http_server_start(&config, &server, &message, world->arena), RESULT_OK);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_load_verify_file(context, str_to_c(world->arena, ca.ca_path)), 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL *ssl = SSL_new(context);
    int fd = connect_to(http_server_port(server));
    assert_int_equal(SSL_set1_host(ssl, "localhost"), 1);
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    exchange_over(ssl);
    (void)SSL_shutdown(ssl);
    SSL_free(ssl);
    (void)close(fd);
    /* One that does not trust it goes away; the server stays. */
    SSL_CTX *stranger = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(stranger, SSL_VERIFY_PEER, NULL);
    ssl = SSL_new(stranger);
    fd = connect_to(http_server_port(server));
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    assert_int_not_equal(SSL_connect(ssl), 1);
    SSL_free(ssl);
    (void)close(fd);
    http_server_stop(server, 100);
    SSL_CTX_free(context);
    SSL_CTX_free(stranger);
    ERR_clear_error();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_made_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unwritable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tls, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
