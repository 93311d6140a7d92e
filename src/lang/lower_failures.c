/* Failures while a program runs: counted for each place of the script. With -k each is told as well, for each place at
 * most every LANG_FAILURE_NS:
 *
 *     n = atomic_fetch_add(&site->count, 1);
 *     now = ktime_get_boot_ns();
 *     if (now - site->told <= LANG_FAILURE_NS) goto quiet;
 *     site->told = now;
 *     send a record: {helper and result, n + 1}
 *   quiet:
 *
 * Two CPUs that meet here may both tell; that is no harm.
 */
#include "lang/lower_int.h"

ir_value lower_cause(struct lower *l, enum ir_helper helper, ir_value result) {
    if (!l->env->tells_failures)
        return IR_NONE;
    ir_value code = ir_extend(l->f, result, 4, false);
    return ir_binary(l->f, IR_OR, code, ir_constant(l->f, (int64_t)(helper + 1) << 32));
}

static void tell(struct lower *l, uint32_t number, ir_value cause, ir_value before) {
    struct ir_function *f = l->f;
    const struct lang_site site = l->plan->sites.data[number];
    ir_value told = lower_global(l, site.told);
    ir_value now = ir_call0(f, IR_HELPER_ktime_get_boot_ns);
    ir_value since = ir_binary(f, IR_SUB, now, ir_load(f, 8, told, 0));
    ir_block late = ir_block_new(f, f->current), quiet = ir_block_new(f, f->current);
    ir_branch(f, ir_binary(f, IR_UGT, since, ir_constant(f, LANG_FAILURE_NS)), late, quiet);
    ir_enter(f, late);
    ir_store(f, 8, told, 0, now);
    struct lang_action action = {.kind = LANG_ACTION_FAILURE, .loc = site.loc, .site = number};
    const ir_value numbers[] = {cause == LOWER_NO_CAUSE ? ir_constant(f, 0) : cause,
                                ir_binary(f, IR_ADD, before, ir_constant(f, 1))};
    lower_record_numbers(l, &action, numbers, 2);
    ir_jump(f, quiet);
    ir_enter(f, quiet);
}

void lower_failed(struct lower *l, enum lang_site_kind kind, struct loc loc, ir_value cause) {
    bool tells = l->env->tells_failures;
    uint32_t number = lang_plan_site(l->plan, kind, loc, tells);
    uint32_t counter = l->plan->sites.data[number].counter;
    if (!tells) {
        lower_count(l, counter);
        return;
    }
    ir_value before =
        ir_atomic(l->f, IR_ATOMIC_FETCH_ADD, 8, lower_global(l, counter), 0, ir_constant(l->f, 1), IR_NONE);
    tell(l, number, cause, before);
}
