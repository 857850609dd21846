"""Any metric of gsn_jax as a loss in PyTorch: JAX computes value and gradient, DLPack carries them.

    loss = MetricLoss("gsn")
    loss(reference, distorted).mean().backward()

Tensors are torch's `(N, 3, H, W)` in [0, 1]. They are shared between the frameworks, not copied,
where both are on the same device.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import torch

import gsn_jax


def to_jax(tensor: torch.Tensor) -> jax.Array:
    """`(N, 3, H, W)` of torch as `(N, H, W, 3)` of JAX."""
    return jnp.moveaxis(jax.dlpack.from_dlpack(tensor.detach().contiguous()), 1, -1)


def to_torch(array: jax.Array) -> torch.Tensor:
    """The same memory as a tensor of torch."""
    return torch.utils.dlpack.from_dlpack(array)


class MetricLoss(torch.nn.Module):
    """`loss(reference, distorted)`: errors `(N,)` to minimise, differentiable in `distorted`.

    The gradient is computed with the value and kept for the backward pass. Second derivatives are
    not supported.
    """

    def __init__(self, metric: str = "gsn"):
        """Takes a metric by name, see `gsn_jax.as_loss`."""
        super().__init__()
        loss = gsn_jax.as_loss(metric)

        @jax.jit
        def values_and_gradients(reference: jax.Array, distorted: jax.Array):
            values, pull = jax.vjp(lambda image: loss(reference, image), distorted)
            # Each pair's error depends on its own image alone: one pull gives all gradients.
            (gradients,) = pull(jnp.ones_like(values))
            return values, jnp.moveaxis(gradients, -1, 1)

        self._compute = values_and_gradients

    def forward(self, reference: torch.Tensor, distorted: torch.Tensor) -> torch.Tensor:
        """Errors `(N,)` of float tensors `(N, 3, H, W)` in [0, 1]."""
        return _Bridge.apply(self._compute, reference, distorted)


class _Bridge(torch.autograd.Function):
    @staticmethod
    def forward(ctx, compute, reference, distorted):
        values, gradients = compute(to_jax(reference), to_jax(distorted))
        ctx.save_for_backward(to_torch(gradients))
        return to_torch(values).clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        (gradients,) = ctx.saved_tensors
        return None, None, gradients * upstream[:, None, None, None]


def main() -> None:
    """Optimises a noisy image in torch, to show that gradients reach it."""
    torch.manual_seed(0)
    ramp = torch.linspace(0.2, 0.8, 64)
    reference = (ramp[:, None] * ramp).expand(1, 3, 64, 64).contiguous()
    image = (reference + 0.1 * torch.randn_like(reference)).clamp(0, 1).requires_grad_()
    loss = MetricLoss("gsn")
    optimiser = torch.optim.Adam([image], lr=0.01)
    for step in range(51):
        optimiser.zero_grad()
        value = loss(reference, image).mean()
        if step % 25 == 0:
            print(f"step {step}: loss {value.item():.4f}")
        value.backward()
        optimiser.step()
        with torch.no_grad():
            image.clamp_(0, 1)


if __name__ == "__main__":
    main()
