"""fairseq's Adam with the update of all parameters in one kernel, where torch has it: 32-bit weights on CUDA.

This file is added to fairseq by the build in fairseq-bbpe's scripts/fairseq; everything else there is fairseq's own.
"""

import math
from collections import defaultdict

import torch
from fairseq.optim.adam import Adam


class FusedStepAdam(Adam):
    """The update and the state of fairseq's Adam; a state dict of either loads into the other.

    torch divides the second moment by its bias correction before it adds epsilon, fairseq after; so the kernel is given
    epsilon / sqrt(1 - beta2^t), which makes both the same number.
    """

    fused_device = "cuda"

    def step(self, closure=None):
        """Perform one update; with anything but dense 32-bit gradients on CUDA, by fairseq's own loop."""
        groups = [(group, [p for p in group["params"] if p.grad is not None]) for group in self.param_groups]
        if closure is not None or not all(self._fuses(p, group) for group, params in groups for p in params):
            return super().step(closure)
        for group, params in groups:
            by_step = defaultdict(list)
            for p in params:
                state = self.state[p]
                if not state:
                    state.update(step=0, exp_avg=torch.zeros_like(p.data), exp_avg_sq=torch.zeros_like(p.data))
                state["step"] += 1
                by_step[state["step"], p.device, p.dtype].append(p)
            for (step, device, _), same in by_step.items():
                self._update(group, same, step, device)
        return None

    def _fuses(self, p, group):
        dense = p.grad.layout is torch.strided and p.grad.dtype is p.dtype and p.grad.device == p.device
        wide = p.dtype in (torch.float32, torch.float64)
        return dense and wide and p.device.type == self.fused_device and not group.get("amsgrad", False)

    @torch.no_grad()
    def _update(self, group, params, step, device):
        beta1, beta2 = group["betas"]
        states = [self.state[p] for p in params]
        for p, state in zip(params, states, strict=True):
            state["exp_avg"], state["exp_avg_sq"] = state["exp_avg"].to(p), state["exp_avg_sq"].to(p)
        torch._fused_adamw_(
            [p.data for p in params],
            [p.grad.data for p in params],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            list(torch.full((len(params),), float(step), device=device).unbind()),
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"] / math.sqrt(1 - beta2**step),
            amsgrad=False,
            maximize=False,
        )
