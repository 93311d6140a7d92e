/* Rules: what call frame information says, in 16 bytes, every different one once. */
#include "unwind/table.h"

#include "base/arena.h"
#include "base/hash.h"
#include "object/input.h"
#include <limits.h>
#include <stdlib.h>

/* ---- expressions that are common enough to be rules ---------------------------------------------------------- */

/* What an expression computes, as far as it has one of the forms  number,  base + number,  *(base + number) + number.
 */
struct term {
    enum { NUMBER, BASE, MEMORY } kind;
    uint32_t base;   /* register, or BASE_CFA */
    int64_t offset;  /* of NUMBER and BASE, and inside of *() */
    int64_t further; /* behind *() */
};
enum { BASE_CFA = 32, TERMS_MOST = 4 };

struct reading {
    const uint8_t *at, *end;
    struct term terms[TERMS_MOST];
    int count;
    bool is_other; /* none of these forms */
};

static int64_t *number_of(struct term *term) { return term->kind == MEMORY ? &term->further : &term->offset; }

static uint64_t take_leb(struct reading *in, bool is_signed) {
    uint64_t value = 0;

    for (unsigned shift = 0; in->at < in->end && shift < 63;) {
        uint8_t byte = *in->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if (!(byte & 0x80))
            return is_signed && byte & 0x40 ? value | ~(uint64_t)0 << shift : value;
    }
    in->is_other = true;
    return 0;
}

static int64_t take_number(struct reading *in, unsigned size, bool is_signed) {
    uint64_t value = 0;

    if ((size_t)(in->end - in->at) < size) {
        in->is_other = true;
        return 0;
    }
    memcpy(&value, in->at, size);
    in->at += size;
    unsigned unused = 64 - 8 * size;
    return is_signed ? (int64_t)(value << unused) >> unused : (int64_t)value;
}

static void push(struct reading *in, struct term term) {
    if (in->count == TERMS_MOST)
        in->is_other = true;
    else
        in->terms[in->count++] = term;
}

static void add(struct reading *in, int sign) {
    if (in->count < 2) {
        in->is_other = true;
        return;
    }
    struct term *left = &in->terms[in->count - 2], *right = &in->terms[in->count - 1];
    if (left->kind == NUMBER && sign > 0) {
        struct term other = *left;
        *left = *right;
        *right = other;
    }
    in->is_other |= right->kind != NUMBER;
    *number_of(left) = (int64_t)((uint64_t)*number_of(left) + (uint64_t)sign * (uint64_t)right->offset);
    in->count--;
}

static void dereference(struct reading *in) {
    if (in->count == 0 || in->terms[in->count - 1].kind != BASE)
        in->is_other = true;
    else
        in->terms[in->count - 1].kind = MEMORY;
}

static void read_operation(struct reading *in) {
    enum {
        DEREF = 0x06,
        CONST1U = 0x08,
        CONST8S = 0x0f,
        CONSTU = 0x10,
        CONSTS = 0x11,
        MINUS = 0x1c,
        PLUS = 0x22,
        PLUS_UCONST = 0x23,
        LIT0 = 0x30,
        LIT31 = 0x4f,
        BREG0 = 0x70,
        BREG31 = 0x8f,
        NOP = 0x96
    };
    uint8_t operation = *in->at++;

    switch (operation) {
    case LIT0 ... LIT31:
        push(in, (struct term){.kind = NUMBER, .offset = operation - LIT0});
        break;
    case BREG0 ... BREG31:
        push(in, (struct term){.kind = BASE, .base = operation - BREG0, .offset = (int64_t)take_leb(in, true)});
        break;
    case CONST1U ... CONST8S:
        push(in, (struct term){.kind = NUMBER,
                               .offset = take_number(in, 1u << (operation - CONST1U) / 2, (operation - CONST1U) & 1)});
        break;
    case CONSTU:
    case CONSTS:
        push(in, (struct term){.kind = NUMBER, .offset = (int64_t)take_leb(in, operation == CONSTS)});
        break;
    case PLUS_UCONST:
        push(in, (struct term){.kind = NUMBER, .offset = (int64_t)take_leb(in, false)});
        add(in, 1);
        break;
    case PLUS:
        add(in, 1);
        break;
    case MINUS:
        add(in, -1);
        break;
    case DEREF:
        dereference(in);
        break;
    case NOP:
        break;
    default:
        in->is_other = true;
    }
}

/* False: it has none of the forms. */
static bool read_expression(const uint8_t *bytes, uint32_t size, bool begins_with_cfa, struct term *term) {
    struct reading in = {.at = bytes, .end = bytes + size};

    if (begins_with_cfa)
        push(&in, (struct term){.kind = BASE, .base = BASE_CFA});
    while (in.at < in.end && !in.is_other)
        read_operation(&in);
    if (in.is_other || in.count == 0)
        return false;
    *term = in.terms[in.count - 1];
    return true;
}

/* A PLT entry pushes a number before it jumps on; linkers describe all entries, 16 bytes each, by one expression:
 * breg7+8, breg16+0, lit15, and, litN, ge, lit3, shl, plus, where N is how far the push is. */
static bool is_plt(struct object_expression cfa, int32_t *threshold) {
    static const uint8_t before[] = {0x77, 0x08, 0x80, 0x00, 0x3f, 0x1a}, after[] = {0x2a, 0x33, 0x24, 0x22};

    if (cfa.size != sizeof before + 1 + sizeof after || memcmp(cfa.bytes, before, sizeof before) != 0 ||
        memcmp(cfa.bytes + sizeof before + 1, after, sizeof after) != 0)
        return false;
    *threshold = cfa.bytes[sizeof before] - 0x30;
    return *threshold >= 0 && *threshold < 16;
}

/* ---- rows to rules ------------------------------------------------------------------------------------------- */

static bool narrow(int64_t value, int32_t *narrowed) {
    *narrowed = (int32_t)value;
    return value == *narrowed;
}

static bool cfa_rule(const struct object_cfi_row *row, struct unwind_rule *rule) {
    struct term term = {.kind = BASE, .base = row->cfa_register, .offset = row->cfa_offset};

    if (row->cfa.size && is_plt(row->cfa, &rule->extra)) {
        rule->cfa_kind = UNWIND_CFA_PLT;
        rule->cfa_offset = 8;
        return true;
    }
    if (row->cfa.size && !read_expression(row->cfa.bytes, row->cfa.size, false, &term))
        return false;
    if (term.kind == NUMBER || term.base >= UNWIND_REGISTERS || !narrow(term.offset, &rule->cfa_offset) ||
        !narrow(term.further, &rule->extra))
        return false;
    bool is_bp = term.base == UNWIND_RBP, is_sp = term.base == UNWIND_RSP;
    if (term.kind == MEMORY) {
        rule->cfa_kind = is_bp ? UNWIND_CFA_DEREF_BP : UNWIND_CFA_DEREF_SP;
        return is_bp || is_sp;
    }
    rule->cfa_kind = is_bp ? UNWIND_CFA_BP : is_sp ? UNWIND_CFA_SP : UNWIND_CFA_REGISTER;
    rule->cfa_register = rule->cfa_kind == UNWIND_CFA_REGISTER ? (uint8_t)term.base : 0;
    return true;
}

/* Where in memory a place is, counted from the CFA or from bp. */
static bool memory_place(const struct object_cfi_place *place, const struct unwind_rule *rule, uint32_t *base,
                         int64_t *offset) {
    struct term term;

    *base = BASE_CFA;
    *offset = place->kind == OBJECT_CFI_AT_CFA ? place->offset : 0;
    if (place->kind == OBJECT_CFI_AT_CFA)
        return true;
    if (place->kind != OBJECT_CFI_EXPRESSION || !read_expression(place->bytes, place->size, true, &term) ||
        term.kind != BASE)
        return false;
    *base = term.base;
    *offset = term.offset;
    if (term.base == UNWIND_RSP && rule->cfa_kind == UNWIND_CFA_SP) {
        *base = BASE_CFA;
        *offset = term.offset - rule->cfa_offset;
    }
    return *base == BASE_CFA || *base == UNWIND_RBP;
}

static bool bp_rule(const struct object_cfi_row *row, struct unwind_rule *rule) {
    const struct object_cfi_place *place = &row->registers[UNWIND_RBP];
    uint32_t base;
    int64_t offset;

    switch (place->kind) {
    case OBJECT_CFI_UNSAID:
    case OBJECT_CFI_SAME:
        rule->bp_kind = UNWIND_BP_SAME;
        return true;
    case OBJECT_CFI_UNDEFINED:
        rule->bp_kind = UNWIND_BP_UNKNOWN;
        return true;
    default:
        if (!memory_place(place, rule, &base, &offset))
            return false;
        rule->bp_kind = base == BASE_CFA ? UNWIND_BP_AT_CFA : UNWIND_BP_AT_BP;
        return narrow(offset, &rule->bp_offset);
    }
}

static bool ra_rule(const struct object_cfi_row *row, struct unwind_rule *rule) {
    const struct object_cfi_place *place = &row->registers[row->return_register];
    bool has_room =
        rule->cfa_kind == UNWIND_CFA_SP || rule->cfa_kind == UNWIND_CFA_BP || rule->cfa_kind == UNWIND_CFA_REGISTER;
    uint32_t base;
    int64_t offset;

    if (place->kind == OBJECT_CFI_REGISTER && place->offset < UNWIND_REGISTERS && has_room) {
        rule->ra_kind = UNWIND_RA_REGISTER;
        rule->extra = (int32_t)place->offset;
        return true;
    }
    if (!memory_place(place, rule, &base, &offset) || base != BASE_CFA)
        return false;
    if (offset == -8)
        return true;
    rule->ra_kind = UNWIND_RA_AT_CFA;
    return has_room && narrow(offset, &rule->extra);
}

/* The kernel's signal frame as glibc describes it: the address of the interrupted code at sp + 40 + 16 * 8. */
static bool is_kernels_frame(const struct object_cfi_row *row) {
    const struct object_cfi_place *place = &row->registers[row->return_register];
    struct term term;

    return row->is_signal && place->kind == OBJECT_CFI_EXPRESSION &&
           read_expression(place->bytes, place->size, true, &term) && term.kind == BASE && term.base == UNWIND_RSP &&
           term.offset == 40 + 16 * 8;
}

/* The caller's sp is the CFA, unless somebody says otherwise. */
static bool has_usual_sp(const struct object_cfi_row *row) {
    const struct object_cfi_place *place = &row->registers[UNWIND_RSP];
    return place->kind == OBJECT_CFI_UNSAID || (place->kind == OBJECT_CFI_CFA_PLUS && place->offset == 0);
}

struct unwind_rule unwind_rule_of(const struct object_cfi_row *row) {
    struct unwind_rule rule = {0}, other = {.cfa_kind = UNWIND_EXPRESSION};

    if (row->registers[row->return_register].kind == OBJECT_CFI_UNDEFINED)
        return (struct unwind_rule){.cfa_kind = UNWIND_END};
    if (row->is_signal)
        return is_kernels_frame(row) ? (struct unwind_rule){.cfa_kind = UNWIND_SIGNAL} : other;
    return has_usual_sp(row) && cfa_rule(row, &rule) && bp_rule(row, &rule) && ra_rule(row, &rule) ? rule : other;
}

/* ---- lists of rules ------------------------------------------------------------------------------------------ */

static uint32_t bucket_of(const struct unwind_rules *rules, const struct unwind_rule *rule) {
    uint64_t a = object_u64(rule), b = object_u64((const char *)rule + 8);
    return (uint32_t)((a * 0x9e3779b97f4a7c15u ^ b) * 0xc2b2ae3d27d4eb4fu >> 32) & (rules->bucket_count - 1);
}

/* The bucket of the rule, or the empty one where it belongs. */
static uint32_t *find(const struct unwind_rules *rules, const struct unwind_rule *rule) {
    uint32_t at = bucket_of(rules, rule);

    while (rules->buckets[at] && memcmp(&rules->items[rules->buckets[at] - 1], rule, sizeof *rule) != 0)
        at = (at + 1) & (rules->bucket_count - 1);
    return &rules->buckets[at];
}

static void grow(struct unwind_rules *rules) {
    rules->capacity = rules->capacity ? rules->capacity * 2 : 512;
    rules->items = reallocarray(rules->items, rules->capacity, sizeof *rules->items);
    free(rules->buckets);
    rules->bucket_count = rules->capacity * 2;
    rules->buckets = calloc(rules->bucket_count, sizeof *rules->buckets);
    if (!rules->items || !rules->buckets)
        arena_out_of_memory(rules->capacity * sizeof *rules->items);
    for (uint32_t i = 0; i < rules->count; i++)
        *find(rules, &rules->items[i]) = i + 1;
}

uint32_t unwind_rules_add(struct unwind_rules *rules, const struct unwind_rule *rule) {
    if (rules->count == rules->capacity)
        grow(rules);
    uint32_t *bucket = find(rules, rule);
    if (!*bucket) {
        if (rules->count >= rules->most)
            return UNWIND_EXPRESSION;
        rules->items[rules->count++] = *rule;
        *bucket = rules->count;
    }
    return *bucket - 1;
}

void unwind_rules_init(struct unwind_rules *rules) {
    *rules = (struct unwind_rules){.most = UNWIND_RULES_MOST};
    for (uint8_t kind = 0; kind < UNWIND_SPECIALS; kind++)
        unwind_rules_add(rules, &(struct unwind_rule){.cfa_kind = kind});
}

void unwind_rules_free(struct unwind_rules *rules) {
    free(rules->items);
    free(rules->buckets);
    *rules = (struct unwind_rules){0};
}
