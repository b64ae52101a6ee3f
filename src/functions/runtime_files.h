/* The files of src/functions/runtimes as they stand in the program; build/gen/runtime_files.c is
 * made of them by tools/gen_runtimes.py. */
#ifndef KUMONIWA_FUNCTIONS_RUNTIME_FILES_H
#define KUMONIWA_FUNCTIONS_RUNTIME_FILES_H

#include <stddef.h>

struct runtime_file {
    const char *name; /* "bootstrap.py", "java/Mapper.java" */
    const char *data;
    size_t size;
};
extern const struct runtime_file runtime_files[];
extern const size_t runtime_file_count;
/* Differs whenever a file differs: 16 hexadecimal digits. */
extern const char runtime_files_digest[];

#endif
