#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "support/os_sim_private.h"

/* Settings. */

void
sim_advance_ns(struct sim *sim, uint64_t ns)
{
    adb_mutex_lock(&sim->lock);
    sim->now_ns += ns;
    adb_mutex_unlock(&sim->lock);
}

void
sim_set_wall_ms(struct sim *sim, uint64_t wall_ms)
{
    adb_mutex_lock(&sim->lock);
    sim->wall_start_ms = wall_ms - sim->now_ns / 1000000;
    adb_mutex_unlock(&sim->lock);
}

void
sim_set_capacity(struct sim *sim, uint64_t bytes)
{
    adb_mutex_lock(&sim->lock);
    sim->capacity_bytes = bytes;
    adb_mutex_unlock(&sim->lock);
}

uint64_t
sim_used_bytes(struct sim *sim)
{
    adb_mutex_lock(&sim->lock);
    uint64_t bytes = sim->used_bytes;
    adb_mutex_unlock(&sim->lock);
    return bytes;
}

void
sim_set_sector_bytes(struct sim *sim, uint32_t bytes)
{
    ADB_ASSERT(bytes > 0);
    adb_mutex_lock(&sim->lock);
    sim->sector_bytes = bytes;
    adb_mutex_unlock(&sim->lock);
}

bool
sim_is_off(struct sim *sim)
{
    adb_mutex_lock(&sim->lock);
    bool is_off = sim->is_off;
    adb_mutex_unlock(&sim->lock);
    return is_off;
}

void
sim_set_can_map(struct sim *sim, bool can_map)
{
    adb_mutex_lock(&sim->lock);
    sim->can_map = can_map;
    adb_mutex_unlock(&sim->lock);
}

void
sim_set_cpu_count(struct sim *sim, uint32_t count)
{
    ADB_ASSERT(count > 0);
    adb_mutex_lock(&sim->lock);
    sim->cpu_count = count;
    sim->boots->base.cpu_count = count;
    adb_mutex_unlock(&sim->lock);
}

void
sim_set_trace(struct sim *sim, FILE *to)
{
    adb_mutex_lock(&sim->lock);
    sim->trace = to;
    adb_mutex_unlock(&sim->lock);
}

size_t
sim_open_count(struct sim *sim)
{
    adb_mutex_lock(&sim->lock);
    size_t count = 0;
    for (const struct sim_file *file = sim->files; file != NULL; file = file->next)
        count++;
    adb_mutex_unlock(&sim->lock);
    return count;
}

/* Looking. */

/* The file of that path, or NULL. */
static struct sim_node *
find_file(struct sim *sim, const char *path)
{
    struct sim_node *node;
    if (sim_walk(sim, path, &node) != 0 || node->is_directory)
        return NULL;
    return node;
}

char *
sim_read_file(struct sim *sim, const char *path, size_t *bytes_out)
{
    *bytes_out = 0;
    char *copy = NULL;
    adb_mutex_lock(&sim->lock);
    const struct sim_node *node = find_file(sim, path);
    if (node != NULL) {
        size_t len = (size_t)sim_bytes_len(node->latest);
        copy = (char *)sim_zalloc(len + 1, 1);
        if (len > 0)
            memcpy(copy, node->latest->data, len);
        *bytes_out = len;
    }
    adb_mutex_unlock(&sim->lock);
    return copy;
}

bool
sim_file_exists(struct sim *sim, const char *path)
{
    adb_mutex_lock(&sim->lock);
    bool exists = find_file(sim, path) != NULL;
    adb_mutex_unlock(&sim->lock);
    return exists;
}

uint64_t
sim_file_size(struct sim *sim, const char *path)
{
    adb_mutex_lock(&sim->lock);
    const struct sim_node *node = find_file(sim, path);
    uint64_t bytes = node == NULL ? 0 : sim_bytes_len(node->latest);
    adb_mutex_unlock(&sim->lock);
    return bytes;
}

static int
compare_entries(const void *a, const void *b)
{
    const struct sim_entry *x = (const struct sim_entry *)a;
    const struct sim_entry *y = (const struct sim_entry *)b;
    return strcmp(x->name, y->name);
}

/* A sorted copy of the entries; free with free(). */
static struct sim_entry *
sorted_entries(const struct sim_entries *entries)
{
    struct sim_entry *copy = (struct sim_entry *)sim_zalloc(entries->count + 1, sizeof *copy);
    if (entries->count > 0)
        memcpy(copy, entries->at, entries->count * sizeof *copy);
    qsort(copy, entries->count, sizeof *copy, compare_entries);
    return copy;
}

size_t
sim_list(struct sim *sim, const char *path, char ***names_out)
{
    const struct sim_entries none = {.at = NULL, .count = 0, .capacity = 0};
    adb_mutex_lock(&sim->lock);
    struct sim_node *dir;
    bool is_there = sim_walk(sim, path, &dir) == 0 && dir->is_directory;
    const struct sim_entries *entries = is_there ? &dir->entries : &none;
    size_t count = entries->count;
    struct sim_entry *sorted = sorted_entries(entries);
    size_t name_bytes = SIM_NAME_BYTES + 1;
    char **names = (char **)sim_zalloc(1, (count + 1) * sizeof *names + count * name_bytes);
    char *text = (char *)(names + count + 1);
    for (size_t i = 0; i < count; i++, text += name_bytes) {
        snprintf(text, name_bytes, "%s%s", sorted[i].name, sorted[i].node->is_directory ? "/" : "");
        names[i] = text;
    }
    free(sorted);
    adb_mutex_unlock(&sim->lock);
    *names_out = names;
    return count;
}

static uint64_t
digest_bytes(uint64_t digest, const void *data, size_t bytes)
{
    const unsigned char *from = (const unsigned char *)data;
    for (size_t i = 0; i < bytes; i++)
        digest = (digest ^ from[i]) * UINT64_C(0x100000001b3);
    return digest;
}

static uint64_t
digest_node(uint64_t digest, const struct sim_node *node)
{
    if (!node->is_directory) {
        uint64_t len = sim_bytes_len(node->latest);
        digest = digest_bytes(digest, &len, sizeof len);
        return len == 0 ? digest : digest_bytes(digest, node->latest->data, (size_t)len);
    }
    struct sim_entry *sorted = sorted_entries(&node->entries);
    for (size_t i = 0; i < node->entries.count; i++) {
        digest = digest_bytes(digest, sorted[i].name, strlen(sorted[i].name) + 1);
        digest = digest_node(digest, sorted[i].node);
    }
    free(sorted);
    return digest_bytes(digest, "/", 1);
}

uint64_t
sim_digest(struct sim *sim)
{
    adb_mutex_lock(&sim->lock);
    uint64_t digest = digest_node(UINT64_C(0xcbf29ce484222325), sim->root);
    adb_mutex_unlock(&sim->lock);
    return digest;
}

/* Changing. */

/* Makes readers and the device agree on the file's content of now. */
static void
make_durable(struct sim_node *node)
{
    sim_node_forget_changes(node);
    sim_bytes_unref(node->durable);
    node->durable = sim_bytes_ref(node->latest);
    node->is_diverged = false;
}

/* The node that has, or now gets, a name; durable with its name. */
static struct sim_node *
find_or_make(struct sim *sim, const char *path, bool is_directory)
{
    char name[SIM_NAME_BYTES];
    struct sim_node *dir;
    ADB_ASSERT(sim_walk_parent(sim, path, name, &dir) == 0);
    if (name[0] == '\0')
        return dir;
    struct sim_node *node = sim_dir_find(dir, name);
    if (node == NULL) {
        node = sim_node_new(sim, is_directory);
        sim_dir_change(dir, NULL, name, node);
        sim_node_unref(node); /* the directory has its own count */
    }
    sim_dir_settle(dir, dir->entry_change_count);
    ADB_ASSERT(node->is_directory == is_directory);
    return node;
}

void
sim_make_dir(struct sim *sim, const char *path)
{
    adb_mutex_lock(&sim->lock);
    size_t len = strlen(path);
    char *part = (char *)sim_zalloc(len + 1, 1);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        (void)find_or_make(sim, part, true);
    }
    free(part);
    adb_mutex_unlock(&sim->lock);
}

/* Takes space whether there is any or not. */
static void
force_space(struct sim_node *node)
{
    uint64_t capacity_bytes = node->sim->capacity_bytes;
    node->sim->capacity_bytes = UINT64_MAX;
    (void)sim_space_take(node, 0, sim_bytes_len(node->latest));
    node->sim->capacity_bytes = capacity_bytes;
}

void
sim_write_file(struct sim *sim, const char *path, const void *data, size_t bytes)
{
    adb_mutex_lock(&sim->lock);
    struct sim_node *node = find_or_make(sim, path, false);
    sim_bytes_resize(&node->latest, 0);
    sim_bytes_write(&node->latest, 0, data, bytes);
    make_durable(node);
    sim_space_cut(node, bytes);
    force_space(node);
    adb_mutex_unlock(&sim->lock);
}

void
sim_truncate_file(struct sim *sim, const char *path, uint64_t bytes)
{
    adb_mutex_lock(&sim->lock);
    struct sim_node *node = find_file(sim, path);
    ADB_ASSERT(node != NULL && bytes <= SIM_FILE_BYTES_MAX);
    sim_bytes_resize(&node->latest, bytes);
    make_durable(node);
    sim_space_cut(node, bytes);
    adb_mutex_unlock(&sim->lock);
}

void
sim_remove_file(struct sim *sim, const char *path)
{
    adb_mutex_lock(&sim->lock);
    ADB_ASSERT(find_file(sim, path) != NULL);
    char name[SIM_NAME_BYTES];
    struct sim_node *dir;
    ADB_ASSERT(sim_walk_parent(sim, path, name, &dir) == 0);
    sim_dir_change(dir, name, NULL, NULL);
    sim_dir_settle(dir, dir->entry_change_count);
    adb_mutex_unlock(&sim->lock);
}

static void
corrupt(struct sim_bytes **bytes, uint64_t offset, uint8_t xor_byte)
{
    if (offset >= sim_bytes_len(*bytes))
        return;
    uint8_t byte = (uint8_t)((*bytes)->data[offset] ^ xor_byte);
    sim_bytes_write(bytes, offset, &byte, 1);
}

void
sim_corrupt(struct sim *sim, const char *path, uint64_t offset, uint8_t xor_byte)
{
    adb_mutex_lock(&sim->lock);
    struct sim_node *node = find_file(sim, path);
    ADB_ASSERT(node != NULL && offset < sim_bytes_len(node->latest));
    corrupt(&node->latest, offset, xor_byte);
    corrupt(&node->durable, offset, xor_byte);
    adb_mutex_unlock(&sim->lock);
}
