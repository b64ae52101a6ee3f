/* LocalStack's init hooks: executables and *.sh files in DIR/{boot,start,ready,shutdown}.d, run in
 * the order of their names with the environment of a client ("Initialization Hooks", LocalStack
 * documentation). A script that fails is logged and remembered; the others run all the same. */
#ifndef KUMONIWA_SERVER_INIT_HOOKS_H
#define KUMONIWA_SERVER_INIT_HOOKS_H

#include <pthread.h>

#include "base/buf.h"
#include "server/config.h"

struct init_script {
    const char *stage; /* "BOOT", "START", "READY", "SHUTDOWN" */
    struct str name;
    bool successful;
};

struct init_hooks {
    struct arena *arena;
    pthread_mutex_t lock;        /* over what follows: requests read it while later stages run */
    struct init_script *scripts; /* that have run, in order */
    size_t count, cap;
    unsigned stages_done; /* a bit for each stage */
};

enum init_stage { INIT_BOOT, INIT_START, INIT_READY, INIT_SHUTDOWN, INIT_STAGES };

/* Runs the scripts of one stage and waits for them. endpoint absent: the server does not answer
 * yet. */
void init_hooks_run(struct init_hooks *hooks, const struct config *config, struct str endpoint,
                    enum init_stage stage);
/* {"completed": {"BOOT": true, ...}, "scripts": [{"stage", "name", "state"}]}, as /_localstack/init
 * answers. */
void init_hooks_write(struct init_hooks *hooks, struct buf *out);
/* The same of one stage, as /_localstack/init/STAGE answers; name compared without case. False: no
 * such stage. */
bool init_hooks_write_stage(struct init_hooks *hooks, struct str name, struct buf *out);

#endif
