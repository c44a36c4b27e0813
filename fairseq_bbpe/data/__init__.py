"""Batching rules that fairseq lacks."""
