"""GPU requests bound the replicas of a local mesh, and say so in a line."""

from pathlib import Path

import pytest

from asya_local.gpu import bound_by_gpus, gpus_asked, gpus_here
from asya_manifest.pod import PodTemplate


@pytest.mark.parametrize(
    ("resources", "asked"),
    [
        (None, 0),
        ({"limits": {"cpu": "2", "memory": "1Gi"}}, 0),
        ({"limits": {"nvidia.com/gpu": 1}}, 1),
        ({"limits": {"nvidia.com/gpu": "2"}}, 2),
        ({"requests": {"amd.com/gpu": "4"}}, 4),
        ({"limits": {"gpu.intel.com/i915": "1"}}, 1),
        ({"limits": "nonsense"}, 0),
    ],
)
def test_what_a_container_asks_for_is_read_as_kubernetes_does(resources: object, asked: int) -> None:
    container = {"name": "asya-runtime", **({} if resources is None else {"resources": resources})}
    assert gpus_asked(PodTemplate.model_validate({"spec": {"containers": [container]}})) == asked


def test_the_machines_gpus_are_counted_unless_somebody_lists_them(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "null"):
        (tmp_path / name).touch()
    assert gpus_here({}, tmp_path) == 2
    assert gpus_here({"CUDA_VISIBLE_DEVICES": "0,3,5"}, tmp_path) == 3
    assert gpus_here({"CUDA_VISIBLE_DEVICES": ""}, tmp_path) == gpus_here({"CUDA_VISIBLE_DEVICES": "-1"}, tmp_path) == 0


@pytest.mark.parametrize(
    ("asked", "here", "bound", "line"),
    [
        (0, 0, 4, ""),
        (1, 8, 4, ""),
        (1, 2, 2, "a replica asks for 1 GPU, and this machine has 2: at most 2 here"),
        (2, 5, 2, "a replica asks for 2 GPUs, and this machine has 5: at most 2 here"),
        (2, 1, 1, "a replica asks for 2 GPUs, and this machine has 1: at most 1 here"),
        (1, 0, 1, "a replica asks for 1 GPU, and none is seen on this machine: at most 1 here"),
    ],
)
def test_replicas_are_bound_with_a_line(asked: int, here: int, bound: int, line: str) -> None:
    assert bound_by_gpus(asked, here, cap=4) == (bound, line)
