/* Web identity tokens and sets of keys: the token, a newline, the set. Nothing that is made up is
 * good; what is read is what was signed. */
#include "fuzz/fuzz.h"

#include "auth/jwt.h"
#include "base/result.h"
#include "wire/json_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct str text = str_make((const char *)data, size), token, keys;
    struct jwt jwt;
    (void)str_cut(text, '\n', &token, &keys);
    if (jwt_parse(arena, token, &jwt)) {
        ASSERT(json_is_valid(jwt.claims) && json_kind_of(jwt.claims) == JSON_OBJECT);
        ASSERT(str_starts_with(token, jwt.signed_part));
        (void)jwt_verify(arena, &jwt, str_is_absent(keys) ? STR("") : keys);
    }
    arena_free(arena);
    return 0;
}
