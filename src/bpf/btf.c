/* BTF for a program (format: Documentation/bpf/btf.rst of the kernel): the types of its functions, the script lines of
 * its instructions. The kernel demands func_info for callbacks and prints the lines in its verifier log. */
#include "base/hash.h"
#include "bpf/bpf_int.h"
#include <ctype.h>
#include <linux/btf.h>

/* Ids of the types every blob starts with; functions follow. The first two are promised in bpf.h. */
enum {
    TYPE_INT = 1,
    TYPE_UNSIGNED_LONG,
    TYPE_LONG,
    TYPE_POINTER,
    TYPE_MAIN,
    TYPE_CALLBACK,
    TYPE_ELEMENT_CALLBACK,
    TYPE_FUNCTIONS
};

#define NAME_LIMIT 63u /* the kernel's symbol names end there on all versions */
#define COLUMN_LIMIT 1023u

struct writer {
    struct strbuf types, strings;
};

static uint32_t add_string(struct writer *w, const char *text, size_t length) {
    uint32_t offset = (uint32_t)w->strings.length;
    strbuf_add(&w->strings, text, length);
    strbuf_addch(&w->strings, '\0');
    return offset;
}

static uint32_t add_text(struct writer *w, const char *text) { return add_string(w, text, strlen(text)); }

static void add_type(struct writer *w, const char *name, uint32_t kind, uint32_t length, uint32_t size_or_type) {
    struct btf_type type = {.info = kind << 24 | length, .size = size_or_type};
    type.name_off = *name ? add_text(w, name) : 0;
    strbuf_add(&w->types, &type, sizeof type);
}

static void add_integer(struct writer *w, const char *name, uint32_t size, bool is_signed) {
    uint32_t detail = (is_signed ? (uint32_t)BTF_INT_SIGNED << 24 : 0) | size * 8;
    add_type(w, name, BTF_KIND_INT, 0, size);
    strbuf_add(&w->types, &detail, sizeof detail);
}

static void add_parameter(struct writer *w, const char *name, uint32_t type) {
    struct btf_param parameter = {.name_off = add_text(w, name), .type = type};
    strbuf_add(&w->types, &parameter, sizeof parameter);
}

static void add_base_types(struct writer *w) {
    strbuf_addch(&w->strings, '\0');
    add_integer(w, "int", 4, true);
    add_integer(w, "unsigned long", 8, false);
}

static void add_function_types(struct writer *w) {
    add_integer(w, "long", 8, true);
    add_type(w, "", BTF_KIND_PTR, 0, 0);
    add_type(w, "", BTF_KIND_FUNC_PROTO, 1, TYPE_INT);
    add_parameter(w, "context", TYPE_POINTER);
    add_type(w, "", BTF_KIND_FUNC_PROTO, 2, TYPE_LONG);
    add_parameter(w, "index", TYPE_UNSIGNED_LONG);
    add_parameter(w, "frame", TYPE_POINTER);
    add_type(w, "", BTF_KIND_FUNC_PROTO, 4, TYPE_LONG);
    add_parameter(w, "map", TYPE_POINTER);
    add_parameter(w, "key", TYPE_POINTER);
    add_parameter(w, "value", TYPE_POINTER);
    add_parameter(w, "frame", TYPE_POINTER);
}

/* Names of functions must be C identifiers. */
static void add_function(struct writer *w, const char *name, uint32_t prototype) {
    char clean[NAME_LIMIT + 1];
    uint32_t length = 0;
    for (; length < NAME_LIMIT && name[length]; length++) {
        bool fine = isalpha((unsigned char)name[length]) || (length && isdigit((unsigned char)name[length]));
        clean[length] = fine ? name[length] : '_';
    }
    clean[length] = '\0';
    add_type(w, length ? clean : "_", BTF_KIND_FUNC, BTF_FUNC_STATIC, prototype);
}

static void *finish(struct writer *w, struct arena *arena, uint32_t *size) {
    struct btf_header header = {.magic = BTF_MAGIC, .version = BTF_VERSION, .hdr_len = sizeof header};
    header.type_len = header.str_off = (uint32_t)w->types.length;
    header.str_len = (uint32_t)w->strings.length;
    *size = (uint32_t)(sizeof header + w->types.length + w->strings.length);
    char *blob = arena_alloc(arena, *size);
    memcpy(blob, &header, sizeof header);
    memcpy(blob + sizeof header, w->types.data, w->types.length);
    memcpy(blob + sizeof header + w->types.length, w->strings.data, w->strings.length);
    strbuf_free(&w->types);
    strbuf_free(&w->strings);
    return blob;
}

/* ---- lines ---------------------------------------------------------------------------------------------------- */

struct line_writer {
    struct writer *w;
    const struct source *source;
    struct hash texts; /* where the line begins -> offset of its text, plus 1 */
    uint32_t file_name;
};

/* `offset` is in the text. */
static uint32_t line_text(struct line_writer *l, uint32_t offset) {
    uint32_t length, begin = source_line(l->source, offset, &length);
    uintptr_t known = (uintptr_t)hash_get_number(&l->texts, begin);
    if (known)
        return (uint32_t)(known - 1);
    const char *line = l->source->text + begin, *end = memchr(line, '\0', length);
    uint32_t text = add_string(l->w, line, end ? (uint32_t)(end - line) : length);
    hash_put_number(&l->texts, begin, (void *)((uintptr_t)text + 1));
    return text;
}

static uint32_t file_name(struct line_writer *l, uint32_t offset) {
    const char *name = source_name(l->source, offset);
    return name == l->source->name ? l->file_name : add_text(l->w, name);
}

static void add_line(struct line_writer *l, struct bpf_program_btf *out, uint32_t instruction, struct loc loc) {
    uint32_t line, column, offset = source_original(l->source, loc).begin;
    source_position(l->source, offset, &line, &column);
    out->lines[out->line_count++] = (struct bpf_line_info){
        .insn_off = instruction,
        .file_name_off = file_name(l, offset),
        .line_off = line_text(l, offset),
        .line_col = line << 10 | (column < COLUMN_LIMIT ? column : COLUMN_LIMIT),
    };
}

/* The kernel wants a line at the start of each function; where the script has none, the nearest one stands in. */
static void add_lines(struct writer *w, struct arena *arena, const struct bpf_program *program,
                      const struct source *source, struct bpf_program_btf *out) {
    struct line_writer l = {.w = w, .source = source, .file_name = add_text(w, source->name)};
    hash_init(&l.texts, arena);
    out->lines = arena_new_array(arena, struct bpf_line_info, program->lines.count + program->subprograms.count);
    uint32_t next = 0;
    for (uint32_t i = 0; i < program->subprograms.count; i++) {
        uint32_t start = program->subprograms.data[i].instruction;
        uint32_t end = i + 1 < program->subprograms.count ? program->subprograms.data[i + 1].instruction
                                                          : program->instructions.count;
        bool covered = next < program->lines.count && program->lines.data[next].instruction == start;
        if (!covered)
            add_line(&l, out, start, next < program->lines.count ? program->lines.data[next].loc : (struct loc){0, 0});
        for (; next < program->lines.count && program->lines.data[next].instruction < end; next++)
            add_line(&l, out, program->lines.data[next].instruction, program->lines.data[next].loc);
    }
}

void bpf_make_btf(struct arena *arena, const struct bpf_program *program, const struct source *source,
                  struct bpf_program_btf *out) {
    struct writer w = {{0}, {0}};
    memset(out, 0, sizeof *out);
    add_base_types(&w);
    add_function_types(&w);
    out->function_count = program->subprograms.count;
    out->functions = arena_new_array(arena, struct bpf_func_info, out->function_count);
    static const uint32_t prototypes[] = {
        [IR_MAIN] = TYPE_MAIN, [IR_CALLBACK] = TYPE_CALLBACK, [IR_ELEMENT_CALLBACK] = TYPE_ELEMENT_CALLBACK};
    for (uint32_t i = 0; i < out->function_count; i++) {
        add_function(&w, program->subprograms.data[i].name, prototypes[program->subprograms.data[i].kind]);
        out->functions[i] = (struct bpf_func_info){program->subprograms.data[i].instruction, TYPE_FUNCTIONS + i};
    }
    if (source)
        add_lines(&w, arena, program, source, out);
    out->btf = finish(&w, arena, &out->btf_size);
}

void bpf_make_map_btf(struct arena *arena, void **btf, uint32_t *size) {
    struct writer w = {{0}, {0}};
    struct btf_array pair = {.type = TYPE_UNSIGNED_LONG, .index_type = TYPE_INT, .nelems = 2};
    add_base_types(&w);
    add_type(&w, "", BTF_KIND_ARRAY, 0, 0);
    strbuf_add(&w.types, &pair, sizeof pair);
    *btf = finish(&w, arena, size);
}
