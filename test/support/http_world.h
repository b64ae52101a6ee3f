/* A server for the tests of http/, and what they ask of it. The path of a request says what the
 * handler does. */
#ifndef KUMONIWA_TEST_SUPPORT_HTTP_WORLD_H
#define KUMONIWA_TEST_SUPPORT_HTTP_WORLD_H

#include "http/http.h"
#include "support/http_client.h"

#include <pthread.h>
#include <stdatomic.h>

enum { WAITERS = 256, SEED = 20261121 };

struct world {
    struct arena *arena;
    struct http_server *server;
    _Atomic unsigned heads, closes, completes;
    _Atomic size_t sunk;
    pthread_mutex_t lock;
    struct http_exchange *waiting[WAITERS];
    size_t waiting_count;
};

/* A sender beside the reader: bodies that are larger than the sockets' buffers. */
struct sender {
    pthread_t thread;
    struct client *client;
    struct str text;
    bool sent;
};

struct resumer {
    pthread_t thread;
    struct world *world;
    _Atomic bool ends;
};

void world_start(struct world *world, struct http_config config);
int world_set_up(void **state);
int world_tear_down(void **state);
struct client world_connect(struct world *world);
void world_send_head(struct world *world, struct client *client, const char *method,
                     const char *target, const char *fields);
struct client_reply world_get(struct world *world, struct client *client, const char *target);
void world_wait_until(const _Atomic unsigned *counter, unsigned value);
size_t world_wait_for_waiting(struct world *world, size_t count);
struct str world_text(struct world *world, size_t size);
struct str world_chunked(struct world *world, struct str body, size_t chunk);
size_t world_resume_all(struct world *world);
void world_pause_ms(long ms);
void world_assert_str(struct str a, struct str b);
void sender_start(struct sender *sender, struct client *client, struct str text);
bool sender_end(struct sender *sender);
void resumer_start(struct resumer *resumer, struct world *world);
void resumer_end(struct resumer *resumer);

#endif
