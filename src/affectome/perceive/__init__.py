"""What does it show? Segments to estimates."""

from affectome.perceive.action_units import ActionUnits
from affectome.perceive.cascade import FastTextReader
from affectome.perceive.estimates import estimates_schema
from affectome.perceive.face import FaceReader
from affectome.perceive.face_mesh import FaceMesh, FaceShape
from affectome.perceive.fusion import Fusion, describe_people
from affectome.perceive.image import ImageReader
from affectome.perceive.look import LookFeature, look_features, measure_look
from affectome.perceive.noisy_text import PostCleaner
from affectome.perceive.people import People, Person, tell_people
from affectome.perceive.prosody import ProsodyFeature, measure_prosody, prosody_features
from affectome.perceive.readers import Reader, Readers
from affectome.perceive.spoken import SpokenReaders
from affectome.perceive.text import Contribution, TextReader
from affectome.perceive.voice import VoiceReader

__all__ = [
    "ActionUnits",
    "Contribution",
    "FaceMesh",
    "FaceReader",
    "FaceShape",
    "FastTextReader",
    "Fusion",
    "ImageReader",
    "LookFeature",
    "People",
    "Person",
    "PostCleaner",
    "ProsodyFeature",
    "Reader",
    "Readers",
    "SpokenReaders",
    "TextReader",
    "VoiceReader",
    "describe_people",
    "estimates_schema",
    "look_features",
    "measure_look",
    "measure_prosody",
    "prosody_features",
    "tell_people",
]
