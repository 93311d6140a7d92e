/* IR as text, one instruction a line; the format of golden tests, so changes here change them. */
#include "ir/ir_int.h"
#include <ctype.h>
#include <inttypes.h>

static void add_lower(struct strbuf *out, const char *name) {
    for (; *name; name++)
        strbuf_addch(out, (char)tolower((unsigned char)*name));
}

static void print_address(const struct ir_instruction *v, struct strbuf *out) {
    if (v->immediate < 0)
        strbuf_addf(out, "[v%u - %" PRId64 "]", v->a, -v->immediate);
    else
        strbuf_addf(out, "[v%u + %" PRId64 "]", v->a, v->immediate);
}

static void print_list(const char *separator, const ir_value *values, unsigned count, struct strbuf *out) {
    for (unsigned i = 0; i < count; i++)
        strbuf_addf(out, "%s%u", i ? separator : "v", values[i]);
}

static void print_operands(const struct ir_function *f, const struct ir_instruction *v, struct strbuf *out) {
    switch (v->op) {
    case IR_CONSTANT:
        strbuf_addf(out, " %" PRId64, v->immediate);
        break;
    case IR_SLOT:
        strbuf_addf(out, " s%" PRId64, v->immediate);
        break;
    case IR_MAP:
        strbuf_addf(out, " m%" PRId64, v->immediate);
        break;
    case IR_MAP_VALUE:
        strbuf_addf(out, " m%" PRId64 " + %" PRId64, v->immediate >> 32, v->immediate & UINT32_MAX);
        break;
    case IR_FUNCTION:
        strbuf_addf(out, " %s", f->module->functions.data[v->immediate]->name);
        break;
    case IR_CALL:
        strbuf_addf(out, " %s(", ir_helpers[v->helper].name);
        print_list(", v", v->arguments, v->argument_count, out);
        strbuf_addch(out, ')');
        break;
    case IR_JUMP:
        strbuf_addf(out, " b%u", v->arguments[0]);
        break;
    case IR_BRANCH:
        strbuf_addf(out, " v%u, b%u, b%u", v->a, v->arguments[0], v->arguments[1]);
        break;
    default: {
        const char *letters = ir_ops[v->op].operands;
        bool memory = strchr(letters, 'i') != NULL;
        if (!*letters)
            break;
        strbuf_addch(out, ' ');
        if (memory)
            print_address(v, out);
        else
            strbuf_addf(out, "v%u", v->a);
        if (strncmp(letters, "vv", 2) == 0)
            strbuf_addf(out, ", v%u", v->b);
        if (v->op == IR_ATOMIC_CMPXCHG)
            strbuf_addf(out, ", v%u", v->arguments[0]);
    }
    }
}

static void print_instruction(const struct ir_function *f, ir_value value, struct strbuf *out) {
    const struct ir_instruction *v = ir_at(f, value);
    strbuf_addstr(out, "    ");
    if (ir_has_result(v))
        strbuf_addf(out, "v%u = ", value);
    add_lower(out, ir_ops[v->op].name);
    if (v->width)
        strbuf_addf(out, ".%u", v->width);
    print_operands(f, v, out);
    strbuf_addch(out, '\n');
}

static void print_function(const struct ir_function *f, struct strbuf *out) {
    strbuf_addf(out, "%s %s\n", f->kind == IR_MAIN ? "main" : "callback", f->name);
    for (ir_block i = 0; i < f->blocks.count; i++) {
        const struct ir_basic_block *block = &f->blocks.data[i];
        if (block->instructions.count == 0)
            continue;
        strbuf_addf(out, "b%u:\n", i);
        for (uint32_t k = 0; k < block->instructions.count; k++)
            print_instruction(f, block->instructions.data[k], out);
    }
}

void ir_print(const struct ir_module *module, struct strbuf *out) {
    for (uint32_t i = 0; i < module->slots.count; i++)
        strbuf_addf(out, "slot s%u %u %s\n", i, module->slots.data[i].size, module->slots.data[i].name);
    for (uint32_t i = 0; i < module->functions.count; i++)
        print_function(module->functions.data[i], out);
}
