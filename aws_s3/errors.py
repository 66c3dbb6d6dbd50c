"""Every failure that the program reports: one hierarchy of classes that carry the exit code.

An error is raised where it happens. Its message names the thing, the reason and the next step; `cli`
turns it into one `ERROR: …` line and the process's exit code.
"""

import errno
from collections.abc import Mapping
from typing import Any


class CollectorError(Exception):
    """A failure reported to the user as one line; `exit_code` becomes the process's.

    `options` are the command line's options that the message is about. With any, `message` is a template
    of `str.format` with a `{}` for each, so that a configuration file's elements can be named instead.
    """

    exit_code = 1

    def __init__(self, message: str = "", *options: str) -> None:
        super().__init__(message, *options)
        self.message = message
        self.options = options

    def __str__(self) -> str:
        return self.with_names({})

    def with_names(self, names: Mapping[str, str]) -> str:
        """Return the message with these names in the place of the options that have one."""
        if not self.options:
            return self.message
        return self.message.format(*(names.get(option, option) for option in self.options))


class ResourceError(CollectorError):
    """The system refuses the process a file descriptor, a thread, a process or memory."""

    @classmethod
    def of_memory(cls) -> "ResourceError":
        """Return the error of a process that gets no more memory."""
        return cls(
            "There is too little memory. Give the run more (ulimit -v, or MemoryMax of its systemd unit), or let it "
            "take less: --workers 1, and a smaller max_concurrent_requests in the AWS configuration file."
        )


class UsageError(CollectorError):
    """The command line is wrong."""

    exit_code = 2

    @classmethod
    def of_value(cls, option: str, reason: str) -> "UsageError":
        """Return the error of one option's value; `reason` is taken as it stands."""
        return cls("{}: " + reason.replace("{", "{{").replace("}", "}}"), option)


class OssecConfigError(CollectorError):
    """The aws-s3 block of ossec.conf cannot be run."""

    exit_code = 2


class CredentialsError(CollectorError):
    """No credentials, invalid credentials, or access denied."""

    exit_code = 3


class StateError(CollectorError):
    """The state database cannot be used."""

    exit_code = 5


class StateCreateError(StateError):
    """The state database cannot be created."""

    exit_code = 6


class StorageError(CollectorError):
    """Listing or reading S3 failed, for a reason without an exit code of its own."""

    exit_code = 7


class MissingExtraError(CollectorError):
    """An optional dependency is needed and not installed."""

    exit_code = 10


class SinkConnectError(CollectorError):
    """The sink has no listener."""

    exit_code = 11


class InvalidTypeError(CollectorError):
    """Unknown type of bucket, service or subscriber."""

    exit_code = 12


class SinkSendError(CollectorError):
    """The sink has a listener, but refused a message."""

    exit_code = 13


class EmptyBucketError(CollectorError):
    """The bucket has no object under the path."""

    exit_code = 14


class EndpointError(CollectorError):
    """The endpoint cannot be reached, or is not a URL."""

    exit_code = 15


class ThrottledError(CollectorError):
    """AWS still throttles after all retries."""

    exit_code = 16


class RequestError(CollectorError):
    """A request to a service failed, for a reason without an exit code of its own."""

    exit_code = 16


class MissingError(RequestError):
    """The thing asked for does not exist."""


class InvalidRequestError(RequestError):
    """The service does not accept a value of the request."""


class ExpiredTokenError(InvalidRequestError):
    """A token has expired: reading continues by time."""


class DeniedError(CredentialsError):
    """The credentials are valid, but lack the permission."""


class ConfigFileError(CollectorError):
    """A value in the AWS configuration file is invalid."""

    exit_code = 17


class NoAccountsError(CollectorError):
    """The type needs account folders and there are none."""

    exit_code = 18


class ClockError(CollectorError):
    """The local clock differs from AWS's."""

    exit_code = 19


class QueueMissingError(CollectorError):
    """The queue does not exist."""

    exit_code = 20


class QueueError(CollectorError):
    """The queue cannot be read, or options that it needs are missing."""

    exit_code = 21


class UnknownRegionError(CollectorError):
    """A region that no AWS partition knows."""

    exit_code = 22


class UnknownProfileError(CollectorError):
    """A profile that neither AWS file knows."""

    exit_code = 23


class ObjectError(CollectorError):
    """One object cannot be collected; `--skip_on_error` continues after it."""


class MalformedError(ObjectError):
    """The object's content is broken: reading it again would not help."""


class DecompressError(MalformedError):
    """The object cannot be decompressed."""

    exit_code = 8


class ParseError(MalformedError):
    """The object cannot be parsed."""

    exit_code = 9


class UnavailableError(ObjectError):
    """The object could not be fetched now; a later run may succeed.

    `cause` is the same failure as an error of the whole run; the exit code is that of `cause`.
    `gone`: the key no longer exists. `archived`: the object cannot be read before somebody restores it.
    """

    def __init__(self, cause: CollectorError, *, gone: bool = False, archived: bool = False) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.exit_code = cause.exit_code
        self.gone = gone
        self.archived = archived

    def __reduce__(self) -> tuple[Any, ...]:
        return _unavailable, (self.cause, self.gone, self.archived)


def _unavailable(cause: CollectorError, gone: bool, archived: bool) -> UnavailableError:  # noqa: FBT001
    return UnavailableError(cause, gone=gone, archived=archived)


TERMINATED = 143
"""The exit code after SIGTERM: 128 and the number of the signal."""


class Interrupted(BaseException):
    """SIGINT or SIGTERM asks the process to stop (exit codes 2 and 143)."""

    def __init__(self, signal_name: str, exit_code: int) -> None:
        super().__init__(f"{signal_name} received.")
        self.exit_code = exit_code


class LimitReached(Interrupted):
    """The run sent as many events as `--limit` allows: it ends as a signal would end it, but with success."""

    def __init__(self, limit: int) -> None:
        BaseException.__init__(self, f"{limit} events were sent, as many as --limit allows.")
        self.exit_code = 0


_NO_THREAD = "can't start new thread"
_UNKNOWN_ENCODING = "unknown encoding: "
_NO_REASON = "no reason supplied"
_NO_ROOM_TO_LOAD = ("failed to map segment", "cannot map zero-fill pages", "annot allocate memory")
"""Words of the dynamic linker."""


def missing_resource(error: BaseException) -> ResourceError | None:
    """Return the error that names what the process has too few of, if `error` or one of its causes says so.

    BlockingIOError is how a fork fails: `error` must not come from a pipe or a socket that does not block.
    """
    if isinstance(error, BlockingIOError):
        return _too_few_tasks("process")
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or getattr(cause, "errno", None) == errno.ENOMEM or _gets_no_memory(cause):
            return ResourceError.of_memory()
        if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
            return ResourceError(
                f"Too few file descriptors: this process may open {_limit('RLIMIT_NOFILE')}. Raise the limit "
                "(ulimit -n, or LimitNOFILE of its systemd unit) to 1024 or more."
            )
        if isinstance(cause, RuntimeError) and str(cause) == _NO_THREAD:
            return _too_few_tasks("thread")
        # botocore keeps the error that it wraps as a value, urllib3 as its context.
        wrapped = getattr(cause, "kwargs", {}).get("error")
        cause = wrapped if isinstance(wrapped, BaseException) else cause.__cause__ or cause.__context__
    return None


def _gets_no_memory(error: BaseException) -> bool:
    """Tell whether OpenSSL, a library or an encoding that is Python's own got no memory, by the words of the error.

    Python takes an encoding whose module it cannot import for an unknown one: `idna`, at the first connection. OpenSSL
    gives no reason where it gets no memory.
    """
    if type(error) is ValueError:
        return str(error) == _NO_REASON
    if isinstance(error, ImportError):
        return any(words in str(error) for words in _NO_ROOM_TO_LOAD)
    if type(error) is not LookupError or not str(error).startswith(_UNKNOWN_ENCODING):
        return False
    from importlib.util import find_spec

    module = str(error).removeprefix(_UNKNOWN_ENCODING).lower().replace("-", "_")
    return module.isidentifier() and find_spec(f"encodings.{module}") is not None


def _too_few_tasks(kind: str) -> ResourceError:
    return ResourceError(
        f"The system starts no further {kind}: its user may have {_limit('RLIMIT_NPROC')} processes and threads, and a "
        "service may have fewer. Raise the limit (ulimit -u, or TasksMax of its systemd unit), leave more memory, or "
        "give --workers 1."
    )


def _limit(name: str) -> str:
    import resource

    soft, _ = resource.getrlimit(getattr(resource, name))
    return "any number of" if soft == resource.RLIM_INFINITY else str(soft)
