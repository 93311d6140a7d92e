/* Functions: for each row of functions.def what it is as a value, as a statement, or built in memory. */
#include "lang/lower_int.h"

/* ---- values -------------------------------------------------------------------------------------------------- */

static ir_value lower_len(struct lower *l, const struct node *node) {
    const struct node *argument = node->child;
    if (type_is_stack(argument->type)) {
        ir_value frames = ir_constant(l->f, (1 << TYPE_STACK_COUNT_BITS) - 1);
        ir_value count = ir_binary(l->f, IR_AND, lower_scalar(l, argument), frames);
        return lower_at_most(l, count, argument->type->count); /* there is room for more frames than are shown */
    }
    /* Counting a hash map: each element calls back once, the number of calls is the answer. */
    struct ir_function *outer = l->f;
    struct ir_function *body = ir_function_new(l->module, IR_ELEMENT_CALLBACK, "len");
    ir_return(body, ir_constant(body, 0));
    const struct lang_map *map = argument->map;
    ir_slot result = lower_temp_slot(l, 8);
    lower_store_slot(l, result, ir_constant(outer, 0));
    ir_block start = outer->current, good = ir_block_new(outer, start), join = ir_block_new(outer, start);
    ir_value handle = lower_map_handle(l, map);
    if (l->plan->maps.data[map->map].generations)
        ir_branch(outer, handle, good, join);
    else
        ir_jump(outer, good);
    ir_enter(outer, good);
    lower_store_slot(l, result,
                     ir_calln(outer, IR_HELPER_for_each_map_elem, handle, ir_function_address(outer, body),
                              ir_constant(outer, 0), ir_constant(outer, 0)));
    ir_jump(outer, join);
    ir_enter(outer, join);
    return lower_take_slot(l, result);
}

static ir_value lower_strncmp(struct lower *l, const struct node *node) {
    const struct node *a = node->child, *b = a->next;
    int64_t length = b->next->number;
    if (length == 0)
        return ir_constant(l->f, 0);
    return lower_string_differs(l, a, b, length < INT32_MAX ? (uint32_t)length : INT32_MAX);
}

ir_value lower_call(struct lower *l, const struct node *node) {
    const struct node *first = node->child;
    switch (node->function->id) {
    case LANG_FUNCTION_delete:
        return lower_map_delete(l, first->map, first->next);
    case LANG_FUNCTION_has_key:
        return lower_map_has_key(l, first->map, first->next);
    case LANG_FUNCTION_find:
        return lower_map_find(l, first->map, first->next, first->next->next->variable);
    case LANG_FUNCTION_len:
        return lower_len(l, node);
    case LANG_FUNCTION_kstack:
    case LANG_FUNCTION_ustack:
    case LANG_FUNCTION_dw_ustack:
        return lower_stack(l, node->type);
    case LANG_FUNCTION_strncmp:
        return lower_strncmp(l, node);
    case LANG_FUNCTION_ksym:
    case LANG_FUNCTION_kptr:
    case LANG_FUNCTION_uptr:
        return lower_scalar(l, first);
    case LANG_FUNCTION_macaddr:
        return lower_macaddr(l, node);
    case LANG_FUNCTION_strlen:
    case LANG_FUNCTION_strcap:
        return lower_strlen(l, node);
    case LANG_FUNCTION_strstr:
        return lower_strstr(l, node);
    case LANG_FUNCTION_strcontains:
        return lower_strcontains(l, node);
    case LANG_FUNCTION_memcmp:
        return lower_memcmp(l, node);
    case LANG_FUNCTION_skboutput:
        return lower_skboutput(l, node);
    case LANG_FUNCTION_uaddr:
        return lower_uaddr(l, node);
    case LANG_FUNCTION_percpu_kaddr:
        return lower_percpu_kaddr(l, node);
    case LANG_FUNCTION_fd2file:
        return lower_fd2file(l, node);
    case LANG_FUNCTION_fd2sock:
        return lower_fd2sock(l, node);
    case LANG_FUNCTION_bswap:
        return lower_bswap(l, node);
    case LANG_FUNCTION_is_err:
        return lower_is_err(l, node);
    case LANG_FUNCTION_pid:
        return lower_current_id(l, node, "tgid");
    case LANG_FUNCTION_tid:
        return lower_current_id(l, node, "pid");
    case LANG_FUNCTION_nsecs:
        return lower_clock(l, node);
    case LANG_FUNCTION_ppid:
        return lower_relative_id(l, first, "real_parent", "tgid", node->loc);
    case LANG_FUNCTION_leader_tid:
        return lower_relative_id(l, first, "group_leader", "pid", node->loc);
    case LANG_FUNCTION_write_user:
        return lower_write_user(l, node);
    case LANG_FUNCTION_socket_cookie:
        return lower_socket_cookie(l, node);
    case LANG_FUNCTION_reg:
        return lower_register(l, (uint32_t)lang_register_offset(first->text));
    default:
        BUG("%s() as a value", node->function->name);
    }
}

/* ---- in memory ----------------------------------------------------------------------------------------------- */

/* str(p, n) with n known only now: size = min(n, capacity); the helper takes 0. */
static void str_of_size(struct lower *l, const struct node *size, struct place from, struct place to,
                        uint32_t capacity) {
    struct ir_function *f = l->f;
    ir_value bytes = lower_at_most(l, lower_scalar(l, size), capacity);
    lower_zero(l, to, capacity);
    enum ir_helper helper = from.where == WHERE_USER ? IR_HELPER_probe_read_user_str : IR_HELPER_probe_read_kernel_str;
    ir_calln(f, helper, place_address(l, to), bytes, place_address(l, from));
}

static void str_into(struct lower *l, const struct node *node, const struct type *type, struct place to, bool clean) {
    const struct node *pointer = node->child, *size = pointer->next;
    if (pointer->type->kind == TYPE_STRING) { /* str() of a string: itself, perhaps shorter */
        lower_into(l, pointer, type, to, clean);
        return;
    }
    if (pointer->type->kind == TYPE_PROBE) {
        lower_probe_text_into(l, pointer, type, to, clean);
        return;
    }
    uint32_t capacity = node->type->size < type->size ? node->type->size : type->size;
    struct place from = lower_behind_address(l, pointer);
    if (size && !size->is_constant)
        str_of_size(l, size, from, to, capacity);
    else
        lower_read_text(l, from, to, capacity, clean, node->loc, !size && node->type->size == type->size);
    uint32_t done = (capacity + 7) & ~7u;
    if (clean && done < type->size)
        lower_zero(l, place_add(l, to, done), type->size - done);
}

void lower_call_into(struct lower *l, const struct node *node, const struct type *type, struct place to, bool clean) {
    switch (node->function->id) {
    case LANG_FUNCTION_str:
        str_into(l, node, type, to, clean);
        break;
    case LANG_FUNCTION_usym:
        ir_store(l->f, 8, to.base, to.offset, lower_scalar(l, node->child));
        ir_store(l->f, 8, to.base, to.offset + 8, lower_current(l, "tgid"));
        break;
    case LANG_FUNCTION_ntop:
        lower_ntop_into(l, node, to);
        break;
    case LANG_FUNCTION_pton:
        lower_pton_into(l, node, to);
        break;
    case LANG_FUNCTION_buf:
        lower_buf_into(l, node, type, to, clean);
        break;
    case LANG_FUNCTION_strftime:
        lower_strftime_into(l, node, to);
        break;
    case LANG_FUNCTION_cgroup_path:
        lower_cgroup_path_into(l, node, to);
        break;
    case LANG_FUNCTION_strerror:
    case LANG_FUNCTION_signal_name:
    case LANG_FUNCTION_syscall_name:
        lower_name_into(l, node, type, to, clean);
        break;
    case LANG_FUNCTION_pcomm:
        lower_relative_comm(l, node->child, "real_parent", type, to, node->loc);
        break;
    case LANG_FUNCTION_leader_comm:
        lower_relative_comm(l, node->child, "group_leader", type, to, node->loc);
        break;
    case LANG_FUNCTION_path:
        lower_path_into(l, node, type, to);
        break;
    case LANG_FUNCTION_str_concat:
        lower_str_concat_into(l, node, type, to, clean);
        break;
    case LANG_FUNCTION_skboutput:
        lower_packet_into(l, node, type, to);
        break;
    case LANG_FUNCTION_join:
        lower_join_into(l, node, to);
        break;
    default:
        BUG("%s() in memory", node->function->name);
    }
}

/* ---- statements ---------------------------------------------------------------------------------------------- */

/* The clear(@m) or zero(@m) right behind print(@m), other prints and clears between allowed; NULL: none. */
static const struct node *emptied_next(const struct node *next, const struct lang_map *map) {
    for (; next && next->kind == NODE_EXPRESSION && next->child->kind == NODE_CALL && next->child->function;
         next = next->next) {
        const struct node *call = next->child;
        enum lang_function_id id = call->function->id;
        bool same = call->child && call->child->kind == NODE_MAP && call->child->map == map;
        if (same && (id == LANG_FUNCTION_clear || id == LANG_FUNCTION_zero))
            return call;
        if (same || id == LANG_FUNCTION_exit)
            return NULL;
    }
    return NULL;
}

static enum lang_then then_of(struct lower *l, const struct node *next, const struct lang_map *map) {
    const struct node *call = emptied_next(next, map);
    if (!call)
        return LANG_THEN_NOTHING;
    vec_push(l->arena, &l->done, call);
    return call->function->id == LANG_FUNCTION_clear ? LANG_THEN_CLEARED : LANG_THEN_ZEROED;
}

static bool is_done(const struct lower *l, const struct node *call) {
    for (uint32_t i = 0; i < l->done.count; i++) {
        if (l->done.data[i] == call)
            return true;
    }
    return false;
}

static void statement_print(struct lower *l, const struct node *node, const struct node *next) {
    const struct node *value = node->child;
    struct lang_action action = {.loc = node->loc};
    bool element = value->kind == NODE_MAP && value->child;
    if (value->kind == NODE_MAP && !value->child) {
        action.kind = LANG_ACTION_PRINT_MAP;
        action.map = value->map;
        action.print = lang_print_options(node);
        action.then = then_of(l, next, value->map);
        lower_record(l, &action, NULL, 0);
    } else if (element && value->map->storage == LANG_STORE_PERCPU_HASH) {
        /* The element is on all CPUs: user space reads it by the key. */
        action.kind = LANG_ACTION_PRINT_ELEMENT;
        action.map = value->map;
        struct node key = {.kind = NODE_TUPLE, .loc = value->loc, .type = value->map->key, .child = value->child};
        const struct node *keys = value->child->next ? &key : value->child;
        struct node typed = *keys;
        typed.type = value->map->key;
        const struct node *fields[] = {&typed};
        lower_record(l, &action, fields, 1);
    } else {
        action.kind = LANG_ACTION_PRINT_VALUE;
        lower_record(l, &action, &value, 1);
    }
}

static void statement_exit(struct lower *l, const struct node *node) {
    struct lang_action action = {.kind = LANG_ACTION_EXIT, .loc = node->loc};
    struct node zero = {.kind = NODE_INTEGER, .is_constant = true, .type = type_int(64, true), .loc = node->loc};
    const struct node *code = node->child ? node->child : &zero;
    lower_record(l, &action, &code, 1);
    lower_leave(l);
}

static void statement_unwatch(struct lower *l, const struct node *node) {
    struct lang_action action = {.kind = LANG_ACTION_UNWATCH, .loc = node->loc};
    const struct node *address = node->child;
    lower_record(l, &action, &address, 1);
}

static void statement_on_map(struct lower *l, const struct node *node, enum lang_action_kind kind) {
    struct lang_action action = {.kind = kind, .loc = node->loc, .map = node->child->map};
    if (!is_done(l, node))
        lower_record(l, &action, NULL, 0);
}

void lower_call_statement(struct lower *l, const struct node *node, const struct node *next) {
    switch (node->function->id) {
    case LANG_FUNCTION_printf:
        if (l->target->writes_file)
            lower_debugf(l, node);
        else
            lower_formatted(l, node, LANG_ACTION_PRINTF);
        break;
    case LANG_FUNCTION_errorf:
        lower_formatted(l, node, LANG_ACTION_ERROR);
        break;
    case LANG_FUNCTION_warnf:
        lower_formatted(l, node, LANG_ACTION_WARNING);
        break;
    case LANG_FUNCTION_system:
        lower_formatted(l, node, LANG_ACTION_SYSTEM);
        break;
    case LANG_FUNCTION_cat:
        lower_formatted(l, node, LANG_ACTION_CAT);
        break;
    case LANG_FUNCTION_debugf:
        lower_debugf(l, node);
        break;
    case LANG_FUNCTION_join:
        lower_join(l, node);
        break;
    case LANG_FUNCTION_signal:
    case LANG_FUNCTION_signal_thread:
        lower_signal(l, node);
        break;
    case LANG_FUNCTION_override:
        lower_override(l, node);
        break;
    case LANG_FUNCTION_print:
        statement_print(l, node, next);
        break;
    case LANG_FUNCTION_unwatch:
        statement_unwatch(l, node);
        break;
    case LANG_FUNCTION_clear:
        statement_on_map(l, node, LANG_ACTION_CLEAR);
        break;
    case LANG_FUNCTION_zero:
        statement_on_map(l, node, LANG_ACTION_ZERO);
        break;
    case LANG_FUNCTION_exit:
        statement_exit(l, node);
        break;
    case LANG_FUNCTION_time: {
        struct lang_action action = {.kind = LANG_ACTION_TIME, .loc = node->loc};
        action.format = node->child ? node->child->text : "%H:%M:%S\n";
        lower_record(l, &action, NULL, 0);
        break;
    }
    case LANG_FUNCTION_delete:
        if (!node->child->next && node->child->map->key)
            statement_on_map(l, node, LANG_ACTION_CLEAR);
        else
            lower_map_delete(l, node->child->map, node->child->next);
        break;
    default:
        if (node->type && type_is_scalar(node->type))
            lower_call(l, node);
    }
}
