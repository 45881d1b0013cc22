#include "support/os_sim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "support/os_sim_private.h"

static const char *const op_names[SIM_OP_COUNT] = {
    [SIM_OP_OPEN] = "open",       [SIM_OP_CREATE] = "open",       [SIM_OP_CLOSE] = "close",
    [SIM_OP_READ] = "read",       [SIM_OP_WRITE] = "write",       [SIM_OP_SYNC] = "sync",
    [SIM_OP_SIZE] = "size",       [SIM_OP_TRUNCATE] = "truncate", [SIM_OP_ALLOCATE] = "allocate",
    [SIM_OP_LOCK] = "lock",       [SIM_OP_RENAME] = "rename",     [SIM_OP_UNLINK] = "unlink",
    [SIM_OP_MKDIR] = "mkdir",     [SIM_OP_SYNC_DIR] = "sync_dir", [SIM_OP_LIST] = "list",
    [SIM_OP_ENTROPY] = "entropy", [SIM_OP_LINK] = "link",
};

/* An operation on its way through the simulator. */
struct call {
    struct sim *sim;
    enum sim_op op;
    const char *path; /* NULL if none */
    uint64_t offset;
    uint64_t bytes;
    int os_errno;        /* why it fails; 0 if it does not */
    bool is_fault;       /* it fails because the set fault struck here */
    struct test_rng rng; /* for what a fault lets through */
};

static struct sim_boot *
boot_of(struct adb_os *os)
{
    return (struct sim_boot *)os;
}

static struct sim_file *
sim_file_of(struct adb_file *file)
{
    return (struct sim_file *)file;
}

/* The operations that a kind of fault can strike. */
static uint32_t
ops_of_fault(enum sim_fault_kind kind)
{
    switch (kind) {
    case SIM_FAULT_SHORT_WRITE:
        return SIM_WRITES;
    case SIM_FAULT_NO_SPACE:
        return SIM_WRITES | SIM_SYNCS | SIM_BIT(SIM_OP_CREATE) | SIM_BIT(SIM_OP_ALLOCATE) |
               SIM_BIT(SIM_OP_MKDIR) | SIM_BIT(SIM_OP_RENAME) | SIM_BIT(SIM_OP_LINK);
    case SIM_FAULT_SYNC:
        return SIM_SYNCS;
    case SIM_FAULT_READ:
        return SIM_BIT(SIM_OP_READ);
    case SIM_FAULT_ERROR:
    case SIM_FAULT_CUT:
        break;
    }
    return SIM_ALL;
}

static int
errno_of_fault(const struct sim_fault *fault)
{
    if (fault->os_errno != 0 && fault->kind != SIM_FAULT_CUT)
        return fault->os_errno;
    return fault->kind == SIM_FAULT_NO_SPACE ? ENOSPC : EIO;
}

/* Lets the set fault strike if it is the call's turn. */
static void
strike(struct call *call)
{
    struct sim *sim = call->sim;
    const struct sim_fault *fault = &sim->fault;
    uint32_t ops = ops_of_fault(fault->kind) & (fault->ops == 0 ? SIM_ALL : fault->ops);
    if (sim->fault_left == 0 || (ops & SIM_BIT(call->op)) == 0)
        return;
    if (sim->fault_left > 1) {
        sim->fault_left--;
        return;
    }
    sim->fault_left = fault->is_persistent ? 1 : 0;
    sim->fault_fired = true;
    sim->is_off = fault->kind == SIM_FAULT_CUT;
    if (sim->is_off)
        sim_fold_all(sim, true);
    call->is_fault = !sim->is_off;
    call->os_errno = errno_of_fault(fault);
}

static uint64_t
count_ops(const struct sim *sim, uint32_t ops)
{
    uint64_t count = 0;
    for (int op = 0; op < SIM_OP_COUNT; op++)
        if ((ops & SIM_BIT(op)) != 0)
            count += sim->op_counts[op];
    return count;
}

/* Begins an operation: locks the simulator, counts, and sets os_errno if it must fail. */
static struct call
begin(struct adb_os *os, enum sim_op op, const char *path, uint64_t offset, uint64_t bytes)
{
    struct sim_boot *boot = boot_of(os);
    struct sim *sim = boot->sim;
    struct call call = {.sim = sim, .op = op, .path = path, .offset = offset, .bytes = bytes};
    adb_mutex_lock(&sim->lock);
    if (boot->is_over || sim->is_off) {
        call.os_errno = EIO;
        return call;
    }
    sim->op_counts[op]++;
    /* The system may write back what is stored into a mapping at any time; here it is now. */
    if ((SIM_SYNCS & SIM_BIT(op)) != 0)
        sim_fold_all(sim, false);
    strike(&call);
    if (call.is_fault)
        call.rng = test_rng_fork(sim->fault.seed, count_ops(sim, SIM_ALL));
    if (sim->trace != NULL)
        fprintf(sim->trace, "%6" PRIu64 " %-8s %s %" PRIu64 "+%" PRIu64 "%s%s\n",
                count_ops(sim, SIM_ALL), op_names[op], path == NULL ? "" : path, offset, bytes,
                call.is_fault ? " FAULT" : "", sim->is_off ? " OFF" : "");
    return call;
}

/* Ends it: unlocks, and raises os_errno if it is set. */
static armdb_err
end(struct call *call)
{
    adb_mutex_unlock(&call->sim->lock);
    if (call->os_errno == 0)
        return ARMDB_OK;
    return adb_fail_errno(call->os_errno, op_names[call->op], call->path, call->offset);
}

/* Ends it with an answer, unless it fails. */
static armdb_err
end_with(struct call *call, armdb_err answer)
{
    armdb_err err = end(call);
    return err != ARMDB_OK ? err : answer;
}

/* Files. */

static struct call
begin_file(struct sim_file *file, enum sim_op op, uint64_t offset, uint64_t bytes)
{
    struct call call = begin(file->base.os, op, file->path, offset, bytes);
    ADB_ASSERT(call.os_errno != 0 || file->node != NULL);
    return call;
}

static armdb_err
file_close(struct adb_file *base)
{
    struct sim_file *file = sim_file_of(base);
    struct call call = begin_file(file, SIM_OP_CLOSE, 0, 0);
    if (file->node != NULL) {
        if (file->node->lock_owner == file)
            file->node->lock_owner = NULL;
        if (file->prev != NULL)
            file->prev->next = file->next;
        else
            call.sim->files = file->next;
        if (file->next != NULL)
            file->next->prev = file->prev;
        sim_node_closed(file->node);
    }
    armdb_err err = end(&call);
    adb_mem_free(file);
    return err;
}

static uint64_t
iov_bytes(const struct iovec *iov, int iov_count)
{
    uint64_t bytes = 0;
    for (int i = 0; i < iov_count; i++)
        bytes += iov[i].iov_len;
    return bytes;
}

static armdb_err
file_read(struct adb_file *base, const struct iovec *iov, int iov_count, uint64_t offset,
          size_t *read_out)
{
    *read_out = 0;
    struct sim_file *file = sim_file_of(base);
    struct call call = begin_file(file, SIM_OP_READ, offset, iov_bytes(iov, iov_count));
    if (call.os_errno == 0) {
        const struct sim_bytes *content = file->node->latest;
        uint64_t len = sim_bytes_len(content);
        uint64_t at = offset;
        for (int i = 0; i < iov_count && at < len; i++) {
            uint64_t part = iov[i].iov_len < len - at ? iov[i].iov_len : len - at;
            if (part > 0)
                memcpy(iov[i].iov_base, content->data + at, (size_t)part);
            at += part;
        }
        *read_out = (size_t)(at - offset);
    }
    return end(&call);
}

/* How many bytes of a failing write are known to the caller, of `done` that are written. */
static uint64_t
admit(struct call *call, uint64_t done)
{
    switch (test_rng_below(&call->rng, 3)) {
    case 0:
        return 0;
    case 1:
        return test_rng_below(&call->rng, done + 1);
    default:
        return done;
    }
}

/* Why a file cannot be written there, as an errno; 0 if it can. */
static int
check_write(const struct sim_file *file, uint64_t offset, uint64_t len)
{
    if (!file->is_writable)
        return EBADF;
    bool is_too_big = offset > SIM_FILE_BYTES_MAX || len > SIM_FILE_BYTES_MAX - offset;
    return is_too_big ? EFBIG : 0;
}

static armdb_err
file_write(struct adb_file *base, const struct iovec *iov, int iov_count, uint64_t offset,
           size_t *written_out)
{
    *written_out = 0;
    struct sim_file *file = sim_file_of(base);
    uint64_t len = iov_bytes(iov, iov_count);
    struct call call = begin_file(file, SIM_OP_WRITE, offset, len);
    if (call.os_errno == 0)
        call.os_errno = check_write(file, offset, len);
    uint64_t todo = call.os_errno == 0 ? len : 0;
    if (call.is_fault && call.sim->fault.kind != SIM_FAULT_ERROR &&
        check_write(file, offset, len) == 0)
        todo = test_rng_one_in(&call.rng, 4) ? len : test_rng_below(&call.rng, len + 1);
    uint64_t done = todo > 0 ? sim_space_take(file->node, offset, todo) : 0;
    if (call.os_errno == 0 && done < len)
        call.os_errno = ENOSPC;
    if (done > 0)
        sim_node_write(file->node, iov, offset, done);
    done = call.is_fault ? admit(&call, done) : done;
    *written_out = (size_t)done;
    call.offset = offset + done;
    return end(&call);
}

static armdb_err
file_sync(struct adb_file *base)
{
    struct sim_file *file = sim_file_of(base);
    struct call call = begin_file(file, SIM_OP_SYNC, 0, 0);
    if (call.is_fault)
        sim_settle(file->node, SIM_CUT_ANY, &call.rng);
    else if (call.os_errno == 0)
        sim_node_sync(file->node);
    return end(&call);
}

/* Here the device has what was written or not, as the power cut will have it. */
static void
file_start_sync(struct adb_file *base, uint64_t offset, uint64_t bytes)
{
    (void)base;
    (void)offset;
    (void)bytes;
}

static armdb_err
file_size(struct adb_file *base, uint64_t *bytes_out)
{
    *bytes_out = 0;
    struct sim_file *file = sim_file_of(base);
    struct call call = begin_file(file, SIM_OP_SIZE, 0, 0);
    if (call.os_errno == 0)
        *bytes_out = sim_bytes_len(file->node->latest);
    return end(&call);
}

static armdb_err
file_truncate(struct adb_file *base, uint64_t bytes)
{
    struct sim_file *file = sim_file_of(base);
    struct call call = begin_file(file, SIM_OP_TRUNCATE, bytes, 0);
    if (call.os_errno == 0 && !file->is_writable)
        call.os_errno = EINVAL;
    if (call.os_errno == 0 && bytes > SIM_FILE_BYTES_MAX)
        call.os_errno = EFBIG;
    if (call.os_errno == 0) {
        if (bytes != sim_bytes_len(file->node->latest))
            sim_node_resize(file->node, bytes);
        sim_space_cut(file->node, bytes);
    }
    return end(&call);
}

static armdb_err
file_allocate(struct adb_file *base, uint64_t offset, uint64_t bytes)
{
    struct sim_file *file = sim_file_of(base);
    struct call call = begin_file(file, SIM_OP_ALLOCATE, offset, bytes);
    if (call.os_errno == 0)
        call.os_errno = check_write(file, offset, bytes);
    /* As in real file systems, what was allocated before the space ran out stays so. */
    if (call.os_errno == 0 && sim_space_take(file->node, offset, bytes) < bytes)
        call.os_errno = ENOSPC;
    return end(&call);
}

static armdb_err
file_map(struct adb_file *base, uint64_t bytes, void **memory_out)
{
    struct sim_file *file = sim_file_of(base);
    struct sim *sim = boot_of(base->os)->sim;
    *memory_out = NULL;
    adb_mutex_lock(&sim->lock);
    struct sim_node *node = file->node;
    if (node != NULL && !sim->is_off && sim->can_map) {
        ADB_ASSERT(node->mapped == NULL && bytes <= sim_bytes_len(node->latest));
        node->mapped = (unsigned char *)sim_zalloc(1, (size_t)bytes);
        node->mapped_bytes = bytes;
        memcpy(node->mapped, node->latest->data, (size_t)bytes);
        *memory_out = node->mapped;
    }
    adb_mutex_unlock(&sim->lock);
    return ARMDB_OK;
}

static void
file_unmap(struct adb_file *base, void *memory, uint64_t bytes)
{
    struct sim_file *file = sim_file_of(base);
    struct sim *sim = boot_of(base->os)->sim;
    (void)bytes;
    adb_mutex_lock(&sim->lock);
    if (file->node != NULL) {
        sim_node_fold(file->node);
        file->node->mapped = NULL;
    }
    adb_mutex_unlock(&sim->lock);
    free(memory);
}

static armdb_err
file_lock(struct adb_file *base)
{
    struct sim_file *file = sim_file_of(base);
    struct call call = begin_file(file, SIM_OP_LOCK, 0, 0);
    if (call.os_errno != 0)
        return end(&call);
    struct sim_file *owner = file->node->lock_owner;
    if (owner == NULL)
        file->node->lock_owner = file;
    return end_with(&call, owner == NULL || owner == file ? ARMDB_OK : ARMDB_BUSY);
}

/* Names. */

/* The node of a name to be opened or made; *answer_out is not ARMDB_OK if there is none to open. */
static struct sim_node *
find_or_create(struct call *call, bool is_create, bool is_directory, armdb_err *answer_out)
{
    *answer_out = ARMDB_OK;
    char name[SIM_NAME_BYTES];
    struct sim_node *dir;
    call->os_errno = sim_walk_parent(call->sim, call->path, name, &dir);
    if (call->os_errno != 0)
        return NULL;
    struct sim_node *node = name[0] == '\0' ? dir : sim_dir_find(dir, name);
    if (!is_create && node == NULL)
        call->os_errno = ENOENT;
    else if (!is_create && node->is_directory)
        call->os_errno = EISDIR;
    else if (is_create && node != NULL)
        *answer_out = ARMDB_EXISTS;
    if (!is_create || node != NULL)
        return node;
    node = sim_node_new(call->sim, is_directory);
    sim_dir_change(dir, NULL, name, node);
    sim_node_unref(node); /* the directory has its own count */
    return node;
}

static void
attach(struct sim_file *file, struct sim *sim, struct sim_node *node)
{
    file->node = node;
    sim_node_opened(node);
    file->next = sim->files;
    if (file->next != NULL)
        file->next->prev = file;
    sim->files = file;
}

static armdb_err
os_open(struct adb_os *os, const char *path, enum adb_open_how how, struct adb_file **file_out)
{
    *file_out = NULL;
    bool is_create = how == ADB_OPEN_CREATE_NEW;
    size_t path_bytes = strlen(path) + 1;
    struct sim_file *file = (struct sim_file *)adb_mem_zalloc(1, sizeof *file + path_bytes);
    if (file == NULL)
        return adb_fail_errno(ENOMEM, "open", path, 0);
    file->base.os = os;
    file->is_writable = how != ADB_OPEN_READ && how != ADB_OPEN_READ_DIRECT;
    memcpy(file->path, path, path_bytes);

    struct call call = begin(os, is_create ? SIM_OP_CREATE : SIM_OP_OPEN, path, 0, 0);
    armdb_err answer = ARMDB_OK;
    if (call.os_errno == 0) {
        struct sim_node *node = find_or_create(&call, is_create, false, &answer);
        if (call.os_errno == ENOENT && !is_create) {
            call.os_errno = 0;
            answer = ARMDB_NOT_FOUND;
        }
        if (call.os_errno == 0 && answer == ARMDB_OK)
            attach(file, call.sim, node);
    }
    armdb_err err = end_with(&call, answer);
    if (err != ARMDB_OK)
        adb_mem_free(file);
    else
        *file_out = &file->base;
    return err;
}

/* Why `node` cannot take the name of `other`, as an errno; 0 if it can. */
static int
check_rename(const struct sim_node *node, const struct sim_node *other)
{
    if (node == NULL)
        return ENOENT;
    if (other == NULL)
        return 0;
    if (node->is_directory != other->is_directory)
        return other->is_directory ? EISDIR : ENOTDIR;
    return other->entries.count > 0 ? ENOTEMPTY : 0;
}

static armdb_err
os_rename(struct adb_os *os, const char *from, const char *to)
{
    struct call call = begin(os, SIM_OP_RENAME, from, 0, 0);
    char from_name[SIM_NAME_BYTES];
    char to_name[SIM_NAME_BYTES];
    struct sim_node *from_dir = NULL;
    struct sim_node *to_dir = NULL;
    if (call.os_errno == 0)
        call.os_errno = sim_walk_parent(call.sim, from, from_name, &from_dir);
    if (call.os_errno == 0)
        call.os_errno = sim_walk_parent(call.sim, to, to_name, &to_dir);
    if (call.os_errno == 0 && (from_dir != to_dir || from_name[0] == '\0' || to_name[0] == '\0'))
        call.os_errno = EXDEV;
    if (call.os_errno != 0)
        return end(&call);
    struct sim_node *node = sim_dir_find(from_dir, from_name);
    const struct sim_node *other = sim_dir_find(to_dir, to_name);
    call.os_errno = node == other && node != NULL ? 0 : check_rename(node, other);
    if (call.os_errno == 0 && node != other)
        sim_dir_change(from_dir, from_name, to_name, node);
    return end(&call);
}

static armdb_err
os_link(struct adb_os *os, const char *from, const char *to)
{
    struct call call = begin(os, SIM_OP_LINK, to, 0, 0);
    armdb_err answer = ARMDB_OK;
    char name[SIM_NAME_BYTES];
    struct sim_node *node = NULL;
    struct sim_node *dir = NULL;
    if (call.os_errno == 0)
        call.os_errno = sim_walk(call.sim, from, &node);
    if (call.os_errno == 0)
        call.os_errno = sim_walk_parent(call.sim, to, name, &dir);
    if (call.os_errno == 0 && (name[0] == '\0' || sim_dir_find(dir, name) != NULL))
        call.os_errno = EEXIST;
    if (call.os_errno == 0 && node->is_directory)
        call.os_errno = EPERM;
    if (call.os_errno == 0)
        sim_dir_change(dir, NULL, name, node);
    if (call.os_errno == EXDEV || call.os_errno == EMLINK || call.os_errno == EPERM) {
        call.os_errno = 0;
        answer = ARMDB_UNSUPPORTED;
    }
    return end_with(&call, answer);
}

static armdb_err
os_unlink(struct adb_os *os, const char *path)
{
    struct call call = begin(os, SIM_OP_UNLINK, path, 0, 0);
    if (call.os_errno != 0)
        return end(&call);
    struct sim_node *node;
    armdb_err answer = ARMDB_OK;
    call.os_errno = sim_walk(call.sim, path, &node);
    if (call.os_errno == ENOENT) {
        call.os_errno = 0;
        answer = ARMDB_NOT_FOUND;
    } else if (call.os_errno == 0 && node->is_directory) {
        call.os_errno = EISDIR;
    } else if (call.os_errno == 0) {
        char name[SIM_NAME_BYTES];
        struct sim_node *dir;
        ADB_ASSERT(sim_walk_parent(call.sim, path, name, &dir) == 0);
        sim_dir_change(dir, name, NULL, NULL);
    }
    return end_with(&call, answer);
}

static armdb_err
os_mkdir(struct adb_os *os, const char *path)
{
    struct call call = begin(os, SIM_OP_MKDIR, path, 0, 0);
    armdb_err answer = ARMDB_OK;
    if (call.os_errno == 0)
        (void)find_or_create(&call, true, true, &answer);
    return end_with(&call, answer);
}

/* The directory of the call's path; NULL with os_errno set if it is none. */
static struct sim_node *
find_directory(struct call *call)
{
    struct sim_node *dir;
    call->os_errno = sim_walk(call->sim, call->path, &dir);
    if (call->os_errno == 0 && !dir->is_directory)
        call->os_errno = ENOTDIR;
    return call->os_errno == 0 ? dir : NULL;
}

static armdb_err
os_sync_dir(struct adb_os *os, const char *path)
{
    struct call call = begin(os, SIM_OP_SYNC_DIR, path, 0, 0);
    int fault_errno = call.os_errno;
    if (fault_errno != 0 && !call.is_fault)
        return end(&call);
    struct sim_node *dir = find_directory(&call);
    if (dir != NULL && fault_errno != 0)
        sim_settle(dir, SIM_CUT_ANY, &call.rng);
    else if (dir != NULL)
        sim_dir_settle(dir, dir->entry_change_count);
    if (fault_errno != 0)
        call.os_errno = fault_errno;
    return end(&call);
}

/* The names as they are now, so that the callback may change the directory. */
static struct sim_entry *
snapshot(const struct sim_node *dir, bool **is_directory_out)
{
    size_t count = dir->entries.count;
    struct sim_entry *names = (struct sim_entry *)sim_zalloc(count + 1, sizeof *names);
    *is_directory_out = (bool *)sim_zalloc(count + 1, sizeof **is_directory_out);
    for (size_t i = 0; i < count; i++) {
        names[i] = dir->entries.at[i];
        (*is_directory_out)[i] = names[i].node->is_directory;
    }
    return names;
}

static armdb_err
os_list(struct adb_os *os, const char *path, adb_list_fn fn, void *context)
{
    struct call call = begin(os, SIM_OP_LIST, path, 0, 0);
    if (call.os_errno != 0)
        return end(&call);
    const struct sim_node *dir = find_directory(&call);
    if (call.os_errno == ENOENT) {
        call.os_errno = 0;
        return end_with(&call, ARMDB_NOT_FOUND);
    }
    if (dir == NULL)
        return end(&call);
    size_t count = dir->entries.count;
    bool *is_directory;
    struct sim_entry *names = snapshot(dir, &is_directory);
    armdb_err err = end(&call);
    for (size_t i = 0; i < count && err == ARMDB_OK; i++)
        err = fn(context, names[i].name, is_directory[i]);
    free(names);
    free(is_directory);
    return err;
}

/* Clock and randomness. */

static uint64_t
os_now_ns(struct adb_os *os)
{
    struct sim *sim = boot_of(os)->sim;
    adb_mutex_lock(&sim->lock);
    uint64_t now_ns = sim->now_ns;
    adb_mutex_unlock(&sim->lock);
    return now_ns;
}

static uint64_t
os_wall_ms(struct adb_os *os)
{
    struct sim *sim = boot_of(os)->sim;
    adb_mutex_lock(&sim->lock);
    uint64_t wall_ms = sim->now_ns / 1000000 + sim->wall_start_ms;
    adb_mutex_unlock(&sim->lock);
    return wall_ms;
}

static armdb_err
os_entropy(struct adb_os *os, void *buffer, size_t bytes)
{
    struct call call = begin(os, SIM_OP_ENTROPY, NULL, 0, bytes);
    if (call.os_errno == 0)
        test_rng_fill(&call.sim->entropy, buffer, bytes);
    return end(&call);
}

static armdb_err
os_resolve(struct adb_os *os, const char *path, char **absolute_out)
{
    (void)os; /* there is no working directory */
    *absolute_out = adb_mem_strdup(path);
    if (*absolute_out == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "resolve", "no memory for a path");
    return ARMDB_OK;
}

static void
os_boot_id(struct adb_os *os, char id_out[ADB_BOOT_ID_BYTES])
{
    snprintf(id_out, ADB_BOOT_ID_BYTES, "power-%llu",
             (unsigned long long)((struct sim_boot *)os)->sim->power_cuts);
}

static uint32_t
os_process_id(struct adb_os *os)
{
    (void)os;
    return 1;
}

static const struct adb_os_ops sim_ops = {
    .open = os_open,
    .close = file_close,
    .read = file_read,
    .write = file_write,
    .sync = file_sync,
    .start_sync = file_start_sync,
    .size = file_size,
    .truncate = file_truncate,
    .allocate = file_allocate,
    .map = file_map,
    .unmap = file_unmap,
    .lock = file_lock,
    .rename = os_rename,
    .link = os_link,
    .unlink = os_unlink,
    .mkdir = os_mkdir,
    .sync_dir = os_sync_dir,
    .list = os_list,
    .resolve = os_resolve,
    .now_ns = os_now_ns,
    .wall_ms = os_wall_ms,
    .entropy = os_entropy,
    .boot_id = os_boot_id,
    .process_id = os_process_id,
};

/* Life. */

struct sim_boot *
sim_boot_start(struct sim *sim)
{
    struct sim_boot *boot = (struct sim_boot *)sim_zalloc(1, sizeof *boot);
    boot->base.ops = &sim_ops;
    boot->base.has_threads = false;
    boot->base.cpu_count = sim->cpu_count;
    boot->sim = sim;
    boot->next = sim->boots;
    sim->boots = boot;
    return boot;
}

struct sim *
sim_new_bare(void)
{
    struct sim *sim = (struct sim *)sim_zalloc(1, sizeof *sim);
    adb_mutex_init(&sim->lock);
    sim->capacity_bytes = UINT64_MAX;
    sim->sector_bytes = 512;
    sim->cpu_count = 2;
    return sim;
}

struct sim *
sim_new(uint64_t seed)
{
    struct sim *sim = sim_new_bare();
    sim->entropy = test_rng_make(seed);
    sim->root = sim_node_new(sim, true);
    sim->now_ns = 1000000000;
    sim->wall_start_ms = UINT64_C(1700000000000);
    (void)sim_boot_start(sim);
    return sim;
}

void
sim_free(struct sim *sim)
{
    if (sim == NULL)
        return;
    sim_end_boot(sim);
    sim_node_unref(sim->root);
    ADB_ASSERT(sim->nodes == NULL && sim->used_bytes == 0);
    while (sim->boots != NULL) {
        struct sim_boot *boot = sim->boots;
        sim->boots = boot->next;
        free(boot);
    }
    adb_mutex_fini(&sim->lock);
    free(sim);
}

struct adb_os *
sim_os(struct sim *sim)
{
    adb_mutex_lock(&sim->lock);
    struct adb_os *os = &sim->boots->base;
    adb_mutex_unlock(&sim->lock);
    return os;
}

/* Faults and counters. */

void
sim_set_fault(struct sim *sim, const struct sim_fault *fault)
{
    ADB_ASSERT(fault->fail_at > 0);
    adb_mutex_lock(&sim->lock);
    sim->fault = *fault;
    sim->fault_left = fault->fail_at;
    sim->fault_fired = false;
    adb_mutex_unlock(&sim->lock);
}

void
sim_clear_fault(struct sim *sim)
{
    adb_mutex_lock(&sim->lock);
    sim->fault_left = 0;
    adb_mutex_unlock(&sim->lock);
}

bool
sim_fault_fired(struct sim *sim)
{
    adb_mutex_lock(&sim->lock);
    bool fired = sim->fault_fired;
    adb_mutex_unlock(&sim->lock);
    return fired;
}

uint64_t
sim_op_count(struct sim *sim, uint32_t ops)
{
    adb_mutex_lock(&sim->lock);
    uint64_t count = count_ops(sim, ops);
    adb_mutex_unlock(&sim->lock);
    return count;
}
