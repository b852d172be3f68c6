"""Annotations on a time line in the formats that other tools read and write.

Every format becomes, and is made from, one table (`ANNOTATION_SCHEMA`): what was marked from when to when, on which
tier, about whom. EmotionML 1.0, WebVTT, Praat TextGrid and ELAN EAF 3.0.
"""

from affectome.media.annotations.files import FORMATS, read_annotations, write_annotations
from affectome.media.annotations.table import ANNOTATION_SCHEMA

__all__ = ["ANNOTATION_SCHEMA", "FORMATS", "read_annotations", "write_annotations"]
