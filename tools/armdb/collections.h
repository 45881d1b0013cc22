/* collections.h: what is known of the collections of an open database. */
#ifndef COLLECTIONS_H
#define COLLECTIONS_H

#include <stddef.h>

#include "session.h"

struct collections {
    armdb_collection_info *infos; /* owned: [count] */
    size_t count;
};

/**
 * Reads the list: all collections, or if --collection is given, that one. End it with
 * collections_fini(), also on failure.
 *
 * Returns: a status; a failure was reported, and the list is empty.
 */
int collections_read(struct collections *list, const struct session *session,
                     const struct args *args);

void collections_fini(struct collections *list);

/** "asc" or "desc". */
const char *collections_order(const armdb_collection_info *info);

#endif
