#include "object/kallsyms.h"

#include "base/arena.h"
#include "base/str.h"
#include "object/input.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CHUNK = 64 << 10,
    MOST_SYMBOLS = 4 << 20,
    MOST_NAME_BYTES = 256 << 20,
    MOST_MODULES = UINT16_MAX, /* 0 is the kernel */
    LARGEST_FUNCTION = 1 << 20
};

/* One line of the file. */
struct line {
    uint64_t address;
    char type;
    struct object_text name, module;
};

struct entry {
    uint64_t address;
    uint32_t name; /* offset in names */
    uint16_t module;
};

struct object_kallsyms {
    struct entry *entries; /* by address */
    uint32_t count, capacity;
    char *names; /* each ends in NUL, and one NUL is in front of all */
    size_t names_size, names_capacity;
    uint32_t *modules; /* offsets in names; number 0 is unused */
    uint32_t module_count, module_capacity;
    bool is_unsorted, has_address;
};

static bool parse_line(struct object_text text, struct line *line) {
    if (!object_text_number(&text, 16, &line->address) || !object_text_take(&text, ' ') || text.at == text.end)
        return false;
    line->type = *text.at++;
    if (!object_text_take(&text, ' '))
        return false;
    line->name = object_text_until(&text, '\t');
    line->module = object_text(NULL, 0);
    if (object_text_take(&text, '['))
        line->module = object_text_until(&text, ']');
    return line->name.at < line->name.end && !memchr(line->name.at, '\0', object_text_length(line->name));
}

/* Gives each line of a file to a callback until it answers false. The file is read in chunks; a line that does not fit
 * one is no symbol and is cut. */
static int each_line(int fd, bool (*callback)(void *context, const struct line *line), void *context) {
    char *buffer = malloc(CHUNK);
    size_t length = 0;
    int error = 0;

    if (!buffer)
        arena_out_of_memory(CHUNK);
    for (;;) {
        ssize_t got = read(fd, buffer + length, CHUNK - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            error = -errno;
        if (got <= 0)
            break;
        length += (size_t)got;
        const char *last = memrchr(buffer, '\n', length);
        size_t whole = last ? (size_t)(last - buffer) + 1 : length == CHUNK ? length : 0;
        struct object_text rest = object_text(buffer, whole), text;
        while (object_text_line(&rest, &text)) {
            struct line line;
            if (parse_line(text, &line) && !callback(context, &line)) {
                free(buffer);
                return 0;
            }
        }
        memmove(buffer, buffer + whole, length - whole);
        length -= whole;
    }
    struct line line;
    if (length && parse_line(object_text(buffer, length), &line))
        callback(context, &line);
    free(buffer);
    return error;
}

/* The table. */

static void *grow(void *data, size_t size) {
    void *larger = realloc(data, size);

    if (!larger)
        arena_out_of_memory(size);
    return larger;
}

static uint32_t add_name(struct object_kallsyms *table, struct object_text name) {
    size_t length = object_text_length(name);
    uint32_t offset = (uint32_t)table->names_size;

    if (table->names_capacity - table->names_size < length + 1) {
        table->names_capacity += table->names_capacity / 2 + length + 1;
        table->names = grow(table->names, table->names_capacity);
    }
    if (length)
        memcpy(table->names + offset, name.at, length);
    table->names[offset + length] = '\0';
    table->names_size += length + 1;
    return offset;
}

/* Symbols of one module stand together, so the latest one is nearly always the right one. */
static uint16_t module_number(struct object_kallsyms *table, struct object_text name) {
    if (name.at == name.end || memchr(name.at, '\0', object_text_length(name)))
        return 0;
    for (uint32_t i = table->module_count; i > 1; i--)
        if (object_text_equals(name, table->names + table->modules[i - 1]))
            return (uint16_t)(i - 1);
    if (table->module_count == MOST_MODULES)
        return 0;
    if (table->module_count == table->module_capacity) {
        table->module_capacity *= 2;
        table->modules = grow(table->modules, sizeof *table->modules * table->module_capacity);
    }
    table->modules[table->module_count] = add_name(table, name);
    return (uint16_t)table->module_count++;
}

static bool is_function(const struct line *line) {
    return line->type != '\0' && strchr("tTwW", line->type) && !object_text_starts(line->name, "__pfx_") &&
           !object_text_starts(line->name, "__cfi_");
}

static bool add_line(void *context, const struct line *line) {
    struct object_kallsyms *table = context;

    table->has_address |= line->address != 0;
    if (!is_function(line))
        return true;
    if (table->count == MOST_SYMBOLS || table->names_size > MOST_NAME_BYTES)
        return false;
    if (table->count == table->capacity) {
        table->capacity += table->capacity / 2;
        table->entries = grow(table->entries, sizeof *table->entries * table->capacity);
    }
    if (table->count && table->entries[table->count - 1].address > line->address)
        table->is_unsorted = true;
    uint16_t module = module_number(table, line->module);
    table->entries[table->count++] = (struct entry){line->address, add_name(table, line->name), module};
    return true;
}

/* Names in the order of the file keep the first of several at one address the first. */
static int compare_entries(const void *left, const void *right) {
    const struct entry *a = left, *b = right;

    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    return a->name < b->name ? -1 : a->name > b->name;
}

static struct object_kallsyms *new_table(void) {
    struct object_kallsyms *table = grow(NULL, sizeof *table);

    *table = (struct object_kallsyms){.capacity = 1024, .names_capacity = 32 << 10, .module_count = 1};
    table->module_capacity = 16;
    table->entries = grow(NULL, sizeof *table->entries * table->capacity);
    table->names = grow(NULL, table->names_capacity);
    table->modules = grow(NULL, sizeof *table->modules * table->module_capacity);
    table->modules[0] = 0;
    add_name(table, object_text(NULL, 0));
    return table;
}

/* Takes a filled table; gives it back ready, or ends it. */
static struct object_kallsyms *finish(struct object_kallsyms *table, int *error) {
    if (*error == 0 && !table->has_address)
        *error = table->count ? -EPERM : -ENODATA;
    if (*error != 0) {
        object_kallsyms_free(table);
        return NULL;
    }
    if (table->is_unsorted)
        qsort(table->entries, table->count, sizeof *table->entries, compare_entries);
    table->entries = grow(table->entries, sizeof *table->entries * (table->count ? table->count : 1));
    table->names = grow(table->names, table->names_size);
    return table;
}

struct object_kallsyms *object_kallsyms_load(const char *path, int *error) {
    int fd = open(path ? path : "/proc/kallsyms", O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        *error = -errno;
        return NULL;
    }
    struct object_kallsyms *table = new_table();
    *error = each_line(fd, add_line, table);
    close(fd);
    return finish(table, error);
}

struct object_kallsyms *object_kallsyms_from_bytes(const char *text, size_t size, int *error) {
    struct object_kallsyms *table = new_table();
    struct object_text rest = object_text(text, size), line_text;

    while (object_text_line(&rest, &line_text)) {
        struct line line;
        if (parse_line(line_text, &line) && !add_line(table, &line))
            break;
    }
    *error = 0;
    return finish(table, error);
}

void object_kallsyms_free(struct object_kallsyms *table) {
    if (!table)
        return;
    free(table->entries);
    free(table->names);
    free(table->modules);
    free(table);
}

/* Questions. */

static void describe(const struct object_kallsyms *table, const struct entry *entry,
                     struct object_kernel_symbol *symbol) {
    symbol->name = table->names + entry->name;
    symbol->module = entry->module ? table->names + table->modules[entry->module] : NULL;
    symbol->address = entry->address;
}

bool object_kallsyms_at(const struct object_kallsyms *table, uint64_t address, struct object_kernel_symbol *symbol) {
    uint32_t low = 0;

    for (uint32_t high = table->count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (table->entries[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    const struct entry *entry = &table->entries[low - 1];
    while (entry > table->entries && entry[-1].address == entry->address)
        entry--; /* aliases: the first, as the kernel answers */
    if (address - entry->address >= LARGEST_FUNCTION)
        return false;
    describe(table, entry, symbol);
    return true;
}

/* Finds the text in the names, which is far faster than to compare one by one, then the entry that has it. */
bool object_kallsyms_by_name(const struct object_kallsyms *table, const char *name,
                             struct object_kernel_symbol *symbol) {
    size_t length = strlen(name) + 1;
    const char *at = table->names, *end = table->names + table->names_size;

    while (length > 1 && (at = str_find(at, (size_t)(end - at), name, length))) {
        uint32_t offset = (uint32_t)(at - table->names);
        bool is_whole = at[-1] == '\0'; /* a NUL is in front of all names */
        for (uint32_t i = 0; is_whole && i < table->count; i++) {
            if (table->entries[i].name == offset) {
                describe(table, &table->entries[i], symbol);
                return true;
            }
        }
        at++;
    }
    return false;
}

void object_kallsyms_each(const struct object_kallsyms *table,
                          bool (*callback)(void *context, const struct object_kernel_symbol *symbol), void *context) {
    for (uint32_t i = 0; i < table->count; i++) {
        struct object_kernel_symbol symbol;
        describe(table, &table->entries[i], &symbol);
        if (!callback(context, &symbol))
            return;
    }
}

size_t object_kallsyms_memory(const struct object_kallsyms *table) {
    return sizeof *table + sizeof *table->entries * table->count + table->names_size +
           sizeof *table->modules * table->module_capacity;
}

/* Streaming. */

struct search {
    const char *const *names;
    uint64_t *addresses;
    uint32_t count, found;
};

static bool match_line(void *context, const struct line *line) {
    struct search *search = context;

    for (uint32_t i = 0; i < search->count; i++) {
        if (search->addresses[i] == 0 && line->address && object_text_equals(line->name, search->names[i])) {
            search->addresses[i] = line->address;
            search->found++;
        }
    }
    return search->found < search->count;
}

int object_kallsyms_find(const char *path, const char *const *names, uint32_t count, uint64_t *addresses) {
    struct search search = {names, addresses, count, 0};
    int fd = open(path ? path : "/proc/kallsyms", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    for (uint32_t i = 0; i < count; i++)
        addresses[i] = 0;
    int error = count ? each_line(fd, match_line, &search) : 0;
    close(fd);
    return error ? error : (int)search.found;
}
