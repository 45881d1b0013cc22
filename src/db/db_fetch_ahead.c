#include "db/db_fetch_ahead.h"

#include "db/db_private.h"

enum { SLOTS_FOR_ONE = 4 }; /* looked at for each value to be read: the others are in memory */

/* How many values to read when a walk has read so many: what is read in vain when it ends costs
 * more than one more wait. */
static uint32_t
how_many(uint32_t n_read)
{
    if (n_read < 5)
        return 4;
    if (n_read < 21)
        return 16;
    return n_read < 128 ? 32 : FETCH_PARTS;
}

/* The part of a record that was read before; n_parts if there is none. */
static uint32_t
find_part(const struct fetch_ahead *ahead, uint64_t location)
{
    const struct fetch *fetch = ahead->fetch;
    for (uint32_t i = 0; i < fetch->n_parts; i++) {
        uint32_t part = (ahead->next + i) % fetch->n_parts;
        if (fetch->parts[part].location == location)
            return part;
    }
    return fetch->n_parts;
}

/* Asks for a value, unless it is in the cache or the write buffer. Says whether it did. */
static bool
ask(struct fetch *fetch, const struct db *db, uint64_t location, armdb_slice key)
{
    struct shard *shard = adb_db_route(db, key);
    struct shard_reading reading;
    adb_shard_ask(shard, location, key.len, &reading);
    adb_shard_approach(&reading);
    return reading.spot.frame == NULL && adb_fetch_add(fetch, shard, location, key.len);
}

/* Asks for the values of keys that come after the position. */
static void
ask_further(struct fetch *fetch, const struct fetch_walk *walk, uint32_t at_once)
{
    const struct adb_tree_position *position = walk->position;
    unsigned char bytes[ARMDB_KEY_MAX];
    for (uint32_t n = 1; fetch->n_parts < at_once && n < at_once * SLOTS_FOR_ONE; n++) {
        armdb_slice key = {bytes, 0};
        uint32_t slot = walk->is_up ? position->slot + n : position->slot - n;
        uint64_t location = adb_tree_peek(walk->tree, position, slot, bytes, &key.len);
        if (location == 0 || adb_fetch_is_full(fetch) || !walk->has(walk->context, key))
            return;
        ADB_IGNORE(ask(fetch, walk->db, location, key));
    }
}

/* Reads the value under the position, and others with it, if it is on the device. */
static void
read_on(struct fetch_ahead *ahead, const struct fetch_walk *walk)
{
    const struct adb_tree_position *position = walk->position;
    const armdb_slice key = {position->key, position->key_len};
    adb_fetch_clear(ahead->fetch);
    ahead->next = 0;
    if (!ask(ahead->fetch, walk->db, position->location, key))
        return;
    ask_further(ahead->fetch, walk, how_many(ahead->n_read));
    adb_fetch_run(ahead->fetch);
    ahead->n_read += ahead->fetch->n_parts;
}

const unsigned char *
adb_fetch_ahead_value(struct fetch_ahead *ahead, const struct fetch_walk *walk)
{
    const armdb_slice key = {walk->position->key, walk->position->key_len};
    uint64_t location = walk->position->location;
    if (ahead->n_read == 0) { /* the first one alone: it may be all that is wanted */
        ahead->n_read = 1;
        return NULL;
    }
    if (ahead->fetch == NULL)
        ahead->fetch = adb_fetch_take(&walk->db->fetches);
    if (ahead->fetch == NULL)
        return NULL;
    uint32_t part = find_part(ahead, location);
    if (part == ahead->fetch->n_parts) {
        read_on(ahead, walk);
        part = 0;
    }
    ahead->next = part + 1;
    return part < ahead->fetch->n_parts ? adb_fetch_value(ahead->fetch, part, key) : NULL;
}
