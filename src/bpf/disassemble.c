/* BPF instructions as text, in the notation of the kernel's verifier and bpftool. */
#include "bpf/bpf_int.h"
#include <inttypes.h>

static const char *const alu_symbols[16] = {
    [BPF_ADD >> 4] = "+=", [BPF_SUB >> 4] = "-=", [BPF_MUL >> 4] = "*=",  [BPF_DIV >> 4] = "/=",
    [BPF_OR >> 4] = "|=",  [BPF_AND >> 4] = "&=", [BPF_LSH >> 4] = "<<=", [BPF_RSH >> 4] = ">>=",
    [BPF_MOD >> 4] = "%=", [BPF_XOR >> 4] = "^=", [BPF_MOV >> 4] = "=",   [BPF_ARSH >> 4] = "s>>=",
};

static const char *const jump_symbols[16] = {
    [BPF_JEQ >> 4] = "==", [BPF_JGT >> 4] = ">",   [BPF_JGE >> 4] = ">=",   [BPF_JSET >> 4] = "&",
    [BPF_JNE >> 4] = "!=", [BPF_JSGT >> 4] = "s>", [BPF_JSGE >> 4] = "s>=", [BPF_JLT >> 4] = "<",
    [BPF_JLE >> 4] = "<=", [BPF_JSLT >> 4] = "s<", [BPF_JSLE >> 4] = "s<=",
};

static const char *size_name(uint8_t code) {
    switch (BPF_SIZE(code)) {
    case BPF_B:
        return "u8";
    case BPF_H:
        return "u16";
    case BPF_W:
        return "u32";
    default:
        return "u64";
    }
}

static const char *helper_name(int id) {
    for (unsigned i = 0; i < IR_HELPER_COUNT; i++)
        if (ir_helpers[i].id == id)
            return ir_helpers[i].name;
    return "helper";
}

static void print_alu(const struct bpf_insn *i, struct strbuf *out) {
    char prefix = BPF_CLASS(i->code) == BPF_ALU64 ? 'r' : 'w';
    uint8_t operation = BPF_OP(i->code);
    if (operation == BPF_NEG) {
        strbuf_addf(out, "%c%u = -%c%u", prefix, i->dst_reg, prefix, i->dst_reg);
    } else if (operation == BPF_END) {
        const char *name = BPF_CLASS(i->code) == BPF_ALU64 ? "bswap" : BPF_SRC(i->code) == BPF_TO_BE ? "be" : "le";
        strbuf_addf(out, "r%u = %s%d r%u", i->dst_reg, name, i->imm, i->dst_reg);
    } else if (operation == BPF_MOV && BPF_SRC(i->code) == BPF_X && i->off) {
        strbuf_addf(out, "%c%u = (s%d)%c%u", prefix, i->dst_reg, i->off, prefix, i->src_reg);
    } else {
        const char *is_signed = i->off == 1 ? "s" : ""; /* only divisions have an offset */
        strbuf_addf(out, "%c%u %s%s ", prefix, i->dst_reg, is_signed,
                    alu_symbols[operation >> 4] ? alu_symbols[operation >> 4] : "?");
        if (BPF_SRC(i->code) == BPF_X)
            strbuf_addf(out, "%c%u", prefix, i->src_reg);
        else
            strbuf_addf(out, "%d", i->imm);
    }
}

static void print_atomic(const struct bpf_insn *i, struct strbuf *out) {
    const char *size = size_name(i->code);
    int operation = i->imm & ~BPF_FETCH;
    if (i->imm == BPF_CMPXCHG)
        strbuf_addf(out, "r0 = atomic_cmpxchg((%s *)(r%u %+d), r0, r%u)", size, i->dst_reg, i->off, i->src_reg);
    else if (i->imm == BPF_XCHG)
        strbuf_addf(out, "r%u = atomic_xchg((%s *)(r%u %+d), r%u)", i->src_reg, size, i->dst_reg, i->off, i->src_reg);
    else if (i->imm & BPF_FETCH)
        strbuf_addf(out, "r%u = atomic_fetch((%s *)(r%u %+d) %s r%u)", i->src_reg, size, i->dst_reg, i->off,
                    alu_symbols[(operation >> 4) & 15], i->src_reg);
    else
        strbuf_addf(out, "lock *(%s *)(r%u %+d) %s r%u", size, i->dst_reg, i->off, alu_symbols[(operation >> 4) & 15],
                    i->src_reg);
}

static void print_memory(const struct bpf_insn *i, struct strbuf *out) {
    const char *size = size_name(i->code), *is_signed = BPF_MODE(i->code) == 0x80 ? "s" : "";
    switch (BPF_CLASS(i->code)) {
    case BPF_LDX:
        strbuf_addf(out, "r%u = *(%s%s *)(r%u %+d)", i->dst_reg, is_signed, *is_signed ? size + 1 : size, i->src_reg,
                    i->off);
        break;
    case BPF_ST:
        strbuf_addf(out, "*(%s *)(r%u %+d) = %d", size, i->dst_reg, i->off, i->imm);
        break;
    default:
        if (BPF_MODE(i->code) == BPF_ATOMIC)
            print_atomic(i, out);
        else
            strbuf_addf(out, "*(%s *)(r%u %+d) = r%u", size, i->dst_reg, i->off, i->src_reg);
    }
}

static void print_jump(const struct bpf_insn *i, struct strbuf *out) {
    char prefix = BPF_CLASS(i->code) == BPF_JMP ? 'r' : 'w';
    switch (BPF_OP(i->code)) {
    case BPF_JA:
        strbuf_addf(out, "goto pc%+d", i->off);
        break;
    case BPF_EXIT:
        strbuf_addstr(out, "exit");
        break;
    case BPF_CALL:
        if (i->src_reg == BPF_PSEUDO_CALL)
            strbuf_addf(out, "call pc%+d", i->imm);
        else
            strbuf_addf(out, "call %s#%d", helper_name(i->imm), i->imm);
        break;
    default: {
        const char *symbol = jump_symbols[BPF_OP(i->code) >> 4];
        strbuf_addf(out, "if %c%u %s ", prefix, i->dst_reg, symbol ? symbol : "?");
        if (BPF_SRC(i->code) == BPF_X)
            strbuf_addf(out, "%c%u", prefix, i->src_reg);
        else
            strbuf_addf(out, "%d", i->imm);
        strbuf_addf(out, " goto pc%+d", i->off);
    }
    }
}

static const struct bpf_reloc *reloc_at(const struct bpf_program *program, uint32_t index) {
    for (uint32_t k = 0; k < program->relocs.count; k++)
        if (program->relocs.data[k].instruction == index)
            return &program->relocs.data[k];
    return NULL;
}

static void print_wide(const struct bpf_program *program, uint32_t index, struct strbuf *out) {
    const struct bpf_insn *i = &program->instructions.data[index];
    const struct bpf_reloc *reloc = reloc_at(program, index);
    strbuf_addf(out, "r%u = ", i->dst_reg);
    if (reloc && reloc->kind == BPF_RELOC_MAP)
        strbuf_addf(out, "map[%u]", reloc->map);
    else if (reloc)
        strbuf_addf(out, "map[%u][0]+%u", reloc->map, (uint32_t)i[1].imm);
    else if (i->src_reg == BPF_PSEUDO_FUNC)
        strbuf_addf(out, "subprog[%+d]", i->imm);
    else
        strbuf_addf(out, "0x%" PRIx64 " ll", (uint64_t)(uint32_t)i[1].imm << 32 | (uint32_t)i->imm);
}

static void print_source_line(const struct source *source, uint32_t offset, struct strbuf *out) {
    uint32_t line, column, length;
    uint32_t original = source_original(source, (struct loc){offset, offset}).begin;
    const char *text = source->text + source_line(source, original, &length);

    source_position(source, offset, &line, &column);
    strbuf_addf(out, "; %.*s @ %s:%u:%u\n", (int)length, text, source_name(source, offset), line, column);
}

void bpf_disassemble(const struct bpf_program *program, const struct source *source, struct strbuf *out) {
    uint32_t line = 0, function = 0;
    for (uint32_t index = 0; index < program->instructions.count; index++) {
        const struct bpf_insn *i = &program->instructions.data[index];
        if (function < program->subprograms.count && program->subprograms.data[function].instruction == index)
            strbuf_addf(out, "%s:\n", program->subprograms.data[function++].name);
        if (line < program->lines.count && program->lines.data[line].instruction == index) {
            if (source)
                print_source_line(source, program->lines.data[line].loc.begin, out);
            line++;
        }
        strbuf_addf(out, "%4u: (%02x) ", index, i->code);
        switch (BPF_CLASS(i->code)) {
        case BPF_ALU:
        case BPF_ALU64:
            print_alu(i, out);
            break;
        case BPF_JMP:
        case BPF_JMP32:
            print_jump(i, out);
            break;
        case BPF_LD:
            print_wide(program, index++, out);
            break;
        default:
            print_memory(i, out);
        }
        strbuf_addch(out, '\n');
    }
}
