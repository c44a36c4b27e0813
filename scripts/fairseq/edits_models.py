"""Edits of single models and modules: attention masks, fused layers, edit-based models, n-grams, Huffman codes."""

from edit import Edit

ATTENTION = "fairseq/modules/multihead_attention.py"
NGRAMS = "fairseq/ngram_repeat_block.py"
TORCH_IS_NEW = "int('0a0') stopped every Transformer on a torch built from source or by NVIDIA (2.13.0a0+...); every "
TORCH_IS_NEW += "torch that this wheel allows is newer than what is asked for"

MODEL_EDITS = [
    # --- Transformer ------------------------------------------------------------------------------------------------
    Edit(
        "fairseq/modules/transformer_layer.py",
        r"^        # torch version check\n(.*\n)+?(?=\n    def _load_from_state_dict)",
        "        self.BT_version = True  # torch >= 1.12\n",
        1,
        TORCH_IS_NEW,
    ),
    Edit(
        "fairseq/models/transformer/transformer_encoder.py",
        r"^        BT_version = False\n        NT_version = False\n(.*\n)+?(?=\n +if \(\n +BT_version$)",
        "        BT_version = True  # torch >= 1.12\n        NT_version = True  # torch >= 1.13.1\n",
        1,
        TORCH_IS_NEW,
    ),
    Edit(
        "fairseq/modules/transformer_layer.py",
        r"^(\s+)encoder_padding_mask if encoder_padding_mask is not None else attn_mask,\n(\s+)\)$",
        r"\1encoder_padding_mask if encoder_padding_mask is not None else attn_mask,"
        r"\n\1None if encoder_padding_mask is None and attn_mask is None else int(encoder_padding_mask is not None),"
        r"\n\2)",
        1,
        "the fused encoder layer wants to be told what its mask is: 1 a padding mask, 0 an attention mask",
    ),
    # --- attention masks --------------------------------------------------------------------------------------------
    Edit(
        ATTENTION,
        r"^( +)return F\.multi_head_attention_forward\($",
        r"\1if key_padding_mask is not None and not key_padding_mask.is_floating_point():\n"
        r"\1    key_padding_mask = key_padding_mask.to(torch.bool)\n"
        r"\1    if attn_mask is not None and attn_mask.is_floating_point():\n"
        r"\1        key_padding_mask = torch.zeros_like(\n"
        r"\1            key_padding_mask, dtype=attn_mask.dtype\n"
        r'\1        ).masked_fill_(key_padding_mask, float("-inf"))' + "\n"
        r"\g<0>",
        1,
        "torch warned of masks of two types in every training, and refuses the uint8 mask that the docstring allows",
    ),
    Edit(
        ATTENTION,
        r'new_mask\.masked_fill_\(mask, -float\("inf"\)\)',
        'new_mask.masked_fill_(mask.to(torch.bool), -float("inf"))',
        1,
        "torch fills by a bool mask only; the function takes uint8 ones",
    ),
    Edit(
        ATTENTION,
        r"float_types = \[torch\.float, torch\.float16\]",
        "float_types = [torch.float, torch.float16, torch.bfloat16]",
        1,
        "an additive mask of bfloat16 was taken for a bool one",
    ),
    # --- models that edit their output ------------------------------------------------------------------------------
    Edit(
        "fairseq/models/model_utils.py",
        r"^@torch\.jit\.script\n",
        "",
        5,
        "torch.jit.script is deprecated, and was all that stopped `import fairseq` under -W error",
    ),
    Edit(
        "fairseq/models/nat/levenshtein_utils.py",
        r'^        print\(str\(e\) \+ "\.\.\. fall back to CPU version"\)\n\n',
        "",
        1,
        "the edit path is Python here (libnat.py, which this build adds); the line was printed twice a batch",
    ),
    Edit(
        "fairseq/examples/latent_depth/latent_depth_src/modules/latent_layers.py",
        r"torch\.Tensor\(num_logits, num_layers\)",
        "torch.zeros(num_logits, num_layers)",
        1,
        "never initialised: whatever was in memory, NaN at times; at 0 each layer is as likely in as out",
    ),
    # --- averages of weights -----------------------------------------------------------------------------------------
    Edit(
        "fairseq/models/ema/ema.py",
        r"if key in self\.skip_keys:",
        "if key in self.skip_keys or not ema_param.is_floating_point():",
        1,
        "--store-ema stopped at whole numbers in a state dict, such as counts or keys of a table: they are no weights",
    ),
    # --- n-grams that must not repeat -------------------------------------------------------------------------------
    Edit(
        NGRAMS,
        r"tokens\.cpu\(\)\.tolist\(\)",
        "tokens[:, : step + 1].tolist()",
        1,
        "the generator gives it room for all steps, and what it took for the newest n-gram was padding: never repeated",
    ),
    Edit(
        NGRAMS,
        r"\[\n +-\(self\.no_repeat_ngram_size - 1\) :\n +\]",
        "[check_start_pos:]",
        1,
        "as before, but for one: -(1 - 1): was all of it, where nothing must match",
    ),
    Edit(
        NGRAMS,
        r"for i in range\(check_start_pos\):",
        "for i in range(1, check_start_pos):",
        1,
        "what starts the sentence is often what ends it, and single symbols that must not repeat would never end",
    ),
    # --- Huffman codes ----------------------------------------------------------------------------------------------
    Edit(
        "fairseq/data/huffman/huffman_coder.py",
        r"util\.rindex\(a, 1\)",
        "a.index(1, right=True)",
        1,
        "bitarray 3 has no util.rindex",
    ),
]
