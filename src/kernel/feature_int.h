/* Inside the feature table: what the try functions share. */
#ifndef TARSIER_KERNEL_FEATURE_INT_H
#define TARSIER_KERNEL_FEATURE_INT_H

#include "kernel/feature.h"

struct kernel_features {
    struct arena *arena;
    struct kernel_feature_btf btf;
    struct {
        bool known;
        int error; /* 0: it works */
    } results[KERNEL_FEATURE_COUNT];
};

/* A try function: 0 when it works, else the negative errno. -ENODATA: cannot be tried without a BTF id. */
typedef int (*kernel_feature_try)(struct kernel_features *features);

#define KERNEL_FEATURE(name, text, use, try, can, needs) int kernel_##try(struct kernel_features *features);
#include "kernel/feature.def"
#undef KERNEL_FEATURE

#endif
