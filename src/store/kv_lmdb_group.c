/* Durability `power`: every commit is on the disk when it is acknowledged, and one sync serves all
 * that wait.
 *
 * A thread of its own opens LMDB's transaction, the *group*, when a writer waits. Writers run one
 * after another as nested transactions in it; each that commits joins the list of those who wait
 * for the group. When nobody is inside and nobody waits to come in (or the group is large), the
 * thread commits the group, which syncs, and tells everyone on the list. Those who arrive during
 * the sync make up the next group. A reader never sees what could still be lost, since it sees
 * committed groups only. */
#include "store/kv_lmdb_int.h"

#include "base/log.h"

enum { GROUP_MAX = 256 };

/* One acknowledged-to-be commit, on the stack of the thread that waits for it. */
struct waiter {
    struct waiter *next;
    enum result result;
    bool done;
};

struct kv_group {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t admitted; /* writers: the group is open, or free again */
    pthread_cond_t wanted;   /* the thread: something changed */
    pthread_cond_t settled;  /* waiters: the group is on the disk */
    MDB_txn *outer;
    enum result open_result; /* how the last opening of a group went */
    bool open, busy, stop;
    size_t waiting; /* writers that want to come in */
    size_t count;   /* commits in the group */
    struct waiter *waiters;
};

static RESULT open_group(struct kv *kv, MDB_txn **outer)
{
    int code = mdb_txn_begin(kv->env, NULL, 0, outer);
    if (code != 0)
        return kv_result("beginning a group of transactions", code);
    enum result result = kv_space_begin(kv, *outer);
    if (result != RESULT_OK)
        mdb_txn_abort(*outer);
    return result;
}

static RESULT settle(struct kv *kv, MDB_txn *outer, size_t count)
{
    if (count == 0) {
        mdb_txn_abort(outer);
        return RESULT_OK;
    }
    enum result result = kv_hook(kv);
    if (result != RESULT_OK) {
        mdb_txn_abort(outer);
        return result;
    }
    return kv_result("committing", mdb_txn_commit(outer));
}

/* The lock is held on entry and on return. */
static void run_group(struct kv *kv, struct kv_group *group)
{
    pthread_mutex_unlock(&group->lock);
    MDB_txn *outer = NULL;
    enum result result = open_group(kv, &outer);
    pthread_mutex_lock(&group->lock);
    group->outer = outer;
    group->open_result = result;
    group->open = true;
    pthread_cond_broadcast(&group->admitted);
    while (group->busy || (group->waiting > 0 && group->count < GROUP_MAX))
        pthread_cond_wait(&group->wanted, &group->lock);
    group->open = false;
    if (result != RESULT_OK)
        return; /* nobody came in */
    struct waiter *waiters = group->waiters;
    size_t count = group->count;
    group->waiters = NULL;
    group->count = 0;
    pthread_mutex_unlock(&group->lock);
    result = settle(kv, outer, count);
    pthread_mutex_lock(&group->lock);
    while (waiters != NULL) {
        struct waiter *next = waiters->next;
        waiters->result = result;
        waiters->done = true;
        waiters = next;
    }
    pthread_cond_broadcast(&group->settled);
}

static void *group_main(void *argument)
{
    struct kv *kv = argument;
    struct kv_group *group = kv->group;
    pthread_mutex_lock(&group->lock);
    for (;;) {
        while (!group->stop && group->waiting == 0)
            pthread_cond_wait(&group->wanted, &group->lock);
        if (group->stop && group->waiting == 0)
            break;
        run_group(kv, group);
    }
    pthread_mutex_unlock(&group->lock);
    return NULL;
}

RESULT kv_group_open(struct kv *kv)
{
    struct kv_group *group = heap_alloc(sizeof(*group));
    pthread_mutex_init(&group->lock, NULL);
    pthread_cond_init(&group->admitted, NULL);
    pthread_cond_init(&group->wanted, NULL);
    pthread_cond_init(&group->settled, NULL);
    kv->group = group;
    int code = kv_thread_start(&group->thread, group_main, kv);
    if (code != 0) {
        heap_free(group);
        kv->group = NULL;
        return FAULT("pthread_create: %s", strerrordesc_np(code));
    }
    return RESULT_OK;
}

void kv_group_close(struct kv *kv)
{
    struct kv_group *group = kv->group;
    if (group == NULL)
        return;
    pthread_mutex_lock(&group->lock);
    ASSERT(!group->busy && group->waiting == 0);
    group->stop = true;
    pthread_cond_signal(&group->wanted);
    pthread_mutex_unlock(&group->lock);
    pthread_join(group->thread, NULL);
    pthread_cond_destroy(&group->admitted);
    pthread_cond_destroy(&group->wanted);
    pthread_cond_destroy(&group->settled);
    pthread_mutex_destroy(&group->lock);
    heap_free(group);
    kv->group = NULL;
}

/* Lets the next one in; the lock is held. */
static void leave(struct kv_group *group)
{
    group->busy = false;
    pthread_cond_signal(&group->wanted);
    pthread_cond_broadcast(&group->admitted);
}

RESULT kv_group_begin(struct kv *kv)
{
    struct kv_group *group = kv->group;
    pthread_mutex_lock(&group->lock);
    group->waiting++;
    pthread_cond_signal(&group->wanted);
    while (!group->open || group->busy || group->count >= GROUP_MAX)
        pthread_cond_wait(&group->admitted, &group->lock);
    group->waiting--;
    enum result result = group->open_result;
    if (result == RESULT_OK)
        group->busy = true;
    else
        pthread_cond_signal(&group->wanted);
    pthread_mutex_unlock(&group->lock);
    TRY(result);
    int code = mdb_txn_begin(kv->env, group->outer, 0, &kv->writer.txn);
    if (code == 0)
        return RESULT_OK;
    pthread_mutex_lock(&group->lock);
    leave(group);
    pthread_mutex_unlock(&group->lock);
    return kv_result("beginning to write", code);
}

RESULT kv_group_commit(struct kv *kv)
{
    struct kv_group *group = kv->group;
    bool wrote = kv->writer.writes > 0;
    int code = mdb_txn_commit(kv->writer.txn);
    struct waiter waiter = {.next = NULL};
    pthread_mutex_lock(&group->lock);
    /* One that only read has seen what the group wrote before it: its answer waits too. */
    bool joins = code == 0 && (wrote || group->count > 0);
    if (joins) {
        waiter.next = group->waiters;
        group->waiters = &waiter;
        group->count++;
    }
    leave(group);
    while (joins && !waiter.done)
        pthread_cond_wait(&group->settled, &group->lock);
    pthread_mutex_unlock(&group->lock);
    if (code != 0)
        return kv_result("committing", code);
    return waiter.result;
}

void kv_group_abort(struct kv *kv)
{
    struct kv_group *group = kv->group;
    mdb_txn_abort(kv->writer.txn);
    pthread_mutex_lock(&group->lock);
    leave(group);
    pthread_mutex_unlock(&group->lock);
}
