/* Shared by the files of view/. */
#ifndef TARSIER_VIEW_VIEW_INT_H
#define TARSIER_VIEW_VIEW_INT_H

#include "view/view.h"

/* Numbers by hand: they are most of what is printed. */
enum { VIEW_NUMBER_BYTES = 24 }; /* longest: 22 octal digits, a sign or prefix */
/* Write the digits so that they end at `end`; return where they start. */
char *view_unsigned_digits(char *end, uint64_t number);
char *view_radix_digits(char *end, uint64_t number, unsigned shift, bool upper);
void view_add_unsigned(struct strbuf *out, uint64_t number);
void view_add_signed(struct strbuf *out, int64_t number);
void view_add_hex(struct strbuf *out, uint64_t number); /* with 0x */

/* view_value with the divisor of print(@map, top, div). */
void view_value_divided(const struct view *view, const struct type *type, const void *bytes, uint32_t div,
                        struct strbuf *out);
void view_value_json_divided(const struct view *view, const struct type *type, const void *bytes, uint32_t div,
                             struct strbuf *out);

/* How values are written: what stands around and between the parts of those that are made of values, and how the parts
 * are written that only one notation knows. See whole.c. */
struct view_notation {
    const char *tuple_open, *tuple_between, *tuple_close;
    const char *record_open, *record_between, *record_close;
    void (*name)(const char *name, struct strbuf *out); /* of a field, with what stands before its value */
    /* can_be_cut: what fills its room without a NUL was longer */
    void (*text)(const struct view *view, const char *bytes, uint32_t size, bool can_be_cut, struct strbuf *out);
    void (*number)(const struct type *type, uint64_t number, struct strbuf *out); /* an integer or enum */
    void (*other)(const struct view *view, const struct type *type, const void *bytes, uint32_t div,
                  struct strbuf *out);
};
void view_write(const struct view_notation *notation, const struct view *view, const struct type *type,
                const void *bytes, uint32_t div, struct strbuf *out);

/* Little pieces that text and JSON share. */
uint64_t view_load(const struct type *type, const void *bytes);                      /* scalar, extended by its sign */
uint64_t view_load_field(const struct type_field *field, const void *field_storage); /* bit-fields too */
bool view_is_text_array(const struct type *type);                                    /* char[N] */
/* The text of a string value and its trailer: its length, and whether it was cut. */
size_t view_text_length(const char *bytes, uint32_t size, bool *cut);
const char *view_trailer(const struct view *view);
size_t view_buffer_length(const struct type *type, const void *bytes);
const struct type_enumerator *view_enumerator(const struct type *type, uint64_t value);

/* Types that come from files may claim fields outside their struct. */
static inline bool view_field_inside(const struct type *type, const struct type_field *field) {
    return field->offset <= type->size && field->type->size <= type->size - field->offset;
}

struct view_stats {
    uint64_t count;
    int64_t total, average; /* unsigned if the type is */
};
struct view_stats view_stats(const struct type *type, const void *bytes, uint32_t div);
/* Prints a 64-bit number by the sign of its type. */
void view_add_number(struct strbuf *out, int64_t number, bool is_signed);
int64_t view_divide(int64_t number, bool is_signed, uint32_t div);

void view_json_number(int64_t number, bool is_signed, struct strbuf *out);

/* A histogram value (hist or lhist): the lines of its block, or its JSON array. */
void view_histogram(const struct type *type, const void *bytes, uint32_t div, struct strbuf *out);
void view_histogram_json(const struct type *type, const void *bytes, uint32_t div, struct strbuf *out);

/* A tseries: the lines of its graph, or its JSON array; both up to the interval `last`. Without data: <no data>, []. */
void view_series(const struct type *type, const void *bytes, uint64_t last, struct strbuf *out);
void view_series_json(const struct type *type, const void *bytes, uint64_t last, struct strbuf *out);
uint64_t view_series_last(const struct type *type, const void *bytes); /* 0: no data */
void view_reduce_series(const struct type *type, const char *per_cpu, uint32_t stride, uint32_t cpus, char *out);

enum view_buffer_style { VIEW_BUFFER_PRINTABLE, VIEW_BUFFER_ESCAPED, VIEW_BUFFER_SPACED }; /* %r %rx %rh */
void view_buffer_text(const unsigned char *bytes, size_t length, enum view_buffer_style style, struct strbuf *out);

/* Addresses as base/type.h lays them out. A family that is neither IPv4 nor IPv6 shows its number: family 17. */
void view_add_inet(const void *bytes, struct strbuf *out);
void view_add_macaddr(const void *bytes, struct strbuf *out);

/* Names of allocation flags: GFP_KERNEL|__GFP_ZERO. */
void view_gfp_flags(uint64_t flags, struct strbuf *out);

static inline uint64_t view_u64(const void *bytes, size_t index) {
    uint64_t value;

    __builtin_memcpy(&value, (const char *)bytes + index * sizeof value, sizeof value);
    return value;
}

#endif
