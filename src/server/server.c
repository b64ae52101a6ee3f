#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cloud/clock.h"
#include "cloud/metrics.h"
#include "http/local_ca.h"
#include "sandbox/sandbox.h"
#include "server/lanes.h"
#include "services/lambda/lambda.h"
#include "store/directory.h"

/* What is open, for the way out. */
struct life {
    struct arena *arena;
    struct server server;
    struct directory *directory;
    struct str message;
};

static int server_complain(struct life *life)
{
    struct str message = life->message;
    fprintf(stderr, "kumoniwa: %.*s\n", PRSTR(message));
    return 1;
}

/* --- directories --- */

static RESULT server_make_directory(struct life *life, struct str path)
{
    char *name = arena_alloc(life->arena, path.len + 1);
    memcpy(name, path.ptr, path.len);
    for (char *slash = name + 1;; slash++) {
        if (*slash != '/' && *slash != '\0')
            continue;
        char kept = *slash;
        *slash = '\0';
        if (mkdir(name, 0700) != 0 && errno != EEXIST) {
            life->message =
                str_format(life->arena,
                           "cannot make the data directory %s: %s. Choose another one with "
                           "--data DIR, or use --ephemeral",
                           name, strerror(errno));
            return RESULT_ERROR;
        }
        *slash = kept;
        if (kept == '\0')
            return RESULT_OK;
    }
}

static RESULT server_choose_data(struct life *life, const struct config *config)
{
    if (!config->ephemeral) {
        life->server.data = config->data;
        return server_make_directory(life, config->data);
    }
    const char *tmp = getenv("TMPDIR");
    struct str pattern = str_format(life->arena, "%s/kumoniwa-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    char *name = arena_alloc(life->arena, pattern.len + 1);
    memcpy(name, pattern.ptr, pattern.len);
    if (mkdtemp(name) == NULL) {
        life->message = str_format(life->arena, "cannot make a directory like %.*s: %s",
                                   PRSTR(pattern), strerror(errno));
        return RESULT_ERROR;
    }
    life->server.data = str_from_c(name);
    return RESULT_OK;
}

static int server_remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

/* --- starting
 * -----------------------------------------------------------------------------------------------
 */

static RESULT server_open_cloud(struct life *life, const struct config *config)
{
    TRY(directory_open(life->arena, life->server.data, &life->directory, &life->message));
    if (!str_is_empty(life->message))
        log_line(LOG_WARN, "%.*s", PRSTR(life->message));
    struct cloud_config cloud_config = {
        .directory = life->server.data,
        .durability = config->durability,
        .default_region = config->region,
        .endpoint = config->endpoint,
        .strict_auth = config->strict_auth,
        .iam = config->iam,
        .hooks = server_services,
    };
    if (str_is_absent(config->endpoint))
        cloud_config.endpoint = str_format(life->arena, "%s://localhost:%u",
                                           config->tls ? "https" : "http", config->port);
    return cloud_open(life->arena, &cloud_config, &life->server.cloud, &life->message);
}

static RESULT server_load_tls(struct life *life, struct http_config *http)
{
    struct str directory = str_concat(life->arena, life->server.data, STR("/tls"));
    struct local_ca ca;
    enum result result = local_ca_load(life->arena, directory, NULL, 0, &ca);
    if (result != RESULT_OK) {
        life->message = str_format(life->arena, "cannot make or read the certificates in %.*s",
                                   PRSTR(directory));
        return result;
    }
    http->tls_certificate = ca.certificate;
    http->tls_key = ca.key;
    fprintf(stderr,
            "%s trust it with: export AWS_CA_BUNDLE=%.*s (AWS CLI and SDKs), curl --cacert, or "
            "copy it to "
            "/usr/local/share/ca-certificates/kumoniwa.crt and run update-ca-certificates\n",
            ca.created ? "A local certificate authority was made;"
                       : "The local certificate authority:",
            PRSTR(ca.ca_path));
    return RESULT_OK;
}

static void server_raise_limits(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static RESULT server_listen(struct life *life, const struct config *config)
{
    struct server *server = &life->server;
    struct http_config http = {
        .address = config->address,
        .port = config->port,
        .threads = config->threads,
        .handler = {server, exchange_head, exchange_sink, exchange_complete, exchange_close},
    };
    if (config->tls)
        TRY(server_load_tls(life, &http));
    struct http_server *started = NULL;
    enum result result = http_server_start(&http, &started, &life->message, life->arena);
    server->http = started;
    if (result == RESULT_ERROR)
        life->message = str_concat(life->arena, life->message,
                                   STR(". Choose another address with --listen ADDRESS:PORT"));
    return result;
}

/* A connection from inside a function's sandbox to the cloud's endpoint. */
/* Tags connections of functions: exchange.c tells them from others. */
enum { FROM_SANDBOX = 1 };

static void server_adopt(void *context, int descriptor)
{
    struct server *server = context;
    (void)pthread_mutex_lock(&server->adopting);
    struct http_server *to = server->inner != NULL ? server->inner : server->http;
    if (server->closed || to == NULL)
        close(descriptor);
    else if (http_server_adopt(to, descriptor, FROM_SANDBOX) != RESULT_OK)
        log_line(LOG_WARN, "a function's connection could not be taken");
    (void)pthread_mutex_unlock(&server->adopting);
}

static void server_adopt_no_more(struct server *server)
{
    (void)pthread_mutex_lock(&server->adopting);
    server->closed = true;
    (void)pthread_mutex_unlock(&server->adopting);
}

static RESULT server_start_functions(struct life *life, const struct config *config)
{
    struct server *server = &life->server;
    if (config->tls) {
        struct http_config http = {
            .adopts_only = true,
            .threads = 1,
            .handler = {server, exchange_head, exchange_sink, exchange_complete, exchange_close},
        };
        TRY(http_server_start(&http, &server->inner, &life->message, life->arena));
    }
    return lambda_environments_start(
        server->cloud, &(struct lambda_environments){
                           .host = server->host,
                           .directory = str_concat(life->arena, server->data, STR("/functions")),
                           .outside = config->functions_outside,
                           .idle_ms = (int64_t)config->functions_idle_s * 1000,
                           .connected = server_adopt,
                           .context = server,
                       });
}

static void server_greet(const struct server *server)
{
    const struct config *config = server->config;
    unsigned port = http_server_port(server->http);
    const char *scheme = config->tls ? "https" : "http";
    bool six = str_find_char(config->address, ':') != SIZE_MAX; /* in URLs between brackets */
    const char *open = six ? "[" : "", *close = six ? "]" : "";
    struct str near = config->address; /* where this machine reaches it */
    if (config->quiet)
        return;
    if (str_eq(near, STR("0.0.0.0")))
        near = STR("127.0.0.1");
    else if (str_eq(near, STR("::")))
        near = STR("::1");
    printf("Kumoniwa answers on %s://%s%.*s%s:%u  (data: %.*s)  use it: "
           "export AWS_ENDPOINT_URL=%s://%s%.*s%s:%u AWS_ACCESS_KEY_ID=test "
           "AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=%.*s\n",
           scheme, open, PRSTR(config->address), close, port, PRSTR(server->data), scheme, open,
           PRSTR(near), close, port, PRSTR(config->region));
    fflush(stdout);
}

/* Tells who started us (`kumoniwa run`) the port. */
static void server_tell_port(const struct config *config, unsigned port)
{
    uint16_t number = (uint16_t)port;
    if (config->ready_fd > 0 && write(config->ready_fd, &number, sizeof number) != sizeof number)
        log_line(LOG_ERROR, "the port could not be told: %s", strerror(errno));
    if (config->ready_fd > 0)
        close(config->ready_fd);
}

/* What only starting needed of programs' and libraries' files, such as tables of symbols, is given
 * back: it stays in the page cache, and what is needed again is mapped again at first touch. */
static int server_give_back(struct dl_phdr_info *object, size_t size, void *context)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)size;
    (void)context;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        uintptr_t from = (object->dlpi_addr + part->p_vaddr) & ~(page - 1);
        uintptr_t to = object->dlpi_addr + part->p_vaddr + part->p_memsz;
        if (part->p_type != PT_LOAD || (part->p_flags & PF_W) != 0)
            continue;
        /* One touch of a huge page maps two megabytes of tables, of which one is wanted. */
        (void)madvise((void *)from, to - from, MADV_NOHUGEPAGE);
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
    return 0;
}

static RESULT server_start(struct life *life, const struct config *config)
{
    TRY(server_choose_data(life, config));
    TRY(server_open_cloud(life, config));
    init_hooks_run(&life->server.init, config, (struct str){0}, INIT_BOOT);
    /* The dispatcher goes first: requests wake it. */
    TRY(server_start_functions(life, config));
    TRY(cloud_start(life->server.cloud));
    TRY(server_listen(life, config));
    unsigned port = http_server_port(life->server.http);
    if (config->port == 0 && str_is_absent(config->endpoint))
        life->server.cloud->endpoint =
            str_format(life->arena, "%s://localhost:%u", config->tls ? "https" : "http", port);
    server_greet(&life->server);
    init_hooks_run(&life->server.init, config, life->server.cloud->endpoint, INIT_START);
    init_hooks_run(&life->server.init, config, life->server.cloud->endpoint, INIT_READY);
    server_tell_port(config, port);
    (void)dl_iterate_phdr(server_give_back, NULL);
    return RESULT_OK;
}

static void server_stop(struct life *life, const struct config *config)
{
    struct server *server = &life->server;
    if (server->http != NULL) {
        init_hooks_run(&server->init, config, server->cloud->endpoint, INIT_SHUTDOWN);
        server_adopt_no_more(server);
        http_server_stop(server->http, 500);
    }
    if (server->inner != NULL)
        http_server_stop(server->inner, 0);
    if (server->cloud != NULL)
        lambda_environments_stop(server->cloud);
    lane_pool_free(server->lanes);
    if (server->cloud != NULL)
        cloud_close(server->cloud);
    if (life->directory != NULL)
        directory_close(life->directory);
    if (config->ephemeral && !str_is_absent(server->data))
        (void)nftw(str_to_c(life->arena, server->data), server_remove_one, 16,
                   FTW_DEPTH | FTW_PHYS);
}

/* Waits for the end. A second without a request after some gives back what they needed of the
 * program's file: an idle program is small. */
static void server_wait(const struct server *server, const sigset_t *ending)
{
    const struct timespec second = {.tv_sec = 1};
    uint64_t seen = 0, given = 0;
    while (sigtimedwait(ending, NULL, &second) < 0) {
        uint64_t total = metrics_total(server->cloud->metrics);
        if (total == seen && total != given) {
            (void)dl_iterate_phdr(server_give_back, NULL);
            given = total;
        }
        seen = total;
    }
}

int server_run(const struct config *config, struct sandbox_host *host)
{
    /* Threads inherit the mask: signals come to this one alone. */
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ending, NULL);
    signal(SIGPIPE, SIG_IGN);
    log_set_level(config->log_level);
    server_raise_limits();

    struct life life = {.arena = arena_new(16 * 1024)};
    life.server.config = config;
    life.server.host = host;
    pthread_mutex_init(&life.server.adopting, NULL);
    life.server.init.arena = life.arena;
    life.server.lanes = lane_pool_new();
    pthread_mutex_init(&life.server.init.lock, NULL);
    int code = 0;
    if (server_start(&life, config) != RESULT_OK) {
        code = server_complain(&life);
    } else {
        server_wait(&life.server, &ending);
    }
    server_stop(&life, config);
    pthread_mutex_destroy(&life.server.init.lock);
    pthread_mutex_destroy(&life.server.adopting);
    arena_free(life.arena);
    return code;
}
