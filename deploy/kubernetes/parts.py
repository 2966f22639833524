"""What the manifests share: who the services are, whom each calls, and what an operator may set."""

from dataclasses import dataclass
from typing import Any, Final

from deploy.kubernetes.rendering import Text, Value

PART_OF: Final = "tocsin"
IDENTITY: Final = 10001
"""The user and group of the image."""
MESH: Final = "/var/run/tocsin/mesh"
"""Where a container finds its certificate, and those of the authorities that it trusts."""

IMAGE: Final = Value("image", "tocsin:local")
PULL: Final = Value("imagePullPolicy", "IfNotPresent")
TRUST_DOMAIN: Final = Value("trustDomain", "tocsin.local")
AUTOSCALED: Final = ".Values.autoscaling.enabled"
QUEUE_SCALED: Final = ".Values.keda.enabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One of the five.

    Attributes:
        name: the package, which is also on its certificate.
        port: of gRPC.
        metrics_port: of metrics and probes.
        calls: the services that it calls.
        has_database: whether it has a schema of its own.
        has_secret: whether it derives keys from the secret of the installation.
        reaches_out: whether it calls addresses outside: mail servers, webhooks, identity providers.
        cpu: what it is given for certain, in millicores.
        memory: the same in MiB; the bound is twice that.
    """

    name: str
    port: int
    metrics_port: int
    calls: tuple[str, ...]
    has_database: bool = True
    has_secret: bool = False
    reaches_out: bool = False
    cpu: int = 250
    memory: int = 256

    @property
    def short(self) -> str:
        """As in the names of resources and settings."""
        return self.name.removesuffix("_svc")

    @property
    def resource(self) -> str:
        """The name of its resources."""
        return f"{PART_OF}-{self.short}"

    @property
    def replicas(self) -> Value:
        """How many there are, unless something scales them."""
        scaled = QUEUE_SCALED if self.short in ("processor", "mailer") else AUTOSCALED if self.short in ("gateway", "auth") else ""
        return Value(f"replicas.{self.short}", 1, unless=scaled)

    @property
    def resources(self) -> Value:
        """What it is given of a node."""
        limits = {"memory": f"{2 * self.memory}Mi"}
        return Value(f"resources.{self.short}", {"requests": {"cpu": f"{self.cpu}m", "memory": f"{self.memory}Mi"}, "limits": limits})


SERVICES: Final = (
    Service(
        name="gateway",
        port=8001,
        metrics_port=9100,
        calls=("auth_svc", "scheduler_svc", "processor_svc", "mailer_svc"),
        has_database=False,
        cpu=500,
    ),
    Service(name="auth_svc", port=9001, metrics_port=9101, calls=("mailer_svc",), has_secret=True, reaches_out=True),
    Service(name="scheduler_svc", port=9002, metrics_port=9102, calls=("auth_svc", "processor_svc", "mailer_svc"), cpu=500, memory=384),
    Service(name="processor_svc", port=9003, metrics_port=9103, calls=("auth_svc", "scheduler_svc", "mailer_svc"), reaches_out=True),
    Service(
        name="mailer_svc",
        port=9004,
        metrics_port=9104,
        calls=("auth_svc", "scheduler_svc", "processor_svc"),
        has_secret=True,
        reaches_out=True,
    ),
)


def service(name: str) -> Service:
    """The service of a name."""
    return next(each for each in SERVICES if each.name == name)


def labels(component: str) -> dict[str, str]:
    """What tells the resources of a component from others."""
    return {"app.kubernetes.io/name": PART_OF, "app.kubernetes.io/component": component}


def metadata(name: str, component: str) -> dict[str, Any]:
    """The name and labels of a resource."""
    return {"name": name, "labels": {**labels(component), "app.kubernetes.io/part-of": PART_OF}}


def spiffe_id(of: Service) -> Text:
    """How a service is called in its certificate."""
    return Text(f"spiffe://{{}}/{of.name}", TRUST_DOMAIN)
