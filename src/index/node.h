/*
 * node.h: one node of a tree: a page of sorted entries, read without a lock and changed under one.
 *
 * An inner node of n separators has n+1 children: child i holds the keys below separator i, child
 * i+1 those not below it. A leaf of n keys has n locations. Two layouts are hidden behind the same
 * functions: node_fixed.c (all keys of one length) and node_var.c. Only files of index/ include
 * this header.
 *
 * How a node is shared:
 *  1. Word 0 is the version: bit 0 locked, bit 1 obsolete, bit 2 held, a counter above. Whoever sets
 *     bit 0 or bit 2 by compare-and-swap is the only writer. Bit 0 is for changes of any kind, and
 *     the counter is raised when it is cleared after one.
 *  2. Readers note the version, read, and look whether the version is still the same. What they
 *     read in between may be of any mixture of states, so every count, offset and length is checked
 *     before it is used, and nothing read counts before the version was checked again.
 *  3. Contents are read with acquire and written with release, word by word. A reader that saw a
 *     word of a writer therefore also sees the lock bit that the writer had set before, and its
 *     check of the version fails. No fence is needed, and ThreadSanitizer understands it.
 *  4. The same holds for a page that nobody can reach yet: a late reader may still look at it.
 *  5. A location is changed by one store, with bit 2 set and without a new version: each state of it
 *     is a valid one. Readers do not look at bit 2 at all, so they never wait for such a change.
 *
 * Functions whose comment says "racy" may be called without the lock; they return anything then,
 * within bounds, and the caller checks the version. The others need the lock (or a node that nobody
 * else can reach).
 */
#ifndef ADB_INDEX_NODE_H
#define ADB_INDEX_NODE_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "armdb/types.h"
#include "base/assert.h"
#include "base/attr.h"
#include "index/pages.h"

enum {
    NODE_WORDS = ADB_PAGE_BYTES / 8,
    NODE_VERSION_AT = 0, /* word: version */
    NODE_META_AT = 1,    /* word: count, level, last; see struct adb_node_meta */
    NODE_KEY_WORDS = ARMDB_FIXED_KEY_MAX / 8,
    NODE_COUNT_MAX = 254,
    NODE_NO_LAST = 255
};

#define NODE_LOCKED ((uint64_t)1)
#define NODE_OBSOLETE ((uint64_t)2)
#define NODE_HELD ((uint64_t)4)
#define NODE_VERSION_STEP ((uint64_t)8)

struct adb_page {
    _Atomic uint64_t word[NODE_WORDS];
};

/* ------------------------------------------------------------------ words */

static inline uint64_t
adb_node_word(const struct adb_page *page, uint32_t at)
{
    return atomic_load_explicit(&page->word[at], memory_order_acquire);
}

static inline void
adb_node_set_word(struct adb_page *page, uint32_t at, uint64_t word)
{
    atomic_store_explicit(&page->word[at], word, memory_order_release);
}

/** Brings the cache line of a word near; racy. */
static inline void
adb_node_prefetch(const struct adb_page *page, uint32_t at)
{
    __builtin_prefetch((const char *)page + (size_t)at * 8);
}

/* ------------------------------------------------------------------ versions and locks */

/** Passes a moment of waiting for another thread; `tries` counts them and starts at 0. */
static inline void
adb_node_wait(uint32_t *tries)
{
    if (++*tries % 64 == 0) {
        sched_yield();
        return;
    }
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/** The version (without bit 2) while the node is not locked; waits for that. It may be obsolete. */
static inline uint64_t
adb_node_version(const struct adb_page *page)
{
    uint64_t version = adb_node_word(page, NODE_VERSION_AT);
    for (uint32_t tries = 0; ADB_UNLIKELY((version & NODE_LOCKED) != 0);) {
        adb_node_wait(&tries);
        version = adb_node_word(page, NODE_VERSION_AT);
    }
    return version & ~NODE_HELD;
}

/** Whether everything read from the node since `version` was seen belongs together. */
static inline bool
adb_node_is_unchanged(const struct adb_page *page, uint64_t version)
{
    return ADB_LIKELY((adb_node_word(page, NODE_VERSION_AT) & ~NODE_HELD) == version);
}

/* Sets a bit if the version is still the same and no bit is set. */
static inline bool
adb_node_try_set(struct adb_page *page, uint64_t version, uint64_t bit)
{
    uint64_t expected = version;
    return (version & (NODE_LOCKED | NODE_OBSOLETE | NODE_HELD)) == 0 &&
           atomic_compare_exchange_strong_explicit(&page->word[NODE_VERSION_AT], &expected,
                                                   version | bit, memory_order_acquire,
                                                   memory_order_relaxed);
}

/** Takes the lock if the node is still as it was when `version` was seen. Never waits. */
static inline bool
adb_node_try_lock(struct adb_page *page, uint64_t version)
{
    return adb_node_try_set(page, version, NODE_LOCKED);
}

/** Like adb_node_try_lock(), to change nothing but locations. */
static inline bool
adb_node_try_hold(struct adb_page *page, uint64_t version)
{
    return adb_node_try_set(page, version, NODE_HELD);
}

/** The version of a node that the calling thread has locked or holds, without those bits. */
static inline uint64_t
adb_node_own_version(const struct adb_page *page)
{
    uint64_t version = atomic_load_explicit(&page->word[NODE_VERSION_AT], memory_order_relaxed);
    ADB_DEBUG_ASSERT((version & (NODE_LOCKED | NODE_HELD)) != 0);
    return version & ~(NODE_LOCKED | NODE_HELD);
}

/** Lets go of a node of which at most locations were changed. */
static inline void
adb_node_unlock_same(struct adb_page *page)
{
    adb_node_set_word(page, NODE_VERSION_AT, adb_node_own_version(page));
}

/** Lets go of a locked node that was changed. */
static inline void
adb_node_unlock_changed(struct adb_page *page)
{
    adb_node_set_word(page, NODE_VERSION_AT, adb_node_own_version(page) + NODE_VERSION_STEP);
}

/** Lets go of a locked node that is no longer in the tree. Returns its last version. */
static inline uint64_t
adb_node_unlock_obsolete(struct adb_page *page)
{
    uint64_t version = (adb_node_own_version(page) + NODE_VERSION_STEP) | NODE_OBSOLETE;
    adb_node_set_word(page, NODE_VERSION_AT, version);
    return version;
}

/* ------------------------------------------------------------------ the word of both layouts */

/** Word 1 of a node, taken apart. */
struct adb_node_meta {
    uint32_t count; /* entries: keys of a leaf, separators of an inner node */
    uint32_t level; /* 0: leaf */
    uint32_t last;  /* slot of the newest insert if nothing was removed since; or NODE_NO_LAST */
    uint32_t skip;  /* fixed layout: so many first words are the same in all keys */
    uint32_t ascents;  /* so many newest inserts came right after the insert before, at most 15 */
    uint32_t descents; /* so many came right before it */
};

static inline struct adb_node_meta
adb_node_meta_of(uint64_t word)
{
    struct adb_node_meta meta = {.count = (uint32_t)(word & 0xffff),
                                 .level = (uint32_t)(word >> 16 & 0xff),
                                 .last = (uint32_t)(word >> 24 & 0xff),
                                 .skip = (uint32_t)(word >> 32 & 0xff),
                                 .ascents = (uint32_t)(word >> 40 & 0xf),
                                 .descents = (uint32_t)(word >> 44 & 0xf)};
    return meta;
}

/** Racy. */
static inline struct adb_node_meta
adb_node_meta(const struct adb_page *page)
{
    return adb_node_meta_of(adb_node_word(page, NODE_META_AT));
}

static inline void
adb_node_set_meta(struct adb_page *page, struct adb_node_meta meta)
{
    adb_node_set_word(page, NODE_META_AT,
                      (uint64_t)meta.count | (uint64_t)meta.level << 16 |
                          (uint64_t)meta.last << 24 | (uint64_t)meta.skip << 32 |
                          (uint64_t)meta.ascents << 40 | (uint64_t)meta.descents << 44);
}

/** Counts an insert at `slot`. */
static inline void
adb_node_note_insert(struct adb_node_meta *meta, uint32_t slot)
{
    bool is_ascent = slot == meta->last + 1;
    bool is_descent = slot == meta->last;
    meta->ascents = is_ascent ? meta->ascents + (meta->ascents < 15) : 0;
    meta->descents = is_descent ? meta->descents + (meta->descents < 15) : 0;
    meta->last = slot;
    meta->count++;
}

/** Counts a removal, of any slot. */
static inline void
adb_node_note_remove(struct adb_node_meta *meta)
{
    meta->last = NODE_NO_LAST;
    meta->ascents = 0;
    meta->descents = 0;
    meta->count--;
}

/* ------------------------------------------------------------------ keys */

/** How the nodes of one tree are laid out; the same for all of them and never changed. */
struct adb_node_layout {
    uint32_t key_bytes; /* 0: variable; all that follows is then 0 too */
    uint32_t words;     /* of a key */
    uint32_t capacity;  /* entries */
    uint32_t key_at;    /* word where the first words of the keys start, `capacity` of them */
    uint32_t value_at;  /* word where locations or children start, capacity + 1 of them */
};

/** A key that is looked for or put in, in the forms in which nodes compare it. */
struct adb_node_key {
    const unsigned char *bytes; /* borrowed */
    uint32_t len;
    uint64_t word[NODE_KEY_WORDS]; /* fixed layout: the bytes as big-endian numbers, zero padded */
};

/** A key with room for its bytes; `key.bytes` points into it, so it must not be moved. */
struct adb_node_key_copy {
    struct adb_node_key key;
    unsigned char bytes[ARMDB_KEY_MAX];
};

/** The first `len` (at most 8) bytes as a big-endian number, padded with zeros. */
static inline uint64_t
adb_node_load_bytes(const unsigned char *bytes, uint32_t len)
{
    if (ADB_LIKELY(len >= 8)) {
        return (uint64_t)bytes[0] << 56 | (uint64_t)bytes[1] << 48 | (uint64_t)bytes[2] << 40 |
               (uint64_t)bytes[3] << 32 | (uint64_t)bytes[4] << 24 | (uint64_t)bytes[5] << 16 |
               (uint64_t)bytes[6] << 8 | (uint64_t)bytes[7];
    }
    uint64_t word = 0;
    for (uint32_t i = 0; i < len; i++)
        word |= (uint64_t)bytes[i] << (56 - 8 * i);
    return word;
}

/** Stores all 8 bytes of a big-endian number. */
static inline void
adb_node_store_bytes(unsigned char *bytes, uint64_t word)
{
    for (uint32_t i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(word >> (56 - 8 * i));
}

/** Bytes in which two keys agree from the start. */
static inline uint32_t
adb_node_shared_bytes(const unsigned char *a, uint32_t a_len, const unsigned char *b,
                      uint32_t b_len)
{
    uint32_t min = a_len < b_len ? a_len : b_len;
    uint32_t n = 0;
    while (n < min && a[n] == b[n])
        n++;
    return n;
}

/** Fills `key` from bytes that outlive it; of a fixed layout's length, shorter, or 0..1024. */
static inline void
adb_node_key_set(const struct adb_node_layout *layout, struct adb_node_key *key,
                 const unsigned char *bytes, uint32_t len)
{
    key->bytes = bytes;
    key->len = len;
    for (uint32_t i = 0; i < layout->words; i++)
        key->word[i] = adb_node_load_bytes(bytes + 8 * i, len > 8 * i ? len - 8 * i : 0);
}

/* ------------------------------------------------------------------ nodes of either layout */

/** Works out the layout for a key length (0: variable). */
void adb_node_layout_init(struct adb_node_layout *layout, uint32_t key_bytes);

/** Starts a node without entries in a page that was just taken; its version is above `clock`. */
void adb_node_init(const struct adb_node_layout *layout, struct adb_page *page, uint32_t level,
                   uint64_t clock);

/** Makes `to` hold what `from` holds; the version of `to` stays as it is. */
void adb_node_copy(struct adb_page *to, const struct adb_page *from);

/** Removes all entries and sets the level. */
void adb_node_clear(const struct adb_node_layout *layout, struct adb_page *page, uint32_t level);

/** Where the separator of two new leaves is, between the largest key on the left and the smallest on
 * the right; that is, which of the two will get the keys to come in between. */
enum adb_node_bias {
    NODE_BIAS_LOW,    /* right after the left: more goes to the right one */
    NODE_BIAS_MIDDLE,
    NODE_BIAS_HIGH
};

/** Which part of a node stays and which goes to the right when an entry does not fit. */
struct adb_node_split {
    uint32_t at;                     /* leaf: first entry that moves; inner: separator moving up */
    bool into_right;                 /* where the new entry goes */
    enum adb_node_bias bias;
    struct adb_node_key_copy middle; /* separates left and right */
};

/** Which ends of a level the node is at: there keys come in order more often than not. */
struct adb_node_edges {
    bool is_leftmost;
    bool is_rightmost;
};

/** Decides how to split a node in which (key) does not fit at `slot`. Changes nothing. */
void adb_node_plan_split(const struct adb_node_layout *layout, const struct adb_page *page,
                         uint32_t slot, const struct adb_node_key *key, struct adb_node_edges edges,
                         struct adb_node_split *split);

/* The two layouts. Contracts are at the functions below that choose between them. */
void adb_node_fixed_layout_init(struct adb_node_layout *layout, uint32_t key_bytes);
void adb_node_fixed_clear(struct adb_page *page, uint32_t level);
uint32_t adb_node_fixed_find(const struct adb_node_layout *layout, const struct adb_page *page,
                             const struct adb_node_key *key, bool *found_out);
uint32_t adb_node_fixed_read_key(const struct adb_node_layout *layout, const struct adb_page *page,
                                 uint32_t slot, unsigned char *bytes_out);
void adb_node_fixed_insert(const struct adb_node_layout *layout, struct adb_page *page,
                           uint32_t slot, const struct adb_node_key *key, uint64_t value);
void adb_node_fixed_remove(const struct adb_node_layout *layout, struct adb_page *page,
                           uint32_t slot);
void adb_node_fixed_split(const struct adb_node_layout *layout, struct adb_page *left,
                          struct adb_page *right, uint32_t at);
void adb_node_fixed_merge(const struct adb_node_layout *layout, struct adb_page *left,
                          const struct adb_page *right, const struct adb_node_key *middle);

uint32_t adb_node_var_find(const struct adb_page *page, const struct adb_node_key *key,
                           bool *found_out);
uint32_t adb_node_var_read_key(const struct adb_page *page, uint32_t slot,
                               unsigned char *bytes_out);
void adb_node_var_clear(struct adb_page *page, uint32_t level);
bool adb_node_var_fits(const struct adb_page *page, const struct adb_node_key *key);
void adb_node_var_insert(struct adb_page *page, uint32_t slot, const struct adb_node_key *key,
                         uint64_t value);
void adb_node_var_remove(struct adb_page *page, uint32_t slot);
void adb_node_var_split(struct adb_page *left, struct adb_page *right, uint32_t at);
uint32_t adb_node_var_middle(const struct adb_page *page);
bool adb_node_var_keeps_prefix(const struct adb_page *page, const struct adb_node_key *key);
bool adb_node_fixed_merge_fits(const struct adb_node_layout *layout, const struct adb_page *left,
                               const struct adb_page *right);
bool adb_node_var_fits_part(const struct adb_page *page, uint32_t from, uint32_t to,
                            const struct adb_node_key *key);
bool adb_node_var_is_underfull(const struct adb_page *page);
bool adb_node_var_merge_fits(const struct adb_page *left, const struct adb_page *right,
                             const struct adb_node_key *middle);
void adb_node_var_merge(struct adb_page *left, const struct adb_page *right,
                        const struct adb_node_key *middle);

/**
 * The slot of the first entry not below `key`, and whether it is `key` itself. Racy; the result is
 * then at most NODE_COUNT_MAX and safe to pass to the other racy functions.
 */
static inline uint32_t
adb_node_find(const struct adb_node_layout *layout, const struct adb_page *page,
              const struct adb_node_key *key, bool *found_out)
{
    return layout->words != 0 ? adb_node_fixed_find(layout, page, key, found_out)
                              : adb_node_var_find(page, key, found_out);
}

/* The word of a leaf's location `slot`, of an inner node's child `slot`. */
static inline uint32_t
adb_node_location_at(const struct adb_node_layout *layout, uint32_t slot)
{
    return layout->words != 0 ? layout->value_at + slot : 5 + 2 * slot;
}

static inline uint32_t
adb_node_child_at(const struct adb_node_layout *layout, uint32_t slot)
{
    return layout->words != 0 ? layout->value_at + slot : 3 + 2 * slot;
}

/** Racy; any slot up to NODE_COUNT_MAX. */
static inline uint64_t
adb_node_location(const struct adb_node_layout *layout, const struct adb_page *page, uint32_t slot)
{
    return adb_node_word(page, adb_node_location_at(layout, slot) % NODE_WORDS);
}

static inline void
adb_node_set_location(const struct adb_node_layout *layout, struct adb_page *page, uint32_t slot,
                      uint64_t location)
{
    adb_node_set_word(page, adb_node_location_at(layout, slot), location);
}

/** Racy; any slot up to NODE_COUNT_MAX + 1. Only to be followed after a check of the version. */
static inline struct adb_page *
adb_node_child(const struct adb_node_layout *layout, const struct adb_page *page, uint32_t slot)
{
    return (struct adb_page *)(uintptr_t)adb_node_word(
        page, adb_node_child_at(layout, slot) % NODE_WORDS);
}

static inline void
adb_node_set_child(const struct adb_node_layout *layout, struct adb_page *page, uint32_t slot,
                   const struct adb_page *child)
{
    adb_node_set_word(page, adb_node_child_at(layout, slot), (uint64_t)(uintptr_t)child);
}

/**
 * Copies the key (or separator) at `slot` to bytes_out, which has room for ARMDB_KEY_MAX bytes, all
 * of which may be overwritten. Racy. Returns its length.
 */
static inline uint32_t
adb_node_read_key(const struct adb_node_layout *layout, const struct adb_page *page, uint32_t slot,
                  unsigned char *bytes_out)
{
    return layout->words != 0 ? adb_node_fixed_read_key(layout, page, slot, bytes_out)
                              : adb_node_var_read_key(page, slot, bytes_out);
}

/** Whether adb_node_insert() of `key` will find room. */
static inline bool
adb_node_fits(const struct adb_node_layout *layout, const struct adb_page *page,
              const struct adb_node_key *key)
{
    return layout->words != 0 ? adb_node_meta(page).count < layout->capacity
                              : adb_node_var_fits(page, key);
}

/**
 * Puts in an entry that fits. In a leaf, `value` is its location; in an inner node, the child to
 * the right of the separator (as a number).
 */
static inline void
adb_node_insert(const struct adb_node_layout *layout, struct adb_page *page, uint32_t slot,
                const struct adb_node_key *key, uint64_t value)
{
    if (layout->words != 0)
        adb_node_fixed_insert(layout, page, slot, key, value);
    else
        adb_node_var_insert(page, slot, key, value);
}

/** Takes out an entry; of an inner node, the separator and the child to its right. */
static inline void
adb_node_remove(const struct adb_node_layout *layout, struct adb_page *page, uint32_t slot)
{
    if (layout->words != 0)
        adb_node_fixed_remove(layout, page, slot);
    else
        adb_node_var_remove(page, slot);
}

/** Moves what is to the right of split->at from `left` to `right`, an empty node of its level. */
static inline void
adb_node_split(const struct adb_node_layout *layout, struct adb_page *left, struct adb_page *right,
               const struct adb_node_split *split)
{
    if (layout->words != 0)
        adb_node_fixed_split(layout, left, right, split->at);
    else
        adb_node_var_split(left, right, split->at);
}

/** Whether so little is left in a node that it should be merged with a neighbour. Racy. */
static inline bool
adb_node_is_underfull(const struct adb_node_layout *layout, const struct adb_page *page)
{
    return layout->words != 0 ? adb_node_meta(page).count * 4 < layout->capacity
                              : adb_node_var_is_underfull(page);
}

/** Whether two neighbours, separated by `middle`, may become one node. */
static inline bool
adb_node_merge_fits(const struct adb_node_layout *layout, const struct adb_page *left,
                    const struct adb_page *right, const struct adb_node_key *middle)
{
    return layout->words != 0 ? adb_node_fixed_merge_fits(layout, left, right)
                              : adb_node_var_merge_fits(left, right, middle);
}

/** Appends `right` to `left` where they fit; `right` stays as it is. */
static inline void
adb_node_merge(const struct adb_node_layout *layout, struct adb_page *left,
               const struct adb_page *right, const struct adb_node_key *middle)
{
    if (layout->words != 0)
        adb_node_fixed_merge(layout, left, right, middle);
    else
        adb_node_var_merge(left, right, middle);
}

#endif
