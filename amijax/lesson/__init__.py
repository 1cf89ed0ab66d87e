"""A lesson on precision in nine steps: predict, see, and know why; computed when it is given."""

from amijax.lesson.exemplars import PLANS as PLANS
from amijax.lesson.exemplars import Exemplar as Exemplar
from amijax.lesson.exemplars import Plan as Plan
from amijax.lesson.exemplars import places as places
from amijax.lesson.exercises import EXERCISES as EXERCISES
from amijax.lesson.exercises import Exercise as Exercise
from amijax.lesson.exercises import Solution as Solution
from amijax.lesson.here import Here as Here
from amijax.lesson.questions import Question as Question
from amijax.lesson.questions import Reply as Reply
from amijax.lesson.step import Result as Result
from amijax.lesson.step import Step as Step
from amijax.lesson.step import Table as Table
from amijax.lesson.steps import EXERCISE_MINUTES as EXERCISE_MINUTES
from amijax.lesson.steps import STEPS as STEPS
from amijax.lesson.steps import step_of as step_of
