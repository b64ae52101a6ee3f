#include "unit/policy_support.h"

bool policy_keys_find(void *self, struct str key, struct policy_values *out)
{
    const struct policy_keys *keys = self;
    for (size_t i = 0; i < keys->len; i++) {
        if (str_eq_nocase(keys->items[i].name, key)) {
            *out = (struct policy_values){keys->items[i].values, keys->items[i].len};
            return true;
        }
    }
    return false;
}

void policy_keys_read(struct policy_keys *keys, const char *const *texts, size_t count)
{
    keys->len = 0;
    for (size_t i = 0; i < count; i++) {
        struct policy_key *key = &keys->items[keys->len++];
        struct str rest, value;
        assert_true(keys->len <= POLICY_KEYS_MAX);
        str_cut(str_from_c(texts[i]), '=', &key->name, &rest);
        key->len = 0;
        while (!str_is_empty(rest)) {
            assert_true(key->len < POLICY_VALUES_MAX);
            str_cut(rest, '|', &value, &rest);
            key->values[key->len++] = str_eq(value, STR("'")) ? STR("") : value;
        }
    }
}

const struct policy *policy_read(struct arena *arena, enum policy_form form, const char *text)
{
    const struct policy *policy = NULL;
    struct str reason = STR("");
    if (policy_compile(arena, str_from_c(text), form, &policy, &reason) != RESULT_OK)
        fail_msg("%.*s: %s", PRSTR(reason), text);
    return policy;
}
