/* model_batch.h: a batch, done by the engine and by the model, which must agree. */
#ifndef TEST_MODEL_MODEL_BATCH_H
#define TEST_MODEL_MODEL_BATCH_H

#include "db/db.h"
#include "model/gen_ops.h"
#include "model/model_kv.h"

/** Where a batch is done. All borrowed. */
struct model_batch {
    struct db *db;
    struct collection *const *opened; /* [GEN_COLLECTIONS]; NULL: not there */
    struct model_collection *models;  /* [GEN_COLLECTIONS] */
    struct gen *gen;
    unsigned char *value; /* GEN_VALUE_MAX */
    uint64_t file_bytes;  /* max_file_bytes; 0: what is the default */
    uint64_t now_ms;
    bool has_clock; /* of our own: deadlines may come soon */
};

/** Draws a batch over all collections and commits it, some of them twice. */
void model_batch(const struct model_batch *how);

#endif
