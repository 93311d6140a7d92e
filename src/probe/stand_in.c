/* Tracepoints instead of functions: see stand_in.def. */
#include "probe/context_int.h"

static const struct stand_in {
    const char *function, *event;
    uint8_t count;
    uint8_t words[PROBE_STAND_IN_WORDS];
} stand_ins[] = {
#define STAND_IN(function, event, count, ...) {function, event, count, {__VA_ARGS__}},
#include "probe/stand_in.def"
#undef STAND_IN
};

static const struct stand_in *find(const char *function) {
    for (size_t i = 0; i < sizeof stand_ins / sizeof *stand_ins; i++) {
        if (strcmp(stand_ins[i].function, function) == 0)
            return &stand_ins[i];
    }
    return NULL;
}

bool probe_has_stand_in(const char *function) { return find(function) != NULL; }

/* What the block reads must be there: of the arguments the first `count`, nothing that only a probe of the function
 * knows. */
static bool is_enough(unsigned wants, uint32_t count) {
    unsigned arguments = wants / PROBE_WANT_ARGUMENT(0);

    return !(wants & (PROBE_WANT_ARGS | PROBE_WANT_REGISTERS | PROBE_WANT_FUNCTION)) && arguments >> count == 0;
}

/* "__x64_sys_openat": the tracepoint of all system calls, which is given the same registers. */
static bool use_syscall(struct probe_context *context, struct probe_target *target, unsigned wants) {
    static const char *const prefixes[] = {"__x64_sys_", "__arm64_sys_"};
    static const uint8_t registers[] = {0}; /* word 0 of both: struct pt_regs *, the function's only argument */

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        int32_t number =
            str_starts(target->symbol, prefixes[i]) ? probe_syscall_number(target->symbol + strlen(prefixes[i])) : -1;
        if (number < 0 || !is_enough(wants, target->is_return ? 0 : 1))
            continue;
        const char *event = target->is_return ? "sys_exit" : "sys_enter";
        target->mechanism = target->is_return ? PROBE_SYSCALL_EXIT : PROBE_SYSCALL_ENTER;
        target->syscall_number = number;
        target->attach_btf_id = probe_raw_btf_id(context, event, NULL);
        target->argument_words = registers;
        target->argument_count = target->is_return ? 0 : 1;
        target->result_word = 1;
        target->detour = arena_printf(context->arena, "through rawtracepoint:%s, which has the same arguments", event);
        return true;
    }
    return false;
}

bool probe_use_stand_in(struct probe_context *context, struct probe_target *target, unsigned wants) {
    if (use_syscall(context, target, wants))
        return true;
    const struct stand_in *found = target->is_return ? NULL : find(target->symbol);
    uint32_t id = found && is_enough(wants, found->count) ? probe_raw_btf_id(context, found->event, NULL) : 0;

    if (!id)
        return false;
    target->mechanism = PROBE_BTF_TRACEPOINT;
    target->event = found->event;
    target->attach_btf_id = id;
    target->argument_words = found->words;
    target->argument_count = found->count;
    target->detour =
        arena_printf(context->arena, "through rawtracepoint:%s, which has the same arguments", found->event);
    return true;
}
