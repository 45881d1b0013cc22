/*
 * Measures the tree and the map against a plain skip list, all in memory and alone:
 *
 *     micro_index [KEYS [SUBJECT[,SUBJECT...]]]
 *
 * For each kind of keys, what one operation costs each index, in ns, and how often the time of the
 * tree goes into that of the others; at the end which of the targets are met. Rounds of the indexes
 * alternate, processor time is counted, and the best round of each, so that what else the machine
 * does falls out as far as it can. Everything read is checked: the exit status is 1 if anything was
 * wrong, and does not depend on the figures. With names of indexes (tree, skiplist, map), only
 * those run; with a single name only on fixed keys: for profilers.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "micro_keys.h"
#include "micro_subjects.h"
#include "os/thread.h"

enum work {
    WORK_INSERT,
    WORK_INSERT_2,
    WORK_HIT,
    WORK_MISS,
    WORK_BATCH,
    WORK_HIT_2,
    WORK_WALK,
    WORK_COUNT
};

static const char *const work_names[WORK_COUNT] = {
    [WORK_INSERT] = "insert",         [WORK_INSERT_2] = "insert, 2 threads",
    [WORK_HIT] = "get, there",        [WORK_MISS] = "get, missing",
    [WORK_BATCH] = "get, 32 at once", [WORK_HIT_2] = "get, 2 threads",
    [WORK_WALK] = "walk, each key",
};

enum {
    SUBJECTS_MAX = 4,
    BATCH = 32,
    LOOKUPS_MAX = 1000000, /* in one round */
    ROUNDS = 3,
    MANY_KEYS = 2000000, /* of so many, one round of inserts is enough */
    TEND_NS = 100000000,
    TEND_SOON_NS = 5000000
};

/* What was found about one kind of keys; ns of one operation. */
struct figures {
    double ns[SUBJECTS_MAX][WORK_COUNT]; /* 0: not measured */
    double bytes_per_key[SUBJECTS_MAX];
    double shrunk[SUBJECTS_MAX];      /* part of its memory that is left with 1 of 100 keys */
    double longest_put[SUBJECTS_MAX]; /* ms */
};

/* Places in micro_subjects. */
enum { TREE, SKIPLIST, MAP };

static uint64_t count;                    /* keys */
static const char *only;                  /* names of the subjects that are to run; NULL: all */
static uint64_t n_operations[WORK_COUNT]; /* of the loops, for profilers */

/* Time that this thread has run: another program on its processor does not count. */
static uint64_t
now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void
check(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "micro_index: wrong: %s\n", what);
    exit(1);
}

static bool
is_wanted(size_t subject)
{
    const char *name = micro_subjects[subject].name;
    const char *at = only;
    if (at == NULL)
        return true;
    for (;;) {
        size_t len = strcspn(at, ",");
        if (strlen(name) == len && memcmp(at, name, len) == 0)
            return true;
        if (at[len] == '\0')
            return false;
        at += len + 1;
    }
}

/* ------------------------------------------------------------------ loops */

/* Part of the work of one thread. */
struct job {
    const struct micro_subject *subject;
    void *index;
    enum micro_kind kind;
    enum work work;
    uint64_t from; /* number of the first operation */
    uint64_t to;
    uint64_t ns; /* taken */
};

/* These are not inlined, so that profilers see them. */
#define LOOP __attribute__((noinline)) static void

LOOP
loop_put(const struct job *job, void *writer, const struct micro_chunk *chunk)
{
    for (size_t i = 0; i < chunk->n; i++)
        check(job->subject->put(job->index, writer, chunk->keys[i], chunk->numbers[i] + 1) == 0,
              "a key was there before it was put in");
}

LOOP
loop_get(const struct job *job, const struct micro_chunk *chunk)
{
    for (size_t i = 0; i < chunk->n; i++) {
        uint64_t location = job->subject->get(job->index, chunk->keys[i]);
        check(location == (chunk->numbers[i] < count ? chunk->numbers[i] + 1 : 0), "a location");
    }
}

LOOP
loop_batch(const struct job *job, const struct micro_chunk *chunk)
{
    uint64_t locations[BATCH];
    for (size_t from = 0; from < chunk->n; from += BATCH) {
        size_t n = chunk->n - from < BATCH ? chunk->n - from : BATCH;
        job->subject->get_batch(job->index, chunk->keys + from, n, locations);
        for (size_t i = 0; i < n; i++)
            check(locations[i] == chunk->numbers[from + i] + 1, "a location of a batch");
    }
}

struct sums {
    uint64_t n;
    uint64_t locations;
};

static void
add_up(void *context, armdb_slice key, uint64_t location)
{
    struct sums *sums = (struct sums *)context;
    (void)key;
    sums->n++;
    sums->locations += location;
}

LOOP
loop_walk(const struct job *job)
{
    struct sums sums = {0};
    job->subject->walk(job->index, add_up, &sums);
    check(sums.n == count && sums.locations == count * (count + 1) / 2, "a walk");
}

/* The key that operation `n` is about. */
static uint64_t
number_of(const struct job *job, uint64_t n)
{
    if (job->work == WORK_INSERT || job->work == WORK_INSERT_2)
        return n;
    return micro_scatter(n) % count + (job->work == WORK_MISS ? count : 0);
}

static void *
run_job(void *context)
{
    struct job *job = (struct job *)context;
    struct micro_chunk *chunk = (struct micro_chunk *)malloc(sizeof *chunk);
    void *writer = job->subject->begin_writing(job->index);
    check(chunk != NULL, "no memory");
    for (uint64_t n = job->from; n < job->to;) {
        micro_chunk_clear(chunk);
        for (; n < job->to && chunk->n < MICRO_CHUNK; n++)
            micro_chunk_add(chunk, job->kind, number_of(job, n), count);
        uint64_t start = now_ns();
        if (job->work == WORK_INSERT || job->work == WORK_INSERT_2)
            loop_put(job, writer, chunk);
        else if (job->work == WORK_BATCH)
            loop_batch(job, chunk);
        else
            loop_get(job, chunk);
        job->ns += now_ns() - start;
    }
    job->subject->end_writing(job->index, writer);
    free(chunk);
    return NULL;
}

/* ------------------------------------------------------------------ measuring */

static uint64_t
operations_of(enum work work)
{
    bool is_whole = work == WORK_INSERT || work == WORK_INSERT_2 || work == WORK_WALK;
    return is_whole || count < LOOKUPS_MAX ? count : LOOKUPS_MAX;
}

/* Does the work, and notes its time if it was the best so far. */
static void
measure(const struct micro_subject *subject, void *index, enum micro_kind kind, enum work work,
        double *best)
{
    uint64_t n = operations_of(work);
    struct job job = {.subject = subject, .index = index, .kind = kind, .work = work, .to = n};
    double ns;
    n_operations[work] += n;
    if (work == WORK_WALK) {
        uint64_t start = now_ns();
        loop_walk(&job);
        ns = (double)(now_ns() - start) / (double)n;
    } else if (work == WORK_INSERT_2 || work == WORK_HIT_2) {
        struct job jobs[2] = {job, job};
        struct adb_thread threads[2];
        jobs[0].to = jobs[1].from = n / 2;
        for (size_t i = 0; i < 2; i++)
            check(adb_thread_start(&threads[i], run_job, &jobs[i]) == ARMDB_OK, "no thread");
        for (size_t i = 0; i < 2; i++)
            adb_thread_join(&threads[i]);
        /* The rates of the two added up, as the time of one operation of a single one. */
        ns = 1 / ((double)(n / 2) / (double)jobs[0].ns + (double)(n - n / 2) / (double)jobs[1].ns);
    } else {
        (void)run_job(&job);
        ns = (double)job.ns / (double)n;
    }
    if (*best == 0 || ns < *best)
        *best = ns;
}

/* Fills an index of each subject, in as many rounds as pay, and leaves the last ones. */
static void
measure_inserts(enum micro_kind kind, enum work work, void **indexes, struct figures *figures)
{
    int rounds = count >= MANY_KEYS ? 1 : ROUNDS;
    for (int round = 0; round < rounds; round++) {
        for (size_t s = 0; s < micro_subjects_count; s++) {
            const struct micro_subject *subject = &micro_subjects[s];
            if (!is_wanted(s))
                continue;
            if (indexes[s] != NULL)
                subject->close(indexes[s]);
            indexes[s] = subject->open(micro_kind_key_bytes(kind));
            measure(subject, indexes[s], kind, work, &figures->ns[s][work]);
        }
    }
}

struct order {
    unsigned char before[256];
    size_t before_len;
};

static void
check_order(void *context, armdb_slice key, uint64_t location)
{
    struct order *order = (struct order *)context;
    (void)location;
    size_t min = key.len < order->before_len ? key.len : order->before_len;
    int relation = memcmp(order->before, key.data, min);
    check(relation < 0 || (relation == 0 && order->before_len < key.len), "the order of a walk");
    memcpy(order->before, key.data, key.len);
    order->before_len = key.len;
}

/* Removes 99 of 100 keys. */
static double
shrink(const struct micro_subject *subject, void *index, enum micro_kind kind)
{
    struct micro_chunk *chunk = (struct micro_chunk *)malloc(sizeof *chunk);
    check(chunk != NULL, "no memory");
    uint64_t before = subject->bytes(index);
    for (uint64_t number = 0; number < count; number++) {
        micro_chunk_clear(chunk);
        micro_chunk_add(chunk, kind, number, count);
        if (number % 100 != 0)
            check(subject->remove(index, chunk->keys[0]) == number + 1, "a removal");
        else
            check(subject->get(index, chunk->keys[0]) == number + 1, "a key between removals");
    }
    free(chunk);
    return (double)subject->bytes(index) / (double)before;
}

struct tender {
    const struct micro_subject *subject;
    void *index;
    atomic_bool must_stop;
};

/* Sees to the index at the intervals of a database's work thread. */
static void *
run_tender(void *context)
{
    struct tender *tender = (struct tender *)context;
    while (!atomic_load_explicit(&tender->must_stop, memory_order_relaxed)) {
        bool is_soon = tender->subject->tend(tender->index);
        struct timespec pause = {.tv_sec = 0, .tv_nsec = is_soon ? TEND_SOON_NS : TEND_NS};
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

/* The longest of all puts that fill an index, in ns. */
static uint64_t
fill_timing_each(const struct micro_subject *subject, void *index, enum micro_kind kind)
{
    struct micro_chunk *chunk = (struct micro_chunk *)malloc(sizeof *chunk);
    void *writer = subject->begin_writing(index);
    uint64_t longest = 0;
    check(chunk != NULL, "no memory");
    for (uint64_t number = 0; number < count;) {
        micro_chunk_clear(chunk);
        for (; number < count && chunk->n < MICRO_CHUNK; number++)
            micro_chunk_add(chunk, kind, number, count);
        for (size_t i = 0; i < chunk->n; i++) {
            uint64_t start = now_ns();
            check(subject->put(index, writer, chunk->keys[i], chunk->numbers[i] + 1) == 0,
                  "a key was there before it was put in");
            uint64_t ns = now_ns() - start;
            longest = ns > longest ? ns : longest;
        }
    }
    subject->end_writing(index, writer);
    free(chunk);
    return longest;
}

/* The same in ms, with the index tended as in a database. */
static double
longest_put(const struct micro_subject *subject, enum micro_kind kind)
{
    void *index = subject->open(micro_kind_key_bytes(kind));
    struct tender tender = {.subject = subject, .index = index};
    struct adb_thread thread;
    if (subject->tend != NULL)
        check(adb_thread_start(&thread, run_tender, &tender) == ARMDB_OK, "no thread");
    uint64_t longest = fill_timing_each(subject, index, kind);
    atomic_store_explicit(&tender.must_stop, true, memory_order_relaxed);
    if (subject->tend != NULL)
        adb_thread_join(&thread);
    subject->close(index);
    return (double)longest / 1e6;
}

static void
measure_kind(enum micro_kind kind, struct figures *figures)
{
    void *indexes[SUBJECTS_MAX] = {NULL};
    bool is_main = kind == MICRO_FIXED || kind == MICRO_VARIABLE;
    if (is_main)
        measure_inserts(kind, WORK_INSERT_2, indexes, figures);
    measure_inserts(kind, WORK_INSERT, indexes, figures);
    for (int round = 0; round < ROUNDS; round++) {
        for (int work = WORK_HIT; work < WORK_COUNT; work++) {
            for (size_t s = 0; s < micro_subjects_count; s++) {
                const struct micro_subject *subject = &micro_subjects[s];
                if (indexes[s] == NULL || (!is_main && work != WORK_HIT && work != WORK_WALK))
                    continue;
                measure(subject, indexes[s], kind, (enum work)work, &figures->ns[s][work]);
            }
        }
    }
    for (size_t s = 0; s < micro_subjects_count; s++) {
        const struct micro_subject *subject = &micro_subjects[s];
        struct order order = {.before_len = 0};
        if (indexes[s] == NULL)
            continue;
        figures->bytes_per_key[s] = (double)subject->bytes(indexes[s]) / (double)count;
        if (subject->is_ordered)
            subject->walk(indexes[s], check_order, &order);
        if (subject->remove != NULL && kind == MICRO_FIXED) {
            figures->shrunk[s] = shrink(subject, indexes[s], kind);
            figures->longest_put[s] = longest_put(subject, kind);
        }
        subject->close(indexes[s]);
    }
}

/* ------------------------------------------------------------------ reporting */

static void
print_figures(enum micro_kind kind, const struct figures *figures)
{
    printf("\n%-22s", micro_kind_name(kind));
    for (size_t s = 0; s < micro_subjects_count; s++)
        printf(" %12s", micro_subjects[s].name);
    for (size_t s = 1; s < micro_subjects_count; s++)
        printf("  %8s/%s", micro_subjects[s].name, micro_subjects[0].name);
    printf("\n");
    for (int work = 0; work < WORK_COUNT; work++) {
        double any = 0;
        for (size_t s = 0; s < micro_subjects_count; s++)
            any += figures->ns[s][work];
        if (any == 0)
            continue;
        printf("  %-20s", work_names[work]);
        for (size_t s = 0; s < micro_subjects_count; s++)
            printf(" %9.1f ns", figures->ns[s][work]);
        for (size_t s = 1; s < micro_subjects_count; s++)
            printf("  %12.2f", figures->ns[s][work] / figures->ns[0][work]);
        printf("\n");
    }
    printf("  %-20s", "bytes a key");
    for (size_t s = 0; s < micro_subjects_count; s++)
        printf(" %10.1f B", figures->bytes_per_key[s]);
    printf("\n");
    if (kind == MICRO_FIXED) {
        printf("  %-20s", "longest put");
        for (size_t s = 0; s < micro_subjects_count; s++)
            printf(" %9.2f ms", figures->longest_put[s]);
        printf("\n");
    }
    fflush(stdout);
}

static void
print_target(const char *what, double figure, double target, bool is_least)
{
    bool is_met = is_least ? figure >= target : figure <= target;
    printf("  %-44s %7.2f  (%s %g) %s\n", what, figure, is_least ? ">=" : "<=", target,
           is_met ? "met" : "MISSED");
}

/* Keys that somebody may have chosen cost no more than twice as much as others. */
static void
print_degenerate(const struct figures *all, size_t s)
{
    for (int kind = MICRO_SORTED; kind < MICRO_KINDS; kind++) {
        const double *usual = all[kind == MICRO_PREFIX ? MICRO_VARIABLE : MICRO_FIXED].ns[s];
        char what[80];
        snprintf(what, sizeof what, "get / random, %s", micro_kind_name((enum micro_kind)kind));
        print_target(what, all[kind].ns[s][WORK_HIT] / usual[WORK_HIT], 2, false);
        snprintf(what, sizeof what, "insert / random, %s", micro_kind_name((enum micro_kind)kind));
        print_target(what, all[kind].ns[s][WORK_INSERT] / usual[WORK_INSERT], 2, false);
    }
}

/* What the tree and the map have in common. */
static void
print_common(const struct figures *all, size_t s, double bytes)
{
    const double *fixed = all[MICRO_FIXED].ns[s];
    const double *var = all[MICRO_VARIABLE].ns[s];
    print_target("32 at once: single / batch", fixed[WORK_HIT] / fixed[WORK_BATCH], 2.5, true);
    print_target("the same, variable keys", var[WORK_HIT] / var[WORK_BATCH], 2.5, true);
    print_target("get, 2 threads / 1", fixed[WORK_HIT] / fixed[WORK_HIT_2], 1.7, true);
    print_target("bytes a key of 16", all[MICRO_FIXED].bytes_per_key[s], bytes, false);
    print_target("memory with 1 % of the keys left, %", 100 * all[MICRO_FIXED].shrunk[s], 5, false);
    print_degenerate(all, s);
}

static void
print_targets(const struct figures *all)
{
    const struct figures *fixed = &all[MICRO_FIXED];
    const double *tree = fixed->ns[TREE];
    const double *list = fixed->ns[SKIPLIST];
    double key_bytes = (double)micro_kind_bytes(MICRO_VARIABLE, count) / (double)count;
    if (is_wanted(TREE)) {
        printf("\ntargets of the tree, %llu keys\n", (unsigned long long)count);
        print_common(all, TREE, 40);
        print_target("bytes besides a variable key",
                     all[MICRO_VARIABLE].bytes_per_key[TREE] - key_bytes, 24, false);
    }
    if (is_wanted(TREE) && is_wanted(SKIPLIST)) {
        print_target("get: skip list / tree", list[WORK_HIT] / tree[WORK_HIT], 4, true);
        print_target("insert: skip list / tree", list[WORK_INSERT] / tree[WORK_INSERT], 2.5, true);
        print_target("walk: skip list / tree", list[WORK_WALK] / tree[WORK_WALK], 5, true);
    }
    if (is_wanted(MAP)) {
        printf("\ntargets of the map, %llu keys\n", (unsigned long long)count);
        print_common(all, MAP, 36);
        print_target("longest put, ms", fixed->longest_put[MAP], 5, false);
    }
    if (is_wanted(MAP) && is_wanted(TREE))
        print_target("get: tree / map (at 10 M keys)", tree[WORK_HIT] / fixed->ns[MAP][WORK_HIT],
                     1.5, true);
}

int
main(int argc, char **argv)
{
    static struct figures all[MICRO_KINDS];
    count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    only = argc > 2 ? argv[2] : NULL;
    if (argc > 3 || count < 100 || micro_subjects_count > SUBJECTS_MAX) {
        fprintf(stderr, "usage: micro_index [KEYS, at least 100 [SUBJECT,...]]\n");
        return 2;
    }
    if (only != NULL && strchr(only, ',') == NULL) {
        measure_kind(MICRO_FIXED, &all[MICRO_FIXED]);
        print_figures(MICRO_FIXED, &all[MICRO_FIXED]);
        for (int work = 0; work < WORK_COUNT; work++)
            printf("operations, %s: %llu\n", work_names[work],
                   (unsigned long long)n_operations[work]);
        return 0;
    }
    for (int kind = 0; kind < MICRO_KINDS; kind++) {
        measure_kind((enum micro_kind)kind, &all[kind]);
        print_figures((enum micro_kind)kind, &all[kind]);
    }
    print_targets(all);
    return 0;
}
