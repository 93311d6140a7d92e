/* Linking of runtime pieces: a piece that is called stands behind the program's own functions, its places filled. */
#include "base/piece.h"
#include "bpf/bpf_int.h"
#include <string.h>

static int64_t value_of(const struct ir_module *module, const char *name) {
    for (uint32_t i = 0; i < module->bindings.count; i++) {
        if (strcmp(module->bindings.data[i].name, name) == 0)
            return module->bindings.data[i].value;
    }
    BUG("bpf: nothing says what %s of a runtime piece is", name);
}

static void fill(struct arena *arena, const struct ir_module *module, const struct piece_place *place, uint32_t start,
                 struct bpf_program *program) {
    struct bpf_insn *instruction = &program->instructions.data[start + place->instruction];
    int64_t value = value_of(module, place->name);
    if (strncmp(place->name, "MAP_", 4) == 0) {
        struct bpf_reloc reloc = {start + place->instruction, BPF_RELOC_MAP, (uint32_t)value};
        instruction->src_reg = BPF_PSEUDO_MAP_FD;
        vec_push(arena, &program->relocs, reloc);
        return;
    }
    instruction[0].imm = (int32_t)value;
    instruction[1].imm = (int32_t)(value >> 32);
}

static void append(struct arena *arena, const struct ir_module *module, const struct piece *piece,
                   struct bpf_program *program) {
    uint32_t start = program->instructions.count;
    for (uint32_t i = 0; i < piece->count; i++) {
        struct bpf_insn instruction;
        memcpy(&instruction, &piece->instructions[i], sizeof instruction);
        vec_push(arena, &program->instructions, instruction);
    }
    for (uint32_t i = 0; i < piece->place_count; i++)
        fill(arena, module, &piece->places[i], start, program);
    for (uint32_t i = 0; i < piece->function_count; i++) {
        const struct piece_function *function = &piece->functions[i];
        struct bpf_subprogram added = {start + function->instruction, IR_CALLBACK, function->name};
        vec_push(arena, &program->subprograms, added);
    }
}

void bpf_link(struct arena *arena, const struct ir_module *module, struct bpf_program *program) {
    uint32_t own = program->instructions.count, starts[IR_PIECES] = {0};
    for (uint32_t i = 0; i < own; i++) {
        struct bpf_insn *instruction = &program->instructions.data[i];
        if (instruction->code != (BPF_JMP | BPF_CALL) || instruction->src_reg != BPF_PSEUDO_CALL)
            continue;
        uint32_t number = (uint32_t)instruction->imm;
        if (!starts[number]) {
            starts[number] = program->instructions.count;
            append(arena, module, module->pieces[number], program);
            instruction = &program->instructions.data[i];
        }
        instruction->imm = (int32_t)(starts[number] - i - 1);
    }
}
