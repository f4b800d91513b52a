# SPDX-License-Identifier: MIT
"""The command line of plot.py."""
import argparse
import os
import pathlib
import sys

from plotting import agreement, cells, costs, draw, pageable, ratios, report, runfiles, shares, table
from plotting import throughput, topology, transfers, uncontended, validation, verdict, waits

FORMATS = ("png", "svg")
TABLES = {"uncontended": 1, "agreement": 2}  # by name, of how many runs
FIGURES = (ratios, pageable, throughput, waits, shares, transfers, uncontended, topology)


def formats(text):
    chosen = [part for part in text.split(",") if part]
    for part in chosen:
        if part not in FORMATS:
            raise argparse.ArgumentTypeError(f"'{part}' is not a format; allowed: {', '.join(FORMATS)}")
    if not chosen:
        raise argparse.ArgumentTypeError(f"no format; allowed: {', '.join(FORMATS)}")
    return list(dict.fromkeys(chosen))


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="plot.py",
        description="Figures, verdict and report.html from one or several runs of lockbench or locksim.",
        epilog="Writes OUT/plots/* and OUT/report.html. Exit status: 0 done, 1 a file of a run is broken or cannot be "
               "written, 2 wrong usage, 3 a Python package is missing.")
    parser.add_argument("dirs", metavar="DIR", nargs="+", type=pathlib.Path,
                        help="folder of a run (with run.json), or of one validation (with validation.json)")
    parser.add_argument("--out", type=pathlib.Path, help="where to write; default: DIR, if there is only one")
    parser.add_argument("--table", choices=tuple(TABLES),
                        help="print this table in Markdown, and draw nothing; uncontended: what each lock costs that "
                             "nobody else wants, beside its floor, and why; agreement: of a native and a simulated "
                             "run, how far they agree")
    parser.add_argument("--format", type=formats, default=list(FORMATS), help="png, svg or both (default): png,svg")
    options = parser.parse_args(arguments)
    if options.table and len(options.dirs) != TABLES[options.table]:
        parser.error(f"--table={options.table}: of {TABLES[options.table]} run(s), not {len(options.dirs)}")
    if not options.table and options.out is None and len(options.dirs) > 1:
        parser.error("several runs: say where the figures go with --out=DIR")
    if len({path.resolve() for path in options.dirs}) != len(options.dirs):
        parser.error("a folder is named twice: its windows would count twice")
    options.out = options.out or options.dirs[0]
    return options


def prefixes(datasets):
    """What file names start with: nothing for one dataset, else its platform and a number."""
    if len(datasets) == 1:
        return [""]
    return [f"{draw.slug(dataset.platform)}{number}_" for number, dataset in enumerate(datasets, 1)]


def say(lines):
    """Prints; a reader who had enough (`| head`) does not keep the files from being written."""
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def plot(options):
    if any((path / validation.FILE).exists() for path in options.dirs):
        return plot_validation(options)
    runs = [runfiles.read_run(path, number) for number, path in enumerate(options.dirs)]
    draw.use_style()
    datasets = cells.datasets_of(runs)
    if options.table:
        command = f"./plot.py {' '.join(map(str, options.dirs))} --table={options.table}"
        if options.table == "uncontended":
            costs.show(datasets[0], command)
        else:
            say(agreement.markdown(datasets, command))
        return 0
    sections, figures = [], []
    for warning in [warning for run in runs for warning in run.warnings]:
        print(f"plot.py: warning: {warning}", file=sys.stderr)
    for dataset, prefix in zip(datasets, prefixes(datasets)):
        # The words first: drawing takes a while.
        blocks, lines = table.blocks(dataset), verdict.verdict(dataset)
        warnings = [f"warning: {warning}" for warning in report.warnings_of(dataset)]
        say([dataset.label] + warnings + [""] + table.text(dataset, blocks) + lines + [""])
        writer = draw.Writer(options.out / "plots", options.format, dataset, prefix)
        for kind in FIGURES:
            kind.draw_all(writer)
        sections.append((dataset, writer.drawn, lines, blocks))
        figures += writer.drawn
    report.write(options.out / "report.html", sections)
    say([f"plot: {path}" for figure in figures for path in figure.paths])
    say([f"report: {options.out / 'report.html'}"])
    return 0


def plot_validation(options):
    """The folder of `locksim validate`, which holds no run."""
    if len(options.dirs) > 1 or options.table:
        raise runfiles.UsageError("the folder of a validation is drawn alone and has no tables of costs")
    say([f"plot: {path}" for path in validation.plot(options.dirs[0], options.out, options.format)])
    return 0


def main(arguments=None):
    options = parse(arguments)
    try:
        return plot(options)
    except runfiles.UsageError as error:
        print(f"plot.py: {error}", file=sys.stderr)
        return 2
    except runfiles.DataError as error:
        print(f"plot.py: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"plot.py: cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
