"""How is it shown? A table of estimates as one page to read and to show around."""

from affectome.report.page import RunInfo, write_report

__all__ = ["RunInfo", "write_report"]
