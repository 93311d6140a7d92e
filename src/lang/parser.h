/* The parser's inside: recursive descent, one file per part of the grammar.
 *
 *   parser.c             state, errors, recovery, top level      preamble.c           what comes before the probes
 *   parser_probe.c       attach points, predicates               parser_statement.c   blocks and statements
 *   parser_expression.c  operators                               parser_primary.c     operands and what follows them
 *   parser_type.c        types as written                        c_definition.c       the program's own types
 *   parser_declaration.c `let @map = kind(N);`           parser_macro.c       `macro name(...) { }`
 *   parser_import.c      other files                         c_macro.c            macros of C with parameters
 *
 * Errors. The first mistake of a statement is reported and then the current token is TOKEN_ERROR and stays so
 * (`panicking`): nothing matches any more, so every loop ends and every function returns at once without looking at
 * what its callees gave it. Functions always return a node. parser_statement() and the top level recover: they read on
 * from the place of the mistake to the end of the statement or probe, and the next mistake is reported again.
 *
 * Hostile input. Recursion is bounded by parser_enter(), the height of the tree by parser_node(), its size by a count
 * of nodes; past a bound everything stops with one message (`stopped`).
 */
#ifndef TARSIER_LANG_PARSER_H
#define TARSIER_LANG_PARSER_H

#include "base/hash.h"
#include "lang/lang.h"
#include "lang/lexer.h"

enum {
    PARSER_DEPTH_LIMIT = 200,
    PARSER_NODE_LIMIT = 200000,
    PARSER_ERROR_LIMIT = 20,
};

/* #define NAME value. The value is parsed where the name is used: most headers-like macros are never used, and each
 * use needs its own tree anyway. */
struct parser_define {
    struct loc name;
    uint32_t begin, end; /* the value in the source; empty: defined without one */
    bool has_parameters;
    const char *const *parameters;
    uint32_t parameter_count;
    bool is_enumerator; /* of an enum of the program: `number` is the value, there is no text */
    int64_t number;
    bool expanding; /* being parsed now: a name inside that leads back here is an error */
};

/* Children in the making. */
struct node_list {
    struct node *first, *last;
    uint32_t count;
};
void node_list_add(struct node_list *list, struct node *node);

struct parser {
    struct arena *arena;
    struct source *source;
    const struct lang_env *env;
    struct diag_list *diags;
    struct lang_program *program;
    struct lexer lexer;
    struct token token;    /* the one looked at */
    uint32_t previous_end; /* where the one before it ended */
    uint32_t depth, node_count;
    bool panicking, stopped;
    uint32_t unclosed_at;  /* 1 + where a missing } was noticed last: several blocks that end there are one mistake */
    uint32_t resume;       /* panicking: where recovery starts to read */
    bool in_predicate;     /* `/` in front of `{` ends the expression */
    bool in_condition;     /* `=` was meant as `==` */
    struct hash defines;   /* name -> struct parser_define */
    uint32_t hidden_count; /* variables made by the parser */
    struct node_list *probes;
    struct hash imported; /* identities of files */
    bool has_machine;     /* what the compiler and linux/version.h define is there */
    uint32_t file_end;    /* of the file being read */
    uint32_t file_depth, file_count;
};

/* ---- tokens ------------------------------------------------------------------------------------------------ */

void parser_advance(struct parser *parser);
/* Starts reading tokens at a place in the source. */
void parser_seek(struct parser *parser, uint32_t position);
static inline bool parser_at(const struct parser *parser, enum token_kind kind) { return parser->token.kind == kind; }
bool parser_at_word(const struct parser *parser, const char *word);
bool parser_accept(struct parser *parser, enum token_kind kind);
bool parser_accept_word(struct parser *parser, const char *word);
/* Like accept, else the error "expected X, found Y"; `where` may say more ("after the condition"), "" for nothing. */
bool parser_expect(struct parser *parser, enum token_kind kind, const char *where);
/* The closing one of a pair: when it is missing, the message points at the opening one. */
bool parser_expect_close(struct parser *parser, enum token_kind kind, struct loc open);
/* The token behind the current one. */
struct token parser_peek(const struct parser *parser);
/* Can an expression start with it? */
bool parser_starts_expression(const struct token *token);
/* "found ..." for messages: the token as written. */
const char *parser_found(struct parser *parser);

/* ---- errors ------------------------------------------------------------------------------------------------ */

/* Reports (unless panicking) and starts to panic. True if it was reported: then a hint may follow. */
bool parser_error(struct parser *parser, const char *tag, struct loc loc, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Ends the whole parse: a limit was passed. */
void parser_stop(struct parser *parser, const char *tag, struct loc loc, const char *message, const char *hint);
/* One level of recursion; false when too deep. Pair with parser_leave(). */
bool parser_enter(struct parser *parser);
void parser_leave(struct parser *parser);
/* Reads to the end of the statement in which the mistake was. */
void parser_recover_statement(struct parser *parser);
/* Reads to behind the `}` that belongs to the next `{`; to the `;` if one comes first. */
void parser_skip_definition(struct parser *parser);

/* A construct that other versions of the language have. True if the word at hand is one of them and was reported. */
bool parser_reject_expression_word(struct parser *parser);
bool parser_reject_top_level_word(struct parser *parser);

/* ---- nodes ------------------------------------------------------------------------------------------------- */

/* The node ends where the last token ended. */
struct node *parser_node(struct parser *parser, enum node_kind kind, uint32_t begin, struct node_list children);
struct node *parser_leaf(struct parser *parser, enum node_kind kind, const struct token *token);

/* ---- grammar ----------------------------------------------------------------------------------------------- */

void parser_preamble(struct parser *parser);
/* The end of the directive at the lexer's position: the next new line that is not continued and not inside a comment.
 */
uint32_t parser_directive_end(const struct lexer *lexer);
void parser_config(struct parser *parser);
/* All of a script, of a header: from where the lexer is to its end. */
void parser_script(struct parser *parser);
void parser_header(struct parser *parser);
void parser_import(struct parser *parser); /* at the word */
void parser_include(struct parser *parser, const char *name, bool is_quoted, struct loc place);
void parser_map_declaration(struct parser *parser);
void parser_macro(struct parser *parser);
void parser_function(struct parser *parser);
struct node *parser_probe(struct parser *parser);
/* Does the text look like the head of a probe (`begin {`, `kprobe:x`)? Then a brace before it is missing. */
bool parser_at_probe(const struct parser *parser);
struct node *parser_block(struct parser *parser, const char *where);
struct node *parser_if(struct parser *parser); /* at the word */
struct node *parser_expression(struct parser *parser);
struct node *parser_unary(struct parser *parser);
struct node *parser_operand(struct parser *parser);       /* with its postfix operators */
struct node *parser_parenthesized(struct parser *parser); /* cast, tuple or (e) */
struct node *parser_define_value(struct parser *parser, struct parser_define *define, const struct token *use);
/* What sizeof, offsetof and typeof take, up to the token `end`: one of both is set. */
void parser_type_or_expression(struct parser *parser, enum token_kind end, const struct type_name **type,
                               struct node **expression);
struct node *parser_macro_value(struct parser *parser, struct parser_define *define, const struct token *use);
/* The text with all of C's macros expanded; NULL, or what is wrong with it. */
const char *parser_expand_text(struct parser *parser, uint32_t begin, uint32_t end, bool keep_defined,
                               const char **text, uint32_t *size);
const struct type_name *parser_type(struct parser *parser);
/* Its parts, as declarations of C need them: the type alone, the stars, the [N] behind a name. */
void parser_type_base(struct parser *parser, struct type_name *type);
uint32_t parser_type_stars(struct parser *parser);
void parser_type_bounds(struct parser *parser, struct type_name *type);
/* The value of an expression of numbers and constants of the program's enums; false if it is none. */
bool parser_constant(const struct node *node, uint64_t *value);
/* At struct, union, enum or typedef: one definition with its attributes and semicolon. */
void parser_c_definition(struct parser *parser);
/* At a name: is this a type up to the token `end`? Leaves the position alone. *after: the token behind `end`;
 * *is_plain: a single word, which could as well be a value. */
bool parser_looks_like_type(const struct parser *parser, enum token_kind end, struct token *after, bool *is_plain);

#endif
