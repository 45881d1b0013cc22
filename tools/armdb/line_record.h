/* line_record.h: what the readers of both load formats make of one line. */
#ifndef LINE_RECORD_H
#define LINE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "armdb/types.h"

/** A key and its value, in the memory of the line. Columns count bytes, from 1. */
struct line_record {
    armdb_slice key;
    armdb_slice value;
    uint64_t deadline_ms; /* since the epoch; 0: none */
    size_t key_column;
    size_t value_column;
};

/** Why a line is none. */
struct line_problem {
    size_t column; /* bytes, from 1 */
    char text[160];
};

#endif
