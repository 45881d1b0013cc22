/*
 * repair_private.h: what the parts of a repair share. docs/recovery.md says what is done and why.
 *
 *   repair_source.c       what the source still has: files, manifest, database id
 *   repair_collections.c  which collections the new database gets
 *   db_repair.c           the search, and filling the new database
 *
 * Threads: one for a repair.
 */
#ifndef ADB_DB_REPAIR_PRIVATE_H
#define ADB_DB_REPAIR_PRIVATE_H

#include "db/db_private.h"
#include "log/log_search.h"

/** A data file of the source. */
struct repair_file {
    char *path; /* owned */
    /* The place in the log by which its records are checked; id 0: it is left out. */
    uint64_t file_id;
    uint32_t shard;
    bool has_header;                    /* whole, and of this place */
    bool is_aside;                      /* a second reading, of records that are of another place */
    enum log_header_state state;        /* of its header */
    struct log_file_header header;      /* if that is LOG_HEADER_OK */
    unsigned char raw[LOG_DB_ID_BYTES]; /* what stands where a header has the database id */
    uint64_t bytes;
    /* set by the survey */
    bool is_sealed;
    uint64_t last_sequence; /* of its last whole record, META or not */
    bool is_whole_copy;     /* a copy, with its header, its SEAL and nothing damaged between */
    bool is_replaced;       /* by such a copy */
};

enum repair_manifest {
    REPAIR_MANIFEST_WHOLE,
    REPAIR_MANIFEST_GUESSED, /* damaged: what still makes sense */
    REPAIR_MANIFEST_NONE     /* missing, or of another database */
};

struct repair_source {
    char *path;                 /* owned: absolute */
    struct adb_file *lock_file; /* owned; NULL: there is none */
    enum repair_manifest manifest_state;
    struct manifest manifest; /* owned; all zero if there is none */
    unsigned char db_id[LOG_DB_ID_BYTES];
    bool has_directory[ARMDB_SHARDS_MAX];
    bool has_buffer[ARMDB_SHARDS_MAX];
    uint32_t shards;           /* of the database, as far as that is known */
    uint32_t shards_end;       /* larger than the number of any shard that has something */
    struct repair_file *files; /* owned; by shard, then by id, the largest first */
    uint32_t file_count;
    uint32_t file_capacity;
};

/** A collection that the new database gets. */
struct repair_collection {
    struct manifest_collection stored;
    bool is_made_up;           /* no entry of a manifest tells of it */
    struct collection *target; /* borrowed from the new database */
    /* Of the shard at work: key -> sequence number of its newest record, times 2, plus 1 if that is
     * a tombstone. Owned. */
    struct adb_index newest;
    bool has_newest;
};

struct repair_collections {
    struct adb_pages *pages;        /* owned: of all indexes here */
    struct adb_spare spare;         /* of the same */
    struct repair_collection *list; /* owned */
    uint32_t count;
    uint32_t capacity;
    struct adb_index by_id;   /* id (4 bytes, big-endian) -> place in the list + 1 */
    struct adb_index by_name; /* names that are taken */
};

struct repair {
    struct adb_os *os;
    const struct repair_listener *listener;
    armdb_repair_report *report;
    struct repair_source source;
    struct repair_collections collections;
    struct log_search search;
    /* How the guessed manifest would route keys; until a record contradicts. */
    bool is_routing_right;
    struct router routing;
    /* the new database */
    const char *destination;
    bool is_begun;          /* something of it may be there */
    char *destination_path; /* owned: absolute; NULL until there is a directory */
    struct db *db;          /* NULL while closed */
};

/** Counts a finding and tells the listener of it. */
void adb_repair_note(struct repair *repair, armdb_finding finding, const char *format, ...)
    ADB_PRINTF(3, 4);

/* ------------------------------------------------------------ repair_source.c */

/**
 * Locks the source, lists it, and finds out what is known of it.
 *
 * Returns:  ARMDB_OK; ARMDB_BUSY; ARMDB_NO_DATABASE; ARMDB_CORRUPT (no database id fits anything);
 *           ARMDB_FORMAT; ARMDB_IO, ARMDB_NO_MEMORY. In all cases end it with the next one.
 */
ADB_MUST_USE armdb_err adb_repair_source_open(struct repair *repair);

void adb_repair_source_close(struct repair *repair);

/** The seed of the checksums of a data file of the source. */
uint32_t adb_repair_seed(const struct repair *repair, uint32_t shard, uint64_t file_id);

/* ------------------------------------------------------- repair_collections.c */

/** Takes the collections of the manifest. End with adb_repair_collections_fini(), also after an
 * error. */
ADB_MUST_USE armdb_err adb_repair_collections_init(struct repair *repair);
void adb_repair_collections_fini(struct repair *repair);

/** The collection of an id; NULL if it was dropped. */
struct repair_collection *adb_repair_collection_find(const struct repair *repair, uint32_t id);

/** Takes note of a record: makes a collection for it if there is none and none was dropped, and
 * makes its collection one that such a record can be in. ARMDB_NO_MEMORY is raised. */
ADB_MUST_USE armdb_err adb_repair_collections_survey(struct repair *repair,
                                                     const struct log_search_record *found);

/** Gives names to those that have none. Afterwards nothing is added. */
ADB_MUST_USE armdb_err adb_repair_collections_settle(struct repair *repair);

/** Puts them in place of the collections of a manifest. ARMDB_NO_MEMORY is raised. */
ADB_MUST_USE armdb_err adb_repair_collections_describe(const struct repair *repair,
                                                       struct manifest *manifest);

#endif
