/* Operands of USDT arguments, as the assemblers of x86-64 and aarch64 write them. */
#include "object/usdt.h"

#include "base/vec.h"
#include "object/input.h"
#include <elf.h>

struct reader {
    struct object_elf *elf;
    struct object_text text;
    uint64_t place; /* address of the probe */
    struct object_usdt_argument out;
};

struct register_part {
    uint16_t offset;
    uint8_t size, low_bit;
};

static bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '$' || c == '@';
}

/* A number with or without a sign, decimal, 0x or octal, as two's complement. */
static bool take_number(struct object_text *text, int64_t *number) {
    struct object_text try = *text;
    bool negative = object_text_take(&try, '-');
    uint64_t value = 0;

    if (!negative)
        object_text_take(&try, '+');
    if (object_text_starts(try, "0x") || object_text_starts(try, "0X")) {
        try.at += 2;
        if (!object_text_number(&try, 16, &value))
            return false;
    } else if (!object_text_number(&try, 10, &value)) {
        return false;
    }
    *number = (int64_t)(negative ? 0 - value : value);
    *text = try;
    return true;
}

/* A word of letters and digits, at most size - 1 of them. */
static bool take_word(struct object_text *text, char *word, size_t size) {
    size_t length = 0;

    while (object_text_length(*text) > length && is_name_character(text->at[length]))
        length++;
    if (length == 0 || length >= size)
        return false;
    memcpy(word, text->at, length);
    word[length] = '\0';
    text->at += length;
    return true;
}

static bool unreadable(struct reader *in, const char *reason) {
    in->out.where = OBJECT_USDT_UNREADABLE;
    in->out.reason = reason;
    return false;
}

/* ---- x86-64 -------------------------------------------------------------------------------------------------- */

static bool x86_register(const char *name, struct register_part *part) {
    static const struct {
        uint16_t offset;
        const char *names[5];
    } registers[] = {
#define REGISTER(offset, ...) {offset, {__VA_ARGS__}},
#include "object/usdt_registers.def"
#undef REGISTER
    };
    static const uint8_t sizes[] = {8, 4, 2, 1, 1}, low_bits[] = {0, 0, 0, 0, 8};

    for (size_t i = 0; i < sizeof registers / sizeof *registers; i++) {
        for (size_t k = 0; k < 5; k++) {
            if (registers[i].names[k] && strcmp(registers[i].names[k], name) == 0) {
                *part = (struct register_part){registers[i].offset, sizes[k], low_bits[k]};
                return true;
            }
        }
    }
    return false;
}

static bool take_x86_register(struct reader *in, struct register_part *part) {
    char name[8];

    if (!object_text_take(&in->text, '%') || !take_word(&in->text, name, sizeof name))
        return unreadable(in, "it is not written as an operand of this machine");
    if (name[0] == 'x' || name[0] == 'y' || name[0] == 's')
        if (!x86_register(name, part))
            return unreadable(in, "it is in a vector or floating point register");
    return x86_register(name, part) || unreadable(in, "its register is not known");
}

/* "%rbp", "%rax,%rdx,8", ",%rdx,4": what stands in the parentheses of a memory operand. */
static bool x86_base_and_index(struct reader *in) {
    struct register_part part;
    int64_t scale = 1;

    if (in->text.at < in->text.end && *in->text.at != ',') {
        if (!take_x86_register(in, &part))
            return false;
        in->out.base = part.offset;
    }
    if (object_text_take(&in->text, ',')) {
        if (!take_x86_register(in, &part))
            return false;
        in->out.index = part.offset;
        if (object_text_take(&in->text, ',') && !take_number(&in->text, &scale))
            return unreadable(in, "the scale of its index is missing");
        if (scale != 1 && scale != 2 && scale != 4 && scale != 8)
            return unreadable(in, "the scale of its index is wrong");
        in->out.scale = (uint8_t)__builtin_ctzll((unsigned long long)scale);
    }
    return object_text_take(&in->text, ')') || unreadable(in, "a parenthesis is not closed");
}

/* A variable of the program: relative to the instruction (whose distance to it does not change when the program is
 * loaded somewhere else), or absolute in a program that is always loaded at the same place. */
static bool x86_symbol(struct reader *in, const char *name) {
    enum { INSTRUCTION = 128 };
    struct object_symbol symbol;

    if (!object_elf_find(in->elf, OBJECT_DATA | OBJECT_FUNCTIONS, name, &symbol))
        return unreadable(in, "it is a variable whose symbol was stripped from the file");
    uint64_t address = symbol.address + (uint64_t)in->out.number;
    if (in->out.base == INSTRUCTION)
        address -= in->place;
    else if (object_elf_is_pie(in->elf))
        return unreadable(in, "its address depends on where the program is loaded");
    in->out.number = (int64_t)address;
    return true;
}

/* NUMBER, SYMBOL or both, then (base,index,scale). */
static bool x86_memory(struct reader *in) {
    const char *begin = in->text.at;
    char name[256] = "";
    int64_t number;

    in->out.where = OBJECT_USDT_MEMORY;
    for (;;) {
        struct object_text before = in->text;
        if (take_number(&in->text, &number)) {
            in->out.number = (int64_t)((uint64_t)in->out.number + (uint64_t)number);
            continue;
        }
        in->text = before;
        object_text_take(&in->text, '+');
        if (*name || !take_word(&in->text, name, sizeof name)) {
            in->text = before;
            break;
        }
    }
    if (object_text_take(&in->text, '(') && !x86_base_and_index(in))
        return false;
    if (in->text.at == begin)
        return unreadable(in, "it is not written as an operand of this machine");
    return !*name || x86_symbol(in, name);
}

static bool x86_operand(struct reader *in) {
    struct register_part part;

    if (object_text_take(&in->text, '$')) {
        in->out.where = OBJECT_USDT_CONSTANT;
        return take_number(&in->text, &in->out.number) || unreadable(in, "it is the address of a symbol");
    }
    if (object_text_length(in->text) > 3 && in->text.at[0] == '%' && in->text.at[3] == ':')
        return unreadable(in, "it is in thread-local storage");
    if (!object_text_starts(in->text, "%"))
        return x86_memory(in);
    if (!take_x86_register(in, &part))
        return false;
    in->out.where = OBJECT_USDT_REGISTER;
    in->out.base = part.offset;
    in->out.low_bit = part.low_bit;
    if (in->out.size == 0)
        in->out.size = part.size;
    return true;
}

/* ---- aarch64 ------------------------------------------------------------------------------------------------- */

enum { ARM_STACK = 31 * 8, ARM_ZERO = 0xfffe };

/* x0 to x30, w0 to w30, sp, wsp, xzr, wzr. */
static bool take_arm_register(struct reader *in, struct register_part *part) {
    char name[8];
    uint64_t number = 0;

    if (!take_word(&in->text, name, sizeof name))
        return unreadable(in, "it is not written as an operand of this machine");
    struct object_text digits = object_text(name + 1, strlen(name + 1));
    part->low_bit = 0;
    part->size = name[0] == 'w' ? 4 : 8;
    if (strcmp(name, "sp") == 0 || strcmp(name, "wsp") == 0)
        part->offset = ARM_STACK;
    else if (strcmp(name, "xzr") == 0 || strcmp(name, "wzr") == 0)
        part->offset = ARM_ZERO;
    else if ((name[0] == 'x' || name[0] == 'w') && object_text_number(&digits, 10, &number) &&
             object_text_length(digits) == 0 && number <= 30)
        part->offset = (uint16_t)(8 * number);
    else
        return unreadable(in, strchr("vqdshb", name[0]) ? "it is in a vector or floating point register"
                                                        : "its register is not known");
    return true;
}

static void skip_blanks(struct reader *in) { object_text_skip_blanks(&in->text); }

/* ", lsl 3", ", sxtw", ", uxtw 2", ", sxtx" behind an index register. */
static bool arm_extension(struct reader *in, uint8_t register_size) {
    char word[8];
    int64_t shift = 0;

    in->out.index_size = 8;
    skip_blanks(in);
    if (!object_text_take(&in->text, ','))
        return register_size == 8 || unreadable(in, "its index register is too small");
    skip_blanks(in);
    if (!take_word(&in->text, word, sizeof word))
        return unreadable(in, "it is not written as an operand of this machine");
    if (strcmp(word, "sxtw") == 0 || strcmp(word, "uxtw") == 0) {
        in->out.index_size = 4;
        in->out.index_signed = word[0] == 's';
    } else if (strcmp(word, "lsl") != 0 && strcmp(word, "sxtx") != 0) {
        return unreadable(in, "its index is extended in an unknown way");
    }
    skip_blanks(in);
    object_text_take(&in->text, '#');
    if (object_text_length(in->text) && !object_text_starts(in->text, "]") && !take_number(&in->text, &shift))
        return unreadable(in, "it is not written as an operand of this machine");
    if (shift < 0 || shift > 4)
        return unreadable(in, "the scale of its index is wrong");
    in->out.scale = (uint8_t)shift;
    return true;
}

/* "[x0]", "[x0, 16]", "[x0, x1, lsl 3]" */
static bool arm_memory(struct reader *in) {
    struct register_part part;

    in->out.where = OBJECT_USDT_MEMORY;
    skip_blanks(in);
    if (!take_arm_register(in, &part))
        return false;
    in->out.base = part.offset == ARM_ZERO ? OBJECT_USDT_NO_REGISTER : part.offset;
    skip_blanks(in);
    if (object_text_take(&in->text, ',')) {
        skip_blanks(in);
        object_text_take(&in->text, '#');
        if (!take_number(&in->text, &in->out.number)) {
            if (!take_arm_register(in, &part))
                return false;
            in->out.index = part.offset == ARM_ZERO ? OBJECT_USDT_NO_REGISTER : part.offset;
            if (!arm_extension(in, part.size))
                return false;
        }
        skip_blanks(in);
    }
    return object_text_take(&in->text, ']') || unreadable(in, "a bracket is not closed");
}

static bool arm_operand(struct reader *in) {
    struct register_part part;

    if (object_text_take(&in->text, '['))
        return arm_memory(in);
    object_text_take(&in->text, '#');
    in->out.where = OBJECT_USDT_CONSTANT;
    if (take_number(&in->text, &in->out.number))
        return true;
    if (!take_arm_register(in, &part))
        return false;
    if (in->out.size == 0)
        in->out.size = part.size;
    if (part.offset == ARM_ZERO)
        return true; /* the constant 0 */
    in->out.where = OBJECT_USDT_REGISTER;
    in->out.base = part.offset;
    return true;
}

/* ---- arguments ----------------------------------------------------------------------------------------------- */

/* "-4@", "8f@", or nothing: then the operand tells. */
static bool take_size(struct reader *in) {
    struct object_text text = in->text;
    int64_t size;

    if (!take_number(&text, &size))
        return true;
    bool is_float = object_text_take(&text, 'f');
    if (!object_text_take(&text, '@'))
        return true;
    in->text = text;
    in->out.is_signed = size < 0;
    size = size < 0 ? -size : size;
    if (size != 1 && size != 2 && size != 4 && size != 8)
        return unreadable(in, "it does not have 1, 2, 4 or 8 bytes");
    in->out.size = (uint8_t)size;
    return !is_float || unreadable(in, "it is a floating point number");
}

/* What a constant becomes in a value of its size. */
static int64_t fit(const struct object_usdt_argument *argument) {
    unsigned unused = 64 - 8u * argument->size;
    uint64_t up = (uint64_t)argument->number << unused;

    return argument->is_signed ? (int64_t)up >> unused : (int64_t)(up >> unused);
}

static void parse_argument(struct reader *in) {
    in->out = (struct object_usdt_argument){
        .base = OBJECT_USDT_NO_REGISTER, .index = OBJECT_USDT_NO_REGISTER, .index_size = 8};
    uint16_t machine = object_elf_machine(in->elf);

    if (!take_size(in)) {
    } else if (machine == EM_X86_64) {
        x86_operand(in);
    } else if (machine == EM_AARCH64) {
        arm_operand(in);
    } else {
        unreadable(in, "the file is for another kind of machine");
    }
    if (in->out.where != OBJECT_USDT_UNREADABLE && object_text_length(in->text))
        unreadable(in, "it is not written as an operand of this machine");
    if (in->out.size == 0)
        in->out.size = 8;
    if (in->out.where == OBJECT_USDT_CONSTANT)
        in->out.number = fit(&in->out);
}

/* Arguments are parted by blanks, which brackets may hold too. */
static struct object_text take_argument(struct object_text *rest) {
    const char *begin = rest->at;

    for (bool in_brackets = false; rest->at < rest->end && (in_brackets || *rest->at != ' '); rest->at++)
        in_brackets = *rest->at == '[' || (in_brackets && *rest->at != ']');
    return (struct object_text){begin, rest->at};
}

void object_usdt_parse(struct object_elf *elf, struct arena *arena, const char *text, uint64_t address,
                       struct object_usdt_arguments *arguments) {
    VEC(struct object_usdt_argument) items = {0};
    struct object_text rest = object_text(text, strlen(text));
    struct reader in = {.elf = elf, .place = address};

    for (;;) {
        object_text_skip_blanks(&rest);
        if (object_text_length(rest) == 0 || items.count == OBJECT_USDT_ARGUMENTS)
            break;
        in.text = take_argument(&rest);
        parse_argument(&in);
        vec_push(arena, &items, in.out);
    }
    *arguments = (struct object_usdt_arguments){items.data, items.count};
}

static bool same_argument(const struct object_usdt_argument *a, const struct object_usdt_argument *b) {
    return a->where == b->where && a->size == b->size && a->is_signed == b->is_signed && a->low_bit == b->low_bit &&
           a->scale == b->scale && a->index_size == b->index_size && a->index_signed == b->index_signed &&
           a->base == b->base && a->index == b->index && a->number == b->number;
}

bool object_usdt_same(const struct object_usdt_arguments *a, const struct object_usdt_arguments *b) {
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (!same_argument(&a->items[i], &b->items[i]))
            return false;
    }
    return true;
}
