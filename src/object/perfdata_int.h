/* Shared by the files that read perf.data. */
#ifndef TARSIER_OBJECT_PERFDATA_INT_H
#define TARSIER_OBJECT_PERFDATA_INT_H

#include "base/hash.h"
#include "base/vec.h"
#include "object/perfdata.h"

/* Record types of perf itself (tools/lib/perf/include/perf/event.h). */
enum {
    PERFDATA_HEADER_ATTR = 64,
    PERFDATA_TRACING_DATA = 66,
    PERFDATA_BUILD_ID = 67,
    PERFDATA_AUXTRACE = 71,
    PERFDATA_EVENT_UPDATE = 78,
    PERFDATA_HEADER_FEATURE = 80,
    PERFDATA_COMPRESSED = 81,
    PERFDATA_COMPRESSED2 = 83,
};

/* Numbers of feature bits (tools/perf/util/header.h). */
enum { FEATURE_BUILD_ID = 2, FEATURE_HOST = 3, FEATURE_COMMAND = 11, FEATURE_EVENTS = 12, FEATURES = 256 };

struct object_perfdata {
    struct arena *arena;
    const uint8_t *bytes; /* of the file */
    uint64_t file_size, data_offset, data_size;
    VEC(struct object_perf_event) events;
    struct hash event_of_id; /* event number + 1 */
    VEC(struct object_perf_build_id) build_ids;
    struct hash build_id_of; /* path -> one of them */
    const char *host, *command;
};

/* Each takes the bytes of one part. Shorter ones than they should be add nothing. */
void perfdata_add_event(struct object_perfdata *data, const uint8_t *attribute, uint64_t size);
void perfdata_add_id(struct object_perfdata *data, uint32_t event, uint64_t id);
void perfdata_feature(struct object_perfdata *data, unsigned feature, const uint8_t *bytes, uint64_t size);
void perfdata_add_build_id(struct object_perfdata *data, uint16_t misc, const uint8_t *body, uint64_t size);

#endif
