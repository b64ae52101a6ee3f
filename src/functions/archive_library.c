#include "functions/archive_library.h"

#include <dlfcn.h>
#include <string.h>

static bool symbol(void *handle, const char *name, void *place)
{
    void *found = dlsym(handle, name);
    memcpy(place, &found, sizeof found);
    return found != NULL;
}

bool archive_library_load(struct archive_library *library)
{
    void *handle = dlopen("libarchive.so.13", RTLD_NOW | RTLD_LOCAL); /* counted: loaded once */
    return handle != NULL && symbol(handle, "archive_read_new", &library->read_new) &&
           symbol(handle, "archive_read_support_format_zip", &library->support_zip) &&
           symbol(handle, "archive_read_support_format_tar", &library->support_tar) &&
           symbol(handle, "archive_read_support_filter_gzip", &library->support_gzip) &&
           symbol(handle, "archive_read_support_filter_zstd", &library->support_zstd) &&
           symbol(handle, "archive_read_open_fd", &library->open_fd) &&
           symbol(handle, "archive_read_open", &library->open) &&
           symbol(handle, "archive_read_next_header", &library->next_header) &&
           symbol(handle, "archive_read_data", &library->read_data) &&
           symbol(handle, "archive_read_free", &library->read_free) &&
           symbol(handle, "archive_error_string", &library->error_string) &&
           symbol(handle, "archive_entry_pathname", &library->pathname) &&
           symbol(handle, "archive_entry_pathname_utf8", &library->pathname_utf8) &&
           symbol(handle, "archive_entry_symlink", &library->symlink) &&
           symbol(handle, "archive_entry_hardlink", &library->hardlink) &&
           symbol(handle, "archive_entry_filetype", &library->filetype) &&
           symbol(handle, "archive_entry_perm", &library->perm) &&
           symbol(handle, "archive_entry_mtime", &library->mtime) &&
           symbol(handle, "archive_entry_mtime_is_set", &library->mtime_is_set) &&
           symbol(handle, "archive_entry_is_encrypted", &library->is_encrypted);
}
