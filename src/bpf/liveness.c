/* Which registers an instruction reads and writes, and the interval in which each virtual register (or spill slot)
 * must keep its value. Intervals have no holes: from the first to the last position where the value is alive. */
#include "bpf/allocate_int.h"

static bool is_commutative(uint8_t code) {
    return code == BPF_ADD || code == BPF_MUL || code == BPF_AND || code == BPF_OR || code == BPF_XOR;
}

static void add_use(struct bpf_use uses[8], unsigned *count, uint32_t *field, bool late) {
    if (*field != BPF_NO_REGISTER && *field >= BPF_VIRTUAL)
        uses[(*count)++] = (struct bpf_use){field, late};
}

unsigned bpf_uses(struct bpf_machine_instruction *i, struct bpf_use uses[8]) {
    unsigned count = 0;
    /* A result may take over the register of an operand unless encode still reads that after writing the result. */
    bool late_a = i->kind == BPF_M_FETCH;
    bool late_b = i->kind == BPF_M_LEAST || (i->kind == BPF_M_ALU && !(is_commutative(i->code) && i->offset == 0));
    add_use(uses, &count, &i->a, late_a);
    add_use(uses, &count, &i->b, late_b);
    for (unsigned k = 0; k < i->operand_count; k++)
        if (i->operands[k].kind == BPF_O_REGISTER)
            add_use(uses, &count, &i->operands[k].register_, false);
    return count;
}

unsigned bpf_definitions(struct bpf_machine_instruction *i, uint32_t *fields[BPF_ENTRY_MOST]) {
    unsigned count = 0;
    for (unsigned k = 0; i->kind == BPF_M_ENTRY && k < BPF_ENTRY_MOST; k++)
        if (i->entry[k] != BPF_NO_REGISTER)
            fields[count++] = &i->entry[k];
    if (i->d != BPF_NO_REGISTER)
        fields[count++] = &i->d;
    return count;
}

/* ---- items: what has an interval ------------------------------------------------------------------------------ */

/* Items an instruction reads or writes: virtual registers, or spill slots. */
static unsigned read_items(struct bpf_machine_instruction *i, enum bpf_items items, uint32_t out[8], bool late[8]) {
    unsigned count = 0;
    if (items == BPF_ITEMS_VIRTUALS) {
        struct bpf_use uses[8];
        count = bpf_uses(i, uses);
        for (unsigned k = 0; k < count; k++) {
            out[k] = *uses[k].field - BPF_VIRTUAL;
            late[k] = uses[k].late;
        }
        return count;
    }
    if (i->kind == BPF_M_FILL)
        out[count++] = (uint32_t)i->immediate;
    for (unsigned k = 0; k < i->operand_count; k++)
        if (i->operands[k].kind == BPF_O_SLOT)
            out[count++] = i->operands[k].slot;
    memset(late, 0, 8);
    return count;
}

static unsigned written_items(struct bpf_machine_instruction *i, enum bpf_items items, uint32_t out[8]) {
    if (items == BPF_ITEMS_SLOTS) {
        out[0] = (uint32_t)i->immediate;
        return i->kind == BPF_M_SPILL;
    }
    uint32_t *fields[BPF_ENTRY_MOST];
    unsigned count = bpf_definitions(i, fields);
    for (unsigned k = 0; k < count; k++)
        out[k] = *fields[k] - BPF_VIRTUAL;
    return count;
}

/* ---- live sets ------------------------------------------------------------------------------------------------ */

struct live_sets {
    uint32_t words;                      /* per set */
    uint64_t *in, *read_first, *written; /* block after block */
};

static bool has(const uint64_t *set, uint32_t item) { return set[item / 64] >> (item % 64) & 1; }
static void include(uint64_t *set, uint32_t item) { set[item / 64] |= 1ull << (item % 64); }

static unsigned block_successors(const struct bpf_function *f, uint32_t block, uint32_t out[2]) {
    const struct bpf_machine_instruction *last = &f->blocks[block].data[f->blocks[block].count - 1];
    unsigned count = last->kind == BPF_M_BRANCH ? 2 : last->kind == BPF_M_JUMP ? 1 : 0;
    for (unsigned e = 0; e < count; e++)
        out[e] = last->targets[e];
    return count;
}

static void collect_block(struct bpf_function *f, uint32_t block, enum bpf_items items, struct live_sets *sets) {
    uint64_t *reads = sets->read_first + (size_t)block * sets->words;
    uint64_t *writes = sets->written + (size_t)block * sets->words;
    for (uint32_t k = 0; k < f->blocks[block].count; k++) {
        uint32_t list[8];
        bool late[8];
        unsigned count = read_items(&f->blocks[block].data[k], items, list, late);
        for (unsigned n = 0; n < count; n++)
            if (!has(writes, list[n]))
                include(reads, list[n]);
        count = written_items(&f->blocks[block].data[k], items, list);
        for (unsigned n = 0; n < count; n++)
            include(writes, list[n]);
    }
    memcpy(sets->in + (size_t)block * sets->words, reads, sets->words * sizeof *reads);
}

/* in = read first, or alive in a successor and not written here; until nothing changes. */
static void spread(struct bpf_function *f, struct live_sets *sets) {
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t block = f->block_count; block-- > 0;) {
            uint32_t next[2];
            unsigned edges = block_successors(f, block, next);
            uint64_t *in = sets->in + (size_t)block * sets->words;
            const uint64_t *written = sets->written + (size_t)block * sets->words;
            for (unsigned e = 0; e < edges; e++) {
                const uint64_t *out = sets->in + (size_t)next[e] * sets->words;
                for (uint32_t w = 0; w < sets->words; w++) {
                    uint64_t more = out[w] & ~written[w] & ~in[w];
                    in[w] |= more;
                    changed |= more != 0;
                }
            }
        }
    }
}

/* ---- intervals ------------------------------------------------------------------------------------------------ */

static void extend(struct bpf_interval *interval, uint32_t position) {
    if (interval->start > position)
        interval->start = position;
    if (interval->end < position)
        interval->end = position;
}

static void extend_set(const uint64_t *set, uint32_t words, struct bpf_interval *intervals, uint32_t position) {
    for (uint32_t w = 0; w < words; w++)
        for (uint64_t bits = set[w]; bits; bits &= bits - 1)
            extend(&intervals[w * 64 + (uint32_t)__builtin_ctzll(bits)], position);
}

static void extend_block(struct bpf_function *f, uint32_t block, uint32_t first, enum bpf_items items,
                         struct bpf_interval *intervals) {
    for (uint32_t k = 0; k < f->blocks[block].count; k++) {
        uint32_t list[8], position = 2 * (first + k);
        bool late[8];
        unsigned count = read_items(&f->blocks[block].data[k], items, list, late);
        for (unsigned n = 0; n < count; n++) {
            extend(&intervals[list[n]], position + late[n]);
            intervals[list[n]].accesses++;
        }
        count = written_items(&f->blocks[block].data[k], items, list);
        for (unsigned n = 0; n < count; n++) {
            extend(&intervals[list[n]], position + 1);
            intervals[list[n]].accesses++;
        }
    }
}

struct bpf_interval *bpf_intervals(struct bpf_function *f, struct arena *arena, enum bpf_items items, uint32_t count) {
    struct bpf_interval *intervals = arena_new_array(arena, struct bpf_interval, count + 1);
    struct live_sets sets = {.words = count / 64 + 1};
    size_t size = (size_t)f->block_count * sets.words;
    sets.in = arena_new_array(arena, uint64_t, size);
    sets.read_first = arena_new_array(arena, uint64_t, size);
    sets.written = arena_new_array(arena, uint64_t, size);
    for (uint32_t i = 0; i < count; i++)
        intervals[i].start = UINT32_MAX;
    for (uint32_t block = 0; block < f->block_count; block++)
        collect_block(f, block, items, &sets);
    spread(f, &sets);
    for (uint32_t w = 0; w < sets.words; w++)
        if (sets.in[w])
            BUG("bpf: %s: a register is read before it is written", f->ir->name);
    for (uint32_t block = 0, first = 0; block < f->block_count; first += f->blocks[block++].count) {
        uint32_t next[2];
        unsigned edges = block_successors(f, block, next);
        extend_set(sets.in + (size_t)block * sets.words, sets.words, intervals, 2 * first);
        extend_block(f, block, first, items, intervals);
        for (unsigned e = 0; e < edges; e++)
            extend_set(sets.in + (size_t)next[e] * sets.words, sets.words, intervals,
                       2 * (first + f->blocks[block].count) - 1);
    }
    return intervals;
}
