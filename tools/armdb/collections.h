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

enum { COLLECTIONS_TEXT_BYTES = 24 };

/** Key length: a number, or "variable". In a buffer of COLLECTIONS_TEXT_BYTES. */
const char *collections_key_size(const armdb_collection_info *info, char *text);

/** "var", "object" or "const:N". In a buffer of COLLECTIONS_TEXT_BYTES. */
const char *collections_value(const armdb_collection_info *info, char *text);

/** "asc", "desc" or "map". */
const char *collections_order(const armdb_collection_info *info);

#endif
