"""How a database stands, and what calls did, as named tuples."""

from __future__ import annotations

from typing import NamedTuple

TABLE_STATES = {0: "waiting", 1: "building", 2: "ready", 3: "failed", 4: "unmirrored"}


class SyncReport(NamedTuple):
    position: int
    events: int
    rows_inserted: int
    rows_updated: int
    rows_deleted: int
    rows_pruned: int
    duration_us: int


class SyncStatus(NamedTuple):
    """rhei_sync_status of rhei_state.h, field by field."""
    running: bool
    position: int
    log_position: int
    lag_events: int
    age_us: int
    tables: int
    tables_ready: int
    cycles: int
    events: int
    rows_inserted: int
    rows_updated: int
    rows_deleted: int
    rows_pruned: int
    log_rows: int
    last_cycle_us: int
    last_error: str
    disk_folder: str
    disk_bytes: int
    disk_position: int
    disk_age_us: int
    disk_message: str
    buffer_folder: str
    buffer_bytes: int
    buffer_position: int
    buffer_message: str
    log_bytes: int
    log_age_us: int
    log_limit_rows: int
    log_limit_bytes: int
    log_limit_age_us: int
    log_over: bool
    log_blocks: bool
    log_cut: int
    log_refused: int
    log_message: str


class TableStatus(NamedTuple):
    name: str
    state: str
    """waiting, building, ready, failed or unmirrored."""
    keeps_history: bool
    rows: int
    rows_built: int
    rows_expected: int
    position: int
    message: str
    """Why it isn't ready."""


class Metric(NamedTuple):
    name: str
    labels: str
    help: str
    counter: bool
    value: float


class Ingested(NamedTuple):
    rows: int
    position: int
    changed: int
    skipped: int
    rejected: int


class Repaired(NamedTuple):
    tables: int
    rows: int
    repaired: int
    rebuilt: int
    mended_pieces: int
    mended_rows: int
    history_lost: bool


class BackedUp(NamedTuple):
    position: int
    database_bytes: int
    olap_bytes: int
    olap_position: int
    duration_us: int
