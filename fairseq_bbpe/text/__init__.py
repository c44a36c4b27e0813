"""Bytes, their symbols, and the text that any bytes hold: standard library only."""

from fairseq_bbpe.text.recovery import pieces_to_text, recover

__all__ = ["pieces_to_text", "recover"]
