/* cmd_backup.c: backup. */
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "report.h"
#include "session.h"

static void
print_summary(const armdb_stats *stats)
{
    printf("copied %" PRIu64 " keys in %" PRIu64 " collections, %" PRIu64 " bytes\n", stats->keys,
           stats->collections, stats->log_bytes);
}

int
cmd_backup(const struct args *args)
{
    struct session session;
    armdb_stats stats = {.struct_bytes = sizeof stats};
    int status = session_open_collection(&session, args);
    if (status != STATUS_DONE)
        return status;
    armdb_err err = armdb_checkpoint(session.db, args->positionals[1]);
    if (err == ARMDB_OK)
        err = armdb_get_stats(session.db, &stats);
    if (err == ARMDB_OK)
        print_summary(&stats);
    else
        status = report_library(err, args->positionals[1]);
    return session_close(&session, status);
}
