/* libarchive, loaded when the first archive is unpacked: most servers never do. */
#ifndef KUMONIWA_FUNCTIONS_ARCHIVE_LIBRARY_H
#define KUMONIWA_FUNCTIONS_ARCHIVE_LIBRARY_H

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>

#define ARCHIVE_LIBRARY_MISSING "libarchive.so.13 is not installed (libarchive13)"

struct archive_library {
    struct archive *(*read_new)(void);
    int (*support_zip)(struct archive *);
    int (*support_tar)(struct archive *);
    int (*support_gzip)(struct archive *);
    int (*support_zstd)(struct archive *);
    int (*open_fd)(struct archive *, int, size_t);
    int (*open)(struct archive *, void *, archive_open_callback *, archive_read_callback *,
                archive_close_callback *);
    int (*next_header)(struct archive *, struct archive_entry **);
    la_ssize_t (*read_data)(struct archive *, void *, size_t);
    int (*read_free)(struct archive *);
    const char *(*error_string)(struct archive *);
    const char *(*pathname)(struct archive_entry *);
    const char *(*pathname_utf8)(struct archive_entry *);
    const char *(*symlink)(struct archive_entry *);
    const char *(*hardlink)(struct archive_entry *);
    __LA_MODE_T (*filetype)(struct archive_entry *);
    __LA_MODE_T (*perm)(struct archive_entry *);
    time_t (*mtime)(struct archive_entry *);
    int (*mtime_is_set)(struct archive_entry *);
    int (*is_encrypted)(struct archive_entry *);
};

/* False: it is not on this machine. */
bool archive_library_load(struct archive_library *library);

#endif
