/* Addresses to names, for the kernel and for processes, kept for as long as the cache lives.
 *
 * Kernel: /proc/kallsyms, loaded when the first kernel address is asked for and not before (it is 10 MB of text).
 * Process: its mappings are read once, when first asked for or learnt, and stay after it has ended; a reused process id
 * is noticed by its start time. Files are opened through /proc/TGID/map_files and /proc/TGID/root (so containers and
 * deleted files work), and their symbol tables are shared by all processes that map the same (device, inode). The vdso
 * is our own copy, which is the same; anonymous code is looked up in /tmp/perf-TGID.map (of a JIT compiler).
 * Code of a file without a symbol for it is named by what is known still: "puts@plt" for a stub of the linkage table,
 * "cc1plus!fn_4f3a20" by where its function begins, which .eh_frame says. A symbol that ends before the address is not
 * its name. An address that has no name at all stays an address: "0x7f001234".
 *
 * Everything read from files and processes is hostile (object/ checks it). Names and modules stay valid until
 * symbol_cache_close(). Each file that is mapped somewhere keeps one descriptor open. One thread.
 */
#ifndef TARSIER_SYMBOL_SYMBOL_H
#define TARSIER_SYMBOL_SYMBOL_H

#include "base/arena.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct symbol_cache;

struct symbol_name {
    const char *name;   /* NULL when unknown */
    uint64_t offset;    /* address - start of the symbol; unknown: 0 */
    const char *module; /* path of the file, "[vdso]", kernel module or "[kernel.kallsyms]"; NULL when unknown */
    uint64_t address;   /* in the file, as its ELF headers count; kernel: as it is; 0 when unknown */
    bool is_place;      /* the name is made of the module and where the function begins */
};

struct symbol_cache *symbol_cache_new(struct arena *arena);
/* Ends it; what was in the arena goes with the arena. NULL is fine. */
void symbol_cache_close(struct symbol_cache *cache);

/* True when the name is known; else module and address may be. */
bool symbol_kernel(struct symbol_cache *cache, uint64_t address, struct symbol_name *out);
/* Where a function of the kernel begins; 0 when it is not known. */
uint64_t symbol_kernel_address(struct symbol_cache *cache, const char *name);
bool symbol_user(struct symbol_cache *cache, uint32_t tgid, uint64_t address, struct symbol_name *out);

/* Files by themselves, for frames that say "this address in this file". A file lives as long as the cache. */
struct symbol_file;
/* What is mapped at `start` of a living process; NULL when that is no file or the process has gone. */
struct symbol_file *symbol_learn_file(struct symbol_cache *cache, uint32_t tgid, uint64_t start);
/* What is mapped for execution at an address of a process, as known of it; start == end: nothing is. file NULL:
 * anonymous memory. The address in the file is address - start + file_offset, before its headers are asked. */
struct symbol_mapping {
    uint64_t start, end, file_offset;
    struct symbol_file *file;
};
struct symbol_mapping symbol_mapping_at(struct symbol_cache *cache, uint32_t tgid, uint64_t address);
struct symbol_file *symbol_vdso(struct symbol_cache *cache);
/* The function at an address as in the headers of the file. *out has the module in any case. */
bool symbol_in_file(struct symbol_cache *cache, struct symbol_file *file, uint64_t address, struct symbol_name *out);

/* Reads the mappings of a process and opens its files now, so that its addresses have names after it has ended. False
 * when it has gone already. Repeated: reads the mappings again. What is learnt before an execve is of no use after it,
 * so learn a command that was just started once it runs its program. */
bool symbol_learn_process(struct symbol_cache *cache, uint32_t tgid);

/* Files without a process, for recordings: addresses in the file to names. The file at `path` counts when its build id
 * is the given one (size 0: any); else the one that perf keeps under this build id in ~/.debug. NULL when there is
 * none. "[vdso]" is this kernel's. */
struct symbol_file *symbol_file_by_path(struct symbol_cache *cache, const char *path, const uint8_t *build_id,
                                        uint32_t size);
/* The file that a process would map from this path (free of links); NULL when there is none. *status is what stat(2)
 * says of it. */
struct symbol_file *symbol_file_mapped(struct symbol_cache *cache, const char *path, struct stat *status);
/* The function at an offset in the file. True when the name is known; else module and address may be. */
bool symbol_file_name(struct symbol_cache *cache, struct symbol_file *file, uint64_t file_offset,
                      struct symbol_name *out);
/* For lines and inlined calls. NULL when it is no ELF file. */
struct object_elf *symbol_file_elf(const struct symbol_file *file);

/* Says which program all processes run that are asked about. If it is loaded where its headers say (no PIE), addresses
 * of processes that ended before the first question have names too. */
void symbol_expect_program(struct symbol_cache *cache, const char *path);

enum symbol_stack_mode {
    SYMBOL_STACK_BPFTRACE, /* "        name+off" */
    SYMBOL_STACK_PERF,     /* "\tffffffff81001234 name+off (module)" */
    SYMBOL_STACK_RAW,      /* "ffffffff81001234" */
};

/* Append a stack: a newline, then one line per frame. ips[0] is where the program was; the others are return addresses,
 * whose function is the one that holds the byte before (the call may be its last instruction). */
void symbol_format_kernel_stack(struct symbol_cache *cache, const uint64_t *ips, uint32_t count,
                                enum symbol_stack_mode mode, struct strbuf *out);
void symbol_format_user_stack(struct symbol_cache *cache, uint32_t tgid, const uint64_t *ips, uint32_t count,
                              enum symbol_stack_mode mode, struct strbuf *out);

/* Append one line of a user stack. */
void symbol_format_user_frame(const struct symbol_name *name, bool is_known, uint64_t address,
                              enum symbol_stack_mode mode, struct strbuf *out);

/* Append the name alone, or 0xADDRESS. */
void symbol_format_ksym(struct symbol_cache *cache, uint64_t address, struct strbuf *out);
void symbol_format_usym(struct symbol_cache *cache, uint32_t tgid, uint64_t address, struct strbuf *out);

#endif
