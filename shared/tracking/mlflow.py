"""MLflow: runs in an experiment with the application's name, kept where MLFLOW_TRACKING_URI says."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from shared.tracking.base import TrackedRun

TAG = "medtl.run"
"""Tag with the name of the run folder, by which a run that resumes is found again."""
MAX_PARAM = 500
"""Most characters of a parameter that servers of all versions take."""


class MlflowRun:
    """Writes into one run, by the client alone: it adds no name of a user, a machine or a script.

    Args:
        client: The client.
        run_id: MLflow's id of the run.
    """

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client, self._id = client, run_id

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Records values of one step; see `Tracker.log`."""
        now = int(time.time() * 1000)
        self._client.log_batch(self._id, metrics=[Metric(name, value, now, step) for name, value in values.items()])

    def close(self, *, finished: bool) -> None:
        """Marks the run as finished, or as killed."""
        self._client.set_terminated(self._id, "FINISHED" if finished else "KILLED")


def open_run(run: TrackedRun) -> MlflowRun:
    """Makes the run, with the settings as its parameters, or goes on with it where it is not finished."""
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # else it tells of every table of a new store
    client = MlflowClient()
    experiment, tag = _experiment(client, run.task), run.name.replace("'", "_")
    unfinished = f"tags.`{TAG}` = '{tag}' and attributes.status != 'FINISHED'"
    if earlier := client.search_runs([experiment], unfinished, max_results=1):
        run_id = earlier[0].info.run_id
        client.update_run(run_id, status="RUNNING")
        return MlflowRun(client, run_id)
    run_id = client.create_run(experiment, run_name=run.name, tags={TAG: tag}).info.run_id
    client.log_batch(run_id, params=[Param(key, value[:MAX_PARAM]) for key, value in run.settings.items()])
    return MlflowRun(client, run_id)


def _experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if found is None else found.experiment_id)
