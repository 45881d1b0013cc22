#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "support/os_sim_private.h"

void *
sim_zalloc(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);
    ADB_ASSERT(memory != NULL);
    return memory;
}

void
sim_reserve(void **array, size_t *capacity, size_t needed, size_t bytes)
{
    if (needed <= *capacity)
        return;
    size_t grown = *capacity * 2 > needed ? *capacity * 2 : needed;
    grown = grown < 4 ? 4 : grown;
    *array = realloc(*array, grown * bytes);
    ADB_ASSERT(*array != NULL);
    *capacity = grown;
}

/* Content. */

struct sim_bytes *
sim_bytes_ref(struct sim_bytes *bytes)
{
    if (bytes != NULL)
        atomic_fetch_add_explicit(&bytes->refs, 1, memory_order_relaxed);
    return bytes;
}

void
sim_bytes_unref(struct sim_bytes *bytes)
{
    if (bytes != NULL && atomic_fetch_sub_explicit(&bytes->refs, 1, memory_order_acq_rel) == 1)
        free(bytes);
}

uint64_t
sim_bytes_len(const struct sim_bytes *bytes)
{
    return bytes == NULL ? 0 : bytes->len;
}

/* Makes *bytes writable by its holder alone, with room for `capacity`, keeping the first `keep`. */
static void
bytes_own(struct sim_bytes **bytes, uint64_t capacity, uint64_t keep)
{
    struct sim_bytes *old = *bytes;
    bool is_shared = old != NULL && atomic_load_explicit(&old->refs, memory_order_acquire) > 1;
    if (old != NULL && !is_shared && capacity <= old->capacity)
        return;
    if (old != NULL && !is_shared && capacity < old->capacity * 2)
        capacity = old->capacity * 2;
    if (capacity < 64)
        capacity = 64;
    struct sim_bytes *own = (struct sim_bytes *)realloc(is_shared ? NULL : old,
                                                        sizeof *own + (size_t)capacity);
    ADB_ASSERT(own != NULL);
    if (old == NULL || is_shared) {
        atomic_init(&own->refs, 1);
        own->len = keep;
    }
    if (is_shared) {
        memcpy(own->data, old->data, (size_t)keep);
        sim_bytes_unref(old);
    }
    own->capacity = capacity;
    *bytes = own;
}

void
sim_bytes_resize(struct sim_bytes **bytes, uint64_t len)
{
    uint64_t old_len = sim_bytes_len(*bytes);
    if (len == old_len)
        return;
    bytes_own(bytes, len, len < old_len ? len : old_len);
    if (len > old_len)
        memset((*bytes)->data + old_len, 0, (size_t)(len - old_len));
    (*bytes)->len = len;
}

void
sim_bytes_write(struct sim_bytes **bytes, uint64_t offset, const void *data, uint64_t len)
{
    if (len == 0)
        return;
    uint64_t old_len = sim_bytes_len(*bytes);
    uint64_t end = offset + len;
    bytes_own(bytes, end > old_len ? end : old_len, old_len);
    if (offset > old_len)
        memset((*bytes)->data + old_len, 0, (size_t)(offset - old_len));
    memcpy((*bytes)->data + offset, data, (size_t)len);
    if (end > old_len)
        (*bytes)->len = end;
}

/* Nodes. */

struct sim_node *
sim_node_new(struct sim *sim, bool is_directory)
{
    struct sim_node *node = (struct sim_node *)sim_zalloc(1, sizeof *node);
    node->sim = sim;
    node->id = sim->next_node_id++;
    node->refs = 1;
    node->is_directory = is_directory;
    node->prev = sim->nodes_last;
    if (node->prev != NULL)
        node->prev->next = node;
    else
        sim->nodes = node;
    sim->nodes_last = node;
    return node;
}

struct sim_node *
sim_node_ref(struct sim_node *node)
{
    node->refs++;
    return node;
}

static void
node_free(struct sim_node *node)
{
    ADB_ASSERT(node->links == 0 && node->opens == 0);
    for (size_t i = 0; i < node->durable_entries.count; i++)
        sim_node_unref(node->durable_entries.at[i].node);
    for (size_t i = 0; i < node->entry_change_count; i++)
        if (node->entry_changes[i].entry.node != NULL)
            sim_node_unref(node->entry_changes[i].entry.node);
    free(node->entries.at);
    free(node->durable_entries.at);
    free(node->entry_changes);
    sim_bytes_unref(node->latest);
    sim_bytes_unref(node->durable);
    free(node->changes);
    free(node->pending_data);
    free(node->blocks);
    if (node->prev != NULL)
        node->prev->next = node->next;
    else
        node->sim->nodes = node->next;
    if (node->next != NULL)
        node->next->prev = node->prev;
    else
        node->sim->nodes_last = node->prev;
    free(node);
}

/* A file takes space while it has a name or is open. */
static void
add_user(struct sim_node *node, uint32_t *users)
{
    if (node->links + node->opens == 0)
        node->sim->used_bytes += node->used_blocks * SIM_BLOCK_BYTES;
    (*users)++;
}

static void
drop_user(struct sim_node *node, uint32_t *users)
{
    (*users)--;
    if (node->links + node->opens == 0)
        node->sim->used_bytes -= node->used_blocks * SIM_BLOCK_BYTES;
}

/* Forgets all names in a directory that readers see. */
static void
drop_entries(struct sim_node *dir)
{
    for (size_t i = 0; i < dir->entries.count; i++) {
        struct sim_node *node = dir->entries.at[i].node;
        drop_user(node, &node->links);
        sim_node_unref(node);
    }
    dir->entries.count = 0;
}

void
sim_node_unref(struct sim_node *node)
{
    if (--node->refs > 0)
        return;
    drop_entries(node);
    node_free(node);
}

void
sim_node_opened(struct sim_node *node)
{
    sim_node_ref(node);
    add_user(node, &node->opens);
}

void
sim_node_closed(struct sim_node *node)
{
    drop_user(node, &node->opens);
    sim_node_unref(node);
}

/* Cuts the first name off *path. Returns false if there is none; a too long one is cut short. */
static bool
next_name(const char **path, char *name_out, bool *is_too_long_out)
{
    const char *start;
    size_t len;
    do {
        start = *path + strspn(*path, "/");
        len = strcspn(start, "/");
        *path = start + len;
    } while (len == 1 && *start == '.');
    *is_too_long_out = len >= SIM_NAME_BYTES;
    len = *is_too_long_out ? SIM_NAME_BYTES - 1 : len;
    memcpy(name_out, start, len);
    name_out[len] = '\0';
    return len > 0;
}

int
sim_walk_parent(struct sim *sim, const char *path, char *name_out, struct sim_node **dir_out)
{
    *dir_out = NULL;
    struct sim_node *dir = sim->root;
    char name[SIM_NAME_BYTES];
    bool is_too_long;
    name_out[0] = '\0';
    while (next_name(&path, name, &is_too_long)) {
        if (name_out[0] != '\0')
            dir = sim_dir_find(dir, name_out);
        if (dir == NULL || !dir->is_directory)
            return dir == NULL ? ENOENT : ENOTDIR;
        if (is_too_long)
            return ENAMETOOLONG;
        memcpy(name_out, name, sizeof name);
    }
    *dir_out = dir;
    return 0;
}

int
sim_walk(struct sim *sim, const char *path, struct sim_node **node_out)
{
    *node_out = NULL;
    char name[SIM_NAME_BYTES];
    struct sim_node *dir;
    int os_errno = sim_walk_parent(sim, path, name, &dir);
    if (os_errno != 0)
        return os_errno;
    *node_out = name[0] == '\0' ? dir : sim_dir_find(dir, name);
    return *node_out == NULL ? ENOENT : 0;
}

/* Directories. */

static struct sim_entry *
entries_find(const struct sim_entries *entries, const char *name)
{
    for (size_t i = 0; i < entries->count; i++)
        if (strcmp(entries->at[i].name, name) == 0)
            return &entries->at[i];
    return NULL;
}

/* Sets `name` to `node`, counted; the node it stood for is returned with its count, or NULL. */
static struct sim_node *
entries_set(struct sim_entries *entries, const char *name, struct sim_node *node)
{
    sim_node_ref(node);
    struct sim_entry *entry = entries_find(entries, name);
    if (entry != NULL) {
        struct sim_node *old = entry->node;
        entry->node = node;
        return old;
    }
    sim_reserve((void **)&entries->at, &entries->capacity, entries->count + 1, sizeof *entry);
    entry = &entries->at[entries->count++];
    entry->node = node;
    memset(entry->name, 0, sizeof entry->name);
    memcpy(entry->name, name, strlen(name) + 1);
    return NULL;
}

/* Returns the node that was removed with its count, or NULL. */
static struct sim_node *
entries_remove(struct sim_entries *entries, const char *name)
{
    struct sim_entry *entry = entries_find(entries, name);
    if (entry == NULL)
        return NULL;
    struct sim_node *node = entry->node;
    size_t behind = (size_t)(entries->at + entries->count - entry) - 1;
    memmove(entry, entry + 1, behind * sizeof *entry);
    entries->count--;
    return node;
}

struct sim_node *
sim_dir_find(const struct sim_node *dir, const char *name)
{
    const struct sim_entry *entry = entries_find(&dir->entries, name);
    return entry == NULL ? NULL : entry->node;
}

static void
unlink_node(struct sim_node *node)
{
    if (node == NULL)
        return;
    drop_user(node, &node->links);
    sim_node_unref(node);
}

void
sim_dir_change(struct sim_node *dir, const char *gone, const char *name, struct sim_node *node)
{
    sim_reserve((void **)&dir->entry_changes, &dir->entry_change_capacity,
                dir->entry_change_count + 1, sizeof *dir->entry_changes);
    struct sim_entry_change *change = &dir->entry_changes[dir->entry_change_count++];
    memset(change, 0, sizeof *change);
    if (node != NULL) {
        memcpy(change->entry.name, name, strlen(name) + 1);
        change->entry.node = sim_node_ref(node);
        add_user(node, &node->links);
    }
    if (gone != NULL) {
        memcpy(change->gone, gone, strlen(gone) + 1);
        unlink_node(entries_remove(&dir->entries, gone));
    }
    if (node != NULL)
        unlink_node(entries_set(&dir->entries, name, node));
}

void
sim_dir_settle(struct sim_node *dir, size_t count)
{
    for (size_t i = 0; i < dir->entry_change_count; i++) {
        struct sim_entry_change *change = &dir->entry_changes[i];
        struct sim_node *gone = NULL;
        struct sim_node *replaced = NULL;
        if (i < count && change->gone[0] != '\0')
            gone = entries_remove(&dir->durable_entries, change->gone);
        if (i < count && change->entry.node != NULL)
            replaced = entries_set(&dir->durable_entries, change->entry.name, change->entry.node);
        if (gone != NULL)
            sim_node_unref(gone);
        if (replaced != NULL)
            sim_node_unref(replaced);
        if (change->entry.node != NULL)
            sim_node_unref(change->entry.node);
    }
    dir->entry_change_count = 0;
}

void
sim_dir_revert(struct sim_node *dir)
{
    ADB_ASSERT(dir->entry_change_count == 0);
    struct sim_entries old = dir->entries;
    dir->entries = (struct sim_entries){.at = NULL, .count = 0, .capacity = 0};
    for (size_t i = 0; i < dir->durable_entries.count; i++) {
        struct sim_entry *entry = &dir->durable_entries.at[i];
        add_user(entry->node, &entry->node->links);
        (void)entries_set(&dir->entries, entry->name, entry->node);
    }
    for (size_t i = 0; i < old.count; i++)
        unlink_node(old.at[i].node);
    free(old.at);
}

/* Files. */

static struct sim_change *
add_change(struct sim_node *node)
{
    sim_reserve((void **)&node->changes, &node->change_capacity, node->change_count + 1,
                sizeof *node->changes);
    return &node->changes[node->change_count++];
}

void
sim_node_write(struct sim_node *node, const struct iovec *iov, uint64_t offset, uint64_t len)
{
    if (len == 0)
        return;
    size_t capacity = (size_t)node->pending_capacity;
    sim_reserve((void **)&node->pending_data, &capacity, (size_t)(node->pending_len + len), 1);
    node->pending_capacity = capacity;
    unsigned char *data = node->pending_data + node->pending_len;
    for (uint64_t at = 0; at < len; iov++) {
        uint64_t part = iov->iov_len < len - at ? iov->iov_len : len - at;
        if (part > 0)
            memcpy(data + at, iov->iov_base, (size_t)part);
        at += part;
    }
    sim_bytes_write(&node->latest, offset, data, len);
    *add_change(node) =
        (struct sim_change){.offset = offset, .len = len, .data_at = node->pending_len};
    node->pending_len += len;
}

void
sim_node_resize(struct sim_node *node, uint64_t len)
{
    sim_bytes_resize(&node->latest, len);
    *add_change(node) = (struct sim_change){.is_truncate = true, .offset = len};
}

void
sim_node_apply(struct sim_node *node, const struct sim_change *change, uint64_t len)
{
    if (change->is_truncate)
        sim_bytes_resize(&node->durable, change->offset);
    else
        sim_bytes_write(&node->durable, change->offset, node->pending_data + change->data_at, len);
}

void
sim_node_forget_changes(struct sim_node *node)
{
    node->change_count = 0;
    node->pending_len = 0;
}

void
sim_node_fold(struct sim_node *node)
{
    uint64_t sector = node->sim->sector_bytes;
    if (node->mapped == NULL)
        return;
    for (uint64_t at = 0; at < node->mapped_bytes; at += sector) {
        uint64_t len = node->mapped_bytes - at < sector ? node->mapped_bytes - at : sector;
        const struct iovec iov = {node->mapped + at, (size_t)len};
        if (memcmp(node->latest->data + at, node->mapped + at, (size_t)len) != 0)
            sim_node_write(node, &iov, at, len);
    }
}

void
sim_fold_all(struct sim *sim, bool for_good)
{
    for (struct sim_node *node = sim->nodes; node != NULL; node = node->next) {
        sim_node_fold(node);
        if (for_good)
            node->mapped = NULL;
    }
}

void
sim_node_sync(struct sim_node *node)
{
    for (size_t i = 0; i < node->change_count; i++)
        sim_node_apply(node, &node->changes[i], node->changes[i].len);
    sim_node_forget_changes(node);
}

/* Space. */

static void
reserve_blocks(struct sim_node *node, uint64_t count)
{
    if (count <= node->block_count)
        return;
    node->blocks = (bool *)realloc(node->blocks, (size_t)count * sizeof *node->blocks);
    ADB_ASSERT(node->blocks != NULL);
    memset(node->blocks + node->block_count, 0,
           (size_t)(count - node->block_count) * sizeof *node->blocks);
    node->block_count = count;
}

uint64_t
sim_space_take(struct sim_node *node, uint64_t offset, uint64_t len)
{
    struct sim *sim = node->sim;
    if (len == 0)
        return 0;
    uint64_t end = (offset + len - 1) / SIM_BLOCK_BYTES + 1;
    reserve_blocks(node, end);
    for (uint64_t i = offset / SIM_BLOCK_BYTES; i < end; i++) {
        if (node->blocks[i])
            continue;
        if (sim->capacity_bytes < SIM_BLOCK_BYTES ||
            sim->used_bytes > sim->capacity_bytes - SIM_BLOCK_BYTES)
            return i * SIM_BLOCK_BYTES > offset ? i * SIM_BLOCK_BYTES - offset : 0;
        node->blocks[i] = true;
        node->used_blocks++;
        sim->used_bytes += SIM_BLOCK_BYTES;
    }
    return len;
}

void
sim_space_cut(struct sim_node *node, uint64_t len)
{
    uint64_t keep = (len + SIM_BLOCK_BYTES - 1) / SIM_BLOCK_BYTES;
    uint64_t freed = 0;
    for (uint64_t i = keep; i < node->block_count; i++)
        freed += node->blocks[i] ? 1 : 0;
    node->block_count = node->block_count < keep ? node->block_count : keep;
    node->used_blocks -= freed;
    if (node->links + node->opens > 0)
        node->sim->used_bytes -= freed * SIM_BLOCK_BYTES;
}

void
sim_space_recount(struct sim *sim)
{
    sim->used_bytes = 0;
    for (struct sim_node *node = sim->nodes; node != NULL; node = node->next) {
        uint64_t count = (sim_bytes_len(node->latest) + SIM_BLOCK_BYTES - 1) / SIM_BLOCK_BYTES;
        reserve_blocks(node, count);
        if (count > 0)
            memset(node->blocks, true, (size_t)count * sizeof *node->blocks);
        node->block_count = count;
        node->used_blocks = count;
        if (node->links + node->opens > 0)
            sim->used_bytes += count * SIM_BLOCK_BYTES;
    }
}
