"""Decoding rules that fairseq lacks."""
