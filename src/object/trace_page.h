/* Pages of the kernel's trace buffers, as per_cpu/cpuN/trace_pipe_raw of tracefs gives them.
 *
 * Source of the format: Documentation/trace/ring-buffer-design.rst, events/header_page and events/header_event of
 * tracefs. On 64-bit machines:
 *
 *   u64 time       of the page; times of events are what is added to it one after the other
 *   u64 commit     bits 0-19: bytes of events that follow; bit 31: events were lost before this page; bit 30: their
 *                  number stands behind the last event, as a u64
 *   events         u32 head: bits 0-4 type, bits 5-31 time since the event before
 *                    type 1-28   4 * type bytes of record
 *                    type 0      u32 length of itself and the record
 *                    type 29     nothing: u32 length of itself and of what is skipped (time 0: the rest of the page)
 *                    type 30     u32 more bits of the time, above the 27 of the head
 *                    type 31     u32 more bits of the absolute time
 *   record         begins with u16 event id, u8 flags, u8 preemption count, s32 thread id
 *
 * Any byte may be wrong: a page that contradicts itself ends early, and is_damaged says so.
 */
#ifndef TARSIER_OBJECT_TRACE_PAGE_H
#define TARSIER_OBJECT_TRACE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum object_trace_flags { /* of a record */
                          OBJECT_TRACE_HARD_INTERRUPT = 0x08,
                          OBJECT_TRACE_SOFT_INTERRUPT = 0x10,
};

struct object_trace_page {
    const unsigned char *bytes;
    size_t end, at; /* of the events */
    uint64_t time;
    bool has_lost; /* events before this page */
    uint64_t lost; /* how many; 0: not told */
    bool is_damaged;
};

struct object_trace_record {
    uint64_t time; /* of the clock that trace_clock names */
    uint16_t event;
    uint8_t flags;
    int32_t thread;
    const unsigned char *bytes; /* the whole record, these first fields too; only as long as the page */
    size_t size;
};

/* False: no page (too short). */
bool object_trace_page_open(struct object_trace_page *page, const void *bytes, size_t size);
/* The next record; false at the end. */
bool object_trace_page_next(struct object_trace_page *page, struct object_trace_record *record);

#endif
