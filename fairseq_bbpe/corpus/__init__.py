"""Raw files -> what fairseq trains on: parallel text as a data-bin, and the splits of a file of bytes."""
