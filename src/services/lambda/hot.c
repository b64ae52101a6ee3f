/* Code that is a folder of this machine (S3Bucket=hot-reload, as LocalStack has it): what it looks
 * like now, so that environments started before a change serve no more. */
#include <fts.h>
#include <sys/stat.h>

#include "services/lambda/lambda_int.h"

/* Beyond these many files changes are not seen; installed packages are not looked at. */
enum { FILES_MAX = 20000 };

struct look {
    uint64_t hash;
    int64_t mtime_s, mtime_ns, size;
    uint64_t inode;
};

static bool is_left_out(const FTSENT *entry)
{
    static const char *const names[] = {"node_modules", ".git", "__pycache__", ".venv"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(entry->fts_name, names[i]) == 0)
            return true;
    return false;
}

struct str lambda_hot_stamp(struct call *call, struct str folder)
{
    char path[4096];
    if (folder.len >= sizeof path)
        return (struct str){0};
    memcpy(path, folder.ptr, folder.len);
    path[folder.len] = '\0';
    char *const roots[] = {path, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    struct look look = {0};
    FTSENT *entry;
    for (int i = 0; tree != NULL && i < FILES_MAX && (entry = fts_read(tree)) != NULL; i++) {
        if (entry->fts_info == FTS_D && is_left_out(entry)) {
            (void)fts_set(tree, entry, FTS_SKIP);
            continue;
        }
        if (entry->fts_info == FTS_DP || entry->fts_statp == NULL)
            continue;
        look.mtime_s = entry->fts_statp->st_mtim.tv_sec;
        look.mtime_ns = entry->fts_statp->st_mtim.tv_nsec;
        look.size = entry->fts_statp->st_size;
        look.inode = entry->fts_statp->st_ino;
        /* A sum: the order in which a folder is read says nothing. */
        look.hash += str_hash(
            str_make((const char *)&look.mtime_s, sizeof look - offsetof(struct look, mtime_s)),
            str_hash(str_from_c(entry->fts_path), 7));
    }
    if (tree != NULL)
        (void)fts_close(tree);
    return str_format(call->arena, "/%016llx", (unsigned long long)look.hash);
}
