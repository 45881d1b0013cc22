/* micro_subjects.h: the indexes that micro_index measures, behind one set of functions. */
#ifndef BENCH_MICRO_SUBJECTS_H
#define BENCH_MICRO_SUBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "armdb/types.h"

/** Called for each key of a walk. */
typedef void (*micro_visit_fn)(void *context, armdb_slice key, uint64_t location);

/** One kind of index. Locations are not 0. Whatever fails stops the program. */
struct micro_subject {
    const char *name;
    /** @param key_bytes  of all keys; 0: they differ in length. */
    void *(*open)(uint32_t key_bytes);
    void (*close)(void *index);
    /** What one thread needs in order to write. */
    void *(*begin_writing)(void *index);
    void (*end_writing)(void *index, void *writer);
    uint64_t (*put)(void *index, void *writer, armdb_slice key, uint64_t location);
    uint64_t (*get)(void *index, armdb_slice key);
    void (*get_batch)(void *index, const armdb_slice *keys, size_t n, uint64_t *locations_out);
    void (*walk)(void *index, micro_visit_fn visit, void *context);
    bool is_ordered; /* keys of a walk ascend */
    /** NULL if it cannot. */
    uint64_t (*remove)(void *index, armdb_slice key);
    uint64_t (*bytes)(void *index);
    /** What a database does in the background; says whether it should be done again soon. NULL if
     * there is nothing. */
    bool (*tend)(void *index);
};

/** All of them; the first is the one that the others are compared with. */
extern const struct micro_subject micro_subjects[];
extern const size_t micro_subjects_count;

#endif
