#!/usr/bin/env python3
"""Writes the seed inputs of the fuzz targets record, file_header, manifest, open_dir and ops.

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


if __name__ == "__main__":
    records()
    file_headers()
    manifests()
    open_dirs()
    operations()
