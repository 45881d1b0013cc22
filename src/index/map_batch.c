/*
 * Many lookups at once. A lookup waits for memory three or four times, each time for an address
 * that it found the time before: segment, address of the page, tags, entry; and, with variable
 * keys, the address of the heap's page and the key. Here all keys of a batch take each of these
 * steps together, so that the waits overlap. Each step goes on with what the one before it read,
 * all of it since the version of the segment was noted; the last one looks at that again. A key
 * that is not settled by then, because its segment changed or it is not in its home group, is
 * looked up alone.
 */
#include "index/map.h"

#include "index/map_private.h"

enum { BATCH = 32 /* keys whose cache misses are under way at once */ };

struct probe {
    struct adb_map_key key;
    struct adb_map_view view;
    struct adb_map_place home;
    const struct adb_page *page; /* of the home */
    uint32_t at;                 /* the first entry there with the tag: word in the page; 0: none */
    uint32_t heap_at;            /* its key */
    bool is_possible;            /* a key of that length may be there */
    bool is_seen;                /* the view is of a segment that was not locked */
    bool is_only;                /* no other entry can have the key */
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
        probe->home = adb_map_home(&map->layout, table, probe->key.hash);
        __builtin_prefetch((const void *)&table->page[probe->home.page]);
    }
}

/* Looks at the tags of the home. */
static void
find_entry(const struct adb_map_layout *layout, struct probe *probe)
{
    const struct adb_map_table *table = &probe->view.table;
    uint32_t group = probe->home.group;
    uint64_t slots = adb_map_slots_with(layout, probe->page, group,
                                        adb_map_tag_of(probe->key.hash));
    probe->at = 0;
    if (slots != 0) {
        probe->at = adb_map_entry_at(layout, group, adb_map_first_slot(slots));
        adb_node_prefetch(probe->page, probe->at);
        adb_node_prefetch(probe->page, probe->at + layout->entry_words - 1);
        return;
    }
    probe->is_only = adb_map_passed(layout, probe->page, group) == 0 && table->n_stash == 0;
    if (!probe->is_only) {
        struct adb_map_place next = probe->home;
        adb_map_next_group(layout, table, &next);
        adb_map_prefetch_group(layout, adb_map_page(table, next.page), next.group);
    }
}

static void
find_entries(const struct adb_map *map, struct probe *probes, size_t n)
{
    const struct adb_map_layout *layout = &map->layout;
    for (size_t i = 0; i < n; i++) {
        struct probe *probe = &probes[i];
        if (!probe->is_seen)
            continue;
        uint32_t at = adb_map_group_at(layout, probe->home.group);
        probe->page = adb_map_page(&probe->view.table, probe->home.page);
        adb_node_prefetch(probe->page, at);
        adb_node_prefetch(probe->page, at + layout->tag_words - 1);
    }
    for (size_t i = 0; i < n; i++) {
        struct probe *probe = &probes[i];
        if (probe->is_seen)
            find_entry(layout, probe);
    }
}

static void
fetch_keys(struct probe *probes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct probe *probe = &probes[i];
        const struct adb_map_table *table = &probe->view.table;
        if (!probe->is_seen || probe->at == 0)
            continue;
        if (adb_map_heap_at(table, probe->page, probe->at, &probe->key, &probe->heap_at)) {
            adb_map_prefetch_heap_page(table, probe->heap_at);
        } else {
            probe->at = 0;
            probe->is_only = false;
        }
    }
    for (size_t i = 0; i < n; i++) {
        const struct probe *probe = &probes[i];
        if (probe->is_seen && probe->at != 0)
            adb_map_prefetch_heap(&probe->view.table, probe->heap_at, probe->key.len);
    }
}

/* Whether the lookup is settled by what was found at home. */
static bool
take_found(const struct adb_map *map, const struct probe *probe, uint64_t *location_out,
           void *value_out)
{
    const struct adb_map_layout *layout = &map->layout;
    if (!probe->is_seen)
        return false;
    if (probe->at == 0) {
        *location_out = 0;
        return probe->is_only && adb_map_is_unchanged(&probe->view);
    }
    bool is_found = layout->key_bytes != 0
                        ? adb_map_are_words_of(probe->page, probe->at + 1, &probe->key, 0,
                                               layout->key_words)
                        : adb_map_heap_holds(&probe->view.table, probe->heap_at, &probe->key);
    if (!is_found)
        return false;
    *location_out = adb_node_word(probe->page, probe->at);
    if (value_out != NULL)
        adb_map_copy_value_at(layout, probe->page, probe->at, value_out);
    return adb_map_is_unchanged(&probe->view);
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
        find_entries(map, probes, some);
        if (map->layout.key_bytes == 0)
            fetch_keys(probes, some);
        for (size_t i = 0; i < some; i++) {
            uint64_t *location_out = &locations_out[done + i];
            if (!probes[i].is_possible)
                *location_out = 0;
            else if (!take_found(map, &probes[i], location_out, value_out))
                *location_out = adb_map_get_key(map, &probes[i].key, true, value_out);
            if (value_out != NULL)
                value_out += map->layout.value_bytes;
        }
    }
}
