/* Files inside of zip archives (APK files hold libraries so): where an entry's bytes are.
 *
 * Source of the format: PKWARE's APPNOTE.TXT. At the end of the archive is a record that tells where the central
 * directory is; its entries tell the names and where the local headers are; behind a local header the bytes begin. Only
 * entries that are stored, not compressed, can be mapped by a process and so be probed. Archives with ZIP64 records
 * (over 4 GB or 65,535 entries) are refused. */
#ifndef TARSIER_OBJECT_ZIP_H
#define TARSIER_OBJECT_ZIP_H

#include <stddef.h>
#include <stdint.h>

struct object_zip_entry {
    uint64_t offset, size; /* of the bytes in the archive */
};

/* Finds an entry by its full name; NULL, or a fixed text that says why not. */
const char *object_zip_find(const char *path, const char *name, struct object_zip_entry *entry);
/* The same over bytes. */
const char *object_zip_find_in(const void *bytes, size_t size, const char *name, struct object_zip_entry *entry);

#endif
