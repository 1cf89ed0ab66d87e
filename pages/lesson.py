"""Lesson: what precision does to gradients, in nine steps: predict, see, and know why."""

from amijax.ui import lesson, links
from amijax.ui.page import begin

context = begin(links.LESSON)
lesson.show(context)
links.draw(context, "lesson")
