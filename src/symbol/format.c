/* Stacks and single symbols as text, in the forms of bpftrace. */
#include "symbol/symbol.h"

#include <inttypes.h>

typedef bool lookup(struct symbol_cache *cache, uint32_t tgid, uint64_t address, struct symbol_name *out);

static bool look_up_kernel(struct symbol_cache *cache, uint32_t tgid, uint64_t address, struct symbol_name *out) {
    (void)tgid;
    bool found = symbol_kernel(cache, address, out);
    out->module = NULL; /* perf mode shows modules of user frames only */
    return found;
}

/* A return address may be the first byte of the next function, when the call was the last instruction (of one that
 * never returns): the function is that of the byte before; the offset shown is still that of the address. */
static bool name_frame(lookup *find, struct symbol_cache *cache, uint32_t tgid, uint64_t address, bool is_caller,
                       struct symbol_name *out) {
    if (!is_caller || !address)
        return find(cache, tgid, address, out);
    if (!find(cache, tgid, address - 1, out))
        return false;
    out->offset++;
    return true;
}

static void add_frame(const struct symbol_name *symbol, bool is_known, bool is_user, uint64_t address,
                      enum symbol_stack_mode mode, struct strbuf *out) {
    if (mode == SYMBOL_STACK_PERF)
        strbuf_addf(out, "\t%" PRIx64 " ", address);
    else
        strbuf_fill(out, ' ', 8);
    if (is_known)
        strbuf_addf(out, "%s+%" PRIu64, symbol->name, symbol->offset);
    else
        strbuf_addf(out, "0x%" PRIx64, address);
    if (mode == SYMBOL_STACK_PERF && is_user)
        strbuf_addf(out, " (%s)", symbol->module ? symbol->module : "[unknown]");
    strbuf_addch(out, '\n');
}

static void format_stack(lookup *find, struct symbol_cache *cache, uint32_t tgid, const uint64_t *ips, uint32_t count,
                         enum symbol_stack_mode mode, struct strbuf *out) {
    strbuf_addch(out, '\n');
    for (uint32_t i = 0; i < count; i++) {
        struct symbol_name symbol;
        if (mode == SYMBOL_STACK_RAW) {
            strbuf_addf(out, "%" PRIx64 "\n", ips[i]);
            continue;
        }
        bool is_known = name_frame(find, cache, tgid, ips[i], i > 0, &symbol);
        add_frame(&symbol, is_known, find != look_up_kernel, ips[i], mode, out);
    }
}

void symbol_format_user_frame(const struct symbol_name *name, bool is_known, uint64_t address,
                              enum symbol_stack_mode mode, struct strbuf *out) {
    if (mode == SYMBOL_STACK_RAW)
        strbuf_addf(out, "%" PRIx64 "\n", address);
    else
        add_frame(name, is_known, true, address, mode, out);
}

void symbol_format_kernel_stack(struct symbol_cache *cache, const uint64_t *ips, uint32_t count,
                                enum symbol_stack_mode mode, struct strbuf *out) {
    format_stack(look_up_kernel, cache, 0, ips, count, mode, out);
}

void symbol_format_user_stack(struct symbol_cache *cache, uint32_t tgid, const uint64_t *ips, uint32_t count,
                              enum symbol_stack_mode mode, struct strbuf *out) {
    format_stack(symbol_user, cache, tgid, ips, count, mode, out);
}

static void add_name(const struct symbol_name *symbol, bool is_known, uint64_t address, struct strbuf *out) {
    if (is_known)
        strbuf_addstr(out, symbol->name);
    else
        strbuf_addf(out, "0x%" PRIx64, address);
}

void symbol_format_ksym(struct symbol_cache *cache, uint64_t address, struct strbuf *out) {
    struct symbol_name symbol;
    bool is_known = symbol_kernel(cache, address, &symbol);

    add_name(&symbol, is_known, address, out);
}

void symbol_format_usym(struct symbol_cache *cache, uint32_t tgid, uint64_t address, struct strbuf *out) {
    struct symbol_name symbol;
    bool is_known = symbol_user(cache, tgid, address, &symbol);

    add_name(&symbol, is_known, address, out);
}
