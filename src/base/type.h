/* The one type model: what a value is, how many bytes it takes, and how it lies in memory.
 *
 * lang checks with it, the planner lays out keys, values and records with it, session decodes with it and view prints
 * with it. Types from BTF, tracefs formats, DWARF and scripts are all turned into this. Types live in an arena, are
 * immutable once complete, and structs are completed lazily: a struct task_struct costs nothing until a field is asked.
 *
 * Layout of a stored value (map key, map value, record field). Natural alignment, padding always zero:
 *   int, bool, enum   size bytes, little endian          pointer, ksym   8 bytes
 *   string            `size` bytes at a multiple of 8; ends at the first NUL; in keys and values the tail is zero, up
 * to the next multiple of 8, so that code can copy and compare words
 *   buffer            u32 length, then size - 4 bytes, at a multiple of 8; tail as that of strings
 *   usym              u64 address, u32 tgid, u32 zero
 *   inet              u32 address family, u32 zero, u8 address[16] in network order (IPv4: the first 4, then zeros)
 *   macaddr           u64 whose first 6 bytes are the address, then zeros
 *   timestamp         u64 ns since boot, u64 number of its format in the plan's texts
 *   username          u64 user id
 *   cgroup_path       u64 cgroup id, u64 number of its filter in the plan's texts
 *   kstack, ustack    u64 id: frames in the lowest TYPE_STACK_COUNT_BITS, above them a hash of what was captured; 0: no
 *                     frames. The table of stacks (lang/plan.h) has what belongs to an id, once for equal stacks:
 *                     u32 tgid (0 in the kernel), u32 count, u64 ip[depth + TYPE_STACK_MACHINERY]  (zero behind count);
 *                     mode build_id: {u32 status, u8 build_id[20], u64 offset or ip} instead of ip. The machinery is
 *                     room for the frames of the tracing itself, which printing takes off the top
 *   probe             u64 index into the session's table of probe names
 *   tuple             its fields in order, each aligned; what is larger than 8 bytes takes whole words. A record is a
 *                     tuple whose fields have names
 *   array, struct     as in memory (padding too), whole words
 *   count, sum        one u64 / i64                       avg, stats      u64 count, i64 total
 *   min, max          u64/i64 value, u64 set (0 or 1)
 *   hist              u64 bucket[TYPE_HIST_BUCKETS(bits)] lhist           u64 bucket[(max - min) / step + 2]
 *   tseries           {u64 epoch, u64/i64 value, u64 meta}[count], epoch: 1 + number of the interval since 1970, which
 *                     is kept in [number % count]; 0: never used; meta: last: when, in ns; avg: number of values; min,
 * max: 1 Aggregates (count .. tseries) are per CPU in the kernel; user space adds the CPUs up.
 *
 * hist bucket numbers: 0 holds negative values; with bits = 0: 1 holds 0, 1 + k holds [2^(k-1), 2^k).
 * With b bits (2^b sub-buckets per power of two): n < 2^b is in bucket n + 1; above, with l = log2(n), in bucket
 * ((l - b + 1) << b | ((n >> (l - b)) & (2^b - 1))) + 1.
 * lhist: bucket 0 is below min, the last one is max and above.
 */
#ifndef TARSIER_BASE_TYPE_H
#define TARSIER_BASE_TYPE_H

#include "base/arena.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

enum type_kind {
    TYPE_VOID,
    TYPE_INT,
    TYPE_BOOL,
    TYPE_ENUM,
    TYPE_POINTER,
    TYPE_STRING,
    TYPE_BUFFER,
    TYPE_ARRAY,
    TYPE_STRUCT, /* struct or union */
    TYPE_TUPLE,
    TYPE_KSYM,
    TYPE_USYM,
    TYPE_KSTACK,
    TYPE_USTACK,
    TYPE_PROBE,
    TYPE_INET,
    TYPE_MACADDR,
    TYPE_TIMESTAMP,
    TYPE_USERNAME,
    TYPE_CGROUP_PATH,
    TYPE_COUNT, /* aggregates from here on */
    TYPE_SUM,
    TYPE_AVG,
    TYPE_MIN,
    TYPE_MAX,
    TYPE_STATS,
    TYPE_HIST,
    TYPE_LHIST,
    TYPE_TSERIES,
};

/* Which memory a pointer points into. SPACE_NONE: plain number, decided by the probe when read. */
enum { TYPE_STACK_MACHINERY = 4, TYPE_STACK_COUNT_BITS = 11 };

enum type_space { SPACE_NONE, SPACE_KERNEL, SPACE_USER };

/* How a stack is shown; it makes no difference to what is stored, nor to whether two types are equal. */
enum type_stack_mode { TYPE_STACK_BPFTRACE, TYPE_STACK_PERF, TYPE_STACK_RAW, TYPE_STACK_BUILD_ID };
/* Frames of a user stack by build id: struct bpf_stack_build_id; others are addresses. */
enum { TYPE_BUILD_ID_FRAME = 32 };

/* What becomes of several values in one interval of a tseries. */
enum type_fold { TYPE_FOLD_LAST, TYPE_FOLD_AVG, TYPE_FOLD_MAX, TYPE_FOLD_MIN, TYPE_FOLD_SUM };
enum { TYPE_TSERIES_SLOT = 24 }; /* bytes */

struct type;

struct type_field {
    const char *name; /* NULL: anonymous member or tuple field */
    const struct type *type;
    uint32_t offset;     /* bytes from the start of the struct */
    uint16_t bit_offset; /* bit-field: first bit inside the storage at `offset`, else 0 */
    uint16_t bit_size;   /* bit-field: width, else 0 */
    bool is_data_loc;    /* tracepoint __data_loc: u32 (length << 16 | offset) of the bytes in the record */
};

struct type_enumerator {
    const char *name;
    int64_t value;
};

struct type {
    enum type_kind kind;
    uint32_t size;  /* bytes of a stored value */
    uint32_t align; /* 1, 2, 4 or 8 */
    bool is_signed; /* int, enum, sum, min, max, avg, stats */
    bool is_union;
    bool is_array;             /* string: it was an array of characters; one without a NUL is complete, not cut */
    enum type_space space;     /* pointer */
    const char *name;          /* struct, union, enum: tag without the keyword; int: C name or NULL */
    const struct type *target; /* pointer: pointed to; array: element */
    uint32_t count;            /* array: elements; stack: depth; hist: bits */
    enum type_stack_mode stack_mode;
    bool by_pointers; /* stack: frame pointers are followed, by wish */
    int64_t lhist_min, lhist_max, lhist_step;
    uint64_t interval; /* tseries: ns; count: how many of them are kept */
    enum type_fold fold;
    const struct type_field *fields; /* struct (see type_complete) and tuple */
    uint32_t field_count;
    const struct type_enumerator *enumerators;
    uint32_t enumerator_count;
    uint32_t btf_id; /* id in the kernel's BTF, 0 if from elsewhere */
    /* Fills fields/size of a struct on first use; NULL when complete. */
    void (*complete)(struct type *self, void *owner);
    void *owner;
};

#define TYPE_HIST_BUCKETS(bits) (((64u - (bits)) << (bits)) + 2u)

static inline bool type_is_aggregate(const struct type *type) { return type->kind >= TYPE_COUNT; }
static inline bool type_is_stack(const struct type *type) {
    return type->kind == TYPE_KSTACK || type->kind == TYPE_USTACK;
}
/* Held in one 64-bit register while computed. */
static inline bool type_is_scalar(const struct type *type) {
    return type->kind == TYPE_INT || type->kind == TYPE_BOOL || type->kind == TYPE_ENUM || type->kind == TYPE_POINTER ||
           type->kind == TYPE_KSYM || type->kind == TYPE_PROBE || type->kind == TYPE_MACADDR ||
           type->kind == TYPE_USERNAME || type_is_stack(type);
}

/* Constructors. The integers are shared constants; the rest are new in the arena. */
const struct type *type_int(unsigned bits, bool is_signed); /* bits: 8, 16, 32 or 64 */
const struct type *type_bool(void);
const struct type *type_void(void);
const struct type *type_simple(enum type_kind kind, bool is_signed); /* those that have no size of their own */
const struct type *type_string(struct arena *arena, uint32_t size);
const struct type *type_string_array(struct arena *arena, uint32_t size);
const struct type *type_buffer(struct arena *arena, uint32_t capacity);
const struct type *type_pointer(struct arena *arena, const struct type *target, enum type_space space);
const struct type *type_array(struct arena *arena, const struct type *element, uint32_t count);
const struct type *type_tuple(struct arena *arena, const struct type *const *fields, uint32_t count);
/* A tuple whose fields have names. */
const struct type *type_record(struct arena *arena, const struct type *const *fields, const char *const *names,
                               uint32_t count);
static inline bool type_is_record(const struct type *type) {
    return type->kind == TYPE_TUPLE && type->field_count && type->fields[0].name;
}
/* Number of the field of that name in a record; field_count when there is none. */
uint32_t type_record_index(const struct type *record, const char *name);
const struct type *type_stack(struct arena *arena, enum type_kind kind, uint32_t depth, enum type_stack_mode mode);
/* The same stack, but by frame pointers alone. */
const struct type *type_stack_by_pointers(struct arena *arena, const struct type *stack);
/* Bytes of a captured stack in the table of stacks. */
uint32_t type_stack_captured(const struct type *type);
extern const char *const type_stack_mode_names[]; /* by mode; NULL at the end */
/* The mode of a name: bpftrace, perf, raw. False: there is none. */
bool type_stack_mode_find(const char *name, enum type_stack_mode *mode);
const struct type *type_hist(struct arena *arena, uint32_t bits);
const struct type *type_lhist(struct arena *arena, int64_t min, int64_t max, int64_t step);
const struct type *type_tseries(struct arena *arena, uint64_t interval, uint32_t count, enum type_fold fold,
                                bool is_signed);
extern const char *const type_fold_names[]; /* by fold; [TYPE_FOLD_LAST] is "", NULL at the end */

/* Same type as a stored value (structural; structs by name and btf_id). */
bool type_equal(const struct type *a, const struct type *b);
/* Runs the lazy completion; returns `type` for chaining. */
const struct type *type_complete(const struct type *type);
/* Field by name, looking through anonymous members; *offset is from the start of `type`. NULL when absent. */
const struct type_field *type_find_field(const struct type *type, const char *name, uint32_t *offset);
/* C-like text: "uint64", "string[16]", "struct task_struct *", "(int64,string[16])", "count_t". */
void type_format(const struct type *type, struct strbuf *out);
const char *type_text(struct arena *arena, const struct type *type);
const char *type_kind_text(const struct type *type); /* "int", "pointer", "record", ... */

/* The bucket of a value, the same rule that generated code uses; and the inclusive bounds of a bucket. */
uint32_t type_hist_bucket(int64_t value, uint32_t bits);
void type_hist_bounds(uint32_t bucket, uint32_t bits, int64_t *first, int64_t *last);

#endif
