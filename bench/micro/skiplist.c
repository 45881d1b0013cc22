/* The plain skip list. A node's tower comes first, then its key. */
#include "skiplist.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/thread.h"

enum { HEIGHT_MAX = 16, BLOCK_BYTES = 1 << 20 };

struct skiplist_node {
    _Atomic uint64_t location;
    uint32_t key_len;
    uint32_t height;
    _Atomic(struct skiplist_node *) next[]; /* `height` of them, then the bytes of the key */
};

struct block {
    struct block *next;
    unsigned char bytes[BLOCK_BYTES];
};

struct skiplist {
    struct adb_mutex lock;
    /* guarded by lock */
    struct block *blocks;
    size_t block_used;
    uint64_t random_state;
    _Atomic uint64_t bytes;
    struct skiplist_node *head; /* of the full height, without a key */
};

static void *
allocate(struct skiplist *list, size_t bytes)
{
    bytes = (bytes + 7) / 8 * 8;
    if (list->blocks == NULL || list->block_used + bytes > BLOCK_BYTES) {
        struct block *block = (struct block *)malloc(sizeof *block);
        if (block == NULL) {
            fprintf(stderr, "skiplist: no memory\n");
            exit(1);
        }
        block->next = list->blocks;
        list->blocks = block;
        list->block_used = 0;
    }
    void *memory = list->blocks->bytes + list->block_used;
    list->block_used += bytes;
    atomic_fetch_add_explicit(&list->bytes, bytes, memory_order_relaxed);
    return memory;
}

static unsigned char *
key_bytes(const struct skiplist_node *node)
{
    return (unsigned char *)(uintptr_t)&node->next[node->height];
}

static struct skiplist_node *
new_node(struct skiplist *list, armdb_slice key, uint64_t location, uint32_t height)
{
    size_t bytes = sizeof(struct skiplist_node) + height * sizeof(void *) + key.len;
    struct skiplist_node *node = (struct skiplist_node *)allocate(list, bytes);
    atomic_init(&node->location, location);
    node->key_len = (uint32_t)key.len;
    node->height = height;
    for (uint32_t level = 0; level < height; level++)
        atomic_init(&node->next[level], NULL);
    if (key.len != 0)
        memcpy(key_bytes(node), key.data, key.len);
    return node;
}

struct skiplist *
skiplist_new(void)
{
    struct skiplist *list = (struct skiplist *)calloc(1, sizeof *list);
    if (list == NULL)
        exit(1);
    adb_mutex_init(&list->lock);
    list->random_state = 1;
    list->head = new_node(list, (armdb_slice){.data = NULL, .len = 0}, 0, HEIGHT_MAX);
    return list;
}

void
skiplist_free(struct skiplist *list)
{
    while (list->blocks != NULL) {
        struct block *block = list->blocks;
        list->blocks = block->next;
        free(block);
    }
    adb_mutex_fini(&list->lock);
    free(list);
}

static inline struct skiplist_node *
next_of(const struct skiplist_node *node, uint32_t level)
{
    return atomic_load_explicit(&node->next[level], memory_order_acquire);
}

static inline int
compare(const struct skiplist_node *node, armdb_slice key)
{
    size_t min = node->key_len < key.len ? node->key_len : key.len;
    int order = memcmp(key_bytes(node), key.data, min);
    return order != 0 ? order : (node->key_len > key.len) - (node->key_len < key.len);
}

uint64_t
skiplist_get(const struct skiplist *list, armdb_slice key)
{
    const struct skiplist_node *node = list->head;
    for (uint32_t level = HEIGHT_MAX; level-- > 0;) {
        const struct skiplist_node *next;
        while ((next = next_of(node, level)) != NULL) {
            int order = compare(next, key);
            if (order == 0)
                return atomic_load_explicit(&next->location, memory_order_acquire);
            if (order > 0)
                break;
            node = next;
        }
    }
    return 0;
}

static uint32_t
random_height_locked(struct skiplist *list)
{
    uint64_t x = list->random_state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    uint32_t height = 1;
    for (; height < HEIGHT_MAX && x % 4 == 0; x /= 4)
        height++;
    return height;
}

static uint64_t
put_locked(struct skiplist *list, armdb_slice key, uint64_t location)
{
    struct skiplist_node *before[HEIGHT_MAX];
    struct skiplist_node *node = list->head;
    for (uint32_t level = HEIGHT_MAX; level-- > 0;) {
        struct skiplist_node *next;
        while ((next = next_of(node, level)) != NULL) {
            int order = compare(next, key);
            if (order == 0)
                return atomic_exchange_explicit(&next->location, location, memory_order_release);
            if (order > 0)
                break;
            node = next;
        }
        before[level] = node;
    }
    struct skiplist_node *added = new_node(list, key, location, random_height_locked(list));
    for (uint32_t level = 0; level < added->height; level++) {
        atomic_store_explicit(&added->next[level], next_of(before[level], level),
                              memory_order_relaxed);
        atomic_store_explicit(&before[level]->next[level], added, memory_order_release);
    }
    return 0;
}

uint64_t
skiplist_put(struct skiplist *list, armdb_slice key, uint64_t location)
{
    adb_mutex_lock(&list->lock);
    uint64_t old = put_locked(list, key, location);
    adb_mutex_unlock(&list->lock);
    return old;
}

const struct skiplist_node *
skiplist_first(const struct skiplist *list)
{
    return next_of(list->head, 0);
}

const struct skiplist_node *
skiplist_next(const struct skiplist_node *node)
{
    return next_of(node, 0);
}

armdb_slice
skiplist_key(const struct skiplist_node *node)
{
    return (armdb_slice){.data = key_bytes(node), .len = node->key_len};
}

uint64_t
skiplist_location(const struct skiplist_node *node)
{
    return atomic_load_explicit(&node->location, memory_order_acquire);
}

uint64_t
skiplist_bytes(const struct skiplist *list)
{
    return atomic_load_explicit(&list->bytes, memory_order_relaxed);
}
