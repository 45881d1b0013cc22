#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static const uint64_t PERIOD_NS = 100000000;

void
progress_start(struct progress *progress, uint64_t total_bytes, uint64_t now_ns)
{
    *progress = (struct progress){
        .is_shown = isatty(STDERR_FILENO) == 1,
        .total_bytes = total_bytes,
        .start_ns = now_ns,
        .next_ns = now_ns + PERIOD_NS,
    };
}

bool
progress_begin_line(struct progress *progress, uint64_t now_ns)
{
    if (!progress->is_shown || now_ns < progress->next_ns)
        return false;
    progress->is_on_screen = true;
    progress->next_ns = now_ns + PERIOD_NS;
    fputc('\r', stderr);
    return true;
}

void
progress_end_line(struct progress *progress)
{
    if (progress->is_on_screen)
        fputs("\033[K", stderr);
    fflush(stderr);
}

void
progress_update(struct progress *progress, uint64_t records, uint64_t bytes, uint64_t now_ns)
{
    if (!progress_begin_line(progress, now_ns))
        return;
    double seconds = (double)(now_ns - progress->start_ns) / 1e9;
    fprintf(stderr, "%" PRIu64 " records, %.0f/s, %.1f MB", records, (double)records / seconds,
            (double)bytes / 1e6);
    if (progress->total_bytes >= bytes && bytes > 0) {
        double left = seconds * (double)(progress->total_bytes - bytes) / (double)bytes;
        fprintf(stderr, " of %.1f MB, %.0f s left", (double)progress->total_bytes / 1e6, left);
    }
    progress_end_line(progress);
}

void
progress_clear(struct progress *progress)
{
    if (progress->is_on_screen)
        fputs("\r\033[K", stderr);
    progress->is_on_screen = false;
}
