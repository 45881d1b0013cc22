/*
 * map_table.h: the table of one segment of a map: groups of entries in pages; no locks, no
 * versions.
 *
 *   table   main pages, then stash pages; and, if keys are variable, heap pages
 *   page    word 0: version of the page, for whoever still takes it for a node of a tree
 *           (node_word.h); then groups
 *   group   one or two words of tags; then so many entries
 *   entry   location; key (fixed: its words; variable: a reference to the heap); inline value
 *
 * A tag is one byte of the key's hash, 0 for a slot without entry. The highest byte of the last tag
 * word counts the entries that passed the group because it was full (255: so many that it is not
 * counted any more). A key is in its home group or one of those behind it, up to the first that no
 * entry has passed; after the last main group comes the first. The home is monotone in the hash.
 *
 * A key whose segment filled up after its writer had prepared, because others prepared too, goes to
 * a stash page; lookups look at all of them, and the next growth takes them away.
 *
 * The heap is one array of words over all heap pages; a key is there padded with zeros to a
 * multiple of 8 bytes. Bytes of removed keys stay until the table is built anew.
 *
 * Readers may find any mixture of states (node_word.h, rule 2), in pages that have another use now.
 * Hence no number out of a page is used without a look at its limits.
 */
#ifndef ADB_INDEX_MAP_TABLE_H
#define ADB_INDEX_MAP_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "armdb/types.h"
#include "base/bytes.h"
#include "index/node_word.h"

enum { MAP_PAGE_WORDS = NODE_WORDS - 1, MAP_ENTRY_WORDS_MAX = 1 + 32 + 32 };

/** How the pages of one map are laid out; never changed. */
struct adb_map_layout {
    uint32_t key_bytes;   /* 0: variable */
    uint32_t key_words;   /* of an entry */
    uint32_t value_bytes; /* of an inline value */
    uint32_t value_words;
    uint32_t entry_words;
    uint32_t slots; /* of a group, at most 15 */
    uint32_t tag_words;
    uint32_t group_words;
    uint32_t groups;     /* of a page */
    uint32_t page_slots; /* of all groups of a page */
    uint64_t tags[2];    /* of two words from the group's first on, the lowest bit of each tag */
};

struct adb_map_table {
    _Atomic uint64_t *page; /* [capacity] addresses: main, stash, nothing, heap from the end */
    uint32_t capacity;
    uint32_t n_main;
    uint32_t n_stash;
    uint32_t n_heap;
    uint32_t depth; /* so many first bits of the hash are the same in all keys */
};

struct adb_map_key {
    const unsigned char *bytes; /* borrowed */
    uint32_t len;
    uint64_t hash;
};

struct adb_map_place {
    uint32_t page; /* of the table */
    uint32_t group;
    uint32_t slot;
};

void adb_map_layout_init(struct adb_map_layout *layout, uint32_t key_bytes, uint32_t value_bytes);

/* ------------------------------------------------------------------ parts */

static inline struct adb_page *
adb_map_page(const struct adb_map_table *table, uint32_t i)
{
    /* Acquire: what was stored in the page before it was entered here. */
    return (struct adb_page *)(uintptr_t)atomic_load_explicit(&table->page[i],
                                                              memory_order_acquire);
}

static inline void
adb_map_set_page(struct adb_map_table *table, uint32_t i, struct adb_page *page)
{
    atomic_store_explicit(&table->page[i], (uint64_t)(uintptr_t)page, memory_order_release);
}

static inline uint32_t
adb_map_heap_index(const struct adb_map_table *table, uint32_t i)
{
    return table->capacity - 1 - i;
}

static inline uint32_t
adb_map_group_at(const struct adb_map_layout *layout, uint32_t group)
{
    return 1 + group * layout->group_words;
}

static inline uint32_t
adb_map_entry_at(const struct adb_map_layout *layout, uint32_t group, uint32_t slot)
{
    return adb_map_group_at(layout, group) + layout->tag_words + slot * layout->entry_words;
}

/** The home of a hash: its group, and in `slot` nothing. */
static inline struct adb_map_place
adb_map_home(const struct adb_map_layout *layout, const struct adb_map_table *table, uint64_t hash)
{
    uint64_t product = (hash << table->depth >> 32) * table->n_main;
    struct adb_map_place home = {.page = (uint32_t)(product >> 32),
                                 .group = (uint32_t)((product & 0xffffffff) * layout->groups >> 32),
                                 .slot = 0};
    return home;
}

/** Goes on to the next main group; from the last to the first. */
static inline void
adb_map_next_group(const struct adb_map_layout *layout, const struct adb_map_table *table,
                   struct adb_map_place *place)
{
    if (++place->group < layout->groups)
        return;
    place->group = 0;
    if (++place->page >= table->n_main)
        place->page = 0;
}

/** So many entries passed a group. */
static inline uint32_t
adb_map_passed(const struct adb_map_layout *layout, const struct adb_page *page, uint32_t group)
{
    uint32_t at = adb_map_group_at(layout, group) + layout->tag_words - 1;
    return (uint32_t)(adb_node_word(page, at) >> 56);
}

/** The tag of a slot; 0: no entry. */
static inline uint32_t
adb_map_tag(const struct adb_map_layout *layout, const struct adb_page *page, uint32_t group,
            uint32_t slot)
{
    uint64_t word = adb_node_word(page, adb_map_group_at(layout, group) + slot / 8);
    return (uint32_t)(word >> (slot % 8 * 8) & 0xff);
}

static inline uint32_t
adb_map_tag_of(uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash & 0xff);
    return tag != 0 ? tag : 1;
}

/* The lowest bit of each byte that is 0, and no other. */
static inline uint64_t
adb_map_zero_bytes(uint64_t word)
{
    uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    return ~(((word & low) + low) | word | low) >> 7;
}

/** The slots of a group with a tag (0: without entry), a bit for each: see adb_map_first_slot(). */
static inline uint64_t
adb_map_slots_with(const struct adb_map_layout *layout, const struct adb_page *page, uint32_t group,
                   uint32_t tag)
{
    uint64_t pattern = tag * UINT64_C(0x0101010101010101);
    uint32_t at = adb_map_group_at(layout, group);
    uint64_t first = adb_map_zero_bytes(adb_node_word(page, at) ^ pattern) & layout->tags[0];
    /* With one word of tags this is a word of an entry, and layout->tags[1] has no bits. */
    uint64_t second = adb_map_zero_bytes(adb_node_word(page, at + 1) ^ pattern) & layout->tags[1];
    return first | second << 1;
}

/** One of such slots. */
static inline uint32_t
adb_map_first_slot(uint64_t slots)
{
    uint32_t bit = (uint32_t)__builtin_ctzll(slots);
    return bit / 8 + bit % 8 * 8;
}

static inline uint64_t
adb_map_load_word(const unsigned char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, 8);
    return word;
}

/** The i-th 8 bytes, padded with zeros. */
static inline uint64_t
adb_map_load_bytes(const unsigned char *bytes, uint32_t len, uint32_t i)
{
    uint32_t rest = len - 8 * i;
    if (ADB_LIKELY(rest >= 8))
        return adb_map_load_word(bytes + (size_t)8 * i);
    /* Bytes before these are shifted out, rather than a few copied by a call. */
    if (ADB_LIKELY(len >= 8))
        return ADB_LE64(ADB_LE64(adb_map_load_word(bytes + len - 8)) >> (64 - 8 * rest));
    uint64_t word = 0;
    memcpy(&word, bytes, rest);
    return word;
}

/** Whether `n` words of a page are those of a key from its word `i` on. */
static inline bool
adb_map_are_words_of(const struct adb_page *page, uint32_t at, const struct adb_map_key *key,
                     uint32_t i, uint32_t n)
{
    uint32_t n_whole = key->len / 8 - i < n ? key->len / 8 - i : n;
    const unsigned char *bytes = key->bytes + (size_t)8 * i;
    for (uint32_t j = 0; j < n_whole; j++) {
        if (adb_node_word(page, at + j) != adb_map_load_word(bytes + (size_t)8 * j))
            return false;
    }
    return n_whole == n || adb_node_word(page, at + n_whole) ==
                               adb_map_load_bytes(key->bytes, key->len, i + n_whole);
}

/** Stores the i-th 8 bytes, or what there is of them. */
static inline void
adb_map_store_bytes(unsigned char *bytes, uint32_t len, uint32_t i, uint64_t word)
{
    uint32_t rest = len - 8 * i;
    if (ADB_LIKELY(rest >= 8))
        memcpy(bytes + (size_t)8 * i, &word, 8);
    else
        memcpy(bytes + (size_t)8 * i, &word, rest);
}

static inline uint32_t
adb_map_words_of(uint32_t bytes)
{
    return (bytes + 7) / 8;
}

/* ------------------------------------------------------------------ reading */

/** Brings a group near, if it is not large. */
void adb_map_prefetch_group(const struct adb_map_layout *layout, const struct adb_page *page,
                            uint32_t group);

/** Brings the group that a hash is at home in near, if it is not large. */
void adb_map_prefetch_home(const struct adb_map_layout *layout, const struct adb_map_table *table,
                           uint64_t hash);

/** Where in the heap the key of the entry is that begins at a word of `page`. False: it is not that
 * of `key`. */
bool adb_map_heap_at(const struct adb_map_table *table, const struct adb_page *page, uint32_t at,
                     const struct adb_map_key *key, uint32_t *heap_at_out);

/** Brings a key in the heap near: first the address of its page; then, when that is, the key, or
 * the first lines of a long one. */
void adb_map_prefetch_heap_page(const struct adb_map_table *table, uint32_t heap_at);
void adb_map_prefetch_heap(const struct adb_map_table *table, uint32_t heap_at, uint32_t len);

/** Whether the heap has that key there. */
bool adb_map_heap_holds(const struct adb_map_table *table, uint32_t heap_at,
                        const struct adb_map_key *key);

/** Finds a key. */
bool adb_map_find(const struct adb_map_layout *layout, const struct adb_map_table *table,
                  const struct adb_map_key *key, struct adb_map_place *place);

uint64_t adb_map_location(const struct adb_map_layout *layout, const struct adb_map_table *table,
                          const struct adb_map_place *place);

/** Copies the inline value of the entry that begins at a word of `page` out. */
void adb_map_copy_value_at(const struct adb_map_layout *layout, const struct adb_page *page,
                           uint32_t at, void *value_out);

/** Copies the inline value at `place` out. */
void adb_map_copy_value(const struct adb_map_layout *layout, const struct adb_map_table *table,
                        const struct adb_map_place *place, void *value_out);

/** Copies the key out, to room for the longest, and zeros up to a multiple of 8 bytes. Returns its
 * length; 0: what was read is no key. */
uint32_t adb_map_copy_key(const struct adb_map_layout *layout, const struct adb_map_table *table,
                          const struct adb_map_place *place, unsigned char *bytes_out);

/* ------------------------------------------------------------------ writing */

/* By whoever holds the segment, or built the table and did not show it to anybody yet. */

/** Makes a page that was just taken, or is of a spare list, a page of tables.
 *
 * @param clock  the pool's clock.
 */
void adb_map_page_init(const struct adb_map_layout *layout, struct adb_page *page, uint64_t clock);

/** Finds a free slot for a key that is not there. False: there is none, in stash pages neither. */
bool adb_map_find_room(const struct adb_map_layout *layout, const struct adb_map_table *table,
                       uint64_t hash, struct adb_map_place *place);

/** Makes the entry at `place`, complete but for its tag, visible. */
void adb_map_show(const struct adb_map_layout *layout, const struct adb_map_table *table,
                  uint64_t hash, const struct adb_map_place *place);

/** Takes the entry at `place` out. Readers that found it must be told by the version. */
void adb_map_hide(const struct adb_map_layout *layout, const struct adb_map_table *table,
                  uint64_t hash, const struct adb_map_place *place);

/** Sets the location at `place`. */
void adb_map_set_location(const struct adb_map_layout *layout, const struct adb_map_table *table,
                          const struct adb_map_place *place, uint64_t location);

/** Sets the inline value at `place`. */
void adb_map_set_value(const struct adb_map_layout *layout, const struct adb_map_table *table,
                       const struct adb_map_place *place, const void *value);

/**
 * Sets the key at `place`.
 *
 * @param heap_at  word of the heap, which has room, if keys are variable.
 */
void adb_map_set_key(const struct adb_map_layout *layout, const struct adb_map_table *table,
                     const struct adb_map_place *place, const struct adb_map_key *key,
                     uint32_t heap_at);

#endif
