#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

/* ------------------------------------------------------------------------------------- JSON */

static void
put_string(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text != 0; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', file);
        if ((unsigned char)*text >= 0x20)
            fputc(*text, file);
    }
    fputc('"', file);
}

static void
put_member(FILE *file, const char *name, const char *text)
{
    fprintf(file, "    \"%s\": ", name);
    put_string(file, text);
    fputs(",\n", file);
}

static void
put_engines(FILE *file)
{
    static const struct {
        uint32_t trait;
        const char *name;
    } traits[] = {{BENCH_ORDERED, "ordered"},   {BENCH_IN_PROCESS, "in-process"},
                  {BENCH_FLOOR, "floor"},       {BENCH_OURS, "ours"},
                  {BENCH_ANCESTOR, "ancestor"}, {BENCH_CONST_VALUES, "const-values"},
                  {BENCH_OBJECTS, "objects"}};
    size_t count;
    const struct bench_engine *const *engines = bench_engines(&count);
    fputs("  \"engines\": [\n", file);
    for (size_t i = 0; i < count; i++) {
        const char *comma = "";
        fputs("    {\"name\": ", file);
        put_string(file, engines[i]->name);
        fputs(", \"settings\": ", file);
        put_string(file, engines[i]->settings);
        fputs(", \"traits\": [", file);
        for (size_t k = 0; k < sizeof traits / sizeof traits[0]; k++) {
            if ((engines[i]->traits & traits[k].trait) != 0) {
                fprintf(file, "%s\"%s\"", comma, traits[k].name);
                comma = ", ";
            }
        }
        fprintf(file, "]}%s\n", i + 1 < count ? "," : "");
    }
    fputs("  ],\n  \"skipped\": [", file);
    for (const char *const *line = bench_engines_skipped(); *line != NULL; line++) {
        put_string(file, *line);
        fputs(line[1] != NULL ? ", " : "", file);
    }
    fputs("],\n", file);
}

/* The names of what put_row() writes. */
static const char columns[] =
    "[\"engine\", \"workload\", \"unit\", \"threads\", \"value_bytes\", \"repeat\", \"keys\", "
    "\"ops\", \"value\", \"p50_us\", \"p99_us\", \"p999_us\", \"max_us\"]";

static void
put_row(FILE *file, const struct bench_row *row)
{
    fprintf(file, "[\"%s\",\"%s\",\"%s\",%u,%u,%u,%llu,%llu,%.5g,%.4g,%.4g,%.4g,%.4g]", row->engine,
            row->workload, row->unit, row->threads, row->value_bytes, row->repeat,
            (unsigned long long)row->keys, (unsigned long long)row->ops, row->value, row->p50_us,
            row->p99_us, row->p999_us, row->max_us);
}

void
bench_report_json(const char *path, const struct bench_options *options,
                  const struct bench_machine *machine, const struct bench_results *results)
{
    FILE *file = fopen(path, "w");
    if (file == NULL)
        bench_die("cannot write %s", path);
    fputs("{\n  \"machine\": {\n", file);
    put_member(file, "cpu", machine->cpu);
    put_member(file, "kernel", machine->kernel);
    put_member(file, "file_system", machine->file_system);
    fprintf(file, "    \"cpus\": %u,\n    \"memory_bytes\": %llu\n  },\n  \"run\": {\n",
            machine->cpus, (unsigned long long)machine->memory_bytes);
    put_member(file, "date", machine->date);
    put_member(file, "commit", options->commit);
    put_member(file, "profile", options->profile);
    fprintf(file,
            "    \"keys\": %llu,\n    \"seconds\": %g,\n    \"repeats\": %u,\n"
            "    \"cache_bytes\": %llu\n  },\n",
            (unsigned long long)options->keys, options->seconds, options->repeats,
            (unsigned long long)options->cache_bytes);
    put_engines(file);
    fputs("  \"failures\": [", file);
    for (size_t i = 0; i < results->n_failures; i++) {
        fputs(i > 0 ? ", " : "", file);
        put_string(file, results->failures[i]);
    }
    fprintf(file, "],\n  \"columns\": %s,\n  \"rows\": [\n", columns);
    for (size_t i = 0; i < results->count; i++) {
        put_row(file, &results->rows[i]);
        fputs(i + 1 < results->count ? ",\n" : "\n", file);
    }
    fputs("  ]\n}\n", file);
    if (fclose(file) != 0)
        bench_die("cannot write %s", path);
}

/* ---------------------------------------------------------------------------------- medians */

static bool
is_same(const struct bench_row *a, const struct bench_row *b)
{
    return strcmp(a->engine, b->engine) == 0 && strcmp(a->workload, b->workload) == 0 &&
           a->threads == b->threads && a->value_bytes == b->value_bytes;
}

static int
by_value(const void *a, const void *b)
{
    const double x = ((const struct bench_row *)a)->value;
    const double y = ((const struct bench_row *)b)->value;
    return (x > y) - (x < y);
}

static void
print_median(struct bench_row *rows, size_t count)
{
    qsort(rows, count, sizeof rows[0], by_value);
    const struct bench_row *row = &rows[count / 2];
    printf("%-20s %5u B %2u T  %-14s %12.2f %-6s %12.2f ..%12.2f %10.2f %10.2f\n", row->workload,
           row->value_bytes, row->threads, row->engine, row->value, row->unit, rows[0].value,
           rows[count - 1].value, row->p50_us, row->p99_us);
}

void
bench_report_medians(const struct bench_results *results)
{
    struct bench_row *group = (struct bench_row *)bench_new((results->count + 1) * sizeof *group);
    bool *is_done = (bool *)bench_new(results->count + 1);
    printf("\n%-20s %7s %4s  %-14s %12s %-6s %12s   %12s %10s %10s\n", "workload", "value", "",
           "engine", "median", "", "least", "most", "p50 us", "p99 us");
    for (size_t i = 0; i < results->count; i++) {
        /* The first row of each workload brings all engines' rows of it, one below the other. */
        for (size_t k = i; k < results->count && !is_done[i]; k++) {
            const struct bench_row *first = &results->rows[k];
            size_t n = 0;
            if (is_done[k] || strcmp(first->workload, results->rows[i].workload) != 0 ||
                first->threads != results->rows[i].threads ||
                first->value_bytes != results->rows[i].value_bytes)
                continue;
            for (size_t j = k; j < results->count; j++) {
                if (is_same(first, &results->rows[j])) {
                    group[n++] = results->rows[j];
                    is_done[j] = j != i;
                }
            }
            print_median(group, n);
        }
        is_done[i] = true;
    }
    free(group);
    free(is_done);
}
