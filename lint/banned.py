"""Names that must not be used in some or all places, with what to use in their stead."""

import re

from common import Problem, c_files, code_only, comments, line_of, read

HEAP = "malloc calloc realloc reallocarray aligned_alloc posix_memalign strdup strndup free"
SYSTEM = """
    open openat creat close read pread preadv preadv2 write pwrite pwritev pwritev2 lseek fsync
    fdatasync sync_file_range syncfs rename renameat unlink unlinkat remove mkdir rmdir opendir
    fdopendir readdir closedir scandir stat fstat lstat fstatat access truncate ftruncate fallocate
    posix_fallocate flock lockf fcntl ioctl fopen fdopen fread fwrite fclose time clock
    clock_gettime gettimeofday nanosleep clock_nanosleep usleep sleep rand rand_r srand random
    srandom drand48 getrandom getentropy arc4random fork system popen"""
MAPPING = "mmap munmap mremap madvise msync mprotect"
STRINGS = """
    strcpy stpcpy strcat strncat sprintf vsprintf strncpy atoi atol atoll atof strtok gets alloca"""
PRINTING = "printf fprintf vprintf vfprintf puts fputs putchar fputc putc perror"


class Rule:
    """Names (functions that are called, unless `pattern` is given) banned below `within`."""

    def __init__(self, names, within, instead, allowed=(), pattern=None):
        self.within = within
        self.instead = instead
        self.allowed = allowed
        self.pattern = re.compile(
            pattern or r"(?<![\w.>])(?:%s)(?=\s*\()" % "|".join(names.split()))

    def covers(self, path):
        return path.startswith(self.within) and not path.startswith(self.allowed)


EVERYWHERE = ("include/", "src/", "tools/", "tests/", "bench/", "examples/")
LIBRARY = ("include/", "src/")

RULES = [
    Rule(HEAP, LIBRARY, "base/mem.h", allowed=("src/base/mem.c",)),
    Rule(SYSTEM, LIBRARY, "os/os.h", allowed=("src/os/",)),
    Rule(MAPPING, LIBRARY, "index/pages.h", allowed=("src/os/", "src/index/pages.c")),
    Rule("", LIBRARY, "os/thread.h", allowed=("src/os/",),
         pattern=r"\bpthread_\w+|\b(?:thrd|mtx|cnd|tss)_\w+"),
    Rule("rand rand_r srand random srandom drand48", ("tests/",), "support/seed.h"),
    Rule(STRINGS, EVERYWHERE, "snprintf, memcpy, strtoul"),
    Rule(PRINTING, LIBRARY, "base/err.h", allowed=("src/base/assert.c",)),
    Rule("assert", EVERYWHERE, "ADB_ASSERT (cmocka's assert_* in tests)"),
    Rule("", LIBRARY + ("tools/",), "stdatomic.h", pattern=r"(?<!asm )\bvolatile\b"),
    Rule("", LIBRARY + ("tools/",), "release and acquire operations (sanitizers know no fence)",
         pattern=r"\batomic_(?:thread|signal)_fence\b|\b__sync_\w+|\b__atomic_\w+_fence\b"),
]

UNFINISHED = re.compile(r"\b(?:TODO|FIXME)\b")


def check(root):
    problems = []
    for path in c_files(root):
        text = read(root, path)
        code = code_only(text)
        for rule in RULES:
            if not rule.covers(path):
                continue
            for match in rule.pattern.finditer(code):
                problems.append(Problem(path, line_of(code, match.start()),
                                        f"{match.group(0)} is banned here: use {rule.instead}"))
        for offset, comment in comments(text):
            for match in UNFINISHED.finditer(comment):
                problems.append(Problem(path, line_of(text, offset + match.start()),
                                        f"{match.group(0)}: finish it, or open an issue"))
    return problems
