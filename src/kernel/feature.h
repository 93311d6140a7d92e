/* What this kernel, with these privileges, lets us do. Each feature is found out by trying it once, the first time it
 * is asked for; what nobody asks for costs nothing. The table is feature.def. */
#ifndef TARSIER_KERNEL_FEATURE_H
#define TARSIER_KERNEL_FEATURE_H

#include "base/arena.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

enum kernel_feature {
#define KERNEL_FEATURE(name, text, use, try, can, needs) KERNEL_FEATURE_##name,
#include "kernel/feature.def"
#undef KERNEL_FEATURE
    KERNEL_FEATURE_COUNT
};

/* Ids in vmlinux BTF that some tries need; kernel/ does not read BTF itself. 0: unknown, such features answer no
 * (-ENODATA) and are tried again once the id is set. */
struct kernel_feature_btf {
    uint32_t tracepoint;               /* typedef btf_trace_sched_switch: PROGRAM_TP_BTF */
    uint32_t function;                 /* func of an ordinary traceable function, say vfs_read: PROGRAM_FENTRY */
    uint32_t iterator;                 /* func bpf_iter_task: PROGRAM_ITERATOR */
    uint32_t rdonly_cast, task_struct; /* func bpf_rdonly_cast, struct task_struct: RDONLY_CAST */
};

struct kernel_features;

struct kernel_features *kernel_features_new(struct arena *arena);
void kernel_features_set_btf(struct kernel_features *features, const struct kernel_feature_btf *ids);

/* As if the kernel had it not. */
void kernel_feature_deny(struct kernel_features *features, enum kernel_feature id);
bool kernel_feature(struct kernel_features *features, enum kernel_feature id);
int kernel_feature_error(struct kernel_features *features, enum kernel_feature id); /* 0 or the negative errno */
/* Does the kernel have the helper of this number, for programs of kprobes? False also when programs are refused. */
bool kernel_helper_is_known(uint32_t number);
const char *kernel_feature_name(enum kernel_feature id);
const char *kernel_feature_use(enum kernel_feature id);
/* "fentry program: no (Operation not permitted): reason. What to do." or "ring buffer: yes". No newline at the end. */
void kernel_feature_explain(struct kernel_features *features, enum kernel_feature id, struct strbuf *out);

#endif
