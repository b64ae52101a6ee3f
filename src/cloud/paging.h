/* Paging tokens: opaque to clients, tied to this cloud, operation, account and region, refused when
 * altered. token := base64url(version, HMAC-SHA-256 cut to 16 bytes, payload). */
#ifndef KUMONIWA_CLOUD_PAGING_H
#define KUMONIWA_CLOUD_PAGING_H

#include "cloud/call.h"

/* position: what the handler needs to go on, usually the last key. In the arena. */
struct str paging_token(struct call *call, struct str position);
/* False: not a token of this operation; the handler answers its service's error. */
bool paging_position(struct call *call, struct str token, struct str *position);

/* The same seal for other opaque handles (receipt handles, upload ids): `purpose` keeps kinds
 * apart. */
struct str seal_make(struct call *call, struct str purpose, struct str payload);
bool seal_open(struct call *call, struct str purpose, struct str text, struct str *payload);

#endif
