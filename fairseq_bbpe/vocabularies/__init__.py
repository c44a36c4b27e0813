"""What turns lines of text into pieces: every kind of vocabulary that the papers compare; needs sentencepiece only."""

from fairseq_bbpe.vocabularies.byte_level import Vocabulary
from fairseq_bbpe.vocabularies.specification import Specification

__all__ = ["Specification", "Vocabulary"]
