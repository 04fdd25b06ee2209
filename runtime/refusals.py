"""What an operator is told when Temporal cannot be used: one sentence in both languages that names the setting.

The client has one error for everything that goes wrong while connecting, so its words are read here and nowhere else.
Only what waiting cannot mend counts as refused; a server that is away or closes the connection may be starting."""

from runtime.settings import OperatorError


class TemporalUnreachable(OperatorError):
    """No connection to Temporal now; it may come by itself."""


class TemporalStarting(TemporalUnreachable):
    """Temporal's port is open, its services are not up yet: some seconds mend it."""


class TemporalRefused(TemporalUnreachable):
    """Temporal answers and will not have us as the settings are."""


_REFUSALS = (
    (
        ("code: Unauthenticated", "code: PermissionDenied"),
        "不接受这个身份：检查 BAOQI_TEMPORAL_API_KEY 与命名空间的权限。",
        "does not accept who we are: check BAOQI_TEMPORAL_API_KEY and its rights in the namespace.",
    ),
    (
        ("NotValidForName",),
        "的证书是另一个名字的：设置 BAOQI_TEMPORAL_TLS_SERVER_NAME。",
        "shows a certificate for another name: set BAOQI_TEMPORAL_TLS_SERVER_NAME.",
    ),
    (
        ("InvalidCertificate",),
        "的证书不受信任：检查 BAOQI_TEMPORAL_TLS_CA。",
        "shows a certificate that is not trusted: check BAOQI_TEMPORAL_TLS_CA.",
    ),
    (
        ("InvalidContentType",),
        "不使用 TLS：去掉 BAOQI_TEMPORAL_TLS* 与 API key,或改用它的 TLS 端口。",
        "does not speak TLS: leave out BAOQI_TEMPORAL_TLS* and the API key, or name its port for TLS.",
    ),
)


def refusal(said: str, address: str) -> TemporalUnreachable:
    """The client's words `said` about `address` as an error for the operator; the words themselves stay in it."""
    for signs, zh, en in _REFUSALS:
        if any(sign in said for sign in signs):
            return TemporalRefused(f"Temporal({address}){zh} Temporal at {address} {en} [{said[-160:]}]")
    if "not healthy yet" in said:
        return TemporalStarting(
            f"Temporal({address})正在启动，请稍候再试。 Temporal at {address} is starting; try again in a moment. "
            f"[{said[-160:]}]"
        )
    if "after connection" in said:
        return TemporalUnreachable(
            f"Temporal({address})随即断开连接：它可能要求 TLS 或客户端证书，检查 BAOQI_TEMPORAL_TLS、"
            "BAOQI_TEMPORAL_TLS_CERT 与 BAOQI_TEMPORAL_TLS_KEY。 "
            f"Temporal at {address} closes the connection: it may ask for TLS or for a client certificate that it "
            "knows; check BAOQI_TEMPORAL_TLS, BAOQI_TEMPORAL_TLS_CERT and BAOQI_TEMPORAL_TLS_KEY. "
            f"[{said[-160:]}]"
        )
    return TemporalUnreachable(
        f"连不上 Temporal({address}):检查 BAOQI_TEMPORAL_ADDRESS 与网络。 "
        f"Temporal cannot be reached at {address}: check BAOQI_TEMPORAL_ADDRESS and the network. [{said[-160:]}]"
    )


def not_allowed(what: str, namespace: str, said: str) -> TemporalRefused:
    """Temporal does not let us register what we need; on a managed cloud its administrator does that by hand."""
    return TemporalRefused(
        f"Temporal 不允许登记 {what}:请其管理员在命名空间 {namespace} 中手工建立。 "
        f"Temporal does not let us register {what}: its administrator makes it by hand in the namespace {namespace}. "
        f"[{said[:160]}]"
    )
