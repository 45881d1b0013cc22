#!/usr/bin/env python3
"""Writes the seed inputs of the fuzz targets record, file_header, hint, manifest, open_dir
and ops.

    tests/fuzz/make_corpus.py

They are the same at each run. What a fuzzer found is kept beside them, in files named found_*,
which this program leaves alone.
"""

import os
import random
import struct

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def write(target, name, data):
    folder = os.path.join(HERE, target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as out:
        out.write(data)


# ------------------------------------------------------------------------ record

NEWEST, CRC, SEQUENCE, MARKS = 1, 2, 4, 8


def record(key, value, flags=0, collection=0, sequence=0, deadline=0):
    """A record without its checksums, which the target puts in."""
    if deadline:
        flags |= 2
    head = struct.pack("<IIQI", 0, len(value), sequence | flags << 56, len(key) | collection << 12)
    if flags & 2:
        head += struct.pack("<QI", deadline, 0)
    body = head + key + value
    return body + bytes(-len(body) % 8)


def meta(kind, says=0):
    return record(b"", bytes([kind]) + bytes(7) + struct.pack("<Q", says), 0x10)


def group_of(part, sequence, others=(), count=None):
    """A GROUP in front of a part: the others are shards, and the last numbers of their parts."""
    value = struct.pack("<QQQII", 3, len(part), sequence,
                        len(others) if count is None else count, 0)
    return record(b"", value + b"".join(struct.pack("<IIQ", shard, 0, last)
                                        for shard, last in others), 0x10)


def records():
    plain = record(b"k", b"") + record(b"key", b"value" * 9) + record(b"gone", b"", 1)
    everything = plain + meta(0) + record(b"x" * 1024, b"y" * 300, 0, 7) + meta(1, 64)
    put_right = NEWEST | CRC | SEQUENCE
    write("record", "plain", bytes([put_right]) + plain)
    write("record", "older_sealed", bytes([CRC | SEQUENCE]) + everything + meta(2))
    write("record", "older_unsealed", bytes([CRC | SEQUENCE]) + everything)
    write("record", "bad_checksums", bytes([NEWEST]) + everything)
    write("record", "mark_vouches", bytes([put_right | MARKS]) + everything + meta(1))
    write("record", "behind_seal", bytes([put_right]) + plain + meta(2) + plain)
    write("record", "zero_tail", bytes([put_right]) + plain + bytes(5000))
    write("record", "torn", bytes([put_right]) + plain + record(b"k", b"v" * 99)[:40])
    write("record", "gap", bytes([NEWEST | CRC]) + record(b"a", b"", 0, 0, 1) +
          record(b"b", b"", 0, 0, 3))
    write("record", "long_pad", bytes([put_right]) + record(b"", bytes(4000), 0x10) + plain)
    until = record(b"k", b"v" * 77, deadline=1) + record(b"key", b"", deadline=2**64 - 1)
    write("record", "deadlines", bytes([put_right]) + until + plain + until)
    write("record", "deadlines_bad_checksums", bytes([NEWEST]) + until)
    write("record", "deadline_of_zero", bytes([put_right]) + plain + record(b"k", b"v", 2))
    write("record", "deadline_of_a_tombstone", bytes([put_right]) + plain + record(b"k", b"", 3))
    write("record", "deadline_large", bytes([put_right]) + record(b"k", b"v" * 6000, deadline=9))
    write("record", "deadline_torn", bytes([put_right]) + plain +
          record(b"k", b"v" * 99, deadline=9)[:28])
    write("record", "large", bytes([put_right]) + record(b"k", b"v" * 6000))
    whole = group_of(plain, 6, [(1, 9), (2, 4)]) + plain
    write("record", "batch", bytes([put_right]) + plain + whole + plain)
    write("record", "batch_of_one_shard", bytes([put_right]) + group_of(plain, 3) + plain)
    write("record", "batch_sealed", bytes([CRC | SEQUENCE]) + plain + whole + meta(2))
    write("record", "batch_cut", bytes([put_right]) + plain + whole[:-8])
    write("record", "batch_sealed_cut", bytes([CRC | SEQUENCE]) + plain + whole[:-24] + meta(2))
    write("record", "batch_without_records", bytes([put_right]) + plain + group_of(plain, 6))
    write("record", "batch_too_long", bytes([put_right]) + group_of(plain * 2, 6) + plain)
    write("record", "batch_of_wrong_sequence", bytes([put_right]) + group_of(plain, 9) + plain)
    write("record", "batch_in_a_batch", bytes([put_right]) + group_of(whole, 6) + whole)
    write("record", "batch_participants_cut", bytes([put_right]) +
          group_of(plain, 3, [(1, 9)], count=2) + plain)


# ------------------------------------------------------------------- file header


def file_header(version=1, shard=0, file_id=1, reserved=bytes(12)):
    return (b"armdblog" + struct.pack("<IIQ", version, shard, file_id) + bytes(16) +
            struct.pack("<Q", 0) + reserved + bytes(4))


def file_headers():
    write("file_header", "good", bytes([1]) + file_header())
    write("file_header", "no_checksum", bytes([0]) + file_header())
    write("file_header", "newer", bytes([1]) + file_header(version=3))
    write("file_header", "older", bytes([1]) + file_header(version=1))
    write("file_header", "version_0", bytes([1]) + file_header(version=0))
    write("file_header", "misplaced", bytes([1]) + file_header(shard=3, file_id=9))
    write("file_header", "reserved", bytes([1]) + file_header(reserved=b"x" * 12))
    write("file_header", "short", bytes([0]) + file_header()[:63])
    write("file_header", "longer", bytes([1]) + file_header() + bytes(9))


# ------------------------------------------------------------------------- hint

WHOLE_FILE, FIX_CRC, IS_NEWEST, TWO_THREADS = 1, 2, 4, 8
DEAD, WITH_VALUE, VARIABLE, HASHED = 1, 2, 4, 8
DEADLINE = 1 << 14 | VARIABLE
DATA_BYTES = 1 << 20


def entry(key, offset, value_len=0, flags=VARIABLE, value=b""):
    if value_len < 1 << 19:
        word = offset // 8 << 19 | value_len
    else:
        word = 1 << 63 | offset // 4096 << 28 | value_len - (1 << 19)
    length = struct.pack("<H", len(key)) if flags & VARIABLE else b""
    return struct.pack("<Q", word | flags << 48) + length + key + value


def hash_of(key):
    """XXH3-64 of 4 to 8 bytes, seed 0: the order of entries of a map."""
    mask = (1 << 64) - 1
    secret = (0x1cad21f72c81017c ^ 0xdb979083e96dd4de) & mask
    first, = struct.unpack("<I", key[:4])
    last, = struct.unpack("<I", key[-4:])
    h = (last + (first << 32)) ^ secret

    def turned(bits):
        return (h << bits | h >> (64 - bits)) & mask
    h = h ^ turned(49) ^ turned(24)
    h = h * 0x9fb21c651e98df25 & mask
    h ^= (h >> 35) + len(key)
    h = h * 0x9fb21c651e98df25 & mask
    return h ^ h >> 28


def group(collection_id, entries, key_bytes=0, count=None):
    count = len(entries) if count is None else count
    return struct.pack("<IHH", collection_id, count, key_bytes) + b"".join(entries)


def packed(*groups, begins=1):
    body = b"".join(groups)
    return struct.pack("<BH", begins, len(body)) + body


def whole_hint(groups, chunks=1, begins=1, version=3, data_bytes=DATA_BYTES):
    header = (b"armdbhnt" + struct.pack("<IIQ", version, 0, 1) + bytes([1, 2, 3]) + bytes(13) +
              struct.pack("<QQQQQQI", data_bytes, 0, 77, 3, 0, 0, chunks) + bytes(36))
    chunk = struct.pack("<IIII", 0, 16 + len(groups), begins, 0) + groups
    return header + chunk + bytes(16384 - len(chunk))


def hints():
    names = group(0, [entry(b"apple", 64, 3), entry(b"banana", 128, 0, DEAD | VARIABLE),
                      entry(b"cherry", 256, 700)])
    numbers = group(1, [entry(struct.pack(">Q", n), 1024 + 40 * n, 9, 0) for n in range(20)], 8)
    fours = sorted((struct.pack(">I", n) for n in range(90)), key=hash_of)
    values = group(2, [entry(key, 4096 + 40 * n, 8, WITH_VALUE | HASHED, b"8 bytes!")
                       for n, key in enumerate(fours)], 4)
    places = group(3, [entry(key, 8192 + 1024 * len(key), 99, VARIABLE | HASHED)
                       for key in sorted((b"x" * n for n in range(4, 9)), key=hash_of)])
    dropped = group(4, [entry(b"gone", 512, 5), entry(b"gone too", 768, 0, DEAD | VARIABLE)])
    every = [names, numbers, values, places, dropped]
    write("hint", "every_kind", bytes([0]) + packed(*every))
    write("hint", "three_segments", bytes([IS_NEWEST]) + packed(*every) * 3)
    write("hint", "three_chunks", bytes([0]) + packed(names, numbers) +
          packed(values, begins=0) + packed(places, dropped, begins=0))
    many = [packed(group(1, [entry(struct.pack(">Q", 50 * c + n), 64 + 40 * n, 9, 0)
                             for n in range(50)], 8), begins=int(c == 0)) for c in range(20)]
    write("hint", "many_chunks", bytes([TWO_THREADS]) + b"".join(many))
    write("hint", "not_in_order", bytes([TWO_THREADS]) + many[0] + b"".join(many[:0:-1]))
    write("hint", "collections_not_in_order", bytes([0]) + packed(numbers, names))
    write("hint", "twice_in_a_segment", bytes([0]) + packed(names, names))
    write("hint", "no_chunks", bytes([0]))
    write("hint", "no_segment", bytes([0]) + packed(names, begins=0))
    write("hint", "group_of_nothing", bytes([0]) + packed(names, group(1, [], 8)))
    write("hint", "group_too_long", bytes([0]) + packed(group(1, [entry(b"8 bytes!", 64, 0, 0)],
                                                              8, 2)))
    write("hint", "key_cut", bytes([0]) + packed(names[:-3]))
    write("hint", "no_such_collection", bytes([0]) + packed(group(9, [entry(b"k", 64)])))
    write("hint", "id_too_large", bytes([0]) + packed(group(1 << 20, [entry(b"k", 64)])))
    write("hint", "misfit", bytes([0]) + packed(group(1, [entry(b"7 bytes", 64, 0, 0)], 7)))
    write("hint", "no_value", bytes([0]) + packed(group(2, [entry(b"four", 64, 8, HASHED)], 4)))
    write("hint", "not_hashed", bytes([0]) + packed(group(3, [entry(b"four", 64, 8)])))
    write("hint", "hashed", bytes([0]) + packed(group(0, [entry(b"k", 64, 8, VARIABLE | HASHED)])))
    write("hint", "not_in_order_of_hashes", bytes([0]) + packed(
        group(3, [entry(key, 64, 8, VARIABLE | HASHED) for key in reversed(fours)])))
    write("hint", "long_key_of_map", bytes([0]) + packed(
        group(3, [entry(b"x" * 1000, 64, 8, VARIABLE | HASHED)])))
    write("hint", "long_value", bytes([0]) + packed(
        group(2, [entry(b"four", 64, 257, WITH_VALUE | HASHED, b"v" * 257)], 4)))
    write("hint", "behind_the_end", bytes([0]) + packed(group(0, [entry(b"k", DATA_BYTES - 16)])))
    write("hint", "in_the_header", bytes([0]) + packed(group(0, [entry(b"k", 56)])))
    write("hint", "large_value", bytes([0]) + packed(group(0, [entry(b"k", 4096, 600000)])))
    write("hint", "deadline", bytes([0]) + packed(group(0, [entry(b"k", 64, 9, DEADLINE)])))
    write("hint", "dead_with_deadline", bytes([0]) + packed(
        group(0, [entry(b"k", 64, 0, DEADLINE | DEAD)])))
    write("hint", "whole", bytes([WHOLE_FILE | FIX_CRC]) + whole_hint(b"".join(every)))
    write("hint", "whole_bad_checksum", bytes([WHOLE_FILE]) + whole_hint(names))
    write("hint", "whole_too_many_chunks", bytes([WHOLE_FILE | FIX_CRC]) + whole_hint(names, 2))
    write("hint", "whole_newer", bytes([WHOLE_FILE | FIX_CRC]) + whole_hint(names, version=4))
    write("hint", "whole_older", bytes([WHOLE_FILE | FIX_CRC]) + whole_hint(names, version=2))
    write("hint", "whole_shorter", bytes([WHOLE_FILE | FIX_CRC | IS_NEWEST]) +
          whole_hint(names, data_bytes=DATA_BYTES - 40))
    write("hint", "whole_cut", bytes([WHOLE_FILE | FIX_CRC]) + whole_hint(names)[:200])


# --------------------------------------------------------------------- manifest


def collection(number, name, key_bytes=0, direction=1, is_map=0, value_bytes=0, is_const=None):
    padded = name + bytes(-len(name) % 8)
    is_const = value_bytes > 0 if is_const is None else is_const
    return struct.pack("<IIBBBBHH", number, key_bytes, direction, is_map, is_const, 0, len(name),
                       value_bytes) + padded


def manifest(collections, shards=1, next_id=100, count=None):
    count = len(collections) if count is None else count
    return (b"armdbman" + struct.pack("<II", 1, 0) + bytes(16) +
            struct.pack("<QIIII", 7, shards, 0, next_id, count) + bytes(8) +
            b"".join(collections) + bytes(8))


def manifests():
    default = collection(0, b"default")
    put_right = bytes([3])
    write("manifest", "one", put_right + manifest([default]))
    write("manifest", "three", put_right + manifest(
        [default, collection(3, b"fixed", 16, 2), collection(9, b"n" * 255)]))
    write("manifest", "kinds", put_right + manifest(
        [default, collection(1, b"map", 0, 0, 1), collection(2, b"const", 8, 2, 0, 256),
         collection(3, b"both", 4, 0, 1, 1)]))
    write("manifest", "map_with_direction", put_right + manifest(
        [default, collection(1, b"map", 0, 2, 1)]))
    write("manifest", "tree_without_direction", put_right + manifest(
        [default, collection(1, b"tree", 0, 0, 0)]))
    write("manifest", "const_of_no_length", put_right + manifest(
        [default, collection(1, b"const", 8, 1, 0, 0, 1)]))
    write("manifest", "const_too_long", put_right + manifest(
        [default, collection(1, b"const", 8, 1, 0, 257)]))
    write("manifest", "none", put_right + manifest([]))
    write("manifest", "ids_out_of_order", put_right + manifest(
        [default, collection(9, b"a"), collection(3, b"b")]))
    write("manifest", "too_many", put_right + manifest([default], count=5))
    write("manifest", "zero_in_name", put_right + manifest([collection(0, b"de\0ault")]))
    write("manifest", "no_shards", put_right + manifest([default], shards=0))
    write("manifest", "bad_checksum", bytes([0]) + manifest([default]))
    write("manifest", "long_name_cut", put_right + manifest([default]) +
          struct.pack("<IIBBBBHH", 1, 0, 1, 0, 0, 0, 0xffff, 0))


# --------------------------------------------------------------------- open_dir

FLIP, CUT, OVERWRITE, RENAME, DUPLICATE, REMOVE, EXTEND, MOVE, PUT_RIGHT = range(9)


def change(kind, path, *numbers):
    return bytes([kind, path]) + b"".join(
        struct.pack("<H", n) if n > 255 or wide else bytes([n]) for n, wide in numbers)


def open_dirs():
    def at(offset, count=0):
        return (offset, True), (count, False)

    write("open_dir", "untouched", b"")
    for path in range(8):
        write("open_dir", f"flip_{path}", change(FLIP, path, *at(70 + 8 * path, path)))
        write("open_dir", f"cut_{path}", change(CUT, path, *at(90)))
        write("open_dir", f"remove_{path}", change(REMOVE, path))
        write("open_dir", f"extend_{path}", change(EXTEND, path, *at(0, 50)))
    write("open_dir", "rename", change(RENAME, 3, (4, False)))
    write("open_dir", "duplicate", change(DUPLICATE, 2, (5, False)))
    write("open_dir", "two_changes", change(FLIP, 2, *at(300, 3)) + change(CUT, 5, *at(200)))
    write("open_dir", "forged", change(FLIP, 2, *at(90, 3)) + change(PUT_RIGHT, 2, *at(0)))
    write("open_dir", "forged_manifest",
          change(FLIP, 1, *at(90, 3)) + change(PUT_RIGHT, 1, *at(0)))

    def flip_manifest(offset, bit):  # it is so short that offsets are bytes
        return change(FLIP, 1, (offset, False), (bit, False))

    right = change(PUT_RIGHT, 1, (0, False), (0, False))
    write("open_dir", "forged_map_to_tree", flip_manifest(120, 0) + flip_manifest(121, 0) + right)
    write("open_dir", "forged_const_length", flip_manifest(150, 0) + right)
    write("open_dir", "forged_var_to_const",
          flip_manifest(98, 0) + flip_manifest(102, 3) + right)
    write("open_dir", "overwritten", change(OVERWRITE, 3, *at(500, 20)) + bytes(range(20)))


# -------------------------------------------------------------------------- ops


def operations():
    generator = random.Random(1)
    for number in range(8):
        data = bytes(generator.randrange(256) for _ in range(200 + 150 * number))
        write("ops", f"random_{number}", data)
    header = bytes([0, 0, 0, 10, 1])
    put = b"".join(bytes([0, c, k]) + struct.pack("<H", 40 * k) + bytes([0])
                   for c in range(5) for k in range(24))
    many = b"".join(bytes([10, c, 20, 40]) for c in range(5))
    write("ops", "fill_and_close", header + put + bytes([13, 14, 0, 13]))
    write("ops", "fill_and_kill", header + put + bytes([14, 1, 13]))
    write("ops", "fill_and_cut_power", header + put + bytes([14, 2, 13, 15, 1, 15, 2, 13]))
    write("ops", "fill_and_read_many", header + put + many + bytes([14, 1]) + many +
          b"".join(bytes([6, c, k, 0, 0, 0]) for c in range(5) for k in range(0, 24, 2)) + many +
          bytes([14, 0]) + many + bytes([15, 3, 15, 4]) + many)
    large = b"".join(bytes([0, 0, k]) + struct.pack("<H", 8000 + 4 * k) + bytes([k % 4])
                     for k in range(24))
    write("ops", "many_files", header + large + bytes([14, 0]) + large + bytes([14, 1]) + large)
    batches = b"".join(
        bytes([16, 5 + k % 3, 7]) +
        b"".join(bytes([c % 5, (3 * k + c) % 24, (37 * c + k) % 256]) for c in range(8))
        for k in range(24))
    for name, how in (("close", 0), ("kill", 1), ("cut_power", 2)):
        write("ops", f"batches_and_{name}",
              header + put + batches + bytes([13, 14, how, 13]) + batches + bytes([14, how, 13]))
        write("ops", f"batches_over_shards_and_{name}",
              bytes([2]) + header[1:4] + bytes([2]) + batches + bytes([14, how, 13]) + put +
              batches + bytes([14, how, 13]))
    soon, passed, never = 32 << 2, 56 << 2, 60 << 2
    until = b"".join(bytes([0, c, k]) + struct.pack("<H", 40 * k) +
                     (bytes([soon]) + struct.pack("<H", 150 * k) if k % 4 < 2 else
                      bytes([passed, k]) if k % 4 == 2 else bytes([never, k]))
                     for c in range(5) for k in range(24))
    insert = b"".join(bytes([5, c, k, 40, 0, soon, 100, 0])
                      for c in range(5) for k in range(0, 24, 3))
    read = b"".join(bytes([8, c, k, 255, 0]) for c in range(5) for k in range(0, 24, 3))
    later = bytes([12]) + struct.pack("<H", 20000)  # 1.3 s
    for name, how in (("close", 0), ("kill", 1), ("cut_power", 2)):
        write("ops", f"deadlines_and_{name}",
              header + until + read + bytes([13]) + later + read + many + insert +
              bytes([14, how, 13]) + later + insert + bytes([14, how]) + read + later * 3 + many +
              bytes([13]))


if __name__ == "__main__":
    records()
    file_headers()
    hints()
    manifests()
    open_dirs()
    operations()
