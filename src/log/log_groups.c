#include "log/log_groups.h"

#include "base/err.h"
#include "base/mem.h"

/* Makes room for `count` elements of `bytes` each in the array at `array`. */
static armdb_err
make_room(void **array, uint32_t *capacity, size_t count, size_t bytes)
{
    if (count <= *capacity)
        return ARMDB_OK;
    size_t wanted = 2 * count + 16;
    void *grown = adb_mem_realloc(*array, wanted * bytes);
    if (grown == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "recover", "no memory for %zu batches", wanted);
    *array = grown;
    *capacity = (uint32_t)wanted;
    return ARMDB_OK;
}

armdb_err
adb_log_groups_add(struct log_groups *groups, uint64_t at, uint64_t sequence,
                   const unsigned char *value, uint32_t count)
{
    void *parts = groups->parts;
    void *participants = groups->participants;
    armdb_err err = make_room(&parts, &groups->capacity, (size_t)groups->count + 1,
                              sizeof *groups->parts);
    groups->parts = (struct log_groups_part *)parts;
    if (err == ARMDB_OK)
        err = make_room(&participants, &groups->participant_capacity,
                        (size_t)groups->n_participants + count, sizeof *groups->participants);
    groups->participants = (struct log_participant *)participants;
    ADB_TRY(err);
    groups->parts[groups->count++] = (struct log_groups_part){at, sequence, groups->n_participants,
                                                              count};
    for (uint32_t i = 0; i < count; i++)
        groups->participants[groups->n_participants++] = adb_log_decode_participant(value, i);
    return ARMDB_OK;
}

void
adb_log_groups_drop(struct log_groups *groups, uint64_t offset)
{
    uint32_t n = 0;
    while (n < groups->count && groups->parts[n].at < offset)
        n++;
    if (n == 0)
        return;
    groups->count -= n;
    uint32_t first = groups->count > 0 ? groups->parts[n].first : groups->n_participants;
    memmove(groups->parts, groups->parts + n, groups->count * sizeof *groups->parts);
    groups->n_participants -= first;
    memmove(groups->participants, groups->participants + first,
            groups->n_participants * sizeof *groups->participants);
    for (uint32_t i = 0; i < groups->count; i++)
        groups->parts[i].first -= first;
}

void
adb_log_groups_fini(struct log_groups *groups)
{
    adb_mem_free(groups->parts);
    adb_mem_free(groups->participants);
    *groups = (struct log_groups){0};
}
