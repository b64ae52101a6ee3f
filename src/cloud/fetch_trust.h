/* Whether a server is who it should be. */
#ifndef KUMONIWA_CLOUD_FETCH_TRUST_H
#define KUMONIWA_CLOUD_FETCH_TRUST_H

#include "base/arena.h"
#include "wire/types.h"

/* chain: PEM, the server's own certificate first. True when it is good by this machine's
 * authorities, or by a certificate of the chain whose SHA-1 digest is listed (40 hex digits, any
 * case). The name in it is not looked at. */
bool fetch_trusts(struct arena *arena, const struct str_list *chain,
                  const struct str_list *thumbprints);

#endif
