"""A log group as `--aws_log_groups` selects it."""

from dataclasses import dataclass

_PARTS_BEFORE_NAME = 6


@dataclass(frozen=True)
class LogGroupSelection:
    """A log group, or those of its streams whose names begin with `prefix`.

    `region` and `arn` are empty unless the group is given as an ARN: then it is that of one region, and may be
    that of an account linked by CloudWatch's cross-account observability.
    """

    name: str
    prefix: str = ""
    region: str = ""
    arn: str = ""

    @classmethod
    def parse(cls, text: str) -> "LogGroupSelection":
        """Return the selection of `NAME`, `NAME:PREFIX`, or an ARN, which a colon and a prefix may follow."""
        if not text.startswith("arn:"):
            name, _, prefix = text.partition(":")
            return cls(name, prefix)
        *start, rest = text.split(":", _PARTS_BEFORE_NAME)
        name, _, prefix = rest.partition(":")
        return cls(name, prefix, start[3], ":".join([*start, name]))

    @property
    def account(self) -> str:
        """The account of a group that is given as an ARN, else empty."""
        return self.arn.split(":")[4] if self.arn else ""

    def is_in(self, region: str) -> bool:
        """Tell whether the group is looked for in the region."""
        return not self.region or self.region == region
