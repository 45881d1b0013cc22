#include "db/value.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/* What armdb_value.block points to; armdb_value_bytes() in the public header knows its size. */
struct value_block {
    _Atomic(uint64_t) references;
    struct value_account *account; /* counted */
    unsigned char bytes[];
};

_Static_assert(sizeof(struct value_block) == 16, "armdb_value_bytes() counts on 16 bytes");
_Static_assert(sizeof(armdb_value) == 32, "a handle is half a cache line");

struct value_account *
adb_value_account_new(void)
{
    struct value_account *account = adb_new(struct value_account);
    if (account != NULL)
        atomic_store_explicit(&account->references, 1, memory_order_relaxed);
    return account;
}

void
adb_value_account_unref(struct value_account *account)
{
    if (account != NULL &&
        atomic_fetch_sub_explicit(&account->references, 1, memory_order_acq_rel) == 1)
        adb_mem_free(account);
}

armdb_err
adb_value_new(struct value_account *account, uint32_t len, armdb_value *value_out, void **to_out)
{
    memset(value_out, 0, sizeof *value_out);
    if (len > ARMDB_VALUE_INLINE) {
        struct value_block *block = (struct value_block *)adb_mem_alloc(sizeof *block + len);
        if (block == NULL)
            return adb_fail(ARMDB_NO_MEMORY, "get value", "no memory for a value of %u bytes", len);
        atomic_init(&block->references, 1);
        block->account = account;
        atomic_fetch_add_explicit(&account->references, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&account->bytes, len, memory_order_relaxed);
        value_out->block = block;
        *to_out = block->bytes;
    } else {
        *to_out = value_out->inlined;
    }
    value_out->len = len;
    return ARMDB_OK;
}

void
adb_value_ref(const armdb_value *value, armdb_value *copy_out)
{
    struct value_block *block = (struct value_block *)value->block;
    if (block != NULL)
        atomic_fetch_add_explicit(&block->references, 1, memory_order_relaxed);
    *copy_out = *value;
}

void
adb_value_release(armdb_value *value)
{
    struct value_block *block = (struct value_block *)value->block;
    if (block != NULL &&
        atomic_fetch_sub_explicit(&block->references, 1, memory_order_acq_rel) == 1) {
        atomic_fetch_sub_explicit(&block->account->bytes, value->len, memory_order_relaxed);
        adb_value_account_unref(block->account);
        adb_mem_free(block);
    }
    memset(value, 0, sizeof *value);
}
