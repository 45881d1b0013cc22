/*
 * cmd_time.c: time.
 *
 * Gets of keys that are there, drawn at random from the whole collection: first a sample of keys is
 * taken (each as likely as any other: reservoir sampling), then they are read in the order of the
 * draw. The draw is the same each time, so that two runs can be compared.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "latency.h"
#include "report.h"
#include "session.h"

enum { GETS_DEFAULT = 100000 };

struct sampled_key {
    unsigned char *data; /* owned */
    size_t len;
};

struct sample {
    struct sampled_key *keys; /* owned: [capacity] */
    size_t capacity;
    size_t count;
    uint64_t seen; /* keys of the collection */
    uint64_t random_state;
};

/* splitmix64 */
static uint64_t
next_random(struct sample *sample)
{
    uint64_t z = sample->random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Puts a copy of the key at its place; false if there is no memory. */
static bool
keep_key(struct sample *sample, size_t place, armdb_slice key)
{
    unsigned char *data = (unsigned char *)malloc(key.len);
    if (data == NULL)
        return false;
    memcpy(data, key.data, key.len);
    free(sample->keys[place].data);
    sample->keys[place] = (struct sampled_key){data, key.len};
    return true;
}

/* A place for the next key, or `capacity` if it is not to be kept. */
static size_t
choose_place(struct sample *sample)
{
    sample->seen++;
    if (sample->count < sample->capacity)
        return sample->count++;
    uint64_t place = next_random(sample) % sample->seen;
    return place < sample->capacity ? (size_t)place : sample->capacity;
}

static void
shuffle(struct sample *sample)
{
    for (size_t i = sample->count; i > 1; i--) {
        size_t other = (size_t)(next_random(sample) % i);
        struct sampled_key key = sample->keys[i - 1];
        sample->keys[i - 1] = sample->keys[other];
        sample->keys[other] = key;
    }
}

static int
draw_sample(struct sample *sample, const struct session *session)
{
    armdb_cursor *cursor;
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    int status = STATUS_DONE;
    options.keys_only = 1;
    armdb_err err = armdb_cursor_open(session->collection, &options, &cursor);
    if (err != ARMDB_OK)
        return report_library(err, session->path);
    while (status == STATUS_DONE && (err = armdb_cursor_next(cursor)) == ARMDB_OK) {
        size_t place = choose_place(sample);
        if (place < sample->capacity && !keep_key(sample, place, armdb_cursor_key(cursor)))
            status = report(STATUS_IO, "no memory for %zu keys: give a smaller --gets",
                            sample->capacity);
    }
    if (status == STATUS_DONE && err != ARMDB_END)
        status = report_library(err, session->path);
    armdb_cursor_close(cursor);
    shuffle(sample);
    return status;
}

static int
time_gets(const struct sample *sample, const struct session *session, uint64_t gets)
{
    struct latency latency = {0};
    uint64_t bytes = 0;
    if (sample->count == 0)
        return report(STATUS_NOT_THERE, "%s: the collection is empty: load something first",
                      session->path);
    uint64_t start_ns = latency_now_ns();
    uint64_t before_ns = start_ns;
    for (uint64_t i = 0; i < gets; i++) {
        const struct sampled_key *key = &sample->keys[i % sample->count];
        armdb_value value;
        armdb_err err = armdb_get_value(session->collection, armdb_bytes(key->data, key->len),
                                        &value);
        if (err != ARMDB_OK)
            return report_library(err, session->path);
        bytes += value.len;
        armdb_value_release(&value);
        uint64_t now_ns = latency_now_ns();
        latency_add(&latency, now_ns - before_ns);
        before_ns = now_ns;
    }
    double seconds = (double)(before_ns - start_ns) / 1e9;
    printf("got %" PRIu64 " of %" PRIu64 " keys at random, %" PRIu64 " bytes, in %.3f s: "
           "%.0f/s; get p50 %.1f us, p99 %.1f us\n",
           gets, sample->seen, bytes, seconds, seconds > 0 ? (double)gets / seconds : 0,
           (double)latency_percentile_ns(&latency, 50) / 1e3,
           (double)latency_percentile_ns(&latency, 99) / 1e3);
    return STATUS_DONE;
}

static int
run(struct sample *sample, const struct session *session)
{
    sample->keys = (struct sampled_key *)calloc(sample->capacity, sizeof *sample->keys);
    if (sample->keys == NULL)
        return report(STATUS_IO, "no memory for %zu keys: give a smaller --gets", sample->capacity);
    int status = draw_sample(sample, session);
    if (status == STATUS_DONE)
        status = time_gets(sample, session, sample->capacity);
    for (size_t i = 0; i < sample->count; i++)
        free(sample->keys[i].data);
    free(sample->keys);
    return status;
}

int
cmd_time(const struct args *args)
{
    struct session session;
    uint64_t gets = args->is_set[OPTION_GETS] ? args->number[OPTION_GETS] : GETS_DEFAULT;
    struct sample sample = {.capacity = (size_t)gets, .random_state = 1};
    int status = session_open_collection(&session, args);
    if (status != STATUS_DONE)
        return status;
    status = run(&sample, &session);
    return session_close(&session, status);
}
