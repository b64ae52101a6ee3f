/* A certificate authority of this machine's own, for --tls: made once in the directory that is
 * given (which is made if need be: ca.pem, ca.key, server.pem, server.key; all 0600 but the
 * certificates), signing a server certificate for localhost, *.localhost, 127.0.0.1, ::1,
 * *.localhost.localstack.cloud and further names, renewed at start when less than 30 days are left.
 * ECDSA P-256. */
#ifndef KUMONIWA_HTTP_LOCAL_CA_H
#define KUMONIWA_HTTP_LOCAL_CA_H

#include "base/arena.h"
#include "base/result.h"
#include "base/str.h"

struct local_ca {
    struct str certificate, key; /* of the server, PEM, chain included; in the arena */
    struct str ca_path;          /* the file to trust */
    bool created;                /* the CA is new: tell the user how to trust it */
};

RESULT local_ca_load(struct arena *arena, struct str directory, const struct str *names,
                     size_t name_count, struct local_ca *out);

#endif
