/* The tree: what the parser makes, the checker annotates, and lowering reads.
 *
 * One node type for everything; children are a linked list in the order nodes.def gives. Nodes live in the compile
 * arena and are never freed alone. The parser fills the first part; the checker fills `type` and the binding. A block
 * with several probe kinds is checked once per program made from it, so annotations are those of the latest check.
 */
#ifndef TARSIER_LANG_AST_H
#define TARSIER_LANG_AST_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/str.h"
#include "base/type.h"
#include <stdbool.h>
#include <stdint.h>

enum node_kind {
#define NODE(kind, children) NODE_##kind,
#include "lang/nodes.def"
#undef NODE
    NODE_KIND_COUNT
};

enum node_operator {
#define OPERATOR(name, spelling, precedence) OP_##name,
#include "lang/operators.def"
#undef OPERATOR
    OP_COUNT
};

/* Deepest tree that the parser makes: long chains (a + b + ..., else if ...) count as nesting. */
enum { NODE_HEIGHT_LIMIT = 400 };

struct node;

/* A type as written: "uint64", "struct task_struct *", "int32[4]*". Resolved by the checker. */
struct type_name {
    enum { TYPE_NAME_PLAIN, TYPE_NAME_STRUCT, TYPE_NAME_UNION, TYPE_NAME_ENUM } keyword;
    const char *name;
    uint32_t pointer_depth; /* stars behind the name (before array bounds) */
    uint32_t array_count;   /* [N] bounds, outermost first */
    uint32_t array_sizes[4];
    uint32_t outer_pointers; /* stars behind the bounds: int32[4]* */
    struct loc loc;
    /* typeof(T) or typeof(e) in the place of the name; else both NULL */
    const struct type_name *inner;
    struct node *of;
};

struct node {
    enum node_kind kind;
    enum node_operator op;
    struct loc loc;
    struct node *child; /* first child */
    struct node *next;  /* next sibling */
    const char *text;   /* names and strings, NUL-terminated */
    uint32_t length;    /* bytes of a string literal */
    int64_t number;
    const struct type_name *type_name;
    const char *const *names; /* TUPLE that is a record: of its elements; else NULL */
    bool is_unsigned;         /* INTEGER above INT64_MAX */
    bool is_postfix;          /* INCREMENT */
    bool has_predicate;       /* PROBE */
    bool is_tail;             /* EXPRESSION, IF: last in its block and without a semicolon, so the block's value */
    uint32_t positional;      /* N + 1 of what was written as $N, whatever the checker makes of it; 0: it was not */
    uint32_t hygiene;         /* VARIABLE, LET: expansion of a macro whose own variable it is; 0: the script's */
    uint16_t height; /* levels below; the parser keeps it under NODE_HEIGHT_LIMIT, so recursion over a tree is safe */

    /* set by the checker */
    const struct type *type; /* of the value; type_void() for statements */
    uint8_t branch;          /* IF, TERNARY: 1 or 2 when only that branch is part of the program, else 0 */
    bool is_constant;        /* `number` holds the value known at compile time (integers, bool, enum, sizeof, $N) */
    struct lang_variable *variable;       /* VARIABLE, LET, FOR_* loop variable */
    struct lang_map *map;                 /* MAP */
    const struct lang_builtin *builtin;   /* IDENTIFIER that is a built-in variable; CALL of one (pid()) */
    const struct lang_function *function; /* CALL */
    const struct type_field *field;       /* FIELD: the member found... */
    uint32_t field_offset;                /* ...and its offset from the start of the object */
    const struct type *common;            /* BINARY, comparison of large values: the type that both sides are made;
                                           * TYPEINFO: the type in question */
};

const char *node_kind_name(enum node_kind kind);
const char *operator_spelling(enum node_operator op);
unsigned operator_precedence(enum node_operator op);
unsigned node_child_count(const struct node *node);
struct node *node_child(const struct node *node, unsigned index); /* NULL past the end */
/* A BLOCK as an expression: its value alone, a BLOCK_VALUE, or itself when it has none. Changes its nodes. */
struct node *node_block_value(struct node *block);
/* Is `inner` the node or below it? */
bool node_contains(const struct node *node, const struct node *inner);
/* Of an IF or TERNARY with a branch, that branch; NULL when there is none (an IF without else). */
struct node *node_branch(const struct node *node);
/* The block of a probe, its predicate (or NULL). */
struct node *node_probe_body(const struct node *probe);
struct node *node_probe_predicate(const struct node *probe);

/* A type as written, back to text. */
void type_name_format(const struct type_name *name, struct strbuf *out);

/* Indented dump; with types when `types` (the stages `-d ast` and `-d types`). */
void node_dump(const struct node *node, bool types, struct strbuf *out);

#endif
