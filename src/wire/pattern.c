/* The models' patterns. They are Java's (java.util.regex.Pattern), PCRE2 runs them: what is written
 * differently is rewritten first. Compiled when first used, kept for the life of the process;
 * readers take no lock. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdatomic.h>

#include "base/log.h"
#include "wire/pattern_int.h"
#include "wire/shape.h"

struct wire_pattern {
    pcre2_code *code; /* NULL: not to be had in PCRE2; everything matches */
};

/* One model's patterns, by constraint. */
struct model_patterns {
    const struct wire_model *model;
    size_t count;
    _Atomic(struct wire_pattern *) items[];
};

/* An open-addressed table of models. A slot is set once. */
enum { SLOTS = 1024 };
struct wire_patterns {
    _Atomic(struct model_patterns *) slots[SLOTS];
};

/* --- from Java's dialect --- */

struct rewriter {
    const char *p;
    const char *end;
    struct buf *out;
    int depth;        /* of character classes; Java's may be nested */
    bool flat_unions; /* [a[b]] is a union, not a class that holds '[' */
};

static bool read_hex4(const char *p, const char *end, unsigned *out)
{
    unsigned value = 0;
    if (end - p < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)p[i];
        unsigned letter = c | 0x20;
        if (c >= '0' && c <= '9')
            value = value << 4 | (c - '0');
        else if (letter >= 'a' && letter <= 'f')
            value = value << 4 | (letter - 'a' + 10);
        else
            return false;
    }
    *out = value;
    return true;
}

/* \uXXXX, a pair of surrogates being one character. At 'u'. */
static bool rewrite_unicode(struct rewriter *w)
{
    unsigned code, low;
    if (!read_hex4(w->p + 1, w->end, &code))
        return false;
    w->p += 5;
    if (code >= 0xd800 && code < 0xdc00 && w->end - w->p >= 6 && w->p[0] == '\\' &&
        w->p[1] == 'u' && read_hex4(w->p + 2, w->end, &low) && low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        w->p += 6;
    }
    buf_append_format(w->out, "\\x{%X}", code);
    return true;
}

/* \p{Alpha} and the like: Java's POSIX classes are ASCII, as PCRE2's [:alpha:] without UCP. */
static bool rewrite_property(struct rewriter *w)
{
    static const char *const posix[] = {"Alpha", "Digit", "Alnum", "Upper", "Lower",  "Punct",
                                        "Graph", "Print", "Blank", "Cntrl", "XDigit", "Space"};
    bool negated = *w->p == 'P';
    if (w->end - w->p < 4 || w->p[1] != '{') {
        buf_append_format(w->out, "\\%c", *w->p);
        w->p++;
        return true;
    }
    struct str rest = str_make(w->p + 2, (size_t)(w->end - w->p - 2));
    struct str name;
    struct str after;
    if (!str_cut(rest, '}', &name, &after))
        return false;
    w->p = after.ptr;
    const char *open = w->depth > 0 ? "" : "[";
    const char *close = w->depth > 0 ? "" : "]";
    if (str_eq(name, STR("ASCII"))) {
        buf_append_format(w->out, "%s%s%s", open, negated ? "\\x{80}-\\x{10FFFF}" : "\\x00-\\x7F",
                          close);
        return true;
    }
    for (size_t i = 0; i < sizeof(posix) / sizeof(posix[0]); i++) {
        if (!str_eq(name, str_from_c(posix[i])))
            continue;
        buf_append_format(w->out, "%s[:%s", open, negated ? "^" : "");
        for (const char *c = posix[i]; *c != '\0'; c++)
            buf_append_char(w->out, (char)(*c | 0x20));
        buf_append_format(w->out, ":]%s", close);
        return true;
    }
    if (str_starts_with(name, STR("Is")))
        name = str_slice(name, 2, name.len);
    if (str_eq(name, STR("Alphabetic")))
        name = STR("L");
    buf_append_format(w->out, "\\%c{%.*s}", negated ? 'P' : 'p', PRSTR(name));
    return true;
}

static bool rewrite_escape(struct rewriter *w)
{
    if (++w->p >= w->end)
        return false;
    char c = *w->p;
    bool is_class = strchr("dDwWsShHvVpP", c) != NULL;
    if (c == 'u') {
        if (!rewrite_unicode(w))
            return false;
    } else if (c == 'p' || c == 'P') {
        if (!rewrite_property(w))
            return false;
    } else {
        buf_append_char(w->out, '\\');
        buf_append_char(w->out, c);
        w->p++;
    }
    /* [\w-.]: no range begins with a class, so '-' is itself. */
    if (w->depth > 0 && is_class && w->p < w->end && *w->p == '-') {
        buf_append(w->out, STR("\\-"));
        w->p++;
    }
    return true;
}

static bool rewrite_in_class(struct rewriter *w)
{
    char c = *w->p++;
    if (c == '&' && w->p < w->end && *w->p == '&')
        return false; /* an intersection: PCRE2 has none */
    if (c == '[' && !(w->p < w->end && *w->p == ':')) {
        if (!w->flat_unions) {
            buf_append(w->out, STR("\\["));
            return true;
        }
        w->depth++;
        return w->p >= w->end || *w->p != '^';
    }
    if (c == ']' && --w->depth > 0)
        return true;
    buf_append_char(w->out, c);
    return true;
}

static bool rewrite(struct str pattern, bool flat_unions, struct buf *out)
{
    struct rewriter w = {
        .p = pattern.ptr, .end = pattern.ptr + pattern.len, .out = out, .flat_unions = flat_unions};
    while (w.p < w.end) {
        if (*w.p == '\\') {
            if (!rewrite_escape(&w))
                return false;
        } else if (w.depth > 0) {
            if (!rewrite_in_class(&w))
                return false;
        } else {
            w.depth += *w.p == '[';
            bool opened = *w.p == '[';
            buf_append_char(out, *w.p++);
            if (opened && w.p < w.end && *w.p == '^')
                buf_append_char(out, *w.p++);
            if (opened && w.p < w.end && *w.p == ']') {
                buf_append(out, STR("\\]"));
                w.p++;
            }
        }
    }
    return w.depth == 0;
}

/* --- compiling --- */

static void *pcre_heap_alloc(size_t size, void *unused)
{
    (void)unused;
    return heap_alloc(size);
}

static void pcre_heap_free(void *memory, void *unused)
{
    (void)unused;
    heap_free(memory);
}

static void *pcre_arena_alloc(size_t size, void *arena)
{
    return arena_alloc_raw(arena, size);
}

static void pcre_arena_free(void *memory, void *arena)
{
    (void)memory;
    (void)arena;
}

static pcre2_code *compile(struct str pattern)
{
    struct arena *arena = arena_new(4096);
    struct buf text;
    buf_init(&text, arena, 1 << 20);
    bool rewritten = rewrite(pattern, true, &text);
    if (!rewritten) {
        buf_clear(&text);
        rewritten = rewrite(pattern, false, &text);
    }
    pcre2_code *code = NULL;
    int reason = 0;
    size_t place = 0;
    pcre2_general_context *heap =
        pcre2_general_context_create(pcre_heap_alloc, pcre_heap_free, NULL);
    pcre2_compile_context *context = pcre2_compile_context_create(heap);
    pcre2_set_newline(context, PCRE2_NEWLINE_ANY);
    pcre2_set_compile_extra_options(context, PCRE2_EXTRA_ALLOW_SURROGATE_ESCAPES);
    if (rewritten)
        code =
            pcre2_compile((PCRE2_SPTR)buf_str(&text).ptr, text.len,
                          PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_MATCH_INVALID_UTF,
                          &reason, &place, context);
    if (code != NULL)
        (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* without JIT it is only slower */
    pcre2_compile_context_free(context);
    pcre2_general_context_free(heap);
    arena_free(arena);
    return code;
}

static struct wire_pattern *pattern_new(const struct wire_model *model, uint16_t constraint)
{
    struct str text = wire_string(model, model->constraints[constraint].pattern);
    struct wire_pattern *pattern = heap_alloc(sizeof(*pattern));
    pattern->code = compile(text);
    if (pattern->code == NULL)
        log_line(LOG_DEBUG, "%.*s: pattern %.*s has no form in PCRE2: not checked",
                 PRSTR(model->name), PRSTR(text));
    return pattern;
}

static void pattern_free(struct wire_pattern *pattern)
{
    if (pattern == NULL)
        return;
    pcre2_code_free(pattern->code);
    heap_free(pattern);
}

/* --- the table --- */

struct wire_patterns *wire_patterns_new(void)
{
    return heap_alloc(sizeof(struct wire_patterns));
}

void wire_patterns_free(struct wire_patterns *patterns)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct model_patterns *of_model = atomic_load(&patterns->slots[i]);
        if (of_model == NULL)
            continue;
        for (size_t j = 0; j < of_model->count; j++)
            pattern_free(atomic_load(&of_model->items[j]));
        heap_free(of_model);
    }
    heap_free(patterns);
}

static struct model_patterns *model_patterns_new(const struct wire_model *model)
{
    size_t count = 1;
    for (uint32_t i = 0; i < model->shape_count; i++)
        if (model->shapes[i].constraint >= count)
            count = model->shapes[i].constraint + (size_t)1;
    struct model_patterns *of_model =
        heap_alloc(sizeof(*of_model) + count * sizeof(of_model->items[0]));
    of_model->model = model;
    of_model->count = count;
    return of_model;
}

/* Two threads may make the same table at once: the slot takes the first, the other is freed. */
static struct model_patterns *of_model(struct wire_patterns *patterns,
                                       const struct wire_model *model)
{
    size_t start = ((uintptr_t)model >> 4) * 31 % SLOTS;
    for (size_t n = 0; n < SLOTS; n++) {
        _Atomic(struct model_patterns *) *slot = &patterns->slots[(start + n) % SLOTS];
        struct model_patterns *there = atomic_load_explicit(slot, memory_order_acquire);
        if (there == NULL) {
            struct model_patterns *made = model_patterns_new(model);
            if (atomic_compare_exchange_strong(slot, &there, made))
                return made;
            heap_free(made);
        }
        if (there->model == model)
            return there;
    }
    ASSERT(false); /* more models than slots */
    return NULL;
}

static const struct wire_pattern *find(struct wire_patterns *patterns,
                                       const struct wire_model *model, uint16_t constraint)
{
    struct model_patterns *table = of_model(patterns, model);
    _Atomic(struct wire_pattern *) *slot = &table->items[constraint];
    struct wire_pattern *pattern = atomic_load_explicit(slot, memory_order_acquire);
    if (pattern != NULL)
        return pattern;
    struct wire_pattern *made = pattern_new(model, constraint);
    if (atomic_compare_exchange_strong(slot, &pattern, made))
        return made;
    pattern_free(made);
    return pattern;
}

bool wire_pattern_compiles(struct wire_patterns *patterns, const struct wire_model *model,
                           uint16_t constraint)
{
    return find(patterns, model, constraint)->code != NULL;
}

bool wire_pattern_matches(struct wire_patterns *patterns, struct arena *arena,
                          const struct wire_model *model, uint16_t constraint, struct str text)
{
    /* A pattern that needs more is one that backtracks without end: such a value does not match. */
    enum { MATCH_LIMIT = 1000000 };
    const struct wire_pattern *pattern = find(patterns, model, constraint);
    if (pattern->code == NULL)
        return true;
    pcre2_general_context *memory =
        pcre2_general_context_create(pcre_arena_alloc, pcre_arena_free, arena);
    pcre2_match_context *context = pcre2_match_context_create(memory);
    pcre2_match_data *data = pcre2_match_data_create(1, memory);
    pcre2_set_match_limit(context, MATCH_LIMIT);
    int count = pcre2_match(pattern->code, (PCRE2_SPTR)text.ptr, text.len, 0, 0, data, context);
    if (count < 0 && count != PCRE2_ERROR_NOMATCH)
        log_line(LOG_DEBUG, "%.*s: matching a pattern ended with %d", PRSTR(model->name), count);
    return count >= 0;
}
