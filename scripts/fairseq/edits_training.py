"""Edits of what trains and evaluates: bfloat16, Adam, gradients that are not finite, sums, checkpoints."""

from edit import Edit

CHECKPOINTS = "fairseq/checkpoint_utils.py"

TRAINING_EDITS = [
    # --- bfloat16 without a TPU -------------------------------------------------------------------------------------
    Edit(
        "fairseq/options.py",
        r"^    if args\.bf16:\n        args\.tpu = True\n",
        "",
        1,
        "--bf16 sent every run to a TPU; CUDA and the CPU compute in bfloat16 as well, and only --tpu means a TPU",
    ),
    Edit("fairseq/dataclass/configs.py", r"use bfloat16; implies --tpu", "use bfloat16", 1, "the help, as above"),
    *(
        Edit(
            f"fairseq_cli/{command}.py",
            r"^( +)if (cfg\.common\.fp16|use_fp16):\n( +)model\.half\(\)$",
            r"\g<0>\n\1if cfg.common.bf16:\n\3model.bfloat16()",
            1,
            "the command took --bf16 and computed in 32 bits",
        )
        for command in ("generate", "interactive", "validate", "eval_lm")
    ),
    Edit(
        "fairseq/optim/fp16_optimizer.py",
        r"^        if self\.scaler is not None:\n.*\n(?=\n\nclass FP16Optimizer)",
        r"\g<0>        else:\n            self._multiply_factor = 1.0\n",
        1,
        "without loss scaling (bfloat16) the factor of one update stayed for the next, where the optimizer scales the "
        "gradients in its step, as apex's does; the memory-efficient optimizer below has this line",
    ),
    Edit(
        "fairseq/trainer.py",
        r"^            elif cfg\.common\.bf16:\n",
        r"\g<0>                if not self.cuda and not torch.ops.mkldnn._is_mkldnn_bf16_supported():\n"
        r"                    logger.warning(\n"
        r'                        "--bf16: this processor has no fast products in bfloat16; "\n'
        r'                        "leave it out to train many times as fast"\n'
        r"                    )\n",
        1,
        "a CPU without AVX-512 computes them some 50 times as slowly as in float32, and nothing told why",
    ),
    # --- what a training has seen -----------------------------------------------------------------------------------
    Edit(
        "fairseq/logging/metrics.py",
        r"^        _aggregators\[name\]\.load_state_dict\(agg_state\)\n",
        r"\g<0>        if name in _active_aggregators:\n            _active_aggregators[name] = _aggregators[name]\n",
        1,
        "a resumed training logged into meters that were no longer saved: the sums in its checkpoints stood still",
    ),
    # --- the start of a training ------------------------------------------------------------------------------------
    Edit(
        "fairseq/optim/__init__.py",
        r"^from omegaconf import DictConfig$",
        r"\g<0>\n\nfrom fairseq.optim.compiler_stays_out import keep_out\n\nkeep_out()",
        1,
        "torch imported its compiler when the first optimizer was made: two seconds of every start",
    ),
    # --- Adam -------------------------------------------------------------------------------------------------------
    Edit(
        "fairseq/optim/adam.py",
        r"( +)\"--fp16-adam-stats is only supported with FusedAdamV1\"\n( +)\)\n( +)self\._optimizer = Adam\(",
        r'\1"--fp16-adam-stats is only supported with FusedAdamV1"\n\2)\n'
        r"\3from fairseq.optim.fused_step_adam import FusedStepAdam\n\n"
        r'\3adam_class = Adam if getattr(cfg, "use_old_adam", False) else FusedStepAdam\n'
        r"\3self._optimizer = adam_class(",
        1,
        "without apex, Adam launched ten kernels a parameter on CUDA; torch has the same update in one",
    ),
    # --- gradients that are not finite ------------------------------------------------------------------------------
    Edit(
        "fairseq/trainer.py",
        r"with NanDetector\(self\.get_model\(\)\):",
        "with NanDetector(self.get_model(), backward=False):",
        1,
        "its backward hooks end in a bare StopIteration on any module that returns a dict of lists, as every encoder "
        "does; the names of the gradients that are not finite are printed without them",
    ),
    # --- the clock of fine-tuning -----------------------------------------------------------------------------------
    Edit(
        "fairseq/trainer.py",
        r'if "previous_training_time" in extra_state:',
        'if "previous_training_time" in extra_state and not reset_meters:',
        1,
        "--finetune-from-model counted the time of the model that it starts from as its own, against --stop-time-hours "
        "too; what resets meters resets the clock",
    ),
    # --- a training that is at its end ------------------------------------------------------------------------------
    Edit(
        "fairseq_cli/train.py",
        r"^    while epoch_itr\.next_epoch_idx <= max_epoch:\n",
        r"\g<0>        if trainer.get_num_updates() >= (cfg.optimization.max_update or math.inf):\n"
        r"            logger.info(\n"
        r'                f"nothing to train: the checkpoint has {trainer.get_num_updates()} updates, "\n'
        r'                f"--max-update is {cfg.optimization.max_update}"\n'
        r"            )\n"
        r"            break\n",
        1,
        "--max-update was compared after an update: the same command again trained, and saved, one more each time",
    ),
    # --- sums that must not drift -----------------------------------------------------------------------------------
    Edit(
        "fairseq_cli/eval_lm.py",
        r"score_sum \+= pos_scores\.sum\(\)\.cpu\(\)",
        "score_sum += pos_scores.double().sum().item()",
        1,
        "summed in 32 bits, a model of uniform output scores 8.0026 bits instead of 8 on five million bytes",
    ),
    # --- checkpoints ------------------------------------------------------------------------------------------------
    Edit(
        CHECKPOINTS,
        r"^from fairseq\.file_io import PathManager$",
        "from fairseq.checkpoint_files import copy_checkpoint, load_checkpoint_as_data\n\\g<0>",
        1,
        "checkpoints are read and copied by checkpoint_files.py, which this build adds",
    ),
    Edit(
        CHECKPOINTS,
        r'state = torch\.load\(f, map_location=torch\.device\("cpu"\)\)',
        'state = load_checkpoint_as_data(f, map_location=torch.device("cpu"))',
        1,
        "torch >= 2.6 refuses Namespace and NumPy numbers, which every checkpoint of fairseq holds",
    ),
    Edit(
        CHECKPOINTS,
        r"new_state = torch\.load\(",
        "new_state = load_checkpoint_as_data(",
        1,
        "as above, where an average of past weights (EMA) is read",
    ),
    Edit(
        CHECKPOINTS,
        r"assert PathManager\.copy\(\s+checkpoints\[0\], cp, overwrite=True\s+\), f\".*\"$",
        "copy_checkpoint(checkpoints[0], cp)",
        1,
        "a training killed during the copy left half a checkpoint_last.pt, and could not be resumed",
    ),
]
