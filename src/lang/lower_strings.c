/* Searching and joining texts, comparing memory.
 *
 * Texts are looked at word by word. A word w has a zero byte where (w - 0x01..01) & ~w & 0x80..80 is not 0, and the
 * lowest bit set there is that of the first one.
 */
#include "lang/check_int.h"
#include "lang/lower_int.h"
#include <string.h>

#define ONES 0x0101010101010101ll
#define TOPS ((int64_t)0x8080808080808080ull)

/* ---- texts of our own ------------------------------------------------------------------------------------------ */

/* The node as one whose value is a string: what an address points to is read, an array of bytes holds one. */
static const struct node *as_string(struct lower *l, const struct node *node) {
    struct node *text;
    if (node->type->kind == TYPE_STRING && node->kind != NODE_STRING)
        return node;
    text = arena_memdup(l->arena, node, sizeof *node);
    text->next = NULL;
    if (node->type->kind == TYPE_POINTER || node->type->kind == TYPE_PROBE) {
        struct node *call = arena_make(l->arena, struct node);
        *call = (struct node){.kind = NODE_CALL, .text = "str", .loc = node->loc, .child = text};
        call->function = lang_find_function("str");
        uint32_t room = node->type->kind == TYPE_PROBE ? check_probe_room(l->env, l->target, node) : l->env->max_strlen;
        call->type = type_string(l->arena, room);
        return call;
    }
    uint32_t size = node->kind == NODE_STRING ? (uint32_t)strlen(node->text) + 1 : node->type->size;
    if (node->kind == NODE_STRING) /* what is behind a zero byte does not count */
        text->length = size - 1;
    text->type = type_string(l->arena, size);
    return text;
}

static uint32_t words_of(uint32_t size) { return (size + 7) / 8; }

/* The text in memory of ours; behind its end all is zero. */
static struct place text_copy(struct lower *l, const struct node *text) {
    struct place place = lower_temp(l, text->type->size);
    lower_into(l, text, text->type, place, true);
    return place;
}

/* The same in scratch, followed by `slack` zero bytes. */
static struct place scratch_copy(struct lower *l, const struct node *text, uint32_t slack) {
    uint32_t size = words_of(text->type->size) * 8;
    struct place place = lower_scratch_temp(l, size + slack);
    lower_into(l, text, text->type, place, true);
    if (slack)
        lower_zero(l, place_add(l, place, size), slack);
    return place;
}

static ir_value zero_bytes(struct lower *l, ir_value word) {
    struct ir_function *f = l->f;
    ir_value less = ir_binary(f, IR_SUB, word, ir_constant(f, ONES));
    ir_value both = ir_binary(f, IR_AND, less, ir_unary(f, IR_NOT, word));
    return ir_binary(f, IR_AND, both, ir_constant(f, TOPS));
}

static ir_value lowest_bit(struct lower *l, ir_value word) {
    return ir_binary(l->f, IR_AND, word, ir_unary(l->f, IR_NEG, word));
}

/* Number of the byte that the lowest bit of `bits` (not 0) is in. */
static ir_value byte_of(struct lower *l, ir_value bits) {
    return ir_binary(l->f, IR_LSHR, lower_log2_code(l, lowest_bit(l, bits)), ir_constant(l->f, 3));
}

/* Ones in the bytes of the word that stand before its first zero byte. */
static ir_value text_mask(struct lower *l, ir_value word) {
    struct ir_function *f = l->f;
    ir_value low = ir_binary(f, IR_LSHR, lowest_bit(l, zero_bytes(l, word)), ir_constant(f, 7));
    return ir_binary(f, IR_SUB, low, ir_constant(f, 1));
}

/* ---- length ------------------------------------------------------------------------------------------------------ */

/* A callback of bpf_loop; what it shares with its caller are slots. Its caller goes on with l->f = outer. */
static struct ir_function *begin_callback(struct lower *l, const char *name, struct loc loc) {
    l->f = ir_function_new(l->module, IR_CALLBACK, name);
    l->f->loc = loc;
    return l->f;
}

static void call_loop(struct lower *l, const struct ir_function *body, uint32_t rounds) {
    struct ir_function *f = l->f;
    ir_calln(f, IR_HELPER_loop, ir_constant(f, rounds), ir_function_address(f, body), ir_frame(f), ir_constant(f, 0));
}

/* A place in scratch seen from the function that is being built. */
static struct place here(struct lower *l, struct place place) {
    place.base = lower_scratch(l);
    return place;
}

#define UNROLLED 128 /* bytes that are looked at without a loop */

/*     for (at = 0; at < size; at += 8) { z = zero_bytes(word[at]); if (z) { length = at + byte_of(z); break; } } */
static void scan_unrolled(struct lower *l, struct place text, uint32_t size, ir_slot length) {
    struct ir_function *f = l->f;
    ir_slot zeros = lower_temp_slot(l, 8), at_slot = lower_temp_slot(l, 8);
    ir_block start = f->current, found = ir_block_new(f, start), join = ir_block_new(f, start);
    for (uint32_t at = 0; at < size; at += 8) {
        ir_value zero = zero_bytes(l, ir_load(f, 8, text.base, text.offset + (int32_t)at));
        ir_block next = ir_block_new(f, f->current);
        lower_store_slot(l, zeros, zero);
        lower_store_slot(l, at_slot, ir_constant(f, at));
        ir_branch(f, zero, found, next);
        ir_enter(f, next);
    }
    ir_jump(f, join);
    ir_enter(f, found);
    ir_value byte = byte_of(l, lower_load_slot(l, zeros));
    lower_store_slot(l, length, ir_binary(f, IR_ADD, lower_load_slot(l, at_slot), byte));
    ir_jump(f, join);
    ir_enter(f, join);
}

static void scan_looped(struct lower *l, struct place text, uint32_t size, ir_slot length, struct loc loc) {
    struct ir_function *outer = l->f, *body = begin_callback(l, "strlen", loc);
    uint32_t words = words_of(size);
    ir_value index = ir_callback_index(body);
    ir_block inside = ir_block_new(body, body->current), end = ir_block_new(body, body->current);
    ir_branch(body, ir_binary(body, IR_ULT, index, ir_constant(body, words)), inside, end);
    ir_enter(body, inside);
    struct place place = here(l, text);
    ir_value at = ir_binary(body, IR_MUL, index, ir_constant(body, 8));
    ir_value word = ir_load(body, 8, ir_binary(body, IR_ADD, place_address(l, place), at), 0);
    ir_value zero = zero_bytes(l, word);
    ir_block found = ir_block_new(body, body->current), go_on = ir_block_new(body, body->current);
    ir_branch(body, zero, found, go_on);
    ir_enter(body, go_on);
    ir_return(body, ir_constant(body, 0));
    ir_enter(body, found);
    lower_store_slot(l, length, ir_binary(body, IR_ADD, at, byte_of(l, zero)));
    ir_jump(body, end);
    ir_enter(body, end);
    ir_return(body, ir_constant(body, 1));
    l->f = outer;
    call_loop(l, body, words);
}

/* Bytes before the first NUL, at most `size`. A text of more than UNROLLED bytes lies in scratch. */
static ir_value length_of(struct lower *l, struct place text, uint32_t size, struct loc loc) {
    ir_slot length = lower_temp_slot(l, 8);
    lower_store_slot(l, length, ir_constant(l->f, size));
    if (size <= UNROLLED)
        scan_unrolled(l, text, size, length);
    else
        scan_looped(l, text, size, length, loc);
    return lower_at_most(l, lower_take_slot(l, length), size);
}

ir_value lower_strlen(struct lower *l, const struct node *node) {
    const struct node *text = as_string(l, node->child);
    if (text->kind == NODE_STRING)
        return ir_constant(l->f, text->length);
    return length_of(l, text_copy(l, text), text->type->size, node->loc);
}

/* ---- searching --------------------------------------------------------------------------------------------------- */

/* All of it lies in scratch, where callbacks find it again. */
struct search {
    struct place text;
    uint32_t size;              /* of the text */
    const struct node *needle;  /* a literal; or NULL and */
    struct place needle_memory; /* its words */
    uint32_t words;             /* of the needle */
    ir_slot result;
};

/* Whether the word number `index` of the needle stands at `at`; the needle's word in *needle. */
static ir_value word_differs(struct lower *l, const struct search *search, ir_value at, uint32_t index,
                             ir_value *needle) {
    struct ir_function *f = l->f;
    ir_value mask;
    if (search->needle) {
        int64_t word = 0;
        for (uint32_t i = 0; i < 8 && 8 * index + i < search->needle->length; i++)
            word |= (int64_t)(uint64_t)(uint8_t)search->needle->text[8 * index + i] << (8 * i);
        uint32_t rest = search->needle->length - 8 * index;
        *needle = ir_constant(f, word);
        mask = ir_constant(f, rest < 8 ? (int64_t)((1ull << (8 * rest)) - 1) : -1);
    } else {
        struct place memory = here(l, search->needle_memory);
        *needle = ir_load(f, 8, memory.base, memory.offset + (int32_t)(8 * index));
        mask = text_mask(l, *needle);
    }
    ir_value word = ir_load(f, 8, at, (int32_t)(8 * index));
    return ir_binary(f, IR_AND, ir_binary(f, IR_XOR, word, *needle), mask);
}

/* One round of the search, at byte `index`:
 *     if (!text[index]) return 1;
 *     for each word of the needle: if (it differs) return 0; if (the needle ends in it) break;
 *     result = index; return 1; */
static struct ir_function *search_body(struct lower *l, const struct search *search, struct loc loc) {
    struct ir_function *f = begin_callback(l, "strstr", loc);
    ir_value index = ir_callback_index(f);
    ir_block start = f->current, inside = ir_block_new(f, start), end = ir_block_new(f, start);
    ir_block found = ir_block_new(f, start), differs = ir_block_new(f, start), some = ir_block_new(f, inside);
    ir_branch(f, ir_binary(f, IR_ULT, index, ir_constant(f, search->size)), inside, end);
    ir_enter(f, inside);
    struct place text = here(l, search->text);
    ir_value at = ir_binary(f, IR_ADD, place_address(l, text), index);
    ir_branch(f, ir_load(f, 1, at, 0), some, end);
    ir_enter(f, some);
    for (uint32_t i = 0; i < search->words; i++) {
        ir_value needle;
        ir_block same = ir_block_new(f, f->current), more = ir_block_new(f, same);
        ir_branch(f, word_differs(l, search, at, i, &needle), differs, same);
        ir_enter(f, same);
        if (search->needle || i + 1 == search->words)
            ir_jump(f, i + 1 == search->words ? found : more);
        else
            ir_branch(f, zero_bytes(l, needle), found, more);
        if (i + 1 < search->words)
            ir_enter(f, more);
    }
    ir_enter(f, differs);
    ir_return(f, ir_constant(f, 0));
    ir_enter(f, found);
    lower_store_slot(l, search->result, index);
    ir_jump(f, end);
    ir_enter(f, end);
    ir_return(f, ir_constant(f, 1));
    return f;
}

/* Position of the needle in the text, -1 if it is not there. */
ir_value lower_strstr(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    const struct node *text = as_string(l, node->child), *needle = as_string(l, node->child->next);
    struct search search = {.size = text->type->size};
    if (needle->kind == NODE_STRING && needle->length == 0)
        return ir_constant(f, 0);
    if (needle->kind == NODE_STRING && text->kind == NODE_STRING) {
        const char *at = strstr(text->text, needle->text);
        return ir_constant(f, at ? at - text->text : -1);
    }
    search.words = words_of(needle->kind == NODE_STRING ? needle->length : needle->type->size);
    search.text = scratch_copy(l, text, 8 * search.words);
    if (needle->kind == NODE_STRING)
        search.needle = needle;
    else
        search.needle_memory = scratch_copy(l, needle, 0);
    search.result = lower_temp_slot(l, 8);
    lower_store_slot(l, search.result, ir_constant(f, -1));
    ir_block done = ir_block_new(f, f->current);
    if (!search.needle) { /* nothing is found at the start of everything */
        ir_block some = ir_block_new(f, f->current), none = ir_block_new(f, f->current);
        ir_branch(f, ir_load(f, 1, search.needle_memory.base, search.needle_memory.offset), some, none);
        ir_enter(f, none);
        lower_store_slot(l, search.result, ir_constant(f, 0));
        ir_jump(f, done);
        ir_enter(f, some);
    }
    const struct ir_function *body = search_body(l, &search, node->loc);
    l->f = f;
    call_loop(l, body, search.size);
    ir_jump(f, done);
    ir_enter(f, done);
    return lower_take_slot(l, search.result);
}

ir_value lower_strcontains(struct lower *l, const struct node *node) {
    return ir_binary(l->f, IR_SGE, lower_strstr(l, node), ir_constant(l->f, 0));
}

/* ---- joining ----------------------------------------------------------------------------------------------------- */

/* a at the start of a large enough place, b behind its end by the helper that stops at the NUL. */
void lower_str_concat_into(struct lower *l, const struct node *node, const struct type *type, struct place to,
                           bool clean) {
    struct ir_function *f = l->f;
    const struct node *a = as_string(l, node->child), *b = as_string(l, node->child->next);
    uint32_t room_a = words_of(a->type->size) * 8, room_b = words_of(b->type->size) * 8;
    struct place whole = scratch_copy(l, a, room_b), second = text_copy(l, b);
    ir_value length =
        a->kind == NODE_STRING ? ir_constant(f, a->length) : length_of(l, whole, a->type->size, node->loc);
    ir_value behind = ir_binary(f, IR_ADD, place_address(l, whole), length);
    ir_calln(f, IR_HELPER_probe_read_kernel, behind, ir_constant(f, b->type->size), place_address(l, second));
    uint32_t have = room_a + room_b, want = words_of(type->size) * 8;
    lower_copy(l, to, whole, want < have ? want : have);
    if (have < want) /* two full arrays end here */
        lower_zero(l, place_add(l, to, have), clean ? want - have : 8);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* At least `size` bytes of a value in memory of ours. */
static struct place memory_of(struct lower *l, const struct node *node, uint32_t size) {
    struct place place = lower_temp(l, words_of(size > node->type->size ? size : node->type->size) * 8);
    if (node->type->kind == TYPE_POINTER) {
        lower_read_bytes(l, lower_behind_address(l, node), place, ir_constant(l->f, size), node->loc);
    } else if (type_is_scalar(node->type)) {
        ir_store(l->f, 8, place.base, place.offset, lower_number(l, node));
    } else {
        struct node text = *node;
        if (node->kind == NODE_STRING)
            text.type = type_string(l->arena, node->length + 1);
        lower_into(l, &text, text.type, place, true);
    }
    return place;
}

/*     for (at = 0; at < size; at += 8)
 *         if (a[at] != b[at]) goto differ;
 *     result = 0; goto join;
 *   differ: byte = at + the first byte that differs;
 *     result = byte < count ? sign of (a - b) as numbers whose first byte is the highest : 0;
 *   join: */
ir_value lower_memcmp(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    const struct node *left = node->child, *right = left->next, *count = right->next;
    uint32_t size = CHECK_MEMCMP_MOST;
    if (count->is_constant) {
        size = (uint32_t)count->number;
        if (left->type->kind == TYPE_TUPLE && size >= check_sizeof_type(left->type)) /* all of it */
            size = left->type->size;
    } else if (left->type->kind != TYPE_POINTER || right->type->kind != TYPE_POINTER)
        size = left->type->kind == TYPE_POINTER                                            ? right->type->size
               : right->type->kind == TYPE_POINTER || left->type->size < right->type->size ? left->type->size
                                                                                           : right->type->size;
    if (size > CHECK_MEMCMP_MOST)
        size = CHECK_MEMCMP_MOST;
    ir_value most = count->is_constant ? ir_constant(f, size) : lower_at_most(l, lower_scalar(l, count), size);
    struct place a = memory_of(l, left, size), b = memory_of(l, right, size);
    ir_slot result = lower_temp_slot(l, 8), one = lower_temp_slot(l, 8), other = lower_temp_slot(l, 8);
    ir_slot at_slot = lower_temp_slot(l, 8);
    lower_store_slot(l, result, ir_constant(f, 0));
    ir_block start = f->current, differ = ir_block_new(f, start), join = ir_block_new(f, start);
    for (uint32_t at = 0; at < size; at += 8) {
        ir_value x = ir_load(f, 8, a.base, a.offset + (int32_t)at);
        ir_value y = ir_load(f, 8, b.base, b.offset + (int32_t)at);
        ir_block next = ir_block_new(f, f->current);
        lower_store_slot(l, one, x);
        lower_store_slot(l, other, y);
        lower_store_slot(l, at_slot, ir_constant(f, at));
        ir_branch(f, ir_binary(f, IR_NE, x, y), differ, next);
        ir_enter(f, next);
    }
    ir_jump(f, join);
    ir_enter(f, differ);
    ir_value x = lower_load_slot(l, one), y = lower_load_slot(l, other);
    ir_value byte = ir_binary(f, IR_ADD, lower_load_slot(l, at_slot), byte_of(l, ir_binary(f, IR_XOR, x, y)));
    ir_block counts = ir_block_new(f, differ);
    ir_branch(f, ir_binary(f, IR_ULT, byte, most), counts, join);
    ir_enter(f, counts);
    ir_value less = ir_binary(f, IR_ULT, ir_byte_swap(f, x, 8), ir_byte_swap(f, y, 8));
    lower_store_slot(l, result, ir_binary(f, IR_SUB, ir_constant(f, 1), ir_binary(f, IR_ADD, less, less)));
    ir_jump(f, join);
    ir_enter(f, join);
    return lower_take_slot(l, result);
}
