/* GnuTLS, and the eight libraries that it brings, cost 2.3 MiB of memory and 1.4 ms at start; few
 * servers speak TLS. libmicrohttpd's static library calls the functions below and finds them here:
 * each passes on to the real one, which tls_load() finds. Hidden, so that other libraries that use
 * GnuTLS go on to use their own. Without a TLS server the library calls none but the first two. */
#include "http/tls.h"

#include "base/log.h"

#include <dlfcn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#pragma GCC visibility push(hidden)
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

int gnutls_global_init(void)
{
    return GNUTLS_E_SUCCESS; /* the real one initialises itself when it is loaded */
}

void gnutls_global_deinit(void)
{
}

/* For pre-shared keys alone, which no server here has. */
gnutls_alloc_function gnutls_malloc;

/* kind(result, name, parameters, arguments) */
#define TLS_FUNCTIONS(value, nothing)                                                              \
    value(int, gnutls_alpn_set_protocols,                                                          \
          (gnutls_session_t a, const gnutls_datum_t *b, unsigned c, unsigned d),                   \
          (a, b, c, d)) value(int, gnutls_bye, (gnutls_session_t a, gnutls_close_request_t b),     \
                              (a, b)) value(int, gnutls_certificate_allocate_credentials,          \
                                            (gnutls_certificate_credentials_t * a), (a))           \
        nothing(gnutls_certificate_free_credentials, (gnutls_certificate_credentials_t a),         \
                (a)) nothing(gnutls_certificate_server_set_request,                                \
                             (gnutls_session_t a, gnutls_certificate_request_t b), (a, b))         \
            nothing(gnutls_certificate_set_dh_params,                                              \
                    (gnutls_certificate_credentials_t a, gnutls_dh_params_t b),                    \
                    (a, b)) nothing(gnutls_certificate_set_retrieve_function2,                     \
                                    (gnutls_certificate_credentials_t a,                           \
                                     gnutls_certificate_retrieve_function2 * b),                   \
                                    (a, b)) nothing(gnutls_certificate_set_retrieve_function3,     \
                                                    (gnutls_certificate_credentials_t a,           \
                                                     gnutls_certificate_retrieve_function3 * b),   \
                                                    (a, b))                                        \
                value(int, gnutls_certificate_set_x509_key_mem,                                    \
                      (gnutls_certificate_credentials_t a, const gnutls_datum_t *b,                \
                       const gnutls_datum_t *c, gnutls_x509_crt_fmt_t d),                          \
                      (a, b, c, d)) value(int, gnutls_certificate_set_x509_key_mem2,               \
                                          (gnutls_certificate_credentials_t a,                     \
                                           const gnutls_datum_t *b, const gnutls_datum_t *c,       \
                                           gnutls_x509_crt_fmt_t d, const char *e, unsigned f),    \
                                          (a, b, c, d, e, f))                                      \
                    value(int, gnutls_certificate_set_x509_trust_mem,                              \
                          (gnutls_certificate_credentials_t a, const gnutls_datum_t *b,            \
                           gnutls_x509_crt_fmt_t c),                                               \
                          (a, b, c)) value(gnutls_cipher_algorithm_t, gnutls_cipher_get,           \
                                           (gnutls_session_t a), (a))                              \
                        value(int, gnutls_credentials_set,                                         \
                              (gnutls_session_t a, gnutls_credentials_type_t b, void *c),          \
                              (a, b, c)) nothing(gnutls_deinit, (gnutls_session_t a), (a))         \
                            nothing(gnutls_dh_params_deinit, (gnutls_dh_params_t a),               \
                                    (a)) value(int, gnutls_dh_params_import_pkcs3,                 \
                                               (gnutls_dh_params_t a, const gnutls_datum_t *b,     \
                                                gnutls_x509_crt_fmt_t c),                          \
                                               (a, b, c)) value(int, gnutls_dh_params_init,        \
                                                                (gnutls_dh_params_t * a), (a))     \
                                value(int, gnutls_handshake, (gnutls_session_t a),                 \
                                      (a)) value(int, gnutls_init,                                 \
                                                 (gnutls_session_t * a, unsigned b),               \
                                                 (a, b)) nothing(gnutls_priority_deinit,           \
                                                                 (gnutls_priority_t a), (a))       \
                                    value(int, gnutls_priority_init,                               \
                                          (gnutls_priority_t * a, const char *b, const char **c),  \
                                          (a,                                                      \
                                           b, c)) value(int, gnutls_priority_set,                  \
                                                        (gnutls_session_t a, gnutls_priority_t b), \
                                                        (a, b)) value(gnutls_protocol_t,           \
                                                                      gnutls_protocol_get_version, \
                                                                      (gnutls_session_t a), (a))   \
                                        value(int, gnutls_psk_allocate_server_credentials,         \
                                              (gnutls_psk_server_credentials_t * a),               \
                                              (a)) nothing(gnutls_psk_free_server_credentials,     \
                                                           (gnutls_psk_server_credentials_t a),    \
                                                           (a))                                    \
                                            nothing(gnutls_psk_set_server_credentials_function,    \
                                                    (gnutls_psk_server_credentials_t a,            \
                                                     gnutls_psk_server_credentials_function * b),  \
                                                    (a, b)) value(size_t,                          \
                                                                  gnutls_record_check_pending,     \
                                                                  (gnutls_session_t a), (a))       \
                                                value(int, gnutls_record_get_direction,            \
                                                      (gnutls_session_t a), (a))                   \
                                                    value(ssize_t, gnutls_record_recv,             \
                                                          (gnutls_session_t a, void *b, size_t c), \
                                                          (a, b,                                   \
                                                           c)) value(ssize_t, gnutls_record_send,  \
                                                                     (gnutls_session_t a,          \
                                                                      const void *b, size_t c),    \
                                                                     (a, b, c))                    \
                                                        value(void *, gnutls_session_get_ptr,      \
                                                              (gnutls_session_t a), (a))           \
                                                            nothing(gnutls_session_set_ptr,        \
                                                                    (gnutls_session_t a, void *b), \
                                                                    (a, b)) value(const char *,    \
                                                                                  gnutls_strerror, \
                                                                                  (int a), (a))    \
                                                                nothing(gnutls_transport_set_int2, \
                                                                        (gnutls_session_t a,       \
                                                                         int b, int c),            \
                                                                        (a, b, c))

#define VALUE_INDEX(result, name, parameters, arguments) INDEX_##name,
#define NOTHING_INDEX(name, parameters, arguments) INDEX_##name,
enum { TLS_FUNCTIONS(VALUE_INDEX, NOTHING_INDEX) TLS_COUNT };

#define VALUE_NAME(result, name, parameters, arguments) #name,
#define NOTHING_NAME(name, parameters, arguments) #name,
static const char *const names[] = {TLS_FUNCTIONS(VALUE_NAME, NOTHING_NAME)};
_Static_assert(sizeof(names) / sizeof(names[0]) == TLS_COUNT, "a name for each function");

/* Written by tls_load() before the threads that read it begin. */
static void *functions[TLS_COUNT];

/* ISO C has no cast from what dlsym() yields to a function. */
#define TLS_REAL(name)                                                                             \
    __typeof__(&name) real;                                                                        \
    memcpy(&real, &functions[INDEX_##name], sizeof(real))
#define VALUE_FORWARD(result, name, parameters, arguments)                                         \
    result name parameters                                                                         \
    {                                                                                              \
        TLS_REAL(name);                                                                            \
        return real arguments;                                                                     \
    }
#define NOTHING_FORWARD(name, parameters, arguments)                                               \
    void name parameters                                                                           \
    {                                                                                              \
        TLS_REAL(name);                                                                            \
        real arguments;                                                                            \
    }
TLS_FUNCTIONS(VALUE_FORWARD, NOTHING_FORWARD)

#pragma GCC visibility pop

bool tls_load(void)
{
    void *library = dlopen("libgnutls.so.30", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        log_line(LOG_ERROR, "tls: %s", dlerror());
        return false;
    }
    for (size_t i = 0; i < TLS_COUNT; i++) {
        void *function = dlsym(library, names[i]);
        if (function == NULL) {
            log_line(LOG_ERROR, "tls: %s", dlerror());
            return false;
        }
        functions[i] = function;
    }
    return true;
}
