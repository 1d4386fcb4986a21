"""What makes the draws of a job, one executor a file. A new one is one line in ``EXECUTORS``."""

from noiseproof.registry import Registry
from noiseproof.runners.executors.base import Began, Executor, Launcher
from noiseproof.runners.executors.in_process import InProcess
from noiseproof.runners.executors.on_ray import OnRay
from noiseproof.runners.executors.slurm import Slurm

EXECUTORS: Registry[type[Executor] | type[Launcher]] = Registry(
    "executor", lambda made: made.name, [InProcess, OnRay, Slurm], group="noiseproof.executors"
)

__all__ = ["EXECUTORS", "Began", "Executor", "InProcess", "Launcher", "OnRay", "Slurm"]
