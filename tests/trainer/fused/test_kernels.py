"""The kernels against float64: on a card where there is one, interpreted on the processor everywhere."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a card"))]


@pytest.fixture(scope="module", params=DEVICES)
def found(request, comfyui) -> dict:
    if importlib.util.find_spec("triton") is None:
        pytest.skip("there is no Triton here")
    seed = random.randrange(2**31)
    script = Path(__file__).with_name("measure.py")
    command = [sys.executable, str(script), request.param, str(seed), str(comfyui)]
    environment = os.environ | ({"TRITON_INTERPRET": "1"} if request.param == "cpu" else {})
    answer = subprocess.run(command, capture_output=True, text=True, timeout=580, env=environment)
    assert answer.returncode == 0, f"seed {seed}: {answer.stderr[-3000:]}"
    return json.loads(answer.stdout.splitlines()[-1]) | {"seed": seed}


@pytest.mark.parametrize("name", ["group norm", "add and norm", "gate"])
@pytest.mark.parametrize(("precision", "most"), [("float32", 1e-6), ("bfloat16", 6e-3)])
def test_answers_and_gradients_are_those_of_float64_but_for_rounding(found, name, precision, most):
    assert found[precision][name] < most


@pytest.mark.parametrize("name", ["one layer", "three layers"])
def test_a_lora_added_to_the_weight_answers_and_learns_as_one_beside_it(found, name):
    assert found["bfloat16"][name] < 1e-2


@pytest.mark.parametrize("name", ["one layer of three people", "three layers of three people"])
def test_rows_of_several_people_answer_and_learn_as_each_persons_alone(found, name):
    assert found["bfloat16"][name] < 4e-3


def test_adding_nothing_to_a_weight_leaves_it_as_it_is(found):
    assert found["kept"]["unchanged"] is True


@pytest.mark.parametrize("size", ["1e-06", "1e-05", "0.0001"])
def test_changes_below_the_last_bit_of_a_weight_are_kept_in_the_mean(found, size):
    # Plain rounding keeps 2 % of changes of a millionth.
    assert found["kept"][size] == pytest.approx(1, abs=0.25 if size == "1e-06" else 0.08)


@pytest.mark.parametrize("what", ["answer", "gradients"])
def test_a_quickened_network_answers_and_learns_as_the_hosts_own(found, what):
    assert found["network"]["float32, quickened"][what] < 1e-4


@pytest.mark.parametrize("what", ["answer", "gradients"])
def test_in_half_precision_it_is_no_farther_from_the_truth_than_the_hosts_own(found, what):
    network = found["network"]
    assert network["bfloat16, quickened"][what] < 2 * network["bfloat16, plain"][what]
