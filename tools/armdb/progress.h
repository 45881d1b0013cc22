/*
 * progress.h: a line on standard error that tells how far a long work is, where that is a terminal.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool is_shown;
    bool is_on_screen;
    uint64_t total_bytes; /* of the input; 0: not known */
    uint64_t start_ns;
    uint64_t next_ns; /* when the line is due again */
};

/** Starts the clock. Shows nothing if standard error is no terminal. */
void progress_start(struct progress *progress, uint64_t total_bytes, uint64_t now_ns);

/** Whether the line is due again; then print it to standard error, without a newline, and call
 * progress_end_line(). */
bool progress_begin_line(struct progress *progress, uint64_t now_ns);
void progress_end_line(struct progress *progress);

/** Renews the line of a load if it is due. */
void progress_update(struct progress *progress, uint64_t records, uint64_t bytes, uint64_t now_ns);

/** Removes the line. */
void progress_clear(struct progress *progress);

#endif
