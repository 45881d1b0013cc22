/* change.h: one of many changes of an index that are made together. */
#ifndef ADB_INDEX_CHANGE_H
#define ADB_INDEX_CHANGE_H

#include <stdint.h>

#include "armdb/types.h"

struct adb_change {
    armdb_slice key;
    uint64_t location; /* 0: the key is to be removed */
    const void *value; /* value_bytes long; NULL if there are no inline values, or it is removed */
    uint64_t old;      /* set: the location that the key had; 0: it was not there */
};

#endif
