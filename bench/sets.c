#include "sets.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"
#include "keys.h"
#include "process.h"

enum { DURABLE_KEYS = 100000, KILLED_KEYS = 50000, CHECKED_KEYS = 1000 };

/* Ids that only the killed process puts. */
static const uint64_t killed_from = UINT64_C(1) << 40;

/* ------------------------------------------------------------------------------ what is run */

static bool
is_full(const struct bench_turn *turn)
{
    return strcmp(turn->options->profile, "full") == 0;
}

/* Marks of the workloads that the quick profile runs for an engine. */
static uint32_t
shown_by(const struct bench_engine *engine)
{
    if ((engine->traits & BENCH_VARIANT) == 0)
        return UINT32_MAX;
    if ((engine->traits & (BENCH_CONST_VALUES | BENCH_OBJECTS)) == 0)
        return BENCH_SET_VARIANTS;
    return BENCH_SET_VARIANTS | BENCH_SET_KINDS | BENCH_SET_COUNTERS;
}

bool
bench_turn_has(const struct bench_turn *turn, const struct bench_workload *workload)
{
    const uint32_t sets = workload->sets;
    const bool is_of_counters = (sets & BENCH_SET_COUNTERS) != 0 && turn->value_bytes == 8 &&
                                (turn->set & (BENCH_SET_MAIN | BENCH_SET_VALUES)) != 0;
    if (turn->options->workloads == NULL && !is_full(turn) && (sets & shown_by(turn->engine)) == 0)
        return false;
    return ((sets & turn->set) != 0 || is_of_counters) &&
           bench_options_has(turn->options->workloads, workload->name) &&
           bench_workload_is_possible(workload, turn->engine);
}

bool
bench_turn_is_wanted(const struct bench_turn *turn)
{
    size_t count;
    const struct bench_workload *workloads = bench_workloads(&count);
    if ((turn->engine->traits & BENCH_CONST_VALUES) && turn->value_bytes > 256)
        return false;
    /* One size shows a variant; but numbers are for values of one length. */
    if ((turn->engine->traits & BENCH_VARIANT) && turn->set == BENCH_SET_VALUES &&
        !(turn->engine->traits & BENCH_CONST_VALUES) && !is_full(turn))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (bench_turn_has(turn, &workloads[i]))
            return true;
    }
    return false;
}

/* Fills in with how many threads a workload runs; 0 ends the list. */
static void
threads_of(const struct bench_turn *turn, const struct bench_workload *workload,
           uint32_t threads[16])
{
    const struct bench_options *options = turn->options;
    const uint32_t durable[] = {1, 8, 16, 64};
    size_t count = 0;
    memset(threads, 0, 16 * sizeof threads[0]);
    if (strcmp(turn->engine->name, bench_raw_loop.name) == 0 ||
        (options->threads[0] == 0 && turn->set == BENCH_SET_DURABLE &&
         (workload->kind == BENCH_TICKETS || workload->kind == BENCH_BATCHES))) {
        threads[0] = 1;
    } else if (options->threads[0] != 0) {
        memcpy(threads, options->threads, 16 * sizeof threads[0]);
    } else if (turn->set == BENCH_SET_DURABLE) {
        memcpy(threads, durable, sizeof durable);
    } else {
        const uint32_t quick = turn->set == BENCH_SET_MAIN ? workload->quick_threads : 1;
        for (uint32_t n = 1; n <= 2; n++) {
            if (is_full(turn) || (quick & n) != 0)
                threads[count++] = n;
        }
    }
}

/* ------------------------------------------------------------------------------------- setup */

static uint64_t
keys_of(const struct bench_turn *turn)
{
    const uint64_t keys = turn->options->keys;
    uint64_t fitting;
    if (turn->set == BENCH_SET_DURABLE)
        return keys < DURABLE_KEYS ? keys : DURABLE_KEYS;
    /* Order costs nobody anything, so fewer keys show as much. */
    if (turn->set == BENCH_SET_SEQUENTIAL)
        return keys / 4;
    /* Its rows are to be compared with each other. */
    if (turn->set == BENCH_SET_BUFFERED)
        return keys / 10;
    if (turn->set != BENCH_SET_VALUES)
        return keys;
    /* About as many bytes for each size; fewer of the short ones. */
    fitting = keys * 64 / (BENCH_KEY_BYTES + turn->value_bytes);
    fitting = fitting < keys / 4 ? fitting : keys / 4;
    return fitting > 100 ? fitting : 100;
}

static bench_durability
durability_of(const struct bench_turn *turn)
{
    if (turn->set == BENCH_SET_DURABLE)
        return BENCH_SYNCED;
    return turn->set == BENCH_SET_BUFFERED ? BENCH_BUFFERED : BENCH_WRITTEN;
}

static struct bench_set
set_of(const struct bench_turn *turn)
{
    struct bench_set set;
    memset(&set, 0, sizeof set);
    set.engine = turn->engine;
    set.keys = keys_of(turn);
    set.fresh = set.keys;
    set.version = 1;
    set.seconds = turn->options->seconds;
    set.repeat = turn->repeat;
    set.out = turn->out;
    set.is_sequential = turn->set == BENCH_SET_SEQUENTIAL;
    set.config.directory = turn->directory;
    set.config.durability = durability_of(turn);
    set.config.keys = set.keys;
    set.config.cache_bytes = turn->options->cache_bytes;
    set.config.value_bytes = turn->value_bytes;
    bench_values_init();
    return set;
}

static double
open_ms(struct bench_set *set)
{
    const uint64_t start = bench_now_ns();
    set->db = set->engine->open(&set->config);
    return (double)(bench_now_ns() - start) / 1e6;
}

static double
close_ms(struct bench_set *set)
{
    const uint64_t start = bench_now_ns();
    set->engine->close(set->db);
    set->db = NULL;
    return (double)(bench_now_ns() - start) / 1e6;
}

/* ----------------------------------------------------------------------------------- figures */

static double
user_bytes(const struct bench_set *set, uint64_t records)
{
    return (double)records * (BENCH_KEY_BYTES + set->config.value_bytes);
}

static void
send_load_figures(struct bench_set *set, uint64_t resident_before, uint64_t written_before)
{
    struct bench_engine_stats stats = {0};
    const uint64_t resident = bench_resident_bytes();
    const double memory = resident > resident_before ? (double)(resident - resident_before) : 0;
    bench_send(set, "memory", "B/key", memory / (double)set->keys);
    if (set->engine->stats != NULL) {
        set->engine->stats(set->db, &stats);
        bench_send(set, "memory-reported", "B/key", (double)stats.memory_bytes / (double)set->keys);
    }
    set->engine->sync(set->db);
    bench_send(set, "written-by-load", "x",
               (double)(bench_written_bytes() - written_before) / user_bytes(set, set->keys));
    bench_send(set, "disk-after-load", "x",
               (double)bench_directory_bytes(set->config.directory) / user_bytes(set, set->keys));
}

/* Puts so many keys once more, and says what that wrote. */
static void
send_overwrite_figures(struct bench_set *set, uint64_t n)
{
    uint64_t before;
    set->engine->sync(set->db);
    before = bench_written_bytes();
    set->version++;
    bench_load(set, 0, n, 1);
    set->engine->sync(set->db);
    bench_send(set, "written-by-overwrite", "x",
               (double)(bench_written_bytes() - before) / user_bytes(set, n));
    bench_send(set, "disk-after-overwrite", "x",
               (double)bench_directory_bytes(set->config.directory) / user_bytes(set, set->keys));
}

struct reading {
    const struct bench_set *set;
    uint64_t n; /* records that were read */
};

static void
on_read(void *context, struct bench_bytes key, struct bench_bytes value)
{
    struct reading *reading = (struct reading *)context;
    (void)bench_value_check(key, value, reading->set->config.value_bytes);
    reading->n++;
}

/* How many of ids from .. from + count are there with a value that is right. */
static uint64_t
kept(struct bench_set *set, uint64_t from, uint64_t count)
{
    void *thread = set->engine->thread_open(set->db);
    struct reading reading = {set, 0};
    for (uint64_t i = 0; i < count; i++) {
        unsigned char key[BENCH_KEY_BYTES];
        bench_key(from + i, set->is_sequential, key);
        (void)set->engine->get(thread, bench_bytes(key, sizeof key), on_read, &reading);
    }
    set->engine->thread_close(thread);
    return reading.n;
}

/* Reads every record once, so that a workload that reads finds caches and memory as they are in a
 * program that has run for a while: in one walk, or key by key if the engine has no order. */
static void
warm_up(struct bench_set *set)
{
    static const unsigned char least[BENCH_KEY_BYTES] = {0};
    const struct bench_scan all = {.from = bench_bytes(least, sizeof least), .records = UINT32_MAX};
    struct reading reading = {set, 0};
    void *thread;
    if (set->engine->scan == NULL) {
        reading.n = kept(set, 0, set->keys);
    } else {
        thread = set->engine->thread_open(set->db);
        set->engine->scan(thread, &all, on_read, &reading);
        set->engine->thread_close(thread);
    }
    if (reading.n < set->keys)
        bench_die("WRONG ANSWER: only %llu of %llu keys are there", (unsigned long long)reading.n,
                  (unsigned long long)set->keys);
    set->is_cold = false;
}

static void
send_open_figures(struct bench_set *set)
{
    const uint64_t checked = set->keys < CHECKED_KEYS ? set->keys : CHECKED_KEYS;
    bench_send(set, "close", "ms", close_ms(set));
    bench_send(set, "open-after-close", "ms", open_ms(set));
    if (kept(set, set->keys - checked, checked) != checked)
        bench_die("WRONG ANSWER: keys are missing after closing and opening");
}

/* ------------------------------------------------------------------------------------- stages */

/* The ranks of the set, if a workload of it wants them. */
static uint32_t *
new_ranks(const struct bench_set *set)
{
    uint32_t *ranks = (uint32_t *)bench_new(BENCH_RANKS * sizeof *ranks);
    bench_zipf(ranks, BENCH_RANKS, set->keys, 1);
    return ranks;
}

static void
run_workload(const struct bench_turn *turn, struct bench_set *set,
             const struct bench_workload *workload)
{
    const bool is_reading = workload->kind == BENCH_READ || workload->kind == BENCH_SCAN;
    uint32_t threads[16];
    threads_of(turn, workload, threads);
    if (is_reading && set->is_cold)
        warm_up(set);
    set->is_cold = !is_reading;
    for (size_t i = 0; i < 16 && threads[i] != 0; i++)
        (void)bench_workload_run(set, workload, threads[i]);
}

/* Runs the workloads that fill, between two loads; leaves the set complete. */
static void
fill(const struct bench_turn *turn, struct bench_set *set)
{
    size_t count;
    const struct bench_workload *workloads = bench_workloads(&count);
    if (turn->set == BENCH_SET_DURABLE)
        return;
    for (size_t i = 0; i < count; i++) {
        if (workloads[i].kind != BENCH_FILL || !bench_turn_has(turn, &workloads[i]))
            continue;
        /* Half the keys are there before: a put into an empty database shows nothing. */
        bench_load(set, 0, set->keys / 2, 1);
        set->loaded = set->keys / 2;
        run_workload(turn, set, &workloads[i]);
    }
    bench_load(set, set->loaded, set->keys - set->loaded, 1);
    set->loaded = set->keys;
    set->is_cold = true;
}

void
bench_turn_run(const struct bench_turn *turn)
{
    struct bench_set set = set_of(turn);
    uint32_t *ranks = new_ranks(&set);
    const uint64_t resident = bench_resident_bytes(), written = bench_written_bytes();
    size_t count;
    const struct bench_workload *workloads = bench_workloads(&count);
    set.ranks = ranks;
    (void)open_ms(&set);
    fill(turn, &set);
    for (size_t i = 0; i < count; i++) {
        const struct bench_workload *workload = &workloads[i];
        if (!bench_turn_has(turn, workload) || workload->kind == BENCH_FILL)
            continue;
        if (workload->kind != BENCH_FIGURES)
            run_workload(turn, &set, workload);
        else if (strcmp(workload->name, "space") == 0)
            send_load_figures(&set, resident, written);
        else if (strcmp(workload->name, "space-overwrite") != 0)
            send_open_figures(&set);
        else if (turn->repeat == 0)
            /* Long, and the same each time. */
            send_overwrite_figures(&set, is_full(turn) ? set.keys : set.keys / 4);
    }
    (void)close_ms(&set);
    free(ranks);
}

_Noreturn void
bench_turn_run_killed(const struct bench_turn *turn)
{
    struct bench_set set = set_of(turn);
    const struct bench_engine *engine = turn->engine;
    void *thread;
    unsigned char *value = (unsigned char *)bench_new(turn->value_bytes);
    (void)open_ms(&set);
    thread = engine->thread_open(set.db);
    for (uint64_t i = 0; i < KILLED_KEYS; i++) {
        unsigned char key[BENCH_KEY_BYTES];
        bench_key(killed_from + i, false, key);
        bench_value(key, 1, value, turn->value_bytes);
        engine->put(thread, bench_bytes(key, sizeof key), bench_bytes(value, turn->value_bytes));
    }
    (void)kill(getpid(), SIGKILL);
    _Exit(1);
}

void
bench_turn_run_recovery(const struct bench_turn *turn)
{
    struct bench_set set = set_of(turn);
    const double ms = open_ms(&set);
    const uint64_t found = kept(&set, killed_from, KILLED_KEYS);
    bench_send(&set, "open-after-kill", "ms", ms);
    bench_send(&set, "kept-after-kill", "%", (double)found * 100 / KILLED_KEYS);
    if ((turn->engine->traits & BENCH_OURS) && found != KILLED_KEYS)
        bench_die("WRONG ANSWER: %llu of %d written keys are gone after a kill",
                  (unsigned long long)(KILLED_KEYS - found), KILLED_KEYS);
    (void)close_ms(&set);
}
