/* Control groups: ids to paths and back. An id is what bpf_get_current_cgroup_id() gives, which is the inode number of
 * the group's directory. */
#ifndef TARSIER_KERNEL_CGROUP_H
#define TARSIER_KERNEL_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

/* The id of the group at `path`, a directory below a mount of cgroup or cgroup2. -EINVAL: it is something else. */
int kernel_cgroup_id(const char *path, uint64_t *id);

/* Calls `found` for every hierarchy that is mounted and has a group of that id. `hierarchy` is "unified" for cgroup2,
 * else the last part of the mount's path ("cpu,cpuacct"); `path` begins with / at the hierarchy's root. */
typedef void kernel_cgroup_found(void *context, const char *hierarchy, const char *path);
int kernel_cgroup_paths(uint64_t id, kernel_cgroup_found *found, void *context);

#endif
