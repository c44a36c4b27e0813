"""The networks of a ByteNet as fairseq's encoder and decoder: what `--arch bytenet` and its presets are built of."""
