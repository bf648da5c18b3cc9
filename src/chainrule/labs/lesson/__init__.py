"""How a lab's script becomes a lesson: the object it talks to, its source, and the page."""

from chainrule.labs.lesson import parts
from chainrule.labs.lesson.lab import ClaimError, Lab
from chainrule.labs.lesson.lesson import Lesson, teach
from chainrule.labs.lesson.parts import Part
from chainrule.labs.lesson.prose import plain
from chainrule.labs.lesson.script import Script

__all__ = ["ClaimError", "Lab", "Lesson", "Part", "Script", "parts", "plain", "teach"]
