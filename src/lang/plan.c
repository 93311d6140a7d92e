/* How the maps of a script are kept, and the shared areas that programs fill. See plan.h. */
#include "lang/plan.h"
#include <linux/bpf.h>
#include <string.h>

static uint32_t power_of_two(uint32_t n) {
    uint32_t p = 1;
    while (p < n)
        p *= 2;
    return p;
}

static struct lang_map_plan *add_map(struct lang_plan *plan, enum lang_map_role role, const char *name, uint32_t type,
                                     uint32_t *number) {
    *number = plan->maps.count;
    struct lang_map_plan *map = vec_add(plan->arena, &plan->maps);
    map->role = role;
    map->name = name;
    map->type = type;
    map->key_size = 4;
    map->max_entries = 1;
    return map;
}

struct lang_plan *lang_plan_new(struct arena *arena, const struct lang_env *env) {
    struct lang_plan *plan = arena_make(arena, struct lang_plan);
    plan->arena = arena;
    plan->max_stacks = env->max_stacks;
    plan->cpu_rows = power_of_two(env->cpu_count ? env->cpu_count : 1);
    plan->globals_size = plan->cpu_rows * LANG_ROW_SIZE;
    plan->constants_map = plan->scratch = plan->large_scratch = plan->rings = IR_NONE;
    add_map(plan, LANG_MAP_GLOBALS, "globals", BPF_MAP_TYPE_ARRAY, &plan->globals)->flags = BPF_F_MMAPABLE;
    return plan;
}

uint32_t lang_plan_counter(struct lang_plan *plan) {
    uint32_t offset = plan->globals_size;
    plan->globals_size += 8;
    return offset;
}

uint32_t lang_plan_ended(struct lang_plan *plan) {
    if (!plan->ended)
        plan->ended = lang_plan_counter(plan);
    return plan->ended;
}

uint32_t lang_plan_site(struct lang_plan *plan, enum lang_site_kind kind, struct loc loc, bool tells) {
    for (uint32_t i = 0; i < plan->sites.count; i++) {
        struct lang_site *site = &plan->sites.data[i];
        if (site->kind == kind && site->loc.begin == loc.begin && site->loc.end == loc.end)
            return i;
    }
    struct lang_site site = {kind, loc, lang_plan_counter(plan), tells ? lang_plan_counter(plan) : 0};
    vec_push(plan->arena, &plan->sites, site);
    return plan->sites.count - 1;
}

uint32_t lang_plan_constants_map(struct lang_plan *plan) {
    if (plan->constants_map == IR_NONE)
        add_map(plan, LANG_MAP_CONSTANTS, "constants", BPF_MAP_TYPE_ARRAY, &plan->constants_map)->flags =
            BPF_F_RDONLY_PROG;
    return plan->constants_map;
}

uint32_t lang_plan_constants(struct lang_plan *plan, const void *bytes, uint32_t size) {
    lang_plan_constants_map(plan);
    /* The same bytes (a table, a literal) are kept once. */
    for (uint32_t at = 0; at + size <= plan->constants.count; at += 8) {
        if (memcmp(plan->constants.data + at, bytes, size) == 0)
            return LANG_CONSTANTS_ZERO + at;
    }
    uint32_t at = plan->constants.count;
    for (uint32_t i = 0; i < ((size + 7) & ~7u); i++)
        vec_push(plan->arena, &plan->constants, i < size ? ((const uint8_t *)bytes)[i] : 0);
    return LANG_CONSTANTS_ZERO + at;
}

uint32_t lang_plan_text(struct lang_plan *plan, const char *text) {
    for (uint32_t i = 0; i < plan->texts.count; i++) {
        if (strcmp(plan->texts.data[i], text) == 0)
            return i;
    }
    vec_push(plan->arena, &plan->texts, text);
    return plan->texts.count - 1;
}

uint32_t lang_plan_rings(struct lang_plan *plan) {
    if (plan->rings == IR_NONE)
        add_map(plan, LANG_MAP_RINGS, "rings", BPF_MAP_TYPE_RINGBUF, &plan->rings);
    return plan->rings;
}

uint32_t lang_plan_scratch(struct lang_plan *plan) {
    if (plan->scratch == IR_NONE)
        add_map(plan, LANG_MAP_SCRATCH, "scratch", BPF_MAP_TYPE_PERCPU_ARRAY, &plan->scratch)->max_entries =
            LANG_SCRATCH_SLOTS;
    return plan->scratch;
}

uint32_t lang_plan_large_scratch(struct lang_plan *plan) {
    if (plan->large_scratch == IR_NONE)
        add_map(plan, LANG_MAP_SCRATCH, "scratch_large", BPF_MAP_TYPE_ARRAY, &plan->large_scratch)->max_entries =
            LANG_SCRATCH_SLOTS * plan->cpu_rows;
    return plan->large_scratch;
}

uint32_t lang_plan_unwinder(struct lang_plan *plan, const struct lang_unwinder *unwinder, uint32_t number) {
    uint32_t result;
    for (uint32_t i = 0; i < plan->maps.count; i++) {
        if (plan->maps.data[i].role == LANG_MAP_UNWINDER && plan->maps.data[i].unwinder == number)
            return i;
    }
    add_map(plan, LANG_MAP_UNWINDER, unwinder->maps[number], BPF_MAP_TYPE_UNSPEC, &result)->unwinder = number;
    return result;
}

uint32_t lang_plan_stacks(struct lang_plan *plan, uint32_t size) {
    uint32_t number;
    for (uint32_t i = 0; i < plan->maps.count; i++) {
        if (plan->maps.data[i].role == LANG_MAP_STACKS && plan->maps.data[i].value_size == size)
            return i;
    }
    struct lang_map_plan *map = add_map(plan, LANG_MAP_STACKS, "stacks", BPF_MAP_TYPE_HASH, &number);
    map->key_size = 8;
    map->value_size = size;
    map->max_entries = plan->max_stacks;
    map->flags = BPF_F_NO_PREALLOC;
    map->full_counter = lang_plan_counter(plan);
    map->refused_counter = lang_plan_counter(plan);
    return number;
}

/* The programs that will be made. */
struct plan_units {
    const struct lang_unit *data;
    uint32_t count;
};

/* True when a call of `function` on the map stands somewhere under `node`. */
static bool calls_on_map(const struct node *node, const struct lang_map *map, enum lang_function_id function) {
    if (node->kind == NODE_CALL && node->function && node->function->id == function && node->child &&
        node->child->kind == NODE_MAP && node->child->map == map)
        return true;
    for (const struct node *child = node->child; child; child = child->next) {
        if (calls_on_map(child, map, function))
            return true;
    }
    return false;
}

static bool is_end_probe(const struct node *probe) {
    for (const struct node *child = probe->child; child && child->kind == NODE_ATTACH_POINT; child = child->next) {
        if (strcasecmp(child->text, "end") != 0)
            return false;
    }
    return true;
}

static bool is_self_probe(const struct node *probe) {
    return probe->child->kind == NODE_ATTACH_POINT && strncasecmp(probe->child->text, "self:", 5) == 0;
}

/* Emptied while events arrive: then nothing may fall between reading and emptying. */
static bool needs_generations(const struct lang_program *program, const struct lang_map *map) {
    for (const struct node *probe = program->tree->child; probe; probe = probe->next) {
        if (!is_end_probe(probe) &&
            (calls_on_map(probe, map, LANG_FUNCTION_clear) || calls_on_map(probe, map, LANG_FUNCTION_zero)))
            return true;
    }
    return false;
}

#define ROW_LEAST 64u
#define ROWS_MOST (128u << 10) /* bytes of all rows of one map */

/* A scalar aggregate that nobody empties while events arrive lives in the globals: adding to it needs no look-up. */
static bool fits_rows(const struct lang_plan *plan, const struct lang_map *map, bool generations) {
    return !generations && !map->deleted && !map->tested && !map->counted && !map->iterated &&
           (uint64_t)power_of_two(map->value->size + 8) * plan->cpu_rows <= ROWS_MOST;
}

static bool is_percpu(const struct lang_map_declaration *declared) {
    return declared && (declared->kind == LANG_MAP_PERCPUHASH || declared->kind == LANG_MAP_PERCPULRUHASH);
}

static enum lang_storage choose_storage(const struct lang_plan *plan, const struct lang_map *map, bool generations,
                                        const struct lang_map_declaration *declared, const struct lang_env *env) {
    if (type_is_aggregate(map->value) && map->key)
        return LANG_STORE_PERCPU_HASH;
    if (type_is_aggregate(map->value))
        return fits_rows(plan, map, generations) ? LANG_STORE_ROWS : LANG_STORE_PERCPU_ARRAY;
    bool integer = type_is_scalar(map->value);
    if (is_percpu(declared))
        return LANG_STORE_PERCPU_HASH;
    if (!map->key)
        return integer ? LANG_STORE_GLOBAL : LANG_STORE_HASH;
    /* Per-thread values live in the thread, where nobody can see the difference. */
    if (env->has_task_storage && !env->tells_failures && integer && !declared && map->always_tid_key &&
        map->cleared_at_end && !generations && !map->addressed && !map->printed && !map->iterated && !map->counted &&
        !map->zeroed)
        return LANG_STORE_TASK;
    return LANG_STORE_HASH;
}

/* What one CPU keeps of a scalar aggregate. */
static uint32_t aggregate_size(const struct lang_map *map) {
    return map->value->size + (map->value->kind == TYPE_SUM ? 8 : 0); /* sum: u64 used */
}

/* Rows are a cache line at least, so that CPUs do not share one, and a power of two, so that finding one is a shift. */
static void plan_rows(struct lang_plan *plan, struct lang_map *map) {
    map->stride = power_of_two(aggregate_size(map) < ROW_LEAST ? ROW_LEAST : aggregate_size(map));
    map->offset = (plan->globals_size + ROW_LEAST - 1) & ~(ROW_LEAST - 1);
    plan->globals_size = map->offset + map->stride * plan->cpu_rows;
}

#define MANY_UPDATES 1000000u

/* How many elements of the map one run of the code can make; MANY_UPDATES where it loops. */
static uint32_t count_updates(const struct node *node, const struct lang_map *map) {
    bool is_update = (node->kind == NODE_ASSIGN || node->kind == NODE_INCREMENT) && node->child->kind == NODE_MAP &&
                     node->child->map == map;
    bool loops = node->kind == NODE_WHILE || node->kind == NODE_UNROLL || node->kind == NODE_FOR_RANGE ||
                 node->kind == NODE_FOR_MAP;
    uint32_t count = is_update ? 1 : 0;
    for (const struct node *child = node->child; child; child = child->next)
        count += count_updates(child, map);
    return count && loops ? MANY_UPDATES : count;
}

static bool updates(const struct node *probe, const struct lang_map *map) { return count_updates(probe, map) > 0; }

/* Whether the kernel can allocate while such a program runs. Where interrupts are off it has two elements at hand for
 * each CPU and map, and gets more only when they are on again: further new keys are refused. */
static bool can_allocate(enum lang_context context) {
    switch (context) {
    case LANG_CONTEXT_ITERATOR:
    case LANG_CONTEXT_SYSCALL_ENTER:
    case LANG_CONTEXT_SYSCALL_EXIT:
    case LANG_CONTEXT_UPROBE:
    case LANG_CONTEXT_URETPROBE:
        return true;
    default:
        return false;
    }
}

/* New keys of one run that the kernel can have memory at hand for: it keeps 8 KiB or more for each CPU and size. */
static uint32_t room_at_hand(const struct lang_map_plan *spec) {
    uint32_t room = 8192 / (spec->key_size + spec->value_size + 64);
    return room > LANG_AT_ONCE_MOST ? LANG_AT_ONCE_MOST : room > 0 ? room : 1;
}

/* What blocks without events can make in one run: then nothing gives the kernel a pause to find more memory. A `self`
 * block may run again at once. */
static uint32_t most_at_once(const struct lang_map *map, const struct plan_units *units) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < units->count; i++) {
        if (units->data[i].target->context != LANG_CONTEXT_NONE)
            continue;
        uint32_t count = count_updates(units->data[i].probe, map);
        if (count && is_self_probe(units->data[i].probe))
            count = MANY_UPDATES;
        most = count > most ? count : most;
    }
    return most;
}

/* So such maps are allocated beforehand, unless that is too much. (Otherwise not: 4096 elements of 512 bytes on each of
 * 2 CPUs take 10 ms at the start.) Small plain ones are so in any case: it takes 0.2 ms, and replacing or deleting an
 * element then costs 50 to 100 ns less. */
static bool wants_beforehand(const struct lang_map_plan *spec, const struct lang_map *map,
                             const struct plan_units *units, const struct lang_env *env) {
    bool percpu = map->storage == LANG_STORE_PERCPU_HASH;
    uint64_t element = spec->key_size + (uint64_t)spec->value_size * (percpu ? env->cpu_count : 1);
    bool wanted =
        (!percpu && element * spec->max_entries <= LANG_BEFOREHAND_SMALL) || spec->at_once > room_at_hand(spec);
    for (uint32_t i = 0; i < units->count; i++)
        wanted |= !can_allocate(units->data[i].target->context) && updates(units->data[i].probe, map);
    return wanted && element * spec->max_entries <= LANG_BEFOREHAND_MOST;
}

/* A hash in the kernel: of the declared kind and size, or of the usual ones. */
static void plan_hash(struct lang_map_plan *spec, const struct lang_map *map,
                      const struct lang_map_declaration *declared, const struct plan_units *units,
                      const struct lang_env *env) {
    bool lru = map->key && env->full_maps == LANG_FULL_EVICT;
    if (declared)
        lru = map->key && (declared->kind == LANG_MAP_LRUHASH || declared->kind == LANG_MAP_PERCPULRUHASH);
    spec->key_size = map->key ? (map->key->size + 7) & ~7u : 8;
    spec->max_entries = !map->key ? 1 : declared ? declared->entries : env->max_map_keys;
    spec->declared = declared != NULL;
    if (lru) { /* these are always allocated beforehand */
        spec->type = spec->type == BPF_MAP_TYPE_HASH ? BPF_MAP_TYPE_LRU_HASH : BPF_MAP_TYPE_LRU_PERCPU_HASH;
        return;
    }
    spec->at_once = most_at_once(map, units);
    if (!wants_beforehand(spec, map, units, env))
        spec->flags = BPF_F_NO_PREALLOC;
    uint32_t room = spec->flags & BPF_F_NO_PREALLOC ? room_at_hand(spec) : 0;
    spec->at_once = spec->at_once > room ? room : spec->at_once;
}

static void plan_map(struct lang_program *program, struct lang_map *map, const struct plan_units *units,
                     const struct lang_env *env) {
    struct lang_plan *plan = program->plan;
    bool generations = needs_generations(program, map);
    const struct lang_map_declaration *declared = lang_find_map_declaration(program, map->name);
    map->storage = choose_storage(plan, map, generations, declared, env);
    map->map = IR_NONE;
    if (map->storage == LANG_STORE_ROWS) {
        plan_rows(plan, map);
        return;
    }
    if (map->storage == LANG_STORE_GLOBAL) {
        map->offset = lang_plan_counter(plan);
        lang_plan_counter(plan);
        return;
    }
    static const uint32_t types[] = {[LANG_STORE_PERCPU_ARRAY] = BPF_MAP_TYPE_PERCPU_ARRAY,
                                     [LANG_STORE_HASH] = BPF_MAP_TYPE_HASH,
                                     [LANG_STORE_PERCPU_HASH] = BPF_MAP_TYPE_PERCPU_HASH,
                                     [LANG_STORE_TASK] = BPF_MAP_TYPE_TASK_STORAGE};
    enum lang_map_role role = map->storage == LANG_STORE_TASK ? LANG_MAP_TASK : LANG_MAP_SCRIPT;
    struct lang_map_plan *spec = add_map(plan, role, map->name, types[map->storage], &map->map);
    spec->script = map;
    spec->generations = generations;
    spec->value_size = (map->value->size + 7) & ~7u;
    if (map->storage == LANG_STORE_PERCPU_ARRAY)
        spec->value_size = aggregate_size(map);
    spec->full_counter = lang_plan_counter(plan);
    spec->refused_counter = lang_plan_counter(plan);
    if (map->storage == LANG_STORE_HASH || map->storage == LANG_STORE_PERCPU_HASH) {
        plan_hash(spec, map, declared, units, env);
    } else if (map->storage == LANG_STORE_TASK) {
        spec->value_size = 16; /* u64 value, u64 set */
        spec->max_entries = 0;
        spec->flags = BPF_F_NO_PREALLOC;
    }
}

/* The kernel does not start a tracing program on a CPU where it is already running (it counts a miss), except behind
 * user probes. So what only one program updates needs no atomic instruction in memory of that CPU. */
static bool has_single_writer(const struct lang_map *map, const struct plan_units *units) {
    uint32_t writers = 0;
    for (uint32_t i = 0; i < units->count; i++) {
        if (!updates(units->data[i].probe, map))
            continue;
        enum lang_context context = units->data[i].target->context;
        writers += context == LANG_CONTEXT_UPROBE || context == LANG_CONTEXT_URETPROBE ? 2 : 1;
    }
    return writers == 1;
}

void lang_plan_maps(struct lang_program *program, const struct lang_unit *units, uint32_t count,
                    const struct lang_env *env) {
    const struct plan_units programs = {units, count};
    program->plan = lang_plan_new(program->arena, env);
    for (uint32_t i = 0; i < program->maps.count; i++) {
        struct lang_map *map = program->maps.data[i];
        map->single_writer = has_single_writer(map, &programs);
        if (map->value)
            plan_map(program, map, &programs, env);
    }
}
