/* Forms that are posted to a bucket: a first byte says in which pieces the rest comes. */
#include "fuzz/fuzz.h"
#include "server/intake_form.h"

struct taken {
    struct request request;
    size_t bytes;
    bool ready;
};

static RESULT fields(struct request *request)
{
    struct taken *taken = (struct taken *)request;
    ASSERT(!taken->ready && !str_is_absent(wire_request_header(&request->wire, STR("file"))));
    taken->ready = true;
    return RESULT_OK;
}

static RESULT store(void *context, struct str bytes)
{
    struct taken *taken = context;
    ASSERT(taken->ready);
    taken->bytes += bytes.len;
    return RESULT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct http_exchange exchange = {.arena = arena};
    const struct wire_header type = {STR("content-type"),
                                     STR("multipart/form-data; boundary=\"b\"")};
    struct taken taken = {.request = {.exchange = &exchange,
                                      .call = {.arena = arena},
                                      .wire = {.headers = &type, .header_count = 1}}};
    const struct form_reader reader = {fields, store, &taken};
    struct form *form = form_new(&taken.request);
    size_t step = size > 0 ? 1 + (size_t)data[0] : 1;
    enum result result = RESULT_OK;
    for (size_t at = 1; at < size && result == RESULT_OK; at += step) {
        size_t part = size - at < step ? size - at : step;
        result = form_feed(form, str_make((const char *)data + at, part), &reader);
    }
    if (result == RESULT_OK)
        result = form_end(form);
    ASSERT(result != RESULT_OK || taken.ready);
    ASSERT(taken.bytes <= size);
    arena_free(arena);
    return 0;
}
