/*
 * log_search.h: finding the whole records in bytes that may be damaged anywhere.
 *
 * A record is whole if its checksum fits its place. Nothing else is asked: not the file's header,
 * nor what stands before or behind it, nor the order of sequence numbers. Behind a place without a
 * whole record the search goes on in steps of 8 bytes.
 *
 * Cost: one checksum of everything that is whole. Checksums that come to nothing cost at most 64
 * times the bytes that are searched, and 64 MiB; once that is spent, only records of up to 512
 * bytes are looked for behind damage. So the time is linear, whatever stands there.
 *
 * Threads: pure but for reading the file.
 */
#ifndef ADB_LOG_LOG_SEARCH_H
#define ADB_LOG_LOG_SEARCH_H

#include "log/log_format.h"
#include "os/os.h"

/** Where records are looked for: a data file, or a part of one in memory. */
struct log_search_place {
    struct adb_file *file;       /* borrowed; NULL: `memory` it is */
    const unsigned char *memory; /* borrowed; memory[0] stands for the file's offset `start` */
    uint64_t start;              /* where the first record may be: a multiple of 8 */
    uint64_t end;                /* behind the last byte */
    uint32_t seed;               /* of the data file: adb_log_file_seed() */
};

/** A record that was found; META ones are not handed out. */
struct log_search_record {
    struct log_record record;
    armdb_slice key;   /* borrowed for the call */
    armdb_slice value; /* the same */
    uint64_t offset;
};

/** Bytes without a whole record. */
struct log_search_gap {
    uint64_t offset;
    uint64_t bytes;
    uint64_t sequence_before; /* of the whole record in front of it; 0: there is none */
    uint64_t sequence_behind; /* of the one behind it; 0: there is none */
};

/** Who wants to know; not ARMDB_OK ends the search with it. Either may be NULL. */
struct log_search_events {
    armdb_err (*on_record)(void *context, const struct log_search_record *found);
    armdb_err (*on_gap)(void *context, const struct log_search_gap *gap);
    void *context; /* borrowed */
};

struct log_search_result {
    uint64_t records;          /* META ones not counted */
    uint64_t sequence;         /* of the last whole record, META or not; 0: there is none */
    bool is_sealed;            /* the last whole record is a SEAL */
    uint64_t unreadable_bytes; /* that the device could not read: taken as zeros */
    uint64_t first_unreadable; /* offset of the first of them */
};

/** Memory of a search, for many in turn. All zero to begin with. */
struct log_search {
    unsigned char *window; /* owned */
    size_t capacity;
    uint64_t base; /* file offset of window[0] */
    size_t filled; /* valid bytes of the window */
};

/** Frees the memory. */
void adb_log_search_fini(struct log_search *search);

/**
 * Finds all whole records, in the order of their offsets.
 *
 * Zeros behind the last one are no gap. The last gap has no record behind it.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY (no room for the largest record); what an event returned.
 *           Bytes that cannot be read are no error.
 */
ADB_MUST_USE armdb_err adb_log_search(struct log_search *search,
                                      const struct log_search_place *place,
                                      const struct log_search_events *events,
                                      struct log_search_result *result_out);

#endif
