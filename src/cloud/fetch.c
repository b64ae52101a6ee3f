#include "cloud/fetch.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/log.h"
#include "cloud/fetch_trust.h"
#include "cloud/park.h"

enum { ENTRIES = 32, TIMEOUT_MS = 5000, FAILURE_MS = 2000, PARK_MS = 10000 };

/* What is used of curl. */
struct curl {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    CURLcode (*setopt)(CURL *curl, CURLoption option, ...);
    CURLcode (*perform)(CURL *curl);
    CURLcode (*getinfo)(CURL *curl, CURLINFO info, ...);
    void (*cleanup)(CURL *curl);
};

enum entry_state { ENTRY_FREE, ENTRY_RUNNING, ENTRY_DONE };

struct entry {
    struct fetcher *fetcher;
    enum entry_state state; /* under the lock */
    pthread_t thread;
    bool joinable;
    struct arena *arena; /* of what follows */
    struct str url, topic;
    struct str_list thumbprints;
    struct buf body;
    struct fetched result;
    int64_t done_ms; /* monotonic */
};

struct fetcher {
    struct park_table *parks;
    pthread_mutex_t lock;
    atomic_bool stopping;
    bool loaded, usable;
    struct curl curl;
    struct entry entries[ENTRIES];
};

struct fetcher *fetcher_new(struct arena *arena, struct park_table *parks)
{
    struct fetcher *fetcher = ARENA_NEW(arena, struct fetcher);
    pthread_mutex_init(&fetcher->lock, NULL);
    fetcher->parks = parks;
    return fetcher;
}

static void entry_clear(struct entry *entry)
{
    if (entry->joinable)
        pthread_join(entry->thread, NULL);
    if (entry->arena != NULL)
        arena_free(entry->arena);
    *entry = (struct entry){0};
}

void fetcher_free(struct fetcher *fetcher)
{
    atomic_store(&fetcher->stopping, true);
    for (size_t i = 0; i < ENTRIES; i++)
        entry_clear(&fetcher->entries[i]);
    pthread_mutex_destroy(&fetcher->lock);
}

static int64_t now_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- the library --- */

static bool curl_symbol(void *library, const char *name, void *place)
{
    void *symbol = dlsym(library, name);
    memcpy(place, &symbol, sizeof symbol);
    return symbol != NULL;
}

/* Under the lock. */
static bool curl_load(struct fetcher *fetcher)
{
    struct curl *curl = &fetcher->curl;
    if (fetcher->loaded)
        return fetcher->usable;
    fetcher->loaded = true;
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    fetcher->usable = library != NULL &&
                      curl_symbol(library, "curl_global_init", &curl->global_init) &&
                      curl_symbol(library, "curl_easy_init", &curl->easy_init) &&
                      curl_symbol(library, "curl_easy_setopt", &curl->setopt) &&
                      curl_symbol(library, "curl_easy_perform", &curl->perform) &&
                      curl_symbol(library, "curl_easy_getinfo", &curl->getinfo) &&
                      curl_symbol(library, "curl_easy_cleanup", &curl->cleanup) &&
                      curl->global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    if (!fetcher->usable)
        log_line(LOG_WARN, "nothing can be fetched: libcurl.so.4 is not there");
    return fetcher->usable;
}

/* --- one fetch, on its own thread --- */

static size_t entry_take(char *bytes, size_t size, size_t count, void *self)
{
    struct entry *entry = self;
    buf_append(&entry->body, str_make(bytes, size * count));
    return buf_is_full(&entry->body) ? 0 : size * count;
}

static int entry_goes_on(void *self, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return atomic_load(&((struct entry *)self)->fetcher->stopping) ? 1 : 0;
}

/* The certificates as PEM, the server's own first. */
static struct str_list entry_chain(struct entry *entry, CURL *easy)
{
    struct curl_certinfo *info = NULL;
    struct str_list chain = {0};
    if (entry->fetcher->curl.getinfo(easy, CURLINFO_CERTINFO, &info) != CURLE_OK || info == NULL)
        return chain;
    chain.items = ARENA_ARRAY(entry->arena, (size_t)info->num_of_certs + 1, struct str);
    for (int i = 0; i < info->num_of_certs; i++)
        for (const struct curl_slist *line = info->certinfo[i]; line != NULL; line = line->next)
            if (strncmp(line->data, "Cert:", 5) == 0)
                chain.items[chain.len++] = str_copy(entry->arena, str_from_c(line->data + 5));
    return chain;
}

/* Trust is decided by entry_chain(): curl gives it only when it does not decide for itself. */
static void entry_run(struct entry *entry)
{
    const struct curl *curl = &entry->fetcher->curl;
    CURL *easy = curl->easy_init();
    if (easy == NULL)
        return;
    curl->setopt(easy, CURLOPT_URL, str_to_c(entry->arena, entry->url));
    curl->setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    curl->setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl->setopt(easy, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
    curl->setopt(easy, CURLOPT_USERAGENT, "kumoniwa");
    curl->setopt(easy, CURLOPT_CERTINFO, 1L);
    curl->setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl->setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl->setopt(easy, CURLOPT_WRITEFUNCTION, entry_take);
    curl->setopt(easy, CURLOPT_WRITEDATA, entry);
    curl->setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl->setopt(easy, CURLOPT_XFERINFOFUNCTION, entry_goes_on);
    curl->setopt(easy, CURLOPT_XFERINFODATA, entry);
    CURLcode code = curl->perform(easy);
    if (code == CURLE_OK) {
        struct str_list chain = entry_chain(entry, easy);
        bool trusted = fetch_trusts(entry->arena, &chain, &entry->thumbprints);
        curl->getinfo(easy, CURLINFO_RESPONSE_CODE, &entry->result.status);
        entry->result.outcome = trusted ? FETCH_OK : FETCH_UNTRUSTED;
        entry->result.body = trusted ? buf_str(&entry->body) : STR("");
    } else {
        log_line(LOG_INFO, "%.*s cannot be fetched: curl's error %d", PRSTR(entry->url), (int)code);
        entry->result.outcome =
            code == CURLE_PEER_FAILED_VERIFICATION ? FETCH_UNTRUSTED : FETCH_UNREACHABLE;
    }
    curl->cleanup(easy);
}

static void *entry_main(void *self)
{
    struct entry *entry = self;
    struct fetcher *fetcher = entry->fetcher;
    entry_run(entry);
    pthread_mutex_lock(&fetcher->lock);
    entry->state = ENTRY_DONE;
    entry->done_ms = now_monotonic();
    struct str topic = entry->topic;
    pthread_mutex_unlock(&fetcher->lock);
    if (!atomic_load(&fetcher->stopping))
        park_signal(fetcher->parks, topic, UINT_MAX);
    return NULL;
}

/* --- asking --- */

static struct str fetch_topic(struct arena *arena, struct str url,
                              const struct str_list *thumbprints)
{
    struct buf topic;
    buf_init(&topic, arena, 8192);
    buf_append(&topic, STR("fetch "));
    buf_append(&topic, url);
    for (size_t i = 0; i < thumbprints->len; i++) {
        buf_append_char(&topic, ' ');
        buf_append(&topic, thumbprints->items[i]);
    }
    return buf_str(&topic);
}

/* Under the lock: the one with this topic, else a place for it, else NULL. */
static struct entry *entry_find(struct fetcher *fetcher, struct str topic)
{
    struct entry *place = NULL;
    for (size_t i = 0; i < ENTRIES; i++) {
        struct entry *entry = &fetcher->entries[i];
        if (entry->state != ENTRY_FREE && str_eq(entry->topic, topic))
            return entry;
        if (entry->state == ENTRY_RUNNING)
            continue;
        if (place == NULL || entry->state == ENTRY_FREE ||
            (place->state == ENTRY_DONE && entry->done_ms < place->done_ms))
            place = entry;
    }
    return place;
}

/* Under the lock. What stood in the entry is for the caller to clear when it has let go of the
 * lock: its thread may still be waking who waits. */
static bool entry_start(struct fetcher *fetcher, struct entry *entry, struct str url,
                        const struct str_list *thumbprints, struct str topic, struct entry *old)
{
    *old = *entry;
    *entry = (struct entry){0};
    entry->fetcher = fetcher;
    entry->arena = arena_new(0);
    entry->url = str_copy(entry->arena, url);
    entry->topic = str_copy(entry->arena, topic);
    entry->thumbprints.items = ARENA_ARRAY(entry->arena, thumbprints->len + 1, struct str);
    for (size_t i = 0; i < thumbprints->len; i++)
        entry->thumbprints.items[entry->thumbprints.len++] =
            str_copy(entry->arena, thumbprints->items[i]);
    buf_init(&entry->body, entry->arena, FETCH_MAX);
    entry->result.outcome = FETCH_UNREACHABLE;
    entry->state = ENTRY_RUNNING;
    entry->joinable = pthread_create(&entry->thread, NULL, entry_main, entry) == 0;
    if (!entry->joinable)
        entry->state = ENTRY_FREE;
    return entry->joinable;
}

static bool entry_is_fresh(const struct entry *entry, int64_t max_age_ms)
{
    int64_t age = now_monotonic() - entry->done_ms;
    return entry->state == ENTRY_DONE &&
           age < (entry->result.outcome == FETCH_OK ? max_age_ms : FAILURE_MS);
}

RESULT fetch_get(struct call *call, struct str url, const struct str_list *thumbprints,
                 int64_t max_age_ms, struct fetched *out)
{
    struct fetcher *fetcher = call->cloud->fetcher;
    struct str topic = fetch_topic(call->arena, url, thumbprints);
    struct entry old = {0};
    bool wait = false;
    *out = (struct fetched){.outcome = FETCH_UNREACHABLE};
    pthread_mutex_lock(&fetcher->lock);
    struct entry *entry = curl_load(fetcher) ? entry_find(fetcher, topic) : NULL;
    if (entry != NULL && entry->state == ENTRY_RUNNING) {
        wait = true;
    } else if (entry != NULL && entry->state == ENTRY_DONE && str_eq(entry->topic, topic) &&
               entry_is_fresh(entry, max_age_ms)) {
        *out = entry->result;
        out->body = str_copy(call->arena, out->body);
    } else if (entry != NULL) {
        wait = entry_start(fetcher, entry, url, thumbprints, topic, &old);
    }
    pthread_mutex_unlock(&fetcher->lock);
    entry_clear(&old);
    return wait ? call_park(call, topic, call->now_ms + PARK_MS) : RESULT_OK;
}
