# SPDX-License-Identifier: MIT
"""report.html: everything in one file that opens without a network."""
import base64
import html
import json

from plotting import runfiles, transfers, verdict

STYLE = """
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #1a1a1a; max-width: 1280px; margin: 2em auto;
       padding: 0 1.2em; }
h1 { font-size: 1.6em; } h2 { margin-top: 2em; border-bottom: 1px solid #ccc; } h3 { margin-bottom: .3em; }
.source { color: #555; } .simulated { color: #c00000; font-weight: bold; }
.warnings { background: #fff4d6; border-left: 5px solid #e69f00; padding: .5em 1em; }
pre { background: #f6f6f6; padding: 1em; overflow-x: auto; font-size: 13px; line-height: 1.45; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; }
td, th { padding: .2em .7em; border-bottom: 1px solid #e4e4e4; text-align: right; white-space: nowrap; }
td:first-child, th:first-child, .facts td { text-align: left; } .facts td { white-space: normal; vertical-align: top; }
td.words { text-align: left; white-space: normal; } tr.failed td { color: #c00000; text-decoration: line-through; }
tr.failed td.words { text-decoration: none; }
figure { margin: 1.5em 0 2.5em; } figure img { max-width: 100%; height: auto; border: 1px solid #eee; }
figcaption { color: #444; max-width: 60em; }
"""

HOW_TO_READ = (
    "A cell is one lock on one workload with one thread count; a window is one timed measurement of it. Each block "
    "holds every cell once in a fresh random order and is measured by a process of its own.",
    "Points are medians over windows; bars are 95 % percentile-bootstrap intervals of the median (4000 resamples, "
    "fixed seed). Faint dots are the single windows: nothing is discarded.",
    "Locks are compared within blocks: the ratio of medians, with the windows of one block drawn together, so that "
    "what a block did to both locks does not widen the interval.",
    "The A/A pair is one cell measured as if it were two. How far its interval reaches from 1 is the noise floor; "
    "a difference is one only where its whole interval lies beyond.",
    "Readers and writers are apart everywhere: a lock that starves one side cannot hide it in a sum.",
    "Waits are sampled (one acquisition in k, random phase); percentiles are read off histograms that were added "
    "up, never averaged; where there are too few samples there is no number.",
    "A cell whose windows fall into two groups is shown as two medians; no single number is given for it.",
    "A cell with a failed check is crossed out: its invariants did not hold, so its rates mean nothing.",
    "Cells with more threads than CPUs stand apart, with their context switches: there the scheduler decides.",
    "(excl.) marks a lock without a shared mode: its readers exclude one another.",
)

NOT_CLAIMED = (
    "Nothing here speaks of a machine other than the one named, and of no kernel: the workloads are models in user "
    "space of the kernel's anon_vma paths, and the locks are the kernel's algorithms, not its code.",
    "A thread that spins can be taken off its CPU here; in the kernel a spinning lock turns preemption off. "
    "Windows in which this happened are flagged, and verdicts are given with and without them.",
    "Closed loops: a thread that waits starts no new operation, so waits that an open arrival would have had are "
    "not seen.",
    "Hand-offs are counted in software by who took the lock, not by where its cache lines were.",
    "The published numbers of 2013 come from machines of 4 to 8 sockets; only the sign of a difference is compared "
    "with them.",
)


def escape(value):
    return html.escape(str(value))


def html_list(items):
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def html_table(header, rows, failed=(), kind=""):
    """Rows of texts; the last column is words."""
    def cell(tag, row, at):
        words = ' class="words"' if at == len(row) - 1 else ""
        return f"<{tag}{words}>{escape(row[at])}</{tag}>"

    head = "<tr>" + "".join(cell("th", header, at) for at in range(len(header))) + "</tr>" if header else ""
    body = ""
    for row in rows:
        cells = "".join(cell("td", row, at) for at in range(len(row)))
        body += f"<tr{' class=failed' if row[0] in failed else ''}>{cells}</tr>"
    return f'<div class="scroll"><table class="{kind}">{head}{body}</table></div>'


def flat(value, prefix=""):
    """[(dotted name, text)] of a nested fact; null says so."""
    if isinstance(value, dict):
        return [entry for key, inner in value.items() for entry in flat(inner, f"{prefix}.{key}" if prefix else key)]
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        return [entry for at, inner in enumerate(value) for entry in flat(inner, f"{prefix}[{at}]")]
    if isinstance(value, list):
        return [(prefix, ", ".join(str(item) for item in value) or "none")]
    if value is None:
        return [(prefix, "not told by this host")]
    return [(prefix, json.dumps(value) if isinstance(value, bool) else str(value))]


def image(figure):
    """The figure as a data URI: the SVG where there is one."""
    path = next((p for p in figure.paths if p.suffix == ".svg"), figure.paths[0])
    kind = "image/svg+xml" if path.suffix == ".svg" else "image/png"
    data = base64.b64encode(path.read_bytes()).decode()
    return (f'<figure id="{escape(figure.name)}"><img alt="{escape(figure.title)}" src="data:{kind};base64,{data}">'
            f"<figcaption><b>{escape(figure.title)}.</b> {escape(figure.caption)}</figcaption></figure>")


def warnings_of(dataset):
    """What would spoil the measurement, from the files and from the host, each once."""
    found = []
    for run in dataset.runs:
        found += run.warnings
        found += [f"{entry['text']} ({entry['code']})" for entry in run.host.get("warnings") or []]
        if run.host.get("dirty") and not any("dirty" in entry["code"] for entry in run.host.get("warnings") or []):
            found.append("The source had changes that are not in the commit named below.")
    found += [line for line in verdict.noise_lines(dataset) if verdict.DIFFERS in line]
    return list(dict.fromkeys(found))


def flagged(dataset):
    """[(lock, workload, threads, repetition, block, flags and failures)] of every flagged window."""
    rows = []
    for cell in dataset.cells.values():
        for window in cell.all_windows():
            if window["flags"]:
                words = ", ".join(window["flags"])
                failures = (window["checks"] or {}).get("failed") or []
                rows.append([cell.lock, cell.variant.title, str(cell.threads), str(window["repetition"]),
                             str(window["block"]), words + (": " + " ".join(failures) if failures else "")])
    return rows


def locks_table(dataset):
    header = ["lock", "family", "release", "waits by", "readers share", "fairness", "may sleep holding it", "bytes",
              "RMW read", "RMW write", "origin"]
    keys = ("name", "family", "kernel_release", "kind", "shared", "fairness", "hold_across_sleep", "bytes", "rmw_read",
            "rmw_write", "origin")
    words = {True: "yes", False: "no"}
    return html_table(header, [[str(words.get(lock.get(key), lock.get(key, "-")) if isinstance(lock.get(key), bool)
                                    else lock.get(key, "-")) for key in keys] for lock in dataset.locks.values()])


def run_facts(run):
    info = run.info
    plan = {key: value for key, value in info["plan"].items() if key not in ("cells", "order")}
    facts = [("folder", str(run.path)), ("command", " ".join(info["command"])), ("status", info["status"]),
             ("started", info["started_at"]), ("finished", info.get("finished_at") or "did not finish"),
             ("tool", f"{info['tool']} {info.get('tool_version', '')}")] + flat(plan, "plan")
    host = {key: value for key, value in run.host.items() if key != "warnings"}
    return facts + flat(host)


def counters_section(dataset):
    missing = transfers.missing_counters(dataset)
    if not missing:
        return ""
    rows = [list(entry) for entry in missing.items()]
    return "<h3>Counters that this run could not have</h3>" + html_table(["counter", "why"], rows)


def section(dataset, figures, verdict_lines, blocks):
    """All of one dataset."""
    failed = {(block.title, cell.lock) for block in blocks
              for cell in dataset.cells_of(block.variant, block.threads, controls=True) if cell.failed}
    kind = "simulated" if dataset.simulated else "source"
    heading = "SIMULATED" if dataset.simulated else "Measured"
    parts = [f'<h2>{heading}</h2><p class="{kind}">{escape(dataset.label)}</p>']
    warnings = warnings_of(dataset)
    parts.append(f'<div class="warnings"><b>Warnings</b>{html_list(warnings)}</div>' if warnings else
                 "<p>No warnings: nothing on this host is known to spoil a measurement.</p>")
    ratios = [figure for figure in figures if figure.name.endswith("ratios")]
    machines = [figure for figure in figures if figure.name.endswith("topology")]
    parts.append("<h3>Verdict</h3><ul>" + "".join(f"<li>{escape(sentence)}{html_list(claims) if claims else ''}</li>"
                 for sentence, claims in verdict.summary(dataset, verdict.findings(dataset))) + "</ul>")
    parts += [image(figure) for figure in ratios]
    parts.append("<details open><summary>Every claim with its ratio</summary><pre>"
                 + escape("\n".join(verdict_lines)) + "</pre></details>")
    parts.append("<p>Where the claims come from:</p>" + html_list(dict.fromkeys(
        f"{sign.first} / {sign.second}: {sign.source}" for sign in verdict.SIGNS)))
    others = [figure for figure in figures if figure not in ratios + machines]
    parts.append("<h3>Figures</h3>" + "".join(image(figure) for figure in others))
    parts.append("<h3>All cells</h3>")
    for block in blocks:
        parts.append(f"<h4>{escape(block.title)}</h4>" + html_table(
            block.header, block.rows, {lock for title, lock in failed if title == block.title}))
    rows = flagged(dataset)
    parts.append(f"<h3>Flagged windows</h3><p>{len(rows)} windows carry a flag; none was discarded but those marked "
                 "interrupted or killed, which are no measurements.</p>")
    parts.append("<details><summary>All of them</summary>" + html_table(
        ["lock", "workload", "threads", "repetition", "block", "flags"], rows) + "</details>")
    parts.append(html_table(["flag", "meaning"], [[name, words] for name, words in runfiles.FLAGS.items()]))
    parts.append(counters_section(dataset))
    parts.append("<h3>Locks</h3>" + locks_table(dataset))
    parts.append("<h3>Host and plan</h3>")
    parts += [image(figure) for figure in machines]
    parts += [html_table([], [list(fact) for fact in run_facts(run)], kind="facts") for run in dataset.runs]
    return "\n".join(parts)


def write(path, sections):
    """`sections`: [(dataset, figures, verdict lines, table blocks)]."""
    path.parent.mkdir(parents=True, exist_ok=True)  # no figure may have been drawn
    native = [entry for entry in sections if not entry[0].simulated]
    title = "lockbench: which lock for the reverse map?"
    mixed = 0 < len(native) < len(sections)
    intro = "Measured and simulated results are apart below and never share an axis." if mixed else ""
    body = "\n".join(section(*entry) for entry in sections)
    page = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style></head><body>
<h1>{escape(title)}</h1><p>{escape(intro)}</p>
{body}
<h2>How to read this</h2>{html_list(HOW_TO_READ)}
<h2>What is not claimed</h2>{html_list(NOT_CLAIMED)}
</body></html>
"""
    path.write_text(page, encoding="utf-8")
