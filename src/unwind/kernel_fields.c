#include "unwind/kernel_fields.h"

#include <string.h>

enum need { NEEDED, OPTIONAL };

static const struct row {
    const char *name;
    enum need need;
    const char *structure, *member, *inner;
} rows[] = {
#define UNWIND_FIELD(name, need, structure, member, inner) {"K_" #name, need, structure, member, inner},
#include "unwind/fields.def"
#undef UNWIND_FIELD
};
enum { ROWS = sizeof rows / sizeof *rows, LONGEST_READ = 256 };

static bool offset_of(struct object_btf *btf, const struct row *row, uint32_t *offset) {
    const struct type *type = object_btf_struct(btf, row->structure);
    uint32_t inner = 0;
    if (!type)
        return false;
    const struct type_field *field = type_find_field(type_complete(type), row->member, offset);
    if (!field)
        return false;
    if (row->inner && !type_find_field(type_complete(field->type), row->inner, &inner))
        return false;
    *offset += inner;
    return true;
}

static struct unwind_field *find(struct unwind_field *fields, uint32_t count, const char *name) {
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    }
    return NULL;
}

/* Bytes from the start that hold all fields of these names. */
static int64_t span(struct unwind_field *fields, uint32_t count, const char *const *names, uint32_t name_count) {
    int64_t most = 0;
    for (uint32_t i = 0; i < name_count; i++) {
        int64_t end = find(fields, count, names[i])->value + 8;
        most = end > most ? end : most;
    }
    return most;
}

const struct unwind_field *unwind_kernel_fields(struct object_btf *btf, uint32_t *count, const char **missing) {
    static struct unwind_field fields[ROWS + 2];
    static const char *const vma[] = {"K_VMA_START", "K_VMA_END",    "K_VMA_MM",
                                      "K_VMA_FLAGS", "K_VMA_OFFSET", "K_VMA_FILE"};
    static const char *const inode[] = {"K_INODE_BLOCK", "K_INODE_NUMBER", "K_INODE_MODIFIED", "K_INODE_SIZE"};
    bool has_uprobes = true;
    uint32_t used = 0, offset;
    for (uint32_t i = 0; i < ROWS; i++) {
        struct unwind_field *known = find(fields, used, rows[i].name);
        if (known && known->value >= 0)
            continue;
        int64_t value = offset_of(btf, &rows[i], &offset) ? (int64_t)offset : -1;
        if (known)
            known->value = value;
        else
            fields[used++] = (struct unwind_field){rows[i].name, value};
    }
    for (uint32_t i = 0; i < ROWS; i++) {
        struct unwind_field *field = find(fields, used, rows[i].name);
        if (field->value >= 0)
            continue;
        *missing = rows[i].member;
        if (rows[i].need == NEEDED)
            return NULL;
        field->value = 0;
        has_uprobes = false;
    }
    if (!has_uprobes)
        find(fields, used, "K_TASK_UTASK")->value = 0;
    int64_t vma_span = span(fields, used, vma, sizeof vma / sizeof *vma);
    int64_t inode_span = span(fields, used, inode, sizeof inode / sizeof *inode);
    fields[used++] = (struct unwind_field){"K_VMA_SPAN", vma_span};
    fields[used++] = (struct unwind_field){"K_INODE_SPAN", inode_span};
    *count = used;
    *missing = "vm_file";
    return fields[used - 2].value <= LONGEST_READ && fields[used - 1].value <= LONGEST_READ ? fields : NULL;
}
