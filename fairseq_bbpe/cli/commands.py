"""Every command of `fairseq-bbpe`: one line each, its words and what it does.

"lm split" is the module `fairseq_bbpe.cli.lm.split`, with `EXAMPLE`, `add_arguments(parser)` and `run(args)`; its
docstring is the beginning of its help.
"""

COMMANDS = {
    "learn": "learn a byte-level BPE vocabulary from raw text",
    "encode": "raw text -> pieces",
    "decode": "pieces, such as a model's hypotheses -> text, recovering what is not valid UTF-8",
    "show": "print the tokens of raw text: whole characters as text, partial ones in hexadecimal",
    "prepare": "raw parallel files -> a fairseq data-bin, and the commands to run next",
    "translate": "raw text -> raw text, by a trained model",
    "score": "BLEU and chrF of what fairseq-generate wrote, by language or test set",
    "reproduce": "a table or figure of the papers, from raw text to the paper's figures beside ours",
    "ngrams": "count a data-bin's n-grams for ByteNet's input embeddings",
    "export fairseq": "a checkpoint and what translation needs in one folder, to copy to another machine",
    "export ctranslate2": "a Transformer -> a folder for CTranslate2, exactly or not at all",
    "export torch": "a Transformer -> two programs of torch.export, which need neither fairseq nor this package",
    "export tokenizers": "a vocabulary -> tokenizer.json, or tiktoken's ranks",
    "lm split": "one file -> train, valid and test by bytes, for --task byte_language_modeling",
    "lm bits": "what every byte of a file costs under a ByteNet Decoder",
    "lm complete": "continue a prompt with a ByteNet Decoder",
    "lm baselines": "bits/byte of xz -9 and of an adaptive order-5 model",
    "analyze datasets": "lines, languages, characters and bytes of parallel text (BBPE paper, Table 1)",
    "analyze partial": "the share of tokens that hold a part of a character (Table 3)",
    "analyze lengths": "mean lengths of sentences in tokens (Table 4)",
    "analyze frequencies": "how often pieces occur, by rank (Figure 2)",
    "analyze sharing": "in how many languages pieces occur (Figure 3)",
    "analyze premiums": "what a vocabulary costs each language, against its translation",
    "analyze tokens": "one sentence in every vocabulary (Figures 1 and 5)",
    "analyze length-correlation": "correlation between source and target lengths (ByteNet paper, Figure 5)",
    "analyze saliency": "which source and target words a translation depends on (ByteNet paper, Figure 6)",
    "plot frequencies": "draw tables of 'analyze frequencies' (BBPE paper, Figure 2)",
    "plot sharing": "draw tables of 'analyze sharing' (Figure 3)",
    "plot contextualization": "draw scores by vocabulary and context layer (Figure 4)",
}

GROUPS = {
    "export": "models and vocabularies for other programs and machines",
    "lm": "language models over raw bytes: the ByteNet Decoder",
    "analyze": "measure text, vocabularies and models: tables and figures of both papers",
    "plot": "draw figures of the BBPE paper from tables",
}

# Where commands of version 0.1.0 went.
MOVED = {
    "stats": "analyze",
    "draw": "plot",
    "lengths": "analyze length-correlation",
    "gradients": "analyze saliency",
    "split": "lm split",
    "bits": "lm bits",
    "complete": "lm complete",
    "baselines": "lm baselines",
}

DESCRIPTION = """\
Byte-level translation and language models with fairseq: BBPE vocabularies, Transformers and ByteNet.

  fairseq-bbpe prepare ...       raw parallel text -> a vocabulary and a data-bin; prints the next two commands
  fairseq-train DATA-BIN ...     train --arch transformer_bbpe_ctx, bytenet, ...
  fairseq-bbpe translate ...     raw text -> raw text, by the trained model
  fairseq-bbpe score ...         BLEU and chrF of what fairseq-generate wrote
"""
