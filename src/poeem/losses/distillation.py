"""Distillation: the index is to rank as the float vectors do."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def distillation(
    student: Tensor, teacher: Tensor, *, temperature: float, teacher_temperature: float | None = None
) -> Tensor:
    """``KL(softmax(teacher / T') ‖ softmax(student / T))``, mean over queries (ListNet with a full list).

    Unlike the distortion it asks nothing of the decoded vectors themselves, only of the order in which queries see
    them: error that no query looks at is free. No gradient reaches the teacher.

    Args:
        student: float, ``(n, m)``: scores of the quantized candidates, larger is better.
        teacher: float, ``(n, m)``: exact scores of the same candidates.
        temperature: of both; for unit vectors 0.01 to 0.05. Lower looks at the first ranks alone.
        teacher_temperature: of the teacher, where it is to differ.
    Returns:
        Scalar, nats; 0 where the two agree.
    Source:
        Xiao et al., "Distill-VQ", SIGIR 2022, section 3.2; Cao et al., "Learning to rank: from pairwise approach to
        listwise approach", 2007.

    >>> import torch
    >>> distillation(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]]), temperature=1.0)  # log 2 - H(.731)
    tensor(0.1109)
    """
    wanted = F.log_softmax(teacher.detach() / (teacher_temperature or temperature), dim=1)
    return F.kl_div(F.log_softmax(student / temperature, dim=1), wanted, reduction="batchmean", log_target=True)
