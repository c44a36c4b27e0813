"""fairseq's Transformer with this project's layers: what `--arch transformer_bbpe_ctx` is built of."""
