/*
 * bench_main.c: armdb and its peers by the same workloads. bench/README.md says how and why.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine.h"
#include "report.h"

static void
print_list(void)
{
    size_t count;
    const struct bench_engine *const *engines = bench_engines(&count);
    printf("engines\n");
    for (size_t i = 0; i < count; i++)
        printf("  %-18s %s\n", engines[i]->name, engines[i]->settings);
    for (const char *const *line = bench_engines_skipped(); *line != NULL; line++)
        printf("  not built: %s\n", *line);
    const struct bench_workload *workloads = bench_workloads(&count);
    printf("workloads\n");
    for (size_t i = 0; i < count; i++)
        printf("  %-18s %s\n", workloads[i].name, workloads[i].what);
}

/* Every name in a list must be one that there is. */
static void
check_names(const struct bench_options *options)
{
    char name[BENCH_NAME_BYTES];
    size_t count;
    const struct bench_workload *workloads = bench_workloads(&count);
    const char *lists[] = {options->engines, options->workloads};
    for (size_t i = 0; i < 2; i++) {
        const char *text = lists[i] != NULL ? lists[i] : "";
        while (sscanf(text, "%31[^,]", name) == 1) {
            bool is_known = i == 0 && bench_engine_find(name) != NULL;
            for (size_t k = 0; i == 1 && k < count; k++)
                is_known = is_known || bench_options_has(name, workloads[k].name);
            if (!is_known)
                bench_die("%s: no such %s: see --list", name, i == 0 ? "engine" : "workload");
            while (*text != 0 && *text != ',')
                text++;
            text += *text == ',';
        }
    }
}

int
main(int argc, char **argv)
{
    struct bench_options options;
    struct bench_machine machine;
    struct bench_results results = {NULL, 0, 0, {{0}}, 0};
    bool is_done;
    bench_options_parse(argc, argv, &options);
    if (options.plugin != NULL && !bench_engines_add(options.plugin))
        return 1;
    if (options.is_list) {
        print_list();
        return 0;
    }
    check_names(&options);
    bench_machine_describe(options.directory, &machine);
    if (machine.is_memory_file_system)
        fprintf(stderr, "bench: %s is memory: what is synced there says nothing\n",
                options.directory);
    for (const char *const *line = bench_engines_skipped(); *line != NULL; line++)
        printf("bench: skipped, not built: %s\n", *line);
    bench_ticks_init();
    is_done = bench_run(&options, &results);
    bench_report_medians(&results);
    if (options.json != NULL)
        bench_report_json(options.json, &options, &machine, &results);
    free(results.rows);
    return is_done ? 0 : 1;
}
