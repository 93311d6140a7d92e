/* Lowering, inside lang/: tree -> IR for one program. Files:
 *   lower.c              the program's frame: filters, predicate, scratch, leaving
 *   lower_statements.c   statements and loops
 *   lower_expressions.c  values that fit a register
 *   lower_memory.c       places in memory, reading through pointers, strings and tuples built where they belong
 *   lower_maps.c         keys, map elements, aggregates in lower_aggregates.c
 *   lower_builtins.c, lower_calls.c   one small function for each row of builtins.def and functions.def
 *   lower_values.c, lower_strings.c, lower_tasks.c, lower_files.c, lower_effects.c   the larger ones of those
 * functions, by what they are about lower_records.c      what goes to user space
 *
 * Values. Scalars are ir_values. Everything larger is built in place (lower_into) or found in place (lower_place).
 * There are no phis: what meets at a join goes through a stack slot (lower_slot_*).
 *
 * Guards. Reading through a chain of pointers can fail at each step. A guard gives the chain one failure block: the
 * failure is counted for the script position and the value becomes 0 or empty.
 */
#ifndef TARSIER_LANG_LOWER_INT_H
#define TARSIER_LANG_LOWER_INT_H

#include "lang/plan.h"
#include "lang/registers.h"
#include "object/dwarf.h"

/* Where bytes lie and how they may be read. */
enum lower_where {
    WHERE_DIRECT,  /* stack, map value, scratch, ring record, context: plain loads */
    WHERE_BTF,     /* kernel memory behind a BTF pointer: plain loads at constant offsets */
    WHERE_KERNEL,  /* bpf_probe_read_kernel */
    WHERE_USER,    /* bpf_probe_read_user */
    WHERE_SYSCALL, /* the record of a syscall tracepoint, spread over registers; base is unused */
    WHERE_ARGS,    /* u64 slots of a raw tracepoint's or fentry's context */
    WHERE_CALL,    /* arguments of a call as they were passed, in words of 8 bytes; base is unused */
};

struct place {
    enum lower_where where;
    ir_value base;
    int32_t offset;
};

/* A pointer value and what is known of it. */
struct pointer {
    ir_value value;
    bool direct; /* BTF pointer: WHERE_BTF */
    bool nonnull;
    enum type_space space;
};

struct guard {
    struct guard *outer;
    struct loc loc;
    ir_block start; /* dominates every failure */
    ir_block fail, join;
    ir_block outside; /* an index that is out of range: counted apart */
    struct loc index_loc;
    ir_slot cause; /* with -k: why, see lower_cause() */
};

struct loop {
    struct loop *outer;
    const struct node *node;
    bool unrolled;       /* break and continue are jumps */
    ir_block next, end;  /* where the next round starts; where the loop stops */
    uint32_t first_slot; /* slots from here on are the body's own */
    bool returns;        /* the body contains `return`: tested after the loop */
};

/* A use of a function: where its value goes and where `return` leads. */
struct lower_function {
    const struct type *type;
    struct place result;
    ir_block end;
};

struct temp {
    ir_slot slot;
    uint32_t size;
    uint32_t depth; /* statement depth that uses it, 0: free */
};

/* An element that was looked up and is still good where its block dominates. */
struct found {
    const struct lang_map *map;
    ir_value key; /* the key's value; IR_NONE in task storage */
    ir_value element;
    ir_block block;
    const struct ir_function *f;
};

struct lower {
    struct arena *arena;
    struct lang_program *program;
    struct lang_plan *plan;
    const struct lang_unit *unit;
    const struct lang_target *target;
    const struct lang_env *env;
    struct diag_list *diags;
    struct ir_module *module;
    struct ir_function *f; /* being built: main or a callback */
    ir_block leave;        /* main: release and return */
    int64_t return_value;
    ir_slot result_slot; /* what `return value` gives to who runs the program (test, bench); IR_NONE: nothing does */
    bool use_task;       /* pid, tid and comm come from the task pointer */

    bool has_loops; /* context and scratch base are kept in slots for callbacks */
    ir_slot context_slot, scratch_slot, return_slot, probe_slot;
    struct loop *loop;
    struct lower_function *function; /* NULL: return ends the probe */

    struct guard *guard;
    VEC(struct temp) temps;
    VEC(struct found) found;       /* see lower_maps.c */
    struct found series_time;      /* `element`: the time that an earlier tseries() took, good as above */
    VEC(const struct node *) done; /* clear() and zero() that a print() before them does */
    uint32_t statement_depth;

    /* Scratch: [variables][temporaries]. Sizes are known from a first run over the block. */
    bool measuring;
    ir_value scratch_base;
    uint32_t stack_room;                       /* see enum lang_stack_room */
    uint32_t scratch_variables, scratch_temps; /* sizes found by the first run */
    uint32_t variables_top, temps_top, temps_most;
    bool predicate_scratch;
    bool large_scratch; /* more than a per-CPU map can hold */

    ir_slot packet_result; /* skboutput(): its value, set where the record is written */
};

/* lower.c */
ir_value lower_context(struct lower *l);
ir_value lower_constants(struct lower *l, uint32_t offset); /* address in the constants area */
ir_value lower_global(struct lower *l, uint32_t offset);
ir_value lower_row(struct lower *l, uint32_t first, uint32_t stride); /* this CPU's row of rows in the globals */
ir_value lower_cpu_row(struct lower *l);
void lower_count(struct lower *l, uint32_t counter); /* globals[counter] += 1 */
/* Counts a failure where `failed`; `cause`: see lower_failed(). */
void lower_count_if(struct lower *l, ir_value failed, enum lang_site_kind kind, struct loc loc, ir_value cause);
ir_value lower_log2_code(struct lower *l, ir_value top_bit); /* number of a single set bit, 0..63 */
bool lower_ends_once(struct lower *l);                       /* exit() here ends the block for good */
ir_value lower_probe_id(struct lower *l);
ir_value lower_iterator_file(struct lower *l); /* meta->seq: what the reader of an iterator reads */
ir_value lower_scratch(struct lower *l);       /* base of the program's scratch slot */
ir_value lower_load_slot(struct lower *l, ir_slot slot);
void lower_store_slot(struct lower *l, ir_slot slot, ir_value value);
ir_slot lower_temp_slot(struct lower *l, uint32_t size); /* until the statement ends */
void lower_release_slot(struct lower *l, ir_slot slot);  /* or earlier */
ir_value lower_take_slot(struct lower *l, ir_slot slot); /* its value; the slot is free again */
/* Memory for the rest of the statement: stack when small, scratch otherwise. */
struct place lower_temp(struct lower *l, uint32_t size);
struct place lower_scratch_temp(struct lower *l, uint32_t size); /* the same, always in scratch */
struct place lower_variable_memory(struct lower *l, struct lang_variable *variable);

/* lower_statements.c */
void lower_block(struct lower *l, const struct node *block);
void lower_leave(struct lower *l); /* end the probe from here */
/* What the value of an expression comes from: runs the statements of a BLOCK_VALUE, chooses known branches. */
const struct node *lower_value(struct lower *l, const struct node *node);
/* Runs a use of a function; its value is put at `result`, which is of its type and zero. */
void lower_function(struct lower *l, const struct node *node, struct place result);
/* Does computing it run statements? */
bool lower_has_statements(const struct node *node);

/* lower_expressions.c */
ir_value lower_scalar(struct lower *l, const struct node *node);
void lower_condition(struct lower *l, const struct node *node, ir_block yes, ir_block no);
struct pointer lower_pointer(struct lower *l, const struct node *node);
ir_value lower_arithmetic(struct lower *l, enum node_operator op, ir_value a, ir_value b, struct loc loc,
                          bool is_signed);
bool lower_is_signed(enum node_operator op, const struct type *left, const struct type *right);
/* What is added to a value of `type` to move it by `count`: pointers move by objects. */
ir_value lower_pointer_step(struct lower *l, const struct type *type, ir_value count);
/* lower_scalar, and a pointer becomes a number to compute with. */
ir_value lower_number(struct lower *l, const struct node *node);
ir_value lower_increment(struct lower *l, const struct node *node, bool used);
ir_value lower_resize(struct lower *l, ir_value value, const struct type *type);
ir_value lower_at_most(struct lower *l, ir_value value, uint32_t limit); /* the lesser one, unsigned */

/* lower_memory.c */
void guard_begin(struct lower *l, struct guard *guard, struct loc loc);
bool guard_failed(struct lower *l, struct guard *guard); /* true: now in the failure block, end with guard_join */
/* Nothing in it can fail: then there is no failure block. Ends the guard. */
bool guard_is_safe(struct lower *l, struct guard *guard);
void guard_join(struct lower *l, struct guard *guard);
ir_block lower_fail_block(struct lower *l);
ir_value place_address(struct lower *l, struct place place);
struct place place_direct(ir_value base, int32_t offset);
struct place lower_located(struct lower *l, const struct location *location, const struct type *type);
struct place place_add(struct lower *l, struct place place, int64_t offset);
struct place lower_place(struct lower *l, const struct node *node); /* an object behind a pointer or in args */
ir_value lower_load(struct lower *l, struct place place, const struct type *type);
ir_value lower_read(struct lower *l, const struct node *node); /* lower_place + lower_load, guarded */
void lower_store(struct lower *l, struct place place, const struct type *type, ir_value value);
void lower_zero(struct lower *l, struct place place, uint32_t size);
void lower_copy(struct lower *l, struct place to, struct place from, uint32_t size); /* both direct */
/* Copies a stored value from direct memory; strings may grow, tuples go field by field. */
void lower_copy_value(struct lower *l, struct place from, const struct type *from_type, struct place to,
                      const struct type *type);
/* A stored value, as map keys, map values and tuple fields have it. */
void lower_copy_stored(struct lower *l, struct place to, struct place from, const struct type *type);
/* Builds the value of `node` as a stored `type` at `to` (direct memory). `clean`: bytes behind strings become zero. */
void lower_into(struct lower *l, const struct node *node, const struct type *type, struct place to, bool clean);
/* The value of `node` as bytes that plain loads can reach; at least `need` bytes of a string matter (0: all). */
struct place lower_bytes(struct lower *l, const struct node *node, uint32_t need, uint32_t *size);
/* shows_cut: what is longer than `size` fills it without a NUL. */
void lower_read_text(struct lower *l, struct place from, struct place to, uint32_t size, bool clean, struct loc loc,
                     bool shows_cut);
/* The value of `node` as a stored `type`, padding zero: where it lies, or built for this. */
struct place lower_whole(struct lower *l, const struct node *node, const struct type *type);
ir_value lower_words_differ(struct lower *l, struct place a, struct place b, uint32_t size); /* both direct */
/* 1 when the first `length` bytes (up to a NUL) differ, as bpftrace's strncmp. */
ir_value lower_string_differs(struct lower *l, const struct node *a, const struct node *b, uint32_t length);

/* lower_maps.c */
ir_value lower_key(struct lower *l, const struct lang_map *map, const struct node *keys);
ir_value lower_map_handle(struct lower *l,
                          const struct lang_map *map); /* map pointer for helpers; may be NULL-tested */
/* The same, good: goes to `done` when there is none. */
ir_value lower_tested_handle(struct lower *l, const struct lang_map *map, ir_block done);
/* The table (its number in the plan) did not take an element: counts why. `stops`: the map that ends the run when it is
 * full; NULL: none does. */
void lower_count_refused(struct lower *l, uint32_t table, const struct lang_map *stops, ir_value error);
ir_value lower_map_scalar(struct lower *l, const struct node *node);
ir_value lower_map_address(struct lower *l, const struct node *node);
struct place lower_map_place(struct lower *l, const struct node *node); /* element, or zero bytes when missing */
void lower_map_assign(struct lower *l, const struct node *target, const struct node *value);
void lower_map_compound(struct lower *l, const struct node *node);
ir_value lower_map_increment(struct lower *l, const struct node *map, int64_t by, bool postfix, bool used);
ir_value lower_map_delete(struct lower *l, const struct lang_map *map, const struct node *keys);
ir_value lower_map_has_key(struct lower *l, const struct lang_map *map, const struct node *keys);
/* 1, and the variable gets the value, when there is an element. */
ir_value lower_map_find(struct lower *l, const struct lang_map *map, const struct node *key,
                        struct lang_variable *variable);
/* Pointer to the element, created from zero bytes when missing; continues only when there is one, else goes to
 * *missed (which the caller enters afterwards). */
ir_value lower_map_slot(struct lower *l, const struct lang_map *map, ir_value key, ir_block done);

/* lower_aggregates.c */
void lower_aggregate(struct lower *l, const struct node *target, const struct node *call);
ir_value lower_aggregate_sum(struct lower *l, const struct node *node);
/* The number of the element that a loop over the map is at. */
ir_value lower_aggregate_element(struct lower *l, const struct lang_map *map);

/* lower_tasks.c */
ir_value lower_current(struct lower *l, const char *field); /* "pid" or "tgid" of the current task, as we see it */
ir_value lower_current_id(struct lower *l, const struct node *node, const char *field); /* pid(mode), tid(mode) */
ir_value lower_clock(struct lower *l, const struct node *node);                         /* nsecs(clock) */
/* task->relative->field; `task` NULL: the current one. */
ir_value lower_relative_id(struct lower *l, const struct node *task, const char *relative, const char *field,
                           struct loc loc);
void lower_relative_comm(struct lower *l, const struct node *task, const char *relative, const struct type *type,
                         struct place to, struct loc loc);
/* Nodes as the script could have written them: curtask, object->name. NULL: no such field (or no object). */
struct node *lower_current_task(struct lower *l, struct loc loc);
struct node *lower_field(struct lower *l, const struct node *object, const char *name);

/* lower_values.c */
struct place lower_behind_address(struct lower *l, const struct node *node); /* what an integer or pointer points to */
/* `size` bytes, a number bounded by the room at `to`; a failure is counted. */
void lower_read_bytes(struct lower *l, struct place from, struct place to, ir_value size, struct loc loc);
void lower_ntop_into(struct lower *l, const struct node *node, struct place to);
void lower_pton_into(struct lower *l, const struct node *node, struct place to);
void lower_buf_into(struct lower *l, const struct node *node, const struct type *type, struct place to, bool clean);
void lower_strftime_into(struct lower *l, const struct node *node, struct place to);
void lower_cgroup_path_into(struct lower *l, const struct node *node, struct place to);
/* strerror, signal_name, syscall_name */
void lower_name_into(struct lower *l, const struct node *node, const struct type *type, struct place to, bool clean);
void lower_probe_text_into(struct lower *l, const struct node *node, const struct type *type, struct place to,
                           bool clean);
ir_value lower_macaddr(struct lower *l, const struct node *node);
ir_value lower_bswap(struct lower *l, const struct node *node);
ir_value lower_is_err(struct lower *l, const struct node *node);

/* lower_strings.c */
ir_value lower_strlen(struct lower *l, const struct node *node);
ir_value lower_strstr(struct lower *l, const struct node *node);
ir_value lower_strcontains(struct lower *l, const struct node *node);
ir_value lower_memcmp(struct lower *l, const struct node *node);
void lower_str_concat_into(struct lower *l, const struct node *node, const struct type *type, struct place to,
                           bool clean);

/* lower_addresses.c */
ir_value lower_percpu_kaddr(struct lower *l, const struct node *node);
ir_value lower_uaddr(struct lower *l, const struct node *node);

/* lower_packets.c */
ir_value lower_skboutput(struct lower *l, const struct node *node);
void lower_packet_into(struct lower *l, const struct node *node, const struct type *type, struct place to);

/* lower_files.c */
ir_value lower_fd2file(struct lower *l, const struct node *node);
ir_value lower_fd2sock(struct lower *l, const struct node *node);
void lower_path_into(struct lower *l, const struct node *node, const struct type *type, struct place to);

/* lower_effects.c */
void lower_formatted(struct lower *l, const struct node *node, enum lang_action_kind kind); /* printf and its kin */
void lower_join(struct lower *l, const struct node *node);
void lower_join_into(struct lower *l, const struct node *node, struct place to);
void lower_debugf(struct lower *l, const struct node *node);
void lower_signal(struct lower *l, const struct node *node);
void lower_override(struct lower *l, const struct node *node);
ir_value lower_write_user(struct lower *l, const struct node *node);
ir_value lower_socket_cookie(struct lower *l, const struct node *node);

/* lower_builtins.c, lower_calls.c */
ir_value lower_builtin(struct lower *l, const struct node *node);
void lower_builtin_into(struct lower *l, const struct node *node, const struct type *type, struct place to);
ir_value lower_argument(struct lower *l, int64_t number, struct loc loc);
ir_value lower_function_address(struct lower *l); /* of the probed function */
ir_value lower_argument_word(struct lower *l, int64_t number);
ir_value lower_register(struct lower *l, uint32_t offset);
ir_value lower_call(struct lower *l, const struct node *node);
void lower_call_statement(struct lower *l, const struct node *node, const struct node *next);
void lower_call_into(struct lower *l, const struct node *node, const struct type *type, struct place to, bool clean);
ir_value lower_stack(struct lower *l, const struct type *type); /* captured and kept; its id */

/* lower_records.c */
void lower_record(struct lower *l, struct lang_action *action, const struct node *const *values, uint32_t count);
/* The same of numbers that were computed. */
void lower_record_numbers(struct lower *l, struct lang_action *action, const ir_value *numbers, uint32_t count);

/* lower_failures.c */
/* Something failed here, and the program is where only that leads. */
void lower_failed(struct lower *l, enum lang_site_kind kind, struct loc loc, ir_value cause);
/* `cause` of lower_failed: what a helper gave; IR_NONE where nobody will be told. */
ir_value lower_cause(struct lower *l, enum ir_helper helper, ir_value result);
#define LOWER_NO_CAUSE IR_NONE /* no helper was asked */

#endif
