/*
 * armdb/options.h: everything that can be chosen, with units, defaults, ranges and what 0 means.
 *
 * Start each struct from its _INIT macro, which fills `struct_bytes` (by which the library knows
 * what header a program was built with) and leaves all else 0 = default.
 * Include <armdb/armdb.h>; it brings this header.
 */
#ifndef ARMDB_OPTIONS_H
#define ARMDB_OPTIONS_H

#include "armdb/types.h"

/** When a write returns, where are its bytes? 0 in options means "the default of the level
 * above". */
typedef enum armdb_durability {
    ARMDB_DURABILITY_DEFAULT = 0, /* per call: the database's level; per database: written */
    ARMDB_BUFFERED = 1,           /* in this process: a kill loses what was not flushed yet */
    ARMDB_WRITTEN = 2,            /* with the operating system: survives a kill of the process */
    ARMDB_SYNCED = 3              /* on the device: survives power loss */
} armdb_durability;

/** What armdb_open() does about a directory that holds a database already, or none yet. */
typedef enum armdb_open_mode {
    ARMDB_OPEN_OR_CREATE = 0, /* open it, or create it if the directory is missing or empty */
    ARMDB_OPEN_EXISTING = 1,  /* ARMDB_NO_DATABASE if there is none */
    ARMDB_CREATE_NEW = 2      /* ARMDB_EXISTS if there is one */
} armdb_open_mode;

/** Which way a collection runs, if it has an order. Keys are compared as unsigned bytes. */
typedef enum armdb_order {
    ARMDB_ORDER_DEFAULT = 0, /* on creation: ascending; on opening: whatever is stored */
    ARMDB_ASCENDING = 1,     /* the first key is the smallest */
    ARMDB_DESCENDING = 2,    /* the first key is the largest */
    /* a hashed index: less memory a key, faster by key; a cursor walks all keys in no order, and
     * whatever needs one (first, last, seek, ranges, prefixes, backwards) is ARMDB_UNSUPPORTED */
    ARMDB_UNORDERED = 3
} armdb_order;

/** How values that are in no memory of ours are read from data files. */
typedef enum armdb_io_mode {
    /* directly, where the file system can, once the data files are larger than both cache_bytes and
     * half of the machine's memory; else buffered: docs/reading.md has why */
    ARMDB_IO_AUTO = 0,
    ARMDB_IO_BUFFERED = 1, /* through the memory in which the system keeps what it read */
    /* past it, from the device, where the file system can; the newest file of each shard, and what
     * compaction reads, are buffered all the same. The system's memory is left to others. */
    ARMDB_IO_DIRECT = 2
} armdb_io_mode;

/** key_bytes of a collection whose keys have 1..ARMDB_KEY_MAX bytes, each its own length. */
#define ARMDB_KEY_VARIABLE UINT32_MAX
/** value_bytes of a collection whose values have 0..ARMDB_VALUE_MAX bytes, each its own length. */
#define ARMDB_VALUE_VARIABLE UINT32_MAX
/** value_bytes of a collection whose values have 0..ARMDB_VALUE_MAX bytes on disk, and are decoded
 * in memory: see object.h. */
#define ARMDB_VALUE_OBJECT (UINT32_MAX - 1)
/** schema_version of a program that reads collections of any. */
#define ARMDB_SCHEMA_ANY UINT32_MAX
/** An interval that never comes. */
#define ARMDB_NEVER UINT32_MAX
/** cache_bytes of a database without a block cache: each read of a value reads the file. */
#define ARMDB_CACHE_NONE UINT64_MAX

/** When the checksum of a record is looked at, if its value is read. Key and lengths always are. A
 * bad one is ARMDB_CORRUPT. What armdb_get() and cursors copy from a write buffer has not been away
 * from memory, and is not checked; compaction and verification check all they read. */
typedef enum armdb_verify_reads {
    ARMDB_VERIFY_DEFAULT = 0, /* always */
    ARMDB_VERIFY_ALWAYS = 1,  /* at each read: finds also what went wrong in the cache's memory */
    /* each time after it came from the file: records of 128 bytes and more that the block cache
     * holds in one block are checked once or twice, the others at each read */
    ARMDB_VERIFY_ON_MISS = 2,
    ARMDB_VERIFY_NEVER = 3 /* damage is handed out as it is */
} armdb_verify_reads;

/** How a collection is made; every field is fixed at its creation and stored, unless it says
 * otherwise. */
typedef struct armdb_collection_options {
    uint32_t struct_bytes; /* sizeof(armdb_collection_options); filled by the _INIT macro */
    /* bytes of each key: 1..256, or ARMDB_KEY_VARIABLE (1..1024, each its own length).
     * 0: on creation ARMDB_KEY_VARIABLE, on opening whatever is stored. */
    uint32_t key_bytes;
    armdb_order order; /* 0: on creation ascending, on opening whatever is stored */
    /* bytes of each value, 1..ARMDB_CONST_VALUE_MAX: then values are also kept in the index, and
     * reading one touches no file; or ARMDB_VALUE_VARIABLE (0..ARMDB_VALUE_MAX, each its own
     * length, in the log); or ARMDB_VALUE_OBJECT (the same, decoded in memory). 0: on creation
     * ARMDB_VALUE_VARIABLE, on opening whatever is stored. */
    uint32_t value_bytes;
    /* by which values are decoded, if value_bytes is ARMDB_VALUE_OBJECT: borrowed for the call, and
     * copied. NULL: they are bytes. Not stored: it may change at each open, once no more. */
    const armdb_codec *codec;
    /* the schema version that the program knows, 1..ARMDB_SCHEMA_VERSION_MAX; stored. On opening, a
     * collection of a lower one is brought to it (armdb_schema in armdb.h), one of a greater one is
     * ARMDB_MISMATCH. 0: the program knows of none, which is less than 1. ARMDB_SCHEMA_ANY: on
     * opening whatever is stored, on creation 0. The default collection has none. */
    uint32_t schema_version;
    /* the steps that lead to it, on opening: borrowed for the call. NULL: there are none. */
    const armdb_schema *schema;
} armdb_collection_options;

#define ARMDB_COLLECTION_OPTIONS_INIT                                                              \
    {                                                                                              \
        sizeof(armdb_collection_options), 0, ARMDB_ORDER_DEFAULT, 0, NULL, 0, NULL                 \
    }

/** How far opening a database has come. */
typedef struct armdb_open_progress {
    uint64_t log_bytes;     /* of all data files */
    uint64_t read_bytes;    /* of those of which is known by now what is in them */
    uint64_t indexed_bytes; /* of those whose keys are in the indexes */
} armdb_open_progress;

/** Called now and then while a database is opened, by one thread at a time, whichever. It may not
 * call the library. */
typedef void (*armdb_open_fn)(void *context, const armdb_open_progress *progress);

/** How a database is made (first part: fixed at creation and stored) and run (second part). */
typedef struct armdb_options {
    uint32_t struct_bytes; /* sizeof(armdb_options); filled by the _INIT macro */

    /* -- fixed at creation, stored; a different value later is ARMDB_MISMATCH -- */

    /* number of append-only logs, 1..256.
     * 0: on creation the number of online CPUs clamped to 1..16; on opening whatever is stored. */
    uint32_t shards;
    /* how many leading bits of a key choose its shard, 1..8192; keys that agree in them share a
     * shard, and a shorter key counts whole. 0: on creation all bits; on opening whatever is
     * stored. */
    uint32_t shard_prefix_bits;
    /* settings of the default collection */
    armdb_collection_options default_collection;

    /* -- may change at each open -- */

    armdb_open_mode open_mode;   /* 0: ARMDB_OPEN_OR_CREATE */
    armdb_durability durability; /* level of writes that do not name one; 0: ARMDB_WRITTEN */
    /* bytes after which a shard's log goes on in a new file at the latest (sooner as compaction
     * sees fit), 65536..4294967296 (64 KiB..4 GiB);
     * a record that is longer gets a file of its own. Each file holds a descriptor while the
     * database is open, two if it is read directly (and one more is needed at times).
     * 0: 268435456 (256 MiB). */
    uint64_t max_file_bytes;
    /* bytes of each shard's write buffer, 16384..67108864 (16 KiB..64 MiB), at most max_file_bytes.
     * A shard keeps two. 0: 1048576 (1 MiB), or max_file_bytes if that is less. */
    uint32_t write_buffer_bytes;
    /* milliseconds until buffered writes are handed to the operating system at the latest,
     * 1..3600000, or ARMDB_NEVER. 0: 100. */
    uint32_t flush_interval_ms;
    /* milliseconds until everything written is synced at the latest, 1..3600000, or ARMDB_NEVER.
     * 0: ARMDB_NEVER. */
    uint32_t sync_interval_ms;
    /* bytes of memory of the block cache, through which values are read, for all collections:
     * 1048576..1099511627776 (1 MiB..1 TiB), or ARMDB_CACHE_NONE. It is taken as blocks are read,
     * not at once; armdb_set_cache_bytes() changes it. 0: an eighth of the machine's memory,
     * 1 MiB..1 GiB. */
    uint64_t cache_bytes;
    /* percent of the log of a shard that must be garbage (dead values, tombstones that nothing
     * needs) before it is compacted in the background, 1..100, or ARMDB_NEVER. Less means less
     * space, and more bytes written. Writers that are faster wait a little (5 ms at most) now and
     * then, so that it does not come to a quarter more. 0: 24. */
    uint32_t compaction_percent;
    /* bytes that each thread which compacts reads a second at most, 1048576 (1 MiB) or more. 0: as
     * docs/compaction.md says: half of the time, all of it where there is more garbage. With a
     * limit no writer waits, and there may be any amount of garbage. */
    uint64_t compaction_bytes_per_second;
    armdb_open_fn on_open_progress;  /* or NULL */
    void *open_context;              /* for it */
    armdb_verify_reads verify_reads; /* 0: ARMDB_VERIFY_ALWAYS */
    armdb_io_mode io;                /* how data files are read; 0: ARMDB_IO_AUTO */
} armdb_options;

#define ARMDB_OPTIONS_INIT                                                                         \
    {                                                                                              \
        sizeof(armdb_options), 0, 0, ARMDB_COLLECTION_OPTIONS_INIT, ARMDB_OPEN_OR_CREATE,          \
            ARMDB_DURABILITY_DEFAULT, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, ARMDB_VERIFY_DEFAULT,       \
            ARMDB_IO_AUTO                                                                          \
    }

/** How far armdb_warm_up() has come. */
typedef struct armdb_warm_up_progress {
    uint64_t bytes;      /* that are to be in the block cache, in blocks of 4096 */
    uint64_t done_bytes; /* of these, by now */
} armdb_warm_up_progress;

/** Called now and then, without any lock. Not 0 stops: what is cached by then stays. */
typedef int (*armdb_warm_up_fn)(void *context, const armdb_warm_up_progress *progress);

/** How far armdb_compact() has come. */
typedef struct armdb_compact_progress {
    uint32_t shard;       /* at work in this one; they are compacted one after the other */
    uint32_t shards;      /* of so many */
    uint64_t read_bytes;  /* of data files, by now */
    uint64_t freed_bytes; /* of data files, by now */
} armdb_compact_progress;

/** Called now and then, without any lock. Not 0 stops: what is done by then stays done. */
typedef int (*armdb_compact_fn)(void *context, const armdb_compact_progress *progress);

/** What armdb_compact() does. */
typedef struct armdb_compact_options {
    uint32_t struct_bytes;        /* sizeof(armdb_compact_options); filled by the _INIT macro */
    uint32_t percent;             /* of a data file that must be garbage, 1..100. 0: 1. */
    armdb_compact_fn on_progress; /* or NULL */
    void *context;                /* for it */
} armdb_compact_options;

#define ARMDB_COMPACT_OPTIONS_INIT                                                                 \
    {                                                                                              \
        sizeof(armdb_compact_options), 0, NULL, NULL                                               \
    }

/** Stands for a write whose sync nobody has waited for yet; see armdb_ticket_wait(). Plain memory:
 * may be copied, and forgotten. All zero: nothing to wait for. */
typedef struct armdb_ticket {
    uint64_t sequence; /* of the write, in its shard */
    uint32_t shard;
    uint32_t reserved; /* 0 */
} armdb_ticket;

/** How one write is done. */
typedef struct armdb_write_options {
    uint32_t struct_bytes;       /* sizeof(armdb_write_options); filled by the _INIT macro */
    armdb_durability durability; /* 0: the database's level */
    /* NULL: a write at ARMDB_SYNCED returns when it is on the device. Else such a write returns at
     * once, and `*ticket` (borrowed for the call) is what to wait for; many writes can be on their
     * way to the device so. At other levels, and on error, `*ticket` is zeroed. */
    armdb_ticket *ticket;
    /* Until when the key is to be there, 0: for ever. From that moment on no read or walk meets it,
     * and some time later its memory and space are given back. At most one of the two is set.
     * Milliseconds since the epoch (1970-01-01 UTC); may have passed: then the key is not there. */
    uint64_t expires_at_ms;
    uint64_t ttl_ms; /* the same, in milliseconds from now on */
} armdb_write_options;

#define ARMDB_WRITE_OPTIONS_INIT                                                                   \
    {                                                                                              \
        sizeof(armdb_write_options), ARMDB_DURABILITY_DEFAULT, NULL, 0, 0                          \
    }

/** One end of a range. */
typedef enum armdb_bound_kind {
    ARMDB_UNBOUNDED = 0, /* the collection's own end; `key` is not looked at */
    ARMDB_INCLUDED = 1,
    ARMDB_EXCLUDED = 2
} armdb_bound_kind;

typedef struct armdb_bound {
    armdb_bound_kind kind; /* 0: ARMDB_UNBOUNDED */
    /* 1..ARMDB_KEY_MAX bytes, borrowed for the call; need not have the collection's key length */
    armdb_slice key;
} armdb_bound;

/** What a cursor walks over; as the _INIT macro leaves it: the whole collection with its values. */
typedef struct armdb_cursor_options {
    uint32_t struct_bytes; /* sizeof(armdb_cursor_options); filled by the _INIT macro */
    uint32_t keys_only;    /* nonzero: values are not read; 0: they are */
    armdb_bound from;      /* where a forward walk starts, in the collection's order */
    armdb_bound to;        /* where it stops; in a descending collection `to` is the smaller key */
    /* only keys that begin with these bytes; len 0: all. At most the (longest) key length of the
     * collection; borrowed for the call. Not together with `from` or `to`. */
    armdb_slice prefix;
} armdb_cursor_options;

#define ARMDB_CURSOR_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(armdb_cursor_options), 0, {ARMDB_UNBOUNDED, {NULL, 0}},                             \
            {ARMDB_UNBOUNDED, {NULL, 0}},                                                          \
        {                                                                                          \
            NULL, 0                                                                                \
        }                                                                                          \
    }

#endif
