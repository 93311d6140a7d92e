/* Folded stacks: a line is a stack, outermost frame first, `;` between frames, a space and the weight behind it. What
 * stackcollapse-perf.pl of FlameGraph writes, and what nearly every tool reads. The outermost frame is the name of the
 * process, if it is known.
 *
 * Behind the names of functions that are not native code of a program stand FlameGraph's marks: _[k] of the kernel,
 * _[j] made at run time, _[i] inlined; "[cut: reason]" is where a stack was cut. The stacks come in the order of their
 * names. A name that holds `;` or a line break would be read as something else: these become `:` and a blank.
 */
#include "view/profile_format.h"
#include "view/view_int.h"

static const char *mark_of(const struct profile_function *function) {
    if (function->kind == PROFILE_KERNEL)
        return "_[k]";
    if (function->kind == PROFILE_JIT)
        return "_[j]";
    return function->inlined ? "_[i]" : "";
}

static void add_name(const struct profile_function *function, struct strbuf *line) {
    for (const char *at = function->name; *at; at++)
        strbuf_addch(line, *at == ';' ? ':' : (unsigned char)*at < ' ' ? ' ' : *at);
    strbuf_addstr(line, mark_of(function));
}

static void write_line(struct strbuf *line, uint64_t weight, struct view_output *out) {
    size_t length = line->length;
    strbuf_addch(line, ' ');
    view_add_unsigned(line, weight);
    strbuf_addch(line, '\n');
    view_output_write(out, strbuf_text(line), line->length);
    line->length = length;
}

void profile_write_folded(struct profile *profile, const struct profile_picture *picture, struct view_output *out) {
    struct arena *arena = arena_new();
    struct profile_tree *tree = profile_tree_new(arena);
    profile_tree_add(tree, profile, PROFILE_NOW, PROFILE_BY_PROCESS);
    profile_tree_finish(tree);
    size_t *lengths = arena_new_array(arena, size_t, tree->depth + 2); /* of the line in front of each depth */
    struct strbuf line = {0};
    uint32_t depth = 0;
    (void)picture;
    if (tree->nodes.data[0].self[PROFILE_NOW].weight) {
        strbuf_addstr(&line, "[no stack]");
        write_line(&line, tree->nodes.data[0].self[PROFILE_NOW].weight, out);
        strbuf_reset(&line);
    }
    for (uint32_t node = 0; (node = profile_tree_next(tree, node, &depth));) {
        const struct profile_tree_node *at = &tree->nodes.data[node];
        line.length = lengths[depth];
        if (line.length)
            strbuf_addch(&line, ';');
        add_name(&tree->functions.data[at->function], &line);
        lengths[depth + 1] = line.length;
        if (at->self[PROFILE_NOW].weight)
            write_line(&line, at->self[PROFILE_NOW].weight, out);
    }
    strbuf_free(&line);
    arena_free(arena);
}
