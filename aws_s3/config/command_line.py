"""A command line becomes settings."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aws_s3.config.combinations import NOT_IN_FILE, check_combination, unused
from aws_s3.config.options import DEFAULT_TYPE, TYPE_ALIASES, OptionParser, build_parser
from aws_s3.config.options_file import Line, read_options
from aws_s3.config.spelling import Spelling
from aws_s3.errors import UsageError
from aws_s3.settings import (
    Access,
    BucketJob,
    BucketLocation,
    ConfiguredJob,
    DiscardRule,
    Job,
    Output,
    Purpose,
    ServiceJob,
    Settings,
    StatusJob,
    SubscriberJob,
)
from aws_s3.wazuh.home import WazuhHome

_METRICS = "aws-s3.prom"
"""The file of the metrics that are served, if no other is named."""


_DASHES = ("\u2010", "\u2011", "\u2013", "\u2014", "\u2212")
"""Characters that word processors and web pages put in the place of a hyphen."""

_REASONS = {
    "ignored explicit argument": "takes no value",
    "expected": "needs a value",
}
"""argparse's messages, by their beginnings, in our words."""


def parse(arguments: Sequence[str]) -> Settings:
    """Return the settings that the command line asks for.

    Raises UsageError, which names options as the user wrote them. `combinations.check_job` comes after it.
    """
    parser = build_parser()
    spelling = Spelling(arguments, parser.actions)
    try:
        _check_text(arguments)
        options = _with_file(_parsed(parser, spelling), spelling, parser)
        check_combination(options, spelling.written)
    except UsageError as error:
        raise UsageError(error.message, *(spelling.written.get(name, name) for name in error.options)) from None
    reasons = dict.fromkeys(sorted(spelling.repeated), "it is given again, and the last value holds")
    reasons |= unused(options, spelling.written)
    idle = tuple((spelling.written[name], reason) for name, reason in reasons.items())
    return replace(_settings(options), unused=idle)


def _with_file(options: argparse.Namespace, spelling: Spelling, parser: OptionParser) -> argparse.Namespace:
    """Return the options with those of the home's file, over which the command line's win.

    The file is for all runs of the home: an option of it that does not go with the command line is left out.
    Raises UsageError for one that is wrong, with its line.
    """
    lines = _of_file(_home(options).options_file, parser)
    while lines:
        words = [word for line in lines for word in line.words]
        in_file = Spelling(words, parser.actions)
        options = _parsed(parser, spelling, _parsed(parser, in_file))
        try:
            check_combination(options, {*spelling.written, *in_file.written})
        except UsageError as error:
            fitting = [line for line in lines if not {*Spelling(line.words, parser.actions).written} & {*error.options}]
            if len(fitting) < len(lines):
                lines = fitting
                options = _parsed(parser, spelling)
                continue
        break
    return options


def _of_file(path: Path, parser: OptionParser) -> list[Line]:
    """Return the lines of the file, each of which the parser takes. Raises UsageError for another one."""
    lines = read_options(path)
    for line in lines:
        spelling = Spelling(line.words, parser.actions)
        try:
            _check_text(line.words)
            if unfit := NOT_IN_FILE.intersection(spelling.written):
                raise UsageError("{} belongs on the command line", min(unfit))
            _parsed(parser, spelling)
        except UsageError as error:
            raise UsageError(f"{path}, line {line.number}: {error.with_names(spelling.written)}") from None
    return lines


def _parsed(parser: OptionParser, spelling: Spelling, values: argparse.Namespace | None = None) -> argparse.Namespace:
    try:
        options, unknown = parser.parse_known_args(spelling.words, values)
    except argparse.ArgumentError as error:
        name = next(
            action.option_strings[-1]
            for action in parser.actions
            if "/".join(action.option_strings) == error.argument_name
        )
        # argparse shows the value of an option that takes none, which may be a secret.
        reason = next((text for start, text in _REASONS.items() if error.message.startswith(start)), error.message)
        if error.message.startswith("expected") and spelling.is_before_hyphen(name):
            reason += "; write one that begins with a hyphen behind ="
        raise UsageError.of_value(name, reason) from None
    _refuse(unknown, spelling)
    return options


def _refuse(unknown: Sequence[str], spelling: Spelling) -> None:
    """Raise UsageError for words that no option takes. Values are not shown: one may be a secret."""
    names = [word.partition("=")[0] if word.startswith("--") else word[:3] for word in unknown if word[:1] == "-"]
    if names:
        hints = dict.fromkeys(map(spelling.suggestion, names))
        noun = "option" if len(names) == 1 else "options"
        raise UsageError(f"unknown {noun}: {' '.join(names)}.{''.join(hints)}".removesuffix("."))
    if unknown:
        raise UsageError(_about_value(unknown[0], spelling))


def _about_value(word: str, spelling: Spelling) -> str:
    """Return the text about a word that belongs to no option, which may be a secret."""
    if option := spelling.without_dashes(word):
        return f"unexpected argument: {word}. Did you mean {option}?"
    if word.startswith(_DASHES):
        return "an option begins with a dash that is no hyphen: write - or --"
    return "a value belongs to no option: a bucket is given as -b NAME, and a value that holds spaces needs quotes"


def _check_text(arguments: Sequence[str]) -> None:
    """Raise UsageError for bytes that are not text, which AWS would refuse much later, and for dashes.

    argparse takes the dashes of `--bucket=--` away, and leaves a list in the value's place.
    """
    try:
        "".join(arguments).encode()
    except UnicodeEncodeError:
        raise UsageError("the arguments are not valid UTF-8") from None
    for word in arguments:
        option, _, value = word.partition("=")
        if value == "--" and option.startswith("-"):
            raise UsageError.of_value(option, "'--' is no value")


def _settings(options: argparse.Namespace) -> Settings:
    home = _home(options)
    state_dir = options.state_dir or home.module_folder
    return Settings(
        job=_job(options),
        access=_access(options),
        output=_output(options, home),
        state_dir=state_dir,
        debug=options.debug,
        workers=options.workers or len(os.sched_getaffinity(0)),
        purpose=options.purpose,
        as_json=options.json,
        metrics_file=options.metrics_file or (state_dir / _METRICS if options.metrics_listen else None),
        metrics_listen=options.metrics_listen,
        max_events=options.max_events,
        json_lines=options.log_format == "json",
        keeps_running=(options.daemon or options.follow) and options.purpose is Purpose.COLLECT,
    )


def _output(options: argparse.Namespace, home: WazuhHome) -> Output:
    output: Output = options.output or Output("unix", home.events)
    return replace(output, pretty=options.pretty)


def _home(options: argparse.Namespace) -> WazuhHome:
    return WazuhHome(options.wazuh_home) if options.wazuh_home else WazuhHome.of_this_machine()


def _job(options: argparse.Namespace) -> Job:
    if options.bucket is not None:
        return _bucket_job(options)
    if options.service is not None:
        return _service_job(options)
    if options.status:
        return StatusJob(options.json, options.max_behind, options.config)
    if options.config is not None:
        return ConfiguredJob(
            options.config, options.daemon, options.lookback_days, options.retry_failed, options.discover
        )
    return SubscriberJob(
        name=options.subscriber,
        queue=options.queue or "",
        type=None if options.type is None else TYPE_ALIASES.get(options.type, options.type),
        follow=options.follow,
        account_alias=options.aws_account_alias,
        regions=options.regions,
        skip_on_error=options.skip_on_error,
        discard=_discard(options),
    )


def _bucket_job(options: argparse.Namespace) -> BucketJob:
    return BucketJob(
        source=BucketLocation(
            type=DEFAULT_TYPE if options.type is None else TYPE_ALIASES.get(options.type, options.type),
            bucket=options.bucket,
            path=options.trail_prefix.path,
            suffix=options.trail_suffix.path,
            organization=options.aws_organization_id,
            layout=options.layout or "",
        ),
        accounts=options.aws_account_id,
        regions=options.regions,
        only_logs_after=options.only_logs_after,
        lookback_days=options.lookback_days,
        reparse=options.reparse,
        retry_failed=options.retry_failed,
        remove=options.remove,
        skip_on_error=options.skip_on_error,
        account_alias=options.aws_account_alias,
        discard=_discard(options),
        path_as_given=options.trail_prefix.as_given,
        limit=options.limit,
        until=options.until,
        discover=options.discover,
    )


def _service_job(options: argparse.Namespace) -> ServiceJob:
    return ServiceJob(
        name=options.service,
        regions=options.regions,
        log_groups=options.aws_log_groups,
        only_logs_after=options.only_logs_after,
        reparse=options.reparse,
        remove_log_streams=options.remove_log_streams,
        envelope=options.cloudwatch_envelope,
        skip_on_error=options.skip_on_error,
        discard=_discard(options),
        limit=options.limit,
    )


def _discard(options: argparse.Namespace) -> DiscardRule | None:
    return DiscardRule(options.discard_field, options.discard_regex) if options.discard_regex else None


def _access(options: argparse.Namespace) -> Access:
    return Access(
        profile=options.aws_profile,
        access_key=options.access_key,
        secret_key=options.secret_key,
        role_arn=options.iam_role_arn,
        role_duration=options.iam_role_duration,
        external_id=options.external_id,
        sts_endpoint=options.sts_endpoint,
        service_endpoint=options.service_endpoint,
    )
