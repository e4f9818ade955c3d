from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax

from poeem.losses.distillation import distillation


def scores(seed):
    return torch.randn(5, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("temperature", "teacher_temperature"), [(1.0, None), (0.05, None), (0.2, 0.5)])
def test_is_the_divergence_by_definition(temperature, teacher_temperature):
    student, teacher = scores(0), scores(1)
    p = softmax(teacher.numpy() / (teacher_temperature or temperature), axis=1)
    log_q = log_softmax(student.numpy() / temperature, axis=1)
    expected = (p * (np.log(p) - log_q)).sum(1).mean()
    found = distillation(student, teacher, temperature=temperature, teacher_temperature=teacher_temperature)
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_is_zero_where_the_ranking_agrees_in_all_but_a_constant():
    teacher = scores(2)
    assert distillation(teacher + 3.0, teacher, temperature=0.1).item() == pytest.approx(0, abs=1e-12)


def test_gradient_reaches_the_student_alone():
    student, teacher = scores(0).requires_grad_(), scores(1).requires_grad_()
    loss = distillation(student, teacher, temperature=0.3)
    loss.backward()
    expected = (softmax(student.detach().numpy() / 0.3, 1) - softmax(teacher.detach().numpy() / 0.3, 1)) / 0.3 / 5
    np.testing.assert_allclose(student.grad.numpy(), expected, atol=1e-12)
    assert teacher.grad is None


def test_a_candidate_that_is_out_of_the_question_does_no_harm():
    teacher, student = scores(0).float(), scores(1).float()
    teacher[:, 0] = -1e4
    assert torch.isfinite(distillation(student, teacher, temperature=0.01))


def test_leading_dimensions_are_rows():
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(2, 3, 5, generator=generator) for _ in range(2))
    flat = distillation(student.reshape(6, 5), teacher.reshape(6, 5), temperature=0.5)
    assert torch.equal(distillation(student, teacher, temperature=0.5), flat)
