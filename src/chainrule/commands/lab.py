"""``chainrule lab``: the experiments of the lectures, their numbers on the terminal and their lessons as pages."""

from __future__ import annotations

from argparse import Namespace

from chainrule.commands.terminal import Screen, notice, print_table, styled
from chainrule.labs import LABS, Part, open_lab, parts, plain, teach
from chainrule.train.wording import duration

__all__ = ["lab"]


def lab(options: Namespace) -> int:
    """Run the command; returns its exit code."""
    if options.name is None:
        rows = [(script.name, script.title(options.lang)) for script in map(open_lab, LABS)]
        print_table(rows, head=False)
        return 0
    script, screen = open_lab(options.name), Screen()
    print(styled(script.title(options.lang), "bold", screen.stream))
    print(plain(script.question(options.lang)))
    show = _Printer(screen)
    lesson = teach(
        script,
        options.lang,
        options.quick,
        options.data_dir,
        options.out,
        drawing=options.out is not None,
        listen=show.part,
    )
    screen.blank()
    say = _SUMMARY[options.lang]
    screen.say(say["claims"], say["all hold"].format(len(lesson.claims)))
    screen.say(say["time"], duration(lesson.seconds))
    if options.out is None:
        screen.say(say["page"], say["how"].format(script.name))
    else:
        page, *figures = lesson.paths(options.out)
        screen.say(say["written"], say["files"].format(page, len(figures)))
    return 0


_SUMMARY = {
    "en": {
        "claims": "claims", "all hold": "{}, all hold", "time": "time", "page": "page", "written": "written",
        "how": "chainrule lab {} --out DIR writes the lesson with its figures", "files": "{} and {} figures",
    },
    "ko": {
        "claims": "주장", "all hold": "{}개 모두 성립", "time": "시간", "page": "페이지", "written": "저장",
        "how": "chainrule lab {} --lang ko --out DIR: 그림이 든 실습 페이지를 만듭니다", "files": "{}, 그림 {}개",
    },
}  # fmt: skip


class _Printer:
    """Prints what a lab measures as it comes."""

    def __init__(self, screen: Screen) -> None:
        self.screen, self.stream, self.option = screen, screen.stream, ""

    def part(self, part: Part) -> None:
        """Headings, tables, claims and notes; text, code and figures are for the page."""
        if part.option is not None and part.option.label != self.option:
            print(f"\n{plain(part.option.label)}:", file=self.stream)
        self.option = part.option.label if part.option is not None else ""
        if isinstance(part, parts.Section):
            print(f"\n{styled(plain(part.title), 'bold', self.stream)}", file=self.stream)
        elif isinstance(part, parts.Table):
            self._table(part)
        elif isinstance(part, parts.Claim):
            self._claim(part)
        elif isinstance(part, parts.Note):
            notice(plain(part.text))
        self.stream.flush()

    def _table(self, table: parts.Table) -> None:
        rows = [[plain(cell) for cell in row] for row in ([table.head] * bool(table.head) + list(table.rows))]
        if self.option == "":
            print(file=self.stream)
        print_table(rows, table.right, self.stream, head=bool(table.head))
        if table.caption:
            print(styled(plain(table.caption), "dim", self.stream), file=self.stream)

    def _claim(self, claim: parts.Claim) -> None:
        mark = "✓" if claim.holds else styled("✗", "red", self.stream)
        values = [claim.measured] + [f"({claim.slide})"] * bool(claim.slide and claim.slide != claim.measured)
        print(f"{mark} {plain(claim.text)}: {'  '.join(values)}", file=self.stream)
