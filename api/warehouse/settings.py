"""Limits of reading, from the environment and from `.env`. Each bounds what one caller can cost the others."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class WarehouseSettings(BaseSettings):
    """How much a read may take: rows, seconds, memory."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    read_rows_max: int = Field(
        100_000, ge=1, le=1_000_000, description="Most rows of one answer; the rest is behind its cursor."
    )
    read_seconds: float = Field(10.0, gt=0, le=600, description="Longest run of a read's query.")
    read_queue_seconds: float = Field(
        10.0, gt=0, le=600, description="Longest wait for a free reader before the caller is told to come back."
    )
    read_concurrency: int = Field(4, ge=1, le=64, description="Reads computed at once; cached ones do not count.")
    read_threads: int = Field(2, ge=1, le=64, description="Threads DuckDB uses for one open snapshot.")
    read_memory_mb: int = Field(
        512,
        ge=64,
        le=1_048_576,
        description="Memory DuckDB may use for one open snapshot, MB; it never spills to disk.",
    )
    read_cache_mb: int = Field(64, ge=0, le=65_536, description="Memory for encoded answers, MB; 0 keeps none.")
    read_snapshots_open: int = Field(
        3, ge=1, le=64, description="Older snapshots held open for time travel and readers in progress."
    )
    read_stream_mb: int = Field(
        8, ge=1, le=1024, description="Answers with more data than this are streamed and not cached, MB."
    )
    download_seconds: float = Field(300.0, gt=0, le=86_400, description="Longest run of a whole table's download.")
    sql_enabled: bool = Field(True, description="Whether callers may send SQL of their own to /warehouse/query.")
    sql_seconds: float = Field(
        10.0, gt=0, le=600, description="Longest run of a caller's SQL; then its process is killed."
    )
    sql_rows_max: int = Field(
        10_000, ge=1, le=1_000_000, description="Most rows of a caller's SQL; more is `truncated`."
    )
    sql_result_mb: int = Field(32, ge=1, le=1024, description="Most bytes of the result of a caller's SQL, MB.")
    sql_memory_mb: int = Field(
        512,
        ge=128,
        le=1_048_576,
        description="Memory of a process that runs callers' SQL, MB; above it, it is killed.",
    )
    sql_processes: int = Field(
        2, ge=1, le=16, description="Processes that run callers' SQL; one caller may hold all but one of them."
    )
