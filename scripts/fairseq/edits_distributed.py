"""Edits of training on several processes: stock Transformers under c10d, and gloo on the CPU."""

from edit import Edit

WRAPPER = "fairseq/models/distributed_fairseq_model.py"
COLLECTIVES = "fairseq/distributed/utils.py"

DISTRIBUTED_EDITS = [
    Edit(
        WRAPPER,
        r"^    TPUDistributedDataParallel,\n\)$",
        r"\g<0>\nfrom fairseq.distributed.untrained_copies import untrained_copies",
        1,
        "for the next edit",
    ),
    Edit(
        WRAPPER,
        r"^( +)wrapped_model = DistributedDataParallel\($",
        r"\1model._ddp_params_and_buffers_to_ignore = [\n"
        r'\1    *getattr(model, "_ddp_params_and_buffers_to_ignore", []),'
        r"\n\1    *untrained_copies(model),\n\1]\n\g<0>",
        1,
        "stock Transformers stopped at their second update (`Expected to have finished reduction`): eight parameters "
        "of each encoder layer never get a gradient; freezing them would refuse optimizer states of earlier runs",
    ),
    Edit(
        WRAPPER,
        r"device_ids=\[args\.device_id\],\n( +)output_device=args\.device_id,",
        r'device_ids=[args.device_id] if device.type == "cuda" else None,'
        r'\n\1output_device=args.device_id if device.type == "cuda" else None,',
        1,
        "a model on the CPU has no device id, so that c10d was for GPUs alone",
    ),
    Edit(
        COLLECTIVES,
        r"^    buffer_size = max_size \* world_size\n    if \(\n        not hasattr\(all_gather_list, \"_buffer\"\)\n",
        "    # What nccl gathers lies on a GPU; gloo gathers in main memory.\n"
        '    device = "cuda" if dist.get_backend(group) == "nccl" else "cpu"\n'
        "\\g<0>        or all_gather_list._buffer.device.type != device\n",
        1,
        "all_gather_list wanted a GPU; gloo on the CPU needs none",
    ),
    Edit(
        COLLECTIVES,
        r"torch\.cuda\.ByteTensor\(buffer_size\)",
        "torch.empty(buffer_size, dtype=torch.uint8, device=device)",
        1,
        "as above: its buffer",
    ),
    Edit(
        COLLECTIVES,
        r"torch\.ByteTensor\(max_size\)\.pin_memory\(\)",
        'torch.empty(max_size, dtype=torch.uint8, pin_memory=device == "cuda")',
        1,
        "as above: pinned memory serves a GPU",
    ),
    Edit(
        COLLECTIVES,
        r'obj = torch\.load\(buffer, map_location="cpu"\)',
        'obj = torch.load(buffer, map_location="cpu", weights_only=False)',
        1,
        "no file: bytes that rank 0 of this very program has just sent, and that hold fairseq's own classes",
    ),
]
