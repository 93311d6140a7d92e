#include "object/elf_file.h"

#include "base/arena.h"
#include <stdlib.h>

enum { TABLE_SHIFT = 30, MOST_SYMBOLS = 1 << 24 };

static void load_table(struct object_elf *elf, uint32_t section_type, struct elf_table *table) {
    elf_load_sections(elf);
    for (uint32_t i = 1; i < elf->section_count && !table->count; i++) {
        const Elf64_Shdr *header = &elf->sections[i].header;
        if (header->sh_type != section_type || header->sh_entsize != sizeof *table->symbols ||
            header->sh_link >= elf->section_count || header->sh_size / sizeof *table->symbols > MOST_SYMBOLS)
            continue;
        const Elf64_Shdr *strings = &elf->sections[header->sh_link].header;
        table->symbols = elf_read(elf, header->sh_offset, header->sh_size);
        table->strings = elf_read(elf, strings->sh_offset, strings->sh_size);
        if (table->symbols && table->strings) {
            table->strings_size = strings->sh_size;
            table->count = (uint32_t)(header->sh_size / sizeof *table->symbols);
            return;
        }
        free(table->symbols);
        free(table->strings);
        table->symbols = NULL;
        table->strings = NULL;
    }
}

static struct elf_table *get_table(struct object_elf *elf, enum elf_table_kind kind) {
    struct elf_table *table = &elf->tables[kind];

    if (table->is_loaded)
        return table;
    if (kind == ELF_DEBUG) {
        if (elf->debug) {
            table->is_loaded = true;
            load_table(elf->debug, SHT_SYMTAB, table);
        }
        return table;
    }
    table->is_loaded = true;
    load_table(elf, kind == ELF_DYNAMIC ? SHT_DYNSYM : SHT_SYMTAB, table);
    return table;
}

void elf_free_symbols(struct object_elf *elf) {
    for (int i = 0; i < ELF_TABLES; i++) {
        free(elf->tables[i].symbols);
        free(elf->tables[i].strings);
    }
    free(elf->functions.places);
    free(elf->data.places);
}

static bool is_of_kind(const Elf64_Sym *symbol, uint32_t kinds) {
    unsigned type = ELF64_ST_TYPE(symbol->st_info);

    if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx == SHN_ABS || symbol->st_shndx == SHN_COMMON)
        return false;
    return ((type == STT_FUNC || type == STT_GNU_IFUNC) && kinds & OBJECT_FUNCTIONS) ||
           (type == STT_OBJECT && kinds & OBJECT_DATA);
}

static bool is_global(const Elf64_Sym *symbol) { return ELF64_ST_BIND(symbol->st_info) != STB_LOCAL; }

static const char *name_of(const struct elf_table *table, const Elf64_Sym *symbol) {
    return symbol->st_name < table->strings_size ? table->strings + symbol->st_name : "";
}

static void describe(const struct object_elf *elf, const struct elf_table *table, const Elf64_Sym *symbol,
                     struct object_symbol *out) {
    *out = (struct object_symbol){
        .name = name_of(table, symbol),
        .address = symbol->st_value,
        .size = symbol->st_size,
        .is_function = ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT,
        .is_ifunc = ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC,
        .is_global = is_global(symbol),
    };
    /* "@" cannot begin a version without a name in front of it */
    out->name_length = *out->name ? (uint32_t)(1 + strcspn(out->name + 1, "@")) : 0;
    if (!object_elf_offset_of(elf, out->address, &out->file_offset))
        out->file_offset = UINT64_MAX;
}

/* By name. */

/* A dynamic symbol may exist once per version; programs linked today get the one that is not hidden. */
static bool is_old_version(struct object_elf *elf, enum elf_table_kind kind, uint32_t index) {
    enum { VERSION_HIDDEN = 0x8000 };
    size_t size;
    const uint8_t *versions = kind == ELF_DYNAMIC ? object_elf_section(elf, ".gnu.version", &size, NULL) : NULL;

    return versions && object_fits(size, 2 * (uint64_t)index, 2) && object_u16(versions + 2 * index) & VERSION_HIDDEN;
}

/* "name@VERSION" is the old one, "name@@VERSION" the one of today. */
static bool has_old_version(const char *version) { return version[0] == '@' && version[1] != '@'; }

static bool has_name(const struct elf_table *table, const Elf64_Sym *symbol, const char *name, size_t length) {
    if (!object_fits(table->strings_size, symbol->st_name, length))
        return false;
    const char *text = table->strings + symbol->st_name; /* a NUL follows the table */
    return (text[length] == '\0' || text[length] == '@') && memcmp(text, name, length) == 0;
}

bool object_elf_find(struct object_elf *elf, uint32_t kinds, const char *name, struct object_symbol *symbol) {
    const struct elf_table *other_table = NULL;
    const Elf64_Sym *other = NULL; /* local, or of an old version */
    size_t length = strlen(name);

    if (length == 0)
        return false;
    for (int kind = 0; kind < ELF_TABLES; kind++) {
        const struct elf_table *table = get_table(elf, (enum elf_table_kind)kind);
        for (uint32_t i = 0; i < table->count; i++) {
            const Elf64_Sym *candidate = &table->symbols[i];
            if (!has_name(table, candidate, name, length) || !is_of_kind(candidate, kinds))
                continue;
            if (is_global(candidate) && !is_old_version(elf, (enum elf_table_kind)kind, i) &&
                !has_old_version(table->strings + candidate->st_name + length)) {
                describe(elf, table, candidate, symbol);
                return true;
            }
            if (!other || (is_global(candidate) && !is_global(other))) {
                other = candidate;
                other_table = table;
            }
        }
    }
    if (other)
        describe(elf, other_table, other, symbol);
    return other != NULL;
}

void object_elf_each(struct object_elf *elf, uint32_t kinds,
                     bool (*callback)(void *context, const struct object_symbol *symbol), void *context) {
    for (int kind = 0; kind < ELF_TABLES; kind++) {
        const struct elf_table *table = get_table(elf, (enum elf_table_kind)kind);
        for (uint32_t i = 0; i < table->count; i++) {
            struct object_symbol symbol;
            if (!is_of_kind(&table->symbols[i], kinds))
                continue;
            describe(elf, table, &table->symbols[i], &symbol);
            if (symbol.name_length && !callback(context, &symbol))
                return;
        }
    }
}

/* By address. */

static const Elf64_Sym *symbol_of(const struct object_elf *elf, const struct elf_place *place) {
    return &elf->tables[place->symbol >> TABLE_SHIFT].symbols[place->symbol & ((1u << TABLE_SHIFT) - 1)];
}

/* By address; at one address the preferred first: global before local, sized before unsized. */
static int compare_places(const void *left, const void *right, void *context) {
    const struct elf_place *a = left, *b = right;

    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    bool global_a = is_global(symbol_of(context, a)), global_b = is_global(symbol_of(context, b));
    if (global_a != global_b)
        return global_a ? -1 : 1;
    if (!a->size != !b->size)
        return a->size ? -1 : 1;
    return a->symbol < b->symbol ? -1 : a->symbol > b->symbol;
}

static void add_places(struct object_elf *elf, uint32_t kind, struct elf_index *index) {
    for (uint32_t t = 0; t < ELF_TABLES; t++) {
        const struct elf_table *table = &elf->tables[t];
        for (uint32_t i = 0; i < table->count; i++) {
            const Elf64_Sym *symbol = &table->symbols[i];
            if (is_of_kind(symbol, kind) && *name_of(table, symbol))
                index->places[index->count++] = (struct elf_place){
                    symbol->st_value, symbol->st_size > UINT32_MAX ? UINT32_MAX : (uint32_t)symbol->st_size,
                    t << TABLE_SHIFT | i};
        }
    }
}

static void build_index(struct object_elf *elf, uint32_t kind, struct elf_index *index) {
    size_t most = 0;
    uint32_t kept = 0;

    index->is_built = true;
    for (int t = 0; t < ELF_TABLES; t++)
        most += get_table(elf, (enum elf_table_kind)t)->count;
    index->places = malloc(sizeof *index->places * (most ? most : 1));
    if (!index->places)
        arena_out_of_memory(sizeof *index->places * most);
    add_places(elf, kind, index);
    qsort_r(index->places, index->count, sizeof *index->places, compare_places, elf);
    for (uint32_t i = 0; i < index->count; i++)
        if (kept == 0 || index->places[kept - 1].address != index->places[i].address)
            index->places[kept++] = index->places[i];
    index->count = kept;
    struct elf_place *smaller = realloc(index->places, sizeof *index->places * (kept ? kept : 1));
    if (smaller)
        index->places = smaller;
}

/* A symbol without a size reaches to the next one, inside its segment. */
static bool covers(const struct object_elf *elf, const struct elf_place *place, bool is_nearest, uint64_t address) {
    if (place->size)
        return address - place->address < place->size;
    for (uint32_t i = 0; is_nearest && i < elf->segment_count; i++) {
        const struct object_segment *segment = &elf->segments[i];
        if (place->address >= segment->address && place->address - segment->address < segment->memory_size)
            return address - segment->address < segment->memory_size;
    }
    return false;
}

bool object_elf_symbol_at(struct object_elf *elf, uint32_t kind, uint64_t address, struct object_symbol *symbol) {
    enum { MOST_NESTED = 16 }; /* a symbol may lie inside of a larger one that begins before it */
    struct elf_index *index = kind == OBJECT_DATA ? &elf->data : &elf->functions;
    uint32_t low = 0;

    if (!index->is_built)
        build_index(elf, kind, index);
    for (uint32_t high = index->count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (index->places[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (uint32_t i = low; i > 0 && low - i < MOST_NESTED; i--) {
        const struct elf_place *place = &index->places[i - 1];
        if (covers(elf, place, i == low, address)) {
            describe(elf, &elf->tables[place->symbol >> TABLE_SHIFT], symbol_of(elf, place), symbol);
            return true;
        }
    }
    return false;
}
