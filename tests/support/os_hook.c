#include "support/os_hook.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

struct hook_file {
    struct adb_file base;
    struct adb_file *inner; /* owned */
    char path[];
};

static struct os_hook *
hook_of(struct adb_os *os)
{
    return (struct os_hook *)os;
}

static struct hook_file *
file_of(struct adb_file *file)
{
    return (struct hook_file *)file;
}

static armdb_err
before(struct os_hook *hook, const struct os_call *call)
{
    return hook->before == NULL ? ARMDB_OK : hook->before(hook->context, call);
}

static armdb_err
after(struct os_hook *hook, const struct os_call *call, armdb_err err)
{
    return hook->after == NULL ? err : hook->after(hook->context, call, err);
}

/* ---------------------------------------------------------------------- files */

static armdb_err
hook_open(struct adb_os *os, const char *path, enum adb_open_how how, struct adb_file **file_out)
{
    const struct os_call call = {
        .op = how == ADB_OPEN_CREATE_NEW ? SIM_OP_CREATE : SIM_OP_OPEN, .how = how, .path = path};
    struct adb_file *inner = NULL;
    *file_out = NULL;
    armdb_err err = before(hook_of(os), &call);
    if (err == ARMDB_OK)
        err = after(hook_of(os), &call, adb_os_open(hook_of(os)->inner, path, how, &inner));
    if (err != ARMDB_OK) {
        (void)adb_file_close(inner);
        return err;
    }
    struct hook_file *file = (struct hook_file *)malloc(sizeof *file + strlen(path) + 1);
    ADB_ASSERT(file != NULL);
    file->base.os = os;
    file->inner = inner;
    memcpy(file->path, path, strlen(path) + 1);
    *file_out = &file->base;
    return ARMDB_OK;
}

static struct os_call
call_on(struct adb_file *base, enum sim_op op, uint64_t offset)
{
    return (struct os_call){.op = op, .path = file_of(base)->path, .offset = offset};
}

static armdb_err
hook_close(struct adb_file *base)
{
    struct os_hook *hook = hook_of(base->os);
    struct hook_file *file = file_of(base);
    const struct os_call call = call_on(base, SIM_OP_CLOSE, 0);
    armdb_err err = before(hook, &call);
    err = after(hook, &call, err == ARMDB_OK ? adb_file_close(file->inner) : err);
    free(file);
    return err;
}

static armdb_err
hook_read(struct adb_file *base, const struct iovec *iov, int iov_count, uint64_t offset,
          size_t *read_out)
{
    const struct os_call call = call_on(base, SIM_OP_READ, offset);
    armdb_err err = before(hook_of(base->os), &call);
    *read_out = 0;
    if (err != ARMDB_OK)
        return err;
    err = adb_file_read(file_of(base)->inner, iov, iov_count, offset, read_out);
    return after(hook_of(base->os), &call, err);
}

static armdb_err
hook_write(struct adb_file *base, const struct iovec *iov, int iov_count, uint64_t offset,
           size_t *written_out)
{
    const struct os_call call = call_on(base, SIM_OP_WRITE, offset);
    armdb_err err = before(hook_of(base->os), &call);
    *written_out = 0;
    if (err != ARMDB_OK)
        return err;
    err = adb_file_write(file_of(base)->inner, iov, iov_count, offset, written_out);
    return after(hook_of(base->os), &call, err);
}

static armdb_err
hook_sync(struct adb_file *base)
{
    const struct os_call call = call_on(base, SIM_OP_SYNC, 0);
    armdb_err err = before(hook_of(base->os), &call);
    if (err != ARMDB_OK)
        return err;
    return after(hook_of(base->os), &call, adb_file_sync(file_of(base)->inner));
}

static void
hook_start_sync(struct adb_file *base, uint64_t offset, uint64_t bytes)
{
    adb_file_start_sync(file_of(base)->inner, offset, bytes);
}

static armdb_err
hook_size(struct adb_file *base, uint64_t *bytes_out)
{
    const struct os_call call = call_on(base, SIM_OP_SIZE, 0);
    armdb_err err = before(hook_of(base->os), &call);
    if (err != ARMDB_OK)
        return err;
    return after(hook_of(base->os), &call, adb_file_size(file_of(base)->inner, bytes_out));
}

static armdb_err
hook_truncate(struct adb_file *base, uint64_t bytes)
{
    const struct os_call call = call_on(base, SIM_OP_TRUNCATE, bytes);
    armdb_err err = before(hook_of(base->os), &call);
    if (err != ARMDB_OK)
        return err;
    return after(hook_of(base->os), &call, adb_file_truncate(file_of(base)->inner, bytes));
}

static armdb_err
hook_allocate(struct adb_file *base, uint64_t offset, uint64_t bytes)
{
    const struct os_call call = call_on(base, SIM_OP_ALLOCATE, offset);
    armdb_err err = before(hook_of(base->os), &call);
    if (err != ARMDB_OK)
        return err;
    return after(hook_of(base->os), &call, adb_file_allocate(file_of(base)->inner, offset, bytes));
}

static armdb_err
hook_map(struct adb_file *base, uint64_t bytes, void **memory_out)
{
    return adb_file_map(file_of(base)->inner, bytes, memory_out);
}

static void
hook_unmap(struct adb_file *base, void *memory, uint64_t bytes)
{
    adb_file_unmap(file_of(base)->inner, memory, bytes);
}

static armdb_err
hook_lock(struct adb_file *base)
{
    const struct os_call call = call_on(base, SIM_OP_LOCK, 0);
    armdb_err err = before(hook_of(base->os), &call);
    if (err != ARMDB_OK)
        return err;
    return after(hook_of(base->os), &call, adb_file_lock(file_of(base)->inner));
}

/* ---------------------------------------------------------------------- names */

static armdb_err
hook_rename(struct adb_os *os, const char *from, const char *to)
{
    const struct os_call call = {.op = SIM_OP_RENAME, .path = to};
    armdb_err err = before(hook_of(os), &call);
    return err != ARMDB_OK ? err
                           : after(hook_of(os), &call, adb_os_rename(hook_of(os)->inner, from, to));
}

static armdb_err
hook_link(struct adb_os *os, const char *from, const char *to)
{
    const struct os_call call = {.op = SIM_OP_LINK, .path = to};
    armdb_err err = before(hook_of(os), &call);
    return err != ARMDB_OK ? err
                           : after(hook_of(os), &call, adb_os_link(hook_of(os)->inner, from, to));
}

static armdb_err
hook_unlink(struct adb_os *os, const char *path)
{
    const struct os_call call = {.op = SIM_OP_UNLINK, .path = path};
    armdb_err err = before(hook_of(os), &call);
    return err != ARMDB_OK ? err
                           : after(hook_of(os), &call, adb_os_unlink(hook_of(os)->inner, path));
}

static armdb_err
hook_mkdir(struct adb_os *os, const char *path)
{
    const struct os_call call = {.op = SIM_OP_MKDIR, .path = path};
    armdb_err err = before(hook_of(os), &call);
    return err != ARMDB_OK ? err
                           : after(hook_of(os), &call, adb_os_mkdir(hook_of(os)->inner, path));
}

static armdb_err
hook_sync_dir(struct adb_os *os, const char *path)
{
    const struct os_call call = {.op = SIM_OP_SYNC_DIR, .path = path};
    armdb_err err = before(hook_of(os), &call);
    return err != ARMDB_OK ? err
                           : after(hook_of(os), &call, adb_os_sync_dir(hook_of(os)->inner, path));
}

static armdb_err
hook_list(struct adb_os *os, const char *path, adb_list_fn fn, void *context)
{
    const struct os_call call = {.op = SIM_OP_LIST, .path = path};
    armdb_err err = before(hook_of(os), &call);
    return err != ARMDB_OK
               ? err
               : after(hook_of(os), &call, adb_os_list(hook_of(os)->inner, path, fn, context));
}

/* --------------------------------------------------------------- all the rest */

static armdb_err
hook_resolve(struct adb_os *os, const char *path, char **absolute_out)
{
    return adb_os_resolve(hook_of(os)->inner, path, absolute_out);
}

static void
hook_boot_id(struct adb_os *os, char id_out[ADB_BOOT_ID_BYTES])
{
    adb_os_boot_id(hook_of(os)->inner, id_out);
}

static uint64_t
hook_now_ns(struct adb_os *os)
{
    return adb_os_now_ns(hook_of(os)->inner);
}

static uint64_t
hook_wall_ms(struct adb_os *os)
{
    return adb_os_wall_ms(hook_of(os)->inner);
}

static armdb_err
hook_entropy(struct adb_os *os, void *buffer, size_t bytes)
{
    return adb_os_entropy(hook_of(os)->inner, buffer, bytes);
}

static uint32_t
hook_process_id(struct adb_os *os)
{
    return adb_os_process_id(hook_of(os)->inner);
}

static const struct adb_os_ops hook_ops = {
    .open = hook_open,
    .close = hook_close,
    .read = hook_read,
    .write = hook_write,
    .sync = hook_sync,
    .start_sync = hook_start_sync,
    .size = hook_size,
    .truncate = hook_truncate,
    .allocate = hook_allocate,
    .map = hook_map,
    .unmap = hook_unmap,
    .lock = hook_lock,
    .rename = hook_rename,
    .link = hook_link,
    .unlink = hook_unlink,
    .mkdir = hook_mkdir,
    .sync_dir = hook_sync_dir,
    .list = hook_list,
    .resolve = hook_resolve,
    .boot_id = hook_boot_id,
    .now_ns = hook_now_ns,
    .wall_ms = hook_wall_ms,
    .entropy = hook_entropy,
    .process_id = hook_process_id,
};

void
os_hook_init(struct os_hook *hook, struct adb_os *inner, bool has_threads)
{
    *hook = (struct os_hook){.base = {.ops = &hook_ops,
                                      .has_threads = has_threads,
                                      .cpu_count = inner->cpu_count,
                                      .memory_bytes = inner->memory_bytes},
                             .inner = inner};
}
