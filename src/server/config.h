/* How the program is to run: defaults, then the configuration file, then the environment, then
 * flags; later ones win.
 *
 *   flag            environment            file             default
 *   --listen        KUMONIWA_LISTEN        listen           127.0.0.1:4566
 *   --data          KUMONIWA_DATA          data             $XDG_DATA_HOME/kumoniwa
 *   --ephemeral     KUMONIWA_EPHEMERAL     ephemeral        no (a private directory, removed at the
 * end)
 *   --durability    KUMONIWA_DURABILITY    durability       process
 *   --region        AWS_DEFAULT_REGION     region           us-east-1
 *   --auth          KUMONIWA_AUTH          auth             open | strict
 *   --iam           KUMONIWA_IAM           iam              enforce | audit | off
 *   --threads       KUMONIWA_THREADS       threads          as many as cores
 *   --tls           KUMONIWA_TLS           tls              no
 *   --endpoint      KUMONIWA_ENDPOINT      endpoint         http(s)://localhost:PORT
 *   --log-level     KUMONIWA_LOG           log-level        info
 *   --init          KUMONIWA_INIT          init             /etc/localstack/init
 *   --functions-network KUMONIWA_FUNCTIONS_NETWORK functions-network none
 *   --functions-idle KUMONIWA_FUNCTIONS_IDLE functions-idle 600 (seconds)
 *   --config        KUMONIWA_CONFIG        -                $XDG_CONFIG_HOME/kumoniwa/config when
 * it is there
 *
 * The file holds "key = value" lines and '#' comments. */
#ifndef KUMONIWA_SERVER_CONFIG_H
#define KUMONIWA_SERVER_CONFIG_H

#include "base/arena.h"
#include "base/log.h"
#include "base/result.h"
#include "base/str.h"
#include "cloud/cloud.h"
#include "store/kv.h"

struct config {
    struct str address;
    uint16_t port;
    struct str data; /* absolute */
    bool ephemeral;
    enum kv_durability durability;
    struct str region;
    bool strict_auth;
    enum iam_mode iam;
    unsigned threads; /* 0: as many as cores */
    bool tls;
    struct str endpoint; /* absent: from address and port */
    enum log_level log_level;
    struct str init_directory;
    bool functions_outside;    /* functions are on the machine's network */
    unsigned functions_idle_s; /* how long an environment is kept that is not used; 0: the usual */
    bool quiet;                /* no start-up line */
    int ready_fd; /* the port (two bytes) is written here once it answers; 0: nowhere */
};

/* Flags of argv, without the program's and the command's names. RESULT_ERROR: *message says what is
 * wrong with which setting, where it came from and what is allowed. */
RESULT config_load(struct arena *arena, int argc, char *const *argv, struct config *out,
                   struct str *message);

#endif
