/*
 * golden_ops.h: the operations that made the golden database, and its dump.
 *
 * Nothing here may change: it is what the files were made by. A new format version gets
 * operations of its own.
 */
#ifndef TEST_GOLDEN_OPS_H
#define TEST_GOLDEN_OPS_H

#include <stdio.h>

#include "db/db.h"
#include "support/os_sim.h"

#define GOLDEN_PATH "/golden"

/** The files of the golden database, below its directory; NULL ends the list. */
extern const char *const golden_files[];

enum golden_kind {
    GOLDEN_WRITES, /* v1, v2, v3 */
    GOLDEN_BATCHES /* v3-batches: among the writes are batches */
};

/** Writes the golden database into GOLDEN_PATH of an empty simulator, and closes it. */
void golden_write(struct sim *sim, enum golden_kind kind);

/** Writes all that is in a database as text: the same for the same contents. */
void golden_dump(struct db *db, FILE *to);

#endif
