"""Who may include whom.

Layers are listed from the bottom up. A file may include headers of its own layer and of those below
it, never of a layer beside its own or above. Includes are written from src/ ("log/data_file.h").
No header named *_private.h leaves its directory; public headers include only public ones; tools
include only public headers and their own.

No headers include each other in a circle, and no modules (x.c and x.h are one) need each other. A
header x_private.h is no module: it is the part of a directory that its files share, so what it
includes is not held against the module that includes it.
"""

import os

from common import Problem, c_files, exists, includes, read

ORDER = [["base"], ["os"], ["log", "index", "cache"], ["shard"], ["db"], ["api"]]

# Narrower than the order allows: of a layer below, only these headers.
ONLY = {("index", "os"): {"os/thread.h"}, ("cache", "os"): {"os/mapping.h", "os/thread.h"}}

RANK = {layer: rank for rank, layers in enumerate(ORDER) for layer in layers}


def check_src(root, path, line, is_quoted, name):
    """A text if a file of src/ must not include `name`, else None."""
    layer = path.split("/")[1]
    if name.startswith("armdb/"):
        return None if is_quoted else 'write public headers in quotes: "armdb/..."'
    if not is_quoted:
        return None
    if "/" not in name or not exists(root, "src/" + name):
        return f'"{name}" is not a file below src/ (write "layer/file.h")'
    other = name.split("/")[0]
    if other not in RANK:
        return f"{other} is not a layer known to lint/layers.py"
    if name.endswith("_private.h") and other != layer:
        return f"{name} is private to src/{other}/"
    if RANK[other] > RANK[layer]:
        return f"{layer} is below {other}: it must not include {name}"
    if RANK[other] == RANK[layer] and other != layer:
        return f"{layer} and {other} are separate: no include of {name}"
    if (layer, other) in ONLY and name not in ONLY[layer, other]:
        return f"of {other}, {layer} may include only {', '.join(sorted(ONLY[layer, other]))}"
    return None


def check_public(name, is_quoted):
    if not is_quoted or name.startswith("armdb/"):
        return None
    return f"a public header must not include {name}"


def check_tool(root, path, name, is_quoted):
    if not is_quoted or name.startswith("armdb/"):
        return None
    if "/" not in name and exists(root, os.path.join(os.path.dirname(path), name)):
        return None
    return f"a tool may include only armdb/*.h and headers beside it, not {name}"


def module_of(path):
    return os.path.splitext(path)[0]


def is_private(path):
    return path.endswith("_private.h")


def add_edge(graph, node, other):
    if node != other:
        graph.setdefault(node, set()).add(other)


def cycles(graph):
    """Strongly connected sets of more than one node (Tarjan)."""
    index, low, stack, on_stack, found = {}, {}, [], set(), []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on_stack.add(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on_stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            members = []
            while True:
                member = stack.pop()
                on_stack.discard(member)
                members.append(member)
                if member == node:
                    break
            if len(members) > 1:
                found.append(sorted(members))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def check(root):
    problems = []
    headers = {}
    modules = {}
    for path in c_files(root, ("include", "src", "tools")):
        if path.startswith("src/") and path.split("/")[1] not in RANK:
            problems.append(Problem(path, 0, "not in a layer known to lint/layers.py"))
            continue
        for line, is_quoted, name in includes(read(root, path)):
            if path.startswith("src/"):
                text = check_src(root, path, line, is_quoted, name)
                target = "src/" + name
            elif path.startswith("include/"):
                text = check_public(name, is_quoted)
                target = "include/" + name
            else:
                text = check_tool(root, path, name, is_quoted)
                target = os.path.join(os.path.dirname(path), name)
            if text is not None:
                problems.append(Problem(path, line, text))
            if not is_quoted or not exists(root, target):
                continue
            if path.endswith(".h"):
                add_edge(headers, path, target)
            if not is_private(path) and not is_private(target):
                add_edge(modules, module_of(path), module_of(target))
    for members in cycles(headers):
        problems.append(Problem(members[0], 0, "include each other: " + ", ".join(members)))
    for members in cycles(modules):
        problems.append(Problem(members[0], 0, "modules need each other: " + ", ".join(members)))
    return problems
