"""HTML of batches: the preview of an upload, the progress of a batch, and the rows that failed."""

from __future__ import annotations

from analogen import BatchRun, RunStatus
from analogen.demos.components import error_box, escaped, inline_image, jpeg
from analogen.demos.jobs.batch_input import CheckedBatch
from analogen.demos.messages import without_folders
from analogen.demos.uploads import read_upload

_STATE_LABELS = {
    "waiting": "Waiting", "running": "Working", "pausing": "Pausing", "paused": "Paused", "cancelled": "Cancelled",
    "done": "Done", "stopped": "Stopped",
}  # fmt: skip


def preview(checked: CheckedBatch) -> str:
    """The number of pictures of a checked batch, with its references and subjects."""
    candidates = "" if checked.candidates == checked.pictures else f", the best of {checked.candidates} candidates"
    summary = f"{checked.rows} rows, {checked.pictures} pictures{candidates}."
    shown = checked.references[:6]
    cells = "".join(
        f"<tr><td>{inline_image(jpeg(read_upload(path, 256), 160), path.name)}</td><td>{escaped(path.name)}</td></tr>"
        for path in shown
        if path.suffix.lower() != ".svg"
    )
    more = len(checked.references) - len(shown)
    names = ", ".join(checked.subjects[:12]) + (
        f" and {len(checked.subjects) - 12} more" if len(checked.subjects) > 12 else ""
    )
    tail = f"<p>and {more} more pictures</p>" if more > 0 else ""
    return (
        f'<div class="an-note" role="status"><strong>{summary}</strong><p>Subjects: {escaped(names)}</p>'
        f'<table class="an-table"><tbody>{cells}</tbody></table>{tail}</div>'
    )


def card(title: str, status: RunStatus, ahead: int) -> str:
    """The state and the progress of a batch. ahead: batches that come first."""
    ended = status.done + status.failed
    share = 100 * ended / max(status.rows, 1)
    words = [f"{status.done} of {status.rows} rows"]
    if status.failed:
        words.append(f"{status.failed} failed")
    if status.state == "waiting" and ahead:
        words.append("one batch comes first" if ahead == 1 else f"{ahead} batches come first")
    if status.seconds_left is not None and status.state == "running":
        words.append(f"about {duration(status.seconds_left)} left")
    error = error_box(status.error) if status.error else ""
    return (
        f'<div class="an-note"><strong>{escaped(title)}</strong> · {_STATE_LABELS[status.state]}'
        f'<div class="an-progress" role="progressbar" aria-label="Progress of {escaped(title)}" aria-valuemin="0" '
        f'aria-valuemax="{status.rows}" aria-valuenow="{ended}"><span style="width:{share:.1f}%"></span></div>'
        f"{', '.join(words)}</div>{error}"
    )


def failures(run: BatchRun) -> str:
    """The rows that failed, with their errors; an empty string if there are none."""
    rows = [row for row in run.rows(1000) if row.error]
    lines = tuple(f"line {row.line} ({row.id}): {without_folders(row.error or '')}" for row in rows[:50])
    return error_box(f"{len(rows)} rows failed", lines) if rows else ""


def duration(seconds: float) -> str:
    """A time for reading, such as "80 s", "10 min" or "1 h 57 min"."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
