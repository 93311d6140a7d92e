#include "view/profile_text.h"
#include "base/arena.h"
#include "base/hash.h"
#include "base/profile_tree.h"
#include <inttypes.h>
#include <stdlib.h>

enum { AMOUNT_WIDTH = 10, NAME_WIDTH = 48, TREE_DEPTH = 200, TREE_LINES = 120 };

/* Names come from programs: nothing in them shall move the cursor. */
void view_clean_text(const char *text, struct strbuf *out) {
    for (; *text; text++)
        strbuf_addch(out, (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

static bool is_time(const struct profile *p) { return strcmp(p->unit, "ns") == 0; }

void view_profile_amount(const struct profile *p, uint64_t weight, struct strbuf *out) {
    if (!is_time(p))
        strbuf_addf(out, "%" PRIu64, weight);
    else if (weight >= 1000000000)
        strbuf_addf(out, "%.2f s", (double)weight / 1e9);
    else if (weight >= 1000000)
        strbuf_addf(out, "%.1f ms", (double)weight / 1e6);
    else
        strbuf_addf(out, "%.1f us", (double)weight / 1e3);
}

static void add_amount(const struct profile *p, uint64_t weight, struct strbuf *out) {
    struct strbuf text = {0};
    view_profile_amount(p, weight, &text);
    strbuf_addf(out, "%*s", AMOUNT_WIDTH, strbuf_text(&text));
    strbuf_free(&text);
}

static double percent_of(uint64_t part, uint64_t whole) { return whole ? 100.0 * (double)part / (double)whole : 0; }

static uint64_t sum_of_weights(const struct profile *p) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->samples.count; i++)
        sum += p->samples.data[i].weight;
    return sum;
}

/* ---- the badge --------------------------------------------------------------------------------------------------- */

/* 99.9 % shall not read 100 % when one was cut. */
static void add_percent(uint64_t part, uint64_t whole, struct strbuf *out) {
    double percent = percent_of(part, whole);
    if (part < whole && percent >= 99.95)
        percent = 99.9;
    strbuf_addf(out, percent >= 99.95 ? "%.0f %%" : "%.1f %%", percent);
}

static void add_cuts(const struct profile_badge *badge, struct strbuf *out) {
    for (int i = PROFILE_COMPLETE + 1; i < PROFILE_CUTS; i++) {
        if (!badge->cut[i])
            continue;
        strbuf_addf(out, "  %" PRIu64 " cut: %s", badge->cut[i], profile_cut_texts[i].name);
        if (*profile_cut_texts[i].remedy)
            strbuf_addf(out, " (%s)", profile_cut_texts[i].remedy);
        strbuf_addch(out, '\n');
    }
}

void view_profile_badge(const struct profile *p, struct strbuf *out) {
    const struct profile_badge *badge = &p->badge;
    uint64_t with_user = 0;
    for (int i = 0; i < PROFILE_CUTS; i++)
        with_user += badge->cut[i];
    strbuf_addf(out, "%" PRIu64 " %s", badge->taken, is_time(p) ? "stacks" : "samples");
    if (*p->event)
        strbuf_addf(out, " of %s", p->event);
    if (p->period_ns)
        strbuf_addf(out, " at %.0f Hz", 1e9 / (double)p->period_ns);
    if (p->duration_ns)
        strbuf_addf(out, " in %.2f s", (double)p->duration_ns / 1e9);
    if (p->cpus)
        strbuf_addf(out, " on %u CPU%s", p->cpus, p->cpus == 1 ? "" : "s");
    if (*p->command) {
        strbuf_addstr(out, ": ");
        view_clean_text(p->command, out);
    }
    strbuf_addstr(out, "\nuser stacks: ");
    if (with_user) {
        add_percent(badge->cut[PROFILE_COMPLETE], with_user, out);
        strbuf_addf(out, " complete (%" PRIu64 " of %" PRIu64 ")", badge->cut[PROFILE_COMPLETE], with_user);
    } else {
        strbuf_addstr(out, "none");
    }
    strbuf_addf(out, "; %" PRIu64 " without one; %" PRIu64 " lost\n", badge->without_user, badge->lost);
    add_cuts(badge, out);
    if (p->damage)
        strbuf_addf(out, "  %s\n", p->damage);
    if (badge->lost)
        strbuf_addstr(out, "  lost: they came faster than they could be read: sample less often, or fewer processes\n");
}

/* ---- functions --------------------------------------------------------------------------------------------------- */

struct function {
    uint32_t name, module; /* of the profile */
    uint64_t self, total;
    uint32_t seen; /* the last node that was counted for it, + 1 */
};

struct functions {
    struct function *items; /* of frames: index by of[frame] */
    uint32_t count;
    uint32_t *of;
};

/* What stands for a place: a string. */
static uint32_t label(struct profile *p, const struct profile_frame *frame, struct arena *arena) {
    const char *text = profile_frame_label(p, frame, arena);
    bool bare_cut = frame->kind == PROFILE_CUT && *text != '[';
    return profile_text(p, bare_cut ? arena_printf(arena, "[cut: %s]", text) : text);
}

static struct functions find_functions(struct profile *p, struct arena *arena) {
    struct functions found = {arena_new_array(arena, struct function, p->frames.count), 0,
                              arena_new_array(arena, uint32_t, p->frames.count)};
    struct hash numbers;
    hash_init(&numbers, arena);
    for (uint32_t i = 0; i < p->frames.count; i++) {
        const struct profile_frame *frame = &p->frames.data[i];
        uint32_t name = label(p, frame, arena);
        uint64_t key = (uint64_t)frame->module << 32 | name;
        uintptr_t number = (uintptr_t)hash_get_number(&numbers, key);
        if (!number) {
            found.items[found.count] = (struct function){name, frame->module, 0, 0, 0};
            number = ++found.count;
            hash_put_number(&numbers, key, (void *)number);
        }
        found.of[i] = (uint32_t)number - 1;
    }
    return found;
}

/* A function that calls itself counts once for each stack. */
static void count_once(struct function *function, uint32_t node, uint64_t weight) {
    if (function->seen != node + 1)
        function->total += weight;
    function->seen = node + 1;
}

static bool has_user_part(const struct profile *p, uint32_t node) {
    for (; node; node = p->nodes.data[node].parent) {
        uint16_t kind = p->frames.data[p->nodes.data[node].frame].kind;
        if (kind != PROFILE_KERNEL && kind != PROFILE_MARK && kind != PROFILE_CUT)
            return true;
    }
    return false;
}

/* Every blocked thread is in the scheduler, so its time belongs to the innermost function of the program; of a stack
 * with a waker on top, to that below it. */
static void add_blocked(const struct profile *p, struct functions *functions, uint32_t node, uint64_t weight) {
    bool user_only = has_user_part(p, node);
    struct function *inner = NULL;
    for (uint32_t at = node; at; at = p->nodes.data[at].parent) {
        uint32_t frame = p->nodes.data[at].frame;
        uint16_t kind = p->frames.data[frame].kind;
        if (kind == PROFILE_KERNEL && user_only)
            continue;
        struct function *function = &functions->items[functions->of[frame]];
        count_once(function, node, weight);
        if (kind == PROFILE_MARK)
            inner = NULL;
        else if (!inner)
            inner = function;
    }
    if (inner)
        inner->self += weight;
}

static void add_weights(struct profile *p, struct functions *functions, struct arena *arena) {
    struct profile_weights weights = profile_weights(p, arena);
    for (uint32_t node = 1; node < p->nodes.count; node++) {
        uint64_t self = weights.self[node];
        if (self && is_time(p)) {
            add_blocked(p, functions, node, self);
            continue;
        }
        if (self)
            functions->items[functions->of[p->nodes.data[node].frame]].self += self;
        for (uint32_t at = node; self && at; at = p->nodes.data[at].parent)
            count_once(&functions->items[functions->of[p->nodes.data[at].frame]], node, self);
    }
}

static int compare(uint64_t a, uint64_t b) { return a < b ? 1 : a > b ? -1 : 0; }

static int by_self(const void *a, const void *b) {
    const struct function *x = a, *y = b;
    int order = compare(x->self, y->self);
    order = order ? order : compare(x->total, y->total);
    return order ? order : compare(y->name, x->name);
}

static void add_module(const struct profile *p, uint32_t module, struct strbuf *out) {
    const char *path = module ? p->strings.data[p->modules.data[module - 1].path] : "";
    const char *base = strrchr(path, '/');
    view_clean_text(base ? base + 1 : path, out);
}

void view_profile_functions(struct profile *p, uint32_t count, struct strbuf *out) {
    struct arena *arena = arena_new();
    struct functions functions = find_functions(p, arena);
    uint64_t sum = sum_of_weights(p);
    add_weights(p, &functions, arena);
    qsort(functions.items, functions.count, sizeof *functions.items, by_self);
    strbuf_addf(out, "%*s %7s %*s %7s  %-*s %s\n", AMOUNT_WIDTH, "SELF", "", AMOUNT_WIDTH, "TOTAL", "", NAME_WIDTH,
                "FUNCTION", "MODULE");
    for (uint32_t i = 0; i < functions.count && i < count && functions.items[i].total; i++) {
        const struct function *function = &functions.items[i];
        add_amount(p, function->self, out);
        strbuf_addf(out, " %5.1f %% ", percent_of(function->self, sum));
        add_amount(p, function->total, out);
        strbuf_addf(out, " %5.1f %%  ", percent_of(function->total, sum));
        size_t begin = out->length;
        view_clean_text(p->strings.data[function->name], out);
        strbuf_fill(out, ' ', out->length - begin < NAME_WIDTH ? NAME_WIDTH - (out->length - begin) : 0);
        strbuf_addch(out, ' ');
        add_module(p, function->module, out);
        strbuf_addch(out, '\n');
    }
    arena_free(arena);
}

/* ---- processes --------------------------------------------------------------------------------------------------- */

struct process {
    uint32_t name;
    uint64_t weight;
};

static int by_weight(const void *a, const void *b) {
    const struct process *x = a, *y = b;
    return x->weight != y->weight ? (x->weight < y->weight ? 1 : -1) : (int)x->name - (int)y->name;
}

static void add_processes(const struct profile *p, uint32_t most, struct strbuf *out) {
    struct arena *arena = arena_new();
    struct process *processes = arena_new_array(arena, struct process, p->threads.count + 1);
    struct hash numbers;
    uint32_t count = 0;
    uint64_t sum = sum_of_weights(p);
    hash_init(&numbers, arena);
    for (uint32_t i = 0; i < p->samples.count; i++) {
        const struct profile_thread *thread = &p->threads.data[p->samples.data[i].thread];
        uint32_t name = thread->process_name ? thread->process_name : thread->name;
        struct process *process = hash_get_number(&numbers, (uint64_t)name + 1);
        if (!process) {
            process = &processes[count++];
            process->name = name;
            hash_put_number(&numbers, (uint64_t)name + 1, process);
        }
        process->weight += p->samples.data[i].weight;
    }
    qsort(processes, count, sizeof *processes, by_weight);
    if (count > 1)
        strbuf_addf(out, "\n%*s %7s  PROCESS\n", AMOUNT_WIDTH, "", "");
    for (uint32_t i = 0; i < count && i < most && count > 1; i++) {
        add_amount(p, processes[i].weight, out);
        strbuf_addf(out, " %5.1f %%  ", percent_of(processes[i].weight, sum));
        view_clean_text(p->strings.data[processes[i].name], out);
        strbuf_addch(out, '\n');
    }
    arena_free(arena);
}

/* ---- the tree of calls --------------------------------------------------------------------------------------------
 */

/* Nodes of the profile that are one function in one place of the tree. */
struct call {
    uint32_t frame; /* one of them */
    uint32_t name;  /* string */
    uint64_t total;
    struct call *first, *next; /* children; siblings */
};

struct tree {
    const struct profile *profile;
    uint64_t sum, least;
    uint32_t lines;
    struct strbuf *out;
};

static struct call *make_tree(struct profile *p, struct arena *arena) {
    struct profile_weights weights = profile_weights(p, arena);
    struct functions functions = find_functions(p, arena);
    struct call *calls = arena_new_array(arena, struct call, p->nodes.count);
    uint32_t *call_of = arena_new_array(arena, uint32_t, p->nodes.count), count = 1;
    struct hash numbers;
    hash_init(&numbers, arena);
    calls[0].total = weights.total[0];
    for (uint32_t node = 1; node < p->nodes.count; node++) {
        uint32_t parent = call_of[p->nodes.data[node].parent], frame = p->nodes.data[node].frame;
        uint64_t key = (uint64_t)parent << 32 | functions.of[frame];
        uintptr_t number = (uintptr_t)hash_get_number(&numbers, key);
        if (!number) {
            number = count++;
            calls[number] =
                (struct call){frame, functions.items[functions.of[frame]].name, 0, NULL, calls[parent].first};
            calls[parent].first = &calls[number];
            hash_put_number(&numbers, key, (void *)number);
        }
        calls[number].total += weights.total[node];
        call_of[node] = (uint32_t)number;
    }
    return calls;
}

/* The largest of a call's children that was not taken yet; it is taken. */
static struct call *take_largest(struct call *call, uint64_t least) {
    struct call **best = NULL;
    for (struct call **at = &call->first; *at; at = &(*at)->next) {
        if ((*at)->total >= least && (!best || (*at)->total > (*best)->total))
            best = at;
    }
    struct call *taken = best ? *best : NULL;
    if (best)
        *best = taken->next;
    return taken;
}

static void add_call(const struct tree *tree, const struct call *call, uint32_t level) {
    const struct profile_frame *frame = &tree->profile->frames.data[call->frame];
    const char *name = tree->profile->strings.data[call->name];
    strbuf_addf(tree->out, "%6.1f %%  %*s", percent_of(call->total, tree->sum), (int)level * 2, "");
    view_clean_text(name, tree->out);
    if (frame->kind == PROFILE_KERNEL) {
        const char *module =
            frame->module ? tree->profile->strings.data[tree->profile->modules.data[frame->module - 1].path] : "";
        strbuf_addf(tree->out, " [%s]", *module == '[' || !*module ? "kernel" : module);
    }
    strbuf_addch(tree->out, '\n');
}

/* Lines go to the right only where the way parts. */
static void add_calls(struct tree *tree, struct call *call, uint32_t level, uint32_t depth) {
    struct call *child = take_largest(call, tree->least);
    bool parts = false;
    while (child && depth < TREE_DEPTH && tree->lines < TREE_LINES) {
        struct call *next = take_largest(call, tree->least);
        parts |= next != NULL;
        add_call(tree, child, level);
        tree->lines++;
        add_calls(tree, child, level + parts, depth + 1);
        child = next;
    }
}

void view_profile_tree(struct profile *p, double percent, struct strbuf *out) {
    struct arena *arena = arena_new();
    struct tree tree = {.profile = p, .sum = sum_of_weights(p), .out = out};
    tree.least = (uint64_t)((double)tree.sum * percent / 100);
    tree.least += tree.least == 0;
    strbuf_addf(out, "\nCALLS with %g %% or more, the callers first\n", percent);
    add_calls(&tree, make_tree(p, arena), 0, 0);
    if (tree.lines == TREE_LINES)
        strbuf_addstr(out, "  ...\n");
    arena_free(arena);
}

void view_profile_text(struct profile *p, const struct view_profile_text *options, struct strbuf *out) {
    view_profile_badge(p, out);
    if (p->samples.count == 0)
        return;
    if (options->processes)
        add_processes(p, options->processes, out);
    if (options->functions) {
        strbuf_addch(out, '\n');
        view_profile_functions(p, options->functions, out);
    }
    if (options->percent <= 100)
        view_profile_tree(p, options->percent, out);
}
