"""Fetch a corpus of the papers with mtdata, and lay it out as `fairseq-bbpe reproduce --data` reads it.

mtdata comes with `pip install '.[download]'`, and keeps what it fetched in $MTDATA (~/.mtdata unless set). DIR/CORPUS
appears when it is whole; a call that was stopped goes on when it is given again. examples/bbpe/corpora.yaml names every
set. Gigabytes of room that are needed, on either side: 5, si-en 1; half an hour at most.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.experiments.corpus import Corpus, Download, Text, becoming, count_lines, read_corpora
from fairseq_bbpe.experiments.ted_talks import TABLES, read_talks, sample
from fairseq_bbpe.experiments.workspace import EXAMPLES

ISO = {"en": "eng", "de": "deu", "ja": "jpn", "si": "sin"}  # mtdata's codes
TALKS = "Neulab-tedtalks_train-1-eng-deu"  # any language: they are one archive
GIGABYTES = 5


def main(argv: list[str] | None = None) -> int:
    """Fetch what the command line names; 2 for a mistake, or if mtdata fails."""
    parser = argparse.ArgumentParser(
        prog="download.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", help="en-de, ja-en, x-en, si-en, or another that --corpora knows sets of")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder in which CORPUS/ is made")
    parser.add_argument("--corpora", type=Path, default=EXAMPLES / "bbpe/corpora.yaml", metavar="FILE")
    args = parser.parse_args(argv)
    try:
        download(args.corpus, args.output, read_corpora(args.corpora))
    except UserError as error:
        print(f"download.sh: error: {error}", file=sys.stderr)
        return 2
    return 0


def download(name: str, output: Path, corpora: dict[str, Corpus]) -> None:
    """Fetch and lay out a corpus, unless it is there."""
    known = [each for each, corpus in corpora.items() if corpus.download]
    if name not in known:
        raise UserError(f"{name}: no such corpus; choose from {', '.join(known)}")
    if shutil.which("mtdata") is None:
        raise UserError("mtdata is not installed; \"pip install '.[download]'\" installs it")
    corpus, folder = corpora[name], output.resolve() / name
    if folder.is_dir():
        print(f"{folder} is there already: nothing to do", file=sys.stderr)
        return
    cache = Path(os.environ.get("MTDATA") or Path.home() / ".mtdata").resolve()
    for place in (output, cache):
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{place}: {error.strerror}: give a folder that is yours") from None
    if shutil.disk_usage(output).free < GIGABYTES * 1e9 and name != "si-en":
        raise UserError(f"--output {output}: has less than {GIGABYTES} GB free: make room")
    # mtdata would import any mtdata*.py of the folder that it is called from.
    fetched = output.resolve() / f".{name}.mtdata"
    fetched.mkdir(exist_ok=True)
    sets = [each for each in corpus.download if each.ids]
    if sets:
        pair = f"{_iso(corpus.source)}-{_iso(corpus.target)}"
        # All as training sets, for of those alone mtdata drops what it knows to be noise.
        ids = [each for found in sets for each in found.ids]
        _mtdata(fetched, cache, "get", "-l", pair, "--train", *ids, "--fail", "--out", str(fetched))
    if len(sets) < len(corpus.download):
        _mtdata(fetched, cache, "cache", "--dataset-id", TALKS)
    with becoming(folder) as part:
        for each in corpus.download:
            if each.ids:
                _add_sets(each, corpus, fetched / "train-parts", part)
            else:
                _add_talks(each, corpus, cache, part)
        Text(name, corpus, part).check()
    for split in Text(name, corpus, folder).splits:
        print(f"{split:18} {count_lines(folder / f'{split}.{corpus.source}'):9} lines", file=sys.stderr)
    shutil.rmtree(fetched)


def _mtdata(folder: Path, cache: Path, *arguments: str) -> None:
    print(f"mtdata {arguments[0]}: minutes; it builds its index first", file=sys.stderr)
    log = folder / "mtdata.log"
    with open(log, "a", encoding="utf-8") as file:
        done = subprocess.run(
            ["mtdata", "--no-pbar", *arguments],
            cwd=folder,
            env={**os.environ, "MTDATA": str(cache)},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    if done.returncode:
        last = (log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise UserError(f"mtdata failed; it needs the network: try the same again, it goes on; {log}: {last[:200]}")


def _iso(language: str) -> str:
    return ISO.get(language, language)


def _add_sets(found: Download, corpus: Corpus, parts: Path, folder: Path) -> None:
    for split, name in zip(found.splits, found.ids, strict=True):
        for side in corpus.sides[:2]:
            path = parts / f"{name}.{_iso(side)}"
            if not path.is_file():
                raise UserError(f"{path}: mtdata left none: remove {parts.parent} and try again")
            with open(path, "rb") as source, open(folder / f"{split}.{side}", "ab") as file:
                shutil.copyfileobj(source, file)


def _add_talks(found: Download, corpus: Corpus, cache: Path, folder: Path) -> None:
    archives = sorted(cache.glob("phontron.com/**/all_talks_train.tsv"))
    if not archives:
        raise UserError(f"{cache}: no all_talks_train.tsv: set MTDATA to where mtdata unpacks the TED talks")
    for table, split in zip(TABLES, found.splits, strict=True):
        pairs = sample(
            list(read_talks(archives[0].parent, table, found.talks)), found.valid if table == "dev" else None
        )
        for side, column in zip(corpus.sides, (0, 1, 2), strict=False):
            with open(folder / f"{split}.{side}", "a", encoding="utf-8", newline="\n") as file:
                file.writelines(f"{pair[column]}\n" for pair in pairs)


if __name__ == "__main__":
    sys.exit(main())
