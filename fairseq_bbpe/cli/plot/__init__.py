"""`fairseq-bbpe plot`: draw figures from tables."""
