/*
 * engine_armdb_object.c: this project's own library with values that are objects ("armdb-object").
 *
 * An object is the bytes of its value behind their length: making one costs an allocation and a
 * copy, as little as a codec can cost. A get pins the object and reads it where it lies.
 */
#include <stdlib.h>
#include <string.h>

#include "engine_armdb.h"

struct item {
    size_t len;
    unsigned char bytes[];
};

static struct item *
item_new(armdb_slice bytes)
{
    struct item *item = (struct item *)bench_new(sizeof *item + bytes.len);
    item->len = bytes.len;
    memcpy(item->bytes, bytes.data, bytes.len);
    return item;
}

static int
item_decode(void *context, armdb_slice key, armdb_slice bytes, void **object_out)
{
    (void)context;
    (void)key;
    *object_out = item_new(bytes);
    return 0;
}

static size_t
item_size(void *context, const void *object)
{
    (void)context;
    return ((const struct item *)object)->len;
}

static int
item_encode(void *context, const void *object, void *to, size_t bytes)
{
    (void)context;
    memcpy(to, ((const struct item *)object)->bytes, bytes);
    return 0;
}

static void
item_free(void *context, void *object)
{
    (void)context;
    free(object);
}

static const armdb_codec codec = {
    .struct_bytes = sizeof codec,
    .decode = item_decode,
    .size = item_size,
    .encode = item_encode,
    .free = item_free,
};

static void *
object_open(const struct bench_config *config)
{
    armdb_collection_options collection = ARMDB_COLLECTION_OPTIONS_INIT;
    collection.value_bytes = ARMDB_VALUE_OBJECT;
    collection.codec = &codec;
    return armdb_bench_open_collection(config, &collection);
}

static void
object_put(void *handle, struct bench_bytes key, struct bench_bytes value)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    armdb_bench_check(
        armdb_object_put(thread->collection, slice(key), item_new(slice(value)), NULL), "put");
}

static bool
object_get(void *handle, struct bench_bytes key, bench_visit_fn visit, void *context)
{
    struct armdb_bench_thread *thread = (struct armdb_bench_thread *)handle;
    armdb_object object;
    armdb_err err = armdb_object_get(thread->collection, slice(key), &object);
    if (err == ARMDB_NOT_FOUND)
        return false;
    armdb_bench_check(err, "get");
    const struct item *item = (const struct item *)object.object;
    visit(context, key, bench_bytes(item->bytes, item->len));
    armdb_object_release(&object);
    return true;
}

const struct bench_engine bench_armdb_object = {
    .name = "armdb-object",
    .settings = "as armdb, with values that are objects, decoded once; a get pins one. No "
                "multi-get of objects: one by one",
    .traits = BENCH_ORDERED | BENCH_OURS | BENCH_OBJECTS | BENCH_VARIANT,
    .open = object_open,
    .put = object_put,
    .get = object_get,
    .scan = armdb_bench_scan,
    ARMDB_BENCH_COMMON,
};
