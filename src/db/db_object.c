/*
 * db_object.c: values that are objects of the program.
 *
 * A codec comes with a collection that is created, or when it is opened: from then on each write
 * decodes, and all keys that were there before get their objects, one after the other. A key that
 * has none, for whatever reason, or one of another codec, gets one from whoever reads it.
 */
#include "db/db_object.h"

#include "base/err.h"
#include "base/mem.h"
#include "db/db_private.h"
#include "log/location.h"
#include "os/rcu.h"

/* --------------------------------------------------------------------- codecs */

armdb_err
adb_codec_new(struct value_account *account, const armdb_codec *user,
              struct object_codec **codec_out)
{
    struct object_codec *codec = adb_new(struct object_codec);
    *codec_out = codec;
    if (codec == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "open collection", "no memory for a codec");
    atomic_init(&codec->references, 1);
    atomic_fetch_add_explicit(&account->references, 1, memory_order_relaxed);
    codec->account = account;
    codec->user = *user;
    return ARMDB_OK;
}

void
adb_codec_unref(struct object_codec *codec)
{
    while (codec != NULL &&
           atomic_fetch_sub_explicit(&codec->references, 1, memory_order_acq_rel) == 1) {
        struct object_codec *older = codec->older;
        adb_value_account_unref(codec->account);
        adb_mem_free(codec);
        codec = older;
    }
}

static bool
is_same(const armdb_codec *a, const armdb_codec *b)
{
    return a->decode == b->decode && a->size == b->size && a->encode == b->encode &&
           a->free == b->free && a->context == b->context;
}

/* NULL: it has none. It stays as long as the collection. */
static struct object_codec *
codec_of(struct collection *collection)
{
    return atomic_load_explicit(&collection->codec, memory_order_acquire);
}

static armdb_err
need_codec(struct collection *collection, struct object_codec **codec_out)
{
    *codec_out = codec_of(collection);
    if (ADB_LIKELY(*codec_out != NULL))
        return ARMDB_OK;
    return adb_fail(ARMDB_UNSUPPORTED, "object", "collection \"%.100s\" %s", collection->name,
                    collection->index.keys.has_pointers ? "was opened without a codec"
                                                        : "has values that are no objects");
}

/* -------------------------------------------------------------------- objects */

static armdb_err
refused(const struct collection *collection, const char *what, armdb_slice key)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = (const unsigned char *)key.data;
    char text[2 * 40 + 1];
    size_t n = key.len < 40 ? key.len : 40;
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * n] = '\0';
    return adb_fail(ARMDB_CODEC, what,
                    "the codec of collection \"%.60s\" refused to %s the value of key %s%s "
                    "(hexadecimal)",
                    collection->name, what, text, n < key.len ? "..." : "");
}

/* Takes `user`, also on error. */
static armdb_err
new_object(struct object_codec *codec, void *user, size_t bytes, struct object **object_out)
{
    struct object *object = adb_new(struct object);
    *object_out = object;
    if (object == NULL) {
        codec->user.free(codec->user.context, user);
        return adb_fail(ARMDB_NO_MEMORY, "object", "no memory for an object");
    }
    atomic_init(&object->references, 1);
    atomic_fetch_add_explicit(&codec->references, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&codec->account->objects, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&codec->account->object_bytes, sizeof *object + bytes,
                              memory_order_relaxed);
    object->codec = codec;
    object->user = user;
    object->bytes = bytes;
    return ARMDB_OK;
}

void
adb_object_unref(struct object *object)
{
    if (object == NULL ||
        atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel) != 1)
        return;
    struct object_codec *codec = object->codec;
    codec->user.free(codec->user.context, object->user);
    atomic_fetch_sub_explicit(&codec->account->objects, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&codec->account->object_bytes, sizeof *object + object->bytes,
                              memory_order_relaxed);
    adb_codec_unref(codec);
    adb_mem_free(object);
}

static armdb_err
decode(struct collection *collection, struct object_codec *codec, armdb_slice key,
       armdb_slice bytes, struct object **object_out)
{
    void *user = NULL;
    if (codec->user.decode(codec->user.context, key, bytes, &user) != 0)
        return refused(collection, "decode", key);
    return new_object(codec, user, bytes.len, object_out);
}

armdb_err
adb_object_decode(struct collection *collection, armdb_slice key, armdb_slice bytes,
                  struct object **object_out)
{
    struct object_codec *codec = codec_of(collection);
    *object_out = NULL;
    return codec == NULL ? ARMDB_OK : decode(collection, codec, key, bytes, object_out);
}

/* -------------------------------------------------------------------- reading */

/* What is known of a key: its object, pinned; or else its value, and where that was. */
struct glimpse {
    struct object *object;
    struct shard_place place;
    armdb_value value;
};

/* Inside an RCU scope. */
static armdb_err
look(struct collection *collection, const struct object_codec *codec, armdb_slice key,
     struct glimpse *glimpse)
{
    struct shard *shard = adb_db_route(collection->db, key);
    struct object *object;
    uint64_t deadline_ms;
    void *to;
    ADB_TRY(adb_collection_check(collection));
    uint64_t location = adb_index_get_object(&collection->index.keys, key, &object);
    if (location == 0)
        return ARMDB_NOT_FOUND;
    if (ADB_UNLIKELY(adb_location_has_deadline(location)))
        ADB_TRY(adb_shard_read_deadline(shard, location, key, &deadline_ms));
    if (ADB_LIKELY(object != NULL && object->codec == codec)) {
        adb_object_ref(object);
        glimpse->object = object;
        return ARMDB_OK;
    }
    glimpse->place = adb_shard_place(shard, location);
    ADB_TRY(adb_value_new(collection->db->account, adb_location_value_len(location),
                          &glimpse->value, &to));
    armdb_err err = adb_shard_read_value(shard, location, key, to);
    if (err != ARMDB_OK)
        adb_value_release(&glimpse->value);
    return err;
}

/* Pins the object of a key that may have none yet. */
static armdb_err
pin(struct collection *collection, struct object_codec *codec, armdb_slice key,
    struct object **object_out)
{
    for (;;) {
        struct glimpse glimpse = {0};
        adb_rcu_enter();
        armdb_err err = look(collection, codec, key, &glimpse);
        adb_rcu_leave();
        *object_out = glimpse.object;
        if (err != ARMDB_OK || glimpse.object != NULL)
            return err;
        err = decode(collection, codec, key, armdb_value_bytes(&glimpse.value), object_out);
        adb_value_release(&glimpse.value);
        ADB_TRY(err);
        if (adb_shard_install_object(adb_db_route(collection->db, key), &collection->index, key,
                                     &glimpse.place, *object_out))
            return ARMDB_OK;
        adb_object_unref(*object_out); /* the value was replaced, or moved */
        *object_out = NULL;
    }
}

armdb_err
adb_db_object_get(struct collection *collection, armdb_slice key, armdb_object *object_out)
{
    struct object_codec *codec;
    struct object *object;
    *object_out = (armdb_object){0};
    ADB_TRY(need_codec(collection, &codec));
    ADB_TRY(adb_collection_check_key(collection, key));
    adb_counter_add(&collection->db->gets, 1);
    ADB_TRY(pin(collection, codec, key, &object));
    *object_out = (armdb_object){object->user, object};
    return ARMDB_OK;
}

void
adb_db_object_release(armdb_object *object)
{
    adb_object_unref((struct object *)object->block);
    *object = (armdb_object){0};
}

/* -------------------------------------------------------------------- writing */

/* Encodes an object; free the bytes with adb_mem_free(). */
static armdb_err
encode(const struct collection *collection, const struct object_codec *codec, armdb_slice key,
       const void *user, armdb_slice *bytes_out)
{
    size_t len = codec->user.size(codec->user.context, user);
    *bytes_out = (armdb_slice){NULL, len};
    ADB_TRY(adb_collection_check_value(collection, *bytes_out));
    void *bytes = adb_mem_alloc(len > 0 ? len : 1);
    if (bytes == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "object", "no memory for a value of %zu bytes", len);
    bytes_out->data = bytes;
    if (codec->user.encode(codec->user.context, user, bytes, len) == 0)
        return ARMDB_OK;
    adb_mem_free(bytes);
    bytes_out->data = NULL;
    return refused(collection, "encode", key);
}

armdb_err
adb_db_object_write(struct collection *collection, enum shard_verb verb, armdb_slice key,
                    void *user, const armdb_write_options *options)
{
    struct object *object;
    struct object_codec *codec;
    armdb_slice bytes;
    armdb_durability durability; /* only whether it makes sense: an object not taken is not freed */
    adb_db_ticket_clear(options);
    ADB_TRY(adb_write_options_settle(options, ARMDB_WRITTEN, &durability));
    ADB_TRY(need_codec(collection, &codec));
    ADB_TRY(new_object(codec, user, 0, &object));
    armdb_err err = adb_collection_check_key(collection, key);
    if (err == ARMDB_OK)
        err = encode(collection, codec, key, user, &bytes);
    if (err == ARMDB_OK) {
        object->bytes = bytes.len;
        atomic_fetch_add_explicit(&codec->account->object_bytes, bytes.len, memory_order_relaxed);
        err = adb_db_write_object(collection, verb, key, bytes, object, options);
        adb_mem_free((void *)(uintptr_t)bytes.data);
    }
    adb_object_unref(object);
    return err;
}

/* ------------------------------------------------------------------- lifetime */

/* Makes the object of the key under a cursor, unless it has one; the cursor has read its value. */
static armdb_err
load(struct collection *collection, struct object_codec *codec, const struct cursor *cursor)
{
    const armdb_slice key = adb_cursor_key(cursor);
    struct shard *shard = adb_db_route(collection->db, key);
    struct object *object;
    adb_rcu_enter();
    armdb_err err = adb_collection_check(collection);
    if (err == ARMDB_OK && adb_index_get_object(&collection->index.keys, key, &object) == 0)
        err = ARMDB_NOT_FOUND;
    bool has_object = err == ARMDB_OK && object != NULL && object->codec == codec;
    const struct shard_place place = adb_shard_place(shard, adb_cursor_location(cursor));
    adb_rcu_leave();
    if (err != ARMDB_OK || has_object)
        return err;
    ADB_TRY(decode(collection, codec, key, adb_cursor_value(cursor), &object));
    bool is_done = adb_shard_install_object(shard, &collection->index, key, &place, object);
    adb_object_unref(object);
    if (is_done)
        return ARMDB_OK;
    ADB_TRY(pin(collection, codec, key, &object));
    adb_object_unref(object);
    return ARMDB_OK;
}

/* Walks all keys. The files are held: no location comes again for another one. */
static armdb_err
load_all(struct collection *collection, struct object_codec *codec)
{
    struct cursor *cursor;
    armdb_err err;
    ADB_TRY(adb_cursor_open(collection, NULL, &cursor));
    while ((err = adb_cursor_move(cursor, CURSOR_NEXT)) != ARMDB_END) {
        if (err == ARMDB_OK)
            err = load(collection, codec, cursor);
        if (err == ARMDB_NO_COLLECTION ||
            (err != ARMDB_OK && err != ARMDB_NOT_FOUND &&
             (codec->user.on_failure == NULL ||
              codec->user.on_failure(codec->user.context, adb_cursor_key(cursor), err) != 0)))
            break;
    }
    adb_cursor_close(cursor);
    return err == ARMDB_END ? ARMDB_OK : err;
}

static armdb_err
hold_and_load_all(struct collection *collection, struct object_codec *codec)
{
    struct db *db = collection->db;
    for (uint32_t i = 0; i < db->settings.shards; i++) {
        adb_shard_lock(db->shards[i]);
        adb_shard_hold(db->shards[i]);
        adb_shard_unlock(db->shards[i]);
    }
    armdb_err err = load_all(collection, codec);
    for (uint32_t i = 0; i < db->settings.shards; i++)
        adb_shard_release(db->shards[i]);
    return err;
}

static armdb_err
attach_locked(struct collection *collection, const armdb_codec *user)
{
    struct object_codec *codec = codec_of(collection);
    if (!collection->index.keys.has_pointers || (codec != NULL && !is_same(&codec->user, user)))
        return adb_fail(
            ARMDB_MISMATCH, "open collection", "collection \"%.100s\" %s", collection->name,
            codec != NULL ? "is open with another codec" : "has values that are no objects");
    if (codec != NULL)
        return ARMDB_OK;
    ADB_TRY(adb_codec_new(collection->db->account, user, &codec));
    /* Who got it and is still decoding may use a former one: they stay. */
    codec->older = collection->codecs;
    collection->codecs = codec;
    atomic_store_explicit(&collection->codec, codec, memory_order_release);
    armdb_err err = hold_and_load_all(collection, codec);
    if (err != ARMDB_OK)
        atomic_store_explicit(&collection->codec, NULL, memory_order_release);
    return err;
}

armdb_err
adb_objects_attach(struct collection *collection, const armdb_codec *user)
{
    adb_mutex_lock(&collection->db->objects_lock);
    armdb_err err = attach_locked(collection, user);
    adb_mutex_unlock(&collection->db->objects_lock);
    return err;
}

static void
free_one(void *context, armdb_slice key, uint64_t location)
{
    struct object *object;
    (void)location;
    (void)adb_index_get_object((const struct adb_index *)context, key, &object);
    adb_object_unref(object);
}

void
adb_objects_free(const struct adb_index *keys)
{
    if (keys->has_pointers)
        adb_index_each(keys, free_one, (void *)(uintptr_t)keys);
}

void
adb_objects_reclaim(struct db *db, uint32_t at_least)
{
    for (uint32_t i = 0; db->shards != NULL && i < db->settings.shards; i++) {
        struct object *object = db->shards[i] != NULL
                                    ? adb_shard_take_objects(db->shards[i], at_least)
                                    : NULL;
        if (object != NULL)
            adb_rcu_wait();
        while (object != NULL) {
            struct object *next = object->next;
            adb_object_unref(object);
            object = next;
        }
    }
}
