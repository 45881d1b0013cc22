/*
 * hint_build.h: from the records of a data file to the chunks of its hint: sorted by collection and
 * key (or its hash), and of each key the newest record only.
 *
 * What is sorted at once is bounded, so a large file of small records gives several segments.
 *
 * Threads: each by one thread at a time.
 */
#ifndef ADB_LOG_HINT_BUILD_H
#define ADB_LOG_HINT_BUILD_H

#include "log/hint_format.h"
#include "log/log_scan.h"

/** Takes a finished chunk, which is reused after the call. Not ARMDB_OK ends the building. */
typedef armdb_err (*adb_hint_chunk_fn)(void *context, struct hint_chunk *chunk);

struct hint_build {
    /* figures by now; after adb_hint_build_end() those of the header */
    uint64_t records;
    uint64_t dead_bytes;
    uint64_t tombstone_bytes;
    uint64_t group_bytes;
    uint32_t chunks;
    bool has_deadlines;
    /* inside */
    struct adb_key_sort *sort; /* owned; NULL: nothing was added yet */
    size_t sort_bytes;
    adb_hint_chunk_fn fn;
    void *context;
    bool begins_segment; /* the chunk is the first of one */
    struct hint_chunk chunk;
};

/** What there is to know of the collection of a record. */
struct hint_collection {
    bool is_variable; /* its keys have no fixed length */
    bool has_values;  /* they are in the index */
    bool is_hashed;   /* its keys have no order; their hash has the seed */
    uint64_t seed;
};

/**
 * A building; end it with adb_hint_build_free().
 *
 * @param data_bytes  of the data file, or more: says how much to sort at once.
 *
 * Returns:  NULL if there is no memory (raised).
 */
struct hint_build *adb_hint_build_new(uint64_t data_bytes, adb_hint_chunk_fn fn, void *context);

/**
 * Adds the next record of the file.
 *
 * @param collection  of the record; NULL: it was dropped.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY; what `fn` returned.
 */
ADB_MUST_USE armdb_err adb_hint_build_add(struct hint_build *build,
                                          const struct log_scan_record *found,
                                          const struct hint_collection *collection);

/** Hands out the last chunks. Returns as adb_hint_build_add(). */
ADB_MUST_USE armdb_err adb_hint_build_end(struct hint_build *build);

/** NULL is allowed. */
void adb_hint_build_free(struct hint_build *build);

#endif
