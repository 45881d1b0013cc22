/* compact_figures.h: the fixture of compaction, and what its files' figures must be. */
#ifndef TEST_COMPACT_FIGURES_H
#define TEST_COMPACT_FIGURES_H

#include "compact_fixture.h"

/* Counts what is dead in a file, from its bytes and the index. */
struct recount {
    struct engine *engine;
    const struct data_file *file;
    uint64_t dead_bytes;
    uint64_t tombstone_bytes;
};

static inline armdb_err
recount_record(void *context, const struct log_scan_record *found)
{
    struct recount *recount = (struct recount *)context;
    const struct log_record *record = &found->record;
    struct shard_index *index = engine_find_live(recount->engine, record->collection_id);
    uint64_t bytes = adb_log_record_bytes(record);
    uint64_t here = adb_location_of(recount->file->slot, found->offset, record);
    if (record->flags == LOG_FLAG_TOMBSTONE)
        recount->tombstone_bytes += bytes;
    else if (index == NULL || adb_index_get(&index->keys, found->key, NULL) != here)
        recount->dead_bytes += bytes;
    return ARMDB_OK;
}

/** The figures of each file are what its bytes say. No pass is under way. */
static inline void
check_figures(struct engine *engine)
{
    struct shard *shard = engine->shard;
    assert_null(shard->pass);
    assert_ok(adb_shard_flush(shard));
    for (uint32_t slot = 0; slot < shard->slot_limit; slot++) {
        struct data_file *file = atomic_load(&shard->files[slot]);
        struct recount recount = {.engine = engine, .file = file};
        struct log_scan_result result;
        if (file == NULL || file->is_retired)
            continue;
        assert_ok(adb_log_scan(file, file == shard->writer.active, file->header.base_sequence,
                               recount_record, &recount, &result));
        assert_int_equal(result.how, LOG_SCAN_WHOLE);
        assert_int_equal(atomic_load(&file->dead_bytes), recount.dead_bytes);
        assert_int_equal(atomic_load(&file->tombstone_bytes), recount.tombstone_bytes);
        assert_int_equal(atomic_load(&file->group_bytes), result.group_bytes);
    }
}

/** A process that opened the shard now would find the same keys, and figures of its own that are
 * right. */
static inline void
check_reopened(struct compact_fixture *fixture)
{
    struct sim *clone = sim_clone(fixture->sim);
    struct engine other;
    engine_open(&other, clone, &fixture->kept);
    assert_true(are_right(&other, &fixture->kept));
    check_figures(&other);
    engine_close(&other);
    sim_free(clone);
}

#endif
