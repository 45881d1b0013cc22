"""What the checkers share: finding files, reading C without comments, and reporting."""

import os
import re

C_DIRECTORIES = ("include", "src", "tools", "tests", "bench", "examples")
SKIPPED_DIRECTORIES = {".git", "build", "__pycache__", "corpus"}


class Problem:
    """One finding: where, and what is wrong."""

    def __init__(self, path, line, text):
        self.path = path
        self.line = line
        self.text = text

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}" if self.line else f"{self.path}: {self.text}"


def files(root, directories, suffixes):
    """Paths relative to `root` of all files below `directories` that end in a suffix, sorted."""
    found = []
    for directory in directories:
        for folder, names, entries in os.walk(os.path.join(root, directory)):
            names[:] = [n for n in names if n not in SKIPPED_DIRECTORIES]
            for entry in entries:
                if entry.endswith(suffixes):
                    found.append(os.path.relpath(os.path.join(folder, entry), root))
    return sorted(set(os.path.normpath(path) for path in found))


def c_files(root, directories=C_DIRECTORIES):
    return files(root, directories, (".c", ".h"))


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def exists(root, path):
    return os.path.exists(os.path.join(root, path))


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)
      | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.DOTALL | re.VERBOSE)


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def code_only(text, keep_strings=False):
    """The text with comments (and what is in string literals) turned into spaces of equal size."""

    def replace(match):
        if match.group("comment"):
            return blank(match.group(0))
        if keep_strings:
            return match.group(0)
        quote = match.group(0)[0]
        return quote + blank(match.group(0)[1:-1]) + quote

    return TOKEN.sub(replace, text)


def without_directives(code):
    """The code with preprocessor lines (and their continuations) turned into spaces."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda match: blank(match.group(0)), code,
                  flags=re.MULTILINE)


def comments(text):
    """(offset, text) of each comment."""
    return [(m.start(), m.group(0)) for m in TOKEN.finditer(text) if m.group("comment")]


INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+([<"])([^>"\n]+)[>"]', re.MULTILINE)


def includes(text):
    """(line, is_quoted, name) of each include."""
    code = code_only(text, keep_strings=True)
    return [(line_of(code, m.start()), m.group(1) == '"', m.group(2))
            for m in INCLUDE.finditer(code)]


def functions(text):
    """(name, first line, last line) of each function body, by the layout that clang-format makes.

    A body begins with a brace that ends a line at file level and follows a parameter list, and
    ends with the next closing brace in column 0.
    """
    lines = code_only(text).split("\n")
    found = []
    start = None
    for number, line in enumerate(lines, 1):
        if start is None:
            if line == "{" or re.match(r"^[A-Za-z_].*\)\s*\{\s*$", line):
                start = head_of(lines, number)
        elif line.startswith("}"):
            if start[0] is not None:
                found.append((start[0], start[1], number))
            start = None
    return found


def head_of(lines, number):
    """(name or None, first line) of the function whose brace is in line `number`."""
    first = number
    if lines[number - 1].strip() == "{":
        first -= 1
    while first > 1 and (lines[first - 1].startswith((" ", "\t")) or not lines[first - 1].strip()):
        first -= 1
    match = re.match(r"^(?:.*[\s*])?([A-Za-z_]\w*)\s*\(", lines[first - 1])
    if match is None or match.group(1) in ("if", "while", "for", "switch"):
        return None, first
    previous = lines[first - 2] if first > 1 else ""
    if re.match(r"^[A-Za-z_][\w\s*()]*$", previous) and lines[first - 1].startswith(match.group(1)):
        first -= 1
    return match.group(1), first


class AllowList:
    """A file of exceptions: one a line, `key  # reason`, sorted; each must have a reason."""

    def __init__(self, root, path):
        self.path = path
        self.entries = {}
        self.problems = []
        if not exists(root, path):
            return
        keys = []
        for number, line in enumerate(read(root, path).split("\n"), 1):
            if not line.strip() or line.startswith("#"):
                continue
            key, _, reason = line.partition("#")
            key = " ".join(key.split())
            if not reason.strip():
                self.problems.append(Problem(path, number, f"{key}: a reason is missing (# ...)"))
            self.entries[key] = number
            keys.append(key)
        if keys != sorted(keys):
            self.problems.append(Problem(path, 0, "entries are not sorted"))

    def stale(self, used):
        return [Problem(self.path, number, f"{key}: not needed any more; remove it")
                for key, number in self.entries.items() if key not in used]
