/*
 * cmd_load.c: load.
 *
 * Unless told otherwise, records are put at the level `buffered` and synced once at the end: a line
 * that says how many are loaded is printed only when they survive power loss.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "json_line.h"
#include "latency.h"
#include "line_reader.h"
#include "print.h"
#include "progress.h"
#include "report.h"
#include "session.h"
#include "tsv_line.h"

struct loader {
    struct session session;
    struct line_reader reader;
    struct progress progress;
    struct latency latency; /* of the puts */
    const char *input;      /* name of what is read, for people */
    int fd;
    bool is_json;
    armdb_write_options options;
    uint64_t acknowledge; /* records between two acknowledgements; 0: none */
    uint64_t records;     /* put so far */
    uint64_t bytes;       /* of keys and values in them */
};

/* ---------------------------------------------------------------------- failing */

/* Says that a line could not be loaded, and what became of those before it. */
static int
stop_at_line(struct loader *loader, int status, size_t column, const char *text)
{
    progress_clear(&loader->progress);
    const char *fate = armdb_sync(loader->session.db) == ARMDB_OK
                           ? "records before it are loaded"
                           : "records before it were put, but some may be lost";
    return report(status, "%s:%" PRIu64 ":%zu: %s; %" PRIu64 " %s (correct it, and load again)",
                  loader->input, loader->reader.line_number, column, text, loader->records, fate);
}

/* An error that is not the line's. */
static int
stop_at_error(struct loader *loader, armdb_err err)
{
    char more[128];
    armdb_error_detail detail;
    armdb_last_error(&detail);
    if (detail.code != err)
        detail = (armdb_error_detail){.code = err};
    progress_clear(&loader->progress);
    bool is_safe = armdb_sync(loader->session.db) == ARMDB_OK;
    snprintf(more, sizeof more, "; %" PRIu64 " records %s", loader->records,
             is_safe ? "are loaded" : "were put, but some may be lost");
    return report_detail(&detail, loader->session.path, more);
}

static int
stop_reading(struct loader *loader, enum line_result result)
{
    char text[96];
    const char *reason = strerror_r(errno, text, sizeof text);
    loader->reader.line_number++; /* the line that could not be read */
    switch (result) {
    case LINE_TOO_LONG:
        return stop_at_line(loader, STATUS_USAGE, 1, "a line longer than any record can be");
    case LINE_NO_MEMORY:
        return stop_at_line(loader, STATUS_IO, 1, "no memory for so long a line");
    case LINE_FAILED:
    case LINE_OK:
    case LINE_END:
        break;
    }
    return stop_at_line(loader, STATUS_IO, 1, reason);
}

/* --------------------------------------------------------------------- records */

static int
put_record(struct loader *loader, const struct line_record *record)
{
    loader->options.expires_at_ms = record->deadline_ms;
    uint64_t start_ns = latency_now_ns();
    armdb_err err = armdb_put(loader->session.collection, record->key, record->value,
                              &loader->options);
    uint64_t now_ns = latency_now_ns();
    bool is_of_value = err == ARMDB_TOO_BIG || err == ARMDB_VALUE_LENGTH;
    if (err == ARMDB_KEY_LENGTH || is_of_value) {
        armdb_error_detail detail;
        armdb_last_error(&detail);
        return stop_at_line(loader, STATUS_USAGE,
                            is_of_value ? record->value_column : record->key_column,
                            detail.message);
    }
    if (err != ARMDB_OK)
        return stop_at_error(loader, err);
    loader->records++;
    loader->bytes += record->key.len + record->value.len;
    latency_add(&loader->latency, now_ns - start_ns);
    progress_update(&loader->progress, loader->records, loader->reader.consumed_bytes, now_ns);
    return STATUS_DONE;
}

/* What an acknowledgement counts survives a kill of this process from then on. */
static int
acknowledge(struct loader *loader)
{
    armdb_err err = armdb_flush(loader->session.db);
    if (err != ARMDB_OK)
        return stop_at_error(loader, err);
    printf("acknowledged %" PRIu64 "\n", loader->records);
    fflush(stdout);
    return STATUS_DONE;
}

static int
load_line(struct loader *loader, unsigned char *line, size_t len)
{
    struct line_record record;
    struct line_problem problem;
    bool is_record = loader->is_json ? json_line_parse(line, len, &record, &problem)
                                     : tsv_line_parse(line, len, &record, &problem);
    if (!is_record)
        return stop_at_line(loader, STATUS_USAGE, problem.column, problem.text);
    int status = put_record(loader, &record);
    if (status == STATUS_DONE && loader->acknowledge > 0 &&
        loader->records % loader->acknowledge == 0)
        status = acknowledge(loader);
    return status;
}

static int
load_lines(struct loader *loader)
{
    for (;;) {
        unsigned char *line;
        size_t len;
        if (print_is_broken())
            return STATUS_DONE; /* reported at the end */
        enum line_result result = line_reader_next(&loader->reader, &line, &len);
        if (result == LINE_END)
            return STATUS_DONE;
        if (result != LINE_OK)
            return stop_reading(loader, result);
        int status = load_line(loader, line, len);
        if (status != STATUS_DONE)
            return status;
    }
}

/* ---------------------------------------------------------------------- whole */

static void
print_summary(const struct loader *loader, uint64_t took_ns)
{
    double seconds = took_ns > 0 ? (double)took_ns / 1e9 : 1e-9;
    printf("loaded %" PRIu64 " records, %" PRIu64 " bytes, in %.3f s: %.0f/s, %.1f MB/s; "
           "put p50 %.1f us, p99 %.1f us\n",
           loader->records, loader->bytes, seconds, (double)loader->records / seconds,
           (double)loader->bytes / 1e6 / seconds,
           (double)latency_percentile_ns(&loader->latency, 50) / 1e3,
           (double)latency_percentile_ns(&loader->latency, 99) / 1e3);
}

static int
load_input(struct loader *loader)
{
    struct stat info;
    bool is_file = fstat(loader->fd, &info) == 0 && S_ISREG(info.st_mode);
    uint64_t start_ns = latency_now_ns();
    line_reader_init(&loader->reader, loader->fd);
    progress_start(&loader->progress, is_file ? (uint64_t)info.st_size : 0, start_ns);
    int status = load_lines(loader);
    line_reader_fini(&loader->reader);
    if (status != STATUS_DONE)
        return status;
    armdb_err err = armdb_sync(loader->session.db);
    progress_clear(&loader->progress);
    if (err != ARMDB_OK) {
        status = report_library(err, loader->session.path);
        (void)report(status, "%" PRIu64 " records were put, but some may be lost: load again",
                     loader->records);
        return status;
    }
    print_summary(loader, latency_now_ns() - start_ns);
    return STATUS_DONE;
}

static int
open_input(struct loader *loader, const struct args *args)
{
    char text[96];
    loader->input = "standard input";
    loader->fd = STDIN_FILENO;
    if (args->n_positionals < 2)
        return STATUS_DONE;
    loader->input = args->positionals[1];
    loader->fd = open(loader->input, O_RDONLY | O_CLOEXEC);
    if (loader->fd >= 0)
        return STATUS_DONE;
    bool is_missing = errno == ENOENT || errno == ENOTDIR;
    return report(is_missing ? STATUS_NOT_THERE : STATUS_IO, "%s: %s (nothing was loaded)",
                  loader->input, strerror_r(errno, text, sizeof text));
}

int
cmd_load(const struct args *args)
{
    struct loader loader = {
        .is_json = args->number[OPTION_FORMAT] == FORMAT_JSONL,
        .options = {.struct_bytes = sizeof(armdb_write_options),
                    .durability = args_durability(args, ARMDB_BUFFERED)},
        .acknowledge = args->number[OPTION_ACKNOWLEDGE],
    };
    int status = open_input(&loader, args);
    if (status != STATUS_DONE)
        return status;
    status = session_make_collection(&loader.session, args);
    if (status == STATUS_DONE) {
        status = load_input(&loader);
        status = session_close(&loader.session, status);
    }
    if (loader.fd != STDIN_FILENO)
        close(loader.fd);
    return status;
}
