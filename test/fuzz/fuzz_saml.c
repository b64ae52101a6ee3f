/* SAML responses and the metadata of their provider, apart by a zero byte: whatever it is, it is
 * read to an end, and what is good has an issuer. */
#include "fuzz/fuzz.h"

#include "auth/saml.h"
#include "base/result.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct str text = str_make((const char *)data, size), response, metadata;
    struct saml_assertion assertion;
    if (!str_cut(text, '\0', &response, &metadata))
        metadata = STR("<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" "
                       "entityID=\"a\"/>");
    if (saml_read(arena, response, metadata, &assertion) == SAML_GOOD)
        ASSERT(!str_is_empty(assertion.issuer));
    arena_free(arena);
    return 0;
}
