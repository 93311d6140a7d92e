/* Inside of the checker: what its files share. The contract to the outside is lang_check() in lang.h.
 *
 * Model. The tree of one unit (a probe block made into one program) is walked again and again. The walks are silent and
 * only let types grow: a variable or map starts without a type and is promoted by every assignment. When nothing grows
 * any more, one last walk reports what is wrong. A type of NULL means "not known": either not yet, or because of an
 * error that has been reported; every rule hands it on and stays silent, so one mistake gives one message.
 *
 *   stage 1   maps and variables whose type follows from an assignment
 *   stage 2   (assume_integers) what is left is taken for a number: `@x++`, `@x = @x + 1`, `let $x;`
 *   report    the same walk with messages
 *
 * Rewrites in place ($1 -> literal, constant names -> INTEGER, delete(@m[k]) -> delete(@m, k)) can be undone or
 * repeated: a tree may be checked again for another target at any time.
 *
 * Non-negative literals are of a signed type that yields to unsigned ones ("flexible"). That is carried by the identity
 * of the type object: check_literal_type() hands out own objects, equal to int8 .. int64 for everybody else.
 */
#ifndef TARSIER_LANG_CHECK_INT_H
#define TARSIER_LANG_CHECK_INT_H

#include "base/hash.h"
#include "lang/lang.h"
#include "lang/registers.h"
#include "object/dwarf.h"

/* Whether a map takes keys follows from the first use that shows it. */
struct map_state {
    enum { MAP_SHAPE_UNKNOWN, MAP_SHAPE_SCALAR, MAP_SHAPE_KEYED } shape;
    bool assigned; /* something is stored in it somewhere, maybe of unknown type */
};

struct scope {
    struct scope *parent;
    VEC(struct lang_variable *) variables;
};

struct check {
    struct lang_program *program;
    const struct lang_env *env;
    struct diag_list *diags;
    struct arena *arena;
    const struct lang_target *target; /* of the unit being walked */
    bool report;
    bool assume_integers;
    bool variables_changed, maps_changed;
    struct hash declared;      /* declaring node -> struct lang_variable *, kept between the walks of a unit */
    struct hash unknown_names; /* asking the kernel's types for a name costs a walk through all of them */
    struct scope *scope;
    VEC(struct lang_variable *) gone; /* variables of blocks that have ended, for hints */
    unsigned loop_depth;              /* loops around, unrolled ones too: where break has a meaning */
    unsigned callback_depth;          /* loops that the kernel calls back */
    const struct node *function;      /* NODE_FUNCTION around; its type is known */
    const struct node
        *aggregate; /* what is assigned to a map: a call that may be an aggregate, or a block with such a value */
    VEC(struct map_state) map_states; /* by lang_map.index */
};

/* ---- check.c: messages ------------------------------------------------------------------------------------- */

/* Silent unless this is the reporting walk. The hint belongs to the error before it. */
void check_error(struct check *c, const char *tag, struct loc loc, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void check_warning(struct check *c, const char *tag, struct loc loc, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A further place, for the error before it. */
void check_note(struct check *c, struct loc loc, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Where the variable or map that `node` is got its type; nothing for other expressions. */
void check_note_origin(struct check *c, const struct node *node);
void check_hint(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The nearest of the names of maps or variables; NULL for names so short that everything is near. */
const char *check_nearest_name(const char *wanted, const char *const *names, uint32_t count);
/* Line of a place, for hints. */
uint32_t check_line(const struct check *c, struct loc loc);

/* ---- check_types.c ----------------------------------------------------------------------------------------- */

const struct type *check_literal_type(int64_t value, bool is_unsigned);
bool check_is_flexible(const struct type *type);
/* Signed for arithmetic: flexible literals do not count. */
bool check_is_signed(const struct type *type);
/* int, bool or enum. */
bool check_is_integer(const struct type *type);
/* The type that holds both; `a` itself if `b` adds nothing; NULL if there is none. NULL operands yield. */
const struct type *check_promote(struct check *c, const struct type *a, const struct type *b);
/* How a value lies in a map: integers and enums take 8 bytes. */
const struct type *check_stored(struct check *c, const struct type *type);
/* How a value lies in a variable or tuple: enums take 8 bytes. */
const struct type *check_variable_type(struct check *c, const struct type *type);
const struct type *check_with_space(struct check *c, const struct type *pointer, enum type_space space);
/* Of a type as it lies in memory, the type of the value read from there: char[N] is a string, pointers get a space. */
const struct type *check_memory_type(struct check *c, const struct type *type, enum type_space space);
/* A type of the program, else of the kernel; NULL if there is none. */
const struct type *check_find_type(struct check *c, int keyword, const char *name);
/* `string` without a size: a variable of that type takes the size of what is assigned. */
bool check_is_growing_string(const struct type_name *name);
bool check_knows_type(struct check *c, const struct type_name *name);
/* The same, but never of the traced program. */
const struct type *check_find_kernel_type(struct check *c, int keyword, const char *name);
/* Why a value at this place can not be read; NULL when it can. */
const char *check_unreadable(const struct location *location);
/* NULL after an error, and where typeof() is not known yet. */
const struct type *check_type_name(struct check *c, const struct type_name *name);
/* What sizeof() says: a tuple is as large as a struct of its elements would be, however it is kept. */
uint32_t check_sizeof_type(const struct type *type);
/* For messages; literals show as int64. */
const char *check_type_text(struct check *c, const struct type *type);

/* ---- check_maps.c ------------------------------------------------------------------------------------------ */

/* Binds node->map. */
struct lang_map *check_bind_map(struct check *c, struct node *node);
struct map_state *check_map_state(struct check *c, const struct lang_map *map);
/* The keys of one access: the children of a MAP, or the key argument of a function. False if it takes none. */
bool check_map_keys(struct check *c, struct lang_map *map, struct loc loc, struct node *keys);
/* One access to an element or to a scalar map: keys and shape, without reading. False if the map has the other shape.
 */
bool check_map_access(struct check *c, struct node *node);
void check_map_store(struct check *c, struct lang_map *map, const struct type *value, struct loc loc);
/* A MAP node that is read. */
void check_map_read(struct check *c, struct node *node);
/* A whole map as an argument; reports what is no map. NULL after an error. */
struct lang_map *check_map_whole(struct check *c, struct node *node, const char *user);
/* What follows the map in print(@map, ...); the map is bound. (print_options.c) */
void check_print_options(struct check *c, struct node *call);
/* Declared kinds against what the maps hold. */
void check_map_declarations(struct check *c);
/* Says that nothing is ever stored in the map. */
void check_map_defined(struct check *c, const struct lang_map *map, struct loc loc);
/* count, sum, min, max, avg: readable as a number. */
bool check_is_countable(const struct type *type);
const struct type *check_reduced_type(const struct type *aggregate);

/* ---- check_statements.c ------------------------------------------------------------------------------------ */

void check_probe(struct check *c, struct node *probe);
void check_block(struct check *c, struct node *block);
void check_block_value(struct check *c, struct node *node);
void check_function(struct check *c, struct node *node);
struct lang_variable *check_find_variable(struct check *c, const struct node *node);
void check_assign_variable(struct check *c, struct lang_variable *variable, const struct node *value,
                           const struct type *type, struct loc loc);

/* ---- check_ranges.c ---------------------------------------------------------------------------------------- */

/* What storing an integer in something of type `to` does to it: constants must fit, a change of sign or size is told.
 * `value` may be NULL. */
void check_store_range(struct check *c, const struct node *value, const struct type *from, const struct type *to,
                       const char *what, struct loc loc);
/* Comparisons of integers that are always true or always false, or that compare large numbers as negative ones. */
void check_comparison_range(struct check *c, const struct node *node);

/* ---- check_expressions.c, check_operators.c ---------------------------------------------------------------- */

/* Any expression, also one without a value (statement). Sets and returns node->type. */
const struct type *check_expression(struct check *c, struct node *node);
/* An expression whose value is used: no void, no struct; countable aggregates become numbers. */
const struct type *check_value(struct check *c, struct node *node);
/* The same of what check_expression() has looked at. */
const struct type *check_checked_value(struct check *c, struct node *node);
/* Type of the checked node as a value: a map of counts is read as a number. */
const struct type *check_reduced_value(const struct node *node);
/* A value that must be an integer; `what` names it: "sum()". NULL if it is none. */
const struct type *check_integer(struct check *c, struct node *node, const char *what);
/* An integer known at compile time; false (and reported) if it is none. */
bool check_constant(struct check *c, struct node *node, const char *what, int64_t *value);
/* A text that is known ahead: a literal, a name of a type. NULL: it is not. */
const char *check_constant_text(struct check *c, const struct node *node);
void check_condition(struct check *c, struct node *node);
bool check_has_truth(const struct type *type);     /* number, pointer, or text, which is true if it is not empty */
bool check_is_positional(const struct node *node); /* written as $N */
/* If the node was written as $N, makes it the text of the parameter. */
bool check_positional_string(struct check *c, struct node *node);
/* Where the object of a FIELD, INDEX or * lies. */
enum type_space check_object_space(struct check *c, const struct node *object);

/* Checks the condition of an IF or TERNARY and sets node->branch. False: nothing more is known in this walk. */
bool check_branches(struct check *c, struct node *node);
void check_unary(struct check *c, struct node *node);
void check_increment(struct check *c, struct node *node);
void check_binary(struct check *c, struct node *node);
void check_ternary(struct check *c, struct node *node);
void check_cast(struct check *c, struct node *node);
/* Type of `left op right` for + - * / % & | ^ << >>; NULL if it is not known or after an error. */
const struct type *check_arithmetic(struct check *c, enum node_operator op, const struct type *left,
                                    const struct node *left_node, const struct node *right, struct loc loc);

/* ---- check_calls.c, and the rules of functions.def that have files of their own ------------------------------- */

/* A string literal or $N; false (and reported) if it is none. */
bool check_literal(struct check *c, struct node *node, const char *function);
/* An integer or pointer; false if it is none or not known. */
bool check_address_argument(struct check *c, struct node *node, const char *function);
/* printf and its kin: a format and its arguments. */
void check_formatted(struct check *c, struct node *node);
/* check_values.c */
void check_call_strftime(struct check *c, struct node *node);
void check_call_ntop(struct check *c, struct node *node);
void check_call_pton(struct check *c, struct node *node);
void check_call_macaddr(struct check *c, struct node *node);
void check_call_buf(struct check *c, struct node *node);
void check_call_cgroup_path(struct check *c, struct node *node);
void check_call_cgroupid(struct check *c, struct node *node);
void check_call_strerror(struct check *c, struct node *node);
void check_call_signal_name(struct check *c, struct node *node);
void check_call_syscall_name(struct check *c, struct node *node);
void check_call_bswap(struct check *c, struct node *node);
void check_call_is_err(struct check *c, struct node *node);
/* check_strings.c */
/* The program has one probe, and the node is its name, not one out of a map. */
bool check_is_one_probe(const struct lang_target *target, const struct node *node);
/* Bytes of the name of a probe as text, its NUL included. */
uint32_t check_probe_room(const struct lang_env *env, const struct lang_target *target, const struct node *node);
void check_call_strlen(struct check *c, struct node *node);
void check_call_strcap(struct check *c, struct node *node);
void check_call_strstr(struct check *c, struct node *node);
void check_call_strcontains(struct check *c, struct node *node);
void check_call_str_concat(struct check *c, struct node *node);
void check_call_memcmp(struct check *c, struct node *node);
/* check_files.c */
void check_call_path(struct check *c, struct node *node);
void check_call_fd2file(struct check *c, struct node *node);
void check_call_fd2sock(struct check *c, struct node *node);
/* check_addresses.c */
void check_call_kaddr(struct check *c, struct node *node);
void check_call_percpu_kaddr(struct check *c, struct node *node);
void check_call_uaddr(struct check *c, struct node *node);
/* check_packets.c */
void check_call_skboutput(struct check *c, struct node *node);
/* check_tasks.c */
void check_call_pid(struct check *c, struct node *node);
void check_call_tid(struct check *c, struct node *node);
void check_call_nsecs(struct check *c, struct node *node);
void check_call_ppid(struct check *c, struct node *node);
void check_call_pcomm(struct check *c, struct node *node);
void check_call_leader_comm(struct check *c, struct node *node);
void check_call_leader_tid(struct check *c, struct node *node);
/* check_effects.c */
void check_call_debugf(struct check *c, struct node *node);
void check_call_join(struct check *c, struct node *node);
void check_call_signal(struct check *c, struct node *node);
void check_call_signal_thread(struct check *c, struct node *node);
void check_call_override(struct check *c, struct node *node);
void check_call_write_user(struct check *c, struct node *node);
void check_call_socket_cookie(struct check *c, struct node *node);
/* check_known.c */
void check_config(struct check *c, struct node *node); /* config: becomes a record of literals */
void check_call_is_ptr(struct check *c, struct node *node);
void check_call_is_str(struct check *c, struct node *node);
void check_call_is_array(struct check *c, struct node *node);
void check_call_is_integer(struct check *c, struct node *node);
void check_call_is_unsigned_integer(struct check *c, struct node *node);
void check_call_is_literal(struct check *c, struct node *node);
void check_call_exists(struct check *c, struct node *node);
void check_call_fail(struct check *c, struct node *node);
void check_call_kfunc_exist(struct check *c, struct node *node);
void check_call_kfunc_allowed(struct check *c, struct node *node);

/* ---- check_calls.c, check_builtins.c ----------------------------------------------------------------------- */

void check_call(struct check *c, struct node *node);
void check_identifier(struct check *c, struct node *node);
/* Binds node->builtin and the type. */
void check_builtin(struct check *c, struct node *node, const struct lang_builtin *builtin, int64_t argument);
const char *check_nearest_function(const char *name);
const char *check_nearest_builtin(const char *name);

enum { CHECK_STACK_DEPTH = 127, CHECK_STACK_DEPTH_MOST = 1024 };
enum { CHECK_NEEDLE_MOST = 1024, CHECK_MEMCMP_MOST = 1024 };
enum { CHECK_PATH_LEAST = 16, CHECK_PATH_MOST = 4096 }; /* bytes of one path() */
enum {
    CHECK_PACKET = 2048,
    CHECK_PACKET_MOST = 16384
};                                /* bytes of a packet: where its length is not constant, and else */
enum { CHECK_WRITE_MOST = 1024 }; /* bytes of one write_user() */
enum { CHECK_ERROR_NAME = 64, CHECK_SIGNAL_NAME = 32, CHECK_SYSCALL_NAME = 32 }; /* bytes of such a name */
enum { LANG_PID_CURRENT, LANG_PID_INIT };
enum { LANG_CLOCK_MONOTONIC, LANG_CLOCK_BOOT, LANG_CLOCK_TAI, LANG_CLOCK_SW_TAI };

#endif
