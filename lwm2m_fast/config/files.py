"""Settings of uploaded files: how long, how many."""

from __future__ import annotations

from lwm2m_fast.config.section import Section, field


class FilesConfig(Section):
    """Uploaded files, for operations that write one to a device; below the data directory."""

    max_file_bytes: int = field(256 << 20, "Longest file taken.", ge=1, le=(1 << 32) - 1)
    max_files: int = field(256, "Files kept at once.", ge=1, le=65536)
    max_total_bytes: int = field(4 << 30, "All files together; more is refused.", ge=1, le=1 << 44)
    max_uploads: int = field(8, "Files being uploaded at the same time.", ge=1, le=1024)
