/*
 * The header of a data file: the first byte says what to put right, the rest is the file.
 *
 * Decoding never looks outside the 64 bytes, what is accepted encodes to the same bytes, and
 * opening a file with them gives one of the documented errors.
 */
#include "base/assert.h"
#include "base/err.h"
#include "fuzz/fuzz_input.h"
#include "log/data_file.h"
#include "support/os_sim.h"

enum { FIX_CRC = 1, FIX_MAGIC = 2, FIX_VERSION = 4, FIX_RESERVED = 8 };

static void
put_right(unsigned char *header, uint32_t what)
{
    if ((what & FIX_MAGIC) != 0)
        memcpy(header, "armdblog", 8);
    if ((what & FIX_VERSION) != 0)
        adb_store_u32(header + 8, LOG_FORMAT_VERSION);
    if ((what & FIX_RESERVED) != 0)
        memset(header + 48, 0, 12);
    if ((what & FIX_CRC) != 0)
        adb_store_u32(header + 60, adb_crc32c(0, header, 60));
}

static void
decode(const unsigned char *header)
{
    struct log_file_header found;
    unsigned char again[LOG_FILE_HEADER_BYTES];
    if (adb_log_decode_file_header(header, &found) != LOG_HEADER_OK)
        return;
    adb_log_encode_file_header(&found, again);
    adb_store_u32(again + 8, found.version);
    adb_store_u32(again + 60, adb_crc32c(0, again, 60));
    ADB_ASSERT(memcmp(again, header, sizeof again) == 0);
}

static void
open_file(const unsigned char *bytes, size_t size)
{
    struct sim *sim = sim_new(1);
    const struct log_file_header expected = {.file_id = 1};
    struct data_file *file;
    sim_make_dir(sim, "/log");
    sim_write_file(sim, "/log/0000000001.log", bytes, size);
    armdb_err err = adb_data_file_open(sim_os(sim), "/log", &expected, ADB_OPEN_READ, &file);
    ADB_ASSERT(err == ARMDB_OK || err == ARMDB_CORRUPT || err == ARMDB_FORMAT);
    ADB_ASSERT((err == ARMDB_OK) == (file != NULL));
    ADB_ASSERT(err == ARMDB_OK || adb_err_detail()->code == err);
    ADB_IGNORE(adb_data_file_close(file));
    sim_free(sim);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    unsigned char header[LOG_FILE_HEADER_BYTES + 16] = {0};
    uint32_t what = take_u8(&input);
    size_t len = input.size < sizeof header ? input.size : sizeof header;
    memcpy(header, input.data, len);
    if (len >= LOG_FILE_HEADER_BYTES)
        put_right(header, what);
    decode(header);
    open_file(header, len);
    return 0;
}
