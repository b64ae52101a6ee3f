/* Runtimes: what their files share. */
#ifndef KUMONIWA_FUNCTIONS_RUNTIME_INT_H
#define KUMONIWA_FUNCTIONS_RUNTIME_INT_H

#include <pthread.h>

#include "functions/runtime.h"

enum runtime_family {
    RUNTIME_PYTHON,
    RUNTIME_NODE,
    RUNTIME_RUBY,
    RUNTIME_JAVA,
    RUNTIME_FAMILIES,
    RUNTIME_PROVIDED = RUNTIME_FAMILIES,
    RUNTIME_UNKNOWN,
};

/* What a runtime's name says: "python3.12" is of Python, version 3012; "nodejs20.x" 20000;
 * "java8.al2" 8000; "provided.al2023" has none. */
struct runtime_name {
    enum runtime_family family;
    int version; /* major * 1000 + minor */
};
struct runtime_name runtime_name_parse(struct str text);

/* An interpreter of this machine. All strings live as long as the runtimes. */
struct interpreter {
    struct str path;         /* as it is called: links are kept, Debian's java needs none of them */
    struct str real;         /* without links */
    struct str bound_prefix; /* a directory that a sandbox must be given; absent: it is there */
    struct str version_text; /* "3.11.2" */
    int version;             /* as runtime_name.version */
    bool prepared;           /* what is written for it once stands in the directory */
    struct str prepared_file; /* Python: the compiled client's name below /var/runtime */
    struct str sites;         /* Python: where its packages are, one a line */
};

struct interpreter_list {
    struct interpreter *items;
    size_t len, cap;
    bool looked;
};

struct runtimes {
    struct arena *arena;
    pthread_mutex_t mutex;
    struct str directory; /* of the clients, this program's; bound at /var/runtime */
    bool written;
    struct interpreter_list found[RUNTIME_FAMILIES];
};

/* All interpreters of a family that a sandbox could use, each once; looked up when first asked for.
 * The mutex is held. */
const struct interpreter_list *runtime_interpreters(struct runtimes *runtimes,
                                                    enum runtime_family family);
/* The one whose version is wanted, or else the next newer, or else the newest. NULL: there is none.
 */
struct interpreter *runtime_nearest(struct runtimes *runtimes, struct runtime_name name);
/* Runs a program without input, for five seconds at most; its output without white space at the
 * end, in the arena. */
RESULT runtime_ask(struct arena *arena, const char *const *argv, struct str *output);

/* Writes the clients to the directory, once; and what an interpreter wants to have made of them. */
RESULT runtime_files_write(struct runtimes *runtimes);
RESULT runtime_prepare(struct runtimes *runtimes, enum runtime_family family,
                       struct interpreter *interpreter, struct str *problem);

#endif
