/* Our own file of a profile, ".tarsier": what view/profile_tarsier.c writes and profile/read_tarsier.c reads.
 *
 *   file    = magic (16 bytes), u32 version, u32 zero, block...
 *   block   = u32 kind, u32 size of what follows, u32 CRC-32 of kind, size and what follows, then:
 *
 *   STRINGS  count, {length, bytes}                     numbered on from 1; 0 is ""
 *   MODULES  count, {path, size of build id, bytes}     numbered on from 1; 0 is none
 *   FRAMES   count, {kind * 2 + inlined, name, module, address, offset, file, line}    on from 1
 *   NODES    count, {own number - parent's, frame}      on from 1; 0 is the root
 *   THREADS  count, {process, thread, name, name of the process}   on from 0
 *   SAMPLES  count, {thread * 2 + timed, node, cpu + 1 (0: not known), weight,
 *                    timed: time minus that of the timed sample before in this block, signed (bit 0 is the sign);
 *                    else: count}
 *   ABOUT    taken, lost, without_user, how many reasons, {count}, period, start, duration, cpus,
 *            {length, bytes} of event, unit, command, host.  The last one holds.
 *   END      nothing. Where it is missing, the file was not written to its end.
 *
 * Numbers in blocks are LEB128: 7 bits a byte, the lowest first, bit 7 set in all but the last. u32: little endian.
 *
 * The file only grows: new things come in new blocks, weights of samples without time add up. So it can be written
 * while samples come, and what a crash leaves is read up to the last whole block. Readers pass over kinds that they do
 * not know; a change that an old reader would misunderstand has a new version.
 */
#ifndef TARSIER_BASE_PROFILE_LAYOUT_H
#define TARSIER_BASE_PROFILE_LAYOUT_H

#define PROFILE_FILE_MAGIC "tarsier profile\n"
enum { PROFILE_FILE_MAGIC_SIZE = 16, PROFILE_FILE_HEADER = 24, PROFILE_FILE_VERSION = 1, PROFILE_BLOCK_HEADER = 12 };

enum profile_block {
    PROFILE_BLOCK_STRINGS = 1,
    PROFILE_BLOCK_MODULES,
    PROFILE_BLOCK_FRAMES,
    PROFILE_BLOCK_NODES,
    PROFILE_BLOCK_THREADS,
    PROFILE_BLOCK_SAMPLES,
    PROFILE_BLOCK_ABOUT,
    PROFILE_BLOCK_END,
};

#endif
