"""Documents and code agree: links lead somewhere, and every error code is explained.

Relative links in *.md files lead to files that exist, and #anchors to headings. Each code of
include/armdb/error.h is named in docs/ or in man/armdb.3.
"""

import os
import re

from common import Problem, blank, exists, files, line_of, read

LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
CODES = re.compile(r"^\s*X\((ARMDB_\w+),", re.MULTILINE)


def anchors(text):
    """The anchors that GitHub makes of the headings."""
    found = {}
    result = set(re.findall(r"<a\s+(?:id|name)=\"([^\"]+)\"", text))
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*#*$", FENCE.sub("", text), re.MULTILINE):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = found.get(anchor, 0)
        found[anchor] = count + 1
        result.add(f"{anchor}-{count}" if count else anchor)
    return result


def check_links(root):
    for path in files(root, (".",), (".md",)):
        text = read(root, path)
        prose = CODE.sub(lambda m: blank(m.group(0)), FENCE.sub(lambda m: blank(m.group(0)), text))
        for match in LINK.finditer(prose):
            link = match.group(1) or match.group(2)
            if re.match(r"[a-z]+:", link):
                continue
            target, _, anchor = link.partition("#")
            line = line_of(prose, match.start())
            if target.startswith("/"):
                yield Problem(path, line, f"link {link} is not relative")
                continue
            there = path
            if target:
                there = os.path.normpath(os.path.join(os.path.dirname(path), target))
            if there.startswith("..") or not exists(root, there):
                yield Problem(path, line, f"link to {target}, which is not there")
            elif anchor and there.endswith(".md") and anchor not in anchors(read(root, there)):
                yield Problem(path, line, f"link to #{anchor}, a heading that {there} has not")


def check_errors(root):
    header = "include/armdb/error.h"
    if not exists(root, header):
        return
    documents = files(root, ("docs",), (".md",))
    if exists(root, "man/armdb.3"):
        documents.append("man/armdb.3")
    text = "\n".join(read(root, path) for path in documents)
    names = CODES.findall(read(root, header))
    if not names:
        yield Problem(header, 0, "found no error codes in it")
    for name in names:
        if not re.search(r"\b%s\b" % name, text):
            yield Problem(header, 0, f"{name} is explained neither in docs/ nor in man/armdb.3")


def check(root):
    return list(check_links(root)) + list(check_errors(root))
