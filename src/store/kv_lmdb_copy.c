/* A consistent copy of the store: by reflink where the file system shares blocks, which takes the
 * same few milliseconds at any size. Otherwise page by page from a reader's snapshot, free pages
 * left out; or, where values stand apart, key by key from one. */
#include "store/kv_lmdb_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PORTION = 4 << 20 }; /* bytes of keys and values in a transaction */

static const char *path_in(struct arena *arena, struct str directory, const char *name)
{
    return str_to_c(arena, str_concat(arena, directory, str_from_c(name)));
}

static RESULT finish_file(const struct kv *kv, int fd, const char *path, enum result result)
{
    if (result == RESULT_OK && kv->durability == KV_POWER && fsync(fd) != 0)
        result = FAULT("fsync of a copy: %s", strerrordesc_np(errno));
    if (close(fd) != 0 && result == RESULT_OK)
        result = FAULT("closing %s: %s", path, strerrordesc_np(errno));
    if (result != RESULT_OK)
        unlink(path);
    return result;
}

static RESULT clone_file(struct kv *kv, struct arena *arena, struct str directory, const char *name,
                         int from, bool *cloned)
{
    const char *path = path_in(arena, directory, name);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return FAULT("making %s: %s", path, strerrordesc_np(errno));
    *cloned = ioctl(fd, FICLONE, from) == 0;
    TRY(finish_file(kv, fd, path, RESULT_OK));
    if (!*cloned)
        unlink(path);
    return RESULT_OK;
}

/* Writers stand still meanwhile: the files between two transactions are a whole store. */
static RESULT clone_all(struct kv *kv, struct arena *arena, struct str directory, bool *cloned)
{
    int slots, values;
    struct kv_txn *txn;
    TRY(kv_begin(kv, true, &txn));
    enum result result = clone_file(kv, arena, directory, "/kv.mdb", kv->space.fd, cloned);
    if (result == RESULT_OK && *cloned && kv_apart_files(kv, &slots, &values)) {
        result = clone_file(kv, arena, directory, "/kv.slots", slots, cloned);
        if (result == RESULT_OK && *cloned)
            result = clone_file(kv, arena, directory, "/kv.values", values, cloned);
    }
    kv_abort(txn);
    return result;
}

static RESULT copy_pages(struct kv *kv, struct arena *arena, struct str directory)
{
    const char *path = path_in(arena, directory, "/kv.mdb");
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return FAULT("making %s: %s", path, strerrordesc_np(errno));
    return finish_file(
        kv, fd, path, kv_result("copying the store", mdb_env_copyfd2(kv->env, fd, MDB_CP_COMPACT)));
}

/* One transaction's worth. */
static RESULT copy_portion(struct kv_cursor *cursor, struct kv *into, bool *more)
{
    struct kv_txn *txn;
    struct str key, value;
    size_t bytes = 0;
    TRY(kv_begin(into, true, &txn));
    enum result result = RESULT_OK;
    for (*more = true; result == RESULT_OK && *more && bytes < PORTION;) {
        result = kv_next(cursor, &key, &value);
        *more = result == RESULT_OK && !str_is_absent(key);
        if (*more)
            result = kv_cursor_is_apart(cursor) ? kv_put_apart(txn, key, value)
                                                : kv_put(txn, key, value);
        bytes += key.len + value.len;
    }
    if (result == RESULT_OK)
        return kv_commit(txn);
    kv_abort(txn);
    return result;
}

static RESULT copy_from(struct kv *kv, struct arena *arena, struct kv *into)
{
    struct kv_txn *txn;
    struct kv_cursor *cursor;
    bool more = true;
    TRY(kv_begin(kv, false, &txn));
    enum result result = kv_cursor_open(txn, arena, STR(""), false, &cursor);
    while (result == RESULT_OK && more)
        result = copy_portion(cursor, into, &more);
    kv_abort(txn);
    return result;
}

static RESULT copy_keys(struct kv *kv, struct arena *arena, struct str directory)
{
    const struct kv_config config = {
        .directory = directory, .durability = kv->durability, .map_size = kv->space.map_size};
    struct kv *into;
    TRY(kv_open(&config, &into));
    enum result result = copy_from(kv, arena, into);
    kv_close(into);
    return result;
}

RESULT kv_copy(struct kv *kv, struct str directory)
{
    static const char *const names[] = {"/kv.mdb", "/kv.mdb-lock", "/kv.slots", "/kv.values"};
    struct arena *arena = arena_new(0);
    bool cloned = false;
    enum result result = RESULT_OK;
    const char *path = path_in(arena, directory, names[0]);
    if (access(path, F_OK) == 0) {
        result = FAULT("making %s: %s", path, strerrordesc_np(EEXIST));
        arena_free(arena);
        return result;
    }
    result = clone_all(kv, arena, directory, &cloned);
    if (result == RESULT_OK && !cloned && !kv_apart_files(kv, NULL, NULL))
        result = copy_pages(kv, arena, directory);
    if (result == RESULT_OK && !cloned && kv_apart_files(kv, NULL, NULL)) { /* by now, perhaps */
        unlink(path);
        result = copy_keys(kv, arena, directory);
    }
    for (size_t i = 0; result != RESULT_OK && i < sizeof names / sizeof names[0]; i++)
        unlink(path_in(arena, directory, names[i]));
    arena_free(arena);
    return result;
}
