"""The edit path of Levenshtein and Insertion Transformers, in place of the C++ extension that wants a compiler.

This file is added to fairseq by the build in fairseq-bbpe's scripts/fairseq; everything else there is fairseq's own.
"""


def suggested_ed2_path(sources, targets, terminal_symbol):
    """For each pair, a shortest path of insertions and deletions from source to target, as the models learn it.

    A path is a list of `len(source) + 2` lists: what to insert before the first symbol, then after each, with
    `[terminal_symbol]` for nothing; last, for each symbol of the source, 1 if it is deleted and 0 if it is kept. An
    empty source gives `[target, []]`.
    """
    return [_path(source, target, terminal_symbol) for source, target in zip(sources, targets, strict=True)]


def _path(source, target, terminal_symbol):
    if not source:
        return [list(target), []]
    distance = _distances(source, target)
    inserted = [[] for _ in range(len(source) + 1)]
    deleted = [0] * len(source)
    # From the end; where several steps are shortest, an insertion goes before a deletion, as in the extension.
    i, j = len(source), len(target)
    while i or j:
        if j and distance[i][j - 1] < distance[i][j]:
            j -= 1
            inserted[i].append(target[j])
        elif i and distance[i - 1][j] < distance[i][j]:
            i -= 1
            deleted[i] = 1
        else:
            i, j = i - 1, j - 1
    return [symbols[::-1] or [terminal_symbol] for symbols in inserted] + [deleted]


def _distances(source, target):
    """Row i, column j: insertions and deletions from the first i symbols of `source` to the first j of `target`."""
    rows = [list(range(len(target) + 1))]
    for i, symbol in enumerate(source, 1):
        above = rows[-1]
        row = [i]
        for j, wanted in enumerate(target, 1):
            row.append(above[j - 1] if symbol == wanted else 1 + min(above[j], row[-1]))
        rows.append(row)
    return rows
