"""`fairseq-bbpe lm`: language models over raw bytes."""
