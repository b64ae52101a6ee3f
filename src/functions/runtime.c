#include "functions/runtime_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/vec.h"
#include "functions/runtime_files.h"

#define RUNTIME_PLACE "/var/runtime"
#define MAX_TEXT (256 << 10)

RESULT runtimes_new(struct arena *arena, struct str directory, struct runtimes **out)
{
    struct runtimes *runtimes = ARENA_NEW(arena, struct runtimes);
    runtimes->arena = arena;
    if (pthread_mutex_init(&runtimes->mutex, NULL) != 0)
        return FAULT("pthread_mutex_init");
    runtimes->directory =
        str_format(arena, "%.*s/runtime-%s", PRSTR(directory), runtime_files_digest);
    *out = runtimes;
    return RESULT_OK;
}

void runtimes_free(struct runtimes *runtimes)
{
    pthread_mutex_destroy(&runtimes->mutex);
}

/* --- files --- */

static RESULT make_directories(struct arena *arena, struct str path)
{
    for (size_t i = 1; i <= path.len; i++) {
        if (i < path.len && path.ptr[i] != '/')
            continue;
        const char *part = str_to_c(arena, str_slice(path, 0, i));
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return FAULT("mkdir %s: %s", part, strerror(errno));
    }
    return RESULT_OK;
}

/* Whole or not at all: other processes may read it while it is written. */
static RESULT write_file(struct arena *arena, struct str path, struct str data)
{
    const char *name = str_to_c(arena, path);
    const char *fresh = str_to_c(arena, str_format(arena, "%.*s.%ld", PRSTR(path), (long)getpid()));
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return FAULT("%s: %s", fresh, strerror(errno));
    size_t done = 0;
    while (done < data.len) {
        ssize_t wrote = write(fd, data.ptr + done, data.len - done);
        if (wrote <= 0)
            break;
        done += (size_t)wrote;
    }
    bool good = done == data.len && fchmod(fd, 0644) == 0; /* whatever the umask says */
    if (close(fd) != 0 || !good || rename(fresh, name) != 0)
        return FAULT("%s: %s", name, strerror(errno));
    return RESULT_OK;
}

RESULT runtime_files_write(struct runtimes *runtimes)
{
    if (runtimes->written)
        return RESULT_OK;
    struct arena *scratch = arena_new(0);
    enum result result = make_directories(scratch, runtimes->directory);
    if (result == RESULT_OK && chmod(str_to_c(scratch, runtimes->directory), 0755) != 0)
        result = FAULT("chmod %.*s: %s", PRSTR(runtimes->directory), strerror(errno));
    for (size_t i = 0; i < runtime_file_count && result == RESULT_OK; i++) {
        struct str path =
            str_format(scratch, "%.*s/%s", PRSTR(runtimes->directory), runtime_files[i].name);
        struct stat status;
        if (stat(str_to_c(scratch, path), &status) == 0 &&
            (size_t)status.st_size == runtime_files[i].size)
            continue;
        result = make_directories(scratch, str_slice(path, 0, str_find_last_char(path, '/')));
        if (result == RESULT_OK)
            result =
                write_file(scratch, path, str_make(runtime_files[i].data, runtime_files[i].size));
    }
    arena_free(scratch);
    runtimes->written = result == RESULT_OK;
    return result;
}

/* The client compiled by this very interpreter, so that no cold start compiles it; its answer is
 * its version and the directories of its packages. */
static const char python_prepare[] =
    "import importlib.util,marshal,os,sys\n"
    "source,target=sys.argv[1:3]\n"
    "if not os.path.exists(target):\n"
    "    code=compile(open(source,'rb').read(),'" RUNTIME_PLACE
    "/bootstrap.py','exec',dont_inherit=True)\n"
    "    fresh=target+'.'+str(os.getpid())\n"
    "    with open(fresh,'wb') as file:\n"
    "        file.write(importlib.util.MAGIC_NUMBER+bytes(12)+marshal.dumps(code))\n"
    "    os.chmod(fresh,0o644)\n"
    "    os.rename(fresh,target)\n"
    "print('%d.%d.%d'%sys.version_info[:3])\n"
    "import site\n"
    "print('\\n'.join(p for p in site.getsitepackages() if os.path.isdir(p)))\n";

static RESULT prepare_python(struct runtimes *runtimes, struct interpreter *interpreter,
                             struct str *problem)
{
    struct arena *arena = runtimes->arena;
    uint8_t digest[SHA256_SIZE];
    digest_sha256(interpreter->real, digest);
    struct buf name;
    buf_init(&name, arena, 64);
    buf_append(&name, STR("bootstrap-"));
    hex_encode(&name, str_make((const char *)digest, 4));
    buf_append(&name, STR(".pyc"));
    const char *argv[] = {
        str_to_c(arena, interpreter->real),
        "-s",
        "-E",
        "-c",
        python_prepare,
        str_to_c(arena, str_concat(arena, runtimes->directory, STR("/bootstrap.py"))),
        str_to_c(arena,
                 str_format(arena, "%.*s/%.*s", PRSTR(runtimes->directory), PRSTR(buf_str(&name)))),
        NULL};
    struct str output;
    if (runtime_ask(arena, argv, &output) != RESULT_OK) {
        *problem = str_format(arena, "%.*s does not work here", PRSTR(interpreter->real));
        return RESULT_ERROR;
    }
    struct str sites = {0};
    (void)str_cut(output, '\n', &interpreter->version_text, &sites);
    interpreter->sites = sites;
    interpreter->prepared_file = buf_str(&name);
    return RESULT_OK;
}

/* Where the program was built without a compiler for Java, its sources are here. */
static RESULT prepare_java(struct runtimes *runtimes, const struct interpreter *interpreter,
                           struct str *problem)
{
    struct arena *arena = runtimes->arena;
    struct str jar = str_concat(arena, runtimes->directory, STR("/kumoniwa-lambda.jar"));
    if (access(str_to_c(arena, jar), R_OK) == 0)
        return RESULT_OK;
    struct str classes = str_concat(arena, runtimes->directory, STR("/java-classes"));
    if (access(str_to_c(arena, classes), R_OK) == 0)
        return RESULT_OK;
    struct str bin = str_slice(interpreter->real, 0, str_find_last_char(interpreter->real, '/'));
    const char *script =
        "set -e; fresh=$3.$$; \"$1\" --release 11 -nowarn -proc:none -encoding UTF-8 "
        "-d \"$fresh\" $(find \"$2\" -name '*.java'); chmod -R a+rX \"$fresh\"; "
        "mv -T \"$fresh\" \"$3\"";
    const char *argv[] = {"/bin/sh",
                          "-c",
                          script,
                          "sh",
                          str_to_c(arena, str_concat(arena, bin, STR("/javac"))),
                          str_to_c(arena, str_concat(arena, runtimes->directory, STR("/java"))),
                          str_to_c(arena, classes),
                          NULL};
    struct str output;
    if (runtime_ask(arena, argv, &output) == RESULT_OK)
        return RESULT_OK;
    *problem =
        STR("Functions in Java need a Java compiler here, since Kumoniwa was built without one: "
            "install a JDK (apt-get install default-jdk-headless).");
    return RESULT_ERROR;
}

RESULT runtime_prepare(struct runtimes *runtimes, enum runtime_family family,
                       struct interpreter *interpreter, struct str *problem)
{
    if (interpreter->prepared)
        return RESULT_OK;
    if (family == RUNTIME_PYTHON)
        TRY(prepare_python(runtimes, interpreter, problem));
    if (family == RUNTIME_JAVA)
        TRY(prepare_java(runtimes, interpreter, problem));
    interpreter->prepared = true;
    return RESULT_OK;
}
