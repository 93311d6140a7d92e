/* What the walk in the kernel (walk.bpf.c) and user space (store.c) share: keys and values of the BPF maps, the memory
 * of a walk, the records that ask for a table. No libc: both compilers take it.
 *
 *     files    HASH: struct unwind_file_key -> struct unwind_file
 *     pages    ARRAY: number of a page -> where its rows are
 *     rows     ARRAY_OF_MAPS of chunks, each an ARRAY of one value: UNWIND_CHUNK_ROWS rows. A page's rows are in one
 *              chunk. Chunks are added as files come
 *     rules    ARRAY of one value: all rules
 *     asked    RINGBUF: struct unwind_asked, and with it what user space needs to go on with a walk
 *
 * A file is known by what the kernel has in memory of it: user space is told the key along with a mapping that it can
 * open (/proc/PID/map_files), whatever overlays and btrfs show as device and inode. Where stat(2) shows the same, files
 * can be made known before anybody maps them
 * elsewhere.
 *
 * A frame is one word:
 *     bit 63 set      bits 61..44 number of the file, bits 43..0 address in it, as in its ELF headers
 *     bit 63 clear    bits 61..0 absolute address: code that no file stands behind, or all when absolute ones are
 * wanted bit 62          exact: an instruction, not a return address (the innermost frame, and what a signal
 * interrupted)
 */
#ifndef TARSIER_UNWIND_KERNEL_MAP_H
#define TARSIER_UNWIND_KERNEL_MAP_H

#include "unwind/rule.h"
#include <stdint.h>

#define UNWIND_FRAME_FILE (1ull << 63)
#define UNWIND_FRAME_EXACT (1ull << 62)
#define UNWIND_FRAME_NUMBER(frame) ((uint32_t)((frame) >> 44 & 0x3ffff))
#define UNWIND_FRAME_ADDRESS(frame) ((frame)&0xfffffffffffull)
#define UNWIND_FRAME_ABSOLUTE(frame) ((frame) & ~(UNWIND_FRAME_FILE | UNWIND_FRAME_EXACT))

enum {
    UNWIND_FILES_MOST = 16384,
    UNWIND_PAGES_MOST = 65536, /* 4 GB of code */
    UNWIND_CHUNK_SHIFT = 18,
    UNWIND_CHUNK_ROWS = 1 << UNWIND_CHUNK_SHIFT,
    UNWIND_CHUNKS_MOST = 256,
    UNWIND_RULES_KEPT = 32768, /* rules beyond are EXPRESSION: user space knows them */
};

/* Equal bytes are one file. All zero: the vdso, which is the same in every process. */
struct unwind_file_key {
    uint64_t device; /* as the kernel has it: major << 20 | minor */
    uint64_t inode;
    uint64_t size;     /* bytes: numbers of inodes are used again */
    uint64_t modified; /* seconds */
};

enum unwind_file_kind {
    UNWIND_FILE_ASKED, /* user space was told of it */
    UNWIND_FILE_TABLE,
    UNWIND_FILE_BARE, /* no table: no ELF file, or one that says nothing */
    UNWIND_FILE_NONE, /* in a struct unwind_mapping: no file stands behind it */
};

struct unwind_file {
    uint32_t kind;
    uint32_t number;
    uint32_t first_page, pages; /* its pages; first_page is the one of address 0 */
    uint64_t bias;              /* address in the file = offset in the file + bias */
};

struct unwind_page {
    uint32_t first, count; /* rows */
};

/* A piece of the address space that the walk has met. */
struct unwind_mapping {
    uint64_t start, size; /* size 0: nothing is here */
    uint64_t bias;        /* address in the file = address + bias */
    uint32_t kind, number;
    uint32_t first_page, pages;
};
enum { UNWIND_MAPPINGS = 4 };

/* A stack as it is kept. */
struct unwind_stack {
    uint32_t tgid;
    uint16_t count;
    uint8_t cut;        /* enum profile_cut */
    uint8_t is_unwound; /* frames are words as above; 0: plain addresses, from the kernel's own walk */
    uint64_t frames[];
};

enum { UNWIND_WALK_SIZE = 720 }; /* bytes of memory for a walk, in front of the struct unwind_stack it makes */

/* Records in the ring. Each begins as every record (kernel/ring.h); `action` tells which one it is. */
enum unwind_action {
    UNWIND_ASKED_FILE = 1, /* struct unwind_asked: "I know nothing of this file" */
    UNWIND_ASKED_WALK,     /* struct unwind_handed: "I can not go on", and behind it, with the same stamp, */
    UNWIND_ASKED_MEMORY,   /* struct unwind_memory: the stack from its pointer upwards, in pieces; then */
    UNWIND_ASKED_END,      /* struct unwind_end: that was all of it */
};

struct unwind_asked {
    uint64_t stamp;
    uint32_t action, size;
    uint32_t tgid, unused;
    uint64_t start, end, offset; /* the mapping; the offset in the file is in bytes */
    struct unwind_file_key key;
};

struct unwind_handed {
    uint64_t stamp;
    uint32_t action, size;
    uint32_t tgid;
    uint32_t request;    /* enum unwind_request */
    uint64_t id;         /* under which the stack is kept as far as it went */
    uint64_t trampoline; /* of functions with uretprobes; 1: there are none */
    uint64_t pc, sp, bp;
    uint64_t registers[UNWIND_REGISTERS];
};

enum { UNWIND_MEMORY_PIECE = 4096, UNWIND_MEMORY_PIECES = 8 };

/* From `address` to the end of its page. */
struct unwind_memory {
    uint64_t stamp;
    uint32_t action, size;
    uint64_t address;
    uint8_t bytes[UNWIND_MEMORY_PIECE];
};

struct unwind_end {
    uint64_t stamp;
    uint32_t action, size;
};

enum unwind_request {
    UNWIND_REQUEST_MOST = 0x7ff,     /* frames wanted */
    UNWIND_REQUEST_ABSOLUTE = 0x800, /* absolute addresses */
    UNWIND_REQUEST_CONTEXT = 0x1000, /* the context has the registers of what was interrupted: if it was user code */
};

#define UNWIND_HASH_SEED 0x51ed270b0a1f39c1ull
#define UNWIND_HASH_FACTOR 0x5851f42d4c957f2dull /* odd, and its bits are well spread */
#define UNWIND_HASH_ADD(hash, frame) (((hash) ^ (frame)) * UNWIND_HASH_FACTOR)

/* The id of a stack (base/type.h); `hash` is of its frames, innermost first. tgid 0: it means the same everywhere. */
static inline uint64_t unwind_identity(uint64_t hash, uint64_t cut, uint64_t count, uint64_t tgid) {
    const uint64_t low = (1 << 11) - 1;
    hash = ((hash ^ cut) * UNWIND_HASH_FACTOR ^ tgid) * UNWIND_HASH_FACTOR;
    hash = (hash ^ hash >> 32) * UNWIND_HASH_FACTOR;
    return count ? (hash & ~low) | (count & low) : 0;
}

#endif
