/* tarsier info: what this kernel allows, found by trying, with the reason and the cure of each no. */
#include "cli/cli.h"
#include "kernel/feature.h"
#include "kernel/proc.h"
#include "object/btf.h"

/* Some programs can only be tried with the BTF ids of well-known kernel objects. */
static void find_ids(struct arena *arena, struct kernel_features *features) {
    int error = 0;
    struct object_btf *btf = object_btf_open(arena, NULL, &error);
    struct kernel_feature_btf ids = {0};
    if (!btf)
        return;
    object_btf_raw_tracepoint(btf, "sched_switch", &ids.tracepoint, NULL);
    ids.function = object_btf_find(btf, OBJECT_BTF_FUNCTION, "vfs_read");
    ids.iterator = object_btf_find(btf, OBJECT_BTF_FUNCTION, "bpf_iter_task");
    ids.rdonly_cast = object_btf_find(btf, OBJECT_BTF_FUNCTION, "bpf_rdonly_cast");
    ids.task_struct = object_btf_find(btf, OBJECT_BTF_STRUCT, "task_struct");
    kernel_features_set_btf(features, &ids);
    object_btf_release(btf);
}

int cli_info(const struct cli_request *request) {
    (void)request;
    struct arena *arena = arena_new();
    struct kernel_features *features = kernel_features_new(arena);
    struct kernel_cpus cpus = {0};
    find_ids(arena, features);
    kernel_cpus_read(arena, &cpus);
    printf("tarsier %s\nkernel: %s\ncpus: %u online, %u possible\n\n", TARSIER_VERSION, kernel_release(arena),
           cpus.count_online, cpus.count_possible);
    for (int id = 0; id < KERNEL_FEATURE_COUNT; id++) {
        struct strbuf text = {0};
        kernel_feature_explain(features, (enum kernel_feature)id, &text);
        printf("%s\n", strbuf_text(&text));
        strbuf_free(&text);
    }
    arena_free(arena);
    return SESSION_OK;
}
