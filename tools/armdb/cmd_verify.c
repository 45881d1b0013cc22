/* cmd_verify.c: verify. */
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "print.h"
#include "report.h"
#include "session.h"

static void
print_damage(void *context, const armdb_damage *damage)
{
    (void)context;
    printf("%s: offset %" PRIu64 ": %s", damage->file, damage->offset, damage->message);
    if (damage->collection != NULL) {
        printf(" (collection %s, key ", damage->collection);
        print_escaped(stdout, damage->key);
        putchar(')');
    }
    putchar('\n');
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

/* What a check says, and found. */
static int
report_found(const char *path, armdb_err err, const armdb_verify_report *found)
{
    if (err == ARMDB_OK || err == ARMDB_CORRUPT)
        print_summary(found);
    if (err == ARMDB_CORRUPT && found->damages > 0)
        return report(STATUS_DAMAGE, "%s: %" PRIu64 " damaged %s: put the files back from a copy",
                      path, found->damages, found->damages == 1 ? "place" : "places");
    return err == ARMDB_OK ? STATUS_DONE : report_library(err, path);
}

/* The check knows no collections: whether one is there is seen by opening the database. */
static int
find_collection(const struct args *args)
{
    struct session session;
    int status = session_open_collection(&session, args);
    return status == STATUS_DONE ? session_close(&session, status) : status;
}

static int
verify_open(const struct args *args)
{
    struct session session;
    armdb_verify_report found;
    int status = session_open_collection(&session, args);
    if (status != STATUS_DONE)
        return status;
    armdb_err err = armdb_verify_open(session.db, print_damage, NULL, &found);
    return session_close(&session, report_found(session.path, err, &found));
}

int
cmd_verify(const struct args *args)
{
    const char *path = args->positionals[0];
    armdb_verify_report found;
    if (args->is_set[OPTION_OPEN])
        return verify_open(args);
    armdb_err err = armdb_verify(path, print_damage, NULL, &found);
    int status = report_found(path, err, &found);
    if (status == STATUS_DONE && args->is_set[OPTION_COLLECTION])
        return find_collection(args);
    return status;
}
