/*
 * Operations: each input is a list of them, done to a database and to a tiny model of it, which
 * must agree after each; with kills and power cuts in between, before which all is made durable.
 * Some writes have a deadline; the clock moves only where the input says so.
 */
#include "db/db_batch.h"
#include "fuzz/fuzz_db.h"
#include "fuzz/fuzz_input.h"
#include "support/os_sim.h"

enum {
    COLLECTIONS = 5,
    KEYS = 24,
    OPERATIONS_MAX = 400,
    READS_MAX = 48, /* of a multi-get */
    READ_BYTES = 256,
    BATCH_WRITES_MAX = 12,
    TTL_MAX = 4000
};

/* What a collection should hold. */
struct model {
    uint64_t pair[COLLECTIONS][KEYS];        /* 0 = not there, else version * 2^16 + length + 1 */
    uint64_t deadline_ms[COLLECTIONS][KEYS]; /* 0: none */
    uint64_t expired[COLLECTIONS];           /* pairs that are gone because of it */
};

struct state {
    struct sim *sim;
    struct db *db;
    struct collection *collections[COLLECTIONS];
    struct model model;
    uint32_t version;
    armdb_options options;
};

static const char *const NAMES[COLLECTIONS] = {"default", "fixed", "down", "map", "const"};

static const armdb_collection_options KINDS[COLLECTIONS] = {
    ARMDB_COLLECTION_OPTIONS_INIT,
    {sizeof KINDS[0], FUZZ_KEY_BYTES, ARMDB_ASCENDING, 0, NULL, 0, NULL},
    {sizeof KINDS[0], ARMDB_KEY_VARIABLE, ARMDB_DESCENDING, 0, NULL, 0, NULL},
    {sizeof KINDS[0], ARMDB_KEY_VARIABLE, ARMDB_UNORDERED, 0, NULL, 0, NULL},
    {sizeof KINDS[0], FUZZ_KEY_BYTES, ARMDB_UNORDERED, 24, NULL, 0, NULL}};

static armdb_slice
key_of(uint32_t id, uint32_t number, char room[32])
{
    return fuzz_key(number, KINDS[id].key_bytes == FUZZ_KEY_BYTES, room);
}

static size_t
len_of(uint64_t pair)
{
    return (size_t)(pair & 0xffff) - 1;
}

/* -------------------------------------------------------------------- life */

static void
open_db(struct state *state)
{
    ADB_ASSERT(adb_db_open(sim_os(state->sim), "/db", &state->options, &state->db) == ARMDB_OK);
    state->collections[0] = adb_db_default(state->db);
    for (int i = 1; i < COLLECTIONS; i++) {
        armdb_err err = adb_collection_open(state->db, NAMES[i], &KINDS[i], &state->collections[i]);
        if (err == ARMDB_NO_COLLECTION)
            err = adb_collection_create(state->db, NAMES[i], &KINDS[i], &state->collections[i]);
        ADB_ASSERT(err == ARMDB_OK);
    }
}

static void
close_db(struct state *state)
{
    bool is_closed;
    ADB_ASSERT(adb_db_close(state->db, &is_closed) == ARMDB_OK && is_closed);
}

static void
reopen(struct state *state, uint32_t how)
{
    switch (how % 3) {
    case 0:
        close_db(state);
        break;
    case 1:
        ADB_ASSERT(adb_db_flush(state->db) == ARMDB_OK);
        sim_kill(state->sim);
        adb_db_abandon(state->db);
        break;
    default:
        ADB_ASSERT(adb_db_sync(state->db) == ARMDB_OK);
        sim_power_cut(state->sim, how);
        adb_db_abandon(state->db);
        break;
    }
    open_db(state);
}

/* -------------------------------------------------------------- operations */

/* Takes away what has expired. */
static void
expire(struct state *state)
{
    struct model *model = &state->model;
    uint64_t now_ms = adb_os_wall_ms(sim_os(state->sim));
    for (int id = 0; id < COLLECTIONS; id++) {
        for (int number = 0; number < KEYS; number++) {
            uint64_t deadline_ms = model->deadline_ms[id][number];
            if (deadline_ms == 0 || deadline_ms > now_ms)
                continue;
            model->pair[id][number] = 0;
            model->deadline_ms[id][number] = 0;
            model->expired[id]++;
        }
    }
}

/* Half of the choices are none, most others come soon; some have passed, and some never come.
 * Returns the deadline. */
static uint64_t
choose_deadline(struct state *state, struct fuzz_input *input, uint32_t choice,
                armdb_write_options *options)
{
    uint64_t now_ms = adb_os_wall_ms(sim_os(state->sim));
    if (choice < 32)
        return 0;
    if (choice < 56) {
        options->ttl_ms = 1 + take_below(input, TTL_MAX);
        return now_ms + options->ttl_ms;
    }
    if (choice < 60)
        options->expires_at_ms = now_ms - take_u8(input);
    else
        options->expires_at_ms = UINT64_MAX - take_u8(input);
    return options->expires_at_ms;
}

static void
write_pair(struct state *state, struct fuzz_input *input, enum shard_verb verb)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    unsigned char value[FUZZ_VALUE_MAX];
    char room[32];
    uint32_t id = (uint32_t)take_below(input, COLLECTIONS);
    uint32_t number = (uint32_t)take_below(input, KEYS);
    uint64_t *pair = &state->model.pair[id][number];
    size_t len = (size_t)take_below(input, FUZZ_VALUE_MAX);
    if (len % 4 != 0)
        len %= 128;
    if (KINDS[id].value_bytes != 0)
        len = KINDS[id].value_bytes;
    uint32_t how = take_u8(input);
    uint64_t deadline_ms = 0;
    options.durability = (armdb_durability)(how % 4);
    if (verb != SHARD_DELETE)
        deadline_ms = choose_deadline(state, input, how / 4, &options);
    fuzz_value(id, number, ++state->version, value, len);
    armdb_err expected = ARMDB_OK;
    if (verb == SHARD_INSERT && *pair != 0)
        expected = ARMDB_EXISTS;
    if (verb == SHARD_DELETE && *pair == 0)
        expected = ARMDB_NOT_FOUND;
    const armdb_slice bytes = {value, verb == SHARD_DELETE ? 0 : len};
    ADB_ASSERT(adb_db_write(state->collections[id], verb, key_of(id, number, room), bytes,
                            &options) == expected);
    if (expected != ARMDB_OK)
        return;
    *pair = verb == SHARD_DELETE ? 0 : (uint64_t)state->version << 16 | (len + 1);
    state->model.deadline_ms[id][number] = deadline_ms;
    expire(state);
}

/* Puts and deletes together; with a condition on the first key, which half of the time holds. */
static void
write_batch(struct state *state, struct fuzz_input *input)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    struct model after = state->model;
    unsigned char value[FUZZ_VALUE_MAX];
    char room[32];
    struct batch *batch;
    size_t refused;
    armdb_err expected = ARMDB_OK;
    uint32_t how = take_u8(input);
    uint32_t count = 1 + (uint32_t)take_below(input, BATCH_WRITES_MAX);
    options.durability = (armdb_durability)(how % 4);
    ADB_ASSERT(adb_db_batch_new(state->db, &batch) == ARMDB_OK);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t id = (uint32_t)take_below(input, COLLECTIONS);
        uint32_t number = (uint32_t)take_below(input, KEYS);
        size_t len = take_u8(input);
        bool is_put = len % 4 != 0;
        if (KINDS[id].value_bytes != 0)
            len = KINDS[id].value_bytes;
        struct batch_addition addition = {.collection = state->collections[id],
                                          .key = key_of(id, number, room),
                                          .is_write = true,
                                          .verb = is_put ? SHARD_PUT : SHARD_DELETE};
        bool is_there = state->model.pair[id][number] != 0;
        if (i == 0 && is_put && how / 4 % 2 == 0) {
            addition.condition = SHARD_ABSENT;
            expected = is_there ? ARMDB_EXISTS : ARMDB_OK;
        }
        fuzz_value(id, number, ++state->version, value, len);
        addition.value = (armdb_slice){value, is_put ? len : 0};
        ADB_ASSERT(adb_db_batch_add(batch, &addition) == ARMDB_OK);
        after.pair[id][number] = is_put ? (uint64_t)state->version << 16 | (len + 1) : 0;
        after.deadline_ms[id][number] = 0;
    }
    ADB_ASSERT(adb_db_batch_commit(batch, &options, &refused) == expected);
    ADB_ASSERT(refused == (expected == ARMDB_OK ? SIZE_MAX : 0));
    adb_db_batch_free(batch);
    if (expected == ARMDB_OK)
        state->model = after;
}

/* Checks what a read found of a key, as armdb_get() says it. */
static void
check_read(const struct state *state, uint32_t id, uint32_t number, const armdb_read *read)
{
    unsigned char expected[FUZZ_VALUE_MAX];
    uint64_t pair = state->model.pair[id][number];
    if (pair == 0) {
        ADB_ASSERT(read->err == ARMDB_NOT_FOUND && read->len == 0);
        return;
    }
    ADB_ASSERT(read->len == len_of(pair));
    ADB_ASSERT(read->err == (read->len > read->capacity ? ARMDB_BUFFER_TOO_SMALL : ARMDB_OK));
    fuzz_value(id, number, (uint32_t)(pair >> 16), expected, read->len);
    ADB_ASSERT(read->err != ARMDB_OK || read->len == 0 ||
               memcmp(read->buffer, expected, read->len) == 0);
}

static void
read_pair(struct state *state, struct fuzz_input *input)
{
    unsigned char buffer[FUZZ_VALUE_MAX];
    char room[32];
    uint32_t id = (uint32_t)take_below(input, COLLECTIONS);
    uint32_t number = (uint32_t)take_below(input, KEYS);
    armdb_read read = {.key = key_of(id, number, room), .buffer = buffer, .len = 1};
    bool is_there;
    read.capacity = (size_t)take_below(input, FUZZ_VALUE_MAX);
    ADB_ASSERT(adb_db_contains(state->collections[id], read.key, &is_there) == ARMDB_OK);
    ADB_ASSERT(is_there == (state->model.pair[id][number] != 0));
    uint64_t deadline_ms;
    ADB_ASSERT(adb_db_deadline(state->collections[id], read.key, &deadline_ms) ==
               (is_there ? ARMDB_OK : ARMDB_NOT_FOUND));
    ADB_ASSERT(deadline_ms == state->model.deadline_ms[id][number]);
    read.err = adb_db_get(state->collections[id], read.key, buffer, read.capacity, &read.len);
    check_read(state, id, number, &read);
}

/* Reads keys one behind the other, from one that the input says, as one call. */
static void
read_many(struct state *state, struct fuzz_input *input)
{
    static unsigned char buffers[READS_MAX][READ_BYTES];
    char rooms[READS_MAX][32];
    armdb_read reads[READS_MAX];
    armdb_err first = ARMDB_OK;
    uint32_t id = (uint32_t)take_below(input, COLLECTIONS);
    uint32_t from = (uint32_t)take_below(input, KEYS);
    uint32_t count = (uint32_t)take_below(input, READS_MAX + 1);
    for (uint32_t i = 0; i < count; i++)
        reads[i] = (armdb_read){.key = key_of(id, (from + i) % KEYS, rooms[i]),
                                .buffer = buffers[i],
                                .capacity = i % 7 == 6 ? 20 : READ_BYTES,
                                .len = 1};
    armdb_err err = adb_db_multi_get(state->collections[id], reads, count);
    for (uint32_t i = 0; i < count; i++) {
        check_read(state, id, (from + i) % KEYS, &reads[i]);
        if (first == ARMDB_OK && reads[i].err != ARMDB_NOT_FOUND)
            first = reads[i].err;
    }
    ADB_ASSERT(err == first);
}

static void
check_all(struct state *state)
{
    for (uint32_t id = 0; id < COLLECTIONS; id++) {
        uint64_t expected = 0, count;
        for (int number = 0; number < KEYS; number++)
            expected += state->model.pair[id][number] != 0;
        ADB_ASSERT(adb_db_count(state->collections[id], &count) == ARMDB_OK);
        /* Those that have expired count until the background has deleted them. */
        ADB_ASSERT(count >= expected && count <= expected + state->model.expired[id]);
        ADB_ASSERT(fuzz_walk_collection(state->collections[id], id) == expected);
    }
}

/* Drops a collection and makes it anew. */
static void
renew(struct state *state, uint32_t id)
{
    if (id == 0)
        return;
    ADB_ASSERT(adb_collection_drop(state->db, NAMES[id]) == ARMDB_OK);
    memset(state->model.pair[id], 0, sizeof state->model.pair[id]);
    memset(state->model.deadline_ms[id], 0, sizeof state->model.deadline_ms[id]);
    state->model.expired[id] = 0;
    reopen(state, 0);
}

static void
operate(struct state *state, struct fuzz_input *input)
{
    switch (take_u8(input) % 17) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        write_pair(state, input, SHARD_PUT);
        break;
    case 5:
        write_pair(state, input, SHARD_INSERT);
        break;
    case 6:
    case 7:
        write_pair(state, input, SHARD_DELETE);
        break;
    case 8:
    case 9:
        read_pair(state, input);
        break;
    case 10:
        read_many(state, input);
        break;
    case 11:
        ADB_ASSERT(adb_db_flush(state->db) == ARMDB_OK);
        break;
    case 12:
        sim_advance_ns(state->sim, (uint64_t)take_u16(input) << 16);
        expire(state);
        adb_db_step(state->db);
        break;
    case 13:
        check_all(state);
        break;
    case 14:
        reopen(state, take_u8(input));
        break;
    case 16:
        write_batch(state, input);
        break;
    default:
        renew(state, (uint32_t)take_below(input, COLLECTIONS));
        break;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct state *state = (struct state *)calloc(1, sizeof *state);
    armdb_verify_report report;
    ADB_ASSERT(state != NULL);
    state->options = (armdb_options)ARMDB_OPTIONS_INIT;
    state->options.shards = 1 + (uint32_t)take_below(&input, 3);
    state->options.shard_prefix_bits = take_u8(&input) % 40;
    state->options.max_file_bytes = 65536;
    state->options.write_buffer_bytes = UINT32_C(16384) << take_below(&input, 2);
    state->options.sync_interval_ms = 1 + take_u8(&input);
    uint32_t seed = take_u8(&input);
    state->sim = sim_new(seed);
    sim_set_can_map(state->sim, seed % 2 == 0);
    open_db(state);
    for (int i = 0; i < OPERATIONS_MAX && input.size > 0; i++)
        operate(state, &input);
    check_all(state);
    reopen(state, 1);
    check_all(state);
    close_db(state);
    ADB_ASSERT(adb_db_verify(sim_os(state->sim), "/db", NULL, NULL, &report) == ARMDB_OK);
    ADB_ASSERT(sim_open_count(state->sim) == 0);
    sim_free(state->sim);
    free(state);
    return 0;
}
