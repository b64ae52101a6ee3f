/* A consistent copy of the store: by reflink where the file system shares blocks, which takes the
 * same few milliseconds at any size; otherwise page by page from a reader's snapshot, free pages
 * left out. */
#include "store/kv_lmdb_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Writers stand still meanwhile: an LMDB file between two transactions is a whole store. */
static RESULT clone_file(struct kv *kv, int fd, bool *cloned)
{
    struct kv_txn *txn;
    TRY(kv_begin(kv, true, &txn));
    *cloned = ioctl(fd, FICLONE, kv->space.fd) == 0;
    kv_abort(txn);
    return RESULT_OK;
}

static RESULT copy_into(struct kv *kv, int fd)
{
    bool cloned;
    TRY(clone_file(kv, fd, &cloned));
    if (!cloned)
        TRY(kv_result("copying the store", mdb_env_copyfd2(kv->env, fd, MDB_CP_COMPACT)));
    if (kv->durability == KV_POWER && fsync(fd) != 0)
        return FAULT("fsync of a copy: %s", strerrordesc_np(errno));
    return RESULT_OK;
}

RESULT kv_copy(struct kv *kv, struct str directory)
{
    struct arena *scratch = arena_new(0);
    const char *path = str_to_c(scratch, str_concat(scratch, directory, STR("/kv.mdb")));
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum result result;
    if (fd < 0) {
        result = FAULT("making %s: %s", path, strerrordesc_np(errno));
    } else {
        result = copy_into(kv, fd);
        if (close(fd) != 0 && result == RESULT_OK)
            result = FAULT("closing %s: %s", path, strerrordesc_np(errno));
        if (result != RESULT_OK)
            unlink(path);
    }
    arena_free(scratch);
    return result;
}
