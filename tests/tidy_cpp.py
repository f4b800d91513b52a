# SPDX-License-Identifier: MIT
"""Rules of tests/tidy.py that read C++: who includes whom, effects outside the seam, wait loops, memory orders."""
import posixpath
import re

LAYERS = ("platform", "locks", "workloads", "bench")  # each may include itself and those before it
TEMPLATES = ("locks", "workloads")  # the layers whose text runs on every platform
# Adapters of a library's locks exist on the native platform alone: they may use what that library needs.
NATIVE_ONLY = re.compile(r"locks/(native_only|[a-z0-9_]*peers[a-z0-9_]*)\.hpp$")
PLATFORMS = re.compile(r"platform/((native|coop|fiber|site)[a-z0-9_]*|(explore|sim)/[a-z0-9_]*)\.hpp$")
BENCH_LIBRARIES = re.compile(r"^(hwloc|numa|numaif|papi|benchmark)\b")
EFFECT_HEADERS = re.compile(
    r"^(atomic|thread|mutex|shared_mutex|condition_variable|semaphore|latch|barrier|future|stop_token|chrono|random|"
    r"ctime|csignal|cstdlib|fstream|iostream|.*\.h)$")
EFFECTS = (
    (re.compile(r"\bstd::(atomic|memory_order|thread|jthread|this_thread|mutex|shared_mutex|condition_variable)\w*"),
     "concurrency of the standard library: use the Platform"),
    (re.compile(r"\bstd::(chrono|random_device|mt19937|default_random_engine)\w*|\b(s?rand|time|clock)\s*\(\s*\)"),
     "a clock or randomness outside the Platform"),
    (re.compile(r"\bthread_local\b"), "thread_local: use P::PerThread"),
    (re.compile(r"\b__builtin_ia32\w*|\b_mm_\w+|\b(__)?asm(__)?\b"), "machine instructions: they live in platform/"),
    (re.compile(r"\bvolatile\b"), "volatile: use P::Atomic"),
    (re.compile(r"\b__(atomic|sync)_\w+"), "compiler atomics: use P::Atomic"),
    (re.compile(r"^\s*(static|inline)\s+(?!constexpr\b|const\b|consteval\b|constinit\s+const\b)[^()]*[;={]\s*$"),
     "mutable state outside the Platform: it would outlive the trial"),
)
TOKEN = re.compile(r"""//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'""",
                   re.S)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SEAM_OPERATION = re.compile(
    r"(\.|->)\s*(template\s+)?(load|exchange|compare_exchange|try_cas|fetch_(add|sub|and)|add_fetch_test|"
    r"test_and_set_bit|await\w*|try_lock\w*)\s*[(<]|\bP::(poll|relax|pause|yield|sleep|park)\w*\s*\(")
LOOP = re.compile(r"\b(?:(while|for)\s*\(|(do)\s*\{)")
ORDER = re.compile(r"(?<![\w.>])(?:Order::)?\b(relaxed|acquire|release|acq_rel|seq_cst)\b(?!\s*\()")
LABEL = r"(?:[AR]\d+)"
PARTNER = r"(?:[\w./]+:)?[AR]\d+"
JOIN = r"(?:\s*,\s*and\s+|\s*,\s*|\s+and\s+)"
DEFINITION = re.compile(rf"\b({LABEL}(?:{JOIN}{LABEL})*)\s*[,:]?\s*pairs? with\s+({PARTNER}(?:{JOIN}{PARTNER})*)")
MENTION = re.compile(rf"(?<![\w.:/]){LABEL}\b")


class Source:
    """A C++ file: its lines as they are, as code without comments and strings, and as comments."""

    def __init__(self, path, text):
        self.path = path
        self.layer = path.split("/")[0]
        self.lines = text.split("\n")
        code, comments, end = [], [], 0
        for token in TOKEN.finditer(text):
            found = token.group(0)
            blank = re.sub(r"[^\n]", " ", found)
            is_comment = found.startswith("//") or found.startswith("/*")
            code += [text[end:token.start()], blank if is_comment else '"' + blank[1:-1] + '"']
            comments += [re.sub(r"[^\n]", " ", text[end:token.start()]), found if is_comment else blank]
            end = token.end()
        code.append(text[end:])
        comments.append(re.sub(r"[^\n]", " ", text[end:]))
        self.code = "".join(code).split("\n")
        self.comments = [re.sub(r"^\s*(//+|/\*+|\*+(?!/))|\*+/\s*$", "", line).strip() for line in
                         "".join(comments).split("\n")]

    def includes(self):
        """Yields (line number from 1, '<' or '"', name)."""
        for number, (line, code) in enumerate(zip(self.lines, self.code), 1):
            found = INCLUDE.match(line)
            if found and code.lstrip().startswith("#"):
                yield number, found.group(1), found.group(2)

    def comment_only(self, index):
        return bool(self.comments[index]) and not self.code[index].strip()


def is_template(source):
    return source.layer in TEMPLATES and not NATIVE_ONLY.search(source.path)


def check_includes(sources, known):
    """Includes go one way: platform <- locks <- workloads <- bench; tests may see all."""
    for source in sources:
        for line, bracket, name in source.includes():
            if bracket == '"':
                yield from ((source.path, line, problem) for problem in project_include(source, name, known))
            elif BENCH_LIBRARIES.match(name) and source.layer != "bench" and not source.path.startswith("tests/bench/"):
                yield source.path, line, f"<{name}> belongs to bench/"
            elif is_template(source) and EFFECT_HEADERS.match(name):
                yield source.path, line, f"<{name}> brings an effect outside the Platform"


def project_include(source, name, known):
    target = name.split("/")[0]
    if name not in known:
        yield f'"{name}" is not a file of the project: name project files from the top folder, others in <>'
    elif target == "tests" and source.layer != "tests":
        yield f'"{name}": only tests include tests'
    elif source.layer in LAYERS and (target not in LAYERS or LAYERS.index(target) > LAYERS.index(source.layer)):
        yield f'"{name}": {source.layer}/ may not include {target}/'
    elif is_template(source) and PLATFORMS.search(name):
        yield f'"{name}": {source.layer}/ sees the Platform seam, never one platform'


def check_effects(sources, _known):
    """locks/ and workloads/ have no effect but through the Platform."""
    for source in filter(is_template, sources):
        for line, code in enumerate(source.code, 1):
            for pattern, problem in EFFECTS:
                if pattern.search(code):
                    yield source.path, line, problem


def check_preprocessor(sources, _known):
    """No #if and no macro in locks/ and workloads/: variants are template parameters."""
    for source in sources:
        if source.layer not in TEMPLATES:
            continue
        for line, code in enumerate(source.code, 1):
            found = re.match(r"\s*#\s*(if|ifdef|ifndef|elif|else|define)\b", code)
            if found and not (NATIVE_ONLY.search(source.path) and found.group(1) != "define"):
                yield source.path, line, f"#{found.group(1)} in {source.layer}/"


def closing(text, start, pair):
    """Index just behind the bracket that closes the one at `start`, or the end of the text."""
    depth = 0
    for index in range(start, len(text)):
        if text[index] == pair[0]:
            depth += 1
        elif text[index] == pair[1]:
            depth -= 1
            if depth == 0:
                return index + 1
    return len(text)


def loop_body(text, head_end):
    while head_end < len(text) and text[head_end].isspace():
        head_end += 1
    if head_end < len(text) and text[head_end] == "{":
        return text[head_end:closing(text, head_end, "{}")]
    return text[head_end:text.find(";", head_end) + 1]


def waiting_part(text, found):
    """The part of the loop at `found` in which an operation of the seam makes it a wait; empty where none would."""
    if found.group(2):
        return text[found.end() - 1:closing(text, found.end() - 1, "{}")]
    head_end = closing(text, found.end() - 1, "()")
    head = text[found.end():head_end - 1]
    if found.group(1) == "for":
        parts = head.split(";")
        if len(parts) < 3 or re.search(r"\bP::(template\s+)?(Retry|EffectLoop)\b", head):
            return ""  # over a range, or one of the seam's own loops
        if parts[1].strip():
            return parts[1]  # ends by its own condition, unless that one asks the seam
    return head + loop_body(text, head_end)


def check_wait_loops(sources, _known):
    """Every wait is an operation of the Platform, so that an explorer or a simulator can see it."""
    for source in filter(is_template, sources):
        text = "\n".join(source.code)
        for found in LOOP.finditer(text):
            line = text.count("\n", 0, found.start())
            bounded = any("bounded:" in comment for comment in source.comments[max(0, line - 3):line + 1])
            if SEAM_OPERATION.search(waiting_part(text, found)) and not bounded:
                yield (source.path, line + 1, "a loop around operations of the seam: wait with await, P::Retry or "
                       "P::EffectLoop, or say in a comment `bounded: why`")


def statement_comments(source, index):
    """The comments that belong to the statement around line `index` (from 0): inside it, or directly above."""
    start = index
    while start > 0:
        above = source.code[start - 1].rstrip()
        if (above.strip() and above[-1] in ";{}") or re.search(r"[^:]:$", above) or not source.lines[start - 1].strip():
            break
        start -= 1
    end = index
    while end + 1 < len(source.code) and source.code[end].strip() and source.code[end].rstrip()[-1] not in ";{}":
        end += 1
    return " ".join(comment for comment in source.comments[start:end + 1] if comment)


def check_orders(sources, _known):
    """Every memory order but seq_cst has its reason beside it; acquires and releases name their label."""
    for source in filter(is_template, sources):
        for index, code in enumerate(source.code):
            if code.lstrip().startswith("#"):
                continue
            orders = set(ORDER.findall(code))
            if not orders:
                continue
            comment = statement_comments(source, index)
            if not comment:
                yield source.path, index + 1, f"{'/'.join(sorted(orders))} without a reason on its line or above"
            elif orders & {"acquire", "release", "acq_rel"} and not MENTION.search(comment):
                yield source.path, index + 1, f"{'/'.join(sorted(orders))} without a label (A1, R1, ..) in its comment"


def labels_of(source):
    """Returns ({label: (line, [partners])}, {label: line of a mention}) of a file's comments."""
    blocks, start = [], None
    for index, comment in enumerate(source.comments + [""]):
        if comment and start is None:
            start = index
        elif not comment and start is not None:
            blocks.append((start + 1, " ".join(source.comments[start:index])))
            start = None
    defined, mentioned = {}, {}
    for line, text in blocks:
        for found in DEFINITION.finditer(text):
            partners = re.findall(PARTNER, found.group(2))
            for label in re.findall(LABEL, found.group(1)):
                defined.setdefault(label, (line, []))[1].extend(partners)
        for label in MENTION.findall(text):
            mentioned.setdefault(label, line)
    return defined, mentioned


def check_labels(sources, _known):
    """Labels of memory orders pair up: A1 names R1 and R1 names A1, also across files (file.hpp:R1)."""
    tables = {source.path: labels_of(source) for source in sources if source.layer in TEMPLATES}
    for path, (defined, mentioned) in tables.items():
        for label, line in mentioned.items():
            if label not in defined:
                yield path, line, f"{label} is mentioned but no comment says what it pairs with"
        for label, (line, partners) in defined.items():
            yield from ((path, line, problem) for problem in pairing(tables, path, label, partners))


def pairing(tables, path, label, partners):
    for partner in dict.fromkeys(partners):
        where, _, other = partner.rpartition(":")
        other_path = path
        if where:
            matches = [known for known in tables if known == where or posixpath.basename(known) == where]
            if len(matches) != 1:
                yield f"{label} pairs with {partner}, but no single file is called {where}"
                continue
            other_path = matches[0]
        if other[0] == label[0]:
            # One comment may define an acquire and a release together and list the partners of both.
            if not any(name.rpartition(":")[2][0] != label[0] for name in partners):
                yield f"{label} pairs with {partner}: an acquire pairs with a release"
            continue
        theirs = tables[other_path][0].get(other)
        if theirs is None:
            yield f"{label} pairs with {partner}, which no comment defines"
        elif label not in [name.rpartition(":")[2] for name in theirs[1]]:
            yield f"{label} pairs with {partner}, but {partner} does not name {label}"


def check_registered(sources, _known):
    """A header of locks/ or workloads/ that no registry reaches is in no test and in no tool."""
    by_path = {source.path: source for source in sources}
    # The adapters of library locks are lists of their own; the tool that includes one registers it.
    todo = [f"{layer}/registry.hpp" for layer in TEMPLATES]
    todo += [name for source in sources if source.layer == "bench"
             for _, bracket, name in source.includes() if bracket == '"' and NATIVE_ONLY.search(name)]
    reached = set()
    while todo:
        path = todo.pop()
        if path in by_path and path not in reached:
            reached.add(path)
            todo += [name for _, bracket, name in by_path[path].includes() if bracket == '"']
    for path, source in by_path.items():
        if source.layer in TEMPLATES and path not in reached:
            yield path, 1, "no registry.hpp reaches this file"


RULES = {
    "includes": check_includes,
    "effects": check_effects,
    "preprocessor": check_preprocessor,
    "wait-loops": check_wait_loops,
    "orders": check_orders,
    "labels": check_labels,
    "registered": check_registered,
}
