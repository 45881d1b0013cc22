"""The public headers say what a caller must know.

Each function declared in include/armdb/ has a comment (/** ... */) right above it. What it returns
and which threads may call it must be said too, in one of these places:

    Returns   for functions that return armdb_err: the function's own comment, or that of its
              section ("/* ---- reads", which speaks for all of them), says "Returns" or "return".
              Where only the codes of the file's head can come, the function is in
              lint/headers.allow. For other results the first sentence says what comes back.
    Threads   the own comment, that of the section, or that at the head of the file.

A function that hands out a pointer (T **x_out) says who ends or owns it; each @param names a
parameter.
"""

import re

from common import (AllowList, Problem, code_only, comments, files, line_of, read,
                    without_directives)

ALLOW = "lint/headers.allow"
OWNERSHIP = re.compile(
    r"\bend it with|\breleas|\bbelongs to|\bfree|\bowned|\bborrowed|\bvalid until", re.IGNORECASE)
RETURNS = re.compile(r"\breturns?\b", re.IGNORECASE)
THREADS = re.compile(r"\bthreads?\b", re.IGNORECASE)
SECTION = re.compile(r"/\* -{8,}")


def declarations(code):
    """(offset, text) of each function that is declared or defined at file level."""
    found = []
    depth = 0
    start = None
    offset = 0
    for line in code.split("\n"):
        is_extern_c = line.startswith("extern ") or (depth == 0 and line == "}")
        if not is_extern_c:
            if start is None and depth == 0 and line.strip():
                start = offset
            if start is not None and depth == 0 and ("{" in line or ";" in line):
                end = min(i for i in (line.find("{"), line.find(";")) if i >= 0)
                text = code[start:offset + end]
                if is_function(text):
                    found.append((start, text))
            depth += line.count("{") - line.count("}")
            if depth == 0 and (";" in line or "}" in line):
                start = None
        offset += len(line) + 1
    return found


def is_function(text):
    return "(" in text and "(*" not in text and not text.startswith("typedef") \
        and not text.startswith(("struct", "enum", "union")) and "=" not in text


def parameters(text):
    """(name, declaration) of each parameter."""
    inside = text[text.index("(") + 1:text.rindex(")")]
    found = []
    for part in inside.split(","):
        names = re.findall(r"[A-Za-z_]\w*", part)
        if names and names != ["void"]:
            found.append((names[-1], part))
    return found


def check_function(path, line, text, own, section, head, allow, used):
    name = re.search(r"([A-Za-z_]\w*)\s*\(", text).group(1)
    if own is None:
        return [Problem(path, line, f"{name}: no comment right above it")]
    problems = []
    returns_err = re.match(r"(?:ARMDB_API\s+|static\s+|inline\s+)*armdb_err\s+\w+\s*\(", text)
    if returns_err and not RETURNS.search(own) and not RETURNS.search(section):
        if name in allow.entries:
            used.add(name)
        else:
            problems.append(Problem(path, line, f"{name}: neither it nor its section says Returns"))
    if not THREADS.search(own) and not THREADS.search(section) and not THREADS.search(head):
        problems.append(Problem(path, line, f"{name}: nothing says which threads may call it"))
    names = [parameter for parameter, _ in parameters(text)]
    for parameter, declaration in parameters(text):
        if declaration.count("*") > 1 and not OWNERSHIP.search(own):
            problems.append(Problem(path, line, f"{name}: who ends or owns {parameter}?"))
    for parameter in re.findall(r"@param\s+(\w+)", own):
        if parameter not in names:
            problems.append(Problem(path, line, f"{name}: it has no parameter {parameter}"))
    return problems


def check(root):
    problems = []
    allow = AllowList(root, ALLOW)
    used = set()
    for path in files(root, ("include",), (".h", ".h.in")):
        text = read(root, path)
        code = without_directives(code_only(text))
        all_comments = comments(text)
        head = all_comments[0][1] if all_comments and all_comments[0][0] == 0 else ""
        if not head:
            problems.append(Problem(path, 1, "does not begin with a comment that says what it is"))
        for offset, declaration in declarations(code):
            own = None
            section = ""
            for at, comment in all_comments:
                if at < offset and SECTION.match(comment):
                    section = comment
                end = at + len(comment)
                if comment.startswith("/**") and text[end:offset] == "\n":
                    own = comment
            problems += check_function(path, line_of(text, offset), declaration, own, section, head,
                                       allow, used)
    return problems + allow.problems + allow.stale(used)
