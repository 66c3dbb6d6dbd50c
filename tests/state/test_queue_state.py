"""A queue as a whole: whether it ever gave an object of its type, its last complete run, its last error."""

from datetime import timedelta
from pathlib import Path

from aws_s3.errors import StorageError
from aws_s3.state.overview import QueueStatus, overview
from aws_s3.state.queue_state import FILE, QueueState
from aws_s3.state.sources import LastError
from tests.harness.collecting import NOW


def test_queue_has_found_an_object_of_its_type_from_the_first_one_on(tmp_path: Path) -> None:
    queue = QueueState(tmp_path, "q", "rules")
    assert not queue.has_found("cloudtrail")
    assert not (tmp_path / FILE).exists()
    queue.note_found("cloudtrail", NOW)
    queue.note_found("cloudtrail", NOW + timedelta(1))
    assert queue.has_found("cloudtrail")
    assert not queue.has_found("vpcflow")
    assert not QueueState(tmp_path, "other", "rules").has_found("cloudtrail")


def test_queue_is_shown_with_its_last_run_and_error(tmp_path: Path) -> None:
    queue = QueueState(tmp_path, "q", "rules")
    queue.complete("cloudtrail", NOW)
    queue.note_error("cloudtrail", StorageError("first"), NOW)
    queue.note_error("cloudtrail", StorageError("second"), NOW + timedelta(1))
    began = "2021-06-20T12:00:00+00:00"
    error = LastError("second", "2021-06-21T12:00:00+00:00")
    assert overview(tmp_path).queues == [QueueStatus("q", "cloudtrail", began, error, ever_found=False)]
