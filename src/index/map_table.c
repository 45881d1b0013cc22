#include "index/map_table.h"

#include "base/assert.h"

#define EACH_BYTE UINT64_C(0x0101010101010101)
#define PASSED_ONE ((uint64_t)1 << 56)

enum {
    SLOTS_MIN = 7,
    SLOTS_MAX = 15,
    PASSED_MAX = 255, /* not counted any more */
    PREFETCH_LINES_MAX = 8
};

void
adb_map_layout_init(struct adb_map_layout *layout, uint32_t key_bytes, uint32_t value_bytes)
{
    uint32_t key_words = key_bytes != 0 ? adb_map_words_of(key_bytes) : 1;
    uint32_t value_words = adb_map_words_of(value_bytes);
    uint32_t entry_words = 1 + key_words + value_words;
    uint32_t best = 0;
    ADB_ASSERT(entry_words <= MAP_ENTRY_WORDS_MAX);
    /* Large groups may be filled further, hence the second factor: an estimate. */
    for (uint32_t slots = SLOTS_MIN; slots <= SLOTS_MAX; slots++) {
        uint32_t tag_words = (slots + 1 + 7) / 8;
        uint32_t group_words = tag_words + slots * entry_words;
        uint32_t groups = MAP_PAGE_WORDS / group_words;
        uint32_t score = groups * slots * 1000 * slots / (slots + 1);
        if (score < best || groups == 0)
            continue;
        best = score;
        *layout = (struct adb_map_layout){.key_bytes = key_bytes,
                                          .key_words = key_words,
                                          .value_bytes = value_bytes,
                                          .value_words = value_words,
                                          .entry_words = entry_words,
                                          .slots = slots,
                                          .tag_words = tag_words,
                                          .group_words = group_words,
                                          .groups = groups,
                                          .page_slots = groups * slots};
        uint32_t n_first = slots < 8 ? slots : 8;
        uint32_t n_second = slots - n_first;
        layout->tags[0] = EACH_BYTE >> (64 - 8 * n_first);
        layout->tags[1] = n_second != 0 ? EACH_BYTE >> (64 - 8 * n_second) : 0;
    }
    ADB_ASSERT(best != 0);
}

/* ------------------------------------------------------------------ heap */

/* A reference to a key in the heap: where it starts, its length, some bits of its hash. */
static inline uint64_t
check_of(const struct adb_map_key *key)
{
    return key->len | (key->hash >> 8 & 0xffff) << 16;
}

static inline bool
is_in_heap(const struct adb_map_table *table, uint64_t at, uint32_t words)
{
    return at + words <= (uint64_t)table->n_heap * MAP_PAGE_WORDS;
}

static inline struct adb_page *
heap_page(const struct adb_map_table *table, uint32_t at)
{
    return adb_map_page(table, adb_map_heap_index(table, at / MAP_PAGE_WORDS));
}

/* Words of a key in the heap that are in one page. */
struct run {
    struct adb_page *page;
    uint32_t at; /* in the page */
    uint32_t n;
};

/* Those from a word of the heap on, at most `words`, all of which are in the heap. */
static inline struct run
run_at(const struct adb_map_table *table, uint32_t at, uint32_t words)
{
    uint32_t in_page = at % MAP_PAGE_WORDS;
    uint32_t room = MAP_PAGE_WORDS - in_page;
    struct run run = {
        .page = heap_page(table, at), .at = 1 + in_page, .n = words < room ? words : room};
    return run;
}

bool
adb_map_heap_at(const struct adb_map_table *table, const struct adb_page *page, uint32_t at,
                const struct adb_map_key *key, uint32_t *heap_at_out)
{
    uint64_t reference = adb_node_word(page, at + 1);
    *heap_at_out = (uint32_t)reference;
    return reference >> 32 == check_of(key) &&
           is_in_heap(table, (uint32_t)reference, adb_map_words_of(key->len));
}

bool
adb_map_heap_holds(const struct adb_map_table *table, uint32_t heap_at,
                   const struct adb_map_key *key)
{
    uint32_t words = adb_map_words_of(key->len);
    for (uint32_t i = 0; i < words;) {
        struct run run = run_at(table, heap_at + i, words - i);
        if (!adb_map_are_words_of(run.page, run.at, key, i, run.n))
            return false;
        i += run.n;
    }
    return true;
}

/* ------------------------------------------------------------------ reading */

static void
prefetch_words(const struct adb_page *page, uint32_t at, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += 8)
        adb_node_prefetch(page, at + i);
    adb_node_prefetch(page, at + n - 1);
}

void
adb_map_prefetch_group(const struct adb_map_layout *layout, const struct adb_page *page,
                       uint32_t group)
{
    bool is_large = layout->group_words > PREFETCH_LINES_MAX * 8;
    prefetch_words(page, adb_map_group_at(layout, group), is_large ? 8 : layout->group_words);
}

void
adb_map_prefetch_home(const struct adb_map_layout *layout, const struct adb_map_table *table,
                      uint64_t hash)
{
    struct adb_map_place home = adb_map_home(layout, table, hash);
    adb_map_prefetch_group(layout, adb_map_page(table, home.page), home.group);
}

void
adb_map_prefetch_heap_page(const struct adb_map_table *table, uint32_t heap_at)
{
    uint32_t i = adb_map_heap_index(table, heap_at / MAP_PAGE_WORDS);
    __builtin_prefetch((const void *)&table->page[i]);
}

void
adb_map_prefetch_heap(const struct adb_map_table *table, uint32_t heap_at, uint32_t len)
{
    uint32_t words = adb_map_words_of(len);
    uint32_t near = words < PREFETCH_LINES_MAX * 8 ? words : PREFETCH_LINES_MAX * 8;
    struct run run = run_at(table, heap_at, near);
    prefetch_words(run.page, run.at, run.n);
}

static inline bool
is_entry_of(const struct adb_map_layout *layout, const struct adb_map_table *table,
            const struct adb_page *page, uint32_t at, const struct adb_map_key *key)
{
    uint32_t heap_at;
    if (layout->key_bytes != 0)
        return adb_map_are_words_of(page, at + 1, key, 0, layout->key_words);
    return adb_map_heap_at(table, page, at, key, &heap_at) &&
           adb_map_heap_holds(table, heap_at, key);
}

static ADB_ALWAYS_INLINE bool
find_in_group(const struct adb_map_layout *layout, const struct adb_map_table *table,
              const struct adb_map_key *key, struct adb_map_place *place)
{
    const struct adb_page *page = adb_map_page(table, place->page);
    uint64_t slots = adb_map_slots_with(layout, page, place->group, adb_map_tag_of(key->hash));
    for (; slots != 0; slots &= slots - 1) {
        place->slot = adb_map_first_slot(slots);
        uint32_t at = adb_map_entry_at(layout, place->group, place->slot);
        if (ADB_LIKELY(is_entry_of(layout, table, page, at, key)))
            return true;
    }
    return false;
}

static bool
find_in_stash(const struct adb_map_layout *layout, const struct adb_map_table *table,
              const struct adb_map_key *key, struct adb_map_place *place)
{
    for (place->page = table->n_main; place->page < table->n_main + table->n_stash; place->page++) {
        for (place->group = 0; place->group < layout->groups; place->group++) {
            if (find_in_group(layout, table, key, place))
                return true;
        }
    }
    return false;
}

/* Finds a key that is not in its home group, which is `place`. */
static ADB_NO_INLINE bool
find_further(const struct adb_map_layout *layout, const struct adb_map_table *table,
             const struct adb_map_key *key, struct adb_map_place *place)
{
    uint32_t n_groups = table->n_main * layout->groups;
    for (uint32_t n = 1; n < n_groups; n++) {
        if (adb_map_passed(layout, adb_map_page(table, place->page), place->group) == 0)
            break;
        adb_map_next_group(layout, table, place);
        if (find_in_group(layout, table, key, place))
            return true;
    }
    return ADB_UNLIKELY(table->n_stash != 0) && find_in_stash(layout, table, key, place);
}

bool
adb_map_find(const struct adb_map_layout *layout, const struct adb_map_table *table,
             const struct adb_map_key *key, struct adb_map_place *place)
{
    *place = adb_map_home(layout, table, key->hash);
    return ADB_LIKELY(find_in_group(layout, table, key, place)) ||
           find_further(layout, table, key, place);
}

uint64_t
adb_map_location(const struct adb_map_layout *layout, const struct adb_map_table *table,
                 const struct adb_map_place *place)
{
    return adb_node_word(adb_map_page(table, place->page),
                         adb_map_entry_at(layout, place->group, place->slot));
}

void
adb_map_copy_value_at(const struct adb_map_layout *layout, const struct adb_page *page, uint32_t at,
                      void *value_out)
{
    at += 1 + layout->key_words;
    for (uint32_t i = 0; i < layout->value_words; i++)
        adb_map_store_bytes((unsigned char *)value_out, layout->value_bytes, i,
                            adb_node_word(page, at + i));
}

void
adb_map_copy_value(const struct adb_map_layout *layout, const struct adb_map_table *table,
                   const struct adb_map_place *place, void *value_out)
{
    adb_map_copy_value_at(layout, adb_map_page(table, place->page),
                          adb_map_entry_at(layout, place->group, place->slot), value_out);
}

static inline void
copy_words(const struct adb_page *page, uint32_t at, uint32_t n, unsigned char *bytes_out)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t word = adb_node_word(page, at + i);
        memcpy(bytes_out + (size_t)8 * i, &word, 8);
    }
}

uint32_t
adb_map_copy_key(const struct adb_map_layout *layout, const struct adb_map_table *table,
                 const struct adb_map_place *place, unsigned char *bytes_out)
{
    const struct adb_page *page = adb_map_page(table, place->page);
    uint32_t at = adb_map_entry_at(layout, place->group, place->slot) + 1;
    if (layout->key_bytes != 0) {
        copy_words(page, at, layout->key_words, bytes_out);
        return layout->key_bytes;
    }
    uint64_t reference = adb_node_word(page, at);
    uint32_t heap_at = (uint32_t)reference;
    uint32_t len = (uint32_t)(reference >> 32 & 0xffff);
    uint32_t words = adb_map_words_of(len);
    if (len > ARMDB_KEY_MAX || !is_in_heap(table, heap_at, words))
        return 0;
    for (uint32_t i = 0; i < words;) {
        struct run run = run_at(table, heap_at + i, words - i);
        copy_words(run.page, run.at, run.n, bytes_out + (size_t)8 * i);
        i += run.n;
    }
    return len;
}

/* ------------------------------------------------------------------ writing */

void
adb_map_page_init(const struct adb_map_layout *layout, struct adb_page *page, uint64_t clock)
{
    uint64_t version = (clock / NODE_VERSION_STEP + 1) * NODE_VERSION_STEP;
    adb_node_set_word(page, NODE_VERSION_AT, version);
    for (uint32_t group = 0; group < layout->groups; group++) {
        for (uint32_t i = 0; i < layout->tag_words; i++)
            adb_node_set_word(page, adb_map_group_at(layout, group) + i, 0);
    }
}

static bool
find_room_in_group(const struct adb_map_layout *layout, const struct adb_map_table *table,
                   struct adb_map_place *place)
{
    const struct adb_page *page = adb_map_page(table, place->page);
    uint64_t slots = adb_map_slots_with(layout, page, place->group, 0);
    if (slots == 0)
        return false;
    place->slot = adb_map_first_slot(slots);
    return true;
}

bool
adb_map_find_room(const struct adb_map_layout *layout, const struct adb_map_table *table,
                  uint64_t hash, struct adb_map_place *place)
{
    uint32_t n_groups = table->n_main * layout->groups;
    *place = adb_map_home(layout, table, hash);
    for (uint32_t n = 0; n < n_groups; n++) {
        if (find_room_in_group(layout, table, place))
            return true;
        adb_map_next_group(layout, table, place);
    }
    for (place->page = table->n_main; place->page < table->n_main + table->n_stash; place->page++) {
        for (place->group = 0; place->group < layout->groups; place->group++) {
            if (find_room_in_group(layout, table, place))
                return true;
        }
    }
    return false;
}

static void
set_tag(const struct adb_map_layout *layout, const struct adb_map_table *table,
        const struct adb_map_place *place, uint32_t tag)
{
    struct adb_page *page = adb_map_page(table, place->page);
    uint32_t at = adb_map_group_at(layout, place->group) + place->slot / 8;
    uint32_t shift = place->slot % 8 * 8;
    uint64_t word = adb_node_word(page, at) & ~((uint64_t)0xff << shift);
    adb_node_set_word(page, at, word | (uint64_t)tag << shift);
}

/* Counts one entry more or less that passed the groups from its home to `place`. */
static void
count_passing(const struct adb_map_layout *layout, const struct adb_map_table *table, uint64_t hash,
              const struct adb_map_place *place, uint64_t change)
{
    struct adb_map_place at = adb_map_home(layout, table, hash);
    if (place->page >= table->n_main)
        return;
    while (at.page != place->page || at.group != place->group) {
        struct adb_page *page = adb_map_page(table, at.page);
        if (adb_map_passed(layout, page, at.group) != PASSED_MAX) {
            uint32_t word_at = adb_map_group_at(layout, at.group) + layout->tag_words - 1;
            adb_node_set_word(page, word_at, adb_node_word(page, word_at) + change);
        }
        adb_map_next_group(layout, table, &at);
    }
}

void
adb_map_show(const struct adb_map_layout *layout, const struct adb_map_table *table, uint64_t hash,
             const struct adb_map_place *place)
{
    set_tag(layout, table, place, adb_map_tag_of(hash));
    count_passing(layout, table, hash, place, PASSED_ONE);
}

void
adb_map_hide(const struct adb_map_layout *layout, const struct adb_map_table *table, uint64_t hash,
             const struct adb_map_place *place)
{
    set_tag(layout, table, place, 0);
    count_passing(layout, table, hash, place, 0 - PASSED_ONE);
}

void
adb_map_set_location(const struct adb_map_layout *layout, const struct adb_map_table *table,
                     const struct adb_map_place *place, uint64_t location)
{
    adb_node_set_word(adb_map_page(table, place->page),
                      adb_map_entry_at(layout, place->group, place->slot), location);
}

void
adb_map_set_value(const struct adb_map_layout *layout, const struct adb_map_table *table,
                  const struct adb_map_place *place, const void *value)
{
    struct adb_page *page = adb_map_page(table, place->page);
    uint32_t at = adb_map_entry_at(layout, place->group, place->slot) + 1 + layout->key_words;
    for (uint32_t i = 0; i < layout->value_words; i++)
        adb_node_set_word(page, at + i,
                          adb_map_load_bytes((const unsigned char *)value, layout->value_bytes, i));
}

void
adb_map_set_key(const struct adb_map_layout *layout, const struct adb_map_table *table,
                const struct adb_map_place *place, const struct adb_map_key *key, uint32_t heap_at)
{
    struct adb_page *page = adb_map_page(table, place->page);
    uint32_t at = adb_map_entry_at(layout, place->group, place->slot) + 1;
    if (layout->key_bytes != 0) {
        for (uint32_t i = 0; i < layout->key_words; i++)
            adb_node_set_word(page, at + i, adb_map_load_bytes(key->bytes, key->len, i));
        return;
    }
    adb_node_set_word(page, at, heap_at | check_of(key) << 32);
    uint32_t words = adb_map_words_of(key->len);
    ADB_ASSERT(is_in_heap(table, heap_at, words));
    for (uint32_t i = 0; i < words;) {
        struct run run = run_at(table, heap_at + i, words - i);
        for (uint32_t end = i + run.n; i < end; i++, run.at++)
            adb_node_set_word(run.page, run.at, adb_map_load_bytes(key->bytes, key->len, i));
    }
}
