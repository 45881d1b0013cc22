#include "db/db_batch.h"

#include <inttypes.h>

#include "base/err.h"
#include "base/mem.h"
#include "db/db_batch_private.h"
#include "log/location.h"
#include "log/log_writer.h"
#include "os/rcu.h"

enum { BLOCK_BYTES = 16384 };

/* Copies of keys and values. */
struct batch_block {
    struct batch_block *next; /* owned */
    size_t used;
    size_t capacity;
    unsigned char bytes[];
};

/* ------------------------------------------------------------------------- life */

static void
begin(struct batch *batch)
{
    for (uint32_t i = 0; i < batch->db->settings.shards; i++)
        batch->shards[i] = (struct batch_shard){.first = UINT32_MAX};
    batch->count = 0;
    batch->bytes = 0;
}

armdb_err
adb_db_batch_new(struct db *db, struct batch **batch_out)
{
    struct batch *batch = adb_new(struct batch);
    *batch_out = NULL;
    struct batch_shard *shards = adb_new_array(struct batch_shard, db->settings.shards);
    if (batch == NULL || shards == NULL) {
        adb_mem_free(shards);
        adb_mem_free(batch);
        return adb_fail(ARMDB_NO_MEMORY, "batch", "no memory for a batch");
    }
    batch->db = db;
    batch->shards = shards;
    begin(batch);
    atomic_fetch_add_explicit(&db->batches, 1, memory_order_relaxed);
    *batch_out = batch;
    return ARMDB_OK;
}

void
adb_db_batch_clear(struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++)
        adb_object_unref(batch->ops[i].write.object);
    while (batch->blocks != NULL) {
        struct batch_block *block = batch->blocks;
        batch->blocks = block->next;
        adb_mem_free(block);
    }
    begin(batch);
}

void
adb_db_batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    adb_db_batch_clear(batch);
    atomic_fetch_sub_explicit(&batch->db->batches, 1, memory_order_release);
    adb_mem_free(batch->shards);
    adb_mem_free(batch->ops);
    adb_mem_free(batch);
}

size_t
adb_db_batch_count(const struct batch *batch, uint64_t *bytes_out)
{
    if (bytes_out != NULL)
        *bytes_out = batch->bytes;
    return batch->count;
}

/* ----------------------------------------------------------------------- adding */

static armdb_err
no_memory(void)
{
    return adb_fail(ARMDB_NO_MEMORY, "batch", "no memory for an operation");
}

/* Room for one more operation with so many bytes. */
static armdb_err
make_room(struct batch *batch, size_t bytes)
{
    if (batch->count == ARMDB_BATCH_MAX)
        return adb_fail(ARMDB_LIMIT, "batch", "a batch has %u operations at most", ARMDB_BATCH_MAX);
    if (batch->count == batch->capacity) {
        uint32_t capacity = batch->capacity == 0 ? 16 : 2 * batch->capacity;
        void *grown = adb_mem_realloc(batch->ops, capacity * sizeof *batch->ops);
        if (grown == NULL)
            return no_memory();
        batch->ops = (struct shard_batch_op *)grown;
        batch->capacity = capacity;
    }
    struct batch_block *block = batch->blocks;
    if (block != NULL && block->capacity - block->used >= bytes)
        return ARMDB_OK;
    size_t capacity = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    block = (struct batch_block *)adb_mem_alloc(sizeof *block + capacity);
    if (block == NULL)
        return no_memory();
    *block = (struct batch_block){.next = batch->blocks, .capacity = capacity};
    batch->blocks = block;
    return ARMDB_OK;
}

/* Copies bytes to where make_room() has seen to room for them. */
static armdb_slice
keep(struct batch *batch, armdb_slice bytes)
{
    struct batch_block *block = batch->blocks;
    unsigned char *to = block->bytes + block->used;
    if (bytes.len > 0)
        memcpy(to, bytes.data, bytes.len);
    block->used += bytes.len;
    return (armdb_slice){to, bytes.len};
}

static armdb_err
check(const struct batch *batch, const struct batch_addition *addition, uint64_t *deadline_ms_out)
{
    const armdb_write_options *options = addition->options;
    armdb_durability durability;
    *deadline_ms_out = 0;
    if (addition->collection->db != batch->db)
        return adb_fail(ARMDB_INVALID, "batch", "a collection of another database");
    ADB_TRY(adb_collection_check_key(addition->collection, addition->key));
    if (addition->is_write && addition->verb == SHARD_PUT)
        ADB_TRY(adb_collection_check_value(addition->collection, addition->value));
    if (options == NULL)
        return ARMDB_OK;
    ADB_TRY(adb_write_options_settle(options, ARMDB_WRITTEN, &durability));
    if (options->durability != ARMDB_DURABILITY_DEFAULT || options->ticket != NULL)
        return adb_fail(ARMDB_INVALID, "batch",
                        "durability and ticket are those of the commit, not of an operation");
    *deadline_ms_out = adb_write_options_deadline(options, batch->db->os);
    return ARMDB_OK;
}

/* Counts a write of the batch, once or (-1) once less. */
static void
count(struct batch *batch, struct batch_shard *shard, const struct shard_write *write, int32_t by)
{
    const struct log_entry entry = {.flags = write->deadline_ms != 0 ? LOG_FLAG_DEADLINE : 0,
                                    .key = write->key,
                                    .value = write->value};
    uint64_t bytes = adb_log_part_bytes_most(&entry) * (uint64_t)(int64_t)by;
    shard->n_writes += (uint32_t)by;
    shard->bytes += bytes;
    batch->bytes += bytes;
}

static struct batch_shard *
shard_of(struct batch *batch, const struct shard_batch_op *op)
{
    return &batch->shards[adb_router_shard(&batch->db->router, op->write.key)];
}

/* Puts the newest operation behind the others of its shard. */
static void
link_newest(struct batch *batch)
{
    uint32_t number = batch->count++;
    const struct shard_batch_op *op = &batch->ops[number];
    struct batch_shard *shard = shard_of(batch, op);
    if (shard->first == UINT32_MAX)
        shard->first = number;
    else
        batch->ops[shard->last].next = number;
    shard->last = number;
    if (op->is_write)
        count(batch, shard, &op->write, 1);
}

void
adb_batch_withdraw(struct batch *batch, uint32_t number)
{
    struct shard_batch_op *op = &batch->ops[number];
    count(batch, shard_of(batch, op), &op->write, -1);
    op->is_write = false;
}

armdb_err
adb_db_batch_add(struct batch *batch, const struct batch_addition *addition)
{
    uint64_t deadline_ms;
    struct object *object = NULL;
    bool is_put = addition->is_write && addition->verb == SHARD_PUT;
    ADB_TRY(check(batch, addition, &deadline_ms));
    ADB_TRY(make_room(batch, addition->key.len + addition->value.len));
    if (is_put && addition->collection->index.keys.has_pointers)
        ADB_TRY(adb_object_decode(addition->collection, addition->key, addition->value, &object));
    struct shard_batch_op *op = &batch->ops[batch->count];
    *op = (struct shard_batch_op){
        .write = {.verb = is_put ? SHARD_PUT : SHARD_DELETE,
                  .index = &addition->collection->index,
                  .key = keep(batch, addition->key),
                  .deadline_ms = deadline_ms,
                  .object = object},
        .is_write = addition->is_write,
        .condition = addition->condition,
        .next = UINT32_MAX,
    };
    if (is_put)
        op->write.value = keep(batch, addition->value);
    else
        op->expected = keep(batch, addition->value);
    link_newest(batch);
    return ARMDB_OK;
}

/* ----------------------------------------------------------------------- commit */

/* Compares the value at a location with what is expected; inside the scope that found it. */
static armdb_err
compare(const struct db *db, const struct shard_batch_op *op, uint64_t location)
{
    struct shard *shard = adb_db_route(db, op->write.key);
    uint64_t deadline_ms;
    ADB_TRY(adb_shard_read_deadline(shard, location, op->write.key, &deadline_ms));
    if (adb_location_value_len(location) != op->expected.len)
        return ARMDB_CHANGED;
    void *value = adb_mem_alloc(op->expected.len + 1); /* not of nothing */
    if (value == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "batch", "no memory for a value of %zu bytes",
                        op->expected.len);
    armdb_err err = adb_shard_read_value(shard, location, op->write.key, value);
    if (err == ARMDB_OK && op->expected.len > 0 &&
        memcmp(value, op->expected.data, op->expected.len) != 0)
        err = ARMDB_CHANGED;
    adb_mem_free(value);
    return err;
}

/* Reads the value that a condition is about, and notes where it is. */
static armdb_err
read_expected(const struct db *db, struct shard_batch_op *op)
{
    uint64_t location = 0;
    armdb_err err = ARMDB_NOT_FOUND;
    adb_rcu_enter();
    if (atomic_load_explicit(&op->write.index->is_dropped, memory_order_acquire))
        err = adb_fail(ARMDB_NO_COLLECTION, "batch", "the collection was dropped");
    else
        location = adb_index_get(&op->write.index->keys, op->write.key, NULL);
    if (location != 0) {
        op->expected_at = adb_shard_place(adb_db_route(db, op->write.key), location);
        err = compare(db, op, location);
    }
    adb_rcu_leave();
    return err;
}

static armdb_err
read_all_expected(struct batch *batch, uint32_t *refused_out)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        struct shard_batch_op *op = &batch->ops[i];
        op->expected_at = (struct shard_place){0};
        if (op->condition != SHARD_VALUE || op->write.index->keys.value_bytes != 0)
            continue;
        *refused_out = i;
        ADB_TRY(read_expected(batch->db, op));
    }
    *refused_out = UINT32_MAX;
    return ARMDB_OK;
}

armdb_err
adb_batch_part(const struct batch *batch, uint32_t number, struct shard_batch_part *part_out)
{
    const struct batch_shard *shard = &batch->shards[number];
    uint64_t most = adb_shard_part_bytes_max(batch->db->shards[number]);
    if (shard->bytes > most)
        return adb_fail(ARMDB_LIMIT, "batch",
                        "%" PRIu64 " bytes for shard %" PRIu32 ", which takes at most %" PRIu64
                        " of one batch: raise max_file_bytes",
                        shard->bytes, number, most);
    *part_out = (struct shard_batch_part){.shard = batch->db->shards[number],
                                          .first = shard->first,
                                          .n_writes = shard->n_writes,
                                          .bytes = shard->bytes};
    return ARMDB_OK;
}

static armdb_err
list_parts(const struct batch *batch, struct shard_batch *work)
{
    work->n_parts = 0;
    for (uint32_t i = 0; i < batch->db->settings.shards; i++) {
        if (batch->shards[i].first != UINT32_MAX)
            ADB_TRY(adb_batch_part(batch, i, &work->parts[work->n_parts++]));
    }
    return ARMDB_OK;
}

static armdb_err
commit(struct batch *batch, struct shard_batch *work)
{
    ADB_TRY(read_all_expected(batch, &work->refused));
    ADB_TRY(list_parts(batch, work));
    armdb_err err = adb_shard_write_batch(work);
    while (err == ARMDB_BUSY) { /* a value that was read has moved, or it has another one */
        uint32_t refused = work->refused;
        ADB_TRY(read_expected(batch->db, &batch->ops[refused]));
        err = adb_shard_write_batch(work);
    }
    return err;
}

armdb_err
adb_batch_settle(const struct db *db, const armdb_write_options *options, struct shard_batch *work,
                 struct batch_ticket *ticket_out)
{
    *ticket_out = (struct batch_ticket){0};
    adb_db_ticket_clear(options);
    ADB_TRY(adb_write_options_settle(options, db->settings.durability, &work->durability));
    if (options == NULL)
        return ARMDB_OK;
    if (options->expires_at_ms != 0 || options->ttl_ms != 0)
        return adb_fail(ARMDB_INVALID, "commit", "deadlines are set for each put of a batch");
    if (options->ticket != NULL) {
        work->ticket_out = &ticket_out->sequence;
        work->ticket_part_out = &ticket_out->part;
    }
    return ARMDB_OK;
}

armdb_err
adb_db_batch_commit(struct batch *batch, const armdb_write_options *options, size_t *refused_out)
{
    struct shard_batch_part parts[ARMDB_SHARDS_MAX];
    struct shard_batch work = {.ops = batch->ops, .parts = parts, .refused = UINT32_MAX};
    struct batch_ticket ticket;
    ADB_TRY(adb_batch_settle(batch->db, options, &work, &ticket));
    armdb_err err = commit(batch, &work);
    *refused_out = work.refused == UINT32_MAX ? SIZE_MAX : work.refused;
    adb_objects_reclaim(batch->db, OBJECTS_RETIRED_MAX);
    if (err == ARMDB_OK && ticket.sequence != 0) {
        uint32_t number = adb_router_shard(&batch->db->router,
                                           batch->ops[parts[ticket.part].first].write.key);
        *options->ticket = (armdb_ticket){.sequence = ticket.sequence, .shard = number};
    }
    return err;
}
