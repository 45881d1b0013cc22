/* cmd_compact.c: compact. */
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "latency.h"
#include "progress.h"
#include "report.h"
#include "session.h"

/* An armdb_compact_fn. */
static int
show_progress(void *context, const armdb_compact_progress *done)
{
    struct progress *progress = (struct progress *)context;
    if (progress_begin_line(progress, latency_now_ns())) {
        fprintf(stderr, "shard %" PRIu32 " of %" PRIu32 ", %.1f MB read, %.1f MB freed",
                done->shard + 1, done->shards, (double)done->read_bytes / 1e6,
                (double)done->freed_bytes / 1e6);
        progress_end_line(progress);
    }
    return 0;
}

int
cmd_compact(const struct args *args)
{
    struct session session;
    struct progress progress;
    armdb_compact_options options = ARMDB_COMPACT_OPTIONS_INIT;
    armdb_compact_progress done;
    int status = session_open_collection(&session, args);
    if (status != STATUS_DONE)
        return status;
    progress_start(&progress, 0, latency_now_ns());
    options.percent = (uint32_t)args->number[OPTION_PERCENT];
    options.on_progress = show_progress;
    options.context = &progress;
    armdb_err err = armdb_compact(session.db, &options, &done);
    progress_clear(&progress);
    if (err != ARMDB_OK)
        status = report_library(err, session.path);
    printf("read %" PRIu64 " bytes of data files, freed %" PRIu64 " bytes\n", done.read_bytes,
           done.freed_bytes);
    return session_close(&session, status);
}
