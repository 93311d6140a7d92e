#include "base/arena.h"

#include "base/sanitizer.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Blocks double from 16 KiB to 1 MiB, so a one-liner stays small and a large one needs few allocations. The address
 * sanitizer sees an overrun only at the end of a heap block, so there every allocation is a block of its own. */
enum {
    BLOCK_FIRST = IS_ADDRESS_SANITIZED ? 1 : 16 << 10,
    BLOCK_LARGEST = IS_ADDRESS_SANITIZED ? 1 : 1 << 20,
    ALIGNMENT = 16,
};

struct block {
    struct block *previous;
    size_t used, size;
    _Alignas(ALIGNMENT) char bytes[];
};

struct arena {
    struct block *last;
    size_t used, next_size;
};

_Noreturn void arena_out_of_memory(size_t size) {
    fprintf(stderr, "ERROR: out of memory: %zu bytes more were refused\n", size);
    exit(1);
}

struct arena *arena_new(void) {
    struct arena *arena = calloc(1, sizeof *arena);

    if (!arena)
        arena_out_of_memory(sizeof *arena);
    arena->next_size = BLOCK_FIRST;
    return arena;
}

void arena_free(struct arena *arena) {
    if (!arena)
        return;
    for (struct block *block = arena->last; block;) {
        struct block *previous = block->previous;
        free(block);
        block = previous;
    }
    free(arena);
}

static struct block *add_block(struct arena *arena, size_t least) {
    size_t size = least > arena->next_size ? least : arena->next_size;
    struct block *block = NULL;

    if (size <= SIZE_MAX - sizeof *block)
        block = calloc(1, sizeof *block + size);
    if (!block)
        arena_out_of_memory(size);
    block->size = size;
    block->previous = arena->last;
    arena->last = block;
    if (arena->next_size < BLOCK_LARGEST)
        arena->next_size *= 2;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size) {
    struct block *block = arena->last;

    if (size > SIZE_MAX - ALIGNMENT)
        arena_out_of_memory(size);
    if (!IS_ADDRESS_SANITIZED)
        size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (!block || block->size - block->used < size)
        block = add_block(arena, size);
    void *address = block->bytes + block->used;
    block->used += size;
    arena->used += size;
    return address;
}

void *arena_memdup(struct arena *arena, const void *bytes, size_t size) {
    void *copy = arena_alloc(arena, size);

    if (size)
        memcpy(copy, bytes, size);
    return copy;
}

char *arena_strndup(struct arena *arena, const char *text, size_t length) {
    char *copy = arena_alloc(arena, length + 1);

    if (length)
        memcpy(copy, text, length);
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text) { return arena_strndup(arena, text, strlen(text)); }

char *arena_printf(struct arena *arena, const char *format, ...) {
    va_list args;

    va_start(args, format);
    char *text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args) {
    char first[256]; /* most texts fit and are formatted once */
    va_list again;

    va_copy(again, args);
    int length = vsnprintf(first, sizeof first, format, args);
    char *text = arena_alloc(arena, length < 0 ? 1 : (size_t)length + 1);
    if (length >= (int)sizeof first)
        vsnprintf(text, (size_t)length + 1, format, again);
    else if (length > 0)
        memcpy(text, first, (size_t)length);
    va_end(again);
    return text;
}

size_t arena_used(const struct arena *arena) { return arena->used; }
