"""What a request is told that gets no answer."""

from __future__ import annotations


class RefusedError(Exception):
    """A request is refused.

    Attributes:
        status: of HTTP.
        error: what is wrong: the argument, the rule, the value.
        remedy: what to do.
        retry_after: seconds after which to come again; 0 where that would not help.
    """

    def __init__(self, status: int, error: str, remedy: str = "", *, retry_after: int = 0) -> None:
        """Refuse; without a remedy, what stands behind the last semicolon is one."""
        said, _, rest = (error, "", "") if remedy else error.rpartition("; ")
        self.status, self.retry_after = status, retry_after
        self.error, self.remedy = (said, remedy or rest) if said else (rest, "see /openapi.json")
        super().__init__(self.error)
