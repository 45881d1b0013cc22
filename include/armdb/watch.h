/*
 * armdb/watch.h: following the changes of a collection in a thread of one's own.
 *
 * A watch is a queue in memory, of a size that is chosen when it is opened. Writers put what they
 * change into it and go on; they never wait for who reads it, and do not know whether anybody does.
 * If there is no room, what is lost is counted, and told. To be told of each change, before the
 * write returns, is what a hook is for (hook.h). docs/hooks.md compares the two.
 *
 * Include <armdb/armdb.h>; it brings this header.
 *
 * Threads: one at a time for each watch; several watches at will.
 */
#ifndef ARMDB_WATCH_H
#define ARMDB_WATCH_H

#include "armdb/hook.h"
#include "armdb/options.h"

/** A queue of changes, opened by armdb_watch_open(), ended by armdb_watch_close(). */
typedef struct armdb_watch armdb_watch;

/** What a watch is to be told of; as the _INIT macro leaves it: all changes, with values. */
typedef struct armdb_watch_options {
    uint32_t struct_bytes; /* sizeof(armdb_watch_options); filled by the _INIT macro */
    uint32_t keys_only;    /* nonzero: no values */
    /* only keys that begin with these bytes; len 0: all. At most ARMDB_KEY_MAX; copied. */
    armdb_slice prefix;
    /* bytes of the queue, 4096..1073741824 (4 KiB..1 GiB); a change takes 40, key and value,
     * rounded up to 8. 0: 1048576 (1 MiB). */
    uint64_t capacity_bytes;
} armdb_watch_options;

#define ARMDB_WATCH_OPTIONS_INIT                                                                   \
    {                                                                                              \
        sizeof(armdb_watch_options), 0, {NULL, 0}, 0                                               \
    }

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Opens a watch. It is told of every change that is made after this call returned, and of none that
 * was made before it began.
 *
 * @param options    NULL: defaults.
 * @param watch_out  end it with armdb_watch_close() before closing the database.
 *
 * Returns:  ARMDB_OK; ARMDB_INVALID (an option out of range); ARMDB_NO_COLLECTION (dropped);
 *           ARMDB_NO_MEMORY.
 * Cost:     all writers stand still for a moment. From then on each write of the collection copies
 *           key and value into the queue of each watch, under the shard's lock.
 * Source:   docs/hooks.md.
 */
ARMDB_API armdb_err armdb_watch_open(armdb_collection *collection,
                                     const armdb_watch_options *options, armdb_watch **watch_out);

/**
 * Takes the next change out of the queue, or waits for one. The changes of a shard, and so of a
 * key, come in the order of their sequence numbers, each once; those of different shards in any.
 * The old value is never told. A change is in the queue when it can be seen; it may be lost in a
 * power cut later.
 *
 * Where changes were lost comes one of kind ARMDB_CHANGE_LOST: `lost` says how many, and who needs
 * to know them reads the collection anew.
 *
 * @param timeout_ms  how long to wait if there is none: milliseconds, 0 (not at all), or
 *                    ARMDB_NEVER (for ever).
 * @param change_out  filled; its bytes belong to the watch, and are valid until the next call.
 *
 * Returns:  ARMDB_OK; ARMDB_END (none has come within the time); ARMDB_NO_COLLECTION (it was
 *           dropped, and all its changes were taken).
 * Cost:     no copy, no system call unless it waits.
 */
ARMDB_API armdb_err armdb_watch_next(armdb_watch *watch, uint32_t timeout_ms,
                                     armdb_change *change_out);

/** Ends a watch, with what is in its queue. NULL is allowed. */
ARMDB_API void armdb_watch_close(armdb_watch *watch);

#ifdef __cplusplus
}
#endif

#endif
