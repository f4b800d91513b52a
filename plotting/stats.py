# SPDX-License-Identifier: MIT
"""The statistics of the report: medians and ratios with bootstrap intervals, two modes in one cell, merged histograms.

Everything is deterministic: the bootstrap draws from a fixed seed, so the same files give the same report.
"""
import dataclasses
import functools
import math

import numpy as np

RESAMPLES = 4000
CONFIDENCE = 0.95
# With fewer values a 95 % interval of a median does not exist: even their whole range covers it in less than 95 % of
# all cases.
MIN_PAIRS = 6
MIN_BIMODAL = 8
PERCENTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999))


@dataclasses.dataclass(frozen=True)
class Interval:
    value: float
    low: float  # low and high are nan where there are too few values for an interval
    high: float
    count: int

    @property
    def known(self):
        return not math.isnan(self.low)


NOTHING = Interval(math.nan, math.nan, math.nan, 0)


@functools.lru_cache(maxsize=None)
def resampled(count, resamples=RESAMPLES):
    """Row by row, which of `count` values a resample draws."""
    return np.random.default_rng(20130921).integers(0, count, size=(resamples, count))


def bounds(estimates):
    tail = (1 - CONFIDENCE) / 2 * 100
    return tuple(float(bound) for bound in np.percentile(estimates, [tail, 100 - tail]))


def median_interval(values):
    """The median with its percentile-bootstrap interval."""
    values = np.asarray(values, dtype=float)
    if len(values) == 0:
        return NOTHING
    low = high = math.nan
    if len(values) >= MIN_PAIRS:
        low, high = bounds(np.median(values[resampled(len(values))], axis=1))
    return Interval(float(np.median(values)), low, high, len(values))


def ratio_interval(pairs):
    """Ratio of the medians of pairs (a, b). Pairs are drawn together: what a block did to both cancels."""
    pairs = np.asarray([pair for pair in pairs if pair[0] > 0 and pair[1] > 0], dtype=float).reshape(-1, 2)
    if len(pairs) == 0:
        return NOTHING
    middle = np.median(pairs, axis=0)
    low = high = math.nan
    if len(pairs) >= MIN_PAIRS:
        drawn = np.median(pairs[resampled(len(pairs))], axis=1)
        low, high = bounds(drawn[:, 0] / drawn[:, 1])
    return Interval(float(middle[0] / middle[1]), low, high, len(pairs))


def sum_ratio_interval(counts, totals):
    """Sum of the counts over the sum of the totals: for events so rare that most windows have none."""
    counts, totals = np.asarray(counts, dtype=float), np.asarray(totals, dtype=float)
    if len(counts) == 0 or totals.sum() == 0:
        return NOTHING
    low = high = math.nan
    if len(counts) >= MIN_PAIRS:
        drawn = resampled(len(counts))
        low, high = bounds(counts[drawn].sum(axis=1) / np.maximum(totals[drawn].sum(axis=1), 1))
    return Interval(float(counts.sum() / totals.sum()), low, high, len(counts))


def two_modes(values):
    """The two groups of a bimodal cell, or None.

    The logarithms of the sorted rates are cut where the means of the two sides lie farthest apart in units of their
    pooled standard deviation. It is two modes when that distance is above 6, the means differ by at least 10 % and each
    side holds at least three windows and a fifth of them. (Ten draws from one normal distribution pass the first of
    these in 1 % of all cases.)
    """
    values = np.sort(np.asarray([value for value in values if value > 0], dtype=float))
    count = len(values)
    if count < MIN_BIMODAL:
        return None
    logs = np.log(values)
    side = max(3, math.ceil(count / 5))
    best, cut = 0.0, None
    for at in range(side, count - side + 1):
        low, high = logs[:at], logs[at:]
        pooled = math.sqrt((low.var() * len(low) + high.var() * len(high)) / (count - 2))
        apart = high.mean() - low.mean()
        distance = apart / pooled if pooled > 1e-9 else math.inf if apart > 1e-9 else 0.0
        if distance > best and apart >= math.log(1.1):
            best, cut = distance, at
    return (values[:cut], values[cut:]) if cut is not None and best > 6 else None


@functools.lru_cache(maxsize=None)
def drawn_weights(rows, resamples=500):
    """How often each resample draws each of `rows` windows."""
    return np.array([np.bincount(drawn, minlength=rows) for drawn in resampled(rows, resamples)], dtype=float)


class Waits:
    """Wait histograms of several windows: percentiles are read off the sum, never averaged."""

    def __init__(self, windows, mode):
        blocks = [window["wait_ns"][mode] for window in windows
                  if window.get("wait_ns") and window["wait_ns"].get(mode)]
        self.lowers = np.array(sorted({lower for block in blocks for lower, _ in block["hist"]}), dtype=float)
        place = {lower: index for index, lower in enumerate(self.lowers)}
        self.counts = np.zeros((len(blocks), len(self.lowers)))
        for row, block in enumerate(blocks):
            for lower, count in block["hist"]:
                self.counts[row, place[lower]] += count
        self.maxima = [block["max"] for block in blocks if block["max"] is not None]
        self.samples = int(self.counts.sum())
        self.sampled_every = sorted({block["sampled_every"] for block in blocks})

    def _at(self, merged, p):
        """Lower bounds of the buckets in which percentile p of each row of `merged` lies."""
        reached = np.cumsum(merged, axis=1)
        ranks = np.ceil(p * reached[:, -1:])
        return self.lowers[np.argmax(reached >= ranks, axis=1)]

    def percentile(self, p):
        """With its interval over windows, drawn anew with replacement; nothing below 10/(1-p) samples."""
        if self.samples < round(10 / (1 - p)) or self.samples < 20:
            return NOTHING
        value = float(self._at(self.counts.sum(axis=0, keepdims=True), p)[0])
        rows = len(self.counts)
        if rows < MIN_PAIRS:
            return Interval(value, math.nan, math.nan, rows)
        merged = drawn_weights(rows) @ self.counts
        merged = merged[merged.sum(axis=1) > 0]
        return Interval(value, *bounds(self._at(merged, p)), rows)

    @property
    def longest(self):
        return max(self.maxima, default=None)
