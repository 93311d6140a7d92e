/* Mechanism -> type of BPF program. */
#include "base/diag.h"
#include "kernel/feature.h"
#include "kernel/uapi.h"
#include "probe/context_int.h"

bool probe_uses_uprobe_multi(const struct probe_context *context) {
    return context->features && kernel_feature(context->features, KERNEL_FEATURE_UPROBE_MULTI);
}

struct probe_program probe_program(const struct probe_context *context, const struct probe_target *target) {
    switch (target->mechanism) {
    case PROBE_RUN_ONCE:
        return (struct probe_program){.type = BPF_PROG_TYPE_RAW_TRACEPOINT};
    case PROBE_SYSCALL_ENTER:
    case PROBE_SYSCALL_EXIT:
    case PROBE_RAW_TRACEPOINT:
    case PROBE_BTF_TRACEPOINT:
        if (target->attach_btf_id)
            return (struct probe_program){.type = BPF_PROG_TYPE_TRACING,
                                          .expected_attach_type = BPF_TRACE_RAW_TP,
                                          .attach_btf_id = target->attach_btf_id};
        return (struct probe_program){.type = BPF_PROG_TYPE_RAW_TRACEPOINT};
    case PROBE_PERF_TRACEPOINT:
        return (struct probe_program){.type = BPF_PROG_TYPE_TRACEPOINT};
    case PROBE_PERF_SAMPLE:
        return (struct probe_program){.type = BPF_PROG_TYPE_PERF_EVENT};
    case PROBE_ITERATOR:
        return (struct probe_program){.type = BPF_PROG_TYPE_TRACING,
                                      .expected_attach_type = BPF_TRACE_ITER,
                                      .attach_btf_id = target->attach_btf_id};
    case PROBE_UPROBE:
        return (struct probe_program){.type = BPF_PROG_TYPE_KPROBE,
                                      .expected_attach_type =
                                          probe_uses_uprobe_multi(context) ? KERNEL_ATTACH_UPROBE_MULTI : 0};
    case PROBE_KPROBE:
        return (struct probe_program){.type = BPF_PROG_TYPE_KPROBE,
                                      .expected_attach_type =
                                          probe_uses_kprobe_multi(context, target) ? KERNEL_ATTACH_KPROBE_MULTI : 0};
    case PROBE_FENTRY:
        return (struct probe_program){.type = BPF_PROG_TYPE_TRACING,
                                      .expected_attach_type = target->is_return ? BPF_TRACE_FEXIT : BPF_TRACE_FENTRY,
                                      .attach_btf_id = target->attach_btf_id,
                                      .attach_btf_fd = target->attach_btf_fd};
    }
    BUG("probe mechanism %d", (int)target->mechanism);
}

bool probe_can_share(const struct probe_context *context, const struct probe_target *a, const struct probe_target *b) {
    if (a->mechanism == PROBE_KPROBE && b->mechanism == PROBE_KPROBE &&
        probe_uses_kprobe_multi(context, a) != probe_uses_kprobe_multi(context, b))
        return false;
    return a->mechanism == b->mechanism && a->mechanism != PROBE_FENTRY && a->attach_btf_id == b->attach_btf_id &&
           a->is_return == b->is_return;
}

bool probe_has_cookie(const struct probe_context *context, const struct probe_target *target) {
    struct kernel_features *features = context->features;

    switch (target->mechanism) {
    case PROBE_RUN_ONCE:
    case PROBE_ITERATOR:
    case PROBE_SYSCALL_ENTER: /* many targets, one attachment: the number tells them apart */
    case PROBE_SYSCALL_EXIT:
    case PROBE_FENTRY: /* a program for each function */
        return false;
    case PROBE_KPROBE:
        if (probe_uses_kprobe_multi(context, target))
            return true;
        return features && kernel_feature(features, KERNEL_FEATURE_PERF_LINK);
    case PROBE_RAW_TRACEPOINT:
    case PROBE_BTF_TRACEPOINT:
        return features && kernel_feature(features, KERNEL_FEATURE_RAW_TRACEPOINT_COOKIE);
    case PROBE_PERF_TRACEPOINT:
    case PROBE_PERF_SAMPLE:
    case PROBE_UPROBE:
        return features && kernel_feature(features, KERNEL_FEATURE_PERF_LINK);
    }
    BUG("probe mechanism %d", (int)target->mechanism);
}
