#include "sim/orders_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "armdb/armdb.h"
#include "log/location.h"
#include "os/rcu.h"
#include "sim/require.h"
#include "support/open_one.h"
#include "support/seed.h"

#define SHARD_PATH "/db/shard-000"

enum { NUMBERS_MAX = 128, VALUE_BYTES = 8, FILE_BYTES = 16384 };

/* ------------------------------------------------------------------------ life */

/* What shard_compact.c is to choose next; a run that has been taken is not taken again. */
static struct compact_choice wanted;

static struct compact_choice
choose_wanted(struct compact_file *files, uint32_t n_files, const struct compact_rule *rule)
{
    struct compact_choice chosen = wanted;
    (void)rule;
    wanted = (struct compact_choice){COMPACT_NOTHING, 0, 0};
    REQUIRE(chosen.what == COMPACT_NOTHING || chosen.first + chosen.count < n_files,
            "a run with the newest file");
    adb_compact_find_garbage(files, n_files);
    return chosen;
}

static struct shard_config
config_of(const struct world *world)
{
    return (struct shard_config){
        .os = world->os,
        .directory = "/db",
        .db_id = "fifteen letters",
        .max_file_bytes = FILE_BYTES,
        .write_buffer_bytes = FILE_BYTES / 4,
        .pages = world->pages,
    };
}

static const char *
find_index(void *context, const struct shard_origin *origin, struct shard_index **index_out)
{
    struct world *world = (struct world *)context;
    REQUIRE(origin->collection_id == 0, "a record of another collection");
    *index_out = &world->index;
    return NULL;
}

static struct shard_index *
find_live(void *context, uint32_t collection)
{
    struct world *world = (struct world *)context;
    return collection == 0 ? &world->index : NULL;
}

static void
open_world(struct world *world)
{
    const struct adb_index_config index = {.n_writers = 1, .is_ordered = true};
    struct adb_index_config config = index;
    struct shard_recovery recovery;
    world->os = sim_os(world->sim);
    REQUIRE_OK(adb_pages_new(&world->pages));
    config.pages = world->pages;
    world->index = (struct shard_index){.key_bytes = ARMDB_KEY_VARIABLE};
    REQUIRE_OK(adb_index_init(&world->index.keys, &config));
    const struct shard_config shard = config_of(world);
    REQUIRE_OK(open_one(&shard, find_index, world, &recovery, &world->shard));
    REQUIRE_OK(adb_shard_clear(world->shard));
}

static void
close_world(struct world *world)
{
    adb_shard_close(world->shard);
    adb_index_fini(&world->index.keys);
    adb_pages_free(world->pages);
}

void
world_begin(struct world *world)
{
    *world = (struct world){.sim = sim_new(1)};
    world->os = sim_os(world->sim);
    sim_make_dir(world->sim, "/db");
    const struct shard_config config = config_of(world);
    REQUIRE_OK(adb_shard_create(&config));
    sim_sync_all(world->sim);
    open_world(world);
}

void
world_end(struct world *world)
{
    close_world(world);
    sim_free(world->sim);
}

/* ----------------------------------------------------------------------- checks */

static armdb_slice
key_of(uint32_t key)
{
    return armdb_str(key == 0 ? "a" : "b");
}

/* The sequence number that the value of a key names; 0: there is none. */
static uint64_t
read_key(struct world *world, uint32_t key)
{
    unsigned char value[VALUE_BYTES];
    uint64_t found = 0;
    adb_rcu_enter();
    uint64_t location = adb_index_get(&world->index.keys, key_of(key), NULL);
    if (location != 0) {
        REQUIRE(adb_location_value_len(location) == VALUE_BYTES, "a value of another length");
        REQUIRE_OK(adb_shard_read_value(world->shard, location, key_of(key), value));
        found = adb_load_u64(value);
    }
    adb_rcu_leave();
    return found;
}

static void
check_keys(struct world *world, const char *when)
{
    uint64_t writes = world->shard->writer.sequence;
    REQUIRE(writes <= ORDER_LENGTH_MAX, "%s: %u writes", when, (unsigned)writes);
    for (uint32_t key = 0; key < ORDER_KEYS; key++) {
        uint64_t found = read_key(world, key);
        REQUIRE(found == world->history[writes][key],
                "%s, after %u writes, key %u has the value of write %u, not of %u", when,
                (unsigned)writes, (unsigned)key, (unsigned)found,
                (unsigned)world->history[writes][key]);
    }
}

uint32_t
world_list(const struct shard *shard, struct data_file *files[ORDER_FILES_MAX])
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < shard->slot_limit; slot++) {
        struct data_file *file = atomic_load(&shard->files[slot]);
        if (file == NULL || file->is_retired)
            continue;
        REQUIRE(count < ORDER_FILES_MAX, "too many files");
        uint32_t i = count++;
        for (; i > 0 && adb_log_compare_files(&files[i - 1]->header, &file->header) > 0; i--)
            files[i] = files[i - 1];
        files[i] = file;
    }
    return count;
}

struct recount {
    struct world *world;
    const struct data_file *file;
    uint64_t dead_bytes;
    uint64_t tombstone_bytes;
};

static armdb_err
recount_record(void *context, const struct log_scan_record *found)
{
    struct recount *recount = (struct recount *)context;
    const struct log_record *record = &found->record;
    uint64_t bytes = adb_log_record_bytes(record);
    uint64_t here = adb_location_of(recount->file->slot, found->offset, record);
    if (record->flags == LOG_FLAG_TOMBSTONE)
        recount->tombstone_bytes += bytes;
    else if (adb_index_get(&recount->world->index.keys, found->key, NULL) != here)
        recount->dead_bytes += bytes;
    return ARMDB_OK;
}

/* No pass is under way. */
static void
check_figures(struct world *world, const char *when)
{
    struct data_file *files[ORDER_FILES_MAX];
    uint32_t count = world_list(world->shard, files);
    for (uint32_t i = 0; i < count; i++) {
        struct recount recount = {.world = world, .file = files[i]};
        struct log_scan_result result;
        REQUIRE_OK(adb_log_scan(files[i], i + 1 == count, files[i]->header.base_sequence,
                                recount_record, &recount, &result));
        REQUIRE(result.how == LOG_SCAN_WHOLE, "%s: %s", when, result.message);
        REQUIRE(atomic_load(&files[i]->dead_bytes) == recount.dead_bytes &&
                    atomic_load(&files[i]->tombstone_bytes) == recount.tombstone_bytes &&
                    atomic_load(&files[i]->group_bytes) == result.group_bytes,
                "%s: file %u counts wrongly", when, (unsigned)files[i]->header.file_id);
    }
}

/* What the next open finds, if the process is killed now, or the power goes. */
static void
check_reopened(struct world *world, bool is_cut)
{
    struct world other = *world;
    uint64_t floor = is_cut ? atomic_load(&world->shard->synced_sequence)
                            : world->shard->writer.sequence;
    const char *when = is_cut ? "power cut" : "killed";
    other.sim = sim_clone(world->sim);
    if (is_cut)
        sim_power_cut_as(other.sim, SIM_CUT_LOSE, 1);
    open_world(&other);
    REQUIRE(other.shard->writer.sequence >= floor, "%s: writes are lost", when);
    check_keys(&other, when);
    check_figures(&other, when);
    world_end(&other);
}

void
world_check(struct world *world)
{
    check_keys(world, "open");
    if (!world->has_pass)
        check_figures(world, "open");
    check_reopened(world, false);
    check_reopened(world, true);
}

/* ----------------------------------------------------------------------- digest */

/* A world in numbers; those that are only compared with each other by their rank. */
struct digest {
    uint64_t words[8 * NUMBERS_MAX];
    uint32_t n_words;
    uint64_t numbers[NUMBERS_MAX];
    uint32_t n_numbers;
    uint32_t places[NUMBERS_MAX]; /* of each in words[] */
};

static void
add_word(struct digest *digest, uint64_t word)
{
    REQUIRE(digest->n_words < sizeof digest->words / sizeof *digest->words, "no room");
    digest->words[digest->n_words++] = word;
}

static void
add_number(struct digest *digest, uint64_t number)
{
    REQUIRE(digest->n_numbers < NUMBERS_MAX, "no room");
    digest->numbers[digest->n_numbers] = number;
    digest->places[digest->n_numbers++] = digest->n_words;
    add_word(digest, 0);
}

static void
rank_numbers(struct digest *digest)
{
    for (uint32_t i = 0; i < digest->n_numbers; i++) {
        uint64_t rank = 0;
        for (uint32_t other = 0; other < digest->n_numbers; other++) {
            bool is_first = true;
            for (uint32_t before = 0; before < other && is_first; before++)
                is_first = digest->numbers[before] != digest->numbers[other];
            rank += is_first && digest->numbers[other] < digest->numbers[i];
        }
        digest->words[digest->places[i]] = rank;
    }
}

static void
add_record(struct digest *digest, struct world *world, const unsigned char *at, uint64_t location,
           const struct log_record *record)
{
    const armdb_slice key = {at + LOG_RECORD_HEADER_BYTES, record->key_len};
    bool is_live = false;
    if (record->flags == LOG_FLAG_META) {
        add_word(digest, 10 + at[LOG_RECORD_HEADER_BYTES]);
        return;
    }
    if (record->flags != LOG_FLAG_TOMBSTONE) {
        is_live = adb_index_get(&world->index.keys, key, NULL) == location;
        REQUIRE(adb_load_u64(at + LOG_RECORD_HEADER_BYTES + key.len) == record->sequence,
                "a value of another record");
    }
    add_word(digest, (uint64_t)record->flags << 8 | *(const unsigned char *)key.data);
    add_word(digest, is_live);
    add_number(digest, record->sequence);
}

static void
add_records(struct digest *digest, struct world *world, const char *content, size_t bytes,
            const struct data_file *file)
{
    struct log_record record;
    for (uint64_t at = LOG_FILE_HEADER_BYTES; at + LOG_RECORD_HEADER_BYTES <= bytes;
         at += adb_log_record_bytes(&record)) {
        const unsigned char *from = (const unsigned char *)content + at;
        adb_log_decode_record(from, &record);
        if (record.sequence == 0 && record.flags == 0)
            return; /* reserved space */
        uint64_t location = file != NULL ? adb_location_make(file->slot, at, record.value_len) : 0;
        add_record(digest, world, from, location, &record);
    }
}

static void
add_file(struct digest *digest, struct world *world, const struct data_file *file)
{
    size_t bytes;
    char *content = sim_read_file(world->sim, file->path, &bytes);
    add_word(digest, (file->header.is_copy ? 1U : 0U) | (file->is_sealed ? 2U : 0U));
    add_word(digest, atomic_load(&file->dead_bytes));
    add_word(digest, atomic_load(&file->tombstone_bytes));
    add_number(digest, file->header.base_sequence);
    add_number(digest, file->header.last_sequence);
    add_number(digest, file->as_of);
    add_records(digest, world, content, bytes, file);
    free(content);
}

/* What is gone, but not durably: the names of files that compaction has replaced. */
static void
add_gone(struct digest *digest, struct world *world)
{
    struct log_file_header header;
    struct sim *cut = sim_clone(world->sim);
    char path[64];
    char **names;
    size_t bytes;
    sim_power_cut_as(cut, SIM_CUT_LOSE, 1);
    size_t count = sim_list(cut, SHARD_PATH, &names);
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", SHARD_PATH, names[i]);
        if (sim_file_exists(world->sim, path))
            continue;
        char *content = sim_read_file(cut, path, &bytes);
        if (adb_log_decode_file_header((const unsigned char *)content, &header) == LOG_HEADER_OK) {
            add_word(digest, header.is_copy);
            add_number(digest, header.base_sequence);
            add_number(digest, header.last_sequence);
            add_records(digest, world, content, bytes, NULL);
        }
        free(content);
    }
    free(names);
    sim_free(cut);
}

static uint64_t
hash_words(const uint64_t *words, uint32_t count)
{
    uint64_t hash = count;
    for (uint32_t i = 0; i < count; i++)
        hash = test_hash(hash ^ words[i]);
    return hash;
}

uint64_t
world_digest(struct world *world)
{
    struct digest digest = {.n_words = 0};
    struct data_file *files[ORDER_FILES_MAX];
    uint32_t count = world_list(world->shard, files);
    for (uint32_t i = 0; i < count; i++)
        add_file(&digest, world, files[i]);
    add_number(&digest, world->shard->writer.sequence);
    add_number(&digest, atomic_load(&world->shard->synced_sequence));
    add_gone(&digest, world);
    rank_numbers(&digest);
    add_word(&digest, world->hidden);
    add_word(&digest, world->has_pass);
    return hash_words(digest.words, digest.n_words);
}

/* --------------------------------------------------------------------- to apply */

static void
write_key(struct world *world, const struct event *event)
{
    struct shard *shard = world->shard;
    uint64_t number = shard->writer.sequence + 1;
    unsigned char value[VALUE_BYTES];
    bool is_put = event->kind == EVENT_PUT;
    adb_store_u64(value, number);
    const struct shard_write write = {
        .verb = is_put ? SHARD_PUT : SHARD_DELETE,
        .durability = ARMDB_WRITTEN,
        .index = &world->index,
        .key = key_of(event->key),
        .value = is_put ? armdb_bytes(value, sizeof value) : armdb_str(""),
    };
    REQUIRE(number <= ORDER_LENGTH_MAX, "too many writes");
    memcpy(world->history[number], world->history[number - 1], sizeof *world->history);
    world->history[number][event->key] = is_put ? number : 0;
    REQUIRE_OK(adb_shard_write(shard, &write));
}

static void
seal(struct world *world)
{
    struct shard *shard = world->shard;
    REQUIRE_OK(adb_shard_sync(shard));
    adb_mutex_lock(&shard->lock);
    armdb_err err = adb_shard_rotate(shard);
    adb_mutex_unlock(&shard->lock);
    REQUIRE_OK(err);
}

static armdb_err
step_once(struct world *world, struct shard_compact_step *step)
{
    const struct shard_compaction how = {
        .live = {find_live, world},
        .percent = 1,
        .thorough_up_to = adb_shard_newest_sequence(world->shard),
        .choose = choose_wanted,
    };
    return adb_shard_compact(world->shard, &how, step);
}

/* The last step, with nothing to do, removes what was replaced. */
static armdb_err
compact(struct world *world, const struct event *event)
{
    struct shard_compact_step step = {.is_idle = false};
    wanted = (struct compact_choice){COMPACT_RUN, event->first, event->count};
    while (!step.is_idle)
        ADB_TRY(step_once(world, &step));
    return ARMDB_OK;
}

/* After the end of a boot. */
static void
open_again(struct world *world)
{
    close_world(world);
    open_world(world);
    world->has_pass = false;
}

static void
do_step(struct world *world)
{
    struct shard_compact_step step;
    REQUIRE_OK(step_once(world, &step));
    world->has_pass = world->shard->pass != NULL;
    if (!world->has_pass)
        REQUIRE_OK(step_once(world, &step));
}

/* Returns false if the compaction came to its end before. */
static bool
cut_in(struct world *world, const struct event *event)
{
    const struct sim_fault fault = {
        .kind = SIM_FAULT_CUT, .ops = SIM_CHANGES, .fail_at = event->change};
    uint64_t floor = atomic_load(&world->shard->synced_sequence);
    sim_set_fault(world->sim, &fault);
    armdb_err err = compact(world, event);
    wanted = (struct compact_choice){COMPACT_NOTHING, 0, 0};
    bool is_cut = sim_is_off(world->sim);
    REQUIRE(is_cut || err == ARMDB_OK, "compaction: %s", armdb_err_name(err));
    sim_power_cut_as(world->sim, (enum sim_cut)event->mode, 1);
    open_again(world);
    REQUIRE(world->shard->writer.sequence >= floor, "writes are lost");
    return is_cut;
}

static bool
happen(struct world *world, const struct event *event)
{
    switch (event->kind) {
    case EVENT_PUT:
    case EVENT_DELETE:
        write_key(world, event);
        break;
    case EVENT_SEAL:
        seal(world);
        break;
    case EVENT_COMPACT:
        REQUIRE_OK(compact(world, event));
        break;
    case EVENT_BEGIN:
        wanted = (struct compact_choice){COMPACT_RUN, event->first, event->count};
        world->has_pass = true;
        do_step(world);
        break;
    case EVENT_STEP:
        do_step(world);
        break;
    case EVENT_FINISH:
        while (world->has_pass)
            do_step(world);
        break;
    case EVENT_KILL:
        sim_kill(world->sim);
        open_again(world);
        break;
    case EVENT_CUT:
        sim_power_cut_as(world->sim, SIM_CUT_LOSE, 1);
        open_again(world);
        break;
    default:
        return cut_in(world, event);
    }
    return true;
}

bool
world_apply(struct world *world, const struct event *event)
{
    uint64_t words[3] = {world->hidden, 0, 0};
    memcpy(&words[1], event, sizeof *event);
    if (event->kind == EVENT_BEGIN)
        words[2] = world_digest(world);
    if (!happen(world, event))
        return false;
    world->hidden = world->has_pass ? hash_words(words, 3) : 0;
    return true;
}
