/* cmd_repair.c: repair. */
#include <inttypes.h>
#include <stdio.h>

#include "armdb/armdb.h"
#include "commands.h"
#include "report.h"
#include "session.h"

static void
print_finding(void *context, const armdb_finding *finding)
{
    static const char *const words[] = {"", "lost", "ignored", "assumed"};
    (void)context;
    printf("%s: %s: ", words[finding->kind], finding->file);
    if (finding->bytes > 0)
        printf("%" PRIu64 " bytes at offset %" PRIu64 ": ", finding->bytes, finding->offset);
    puts(finding->message);
}

static void
print_summary(const armdb_repair_report *found)
{
    printf("read %" PRIu64 " files, %" PRIu64 " bytes, %" PRIu64 " whole records; saved %" PRIu64
           " keys in %" PRIu64 " collections: ",
           found->files, found->bytes, found->records, found->saved, found->collections);
    if (found->lost == 0)
        puts("nothing was lost");
    else
        printf("%" PRIu64 " damaged %s, %" PRIu64 " bytes\n", found->lost,
               found->lost == 1 ? "place" : "places", found->lost_bytes);
}

/* Which collections were saved is seen by opening the new database. */
static int
find_collection(const struct args *args)
{
    struct args of_destination = *args;
    struct session session;
    of_destination.positionals[0] = args->positionals[1];
    int status = session_open_collection(&session, &of_destination);
    return status == STATUS_DONE ? session_close(&session, status) : status;
}

int
cmd_repair(const struct args *args)
{
    const char *path = args->positionals[0];
    const char *destination = args->positionals[1];
    armdb_repair_report found;
    armdb_err err = armdb_repair(path, destination, print_finding, NULL, &found);
    if (err != ARMDB_OK)
        return report_library(err, path);
    print_summary(&found);
    int status = args->is_set[OPTION_COLLECTION] ? find_collection(args) : STATUS_DONE;
    if (status != STATUS_DONE || found.lost == 0)
        return status;
    return report(STATUS_DAMAGE,
                  "%s: %" PRIu64 " damaged %s: %s has what was whole, which may be older than what "
                  "was lost",
                  path, found.lost, found.lost == 1 ? "place" : "places", destination);
}
