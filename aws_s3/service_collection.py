"""Wiring: the parts of one collection from a service, and its regions one after the other."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import datetime

from aws_s3.errors import CollectorError, CredentialsError, EndpointError, ThrottledError, UnknownRegionError
from aws_s3.fetch import DaemonExecutor
from aws_s3.interruption import Interruption
from aws_s3.service_api import DeniedError, RequestError, ServiceApi
from aws_s3.services import SERVICES
from aws_s3.services.base import Service, Surroundings
from aws_s3.services.log_group import STREAMS_AT_ONCE
from aws_s3.session import Session, known_regions
from aws_s3.settings import ServiceJob, Settings
from aws_s3.sink import open_sink
from aws_s3.state.locks import Locks
from aws_s3.state.services import ServiceState

log = logging.getLogger(__name__)

_LOCKS = "aws_services.lock"
_ENDS_REGION = (CredentialsError, EndpointError, ThrottledError, RequestError)


def collect_service(settings: Settings, job: ServiceJob, interruption: Interruption, began: datetime) -> int:
    """Collect from a service's API once, and return the exit code. `began` is now, UTC."""
    service_type = SERVICES[job.name]
    session = Session(settings.access, job.regions)
    regions = _regions(session, job, service_type.api)
    failures: list[CollectorError] = []

    def fail(error: CollectorError) -> None:
        failures.append(error)
        log.error("%s", error)

    with ExitStack() as opened:
        surroundings = Surroundings(
            connect=lambda region, rate: ServiceApi(session.client(service_type.api, region), rate),
            account=session.account,
            fail=fail,
            state=opened.enter_context(closing(ServiceState(settings.state_dir))),
            locks=opened.enter_context(closing(Locks(settings.state_dir / _LOCKS))),
            sink=opened.enter_context(closing(open_sink(settings.output, interruption.check))),
            requests=DaemonExecutor(STREAMS_AT_ONCE, "request"),
            interruption=interruption,
            began=began,
        )
        service = service_type(job, surroundings)
        if regions:
            _collect(service, regions, surroundings)
        else:
            _collect_everywhere(service, session.service_regions(service_type.api))
        service.finish()
    return failures[0].exit_code if failures else 0
