/* crc32c.h: the checksum of everything on disk (CRC-32C, Castagnoli; reflected, as in iSCSI). */
#ifndef ADB_BASE_CRC32C_H
#define ADB_BASE_CRC32C_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Continues a checksum over `len` more bytes. Start with 0; the checksum of a whole is the same
 * however it is cut up. Uses the processor's instruction where there is one, from 384 bytes on
 * three chains of it at once, and from 1024 on carry-less multiplication of 64 bytes, where it has
 * that.
 *
 * Cost: about 0.11 ns a byte with the instruction, less when long: see ADR 28; 1 ns without.
 */
uint32_t adb_crc32c(uint32_t crc, const void *data, size_t len);

/**
 * Copies `n_words` (at least 1) words, each loaded once, with acquire, to `to` as little-endian
 * numbers. Continues a checksum over the 8 bytes of `before`, then over the bytes copied but for
 * the first 4: the shape of a record, whose checksum is in those.
 *
 * Cost: little more than the checksum of bytes that are not copied.
 */
uint32_t adb_crc32c_copy(uint32_t crc, uint64_t before, const _Atomic uint64_t *words,
                         size_t n_words, unsigned char *to);

/** adb_crc32c() without multiplications of 64 bytes; for machines that lack them, and to test one
 * with the other. */
uint32_t adb_crc32c_narrow(uint32_t crc, const void *data, size_t len);

/** adb_crc32c() without any special instruction; likewise. */
uint32_t adb_crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
