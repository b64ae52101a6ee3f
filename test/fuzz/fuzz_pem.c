/* Certificates, private keys and SSH keys that users upload. A key that is taken is taken again in
 * both of its forms, and stays the same. */
#include "fuzz/fuzz.h"

#include "base/result.h"
#include "services/iam/pem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct str text = str_make((const char *)data, size);
    struct pem_certificate certificate;
    struct ssh_key key, again;
    if (pem_read_certificate(text, &certificate))
        ASSERT(pem_is_chain(text));
    (void)pem_is_private_key(text);
    (void)pem_matches(text, text);
    if (ssh_key_read(arena, text, &key) == SSH_GOOD) {
        ASSERT(ssh_key_read(arena, key.ssh, &again) == SSH_GOOD && str_eq(again.pem, key.pem));
        ASSERT(ssh_key_read(arena, key.pem, &again) == SSH_GOOD && str_eq(again.ssh, key.ssh));
    }
    arena_free(arena);
    return 0;
}
