"""Wiring: the parts of one collection from a service, and its regions in turn."""

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from datetime import datetime

from aws_s3.aws.service_api import ServiceApi
from aws_s3.aws.session import Session, known_regions
from aws_s3.config.log_groups import LogGroupSelection
from aws_s3.errors import (
    CollectorError,
    CredentialsError,
    DeniedError,
    EndpointError,
    RequestError,
    ThrottledError,
    UnknownRegionError,
)
from aws_s3.pipeline.delivery import Delivery, limited
from aws_s3.pipeline.pacing import pacing
from aws_s3.pipeline.prefetch import DaemonExecutor
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.sinks import open_sink
from aws_s3.pipeline.stats import RunStats
from aws_s3.services import SERVICES
from aws_s3.services.base import Context, Service
from aws_s3.services.log_group import STREAMS_AT_ONCE
from aws_s3.settings import ServiceJob, Settings
from aws_s3.state.locks import Locks
from aws_s3.state.service_state import ServiceState

log = logging.getLogger(__name__)

Fail = Callable[[CollectorError], None]

LOCKS = "aws_services.lock"
_ENDS_REGION = (CredentialsError, EndpointError, ThrottledError, RequestError)


def collect_service(
    settings: Settings, job: ServiceJob, stop_request: StopRequest, began: datetime, stats: RunStats
) -> int:
    """Collect from a service's API once, and return the exit code. `began` is now, UTC."""
    service_type = SERVICES[job.name]
    session = Session(settings.access, job.regions)
    regions = regions_of(session, job, service_type)
    failures: list[CollectorError] = []

    def fail(error: CollectorError) -> None:
        failures.append(error)
        stats.count(error)
        log.error("%s", error)

    with ExitStack() as opened:
        sink = opened.enter_context(closing(open_sink(settings.output, stop_request.check)))
        pacer = opened.enter_context(pacing(settings.output, settings.max_events, stop_request, stats))
        context = Context(
            connect=lambda region, rate: ServiceApi(session.client(service_type.api, region), rate, stats.requests.add),
            account=session.account,
            fail=fail,
            state=opened.enter_context(
                closing(ServiceState(settings.state_dir, is_stopping=lambda: stop_request.is_set))
            ),
            locks=opened.enter_context(closing(Locks(settings.state_dir / LOCKS))),
            delivery=Delivery(sink, stop_request, stats, limited(pacer, job.limit)),
            requests=DaemonExecutor(STREAMS_AT_ONCE, "request"),
            stop_request=stop_request,
            began=began,
            stats=stats,
        )
        service = service_type(job, context)
        if regions:
            _collect(service, regions, fail)
        else:
            _collect_everywhere(service, session.service_regions(service_type.api), fail)
        service.finish()
    return failures[0].exit_code if failures else 0


def regions_of(session: Session, job: ServiceJob, service: type[Service]) -> Sequence[str]:
    """Return the regions of the option, else the region of the endpoint, profile or environment; or none."""
    known = known_regions() if service.is_everywhere else session.service_regions(service.api)
    if unknown := set(job.regions).difference(known):
        raise UnknownRegionError(
            f"Unknown region: {', '.join(sorted(unknown))}. Check --regions, and where AWS has {job.name}."
        )
    groups = [LogGroupSelection.parse(group) for group in job.log_groups]
    of_arns = {group.region for group in groups if group.region}
    if job.regions or (groups and all(group.region for group in groups)):
        return sorted({*job.regions, *of_arns})
    try:
        return sorted({session.client(service.api).meta.region_name, *of_arns})
    except UnknownRegionError:
        return []


def _collect(service: Service, regions: Sequence[str], fail: Fail) -> None:
    """Collect the regions; a region that cannot be read does not stop the others."""
    for region in regions:
        log.debug('+++ Getting alerts from "%s" region.', region)
        try:
            service.collect(region)
        except _ENDS_REGION as error:
            fail(error)


def _collect_everywhere(service: Service, regions: Sequence[str], fail: Fail) -> None:
    """Collect all regions of the AWS partition; pass over opt-in regions, which refuse the credentials."""
    log.info("Neither --regions nor the profile gives a region: collecting from all of them: %s", ", ".join(regions))
    refusals: list[CollectorError] = []

    def pass_over_or_fail(error: CollectorError) -> None:
        if isinstance(error, CredentialsError) and not isinstance(error, DeniedError):
            refusals.append(error)
            log.info("%s The region is passed over.", error)
        else:
            fail(error)

    _collect(service, regions, pass_over_or_fail)
    if len(refusals) == len(regions):
        fail(refusals[-1])
