"""The commands `fairseq-bbpe export ...`."""
