/* Uses of macros; see expand.h. */
#include "lang/expand.h"
#include "lang/parser.h"

#include <string.h>

struct expander {
    struct lang_program *program;
    struct diag_list *diags;
    uint32_t node_count;
    uint32_t expansions; /* so far; the number is the hygiene of the latest */
    struct hash library; /* name -> struct lang_macro *, those that were needed */
    bool in_library;     /* what comes with tarsier means tarsier's macros */
    bool stopped;
};

/* One use: what its parameters stand for. */
struct use {
    const struct lang_macro *macro;
    struct node *arguments;
    uint32_t shift;   /* of positions */
    uint32_t hygiene; /* of its own variables */
};

static void stop(struct expander *e, const char *tag, struct loc loc, const char *message) {
    if (!e->stopped)
        diag_error(e->diags, tag, loc, "%s", message);
    e->stopped = true;
}

/* ---- copies ------------------------------------------------------------------------------------------------ */

/* The argument that the name stands for; NULL if it is no parameter. */
static const struct node *argument(const struct use *use, enum node_kind kind, const char *name) {
    const struct node *argument = use->arguments;

    for (uint32_t i = 0; i < use->macro->parameters.count; i++, argument = argument->next) {
        if (use->macro->parameters.data[i].kind == kind && strcmp(use->macro->parameters.data[i].name, name) == 0)
            return argument;
    }
    return NULL;
}

static struct node *copy(struct expander *e, const struct use *use, const struct node *node);

static void copy_children(struct expander *e, const struct use *use, const struct node *from, struct node *to) {
    struct node **link = &to->child;

    *link = NULL;
    for (const struct node *child = from->child; child && !e->stopped; child = child->next) {
        *link = copy(e, use, child);
        link = &(*link)->next;
    }
}

/* The node as it is to stand at the use, without children. With `use` NULL: a plain copy. */
static struct node *copy_node(struct expander *e, const struct use *use, const struct node *node) {
    struct node *result = arena_memdup(e->program->arena, node, sizeof *node);
    const struct node *given;

    if (++e->node_count > PARSER_NODE_LIMIT)
        stop(e, "program-too-large", node->loc, "the program is too large with its macros expanded");
    result->next = NULL;
    if (!use)
        return result;
    result->loc = (struct loc){node->loc.begin + use->shift, node->loc.end + use->shift};
    if (node->kind == NODE_VARIABLE || node->kind == NODE_LET) {
        given = argument(use, NODE_VARIABLE, node->text);
        result->text = given ? given->text : node->text;
        result->hygiene = given ? given->hygiene : use->hygiene;
    } else if (node->kind == NODE_MAP) {
        given = argument(use, NODE_MAP, node->text);
        result->text = given ? given->text : node->text;
    }
    return result;
}

/* A name in the place of a type may be a parameter: typeof(T) was given for it, or a value whose type is meant. */
static const struct type_name *copy_type(struct expander *e, const struct use *use, const struct type_name *type) {
    bool is_name = type->keyword == TYPE_NAME_PLAIN && !type->inner && !type->of;
    const struct node *given = is_name ? argument(use, NODE_IDENTIFIER, type->name) : NULL;

    if (!given && !type->inner && !type->of)
        return type;
    struct type_name *result = arena_memdup(e->program->arena, type, sizeof *type);
    result->loc = (struct loc){type->loc.begin + use->shift, type->loc.end + use->shift};
    if (type->inner)
        result->inner = copy_type(e, use, type->inner);
    else if (type->of)
        result->of = copy(e, use, type->of);
    else if (given->kind == NODE_TYPE)
        result->inner = given->type_name;
    else
        result->of = copy(e, NULL, given);
    if (given)
        result->name = "typeof";
    return result;
}

/* (x) in front of something reads as a cast. */
static void check_cast(struct expander *e, const struct use *use, const struct node *node) {
    const struct type_name *type = node->type_name;
    const struct node *given = type->inner || type->of ? NULL : argument(use, NODE_IDENTIFIER, type->name);

    if (node->kind != NODE_CAST || !given || given->kind == NODE_TYPE)
        return;
    diag_error(e->diags, "macro-cast", node->type_name->loc, "(%s) is a cast here, but %s is a value", type->name,
               type->name);
    diag_hint(e->diags, "leave out the parentheses; to cast to its type, write (typeof(%s))", type->name);
}

/* sizeof(x), where x looked like a type and is a value. */
static void be_operand(struct node *node) {
    const struct type_name *type = node->type_name;

    if (!type->of || type->pointer_depth || type->array_count || type->outer_pointers)
        return;
    node->child = type->of;
    node->type_name = NULL;
}

/* a.b as the text of offsetof() */
static const char *member_path(struct expander *e, const struct node *node) {
    if (node->kind == NODE_IDENTIFIER)
        return node->text;
    const char *object = node->kind == NODE_FIELD ? member_path(e, node->child) : NULL;
    return object ? arena_printf(e->program->arena, "%s.%s", object, node->text) : NULL;
}

static void copy_member(struct expander *e, const struct use *use, struct node *node) {
    const struct node *given = argument(use, NODE_IDENTIFIER, node->text);
    const char *path = given ? member_path(e, given) : NULL;

    if (path)
        node->text = path;
}

static struct node *copy(struct expander *e, const struct use *use, const struct node *node) {
    const struct node *given = use && node->kind == NODE_IDENTIFIER ? argument(use, node->kind, node->text) : NULL;

    if (given)
        return copy(e, NULL, given);
    struct node *result = copy_node(e, use, node);
    if (use && node->type_name) {
        check_cast(e, use, node);
        result->type_name = copy_type(e, use, node->type_name);
    }
    if (use && node->kind == NODE_OFFSETOF)
        copy_member(e, use, result);
    copy_children(e, use, node, result);
    if (use && result->type_name &&
        (node->kind == NODE_SIZEOF || node->kind == NODE_TYPEINFO || node->kind == NODE_OFFSETOF))
        be_operand(result);
    return result;
}

/* ---- which macro ------------------------------------------------------------------------------------------- */

static bool takes(const struct lang_macro_parameter *parameter, const struct node *argument) {
    if (parameter->type) /* of a function */
        return true;
    switch (parameter->kind) {
    case NODE_VARIABLE:
        return argument->kind == NODE_VARIABLE;
    case NODE_MAP:
        return argument->kind == NODE_MAP && !argument->child;
    default:
        return true;
    }
}

static bool fits(const struct lang_macro *macro, const struct node *use) {
    const struct node *argument = use->child;

    for (uint32_t i = 0; i < macro->parameters.count; i++, argument = argument->next) {
        if (!argument || !takes(&macro->parameters.data[i], argument))
            return false;
    }
    return !argument;
}

static const char *parameter_text(const struct lang_macro_parameter *parameter) {
    return parameter->kind == NODE_VARIABLE ? "a variable" : parameter->kind == NODE_MAP ? "a map" : "an expression";
}

/* There is a macro of this name (`macro`), but none that takes these arguments. */
static void report_mismatch(struct expander *e, const struct lang_macro *macro, const struct node *use) {
    const struct node *argument = use->child;
    uint32_t given = node_child_count(use);

    if (macro->other) {
        diag_error(e->diags, "macro-arguments", use->loc, "No macro %s takes these arguments", macro->name);
        diag_hint(e->diags, "the number of arguments, and what is a variable ($x) or a map (@m), must fit");
        return;
    }
    if (given != macro->parameters.count) {
        diag_error(e->diags, "macro-arguments", use->loc,
                   "Call to %s has wrong number arguments. Expected: %u but got %u",
                   macro->result ? "function" : "macro", macro->parameters.count, given);
        return;
    }
    for (uint32_t i = 0; i < given; i++, argument = argument->next) {
        const struct lang_macro_parameter *parameter = &macro->parameters.data[i];
        if (takes(parameter, argument))
            continue;
        diag_error(e->diags, "macro-arguments", argument->loc, "Mismatched arg: macro %s takes %s for its parameter %s",
                   macro->name, parameter_text(parameter), parameter->name);
        diag_hint(e->diags, "a parameter without $ and @ takes any expression");
    }
}

/* ---- what comes with tarsier ---------------------------------------------------------------------------------- */

static const struct {
    const char *name, *text;
} library[] = {
#define LIBRARY(name, text) {#name, text},
#include "lang/library.def"
#undef LIBRARY
};

static struct lang_macro *from_library(struct expander *e, const struct node *node) {
    struct lang_macro *macro = hash_get(&e->library, node->text);

    for (size_t i = 0; i < sizeof library / sizeof *library && !macro; i++) {
        if (strcmp(library[i].name, node->text) != 0)
            continue;
        macro = parser_library_macro(e->program, e->diags, library[i].name, library[i].text);
        hash_put(&e->library, node->text, macro);
    }
    if (macro && !fits(macro, node)) {
        report_mismatch(e, macro, node);
        return NULL;
    }
    return macro;
}

static struct lang_macro *find(struct expander *e, const struct node *node) {
    struct lang_macro *first = e->in_library ? NULL : hash_get(&e->program->macros, node->text);
    struct lang_macro *macro = first;

    while (macro && !fits(macro, node))
        macro = macro->other;
    if (!macro && !first && node->kind == NODE_CALL && !lang_find_function(node->text))
        return from_library(e, node);
    if (macro || !first || node->kind != NODE_CALL)
        return macro;
    if (!lang_find_function(node->text) && !lang_find_builtin(node->text, NULL))
        report_mismatch(e, first, node);
    return NULL;
}

/* ---- expansion --------------------------------------------------------------------------------------------- */

static struct node *expand(struct expander *e, struct node *node);

static void expand_children(struct expander *e, struct node *node) {
    unsigned height = 0;

    for (struct node **link = &node->child; *link && !e->stopped; link = &(*link)->next) {
        struct node *next = (*link)->next;
        *link = expand(e, *link);
        (*link)->next = next;
        if ((*link)->height >= height)
            height = (*link)->height + 1u;
    }
    node->height = (uint16_t)height;
    if (height > NODE_HEIGHT_LIMIT) {
        stop(e, "nesting-too-deep", node->loc, "the program is nested too deeply here with its macros expanded");
        node->child = NULL;
        node->height = 0;
    }
}

static struct node *use_macro(struct expander *e, struct lang_macro *macro, struct node *node) {
    struct use use = {.macro = macro, .arguments = node->child, .hygiene = ++e->expansions};
    bool in_library = e->in_library;

    if (macro->expanding) {
        diag_error(e->diags, "macro-recursion", node->loc, "Recursive macro call detected: %s", macro->name);
        diag_hint(e->diags, "a macro is copied to where it is used, so it cannot use itself");
        e->stopped = true;
        return node;
    }
    if (!source_add_expansion(e->program->source, e->program->arena, macro->definition, node->loc, &use.shift))
        stop(e, "program-too-large", node->loc, "the program is too large with its macros expanded");
    struct node *body = copy(e, &use, macro->body);
    macro->expanding = true;
    e->in_library = macro->is_library;
    expand_children(e, body);
    e->in_library = in_library;
    macro->expanding = false;
    body->loc = node->loc;
    return body;
}

/* The parameters as variables of their own, then the body: { let $a : type = argument; ... } */
static struct node *use_function(struct expander *e, struct lang_macro *function, struct node *node) {
    static const struct lang_macro no_parameters;
    struct use use = {.macro = &no_parameters, .hygiene = ++e->expansions};
    struct node **link = &node->child, *body;

    if (function->expanding) {
        diag_error(e->diags, "function-recursion", node->loc, "Recursive function call detected: %s", function->name);
        diag_hint(e->diags, "functions are part of the program that uses them and have no stack of their own");
        e->stopped = true;
        return node;
    }
    if (!source_add_expansion(e->program->source, e->program->arena, function->definition, node->loc, &use.shift))
        stop(e, "program-too-large", node->loc, "the program is too large with its functions expanded");
    for (uint32_t i = 0; i < function->parameters.count; i++) {
        struct node *let = arena_make(e->program->arena, struct node), *argument = *link;
        *let = (struct node){.kind = NODE_LET, .loc = argument->loc, .child = argument, .next = argument->next};
        let->text = function->parameters.data[i].name;
        let->type_name = function->parameters.data[i].type;
        let->hygiene = use.hygiene;
        let->height = (uint16_t)(argument->height + 1);
        argument->next = NULL;
        *link = let;
        link = &let->next;
        e->node_count++;
    }
    *link = body = copy(e, &use, function->body);
    function->expanding = true;
    expand_children(e, body);
    function->expanding = false;
    lang_expand_returns(e->program->arena, body, function->result, use.hygiene);
    node->kind = NODE_FUNCTION;
    node->type_name = function->result;
    node->height = 0;
    for (const struct node *child = node->child; child; child = child->next) {
        if (child->height >= node->height)
            node->height = (uint16_t)(child->height + 1);
    }
    return node;
}

/* Statements of an expression that is only run for what it does are statements. */
static struct node *flatten(struct node *statement) {
    struct node *value = statement->child;

    if (value->kind == NODE_BLOCK_VALUE) {
        struct node **last = &value->child;
        while ((*last)->next)
            last = &(*last)->next;
        statement->child = *last;
        statement->height = (uint16_t)((*last)->height + 1);
        *last = statement;
        value->kind = NODE_BLOCK;
        return value;
    }
    return value->kind == NODE_BLOCK ? value : statement;
}

/* A statement: the value of a macro is not wanted, unless the statement is what its block is worth. */
static struct node *expand_statement(struct expander *e, struct node *statement) {
    struct node *value = statement->child;

    if (value->kind != NODE_CALL && value->kind != NODE_IDENTIFIER) {
        expand_children(e, statement);
        return flatten(statement);
    }
    expand_children(e, value);
    struct lang_macro *macro = e->stopped ? NULL : find(e, value);
    if (macro && macro->result)
        use_function(e, macro, value);
    return macro && !macro->result ? use_macro(e, macro, value) : statement;
}

/* Macros inside of typeof(). */
static const struct type_name *expand_type(struct expander *e, const struct type_name *type) {
    struct type_name *result;

    if (!type->inner && !type->of)
        return type;
    result = arena_memdup(e->program->arena, type, sizeof *type);
    if (type->inner)
        result->inner = expand_type(e, type->inner);
    else
        result->of = expand(e, type->of);
    return result;
}

static struct node *expand(struct expander *e, struct node *node) {
    if (node->type_name)
        node->type_name = expand_type(e, node->type_name);
    if (node->kind == NODE_EXPRESSION && !node->is_tail)
        return expand_statement(e, node);
    expand_children(e, node);
    if (node->kind != NODE_CALL && node->kind != NODE_IDENTIFIER)
        return node;
    struct lang_macro *macro = e->stopped ? NULL : find(e, node);
    if (macro && macro->result)
        return use_function(e, macro, node);
    return macro ? node_block_value(use_macro(e, macro, node)) : node;
}

void lang_expand_macros(struct lang_program *program, uint32_t node_count, struct diag_list *diags) {
    struct expander e = {.program = program, .diags = diags, .node_count = node_count};

    hash_init(&e.library, program->arena);
    expand_children(&e, program->tree);
}
