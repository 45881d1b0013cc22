/*
 * db.h: a database: its shards, its collections, and what callers do with them. What src/api calls.
 *
 * Arguments have been checked for NULL and handles by the caller; everything else is checked here.
 * Error returns are those of the public functions of the same name in <armdb/armdb.h>.
 *
 * Threads: any, except where it says otherwise.
 */
#ifndef ADB_DB_DB_H
#define ADB_DB_DB_H

#include "armdb/armdb.h"
#include "base/attr.h"
#include "os/os.h"
#include "shard/shard.h"

/** Who is told of what a repair finds. */
struct repair_listener {
    armdb_finding_fn on_finding; /* may be NULL */
    void *context;
};

struct db;
struct collection;
struct cursor;
struct watch;

/* --------------------------------------------------------------- database */

/** As armdb_open(), on any operating system. `options` may be NULL. End it with adb_db_close(). */
ADB_MUST_USE armdb_err adb_db_open(struct adb_os *os, const char *path,
                                   const armdb_options *options, struct db **db_out);

/** As armdb_close(); says in `*is_closed_out` whether the database is gone. */
ADB_MUST_USE armdb_err adb_db_close(struct db *db, bool *is_closed_out);

/** Frees the database without writing anything, as if the process had been killed. For tests. */
void adb_db_abandon(struct db *db);

ADB_MUST_USE armdb_err adb_db_flush(struct db *db);
ADB_MUST_USE armdb_err adb_db_sync(struct db *db);

/** As armdb_set_cache_bytes(). */
ADB_MUST_USE armdb_err adb_db_set_cache_bytes(struct db *db, uint64_t cache_bytes);

/** Runs background jobs that are due now, in the calling thread: for systems without threads. */
void adb_db_step(struct db *db);

/** Makes the ticket of a write's options zero, if they have one; options of another version of the
 * struct are not touched. */
void adb_db_ticket_clear(const armdb_write_options *options);
ADB_MUST_USE armdb_err adb_db_ticket_wait(struct db *db, const armdb_ticket *tickets,
                                          size_t n_tickets);
ADB_MUST_USE armdb_err adb_db_ticket_poll(struct db *db, const armdb_ticket *ticket,
                                          bool *is_synced_out);

ADB_MUST_USE armdb_err adb_db_compact(struct db *db, const armdb_compact_options *options,
                                      armdb_compact_progress *progress_out);

/** As armdb_checkpoint(), on any operating system. */
ADB_MUST_USE armdb_err adb_db_checkpoint(struct db *db, const char *destination);

void adb_db_get_stats(struct db *db, armdb_stats *stats_out);
ADB_MUST_USE armdb_err adb_db_file_list(struct db *db, uint32_t shard, armdb_file_info *infos,
                                        size_t capacity, size_t *count_out);
ADB_MUST_USE armdb_err adb_db_get_shard_info(struct db *db, uint32_t shard,
                                             armdb_shard_info *info_out);

/** As armdb_verify(), on any operating system. */
ADB_MUST_USE armdb_err adb_db_verify(struct adb_os *os, const char *path, armdb_damage_fn on_damage,
                                     void *context, armdb_verify_report *report_out);

ADB_MUST_USE armdb_err adb_db_verify_open(struct db *db, armdb_damage_fn on_damage, void *context,
                                          armdb_verify_report *report_out);

/** As armdb_repair(), on any operating system. */
ADB_MUST_USE armdb_err adb_db_repair(struct adb_os *os, const char *path, const char *destination,
                                     const struct repair_listener *listener,
                                     armdb_repair_report *report_out);

/* ------------------------------------------------------------- collections
 *
 * A collection is owned by its database, and valid until that is closed, dropped or not. */

struct collection *adb_db_default(struct db *db);
ADB_MUST_USE armdb_err adb_collection_create(struct db *db, const char *name,
                                             const armdb_collection_options *options,
                                             struct collection **collection_out);
ADB_MUST_USE armdb_err adb_collection_open(struct db *db, const char *name,
                                           const armdb_collection_options *options,
                                           struct collection **collection_out);
ADB_MUST_USE armdb_err adb_collection_drop(struct db *db, const char *name);
void adb_collection_list(struct db *db, armdb_collection_info *infos, size_t capacity,
                         size_t *count_out);
ADB_MUST_USE armdb_err adb_collection_get_info(struct collection *collection,
                                               armdb_collection_info *info_out);

/** As armdb_hook_set(); the hook knows the collection as `handle`. */
ADB_MUST_USE armdb_err adb_collection_set_hook(struct collection *collection,
                                               armdb_collection *handle, const armdb_hook *hook);

/** As armdb_watch_open(); the reader knows the collection as `handle`. End it with
 * adb_watch_close(). */
ADB_MUST_USE armdb_err adb_watch_open(struct collection *collection, armdb_collection *handle,
                                      const armdb_watch_options *options, struct watch **watch_out);
void adb_watch_close(struct collection *collection, struct watch *watch);

/* ------------------------------------------------------ writing and reading */

ADB_MUST_USE armdb_err adb_db_write(struct collection *collection, enum shard_verb verb,
                                    armdb_slice key, armdb_slice value,
                                    const armdb_write_options *options);
ADB_MUST_USE armdb_err adb_db_get(struct collection *collection, armdb_slice key, void *buffer,
                                  size_t capacity, size_t *len_out);
ADB_MUST_USE armdb_err adb_db_get_value(struct collection *collection, armdb_slice key,
                                        armdb_value *value_out);
ADB_MUST_USE armdb_err adb_db_multi_get(struct collection *collection, armdb_read *reads,
                                        size_t n_reads);
ADB_MUST_USE armdb_err adb_db_contains(struct collection *collection, armdb_slice key,
                                       bool *found_out);
ADB_MUST_USE armdb_err adb_db_value_len(struct collection *collection, armdb_slice key,
                                        size_t *len_out);
ADB_MUST_USE armdb_err adb_db_deadline(struct collection *collection, armdb_slice key,
                                       uint64_t *deadline_ms_out);
ADB_MUST_USE armdb_err adb_db_count(struct collection *collection, uint64_t *count_out);
/** The first (or last) pair in the collection's order; either of the outputs may be NULL. */
ADB_MUST_USE armdb_err adb_db_end(struct collection *collection, bool is_last, armdb_value *key_out,
                                  armdb_value *value_out);

/** As armdb_object_get() and armdb_object_release(). */
ADB_MUST_USE armdb_err adb_db_object_get(struct collection *collection, armdb_slice key,
                                         armdb_object *object_out);
void adb_db_object_release(armdb_object *object);
/** As armdb_object_put() and armdb_object_insert(). */
ADB_MUST_USE armdb_err adb_db_object_write(struct collection *collection, enum shard_verb verb,
                                           armdb_slice key, void *user,
                                           const armdb_write_options *options);

/* ----------------------------------------------------------------- cursors */

enum cursor_move { CURSOR_NEXT, CURSOR_PREV, CURSOR_FIRST, CURSOR_LAST };

ADB_MUST_USE armdb_err adb_cursor_open(struct collection *collection,
                                       const armdb_cursor_options *options,
                                       struct cursor **cursor_out);
void adb_cursor_close(struct cursor *cursor);
ADB_MUST_USE armdb_err adb_cursor_move(struct cursor *cursor, enum cursor_move move);
ADB_MUST_USE armdb_err adb_cursor_seek(struct cursor *cursor, armdb_slice key);
armdb_slice adb_cursor_key(const struct cursor *cursor);
armdb_slice adb_cursor_value(const struct cursor *cursor);
size_t adb_cursor_value_len(const struct cursor *cursor);

/** As armdb_warm_up(). */
ADB_MUST_USE armdb_err adb_db_warm_up(struct collection *collection,
                                      const armdb_cursor_options *range,
                                      armdb_warm_up_fn on_progress, void *context);

#endif
