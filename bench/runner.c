#include "runner.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine.h"
#include "process.h"
#include "sets.h"

typedef enum stage { STAGE_RUN, STAGE_KILLED, STAGE_RECOVERY } stage;

static char scratch[4096];
static volatile sig_atomic_t is_interrupted;

static void
on_signal(int number)
{
    (void)number;
    is_interrupted = 1;
}

static void
keep_row(struct bench_results *results, const struct bench_row *row)
{
    if (results->count == results->capacity) {
        results->capacity = results->capacity == 0 ? 1024 : results->capacity * 2;
        results->rows = (struct bench_row *)realloc(results->rows,
                                                    results->capacity * sizeof *results->rows);
        if (results->rows == NULL)
            bench_die("out of memory");
    }
    results->rows[results->count++] = *row;
}

static void
print_row(const struct bench_row *row)
{
    printf("%u  %-14s %-20s %5u B %2u T  ", row->repeat + 1, row->engine, row->workload,
           row->value_bytes, row->threads);
    if (strcmp(row->unit, "ops/s") == 0)
        printf("%11.0f/s  p50 %9.2f  p99 %9.2f  p99.9 %9.2f  max %10.1f us\n", row->value,
               row->p50_us, row->p99_us, row->p999_us, row->max_us);
    else
        printf("%11.2f %s\n", row->value, row->unit);
    (void)fflush(stdout);
}

static void
collect(int in, struct bench_results *results)
{
    struct bench_row row;
    size_t have = 0;
    ssize_t got;
    while ((got = read(in, (char *)&row + have, sizeof row - have)) != 0) {
        if (got < 0)
            continue;
        have += (size_t)got;
        if (have == sizeof row) {
            keep_row(results, &row);
            print_row(&row);
            have = 0;
        }
    }
}

static _Noreturn void
work(struct bench_turn *turn, stage stage_, int out)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)alarm(turn->options->limit_seconds);
    bench_set_name(turn->engine->name);
    turn->out = out;
    if (stage_ == STAGE_RUN)
        bench_turn_run(turn);
    else if (stage_ == STAGE_KILLED)
        bench_turn_run_killed(turn);
    else
        bench_turn_run_recovery(turn);
    /* Not exit(): the buffers of standard output are the parent's. */
    _Exit(0);
}

/* Runs a stage in a process of its own. Returns whether it ended as it should. */
static bool
run_stage(struct bench_turn *turn, stage stage_, struct bench_results *results)
{
    int ends[2], status = 0;
    pid_t child;
    bench_memory_warm((size_t)turn->options->warm_mib << 20);
    if (pipe2(ends, O_CLOEXEC) != 0)
        bench_die("no pipe");
    (void)fflush(stdout);
    child = fork();
    if (child < 0)
        bench_die("no process");
    if (child == 0)
        work(turn, stage_, ends[1]);
    (void)close(ends[1]);
    collect(ends[0], results);
    (void)close(ends[0]);
    while (waitpid(child, &status, 0) < 0 && is_interrupted == 0)
        continue;
    if (stage_ == STAGE_KILLED)
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool
wants_open(const struct bench_turn *turn)
{
    size_t count;
    const struct bench_workload *workloads = bench_workloads(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(workloads[i].name, "open") == 0)
            return bench_turn_has(turn, &workloads[i]);
    }
    return false;
}

/* One engine's turn, in a fresh directory. */
static bool
take_turn(struct bench_turn *turn, struct bench_results *results)
{
    char directory[4200];
    const uint64_t start = bench_now_ns();
    bool is_done;
    snprintf(directory, sizeof directory, "%s/%s", scratch, turn->engine->name);
    turn->directory = directory;
    if (mkdir(directory, 0755) != 0)
        bench_die("cannot make %s", directory);
    is_done = run_stage(turn, STAGE_RUN, results);
    if (is_done && wants_open(turn))
        is_done = run_stage(turn, STAGE_KILLED, results) &&
                  run_stage(turn, STAGE_RECOVERY, results);
    bench_directory_remove(directory);
    /* What the removal leaves to be written must not disturb the next turn. */
    sync();
    if (!is_done && is_interrupted == 0) {
        fprintf(stderr, "bench: FAILED: %s, %u bytes a value, set %u\n", turn->engine->name,
                turn->value_bytes, turn->set);
        snprintf(results->failures[results->n_failures++], sizeof results->failures[0],
                 "%s, %u bytes a value, set %u", turn->engine->name, turn->value_bytes, turn->set);
    }
    printf("bench: %s took %.1f s\n", turn->engine->name, (double)(bench_now_ns() - start) / 1e9);
    return is_done && is_interrupted == 0;
}

static bool
take_turns(const struct bench_options *options, uint32_t repeat, uint32_t set, uint32_t value_bytes,
           struct bench_results *results)
{
    size_t count;
    const struct bench_engine *const *engines = bench_engines(&count);
    for (size_t i = 0; i < count; i++) {
        struct bench_turn turn = {options, engines[i], NULL, set, value_bytes, repeat, -1};
        if (!bench_options_has(options->engines, engines[i]->name) || !bench_turn_is_wanted(&turn))
            continue;
        if (!take_turn(&turn, results))
            return false;
    }
    return true;
}

static bool
run_repeat(const struct bench_options *options, uint32_t repeat, struct bench_results *results)
{
    static const uint32_t other_sizes[] = {8, 1024, 20480};
    const uint32_t value_bytes = options->value_bytes != 0 ? options->value_bytes : 100;
    if (!take_turns(options, repeat, BENCH_SET_MAIN, value_bytes, results) ||
        !take_turns(options, repeat, BENCH_SET_SEQUENTIAL, value_bytes, results) ||
        !take_turns(options, repeat, BENCH_SET_BUFFERED, value_bytes, results) ||
        !take_turns(options, repeat, BENCH_SET_DURABLE, value_bytes, results))
        return false;
    for (size_t i = 0; options->value_bytes == 0 && i < 3; i++) {
        if (!take_turns(options, repeat, BENCH_SET_VALUES, other_sizes[i], results))
            return false;
    }
    return true;
}

bool
bench_run(const struct bench_options *options, struct bench_results *results)
{
    const struct sigaction action = {.sa_handler = on_signal};
    bool is_done = true;
    snprintf(scratch, sizeof scratch, "%s/bench-scratch-XXXXXX", options->directory);
    if (mkdtemp(scratch) == NULL)
        bench_die("cannot make a directory in %s", options->directory);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    for (uint32_t repeat = 0; repeat < options->repeats && is_done; repeat++)
        is_done = run_repeat(options, repeat, results);
    bench_directory_remove(scratch);
    return is_done;
}
