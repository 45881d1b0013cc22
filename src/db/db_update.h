/*
 * db_update.h: changing a key by what it has: compare and swap, update by a callback, add.
 *
 * The value is read outside of the shard's lock; then, under the lock, it is enough to see that the
 * index still names the same record (docs/concurrency.md, "Changing what was read"). What has been
 * changed meanwhile is read again. Who loses several times reads under the lock, or, if a callback
 * decides, gets its turn: until it has come through, nobody else begins to update that key.
 *
 * Error returns are those of the public functions of the same name in <armdb/armdb.h>.
 *
 * Threads: any.
 */
#ifndef ADB_DB_DB_UPDATE_H
#define ADB_DB_DB_UPDATE_H

#include "armdb/armdb.h"
#include "base/attr.h"
#include "os/thread.h"

struct collection;

enum { DB_TURNS = 16 };

/** Turns of updates that have lost too often, for keys by their hash. */
struct db_turns {
    /* atomic, relaxed: how many wait for their turn, or have it; only says whether to look */
    _Atomic(uint32_t) n_losers;
    struct adb_mutex locks[DB_TURNS];
};

void adb_turns_init(struct db_turns *turns);
void adb_turns_fini(struct db_turns *turns);

/** What armdb_cas() is asked for. */
struct db_cas {
    armdb_slice key;
    armdb_slice expected; /* or armdb_absent() */
    armdb_slice desired;  /* or armdb_absent() */
};

ADB_MUST_USE armdb_err adb_db_cas(struct collection *collection, const struct db_cas *cas,
                                  const armdb_write_options *options, armdb_value *current_out);

/** What armdb_update() is asked for, and what of it is handed out. */
struct db_update {
    armdb_slice key;
    armdb_update_fn fn;
    void *context;
    armdb_value *old_out; /* may be NULL; empty */
    armdb_value *new_out; /* the same */
};

ADB_MUST_USE armdb_err adb_db_update(struct collection *collection, const struct db_update *update,
                                     const armdb_write_options *options);

/** What armdb_migrate() is asked for. */
struct db_migrate {
    armdb_update_fn fn;
    void *context;                        /* for it */
    const armdb_migrate_options *options; /* or NULL */
};

/** `progress_out` is not NULL. */
ADB_MUST_USE armdb_err adb_db_migrate(struct collection *collection, const struct db_migrate *what,
                                      armdb_migrate_progress *progress_out);

/** An addition to a number. */
struct adb_addition {
    int64_t delta;
    int64_t sum;
    unsigned char bytes[8]; /* of the sum, the lowest first */
};

/** Adds to a number of 1, 2, 4 or 8 bytes; of none: to 0. ARMDB_OVERFLOW is raised. */
ADB_MUST_USE ADB_NO_INLINE armdb_err adb_number_add(armdb_slice number, uint32_t width,
                                                    struct adb_addition *addition);

/** Whether the values of a collection are numbers: ARMDB_UNSUPPORTED is raised if not. */
ADB_MUST_USE ADB_NO_INLINE armdb_err
adb_collection_check_number(const struct collection *collection);

/** `sum_out` is not NULL. */
ADB_MUST_USE armdb_err adb_db_add(struct collection *collection, armdb_slice key, int64_t delta,
                                  const armdb_write_options *options, int64_t *sum_out);

#endif
