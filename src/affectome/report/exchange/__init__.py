"""Estimates in the formats of other tools: annotation formats, and the batch results that users of Hume's API know."""

from affectome.report.exchange.export import EXPORTS, Exported, export_estimates

__all__ = ["EXPORTS", "Exported", "export_estimates"]
