/* Register allocation: linear scan over intervals, in rounds.
 *
 * A value alive across a helper call can only be in r6-r9; others prefer r0-r5, by hints the register they come from
 * or flow into. When no register is left, the cheapest value (fewest accesses for its length; those that can be made
 * again first) goes to memory: each access gets a register of its own for that one instruction, and the next round
 * starts. Such short values are never spilled, so the rounds end. Measured, a spill with its fill costs 0.2 ns; being
 * correct matters here, being clever does not. */
#include "bpf/allocate_int.h"
#include <assert.h>
#include <stdlib.h>

#define REGISTERS 10u
#define CROSSING_REGISTERS 0x3c0u /* r6-r9 survive calls */
#define ALL_REGISTERS 0x3ffu

struct allocator {
    struct bpf_function *f;
    struct arena *arena;    /* of this round */
    uint64_t *random_state; /* NULL: orderly */
    struct bpf_interval *intervals;
    uint32_t *by_start; /* virtual registers that have an interval */
    uint32_t by_start_count;
    VEC(uint32_t) calls;     /* positions */
    VEC(uint32_t) clobber_0; /* positions where r0 is written on the way */
    uint32_t *assigned;      /* virtual -> machine register */
    int8_t *hint;            /* machine register, -1: none */
    uint32_t *hint_from;     /* virtual whose register is liked; BPF_NO_REGISTER */
    bool *spilled;
    bool any_spilled;
    uint32_t active[REGISTERS]; /* virtual in it, or BPF_NO_REGISTER */
};

static uint64_t next_random(uint64_t *state) { /* xorshift64 */
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* ---- facts of a round ----------------------------------------------------------------------------------------- */

static void note_hints(struct allocator *a, struct bpf_machine_instruction *i) {
    if (i->kind == BPF_M_CALL || i->kind == BPF_M_RETURN) {
        for (unsigned k = 0; k < i->operand_count; k++)
            if (i->operands[k].kind == BPF_O_REGISTER && i->operands[k].register_ >= BPF_VIRTUAL)
                a->hint[i->operands[k].register_ - BPF_VIRTUAL] = (int8_t)(i->kind == BPF_M_CALL ? k + 1 : 0);
        if (i->kind == BPF_M_CALL && i->d != BPF_NO_REGISTER && a->hint[i->d - BPF_VIRTUAL] < 0)
            a->hint[i->d - BPF_VIRTUAL] = 0;
    } else if (i->kind == BPF_M_ENTRY) {
        for (unsigned k = 0; k < BPF_ENTRY_MOST; k++)
            if (i->entry[k] != BPF_NO_REGISTER)
                a->hint[i->entry[k] - BPF_VIRTUAL] = (int8_t)(k + 1);
    } else if (i->d != BPF_NO_REGISTER && i->a != BPF_NO_REGISTER && i->a >= BPF_VIRTUAL && i->kind <= BPF_M_MOVE) {
        a->hint_from[i->d - BPF_VIRTUAL] = i->a - BPF_VIRTUAL;
        if (a->hint[i->a - BPF_VIRTUAL] < 0)
            a->hint[i->a - BPF_VIRTUAL] = a->hint[i->d - BPF_VIRTUAL];
    }
}

static void collect_facts(struct allocator *a) {
    uint32_t position = 0;
    for (uint32_t block = 0; block < a->f->block_count; block++)
        for (uint32_t k = 0; k < a->f->blocks[block].count; k++, position += 2) {
            if (a->f->blocks[block].data[k].kind == BPF_M_CALL)
                vec_push(a->arena, &a->calls, position);
            if (a->f->blocks[block].data[k].kind == BPF_M_CMPXCHG)
                vec_push(a->arena, &a->clobber_0, position);
            if (a->f->blocks[block].data[k].kind == BPF_M_ENTRY) /* its moves may turn in a circle, through r0 */
                vec_push(a->arena, &a->clobber_0, position + 1);
        }
    for (uint32_t block = a->f->block_count; block-- > 0;) /* backwards: hints flow from users to makers */
        for (uint32_t k = a->f->blocks[block].count; k-- > 0;)
            note_hints(a, &a->f->blocks[block].data[k]);
}

static int compare_starts(const void *left, const void *right, void *context) {
    const struct bpf_interval *intervals = context;
    uint32_t x = *(const uint32_t *)left, y = *(const uint32_t *)right;
    uint32_t a = intervals[x].start, b = intervals[y].start;
    return a != b ? (a < b ? -1 : 1) : (x < y ? -1 : x > y);
}

static void start_round(struct allocator *a) {
    uint32_t count = a->f->virtuals.count;
    a->intervals = bpf_intervals(a->f, a->arena, BPF_ITEMS_VIRTUALS, count);
    a->by_start = arena_new_array(a->arena, uint32_t, count + 1);
    a->assigned = arena_new_array(a->arena, uint32_t, count + 1);
    a->hint = arena_new_array(a->arena, int8_t, count + 1);
    a->hint_from = arena_new_array(a->arena, uint32_t, count + 1);
    a->spilled = arena_new_array(a->arena, bool, count + 1);
    for (uint32_t v = 0; v < count; v++) {
        a->hint[v] = -1;
        a->hint_from[v] = a->assigned[v] = BPF_NO_REGISTER;
        if (a->intervals[v].start != UINT32_MAX)
            a->by_start[a->by_start_count++] = v;
    }
    qsort_r(a->by_start, a->by_start_count, sizeof *a->by_start, compare_starts, a->intervals);
    collect_facts(a);
    for (uint32_t r = 0; r < REGISTERS; r++)
        a->active[r] = BPF_NO_REGISTER;
}

/* ---- choosing ------------------------------------------------------------------------------------------------- */

/* First of the sorted positions that is >= position; UINT32_MAX: none. */
static uint32_t first_from(const uint32_t *positions, uint32_t count, uint32_t position) {
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (positions[middle] < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count ? positions[low] : UINT32_MAX;
}

static uint32_t allowed_registers(const struct allocator *a, const struct bpf_interval *interval) {
    /* A call at p kills r0-r5 for values that start before p and end after it. */
    if (first_from(a->calls.data, a->calls.count, interval->start + 1) < interval->end)
        return CROSSING_REGISTERS;
    if (first_from(a->clobber_0.data, a->clobber_0.count, interval->start) <= interval->end)
        return ALL_REGISTERS & ~1u;
    return ALL_REGISTERS;
}

static uint32_t choose_free(struct allocator *a, uint32_t v, uint32_t free) {
    static const uint8_t order[REGISTERS] = {5, 4, 3, 2, 1, 0, 6, 7, 8, 9}; /* r0 last: hints ask for it */
    if (a->random_state) {
        uint32_t skip = (uint32_t)(next_random(a->random_state) % (unsigned)__builtin_popcount(free));
        while (skip--)
            free &= free - 1;
        return (uint32_t)__builtin_ctz(free);
    }
    if (a->hint[v] >= 0 && free >> a->hint[v] & 1)
        return (uint32_t)a->hint[v];
    uint32_t from = a->hint_from[v];
    if (from != BPF_NO_REGISTER && a->assigned[from] != BPF_NO_REGISTER && free >> a->assigned[from] & 1)
        return a->assigned[from];
    for (uint32_t k = 0; k < REGISTERS; k++)
        if (free >> order[k] & 1)
            return order[k];
    BUG("bpf: no register in an empty set");
}

/* What it costs to keep the value in memory; the lowest is spilled. */
static double spill_cost(const struct allocator *a, uint32_t v) {
    const struct bpf_interval *interval = &a->intervals[v];
    double cost = (double)interval->accesses / (interval->end - interval->start + 1);
    return a->f->virtuals.data[v].remade ? cost / 8 : cost;
}

static void spill(struct allocator *a, uint32_t v) {
    a->spilled[v] = true;
    a->any_spilled = true;
    a->assigned[v] = BPF_NO_REGISTER;
}

/* No register is free: the cheapest of those that hold one, or v itself, goes to memory. */
static void make_room(struct allocator *a, uint32_t v, uint32_t allowed) {
    uint32_t victim = a->f->virtuals.data[v].unspillable ? BPF_NO_REGISTER : v, from = 0;
    for (uint32_t r = 0; r < REGISTERS; r++) {
        uint32_t other = a->active[r];
        if (!(allowed >> r & 1) || a->f->virtuals.data[other].unspillable)
            continue;
        if (victim == BPF_NO_REGISTER || spill_cost(a, other) < spill_cost(a, victim)) {
            victim = other;
            from = r;
        }
    }
    if (victim == BPF_NO_REGISTER)
        BUG("bpf: %s: more operands than registers", a->f->ir->name);
    spill(a, victim);
    if (victim == v)
        return;
    a->active[from] = v;
    a->assigned[v] = from;
}

static void scan(struct allocator *a) {
    for (uint32_t k = 0; k < a->by_start_count; k++) {
        uint32_t v = a->by_start[k], free = 0;
        if (a->spilled[v])
            continue;
        for (uint32_t r = 0; r < REGISTERS; r++) {
            if (a->active[r] != BPF_NO_REGISTER && a->intervals[a->active[r]].end < a->intervals[v].start)
                a->active[r] = BPF_NO_REGISTER;
            free |= (uint32_t)(a->active[r] == BPF_NO_REGISTER) << r;
        }
        uint32_t allowed = allowed_registers(a, &a->intervals[v]);
        if (!(free & allowed)) {
            make_room(a, v, allowed);
            continue;
        }
        uint32_t r = choose_free(a, v, free & allowed);
        a->active[r] = v;
        a->assigned[v] = r;
    }
}

/* ---- spilling ------------------------------------------------------------------------------------------------- */

struct rewriter {
    struct allocator *a;
    uint32_t *slot; /* virtual -> spill slot */
    bpf_code code;
};

static uint32_t short_virtual(struct rewriter *w) {
    vec_add(w->a->f->arena, &w->a->f->virtuals)->unspillable = true;
    return BPF_VIRTUAL + w->a->f->virtuals.count - 1;
}

static struct bpf_machine_instruction *insert(struct rewriter *w, enum bpf_machine_kind kind, struct loc loc) {
    struct bpf_machine_instruction *i = vec_add(w->a->f->arena, &w->code);
    i->kind = (uint8_t)kind;
    i->d = i->a = i->b = BPF_NO_REGISTER;
    i->loc = loc;
    return i;
}

/* `count` is how many virtual registers the round knew: those made while rewriting are not spilled. */
static bool is_spilled(const struct rewriter *w, uint32_t register_, uint32_t count) {
    return register_ != BPF_NO_REGISTER && register_ >= BPF_VIRTUAL && register_ - BPF_VIRTUAL < count &&
           w->a->spilled[register_ - BPF_VIRTUAL];
}

/* A call takes its operand straight from memory. */
static void rewrite_operands(struct rewriter *w, struct bpf_machine_instruction *i, uint32_t count) {
    for (unsigned k = 0; k < i->operand_count; k++) {
        struct bpf_operand *operand = &i->operands[k];
        if (operand->kind != BPF_O_REGISTER || !is_spilled(w, operand->register_, count))
            continue;
        uint32_t v = operand->register_ - BPF_VIRTUAL;
        if (w->a->f->virtuals.data[v].remade) {
            *operand = w->a->f->virtuals.data[v].operand;
        } else {
            operand->kind = BPF_O_SLOT;
            operand->slot = w->slot[v];
        }
    }
}

static uint32_t fetch(struct rewriter *w, uint32_t register_, struct loc loc) {
    const struct bpf_virtual *v = &w->a->f->virtuals.data[register_ - BPF_VIRTUAL];
    bool remade = v->remade;
    struct bpf_operand operand = v->operand;
    uint32_t into = short_virtual(w);
    struct bpf_machine_instruction *fill = insert(w, remade ? BPF_M_CONST : BPF_M_FILL, loc);
    fill->d = into;
    if (remade) {
        fill->operand_count = 0;
        fill->operands[0] = operand;
    } else {
        fill->immediate = w->slot[register_ - BPF_VIRTUAL];
    }
    return into;
}

static void rewrite_uses(struct rewriter *w, struct bpf_machine_instruction *i, uint32_t count) {
    rewrite_operands(w, i, count);
    struct bpf_use uses[8];
    unsigned n = bpf_uses(i, uses);
    for (unsigned k = 0; k < n; k++) {
        uint32_t old = *uses[k].field;
        if (!is_spilled(w, old, count))
            continue;
        uint32_t into = fetch(w, old, i->loc);
        for (unsigned m = k; m < n; m++)
            if (*uses[m].field == old)
                *uses[m].field = into;
    }
}

static void rewrite_instruction(struct rewriter *w, struct bpf_machine_instruction i, uint32_t count) {
    uint32_t *fields[BPF_ENTRY_MOST], slots[BPF_ENTRY_MOST], values[BPF_ENTRY_MOST];
    bool linked[BPF_ENTRY_MOST];
    unsigned stores = 0, n = bpf_definitions(&i, fields);
    if (i.kind == BPF_M_CONST && is_spilled(w, i.d, count) && w->a->f->virtuals.data[i.d - BPF_VIRTUAL].remade)
        return;
    rewrite_uses(w, &i, count);
    for (unsigned k = 0; k < n; k++) {
        if (!is_spilled(w, *fields[k], count))
            continue;
        slots[stores] = w->slot[*fields[k] - BPF_VIRTUAL];
        linked[stores] = w->a->f->virtuals.data[*fields[k] - BPF_VIRTUAL].linked;
        values[stores++] = *fields[k] = short_virtual(w);
    }
    vec_push(w->a->f->arena, &w->code, i);
    for (unsigned k = 0; k < stores; k++) {
        struct bpf_machine_instruction *store = insert(w, BPF_M_SPILL, i.loc);
        store->a = values[k];
        store->immediate = slots[k];
        store->use_b = linked[k];
    }
}

static void rewrite_spilled(struct allocator *a, uint8_t **slot_is_pointer) {
    uint32_t count = a->f->virtuals.count, before = a->f->spill_count;
    struct rewriter w = {.a = a, .slot = arena_new_array(a->arena, uint32_t, count)};
    for (uint32_t v = 0; v < count; v++)
        if (a->spilled[v] && !a->f->virtuals.data[v].remade)
            w.slot[v] = a->f->spill_count++;
    uint8_t *pointers = arena_new_array(a->f->arena, uint8_t, a->f->spill_count + 1);
    assert(before == 0 || *slot_is_pointer); /* both come from the round before */
    if (before)
        memcpy(pointers, *slot_is_pointer, before);
    for (uint32_t v = 0; v < count; v++)
        if (a->spilled[v] && !a->f->virtuals.data[v].remade)
            pointers[w.slot[v]] = a->f->virtuals.data[v].pointer;
    *slot_is_pointer = pointers;
    for (uint32_t block = 0; block < a->f->block_count; block++) {
        memset(&w.code, 0, sizeof w.code);
        for (uint32_t k = 0; k < a->f->blocks[block].count; k++)
            rewrite_instruction(&w, a->f->blocks[block].data[k], count);
        a->f->blocks[block] = w.code;
    }
}

/* ---- sharing of slots ----------------------------------------------------------------------------------------- */

static void rename_slots(struct bpf_function *f, const uint32_t *names) {
    for (uint32_t block = 0; block < f->block_count; block++)
        for (uint32_t k = 0; k < f->blocks[block].count; k++) {
            struct bpf_machine_instruction *i = &f->blocks[block].data[k];
            if (i->kind == BPF_M_SPILL || i->kind == BPF_M_FILL)
                i->immediate = names[i->immediate];
            for (unsigned n = 0; n < i->operand_count; n++)
                if (i->operands[n].kind == BPF_O_SLOT)
                    i->operands[n].slot = names[i->operands[n].slot];
        }
}

/* Numbers with disjoint intervals get one slot. Pointers keep theirs: the verifier has been known to mix up what a
 * slot held before. */
static void share_slots(struct bpf_function *f, const uint8_t *is_pointer) {
    struct arena *arena = arena_new();
    uint32_t count = f->spill_count, shared = 0;
    assert(count == 0 || is_pointer);
    struct bpf_interval *intervals = bpf_intervals(f, arena, BPF_ITEMS_SLOTS, count);
    uint32_t *order = arena_new_array(arena, uint32_t, count + 1), *names = arena_new_array(arena, uint32_t, count + 1);
    uint32_t *busy_until = arena_new_array(arena, uint32_t, count + 1);
    for (uint32_t s = 0; s < count; s++)
        order[s] = s;
    qsort_r(order, count, sizeof *order, compare_starts, intervals);
    for (uint32_t k = 0; k < count; k++) {
        uint32_t slot = order[k], name = 0;
        while (name < shared && (is_pointer[slot] || busy_until[name] >= intervals[slot].start))
            name++;
        if (name == shared)
            shared++;
        names[slot] = name;
        busy_until[name] = is_pointer[slot] ? UINT32_MAX : intervals[slot].end;
    }
    rename_slots(f, names);
    f->spill_count = shared;
    arena_free(arena);
}

/* ---- the rounds ----------------------------------------------------------------------------------------------- */

static void assign_fields(struct allocator *a) {
    for (uint32_t block = 0; block < a->f->block_count; block++)
        for (uint32_t k = 0; k < a->f->blocks[block].count; k++) {
            struct bpf_machine_instruction *i = &a->f->blocks[block].data[k];
            struct bpf_use uses[8];
            uint32_t *fields[BPF_ENTRY_MOST];
            unsigned reads = bpf_uses(i, uses), writes = bpf_definitions(i, fields);
            for (unsigned n = 0; n < reads; n++)
                *uses[n].field = a->assigned[*uses[n].field - BPF_VIRTUAL];
            for (unsigned n = 0; n < writes; n++)
                *fields[n] = a->assigned[*fields[n] - BPF_VIRTUAL];
        }
}

static void spill_at_random(struct allocator *a) {
    for (uint32_t k = 0; k < a->by_start_count; k++)
        if (!a->f->virtuals.data[a->by_start[k]].unspillable && next_random(a->random_state) % 8 == 0)
            spill(a, a->by_start[k]);
}

void bpf_allocate(struct bpf_function *f, uint64_t *random_state, bool share) {
    uint8_t *slot_is_pointer = NULL;
    for (unsigned round = 0;; round++) {
        struct allocator a = {.f = f, .arena = arena_new(), .random_state = random_state};
        start_round(&a);
        if (random_state && round == 0)
            spill_at_random(&a);
        scan(&a);
        if (!a.any_spilled) {
            if (share)
                share_slots(f, slot_is_pointer);
            assign_fields(&a);
            arena_free(a.arena);
            return;
        }
        rewrite_spilled(&a, &slot_is_pointer);
        arena_free(a.arena);
    }
}
