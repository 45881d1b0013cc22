/*
 * recover_run.h: what recovery knows of a stretch of a log: its entries, sorted by collection and
 * key, in a hint or in memory; and walking through several stretches at once, in that order.
 *
 * Threads: runs may be read by any; a merge is used by one thread at a time.
 */
#ifndef ADB_SHARD_RECOVER_RUN_H
#define ADB_SHARD_RECOVER_RUN_H

#include "log/hint_build.h"
#include "log/hint_file.h"
#include "shard/shard_private.h"

/** Entries of one data file. */
struct recover_run {
    uint64_t hash_seed;             /* of collections without order */
    struct shard *shard;            /* borrowed; NULL where nothing is recovered */
    struct data_file *file;         /* borrowed: what they tell of */
    const struct hint_reader *hint; /* borrowed: where they are; NULL: in memory */
    unsigned char **chunks;         /* in memory: owned, each owned */
    uint32_t first;                 /* chunk of the hint */
    uint32_t count;                 /* of chunks */
};

/** Runs in the order of their log, and what they need. All zero but for the seed is empty. */
struct recover_runs {
    uint64_t hash_seed;      /* of collections without order */
    struct recover_run *run; /* owned */
    uint32_t count;
    uint32_t capacity;
    struct hint_reader **hints; /* owned, each owned */
    uint32_t n_hints;
    uint32_t hint_capacity;
    uint64_t memory_bytes; /* of chunks in memory */
};

/** Adds the segments of a hint, and owns it from now on, also after an error (ARMDB_NO_MEMORY). */
ADB_MUST_USE armdb_err adb_runs_add_hint(struct recover_runs *runs, struct shard *shard,
                                         struct data_file *file, struct hint_reader *hint);

/** Adds a copy of a chunk to those in memory, as the next of a file: to its last run, or, if a
 * segment begins with it, to a new one. ARMDB_NO_MEMORY is raised. */
ADB_MUST_USE armdb_err adb_runs_add_chunk(struct recover_runs *runs, struct shard *shard,
                                          struct data_file *file, const struct hint_chunk *chunk);

/** Takes all runs but the first `count` out. */
void adb_runs_shrink(struct recover_runs *runs, uint32_t count);

/** Frees everything, and leaves it empty; the seed stays. */
void adb_runs_clear(struct recover_runs *runs);

/* -------------------------------------------------------------------- merging */

/** A place in the order of entries. */
struct recover_place {
    uint32_t collection_id;
    uint64_t head;   /* see adb_recover_head() */
    armdb_slice key; /* borrowed */
};

/** Where a merge is in one run. */
struct recover_cursor {
    const struct recover_run *run; /* borrowed */
    uint32_t number;               /* of the run: of two entries of a key, the one of the run with
                                    * the larger number is the newer one */
    bool is_over;
    struct hint_entry entry; /* points into the chunk */
    uint64_t head;           /* of its key: see adb_recover_head() */
    /* inside */
    unsigned char *buffer; /* owned: the chunk, if it comes from a hint */
    struct hint_walk walk;
    uint32_t next_chunk;
};

struct recover_merge;

/**
 * Begins to walk through runs.
 *
 * @param runs       borrowed; of one shard, the older ones first.
 * @param from, to   NULL: from the start, to the end; else borrowed: not less than `from`, less
 *                   than `to`.
 * @param merge_out  end it with adb_merge_end(); NULL after an error.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY, ARMDB_IO, ARMDB_CORRUPT.
 */
ADB_MUST_USE armdb_err adb_merge_begin(const struct recover_run *const *runs, uint32_t n_runs,
                                       const struct recover_place *from,
                                       const struct recover_place *to,
                                       struct recover_merge **merge_out);

/** Where it stands: on the least of all entries, the oldest of these; NULL behind the last. */
const struct recover_cursor *adb_merge_current(const struct recover_merge *merge);

/** Goes to the next entry. Returns as adb_merge_begin(). */
ADB_MUST_USE armdb_err adb_merge_next(struct recover_merge *merge);

/** NULL is allowed. */
void adb_merge_end(struct recover_merge *merge);

/** What an entry comes by in the order of its collection, before its key: that key's hash, or its
 * first bytes as a number that compares like them. */
uint64_t adb_recover_head(const struct hint_entry *entry, uint64_t hash_seed);

/** The order of two entries: negative, 0 or positive. */
int adb_recover_compare(uint32_t a_collection, uint64_t a_head, armdb_slice a,
                        uint32_t b_collection, uint64_t b_head, armdb_slice b);

/**
 * The first entry of a chunk of a run.
 *
 * @param to          room for a chunk, if it has to be read.
 * @param place_out   points into it, or into the run.
 */
ADB_MUST_USE armdb_err adb_run_first(const struct recover_run *run, uint32_t chunk,
                                     unsigned char *to, struct recover_place *place_out);

#endif
