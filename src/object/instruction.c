#include "object/instruction.h"

#include <elf.h>

/* What follows an opcode of x86-64. */
enum {
    MODRM = 1,
    IMM8 = 2,
    IMM16 = 4,
    IMMZ = 8,   /* 4 bytes, 2 with the prefix 66 */
    IMMV = 16,  /* as IMMZ, 8 with REX.W */
    ADDR = 32,  /* 8 bytes of address, 4 with the prefix 67 */
    REL32 = 64, /* 4 bytes always */
    BAD = 128,  /* not in 64-bit code, or a prefix that is taken before */
};

/* One byte opcodes. */
/* clang-format off */
static const uint8_t one_byte[256] = {
    /* 00 */ 1, 1, 1, 1, IMM8, IMMZ, BAD, BAD, 1, 1, 1, 1, IMM8, IMMZ, BAD, BAD,
    /* 10 */ 1, 1, 1, 1, IMM8, IMMZ, BAD, BAD, 1, 1, 1, 1, IMM8, IMMZ, BAD, BAD,
    /* 20 */ 1, 1, 1, 1, IMM8, IMMZ, BAD, BAD, 1, 1, 1, 1, IMM8, IMMZ, BAD, BAD,
    /* 30 */ 1, 1, 1, 1, IMM8, IMMZ, BAD, BAD, 1, 1, 1, 1, IMM8, IMMZ, BAD, BAD,
    /* 40 */ BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    /* 50 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    /* 60 */ BAD, BAD, BAD, 1, BAD, BAD, BAD, BAD, IMMZ, 1 | IMMZ, IMM8, 1 | IMM8, 0, 0, 0, 0,
    /* 70 */ IMM8, IMM8, IMM8, IMM8, IMM8, IMM8, IMM8, IMM8, IMM8, IMM8, IMM8, IMM8, IMM8, IMM8, IMM8, IMM8,
    /* 80 */ 1 | IMM8, 1 | IMMZ, BAD, 1 | IMM8, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    /* 90 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, BAD, 0, 0, 0, 0, 0,
    /* a0 */ ADDR, ADDR, ADDR, ADDR, 0, 0, 0, 0, IMM8, IMMZ, 0, 0, 0, 0, 0, 0,
    /* b0 */ IMM8, IMM8, IMM8, IMM8, IMM8, IMM8, IMM8, IMM8, IMMV, IMMV, IMMV, IMMV, IMMV, IMMV, IMMV, IMMV,
    /* c0 */ 1 | IMM8, 1 | IMM8, IMM16, 0, BAD, BAD, 1 | IMM8, 1 | IMMZ, IMM16 | IMM8, 0, IMM16, 0, 0, IMM8, BAD, 0,
    /* d0 */ 1, 1, 1, 1, BAD, BAD, BAD, 0, 1, 1, 1, 1, 1, 1, 1, 1,
    /* e0 */ IMM8, IMM8, IMM8, IMM8, IMM8, IMM8, IMM8, IMM8, REL32, REL32, BAD, IMM8, 0, 0, 0, 0,
    /* f0 */ BAD, 0, BAD, BAD, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, /* f6, f7: an immediate for two of eight */
};
/* clang-format on */

/* Opcodes behind 0f. Most have ModRM and nothing else. */
static uint8_t two_bytes(uint8_t opcode) {
    switch (opcode) {
    case 0x04: /* not assigned */
    case 0x0a:
    case 0x0c:
    case 0x0f: /* 3DNow! */
    case 0x24:
    case 0x25:
    case 0x26:
    case 0x27:
    case 0x36:
    case 0x39:
    case 0x3b:
    case 0x3c:
    case 0x3d:
    case 0x3e:
    case 0x3f:
    case 0xa6:
    case 0xa7:
        return BAD;
    case 0x05: /* syscall, clts, sysret, invd, wbinvd, ud2, emms, wrmsr ... */
    case 0x06:
    case 0x07:
    case 0x08:
    case 0x09:
    case 0x0b:
    case 0x0e:
    case 0x30:
    case 0x31:
    case 0x32:
    case 0x33:
    case 0x34:
    case 0x35:
    case 0x37:
    case 0x77:
    case 0xa0: /* push, pop of fs and gs; cpuid, rsm */
    case 0xa1:
    case 0xa2:
    case 0xa8:
    case 0xa9:
    case 0xaa:
        return 0;
    case 0x70: /* shuffles and shifts by a constant */
    case 0x71:
    case 0x72:
    case 0x73:
    case 0xa4:
    case 0xac:
    case 0xba:
    case 0xc2:
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return MODRM | IMM8;
    default:
        if (opcode >= 0x80 && opcode <= 0x8f)
            return REL32;
        return opcode >= 0xc8 && opcode <= 0xcf ? 0 : MODRM; /* bswap */
    }
}

struct decoder {
    const uint8_t *bytes;
    size_t size, at;
    bool operand_16, address_32, rex_w;
};

static bool has(const struct decoder *in, size_t count) { return in->size - in->at >= count; }

/* ModRM, SIB, displacement. */
static bool skip_modrm(struct decoder *in, uint8_t *reg) {
    if (!has(in, 1))
        return false;
    uint8_t modrm = in->bytes[in->at++], mode = modrm >> 6, base = modrm & 7;
    *reg = modrm >> 3 & 7;
    if (mode == 3)
        return true;
    if (base == 4) {
        if (!has(in, 1))
            return false;
        base = in->bytes[in->at++] & 7;
        if (mode == 0 && base == 5)
            in->at += 4;
    } else if (mode == 0 && base == 5) {
        in->at += 4; /* relative to the instruction */
    }
    in->at += mode == 1 ? 1 : mode == 2 ? 4 : 0;
    return in->at <= in->size;
}

static bool skip_rest(struct decoder *in, uint8_t kind, bool is_group_3, bool is_byte) {
    uint8_t reg = 0;

    if (kind & BAD || (kind & MODRM && !skip_modrm(in, &reg)))
        return false;
    if (is_group_3 && reg < 2) /* test */
        kind |= is_byte ? IMM8 : IMMZ;
    size_t word = in->operand_16 ? 2 : 4;
    in->at += (kind & IMM8 ? 1u : 0) + (kind & IMM16 ? 2u : 0) + (kind & REL32 ? 4u : 0);
    in->at += kind & IMMZ ? word : 0;
    in->at += kind & IMMV ? (in->rex_w ? 8 : word) : 0;
    in->at += kind & ADDR ? (in->address_32 ? 4u : 8u) : 0;
    return in->at <= in->size;
}

/* VEX and EVEX: the prefix names the map that the opcode is of: 1 is 0f, 2 is 0f 38, 3 is 0f 3a. */
static bool skip_vector(struct decoder *in, uint8_t prefix) {
    size_t length = prefix == 0xc5 ? 1 : prefix == 0xc4 ? 2 : 3;
    if (!has(in, length + 1))
        return false;
    uint8_t map = prefix == 0xc5 ? 1 : in->bytes[in->at] & (prefix == 0xc4 ? 0x1f : 7);
    in->at += length;
    uint8_t opcode = in->bytes[in->at++];
    if (map == 1)
        return skip_rest(in, two_bytes(opcode) & (uint8_t)~REL32, false, false);
    if (map == 2 || map == 5 || map == 6)
        return skip_rest(in, MODRM, false, false);
    return map == 3 && skip_rest(in, MODRM | IMM8, false, false);
}

static void skip_prefixes(struct decoder *in) {
    for (; has(in, 1); in->at++) {
        switch (in->bytes[in->at]) {
        case 0x66:
            in->operand_16 = true;
            continue;
        case 0x67:
            in->address_32 = true;
            continue;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65:
        case 0xf0:
        case 0xf2:
        case 0xf3:
            continue;
        default:
            break;
        }
        break;
    }
    if (has(in, 1) && in->bytes[in->at] >> 4 == 4)
        in->rex_w = in->bytes[in->at++] & 8;
}

static bool skip_escaped(struct decoder *in) {
    if (!has(in, 1))
        return false;
    uint8_t opcode = in->bytes[in->at++];
    if (opcode != 0x38 && opcode != 0x3a)
        return skip_rest(in, two_bytes(opcode), false, false);
    if (!has(in, 1))
        return false;
    in->at++;
    return skip_rest(in, opcode == 0x38 ? MODRM : MODRM | IMM8, false, false);
}

static size_t x86_length(const uint8_t *bytes, size_t size) {
    enum { LONGEST = 15 };
    struct decoder in = {.bytes = bytes, .size = size < LONGEST ? size : LONGEST};
    bool is_good;

    skip_prefixes(&in);
    if (!has(&in, 1))
        return 0;
    uint8_t opcode = bytes[in.at++];
    if (opcode == 0x0f)
        is_good = skip_escaped(&in);
    else if (opcode == 0xc4 || opcode == 0xc5 || opcode == 0x62)
        is_good = skip_vector(&in, opcode);
    else
        is_good = skip_rest(&in, one_byte[opcode], opcode == 0xf6 || opcode == 0xf7, opcode == 0xf6);
    return is_good ? in.at : 0;
}

size_t object_instruction_length(uint16_t machine, const uint8_t *bytes, size_t size) {
    if (machine == EM_AARCH64)
        return size >= 4 ? 4 : 0;
    return machine == EM_X86_64 ? x86_length(bytes, size) : 0;
}

enum object_boundary object_instruction_boundary(uint16_t machine, const uint8_t *function, size_t size,
                                                 size_t offset) {
    for (size_t at = 0; at <= offset;) {
        if (at == offset)
            return OBJECT_BOUNDARY_YES;
        size_t length = at < size ? object_instruction_length(machine, function + at, size - at) : 0;
        if (length == 0)
            return OBJECT_BOUNDARY_UNKNOWN;
        at += length;
    }
    return OBJECT_BOUNDARY_NO;
}
