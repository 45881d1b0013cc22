#include "golden/golden_ops.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "db/db_batch.h"

/* What the operations leave: two shards with two files each, the first one sealed. */
const char *const golden_files[] = {"MANIFEST",
                                    "shard-000/0000000001.log",
                                    "shard-000/0000000002.log",
                                    "shard-001/0000000001.log",
                                    "shard-001/0000000002.log",
                                    NULL};

enum { COLLECTIONS = 5, STEPS = 400, VALUE_BYTES_MAX = 500, BATCH_WRITES_MAX = 6 };

static const struct {
    const char *name;
    uint32_t key_bytes;
    armdb_order order;
} KINDS[COLLECTIONS] = {{"default", ARMDB_KEY_VARIABLE, ARMDB_ASCENDING},
                        {"fixed down", 8, ARMDB_DESCENDING},
                        {"tiny", 1, ARMDB_ASCENDING},
                        {"gr\xc3\xb6\xc3\x9f"
                         "e",
                         ARMDB_KEY_VARIABLE, ARMDB_DESCENDING},
                        {"dropped", ARMDB_KEY_VARIABLE, ARMDB_ASCENDING}};

/* ------------------------------------------------------------------- randomness */

/* Of our own, so that no change elsewhere changes the files. */
static uint32_t
next_random(uint32_t *state)
{
    *state = *state * UINT32_C(1664525) + UINT32_C(1013904223);
    return *state >> 8;
}

/* Identity of the database and seed of its hash: 1, 2, 3 ... */
static armdb_err
fixed_entropy(struct adb_os *os, void *buffer, size_t bytes)
{
    unsigned char *to = (unsigned char *)buffer;
    (void)os;
    for (size_t i = 0; i < bytes; i++)
        to[i] = (unsigned char)(i + 1);
    return ARMDB_OK;
}

/* ------------------------------------------------------------------- operations */

static size_t
make_key(uint32_t *random, uint32_t key_bytes, unsigned char *key)
{
    uint32_t number = next_random(random) % 60;
    if (key_bytes == ARMDB_KEY_VARIABLE) {
        /* All lengths up to 40, and the longest one. */
        size_t len = number == 0 ? ARMDB_KEY_MAX : 1 + number % 40;
        for (size_t i = 0; i < len; i++)
            key[i] = (unsigned char)(number * 5 + i * (number % 3));
        return len;
    }
    for (size_t i = 0; i < key_bytes; i++)
        key[i] = (unsigned char)(number * 37 + i * 11);
    return key_bytes;
}

static size_t
make_value(uint32_t *random, unsigned char *value)
{
    uint32_t kind = next_random(random);
    size_t len = kind % 8 == 0 ? 0 : kind % 40 == 1 ? VALUE_BYTES_MAX : kind / 8 % 60;
    uint32_t first = next_random(random);
    for (size_t i = 0; i < len; i++)
        value[i] = (unsigned char)(first + i * 3);
    return len;
}

/* A write that was drawn. */
struct drawn {
    unsigned char key[ARMDB_KEY_MAX];
    unsigned char value[VALUE_BYTES_MAX];
    uint32_t which;
    size_t key_len;
    size_t value_len;
    enum shard_verb verb;
    armdb_write_options options;
};

static void
draw(uint32_t *random, struct drawn *drawn)
{
    static const armdb_durability levels[4] = {ARMDB_BUFFERED, ARMDB_WRITTEN, ARMDB_WRITTEN,
                                               ARMDB_SYNCED};
    drawn->which = next_random(random) % COLLECTIONS;
    drawn->key_len = make_key(random, KINDS[drawn->which].key_bytes, drawn->key);
    drawn->value_len = make_value(random, drawn->value);
    uint32_t verb = next_random(random) % 8;
    drawn->verb = verb < 2 ? SHARD_DELETE : verb == 2 ? SHARD_INSERT : SHARD_PUT;
    if (verb < 2)
        drawn->value_len = 0;
    drawn->options = (armdb_write_options)ARMDB_WRITE_OPTIONS_INIT;
    drawn->options.durability = levels[next_random(random) % 4];
    uint32_t until = next_random(random);
    if (verb >= 2 && until % 3 == 0)
        drawn->options.expires_at_ms = UINT64_C(32503680000000) + until; /* the year 3000 */
}

static void
step(struct collection *const *collections, uint32_t *random)
{
    struct drawn drawn;
    draw(random, &drawn);
    armdb_err err = adb_db_write(collections[drawn.which], drawn.verb,
                                 armdb_bytes(drawn.key, drawn.key_len),
                                 armdb_bytes(drawn.value, drawn.value_len), &drawn.options);
    ADB_ASSERT(err == ARMDB_OK || err == ARMDB_NOT_FOUND || err == ARMDB_EXISTS);
}

/* A few writes together; the level is that of the last one. */
static void
step_batch(struct db *db, struct collection *const *collections, uint32_t *random)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    uint32_t count = 1 + next_random(random) % BATCH_WRITES_MAX;
    struct drawn drawn;
    struct batch *batch;
    size_t refused;
    ADB_ASSERT(adb_db_batch_new(db, &batch) == ARMDB_OK);
    for (uint32_t i = 0; i < count; i++) {
        draw(random, &drawn);
        options.durability = drawn.options.durability;
        drawn.options.durability = ARMDB_DURABILITY_DEFAULT;
        const struct batch_addition addition = {
            .collection = collections[drawn.which],
            .key = armdb_bytes(drawn.key, drawn.key_len),
            .is_write = true,
            .verb = drawn.verb == SHARD_DELETE ? SHARD_DELETE : SHARD_PUT,
            .value = armdb_bytes(drawn.value, drawn.value_len),
            .options = &drawn.options,
        };
        ADB_ASSERT(adb_db_batch_add(batch, &addition) == ARMDB_OK);
    }
    ADB_ASSERT(adb_db_batch_commit(batch, &options, &refused) == ARMDB_OK);
    adb_db_batch_free(batch);
}

static void
run(struct db *db, struct collection *const *collections, uint32_t *random, int steps,
    enum golden_kind kind)
{
    for (int i = 0; i < steps; i++) {
        if (kind == GOLDEN_BATCHES && i % BATCH_WRITES_MAX == 0)
            step_batch(db, collections, random);
        else
            step(collections, random);
    }
}

static void
create(struct adb_os *os, struct db **db_out, struct collection **collections)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.shards = 2;
    options.shard_prefix_bits = 12;
    options.max_file_bytes = 65536;
    options.write_buffer_bytes = 16384;
    options.open_mode = ARMDB_CREATE_NEW;
    ADB_ASSERT(adb_db_open(os, GOLDEN_PATH, &options, db_out) == ARMDB_OK);
    collections[0] = adb_db_default(*db_out);
    for (int i = 1; i < COLLECTIONS; i++) {
        const armdb_collection_options how = {
            sizeof how, KINDS[i].key_bytes, KINDS[i].order, 0, NULL, 0, NULL};
        ADB_ASSERT(adb_collection_create(*db_out, KINDS[i].name, &how, &collections[i]) ==
                   ARMDB_OK);
    }
}

/* A value that is too large for the files of both shards as they are, and for the disk: each begins
 * a new file, and refuses the value. So the files stay small. */
static void
rotate(struct sim *sim, struct collection *collection)
{
    static const unsigned char large[1 << 20] = {0};
    for (unsigned char first = 0; first < 32; first++) {
        /* Enough for a new file; not for the value, with what the sealed file gives back too. */
        sim_set_capacity(sim, sim_used_bytes(sim) + 16 * 1024);
        ADB_ASSERT(adb_db_write(collection, SHARD_PUT, armdb_bytes(&first, 1),
                                armdb_bytes(large, sizeof large), NULL) == ARMDB_NO_SPACE);
    }
    sim_set_capacity(sim, UINT64_MAX);
}

void
golden_write(struct sim *sim, enum golden_kind kind)
{
    struct adb_os *os = sim_os(sim);
    struct adb_os_ops ops = *os->ops;
    const struct adb_os_ops *const plain_ops = os->ops;
    struct collection *collections[COLLECTIONS];
    uint32_t random = 1;
    struct db *db;
    bool is_closed;
    ops.entropy = fixed_entropy;
    os->ops = &ops;
    create(os, &db, collections);
    run(db, collections, &random, STEPS, kind);
    rotate(sim, collections[0]);
    run(db, collections, &random, STEPS / 4, kind);
    ADB_ASSERT(adb_collection_drop(db, "dropped") == ARMDB_OK);
    ADB_ASSERT(adb_db_close(db, &is_closed) == ARMDB_OK && is_closed);
    os->ops = plain_ops;
}

/* ------------------------------------------------------------------------- dump */

static void
dump_bytes(armdb_slice slice, FILE *to)
{
    const unsigned char *bytes = (const unsigned char *)slice.data;
    for (size_t i = 0; i < slice.len; i++) {
        if (bytes[i] > ' ' && bytes[i] < 0x7f && bytes[i] != '\\')
            fputc(bytes[i], to);
        else
            fprintf(to, "\\x%02x", bytes[i]);
    }
}

static void
dump_collection(struct db *db, const armdb_collection_info *info, FILE *to)
{
    const armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    struct collection *collection;
    struct cursor *cursor;
    uint64_t deadline_ms;
    armdb_err err;
    fprintf(to, "collection %" PRIu32 " ", info->id);
    dump_bytes(armdb_str(info->name), to);
    if (info->key_bytes == ARMDB_KEY_VARIABLE)
        fprintf(to, " variable");
    else
        fprintf(to, " %" PRIu32, info->key_bytes);
    fprintf(to, " %s %" PRIu64 "\n", info->order == ARMDB_ASCENDING ? "ascending" : "descending",
            info->keys);
    ADB_ASSERT(adb_collection_open(db, info->name, NULL, &collection) == ARMDB_OK);
    ADB_ASSERT(adb_cursor_open(collection, &options, &cursor) == ARMDB_OK);
    while ((err = adb_cursor_move(cursor, CURSOR_NEXT)) == ARMDB_OK) {
        dump_bytes(adb_cursor_key(cursor), to);
        fputc('\t', to);
        dump_bytes(adb_cursor_value(cursor), to);
        ADB_ASSERT(adb_db_deadline(collection, adb_cursor_key(cursor), &deadline_ms) == ARMDB_OK);
        if (deadline_ms != 0)
            fprintf(to, "\tuntil %" PRIu64, deadline_ms);
        fputc('\n', to);
    }
    ADB_ASSERT(err == ARMDB_END);
    adb_cursor_close(cursor);
}

void
golden_dump(struct db *db, FILE *to)
{
    armdb_collection_info infos[COLLECTIONS];
    armdb_stats stats = {.struct_bytes = sizeof stats};
    size_t count;
    adb_db_get_stats(db, &stats);
    fprintf(to, "shards %" PRIu32 ", prefix bits %" PRIu32 ", files %" PRIu64 "\n", stats.shards,
            stats.shard_prefix_bits, stats.files);
    adb_collection_list(db, infos, COLLECTIONS, &count);
    ADB_ASSERT(count <= COLLECTIONS);
    for (size_t i = 0; i < count; i++)
        dump_collection(db, &infos[i], to);
}
