/*
 * node_key.h: what nodes of both layouts have in common: the meta word, and keys in the forms in
 * which nodes compare them.
 */
#ifndef ADB_INDEX_NODE_KEY_H
#define ADB_INDEX_NODE_KEY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "armdb/types.h"
#include "base/attr.h"
#include "index/node_word.h"

enum {
    NODE_META_AT = 1,
    NODE_KEY_WORDS = ARMDB_FIXED_KEY_MAX / 8,
    NODE_COUNT_MAX = 254, /* entries of any node */
    NODE_VALUE_MAX = 256, /* bytes of an inline value */
    NODE_NO_LAST = 255
};

/* ------------------------------------------------------------------ the word of both layouts */

/** Word 1 of a node, taken apart. */
struct adb_node_meta {
    uint32_t count;    /* entries: keys of a leaf, separators of an inner node */
    uint32_t level;    /* 0: leaf */
    uint32_t last;     /* slot of the newest insert if nothing was removed since; or NODE_NO_LAST */
    uint32_t skip;     /* fixed layout: so many first words are the same in all keys */
    uint32_t ascents;  /* so many newest inserts came right after the insert before, at most 15 */
    uint32_t descents; /* so many came right before it */
    uint32_t value_bytes; /* variable layout: inline with each entry; 0 in an inner node */
};

static inline struct adb_node_meta
adb_node_meta_of(uint64_t word)
{
    struct adb_node_meta meta = {.count = (uint32_t)(word & 0xffff),
                                 .level = (uint32_t)(word >> 16 & 0xff),
                                 .last = (uint32_t)(word >> 24 & 0xff),
                                 .skip = (uint32_t)(word >> 32 & 0xff),
                                 .ascents = (uint32_t)(word >> 40 & 0xf),
                                 .descents = (uint32_t)(word >> 44 & 0xf),
                                 .value_bytes = (uint32_t)(word >> 48 & 0x1ff)};
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
                          (uint64_t)meta.ascents << 40 | (uint64_t)meta.descents << 44 |
                          (uint64_t)meta.value_bytes << 48);
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

/* ------------------------------------------------------------------ layout */

/** Fixed layout: where things are in the leaves, or in the inner nodes, of one tree. */
struct adb_node_shape {
    uint32_t capacity;  /* entries */
    uint32_t key_at;    /* word where the first words of the keys start, `capacity` of them */
    uint32_t target_at; /* word where locations or children start */
    uint32_t stride;    /* words from one of these to the next: an inline value is in between */
};

/** How the nodes of one tree are laid out; the same for all of them and never changed. */
struct adb_node_layout {
    uint32_t key_bytes;             /* 0: variable; `words` and `shape` are then 0 too */
    uint32_t value_bytes;           /* of the inline value of each leaf entry, 0..NODE_VALUE_MAX */
    uint32_t words;                 /* of a key */
    struct adb_node_shape shape[2]; /* of leaves, of inner nodes */
};

/* ------------------------------------------------------------------ keys */

/** A key that is looked for or put in, in the forms in which nodes compare it. */
struct adb_node_key {
    const unsigned char *bytes; /* borrowed */
    uint32_t len;
    uint64_t word[NODE_KEY_WORDS]; /* fixed layout: the bytes as big-endian numbers, zero padded */
};

/** What is put into a node. */
struct adb_node_entry {
    const struct adb_node_key *key; /* borrowed */
    uint64_t target;   /* leaf: the location; inner: the child to the right of the separator */
    const void *value; /* borrowed: the inline value; not looked at where there is none */
};

/** One of several entries that are put into a node together. */
struct adb_node_arrival {
    uint32_t slot;            /* of the entry that is to come after it, before any is put in */
    const unsigned char *key; /* borrowed */
    uint64_t target;
    const void *value; /* borrowed: as in struct adb_node_entry */
};

/** Where a search in a node goes on; what looking at its first lines told. */
struct adb_node_place {
    const struct adb_node_shape *shape; /* fixed layout only */
    uint32_t count;
    uint32_t skip; /* words that all keys share; variable layout: bytes */
    uint32_t from; /* fixed: first slot of the group; variable: the slots [from, to) are left */
    uint32_t to;
    uint64_t head; /* variable layout only */
    bool is_final; /* the key is not there, and would be at `from` */
};

/** A key with room for its bytes; `key.bytes` points into it, so it must not be moved. */
struct adb_node_key_copy {
    struct adb_node_key key;
    unsigned char bytes[ARMDB_KEY_MAX];
};

static inline uint64_t
adb_node_swap(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return __builtin_bswap64(word);
#else
    return word;
#endif
}

/** The first `len` (at most 8) bytes as a big-endian number, padded with zeros. */
static inline uint64_t
adb_node_load_bytes(const unsigned char *bytes, uint32_t len)
{
    uint64_t word = 0;
    if (ADB_LIKELY(len >= 8))
        memcpy(&word, bytes, 8);
    else
        memcpy(&word, bytes, len);
    return adb_node_swap(word);
}

/** Stores all 8 bytes of a big-endian number. */
static inline void
adb_node_store_bytes(unsigned char *bytes, uint64_t word)
{
    word = adb_node_swap(word);
    memcpy(bytes, &word, 8);
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

#endif
