"""Errors a user can act on: what was found, where, why it matters, and how to mend it.

The command line prints them without a stack trace and exits with `exit_code` (docs/reference.md):
0 done, 1 a check or run failed, 2 wrong usage or config.
"""


class LangadaptError(Exception):
    """A run or a check failed for a reason the user can mend.

    Args:
        what: What was found, with the offending value.
        where: File, line, key path or document id.
        why: Why it matters.
        fix: One or two remedies with values, one a line.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.why, self.fix = what, where, why, fix

    def __str__(self) -> str:
        """The one-screen message the command line prints."""
        parts = {"where": self.where, "why": self.why, "fix": self.fix}
        lines = [self.what]
        for label, text in parts.items():
            if text:
                head, *rest = text.splitlines()
                lines += [f"  {label + ':':<7}{head}", *(f"         {line}" for line in rest)]
        return "\n".join(lines)


class UsageError(LangadaptError):
    """Wrong command line, configuration, or a path that does not exist."""

    exit_code = 2


class DataError(LangadaptError):
    """Input data that cannot be used as it is: malformed, empty, or in the wrong encoding."""
