"""What requests may say, and how it is described in OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from affectome.api import InputOptions, ReaderOptions
from affectome.errors import UsageError
from affectome.models import list_models

Label = Annotated[str, Field(min_length=1, max_length=100)]
Column = Annotated[str, Field(min_length=1, max_length=200)]
_EXAMPLE = "I can't believe you did this for me"


class Vocabulary(BaseModel):
    """Which model reads, and into which words."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(max_length=100)] | None = Field(None, description="Id of an installed model")
    taxonomy: Annotated[str, Field(max_length=100)] | None = Field(None, description="Id from GET /v1/taxonomies")
    labels: list[Label] = Field([], max_length=64, description="Own words for feelings instead of a taxonomy")
    multi_label: bool | None = Field(None, description="Whether several labels may be present at once")
    commercial: bool = Field(False, description="Refuse weights whose training data forbid commercial use")

    def options(self, *, commercial: bool) -> ReaderOptions:
        """The options of a reader; a model is taken from the installed ones only, never from a path.

        Args:
            commercial: Whether the server allows commercially clean weights only.

        Raises:
            UsageError: ``unknown_model``.
        """
        if self.model is not None:
            cards = [installed.card for installed in list_models().models]
            names = [name for card in cards for name in (card.id, card.versioned_id)]
            if self.model not in names:
                raise UsageError(
                    f"No model is called {self.model!r}.", code="unknown_model", value=self.model, allowed=names
                )
        return ReaderOptions(
            model=self.model,
            taxonomy=self.taxonomy,
            labels=tuple(self.labels),
            multi_label=self.multi_label,
            commercial=self.commercial or commercial,
        )


class TextRequest(Vocabulary):
    """Texts to read now."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"text": _EXAMPLE}, {"texts": [_EXAMPLE], "labels": ["grateful", "hurt"]}]},
    )

    text: str | None = Field(None, description="One English text")
    texts: list[str] | None = Field(None, min_length=1, max_length=64, description="Several texts")
    sentences: bool = Field(False, description="Cut each text into sentences")
    why: bool = Field(False, description="Which words moved the most probable label; for one short text")

    @model_validator(mode="after")
    def _one_of_two(self) -> TextRequest:
        if (self.text is None) == (self.texts is None):
            raise ValueError("give text or texts, one of the two")
        if self.why and (self.text is None or self.sentences):
            raise ValueError("why goes with one text that is not cut into sentences")
        return self


class JobRequest(Vocabulary):
    """What to do with an upload."""

    purpose: str = Field("", max_length=100, description="Needed where voices or faces are read")
    ground: str = Field("", max_length=100, description="Needed for the purposes workplace and education")
    modalities: list[Literal["text", "voice", "face", "image", "fused"]] = Field([], max_length=5)
    text_column: Column | None = None
    id_column: Column | None = None
    speaker_column: Column | None = None
    time_column: Column | None = None
    group_column: Column | None = None
    sentences: bool = False
    max_seconds: float = Field(10.0, gt=1, le=30)
    whole_clips: bool = False
    face_crops: bool = False
    speakers: Annotated[int, Field(ge=1, le=20)] | bool = Field(False, description="true, or how many there are")
    transcribe: bool = Field(False, description="Write down what is said, where the server has a model for it")
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] | None = None
    report: bool = Field(False, description="Write the report, an HTML page")

    def inputs(self, *, transcribe: str | None) -> InputOptions:
        """Where the text is and how recordings are cut.

        Args:
            transcribe: The server's model for what is said.

        Raises:
            UsageError: ``no_transcription`` if the server has none.
        """
        if self.transcribe and transcribe is None:
            raise UsageError(
                "This server does not write down what is said.",
                code="no_transcription",
                value="transcribe",
                next_step="Leave it out, or start the server with --transcribe.",
            )
        return InputOptions(
            text_column=self.text_column,
            id_column=self.id_column,
            speaker_column=self.speaker_column,
            time_column=self.time_column,
            group_column=self.group_column,
            sentences=self.sentences,
            max_seconds=self.max_seconds,
            whole_clips=self.whole_clips,
            face_crops=self.face_crops,
            speakers=self.speakers,
            transcribe=transcribe if self.transcribe else None,
            language=self.language,
        )


class TextStreamRequest(Vocabulary):
    """The first message of a stream of texts."""

    key: str | None = Field(None, max_length=200)


class AudioStreamRequest(Vocabulary):
    """The first message of a stream of sound."""

    key: str | None = Field(None, max_length=200)
    purpose: str = Field("", max_length=100)
    ground: str = Field("", max_length=100)
    max_seconds: float = Field(5.0, gt=1, le=30)


class StreamedText(BaseModel):
    """A text of a stream."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field("", max_length=200)
    text: str


class Problem(BaseModel):
    """An error, in the one shape that every error has."""

    code: str = Field(examples=["unknown_taxonomy"])
    message: str
    value: str | None
    allowed: list[str]
    next_step: str


class Failure(BaseModel):
    """The body of every answer that is an error."""

    error: Problem


class ReadingBody(BaseModel):
    """What one text shows."""

    model_config = ConfigDict(extra="allow")

    text: str
    status: Literal["scored", "abstained", "failed"]
    error: str
    emotion: dict[str, float]
    present: list[str]
    dimensions: dict[str, float]
    tone: dict[str, float]
    rating: dict[str, float]
    confidence: float | None
    entropy: float | None
    model: str
    taxonomy: str


class Readings(BaseModel):
    """Readings in the order of the texts."""

    readings: list[ReadingBody]


class JobBody(BaseModel):
    """A job as its owner sees it."""

    id: str
    status: Literal["queued", "running", "finished", "failed", "cancelled"]
    files: list[str]
    modalities: list[str]
    purpose: str
    created: str
    started: str | None
    finished: str | None
    expires: str
    progress: dict[str, float | None]
    counts: dict[str, Any] | None
    problems: list[dict[str, str]]
    error: Problem | None
    links: dict[str, str]


class JobList(BaseModel):
    """The jobs of a key, the newest first."""

    jobs: list[JobBody]


class Erased(BaseModel):
    """How many jobs were erased."""

    erased: int


class Rows(BaseModel):
    """A part of the estimates."""

    rows: list[dict[str, Any]]
    offset: int
    limit: int
    total: int
    notice: str
    intended_use: list[dict[str, Any]]


def multipart(request: type[BaseModel]) -> dict[str, Any]:
    """The description of a form with files and the fields of a request, lists with commas between their words."""
    schema = request.model_json_schema()
    fields = {
        name: {"type": "string", "description": "Words with commas between them"}
        if field.get("type") == "array"
        else field
        for name, field in schema["properties"].items()
    }
    files = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}
    body = {"type": "object", "required": ["files"], "properties": {"files": files, **fields}}
    return {"required": True, "content": {"multipart/form-data": {"schema": body}}}
