"""What agents, coordinators and edges say to each other, as JSON over HTTP.

Shapes are those of the system that the seed describes, in all its generations, plus our additions. Lenient:
unknown keys are dropped, an old agent's habits (no id, no URL, `null` for the default) are understood.
Strict: every size is bounded and whatever is routed by (URLs, ports, names) is checked.
Errors are pydantic's ValidationError.
"""

import logging
from typing import Annotated, Any, Literal

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from edgeproxy.cluster.services import WorkerType
from edgeproxy.cluster.urls import path, service_url, worker_url

log = logging.getLogger(__name__)

MAX_TEXT = 2048  # characters of any string
MAX_SERVICES = 64  # services of one worker; the catalogue has 14
MAX_KEYS = 64  # keys of a capabilities object; real agents send about a dozen
MAX_OBJECT = 16 * 1024  # bytes of a capabilities object as JSON
MAX_WORKERS = 100_000  # records of one list

ServiceStatus = Literal["starting", "healthy", "unhealthy"]
WorkerStatus = Literal["healthy", "degraded", "offline"]


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


def _or_default(default: object) -> BeforeValidator:
    """Old agents send null where they mean the default."""
    return BeforeValidator(lambda value: default if value is None else value)


def _informative(default: object) -> WrapValidator:
    """A field that only people read: a wrong value is worth no error, it is left out."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            return default

    return WrapValidator(validate)


def _bounded_object(value: dict[str, Any]) -> dict[str, Any]:
    if len(value) > MAX_KEYS:
        raise ValueError(f"more than {MAX_KEYS} keys")
    try:
        size = len(orjson.dumps(value))
    except (TypeError, ValueError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if size > MAX_OBJECT:
        raise ValueError(f"longer than {MAX_OBJECT} bytes")
    return value


def _valid_only(model: type[BaseModel], limit: int) -> BeforeValidator:
    """Of a list, the entries that are valid: wrong ones cost themselves and one log line, never the list."""

    def keep(items: Any) -> Any:
        if not isinstance(items, list):
            return items
        if len(items) > limit:
            raise ValueError(f"more than {limit} entries")
        return _keep(model, items)

    return BeforeValidator(keep)


def _keep(model: type[BaseModel], items: list[Any]) -> list[BaseModel]:
    kept, faults = [], []
    for item in items:
        try:
            kept.append(item if isinstance(item, model) else model.model_validate(item))
        except ValidationError as error:
            faults.append(first_fault(error))
    if faults:
        log.warning("left out %d wrong %s of %d, the first: %s", len(faults), model.__name__, len(items), faults[0])
    return kept


def _reports(value: Any) -> Any:
    """`services` of an older generation tells what is installed (`{name, container, port, health, version}`),
    not what runs: an entry without `service_url` is no report."""
    if not isinstance(value, list):
        return value
    reports = [item for item in value if not isinstance(item, dict) or "service_url" in item]
    return None if value and not reports else reports


def first_fault(error: ValidationError) -> str:
    """One line for a person: where the first fault is and what it is. The input is not repeated."""
    fault = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where}: {fault['msg']}"[:300] if where else fault["msg"][:300]


Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
WorkerId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._:@+-]{0,199}$")]
ServiceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Url = Annotated[str, AfterValidator(worker_url)]
ServiceUrl = Annotated[str, AfterValidator(service_url)]
OptionalUrl = Annotated[Url | None, BeforeValidator(_none_if_empty)]
OptionalText = Annotated[Text | None, BeforeValidator(_none_if_empty)]
HealthPath = Annotated[Text, AfterValidator(path)]
Port = Annotated[int, Field(ge=1, le=65535)]
Names = Annotated[list[ServiceName], Field(max_length=MAX_SERVICES)]
Object = Annotated[dict[Text, Any], AfterValidator(_bounded_object)]
Load = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False), _or_default(0.0)]
# neither a busy loop nor an agent asleep for good
Interval = Annotated[float, Field(ge=0.05, le=3600, allow_inf_nan=False)]
ReverseKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Nonce = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{16,64}$")]


class Message(BaseModel):
    """Base of every message: unknown keys are dropped, values do not change after they were checked."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ServiceReport(Message):
    """One service that a worker really runs. Requests go to `service_url`; `health_path` is below it.
    `weight` is its share beside others of the service, `slots` how many requests it takes at once (0: any number)."""

    name: ServiceName
    service_url: ServiceUrl
    port: Port | None = None
    health_path: HealthPath = "/health"
    weight: Annotated[float, Field(ge=0.01, le=1000, allow_inf_nan=False), _or_default(1.0), _informative(1.0)] = 1.0
    slots: Annotated[int, Field(ge=0, le=100_000), _or_default(0), _informative(0)] = 0
    status: ServiceStatus = "healthy"


class ServiceConfig(Message):
    """One service that a worker is told to run."""

    name: ServiceName
    port: Port
    priority: int = 1


class Container(Message):
    """The same as ServiceConfig in the words of the first agents, which index `name` and `port`."""

    name: ServiceName
    image: Text = ""
    port: Port
    env: dict[str, str] = {}


Reports = Annotated[list[ServiceReport], Field(max_length=MAX_SERVICES)]
ValidReports = Annotated[list[ServiceReport], _valid_only(ServiceReport, MAX_SERVICES)]


class Life(Message):
    """Which start of the agent (`incarnation` rises with each) and which registration in it: of two the greater is the
    worker's present one, wherever they were made."""

    incarnation: Annotated[int, Field(ge=0, lt=2**53)]
    home_epoch: Annotated[int, Field(ge=0, lt=2**53)] = 0


class Registration(Message):
    """POST /api/worker/register. `services` None: an old agent, which runs what it is assigned, all
    of it at `tunnel_url`. `runnable` None: it can run every service of its type. `reverse_key` is the SHA-256 of the
    token by which it dials in at edges; the token itself stays with it."""

    worker_id: Annotated[WorkerId | None, BeforeValidator(_none_if_empty)] = None
    tunnel_url: OptionalUrl = None
    vpn_ip: Annotated[Text | None, _informative(None)] = None
    region: OptionalText = None
    capabilities: Object
    services: Annotated[Reports | None, BeforeValidator(_reports)] = None
    containers: Annotated[ValidReports | None, BeforeValidator(_reports)] = None
    runnable: Names | None = None
    reverse_key: ReverseKey | None = None
    life: Annotated[Life | None, _informative(None)] = None


class RegistrationAnswer(Message):
    """What the coordinator answers to a registration; `heartbeat_interval` in seconds. `session` only if it was
    signed (`proof`)."""

    status: Text = "registered"
    worker_id: WorkerId
    worker_type: WorkerType
    tier: int
    assigned_services: Names = []
    assigned_containers: Annotated[list[Container], _valid_only(Container, MAX_SERVICES)] = []
    service_configs: Annotated[list[ServiceConfig], Field(max_length=MAX_SERVICES)] = []
    heartbeat_interval: Interval = 30.0
    incarnation: int | None = None
    session: Text | None = None
    message: Text = ""


class Challenge(Message):
    """GET /v1/challenge: what a registration must be signed with, see `proof`. Names, nonce and keys in base64url;
    `signature` is the coordinator's."""

    coordinator: Text
    nonce: Text
    exchange: Text
    signature: Text


class Heartbeat(Message):
    """POST /api/worker/heartbeat. The fields after `services` are older agents', for dashboards. `incarnation`
    is from the answer to the registration: one of an earlier life is refused."""

    worker_id: WorkerId
    incarnation: Annotated[int | None, Field(ge=0, le=2**53)] = None
    status: Annotated[Text, _or_default("healthy")] = "healthy"
    current_load: Load = 0.0
    services: Annotated[Reports | None, BeforeValidator(_reports)] = None
    available_memory: Annotated[Text | None, _informative(None)] = None
    # by factory: pydantic copies other defaults deeply, with every heartbeat
    loaded_models: Annotated[list[Text], Field(max_length=MAX_SERVICES), _informative([])] = Field(default_factory=list)
    active_requests: Annotated[int, Field(ge=0, le=10**9), _informative(0)] = 0
    gpu_utilization: Annotated[float | None, Field(allow_inf_nan=False), _informative(None)] = None
    services_status: Annotated[Object, _informative({})] = Field(default_factory=dict)
    specialization: Annotated[Text | None, _informative(None)] = None


class HeartbeatAnswer(Message):
    """What the coordinator answers to a heartbeat: the assignment as it stands now. `move_to`: it leaves, and this
    coordinator will take the worker."""

    status: Text = "ok"
    assigned_services: Names = []
    service_configs: Annotated[list[ServiceConfig], Field(max_length=MAX_SERVICES)] = []
    heartbeat_interval: Interval = 30.0
    move_to: Annotated[OptionalUrl, _informative(None)] = None


class WorkerSeen(Message):
    """What an edge saw of one endpoint since its last report: requests sent, those that failed by the worker's doing,
    the latency that it expects (seconds to the first byte), and whether it leaves the worker out at the moment."""

    service: ServiceName
    url: Url
    requests: Annotated[int, Field(ge=0, le=10**12)]
    failures: Annotated[int, Field(ge=0, le=10**12)]
    latency: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] = 0.0
    left_out: bool = False


class EdgeReport(Message):
    """POST /api/edge/report, every few seconds from each edge host. `edge_id` is as long-lived as the process."""

    edge_id: WorkerId
    region: OptionalText = None
    seconds: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)]
    workers: Annotated[list[WorkerSeen], _valid_only(WorkerSeen, MAX_WORKERS)]


class EdgeReportAnswer(Message):
    """What the coordinator answers to an EdgeReport; `heartbeat_interval` in seconds."""

    status: Text = "ok"
    heartbeat_interval: Interval = 10.0


class WorkerRecord(Message):
    """One worker as the list tells it, read by the edge. Times are ISO 8601 in UTC, for people."""

    worker_id: WorkerId
    tunnel_url: OptionalUrl = None
    worker_type: Text = ""
    tier: int = 0
    status: Annotated[WorkerStatus, BeforeValidator(lambda v: "healthy" if v == "online" else v)] = "healthy"
    assigned_services: Annotated[Names, _or_default([])] = []
    services: Annotated[ValidReports | None, BeforeValidator(_reports)] = None
    region: OptionalText = None
    current_load: Load = 0.0
    reverse_key: Annotated[ReverseKey | None, _informative(None)] = None


class WorkerList(Message):
    """GET /api/coordinator/workers. `services` are the names in the coordinator's catalogue,
    `settled` is false while it is too young to know every worker (None: it does not say); `gone` are those of whom it
    knows even then that they are no more,
    `etag` is from the head."""

    workers: Annotated[list[WorkerRecord], _valid_only(WorkerRecord, MAX_WORKERS)]
    services: Annotated[list[ServiceName], Field(max_length=4096)] = []
    settled: bool | None = None
    gone: Annotated[list[WorkerId], Field(max_length=MAX_WORKERS)] = []
    etag: str | None = None


class DialBack(Message):
    """POST /api/worker/dial-back: "can I be reached where I seem to be, at this port?" Whoever listens there proves
    to be the asker by answering `GET /.well-known/edgeproxy/{nonce}` with the nonce."""

    port: Port
    nonce: Nonce


class DialBackAnswer(Message):
    """`address`: where the asker seems to be, None if proxies stand between. `reachable` None: it was not tried."""

    address: Text | None = None
    reachable: bool | None = None
    reason: Text = ""


class Observation(Message):
    """What a proxy saw of one worker: its load, 1.0 is full."""

    worker_id: WorkerId
    load: Load


class Observations(Message):
    """POST /v1/observations, by an edge that holds the join secret."""

    workers: Annotated[list[Observation], Field(max_length=1000)]


class Change(Message):
    """One event of the change feed; `kind` is a word of the coordinator's, of which there may be new ones."""

    revision: int
    kind: Text
    at: Text = ""
    worker_id: WorkerId | None = None
    status: Text | None = None
    detail: Text = ""


class Changes(Message):
    """GET /v1/events. `mark` is where to go on; `reset`: some are lost, read the list."""

    mark: Text
    reset: bool = False
    events: Annotated[list[Change], _valid_only(Change, 10_000)] = []
