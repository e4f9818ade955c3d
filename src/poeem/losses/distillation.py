"""Distillation: scores of quantized vectors learn from exact scores."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from poeem.losses.retrieval_softmax import flat_rows


def distillation(
    student: Tensor, teacher: Tensor, *, temperature: float, teacher_temperature: float | None = None
) -> Tensor:
    """Compare two rankings of the same candidates: ``KL(softmax(teacher / T') ‖ softmax(student / T))``, mean over
    queries.

    It compares scores only, unlike the distortion: an error of a decoded vector that changes no score costs nothing. No
    gradient reaches the teacher.

    Args:
        student: float, ``(..., m)``: scores of the quantized candidates, larger is better.
        teacher: float, ``(..., m)``: exact scores of the same candidates.
        temperature: ``T``, and ``T'`` too unless it is given; 0.01 to 0.05 for unit vectors. The lower, the more only
            the first ranks count.
        teacher_temperature: ``T'``.
    Returns:
        scalar, nats; 0 where the two agree.
    Source:
        Xiao et al., "Distill-VQ", SIGIR 2022, section 3.2; Cao et al., "Learning to rank: from pairwise approach to
        listwise approach", 2007.

    >>> import torch
    >>> distillation(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]]), temperature=1.0)  # log 2 - H(.731)
    tensor(0.1109)
    """
    student, teacher = flat_rows(student), flat_rows(teacher)
    target = F.log_softmax(teacher.detach() / (teacher_temperature or temperature), dim=1)
    return F.kl_div(F.log_softmax(student / temperature, dim=1), target, reduction="batchmean", log_target=True)
