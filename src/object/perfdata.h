/* perf.data: what `perf record` wrote, as a row of records.
 *
 * Source of the format: tools/perf/Documentation/perf.data-file-format.txt and include/uapi/linux/perf_event.h of the
 * kernel. The parts of a file:
 *
 *     header      "PERFILE2", places of the other parts, bits of the features that are there
 *     attributes  one struct perf_event_attr for each event, with the ids that its samples bear
 *     data        records: {u32 type, u16 misc, u16 size} and a body
 *     features    behind the data, a section for each bit: host name, command line, build ids, names of events
 *
 * What went through a pipe (`perf record -o -`) has a header of 16 bytes, and attributes and features as records.
 *
 * A cursor walks over a part of the data, and several cursors (one a thread) may walk at the same time. Records are in
 * the order in which perf wrote them: each CPU's in order of time, the CPUs interleaved.
 *
 * The bytes are hostile: each size is checked, a record that does not fit ends the walk and is told (cut_at). Refused
 * with a reason: files of a machine with the other byte order, compressed ones (perf record -z).
 */
#ifndef TARSIER_OBJECT_PERFDATA_H
#define TARSIER_OBJECT_PERFDATA_H

#include "base/arena.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct object_perfdata;

/* One event that was recorded. */
struct object_perf_event {
    const char *name; /* as perf calls it, or "event 1" */
    uint32_t type;    /* PERF_TYPE_* */
    uint64_t config, sample_type, read_format, branch_sample_type, registers, period_or_frequency;
    uint32_t register_count;
    bool is_frequency, has_sample_id, has_ids; /* has_sample_id: the other records end with time, ids ... too */
};

/* Over the bytes of a file, which must stay; NULL and *error (a fixed text) when they are none. It lives in the arena.
 */
struct object_perfdata *object_perfdata_open(struct arena *arena, const uint8_t *bytes, uint64_t size,
                                             const char **error);

const struct object_perf_event *object_perfdata_events(const struct object_perfdata *data, uint32_t *count);
const char *object_perfdata_host(const struct object_perfdata *data);    /* "" not known */
const char *object_perfdata_command(const struct object_perfdata *data); /* the command line, words by blanks */
uint64_t object_perfdata_size(const struct object_perfdata *data);       /* bytes of the data */

/* The build id of a file or of "[kernel.kallsyms]", as perf found it; NULL not known. */
struct object_perf_build_id {
    const char *path;
    uint8_t bytes[20];
    uint8_t size;
};
const struct object_perf_build_id *object_perfdata_build_id(const struct object_perfdata *data, const char *path);

/* ---- records --------------------------------------------------------------------------------------------------- */

struct object_perf_record {
    uint32_t type; /* PERF_RECORD_*; from 64 on perf's own */
    uint16_t misc;
    const uint8_t *body; /* behind the 8 bytes */
    uint32_t size;       /* of the body */
    uint64_t at;         /* place of the record in the data */
};

/* Walks over the records that begin in [at, to) of the data; `at` is where a record begins. */
struct object_perf_cursor {
    const struct object_perfdata *data;
    uint64_t at, to;
    const char *cut; /* why the walk ended before its end, at `at`; NULL: it did not */
};
struct object_perf_cursor object_perf_cursor(const struct object_perfdata *data, uint64_t from, uint64_t to);
bool object_perf_next(struct object_perf_cursor *cursor, struct object_perf_record *record);

/* What PERF_RECORD_SAMPLE may hold; what was not recorded is 0. */
struct object_perf_sample {
    uint64_t ip, time, period, id, address;
    uint32_t pid, tid, cpu; /* cpu: UINT32_MAX not known */
    uint32_t event;         /* number of the event */
    const uint64_t *chain;  /* innermost first, with PERF_CONTEXT_* marks in between */
    uint64_t chain_count;
    const uint64_t *registers; /* of user mode, those of the event's mask in order of their bits */
    uint64_t register_abi;     /* 0: none (a kernel thread), 1: 32 bit, 2: 64 bit */
    const uint8_t *stack;      /* the bytes that are there, from the stack pointer up */
    uint64_t stack_size;
};
/* False: the record is shorter than it says. */
bool object_perf_sample(const struct object_perfdata *data, const struct object_perf_record *record,
                        struct object_perf_sample *sample);
/* Which event's sample it is. */
uint32_t object_perf_event_of(const struct object_perfdata *data, const struct object_perf_record *record);
/* The time at the end of another kernel record; 0 not known. */
uint64_t object_perf_time(const struct object_perfdata *data, const struct object_perf_record *record);

/* A mapping (PERF_RECORD_MMAP, MMAP2). */
struct object_perf_mapping {
    uint32_t pid, tid;
    uint64_t start, size, file_offset;
    const char *path; /* in the record */
    uint8_t build_id[20];
    uint8_t build_id_size; /* 0 not known */
    bool is_executable;
};
bool object_perf_mapping(const struct object_perf_record *record, struct object_perf_mapping *mapping);

#endif
