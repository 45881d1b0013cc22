#!/usr/bin/env python3
"""The command armdb from end to end: every subcommand, every exit status, every bad input.

    test_command.py COMMAND [unittest arguments]

Needs nothing but Python. What needs rights that this machine does not give (a small file system, a
read-only one, another user) is skipped, and says so.
"""

import fcntl
import hashlib
import json
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

COMMAND = None

DONE, NOT_THERE, USAGE, DAMAGE, IO, LOCKED, CHANGED = range(7)
VALUE_MAX = 268435456

NOBODY = 65534


def crc32c_table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82f63b78 if i & 1 else 0)
        table.append(i)
    return table


CRC_TABLE = crc32c_table()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xffffffff


class Result:
    def __init__(self, words, status, out, err):
        self.words = words
        self.status = status
        self.out = out
        self.err = err.decode("utf-8", "surrogateescape")

    def __str__(self):
        return (f"{' '.join(map(repr, self.words))}\n  status {self.status}\n"
                f"  out {self.out[:2000]!r}\n  err {self.err[:2000]!r}")


class CommandTest(unittest.TestCase):
    """A directory of its own for each test, and ways to run the command there."""

    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="armdb-e2e-")
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)
        self.db = self.path("db")

    def path(self, *names):
        return os.path.join(self.work, *names)

    def run_command(self, *words, stdin=b"", **more):
        words = [os.fspath(word) for word in words]
        result = subprocess.run([COMMAND, *words], input=stdin, capture_output=True, timeout=300,
                                check=False, **more)
        return Result(words, result.returncode, result.stdout, result.stderr)

    def ok(self, *words, stdin=b"", **more):
        """Runs what must succeed; returns what it printed."""
        result = self.run_command(*words, stdin=stdin, **more)
        self.assertEqual(result.status, DONE, result)
        self.assertEqual(result.err, "", result)
        return result.out

    def fails(self, status, *words, says=(), stdin=b"", **more):
        """Runs what must fail with `status` and one line that holds each of the texts `says`."""
        result = self.run_command(*words, stdin=stdin, **more)
        self.check_failure(result, status, says)
        return result

    def check_failure(self, result, status, says):
        self.assertEqual(result.status, status, result)
        self.assertTrue(result.err.startswith("armdb: "), result)
        self.assertEqual(result.err.count("\n"), 1, result)
        self.assertTrue(result.err.endswith("\n"), result)
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, result.err, result)

    def stat(self, *words):
        return json.loads(self.ok("stat", self.db, "--json", *words))

    def load(self, records, *words):
        """Puts (key, value) pairs of bytes."""
        text = b"".join(b"%s\t%s\n" % (escape(key), escape(value)) for key, value in records)
        return self.ok("load", self.db, *words, stdin=text)

    def data_files(self):
        found = []
        for folder, _, names in os.walk(self.db):
            found += [os.path.join(folder, name) for name in names if name.endswith(".log")]
        return sorted(found)

    def change(self, path, edit):
        with open(path, "rb") as file:
            data = bytearray(file.read())
        edit(data)
        with open(path, "wb") as file:
            file.write(data)


def escape(data):
    return b"".join(b"%c" % c if 32 <= c < 127 and c != 92 else b"\\x%02x" % c for c in data)


def flip(at):
    def edit(data):
        data[at] ^= 0x10
    return edit


def cut_off(at):
    def edit(data):
        del data[at:]
    return edit


# Keys and values that a text format could spoil.
NASTY = sorted({
    b"a": b"", b"b": b"\n", b"c": b"\t", b"d": b"\0", b"e": b"\\", b"f": b"\\x41", b"g": b'"',
    b"\0": b"key of a zero", b"\t": b"key of a tab", b"\n": b"key of a newline", b"\\": b"x",
    b'"': b"'", b" ": b" ", b"\xff\xfe": b"\xff", b"h": bytes(range(256)), b"i": b"\r\n",
    "é".encode(): "中\U0001f600".encode(), b"j": b"\xed\xa0\x80", b"k": b"\xc0\x80", b"l": b"\x7f",
    b"m" * 1024: b"longest key", bytes(range(256)): b"all bytes", b"n": b"{}", b"o": b"x" * 100000,
    b"p": b"\xc3", b"q": b"\xf4\x90\x80\x80", b"r": b"\x1f\x08\x0c\x0b",
}.items())


class UsageTest(CommandTest):
    COMMANDS = ("create put get del cas incr scan load dump stat verify compact backup repair time "
                "collections drop").split()

    def test_help_and_version_everywhere(self):
        version = self.ok("--version")
        self.assertRegex(version, rb"^armdb \d+\.\d+\.\d+\n$")
        usage = self.ok("--help").decode()
        for name in self.COMMANDS:
            self.assertRegex(usage, rf"(?m)^  {name} ")
            text = self.ok(name, "--help").decode()
            self.assertTrue(text.startswith(f"usage: armdb {name} "), text)
            self.assertIn("--collection NAME", text)
            self.assertEqual(self.ok(name, "--version"), version)
            self.assertEqual(self.ok(name, self.db, "--help"), text.encode())
        self.assertFalse(os.path.exists(self.db))

    def test_bad_command_lines(self):
        result = self.run_command()
        self.assertEqual((result.status, result.out), (USAGE, b""), result)
        self.assertIn("usage:", result.err)
        cases = [
            (("frob",), "frob"),
            (("--frob",), "--frob"),
            (("get",), "DIR KEY"),
            (("get", self.db), "DIR KEY"),
            (("put", self.db, "k"), "VALUE"),
            (("get", self.db, "k", "more"), "more"),
            (("get", self.db, "k", "--frob"), "--frob"),
            (("get", self.db, "k", "--shards", "1"), "--shards"),
            (("get", self.db, "k", "--raw=yes"), "--raw"),
            (("get", self.db, "k", "--raw", "--raw"), "twice"),
            (("get", self.db, "k", "--collection"), "NAME"),
            (("put", self.db, "k", "-v"), "behind --"),
            (("create", self.db, "--shards", "0"), ("--shards", "'0'", "1..256")),
            (("create", self.db, "--shards", "257"), ("'257'", "1..256")),
            (("create", self.db, "--shards", "-1"), ("'-1'", "1..256")),
            (("create", self.db, "--shards", "2x"), "'2x'"),
            (("create", self.db, "--shards", ""), "''"),
            (("create", self.db, "--shards", "99999999999999999999"), "1..256"),
            (("create", self.db, "--key-size", "257"), ("--key-size", "'257'", "1..256")),
            (("create", self.db, "--order", "up"), ("'up'", "asc|desc|map")),
            (("create", self.db, "--order", "asc|desc"), "allowed is"),
            (("create", self.db, "--value", "const"), ("'const'", "const:1 .. const:256")),
            (("create", self.db, "--value", "const:257"), ("'257'", "1..256")),
            (("create", self.db, "--collection", ""), "1..255"),
            (("create", self.db, "--collection", "x" * 256), "1..255"),
            (("create", self.db, "--collection", "a\nb"), "\\x0a"),
            (("create", self.db, "--collection", b"\xff"), "UTF-8"),
            (("load", self.db, "--format", "csv"), ("'csv'", "tsv|jsonl")),
            (("load", self.db, "--durability", "maybe"), "buffered|written|synced"),
            (("load", self.db, "--acknowledge", "0"), "'0'"),
            (("scan", self.db, "--limit", "many"), "'many'"),
            (("scan", self.db, "--prefix", "a", "--from", "b"), "--prefix"),
            (("scan", self.db, "--escaped", "--from", "a\\"), ("--from", "byte 2")),
            (("time", self.db, "--gets", "0"), "1..10000000"),
            (("put", self.db, "--escaped", "k", "\\x4"), ("VALUE", "byte 1")),
            (("put", self.db, "--escaped", "\\n", "v"), "KEY"),
            (("drop", self.db), "--collection"),
        ]
        for words, says in cases:
            with self.subTest(words=words):
                self.fails(USAGE, *words, says=says)
        self.assertFalse(os.path.exists(self.db), "a bad command line made a database")

    def test_options_anywhere(self):
        self.ok("put", "--collection=c", self.db, "k", "v")
        self.assertEqual(self.ok("get", self.db, "--collection", "c", "k"), b"v\n")
        self.ok("put", self.db, "--", "--collection", "-")  # VALUE - is standard input still
        self.assertEqual(self.ok("get", self.db, "--", "--collection"), b"\n")
        self.ok("put", self.db, "-", "dash")
        self.assertEqual(self.ok("get", self.db, "-"), b"dash\n")

    def test_standard_output_fails(self):
        self.ok("put", self.db, "k", "v")
        for words in (("get", self.db, "k"), ("scan", self.db), ("dump", self.db), ("--help",),
                      ("stat", self.db), ("--version",)):
            with self.subTest(words=words), open("/dev/full", "wb") as full:
                result = subprocess.run([COMMAND, *words], stdout=full, stderr=subprocess.PIPE,
                                        check=False)
                self.check_failure(Result(words, result.returncode, b"", result.stderr), IO,
                                   ("standard output", "No space left"))
        read_end, write_end = os.pipe()
        os.close(read_end)
        result = subprocess.run([COMMAND, "scan", self.db], stdout=write_end,
                                stderr=subprocess.PIPE, check=False)
        os.close(write_end)
        self.check_failure(Result(["scan"], result.returncode, b"", result.stderr), IO,
                           "Broken pipe")
        # A closed standard stream must not become a database file.
        result = subprocess.run(["sh", "-c", '"$0" put "$1" a b && "$0" scan "$1" >&-', COMMAND,
                                 self.db], stderr=subprocess.PIPE, check=False)
        self.check_failure(Result(["scan"], result.returncode, b"", result.stderr), IO,
                           "standard output")
        self.ok("verify", self.db)

    def test_a_reader_that_goes_away_ends_a_long_scan(self):
        self.load((b"%06d" % i, b"x" * 100) for i in range(20000))
        process = subprocess.Popen([COMMAND, "scan", self.db], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdout.read(10)
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        self.check_failure(Result(["scan"], process.wait(), b"", err), IO, "Broken pipe")


class RecordTest(CommandTest):
    def test_put_get_del(self):
        self.assertEqual(self.ok("put", self.db, "k", "v"), b"")
        self.assertEqual(self.ok("get", self.db, "k"), b"v\n")
        self.ok("put", self.db, "k", "other")
        self.assertEqual(self.ok("get", self.db, "k"), b"other\n")
        self.assertEqual(self.ok("del", self.db, "k"), b"")
        self.fails(NOT_THERE, "get", self.db, "k", says=(self.db, '"k"', '"default"'))
        self.fails(NOT_THERE, "del", self.db, "k", says='"k"')
        self.ok("put", self.db, "k", "")
        self.assertEqual(self.ok("get", self.db, "k"), b"\n")
        self.assertEqual(self.ok("get", self.db, "k", "--raw"), b"")
        for level in ("buffered", "written", "synced"):
            self.ok("put", self.db, "level", level, "--durability", level)
            self.assertEqual(self.ok("get", self.db, "level", "--raw"), level.encode())

    def test_bytes_are_literal_unless_escaped(self):
        self.ok("put", self.db, "a\\x41", "\\x0a\té")
        self.assertEqual(self.ok("get", self.db, "a\\x41"), b"\\x5cx0a\\x09\\xc3\\xa9\n")
        self.assertEqual(self.ok("get", self.db, "a\\x41", "--raw"), "\\x0a\té".encode())
        self.ok("put", self.db, "--escaped", "z\\x00", "\\xFF\\x5c\\x5C")
        self.assertEqual(self.ok("get", self.db, "--escaped", "z\\x00", "--raw"), b"\xff\\\\")
        self.assertEqual(self.ok("scan", self.db, "--keys"), b"a\\x5cx41\nz\\x00\n")
        self.ok("del", self.db, "--escaped", "z\\x00")
        self.assertEqual(self.ok("scan", self.db, "--keys"), b"a\\x5cx41\n")

    def test_value_from_standard_input(self):
        for value in (b"", b"\n", bytes(range(256)), b"x" * 3000000):
            self.ok("put", self.db, "k", "-", stdin=value)
            self.assertEqual(self.ok("get", self.db, "k", "--raw"), value)
        self.ok("put", self.db, "k", "-", "--escaped", stdin=b"\\x41")
        self.assertEqual(self.ok("get", self.db, "k", "--raw"), b"\\x41")

    def test_longest_value(self):
        """The limit itself goes in and out; one byte more does not."""
        big = self.path("big")
        digest = hashlib.sha256()
        with open(big, "wb") as file:
            block = bytes(range(256)) * 4096
            for _ in range(VALUE_MAX // len(block)):
                file.write(block)
                digest.update(block)
        with open(big, "rb") as file:
            status = subprocess.run([COMMAND, "put", self.db, "k", "-"], stdin=file, check=False)
        self.assertEqual(status.returncode, DONE)
        process = subprocess.Popen([COMMAND, "get", self.db, "k", "--raw"], stdout=subprocess.PIPE)
        read = hashlib.sha256()
        while block := process.stdout.read(1 << 20):
            read.update(block)
        process.stdout.close()
        self.assertEqual(process.wait(), DONE)
        self.assertEqual(read.digest(), digest.digest())
        with open(big, "ab") as file:
            file.write(b"x")
        with open(big, "rb") as file:
            result = subprocess.run([COMMAND, "put", self.db, "k2", "-"], stdin=file,
                                    capture_output=True, check=False)
        self.check_failure(Result(["put"], result.returncode, b"", result.stderr), USAGE,
                           ("standard input", str(VALUE_MAX)))

    def test_key_lengths(self):
        self.ok("put", self.db, "k" * 1024, "v")
        self.fails(USAGE, "put", self.db, "k" * 1025, "v", says=("1025", "1..1024"))
        self.fails(USAGE, "put", self.db, "", "v", says=("0 bytes", "1..1024"))
        self.fails(USAGE, "get", self.db, "", says="1..1024")
        self.ok("create", self.path("fixed"), "--key-size", "4")
        self.fails(USAGE, "put", self.path("fixed"), "12345", "v", says=("5 bytes", "4"))
        self.fails(USAGE, "get", self.path("fixed"), "123", says=("3 bytes", "4"))
        self.fails(USAGE, "del", self.path("fixed"), "", says=("0 bytes", "4"))
        self.ok("put", self.path("fixed"), "1234", "v")
        self.fails(USAGE, "scan", self.path("fixed"), "--prefix", "12345", says="prefix")

    def test_scan(self):
        self.load([(b"%c%d" % (c, i), b"v%d" % i) for c in b"abc" for i in range(5)])

        def keys(*words):
            return self.ok("scan", self.db, "--keys", *words).decode().split()

        self.assertEqual(len(keys()), 15)
        self.assertEqual(keys(), sorted(keys()))
        self.assertEqual(self.ok("scan", self.db, "--limit", "1"), b"a0\tv0\n")
        self.assertEqual(keys("--limit", "0"), [])
        self.assertEqual(keys("--prefix", "b"), ["b0", "b1", "b2", "b3", "b4"])
        self.assertEqual(keys("--prefix", "b", "--reverse", "--limit", "2"), ["b4", "b3"])
        self.assertEqual(keys("--from", "a3", "--to", "b1"), ["a3", "a4", "b0"])
        self.assertEqual(keys("--from", "a3", "--to", "b1", "--reverse"), ["b0", "a4", "a3"])
        self.assertEqual(keys("--from", "c3"), ["c3", "c4"])
        self.assertEqual(keys("--to", "a1"), ["a0"])
        self.assertEqual(keys("--from", "b", "--to", "a"), [])
        self.assertEqual(keys("--prefix", "z"), [])
        self.assertEqual(keys("--from", "a\\x33", "--escaped", "--limit", "1"), ["a3"])
        self.fails(USAGE, "scan", self.db, "--prefix", "x" * 1025, says="1025")

    def test_scan_of_a_descending_collection(self):
        self.ok("create", self.db, "--collection", "d", "--order", "desc")
        self.load([(b"%d" % i, b"") for i in range(6)], "--collection", "d")

        def keys(*words):
            return self.ok("scan", self.db, "--keys", "--collection", "d", *words).decode().split()

        self.assertEqual(keys(), ["5", "4", "3", "2", "1", "0"])
        self.assertEqual(keys("--reverse"), ["0", "1", "2", "3", "4", "5"])
        self.assertEqual(keys("--from", "4", "--to", "1"), ["4", "3", "2"])
        self.assertEqual(keys("--from", "4", "--to", "1", "--reverse"), ["2", "3", "4"])


class ExpiryTest(CommandTest):
    """Keys with a deadline."""

    def test_put_with_ttl(self):
        self.ok("put", self.db, "k", "v", "--ttl", "1d")
        self.assertEqual(self.ok("get", self.db, "k"), b"v\n")
        left = self.ok("ttl", self.db, "k")
        self.assertRegex(left, rb"^[0-9]+ms\n$")
        self.assertTrue(0 < int(left[:-3]) <= 24 * 60 * 60 * 1000, left)
        self.ok("put", self.db, "k", "v", "--ttl", left[:-1].decode())  # what it prints, it takes
        self.ok("put", self.db, "k", "w")
        self.assertEqual(self.ok("ttl", self.db, "k"), b"none\n")

    def test_put_until(self):
        now = int(time.time() * 1000)
        self.ok("put", self.db, "k", "v", "--expires-at", str(now + 1000000))
        self.assertTrue(900000 < int(self.ok("ttl", self.db, "k")[:-3]) <= 1000000)
        self.assertEqual(self.ok("dump", self.db), b"k\tv\\@%d\n" % (now + 1000000))
        self.ok("put", self.db, "k", "v", f"--expires-at={now - 1}")
        self.fails(NOT_THERE, "get", self.db, "k", says='no key "k"')
        for text in ("", "0", "1s", "-1", "9" * 30):
            self.fails(USAGE, "put", self.db, "k", "v", "--expires-at=" + text,
                       says=f"--expires-at is '{text}'")
        self.fails(USAGE, "put", self.db, "k", "v", "--expires-at=1", "--ttl=1s",
                   says=("--ttl", "--expires-at"))

    def test_expired(self):
        self.ok("put", self.db, "k", "v")
        self.ok("put", self.db, "k", "v", "--ttl", "1ms")
        self.ok("put", self.db, "stays", "v")
        for words in (("get", "k"), ("ttl", "k"), ("del", "k")):
            self.fails(NOT_THERE, words[0], self.db, *words[1:], says='no key "k"')
        self.assertEqual(self.ok("scan", self.db), b"stays\tv\n")
        self.assertEqual(self.ok("scan", self.db, "--keys"), b"stays\n")
        self.assertEqual(self.ok("dump", self.db), b"stays\tv\n")
        self.ok("verify", self.db)
        self.ok("compact", self.db)
        self.assertEqual(self.stat()["keys"], 1)
        self.fails(NOT_THERE, "get", self.db, "k", says='no key "k"')

    def test_durations(self):
        for text, ms in (("7ms", 7), ("90s", 90000), ("2m", 120000), ("3h", 10800000),
                         ("5d", 432000000)):
            self.ok("put", self.db, "k", "v", "--ttl=" + text)
            if ms > 7:
                self.assertTrue(0 < int(self.ok("ttl", self.db, "k")[:-3]) <= ms)
        for text in ("", "0s", "1", "s", "-1s", "1.5s", "1w", "1 s", "9" * 30 + "s", "11574075d"):
            self.fails(USAGE, "put", self.db, "k", "v", "--ttl=" + text,
                       says=(f"--ttl is '{text}'", "ms, s, m, h or d"))

    def test_ttl_of_what_is_not_there(self):
        self.fails(NOT_THERE, "ttl", self.db, "k", says=self.db)
        self.ok("put", self.db, "k", "v")
        self.fails(NOT_THERE, "ttl", self.db, "other", says='no key "other"')
        self.fails(NOT_THERE, "ttl", self.db, "k", "--collection", "c", says='"c"')
        self.fails(USAGE, "ttl", self.db, says="DIR KEY")
        self.fails(USAGE, "ttl", self.db, "\\x", "--escaped", says="KEY, byte 1")

    def test_dump_and_load(self):
        year_3000 = 32503680000000
        lines = {"tsv": (b"a\tx\\@%d\n" % year_3000) + b"b\t\\x5c@7\n" +
                        b"c\t\\@%d\n" % (2**64 - 1),
                 "jsonl": b'{"key":"a","value":"x","expires_at_ms":%d}\n' % year_3000 +
                          b'{"key":"b","value":"\\\\@7"}\n' +
                          b'{"key":"c","value":"","expires_at_ms":%d}\n' % (2**64 - 1)}
        for form, text in lines.items():
            for other, expected in lines.items():
                shutil.rmtree(self.db, ignore_errors=True)
                self.ok("load", self.db, "--format", form, stdin=text)
                self.assertEqual(self.ok("dump", self.db, "--format", other), expected)
        self.ok("repair", self.db, self.path("repaired"))
        self.assertEqual(self.ok("dump", self.path("repaired"), "--format", "tsv"), lines["tsv"])
        self.ok("load", self.db, stdin=b"a\tx\\@1\n")  # it has passed
        self.fails(NOT_THERE, "get", self.db, "a", says='no key "a"')

    def test_load_of_bad_deadlines(self):
        for line in (b"k\tv\\@", b"k\tv\\@0", b"k\tv\\@1x", b"k\tv\\@18446744073709551616",
                     b"k\tv\\@1\\@2"):
            self.fails(USAGE, "load", self.db, says=":1:4: \\@ without a deadline", stdin=line)
        for number in (b'""', b"0", b"-1", b"1.5", b"18446744073709551616", b"null", b""):
            self.fails(USAGE, "load", self.db, "--format", "jsonl", says=":1:",
                       stdin=b'{"key":"k","value":"v","expires_at_ms":%s}' % number)
        self.fails(USAGE, "load", self.db, "--format", "jsonl", says="a second expires_at_ms",
                   stdin=b'{"key":"k","value":"v","expires_at_ms":1,"expires_at_ms":2}')


class ChangeTest(CommandTest):
    """cas and incr."""

    def test_cas(self):
        self.fails(NOT_THERE, "cas", self.db, "k", "a", "b", says=self.db)
        self.ok("create", self.db)
        self.fails(NOT_THERE, "cas", self.db, "k", "a", "b", says='no key "k"')
        self.assertEqual(self.ok("cas", self.db, "k", "a", "--absent"), b"")
        self.fails(CHANGED, "cas", self.db, "k", "b", "--absent", says="another value")
        self.fails(CHANGED, "cas", self.db, "k", "b", "c", says="another value")
        self.assertEqual(self.ok("get", self.db, "k"), b"a\n")
        self.ok("cas", self.db, "k", "\\x61", "b\\x00", "--escaped", "--durability", "buffered")
        self.assertEqual(self.ok("get", self.db, "k"), b"b\\x00\n")
        self.fails(CHANGED, "cas", self.db, "k", "b", "--delete", says="another value")
        self.ok("cas", self.db, "k", "b\\x00", "--escaped", "--delete")
        self.fails(NOT_THERE, "cas", self.db, "k", "b", "--delete", says='no key "k"')

    def test_cas_and_deadlines(self):
        self.ok("put", self.db, "k", "a", "--ttl", "1d")
        self.ok("cas", self.db, "k", "a", "b")
        self.assertNotEqual(self.ok("ttl", self.db, "k"), b"none\n")
        self.ok("cas", self.db, "k", "b", "c", "--ttl", "5s")
        self.assertLessEqual(int(self.ok("ttl", self.db, "k")[:-3]), 5000)

    def test_bad_cas(self):
        self.ok("put", self.db, "k", "a")
        for words in (("a",), ("a", "b", "--absent"), ("a", "b", "--delete")):
            self.fails(USAGE, "cas", self.db, "k", *words, says=("EXPECTED and VALUE", "--absent"))
        self.fails(USAGE, "cas", self.db, "k", "a", "--absent", "--delete", says="leave one out")
        self.fails(USAGE, "cas", self.db, "k", "a", "\\x", "--escaped", says="VALUE, byte 1")
        self.assertEqual(self.ok("get", self.db, "k"), b"a\n")

    def test_incr(self):
        for size in ("1", "2", "4", "8"):
            words = ("--collection", "n" + size)
            self.ok("create", self.db, "--value", "const:" + size, *words)
            self.assertEqual(self.ok("incr", self.db, "k", *words), b"1\n")
            self.assertEqual(self.ok("incr", self.db, "k", "41", *words), b"42\n")
            self.assertEqual(self.ok("incr", self.db, *words, "k", "--", "-43"), b"-1\n")
            self.assertEqual(self.ok("get", self.db, "k", *words), b"\\xff" * int(size) + b"\n")
        self.fails(USAGE, "incr", self.db, "k", "129", "--collection", "n1",
                   says=("129 added to -1 does not fit 1 byte", "-128..127"))

    def test_bad_incr(self):
        self.fails(NOT_THERE, "incr", self.db, "k", says=self.db)
        self.ok("put", self.db, "k", "1")
        self.fails(USAGE, "incr", self.db, "k", says="1, 2, 4 or 8 bytes")
        for delta in ("", "x", "1x", "9223372036854775808"):
            self.fails(USAGE, "incr", self.db, "k", delta, says=f"DELTA is '{delta}'")


class LoadTest(CommandTest):
    def test_dump_and_load_give_the_same(self):
        self.load(NASTY)
        expected = b"".join(b"%s\t%s\n" % (escape(key), escape(value)) for key, value in NASTY)
        self.assertEqual(self.ok("scan", self.db), expected)
        for form in ("tsv", "jsonl"):
            text = self.ok("dump", self.db, "--format", form)
            self.assertEqual(text.count(b"\n"), len(NASTY))
            copy = self.path(form)
            file = self.path("file." + form)
            with open(file, "wb") as to:
                to.write(text)
            report = self.ok("load", copy, file, "--format", form)
            self.assertIn(b"loaded %d records" % len(NASTY), report)
            self.assertEqual(self.ok("dump", copy, "--format", form), text)
            self.assertEqual(self.ok("scan", copy), expected)
            again = self.ok("dump", copy, "--format", form)
            lines = again.splitlines(keepends=True)
            other = self.path("reversed-" + form)
            self.ok("load", other, "--format", form, stdin=b"".join(reversed(lines)))
            self.assertEqual(self.ok("scan", other), expected)
        self.assertEqual(self.ok("dump", self.db), expected)

    def test_jsonl_is_json(self):
        self.load(NASTY)
        found = []
        for line in self.ok("dump", self.db, "--format", "jsonl").split(b"\n")[:-1]:
            record = json.loads(line.decode("utf-8"))
            pair = []
            for name in ("key", "value"):
                self.assertEqual((name in record) + (name + "_hex" in record), 1, line)
                pair.append(record[name].encode() if name in record
                            else bytes.fromhex(record[name + "_hex"]))
            self.assertEqual(len(record), 2)
            found.append(tuple(pair))
        self.assertEqual(found, NASTY)

    def test_jsonl_of_others(self):
        records = [("\u00e9\U0001f600\0", 'v"\\/\b\f\n\r\t'), ("b", ""), ("c", "\x7f\u2028")]
        text = "".join(json.dumps({"value": value, "key": key}, ensure_ascii=ascii, indent=None)
                       + "\n" for key, value in records for ascii in (True, False))
        text += ' { "key_hex" : "FFfe" , "value" : "\\/\\u00E9" }\t\r\n'
        self.ok("load", self.db, "--format", "jsonl", stdin=text.encode())
        for key, value in records:
            got = self.ok("get", self.db, "--escaped", escape(key.encode()), "--raw")
            self.assertEqual(got, value.encode())
        self.assertEqual(self.ok("get", self.db, b"\xff\xfe", "--raw"), "/é".encode())

    def test_bad_lines(self):
        cases = [
            ("tsv", b"no tab", 7, "no tab"),
            ("tsv", b"", 1, "no tab"),
            ("tsv", b'{"key":"a","value":"b"}', 24, "jsonl"),
            ("tsv", b"k\tval\\q", 6, "\\x5c"),
            ("tsv", b"k\\x4\tv", 2, "hexadecimal"),
            ("tsv", b"k\t\\", 3, "hexadecimal"),
            ("tsv", b"\tv", 1, "1..1024"),
            ("tsv", b"k" * 1025 + b"\tv", 1, "1025"),
            ("jsonl", b"", 1, "{"),
            ("jsonl", b"k\tv", 1, "{"),
            ("jsonl", b"[]", 1, "{"),
            ("jsonl", b"{}", 2, "string"),
            ("jsonl", b'{"key":"a"}', 12, "no value"),
            ("jsonl", b'{"value":"a"}', 14, "no key"),
            ("jsonl", b'{"key":"a","value":1}', 20, "string"),
            ("jsonl", b'{"key":"a","value":null}', 20, "string"),
            ("jsonl", b'{"key":"a","ttl":"1","value":""}', 12, '"ttl"'),
            ("jsonl", b'{"key":"a","value":"b","value":"b"}', 24, "a second value"),
            ("jsonl", b'{"key":"a","key_hex":"61","value":"b"}', 12, "a second key"),
            ("jsonl", b'{"key":"a","value":"b"}x', 24, "behind the object"),
            ("jsonl", b'{"key":"a","value":"b"', 23, "}"),
            ("jsonl", b'{"key":"a","value":"b",}', 24, "string"),
            ("jsonl", b'{"key":"a","value":"b', 20, "without its end"),
            ("jsonl", b'{"key":"\\ud83d","value":""}', 9, "surrogate"),
            ("jsonl", b'{"key":"\\ud83dxxxxxx","value":""}', 9, "surrogate"),
            ("jsonl", b'{"key":"\\ude00","value":""}', 9, "surrogate"),
            ("jsonl", b'{"key":"\\u12","value":""}', 13, "\\u"),
            ("jsonl", b'{"key":"\\x41","value":""}', 9, "escape"),
            ("jsonl", b'{"key":"a\x01","value":""}', 10, "\\u0001"),
            ("jsonl", b'{"key":"a\xff","value":""}', 10, "UTF-8"),
            ("jsonl", b'{"key":"a\xed\xa0\x80","value":""}', 10, "UTF-8"),
            ("jsonl", b'{"key_hex":"616","value":""}', 13, "odd"),
            ("jsonl", b'{"key_hex":"61zz","value":""}', 15, "hexadecimal"),
            ("jsonl", b'{"key":"","value":""}', 8, "1..1024"),
        ]
        good = {"tsv": b"good%d\tvalue\n", "jsonl": b'{"key":"good%d","value":"value"}\n'}
        file = self.path("input")
        for number, (form, line, column, says) in enumerate(cases):
            with self.subTest(line=line):
                with open(file, "wb") as to:
                    to.write(good[form] % 1 + good[form] % 2 + line + b"\n" + good[form] % 3)
                db = self.path("db%d" % number)
                self.fails(USAGE, "load", db, file, "--format", form,
                           says=(f"{file}:3:{column}: ", says, "2 records before it are loaded"))
                self.assertEqual(self.ok("scan", db, "--keys"), b"good1\ngood2\n")
        self.fails(USAGE, "load", self.db, stdin=b"x", says="standard input:1:2: ")

    def test_line_ends(self):
        self.ok("load", self.db, stdin=b"")
        self.assertEqual(self.ok("scan", self.db), b"")
        self.ok("load", self.db, stdin=b"a\t1\nlast\tline without an end")
        self.assertEqual(self.ok("get", self.db, "last"), b"line without an end\n")
        self.ok("load", self.db, stdin=b"b\twindows\r\nc\ttwo\ttabs\nd\t\xff\x01\n")
        self.assertEqual(self.ok("get", self.db, "b", "--raw"), b"windows\r")
        self.assertEqual(self.ok("get", self.db, "c", "--raw"), b"two\ttabs")
        self.assertEqual(self.ok("get", self.db, "d", "--raw"), b"\xff\x01")

    def test_long_lines(self):
        value = os.urandom(5 << 20)
        self.load([(b"big", value), (b"after", b"it")])
        self.assertEqual(self.ok("get", self.db, "big", "--raw"), value)
        self.assertEqual(self.ok("get", self.db, "after"), b"it\n")
        for form in ("tsv", "jsonl"):
            text = self.ok("dump", self.db, "--format", form)
            self.ok("load", self.path(form), "--format", form, stdin=text)
            self.assertEqual(self.ok("get", self.path(form), "big", "--raw"), value)

    def test_input_that_cannot_be_read(self):
        self.fails(NOT_THERE, "load", self.db, self.path("missing"), says=self.path("missing"))
        self.assertFalse(os.path.exists(self.db), "a database was made for nothing")
        os.mkdir(self.path("directory"))
        self.fails(IO, "load", self.db, self.path("directory"),
                   says=(self.path("directory"), "directory"))

    def test_acknowledgements(self):
        for level in ("buffered", "written", "synced"):
            lines = self.load([(b"%d" % i, b"x") for i in range(10)], "--acknowledge", "3",
                              "--durability", level).splitlines()
            self.assertEqual(lines[:-1], [b"acknowledged %d" % n for n in (3, 6, 9)])
            self.assertRegex(lines[-1], rb"^loaded 10 records, 20 bytes, in .*p50 .*p99 ")

    def test_progress_on_a_terminal(self):
        file = self.path("file")
        with open(file, "wb") as to:
            for i in range(1000000):
                to.write(b"%08d\tvalue of a record\n" % i)
        try:
            terminal, end = pty.openpty()
        except OSError as error:
            self.skipTest(f"no terminals here: {error}")
        process = subprocess.Popen([COMMAND, "load", self.db, file], stdout=subprocess.PIPE,
                                   stderr=end)
        os.close(end)
        shown = b""
        try:
            while block := os.read(terminal, 4096):
                shown += block
        except OSError:  # how a terminal says that nobody writes to it any more
            pass
        out = process.communicate()[0]
        os.close(terminal)
        self.assertEqual(process.returncode, DONE)
        self.assertIn(b"loaded 1000000 records", out)
        self.assertRegex(shown, rb"\r\d+ records, \d+/s, [\d.]+ MB of [\d.]+ MB, \d+ s left")
        self.assertTrue(shown.endswith(b"\r\x1b[K"), shown[-100:])


class SetTest(CommandTest):
    """Databases and collections: made, listed, dropped, described."""

    def test_create(self):
        self.assertEqual(self.ok("create", self.db, "--shards", "3", "--key-size", "8",
                                 "--order", "desc"), b"")
        self.assertEqual(self.stat()["shards"], 3)
        self.assertEqual(self.ok("collections", self.db), b"default\t0\t8\tdesc\t0\tvar\n")
        self.fails(USAGE, "create", self.db, says=(self.db, "already"))
        self.fails(USAGE, "create", self.db, "--collection", "default", says="already")
        os.mkdir(self.path("empty"))
        self.ok("create", self.path("empty"))
        self.assertEqual(self.ok("collections", self.path("empty")),
                         b"default\t0\tvariable\tasc\t0\tvar\n")

    def test_kinds(self):
        self.ok("create", self.db, "--collection", "hits", "--order", "map", "--value", "const:4",
                "--key-size", "2")
        self.assertEqual(self.ok("collections", self.db, "--collection", "hits"),
                         b"hits\t1\t2\tmap\t0\tconst:4\n")
        for key, value in (("ab", "0001"), ("cd", "0002"), ("ab", "0003")):
            self.ok("put", self.db, key, value, "--collection", "hits")
        self.assertEqual(self.ok("get", self.db, "ab", "--collection", "hits"), b"0003\n")
        self.assertEqual(sorted(self.ok("scan", self.db, "--collection", "hits").splitlines()),
                         [b"ab\t0003", b"cd\t0002"])
        self.fails(USAGE, "put", self.db, "ab", "12345", "--collection", "hits",
                   says=("5 bytes", '"hits"', "4"))
        self.fails(USAGE, "load", self.db, "--collection", "hits", stdin=b"ab\t1234\ncd\t1\n",
                   says=("standard input:2:", "1 bytes"))
        for range_ in (("--prefix", "a"), ("--from", "ab"), ("--reverse",)):
            self.fails(USAGE, "scan", self.db, "--collection", "hits", *range_, says="no order")
        self.ok("del", self.db, "cd", "--collection", "hits")
        self.assertEqual(self.ok("dump", self.db, "--collection", "hits"), b"ab\t1234\n")
        self.ok("verify", self.db)

    def test_objects_are_bytes(self):
        """Each kind goes through a dump and a load into a collection of its kind."""
        self.ok("create", self.db, "--collection", "things", "--value", "object", "--order", "map")
        self.ok("put", self.db, "a", "one", "--collection", "things")
        self.ok("put", self.db, "a", "two", "--collection", "things")
        self.assertEqual(self.ok("get", self.db, "a", "--collection", "things"), b"two\n")
        dump = self.ok("dump", self.db, "--collection", "things")
        copy = self.path("copy")
        self.ok("create", copy, "--value", "object")
        self.ok("load", copy, stdin=dump)
        self.assertEqual(self.ok("collections", copy),
                         b"default\t0\tvariable\tasc\t1\tobject\n")
        self.assertEqual(self.ok("dump", copy), b"a\ttwo\n")
        self.assertIn(b"object", self.ok("stat", self.db, "--collection", "things"))
        self.ok("backup", copy, self.path("backup"))
        self.assertEqual(self.ok("collections", self.path("backup")),
                         b"default\t0\tvariable\tasc\t1\tobject\n")

    def test_schema_version(self):
        """The command reads collections of any version, and makes such for a load."""
        self.ok("create", self.db, "--collection", "things", "--schema", "7")
        self.ok("put", self.db, "a", "one", "--collection", "things")
        self.assertEqual(self.ok("dump", self.db, "--collection", "things"), b"a\tone\n")
        versions = {each["name"]: each["schema_version"] for each in self.stat()["collection_list"]}
        self.assertEqual(versions, {"default": 0, "things": 7})
        self.assertRegex(self.ok("stat", self.db).decode(), r"index_bytes +value +schema\n")
        self.assertRegex(self.ok("stat", self.db).decode(), r"things .* 7\n")
        self.fails(USAGE, "create", self.path("other"), "--schema", "7", says=["--collection"])
        self.fails(USAGE, "create", self.db, "--collection", "b", "--schema", "65536",
                   says=["--schema", "65535"])
        self.ok("repair", self.db, self.path("repaired"))
        self.assertRegex(self.ok("stat", self.path("repaired")).decode(), r"things .* 7\n")
        self.ok("backup", self.db, self.path("backup"))
        self.assertRegex(self.ok("stat", self.path("backup")).decode(), r"things .* 7\n")

    def test_collections(self):
        self.ok("create", self.db, "--collection", "first", "--key-size", "2", "--shards", "2")
        self.ok("create", self.db, "--collection", "zweite mit ö", "--order", "desc")
        self.ok("put", self.db, "k", "v", "--collection", "by put")
        self.load([(b"k", b"v")], "--collection", "by load")
        self.assertEqual(self.ok("collections", self.db).decode(),
                         "default\t0\tvariable\tasc\t0\tvar\n"
                         "first\t1\t2\tasc\t0\tvar\nzweite mit ö\t2\tvariable\tdesc\t0\tvar\n"
                         "by put\t3\tvariable\tasc\t1\tvar\n"
                         "by load\t4\tvariable\tasc\t1\tvar\n")
        self.fails(USAGE, "create", self.db, "--collection", "first", says=("first", "already"))
        self.fails(USAGE, "create", self.db, "--collection", "first", "--key-size", "3",
                   says="already")
        self.fails(USAGE, "put", self.db, "abc", "v", "--collection", "first",
                   says=("3 bytes", "2", '"first"'))
        self.fails(USAGE, "load", self.db, "--collection", "first", stdin=b"ab\t1\nabc\t2\n",
                   says=("standard input:2:1: ", "3 bytes", "1 records before it"))
        self.assertEqual(self.ok("scan", self.db, "--collection", "first"), b"ab\t1\n")
        self.assertEqual(self.ok("scan", self.db), b"")
        self.assertEqual(self.ok("collections", self.db, "--collection", "first"),
                         b"first\t1\t2\tasc\t1\tvar\n")
        self.ok("verify", self.db, "--collection", "first")
        self.ok("drop", self.db, "--collection", "first")
        self.fails(NOT_THERE, "drop", self.db, "--collection", "first", says="first")
        self.fails(USAGE, "drop", self.db, "--collection", "default", says="default")
        self.assertNotIn(b"first", self.ok("collections", self.db))
        self.ok("put", self.db, "again", "v", "--collection", "first")
        self.assertEqual(self.ok("scan", self.db, "--collection", "first"), b"again\tv\n")

    def test_unknown_collection(self):
        self.ok("create", self.db)
        for words in (("get", self.db, "k"), ("del", self.db, "k"), ("scan", self.db),
                      ("dump", self.db), ("stat", self.db), ("collections", self.db),
                      ("drop", self.db), ("verify", self.db), ("compact", self.db),
                      ("backup", self.db, self.path("copy")), ("time", self.db)):
            with self.subTest(words=words):
                self.fails(NOT_THERE, *words, "--collection", "nope", says=(self.db, '"nope"'))
        self.assertEqual(self.stat()["collections"], 1)

    def test_settings_that_differ(self):
        self.ok("create", self.db, "--shards", "2")
        self.fails(USAGE, "create", self.db, "--collection", "c", "--shards", "3",
                   says=("shards", "2", "3"))
        self.assertEqual(self.stat()["collections"], 1)
        self.ok("create", self.db, "--collection", "c", "--shards", "2")

    def test_stat(self):
        self.load([(b"%d" % i, b"v" * i) for i in range(50)])
        self.load([(b"%d" % i, b"w") for i in range(10)])
        self.ok("del", self.db, "40")
        found = self.stat()
        with open(os.path.join(os.path.dirname(__file__), "../../include/armdb/armdb.h"),
                  encoding="utf-8") as header:
            struct = re.search(r"typedef struct armdb_stats \{(.*?)\} armdb_stats;", header.read(),
                               re.DOTALL).group(1)
        fields = re.findall(r"^\s*uint(?:32|64)_t (\w+);", struct, re.MULTILINE)
        self.assertIn("recovery_ns", fields)
        for field in fields[1:]:  # the first is the size of the struct
            self.assertIsInstance(found[field], int, field)
        self.assertEqual((found["keys"], found["collections"]), (49, 1))
        self.assertGreater(found["dead_bytes"], 0)
        self.assertEqual(found["log_bytes"], sum(map(os.path.getsize, self.data_files())))
        self.assertEqual(len(found["shard_list"]), found["shards"])
        self.assertEqual(found["shard_list"][0]["failure"], "ARMDB_OK")
        self.assertEqual(sum(s["files"] for s in found["shard_list"]), found["files"])
        (collection,) = found["collection_list"]
        self.assertEqual(
            (collection["name"], collection["id"], collection["key_size"], collection["order"],
             collection["keys"]), ("default", 0, None, "asc", 49))
        text = self.ok("stat", self.db).decode()
        for field in fields[1:]:
            self.assertRegex(text, rf"(?m)^{field} +\d+\b")

    def test_stat_of_files(self):
        self.ok("create", self.db, "--shards", "2")
        self.load([(b"%d" % i, b"v" * i) for i in range(50)])
        self.load([(b"%d" % i, b"w") for i in range(10)])
        self.ok("del", self.db, "40")
        self.ok("compact", self.db)
        found = json.loads(self.ok("stat", self.db, "--files", "--json"))
        files = found["file_list"]
        self.assertEqual(len(files), found["files"])
        self.assertEqual({(file["shard"], file["kind"]) for file in files},
                         {(0, "copy"), (0, "active"), (1, "copy"), (1, "active")})
        for shard in found["shard_list"]:
            of_shard = [file for file in files if file["shard"] == shard["shard"]]
            for name in ("live_bytes", "tombstone_bytes"):
                self.assertEqual(sum(file[name] for file in of_shard), shard[name])
            self.assertEqual(sum(file["bytes"] for file in of_shard), shard["log_bytes"])
            self.assertEqual(shard["compaction_failure"], "ARMDB_OK")
        self.assertEqual({os.path.join(self.db, "shard-%03d" % file["shard"],
                                       "%010d.log" % file["id"]) for file in files},
                         set(self.data_files()))
        text = self.ok("stat", self.db, "--files").decode()
        self.assertEqual(len(re.findall(r"(?m)^[01] +\d+ (?:copy|active) ", text)), len(files))
        self.assertNotIn("active", self.ok("stat", self.db).decode())

    def test_compact(self):
        pairs = [(b"key%d" % i, b"v%d" % i * 200) for i in range(200)]
        self.load(pairs)
        self.load(pairs)
        self.ok("del", self.db, "key7")
        before = sum(map(os.path.getsize, self.data_files()))
        text = self.ok("compact", self.db).decode()
        freed = int(re.fullmatch(r"read \d+ bytes of data files, freed (\d+) bytes\n",
                                 text).group(1))
        after = sum(map(os.path.getsize, self.data_files()))
        self.assertGreater(freed, before * 0.4)
        self.assertAlmostEqual(after, before - freed, delta=4096)
        found = self.stat()
        self.assertEqual((found["keys"], found["dead_bytes"]), (199, 0))
        self.assertEqual(found["log_bytes"], after)
        del pairs[7]
        self.assertEqual(self.ok("dump", self.db),
                         b"".join(b"%s\t%s\n" % pair for pair in sorted(pairs)))
        self.assertIn(b"no damage", self.ok("verify", self.db))
        self.assertIn(b"freed 0 bytes", self.ok("compact", self.db))
        self.fails(USAGE, "compact", self.db, "--percent", "0", says="1..100")

    def test_time(self):
        self.load([(b"%d" % i, b"v") for i in range(50)])
        for gets in ("10", "500"):
            text = self.ok("time", self.db, "--gets", gets).decode()
            self.assertRegex(text, rf"^got {gets} of 50 keys at random, {gets} bytes, in .*/s; "
                             r"get p50 [\d.]+ us, p99 [\d.]+ us\n$")
        self.ok("create", self.path("empty"))
        self.fails(NOT_THERE, "time", self.path("empty"), says="empty")


class BadDatabaseTest(CommandTest):
    """Databases that are missing, damaged, of a newer format, in use."""

    READERS = [("get", "k"), ("del", "k"), ("scan",), ("dump",), ("stat",), ("collections",),
               ("verify",), ("compact",), ("time",), ("drop", "--collection", "c"),
               ("backup", "copy of it")]

    def all_refuse(self, status, path, says, commands=None):
        for words in commands or self.READERS:
            with self.subTest(command=words[0]):
                self.fails(status, words[0], path, *words[1:], says=says)

    def test_nothing_there(self):
        self.all_refuse(NOT_THERE, self.path("missing"), self.path("missing"))
        self.assertFalse(os.path.exists(self.path("missing")))
        os.mkdir(self.path("empty"))
        self.all_refuse(NOT_THERE, self.path("empty"), "empty")
        self.assertEqual(os.listdir(self.path("empty")), [])

    def test_not_a_database(self):
        writers = [("put", "k", "v"), ("load",), ("create",), ("create", "--collection", "c")]
        os.mkdir(self.path("other"))
        with open(self.path("other", "letter.txt"), "w", encoding="utf-8") as file:
            file.write("Dear")
        self.all_refuse(NOT_THERE, self.path("other"), "not a database", self.READERS + writers)
        self.all_refuse(NOT_THERE, self.path("other", "letter.txt"), "letter.txt",
                        self.READERS + writers)
        self.assertEqual(os.listdir(self.path("other")), ["letter.txt"])
        self.fails(NOT_THERE, "put", self.path("no", "parent"), "k", "v",
                   says=self.path("no", "parent"))

    def fill(self):
        """Two shards, each with records; everything on disk."""
        self.ok("create", self.db, "--shards", "2")
        self.load([(b"key%02d" % i, b"value%02d" % i) for i in range(20)])

    def copies(self, path, cases):
        """For each (name, edit) of `path`: edits it in a fresh copy of the database."""
        whole = self.path("whole")
        os.rename(self.db, whole)
        for name, edit in cases:
            shutil.rmtree(self.db, ignore_errors=True)
            shutil.copytree(whole, self.db)
            self.change(path, edit)
            with self.subTest(file=os.path.basename(path), case=name):
                yield name

    def damaged(self, says):
        self.all_refuse(DAMAGE, self.db, says, [("scan",), ("put", "k", "v"), ("stat",),
                                                ("get", "key00")])
        result = self.fails(DAMAGE, "verify", self.db, says="damaged place")
        lines = result.out.decode().splitlines()
        self.assertRegex(lines[0], rf"^{re.escape(self.db)}.*: offset \d+: .", result)
        self.assertIn(says, lines[0], result)
        self.assertRegex(lines[-1], r"^checked \d+ files, .* damaged place", result)

    def test_flipped_byte_of_manifest(self):
        self.fill()
        manifest = self.path("db", "MANIFEST")
        size = os.path.getsize(manifest)
        for _ in self.copies(manifest, [(at, flip(at)) for at in range(0, size, 3)]):
            self.damaged("MANIFEST")

    def test_flipped_byte_of_data_file(self):
        self.fill()
        path = self.data_files()[0]
        # The last 40 bytes are the mark that everything before it was synced.
        size = os.path.getsize(path) - 40
        for _ in self.copies(path, [(at, flip(at)) for at in range(0, size, 7)]):
            self.damaged(os.path.relpath(path, self.db))

    def test_damage_is_counted(self):
        self.fill()
        for path in self.data_files():
            self.change(path, flip(64 + 25))
        result = self.fails(DAMAGE, "verify", self.db, says="2 damaged places")
        self.assertEqual(len(result.out.splitlines()), 3, result)

    def test_verify_open(self):
        value = b"v" * 60000
        self.ok("create", self.db, "--shards", "1")
        self.load([(b"key%02d" % i, value) for i in range(40)])  # enough for a hint
        self.ok("put", self.db, "k\n", "v", "--collection", "c")
        self.assertRegex(self.ok("verify", self.db, "--open"), rb"^checked .*: no damage\n$")
        self.ok("verify", self.db, "--open", "--collection", "c")
        self.fails(NOT_THERE, "verify", self.db, "--open", "--collection", "d", says='"d"')
        path, = self.data_files()
        hint = path[:-len("log")] + "hint"
        self.change(hint, flip(200))
        for options in ((), ("--open",)):
            result = self.fails(DAMAGE, "verify", self.db, *options, says="1 damaged place")
            self.assertIn(b"its hint is of no use: damaged", result.out)
        self.assertIn(b"no damage", self.ok("verify", self.db))  # closing wrote it anew
        self.change(path, flip(100000))  # in a value: opening does not read it
        self.ok("get", self.db, "key39")
        result = self.fails(DAMAGE, "verify", self.db, "--open", says="damaged place")
        self.assertRegex(result.out.decode(), rf"(?m)^{re.escape(path)}: offset \d+: .")

    def test_backup(self):
        self.fill()
        self.ok("create", self.db, "--collection", "other")
        self.ok("put", self.db, "k", "v", "--collection", "other")
        before = self.ok("scan", self.db)
        copy = self.path("copy")
        self.assertRegex(self.ok("backup", self.db, copy),
                         rb"^copied 21 keys in 2 collections, \d+ bytes\n$")
        self.ok("put", self.db, "later", "v")
        self.assertEqual(self.ok("scan", copy), before)
        self.assertEqual(self.ok("scan", copy, "--collection", "other"), b"k\tv\n")
        self.assertIn(b"no damage", self.ok("verify", copy))
        self.ok("put", copy, "in the copy", "v")
        self.assertEqual(self.run_command("get", self.db, "in the copy").status, NOT_THERE)
        self.ok("backup", copy, self.path("again"), "--collection", "other")
        self.fails(USAGE, "backup", self.db, copy, says=(copy, "missing or empty"))
        self.fails(USAGE, "backup", self.db, self.path("db", "in"), says="lies in the database")
        self.fails(USAGE, "backup", self.db, says="DIR DEST")
        self.fails(NOT_THERE, "backup", self.db, self.path("no", "parent"), says="directory above")
        self.fails(NOT_THERE, "backup", self.path("missing"), self.path("new"),
                   says=self.path("missing"))
        self.assertFalse(os.path.exists(self.path("new")))
        # A restored copy is the database.
        shutil.rmtree(self.db)
        shutil.copytree(copy, self.db)
        self.ok("get", self.db, "in the copy")
        # An unfinished one is none.
        os.rename(os.path.join(copy, "MANIFEST"), os.path.join(copy, "MANIFEST.unfinished"))
        self.fails(NOT_THERE, "scan", copy, says="did not come to its end")
        self.fails(NOT_THERE, "put", copy, "k", "v", says="did not come to its end")
        # Of a damaged one there is none.
        self.change(self.data_files()[0], flip(64 + 40 + 25))
        self.fails(DAMAGE, "backup", self.db, self.path("new"), says=self.db)
        self.assertFalse(os.path.exists(self.path("new")))

    def test_repair(self):
        self.fill()
        before = self.ok("scan", self.db)
        copy = self.path("copy")
        self.assertRegex(self.ok("repair", self.db, copy),
                         rb"^read 2 files, \d+ bytes, 20 whole records; saved 20 keys in 1 "
                         rb"collections: nothing was lost\n$")
        self.assertEqual(self.ok("scan", copy), before)
        self.ok("repair", self.db, self.path("again"), "--collection", "default")
        self.fails(NOT_THERE, "repair", self.db, self.path("third"), "--collection", "no",
                   says="no")
        self.fails(USAGE, "repair", self.db, copy, says=(copy, "missing or empty"))
        self.fails(USAGE, "repair", self.db, self.path("db", "in"), says="lies in the database")
        self.fails(NOT_THERE, "repair", self.path("missing"), self.path("new"),
                   says=self.path("missing"))
        self.fails(NOT_THERE, "repair", self.db, self.path("no", "parent"), says="directory above")
        self.assertFalse(os.path.exists(self.path("new")))
        path = self.data_files()[0]
        self.change(path, flip(64 + 40 + 25))  # the first record behind the mark of create
        self.change(self.path("db", "MANIFEST"), flip(20))
        with open(path, "rb") as file:
            source = file.read()
        other = self.path("other")
        result = self.fails(DAMAGE, "repair", self.db, other, says=("2 damaged places", other))
        lines = result.out.decode().splitlines()
        self.assertEqual(len(lines), 3, result)
        self.assertRegex(lines[0], r"^lost: .*MANIFEST: bad checksum$")
        self.assertRegex(lines[1], rf"^lost: {re.escape(path)}: 32 bytes at offset 104: no whole")
        self.assertRegex(lines[2], r"19 whole records; saved 19 keys in 1 collections: "
                                   r"2 damaged places, 32 bytes$")
        after = self.ok("scan", other).splitlines()
        self.assertEqual(len(after), 19)
        self.assertLess(set(after), set(before.splitlines()))
        self.assertIn(b"no damage", self.ok("verify", other))
        with open(path, "rb") as file:
            self.assertEqual(file.read(), source, "the source was changed")

    def test_truncated_files(self):
        self.fill()
        manifest = self.path("db", "MANIFEST")
        for cut in (0, 8, 50, -1):
            for _ in self.copies(manifest, [(cut, cut_off(cut))]):
                self.damaged("MANIFEST")
            shutil.rmtree(self.db)
            os.rename(self.path("whole"), self.db)
        path = self.data_files()[0]
        for cut in (0, 1, 63):
            for _ in self.copies(path, [(cut, cut_off(cut))]):
                self.damaged(os.path.relpath(path, self.db))
            shutil.rmtree(self.db)
            os.rename(self.path("whole"), self.db)
        # A torn end of the last file is what a kill leaves: not damage, cut off at the next open.
        self.change(path, cut_off(64 + 30))
        self.assertIn(b"30 bytes of incomplete records", self.ok("verify", self.db))
        self.assertIn(b"no damage", self.ok("verify", self.db))
        self.assertEqual(self.stat()["recovered_cut_bytes"], 30)
        self.assertLess(len(self.ok("scan", self.db).splitlines()), 20)
        self.assertNotIn(b"incomplete", self.ok("verify", self.db))

    def test_misplaced_files(self):
        self.fill()
        foreign = self.path("foreign")
        shutil.move(self.db, foreign)
        self.fill()
        first, second = self.data_files()
        following = os.path.join(os.path.dirname(second), "0000000002.log")
        whole = self.path("whole")
        shutil.copytree(self.db, whole)
        for name, source, target in (
                ("of another shard", first, following),
                ("under another number", second, following),
                ("of another database", first.replace(self.db, foreign), first),
                ("under no number", first, os.path.join(os.path.dirname(first), "copy.log"))):
            with self.subTest(file=name):
                shutil.copyfile(source, target)
                self.damaged(os.path.relpath(os.path.dirname(target), self.db))
            shutil.rmtree(self.db)
            shutil.copytree(whole, self.db)

    def test_missing_files(self):
        self.fill()
        shutil.copytree(self.db, self.path("whole"))
        shutil.rmtree(self.path("db", "shard-001"))
        self.damaged("shard-001")
        shutil.rmtree(self.db)
        shutil.copytree(self.path("whole"), self.db)
        os.remove(self.path("db", "MANIFEST"))
        self.damaged("MANIFEST")

    def test_newer_format(self):
        self.fill()

        def newer_manifest(data):
            data[8:12] = (99).to_bytes(4, "little")
            data[-4:] = crc32c(data[:-4]).to_bytes(4, "little")

        def newer_data_file(data):
            data[8:12] = (99).to_bytes(4, "little")
            data[60:64] = crc32c(data[:60]).to_bytes(4, "little")

        for path, edit in ((self.path("db", "MANIFEST"), newer_manifest),
                           (self.data_files()[0], newer_data_file)):
            for _ in self.copies(path, [("newer", edit)]):
                self.all_refuse(USAGE, self.db, (path, "version 99", "newer"),
                                [("scan",), ("put", "k", "v"), ("stat",)])
                result = self.run_command("verify", self.db)
                # A single file of a newer version, in a database of an older one, is damage too.
                self.assertIn(result.status, (USAGE, DAMAGE), result)
                self.assertIn("version 99 is newer", result.out.decode() + result.err, result)
            shutil.rmtree(self.db)
            os.rename(self.path("whole"), self.db)
        self.ok("verify", self.db)

    def test_lock_held(self):
        self.ok("create", self.db)
        holder = subprocess.Popen([COMMAND, "load", self.db, "--acknowledge", "1"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holder.stdin.write(b"k\tv\n")
        holder.stdin.flush()
        self.assertEqual(holder.stdout.readline(), b"acknowledged 1\n")
        self.all_refuse(LOCKED, self.db, (self.db, f"process {holder.pid}"),
                        self.READERS + [("put", "k", "v"), ("load",)])
        out, _ = holder.communicate()
        self.assertEqual(holder.returncode, DONE)
        self.assertIn(b"loaded 1 records", out)
        self.assertEqual(self.ok("get", self.db, "k"), b"v\n")
        with open(self.path("db", "LOCK"), "r+b") as file:  # a holder that does not tell its pid
            fcntl.flock(file, fcntl.LOCK_EX)
            self.fails(LOCKED, "get", self.db, "k", says=self.db)
        self.ok("get", self.db, "k")


class KillTest(CommandTest):
    """SIGKILL in the middle of a load: what was acknowledged is there, and nothing is wrong."""

    @staticmethod
    def record(number):
        return b"key%07d" % (number * 7919 % 1000003), hashlib.sha256(b"%d" % number).digest() * 3

    def kill_a_load(self, level, enough):
        loader = subprocess.Popen([COMMAND, "load", self.db, "--durability", level,
                                   "--acknowledge", "100"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        number = 0
        acknowledged = 0
        while acknowledged < enough:
            for number in range(number, number + 1000):
                key, value = self.record(number)
                loader.stdin.write(b"%s\t%s\n" % (key, escape(value)))
            number += 1
            loader.stdin.flush()
            acknowledged = int(loader.stdout.readline().split()[1])
        loader.send_signal(signal.SIGKILL)
        for line in loader.stdout:  # of what it had acknowledged before it died
            if line.endswith(b"\n"):
                acknowledged = int(line.split()[1])
        loader.stdout.close()
        try:
            loader.stdin.close()
        except BrokenPipeError:
            pass
        self.assertEqual(loader.wait(), -signal.SIGKILL)
        return acknowledged, number

    def test_kill(self):
        for level, enough in (("buffered", 3000), ("written", 3000), ("synced", 500)):
            with self.subTest(level=level):
                shutil.rmtree(self.db, ignore_errors=True)
                acknowledged, sent = self.kill_a_load(level, enough)
                self.assertIn(b"no damage", self.ok("verify", self.db))
                found = {}
                for line in self.ok("dump", self.db, "--format", "jsonl").splitlines():
                    record = json.loads(line)
                    found[record["key"].encode()] = bytes.fromhex(record["value_hex"])
                expected = dict(self.record(number) for number in range(sent))
                for number in range(acknowledged):
                    key, value = self.record(number)
                    self.assertEqual(found.get(key), value, f"record {number} was acknowledged")
                for key, value in found.items():
                    self.assertEqual(expected.get(key), value, "a record that nobody put")
                self.ok("put", self.db, "after", "it")
                self.assertIn(b"no damage", self.ok("verify", self.db))


class SystemTest(CommandTest):
    """Rights and room."""

    def mount(self, size):
        """A file system of its own, or the test is skipped."""
        place = self.path("mount")
        os.mkdir(place)
        if os.geteuid() != 0:
            self.skipTest("not root: cannot mount a small file system")
        result = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place],
                                capture_output=True, text=True, check=False)
        if result.returncode != 0:
            self.skipTest(f"cannot mount a small file system: {result.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", place], check=False)
        self.db = os.path.join(place, "db")
        return place

    def test_no_space(self):
        place = self.mount("3m")
        self.ok("create", self.db, "--shards", "1")
        self.ok("put", self.db, "first", "stays")
        with open(os.path.join(place, "filler"), "wb") as file:
            file.write(b"x" * (1 << 20))
        text = b"".join(b"%06d\t%s\n" % (i, b"v" * 1000) for i in range(6000))
        for level in ("buffered", "written", "synced"):
            with self.subTest(level=level):
                result = self.fails(IO, "load", self.db, "--durability", level, stdin=text,
                                    says=(self.db, "No space left", "make room"))
                self.assertRegex(result.err, r"; \d+ records (are loaded|were put, but)")
        self.fails(IO, "put", self.db, "k", "-", stdin=b"x" * (2 << 20), says="No space left")
        self.fails(IO, "create", self.path("mount", "other"), "--shards", "256",
                   says="No space left")
        self.assertEqual(self.ok("get", self.db, "first"), b"stays\n")
        self.assertIn(b"no damage", self.ok("verify", self.db))
        os.remove(os.path.join(place, "filler"))
        self.ok("put", self.db, "k", "there is room again")
        self.assertEqual(self.ok("get", self.db, "k"), b"there is room again\n")
        self.assertIn(b"no damage", self.ok("verify", self.db))

    def test_read_only_file_system(self):
        place = self.mount("4m")
        self.ok("put", self.db, "k", "v")
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        for words in (("get", self.db, "k"), ("put", self.db, "k", "w"), ("verify", self.db),
                      ("create", os.path.join(place, "new"))):
            with self.subTest(words=words):
                self.fails(IO, *words, says=(place, "Read-only file system"))
        subprocess.run(["mount", "-o", "remount,rw", place], check=True)
        self.assertEqual(self.ok("get", self.db, "k"), b"v\n")

    def test_unwritable_directory(self):
        """As somebody whom rights bind: root is made to be nobody."""
        more = {}
        os.chmod(self.work, 0o755)
        command = self.path("armdb")
        shutil.copy(COMMAND, command)
        os.chmod(command, 0o755)
        self.ok("put", self.db, "k", "v")
        if os.geteuid() == 0:
            more = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            try:
                subprocess.run([command, "--version"], stdout=subprocess.DEVNULL, check=True,
                               **more)
            except (OSError, subprocess.SubprocessError) as error:
                self.skipTest(f"cannot become another user: {error}")
        for folder, names, files in os.walk(self.db):
            for name in names + files:
                os.chmod(os.path.join(folder, name), 0o555)
        os.chmod(self.db, 0o555)
        os.mkdir(self.path("locked"), 0o555)

        def restore():
            subprocess.run(["chmod", "-R", "u+rwX", self.work], check=False)
        self.addCleanup(restore)

        def refused(*words):
            result = subprocess.run([command, *words], capture_output=True, input=b"", check=False,
                                    **more)
            self.check_failure(Result(words, result.returncode, result.stdout, result.stderr), IO,
                               (self.work, "Permission denied", "must be writable"))
        for words in (("put", self.db, "k", "w"), ("get", self.db, "k"),
                      ("create", self.path("locked", "db")),
                      ("put", self.path("locked", "db"), "k", "v")):
            with self.subTest(words=words):
                refused(*words)
        restore()
        self.assertEqual(self.ok("get", self.db, "k"), b"v\n")

    def test_failing_device(self):
        """Files that may not grow: an error of the system in the middle of a load."""
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
        text = b"".join(b"%06d\t%s\n" % (i, b"v" * 100) for i in range(20000))
        self.ok("create", self.db, "--shards", "1")
        self.fails(IO, "load", self.db, stdin=text, says=(self.db, "File too large"),
                   preexec_fn=limit)
        self.assertIn(b"no damage", self.ok("verify", self.db))
        self.ok("put", self.db, "k", "v")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    COMMAND = os.path.abspath(sys.argv.pop(1))
    unittest.main()
