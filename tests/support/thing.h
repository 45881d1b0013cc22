/*
 * thing.h: objects for tests: a text, and a count of those there are.
 *
 * Encoded, a thing is its text. Texts that begin with '!' are of none.
 */
#ifndef TEST_SUPPORT_THING_H
#define TEST_SUPPORT_THING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "armdb/object.h"

#define THING_ALIVE UINT64_C(0x7417600d7417600d)

struct thing {
    uint64_t alive; /* THING_ALIVE, or it was freed */
    size_t len;
    char text[];
};

/** The context of a codec of things. */
struct thing_world {
    _Atomic(uint64_t) things; /* that there are */
    _Atomic(uint64_t) decoded;
    _Atomic(uint64_t) encoded;
    _Atomic(uint64_t) failures; /* on_failure was called */
    int stops;                  /* what it says */
    bool takes_all;             /* texts that begin with '!' too */
    armdb_err failure;          /* the last one */
};

static inline struct thing *
thing_new(struct thing_world *world, const void *text, size_t len)
{
    struct thing *thing = (struct thing *)malloc(sizeof *thing + len + 1);
    if (thing == NULL)
        abort();
    thing->alive = THING_ALIVE;
    thing->len = len;
    if (len > 0)
        memcpy(thing->text, text, len);
    thing->text[len] = '\0';
    atomic_fetch_add(&world->things, 1);
    return thing;
}

static inline int
thing_decode(void *context, armdb_slice key, armdb_slice bytes, void **object_out)
{
    struct thing_world *world = (struct thing_world *)context;
    (void)key;
    atomic_fetch_add(&world->decoded, 1);
    if (!world->takes_all && bytes.len > 0 && *(const char *)bytes.data == '!')
        return 1;
    *object_out = thing_new(world, bytes.data, bytes.len);
    return 0;
}

static inline size_t
thing_size(void *context, const void *object)
{
    (void)context;
    return ((const struct thing *)object)->len;
}

static inline int
thing_encode(void *context, const void *object, void *to, size_t bytes)
{
    struct thing_world *world = (struct thing_world *)context;
    const struct thing *thing = (const struct thing *)object;
    atomic_fetch_add(&world->encoded, 1);
    if (thing->text[0] == '!')
        return 1;
    memcpy(to, thing->text, bytes);
    return 0;
}

static inline void
thing_free(void *context, void *object)
{
    struct thing_world *world = (struct thing_world *)context;
    struct thing *thing = (struct thing *)object;
    if (thing->alive != THING_ALIVE)
        abort();
    thing->alive = 0;
    free(thing);
    atomic_fetch_sub(&world->things, 1);
}

static inline int
thing_failed(void *context, armdb_slice key, armdb_err err)
{
    struct thing_world *world = (struct thing_world *)context;
    (void)key;
    atomic_fetch_add(&world->failures, 1);
    world->failure = err;
    return world->stops;
}

/** A codec of things; without on_failure. */
static inline armdb_codec
thing_codec(struct thing_world *world)
{
    armdb_codec codec = ARMDB_CODEC_INIT;
    codec.decode = thing_decode;
    codec.size = thing_size;
    codec.encode = thing_encode;
    codec.free = thing_free;
    codec.context = world;
    return codec;
}

/** Options of a collection of things; `codec` may be NULL. */
static inline armdb_collection_options
thing_options(const armdb_codec *codec, armdb_order order)
{
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    options.order = order;
    options.value_bytes = ARMDB_VALUE_OBJECT;
    options.codec = codec;
    return options;
}

static inline const char *
thing_text(const armdb_object *object)
{
    return ((const struct thing *)object->object)->text;
}

#endif
