/* db_batch.h: batches: operations that are gathered, and then done together. Called by src/api. */
#ifndef ADB_DB_DB_BATCH_H
#define ADB_DB_DB_BATCH_H

#include "db/db.h"
#include "shard/shard_batch.h"

struct batch;

/** As armdb_batch_new(); end it with adb_db_batch_free(). */
ADB_MUST_USE armdb_err adb_db_batch_new(struct db *db, struct batch **batch_out);
void adb_db_batch_free(struct batch *batch);
void adb_db_batch_clear(struct batch *batch);
size_t adb_db_batch_count(const struct batch *batch, uint64_t *bytes_out);

/** What to add. Borrowed. */
struct batch_addition {
    struct collection *collection;
    armdb_slice key;
    bool is_write;
    enum shard_verb verb; /* of a write: SHARD_PUT or SHARD_DELETE */
    enum shard_condition condition;
    armdb_slice value; /* of a put; or what is expected */
    const armdb_write_options *options;
};

ADB_MUST_USE armdb_err adb_db_batch_add(struct batch *batch, const struct batch_addition *addition);

/** As armdb_commit(). */
ADB_MUST_USE armdb_err adb_db_batch_commit(struct batch *batch, const armdb_write_options *options,
                                           size_t *refused_out);

#endif
