"""Text as bytes, bytes as pieces, and back: usable without torch and without fairseq."""

from fairseq_bbpe.text.recovery import pieces_to_text, recover
from fairseq_bbpe.text.vocabulary import Vocabulary

__all__ = ["Vocabulary", "pieces_to_text", "recover"]
