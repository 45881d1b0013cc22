/*
 * deadlines.h: how many bytes of a data file expire when, roughly: to know when it is worth reading
 * the file for keys that have expired.
 *
 * Bytes are counted in spans of time, from the moment on in which counting began: spans of 16 s at
 * first, further on of an eighth to a quarter of their distance. What has expired is what lies in
 * spans that have passed.
 *
 * Threads: one at a time.
 */
#ifndef ADB_LOG_DEADLINES_H
#define ADB_LOG_DEADLINES_H

#include <stdbool.h>
#include <stdint.h>

enum { DEADLINE_SPANS = 104 }; /* the last begins after 60 years */

/* All zero: nothing was counted. */
struct deadlines {
    bool is_unknown;                /* the file may have some that were not counted */
    uint64_t since_ms;              /* time of day when counting began */
    uint64_t earliest_ms;           /* of those counted; 0: none were */
    uint32_t spans[DEADLINE_SPANS]; /* units of 8 bytes */
};

/** Counts a record of `bytes` bytes. */
void adb_deadlines_count(struct deadlines *deadlines, uint64_t now_ms, uint64_t deadline_ms,
                         uint64_t bytes);

/** Counts what another has, which began in the same moment. */
void adb_deadlines_add(struct deadlines *deadlines, const struct deadlines *other);

/** Bytes of the records that have expired. */
uint64_t adb_deadlines_expired_bytes(const struct deadlines *deadlines, uint64_t now_ms);

/**
 * Whether a file of `file_bytes` is to be read for expired keys: once these have waited so long,
 * and are so many, that bytes times time are what the whole file is worth in a minute. So a file of
 * which all has expired is read after a minute, one of which a hundredth has after an hour or two,
 * and none more often than once a minute.
 */
bool adb_deadlines_are_due(const struct deadlines *deadlines, uint64_t now_ms, uint64_t file_bytes);

#endif
