/*
 * Many lookups at once. A lookup waits for memory two or three times, each time for an address that
 * it found the time before. Here all keys of a batch take each of these steps together, so that the
 * waits overlap; then each key is looked up, in what is near by then. The steps only ask for memory
 * and may see any mixture of states.
 */
#include "index/map.h"

#include "index/map_private.h"

enum { BATCH = 32 /* keys whose cache misses are under way at once */ };

struct probe {
    struct adb_map_key key;
    struct adb_map_view view;
    bool is_possible; /* a key of that length may be there */
    bool is_seen;     /* the view is of a segment that was not locked */
};

static void
find_segments(const struct adb_map *map, const armdb_slice *slices, struct probe *probes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct probe *probe = &probes[i];
        probe->is_possible = adb_map_can_hold(map, slices[i]);
        if (!probe->is_possible)
            continue;
        probe->key = adb_map_key_of(map, slices[i]);
        __builtin_prefetch(adb_map_segment_of(map, probe->key.hash));
    }
    for (size_t i = 0; i < n; i++) {
        struct probe *probe = &probes[i];
        probe->is_seen = probe->is_possible && adb_map_view(map, probe->key.hash, &probe->view);
        if (!probe->is_seen)
            continue;
        const struct adb_map_table *table = &probe->view.table;
        struct adb_map_place home = adb_map_home(&map->layout, table, probe->key.hash);
        __builtin_prefetch((const void *)&table->page[home.page]);
    }
}

static void
fetch_groups(const struct adb_map *map, const struct probe *probes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (probes[i].is_seen)
            adb_map_prefetch_tags(&map->layout, &probes[i].view.table, probes[i].key.hash);
    }
    for (size_t i = 0; i < n; i++) {
        if (probes[i].is_seen)
            adb_map_prefetch_entry(&map->layout, &probes[i].view.table, probes[i].key.hash);
    }
    if (map->layout.key_bytes != 0)
        return;
    for (size_t i = 0; i < n; i++) {
        if (probes[i].is_seen)
            adb_map_prefetch_key(&map->layout, &probes[i].view.table, probes[i].key.hash);
    }
}

void
adb_map_get_batch(const struct adb_map *map, const armdb_slice *keys, size_t n,
                  uint64_t *locations_out, void *values_out)
{
    struct probe probes[BATCH];
    unsigned char *value_out = (unsigned char *)values_out;
    for (size_t done = 0; done < n; done += BATCH) {
        size_t some = n - done < BATCH ? n - done : BATCH;
        find_segments(map, keys + done, probes, some);
        fetch_groups(map, probes, some);
        for (size_t i = 0; i < some; i++) {
            locations_out[done + i] = probes[i].is_possible
                                          ? adb_map_get_key(map, &probes[i].key, true, value_out)
                                          : 0;
            if (value_out != NULL)
                value_out += map->layout.value_bytes;
        }
    }
}
