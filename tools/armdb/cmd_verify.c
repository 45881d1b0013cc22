/* cmd_verify.c: verify. */
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "report.h"
#include "session.h"

static void
print_damage(void *context, const armdb_damage *damage)
{
    (void)context;
    printf("%s: offset %" PRIu64 ": %s\n", damage->file, damage->offset, damage->message);
}

static void
print_summary(const armdb_verify_report *report)
{
    printf("checked %" PRIu64 " files, %" PRIu64 " bytes, %" PRIu64 " records: ", report->files,
           report->bytes, report->records);
    if (report->damages == 0)
        fputs("no damage", stdout);
    else
        printf("%" PRIu64 " damaged %s", report->damages,
               report->damages == 1 ? "place" : "places");
    if (report->torn_bytes > 0)
        printf("; %" PRIu64 " bytes of incomplete records at the ends of logs, which the next open "
               "cuts off (no damage)",
               report->torn_bytes);
    putchar('\n');
}

/* The check knows no collections: whether one is there is seen by opening the database. */
static int
find_collection(const struct args *args)
{
    struct session session;
    int status = session_open_collection(&session, args);
    return status == STATUS_DONE ? session_close(&session, status) : status;
}

int
cmd_verify(const struct args *args)
{
    const char *path = args->positionals[0];
    armdb_verify_report found;
    armdb_err err = armdb_verify(path, print_damage, NULL, &found);
    if (err == ARMDB_OK || err == ARMDB_CORRUPT)
        print_summary(&found);
    if (err == ARMDB_CORRUPT && found.damages > 0)
        return report(STATUS_DAMAGE, "%s: %" PRIu64 " damaged %s: put the files back from a copy",
                      path, found.damages, found.damages == 1 ? "place" : "places");
    if (err != ARMDB_OK)
        return report_library(err, path);
    return args->is_set[OPTION_COLLECTION] ? find_collection(args) : STATUS_DONE;
}
