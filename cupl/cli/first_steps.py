"""The steps of ``cupl generate`` before the descriptions: questions for the data, other classes."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cupl.cli.output import count, progress, quoted, say, say_next, write_bank
from cupl.cli.spending import say_dropped, say_first, say_plan

if TYPE_CHECKING:
    from cupl.bank.model import PromptBank
    from cupl.generation.about import WrittenQuestions
    from cupl.generation.asking import Asking
    from cupl.generation.budget import Prices
    from cupl.generation.collect import CollectedPrompts
    from cupl.generation.contrast import ContrastNames
    from cupl.generation.plan import Plan, PlanSurvey
    from cupl.generation.subclasses import NamedSubclasses


@dataclass
class FirstSteps:
    """What a run asks before it knows what to describe, or by which questions."""

    plan: "Plan"
    """Of the descriptions, as far as it is known."""
    asking: "Asking"
    prices: "Prices | None"
    dry_run: bool
    bound: str = ""
    """What the numbers of the plan are, where they are no more than a bound."""
    questions: "WrittenQuestions | None" = None
    contrast: "ContrastNames | None" = None
    subclasses: "NamedSubclasses | None" = None
    kinds: int = 0
    """Sub-classes of each class that are asked for."""
    classes: int = 0

    def write_questions(self, about: str, path: Path | None) -> None:
        """Have the questions written for the data, and keep them in a file."""
        from cupl.generation import about as asks
        from cupl.generation.event_loop import run

        asked = asks.about_plan(self.plan, about)
        found = self.asking.survey(asked)
        say_plan(asked, found, self.prices, "questions for the data: ", "description")
        if self.dry_run and found.answers:
            say_first(asked)
            self.plan = replace(self.plan, questions=asks.example_questions())
            self.bound = "then, at most: "
            return
        with progress("answers") as update:
            asking = replace(self.asking, options=replace(self.asking.options, progress=update))
            self.questions = run(asks.write_questions(self.plan, about, asking))
        self.plan = replace(self.plan, questions=self.questions.set)
        say(f"{count(len(self.questions.questions), 'question')} written, such as:")
        for question in self.questions.questions[:3]:
            say(f"  {question}")
        say_dropped(self.questions.dropped)
        if path is not None and not self.dry_run:
            write_bank(path, self.questions.set.to_bytes())
            say(f"wrote {path}: {count(len(self.questions.questions), 'question')}")
            say(f"  to be edited; --questions {quoted(path)} in place of --about asks by it")

    def name_contrast(self) -> None:
        """Have named what is none of the classes, and let that be the classes."""
        from cupl.generation import contrast as asks
        from cupl.generation.event_loop import run

        self.classes = len(self.plan.labels)
        asked = asks.contrast_plan(self.plan)
        found = self.asking.survey(asked)
        say_plan(asked, found, self.prices, "look-alikes and siblings: ")
        if self.dry_run and found.answers:
            say_first(asked)
            self.plan = asks.most_contrast(self.plan, self.asking.cache)
            self.bound = "then, at most: "
            return
        with progress("answers") as update:
            asking = replace(self.asking, options=replace(self.asking.options, progress=update))
            self.contrast = run(asks.find_contrast(self.plan, asking))
        labels = self.contrast.labels
        self.plan = replace(self.plan, labels=labels)
        shown = ", ".join(label.name for label in labels[:5]) + ", ..." * (len(labels) > 5)
        classes = count(self.classes, "class", "classes")
        say(f"{count(len(labels), 'name')} for {classes}: {shown}")
        say_dropped(self.contrast.dropped)

    def name_subclasses(self, most: int | None) -> None:
        """Have so many kinds of each class named, to be described beside it; None for none."""
        if most is None:
            return
        from cupl.generation import subclasses as asks
        from cupl.generation.event_loop import run

        self.classes, self.kinds = len(self.plan.labels), most
        asked = asks.subclass_plan(self.plan, most)
        found = self.asking.survey(asked)
        say_plan(asked, found, self.prices, "kinds of the classes: ")
        if self.dry_run and found.answers:
            say_first(asked)
            self.plan = asks.most_subclasses(self.plan, self.asking.cache, most)
            self.bound = "then, at most: "
            return
        with progress("answers") as update:
            asking = replace(self.asking, options=replace(self.asking.options, progress=update))
            self.subclasses = run(asks.find_subclasses(self.plan, asking, most))
        self.plan = asks.with_subclasses(self.plan, self.subclasses)
        labels, of = self.subclasses.labels, len(self.subclasses.of)
        shown = ", ".join(label.name for label in labels[:5]) + ", ..." * (len(labels) > 5)
        classes = count(self.classes, "class", "classes")
        say(f"{count(len(labels), 'kind')} of {of:,} of {classes}: {shown}")
        say_dropped(self.subclasses.dropped)

    def say_descriptions(self, found: "PlanSurvey") -> None:
        """What is asked about the classes, now that they and the questions are known."""
        steps = (self.questions, self.contrast, self.subclasses)
        label = self.bound or ("descriptions: " if any(steps) else "")
        say_plan(self.plan, found, self.prices, label)
        if self.dry_run and not self.bound:
            say_first(self.plan)

    def bank(self, collected: "CollectedPrompts", name: str) -> "PromptBank":
        """The bank of the answers, which says what the steps before them were."""
        from cupl.generation.about import with_questions
        from cupl.generation.contrast import contrast_bank
        from cupl.generation.subclasses import subclass_bank

        if self.subclasses is not None:
            bank, bare = subclass_bank(collected, name, self.classes, self.subclasses, self.kinds)
            if bare:
                say(f"left out: {count(bare, 'kind')} that kept no description")
        elif self.contrast is None:
            bank = collected.bank(name)
        else:
            bank, bare = contrast_bank(collected, name, self.classes, self.contrast)
            if bare:
                say(f"left out: {count(bare, 'name')} that kept no description")
        return bank if self.questions is None else with_questions(bank, self.questions)

    def say_next(self, output: Path, classes: str | Path | None) -> None:
        """What to do with the bank; its classes may come from a folder of photos."""
        from cupl.bank.class_folders import may_hold_images
        from cupl.llm.mini import NAME as MINI

        bank = quoted(output)
        encoder = " --encoder mini" if self.plan.model == MINI else ""
        photos = "IMAGE..."
        if classes is not None and Path(classes).is_dir() and may_hold_images(Path(classes)):
            photos = quoted(Path(classes))
        use = f"cupl classify {photos} --bank {bank}{encoder}"
        if self.contrast is not None:
            use = f"cupl classify {photos} --bank BANK.yaml --reject {bank}{encoder}"
        say_next(f"cupl bank check {bank}", output)
        say_next(use, output, other=True)
