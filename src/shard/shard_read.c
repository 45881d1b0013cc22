#include "base/assert.h"
#include "base/err.h"
#include "base/plant.h"
#include "shard/shard_private.h"
#include "shard/shard_reading.h"

/* ------------------------------------------------------------------ through the cache */

/* An adb_cache_read_fn. */
static armdb_err
read_file(void *context, uint64_t offset, size_t bytes, void *to, size_t *got_out)
{
    struct data_file *file = (struct data_file *)context;
    const struct iovec iov = {to, bytes};
    return adb_file_read(adb_data_file_reader(file), &iov, 1, offset, got_out);
}

/* Reads what is in one block that is there, and finds out whether it was checked. */
static bool
read_marked(const struct shard *shard, const struct data_file *file, uint64_t offset, size_t bytes,
            void *to, struct data_file_got *got_out)
{
    struct adb_cache_spot spot;
    struct adb_cache_mark mark;
    adb_cache_ask(shard->cache, adb_shard_file_key(file), offset, &spot);
    adb_cache_approach(&spot, bytes);
    if (!adb_cache_take_marked(&spot, bytes, to, &mark))
        return false;
    adb_cache_add_hits(shard->cache, 1);
    *got_out = (struct data_file_got){
        .bytes = bytes, .is_right = mark.is_set, .place = mark.frame, .word = mark.word};
    return true;
}

/* Of what was read with its mark. */
static void
note_right(const struct data_file_got *got)
{
    adb_cache_set_mark(&(struct adb_cache_mark){.frame = got->place, .word = got->word});
}

static armdb_err
read_cached(void *context, struct data_file *file, uint64_t offset, size_t bytes, void *to,
            struct data_file_got *got_out)
{
    const struct shard *shard = (const struct shard *)context;
    if (file->verify_reads == ARMDB_VERIFY_ON_MISS &&
        read_marked(shard, file, offset, bytes, to, got_out))
        return ARMDB_OK;
    const struct adb_cache_source source = {
        .file_key = adb_shard_file_key(file),
        .valid_bytes = atomic_load_explicit(&file->written, memory_order_acquire),
        .read = read_file,
        .context = file,
    };
    armdb_err err = adb_cache_read(shard->cache, &source, offset, bytes, to, &got_out->reads);
    /* The file is shorter than it was; whoever wants the record knows what to say of it. */
    got_out->bytes = err == ARMDB_CORRUPT ? 0 : bytes;
    return err == ARMDB_CORRUPT ? ARMDB_OK : err;
}

static void
forget_cached(void *context, struct data_file *file, uint64_t offset, size_t bytes)
{
    const struct shard *shard = (const struct shard *)context;
    adb_cache_drop_blocks(shard->cache, adb_shard_file_key(file), offset, bytes);
}

void
adb_shard_forget_blocks(struct shard *shard, const struct data_file *file)
{
    if (shard->cache != NULL)
        adb_cache_drop_file(shard->cache, adb_shard_file_key(file));
}

void
adb_shard_init_source(struct shard *shard, const _Atomic(bool) *is_direct)
{
    shard->source = (struct data_file_source){
        .is_direct = is_direct,
        .read = shard->cache != NULL ? read_cached : NULL,
        .note_right = note_right,
        .forget = forget_cached,
        .context = shard,
    };
}

/* ------------------------------------------------------------------ values */

static struct data_file *
file_at(struct shard *shard, uint64_t location)
{
    struct data_file *file = atomic_load_explicit(&shard->files[adb_location_slot(location)],
                                                  memory_order_acquire);
    ADB_ASSERT(file != NULL);
    return file;
}

static void
count_reads(struct shard *shard, const struct data_file_reading *reading)
{
    if (reading->reads > 0)
        adb_counter_add(&shard->reads, reading->reads);
}

/* Counts a read that failed, and completes what is told of it. */
ADB_COLD static armdb_err
failed_read(struct shard *shard, armdb_slice key, armdb_err err)
{
    atomic_fetch_add_explicit(&shard->damaged_reads, 1, memory_order_relaxed);
    adb_err_name_key(key);
    return err;
}

/* What comes of a read: whether a record with this deadline can be seen. */
static inline armdb_err
end_read(struct shard *shard, armdb_slice key, const struct data_file_reading *reading,
         armdb_err err)
{
    count_reads(shard, reading);
    if (ADB_PLANTED(PLANT_ERROR_IS_ABSENCE) && err == ARMDB_IO)
        return ARMDB_NOT_FOUND;
    if (ADB_UNLIKELY(err != ARMDB_OK))
        return failed_read(shard, key, err);
    if (ADB_LIKELY(reading->deadline_ms == 0) || adb_os_wall_ms(shard->os) < reading->deadline_ms ||
        ADB_PLANTED(PLANT_EXPIRED_SHOWN))
        return ARMDB_OK;
    return ARMDB_NOT_FOUND;
}

armdb_err
adb_shard_read_pinned(struct shard *shard, struct data_file *file, uint64_t location,
                      armdb_slice key, void *to)
{
    struct data_file_reading reading;
    armdb_err err = adb_data_file_read_value(file, location, key, to, &reading);
    count_reads(shard, &reading);
    return err;
}

armdb_err
adb_shard_read_value(struct shard *shard, uint64_t location, armdb_slice key, void *to)
{
    struct data_file_reading reading;
    armdb_err err = adb_data_file_read_value(file_at(shard, location), location, key, to, &reading);
    return end_read(shard, key, &reading, err);
}

armdb_err
adb_shard_read_deadline(struct shard *shard, uint64_t location, armdb_slice key,
                        uint64_t *deadline_ms_out)
{
    struct data_file_reading reading;
    *deadline_ms_out = 0;
    if (ADB_LIKELY(!adb_location_has_deadline(location)))
        return ARMDB_OK;
    armdb_err err = adb_data_file_read_deadline(file_at(shard, location), location, key, &reading);
    ADB_TRY(end_read(shard, key, &reading, err));
    *deadline_ms_out = reading.deadline_ms;
    return ARMDB_OK;
}

/* ------------------------------------------------------------------ many values */

void
adb_shard_ask(struct shard *shard, uint64_t location, size_t key_len,
              struct shard_reading *reading_out)
{
    const struct data_file *file = file_at(shard, location);
    reading_out->location = location;
    reading_out->file_key_now = &shard->file_keys[adb_location_slot(location)];
    reading_out->seed = file->seed;
    reading_out->verify_reads = file->verify_reads;
    reading_out->bytes = (uint32_t)adb_location_record_bytes(location, key_len);
    adb_cache_ask(shard->cache, adb_shard_file_key(file), adb_location_offset(location),
                  &reading_out->spot);
}

void
adb_shard_approach(struct shard_reading *reading)
{
    adb_cache_approach(&reading->spot, reading->bytes);
}

/* Whether the record is the one that was asked for, and right if `crc` is its checksum. */
static inline const unsigned char *
accept(const struct shard_reading *reading, armdb_slice key, const unsigned char *at,
       const uint32_t *crc)
{
    const struct log_record expected = {.key_len = (uint32_t)key.len,
                                        .value_len = adb_location_value_len(reading->location)};
    struct log_record record;
    adb_log_decode_record(at, &record);
    if (ADB_UNLIKELY((crc != NULL && record.crc != *crc) ||
                     !adb_log_record_is_of(&record, at, &expected, key)))
        return NULL;
    return at + LOG_RECORD_HEADER_BYTES + key.len;
}

/* Takes a record whose checksum is looked at only if that was not done before, or never. */
static const unsigned char *
take_marked(const struct shard_reading *reading, armdb_slice key, unsigned char *room)
{
    struct adb_cache_mark mark;
    if (ADB_UNLIKELY(!adb_cache_take_marked(&reading->spot, reading->bytes, room, &mark)))
        return NULL;
    if (mark.is_set || reading->verify_reads == ARMDB_VERIFY_NEVER)
        return accept(reading, key, room, NULL);
    uint32_t crc = adb_log_record_crc(reading->seed, reading->spot.offset, room, reading->bytes);
    const unsigned char *value = accept(reading, key, room, &crc);
    if (ADB_LIKELY(value != NULL))
        adb_cache_set_mark(&mark);
    return value;
}

const unsigned char *
adb_shard_take(const struct shard_reading *reading, armdb_slice key, unsigned char *room)
{
    uint32_t crc = reading->seed;
    if (ADB_UNLIKELY(adb_location_has_deadline(reading->location)))
        return NULL; /* it may have expired */
    if (ADB_UNLIKELY(atomic_load_explicit(reading->file_key_now, memory_order_acquire) !=
                     reading->spot.file_key))
        return NULL;
    if (ADB_UNLIKELY(reading->bytes > SHARD_TAKEN_BYTES_MAX))
        return NULL;
    if (reading->verify_reads >= ARMDB_VERIFY_ON_MISS)
        return take_marked(reading, key, room);
    if (ADB_UNLIKELY(!adb_cache_take(&reading->spot, reading->bytes, room, &crc)))
        return NULL;
    return accept(reading, key, room, &crc);
}
