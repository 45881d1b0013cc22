#include "shard/shard_object.h"

#include "shard/shard_private.h"

void
adb_shard_retire_object(struct shard *shard, const struct shard_index *index, armdb_slice key)
{
    struct object *object;
    (void)adb_index_get_object(&index->keys, key, &object);
    if (object == NULL)
        return;
    object->next = shard->retired_objects;
    shard->retired_objects = object;
    atomic_fetch_add_explicit(&shard->n_retired_objects, 1, memory_order_relaxed);
}

struct shard_place
adb_shard_place(const struct shard *shard, uint64_t location)
{
    uint32_t slot = adb_location_slot(location);
    return (struct shard_place){
        location, atomic_load_explicit(&shard->file_keys[slot], memory_order_acquire)};
}

bool
adb_shard_install_object(struct shard *shard, struct shard_index *index, armdb_slice key,
                         const struct shard_place *place, struct object *object)
{
    adb_mutex_lock(&shard->lock);
    bool is_there = !atomic_load_explicit(&index->is_dropped, memory_order_relaxed) &&
                    adb_index_get(&index->keys, key, NULL) == place->location &&
                    adb_shard_place(shard, place->location).file_key == place->file_key;
    if (is_there) {
        const uint64_t pointer = adb_shard_refer(object);
        adb_shard_retire_object(shard, index, key);
        adb_index_set_value(&index->keys, key, &pointer);
    }
    adb_mutex_unlock(&shard->lock);
    return is_there;
}

struct object *
adb_shard_take_objects(struct shard *shard, uint32_t at_least)
{
    if (atomic_load_explicit(&shard->n_retired_objects, memory_order_relaxed) < at_least)
        return NULL;
    adb_mutex_lock(&shard->lock);
    struct object *list = shard->retired_objects;
    shard->retired_objects = NULL;
    atomic_store_explicit(&shard->n_retired_objects, 0, memory_order_relaxed);
    adb_mutex_unlock(&shard->lock);
    return list;
}
