/*
 * log_scan.h: reading a data file from front to end, and deciding how it ends.
 *
 * A file ends well at its size, or where nothing but zeros follows (space that was reserved). If a
 * record is not whole, the file is
 *   - torn, if it is the newest of its shard and nothing behind that place says that the place had
 *     been synced: a crash left it so, and it may be cut there;
 *   - damaged otherwise: a file that has a successor was synced before the successor began; and a
 *     MARK or SEAL further on that vouches for the place proves that it was whole once.
 * Sequence numbers of records have no gaps within a file that writers have filled; a gap is damage
 * too. Those of a copy (format.md) lie in its range.
 *
 * A GROUP says how far the part of a batch reaches that follows it. A scan hands out its records
 * like others; whether the whole part is there, adb_log_scan_is_in_part() tells at the end.
 *
 * A scan can stop at any record and go on later.
 *
 * Threads: pure but for reading the file.
 */
#ifndef ADB_LOG_LOG_SCAN_H
#define ADB_LOG_LOG_SCAN_H

#include "log/data_file.h"
#include "log/log_groups.h"

/** A record (META ones excepted) that the scan met: checked. */
struct log_scan_record {
    struct log_record record;
    armdb_slice key;            /* borrowed for the call */
    const unsigned char *value; /* the same; NULL if the record has LOG_SCAN_VALUE_MAX or more */
    uint64_t offset;
    uint64_t group_bytes; /* as in the result, in front of it */
};

enum { LOG_SCAN_VALUE_MAX = 65536 };

/** Takes a record; not ARMDB_OK ends the scan with it. */
typedef armdb_err (*adb_scan_fn)(void *context, const struct log_scan_record *found);

enum log_scan_end {
    LOG_SCAN_WHOLE,
    LOG_SCAN_TORN,   /* cut at `end` */
    LOG_SCAN_DAMAGED /* at `damaged_at`; nothing behind it was looked at but marks */
};

/** A part of a batch. */
struct log_scan_part {
    uint64_t at;       /* where its GROUP is */
    uint64_t end;      /* where it ends; 0: there is none */
    uint64_t last;     /* the sequence number of its last record */
    uint64_t sequence; /* as in the result, in front of it */
};

struct log_scan_result {
    enum log_scan_end how;
    uint64_t end;         /* behind the last whole record */
    uint64_t size;        /* of the file */
    uint64_t sequence;    /* of the last record; what it was before if there is none */
    uint64_t records;     /* META ones not counted */
    uint64_t group_bytes; /* of GROUPs */
    uint64_t marked;      /* as in struct data_file */
    uint64_t marked_at;
    bool is_newest;            /* as given */
    bool is_sealed;            /* the last record is a SEAL */
    bool has_records_behind;   /* torn: there are whole records behind the place */
    struct log_scan_part part; /* the last one that was met */
    uint64_t damaged_at;
    char message[128]; /* what the damage is */
};

/**
 * Scans a file.
 *
 * @param is_newest  whether it is the newest of its shard, so that its end may be torn.
 * @param sequence   newest sequence number before the file.
 *
 * Returns:  ARMDB_OK with `result_out` filled, damage included (nothing is raised for it);
 *           ARMDB_IO, ARMDB_NO_MEMORY; what `fn` returned.
 */
ADB_MUST_USE armdb_err adb_log_scan(struct data_file *file, bool is_newest, uint64_t sequence,
                                    adb_scan_fn fn, void *context,
                                    struct log_scan_result *result_out);

/** Goes on at the record where a scan has ended that found no damage: because `fn` stopped it, or
 * because the file ended there, and has grown since. */
ADB_MUST_USE armdb_err adb_log_scan_on(struct data_file *file, adb_scan_fn fn, void *context,
                                       struct log_scan_result *result);

/**
 * The same of a file that has not been written to, as if `bytes` stood in it from result->end on,
 * over what is there.
 */
ADB_MUST_USE armdb_err adb_log_scan_as_if(struct data_file *file, armdb_slice bytes, adb_scan_fn fn,
                                          void *context, struct log_scan_result *result);

/** Whether the last part of a batch is not there to its end. */
static inline bool
adb_log_scan_is_in_part(const struct log_scan_result *result)
{
    return result->end < result->part.end;
}

#endif
