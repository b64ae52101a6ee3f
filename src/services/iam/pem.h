/* Certificates and keys as texts. */
#ifndef KUMONIWA_SERVICES_IAM_PEM_H
#define KUMONIWA_SERVICES_IAM_PEM_H

#include "base/arena.h"
#include "base/str.h"

struct pem_certificate {
    int64_t expires_ms;
    uint8_t digest[32]; /* SHA-256 of it */
};
/* One certificate, and nothing else. */
bool pem_read_certificate(struct str text, struct pem_certificate *out);
/* One certificate or several. */
bool pem_is_chain(struct str text);
bool pem_is_private_key(struct str text);
bool pem_matches(struct str certificate, struct str private_key);

/* An RSA public key, from "ssh-rsa AAAA..." or PEM ("-----BEGIN PUBLIC KEY-----" or RSA's own). */
struct ssh_key {
    struct str ssh;         /* "ssh-rsa AAAA...", without a comment */
    struct str pem;         /* "-----BEGIN PUBLIC KEY-----..." */
    struct str fingerprint; /* MD5 of its bytes as SSH sends them: "aa:bb:..." */
};
enum ssh_problem { SSH_GOOD, SSH_UNKNOWN_ENCODING, SSH_INVALID };
enum ssh_problem ssh_key_read(struct arena *arena, struct str text, struct ssh_key *out);

#endif
