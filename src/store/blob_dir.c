/* Blobs as files of a directory. The store's table of them, in the same transactions as the
 * records:
 *
 *     ("blob", id)              alive
 *     ("blob-released", id)     i64: wall time of the release; the file goes when the grace is over
 */
#include "store/blob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"
#include "base/time.h"
#include "store/blob_seal.h"
#include "store/key.h"

/* A handler that began before the release may still want to open the file. */
enum { GRACE_MS = 5000, NAME_SIZE = 3 + 32 + 1, FOLDERS = 256 };

struct blob_store {
    int fd, tmp; /* directories */
    bool sync;
    int64_t grace_ms;
    _Atomic uint64_t written;      /* names of files in tmp */
    _Atomic bool folders[FOLDERS]; /* known to exist */
};

struct blob_writer {
    struct blob_store *store;
    int fd;
    uint64_t number;
    uint64_t size;
    struct blob_seal *seal; /* NULL: the bytes go as they are */
};

static RESULT failed(const char *what, int code)
{
    if (code == ENOSPC || code == EDQUOT)
        return RESULT_FULL;
    return FAULT("blobs: %s: %s", what, strerrordesc_np(code));
}

static void tmp_name(char name[24], uint64_t number)
{
    snprintf(name, 24, "%llu", (unsigned long long)number);
}

/* xx/ID; the first two characters are the folder. */
static void blob_name(char name[NAME_SIZE], const struct blob_id *id)
{
    static const char digits[] = "0123456789abcdef";
    char *p = name;
    *p++ = digits[id->bytes[0] >> 4];
    *p++ = digits[id->bytes[0] & 15];
    *p++ = '/';
    for (size_t i = 0; i < sizeof(id->bytes); i++) {
        *p++ = digits[id->bytes[i] >> 4];
        *p++ = digits[id->bytes[i] & 15];
    }
    *p = 0;
}

static void alive_key(struct key *key, const struct blob_id *id)
{
    key_init(key, NULL);
    key_str(key, STR("blob"));
    key_str(key, str_make((const char *)id->bytes, sizeof(id->bytes)));
}

static void released_key(struct key *key, const struct blob_id *id)
{
    key_init(key, NULL);
    key_str(key, STR("blob-released"));
    key_str(key, str_make((const char *)id->bytes, sizeof(id->bytes)));
}

RESULT blob_store_open(struct str directory, enum kv_durability durability, struct blob_store **out)
{
    struct arena *scratch = arena_new(0);
    const char *path = str_to_c(scratch, directory);
    struct blob_store *store = heap_alloc(sizeof(*store));
    store->sync = durability == KV_POWER;
    store->grace_ms = GRACE_MS;
    store->tmp = -1;
    int code = mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : errno;
    store->fd = code == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (store->fd >= 0 && (mkdirat(store->fd, "tmp", 0700) == 0 || errno == EEXIST))
        store->tmp = openat(store->fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum result result = RESULT_OK;
    if (store->tmp < 0)
        result = failed(path, code != 0 ? code : errno);
    arena_free(scratch);
    if (result != RESULT_OK) {
        blob_store_close(store);
        return result;
    }
    *out = store;
    return RESULT_OK;
}

void blob_store_close(struct blob_store *store)
{
    if (store == NULL)
        return;
    if (store->tmp >= 0)
        close(store->tmp);
    if (store->fd >= 0)
        close(store->fd);
    heap_free(store);
}

void blob_store_set_grace(struct blob_store *store, int64_t ms)
{
    store->grace_ms = ms;
}

RESULT blob_create(struct blob_store *store, struct blob_writer **out)
{
    char name[24];
    for (;;) {
        uint64_t number = atomic_fetch_add(&store->written, 1);
        tmp_name(name, number);
        int fd = openat(store->tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0) {
            struct blob_writer *writer = heap_alloc(sizeof(*writer));
            *writer = (struct blob_writer){.store = store, .fd = fd, .number = number};
            *out = writer;
            return RESULT_OK;
        }
        /* One left by a process that was killed, before blob_sweep(). */
        if (errno != EEXIST && errno != EINTR)
            return failed("making a file", errno);
    }
}

RESULT blob_create_sealed(struct blob_store *store, const struct blob_key *key,
                          struct blob_writer **out)
{
    TRY(blob_create(store, out));
    if (key->layers > 0)
        (*out)->seal = blob_seal_new(key);
    return RESULT_OK;
}

static RESULT write_all(void *context, struct str bytes)
{
    struct blob_writer *writer = context;
    while (bytes.len > 0) {
        ssize_t n = write(writer->fd, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed("writing", errno);
        bytes = str_slice(bytes, (size_t)n, bytes.len);
    }
    return RESULT_OK;
}

RESULT blob_append(struct blob_writer *writer, struct str bytes)
{
    writer->size += bytes.len;
    if (writer->seal != NULL)
        return blob_seal_append(writer->seal, bytes, write_all, writer);
    return write_all(writer, bytes);
}

static void free_writer(struct blob_writer *writer)
{
    close(writer->fd);
    blob_seal_free(writer->seal);
    heap_free(writer);
}

void blob_discard(struct blob_writer *writer)
{
    char name[24];
    if (writer == NULL)
        return;
    tmp_name(name, writer->number);
    unlinkat(writer->store->tmp, name, 0);
    free_writer(writer);
}

/* Makes the directory entry itself survive a loss of power. */
static int sync_folder(struct blob_store *store, const char *folder)
{
    int fd = openat(store->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int code = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return code;
}

static int move_into_place(struct blob_writer *writer, const struct blob_id *id)
{
    struct blob_store *store = writer->store;
    char name[NAME_SIZE], tmp[24], folder[3];
    blob_name(name, id);
    memcpy(folder, name, 2);
    folder[2] = 0;
    tmp_name(tmp, writer->number);
    if (store->sync && fdatasync(writer->fd) != 0)
        return errno;
    if (!atomic_load(&store->folders[id->bytes[0]])) {
        if (mkdirat(store->fd, folder, 0700) != 0 && errno != EEXIST)
            return errno;
        if (store->sync && fsync(store->fd) != 0)
            return errno;
        atomic_store(&store->folders[id->bytes[0]], true);
    }
    if (renameat(store->tmp, tmp, store->fd, name) != 0)
        return errno;
    int code = store->sync ? sync_folder(store, folder) : 0;
    if (code != 0)
        unlinkat(store->fd, name, 0);
    return code;
}

RESULT blob_publish(struct blob_writer *writer, struct blob_id *id, uint64_t *size)
{
    struct blob_id fresh;
    if (writer->seal != NULL) {
        enum result result = blob_seal_end(writer->seal, write_all, writer);
        if (result != RESULT_OK) {
            blob_discard(writer);
            return result;
        }
    }
    rng_bytes(fresh.bytes, sizeof(fresh.bytes));
    int code = move_into_place(writer, &fresh);
    if (code != 0) {
        blob_discard(writer);
        return failed("publishing", code);
    }
    *id = fresh;
    *size = writer->size;
    free_writer(writer);
    return RESULT_OK;
}

RESULT blob_retain(struct blob_store *store, struct kv_txn *txn, const struct blob_id *id)
{
    (void)store;
    struct key key;
    alive_key(&key, id);
    return kv_put(txn, key_bytes(&key), STR(""));
}

RESULT blob_release(struct blob_store *store, struct kv_txn *txn, const struct blob_id *id)
{
    (void)store;
    struct key key, now;
    bool existed;
    alive_key(&key, id);
    TRY(kv_delete(txn, key_bytes(&key), &existed));
    if (!existed)
        return FAULT("a blob is released that nobody retained");
    released_key(&key, id);
    key_init(&now, NULL);
    key_i64(&now, time_wall_ms());
    return kv_put(txn, key_bytes(&key), key_bytes(&now));
}

RESULT blob_clear_entry(struct blob_store *store, struct kv_txn *txn, struct str key, bool *kept)
{
    struct arena *scratch = arena_new(0);
    struct key_reader reader = key_read(scratch, key);
    struct str table, bytes;
    struct blob_id id;
    enum result result = RESULT_OK;
    *kept = key_next_str(&reader, &table) && str_eq(table, STR("blob-released"));
    if (!*kept && str_eq(table, STR("blob")) && key_next_str(&reader, &bytes) &&
        bytes.len == sizeof(id.bytes)) {
        memcpy(id.bytes, bytes.ptr, sizeof(id.bytes));
        *kept = true;
        result = blob_release(store, txn, &id);
    }
    arena_free(scratch);
    return result;
}

void blob_drop(struct blob_store *store, const struct blob_id *id)
{
    char name[NAME_SIZE];
    blob_name(name, id);
    unlinkat(store->fd, name, 0);
}

RESULT blob_open(struct blob_store *store, const struct blob_id *id, int *fd)
{
    char name[NAME_SIZE];
    blob_name(name, id);
    int opened = openat(store->fd, name, O_RDONLY | O_CLOEXEC);
    if (opened < 0)
        return failed(name, errno);
    *fd = opened;
    return RESULT_OK;
}

/* Removes the files that are due; their entries follow in a transaction of their own: a crash in
 * between leaves entries without files, which the next run removes. */
static RESULT remove_due(struct blob_store *store, struct kv_txn *txn, struct arena *arena,
                         size_t limit, struct str **keys, size_t *count)
{
    struct key prefix;
    struct kv_cursor *cursor;
    int64_t now = time_wall_ms();
    key_init(&prefix, NULL);
    key_str(&prefix, STR("blob-released"));
    TRY(kv_cursor_open(txn, arena, key_bytes(&prefix), false, &cursor));
    *keys = ARENA_ARRAY(arena, limit == 0 ? 1 : limit, struct str);
    while (*count < limit) {
        struct str key, value, service, bytes;
        struct blob_id id;
        int64_t released;
        TRY(kv_next(cursor, &key, &value));
        if (key.ptr == NULL)
            break;
        struct key_reader reader = key_read(arena, key), time = key_read(arena, value);
        if (!key_next_str(&reader, &service) || !key_next_str(&reader, &bytes) ||
            bytes.len != sizeof(id.bytes) || !key_next_i64(&time, &released))
            return FAULT("a broken entry of the table of blobs");
        /* Released in the future: the machine's clock was set back. */
        if (released > now - store->grace_ms && released <= now)
            continue;
        memcpy(id.bytes, bytes.ptr, sizeof(id.bytes));
        char name[NAME_SIZE];
        blob_name(name, &id);
        if (unlinkat(store->fd, name, 0) != 0 && errno != ENOENT)
            return failed("removing a file", errno);
        (*keys)[(*count)++] = str_copy(arena, key);
    }
    return RESULT_OK;
}

static RESULT forget(struct kv *kv, const struct str *keys, size_t count)
{
    struct kv_txn *txn;
    TRY(kv_begin(kv, true, &txn));
    for (size_t i = 0; i < count; i++) {
        enum result result = kv_delete(txn, keys[i], NULL);
        if (result != RESULT_OK) {
            kv_abort(txn);
            return result;
        }
    }
    return kv_commit(txn);
}

RESULT blob_collect(struct blob_store *store, struct kv *kv, size_t limit, size_t *removed)
{
    struct arena *scratch = arena_new(0);
    struct kv_txn *txn;
    struct str *keys = NULL;
    size_t count = 0;
    enum result result = kv_begin(kv, false, &txn);
    if (result == RESULT_OK) {
        result = remove_due(store, txn, scratch, limit, &keys, &count);
        kv_abort(txn);
    }
    if (result == RESULT_OK && count > 0)
        result = forget(kv, keys, count);
    if (result == RESULT_OK)
        *removed = count;
    arena_free(scratch);
    return result;
}

static int from_hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The id that a file's name is, in the folder that it belongs to. */
static bool parse_name(unsigned folder, const char *name, struct blob_id *id)
{
    if (strlen(name) != 2 * sizeof(id->bytes))
        return false;
    for (size_t i = 0; i < sizeof(id->bytes); i++) {
        int high = from_hex(name[2 * i]), low = from_hex(name[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        id->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return id->bytes[0] == folder;
}

/* Does the store know the blob, alive or waiting for its collection? */
static RESULT is_known(struct kv_txn *txn, const struct blob_id *id, bool *known)
{
    struct key key;
    struct str value;
    alive_key(&key, id);
    TRY(kv_get(txn, key_bytes(&key), &value));
    if (value.ptr == NULL) {
        released_key(&key, id);
        TRY(kv_get(txn, key_bytes(&key), &value));
    }
    *known = value.ptr != NULL;
    return RESULT_OK;
}

/* folder < 0: tmp, where every file is a leftover. */
static RESULT sweep_files(struct kv_txn *txn, DIR *directory, int folder, size_t *removed)
{
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (entry == NULL)
            return errno == 0 ? RESULT_OK : failed("reading a directory", errno);
        struct blob_id id;
        bool known = false;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (folder >= 0) {
            /* What is not ours is left alone. */
            if (!parse_name((unsigned)folder, entry->d_name, &id))
                continue;
            TRY(is_known(txn, &id, &known));
        }
        if (known)
            continue;
        if (unlinkat(dirfd(directory), entry->d_name, 0) != 0 && errno != ENOENT)
            return failed("removing a leftover", errno);
        ++*removed;
    }
}

static RESULT sweep_folder(struct blob_store *store, struct kv_txn *txn, int folder,
                           size_t *removed)
{
    char name[12] = "tmp";
    if (folder >= 0)
        snprintf(name, sizeof(name), "%02x", (unsigned)(uint8_t)folder);
    int fd = openat(store->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? RESULT_OK : failed(name, errno);
    DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        close(fd);
        return failed(name, errno);
    }
    enum result result = sweep_files(txn, directory, folder, removed);
    closedir(directory);
    return result;
}

/* Which folders there are: asking for each of them took longer than all else at the start of an
 * empty store. */
static RESULT find_folders(struct blob_store *store)
{
    int fd = openat(store->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed("looking for folders", errno);
    DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        close(fd);
        return failed("looking for folders", errno);
    }
    errno = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL; errno = 0) {
        if (strlen(entry->d_name) != 2)
            continue;
        int high = from_hex(entry->d_name[0]), low = from_hex(entry->d_name[1]);
        if (high >= 0 && low >= 0)
            atomic_store(&store->folders[high << 4 | low], true);
    }
    int code = errno;
    closedir(directory);
    return code == 0 ? RESULT_OK : failed("looking for folders", code);
}

RESULT blob_sweep(struct blob_store *store, struct kv *kv, size_t *removed)
{
    struct kv_txn *txn;
    size_t count = 0;
    TRY(find_folders(store));
    TRY(kv_begin(kv, false, &txn));
    enum result result = sweep_folder(store, txn, -1, &count);
    for (int folder = 0; folder < FOLDERS && result == RESULT_OK; folder++)
        if (atomic_load(&store->folders[folder]))
            result = sweep_folder(store, txn, folder, &count);
    kv_abort(txn);
    if (result == RESULT_OK)
        *removed = count;
    return result;
}
