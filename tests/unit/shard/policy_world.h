/*
 * policy_world.h: a log without bytes: which records its files have, and a pass that does to them
 * what shard_compact.c does to real ones, so that a policy can be watched over millions of writes.
 *
 * After each pass the world checks that no key has come back.
 */
#ifndef TEST_POLICY_WORLD_H
#define TEST_POLICY_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "shard/compact_policy.h"
#include "support/seed.h"

struct world_record {
    uint64_t sequence;
    uint32_t key;
    uint32_t bytes;
    bool is_tombstone;
};

struct world_file {
    struct world_record *records; /* owned */
    size_t count;
    size_t capacity;
    uint64_t last_sequence;
    uint64_t as_of;
    uint64_t bytes;
    uint64_t dead_bytes;
    uint64_t tombstone_bytes;
};

struct world_key {
    uint64_t live_sequence; /* 0: the key is not there */
    uint32_t bytes;
    struct world_file *file; /* that has its value */
};

struct world {
    struct compact_rule rule;
    struct world_key *keys; /* owned, [n_keys] */
    uint32_t n_keys;
    struct world_file **files; /* owned, in the order of the log */
    uint32_t n_files;
    uint32_t files_max; /* most there ever were */
    uint64_t sequence;
    uint64_t live_bytes;
    uint64_t put_bytes;
    uint64_t copied_bytes;
    /* How many bytes passes may read for each byte written; 0: as many as they like. */
    uint64_t pace;
    uint64_t read_bytes;
    uint64_t passes;
    uint64_t seals;
};

enum { WORLD_FILES_MAX = 4096 };

static inline struct world_file *
world_new_file(uint64_t as_of, uint64_t last_sequence)
{
    struct world_file *file = (struct world_file *)calloc(1, sizeof *file);
    assert_non_null(file);
    file->as_of = as_of;
    file->last_sequence = last_sequence;
    return file;
}

static inline void
world_free_file(struct world_file *file)
{
    free(file->records);
    free(file);
}

static inline struct world *
world_new(uint32_t n_keys, uint64_t max_file_bytes)
{
    struct world *world = (struct world *)calloc(1, sizeof *world);
    assert_non_null(world);
    world->rule = (struct compact_rule){.percent = 30, .max_file_bytes = max_file_bytes};
    world->keys = (struct world_key *)calloc(n_keys, sizeof *world->keys);
    world->files = (struct world_file **)calloc(WORLD_FILES_MAX, sizeof(struct world_file *));
    assert_non_null(world->keys);
    assert_non_null(world->files);
    world->n_keys = n_keys;
    world->files[world->n_files++] = world_new_file(0, 0);
    return world;
}

static inline void
world_free(struct world *world)
{
    for (uint32_t i = 0; i < world->n_files; i++)
        world_free_file(world->files[i]);
    free(world->files);
    free(world->keys);
    free(world);
}

static inline void
world_add(struct world_file *file, const struct world_record *record)
{
    if (file->count == file->capacity) {
        file->capacity = file->capacity == 0 ? 64 : 2 * file->capacity;
        file->records = (struct world_record *)realloc(file->records,
                                                       file->capacity * sizeof *file->records);
        assert_non_null(file->records);
    }
    file->records[file->count++] = *record;
    file->bytes += record->bytes;
    if (record->is_tombstone)
        file->tombstone_bytes += record->bytes;
}

static inline void
world_seal(struct world *world)
{
    struct world_file *newest = world->files[world->n_files - 1];
    newest->last_sequence = world->sequence;
    assert_true(world->n_files < WORLD_FILES_MAX);
    world->files[world->n_files++] = world_new_file(world->sequence, world->sequence);
    if (world->n_files > world->files_max)
        world->files_max = world->n_files;
}

/* Puts a value for a key, or deletes it. */
static inline void
world_write(struct world *world, uint32_t key, uint32_t bytes, bool is_tombstone)
{
    struct world_file *newest = world->files[world->n_files - 1];
    struct world_key *entry = &world->keys[key];
    if (newest->bytes + bytes > world->rule.max_file_bytes && newest->count > 0) {
        world_seal(world);
        newest = world->files[world->n_files - 1];
    }
    const struct world_record record = {++world->sequence, key, bytes, is_tombstone};
    world_add(newest, &record);
    newest->last_sequence = world->sequence;
    world->put_bytes += bytes;
    if (entry->live_sequence != 0) {
        entry->file->dead_bytes += entry->bytes;
        world->live_bytes -= entry->bytes;
    }
    entry->live_sequence = is_tombstone ? 0 : record.sequence;
    entry->file = newest;
    entry->bytes = bytes;
    if (!is_tombstone)
        world->live_bytes += bytes;
}

static inline uint64_t
world_bytes(const struct world *world)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < world->n_files; i++)
        bytes += world->files[i]->bytes;
    return bytes;
}

static inline uint64_t
world_tombstone_bytes(const struct world *world)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < world->n_files; i++)
        bytes += world->files[i]->tombstone_bytes;
    return bytes;
}

/* What reading the files in their order would give is what the keys are. */
static inline void
world_check(const struct world *world)
{
    uint64_t *found = (uint64_t *)calloc(world->n_keys, sizeof *found);
    assert_non_null(found);
    for (uint32_t i = 0; i < world->n_files; i++) {
        const struct world_file *file = world->files[i];
        for (size_t j = 0; j < file->count; j++) {
            const struct world_record *record = &file->records[j];
            found[record->key] = record->is_tombstone ? 0 : record->sequence;
        }
    }
    for (uint32_t key = 0; key < world->n_keys; key++)
        assert_int_equal(found[key], world->keys[key].live_sequence);
    free(found);
}

static inline uint32_t
world_describe(const struct world *world, struct compact_file *figures)
{
    for (uint32_t i = 0; i < world->n_files; i++) {
        const struct world_file *file = world->files[i];
        figures[i] = (struct compact_file){.bytes = file->bytes,
                                           .dead_bytes = file->dead_bytes,
                                           .tombstone_bytes = file->tombstone_bytes,
                                           .last_sequence = file->last_sequence,
                                           .as_of = file->as_of};
    }
    return world->n_files;
}

static inline void
world_copy(struct world *world, const struct world_file *from, uint64_t floor,
           struct world_file *copy)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct world_record *record = &from->records[i];
        struct world_key *key = &world->keys[record->key];
        bool is_live = key->live_sequence == record->sequence;
        if (record->is_tombstone && (key->live_sequence != 0 || record->sequence <= floor))
            continue;
        if (!record->is_tombstone && !is_live)
            continue;
        world_add(copy, record);
        if (is_live)
            key->file = copy;
    }
}

static inline void
world_run(struct world *world, const struct compact_choice *choice,
          const struct compact_file *figures)
{
    uint32_t end = choice->first + choice->count;
    uint64_t floor = adb_compact_tombstone_floor(figures, choice->first);
    struct world_file *copy = world_new_file(world->sequence, world->files[end - 1]->last_sequence);
    assert_true(choice->count > 0 && end < world->n_files);
    for (uint32_t i = choice->first; i < end; i++) {
        world_copy(world, world->files[i], floor, copy);
        world->read_bytes += world->files[i]->bytes;
        world_free_file(world->files[i]);
    }
    world->files[choice->first] = copy;
    memmove(&world->files[choice->first + 1], &world->files[end],
            (world->n_files - end) * sizeof(struct world_file *));
    world->n_files -= choice->count - 1;
    world->copied_bytes += copy->bytes;
    world->passes++;
    if (choice->count > 1)
        assert_true(copy->bytes <= world->rule.max_file_bytes);
}

/* Does what the policy says, until it says nothing or must wait; how many times that was. */
static inline unsigned
world_compact(struct world *world)
{
    static struct compact_file figures[WORLD_FILES_MAX];
    for (unsigned rounds = 0;; rounds++) {
        if (world->pace > 0 && world->read_bytes > world->pace * world->put_bytes)
            return rounds;
        uint32_t n_files = world_describe(world, figures);
        const struct compact_choice choice = adb_compact_choose(figures, n_files, &world->rule);
        if (choice.what == COMPACT_NOTHING)
            return rounds;
        if (choice.what == COMPACT_SEAL) {
            assert_int_equal(choice.first, n_files - 1);
            assert_true(world->files[n_files - 1]->count > 0);
            world_seal(world);
            world->seals++;
        } else {
            world_run(world, &choice, figures);
        }
        assert_true(rounds < 10 * WORLD_FILES_MAX); /* it ends */
    }
}

#endif
