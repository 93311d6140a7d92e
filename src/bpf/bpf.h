/* The machine: IR in, BPF instructions out; printing them, and running them without a kernel.
 *
 * bpf loads nothing and opens nothing: maps are numbers (patched by session with file descriptors when loading), so all
 * of it builds and tests without root. Passes, one file each: select (IR op -> instructions on virtual registers),
 * allocate (linear scan, two classes; liveness computes the intervals), encode (two-address form, operands of calls,
 * jumps, two-slot constants), btf (func_info and line_info). compile.c drives them; bpf_int.h is what they share.
 */
#ifndef TARSIER_BPF_BPF_H
#define TARSIER_BPF_BPF_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/str.h"
#include "base/vec.h"
#include "ir/ir.h"
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>

enum bpf_reloc_kind {
    BPF_RELOC_MAP,       /* ld_imm64: src_reg = BPF_PSEUDO_MAP_FD, imm = fd of `map` */
    BPF_RELOC_MAP_VALUE, /* ld_imm64: src_reg = BPF_PSEUDO_MAP_VALUE, imm = fd of `map`, next imm = offset (already set)
                          */
};

struct bpf_reloc {
    uint32_t instruction;
    enum bpf_reloc_kind kind;
    uint32_t map; /* the number given to ir_map() */
};

struct bpf_line {
    uint32_t instruction; /* first instruction of this piece of script */
    struct loc loc;
};

struct bpf_subprogram {
    uint32_t instruction; /* where it starts */
    enum ir_function_kind kind;
    const char *name;
};

/* A finished program. Callback addresses (BPF_PSEUDO_FUNC) are already resolved inside it. */
struct bpf_program {
    const char *name;
    VEC(struct bpf_insn) instructions;
    VEC(struct bpf_reloc) relocs;
    VEC(struct bpf_line) lines;
    VEC(struct bpf_subprogram) subprograms; /* [0] is main */
    uint32_t stack_size;                    /* deepest call chain, bytes */
};

struct bpf_options {
    bool cpu_v4;          /* sign-extending moves and loads, signed division */
    uint64_t random_seed; /* not 0: random legal register choices (torture mode) */
};

/* Compiles a verified, optimised module; callbacks that main does not reach are left out. A loop helper must not be
 * called with a number of rounds the verifier can prove to be 0: it then loses the callback ("No program to jit").
 * Returns false with *error (arena text, one sentence: which limit, what to
 * change) when the program cannot fit the machine (stack over 512 bytes, jumps too far); anything else is a BUG. */
bool bpf_compile(struct arena *arena, const struct ir_module *module, const struct bpf_options *options,
                 struct bpf_program *out, const char **error);

/* One line per instruction, bpftool-like ("12: (85) call probe_read_kernel#113"), with script lines between when
 * `source` is given. */
void bpf_disassemble(const struct bpf_program *program, const struct source *source, struct strbuf *out);

/* BTF blob with func_info and line_info for BPF_PROG_LOAD: needed for callbacks, useful for messages.
 * Both info arrays have the kernel's record layout (struct bpf_func_info, struct bpf_line_info). */
struct bpf_program_btf {
    void *btf;
    uint32_t btf_size;
    struct bpf_func_info *functions;
    uint32_t function_count;
    struct bpf_line_info *lines;
    uint32_t line_count;
};
void bpf_make_btf(struct arena *arena, const struct bpf_program *program, const struct source *source,
                  struct bpf_program_btf *out);
/* Smallest BTF blob for maps that demand key and value types: `int` = type 1, `unsigned long` = type 2,
 * `unsigned long[2]` = type 3. */
void bpf_make_map_btf(struct arena *arena, void **btf, uint32_t *size);

/* ---- interpreter ------------------------------------------------------------------------------------------- */

/* Runs programs in user space with fake helpers: the compiler's oracle in tests, and later the engine of replay.
 * Memory accesses are checked against the regions of the machine (stack, context, map values, blocks that helpers
 * hand out); a bad access, a missing helper or too many steps stop the run with an error text. */
struct bpf_machine;

/* A helper: gets r1..r5, returns r0. Pointers are real addresses. */
typedef uint64_t (*bpf_helper_fn)(struct bpf_machine *machine, const uint64_t arguments[5]);

struct bpf_machine *bpf_machine_new(struct arena *arena);
void bpf_machine_set_helper(struct bpf_machine *machine, int id, bpf_helper_fn fn);
void bpf_machine_set_user(struct bpf_machine *machine, void *user); /* for helpers: bpf_machine_user() */
void *bpf_machine_user(struct bpf_machine *machine);
/* Memory the program may touch. */
void bpf_machine_add_region(struct bpf_machine *machine, void *start, size_t size, bool writable);
/* Map number -> address given for BPF_RELOC_MAP (opaque to the program) and BPF_RELOC_MAP_VALUE (its value). */
void bpf_machine_set_map(struct bpf_machine *machine, uint32_t map, void *handle, void *value);
/* Calls a subprogram of the running program (for bpf_loop and friends). */
uint64_t bpf_machine_call(struct bpf_machine *machine, uint64_t function, const uint64_t arguments[5]);
/* True: *result is r0. False: bpf_machine_error() tells why. */
bool bpf_machine_run(struct bpf_machine *machine, const struct bpf_program *program, void *context, uint64_t *result);
const char *bpf_machine_error(const struct bpf_machine *machine);
uint64_t bpf_machine_steps(const struct bpf_machine *machine);
/* Helpers that need no kernel: ktime (counts up), pid/uid/comm constants, probe_read (bounded to regions), arrays and
 * hashes with real semantics, ring buffer collected in memory, bpf_loop. Handles come from bpf_machine_map_new. */
void bpf_machine_set_standard_helpers(struct bpf_machine *machine);
struct bpf_machine_map;
struct bpf_machine_map *bpf_machine_map_new(struct bpf_machine *machine, uint32_t map, uint32_t type, uint32_t key_size,
                                            uint32_t value_size, uint32_t max_entries);
void *bpf_machine_map_lookup(struct bpf_machine_map *map, const void *key);
/* As the system calls: 0 or a negative errno. */
int bpf_machine_map_update(struct bpf_machine_map *map, const void *key, const void *value, uint64_t flags);
int bpf_machine_map_delete(struct bpf_machine_map *map, const void *key);
/* Entries in the order of their making: *place begins with 0. False: no more. key is NULL in arrays. */
bool bpf_machine_map_next(const struct bpf_machine_map *map, uint32_t *place, const void **key, void **value);
/* The next record of a ring buffer that was submitted, in order of reservation; NULL when there is none. */
const void *bpf_machine_ring_next(struct bpf_machine_map *map, uint32_t *size);

#endif
