# SPDX-License-Identifier: MIT
"""One colour and one marker a lock, everywhere and for ever: a subset of the locks keeps theirs.

Hue tells the family, lightness and marker the lock in it, in the order of the table (by release where a family has
releases). A lock that the table does not name gets its place in the family from a checksum of its name, so it does not
depend on what else is plotted. Hues are those of Okabe and Ito (2008), which people with any common colour blindness
tell apart, with wine from Tol's muted set (2021) and grey, as there are more families than such hues; the marker tells
those apart that come near one another.
"""
import colorsys
import zlib

# Markers beyond the named ones are matplotlib's (points, 1 for a star, angle).
# family: (hue as "#rrggbb", its markers in order, its locks in order)
FAMILIES = {
    "ticket": ("#000000", ["s"], ["ticket"]),
    "mcs": ("#882255", ["D"], ["mcs"]),
    "osq": ("#7f7f7f", ["p"], ["osq"]),
    "qspinlock": ("#56b4e9", [">", "<", "8"], ["qspinlock", "qspinlock.portable", "cna"]),
    "rwlock": ("#009e73", ["X"], ["rwlock_classic"]),
    "qrwlock": ("#0072b2", ["o", "P", "d", "*", "^", "X", "H"],
                ["qrwlock", "qrwlock.portable", "qrwlock_3_16", "qrwlock_2013", "qrwlock_4_3",
                 "qrwlock_3_16.qspinlock", "qrwlock_2013.unfair"]),
    "mutex": ("#c4ad00", ["*", (4, 1, 0)], ["mutex_3_10", "mutex_3_10.yield"]),
    "rwsem": ("#d55e00",
              ["v", "^", "<", ">", "D", "s", "P", (4, 1, 45), (6, 1, 0), (3, 1, 0), "p", "X", "h", "8", "d"],
              ["rwsem_3_8", "rwsem_3_10", "rwsem_3_16", "rwsem_5_3", "rwsem", "rwsem_spinlock", "percpu_rwsem",
               "rwsem_3_8.yield", "rwsem_3_10.yield", "rwsem_3_16.yield", "rwsem_3_9", "rwsem_5_0",
               "rwsem_5_3.leading_readers", "rwsem_5_3.no_reader_spin", "rwsem_5_3.no_spin_beside_readers"]),
    "glibc": ("#cc79a7", ["d", "<", "o", "h"],
              ["std::shared_mutex", "pthread_rwlock.prefer_reader", "pthread_rwlock.prefer_writer_nonrecursive",
               "std::shared_timed_mutex"]),
    "control": ("#b0b0b0", [">", "8"], ["null", "broken"]),
}
# Families that are not in the table share these, each by its checksum.
OTHER_HUES = ("#332288", "#117733", "#aa4499", "#661100", "#6699cc")
# Of locks that are not in the table; none of these is a named lock's, so none is taken for one.
OTHER_MARKERS = ((5, 0, 180), (7, 1, 0), (8, 1, 0), (9, 1, 0), (3, 1, 180), (5, 1, 180))
# Factors of lightness, first to last lock of a family. Markers have a dark edge, so that the light ones stand out from
# paper too.
LIGHTNESS = (1.0, 0.6, 1.4, 0.8, 1.2, 0.45, 1.55)

TWO_COLOURS = ("#0072b2", "#d55e00")  # readers, writers
DISTANCE_COLOURS = {"self": "#e5e5e5", "same_core": "#fde725", "same_llc": "#7ad151", "same_node": "#22a884",
                    "same_package": "#2a788e", "other_package": "#440154", "unknown": "#ffffff"}
GREY = "#9a9a9a"
RAW_ALPHA = 0.28


def shade(hue, factor):
    red, green, blue = (int(hue[at:at + 2], 16) / 255 for at in (1, 3, 5))
    tone, light, full = colorsys.rgb_to_hls(red, green, blue)
    if light == 0:  # black has no lighter shade of itself
        light = 0.0 if factor >= 1.0 else 0.25
    mixed = colorsys.hls_to_rgb(tone, max(0.0, min(0.78, light * factor)), full)
    return "#" + "".join(f"{round(part * 255):02x}" for part in mixed)


def of(name, family):
    """(colour, marker) of a lock."""
    crc = zlib.crc32(name.encode())
    hue, markers, locks = FAMILIES.get(family, (None, [], []))
    if name in locks:
        at = locks.index(name)
        return shade(hue, LIGHTNESS[at % len(LIGHTNESS)]), markers[at]
    hue = hue or OTHER_HUES[zlib.crc32((family or "").encode()) % len(OTHER_HUES)]
    return shade(hue, LIGHTNESS[crc % len(LIGHTNESS)]), OTHER_MARKERS[(crc >> 8) % len(OTHER_MARKERS)]
