"""How do we train? Corpora, recipes, the trainer, calibration and the way into a bundle.

What needs torch is imported from its module when it is used: ``affectome.learn.training``.
"""

from affectome.learn.corpora import CORPORA, Corpus, load_corpus
from affectome.learn.recipe import Recipe, SourcePlan, load_recipe, recipe_task
from affectome.learn.vocabulary import load_vocabulary

__all__ = ["CORPORA", "Corpus", "Recipe", "SourcePlan", "load_corpus", "load_recipe", "load_vocabulary", "recipe_task"]
