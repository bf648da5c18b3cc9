'''Labs: the experiments of the lectures, each one short script that becomes a lesson in English and Korean.

``open_lab(name)`` finds one, ``teach(script, lang="ko", out="folder")`` runs it. In the shell: ``chainrule lab NAME``.

How a lab is written
--------------------

A lab is a file of this folder, named with underscores, and its name, with dashes, in ``LABS``, which is the order in which
they are taught. Registering it there is enough to have it listed, tested in both languages, and documented.

The file is read from top to bottom::

    """Title in English              four paragraphs: title and question,
                                     each in English, then in Korean
    제목

    The question?

    질문?
    """
    from chainrule.labs.lesson import Lab
    import chainrule as cr

    def square(x):                   what a student copies: plain code over the public API, no types
        return x * x

    def run(lab: Lab) -> None:
        lab.section("Heading", "제목")
        lab.text(en=r"""...""", ko=r"""...""")      paragraphs; `code`, **bold**, *emphasis*, $formula$, - lists
        lab.code(square)                            shows a function, class or "CONSTANT" of the file
        x = cr.tensor(3.0, requires_grad=True)
        y = square(x)
        y.backward()
        lab.table(["$x$", lab.say("slope", "기울기")], [[x, x.grad]], en="caption", ko="설명")
        lab.figure(cr.show.graph, y, en="caption", ko="설명")
        lab.matches("The slope is 6", "기울기는 6", x.grad, slide="6.0")
        lab.claim("It grows", "커집니다", measured=y, holds=y > x)
        lab.next(en="- ...", ko="- ...")

- The page shows the statements of ``run`` as they stand in the file, without those that only call ``lab``; all code blocks
  together are a program that runs by itself, and a test runs it. So compute in plain statements, then present.
- ``lab.scale(5000, quick=500)`` gives sizes; tests run with ``quick``, in a few seconds. ``train, test = lab.pictures()``
  is MNIST where it is found, else the digits. ``cr.manual_seed(lab.seed)`` comes before the first random number.
- Every claim is a measurement: ``matches`` for the slide's numbers (the printed digits are the tolerance), ``agrees`` for two
  ways to the same array, ``claim`` for the rest. A claim holds in quick runs too, with room to spare on other machines.
  Where one fails, the lab fails.
- ``lab.figure(function, *arguments)`` calls the function with language and theme: ``cr.show...``, ``lesson.plots``, or a
  function ``draw_...`` of the lab's own over ``show.style``. ``with lab.option("label"):`` makes one of several views.
- ``lab.say(en, ko)`` is a word in the lesson's language. Korean is written for Korean readers, not word for word.
- Lines of code that a page shows have at most 97 characters, a lab under 450 lines.
'''

from chainrule.labs.lesson import ClaimError, Lab, Lesson, Part, Script, parts, plain, teach

__all__ = ["LABS", "ClaimError", "Lab", "Lesson", "Part", "Script", "open_lab", "parts", "plain", "teach"]

#: All labs, in the order of the lectures.
LABS = (
    "gates", "xor-space", "activations", "forward", "chain-rule", "by-hand", "iris", "xor", "mnist", "learning-rate",
    "optimizers", "vanishing", "init", "polynomial", "regularise", "normalise", "validation", "autoencoder", "pretrain",
    "reinforce", "tensors",
)  # fmt: skip


def open_lab(name: str) -> Script:
    """The lab of that name; underscores and capitals are forgiven.

    >>> open_lab("gates").title("ko")
    '퍼셉트론 하나로 만드는 논리 게이트'

    Raises ConfigError for a name that is not known, with the nearest that is.
    """
    return Script.named(name, LABS)
