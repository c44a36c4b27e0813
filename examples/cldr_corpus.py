#!/usr/bin/env python3
"""Build a many-to-English parallel corpus from Unicode CLDR, whose translations the Babel package ships.

For CLDR, people translated days, lengths of time, amounts, places and languages into hundreds of languages. A sentence
here is one datum (a moment, a price, a list of countries) said in one language and in English. Every single word is in
the training set; a sentence of the valid or test set is a combination that the training set has on neither side.

One script is left out of all three: `unseen.*` is in a language whose letters no training line has.

Written into --output: {train,valid,test,unseen}.{src,en,lang}, aligned line by line, and corpus.json, which says what
they hold.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import babel
from babel import Locale, UnknownLocaleError
from cldr_phrases import KINDS, ZEROS, Saying, dictionary

ENGLISH = Locale("en")
MANIFEST = "corpus.json"
UNSEEN_PAIRS = 20
LANGUAGES = "am ar bn de el es fa fr gu he hi hy ja ka km ko pa ru ta te th tr uk zh"


class Pair(NamedTuple):
    language: str
    source: str
    english: str


def say_pair(say: Saying, language: str) -> Pair | None:
    """Return the datum in both languages; None where it has no translation, or one that is the English itself."""
    locale = Locale.parse(language)
    try:
        source, english = say(locale), say(ENGLISH)
    except KeyError:
        return None
    zero = ZEROS.get(locale.default_numbering_system, "0")
    source = source.translate({ord("0") + n: ord(zero) + n for n in range(10)})
    # English has no-break and thin spaces around PM and dashes, which readers and tokenizers take for spaces.
    english = " ".join(english.split())
    return None if " ".join(source.split()) == english else Pair(language, source, english)


def draw_pairs(rng: random.Random, language: str, count: int) -> list[Pair]:
    """Draw that many different sentences of one language; ValueError where CLDR has not enough of it."""
    drawn: dict[Pair, None] = {}
    for _ in range(100 * count):
        if len(drawn) == count:
            return list(drawn)
        pair = say_pair(rng.choice(KINDS)(rng), language)
        if pair is not None:
            drawn[pair] = None
    raise ValueError(
        f"{language!r}: CLDR gives {len(drawn)} sentences, {count} are asked for: leave it out, or ask for less"
    )


def unambiguous(pairs: Iterable[Pair]) -> list[Pair]:
    """Return the pairs, each once, whose source has one English only in the whole corpus and is nobody's English."""
    pairs = list(dict.fromkeys(pairs))
    meanings = defaultdict(set)
    for pair in pairs:
        meanings[pair.source].add(pair.english)
    everyones_english = {pair.english for pair in pairs}
    return [pair for pair in pairs if len(meanings[pair.source]) == 1 and pair.source not in everyones_english]


def split(rng: random.Random, words: set[str], pairs: list[Pair], held_out: int) -> dict[str, list[Pair]]:
    """Deal whole English sentences, each with all its sources, into test, valid and train; single words go to train."""
    sources = defaultdict(list)
    for pair in pairs:
        sources[pair.english].append(pair)
    sentences = [english for english in sources if english not in words]
    rng.shuffle(sentences)
    parts: dict[str, list[Pair]] = {"test": [], "valid": [], "train": []}
    for english in sentences:
        part = next((part for part in ("test", "valid") if len(parts[part]) < held_out), "train")
        parts[part] += sources[english]
    parts["train"] += [pair for pair in pairs if pair.english in words]
    for part in parts.values():
        rng.shuffle(part)  # or the sources of one sentence would lie side by side
    return parts


def build(languages: list[str], unseen: str, pairs: int, held_out: int, seed: int) -> dict[str, list[Pair]]:
    """Return train, valid, test and unseen; the same arguments and the same Babel give the same lines."""
    rng = random.Random(seed)
    words = [pair for language in languages for say in dictionary() if (pair := say_pair(say, language))]
    drawn = [pair for language in languages for pair in draw_pairs(rng, language, pairs // len(languages))]
    parts = split(rng, {pair.english for pair in words}, unambiguous(words + drawn), held_out)
    parts["unseen"] = draw_pairs(rng, unseen, UNSEEN_PAIRS)
    return parts


def scripts(text: str) -> set[str]:
    """Return the scripts of the letters, by the first word of their Unicode names: LATIN, CJK, HANGUL ..."""
    return {unicodedata.name(letter).split()[0] for letter in text if letter.isalpha()}


def copied(pairs: list[Pair]) -> float:
    """Return the share of English words that a translator could copy: they stand in the source as they are."""
    found = [word in pair.source.split() for pair in pairs for word in pair.english.split()]
    return sum(found) / len(found)


def scripts_of(pairs: list[Pair]) -> set[str]:
    return set().union(*(scripts(pair.source) for pair in pairs))


def write(folder: Path, parts: dict[str, list[Pair]], options: dict) -> None:
    for name, pairs in parts.items():
        for suffix, lines in zip(("lang", "src", "en"), zip(*pairs, strict=True), strict=True):
            text = "".join(f"{line}\n" for line in lines)
            (folder / f"{name}.{suffix}").write_text(text, encoding="utf-8", newline="\n")
    contents = {
        **options,
        **{f"{name} lines": len(pairs) for name, pairs in parts.items()},
        "train scripts": " ".join(sorted(scripts_of(parts["train"]))),
        "unseen scripts": " ".join(sorted(scripts_of(parts["unseen"]))),
        "share of English test words that stand in their source": round(copied(parts["test"]), 3),
    }
    (folder / MANIFEST).write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")


def parse(argv: list[str] | None) -> argparse.Namespace:
    summary = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(description=summary, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    option = parser.add_argument
    option("--output", type=Path, required=True, metavar="DIR", help="folder to make; left alone where it is done")
    option("--languages", default=LANGUAGES, metavar="CODES", help="CLDR locales to translate from, in one argument")
    option("--unseen", default="si", metavar="CODE", help="locale of unseen.*, in a script of its own")
    option(
        "--pairs",
        type=int,
        default=40_000,
        metavar="N",
        help="sentences to draw, over all languages, beside the words of CLDR",
    )
    option("--held-out", type=int, default=1_500, metavar="N", help="of those, for test, and as many for valid")
    option("--seed", type=int, default=1, metavar="N", help="of the draw")
    args = parser.parse_args(argv)
    languages = args.languages.split()
    for code in (*languages, args.unseen):
        try:
            Locale.parse(code)
        except (UnknownLocaleError, ValueError):
            parser.error(f"--languages, --unseen: Babel knows no locale {code!r}; see `pybabel --list-locales`")
    if not 0 < args.held_out <= args.pairs // 4:
        parser.error(f"--held-out {args.held_out}: give 1 to {args.pairs // 4}, a quarter of --pairs")
    if not languages or args.pairs < 10 * len(languages):
        parser.error(f"--pairs {args.pairs}, --languages {args.languages!r}: give ten pairs or more of each language")
    empty = args.output.is_dir() and not any(args.output.iterdir())
    if args.output.exists() and not empty and not (args.output / MANIFEST).is_file():
        parser.error(f"--output {args.output}: exists and is no corpus; remove it or name another folder")
    return args


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    options = {name: value for name, value in vars(args).items() if name != "output"} | {"babel": babel.__version__}
    manifest = args.output / MANIFEST
    if manifest.is_file():
        if options.items() <= json.loads(manifest.read_text(encoding="utf-8")).items():
            print(f"{args.output}: already built")
            return 0
        sys.exit(f"--output {args.output}: built with other options, see {MANIFEST}; remove it or name another folder")
    try:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        # Built beside and renamed: whoever finds the folder finds all of it.
        draft = Path(tempfile.mkdtemp(prefix=f"{args.output.name}.", dir=args.output.parent))
    except OSError as error:
        sys.exit(f"--output {args.output}: {error.strerror}; name a folder that can be made")
    try:
        draft.chmod(0o755)
        parts = build(args.languages.split(), args.unseen, args.pairs, args.held_out, args.seed)
        seen = scripts_of(parts["unseen"]) & scripts_of(parts["train"])
        if seen:
            raise ValueError(f"{args.unseen} is written in {' '.join(sorted(seen))}, as a language of the corpus is")
        write(draft, parts, options)
        os.replace(draft, args.output)
    except ValueError as error:
        sys.exit(f"--languages, --unseen: {error}")
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    print(manifest.read_text(encoding="utf-8"), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
