/*
 * watch.h: a bounded queue of changes between the writers of all shards and one reader.
 *
 * A ring of bytes. Writers append under the lock of their shard and that of the watch, which is
 * held for a copy and no longer; the reader looks at an entry in place, and gives its room back
 * when it asks for the next. So the bytes between the two ends never change. What finds no room is
 * counted, and the count is told at that place of the order.
 */
#ifndef ADB_SHARD_WATCH_H
#define ADB_SHARD_WATCH_H

#include "armdb/watch.h"
#include "base/attr.h"
#include "os/os.h"

struct watch;

/** Makes a watch; end it with adb_watch_free(). `options` were checked. ARMDB_NO_MEMORY is
 * raised. */
ADB_MUST_USE armdb_err adb_watch_new(struct adb_os *os, armdb_collection *collection,
                                     const armdb_watch_options *options, struct watch **watch_out);

/** Frees it; it is in no list. NULL is allowed. */
void adb_watch_free(struct watch *watch);

/* A list of watches: changed under the locks of all shards, read under one of them. */
void adb_watch_link(struct watch **list, struct watch *watch);
void adb_watch_unlink(struct watch **list, struct watch *watch);

/** Appends a change to the queue of each watch of a list that wants it. Cannot fail, waits for
 * nobody but others who do this. */
void adb_watches_add(struct watch *list, const armdb_change *change);

/** Says that nothing more will come. */
void adb_watches_end(struct watch *list);

/** As armdb_watch_next(). Where the system has no threads, it does not wait. */
ADB_MUST_USE armdb_err adb_watch_next(struct watch *watch, uint32_t timeout_ms,
                                      armdb_change *change_out);

#endif
